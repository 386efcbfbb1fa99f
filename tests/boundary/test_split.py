from dataclasses import replace

import numpy as np
import pytest

from hemo.boundary import split_flow
from hemo.geometry.synthetic.vessels import left_coronary
from hemo.geometry.truncate import truncate, without_outlets
from hemo.tree import Branch, SideBranch, VesselTree, healthy_diameter

EXPONENT = 2.39


def total(shares):
    return sum(shares.outlets.values()) + sum(shares.leaks.values())


def into(tree, shares, name):
    return shares.of_branch(name) + sum(into(tree, shares, child.name) for child in tree.children(name))


def vessel(name="a", start=2e-3, end=1e-3, length=0.1, **kwargs):
    z = np.linspace(0.0, length, 201)
    radius = np.linspace(start, end, 201)
    return Branch(name, np.column_stack([0 * z, 0 * z, z]), radius, np.pi * radius**2, radius, **kwargs)


@pytest.mark.parametrize("leakage", [True, False])
def test_split_conserves_flow_and_follows_the_power_law(leakage):
    tree = left_coronary().tree
    shares = split_flow(tree, EXPONENT, leakage, unbranched=("LM",))
    assert total(shares) == pytest.approx(1.0, abs=1e-12)
    calibre = [healthy_diameter(tree[name]) for name in ("LAD", "LCX")]
    ratio = into(tree, shares, "LAD") / into(tree, shares, "LCX")
    assert ratio == pytest.approx((calibre[0] / calibre[1]) ** EXPONENT, rel=1e-9)
    assert bool(shares.leaks) is leakage


def test_a_tapering_vessel_loses_what_its_diameters_say():
    shares = split_flow(VesselTree("t", (vessel(),)), EXPONENT)
    assert shares.outlets["a"] == pytest.approx(0.5**EXPONENT, rel=1e-9)
    # half-way, at three quarters of the diameter
    passed = 1.0 - sum(share for (_, point), share in shares.leaks.items() if point <= 100)
    assert passed == pytest.approx(0.75**EXPONENT, abs=0.02)


def test_an_even_vessel_loses_nothing_unless_told():
    tree = VesselTree("t", (vessel(end=2e-3),))
    assert split_flow(tree, EXPONENT).outlets == {"a": 1.0}
    assert split_flow(tree, EXPONENT, loss_per_length=2.0).outlets["a"] == pytest.approx(np.exp(-0.2), rel=1e-6)


def test_daughters_without_a_step_are_not_counted_twice():
    # The taper is even across the daughter: it holds what she takes.
    main = vessel()
    daughter = vessel("b", 0.8e-3, 0.8e-3, 0.02, parent="a", parent_index=100)
    shares = split_flow(VesselTree("t", (main, daughter)), EXPONENT)
    assert total(shares) == pytest.approx(1.0, abs=1e-12)
    assert shares.outlets["b"] > 0.1
    wide_end = float(np.interp(1e-3, main.reference_radius[::-1], main.arc[::-1]))
    assert wide_end == pytest.approx(0.1)  # the whole vessel is wide
    assert shares.outlets["a"] == pytest.approx(0.5**EXPONENT, rel=1e-6)


@pytest.mark.parametrize("cut", [1.7e-3, 1.9e-3, 2.0e-3])
def test_moving_the_cut_moves_no_flow(cut):
    tree = left_coronary().tree
    whole = split_flow(tree, EXPONENT, unbranched=("LM",))
    shorter = truncate(tree, cut)
    shares = split_flow(shorter, EXPONENT, unbranched=("LM",))
    assert total(shares) == pytest.approx(1.0, abs=1e-12)
    for branch in shorter.branches:
        assert into(shorter, shares, branch.name) == pytest.approx(into(tree, whole, branch.name), rel=2e-3), (
            branch.name
        )
    # what passes a place on the way is the same as well
    for branch in shorter.branches:
        for point in range(0, len(branch.points) - 20, 20):
            ahead = [
                sum(s for (b, p), s in w.leaks.items() if b == branch.name and p <= point) for w in (whole, shares)
            ]
            assert ahead[0] == pytest.approx(ahead[1], abs=0.01)


def test_a_side_branch_that_is_left_out_still_takes_its_share():
    tree = left_coronary().tree
    whole = split_flow(tree, EXPONENT)
    without = without_outlets(tree, ["D1"])
    (side,) = without.side_branches
    assert side == SideBranch(
        "LAD", pytest.approx(tree["LAD"].arc[tree["D1"].parent_index]), pytest.approx(side.diameter)
    )
    shares = split_flow(without, EXPONENT)
    assert shares.outlets["LAD"] == pytest.approx(whole.outlets["LAD"], rel=1e-6)
    assert shares.of_branch("LAD") == pytest.approx(into(tree, whole, "LAD"), rel=1e-6)


def test_a_lesion_does_not_lower_its_own_territory():
    healthy, diseased = (split_flow(left_coronary(s).tree, EXPONENT) for s in (0.0, 0.7))
    assert healthy.outlets == pytest.approx(diseased.outlets, rel=1e-9)
    assert healthy.leaks == pytest.approx(diseased.leaks, rel=1e-9)


def test_a_fixed_share_wins_over_the_diameters():
    main = vessel("CFA", 4e-3, 4e-3, 0.04, is_outlet=False)
    superficial = vessel("SFA", 3e-3, 3e-3, 0.3, parent="CFA", parent_index=200)
    deep = vessel("PFA", 3e-3, 3e-3, 0.1, parent="CFA", parent_index=200)
    tree = VesselTree("leg", (main, superficial, deep))
    assert split_flow(tree, 2.33).outlets["SFA"] == pytest.approx(0.5)
    shares = split_flow(tree, 2.33, fixed={("CFA", "SFA"): 0.535})
    assert shares.outlets == pytest.approx({"SFA": 0.535, "PFA": 0.465})
    alone = VesselTree("leg", (replace(main), superficial))
    assert split_flow(alone, 2.33, fixed={("CFA", "SFA"): 0.535}).outlets["SFA"] == pytest.approx(1.0)
