"""The whole road from image or surface to trees on a real patient, against VMTK's centrelines."""

import numpy as np
import pytest

from hemo.geometry.centreline import find_trees
from hemo.geometry.compare import Polyline, compare_radius, tree_lines, unique_lines
from hemo.geometry.image import read_labels
from hemo.geometry.surface import read_surface, surface_from_labels
from hemo.vtkio import read_polydata

BRANCHES = {"left": {"LM", "LAD", "LCX", "D1", "D2", "OM1"}, "right": {"RCA", "RM1", "RM2", "PDA"}}


@pytest.fixture(scope="module")
def from_surface(hemo_data):
    return find_trees(read_surface(hemo_data / "narco_ccta" / "aorta_coronaries_mm.stl", "mm"))


@pytest.fixture(scope="module")
def from_labels(hemo_data):
    labels = read_labels(hemo_data / "narco_ccta" / "lumen_labels.nii.gz", {"aorta": 1, "coronary": 2})
    return find_trees(surface_from_labels(labels), labels)


@pytest.fixture(scope="module")
def vmtk(hemo_data):
    """VMTK's lines, each stretch once, without the part inside the aorta."""
    lines = {}
    for side, name in (("left", "lca_cl"), ("right", "rca_cl")):
        data = read_polydata(hemo_data / "narco_ccta" / f"{name}.vtp")
        radius = 1e-3 * data.point_data["MaximumInscribedSphereRadius"]
        lines[side] = unique_lines(
            [Polyline(f"{name}{k}", 1e-3 * data.points[line], radius[line]) for k, line in enumerate(data.lines)]
        )
    return lines


@pytest.mark.parametrize("source", ["from_surface", "from_labels"])
def test_both_trees_are_found(source, request):
    trees = request.getfixturevalue(source)
    assert {tree.name: {b.name for b in tree.branches} for tree in trees} == BRANCHES


def test_label_map_and_surface_agree(from_labels, from_surface):
    agreement = compare_radius(tree_lines(from_labels), tree_lines(from_surface))
    assert agreement.unmatched == ()
    assert agreement.matched_length > 0.97 * agreement.reference_length
    assert abs(agreement.bias) <= 0.03
    assert agreement.percentile_90 <= 0.12


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("source", ["from_surface", "from_labels"])
def test_agreement_with_vmtk(source, side, vmtk, request):
    trees = [tree for tree in request.getfixturevalue(source) if tree.name == side]
    agreement = compare_radius(tree_lines(trees), vmtk[side])
    assert agreement.unmatched == ()
    assert agreement.matched_length > 0.95 * agreement.reference_length
    assert abs(agreement.bias) <= 0.03
    assert agreement.percentile_90 <= 0.12
    assert agreement.distance < 0.2e-3


def test_frames_agree(hemo_data):
    """The surface's scanner coordinates are the label map's LPS."""
    labels = read_labels(hemo_data / "narco_ccta" / "lumen_labels.nii.gz", {"aorta": 1, "coronary": 2})
    surface = read_surface(hemo_data / "narco_ccta" / "aorta_coronaries_mm.stl", "mm")
    z, y, x = np.nonzero(labels.labels)
    points = labels.to_points(np.stack([x, y, z], axis=1).astype(float))
    assert points.min(axis=0) == pytest.approx(surface.points.min(axis=0), abs=0.6e-3)
    assert points.max(axis=0) == pytest.approx(surface.points.max(axis=0), abs=0.6e-3)
