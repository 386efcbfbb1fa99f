from dataclasses import replace

import pytest

from hemo.boundary import Physiology, flow_from_mass, flow_from_rate_and_pressure, resistance_reserve, resting_flow
from hemo.boundary.scale import DEFAULT_MASS
from hemo.boundary.territory import CORONARY, CORONARY_SHARES, LEFT_VESSELS
from hemo.units import GRAM, ML_PER_MIN, MMHG

PATIENT = Physiology(systolic=128 * MMHG, diastolic=76 * MMHG)
# Fournier 2021: whole-heart hyperaemic flow in mild disease, mL/min, mean - SD to mean + SD.
MILD = (582.0 - 138.0, 582.0 + 138.0)
CONTROLS = (668.0 - 185.0, 668.0 + 185.0)

WAYS = {
    "population": PATIENT,
    "mass": replace(PATIENT, myocardial_mass=135 * GRAM),
    "rate and pressure": replace(PATIENT, myocardial_mass=135 * GRAM, heart_rate=1.1),
    "cardiac output": replace(PATIENT, cardiac_output=4250 * ML_PER_MIN),
}


@pytest.mark.parametrize("scale", WAYS)
def test_every_default_flow_lies_in_the_measured_range(scale):
    found = resting_flow(WAYS[scale])
    assert found.scale == scale
    hyperaemic = found.value * CORONARY.resistance_reserve.value / ML_PER_MIN
    assert MILD[0] < hyperaemic < MILD[1]
    # Healthy LAD: 149 to 528 mL/min (5 to 95 %).
    lad = hyperaemic * CORONARY_SHARES["right"].value * LEFT_VESSELS["LAD"]
    low, high = CORONARY.hyperaemic_range["LAD"][0]
    assert low < lad * ML_PER_MIN < high


def test_the_healthy_response_gives_the_flow_of_controls_per_person():
    # 4.4 times the resting flow is the upper end of what was measured in controls.
    whole = flow_from_mass(DEFAULT_MASS) * CORONARY.healthy_reserve.value / ML_PER_MIN
    assert CONTROLS[0] < whole < 668.0 + 1.64 * 185.0


def test_resting_perfusion_is_that_of_positron_emission_tomography():
    # Czernin 1993: 0.92 +- 0.25 mL/min/g of left ventricle at heart rate x systolic pressure = 8634.
    rate = 8634.0 / 120.0 / 60.0
    flow = flow_from_rate_and_pressure(rate, 120 * MMHG, 135 * GRAM)
    assert flow / ML_PER_MIN / (1.5 * 135.0) == pytest.approx(0.92, abs=0.02)
    # ... and the flow from the mass alone lies within one standard deviation of it.
    assert 0.67 < flow_from_mass(135 * GRAM) / ML_PER_MIN / (1.5 * 135.0) < 1.17


def test_the_best_that_is_known_wins():
    everything = replace(
        PATIENT,
        rest_flow=190 * ML_PER_MIN,
        cardiac_output=5000 * ML_PER_MIN,
        heart_rate=1.1,
        myocardial_mass=135 * GRAM,
    )
    assert resting_flow(everything).scale == "measured"
    assert resting_flow(replace(everything, rest_flow=None)).scale == "cardiac output"
    assert resting_flow(replace(everything, rest_flow=None, cardiac_output=None)).scale == "rate and pressure"
    assert resting_flow(replace(everything, scale="mass")).scale == "mass"
    assert resting_flow(replace(everything, scale="population")).value == pytest.approx(flow_from_mass(DEFAULT_MASS))


def test_resistance_reserve_takes_the_stenosis_out_of_a_measured_flow_reserve():
    patient = replace(PATIENT, mean_pressure=100 * MMHG, flow_reserve=2.1, measured_ffr=0.7)
    assert resistance_reserve(patient).value == pytest.approx(3.0)
    lower = replace(patient, hyperaemic_mean_pressure=90 * MMHG)
    assert resistance_reserve(lower).value == pytest.approx(3.0 / 0.9)
    assert resistance_reserve(replace(patient, resistance_reserve=2.4)).value == 2.4


def test_dysfunction_is_what_the_indices_call_so():
    assert resistance_reserve(PATIENT).value == 3.0
    assert resistance_reserve(replace(PATIENT, microvasculature="healthy")).value == 4.4
    assert resistance_reserve(replace(PATIENT, microcirculatory_resistance_index=24.0)).value == 3.0
    raised = resistance_reserve(replace(PATIENT, microcirculatory_resistance_index=31.0))
    assert raised.value < 2.1
    assert "dysfunction" in raised.source
