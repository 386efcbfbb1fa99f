"""Vessels that touch: told, parted, and measured each for itself."""

import logging
from itertools import pairwise

import numpy as np
import pytest

from hemo.geometry.centreline.loops import wall_between
from hemo.geometry.centreline.lumengraph import LumenGraph
from hemo.geometry.centreline.trees import find_trees
from tests.geometry.shapes import AORTA, MM, lumen


def kissing(overlap: float):
    """A straight vessel of 3 mm and a side branch of 2.4 mm that bows out and comes back to touch it at x = 32 mm."""
    touch = [32.0, 2.7 - overlap, 0.0]
    bow = [
        [10, 0, 0],
        [13, 5, 0],
        [18, 8.5, 0],
        [24, 8.5, 0],
        [29, 5.5, 0],
        touch,
        [36, 5.5, 0],
        [40, 10, 0],
        [46, 16, 0],
    ]
    return lumen(AORTA, ([0, 0, 0], [55, 0, 0], 1.5), *((a, b, 1.2) for a, b in pairwise(bow)))


@pytest.mark.parametrize("overlap", [0.1, 0.4, 0.8, 1.2])
def test_kissing_vessels_are_parted_where_they_touch(overlap, caplog):
    with caplog.at_level(logging.WARNING):
        (tree,) = find_trees(kissing(overlap))
    assert len(tree.branches) == 3
    main, side = tree["LAD"], tree["LCX"]
    assert main.points[-1] == pytest.approx(MM * np.array([55, 0, 0]), abs=1.0 * MM)
    assert np.abs(main.points[:, 1]).max() < 0.7 * MM
    assert side.points[-1] == pytest.approx(MM * np.array([46, 16, 0]), abs=1.0 * MM)
    assert side.length == pytest.approx(45.0 * MM, abs=1.5 * MM)
    # Beside the contact a section holds both lumina: the area must still be the vessel's own.
    beside = (main.points[:, 0] > 24 * MM) & (main.points[:, 0] < 42 * MM)
    assert main.area[beside] == pytest.approx(np.pi * (1.5 * MM) ** 2, rel=0.06)
    place = caplog.text[caplog.text.index("near x ") + 7 :]
    x, y = (float(part.split(" ")[-1]) for part in place.split(",")[:2])
    assert np.hypot(x - 32.0, y - 1.5) < 2.5


def test_a_ring_without_a_kiss_is_told_with_its_place(caplog):
    # The side branch ends in the main vessel: three arms there, so that hemo cannot tell which junction is false.
    bow = [[10, 0, 0], [13, 5, 0], [18, 8.5, 0], [24, 8.5, 0], [29, 5.5, 0], [32, 0, 0]]
    parts = [(a, b, 1.2) for a, b in pairwise(bow)]
    with caplog.at_level(logging.WARNING):
        (tree,) = find_trees(lumen(AORTA, ([0, 0, 0], [55, 0, 0], 1.5), *parts))
    assert tree.branches
    assert "the lumen forms a ring that closes near x 2" in caplog.text


def test_ways_along_the_walls_of_one_lumen_have_no_wall_between():
    # Both run near the wall, where spheres within the lumen are small and far from meeting across it.
    spacing = 0.35 * MM
    axis = np.arange(-7, 8) * spacing
    grid = np.stack(np.meshgrid(np.arange(30) * spacing, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    off = np.hypot(grid[:, 1], grid[:, 2])
    points, depth = grid[off < 2.5 * MM], 2.5 * MM - off[off < 2.5 * MM]

    def found(kept):
        graph = LumenGraph(
            points[kept], depth[kept], np.empty((0, 2), int), np.zeros(0, bool), np.empty((0, 3)), spacing
        )
        above, below = (
            tuple(np.flatnonzero((graph.points[:, 2] == 0.0) & np.isclose(graph.points[:, 1], y * spacing)))
            for y in (7, -5)
        )
        return wall_between(graph, above, below)

    assert not found(np.ones(len(points), bool))
    assert found(np.abs(points[:, 1] - 1.0 * spacing) > 2.5 * spacing)
