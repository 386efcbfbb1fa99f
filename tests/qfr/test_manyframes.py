"""Many frames of one vessel that moves: which are used, and what they take off the error."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from hemo.qfr.contours import Trace, TraceOptions, traced
from hemo.qfr.manyframes import FollowOptions
from hemo.tree import arc_length
from tests.qfr.rendering import Tube, arc, counted, lesion, render

Array = np.ndarray
BENT = arc((90.0, 210.0), 150.0, -0.5 * np.pi - 0.2, -0.2)
MIDDLE = 0.5 * float(arc_length(BENT)[-1])
CALIBRE = lesion(5.0, 0.6, MIDDLE, 40.0)
SHAPE, ABSORPTION = (200, 260), 0.03


def cloudy(column: Array, row: Array) -> Array:
    return 1.0 + 0.15 * np.sin(column / 31.0) * np.cos(row / 23.0) + 0.001 * column


def moved(line: Array, shift: tuple[float, float], turn: float = 0.0, bend: float = 0.0) -> Array:
    """Shifted and turned about its middle (radians), and bent at its end by so many pixels."""
    about = line - line.mean(axis=0)
    turned = about @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    far = np.linspace(0.0, 1.0, len(line))[:, None] ** 2
    return turned + line.mean(axis=0) + np.array(shift) + bend * far * np.array([1.0, 0.0])


def frame(line: Array, seed: int, absorption: float = ABSORPTION) -> Array:
    dose = render([Tube(line, CALIBRE)], SHAPE, absorption=absorption, blur=0.8, background=cloudy)
    return counted(dose, 0.03, seed)


STILL = [moved(BENT, (2.0 * k, -1.5 * k), 0.004 * k) for k in range(-3, 4)]


def points() -> Array:
    return BENT[[200, len(BENT) // 2, -200]]


def throat(found: Trace) -> float:
    near = np.abs(found.contours.midline - BENT[len(BENT) // 2]).max(axis=1) < 12.0
    return float(found.contours.width[near].min())


def test_frames_of_a_vessel_that_is_shifted_and_turned_take_the_noise_off() -> None:
    alone, together, count = [], [], []
    for seed in range(2):
        own = frame(BENT, 100 + seed)
        others = [frame(line, 10 * seed + k) for k, line in enumerate(STILL)]
        alone.append(traced(own, points()))
        together.append(traced(own, points(), others=others))
        count.append(together[-1].frames)
    assert min(count) >= 7
    assert np.abs([throat(one) - 4.0 for one in together]).max() < 0.35
    assert np.mean([one.error.mean() for one in together]) < 0.55 * np.mean([one.error.mean() for one in alone])
    scatter = [np.std(np.concatenate([off(one) for one in found])) for found in (alone, together)]
    assert scatter[1] < 0.75 * scatter[0]


def off(found: Trace) -> Array:
    """(n,) widths less the truth, pixels."""
    _, nearest = cKDTree(BENT).query(found.contours.midline)
    return found.contours.width - 2.0 * CALIBRE(arc_length(BENT)[nearest])


@pytest.mark.parametrize("what", ["bent", "empty", "far"])
def test_frames_that_show_another_shape_or_no_contrast_are_left_out(what: str) -> None:
    line = {"bent": moved(BENT, (0.0, 0.0), bend=9.0), "empty": BENT, "far": moved(BENT, (0.0, 40.0))}[what]
    others = [frame(line, seed, 0.012 if what == "empty" else ABSORPTION) for seed in range(3)]
    found = traced(frame(BENT, 7), points(), others=others)
    assert found.frames == 1


def test_a_black_frame_is_passed_over() -> None:
    found = traced(frame(BENT, 1), points(), others=[np.zeros(SHAPE), np.full(SHAPE, 7.0), frame(BENT, 2)])
    assert found.frames == 2


def test_one_frame_alone_can_be_asked_for() -> None:
    own, others = frame(BENT, 1), [frame(BENT, 2)]
    options = TraceOptions(follow=FollowOptions(most=1))
    assert traced(own, points(), options, others).contours.width == pytest.approx(traced(own, points()).contours.width)
    assert traced(own, points(), others=others).frames == 2
