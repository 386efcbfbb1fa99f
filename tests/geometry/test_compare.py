from dataclasses import replace

import numpy as np
import pytest

from hemo.errors import InputError
from hemo.geometry.centreline.compare import (
    Polyline,
    compare_radius,
    outlet_lines,
    read_centrelines,
    tree_lines,
    unique_lines,
)
from hemo.geometry.synthetic.vessels import left_coronary
from hemo.tree import VesselTree
from hemo.vtkio import write_polydata

TREE = left_coronary(0.5).tree


def test_a_tree_agrees_with_itself():
    agreement = compare_radius(tree_lines([TREE]), tree_lines([TREE]))
    assert agreement.bias == pytest.approx(0.0, abs=2e-3)
    assert agreement.percentile_90 < 2e-3
    assert agreement.matched_length == pytest.approx(agreement.reference_length, rel=0.01)
    assert agreement.unmatched == ()


def test_bias_and_percentile_are_found():
    rng = np.random.default_rng(0)
    wider = [replace(b, radius=b.radius * (1.04 + 0.02 * rng.standard_normal(len(b.radius)))) for b in TREE.branches]
    agreement = compare_radius(tree_lines([VesselTree("left", tuple(wider))]), tree_lines([TREE]))
    assert agreement.bias == pytest.approx(0.04, abs=0.003)
    assert agreement.percentile_90 == pytest.approx(0.04 + 1.28 * 0.02, abs=0.008)


def test_missing_and_false_branches_are_named():
    without = VesselTree("left", tuple(b for b in TREE.branches if b.name != "D1"))
    assert compare_radius(tree_lines([without]), tree_lines([TREE])).unmatched == ("reference left/D1",)
    assert compare_radius(tree_lines([TREE]), tree_lines([without])).unmatched == ("measured left/D1",)


def test_common_stretches_count_once():
    trunk = np.column_stack([np.linspace(0, 20e-3, 101), np.zeros(101), np.zeros(101)])
    up = np.column_stack([np.linspace(20e-3, 40e-3, 101), np.linspace(0, 20e-3, 101), np.zeros(101)])[1:]
    down = up * np.array([1.0, -1.0, 1.0])
    lines = [Polyline(n, np.concatenate([trunk, part]), np.full(201, 1e-3)) for n, part in (("a", up), ("b", down))]
    kept = unique_lines(lines)
    lengths = sorted(float(np.linalg.norm(np.diff(line.points, axis=0), axis=1).sum()) for line in kept)
    assert lengths[1] == pytest.approx(48.3e-3, rel=0.01)
    assert lengths[0] == pytest.approx(28.3e-3, abs=1e-3)


def test_lines_are_paired_one_to_one():
    agreement = compare_radius(tree_lines([TREE]), tree_lines([TREE]))
    assert agreement.one_to_one
    assert agreement.pairs == tuple((f"left/{b.name}", f"left/{b.name}") for b in TREE.branches)
    # Two halves of one vessel are paired with the same line.
    lad = TREE["LAD"]
    middle = len(lad.points) // 2
    halves = [
        Polyline(name, lad.points[part], lad.radius[part])
        for name, part in (("a", slice(0, middle)), ("b", slice(middle, None)))
    ]
    twice = compare_radius(tree_lines([TREE]), halves)
    assert [measured for _, measured in twice.pairs] == ["left/LAD", "left/LAD"]
    assert not twice.one_to_one


def test_a_tree_as_lines_to_its_outlets():
    lines = {line.name: line for line in outlet_lines([TREE])}
    assert set(lines) == {"left/LAD", "left/LCX", "left/D1", "left/OM1"}
    for name in TREE.outlets:
        np.testing.assert_array_equal(lines[f"left/{name}"].points[-1], TREE[name].points[-1])
    assert sum(np.array_equal(line.points[0], TREE.root.points[0]) for line in lines.values()) == 1
    whole = sum(float(np.linalg.norm(np.diff(line.points, axis=0), axis=1).sum()) for line in lines.values())
    assert whole == pytest.approx(sum(branch.length for branch in TREE.branches), rel=0.05)
    assert compare_radius(outlet_lines([TREE]), outlet_lines([TREE])).one_to_one


def test_vmtks_files_are_read(tmp_path):
    points = np.column_stack([np.zeros(21), np.zeros(21), np.linspace(0.0, 20.0, 21)])
    arrays = {"MaximumInscribedSphereRadius": np.full(21, 1.5)}
    write_polydata(tmp_path / "a.vtp", points, lines=[np.arange(21)], point_data=arrays)
    (line,) = read_centrelines(tmp_path / "a.vtp")
    assert line.name == "a 0"
    assert line.points[-1] == pytest.approx([0.0, 0.0, 20e-3])
    assert line.radius == pytest.approx(np.full(21, 1.5e-3))
    write_polydata(tmp_path / "b.vtp", points, lines=[np.arange(21)])
    with pytest.raises(InputError, match=r"b\.vtp"):
        read_centrelines(tmp_path / "b.vtp")
