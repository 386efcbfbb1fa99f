"""Logistic and Cox models against published estimates, closed forms and the library they stand in for."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from lifelines import CoxPHFitter
from lifelines.datasets import load_rossi

from hemo.outcome.estimates import Patients
from hemo.outcome.fitting import NotFitted, Sample, fit
from hemo.outcome.partial import fit_partial


def sample(x, event, time=None, patients=None):
    x = np.asarray(x, float)
    ids = np.arange(len(event)) if patients is None else patients
    names = tuple(f"x{k}" for k in range(x.shape[1]))
    return Sample(names, x, np.asarray(event, bool), time, Patients.of(ids))


@pytest.fixture(scope="module")
def rossi():
    frame = load_rossi()
    x = frame.drop(columns=["week", "arrest"])
    return Sample(
        tuple(x.columns), x.to_numpy(float), frame["arrest"].to_numpy() == 1, frame["week"].to_numpy(float),
        Patients.of(np.arange(len(frame))),
    )  # fmt: skip


def test_recidivism_as_printed(rossi):
    """Allison 1995, and Fox 2002: coefficients and standard errors of the model of arrest."""
    found = fit("cox", rossi, thorough=True)
    printed = dict(fin=-0.379, age=-0.057, race=0.314, wexp=-0.150, mar=-0.434, paro=-0.085, prio=0.091)
    assert dict(zip(found.names, found.coefficients.round(3), strict=True)) == pytest.approx(printed, abs=6e-4)
    errors = [0.191, 0.022, 0.308, 0.212, 0.382, 0.196, 0.029]
    assert np.sqrt(np.diag(found.covariance)) == pytest.approx(errors, abs=6e-4)
    assert found.proportional_p[1] < 0.01 < 0.05 < found.proportional_p[0]  # age is the one that Fox finds


def test_resampled_fit_is_the_reported_one(rossi):
    slow, fast = fit("cox", rossi, thorough=True), fit("cox", rossi)
    assert fast.coefficients == pytest.approx(slow.coefficients, abs=1e-6)
    assert np.diag(fast.covariance) == pytest.approx(np.diag(slow.covariance), rel=1e-5)
    assert fast.log_likelihood == pytest.approx(slow.log_likelihood, abs=1e-6)
    assert fast.risk(rossi.x, 40.0) == pytest.approx(slow.risk(rossi.x, 40.0), rel=1e-4)


def test_heavy_ties_as_statsmodels():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(200, 2))
    time = np.ceil(rng.exponential(3.0 * np.exp(-x[:, 0])))
    event = rng.random(200) < 0.7
    reference = sm.PHReg(time, x, event, ties="efron").fit()
    found = fit_partial(x, time, event)
    assert found.coefficients == pytest.approx(reference.params, abs=1e-8)
    assert found.log_likelihood == pytest.approx(reference.llf, abs=1e-8)
    assert np.sqrt(np.diag(found.covariance)) == pytest.approx(reference.bse, rel=1e-5)


def test_odds_ratio_of_a_two_by_two_table():
    """30 of 50 against 15 of 60: ad / bc, and Woolf's standard error."""
    x = np.repeat([1.0, 1.0, 0.0, 0.0], [30, 20, 15, 45])[:, None]
    event = np.repeat([1, 0, 1, 0], [30, 20, 15, 45])
    found = fit("logistic", sample(x, event), thorough=True)
    assert np.exp(found.coefficients[0]) == pytest.approx(30 * 45 / (20 * 15))
    assert found.covariance[0, 0] == pytest.approx(1 / 30 + 1 / 20 + 1 / 15 + 1 / 45, rel=1e-6)
    assert found.risk(np.array([[1.0], [0.0]]), None) == pytest.approx([0.6, 0.25], rel=1e-6)


@pytest.mark.parametrize("method", ["logistic", "cox"])
def test_rows_of_a_patient_twice_say_no_more(method):
    """Each row doubled: independent rows would halve the variance, the robust one keeps it."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(300, 1))
    event = rng.random(300) < 1.0 / (1.0 + np.exp(-x[:, 0]))
    time = rng.exponential(1.0, 300) + 0.001 if method == "cox" else None
    once = fit(method, sample(x, event, time), thorough=True)
    twice = sample(
        np.vstack([x, x]), np.tile(event, 2), None if time is None else np.tile(time, 2), np.tile(range(300), 2)
    )
    assert fit(method, twice).covariance[0, 0] == pytest.approx(once.covariance[0, 0] / 2.0, rel=0.02)
    assert fit(method, twice, thorough=True).covariance[0, 0] == pytest.approx(once.covariance[0, 0], rel=0.15)


@pytest.mark.parametrize("method", ["logistic", "cox"])
@pytest.mark.parametrize(
    ("x", "reason"),
    [
        (np.ones((40, 1)), "same in all rows"),
        (np.column_stack([np.arange(40.0), 2.0 * np.arange(40.0) + 1.0]), "follows from the others"),
        ((np.arange(40.0) >= 20)[:, None], "separate|no maximum"),
    ],
)
def test_no_estimate_is_said(method, x, reason):
    event = np.arange(40) >= 20
    with pytest.raises(NotFitted, match=reason):
        fit(method, sample(x, event, np.linspace(40.0, 1.0, 40) if method == "cox" else None))


@pytest.mark.parametrize("tied", [False, True])
def test_robust_errors_of_cox_as_lifelines_own(tied):
    """Rows in pairs, out of the order of time."""
    rng = np.random.default_rng(9)
    x, pair = rng.normal(size=(120, 2)), np.repeat(np.arange(60), 2)
    time = rng.exponential(np.exp(-x[:, 0] + rng.normal(size=60)[pair]))
    time = np.ceil(8.0 * time) if tied else time
    event = rng.random(120) < 0.8
    found = fit("cox", sample(x, event, time, pair), thorough=True)
    frame = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "t": time, "e": event.astype(int), "pair": pair})
    reference = CoxPHFitter().fit(frame, "t", "e", cluster_col="pair")
    errors = np.sqrt(np.diag(found.covariance))
    assert errors == pytest.approx(reference.standard_errors_.to_numpy(), rel=0.02 if tied else 1e-5)
