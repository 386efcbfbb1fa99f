"""Arms, crossover and margins, by hand on a few patients."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from hemo.errors import InputError
from hemo.outcome.joining import Joined
from hemo.outcome.study import TrialSection
from hemo.outcome.trial import trial

ROWS = [  # patient, arm, received, crossed at, event, time
    ("a", "A", "A", None, 1, 5.0),
    ("b", "A", "B", None, 0, 10.0),  # crossed over from the start
    ("c", "A", "B", 4.0, 1, 8.0),  # crossed over at 4
    ("d", "A", "A", None, 0, 10.0),
    ("e", "B", "B", None, 1, 3.0),
    ("f", "B", "B", None, 0, 10.0),
    ("g", "B", "A", 12.0, 0, 10.0),  # would have crossed over after the end
    ("h", "B", "B", None, 0, 9.0),
    ("i", "B", "B", None, None, None),  # lost
]


def joined(rows=ROWS):
    frame = pd.DataFrame(rows, columns=["patient", "arm", "received", "crossed", "event", "time"])
    return Joined(frame, ("patient",), {}, {}, (), "patient")


def section(**given):
    base = {"arm": "arm", "arms": ("A", "B"), "treated": "received", "crossover_time": "crossed", "event": "event"}
    return TrialSection(**(base | {"time": "time", "horizon": 8.0} | given))


@pytest.fixture(scope="module")
def found():
    return trial(joined(), section(margin_risk_difference=0.3, margin_hazard_ratio=2.0))


def named(found, name):
    return next(one for one in found.comparisons if one.name == name)


def test_crossover_and_missing_are_counted(found):
    assert found.crossover.tolist() == [[2, 2], [1, 4]]
    assert found.missing == {"arm": 0, "event": 1, "time": 1, "received": 0}
    assert found.randomised == 9
    assert found.early == (0, 0)
    assert [one.name for one in found.comparisons] == [
        "intention to treat", "as treated", "per protocol", "missing taken as worst",
    ]  # fmt: skip


def test_intention_to_treat_keeps_everybody_where_they_were_assigned(found):
    one = named(found, "intention to treat")
    assert (one.patients, one.events, one.crossed) == ((4, 4), (2, 1), 0)
    assert one.risk.reference.value == pytest.approx(0.5)
    assert one.risk.tested.value == pytest.approx(0.25)
    assert one.risk.error == pytest.approx(np.sqrt(0.25 / 4 + 0.1875 / 4))


def test_as_treated_follows_the_treatment_and_invents_no_immortal_time(found):
    """Under A: a, d and c until 4. Under B: b, e, f, g, h and c from 4 on."""
    one = named(found, "as treated")
    assert (one.patients, one.events, one.crossed) == ((3, 6), (1, 2), 1)
    assert one.risk.reference.value == pytest.approx(1 / 2)  # a has it at 5, of a and d: c has left
    assert one.risk.tested.value == pytest.approx(1.0 - 0.8 * 0.8)  # e at 3 of five, c at 8 of b, c, f, g, h


def test_per_protocol_stops_at_crossing(found):
    one = named(found, "per protocol")
    assert (one.patients, one.events) == ((3, 4), (1, 1))
    assert one.episodes.exit[one.episodes.arm == 0].tolist() == [5.0, 4.0, 10.0]


def test_worst_case_takes_the_lost_as_an_event_of_the_tested_arm(found):
    one = named(found, "missing taken as worst")
    assert (one.patients, one.events) == ((4, 5), (2, 2))
    assert one.risk.tested.value == pytest.approx(0.4)


def test_verdict_is_the_upper_bound_against_the_margin(found):
    one = named(found, "intention to treat")
    z = (one.risk.difference.value - 0.3) / one.risk.error
    assert one.by_difference.p == pytest.approx(stats.norm.cdf(z))
    assert one.by_difference.upper == pytest.approx(one.risk.difference.high)
    assert one.by_difference.non_inferior == (one.risk.difference.high < 0.3)
    assert one.by_ratio.upper == pytest.approx(one.ratio.ratio.high)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("arm", "C", "its arms are"),
        ("event", 2, "takes 1 and 0"),
        ("time", -1.0, "negative"),
        ("received", "none", "its arms are"),
    ],
)
def test_other_arms_events_and_times_are_refused(column, value, message):
    table = joined()
    table.frame[column] = table.frame[column].astype(object)
    table.frame.loc[0, column] = value
    with pytest.raises(InputError, match=message):
        trial(table, section())


def test_a_patient_with_two_arms_is_refused():
    with pytest.raises(InputError, match="differs between the rows of patient a"):
        trial(joined([*ROWS, ("a", "B", "A", None, 1, 5.0)]), section())
