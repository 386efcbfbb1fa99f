"""All that FFR is read with, where a part of it cannot be had."""

import pytest

from hemo.blood import Blood
from hemo.boundary import Physiology
from hemo.evaluation import evaluate
from hemo.geometry.synthetic.vessels import left_coronary
from hemo.units import MMHG


@pytest.mark.parametrize(("mean", "beats"), [(95.0, True), (124.0, False)])
def test_a_mean_that_no_beat_has_costs_the_resting_ratios_alone(mean, beats, caplog):
    patient = Physiology(
        systolic=128 * MMHG, diastolic=76 * MMHG, mean_pressure=mean * MMHG, heart_rate=50 / 60, myocardial_mass=0.135
    )
    found = evaluate(left_coronary(0.6).tree, patient, Blood())
    assert bool(found.resting) == beats
    assert ("no beat at rest" in caplog.text) != beats
    assert set(found.budgets) == {lesion.id for lesion in found.tree.lesions}
