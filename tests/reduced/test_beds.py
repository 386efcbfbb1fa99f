from dataclasses import replace

import numpy as np
import pytest

from hemo.blood import Blood
from hemo.boundary import FlowConditions, Leak, Physiology, demand, flow_conditions
from hemo.errors import InputError
from hemo.geometry.synthetic.vessels import left_coronary, straight_stenosis
from hemo.reduced import LossOptions, solve, solve_states
from hemo.reduced.network import solve_sinks
from hemo.tree import Branch, VesselTree
from hemo.units import MMHG

BLOOD = Blood()
PATIENT = Physiology(systolic=128 * MMHG, diastolic=76 * MMHG, myocardial_mass=0.135)


def sinks_of(known):
    return np.array([*known.flows.outlets.values(), *known.flows.leaks.values()])


def test_a_leaking_vessel_loses_the_pressure_of_its_flow():
    # Between equally spaced leaks of q each the flow falls in steps: the drop is the sum of Poiseuille's over them.
    z = np.linspace(0.0, 0.1, 11)
    radius = np.full(11, 1.5e-3)
    tree = VesselTree("t", (Branch("a", np.column_stack([0 * z, 0 * z, z]), radius, np.pi * radius**2, radius),))
    huge = 1e14  # so that each leak's flow is the same, whatever the pressure there
    leaks = tuple(Leak("a", point, huge) for point in (2, 4, 6, 8))
    conditions = FlowConditions(1e4, 1e4 - 1e8, {"a": huge}, 5e-6, leaks)
    flow, sinks = solve_sinks(tree, conditions, BLOOD, LossOptions(law="borda_carnot"))
    assert sinks == pytest.approx(np.full(5, 1e-6), rel=1e-4)
    per_length = 8 * BLOOD.viscosity / (np.pi * 1.5e-3**4)
    total = flow.branches["a"].pressure + 0.5 * BLOOD.density * (flow.branches["a"].flow / tree["a"].area) ** 2
    assert total[0] - total[-1] == pytest.approx(per_length * 0.02 * (5 + 4 + 3 + 2 + 1) * 1e-6, rel=1e-4)
    assert flow.branches["a"].flow == pytest.approx(1e-6 * np.array([5, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1]), rel=1e-4)


@pytest.mark.parametrize("severity", [0.0, 0.5, 0.7])
def test_at_rest_the_beds_keep_their_flow_behind_a_stenosis(severity):
    tree = left_coronary(severity).tree
    states = solve_states(tree, PATIENT, BLOOD)
    asked = sinks_of(demand(tree, PATIENT))
    assert solve_sinks(tree, states.rest_conditions, BLOOD)[1] == pytest.approx(asked, rel=1e-6)


def test_an_exhausted_bed_is_fully_open_at_rest_too():
    tree = left_coronary(0.93).tree
    states = solve_states(tree, PATIENT, BLOOD)
    open_beds, rest = states.hyperaemia_conditions, states.rest_conditions
    assert rest.outlet_resistance["LAD"] == pytest.approx(open_beds.outlet_resistance["LAD"])
    assert rest.outlet_resistance["LCX"] > 2.0 * open_beds.outlet_resistance["LCX"]
    hyperaemic, resting = (flow.branches["LAD"].flow[-1] for flow in (states.hyperaemia, states.rest))
    assert resting < 0.9 * demand(tree, PATIENT).flows.outlets["LAD"]
    assert hyperaemic / resting == pytest.approx(1.0, abs=0.015)  # no reserve is left


@pytest.mark.parametrize("severity", [0.4, 0.6, 0.7])
def test_the_resistance_reserve_comes_out_as_it_went_in(severity):
    """MRR = (CFR / FFR) (Pa_rest / Pa_hyp), De Bruyne 2021: whatever the stenosis, the microvasculature's own."""
    tree = straight_stenosis(severity=severity)[1]
    tree = VesselTree("left", (replace(tree.root, name="LAD"),), tuple(replace(x, branch="LAD") for x in tree.lesions))
    patient = replace(PATIENT, venous_pressure=0.0, hyperaemic_mean_pressure=85 * MMHG, resistance_reserve=3.2)
    states = solve_states(tree, patient, BLOOD)
    rest, hyperaemia = states.rest.branches["LAD"], states.hyperaemia.branches["LAD"]
    flow_reserve = hyperaemia.flow[-1] / rest.flow[-1]
    ffr = states.hyperaemia.ffr("LAD")[-1]
    pressures = states.rest.aortic_pressure / states.hyperaemia.aortic_pressure
    assert flow_reserve / ffr * pressures == pytest.approx(3.2, rel=1e-6)
    # and a patient measured so gets the same microvasculature back
    measured = replace(patient, resistance_reserve=None, flow_reserve=flow_reserve, measured_ffr=ffr)
    again = solve_states(tree, measured, BLOOD)
    assert again.hyperaemia.ffr("LAD")[-1] == pytest.approx(ffr, rel=1e-6)


def test_flow_measured_at_hyperaemia_is_met_behind_the_stenosis():
    tree = left_coronary(0.6).tree
    patient = replace(PATIENT, vessel_flow={"LAD": 2.0e-6, "LCX": 2.4e-6}, vessel_flow_state="hyperaemia")
    states = solve_states(tree, patient, BLOOD)
    for name, flow in patient.vessel_flow.items():
        assert states.hyperaemia.branches[name].flow[0] == pytest.approx(flow, rel=1e-6)
    # The beds resist less than the flow under the full pressure would say.
    naive = flow_conditions(tree, patient, "hyperaemia")
    assert states.hyperaemia_conditions.outlet_resistance["LAD"] < 0.92 * naive.outlet_resistance["LAD"]


def test_a_measured_flow_that_cannot_pass_is_refused():
    tree = left_coronary(0.85).tree
    patient = replace(PATIENT, vessel_flow={"LAD": 6e-6}, vessel_flow_state="hyperaemia")
    with pytest.raises(InputError, match="cannot reach"):
        solve_states(tree, patient, BLOOD)


def test_the_states_are_those_of_the_plain_recipe_in_a_healthy_tree():
    tree = left_coronary(0.0).tree
    states = solve_states(tree, PATIENT, BLOOD)
    plain = solve(tree, flow_conditions(tree, PATIENT), BLOOD)
    assert states.hyperaemia.branches["LAD"].flow[0] == pytest.approx(plain.branches["LAD"].flow[0], rel=1e-12)
    assert np.all(states.rest.ffr("LAD") > states.hyperaemia.ffr("LAD") - 1e-3)
