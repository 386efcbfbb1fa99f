"""Thresholds: where the truth is known, patients kept together, and honest accuracy."""

import numpy as np
import pytest

from hemo.outcome.estimates import Patients
from hemo.outcome.study import StudySection, ThresholdSection
from hemo.outcome.thresholds import Measured, bandwidth, crossed, scores, sensitivity_rule, threshold_in, youden_rule

STUDY = StudySection(name="test", resamples=200)


def section(**given):
    return ThresholdSection(name="t", measure="m", reference="r", **given)


def two_normals(n, rng, low=0.7, high=0.9, sd=0.08):
    positive = np.arange(n) < n // 2
    return Measured(np.where(positive, low, high) + rng.normal(0.0, sd, n), positive, Patients.of(range(n)))


def on_all(rule, sample):
    return rule(sample.value, sample.positive, np.zeros(len(sample.value), int), 1)[0]


def test_two_normals_of_one_width_part_in_the_middle():
    found = [on_all(youden_rule(s), s) for s in (two_normals(400, np.random.default_rng(k)) for k in range(40))]
    assert np.mean(found) == pytest.approx(0.8, abs=0.003)
    assert np.std(found) < 0.015


def test_threshold_without_each_fold_is_that_of_the_other_rows():
    sample = two_normals(200, np.random.default_rng(1))
    fold = sample.patients.folds(5, np.random.default_rng(2))
    for rule in (youden_rule(sample), sensitivity_rule(0.9)):
        found = rule(sample.value, sample.positive, fold, 5)
        assert found[0] == pytest.approx(on_all(rule, sample))
        assert found[3] == pytest.approx(on_all(rule, sample.rows(fold != 2)))


def test_fixed_sensitivity_is_reached():
    sample = two_normals(1000, np.random.default_rng(3))
    limit = on_all(sensitivity_rule(0.9), sample)
    assert scores(sample.value <= limit, sample.positive)[0] == pytest.approx(0.9, abs=0.005)


def test_scores_by_hand():
    called = np.array([True, True, False, False, True])
    positive = np.array([True, True, True, False, False])
    assert scores(called, positive) == pytest.approx([2 / 3, 0.5, 0.6, 2 / 3 + 0.5 - 1.0])


def test_a_useless_measure_has_no_accuracy_beyond_chance():
    """Judged on the rows it was chosen on, a threshold of noise looks better than nothing; elsewhere not."""
    told = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        sample = Measured(rng.normal(size=80), rng.random(80) < 0.5, Patients.of(range(80)))
        rule = youden_rule(sample)
        own = scores(sample.value <= on_all(rule, sample), sample.positive)[3]
        told.append((own, crossed(sample, rule, 10, rng)[4]))
    own, honest = np.mean(told, axis=0)
    assert own > 0.07
    assert abs(honest) < 0.05


def test_patients_are_not_split_and_high_values_are_turned():
    rng = np.random.default_rng(6)
    sample = two_normals(300, rng)
    turned = Measured(sample.value, sample.positive, Patients.of(np.arange(300) // 3))
    low = threshold_in("all", turned, section(), STUDY)
    high = threshold_in("all", turned, section(positive="high", against=-0.8), STUDY)  # values come in turned already
    assert low.patients == 100
    assert high.threshold.value == pytest.approx(-low.threshold.value)
    assert high.threshold.low == pytest.approx(-low.threshold.high)
    assert low.fixed == high.fixed


def test_too_few_give_no_threshold():
    sample = two_normals(18, np.random.default_rng(7))
    assert "fewer than 10" in threshold_in("all", sample, section(), STUDY).note


def test_bandwidth_goes_with_the_cube_root():
    value = np.random.default_rng(8).normal(size=1000)
    assert bandwidth(value) == pytest.approx(0.09, rel=0.1)
    assert bandwidth(np.array([1.0, 1.0, 1.0])) > 0.0
