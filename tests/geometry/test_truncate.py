"""Where a tree ends: thin ends, stubs, lesions."""

from dataclasses import replace

import numpy as np
import pytest

from hemo.geometry.lesion import measure_lesion
from hemo.geometry.synthetic.vessels import left_coronary
from hemo.geometry.truncate import MINIMAL_LENGTH, truncate, without_outlets
from hemo.tree import Branch, VesselTree

TREE = left_coronary(0.6).tree


def test_outlets_end_where_the_healthy_diameter_falls_below():
    cut = truncate(TREE, 2.1e-3)
    for name in ("LAD", "LCX"):
        assert 2.0 * cut[name].reference_radius[-1] == pytest.approx(2.1e-3, rel=1e-9)
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


def test_an_outlet_left_out_ends_at_its_last_daughter_and_takes_its_lesions_along():
    rest = without_outlets(TREE, ["LAD"])
    assert [b.name for b in rest.branches] == [b.name for b in TREE.branches]
    last = TREE["LAD"].arc[TREE.children("LAD")[-1].parent_index]
    assert rest["LAD"].length == pytest.approx(last)
    assert not rest["LAD"].is_outlet
    assert "LAD" not in rest.outlets
    assert [lesion.id for lesion in rest.lesions] == [x.id for x in TREE.lesions if x.branch != "LAD" or x.end <= last]
    (side,) = (side for side in rest.side_branches if side.branch == "LAD")  # its flow still leaves there
    assert side.place == pytest.approx(last)
    without = without_outlets(rest, ["D1"])
    assert "D1" not in [b.name for b in without.branches]
    alone = VesselTree("t", (replace(TREE.root, is_outlet=True),))
    assert without_outlets(alone, ["LM"]).branches == alone.branches


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


def with_lesion(start: float, end: float) -> VesselTree:
    """The tree with one more lesion on the LCX, its throat in the middle."""
    lcx = TREE["LCX"]
    middle = (start + end) / 2.0
    narrow = 1.0 - 0.5 * np.exp(-(((lcx.arc - middle) / (0.2 * (end - start))) ** 2))
    lcx = replace(lcx, radius=lcx.radius * narrow, area=lcx.area * narrow**2)
    branches = tuple(lcx if b.name == "LCX" else b for b in TREE.branches)
    return VesselTree("left", branches, (*TREE.lesions, measure_lesion(lcx, start, end, "LCX_9")))


def place_of(diameter: float) -> float:
    lcx = TREE["LCX"]
    return float(np.interp(-diameter, -2.0 * lcx.reference_radius, lcx.arc))


@pytest.mark.parametrize(("shift", "kept"), [(-1.0, True), (1.0, False)])
def test_no_vessel_ends_in_a_lesion(shift, kept, caplog):
    """A throat proximal to the cut keeps its lesion whole; one beyond it goes with its lesion."""
    place = place_of(2.2e-3)
    tree = with_lesion(place - 4e-3 + shift * 1e-3, place + 4e-3 + shift * 1e-3)
    cut = truncate(tree, 2.2e-3)
    lesion = tree.lesions[-1]
    assert (lesion in cut.lesions) == kept
    margin = 2.0e-3
    end = cut["LCX"].length
    assert end >= lesion.end + margin if kept else end <= lesion.start - margin
    assert ("LCX_9 lies beyond the end of LCX" in caplog.text) != kept
    assert truncate(cut, 2.2e-3)["LCX"].length == pytest.approx(end, abs=1e-12)


def test_a_lesion_that_a_cut_just_misses_is_left_alone():
    place = place_of(2.2e-3)
    tree = with_lesion(place - 12e-3, place - 4e-3)
    assert truncate(tree, 2.2e-3)["LCX"].length == pytest.approx(place, abs=1e-6)


@pytest.mark.parametrize("offset", [-1.0, 0.3, 1.5])
def test_no_vessel_ends_at_a_bifurcation(offset):
    """OM1 is as wide as before: the LCX ends beyond it. OM1 too thin to stay: the LCX ends before it."""
    lcx, om1 = TREE["LCX"], TREE["OM1"]
    fork = lcx.arc[om1.parent_index]
    limit = 2e-3
    taper = np.where(lcx.arc < fork + offset * 1e-3, lcx.reference_radius, 0.9e-3)
    branches = {b.name: b for b in TREE.branches} | {"LCX": replace(lcx, reference_radius=taper)}
    clear = 2.0 * 0.9e-3
    with_daughter = truncate(VesselTree("left", tuple(branches.values())), limit)
    assert "OM1" in [b.name for b in with_daughter.branches]
    assert with_daughter["LCX"].length - fork > clear
    branches["OM1"] = replace(om1, reference_radius=np.full(len(om1.arc), 0.5e-3))
    alone = truncate(VesselTree("left", tuple(branches.values())), limit)
    assert "OM1" not in [b.name for b in alone.branches]
    assert fork - alone["LCX"].length > clear


def fork(angle: float, tail: float = 20e-3) -> VesselTree:
    """A vessel of 2 mm that gives off one of 1.6 mm after 20 mm, and goes on 1.5 mm wide for ``tail``."""
    along = np.linspace(0.0, 20e-3 + tail, round((20e-3 + tail) / 0.1e-3) + 1)
    turn = np.radians(angle)
    zero = np.zeros_like(along)
    healthy = np.where(along <= 20.05e-3, 1.0e-3, 0.75e-3)
    parent = Branch("RCA", np.stack([along, zero, zero], axis=1), healthy, np.pi * healthy**2, healthy)
    onward = np.linspace(0.0, 40e-3, 401)
    wide = np.full_like(onward, 0.8e-3)
    line = np.stack([20e-3 + onward * np.cos(turn), onward * np.sin(turn), 0.0 * onward], axis=1)
    child = Branch("PDA", line, wide, np.pi * wide**2, wide, "RCA", 200)
    return VesselTree("right", (parent, child))


@pytest.mark.parametrize("angle", [20.0, 60.0])
def test_beside_a_daughter_that_leaves_slowly_a_vessel_goes_on_until_the_lumens_have_parted(angle):
    """Axes 1.25 times both radii apart, x sin(angle) = 1.25 (0.8 + 0.75) mm; at least the ostium and a diameter."""
    cut = truncate(fork(angle), 1.5001e-3)
    turn = np.radians(angle)
    reach = max(1.25 * (0.8 + 0.75) / np.sin(turn), 0.8 + 2.0 * 1.0)
    assert 1e3 * cut["RCA"].length - 20.0 == pytest.approx(reach, abs=0.11)


@pytest.mark.parametrize(("angle", "tail"), [(20.0, 4e-3), (8.0, 20e-3)])
def test_where_the_lumens_do_not_part_a_vessel_goes_as_far_as_it_can(angle, tail):
    """To its own end, or four times the ostium's reach, and not back into the fork."""
    tree = fork(angle, tail)
    cut = truncate(tree, 1.5001e-3)
    farthest = 4 * (0.8e-3 + 2 * 1.0e-3)
    assert cut["RCA"].length - 20e-3 == pytest.approx(min(tail, farthest), abs=0.11e-3)
    assert "PDA" in [branch.name for branch in cut.branches]


def test_a_cut_branch_keeps_everything_along_it():
    lad = TREE["LAD"]
    cut = lad.between(3.05e-3, 20.1e-3)
    assert cut.length == pytest.approx(17.05e-3, rel=1e-4)
    for name in ("radius", "area", "reference_radius"):
        ends = np.interp([3.05e-3, 20.1e-3], lad.arc, getattr(lad, name))
        np.testing.assert_allclose(getattr(cut, name)[[0, -1]], ends)
    assert (cut.name, cut.parent, cut.parent_index) == (lad.name, lad.parent, lad.parent_index)


def test_an_end_made_on_purpose_stays():
    cut = truncate(TREE, 2.1e-3, whole=("LAD",))
    assert cut["LAD"].length == pytest.approx(TREE["LAD"].length)
    assert cut["LCX"].length < TREE["LCX"].length
