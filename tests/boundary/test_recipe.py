from dataclasses import replace

import numpy as np
import pytest

from hemo.blood import Blood
from hemo.boundary import (
    Physiology,
    aortic_pressure,
    assumptions,
    demand,
    flow_conditions,
    flow_from_mass,
    healthy_tails,
    mean_aortic_pressure,
    share_of,
)
from hemo.errors import InputError
from hemo.geometry.synthetic.vessels import left_coronary, straight_stenosis
from hemo.reduced import solve_states
from hemo.tree import Branch, VesselTree
from hemo.units import GRAM, ML_PER_MIN, MMHG

PATIENT = Physiology(systolic=128 * MMHG, diastolic=76 * MMHG, myocardial_mass=0.135)


def test_mean_pressure_from_the_cuff():
    assert mean_aortic_pressure(120 * MMHG, 80 * MMHG) == pytest.approx(96.0 * MMHG, rel=1e-9)
    assert aortic_pressure(replace(PATIENT, mean_pressure=100 * MMHG)) == pytest.approx(100 * MMHG)
    lower = replace(PATIENT, hyperaemic_mean_pressure=85 * MMHG)
    assert aortic_pressure(lower, "hyperaemia") == pytest.approx(85 * MMHG)
    assert aortic_pressure(lower, "rest") == pytest.approx(96.8 * MMHG, rel=1e-9)
    for bad in (Physiology(), replace(PATIENT, systolic=70 * MMHG), replace(PATIENT, diastolic=-1.0)):
        with pytest.raises(InputError):
            aortic_pressure(bad)


def test_hyperaemia_lowers_resistance_by_the_reserve():
    tree = left_coronary().tree
    flows = demand(tree, PATIENT).flows
    tails = healthy_tails(tree, flows, Blood().viscosity)
    beyond = {}
    for state in ("rest", "hyperaemia"):
        conditions = flow_conditions(tree, PATIENT, state)
        outlets = [conditions.outlet_resistance[name] + tails.outlets[name] for name in tree.outlets]
        leaks = [leak.resistance + tails.leaks[leak.branch, leak.point] for leak in conditions.leaks]
        beyond[state] = np.array(outlets + leaks)
    assert beyond["rest"] / beyond["hyperaemia"] == pytest.approx(3.0)
    flow = (aortic_pressure(PATIENT) - PATIENT.venous) * (1.0 / beyond["rest"]).sum()
    assert flow == pytest.approx(0.67 * flow_from_mass(0.135))


def test_the_healthy_vessel_beyond_2_mm_belongs_to_the_resistance_there():
    """One vessel cut at three places beyond 2 mm: what resists beyond the 2 mm place is the same."""
    z = np.linspace(0.0, 0.1, 401)
    radius = np.linspace(1.5e-3, 0.5e-3, 401)
    whole = Branch("LAD", np.column_stack([0 * z, 0 * z, z]), radius, np.pi * radius**2, radius)
    flows = []
    for end in (0.1, 0.07, 0.0501):
        tree = VesselTree("left", (whole.between(0.0, end),))
        states = solve_states(tree, PATIENT, Blood())
        flows.append(states.hyperaemia.branches["LAD"].flow[0])
    # What is left is the kinetic pressure at an end half as wide.
    assert flows[0] == pytest.approx(flows[2], rel=7e-3)
    assert flows[1] == pytest.approx(flows[2], rel=5e-3)


def test_prescribed_flow_and_its_resting_counterpart():
    tree = left_coronary().tree
    patient = replace(PATIENT, inlet_flow=5e-6)
    assert flow_conditions(tree, patient).inlet_flow == pytest.approx(5e-6)
    assert flow_conditions(tree, patient, "rest").inlet_flow == pytest.approx(5e-6 / 3.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"myocardial_mass": 135.0}, "135000 g"),
        ({"total_myocardial_mass": 200.0, "myocardial_mass": None}, "total_myocardial_mass"),
        ({"rest_flow": -1.0}, "rest_flow"),
        ({"inlet_flow": 0.0}, "inlet_flow"),
        ({"exponent": 0.0}, "exponent"),
        ({"resistance_reserve": 0.5}, "between 1 and 15"),
        ({"venous_pressure": 200 * MMHG}, "venous pressure"),
        ({"cardiac_output": 5.0, "myocardial_mass": None}, "cardiac_output"),
        ({"heart_rate": 66.0}, "heart rate x systolic"),
        ({"scale": "cardiac output"}, "needs data"),
        ({"scale": "perfusion"}, "perfusion map"),
        ({"flow_reserve": 2.5}, "measured_ffr"),
        ({"vessel_flow": {"LAD": 1e-6, "D1": 2e-6}}, "LAD carries no more"),
        ({"territory": "cerebral"}, "none of"),
        ({"territory": "femoropopliteal"}, "name the first vessel"),
        ({"territory": "generic"}, "rest_flow"),
    ],
)
def test_absurd_physiology_is_refused_in_a_sentence(change, words):
    with pytest.raises(InputError, match=words):
        flow_conditions(left_coronary().tree, replace(PATIENT, **change))


def test_every_assumption_has_a_source():
    tree = left_coronary().tree
    by_name = {row.name: row for row in assumptions(tree, PATIENT, flow_conditions(tree, PATIENT))}
    assert by_name["left ventricular mass"].source == "case file"
    assert by_name["microvascular resistance reserve"].source.startswith("default: ")
    assert by_name["mean aortic pressure"].value == pytest.approx(96.8, abs=0.01)
    assert by_name["flow-diameter exponent"].value == 2.39
    assert all(row.source for row in by_name.values())


def test_both_trees_share_the_heart_by_dominance():
    left = left_coronary().tree
    right = VesselTree("right", (replace(straight_stenosis(severity=0.0)[1].root, name="RCA"),))
    for dominance in ("right", "co-dominant", "left"):
        patient = replace(PATIENT, dominance=dominance)
        assert share_of(left, patient).value + share_of(right, patient).value == pytest.approx(1.0)
    shares = [share_of(left, replace(PATIENT, dominance=d)).value for d in ("right", "co-dominant", "left")]
    assert shares == sorted(shares)


def test_a_single_vessel_takes_its_own_share_and_an_unknown_one_is_named(caplog):
    root = straight_stenosis(severity=0.0)[1].root
    lad = VesselTree("tree", (replace(root, name="LAD"),))
    rca = VesselTree("tree", (replace(root, name="RCA"),))
    assert share_of(lad, PATIENT).value == pytest.approx(0.67 * 0.59)
    assert share_of(rca, PATIENT).value == pytest.approx(0.33)
    assert not caplog.records
    assert share_of(VesselTree("tree", (root,)), PATIENT).value == 1.0
    assert "neither the left nor the right" in caplog.text


def test_measured_vessels_carry_what_was_measured():
    tree = left_coronary().tree
    measured = {"LAD": 70 * ML_PER_MIN, "D1": 15 * ML_PER_MIN}
    known = demand(tree, replace(PATIENT, vessel_flow=measured))
    assert known.state == "rest"
    own = {branch.name: known.flows.of_branch(branch.name) for branch in tree.branches}
    assert own["D1"] == pytest.approx(15 * ML_PER_MIN)
    assert own["LAD"] == pytest.approx(55 * ML_PER_MIN)
    # What was not measured keeps its proportion to the measured vessels together.
    plain = demand(tree, PATIENT).flows
    factor = 70 * ML_PER_MIN / (plain.of_branch("LAD") + plain.of_branch("D1"))
    assert own["LCX"] == pytest.approx(factor * plain.of_branch("LCX"))


def test_perfusion_territories_take_what_the_map_says():
    tree = left_coronary().tree
    flows = {"LAD": 60 * ML_PER_MIN, "D1": 20 * ML_PER_MIN, "LCX": 40 * ML_PER_MIN, "OM1": 25 * ML_PER_MIN}
    known = demand(tree, replace(PATIENT, perfusion=flows, perfusion_state="rest"))
    for name, flow in flows.items():
        assert known.flows.of_branch(name) == pytest.approx(flow)
    # A measured flow comes before the map, and the map before cardiac output.
    assert demand(tree, replace(PATIENT, perfusion=flows, cardiac_output=5e-3 / 60)).state == "hyperaemia"
    assert demand(tree, replace(PATIENT, perfusion=flows, rest_flow=200 * ML_PER_MIN)).state == "rest"


def test_legs_know_their_flow_by_the_vessel():
    points = np.column_stack([np.zeros(200), np.zeros(200), np.linspace(0.0, 0.46, 200)])
    radius = np.full(200, 3.0e-3)
    root = replace(straight_stenosis(severity=0.0)[1].root, name="SFA", points=points, radius=radius)
    root = replace(root, area=np.pi * radius**2, reference_radius=radius)
    patient = Physiology(territory="femoropopliteal", mean_pressure=95 * MMHG)
    known = demand(VesselTree("leg", (root,)), patient)
    assert known.total == pytest.approx(152 * ML_PER_MIN)
    # Holland et al. 1998: 72 mL/min arrive in the popliteal artery.
    assert known.flows.outlets["SFA"] == pytest.approx(72 * ML_PER_MIN, rel=0.02)


def test_masses_of_heart_and_left_ventricle_are_two_thirds_apart():
    tree = left_coronary().tree
    whole = replace(PATIENT, myocardial_mass=None, total_myocardial_mass=202.5 * GRAM)
    assert demand(tree, whole).total == pytest.approx(demand(tree, PATIENT).total)
