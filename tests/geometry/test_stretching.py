"""Cells longer than wide: where, how much, and that mmgs and mmg3d make them without moving the wall."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hemo.geometry.mesh import adapting
from hemo.geometry.mesh.layers import LayerOptions
from hemo.geometry.mesh.meshing import MeshOptions, MeshResult, build_mesh
from hemo.geometry.mesh.stretching import STEP, in_plane, metric, stretch_at
from hemo.geometry.synthetic.vessels import Stenosis, straight_stenosis
from hemo.tetmesh import EDGES
from hemo.tree import VesselTree
from tests.geometry.shapes import AORTA, MAIN, MM, SIDE, lumen, tree

RADIUS, LENGTH = 1.5 * MM, 30 * MM
AXIS = np.array([0.0, 0.0, 1.0])


def along(vessel: VesselTree, places: np.ndarray) -> np.ndarray:
    """(n,) stretch on the axis of a straight vessel along z."""
    stretch, direction = stretch_at(places[:, None] * AXIS, vessel, 2.0)
    np.testing.assert_allclose(direction, np.tile(AXIS, (len(places), 1)), atol=1e-12)
    return stretch


def test_a_straight_vessel_is_stretched_throughout() -> None:
    vessel = straight_stenosis(2 * RADIUS, LENGTH, 0.0)[1]
    np.testing.assert_allclose(along(vessel, np.linspace(0.0, LENGTH, 50)), 2.0)


@pytest.mark.parametrize("length", [10 * MM, 4 * MM])
def test_a_cell_never_steps_over_more_than_half_its_width_of_a_lesions_slope(length: float) -> None:
    narrowing = Stenosis(15 * MM, length, 0.6)
    places = np.linspace(0.0, LENGTH, 301)
    stretch = along(straight_stenosis(2 * RADIUS, LENGTH, 0.6, length, 15 * MM)[1], places)
    slope = np.abs(np.gradient(RADIUS * narrowing.factor(places), places))
    assert (stretch * slope)[stretch > 1.0].max() < 1.5 * STEP  # the slope is taken over a radius either side
    assert stretch.min() == pytest.approx(max(STEP / slope.max(), 1.0), rel=0.25)
    assert stretch[[0, -1]] == pytest.approx(2.0)


def test_cells_keep_equal_sides_where_vessels_join() -> None:
    vessel = tree()
    joint = vessel["M"].points[vessel["S"].parent_index or 0]
    axis = vessel["M"].tangent[0]
    diameter = vessel["M"].diameter[vessel["S"].parent_index or 0]
    stretch = [float(stretch_at((joint + d * diameter * axis)[None], vessel, 2.0)[0][0]) for d in (0, -1, -1.5, -3)]
    assert stretch == pytest.approx([1.0, 1.0, 1.5, 2.0], abs=0.15)


def test_the_metric_measures_edges_in_wanted_lengths() -> None:
    stretch, width, direction = np.array([2.0]), np.array([0.3]), AXIS[None]
    (m,) = metric(width, stretch, direction)
    for edge in ([0.3, 0.0, 0.0], [0.0, -0.3, 0.0], [0.0, 0.0, 0.6]):
        assert np.array(edge) @ m @ np.array(edge) == pytest.approx(1.0)
    assert in_plane(stretch, direction, np.array([[1.0, 0.0, 0.0]])) == pytest.approx(np.sqrt(2.0))
    assert in_plane(stretch, direction, AXIS[None]) == pytest.approx(1.0)


@pytest.fixture(scope="module")
def both() -> tuple[MeshResult, MeshResult]:
    """A 50 % stenosis of 6 cells per diameter, of equal sides and stretched."""
    surface, vessel = straight_stenosis(2 * RADIUS, LENGTH, 0.5, 10 * MM, 15 * MM)
    options = MeshOptions(6.0, keep_ends=True)
    return build_mesh(surface, vessel, options), build_mesh(surface, vessel, replace(options, stretch=2.0))


def test_stretched_cells_are_fewer_at_the_same_number_across(both) -> None:
    equal, stretched = both
    assert stretched.report.method.endswith("mmg3d")
    assert stretched.report.cells < 0.75 * equal.report.cells
    edges = stretched.mesh.points[stretched.mesh.cells[:, EDGES].reshape(-1, 2)]
    extent = np.abs(np.diff(edges, axis=1)[:, 0])
    near = np.abs(edges[:, 0, 2] - 5 * MM) < 3 * MM  # of the healthy vessel
    long, wide = extent[near, 2].mean(), extent[near, :2].mean()
    assert long / wide == pytest.approx(2.0, abs=0.35)
    assert stretched.report.cells_per_diameter_min > 4.5


def test_the_wall_stays_where_it_was(both) -> None:
    for made in both:
        assert abs(made.report.volume_error) < 2e-4
        assert made.mesh.cell_volumes().min() > 0.0
        assert made.mesh.area_vector("inlet") @ AXIS == pytest.approx(-np.pi * RADIUS**2, rel=5e-3)
        assert made.mesh.area_vector("vessel") @ AXIS == pytest.approx(np.pi * RADIUS**2, rel=5e-3)
        assert np.linalg.norm(sum(made.mesh.area_vector(name) for name in made.mesh.names.values())) < 1e-15


def test_a_fork_is_meshed_with_its_caps() -> None:
    made = build_mesh(lumen(AORTA, MAIN, SIDE), tree(), MeshOptions(5.0, stretch=2.0))
    assert made.report.method.endswith("mmg3d")
    assert made.report.min_quality > 0.05
    assert abs(made.report.volume_error) < 1e-3


def test_without_mmg3d_and_with_layers_cells_have_equal_sides(monkeypatch, caplog) -> None:
    surface, vessel = straight_stenosis(2 * RADIUS, 9 * MM, 0.0)
    options = MeshOptions(4.0, keep_ends=True, stretch=2.0)
    layered = build_mesh(surface, vessel, replace(options, layers=LayerOptions(2)))
    assert layered.report.quality.layer_cells > 0 and "mmg3d" not in layered.report.method
    monkeypatch.setattr(adapting, "mmg_program", lambda name: None)
    made = build_mesh(surface, vessel, options)
    assert made.report.method == "surface, mmgs, HXT"
    assert "mmg3d is not installed" in caplog.text
