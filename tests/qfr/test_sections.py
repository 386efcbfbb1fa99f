"""Elliptic sections: extents of oblique cylinders in closed form, and areas of ellipses turned at random."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from hemo.qfr.sections import SectionOptions, Sections, extents, fit_sections
from tests.qfr.projector import camera, silhouette, swept

Array = NDArray[np.float64]


@pytest.mark.parametrize("tilt", [0.0, 40.0, 65.0])
@pytest.mark.parametrize("turn", [0.0, 0.7])
def test_the_extent_of_an_oblique_elliptic_cylinder_is_exact(tilt: float, turn: float) -> None:
    view = camera(20.0, 10.0)
    across, _, along = view.axes
    heading = np.cos(np.radians(tilt)) * across + np.sin(np.radians(tilt)) * along
    points = np.linspace(-0.03, 0.03, 301)[:, None] * heading + np.array([4e-3, -7e-3, 12e-3])
    truth = swept(points, np.full(301, 1.2e-3), 0.7, turn)
    contours = silhouette(truth, view, 8e-3, 52e-3)
    guess = np.linspace(8e-3, 52e-3, len(contours.midline))
    found = extents(view, contours, points, np.broadcast_to(heading, points.shape), guess)
    normal = np.cross(heading, points[150] - view.source)
    normal /= np.linalg.norm(normal)
    reach = np.hypot(*(truth.semi_axes[150] * (truth.directions[150] @ normal)))
    assert len(found.half) > 0.9 * len(contours.midline)
    # The outline is of 120 points a ring, and the direction of the extent turns by perspective along the vessel.
    assert found.half == pytest.approx(reach, rel=3e-3)


def seen(ratio: Array, turn: Array, apart: float, options: SectionOptions | None = None) -> Sections:
    """Sections of area pi mm^2 from two extents ``apart`` degrees from each other."""
    n = len(ratio)
    alpha = np.array([0.0, np.radians(apart)])[:, None]
    long, short = 1e-3 / np.sqrt(ratio), 1e-3 * np.sqrt(ratio)
    half = np.hypot(long * np.cos(alpha - turn), short * np.sin(alpha - turn))
    normal = np.stack([np.cos(alpha), np.sin(alpha), 0.0 * alpha], axis=2).repeat(n, axis=1)
    frame = np.tile([1.0, 0.0, 0.0], (n, 1)), np.tile([0.0, 1.0, 0.0], (n, 1))
    return fit_sections(half, normal, np.ones((2, n)), frame, options)


def test_extents_along_the_semi_axes_give_the_ellipse_itself() -> None:
    found = seen(np.array([0.7]), np.zeros(1), 90.0, SectionOptions(edge=1e-6))
    assert found.semi_axes[0] == pytest.approx([1e-3 / np.sqrt(0.7), 1e-3 * np.sqrt(0.7)], rel=1e-3)
    assert np.abs(found.directions[0, 0]) == pytest.approx([1.0, 0.0, 0.0], abs=1e-6)


@pytest.mark.parametrize("apart", [15.0, 50.0, 90.0])
def test_a_round_lumen_is_round_from_wherever_it_is_seen(apart: float) -> None:
    found = seen(np.ones(3), np.zeros(3), apart)
    assert found.semi_axes == pytest.approx(1e-3, rel=1e-9)
    assert found.perimeter == pytest.approx(2.0 * np.pi * 1e-3)


def test_extents_from_one_side_give_a_round_lumen_of_that_width() -> None:
    found = seen(np.full(1, 0.6), np.zeros(1), 0.0)
    assert found.semi_axes[0] == pytest.approx(1e-3 / np.sqrt(0.6), rel=1e-9)


@pytest.mark.parametrize(("apart", "spread"), [(90.0, 0.03), (60.0, 0.11), (30.0, 0.20)])
def test_areas_of_ellipses_turned_at_random_are_two_per_cent_too_large_at_any_angle(
    apart: float, spread: float
) -> None:
    rng = np.random.default_rng(1)
    ratio, turn = rng.uniform(0.6, 1.0, 20000), rng.uniform(0.0, np.pi, 20000)
    error = seen(ratio, turn, apart).area / (np.pi * 1e-6) - 1.0
    assert error.mean() == pytest.approx(0.02, abs=0.006)
    assert error.std() < spread
    without = seen(ratio, turn, apart, SectionOptions(expected=True)).area / (np.pi * 1e-6) - 1.0
    assert without.mean() == pytest.approx(0.0, abs=0.004)


def test_the_perimeter_and_area_are_those_of_the_outline() -> None:
    found = seen(np.array([0.6, 0.6]), np.array([0.3, 0.3]), 80.0)
    points = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1e-3]])
    ring = found.rings(points, np.tile([0.0, 0.0, 1.0], (2, 1)), 2000)[0]
    step = np.roll(ring, -1, axis=0) - ring
    assert np.linalg.norm(step, axis=1).sum() == pytest.approx(found.perimeter[0], rel=1e-5)
    area = 0.5 * np.cross(ring, np.roll(ring, -1, axis=0))[:, 2].sum()
    assert area == pytest.approx(found.area[0], rel=1e-5)


def test_what_is_covered_in_one_view_is_told_by_the_other() -> None:
    half = np.array([[1e-3], [1.6e-3]])  # the second view shows another vessel as well
    normal = np.array([[[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]]])
    frame = np.array([[1.0, 0.0, 0.0]]), np.array([[0.0, 1.0, 0.0]])
    blind = fit_sections(half, normal, np.ones((2, 1)), frame)
    told = fit_sections(half, normal, np.ones((2, 1)), frame, doubt=np.array([[0.0], [0.6e-3]]))
    assert np.sqrt(blind.area[0] / np.pi) == pytest.approx(np.sqrt(1.6) * 1e-3, rel=0.05)
    assert np.sqrt(told.area[0] / np.pi) == pytest.approx(1e-3, rel=0.06)
