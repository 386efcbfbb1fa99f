"""Where a tree ends: thin ends, stubs, lesions."""

from dataclasses import replace

import numpy as np
import pytest

from hemo.geometry.synthetic.vessels import left_coronary
from hemo.geometry.truncate import MINIMAL_LENGTH, truncate
from hemo.tree import VesselTree

TREE = left_coronary(0.6).tree


def test_outlets_end_where_the_healthy_diameter_falls_below():
    cut = truncate(TREE, 2.1e-3)
    for name in ("LAD", "LCX"):
        assert 2.0 * cut[name].reference_radius[-1] == pytest.approx(2.1e-3, abs=0.02e-3)
        assert cut[name].length < TREE[name].length
    # The lesion, though narrower, does not end its vessel.
    assert 2.0 * cut["LAD"].radius.min() < 2.1e-3
    assert [lesion.id for lesion in cut.lesions] == [lesion.id for lesion in TREE.lesions]


def test_nothing_is_cut_from_wide_vessels():
    cut = truncate(TREE, 1.0e-3)
    assert [b.length for b in cut.branches] == pytest.approx([b.length for b in TREE.branches])


def test_thin_branches_go_and_their_parents_become_outlets():
    thin = [replace(b, reference_radius=0.3 * b.reference_radius) if b.parent == "LM" else b for b in TREE.branches]
    cut = truncate(VesselTree("left", tuple(thin)), 1.5e-3)
    assert [b.name for b in cut.branches] == ["LM"]
    assert cut.root.is_outlet


def test_a_lesion_beyond_the_end_is_left_out():
    lad = TREE["LAD"]
    taper = np.where(lad.arc > 8e-3, 0.5e-3, lad.reference_radius)
    short = [replace(b, reference_radius=taper) if b.name == "LAD" else b for b in TREE.branches]
    cut = truncate(VesselTree("left", tuple(short), TREE.lesions), 1.5e-3)
    assert cut.lesions == ()
    assert cut["LAD"].length == pytest.approx(8e-3, abs=0.3e-3)
    assert "D1" not in [b.name for b in cut.branches]


@pytest.mark.parametrize(("length", "kept"), [(0.8, False), (1.2, True)])
def test_stubs_shorter_than_the_limit_are_dropped(length, kept):
    d1 = TREE["D1"]
    count = int(np.searchsorted(d1.arc, length * MINIMAL_LENGTH)) + 1
    stub = replace(
        d1,
        points=d1.points[:count],
        radius=d1.radius[:count],
        area=d1.area[:count],
        reference_radius=d1.reference_radius[:count],
    )
    whole = VesselTree("left", tuple(stub if b.name == "D1" else b for b in TREE.branches))
    assert ("D1" in [b.name for b in truncate(whole, 1.5e-3).branches]) == kept
