"""Discrimination, calibration and reclassification against counts by hand and closed forms."""

import numpy as np
import pytest
from scipy import stats

from hemo.outcome.estimates import Patients
from hemo.outcome.fitting import Sample
from hemo.outcome.performance import (
    Predicted,
    brier,
    calibration_curve,
    comparable_pairs,
    discrimination,
    intercept,
    measures,
    reclassified,
    slope,
)


def predicted(linear, event, time=None, horizon=None, risk=None):
    linear = np.asarray(linear, float)
    rows = Sample(("x",), linear[:, None], np.asarray(event, bool), time, Patients.of(range(len(linear))))
    risk = 1.0 / (1.0 + np.exp(-linear)) if risk is None else risk
    return Predicted("logistic" if time is None else "cox", rows, linear, risk, horizon)


@pytest.fixture(scope="module")
def calibrated():
    rng = np.random.default_rng(1)
    linear = rng.normal(-1.0, 1.0, 20000)
    return linear, rng.random(20000) < 1.0 / (1.0 + np.exp(-linear))


def test_auc_is_the_mann_whitney_share(calibrated):
    linear, event = calibrated[0][:300], calibrated[1][:300]
    u = stats.mannwhitneyu(linear[event], linear[~event]).statistic
    assert discrimination(predicted(linear, event)) == pytest.approx(u / event.sum() / (~event).sum())


def test_pairs_across_folds_do_not_count():
    """Perfect within both folds, although the second fold's predictions lie lower."""
    linear, event = [1.0, 2.0, -5.0, -4.0], [0, 1, 0, 1]
    assert discrimination(predicted(linear, event), np.array([0, 0, 1, 1])) == 1.0
    assert discrimination(predicted(linear, event)) == 0.75


def test_comparable_pairs_by_brute_force():
    rng = np.random.default_rng(2)
    time, event = np.ceil(rng.exponential(4.0, 60)), rng.random(60) < 0.5
    pairs = sum(
        event[i] and (time[j] > time[i] or (time[j] == time[i] and not event[j]))
        for i in range(60)
        for j in range(60)
        if i != j
    )
    assert comparable_pairs(time, event) == pairs


def test_true_risks_are_calibrated_and_stretched_ones_are_not(calibrated):
    linear, event = calibrated
    found = measures(predicted(linear, event))
    assert found["slope"] == pytest.approx(1.0, abs=0.05)
    assert found["observed_over_expected"] == pytest.approx(1.0, abs=0.03)
    assert slope(predicted(2.0 * linear, event)) == pytest.approx(0.5, abs=0.03)
    assert intercept(predicted(linear + 0.7, event)) == pytest.approx(-0.7, abs=0.05)


def test_calibration_curve_follows_the_risks(calibrated):
    linear, event = calibrated
    drawn = calibration_curve(predicted(linear[:4000], event[:4000]))
    assert drawn.rows.sum() == 4000
    inside = [one.low <= p <= one.high for p, one in zip(drawn.predicted, drawn.observed, strict=True)]
    assert sum(inside) >= 8


def test_brier_without_censoring_is_the_mean_square():
    risk, time = np.array([0.9, 0.2, 0.6, 0.1]), np.array([1.0, 5.0, 2.0, 6.0])
    had = np.array([1.0, 0.0, 1.0, 0.0])
    found = predicted(np.zeros(4), [1, 1, 1, 1], time, 3.0, risk)
    assert brier(found) == pytest.approx(np.mean((risk - had) ** 2))


def test_brier_under_censoring_is_nearly_that_without():
    rng = np.random.default_rng(4)
    linear = rng.normal(size=20000)
    time = rng.exponential(np.exp(-linear))
    risk = 1.0 - np.exp(-np.exp(linear))
    end = rng.exponential(1.5, 20000)
    whole = predicted(linear, np.ones(20000), time, 1.0, risk)
    censored = predicted(linear, time <= end, np.minimum(time, end), 1.0, risk)
    assert brier(censored) == pytest.approx(brier(whole), abs=0.006)


def test_reclassification_by_hand():
    event = np.array([True, True, False, False])
    before, after = np.array([0.2, 0.5, 0.4, 0.3]), np.array([0.4, 0.4, 0.1, 0.3])
    told = reclassified(event, before, after)
    assert told == pytest.approx([0.0, 0.5, 0.5, 0.05 + 0.15])
