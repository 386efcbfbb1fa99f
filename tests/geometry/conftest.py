"""What several geometry tests share and what takes seconds to make."""

from pathlib import Path

import pytest

from hemo.case import read_case
from hemo.geometry.centreline.trees import find_trees
from hemo.geometry.image.labelimage import read_labels
from hemo.geometry.lumen.fromlabels import surface_from_labels
from hemo.stages import Geometry, load_geometry

CASES = Path(__file__).parents[2] / "cases"


@pytest.fixture(scope="session")
def left_coronary_map():
    """The committed label map of the left coronary tree, its surface, and the trees found in it."""
    labels = read_labels(CASES / "left_coronary" / "lumen.nii.gz", {"aorta": 1, "coronary": 2})
    surface = surface_from_labels(labels)
    return labels, surface, find_trees(surface, labels)


@pytest.fixture(scope="session")
def narco(hemo_data, tmp_path_factory) -> dict[str, Geometry]:
    """The real patient's lumen and trees as ``hemo run`` finds them, from either form of the case."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEMO_DATA", str(hemo_data))
        found = {}
        for form in ("surface", "label_map"):
            file = CASES / "narco" / f"{form}.toml"
            found[form] = load_geometry(read_case(file), file, tmp_path_factory.mktemp(form))
        return found
