from dataclasses import replace

import pytest

from hemo.blood import Blood
from hemo.boundary import Physiology
from hemo.boundary.plausibility import implausible
from hemo.geometry.synthetic.vessels import left_coronary, straight_stenosis
from hemo.reduced import solve_states
from hemo.units import ML_PER_MIN, MMHG

BLOOD = Blood()
PATIENT = Physiology(systolic=128 * MMHG, diastolic=76 * MMHG, myocardial_mass=0.135)


def said(severity=0.5, **change):
    tree, patient = left_coronary(severity).tree, replace(PATIENT, **change)
    states = solve_states(tree, patient, BLOOD)
    rest = implausible(tree, patient, BLOOD, states.rest, "rest")
    return " ".join((*rest, *implausible(tree, patient, BLOOD, states.hyperaemia, "hyperaemia")))


def test_an_ordinary_patient_is_plausible():
    assert said() == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rest_flow": 900 * ML_PER_MIN}, "LAD carries"),
        ({"rest_flow": 900 * ML_PER_MIN}, "149 to 528"),
        ({"rest_flow": 900 * ML_PER_MIN}, "per gram"),
        ({"rest_flow": 40 * ML_PER_MIN}, "per gram"),
        ({"rest_flow": 40 * ML_PER_MIN}, "wall shear stress"),
        ({"inlet_flow": 2500 * ML_PER_MIN}, "Reynolds number reaches"),
    ],
)
def test_what_no_patient_has_is_named_with_the_range(change, words):
    assert words in said(0.0, **change)


def test_a_vessel_that_is_no_tree_of_the_heart_is_not_judged_by_its_muscle(caplog):
    tree, patient = straight_stenosis(severity=0.5)[1], replace(PATIENT, inlet_flow=1.5e-6)
    flow = solve_states(tree, patient, BLOOD).hyperaemia
    assert implausible(tree, patient, BLOOD, flow, "hyperaemia") == ()
    assert not caplog.records


def test_a_jet_that_may_break_down_is_named():
    assert "Reynolds number in the throat" in said(0.6, inlet_flow=2500 * ML_PER_MIN)
