"""Matching of midlines: true places of curved vessels, stretches along the epipolar plane, offsets, landmarks."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from hemo.errors import InputError
from hemo.qfr.camera import Camera
from hemo.qfr.matching import Match, height_direction, heights, match
from hemo.qfr.midline import Midline, feet, smooth_midline
from tests.qfr.projector import Truth, camera, drawn, silhouette, stenosed, swept


def seen(truth: Truth, cameras: tuple[Camera, Camera]) -> list[Midline]:
    ends = ((1e-3, 55e-3), (4e-3, 58e-3))
    pairs = zip(cameras, ends, strict=True)
    return [smooth_midline(silhouette(truth, view, *end), "view") for view, end in pairs]


def true_places(
    truth: Truth, cameras: tuple[Camera, Camera], lines: list[Midline], found: Match
) -> NDArray[np.float64]:
    """(k, 2) true arc lengths of the matched places, m."""
    places = []
    for view, line, arc in zip(cameras, lines, (found.first, found.second), strict=True):
        axis = view.project(truth.points)
        places.append(feet(line.at(arc), axis, truth.arc))
    return np.stack(places, axis=1)


@pytest.mark.parametrize("seed", [0, 2, 5])
def test_places_of_a_curved_vessel_are_matched_though_the_views_begin_and_end_elsewhere(seed: int) -> None:
    truth, cameras, _, _ = drawn(seed)
    lines = seen(truth, cameras)
    found, _ = match(cameras, lines)
    assert np.all(np.diff(found.first) > 0.0) and np.all(np.diff(found.second) > 0.0)
    places = true_places(truth, cameras, lines, found)
    assert np.abs(places[:, 0] - places[:, 1]).mean() < 0.6e-3
    assert places[0] == pytest.approx([4e-3, 4e-3], abs=2e-3)
    assert places[-1] == pytest.approx([55e-3, 55e-3], abs=2e-3)


def flat_vessel(cameras: tuple[Camera, Camera]) -> Truth:
    """A vessel whose middle 12 mm lie in the epipolar plane: heights rise, stay, and rise again."""
    up, ahead = height_direction(cameras), cameras[0].axes[2] + cameras[1].axes[2]
    along = np.cross(up, ahead) / np.linalg.norm(np.cross(up, ahead))
    ahead /= np.linalg.norm(ahead)
    place = np.linspace(0.0, 1.0, 301)
    rise = np.clip(np.abs(60e-3 * (place - 0.5)) - 6e-3, 0.0, None) ** 2 * np.sign(place - 0.5) / 40e-3
    course = 50e-3 * (place - 0.5)[:, None] * along + rise[:, None] * up
    course = course + 5e-3 * np.sin(np.pi * place)[:, None] * ahead
    spline = CubicSpline(place, course)
    points = spline(np.linspace(0.0, 1.0, 301))
    length = np.linalg.norm(np.diff(points, axis=0), axis=1).sum()
    return swept(points, stenosed(np.linspace(0.0, length, 301), 1.5e-3, 0.5, 0.5 * length, 9e-3))


def test_a_stretch_along_the_epipolar_plane_is_bridged_evenly() -> None:
    cameras = (camera(-30.0, 10.0), camera(30.0, -5.0))
    truth = flat_vessel(cameras)
    end = truth.arc[-1]
    lines = [smooth_midline(silhouette(truth, view, 1e-3, end - 1e-3), "view") for view in cameras]
    flat = np.abs(truth.arc - 0.5 * end) < 5e-3
    assert np.ptp(heights(cameras, 0, cameras[0].project(truth.points[flat]))) < 0.2e-3
    found, _ = match(cameras, lines)
    places = true_places(truth, cameras, lines, found)
    assert np.abs(places[:, 0] - places[:, 1]).max() < 1.5e-3
    inside = np.abs(places[:, 0] - 0.5 * end) < 5e-3
    assert np.abs(places[inside, 0] - places[inside, 1]).mean() < 0.7e-3


def test_images_of_one_point_have_one_height_and_that_of_its_distance_from_the_isocentres_plane() -> None:
    cameras = (camera(-30.0, 10.0), camera(30.0, -5.0))
    points = np.random.default_rng(1).uniform(-0.03, 0.03, (20, 3))
    first, second = (heights(cameras, view, cameras[view].project(points)) for view in range(2))
    assert first == pytest.approx(second, abs=1e-10)
    assert first == pytest.approx(points @ height_direction(cameras), rel=0.12)


def test_an_offset_across_the_epipolar_plane_is_found_from_turns_and_widths() -> None:
    truth, said, _, _ = drawn(0)
    shift = 6e-3 * height_direction(said)
    real = (said[0], Camera(**{**vars(said[1]), "shift": tuple(float(x) for x in shift)}))
    lines = seen(truth, real)
    _, height = match(said, lines, offsets=1e-3 * np.arange(-12, 13), expected=5e-3)
    assert abs(height) == pytest.approx(6e-3, abs=1.5e-3)


def test_landmarks_in_another_order_are_refused() -> None:
    truth, cameras, _, _ = drawn(0)
    lines = seen(truth, cameras)
    near, far = (np.stack([view.project(truth.points[k : k + 1])[0] for view in cameras]) for k in (60, 220))
    match(cameras, lines, np.stack([near, far]))
    crossed = np.stack([[near[0], far[1]], [far[0], near[1]]])
    with pytest.raises(InputError, match="landmarks"):
        match(cameras, lines, crossed)
