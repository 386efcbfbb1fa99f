from dataclasses import replace

import numpy as np
import pytest

from hemo.boundary import (
    Physiology,
    aortic_pressure,
    assumptions,
    flow_conditions,
    mean_aortic_pressure,
    resting_flow,
    split_flow,
)
from hemo.errors import InputError
from hemo.geometry.synthetic.vessels import left_coronary
from hemo.geometry.truncate import truncate
from hemo.units import ML_PER_MIN, MMHG

PATIENT = Physiology(systolic=128 * MMHG, diastolic=76 * MMHG, myocardial_mass=0.135)


def test_mean_pressure_from_the_cuff():
    assert mean_aortic_pressure(120 * MMHG, 80 * MMHG) == pytest.approx(93.333 * MMHG, rel=1e-4)
    assert aortic_pressure(replace(PATIENT, mean_pressure=100 * MMHG)) == pytest.approx(100 * MMHG)
    for bad in (Physiology(), replace(PATIENT, systolic=70 * MMHG), replace(PATIENT, diastolic=-1.0)):
        with pytest.raises(InputError):
            aortic_pressure(bad)


def test_default_flow_lies_in_the_measured_range():
    # Fournier 2021: whole-heart hyperaemic flow 582 +- 138 mL/min in mild disease, 668 +- 185 in controls.
    hyperaemic = resting_flow(0.135) * Physiology().resistance_reserve / ML_PER_MIN
    assert 582 - 138 < hyperaemic < 582 + 138
    # Resting flow per gram of perfused muscle (left ventricle taken as two thirds): 0.7 to 1.1 mL/min/g.
    assert 0.7 < resting_flow(0.135) / ML_PER_MIN / (1.5 * 135.0) < 1.1


def test_split_conserves_flow_and_follows_the_power_law():
    tree = left_coronary().tree
    flows = split_flow(tree, 1.0, 2.39)
    assert sum(flows.values()) == pytest.approx(1.0)
    left, circumflex = (flows["LAD"] + flows["D1"], flows["LCX"] + flows["OM1"])
    calibre = [np.median(tree[name].reference_radius[tree[name].arc <= 5e-3]) for name in ("LAD", "LCX")]
    assert left / circumflex == pytest.approx((calibre[0] / calibre[1]) ** 2.39, rel=1e-12)


def test_moving_the_cut_does_not_move_the_flow():
    tree = left_coronary().tree
    whole = split_flow(tree, 1.0, 2.39)
    for cut in (1.7e-3, 2.0e-3):
        shorter = truncate(tree, cut)
        assert shorter["LAD"].length < tree["LAD"].length or cut < 1.9e-3
        for name, flow in split_flow(shorter, 1.0, 2.39).items():
            assert flow == pytest.approx(whole[name], rel=1e-9), name


def test_a_lesion_does_not_lower_its_own_territory():
    healthy, diseased = (split_flow(left_coronary(s).tree, 1.0, 2.39) for s in (0.0, 0.7))
    assert healthy == pytest.approx(diseased, rel=1e-9)


def test_hyperaemia_lowers_resistance_by_the_reserve():
    tree = left_coronary().tree
    rest, hyperaemia = (flow_conditions(tree, PATIENT, state) for state in ("rest", "hyperaemia"))
    for name in tree.outlets:
        assert rest.outlet_resistance[name] / hyperaemia.outlet_resistance[name] == pytest.approx(3.0)
    conductance = sum(1.0 / value for value in rest.outlet_resistance.values())
    flow = (rest.aortic_pressure - rest.venous_pressure) * conductance
    assert flow == pytest.approx(0.67 * resting_flow(0.135))


def test_prescribed_flow_and_its_resting_counterpart():
    tree = left_coronary().tree
    patient = replace(PATIENT, inlet_flow=5e-6)
    assert flow_conditions(tree, patient).inlet_flow == pytest.approx(5e-6)
    assert flow_conditions(tree, patient, "rest").inlet_flow == pytest.approx(5e-6 / 3.0)


@pytest.mark.parametrize(
    "change",
    [
        {"myocardial_mass": 135.0},
        {"rest_flow": -1.0},
        {"inlet_flow": 0.0},
        {"exponent": 0.0},
        {"resistance_reserve": 0.5},
        {"venous_pressure": 200 * MMHG},
    ],
)
def test_absurd_physiology_is_refused(change):
    with pytest.raises(InputError):
        flow_conditions(left_coronary().tree, replace(PATIENT, **change))


def test_every_assumption_has_a_source():
    tree = left_coronary().tree
    patient = replace(PATIENT, given=frozenset({"systolic", "diastolic", "myocardial_mass"}))
    rows = assumptions(tree, patient, flow_conditions(tree, patient))
    by_name = {row.name: row for row in rows}
    assert by_name["left ventricular mass"].source == "case file"
    assert by_name["microvascular resistance reserve"].source.startswith("default: ")
    assert by_name["mean aortic pressure"].value == pytest.approx(93.33, abs=0.01)
    assert all(row.source for row in rows)
