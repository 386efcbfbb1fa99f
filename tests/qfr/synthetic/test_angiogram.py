"""Whole angiograms: what is measured on noise-free frames is what the truth says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.qfr.camera import Camera
from hemo.qfr.synthetic.angiogram import AngiogramOptions, angiogram
from hemo.qfr.synthetic.detector import DetectorOptions
from hemo.qfr.synthetic.motion import MotionOptions
from hemo.qfr.synthetic.scene import SceneOptions
from hemo.qfr.synthetic.transport import Injection
from hemo.qfr.synthetic.truth import first_above
from hemo.results import BranchFlow, Status, TreeFlow
from hemo.tree import Branch, VesselTree

Array = NDArray[Any]
RADIUS = 1.4e-3
VIEW = Camera(np.radians(-30.0), np.radians(20.0), 1.1, 0.75, (2e-4, 2e-4), (256, 256), (0.002, -0.001, 0.0015))
BARE = SceneOptions(tissue=0.0, bone=0.0, markings=0.0, twigs=0.0, catheter=0.0)
CLEAN = DetectorOptions(
    quanta=np.inf, electronic=0.0, scatter=0.0, shutter=0.0, bits=16, logarithmic=True, focal_spot=0.0, spread=0.0
)
STILL = MotionOptions(translation=(0.0, 0.0, 0.0), bending=0.0, breath=0.0)
OPTIONS = AngiogramOptions(duration=3.0, scene=BARE, detector=CLEAN, motion=STILL)


def vessel() -> tuple[VesselTree, dict[str, Array]]:
    """A straight vessel across the beam; the blood takes 0.9 s through it."""
    across = VIEW.axes[1]
    points = np.linspace(-0.014, 0.014, 113)[:, None] * across
    sizes = np.full(113, RADIUS)
    branch = Branch("A", points, sizes, np.pi * sizes**2, sizes)
    return VesselTree("t", (branch,)), {"A": np.full(113, np.pi * RADIUS**2 * 0.028 / 0.9)}


def absorption(frames: Array) -> Array:
    """Nepers from logarithmic frames that span 4, against the first, which has no contrast."""
    grey = frames.astype(float) / 65535 * 4.0
    return grey[0] - grey


def test_the_vessels_absorption_is_iodine_times_chord() -> None:
    cine, truth = angiogram(*vessel(), VIEW, OPTIONS)
    frame = 30
    dark = absorption(cine.frames)[frame]
    midline = truth.contours("A", frame).midline
    middle = midline[len(midline) // 2]
    inside = np.interp(0.014, truth.tree["A"].arc, truth.concentration["A"][frame])
    row = dark[round(middle[1])]
    column = np.arange(256)
    assert row.max() == pytest.approx(0.758 * inside * 2.0 * RADIUS, rel=0.01)
    assert float((row * column).sum() / row.sum()) == pytest.approx(middle[0], abs=0.02)
    size = 2e-4 * 0.75 / 1.1
    spread = float((row * (column - middle[0]) ** 2).sum() / row.sum()) - 0.25  # less the sharing's own width
    assert 2.0 * np.sqrt(spread) * size == pytest.approx(RADIUS, rel=0.005)  # a chord profile's variance is r^2 / 4


def test_edges_are_where_the_absorption_ends() -> None:
    cine, truth = angiogram(*vessel(), VIEW, OPTIONS)
    contours = truth.contours("A", 30)
    k = len(contours.midline) // 2
    row = absorption(cine.frames)[30][round(contours.midline[k, 1])]
    seen = np.flatnonzero(row > 0.02 * row.max())
    edges = sorted((contours.left[k, 0], contours.right[k, 0]))
    assert seen[0] == pytest.approx(edges[0], abs=1.5)
    assert seen[-1] == pytest.approx(edges[1], abs=1.5)
    assert contours.width[k] == pytest.approx(2.0 * RADIUS * 1.1 / 0.75 / 2e-4, rel=1e-3)


def test_the_table_shift_is_in_the_image_but_not_told() -> None:
    cine, truth = angiogram(*vessel(), VIEW, OPTIONS)
    assert cine.camera == replace(VIEW, shift=(0.0, 0.0, 0.0))
    assert truth.camera == VIEW
    told = cine.camera.project(truth.tree["A"].points)
    seen = VIEW.project(truth.tree["A"].points)
    assert np.linalg.norm(told - seen, axis=1).min() > 10.0
    assert truth.contours("A", 0).midline[-1] == pytest.approx(seen[-1], abs=1.0)


def test_contrast_arrives_when_and_as_the_truth_says() -> None:
    tree, flow = vessel()
    options = replace(OPTIONS, injection=Injection(start=0.3, duration=9.0), frame_rate=30.0)
    cine, truth = angiogram(tree, flow, VIEW, options)
    dark = absorption(cine.frames)
    for point in (28, 56, 84):
        column, row = np.rint(VIEW.project(tree["A"].points[point : point + 1])[0]).astype(int)
        curve = dark[:, row, column]
        half = 0.5 * 0.758 * options.iodine * 2.0 * RADIUS
        measured = first_above(truth.times, curve[:, None], half)[0]
        assert measured == pytest.approx(truth.arrival["A"][point], abs=0.02)
        # Taylor: the section's mean is half the plateau's when the mean flow has just brought it.
        assert truth.transit["A"][point] == pytest.approx(0.9 * point / 112, rel=1e-3)


def test_a_steady_flows_front_is_at_half_after_the_mean_transit_time() -> None:
    tree, flow = vessel()
    sudden = Injection(start=0.2, duration=9.0, rise=0.0, fall=0.0)
    _, truth = angiogram(tree, flow, VIEW, replace(OPTIONS, waveform=np.ones(10), injection=sudden, frame_rate=30.0))
    assert truth.arrival["A"][20:] - 0.2 == pytest.approx(truth.transit["A"][20:], abs=0.02)


def test_pulsation_moves_the_front_at_the_beats_pace() -> None:
    tree, flow = vessel()
    wave = np.repeat([0.0, 2.0], 50)
    sudden = Injection(start=0.0, duration=9.0, rise=0.0, fall=0.0)
    options = replace(OPTIONS, waveform=wave, injection=sudden, frame_rate=60.0, beat=0.8)
    _, truth = angiogram(tree, flow, VIEW, options)
    for point in (30, 56, 100):  # stands still for the first half of each beat, then runs at twice the mean
        beats = truth.transit["A"][point] / 0.8
        exact = 0.8 * (np.floor(beats) + 0.5 + 0.5 * (beats - np.floor(beats)))
        assert truth.arrival["A"][point] == pytest.approx(exact, abs=0.02)


def test_the_vessel_is_where_the_truth_says_as_the_heart_moves() -> None:
    tree, flow = vessel()
    cine, truth = angiogram(tree, flow, VIEW, replace(OPTIONS, motion=MotionOptions()))
    dark = absorption(cine.frames)
    for frame in range(24, 38):
        midline = truth.contours("A", frame).midline
        middle = midline[len(midline) // 2]
        row = dark[frame, round(middle[1])]
        slope = (midline[-1] - midline[0])[0] / (midline[-1] - midline[0])[1]
        there = middle[0] + slope * (round(middle[1]) - middle[1])
        assert float((row * np.arange(256)).sum() / row.sum()) == pytest.approx(there, abs=0.5)
    ends = [truth.contours("A", frame).midline[-1] for frame in range(24, 38)]
    assert np.ptp(np.array(ends), axis=0).max() > 10.0


def test_end_diastolic_frames_are_a_beat_apart_and_at_rest() -> None:
    tree, flow = vessel()
    options = replace(OPTIONS, motion=MotionOptions(breath=0.0), beat=0.8, phase=0.4, frame_rate=15.0)
    _, truth = angiogram(tree, flow, VIEW, options)
    assert truth.times[truth.end_diastolic] == pytest.approx([0.48, 1.28, 2.08, 2.88], abs=1.0 / 30.0)
    assert np.all(truth.squeeze[truth.end_diastolic] < 0.03)


def test_a_solvers_flow_brings_its_ffr_and_a_seed_gives_one_cine() -> None:
    tree, flow = vessel()
    given = TreeFlow("fem", Status.CONVERGED, 1e4, {"A": BranchFlow(np.linspace(1e4, 8e3, 113), flow["A"])})
    options = AngiogramOptions(duration=0.4)
    first, truth = angiogram(tree, given, VIEW, options, 1)
    again, _ = angiogram(tree, given, VIEW, options, 1)
    other, _ = angiogram(tree, given, VIEW, options, 2)
    assert truth.ffr["A"][-1] == pytest.approx(0.8)
    assert np.array_equal(first.frames, again.frames)
    assert not np.array_equal(first.frames, other.frames)
    assert first.frames.max() <= 4095
    assert first.frames.std() > 200
    assert first.frame_rate == pytest.approx(15.0)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [({"frame_rate": 0.0}, "frame_rate must be above 0"), ({"duration": 0.01}, "at least two frames")],
)
def test_options_that_make_no_cine_are_refused(changed: dict[str, float], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        angiogram(*vessel(), VIEW, replace(OPTIONS, **changed))
