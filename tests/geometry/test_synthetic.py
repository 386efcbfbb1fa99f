"""Random hearts: valid, plausible, and true to the numbers they carry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from hemo.geometry.lesion import measure_lesion
from hemo.geometry.lumen.crosssection import SectionCutter
from hemo.geometry.lumen.surface import Surface
from hemo.geometry.lumen.surfacecheck import edge_table, enclosed_volume, self_crossings, triangle_components
from hemo.geometry.synthetic.anatomy import DOMINANCE, EXPONENT, GeneratorOptions, draw_plan
from hemo.geometry.synthetic.disease import Narrowing
from hemo.geometry.synthetic.random_trees import random_coronaries, random_heart
from hemo.geometry.synthetic.tubes import MEAN_BUMP, MEAN_SQUARE_BUMP, bump_shape, round_tube, union
from hemo.geometry.synthetic.vessels import SyntheticVessels
from hemo.geometry.synthetic.wall import label_map, lumen_surface
from hemo.tree import Branch, VesselTree

Array = np.ndarray
MM = 1e-3
SEEDS = 50
GAP = GeneratorOptions().gap


@pytest.fixture(scope="module")
def hearts() -> list[SyntheticVessels]:
    return [random_heart(seed) for seed in range(SEEDS)]


@pytest.fixture(scope="module")
def heart(hearts: list[SyntheticVessels]) -> SyntheticVessels:
    """A right tree with a nodule and a severe lesion among its own."""
    seed = next(
        k for k, h in enumerate(hearts)
        if any(t.bump.max() > 0.5 and t.name in ("RCA", "RM1", "PDA", "PLV") for t in h.tubes)
        and any(lesion.diameter_stenosis > 0.55 for lesion in h.trees[1].lesions)
    )  # fmt: skip
    return random_coronaries(seed, "right")


@pytest.fixture(scope="module")
def surface(heart: SyntheticVessels) -> Surface:
    return lumen_surface(heart, 0.3 * MM)


def all_branches(hearts: list[SyntheticVessels]) -> list[tuple[VesselTree, Branch]]:
    return [(tree, branch) for heart in hearts for tree in heart.trees for branch in tree.branches]


def away_from_junctions(tree: VesselTree, branch: Branch) -> Array:
    """Points of a branch whose section no other vessel's wall reaches."""
    arc = branch.arc
    away = (arc > max(4 * MM, 3.0 * branch.reference_radius[0])) & (arc < arc[-1] - 2 * MM)
    for child in tree.children(branch.name):
        reach = 2.5 * branch.reference_radius[child.parent_index] + 2 * MM
        away &= np.abs(arc - arc[child.parent_index]) > reach
    return np.flatnonzero(away)


def test_a_seed_gives_the_same_heart_and_its_halves() -> None:
    whole = random_heart(4)
    for side, tree in zip(("left", "right"), whole.trees, strict=True):
        half = random_coronaries(4, side)
        assert [b.name for b in half.tree.branches] == [b.name for b in tree.branches]
        for a, b in zip(half.tree.branches, tree.branches, strict=True):
            np.testing.assert_array_equal(a.points, b.points)
            np.testing.assert_array_equal(a.area, b.area)
        assert half.tree.lesions == tree.lesions
    assert not np.array_equal(random_heart(5).tree.root.points[0], whole.tree.root.points[0])


def test_names_and_topology(hearts: list[SyntheticVessels]) -> None:
    for heart in hearts:
        left, right = heart.trees
        assert {"LM", "LAD", "LCX", "D1", "OM1"} <= {b.name for b in left.branches}
        assert {"RCA", "RM1"} <= {b.name for b in right.branches}
        assert {b.parent for b in left.branches if b.name in ("LAD", "LCX", "RI")} == {"LM"}
        owner = "left" if heart.dominance == "left" else "right"
        assert [tree.name for tree in heart.trees if any(b.name == "PDA" for b in tree.branches)] == [owner]
        # The LAD runs forward and down, the LCX backward: x left, y posterior, z head.
        assert left["LAD"].points[-1][2] < left["LAD"].points[0][2] - 40 * MM
        assert left["LCX"].points[-1][1] > left["LCX"].points[0][1] + 10 * MM
        assert right.root.points[:, 0].min() < left.root.points[:, 0].min()


def test_calibres_are_those_published(hearts: list[SyntheticVessels]) -> None:
    """Dodge et al. 1992, men and women in equal parts (women 9 % less), right dominance."""
    typical = [h for h in hearts if h.dominance == "right"]
    for name, mean, spread in (("LM", 4.5, 0.5), ("LAD", 3.7, 0.4), ("LCX", 3.4, 0.5), ("RCA", 3.9, 0.6)):
        found = [2e3 * b.reference_radius[0] for _, b in all_branches(typical) if b.name == name]
        assert np.mean(found) == pytest.approx(0.955 * mean, abs=spread), name


def test_lengths_are_those_published(hearts: list[SyntheticVessels]) -> None:
    lengths = {name: [1e3 * b.length for _, b in all_branches(hearts) if b.name == name] for name in ("LM", "LAD")}
    assert np.mean(lengths["LM"]) == pytest.approx(10.5, abs=5.3)
    assert 100.0 < np.mean(lengths["LAD"]) < 130.0
    dominant = [1e3 * h.trees[1]["RCA"].length for h in hearts if h.dominance == "right"]
    assert 120.0 < np.mean(dominant) < 140.0


def test_dominance_has_its_published_shares() -> None:
    rng = np.random.default_rng(3)
    drawn = [draw_plan(rng).dominance for _ in range(2000)]
    for name, part in DOMINANCE.items():
        assert drawn.count(name) / 2000 == pytest.approx(part, abs=0.03)


def test_bifurcations_follow_huo_and_kassab(hearts: list[SyntheticVessels]) -> None:
    residuals = []
    for tree, child in all_branches(hearts):
        if child.parent is None:
            continue
        parent, at = tree[child.parent], child.parent_index
        before = 2.0 * parent.reference_radius[at]
        after = [2.0 * b.reference_radius[0] for b in tree.children(parent.name) if abs(b.parent_index - at) < 2]
        beyond = np.searchsorted(parent.arc, parent.arc[at] + before)
        if beyond < len(parent.points):
            after.append(2.0 * parent.reference_radius[beyond])
        residuals.append(np.sum(np.power(after, EXPONENT)) ** (1 / EXPONENT) / before - 1.0)
    assert abs(np.mean(residuals)) < 0.02
    assert np.std(residuals) < 0.04
    assert np.abs(residuals).max() < 0.12


def test_reference_calibre_falls_and_ends_where_truncation_matters(hearts: list[SyntheticVessels]) -> None:
    for _, branch in all_branches(hearts):
        assert np.all(np.diff(branch.reference_radius) <= 1e-12), branch.name
        if branch.is_outlet:
            assert 0.99 * MM <= 2.0 * branch.reference_radius[-1] <= 2.01 * MM, branch.name


def test_no_tube_cuts_itself_or_another(hearts: list[SyntheticVessels]) -> None:
    for heart in hearts:
        vessels = {branch.name: (tree.name, branch) for tree in heart.trees for branch in tree.branches}
        for name, (side, branch) in vessels.items():
            bend = np.linalg.norm(np.gradient(branch.tangent, branch.arc, axis=0), axis=1)
            assert np.all((bend * branch.reference_radius)[2:-2] < 0.42), name
            for other, (other_side, neighbour) in vessels.items():
                if other == name:
                    continue
                related = side == other_side and (other in (branch.parent, name) or neighbour.parent == branch.parent)
                free = 4.0 * neighbour.reference_radius.max() + 2.0 * GAP + 3 * MM if related else 0.0
                if neighbour.parent == name and side == other_side:
                    continue
                distance, nearest = cKDTree(neighbour.points).query(branch.points)
                room = distance - branch.reference_radius - neighbour.reference_radius[nearest]
                assert np.all(room[branch.arc >= free] > 0.9 * GAP), (name, other)


def test_vessels_bend_as_measured_in_vivo(hearts: list[SyntheticVessels]) -> None:
    """Mean curvature of vessels on the ventricles about 0.87 / cm (Liao et al. 2002); torsion is not nought."""
    bends = [
        np.linalg.norm(np.gradient(b.tangent, b.arc, axis=0), axis=1).mean() / 100.0
        for _, b in all_branches(hearts) if b.name == "LAD"
    ]  # fmt: skip
    assert 0.5 < np.mean(bends) < 1.2


def test_lesions_are_what_the_arrays_measure(hearts: list[SyntheticVessels]) -> None:
    count, shares = 0, []
    for heart in hearts:
        for tree in heart.trees:
            assert len(tree.lesions) <= 4
            for lesion in tree.lesions:
                count += 1
                branch = tree[lesion.branch]
                assert lesion == measure_lesion(branch, lesion.start, lesion.end, lesion.id)
                inside = (branch.arc >= lesion.start) & (branch.arc <= lesion.end)
                assert lesion.minimal_lumen_area == branch.area[inside].min()
                assert 0.1 < lesion.diameter_stenosis < 0.86
                assert lesion.length < 30.1 * MM
                shares.append(lesion.diameter_stenosis)
            for branch in tree.branches:
                healthy = np.ones(len(branch.points), dtype=bool)
                for lesion in tree.lesions_on(branch.name):
                    healthy &= (branch.arc < lesion.start) | (branch.arc > lesion.end)
                np.testing.assert_allclose(branch.area[healthy], np.pi * branch.reference_radius[healthy] ** 2)
    assert count > SEEDS
    assert np.mean(np.array(shares) > 0.4) > 0.4


def test_bump_areas_are_exact() -> None:
    angle = np.linspace(0.0, 2.0 * np.pi, 4001)[:-1]
    shape = bump_shape(np.cos(angle))
    assert shape.mean() == pytest.approx(MEAN_BUMP, rel=1e-12)
    assert (shape**2).mean() == pytest.approx(MEAN_SQUARE_BUMP, rel=1e-12)
    lesion = Narrowing("LAD", 5 * MM, 9 * MM, 17 * MM, 0.5, 0.3, 0.7, 1.0)
    factor, bump = lesion.applied(MM * np.array([4.0, 5.0, 9.0, 17.0, 18.0]))
    radius = factor[:, None] * (1.0 - bump[:, None] * shape)
    np.testing.assert_allclose((radius**2).mean(axis=1), [1.0, 1.0, 0.25, 1.0, 1.0], rtol=1e-12)


def test_inscribed_sphere_lies_within_the_section(hearts: list[SyntheticVessels]) -> None:
    for _, branch in all_branches(hearts):
        equivalent = np.sqrt(branch.area / np.pi)
        assert np.all(branch.radius <= 1.003 * equivalent), branch.name
        # Not right beside a lesion, where the sphere meets its flank.
        ill = branch.area < 0.999 * np.pi * branch.reference_radius**2
        healthy = ~np.convolve(ill, np.ones(17), mode="same").astype(bool)
        np.testing.assert_allclose(branch.radius[healthy], equivalent[healthy], rtol=0.05)


def test_surface_is_closed_in_one_piece_and_does_not_cross_itself(surface: Surface) -> None:
    _, _, count = edge_table(surface.triangles)
    assert np.all(count == 2)
    assert triangle_components(surface.triangles).max() == 0
    assert enclosed_volume(surface.points, surface.triangles) > 0.0
    assert len(self_crossings(surface.points, surface.triangles)) == 0


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
    image = label_map(heart, (0.4 * MM, 0.45 * MM, 0.6 * MM), turn * np.sign(np.linalg.det(turn)), (0.3, 0.6, 0.1))
    volume = np.count_nonzero(image.labels) * image.spacing.prod()
    assert volume == pytest.approx(enclosed_volume(surface.points, surface.triangles), rel=2e-3)
    for tree in heart.trees:
        assert np.all(image.values_at(tree.root.points[8:20]) == 2)
    assert np.all(image.values_at(heart.aorta_points[2:-2]) == 1)


def test_offset_moves_the_grid_by_a_part_of_a_voxel() -> None:
    heart = random_heart(1)
    plain, moved = label_map(heart, 0.8 * MM), label_map(heart, 0.8 * MM, offset=(0.25, 0.5, 0.75))
    steps = (plain.origin - moved.origin) / (0.8 * MM)
    np.testing.assert_allclose(steps, [0.25, 0.5, 0.75], atol=1e-9)


def test_kissing_vessels_touch_where_it_says() -> None:
    heart = random_heart(0, GeneratorOptions(kissing=True, septals=True))
    assert any(b.name == "S1" and b.parent == "LAD" for b in heart.tree.branches)
    contact = heart.contacts[0]
    walls = {tube.name: tube for tube in heart.tubes}
    for name in (contact.first, contact.second):
        assert walls[name].signed_distance(contact.place[None], 5 * MM)[0][0] < 0.0
    assert heart.tree[contact.first].parent != contact.second
    assert 0.0 < contact.depth < 0.6 * MM
    assert 0.0 < contact.length < 12 * MM


@pytest.mark.parametrize("tilt", [0.0, 0.4])
def test_a_steep_lesion_is_closed_and_has_its_volume(heart: SyntheticVessels, tilt: float) -> None:
    """A left main from 5.3 to 1.3 mm within 3 mm: there the field grows twice as fast as a distance (seed 43)."""
    z = MM * np.linspace(-10.0, 10.0, 161)
    radius = MM * (2.65 - 2.0 * np.exp(-((z / MM) ** 2)))
    axis = np.column_stack([np.sin(tilt) * z, 0.3 * tilt * np.sin(tilt) * z, np.cos(tilt) * z])
    axis = axis * np.sqrt(np.ptp(z) ** 2 / ((axis[-1] - axis[0]) ** 2).sum())
    tube = round_tube("LM", axis, radius, flat_ends=True)
    assert tube.steepness == pytest.approx(2.0, abs=0.1)
    made = lumen_surface(replace(heart, tubes=(tube,)))
    _, _, sharing = edge_table(made.triangles)
    assert made.triangles.min() >= 0 and np.all(sharing == 2)
    assert enclosed_volume(made.points, made.triangles) == pytest.approx(np.trapezoid(np.pi * radius**2, z), rel=0.01)


def test_union_without_fillet_is_the_nearest_wall() -> None:
    z = MM * np.linspace(-10.0, 10.0, 81)
    axis = np.column_stack([0 * z, 0 * z, z])
    tubes = (round_tube("a", axis, np.full_like(z, 2 * MM)), round_tube("b", axis[:, ::-1], np.full_like(z, 1 * MM)))
    places = MM * np.array([[3.0, 0.0, 0.0], [0.0, 0.0, 5.0], [7.0, 0.0, 1.5], [0.0, 2.5, 12.0]])
    distance, size = union(tubes, places, 8 * MM, 0.0)
    np.testing.assert_allclose(distance, MM * np.array([-1.0, -2.0, 0.5, np.hypot(2.5, 2.0) - 2.0]), atol=1e-9)
    np.testing.assert_allclose(size, MM * np.array([1.0, 2.0, 1.0, 2.0]), atol=1e-9)
