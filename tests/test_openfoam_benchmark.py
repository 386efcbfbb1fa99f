"""What the comparison with OpenFOAM computes itself: its grid, its inlet, the times at equal error."""

import numpy as np
import pytest

from validation.openfoam import time_at
from validation.openfoam_cases import block_mesh
from validation.openfoam_grid import DIAMETER, LENGTH, OGrid, in_disc, move_points, parabola, radius
from validation.openfoam_runs import settled_from

GRID = OGrid(4, 6, 40)


def box_sides(count):
    """Points on the four long sides of the box [-1, 1]^2 x [0, 1], ``count`` edges to a side."""
    across = np.linspace(-1.0, 1.0, count + 1)
    turns = [np.stack([x * across + y, y * across - x], axis=1) for x, y in ((1, 0), (0, 1), (-1, 0), (0, -1))]
    return np.concatenate(
        [np.column_stack([np.concatenate(turns), np.full(4 * count + 4, z)]) for z in np.linspace(0, 1, 41)]
    )


@pytest.mark.parametrize("severity", [0.5, 0.6])
def test_the_grid_has_the_lumens_wall_and_area(severity):
    points = move_points(box_sides(GRID.side), severity, GRID.around)
    wall = radius(points[:, 2], severity)
    outside = np.hypot(points[:, 0], points[:, 1]) / wall
    angle = 2 * np.pi / GRID.around
    assert outside == pytest.approx(np.full(len(outside), np.sqrt(angle / np.sin(angle))), rel=1e-12)
    assert outside.max() ** 2 * np.sin(angle) / angle == pytest.approx(1.0)
    assert points[:, 2].min() == 0.0 and points[:, 2].max() == pytest.approx(LENGTH)
    assert radius(np.array([0.02]), severity)[0] == pytest.approx((1 - severity) * DIAMETER / 2)


def test_the_disc_keeps_the_cells_apart():
    side = np.linspace(-1.0, 1.0, 81)
    x, y = np.meshgrid(side, side, indexing="ij")
    disc = in_disc(np.column_stack([x.ravel(), y.ravel()])).reshape(81, 81, 2)
    one, two = disc[1:, 1:] - disc[:-1, :-1], disc[:-1, 1:] - disc[1:, :-1]
    areas = 0.5 * (one[..., 0] * two[..., 1] - one[..., 1] * two[..., 0])
    assert areas.min() > 0.0
    assert areas.sum() == pytest.approx(np.pi, rel=1e-3)


def test_the_inlets_flow_is_exact():
    side = np.linspace(-1.0, 1.0, 9)
    x, y = np.meshgrid(side, side, indexing="ij")
    points = move_points(np.column_stack([x.ravel(), y.ravel(), np.zeros(81)]), 0.5, 32)
    first = (9 * np.arange(8)[:, None] + np.arange(8)).ravel()
    faces = np.stack([first, first + 9, first + 10, first + 1], axis=1)
    speed = parabola(points, faces, 1.5e-6)
    corners = points[faces][:, :, :2]
    one, two = corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1]
    area = 0.5 * np.abs(one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0])
    assert speed @ area == pytest.approx(1.5e-6, rel=1e-12)
    assert speed.max() == pytest.approx(2 * 1.5e-6 / (np.pi * (DIAMETER / 2) ** 2), rel=0.05)


def test_five_blocks():
    text = block_mesh(GRID)
    assert text.count("hex (") == 5
    assert text.count("(4 4 40)") == 1 and text.count("(4 6 40)") == 4
    assert GRID.cells == (16 + 96) * 40


def test_time_at_equal_error():
    errors, seconds = [4.0, 2.0, 0.5], [1.0, 10.0, 40.0]
    assert time_at(1.0, errors, seconds) == (pytest.approx(20.0), "between two meshes")
    assert time_at(2.0, errors, seconds) == (pytest.approx(10.0), "between two meshes")
    assert time_at(5.0, errors, seconds) == (1.0, "coarsest mesh")
    assert time_at(0.1, errors, seconds) is None


def test_a_lucky_coarse_mesh_does_not_count():
    found = time_at(1.0, [0.1, 2.0, 0.5], [1.0, 10.0, 40.0])
    assert found is not None and found[0] == pytest.approx(20.0)


def test_settled_is_for_good():
    drops = {5: 90.0, 10: 100.05, 15: 98.0, 20: 100.05, 25: 100.0}
    assert settled_from(drops, 1e-3) == 20
    assert settled_from(drops, 1e-5) == 25
