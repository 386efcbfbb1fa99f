"""From a surface and a tree to tetrahedra: volume, caps, resolution, lesions, what is refused."""

from __future__ import annotations

import logging
import os
from dataclasses import replace

import numpy as np
import pytest

from hemo import meshstage
from hemo.case import Case, read_case
from hemo.errors import HemoError, InputError, TreesNotMeshed
from hemo.geometry.lesion import with_reference_and_lesions
from hemo.geometry.mesh import filling, meshing
from hemo.geometry.mesh import layers as layers_module
from hemo.geometry.mesh.clipping import TaggedSurface
from hemo.geometry.mesh.filling import split_corner_cells
from hemo.geometry.mesh.flipping import flip_to_delaunay
from hemo.geometry.mesh.layers import LayerOptions
from hemo.geometry.mesh.meshing import MeshOptions, MeshResult, build_mesh, check_mesh
from hemo.geometry.mesh.peeling import WITHIN, peel_flat_cells
from hemo.geometry.mesh.quality import cell_shapes, cells_across, edges_across, gamma
from hemo.geometry.mesh.sections import section_probes
from hemo.geometry.mesh.sizing import Sizes, branch_at, size_at
from hemo.geometry.synthetic.vessels import left_coronary, straight_stenosis
from hemo.geometry.truncate import truncate
from hemo.meshstage import mesh_trees
from hemo.stages import Geometry
from hemo.tetmesh import TetMesh, face_neighbours
from hemo.tree import Branch, VesselTree
from hemo.triangles import vertex_normals
from tests.fem.tubes import blocks
from tests.geometry.conftest import CASES
from tests.geometry.shapes import AORTA, MAIN, MAIN_RADIUS, MM, SIDE, SIDE_RADIUS, lumen, tree

LENGTH, RADIUS = 30 * MM, 1.5 * MM


@pytest.fixture(scope="module")
def stenosis() -> tuple[MeshResult, VesselTree]:
    """A straight vessel with half its diameter lost in the middle, its flat ends kept."""
    surface, vessel = straight_stenosis(2 * RADIUS, LENGTH, 0.5, 10 * MM, 15 * MM)
    return build_mesh(surface, vessel, MeshOptions(6.0, keep_ends=True)), vessel


@pytest.fixture(scope="module")
def bifurcation() -> MeshResult:
    """A vessel with a side branch, cut from its aorta."""
    return build_mesh(lumen(AORTA, MAIN, SIDE), tree(), MeshOptions(6.0))


@pytest.fixture(scope="module")
def left(left_coronary_map) -> tuple[MeshResult, VesselTree]:
    """The left coronary tree of the committed label map, with its lesion."""
    _, surface, (found,) = left_coronary_map
    found = truncate(with_reference_and_lesions(found), 1.5 * MM)
    return build_mesh(surface, found, MeshOptions(5.0)), found


def section_areas(made: MeshResult, name: str) -> np.ndarray:
    probes = section_probes(made.mesh, made.tree)
    area = np.bincount(probes.section, probes.weight, probes.n_sections)
    return area[slice(*probes.branch_slices[name])]


def assert_sound(made: MeshResult, tolerance: float) -> None:
    """Watertight, positive, every cap planar, square to its vessel and as large as its section."""
    mesh = made.mesh
    sides = np.sort(np.concatenate([mesh.facets[:, [0, 1]], mesh.facets[:, [1, 2]], mesh.facets[:, [2, 0]]]), axis=1)
    assert np.all(np.unique(sides, axis=0, return_counts=True)[1] == 2)
    assert (mesh.neighbours < 0).sum() == len(mesh.facets)
    assert np.all(mesh.cell_volumes() > 0.0)
    a, b, c = (mesh.points[mesh.facets[:, i]] for i in range(3))
    assert np.einsum("ij,ij->", np.cross(a, b), c) / 6.0 == pytest.approx(mesh.cell_volumes().sum(), rel=1e-9)
    assert np.abs(0.5 * np.cross(b - a, c - a).sum(axis=0)).max() < 1e-15  # closed
    assert set(mesh.outlets) == set(made.tree.outlets)
    ends = [("inlet", made.tree.root, 0, -1.0)] + [(name, made.tree[name], -1, 1.0) for name in mesh.outlets]
    for name, branch, end, side in ends:
        vector = mesh.area_vector(name)
        size = float(np.linalg.norm(vector))
        used = mesh.points[np.unique(mesh.facets_of(name))]
        assert np.abs((used - used.mean(axis=0)) @ vector).max() / size < 1e-12
        assert side * vector @ branch.tangent[end] / size > 0.98
        assert size == pytest.approx(branch.area[end], rel=tolerance)
        assert np.linalg.norm(used.mean(axis=0) - branch.points[end]) < 0.3 * branch.radius[end]


def test_caps_and_wall_are_tagged_and_closed(stenosis, bifurcation) -> None:
    assert_sound(stenosis[0], 1e-3)
    assert_sound(bifurcation, 0.04)
    assert stenosis[0].mesh.names == {1: "wall", 2: "inlet", 3: "vessel"}
    assert bifurcation.mesh.names == {1: "wall", 2: "inlet", 3: "M", 4: "S"}


def test_volume_is_that_of_the_vessel(stenosis, bifurcation) -> None:
    made, vessel = stenosis
    z = np.linspace(0.0, LENGTH, 20001)
    true = np.trapezoid(np.pi * np.interp(z, vessel.root.points[:, 2], vessel.root.radius) ** 2, z)
    assert made.mesh.cell_volumes().sum() == pytest.approx(true, rel=2e-3)
    assert abs(made.report.volume_error) < 1e-3
    assert abs(bifurcation.report.volume_error) < 1e-3
    main, side = bifurcation.tree["M"].length, bifurcation.tree["S"].length
    cylinders = np.pi * (MAIN_RADIUS**2 * main + SIDE_RADIUS**2 * (side + 0.5 * MM))
    assert bifurcation.mesh.cell_volumes().sum() == pytest.approx(cylinders, rel=0.04)


def test_a_lesion_keeps_its_sections(stenosis) -> None:
    made, vessel = stenosis
    arc = made.tree.root.arc
    wanted = np.pi * np.interp(arc, vessel.root.arc, vessel.root.radius) ** 2
    error = section_areas(made, "vessel") / wanted - 1.0
    assert np.abs(error).max() < 0.01
    assert made.tree.lesions == vessel.lesions


def test_cells_across_are_what_was_asked_in_the_throat_too(stenosis, bifurcation) -> None:
    made, _ = stenosis
    assert made.report.cells_per_diameter_min > 5.0
    across = cells_across(made.mesh, made.probes)
    root = made.tree.root
    share = across * size_at(root.points, made.tree, Sizes(6.0)) / root.diameter
    assert 1.0 < np.median(share) < 1.2 and share.min() > 0.8
    throat = np.abs(made.tree.root.arc - 15 * MM) < 1 * MM
    assert np.median(across[throat]) == pytest.approx(6.0 / np.sqrt(0.5), rel=0.12)
    assert across[np.abs(made.tree.root.arc - 15 * MM) < 5 * MM].min() > 6.0
    assert bifurcation.report.cells_per_diameter_min > 4.5
    finer = build_mesh(*straight_stenosis(2 * RADIUS, 12 * MM, 0.0), MeshOptions(9.0, keep_ends=True)).report
    assert 8.5 < finer.cells_per_diameter_median < 10.5  # a remesher leaves a surface that is finer as it is


def test_cells_are_well_shaped(stenosis, bifurcation, left) -> None:
    for made in (stenosis[0], bifurcation, left[0]):
        quality = gamma(made.mesh)
        assert made.report.min_quality == pytest.approx(quality.min())
        assert quality.min() > 0.2
        assert np.median(quality) > 0.75
        assert (made.report.cells, made.report.vertices) == (len(made.mesh.cells), len(made.mesh.points))


def test_the_left_tree_keeps_its_lesion_and_sections(left) -> None:
    made, found = left
    assert_sound(made, 0.06)
    assert abs(made.report.volume_error) < 1e-3
    assert made.report.cells_per_diameter_min > 4.0
    (lesion,) = made.tree.lesions
    true = left_coronary(0.6).tree
    assert lesion.branch == "LAD"
    assert lesion.minimal_lumen_area == pytest.approx(found.lesions[0].minimal_lumen_area)
    areas = section_areas(made, "LAD")
    arc = made.tree["LAD"].arc
    throat = areas[np.abs(arc - lesion.minimum) < 2 * MM].min()
    # The surface's throat is this placement's in the voxels (its own test: test_minimal_lumen_area_of_the_case).
    assert throat == pytest.approx(lesion.minimal_lumen_area, rel=0.03)
    assert throat == pytest.approx(true.lesions[0].minimal_lumen_area, rel=0.13)
    # Away from the bifurcations a section of the mesh is the section of the surface.
    clear = (arc > 8 * MM) & (arc < arc[-1] - 1 * MM)
    for child in made.tree.children("LAD"):
        clear &= np.abs(arc - arc[child.parent_index]) > 6 * MM
    error = areas[clear] / made.tree["LAD"].area[clear] - 1.0
    assert abs(error.mean()) < 0.01
    assert np.percentile(np.abs(error), 90) < 0.04


def test_vessels_that_touch_are_rebuilt_round_the_tree() -> None:
    touching = lumen(AORTA, MAIN, SIDE, ([0, 0, 8], [28, 0, 0], 1.0))
    alone = VesselTree("t", tree().branches[:1])
    made = build_mesh(touching, alone, MeshOptions(4.0))
    assert made.report.method.startswith("rebuilt lumen")
    assert "touch" in made.report.warnings[0]
    assert set(made.mesh.outlets) == {"M"}
    assert np.all(made.mesh.cell_volumes() > 0.0)
    # The bridging vessel and the aorta are gone but for what lies within 1.6 radii of the centreline.
    assert np.abs(made.mesh.points[:, 1]).max() < 1.8 * MAIN_RADIUS
    assert made.mesh.points[:, 0].min() > 5 * MM


def with_twig(radius: float) -> VesselTree:
    """The fork with a side vessel that goes on beyond its lumen."""
    fork = tree()
    y = -MM * np.arange(1.3, 7.1, 0.4)
    r = np.full_like(y, radius)
    points = np.column_stack([np.full_like(y, 12 * MM), y, 0 * y])
    place = int(np.abs(fork.root.points[:, 0] - 12 * MM).argmin())
    return VesselTree("t", (*fork.branches, Branch("T", points, r, np.pi * r**2, r, "M", place)))


def test_a_small_outlet_that_cannot_be_cut_is_left_out_and_said() -> None:
    surface = lumen(AORTA, MAIN, SIDE, ([12, 0, 0], [12, -1.8, 0], 0.6))
    made = build_mesh(surface, with_twig(0.6 * MM), MeshOptions(4.0, minimal_outlet_diameter=0.0))
    assert set(made.mesh.outlets) == {"M", "S"} == {branch.name for branch in made.tree.branches}
    (text,) = (text for text in made.report.warnings if text.startswith("T: left out"))
    share = 0.6**3 / (0.6**3 + 1.0**3 + 1.5**3)
    assert f"left out with {100.0 * share:.1f} % of the flow" in text and "interrupted" in text


def test_a_large_outlet_that_cannot_be_cut_is_refused() -> None:
    surface = lumen(AORTA, MAIN, SIDE, ([12, 0, 0], [12, -1.8, 0], 0.8))
    with pytest.raises(InputError, match=r"outlet 'T'.*failed too"):
        build_mesh(surface, with_twig(0.8 * MM), MeshOptions(4.0, minimal_outlet_diameter=0.0))


def test_a_hopeless_lumen_ends_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted = lumen(AORTA, ([0, 0, 0], [14, 0, 0], 1.5), ([18, 0, 0], [28, 0, 0], 1.5))
    with pytest.raises(InputError, match=r"outlet 'M'.*failed too") as caught:
        build_mesh(interrupted, VesselTree("t", tree().branches[:1]), MeshOptions(4.0))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("options", [{"cells_per_diameter": 1.0}, {"cells_per_diameter": 99.0}, {"gradation": 1.0}])
def test_absurd_options_are_refused(options) -> None:
    with pytest.raises(InputError, match="give a number from"):
        MeshOptions(**options)


def test_a_surface_inside_out_is_turned() -> None:
    surface, vessel = straight_stenosis(3 * MM, 12 * MM, 0.0)
    turned = replace(surface, triangles=surface.triangles[:, ::-1])
    made = build_mesh(turned, vessel, MeshOptions(4.0, keep_ends=True))
    assert np.all(made.mesh.cell_volumes() > 0.0)
    assert made.mesh.cell_volumes().sum() == pytest.approx(np.pi * RADIUS**2 * 12 * MM, rel=3e-3)


def test_broken_meshes_are_refused(stenosis) -> None:
    made, vessel = stenosis
    mesh = made.mesh
    for broken, words in (
        (replace(mesh, cells=mesh.cells[:, [0, 1, 3, 2]]), "inverted"),
        (replace(mesh, names={1: "wall", 2: "inlet", 3: "other"}), "'vessel'"),
        (replace(mesh, facets=mesh.facets[1:], facet_tags=mesh.facet_tags[1:]), "whole boundary"),
        (replace(mesh, cells=mesh.cells[1:]), "whole boundary"),
    ):
        with pytest.raises(InputError, match=words):
            check_mesh(broken, vessel)
    check_mesh(mesh, vessel)


def test_gamma_of_a_regular_and_of_a_flat_cell() -> None:
    regular = np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    flat = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0.3, 0.3, 1e-6]])
    corner = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    points = np.vstack([regular, flat, corner])
    mesh = TetMesh(points, np.arange(12).reshape(3, 4), np.zeros((0, 3), int), np.zeros(0, np.int32), {})
    # The corner of a cube: r = 1 / (3 + sqrt 3), R = sqrt(3) / 2.
    np.testing.assert_allclose(gamma(mesh), [1.0, 0.0, 6.0 / (3.0 * np.sqrt(3.0) + 3.0)], atol=1e-5)


def test_a_corner_cell_gets_a_vertex_in_its_middle() -> None:
    points = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]])
    cells = np.array([[0, 1, 2, 3], [1, 4, 2, 3]])
    outer = np.array([[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 4], [1, 3, 4], [2, 3, 4]])
    mesh = TetMesh(points, cells, outer, np.ones(6, np.int32), {1: "wall"})
    whole = split_corner_cells(mesh)
    assert len(whole.cells) == 8
    assert (whole.neighbours < 0).sum(axis=1).max() == 1
    assert np.abs(whole.cell_volumes()).sum() == pytest.approx(np.abs(mesh.cell_volumes()).sum())


def plastered_cube() -> tuple[TetMesh, TetMesh]:
    """A cube in five tetrahedra whose top has a slight valley along its diagonal; the same with a flat cell on it."""
    points = np.array([[x, y, z] for z in (0.0, 1.0) for y in (0.0, 1.0) for x in (0.0, 1.0)])
    cells = np.array([[0, 1, 2, 4], [3, 2, 1, 7], [5, 4, 7, 1], [6, 7, 4, 2], [1, 2, 4, 7]])
    points[[4, 7], 2] -= 1e-4
    wrong = TetMesh(points, cells, np.empty((0, 3), int), np.empty(0, np.int32), {1: "wall"}).cell_volumes() < 0.0
    cells[wrong] = cells[wrong][:, [0, 1, 3, 2]]
    row, opposite = np.nonzero(face_neighbours(cells) < 0)
    facets = cells[row[:, None], WITHIN[opposite][:, ::-1]]
    bare = TetMesh(points, cells, facets, np.ones(len(facets), np.int32), {1: "wall"})
    top = np.all(points[facets][:, :, 2] > 0.5, axis=1)
    flat = np.array([[4, 7, 5, 6]])
    volume = np.linalg.det(points[flat[0, 1:]] - points[flat[0, 0]])
    flat = flat if volume > 0.0 else flat[:, [0, 1, 3, 2]]
    covered = facets.copy()
    covered[top] = [face[::-1] for face in flat[0][WITHIN] if {5, 6} <= set(face.tolist())]
    return bare, replace(bare, cells=np.vstack([cells, flat]), facets=covered)


def test_a_flat_cell_on_the_wall_is_taken_off() -> None:
    bare, covered = plastered_cube()
    quality = gamma(covered)
    assert quality[-1] < 0.01 and quality[:-1].min() > 0.3
    assert np.all(covered.cell_volumes() > 0.0)
    made, gone = peel_flat_cells(covered, quality, 0.1)
    assert gone.tolist() == [5]
    np.testing.assert_array_equal(made.cells, bare.cells)
    assert {frozenset(face) for face in made.facets.tolist()} == {frozenset(face) for face in bare.facets.tolist()}
    a, b, c = (made.points[made.facets[:, k]] for k in range(3))
    enclosed = float(np.einsum("ij,ij->", a, np.cross(b, c))) / 6.0
    assert enclosed == pytest.approx(made.cell_volumes().sum(), rel=1e-12)  # every facet faces outwards


def test_a_flat_cell_between_two_parts_of_the_boundary_stays() -> None:
    _, covered = plastered_cube()
    tags = covered.facet_tags.copy()
    tags[np.flatnonzero(np.isin(covered.facets, [5, 6]).sum(axis=1) == 2)[0]] = 2
    made, gone = peel_flat_cells(replace(covered, facet_tags=tags), gamma(covered), 0.1)
    assert len(gone) == 0 and len(made.cells) == 6


def test_poor_cells_make_the_wall_smoother(stenosis, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vertex of the wall that nearly meets its neighbour forces flat cells; fill smooths it away."""
    made, _ = stenosis
    mesh = made.mesh
    used, compact = np.unique(mesh.facets, return_inverse=True)
    points = mesh.points[used].copy()
    facets = compact.reshape(-1, 3)
    wall = np.unique(facets[mesh.facet_tags == 1])
    victim = wall[np.abs(points[wall, 2] - 5 * MM).argmin()]
    triangle = facets[(facets == victim).any(axis=1)][0]
    points[victim] = 0.02 * points[victim] + 0.98 * points[triangle[triangle != victim][0]]
    planes = {2: (np.zeros(3), np.array([0.0, 0, -1])), 3: (np.array([0, 0, LENGTH]), np.array([0.0, 0, 1]))}
    spiked = filling.TaggedSurface(points, facets, mesh.facet_tags, mesh.names, planes)
    with monkeypatch.context() as patch:
        patch.setattr(filling, "RELAXATIONS", 0)
        before = gamma(filling.fill(spiked)[0]).min()
    after = gamma(filling.fill(spiked)[0]).min()
    assert before < filling.POOR_QUALITY < after


def test_gmsh_that_fails_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    (tmp_path / "fails").write_text("#!/bin/sh\necho 'no luck today' >&2\nexit 1\n")
    (tmp_path / "fails").chmod(0o755)
    monkeypatch.setattr(filling.sys, "executable", str(tmp_path / "fails"))
    with pytest.raises(HemoError, match="gmsh could not fill the lumen: no luck today"):
        filling.run_gmsh("fill", {"points": np.zeros((1, 3))})


def test_the_report_tells_branch_by_branch(bifurcation, left) -> None:
    for made in (bifurcation, left[0]):
        report, mesh, tree = made.report.quality, made.mesh, made.tree
        across, quality = cells_across(mesh, made.probes), gamma(mesh)
        assert made.report.cells_per_diameter_min == pytest.approx(np.nanmin(across))
        assert set(report.branches) == {branch.name for branch in tree.branches}
        assert sum(branch.cells for branch in report.branches.values()) == made.report.cells
        for name, branch in report.branches.items():
            own = across[slice(*made.probes.branch_slices[name])]
            assert branch.cells_per_diameter_min == pytest.approx(np.nanmin(own))
            assert branch.cells_per_diameter_median == pytest.approx(np.nanmedian(own))
            assert 1.0 < branch.edge_ratio_max <= report.edge_ratio_max
        assert min(branch.gamma_min for branch in report.branches.values()) == quality.min() == report.gamma_min
        # The worst cell lies where the report has it, within the calibre there of the point named.
        branch, told = tree[report.worst_branch], report.branches[report.worst_branch]
        assert told.gamma_min == quality.min()
        assert np.allclose(mesh.points[mesh.cells[quality.argmin()]].mean(axis=0), report.worst_place, atol=1e-12)
        nearest = int(np.abs(branch.arc - told.worst_at).argmin())
        assert np.linalg.norm(branch.points[nearest] - report.worst_place) < branch.diameter[nearest]


def test_points_belong_to_the_vessel_they_lie_in() -> None:
    vessel, rng = tree(), np.random.default_rng(3)
    for number, (name, first, radius) in enumerate((("M", 0.0, MAIN_RADIUS), ("S", 3 * MM, SIDE_RADIUS))):
        branch = vessel[name]
        on = rng.choice(np.flatnonzero(branch.arc >= first), 200)
        away = np.cross(branch.tangent[on], rng.normal(size=(200, 3)))
        away *= 0.95 * radius / np.linalg.norm(away, axis=1, keepdims=True)
        places = branch.points[on] + away
        assert (branch_at(places, vessel) == number).mean() > 0.95  # the rest lies in the junction


def test_angles_and_aspect_of_known_cells() -> None:
    regular = np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    corner = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    mesh = TetMesh(
        np.vstack([regular, corner]), np.arange(8).reshape(2, 4), np.zeros((0, 3), int), np.zeros(0, np.int32), {}
    )
    acute = np.degrees(np.arccos(1 / np.sqrt(3)))
    shapes = cell_shapes(mesh)
    np.testing.assert_allclose(shapes.dihedral_min, [np.degrees(np.arccos(1 / 3)), acute])
    np.testing.assert_allclose(shapes.dihedral_max, [70.528779, 90.0])
    np.testing.assert_allclose(shapes.volume, mesh.cell_volumes())
    # The corner of a cube: r = 1 / (3 + sqrt 3), longest edge sqrt 2.
    np.testing.assert_allclose(shapes.aspect, [1.0, np.sqrt(2) * (3 + np.sqrt(3)) / (2 * np.sqrt(6))])
    np.testing.assert_allclose(shapes.edge_ratio, [1.0, np.sqrt(2)])


def test_edges_across_a_grid_of_cubes() -> None:
    """On ten cubes across, each cut into six tetrahedra, a line along the grid passes ten sizes."""
    ends = {0.0: 2, 4e-4: 3}

    def tag(corners: np.ndarray) -> np.ndarray:
        z = corners[:, :, 2]
        flat = np.ptp(z, axis=1) < 1e-9
        return np.array([ends.get(round(h, 7), 1) if f else 1 for h, f in zip(z[:, 0], flat, strict=True)], np.int32)

    mesh = blocks(np.ones((10, 10, 4), dtype=bool), 1e-4, tag, {1: "wall", 2: "inlet", 3: "A"})
    line = np.column_stack([np.full(3, 5e-4), np.full(3, 5e-4), [0.0, 2.05e-4, 4e-4]])
    r = np.full(3, 5e-4)
    probes = section_probes(mesh, VesselTree("t", (Branch("A", line, r, np.full(3, 1e-6), r),)))
    across = cells_across(mesh, probes)[1]
    assert across == pytest.approx(2 / np.sqrt(np.pi) * 10.0, rel=1e-9)
    mean_edge = (3 + 2 * np.sqrt(2) + np.sqrt(3)) / 6
    assert edges_across(mesh, probes)[1].min() == pytest.approx(10.0 / mean_edge, rel=1e-9)


@pytest.fixture(scope="module")
def both_sides() -> Geometry:
    """Two trees in one lumen, the fork and its main vessel alone; no vertex of the grid lies on the wall."""
    surface = lumen(*((start, end, 1.007 * radius) for start, end, radius in (AORTA, MAIN, SIDE)))
    fork = tree()
    return Geometry((replace(fork, name="right"), VesselTree("left", fork.branches[:1])), surface, True)


def coarse_case() -> Case:
    case = read_case(CASES / "left_coronary" / "case.toml")
    return case.model_copy(update={"fem": case.fem.model_copy(update={"cells_per_diameter": 3.0})})


def itself(meshed: meshstage.MeshedTree) -> meshstage.MeshedTree:
    return meshed


def test_trees_meshed_side_by_side_are_those_meshed_one_by_one(both_sides, tmp_path, caplog) -> None:
    case = coarse_case()
    with caplog.at_level(logging.INFO):
        alone = mesh_trees(case, both_sides, tmp_path / "alone", itself, 1)
        apart = [record.getMessage() for record in caplog.records]
        caplog.clear()
        together = mesh_trees(case, both_sides, tmp_path / "together", itself, 2)
    assert [meshed.tree.name for meshed in together] == ["right", "left"]
    for one, other in zip(alone, together, strict=True):
        assert np.array_equal(one.mesh.points, other.mesh.points)
        assert np.array_equal(one.mesh.cells, other.mesh.cells)
        assert np.array_equal(one.probes.weight, other.probes.weight)
        assert one.info == other.info
    said = [record.getMessage() for record in caplog.records]
    # The same is logged in the same order, but for the times.
    assert [line.split("timings")[0] for line in said] == [line.split("timings")[0] for line in apart]
    assert [line.split(" tree: ")[0] for line in said] == ["right", "left"]


def test_the_tree_that_cannot_be_meshed_is_named(both_sides, tmp_path, caplog) -> None:
    right, left = both_sides.trees
    far = tuple(replace(branch, points=branch.points + 0.1) for branch in left.branches)
    geometry = replace(both_sides, trees=(right, replace(left, branches=far)))
    sentences = []
    for processes in (1, 2):
        with pytest.raises(TreesNotMeshed, match=r"1 of 2 trees.*\(right: meshed\).*tree 'left'") as caught:
            mesh_trees(coarse_case(), geometry, tmp_path / str(processes), itself, processes)
        assert [made.tree.name for made in caught.value.made] == ["right"]
        sentences.append(str(caught.value))
    assert sentences[0] == sentences[1]
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2 and all(text.startswith("left tree: meshing") for text in warnings)


def aborts(*_: object) -> None:
    os.abort()


def test_a_process_that_is_killed_does_not_end_the_meshing(both_sides, tmp_path, monkeypatch, caplog) -> None:
    monkeypatch.setattr(meshstage, "_mesh_apart", aborts)
    meshed = mesh_trees(coarse_case(), both_sides, tmp_path, itself, 2)
    assert [one.tree.name for one in meshed] == ["right", "left"]
    assert "perhaps for lack of memory" in caplog.text


def first_layer(made: MeshResult) -> tuple[np.ndarray, np.ndarray]:
    """Height (n,) of the first layer off the caps, and the cosine (n,) of its edge with the wall's normal."""
    mesh = made.mesh
    wall = mesh.facets_of("wall")
    on_wall = np.zeros(len(mesh.points), dtype=bool)
    on_wall[wall] = True
    flat = mesh.cells[-made.report.quality.layer_cells :]
    # The last tetrahedron of a prism has one vertex on the wall: its other corners are those of the sheet.
    pairs = np.concatenate([np.sort(flat[:, [i, j]], axis=1) for i in range(4) for j in range(i)])
    pairs = np.unique(pairs[on_wall[pairs].sum(axis=1) == 1], axis=0)
    outer = np.where(on_wall[pairs[:, 0]], pairs[:, 0], pairs[:, 1])
    step = mesh.points[pairs.sum(axis=1) - outer] - mesh.points[outer]
    length = np.linalg.norm(step, axis=1)
    # Of a vertex's edges into the lumen the shortest is the one straight across the layer.
    order = np.lexsort([length, outer])
    vertex, first = np.unique(outer[order], return_index=True)
    step, length = step[order[first]], length[order[first]]
    caps = np.unique(np.concatenate([mesh.facets_of(name) for name in ("inlet", *mesh.outlets)]))
    free = ~np.isin(vertex, caps)
    normal = -vertex_normals(mesh.points, wall)[vertex]
    return length[free], (np.einsum("ij,ij->i", step, normal) / length)[free]


def assert_layers(made: MeshResult, count: int, thickness: np.ndarray | float) -> None:
    """Layers on every triangle of the wall, orthogonal to it, of the wanted first height, caps planar, cells valid."""
    mesh, quality = made.mesh, made.report.quality
    assert made.report.warnings == ()
    assert quality.layer_cells == 3 * count * len(mesh.facets_of("wall"))
    owner = np.flatnonzero((mesh.neighbours < 0).any(axis=1))
    layered = mesh.cells[owner[owner >= len(mesh.cells) - quality.layer_cells]]
    assert np.isin(mesh.facets_of("wall"), layered).all()
    assert (mesh.neighbours < 0).sum(axis=1).max() <= 2  # pressure is determined in each
    height, cosine = first_layer(made)
    assert np.median(height) == pytest.approx(thickness, rel=0.1)
    assert np.percentile(height, 99) < 1.3 * thickness
    assert np.median(cosine) > 0.98 and np.percentile(cosine, 1) > 0.8
    # Where the wall is flat a cell's faces are square to each other: caps and wall alike.
    assert 1.0 < quality.layer_dihedral_min < quality.layer_dihedral_max < 177.0
    assert quality.gamma_min > 0.1
    assert abs(made.report.volume_error) < 1e-3


def test_boundary_layers_in_a_tube() -> None:
    layers = LayerOptions(3, 0.05, 1.3)
    surface, vessel = straight_stenosis(2 * RADIUS, LENGTH, 0.0)
    made = build_mesh(surface, vessel, MeshOptions(5.0, keep_ends=True, layers=layers))
    assert_sound(made, 1e-3)
    assert_layers(made, 3, 0.05 * RADIUS)
    plain = build_mesh(surface, vessel, MeshOptions(5.0, keep_ends=True))
    assert made.mesh.cell_volumes().sum() == pytest.approx(plain.mesh.cell_volumes().sum(), rel=1e-9)
    assert plain.report.quality.layer_cells == 0 and plain.report.quality.layer_aspect_max is None
    # The sheets lie at 0.05, 0.115 and 0.1995 R.
    depth = 1.0 - np.hypot(made.mesh.points[:, 0], made.mesh.points[:, 1]) / RADIUS
    middle = np.abs(made.mesh.points[:, 2] - LENGTH / 2) < LENGTH / 4
    assert (middle & (depth > 0.06) & (depth < 0.1)).sum() < 0.02 * middle.sum()
    assert (middle & (depth > 0.12) & (depth < 0.18)).sum() < 0.02 * middle.sum()


def test_boundary_layers_in_a_fork() -> None:
    made = build_mesh(lumen(AORTA, MAIN, SIDE), tree(), MeshOptions(5.0, layers=LayerOptions(3, 0.05, 1.3)))
    assert made.report.quality.layer_cells == 9 * len(made.mesh.facets_of("wall"))
    assert_sound(made, 0.04)
    height, cosine = first_layer(made)
    assert 0.9 * 0.05 * SIDE_RADIUS < np.median(height) < 1.1 * 0.05 * MAIN_RADIUS
    assert np.median(cosine) > 0.98 and np.percentile(cosine, 5) > 0.7
    assert made.report.quality.gamma_min > 0.1
    assert abs(made.report.volume_error) < 1e-3


def test_layers_that_do_not_fit_are_left_out_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers_module, "SQUARE", 1.1)  # nothing fits
    surface, vessel = straight_stenosis(2 * RADIUS, 12 * MM, 0.0)
    made = build_mesh(surface, vessel, MeshOptions(4.0, keep_ends=True, layers=LayerOptions(2)))
    assert made.report.quality.layer_cells == 0
    assert "the mesh has no layers" in made.report.warnings[0]
    assert np.all(made.mesh.cell_volumes() > 0.0)


def test_a_flat_cell_is_told_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    surface, vessel = straight_stenosis(2 * RADIUS, 12 * MM, 0.0)
    assert build_mesh(surface, vessel, MeshOptions(4.0, keep_ends=True)).report.warnings == ()
    monkeypatch.setattr(meshing, "FLATTEST", 1.0)  # every mesh has a cell flatter than that
    report = build_mesh(surface, vessel, MeshOptions(4.0, keep_ends=True)).report
    x, y, z = (1e3 * value for value in report.quality.worst_place)
    (said,) = report.warnings
    assert f"near x {x:.1f}, y {y:.1f}, z {z:.1f} mm is flat (quality {report.min_quality:.4f})" in said


@pytest.mark.parametrize("options", [(30,), (2, 0.05, 9.0), (10, 0.1, 2.0)])
def test_absurd_layers_are_refused(options) -> None:
    with pytest.raises(InputError, match="give"):
        LayerOptions(*options)


def test_an_ear_in_a_cap_is_flipped_away() -> None:
    count = 24
    turn = 2 * np.pi * np.arange(count) / count
    points = np.vstack([np.column_stack([np.cos(turn), np.sin(turn), 0 * turn]), np.zeros(3)])
    fan = np.array([[i, (i + 1) % count, count] for i in range(count)])
    eared = fan.copy()
    eared[4:6] = [[4, 5, 6], [4, 6, count]]  # 165 degrees at vertex 5
    planes = {3: (np.zeros(3), np.array([0.0, 0.0, 1.0]))}
    for cap in (eared, fan):
        surface = TaggedSurface(points, cap, np.full(count, 3, np.int32), {1: "wall", 3: "A"}, planes)
        made = flip_to_delaunay(surface)
        assert {frozenset(triangle) for triangle in made.triangles.tolist()} == {frozenset(t) for t in fan.tolist()}
        a, b, c = (points[made.triangles[:, k]] for k in range(3))
        assert np.all(np.cross(b - a, c - a)[:, 2] > 0.0)
        assert made.cap_area(3) == pytest.approx(surface.cap_area(3), rel=1e-12)
