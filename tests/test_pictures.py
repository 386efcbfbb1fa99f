"""Pictures: what they show lies where it should, and labels can be read."""

from dataclasses import replace
from io import BytesIO
from xml.etree import ElementTree

import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

import hemo.meshpicture
from hemo.geometry.synthetic.vessels import left_coronary
from hemo.meshpicture import mesh_picture
from hemo.pictures import (
    diameter_picture,
    distance_from_ostium,
    place_labels,
    projection,
    ribbon,
    tree_picture,
)
from hemo.tetmesh import TetMesh
from hemo.tree import VesselTree

TREE = left_coronary(0.6).tree


def texts(svg: str) -> list[str]:
    return [
        "".join(node.itertext()).strip() for node in ElementTree.fromstring(svg).iter() if node.tag.endswith("text")
    ]


@pytest.mark.parametrize("angle", [0.0, 45.0, -30.0])
def test_a_view_is_seen_from_where_the_detector_stands(angle):
    axes, towards = projection(angle)
    # LPS: the detector is in front of the patient (-y), turned to the patient's left (+x) for LAO.
    np.testing.assert_allclose(towards, [np.sin(np.radians(angle)), -np.cos(np.radians(angle)), 0.0], atol=1e-12)
    np.testing.assert_allclose(np.vstack([axes, towards]) @ np.vstack([axes, towards]).T, np.eye(3), atol=1e-12)
    assert axes[0] @ [1, 0, 0] > 0.5  # the patient's left is on the right, as on an angiogram


def test_a_ribbon_is_as_wide_as_the_vessel():
    turn = np.linspace(0.0, 1.0, 200)
    curve = 30.0 * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    left, right = ribbon(curve, np.full(200, 1.5))
    np.testing.assert_allclose(np.linalg.norm(left, axis=1), 28.5, rtol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(right, axis=1), 31.5, rtol=1e-4)


def test_the_distance_from_the_ostium_runs_on_into_side_branches():
    d1 = TREE["D1"]
    lad, lm = TREE["LAD"], TREE["LM"]
    on_the_way = lm.arc[lad.parent_index] + lad.arc[d1.parent_index]
    assert distance_from_ostium(TREE, d1)[0] == pytest.approx(on_the_way, abs=5e-3)
    assert np.ptp(distance_from_ostium(TREE, d1)) == pytest.approx(d1.length)


def test_the_picture_names_every_vessel_and_lesion_in_every_view():
    said = texts(tree_picture([TREE]))
    for name in ("LM", "LAD", "LCX", "D1", "OM1", "left ostium"):
        assert said.count(name) == 3, name
    (lesion,) = TREE.lesions
    assert said.count(f"{lesion.id}: {100 * lesion.diameter_stenosis:.0f} % DS") == 3
    assert "LAO 45°" in said and "10 mm" in said and "L post" in said
    unknown = texts(tree_picture([TREE], oriented=False))
    assert "L post" not in unknown and not any("LAO" in text for text in unknown)


def test_the_same_tree_gives_the_same_picture():
    assert tree_picture([TREE]) == tree_picture([TREE])


def test_labels_hide_neither_each_other_nor_the_vessels():
    figure = Figure(figsize=(5, 5))
    panel = figure.subplots()
    panel.set(xlim=(0, 50), ylim=(0, 50))
    crowd = np.stack([np.linspace(5, 45, 400), np.full(400, 25.0)], axis=1)
    wanted = [(f"vessel {n}", np.array([20.0 + 0.5 * n, 25.0]), "black") for n in range(8)]
    place_labels(panel, wanted, crowd)
    figure.draw_without_rendering()
    boxes = [Text.get_window_extent(text) for text in panel.texts]  # without the line to the place
    pixels = panel.transData.transform(crowd)
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:number])
        assert not box.contains(*pixels[0]) and not np.any([box.contains(x, y) for x, y in pixels])


def test_the_diameters_are_told_with_lesion_and_side_branches():
    said = texts(diameter_picture(TREE, 1.5e-3))
    (lesion,) = TREE.lesions
    assert any(f"{100 * lesion.diameter_stenosis:.0f} % DS" in text for text in said)
    assert "LAD, LCX" in said or "LCX, LAD" in said
    assert "minimal outlet" in said and "minimal outlet" not in texts(diameter_picture(TREE))


def box_mesh() -> TetMesh:
    """A bar of 1 x 1 x 8 mm along z, its ends tagged as inlet (top) and LM."""
    from scipy.spatial import Delaunay

    grid = np.stack(np.meshgrid(np.arange(3), np.arange(3), np.arange(17), indexing="ij"), -1).reshape(-1, 3)
    points = grid * 0.5e-3
    cells = Delaunay(points + 1e-6 * np.random.default_rng(0).standard_normal(points.shape)).simplices.astype(np.int64)
    mesh = TetMesh(points, cells, np.empty((0, 3), np.int64), np.empty(0, np.int32), {1: "wall", 2: "inlet", 3: "LM"})
    volume = mesh.cell_volumes()
    cells = cells[np.abs(volume) > 1e-6 * np.abs(volume).max()]
    volume = volume[np.abs(volume) > 1e-6 * np.abs(volume).max()]
    cells[volume < 0] = cells[volume < 0][:, [0, 1, 3, 2]]
    faces = np.concatenate([cells[:, k] for k in ([1, 2, 3], [0, 3, 2], [0, 1, 3], [0, 2, 1])])
    _, first, uses = np.unique(np.sort(faces, axis=1), axis=0, return_index=True, return_counts=True)
    facets = faces[first[uses == 1]]
    z = points[facets][:, :, 2]
    tags = np.where(np.all(z < 1e-9, axis=1), 3, np.where(np.all(z > 7.99e-3, axis=1), 2, 1)).astype(np.int32)
    return replace(mesh, cells=cells, facets=facets, facet_tags=tags)


@pytest.mark.parametrize("drawn_edges", [60_000, 10])
def test_the_mesh_picture_shows_both_caps(monkeypatch, drawn_edges):
    monkeypatch.setattr(hemo.meshpicture, "DRAWN_EDGES", drawn_edges)  # a fine mesh is painted as an image
    z = np.linspace(8e-3, 0.0, 20)
    r = np.full(20, 0.5e-3)
    lm = replace(TREE.root, points=np.stack([r, r, z], axis=1), radius=r, area=np.pi * r**2, reference_radius=r)
    tree = VesselTree("left", (replace(lm, is_outlet=True),))
    mesh = box_mesh()
    image = matplotlib.image.imread(BytesIO(mesh_picture(mesh, tree, np.full(len(mesh.cells), 0.7))), format="png")
    assert image.shape[0] > 900 and image.shape[1] > 1800
    red = (image[..., 0] > 0.7) & (image[..., 1] < 0.1) & (image[..., 2] < 0.25)
    rows = np.flatnonzero(red[:, : image.shape[1] // 2].any(axis=1))
    assert 0 < len(rows) < 0.25 * image.shape[0]  # the inlet's rim, at the top of the left half alone
    assert rows.mean() < 0.3 * image.shape[0]


def test_any_name_can_be_drawn():
    odd = {"LM": "left $main$", "D1": 'a<b> & "c"/$\\frac'}
    branches = tuple(
        replace(b, name=odd.get(b.name, b.name), parent=odd.get(b.parent, b.parent)) for b in TREE.branches
    )
    tree = VesselTree("$x_{", branches, TREE.lesions)
    assert texts(tree_picture([tree])).count(odd["D1"]) == 3
    assert odd["LM"] in texts(diameter_picture(tree))


def test_a_vessel_of_two_points_can_be_drawn():
    points = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, -5e-3]])
    r = np.full(2, 1e-3)
    line = replace(TREE.root, points=points, radius=r, area=np.pi * r**2, reference_radius=r, is_outlet=True)
    said = texts(tree_picture([VesselTree("v", (line,))]))
    assert "10 mm" in said and said.count("LM") == 3
