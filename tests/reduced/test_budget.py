from dataclasses import replace

import numpy as np
import pytest

from hemo.blood import Blood
from hemo.boundary import Physiology
from hemo.geometry.synthetic.vessels import left_coronary, straight_stenosis
from hemo.indices import Reading, lesion_pressure
from hemo.reduced import LossOptions, solve, solve_states
from hemo.reduced.budget import Spread, error_budget, flow_spread
from hemo.treecalibration import Calibration
from hemo.units import ML_PER_MIN, MMHG

BLOOD = Blood()
PATIENT = Physiology(systolic=128 * MMHG, diastolic=76 * MMHG, myocardial_mass=0.135)


def budget_of(tree, patient=PATIENT, **options):
    states = solve_states(tree, patient, BLOOD)
    found = error_budget(tree, patient, BLOOD, states.hyperaemia_conditions, states.hyperaemia, **options)
    return found[tree.lesions[0].id], states


def test_parts_add_as_squares_and_the_largest_is_named():
    budget, _ = budget_of(left_coronary(0.6).tree)
    parts = [budget.lumen, budget.flow, budget.loss_law, budget.location]
    assert budget.total("reduced") == pytest.approx(np.sqrt(np.sum(np.square(parts))))
    assert budget.largest("reduced") == "flow"  # an unmeasured reserve: the largest single choice
    assert all(part > 0.0 for part in parts)
    assert budget.total("fem") < budget.total("reduced")


def test_a_calibration_narrows_the_laws_part_as_far_as_trees_at_another_flow_do():
    tree = left_coronary(0.6).tree
    plain, _ = budget_of(tree)
    count = sum(len(branch.points) - 1 for branch in tree.branches)
    neutral = LossOptions(calibration=Calibration(np.ones(count), np.ones(count), np.zeros(count)))
    own, _ = budget_of(tree, options=neutral)
    assert own.loss_law == pytest.approx(0.7 * plain.loss_law, rel=0.01)
    elsewhere = LossOptions(calibration=Calibration(1.5 * np.ones(count), np.zeros(count), np.zeros(count)))
    states = solve_states(tree, PATIENT, BLOOD, elsewhere)
    flow, conditions = states.hyperaemia, states.hyperaemia_conditions
    (without,) = error_budget(tree, PATIENT, BLOOD, conditions, flow, options=elsewhere).values()
    assert without.loss_law > 0.69 * plain.loss_law  # not 0 where a fit has put all of it down to friction
    for part in ("lumen", "flow", "location", "discretisation"):
        assert getattr(own, part) == pytest.approx(getattr(plain, part), rel=1e-6)


def test_a_tighter_lesion_is_less_sure():
    mild, tight = (budget_of(left_coronary(s).tree)[0] for s in (0.4, 0.65))
    for part in ("lumen", "flow", "loss_law"):
        assert getattr(tight, part) > 2.0 * getattr(mild, part)


def test_the_lumen_part_is_the_derivative_of_ffr():
    # Flow-driven, one vessel: halving the standard deviation halves the part.
    _, tree = straight_stenosis(severity=0.5)
    patient = replace(PATIENT, inlet_flow=2e-6)
    one, half = (budget_of(tree, patient, spread=Spread(lumen_diameter=sd))[0].lumen for sd in (0.04e-3, 0.02e-3))
    assert one / half == pytest.approx(2.0, rel=0.02)


def test_measured_things_are_surer():
    tree = left_coronary(0.6).tree
    assumed = flow_spread(tree, PATIENT)
    measured = flow_spread(tree, replace(PATIENT, flow_reserve=2.2, measured_ffr=0.8))
    both = flow_spread(tree, replace(PATIENT, rest_flow=200 * ML_PER_MIN, resistance_reserve=2.8))
    exact = flow_spread(tree, replace(PATIENT, inlet_flow=200 * ML_PER_MIN))
    assert assumed > measured > both > exact
    assert assumed == pytest.approx(np.hypot(0.24, 0.38))
    budgets = [budget_of(tree, patient)[0].flow for patient in (PATIENT, replace(PATIENT, resistance_reserve=3.0))]
    assert budgets[1] < 0.7 * budgets[0]


def test_a_known_wire_has_no_uncertain_place():
    tree = left_coronary(0.6).tree
    assert budget_of(tree, reading=Reading(wire={"LAD": 50e-3}))[0].location == 0.0


def test_the_flow_part_covers_both_published_reserves():
    """FFR with the reserve of healthy people and of dysfunction lie within what the budget says of the flow."""
    tree = left_coronary(0.6).tree
    budget, states = budget_of(tree)
    own = lesion_pressure(tree, tree.lesions[0], states.hyperaemia, None).distal
    for kind in ("healthy", "dysfunction"):
        other = solve_states(tree, replace(PATIENT, microvasculature=kind), BLOOD).hyperaemia
        assert abs(lesion_pressure(tree, tree.lesions[0], other, None).distal - own) < budget.flow


def test_no_lesion_no_budget():
    tree = left_coronary(0.0).tree
    states = solve_states(tree, PATIENT, BLOOD)
    assert error_budget(tree, PATIENT, BLOOD, states.hyperaemia_conditions, states.hyperaemia) == {} or not tree.lesions
    assert solve(tree, states.hyperaemia_conditions, BLOOD).status.name == "CONVERGED"
