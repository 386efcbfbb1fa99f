"""Random hearts: valid, plausible, and true to the numbers they carry."""

from __future__ import annotations

import numpy as np
import pytest

from hemo.geometry.lumen.crosssection import SectionCutter
from hemo.geometry.lumen.surface import Surface
from hemo.geometry.lumen.surfacecheck import edge_table, enclosed_volume, triangle_components
from hemo.geometry.synthetic.random_trees import random_coronaries, random_heart
from hemo.geometry.synthetic.vessels import SyntheticVessels
from hemo.geometry.synthetic.wall import label_map, lumen_surface
from hemo.tree import Branch, VesselTree

Array = np.ndarray


@pytest.fixture(scope="module")
def heart() -> SyntheticVessels:
    return random_heart(1)


@pytest.fixture(scope="module")
def surface(heart: SyntheticVessels) -> Surface:
    return lumen_surface(heart)


def away_from_junctions(tree: VesselTree, branch: Branch) -> Array:
    """Points of a branch whose section no other vessel's wall reaches."""
    arc = branch.arc
    away = (arc > max(4e-3, 3.0 * branch.reference_radius[0])) & (arc < arc[-1] - 2e-3)
    for child in tree.children(branch.name):
        reach = 2.5 * branch.reference_radius[child.parent_index] + 2e-3
        away &= np.abs(arc - arc[child.parent_index]) > reach
    return np.flatnonzero(away)


def test_a_seed_gives_the_same_heart() -> None:
    first, second = random_coronaries(4, "right"), random_coronaries(4, "right")
    assert [b.name for b in first.tree.branches] == [b.name for b in second.tree.branches]
    for a, b in zip(first.tree.branches, second.tree.branches, strict=True):
        np.testing.assert_array_equal(a.points, b.points)
        np.testing.assert_array_equal(a.area, b.area)
    assert first.tree.lesions == second.tree.lesions


def test_surface_is_closed_and_in_one_piece(surface: Surface) -> None:
    _, _, count = edge_table(surface.triangles)
    assert np.all(count == 2)
    assert triangle_components(surface.triangles).max() == 0
    assert enclosed_volume(surface.points, surface.triangles) > 0.0


def test_sections_of_the_surface_have_the_true_area(heart: SyntheticVessels, surface: Surface) -> None:
    cutter = SectionCutter(surface)
    for tree in heart.trees:
        for branch in tree.branches:
            places = away_from_junctions(tree, branch)[::6]
            radius = np.sqrt(branch.area[places] / np.pi)
            found = cutter.cut(branch.points[places], branch.tangent[places], 1.3 * radius).area
            np.testing.assert_allclose(found, branch.area[places], rtol=5e-3, err_msg=branch.name)


def test_voxels_fill_the_surface(heart: SyntheticVessels, surface: Surface) -> None:
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    image = label_map(heart, (0.4e-3, 0.45e-3, 0.6e-3), turn * np.sign(np.linalg.det(turn)), (0.3, 0.6, 0.1))
    volume = np.count_nonzero(image.labels) * image.spacing.prod()
    assert volume == pytest.approx(enclosed_volume(surface.points, surface.triangles), rel=2e-3)
