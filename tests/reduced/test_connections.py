"""Grafts, collaterals and occlusions: flow that does not come down the tree alone."""

import json
from dataclasses import replace

import numpy as np
import pytest

from hemo.blood import Blood
from hemo.boundary import FlowConditions, Physiology
from hemo.errors import InputError
from hemo.geometry.synthetic.vessels import left_coronary
from hemo.geometry.truncate import truncate
from hemo.reduced import LossOptions, solve, solve_states
from hemo.reduced.batch import same_for_all, solve_samples
from hemo.tree import Branch, Connection, VesselTree
from hemo.treejson import parse_trees, tree_to_json
from hemo.units import MMHG

BLOOD = Blood()
PATIENT = Physiology(systolic=128 * MMHG, diastolic=76 * MMHG, myocardial_mass=0.135)


def tube(name, radius, parent=None, index=None, outlet=True, length=0.06):
    z = np.linspace(0.0, length, 61)
    r = np.full(61, radius)
    return Branch(name, np.column_stack([0 * z, 0 * z, z]), r, np.pi * r**2, r, parent, index, outlet)


def friction(length, radius):
    return 8.0 * BLOOD.viscosity * length / (np.pi * radius**4)


def test_a_graft_beside_a_vessel_shares_by_resistance():
    """The vessel's first half beside a graft, then its second half and the bed."""
    tree = VesselTree(
        "a", (tube("a", 0.8e-3),), connections=(Connection("graft", "a", 0.03, length=0.12, diameter=3e-3),)
    )
    bed = 2e10
    flow = solve(tree, FlowConditions(12000.0, 600.0, {"a": bed}), BLOOD, LossOptions(law="borda_carnot"))
    native, graft, rest = friction(0.03, 0.8e-3), friction(0.12, 1.5e-3), friction(0.03, 0.8e-3)
    total, through = flow.branches["a"].flow[-1], flow.connections["graft"]
    kinetic = 0.5 * BLOOD.density
    lost = graft * through + kinetic * (through / (np.pi * 1.5e-3**2)) ** 2
    assert native * flow.branches["a"].flow[0] == pytest.approx(lost, rel=1e-8)
    assert flow.branches["a"].flow[0] + through == pytest.approx(total, rel=1e-12)
    end = kinetic * (total / (np.pi * 0.8e-3**2)) ** 2
    assert lost + rest * total + end + bed * total == pytest.approx(11400.0, rel=1e-9)
    assert through > flow.branches["a"].flow[0]


def test_a_graft_restores_ffr_beyond_an_occlusion():
    tree = left_coronary(0.6).tree
    conditions = solve_states(tree, PATIENT, BLOOD).hyperaemia_conditions
    lad = tree["LAD"]
    inside = (lad.arc > 0.022) & (lad.arc < 0.024)
    radius = np.where(inside, 0.05e-3, lad.radius)
    occluded = replace(lad, radius=radius, area=np.pi * radius**2)
    branches = tuple(occluded if one.name == "LAD" else one for one in tree.branches)
    shut = replace(tree, branches=branches, lesions=())
    without = solve(shut, conditions, BLOOD)
    assert without.branches["LAD"].flow[-1] < 3e-3 * solve(tree, conditions, BLOOD).branches["LAD"].flow[-1]
    grafted = replace(shut, connections=(Connection("LIMA", "LAD", 0.04, length=0.2, diameter=2.5e-3),))
    found = solve(grafted, conditions, BLOOD)
    assert found.ffr("LAD")[-1] > 0.8
    assert found.connections["LIMA"] > 0.3e-6
    # The occluded stretch between: what it carries beyond the occlusion comes backwards out of the graft.
    beyond = int(np.searchsorted(lad.arc, 0.03))
    assert found.branches["LAD"].flow[beyond] < 0.05e-6
    assert found.status.usable


def test_collaterals_feed_a_vessel_from_another():
    parent = tube("p", 2e-3, outlet=False, length=0.01)
    shut = tube("b", 1.5e-3, "p", 60)
    radius = np.where(shut.arc < 0.02, 0.02e-3, 1.5e-3)
    shut = replace(shut, radius=radius, area=np.pi * radius**2)
    tree = VesselTree("t", (parent, tube("a", 1.5e-3, "p", 60), shut))
    conditions = FlowConditions(12000.0, 600.0, {"a": 1e10, "b": 1e10})
    alone = solve(tree, conditions, BLOOD)
    fed = solve(
        replace(tree, connections=(Connection("a to b", "b", 0.04, "a", 0.03, resistance=2e10),)), conditions, BLOOD
    )
    assert alone.ffr("b")[-1] == pytest.approx(600.0 / 12000.0, abs=0.01)
    # 2e10 of collaterals before 1e10 of the bed, from a's pressure at its middle
    donor = float(np.interp(0.03, tree["a"].arc, fed.branches["a"].pressure))
    assert fed.connections["a to b"] == pytest.approx((donor - 600.0) / 3e10, rel=0.01)
    assert fed.ffr("a")[-1] < alone.ffr("a")[-1]  # what is given away is missed
    assert fed.branches["a"].flow[0] == pytest.approx(fed.branches["a"].flow[-1] + fed.connections["a to b"], rel=1e-9)


def test_many_samples_with_a_graft_are_those_one_by_one():
    tree = replace(left_coronary(0.7).tree, connections=(Connection("LIMA", "LAD", 0.05, length=0.2, diameter=2.5e-3),))
    conditions = solve_states(tree, PATIENT, BLOOD).hyperaemia_conditions
    same = same_for_all(tree, conditions)
    factor = np.array([0.8, 1.0, 1.3])
    found = solve_samples(
        tree, conditions.leak_places, replace(same, resistance=same.resistance * factor), 3, [("LAD", 0.06)]
    )
    plain = solve(tree, conditions, BLOOD)
    expected = np.interp(0.06, tree["LAD"].arc, plain.branches["LAD"].pressure)
    assert found.pressure[0, 1] == pytest.approx(expected, rel=1e-8)
    assert (np.diff(found.pressure[0]) > 0.0).all()


def test_connections_go_to_json_and_back_and_are_cut_with_their_vessel():
    joined = (
        Connection("LIMA", "LAD", 0.04, length=0.2, diameter=2.5e-3),
        Connection("c", "LCX", 0.02, "LAD", 0.03, resistance=3e10),
    )
    tree = replace(left_coronary(0.6).tree, connections=joined)
    (again,) = parse_trees(json.dumps(tree_to_json(tree)), "here")
    for one, other in zip(again.tree.connections, joined, strict=True):
        for name, value in vars(other).items():
            expected = pytest.approx(value, rel=1e-12) if isinstance(value, float) else value
            assert getattr(one, name) == expected
    assert len(truncate(tree, 1e-3).connections) == 2
    far = replace(tree, connections=(replace(joined[0], to_place=tree["LAD"].length),))
    assert truncate(far, 2.5e-3).connections == ()


def test_what_cannot_be_is_named():
    tree = left_coronary(0.6).tree
    with pytest.raises(InputError, match="branch 'RCA' is unknown"):
        replace(tree, connections=(Connection("x", "RCA", 0.0, length=0.1, diameter=2e-3),))
    with pytest.raises(InputError, match="no place on 'LAD'"):
        replace(tree, connections=(Connection("x", "LAD", 0.9, length=0.1, diameter=2e-3),))
    with pytest.raises(InputError, match="a length and a diameter, or a resistance"):
        replace(tree, connections=(Connection("x", "LAD", 0.01),))
    grafted = replace(tree, connections=(Connection("x", "LAD", 0.04, length=0.2, diameter=2.5e-3),))
    conditions = replace(solve_states(tree, PATIENT, BLOOD).hyperaemia_conditions, inlet_flow=4e-6)
    with pytest.raises(InputError, match="lead round it"):
        solve(grafted, conditions, BLOOD)
