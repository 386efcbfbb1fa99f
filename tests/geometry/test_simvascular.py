"""SimVascular's contours and paths, in the form that its releases write: XML with one or two top elements."""

import logging

import numpy as np
import pytest

from hemo.errors import InputError
from hemo.geometry.centreline.centring import normal_planes
from hemo.geometry.centreline.contourtree import trees_from_contours
from hemo.geometry.centreline.simvascular import read_contours, read_paths
from hemo.geometry.synthetic.vessels import left_coronary

TREE = left_coronary(0.6).tree
HEAD = '<?xml version="1.0" encoding="UTF-8" ?>\n'
OLD = HEAD + '<format version="1.0" />\n'


def xyz(place):
    return 'x="{:.17g}" y="{:.17g}" z="{:.17g}"'.format(*place)


def contour_text(name, path, rings, position, old=True):
    text = OLD if old else HEAD
    text += f'<contourgroup path_name="{name}" path_id="1" reslice_size="5"{"" if old else " version=" + chr(34)}'
    text += ("" if old else '1.0"') + '>\n<timestep id="0">\n<lofting_parameters method="nurbs" sampling="60" />\n'
    for number, (ring, at) in enumerate(zip(rings, position, strict=True)):
        text += f'<contour id="{number}" type="Circle" method="Manual" closed="true">\n<path_point id="{at}">'
        text += (
            f"<pos {xyz(path[at])} /><tangent {xyz((0, 0, 1))} /></path_point>\n<control_points />\n<contour_points>"
        )
        text += "".join(f'<point id="{k}" {xyz(point)} />\n' for k, point in enumerate(ring))
        text += "</contour_points>\n</contour>\n"
    return text + "</timestep>\n</contourgroup>\n"


def path_text(path):
    text = (
        OLD + '<path id="1" method="2" calculation_number="0" spacing="0.07">\n<timestep id="0">\n<path_element id="0">'
    )
    text += "\n<control_points></control_points>\n<path_points>\n"
    for number, place in enumerate(path):
        text += f'<path_point id="{number}"><pos {xyz(place)} /><rotation {xyz((1, 0, 0))} /></path_point>\n'
    return text + "</path_points>\n</path_element>\n</timestep>\n</path>\n"


def rings_of(branch, every, scale):
    """Circles of the branch's area on every few of its points, the last one included, and these points' numbers."""
    _, u, v = normal_planes(branch.points)
    angle = 2.0 * np.pi * np.arange(48) / 48
    number = np.unique([*range(0, len(branch.points), every), len(branch.points) - 1])
    radius = np.sqrt(branch.area[number] / np.pi)[:, None, None]
    around = np.cos(angle)[:, None] * u[number][:, None] + np.sin(angle)[:, None] * v[number][:, None]
    return scale * (branch.points[number][:, None] + radius * around), number


def write_tree(folder, scale=1e3, every=4, old=True, paths=True):
    """Each vessel a file; its path begins on its parent's path."""
    folder.mkdir()
    for branch in TREE.branches:
        path = branch.points
        if branch.parent is not None:
            path = np.vstack([TREE[branch.parent].points[branch.parent_index], path])
        rings, number = rings_of(branch, every, scale)
        position = number + len(path) - len(branch.points)
        text = contour_text(branch.name, scale * path, rings, position, old)
        (folder / f"{branch.name}.ctgr").write_text(text)
        if paths:
            (folder / f"{branch.name}.pth").write_text(path_text(scale * path))
    return folder


@pytest.mark.parametrize(("unit", "scale"), [("mm", 1e3), ("cm", 1e2)])
@pytest.mark.parametrize(("old", "paths"), [(True, True), (False, False)])
def test_contours_become_the_tree(unit, scale, old, paths, tmp_path, caplog):
    folder = write_tree(tmp_path / "sv", scale, old=old, paths=paths)
    with caplog.at_level(logging.WARNING):
        (tree,) = trees_from_contours([folder])
    assert f"by their size the contours are in {unit}" in caplog.text
    assert tree.name == "left"
    assert {b.name: b.parent for b in tree.branches} == {b.name: b.parent for b in TREE.branches}
    assert set(tree.outlets) == set(TREE.outlets)
    for branch in tree.branches:
        true = TREE[branch.name]
        assert branch.length == pytest.approx(true.length, rel=0.01)
        assert branch.area.min() == pytest.approx(true.area.min(), rel=0.01)
        area = np.interp(branch.arc / branch.length, true.arc / true.length, true.area)
        assert branch.area == pytest.approx(area, rel=0.05)
        assert branch.radius == pytest.approx(np.sqrt(branch.area / np.pi), rel=5e-3)
        if branch.parent is not None:
            place = tree[branch.parent].points[branch.parent_index]
            assert place == pytest.approx(TREE[true.parent].points[true.parent_index], abs=1e-3)


def test_an_ellipse_is_measured(tmp_path):
    """Semi-axes 2 and 1 mm: area 2 pi, perimeter 9.688 (Ramanujan), inscribed circle 1."""
    angle = 2.0 * np.pi * np.arange(90) / 90
    ring = np.column_stack([2.0 * np.cos(angle) + 0.3, np.sin(angle), 0.0 * angle])
    path = np.column_stack([np.zeros(41), np.zeros(41), np.arange(41.0)])
    rings = ring + path[::10, None]
    (tmp_path / "RCA.ctgr").write_text(contour_text("RCA", path, rings, range(0, 41, 10)))
    (vessel,) = read_contours([tmp_path / "RCA.ctgr"], "mm")
    assert vessel.area == pytest.approx(2e-6 * np.pi, rel=2e-3)
    assert vessel.perimeter == pytest.approx(9.688e-3, rel=2e-3)
    assert vessel.radius == pytest.approx(1e-3, rel=5e-3)
    assert vessel.centres == pytest.approx(1e-3 * (path[::10] + np.array([0.3, 0.0, 0.0])), abs=1e-9)
    (tree,) = trees_from_contours([tmp_path / "RCA.ctgr"], "mm")
    assert tree.name == "right"
    assert tree.root.area == pytest.approx(2e-6 * np.pi, rel=2e-3)
    assert tree.root.perimeter == pytest.approx(9.688e-3, rel=2e-3)


def test_sparse_contours_are_warned_about(tmp_path, caplog):
    trees_from_contours([write_tree(tmp_path / "sv", every=60)], "mm")
    assert "no lesion there is seen" in caplog.text


def test_the_aorta_is_left_out(tmp_path):
    folder = write_tree(tmp_path / "sv")
    start, way = TREE.root.points[0], TREE.root.tangent[0]
    middle = start - 10e-3 * way
    up = np.cross(way, [1.0, 0.0, 0.0])
    side = np.cross(up / np.linalg.norm(up), way)
    path = middle + np.linspace(-30e-3, 30e-3, 31)[:, None] * side
    angle = 2.0 * np.pi * np.arange(40) / 40
    ring = 11e-3 * (np.cos(angle)[:, None] * way + np.sin(angle)[:, None] * np.cross(side, way))
    (folder / "aorta.ctgr").write_text(
        contour_text("aorta", 1e3 * path, 1e3 * (path[::5, None] + ring), range(0, 31, 5))
    )
    (tree,) = trees_from_contours([folder], "mm")
    assert "aorta" not in [branch.name for branch in tree.branches]
    assert tree.root.name == "LM"
    assert TREE.root.length - tree.root.length == pytest.approx(1e-3, abs=0.6e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[: len(text) // 2], "cannot be read as SimVascular's XML"),
        (lambda text: text.replace("contourgroup", "group"), "holds no <contourgroup>"),
        (lambda text: text.replace('x="', 'x="a'), "no three coordinates"),
        (lambda text: text.replace('x="', 'x="nan" was="'), "not a number"),
        (lambda text: text.replace('closed="true"', 'closed="false"'), "fewer than two closed contours"),
        (lambda text: '<!DOCTYPE a [<!ENTITY b "c">]>' + text, "cannot be read"),
        (lambda text: "", "holds no <contourgroup>"),
    ],
)
def test_damaged_contours_are_one_sentence(change, message, tmp_path):
    rings, number = rings_of(TREE["LAD"], 8, 1e3)
    text = contour_text("LAD", 1e3 * TREE["LAD"].points, rings, number)
    (tmp_path / "LAD.ctgr").write_text(change(text))
    with pytest.raises(InputError, match=message):
        trees_from_contours([tmp_path / "LAD.ctgr"], "mm")


def test_an_ambiguous_or_wrong_unit_is_refused(tmp_path):
    folder = write_tree(tmp_path / "sv", 1e2)
    with pytest.raises(InputError, match='state unit = "cm"'):
        trees_from_contours([folder], "m")
    # 3 mm wide and 25 long, or 3 cm and 250: no; 0.5 wide and 30 long may be either.
    path = np.column_stack([np.zeros(31), np.zeros(31), np.arange(31.0)])
    angle = 2.0 * np.pi * np.arange(40) / 40
    ring = 0.25 * np.column_stack([np.cos(angle), np.sin(angle), 0.0 * angle])
    (tmp_path / "x.ctgr").write_text(contour_text("x", path, ring + path[::3, None], range(0, 31, 3)))
    with pytest.raises(InputError, match='state unit = "mm" or unit = "cm"'):
        trees_from_contours([tmp_path / "x.ctgr"])


def test_paths_alone_have_no_radius(tmp_path):
    (tmp_path / "LAD.pth").write_text(path_text(1e3 * TREE["LAD"].points))
    (line,) = read_paths([tmp_path / "LAD.pth"])
    assert line.points == pytest.approx(TREE["LAD"].points, abs=1e-9)
    assert np.all(np.isnan(line.radius))
    with pytest.raises(InputError, match=r"no \.ctgr file"):
        read_contours([tmp_path / "LAD.pth"])
