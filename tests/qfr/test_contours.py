"""Vessels of known calibre on rendered frames: traced contours, side branches, and what is refused or warned of."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.spatial import cKDTree

from hemo.errors import InputError
from hemo.qfr.contours import Trace, TraceOptions, side_branch, trace, traced
from hemo.tree import arc_length
from tests.qfr.rendering import Tube, arc, counted, lesion, render, straight

PIXEL = 0.2  # mm
ABSORPTION = 0.026  # 1/pixel: 0.13/mm

Array = np.ndarray


def even(radius: float) -> object:
    return lambda s: np.full_like(s, radius)


def cloudy(column: Array, row: Array) -> Array:
    return 1.0 + 0.15 * np.sin(column / 31.0) * np.cos(row / 23.0) + 0.001 * column


def width_errors(found: Trace, tube: Tube) -> tuple[Array, float]:
    """Width less the truth, mm, 8 pixels from the ends on; and that of the narrowest place."""
    contours, inner = found.contours, slice(8, -8)
    _, nearest = cKDTree(tube.line).query(contours.midline)
    truth = 2.0 * tube.radius(arc_length(tube.line)[nearest])
    narrowest = contours.width[inner].min() - truth[inner].min()
    return PIXEL * (contours.width - truth)[inner], PIXEL * float(narrowest)


BENT = arc((90.0, 210.0), 180.0, -0.5 * np.pi - 0.2, -0.2)


@pytest.mark.parametrize(
    ("diameter", "severity", "length", "blur"),
    [(3.0, 0.5, 10.0, 1.3), (3.0, 0.7, 10.0, 1.0), (2.2, 0.6, 12.0, 0.8)],
)
def test_diameters_of_a_curved_narrowed_vessel_are_within_what_is_asked(
    diameter: float, severity: float, length: float, blur: float
) -> None:
    middle = 0.5 * arc_length(BENT)[-1]
    tube = Tube(BENT, lesion(0.5 * diameter / PIXEL, severity, middle, length / PIXEL))
    overall, narrowest = [], []
    dose = render([tube], (200, 280), absorption=ABSORPTION, blur=blur, background=cloudy)
    for seed in range(3):
        frame = counted(dose, 0.03, seed)
        points = BENT[[250, 2500, -250]] + np.array([[1.0, 2.0], [-2.0, 1.0], [2.0, -1.0]])
        found = traced(frame, points)
        errors, least = width_errors(found, tube)
        overall.append(errors)
        narrowest.append(least)
    assert abs(np.concatenate(overall).mean()) < 0.03
    assert np.concatenate(overall).std() < 0.1
    assert abs(np.mean(narrowest)) < 0.06
    assert np.std(narrowest) < 0.07


def test_an_elliptic_lesion_is_not_read_from_its_depth() -> None:
    line = straight((5.0, 50.0), (195.0, 62.0))

    def flat(s: Array) -> Array:
        return 1.0 - 0.4 * (np.abs(s - 95.0) < 30.0) * 0.5 * (1.0 + np.cos(np.pi * (s - 95.0) / 30.0))

    tube = Tube(line, lesion(7.0, 0.4, 95.0, 60.0), flat)
    frame = render([tube], (110, 200), absorption=ABSORPTION, blur=0.9, noise=0.01)
    _, narrowest = width_errors(traced(frame, line[[200, -200]]), tube)
    by_depth = PIXEL * 2.0 * 4.2 * (np.sqrt(0.6) - 1.0)  # what densitometry of a circle would be off by: -0.38 mm
    assert abs(narrowest) < 0.2 * abs(by_depth)


def test_left_and_right_are_those_of_who_looks_distally_and_steps_are_equal() -> None:
    line = straight((5.0, 50.0), (195.0, 50.0))
    frame = render([Tube(line, even(6.0))], (100, 200), absorption=ABSORPTION)
    ahead = trace(frame, line[[200, -200]])
    back = trace(frame, line[[-200, 200]])
    assert np.all(ahead.left[:, 1] < ahead.midline[:, 1])  # to larger columns: left is up
    assert np.all(back.left[:, 1] > back.midline[:, 1])
    assert ahead.width == pytest.approx(back.width[::-1], abs=0.02)
    steps = np.diff(arc_length(ahead.midline))
    assert steps.max() <= 1.0 + 1e-9
    assert np.ptp(steps) < 1e-3
    assert ahead.midline[0] == pytest.approx(line[200], abs=1.5)
    assert trace(frame, line[[200, -200]], TraceOptions(step=0.25)).width.mean() == pytest.approx(12.0, abs=0.05)


def test_frames_that_are_logarithmic_give_the_same_vessel() -> None:
    line = straight((5.0, 50.0), (195.0, 62.0))
    tube = Tube(line, lesion(6.0, 0.5, 95.0, 50.0))
    frame = render([tube], (110, 200), absorption=0.02, blur=1.0, noise=0.005)
    log = 300.0 + 200.0 * np.log(frame)
    ways = (TraceOptions(), TraceOptions(logarithmic=True), TraceOptions(logarithmic=True, gain=200.0))
    pairs = zip((frame, log, log), ways, strict=True)
    known, _, exact = results = [traced(one, line[[200, -200]], way) for one, way in pairs]
    assert exact.contours.width == pytest.approx(known.contours.width, abs=1e-3)
    for found in results:
        errors, narrowest = width_errors(found, tube)
        assert abs(errors.mean()) < 0.03
        assert abs(narrowest) < 0.05


def test_scatter_hardly_changes_the_width() -> None:
    line = straight((5.0, 50.0), (195.0, 62.0))
    tube = Tube(line, lesion(7.5, 0.6, 95.0, 50.0))
    frame = render([tube], (110, 200), absorption=ABSORPTION, blur=1.0, noise=0.005, scatter=0.5)
    errors, narrowest = width_errors(traced(frame, line[[200, -200]]), tube)
    assert abs(errors.mean()) < 0.03
    assert abs(narrowest) < 0.05


def test_a_side_branch_neither_widens_the_vessel_nor_stays_unmeasured() -> None:
    line, start = straight((5.0, 60.0), (215.0, 60.0)), 100
    branch = straight((5.0 + start, 60.0), (5.0 + start + 45.0, 110.0))
    main = Tube(line, even(7.0))
    found, sizes = [], []
    dose = render([main, Tube(branch, even(3.5))], (120, 220), absorption=ABSORPTION, blur=1.0)
    for seed in range(3):
        frame = counted(dose, 0.02, seed)
        one = traced(frame, line[[200, -200]])
        found.append(width_errors(one, main)[0])
        index, size = side_branch(frame, one.contours, branch[-200])
        sizes.append(size)
        facing = one.contours.midline[index, 0] - (5.0 + start)
        assert 0.0 < facing < 16.0  # it leaves the lumen's edge 6.3 pixels further on, 4.7 wide either way
    assert np.abs(np.mean(found, axis=0)).max() < 0.25  # mm, at the ostium, where the edge is not seen
    assert np.mean(sizes) == pytest.approx(7.0, abs=0.4)


def test_sixty_millimetres_take_two_seconds_at_most() -> None:
    line = arc((150.0, 230.0), 200.0, -0.5 * np.pi - 0.65, -0.5 * np.pi + 0.9)
    frame = render([Tube(line, even(7.0))], (230, 340), absorption=ABSORPTION, noise=0.03, fine=3)
    best = np.inf
    for _ in range(3):
        start = time.process_time()
        found = trace(frame, line[[120, len(line) // 2, -120]])
        best = min(best, time.process_time() - start)
    assert PIXEL * arc_length(found.midline)[-1] > 56.0
    assert best < 2.0


def scene(*others: Tube, **options: float) -> tuple[Array, Array]:
    line = straight((5.0, 60.0), (215.0, 60.0))
    return render([Tube(line, even(6.0)), *others], (120, 220), absorption=ABSORPTION, noise=0.02, **options), line


def test_points_that_cannot_be_used_are_refused_with_their_number() -> None:
    frame, line = scene()
    with pytest.raises(InputError, match="Two or more points"):
        trace(frame, line[:1])
    with pytest.raises(InputError, match="Two or more points"):
        trace(frame, np.array([[10.0, np.nan], [50.0, 60.0]]))
    with pytest.raises(InputError, match="Point 2 at column 300, row 60 is outside the image of 220 by 120 pixels"):
        trace(frame, np.array([[10.0, 60.0], [300.0, 60.0]]))
    with pytest.raises(InputError, match="No vessel within 6 pixels of point 1"):
        trace(frame, np.array([[10.0, 20.0], [150.0, 60.0]]))
    with pytest.raises(InputError, match="one place"):
        trace(frame, np.array([[50.0, 60.0], [50.0, 60.0]]))
    with pytest.raises(InputError, match="The way to point 3 runs back"):
        trace(frame, line[[200, 3000, 1500]])
    with pytest.raises(InputError, match="at least 10"):
        trace(frame, line[[1000, 1100]])


@pytest.mark.parametrize(
    "bad", [np.zeros((100, 100)), np.full((100, 100), np.nan), np.ones((100, 100, 3)), np.ones((9, 9))]
)
def test_frames_that_are_no_picture_are_refused(bad: Array) -> None:
    with pytest.raises(InputError, match="frame"):
        trace(bad, np.array([[2.0, 2.0], [8.0, 8.0]]))


def test_a_picture_of_noise_is_refused() -> None:
    noise = 1000.0 + 30.0 * np.random.default_rng(0).standard_normal((120, 220))
    with pytest.raises(InputError):
        trace(noise, np.array([[20.0, 60.0], [200.0, 60.0]]))


def test_a_gap_of_contrast_is_refused_or_named() -> None:
    near, far = straight((5.0, 60.0), (90.0, 60.0)), straight((140.0, 60.0), (215.0, 60.0))
    frame = render([Tube(near, even(6.0)), Tube(far, even(6.0))], (120, 220), absorption=ABSORPTION, noise=0.02)
    with pytest.raises(InputError, match=r"column 1[0-3]"):
        trace(frame, np.array([[12.0, 60.0], [208.0, 60.0]]))


def test_a_vessel_that_leaves_the_image_is_refused_where_it_does() -> None:
    line = straight((5.0, 60.0), (160.0, 0.0))
    frame = render([Tube(line, even(6.0))], (120, 220), absorption=ABSORPTION, noise=0.02)
    with pytest.raises(InputError, match=r"leaves the image at column 1[3-6]"):
        trace(frame, line[[300, -20]])


def test_a_vessel_wider_than_the_search_is_refused() -> None:
    line = straight((5.0, 60.0), (215.0, 60.0))
    frame = render([Tube(line, even(24.0))], (120, 220), absorption=0.02, noise=0.01)
    with pytest.raises(InputError, match="No edge of the vessel within 20 pixels"):
        trace(frame, line[[300, -300]])


def test_a_crossing_vessel_is_named_and_does_not_ruin_the_width() -> None:
    frame, line = scene(Tube(straight((80.0, 5.0), (140.0, 115.0)), even(4.0)))
    found = traced(frame, line[[200, -200]])
    assert any("nother vessel" in sentence and "column 1" in sentence for sentence in found.warnings)
    errors, _ = width_errors(found, Tube(line, even(6.0)))
    assert np.abs(errors).max() < 0.6


def test_a_catheter_beside_the_vessel_does_not_draw_the_edges_to_it() -> None:
    frame, line = scene(Tube(straight((5.0, 82.0), (215.0, 78.0)), even(5.0), lambda s: np.full_like(s, 2.5)))
    errors, _ = width_errors(traced(frame, line[[200, -200]]), Tube(line, even(6.0)))
    assert abs(errors.mean()) < 0.05
    assert np.abs(errors).max() < 0.4


def test_a_point_off_the_vessel_is_drawn_to_it_and_said() -> None:
    frame, line = scene()
    found = traced(frame, line[[200, 2000, -200]] + np.array([[0.0, 1.0], [0.0, 5.0], [0.0, 0.0]]))
    assert any(sentence.startswith("Point 2 was") for sentence in found.warnings)
    assert np.abs(found.contours.midline[:, 1] - 60.0).max() < 0.6


def test_a_thin_vessel_says_that_its_blur_was_assumed() -> None:
    line = straight((5.0, 60.0), (215.0, 60.0))
    frame = render([Tube(line, even(2.5))], (120, 220), absorption=0.04, noise=0.02)
    assert any("too thin to tell how blurred" in one for one in traced(frame, line[[200, -200]]).warnings)
    assert not traced(frame, line[[200, -200]], TraceOptions(blur=1.04)).warnings


def test_side_branch_points_that_cannot_be_used_are_refused() -> None:
    branch = straight((100.0, 60.0), (140.0, 105.0))
    frame, line = scene(Tube(branch, even(3.0)))
    contours = trace(frame, line[[200, -200]])
    with pytest.raises(InputError, match="in the main vessel"):
        side_branch(frame, contours, np.array([120.0, 62.0]))
    with pytest.raises(InputError, match="pixels behind its ostium"):
        side_branch(frame, contours, branch[270])
    with pytest.raises(InputError, match="No vessel within"):
        side_branch(frame, contours, np.array([60.0, 20.0]))


def test_a_vessel_that_lies_over_a_lesion_is_noticed_there_and_nowhere_else() -> None:
    line = straight((5.0, 50.0), (195.0, 62.0))
    tube = Tube(line, lesion(6.0, 0.6, 95.0, 50.0))
    other = straight((75.0, 5.0), (125.0, 105.0))
    alone = render([tube], (110, 200), absorption=ABSORPTION, blur=0.8)
    over = render([Tube(other, even(3.0))], (110, 200), absorption=ABSORPTION, blur=0.8)
    free, covered = (counted(dose, 0.01, 3) for dose in (alone, alone * over / 1000.0))
    seen, hidden = (traced(one, line[[200, -200]]) for one in (free, covered))
    assert seen.contours.doubt is not None
    assert hidden.contours.doubt is not None
    crossing = np.abs(hidden.contours.midline[:, 0] - 100.0) < 6.0
    away = np.abs(hidden.contours.midline[:, 0] - 100.0) > 35.0
    assert hidden.contours.doubt[crossing].max() > 1.0  # pixels, of 5
    assert hidden.contours.doubt[away].max() < 0.2
    assert seen.contours.doubt.max() < 0.4
