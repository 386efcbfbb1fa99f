"""Trees from centrelines that are given: VMTK's, single vessels, mere paths; alone and with the lumen."""

from itertools import pairwise

import numpy as np
import pytest

from hemo.errors import InputError
from hemo.geometry.centreline.compare import Polyline, compare_radius, outlet_lines, read_centrelines
from hemo.geometry.centreline.givenlines import read_centrelines as read_given
from hemo.geometry.centreline.givenlines import trees_from_lines
from hemo.geometry.centreline.linefile import RADIUS, read_lines
from hemo.geometry.synthetic.vessels import left_coronary
from hemo.vtkio import write_polydata
from tests.geometry.shapes import AORTA, MAIN, SIDE, lumen

TREE = left_coronary(0.6).tree


def whole_lines():
    """From the aorta's middle to each outlet, as VMTK's are, in m."""
    start = TREE.root.points[0]
    back = start - np.linspace(20e-3, 0.0, 60)[:, None] * TREE.root.tangent[0]
    wide = np.linspace(12e-3, TREE.root.radius[0], 60)
    full = []
    for name in TREE.outlets:
        branch, points, radius = TREE[name], TREE[name].points, TREE[name].radius
        while branch.parent is not None:
            last = (branch.parent_index or 0) + 1
            branch = TREE[branch.parent]
            points, radius = np.vstack([branch.points[:last], points]), np.concatenate([branch.radius[:last], radius])
        full.append(Polyline(name, np.vstack([back[:-1], points]), np.concatenate([wide[:-1], radius])))
    return full


def write_lines(path, lines, scale=1e3, line_data=None, arrays=True):
    points = scale * np.concatenate([line.points for line in lines])
    radius = scale * np.concatenate([line.radius for line in lines])
    first = np.cumsum([0] + [len(line.points) for line in lines])
    cells = [np.arange(a, b) for a, b in pairwise(first)]
    write_polydata(path, points, None, cells, {RADIUS: radius} if arrays else {}, line_data)
    return path


def assert_is_the_tree(found):
    """The synthetic tree's branches, each once, at their places and with their radii."""
    assert {b.name: b.parent for b in found.branches} == {b.name: b.parent for b in TREE.branches}
    assert set(found.outlets) == set(TREE.outlets)
    for branch in found.branches:
        true = TREE[branch.name]
        agreement = compare_radius(
            [Polyline("found", branch.points, branch.radius)], [Polyline("true", true.points, true.radius)], (0.0, 1.0)
        )
        assert agreement.matched_length > 0.9 * agreement.reference_length, branch.name
        assert agreement.percentile_90 < 0.03, branch.name
        assert branch.points[-1] == pytest.approx(true.points[-1], abs=0.5e-3)
        if branch.parent is not None:
            place = found[branch.parent].points[branch.parent_index]
            assert place == pytest.approx(TREE[true.parent].points[true.parent_index], abs=1.5e-3)


@pytest.mark.parametrize("order", ["rooted", "reversed"])
def test_lines_from_one_inlet_become_the_tree(order, tmp_path):
    lines = whole_lines()
    if order == "reversed":
        lines = [Polyline(line.name, line.points[::-1], line.radius[::-1]) for line in lines]
    (tree,) = trees_from_lines(read_given([write_lines(tmp_path / "lines.vtp", lines)]))
    assert tree.name == "left"
    assert_is_the_tree(tree)


def test_tracts_of_vmtkbranchextractor_are_joined(tmp_path):
    pieces, ids, tracts = [], [], []
    for number, line in enumerate(whole_lines()):
        cuts = [0, 80, 130, len(line.points) - 1]
        for tract, (a, b) in enumerate(pairwise(cuts)):
            pieces.append(Polyline("", line.points[a : b + 1], line.radius[a : b + 1]))
            ids.append(number)
            tracts.append(tract)
    shuffled = np.random.default_rng(3).permutation(len(pieces))
    data = {"CenterlineIds": np.array(ids)[shuffled], "TractIds": np.array(tracts)[shuffled]}
    path = write_lines(tmp_path / "split.vtp", [pieces[k] for k in shuffled], line_data=data)
    assert len(read_lines(path)) == len(TREE.outlets)
    (tree,) = trees_from_lines(read_given([path]))
    assert_is_the_tree(tree)


def test_single_vessels_are_joined_where_they_meet(tmp_path):
    lines = []
    for branch in TREE.branches:
        points, radius = branch.points, branch.radius
        if branch.parent is not None:  # a vessel drawn on its own starts in its parent's lumen
            points = np.vstack([TREE[branch.parent].points[branch.parent_index], points])
            radius = np.concatenate([radius[:1], radius])
        way = slice(None, None, -1 if branch.name == "D1" else 1)
        lines.append(Polyline(branch.name, points[way], radius[way]))
    path = write_lines(tmp_path / "vessels.vtp", lines)
    (tree,) = trees_from_lines(read_given([path]))
    assert_is_the_tree(tree)


def test_two_point_cells_are_chained(tmp_path):
    branch = TREE["LAD"]
    points, radius = 1e3 * branch.points, 1e3 * branch.radius
    cells = [np.array([k, k + 1]) for k in range(len(points) - 1)]
    write_polydata(tmp_path / "cells.vtp", points, None, cells[::-1], {RADIUS: radius})
    (line,) = read_lines(tmp_path / "cells.vtp")
    assert len(line.points) == len(points)


def test_section_areas_are_taken_where_the_file_has_them(tmp_path, caplog):
    branch = TREE["LCX"]
    cells = [np.arange(len(branch.points))]
    arrays = {RADIUS: 1e3 * branch.radius, "CenterlineSectionArea": 1.2e6 * np.pi * branch.radius**2}
    write_polydata(tmp_path / "a.vtp", 1e3 * branch.points, None, cells, arrays)
    (tree,) = trees_from_lines(read_given([tmp_path / "a.vtp"]))
    ratio = tree.root.area / (np.pi * tree.root.radius**2)
    assert ratio == pytest.approx(1.2, rel=0.02)
    assert not caplog.messages
    write_polydata(tmp_path / "r.vtp", 1e3 * branch.points, None, cells, {RADIUS: arrays[RADIUS]})
    (tree,) = trees_from_lines(read_given([tmp_path / "r.vtp"]))
    assert tree.root.area == pytest.approx(np.pi * tree.root.radius**2)
    assert "inscribed radii only" in caplog.text


@pytest.mark.parametrize(("scale", "unit", "likely"), [(1e2, None, "cm"), (1.0, "mm", "m"), (1e3, "cm", "mm")])
def test_a_wrong_unit_is_refused(scale, unit, likely, tmp_path):
    path = write_lines(tmp_path / "lines.vtp", whole_lines(), scale)
    with pytest.raises(InputError, match=f'state unit = "{likely}"'):
        read_given([path], unit)
    assert len(read_given([path], likely)) == len(TREE.outlets)


def test_lines_without_radius_are_refused(tmp_path):
    with pytest.raises(InputError, match=f"no centrelines with {RADIUS}"):
        read_lines(write_lines(tmp_path / "bare.vtp", whole_lines(), arrays=False))


def test_lines_are_measured_on_the_lumen():
    """The lines lie 0.4 mm beside the middle and their radii are wrong: the surface corrects both."""
    surface = lumen(AORTA, MAIN, SIDE)
    along = np.arange(0.0, 27.0, 0.3)
    main = 1e-3 * np.column_stack([along, 0 * along + 0.4, 0 * along])
    side = np.vstack(
        [
            main[along < 16.0],
            1e-3 * np.column_stack([np.linspace(16, 23.5, 40), np.linspace(0, 9.4, 40), 0 * np.zeros(40)]),
        ]
    )
    guess = [np.where(line[:, 0] < 1e-3, 6e-3, 1.0e-3) for line in (main, side)]
    lines = [Polyline(str(k), line, radius) for k, (line, radius) in enumerate(zip((main, side), guess, strict=True))]
    (tree,) = trees_from_lines(lines, surface)
    assert len(tree.branches) == 2
    middle = (tree.root.points[:, 0] > 9e-3) & (tree.root.points[:, 0] < 13e-3)
    assert np.abs(tree.root.points[middle][:, 1:]).max() < 0.1e-3
    assert tree.root.radius[middle] == pytest.approx(1.5e-3, rel=0.02)
    assert tree.root.area[middle] == pytest.approx(np.pi * 1.5e-3**2, rel=0.03)
    with pytest.raises(InputError, match="lie inside the lumen"):
        trees_from_lines([Polyline("aside", line.points + 0.05, line.radius) for line in lines], surface)
    bare = [Polyline(line.name, line.points, np.full(len(line.points), np.nan)) for line in lines]
    with pytest.raises(InputError, match="hold no radius"):
        trees_from_lines(bare)
    (pathwise,) = trees_from_lines(bare, surface)
    assert [b.length for b in pathwise.branches] == pytest.approx([b.length for b in tree.branches], rel=0.1)


def test_vmtks_lines_of_a_real_patient(hemo_data):
    folder = hemo_data / "narco_ccta"
    files = [folder / "lca_cl.vtp", folder / "rca_cl.vtp"]
    trees = {tree.name: tree for tree in trees_from_lines(read_given(files))}
    assert {b.name for b in trees["left"].branches} == {"LM", "LAD", "LCX", "D1", "D2", "OM1"}
    assert {b.name for b in trees["right"].branches} == {"RCA", "RM1", "RM2", "PDA"}
    for side, file in zip(("left", "right"), files, strict=True):
        agreement = compare_radius(outlet_lines([trees[side]]), read_centrelines(file))
        assert agreement.one_to_one
        assert agreement.matched_length > 0.98 * agreement.reference_length
        assert abs(agreement.bias) < 0.005
        assert agreement.percentile_90 < 0.02
