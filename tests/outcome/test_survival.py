"""Kaplan-Meier, Greenwood and Cox against the leukaemia trial as textbooks print it, and against hand counts."""

import numpy as np
import pytest
from lifelines.datasets import load_leukemia

from hemo.outcome.survival import Episodes, at_risk, curve, hazard_ratio, risk_difference


def episodes(time, event, arm=None, entry=None, patient=None):
    n = len(time)
    return Episodes(
        np.arange(n) if patient is None else np.asarray(patient),
        np.zeros(n) if entry is None else np.asarray(entry, float),
        np.asarray(time, float),
        np.asarray(event, bool),
        np.zeros(n, int) if arm is None else np.asarray(arm),
    )


@pytest.fixture(scope="module")
def leukaemia():
    frame = load_leukemia()
    return episodes(frame["t"], frame["status"] == 1, frame["Rx"].to_numpy(int))  # 1: placebo


def test_survival_of_6_mp_as_printed(leukaemia):
    """Kleinbaum and Klein, Survival Analysis, table 2.2; standard errors by Greenwood as in Collett."""
    found = curve(leukaemia.of_arm(0))
    printed = {6: 0.8571, 7: 0.8067, 10: 0.7529, 13: 0.6902, 16: 0.6275, 22: 0.5378, 23: 0.4482}
    assert found.time.tolist() == list(printed)
    assert found.survival == pytest.approx(list(printed.values()), abs=5e-5)
    assert found.error[:3] == pytest.approx([0.0764, 0.0869, 0.0963], abs=5e-5)


def test_hazard_ratio_of_the_trial_as_printed(leukaemia):
    """R's coxph (Efron): 1.572, standard error 0.412; log-rank chi-square 16.79."""
    found = hazard_ratio(leukaemia)
    assert (found.log_ratio, found.error) == (pytest.approx(1.572, abs=5e-4), pytest.approx(0.4124, abs=5e-4))
    assert found.ratio.value == pytest.approx(4.817, abs=2e-3)
    assert found.log_rank_p == pytest.approx(4.17e-5, rel=0.01)
    assert found.proportional_p > 0.5


def test_risk_difference_is_that_of_the_curves(leukaemia):
    found = risk_difference(leukaemia, 10.0)
    placebo = 13 / 21  # all placebo patients are followed to relapse; 13 of 21 relapsed by week 10
    assert found.tested.value == pytest.approx(placebo)
    assert found.difference.value == pytest.approx(placebo - (1 - 0.7529), abs=5e-5)
    assert found.error == pytest.approx(np.hypot(0.0963, np.sqrt(placebo * (1 - placebo) / 21)), abs=5e-5)
    assert found.difference.low == pytest.approx(found.difference.value - 1.95996 * found.error, abs=1e-4)


def test_beyond_the_follow_up_nothing_is_claimed():
    found = risk_difference(episodes([1, 2, 3, 1, 2, 9], [1, 0, 0, 1, 0, 0], [0, 0, 0, 1, 1, 1]), 5.0)
    assert np.isnan(found.difference.value)
    assert found.reference.value != found.reference.value


def test_late_entry_by_hand():
    """One enters at 2: three at risk at 1, three at 3 (one gone, one come)."""
    late = episodes([1, 3, 5, 4], [1, 1, 0, 0], entry=[0, 0, 0, 2])
    found = curve(late)
    assert found.survival == pytest.approx([2 / 3, 2 / 3 * 2 / 3])
    assert at_risk(late, np.array([0.0, 1.0, 2.5, 4.5])).tolist() == [3, 3, 3, 1]


def test_an_event_on_the_first_day_counts():
    assert curve(episodes([0, 2, 3, 4], [1, 0, 1, 0])).survival == pytest.approx([0.75, 0.375])
    late = episodes([0, 2, 3, 4], [1, 0, 1, 0], entry=[0, 0, 0, 1])
    assert curve(late).survival[0] == pytest.approx(2 / 3)


def test_an_arm_without_events_has_no_ratio():
    assert hazard_ratio(episodes([1, 2, 3, 4], [0, 0, 1, 1], [0, 0, 1, 1])) is None
