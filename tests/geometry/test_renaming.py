import numpy as np
import pytest

from hemo.errors import InputError
from hemo.geometry.centreline.renaming import rename
from hemo.geometry.synthetic.vessels import left_coronary

TREE = left_coronary(0.6).tree


def test_names_by_old_name_move_to_children_and_lesions():
    (tree,) = rename([TREE], {"LCX": "LAD", "LAD": "LCX"})
    assert [b.name for b in tree.branches] == ["LM", "LCX", "LAD", "D1", "OM1"]
    assert (tree["D1"].parent, tree["OM1"].parent) == ("LCX", "LAD")
    assert [(lesion.id, lesion.branch) for lesion in tree.lesions] == [("LCX_1", "LCX")]
    assert np.array_equal(tree["LCX"].points, TREE["LAD"].points)


def test_names_by_place():
    (tree,) = rename([TREE], {"RI": tuple(TREE["D1"].points[40] + 1e-3)})
    assert np.array_equal(tree["RI"].points, TREE["D1"].points)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"RI": "D7"}, "fits no branch; found were LM, LAD"),
        ({"LAD": "D1"}, "two branches of the left tree would be called 'LAD'"),
        ({"RI": "D1", "D9": "D1"}, "'RI' and 'D9' are the same branch"),
        ({"RI": (0.0, 0.0, 0.5)}, "mm from the nearest branch"),
    ],
)
def test_names_that_cannot_be_given(names, message):
    with pytest.raises(InputError, match=message):
        rename([TREE], names)


def test_a_name_in_both_trees_needs_the_tree():
    other = type(TREE)("right", TREE.branches, TREE.lesions)
    with pytest.raises(InputError, match="left/D1"):
        rename([TREE, other], {"RI": "D1"})
    _, right = rename([TREE, other], {"RI": "right/D1"})
    assert right["RI"].parent == "LAD"
