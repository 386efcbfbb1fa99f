"""Logistic and Cox models of an event, fitted by statsmodels and lifelines, and what they predict."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import statsmodels.api as sm
from lifelines import CoxPHFitter
from lifelines.exceptions import ConvergenceError
from lifelines.statistics import proportional_hazard_test
from numpy.typing import NDArray
from statsmodels.tools.sm_exceptions import PerfectSeparationError

from hemo.outcome.estimates import Patients
from hemo.outcome.partial import Partial, clustered_covariance, fit_partial

Array = NDArray[Any]
Method = Literal["logistic", "cox"]
_FARTHEST = 8.0  # a coefficient of a standardised predictor beyond this is no estimate: the predictor separates


class NotFitted(Exception):
    """A model has no finite estimate on these rows; the message says why."""


@dataclass(frozen=True)
class Sample:
    """Complete rows.

    Attributes
    ----------
    names
        (p,) of the predictors.
    x
        (n, p) predictors.
    event
        (n,) whether it happened; of a logistic model by the horizon.
    time
        (n,) to the event or the end of follow-up; None for a logistic model.
    patients
        Whose each row is.
    """

    names: tuple[str, ...]
    x: Array
    event: Array
    time: Array | None
    patients: Patients

    def rows(self, chosen: Array) -> Sample:
        """Some rows, each patient keeping the number they have here."""
        time = None if self.time is None else self.time[chosen]
        return Sample(self.names, self.x[chosen], self.event[chosen], time, Patients(self.patients.code[chosen]))

    def columns(self, names: Sequence[str]) -> Sample:
        """Some predictors."""
        places = [self.names.index(name) for name in names]
        return Sample(tuple(names), self.x[:, places], self.event, self.time, self.patients)


@dataclass(frozen=True)
class Fitted:
    """A fitted model.

    Attributes
    ----------
    coefficients, covariance
        (p,) log ratios per unit of each predictor, (p, p) robust to patients with several rows.
    intercept
        Of the logistic model; of Cox's the value of the linear predictor at the means, taken off.
    steps
        (2, k) times and cumulative baseline hazard of Cox's model, at the means.
    log_likelihood
        Partial likelihood of Cox's model.
    proportional_p
        (p,) of the test of proportional hazards; empty for a logistic model, and where it was not asked for.
    """

    method: Method
    names: tuple[str, ...]
    coefficients: Array
    covariance: Array
    intercept: float
    steps: Array
    log_likelihood: float
    proportional_p: Array

    def linear(self, x: Array) -> Array:
        """(n,) linear predictor of rows (n, p)."""
        return np.asarray(x @ self.coefficients + self.intercept)

    def risk(self, x: Array, horizon: float | None) -> Array:
        """(n,) probability of the event, of Cox's model by the horizon."""
        linear = self.linear(x)
        if self.method == "logistic":
            return np.asarray(1.0 / (1.0 + np.exp(-np.clip(linear, -700.0, 700.0))))
        assert horizon is not None
        place = int(np.searchsorted(self.steps[0], horizon, side="right")) - 1
        hazard = 0.0 if place < 0 else float(self.steps[1][place])
        return np.asarray(-np.expm1(-hazard * np.exp(np.clip(linear, -700.0, 700.0))))


def fit(method: Method, sample: Sample, thorough: bool = False) -> Fitted:
    """Fit a model by maximum (partial) likelihood.

    ``thorough`` also tests proportional hazards and makes the covariance robust to clustering by patient (sandwich of
    Liang and Zeger 1986; of Cox's model Lin and Wei 1989); else it is that of independent rows.

    Raises
    ------
    NotFitted
        If there is no event, or no finite estimate: a predictor is constant, follows from the others, or separates.
    """
    if not sample.event.any() or sample.event.all():
        raise NotFitted("all rows have the same outcome")
    spread = sample.x.std(axis=0)
    flat = spread <= 1e-12 * (1.0 + np.abs(sample.x).max(axis=0))
    if flat.any():
        raise NotFitted(f"{sample.names[int(flat.argmax())]} is the same in all rows")
    centre = sample.x.mean(axis=0)
    scaled = (sample.x - centre) / spread
    if np.linalg.matrix_rank(scaled) < scaled.shape[1]:
        raise NotFitted("a predictor follows from the others")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = (_logistic if method == "logistic" else _cox)(sample, scaled, thorough)
    beta, covariance, intercept, steps, likelihood, proportional = found
    if not np.isfinite(beta).all() or (np.abs(beta) > _FARTHEST).any():
        worst = sample.names[int(np.nan_to_num(np.abs(beta), nan=np.inf).argmax())]
        raise NotFitted(f"{worst} separates those with the event from those without")
    beta, covariance = beta / spread, covariance / np.outer(spread, spread)
    return Fitted(
        method, sample.names, beta, covariance, intercept - float(centre @ beta), steps, likelihood, proportional
    )


_Parts = tuple[Array, Array, float, Array, float, Array]


def _logistic(sample: Sample, scaled: Array, thorough: bool) -> _Parts:
    options: dict[str, Any] = {}
    if thorough and sample.patients.several:
        options = {"cov_type": "cluster", "cov_kwds": {"groups": sample.patients.code}}
    try:
        model = sm.Logit(sample.event.astype(float), sm.add_constant(scaled, has_constant="add"))
        found = model.fit(disp=0, maxiter=50, **options)
    except (PerfectSeparationError, np.linalg.LinAlgError) as error:
        raise NotFitted("the predictors separate those with the event from those without") from error
    if not found.mle_retvals["converged"]:
        raise NotFitted("the likelihood has no maximum at finite coefficients")
    params, covariance = np.asarray(found.params), np.asarray(found.cov_params())
    return params[1:], covariance[1:, 1:], float(params[0]), np.zeros((2, 0)), float(found.llf), np.zeros(0)


def _cox(sample: Sample, scaled: Array, thorough: bool) -> _Parts:
    return _cox_reported(sample, scaled) if thorough else _cox_alone(sample, scaled)


def _cox_alone(sample: Sample, scaled: Array) -> _Parts:
    assert sample.time is not None
    found = fit_partial(scaled, sample.time, sample.event)
    if found is None:
        raise NotFitted("the partial likelihood has no maximum at finite coefficients")
    return found.coefficients, found.covariance, 0.0, found.steps, found.log_likelihood, np.zeros(0)


def _cox_reported(sample: Sample, scaled: Array) -> _Parts:
    """By lifelines; with the test of proportional hazards.

    Where patients have several rows the covariance is robust (:func:`~hemo.outcome.partial.clustered_covariance`).
    """
    names = [f"x{k}" for k in range(scaled.shape[1])]
    frame = pd.DataFrame(scaled, columns=names)
    frame["time"], frame["event"] = sample.time, sample.event.astype(int)
    try:
        found = CoxPHFitter().fit(frame, "time", "event")
        tested = np.atleast_1d(proportional_hazard_test(found, frame, time_transform="rank").p_value)
    except (ConvergenceError, ValueError, np.linalg.LinAlgError) as error:
        raise NotFitted("the partial likelihood has no maximum at finite coefficients") from error
    beta, covariance = found.params_[names].to_numpy(float), found.variance_matrix_.to_numpy(float)
    hazard = found.baseline_cumulative_hazard_
    steps = np.vstack([hazard.index.to_numpy(float), hazard.iloc[:, 0].to_numpy(float)])
    if sample.patients.several:
        assert sample.time is not None
        alone = Partial(beta, covariance, float(found.log_likelihood_), steps)
        covariance = clustered_covariance(alone, scaled, sample.time, sample.event, sample.patients.code)
    shift = -float(found._norm_mean[names].to_numpy(float) @ beta)
    return beta, covariance, shift, steps, float(found.log_likelihood_), np.asarray(tested, float)
