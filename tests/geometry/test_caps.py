"""Where and how outlets are cut: square to the vessel, at the chosen calibre, on an image and on a real patient."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from hemo.case import read_case
from hemo.geometry.lesion import with_reference_and_lesions
from hemo.geometry.lumen.surface import Surface
from hemo.geometry.mesh.clipping import clip_to_tree
from hemo.geometry.synthetic.vessels import left_coronary
from hemo.geometry.truncate import truncate
from hemo.stages import load_geometry
from hemo.tree import Branch, VesselTree
from tests.geometry.conftest import CASES

SQUARE = 5.0  # degrees
STUB = 5e-3  # m: in a shorter branch the cap is where a clean section is


def direction(branch: Branch, place: int) -> np.ndarray:
    """Chord of the whole, uncut vessel over up to one radius each way, the same both ways (to one side it would lag
    behind a bend); at an end over the quarter of a radius beside it."""
    arc, radius = branch.arc, branch.diameter[place] / 2.0
    half = np.clip(min(arc[place], branch.length - arc[place]), radius / 4.0, radius)
    ends = np.clip(arc[place] + np.array([-half, half]), 0.0, branch.length)
    chord = np.diff(np.stack([np.interp(ends, arc, branch.points[:, k]) for k in range(3)], axis=1), axis=0)[0]
    return chord / np.linalg.norm(chord)


def check_caps(surface: Surface, whole: VesselTree, minimal: float) -> int:
    """Check every outlet's cap; returns how many were cut by calibre, not by the vessel's end."""
    tree = truncate(whole, minimal)
    clipped = clip_to_tree(surface, tree)
    cut = 0
    for tag, (centre, normal) in clipped.surface.planes.items():
        name = clipped.surface.names[tag]
        branch = tree.root if name == "inlet" else whole[name]
        place = int(np.linalg.norm(branch.points - centre, axis=1).argmin())
        angle = np.degrees(np.arccos(min(abs(normal @ direction(branch, place)), 1.0)))
        assert angle < SQUARE, f"{name}: {angle:.1f} degrees"
        if name == "inlet" or branch.length < STUB:
            continue
        calibre = 2.0 * branch.reference_radius[place]
        assert calibre > 0.98 * minimal, name
        if tree[name].length < branch.length - 1e-6:
            assert calibre == pytest.approx(minimal, rel=0.02), name
            cut += 1
        for lesion in whole.lesions_on(name):
            assert not lesion.start < branch.arc[place] < lesion.end, name
        for child in tree.children(name):
            assert abs(branch.arc[place] - branch.arc[child.parent_index]) > branch.diameter[place], name
    return cut


@pytest.mark.parametrize(("minimal", "cut"), [(1.2e-3, 0), (1.5e-3, 0), (2.0e-3, 4)])
def test_caps_of_the_left_coronary_map(minimal, cut, left_coronary_map):
    _, surface, trees = left_coronary_map
    assert check_caps(surface, with_reference_and_lesions(trees[0]), minimal) == cut


@pytest.fixture(scope="module")
def whole_narco(hemo_data, tmp_path_factory):
    """The real patient's trees, not truncated."""
    file = CASES / "narco" / "label_map.toml"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEMO_DATA", str(hemo_data))
        case = read_case(file)
        uncut = case.model_copy(update={"geometry": case.geometry.model_copy(update={"minimal_outlet_diameter": 1e-4})})
        return load_geometry(uncut, file, tmp_path_factory.mktemp("narco"))


@pytest.mark.parametrize("minimal", [1.2e-3, 1.5e-3, 2.0e-3])
def test_caps_of_a_real_patient(minimal, whole_narco):
    cut = sum(check_caps(whole_narco.surface, tree, minimal) for tree in whole_narco.trees)
    assert cut >= {1.2e-3: 0, 1.5e-3: 1, 2.0e-3: 1}[minimal]


@pytest.mark.parametrize("minimal", [1.2e-3, 2.0e-3])
def test_caps_are_square_to_the_true_vessel(minimal, left_coronary_map):
    """Against the tangents of the vessels that were rasterised, not of the line that was found."""
    _, surface, trees = left_coronary_map
    truth = left_coronary(0.6).tree.branches
    places, tangents = (np.vstack(values) for values in ([b.points for b in truth], [b.tangent for b in truth]))
    clipped = clip_to_tree(surface, truncate(with_reference_and_lesions(trees[0]), minimal))
    for tag, (centre, normal) in clipped.surface.planes.items():
        gap, nearest = cKDTree(places).query(centre)
        angle = np.degrees(np.arccos(abs(normal @ tangents[nearest])))
        assert angle < SQUARE, f"{clipped.surface.names[tag]}: {angle:.1f} degrees"
        assert gap < 0.2e-3
