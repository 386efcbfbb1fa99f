"""CFR, IMR and MRR of numbers that can be worked by hand."""

import pytest

from hemo.errors import InputError
from hemo.units import ML_PER_MIN, MMHG
from hemo.wire.indices import Hyperaemic, Measured, Resting
from hemo.wire.microvascular import FlowMeasurement, microvascular

NONE = Measured(None, "no")
REST = Resting(NONE, NONE, NONE, NONE, NONE, aortic=96.0 * MMHG)
FULL = Hyperaemic(Measured(0.8), 80.0 * MMHG, 64.0 * MMHG)


def test_transit_times():
    found = microvascular(FlowMeasurement(0.9, 0.3, "transit"), REST, FULL)
    assert found.cfr == pytest.approx(3.0)
    assert found.mrr == pytest.approx(3.0 / 0.8 * 96.0 / 80.0)  # 4.5
    assert found.imr == pytest.approx(64.0 * 0.3)
    assert found.imr_corrected == pytest.approx(80.0 * 0.3 * (1.35 * 0.8 - 0.32))
    assert found.resistance is None


def test_flows():
    found = microvascular(FlowMeasurement(80.0 * ML_PER_MIN, 200.0 * ML_PER_MIN, "flow"), REST, FULL)
    assert found.cfr == pytest.approx(2.5)
    assert found.mrr == pytest.approx(2.5 / 0.8 * 1.2)
    assert found.resistance == pytest.approx(64.0 / 200.0)
    assert found.imr is None


def test_without_pressures_only_the_reserve_is_known():
    alone = microvascular(FlowMeasurement(80.0, 200.0, "flow", absolute=False), None, Hyperaemic(NONE))
    assert (alone.cfr, alone.mrr, alone.imr, alone.resistance) == (2.5, None, None, None)
    half = microvascular(FlowMeasurement(80.0, 200.0, "flow", absolute=False), Resting(*[NONE] * 5), FULL)
    assert half.mrr is None


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((0.0, 1.0, "flow"), "must be positive"),
        ((900.0, 300.0, "transit"), "check its unit"),
        ((1.0, 100.0, "flow"), "outside 0.2 to 15"),
        ((float("nan"), 1.0, "flow"), "must be positive"),
    ],
)
def test_impossible_values_are_refused(values, words):
    with pytest.raises(InputError, match=words):
        FlowMeasurement(*values)
