"""How well predictions foretell an event: discrimination, calibration, Brier score."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import statsmodels.api as sm
from lifelines.utils import concordance_index
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score, roc_curve
from statsmodels.nonparametric.smoothers_lowess import lowess

from hemo.outcome.estimates import UNKNOWN, Estimate, proportion
from hemo.outcome.fitting import Method, NotFitted, Sample, fit
from hemo.outcome.survival import Episodes, curve, risk_of

Array = NDArray[Any]
MEASURES = ("discrimination", "slope", "observed_over_expected", "brier")


@dataclass(frozen=True)
class Predicted:
    """Predictions for rows: linear predictor (n,) and probability of the event (n,), of Cox's model by the horizon."""

    method: Method
    sample: Sample
    linear: Array
    risk: Array
    horizon: float | None


def discrimination(found: Predicted, fold: Array | None = None) -> float:
    """AUC, or Harrell's C of a Cox model; with ``fold`` (n,) over pairs within a fold alone.

    Predictions of different folds come from different models, so that pairs across folds mix their intercepts.
    """
    groups = [np.ones(len(found.linear), bool)] if fold is None else [fold == k for k in np.unique(fold)]
    total = pairs = 0.0
    for rows in groups:
        event = found.sample.event[rows]
        if found.method == "logistic":
            count = float(event.sum() * (~event).sum())
            if count:
                total += count * float(roc_auc_score(event, found.linear[rows]))
        else:
            assert found.sample.time is not None
            time = found.sample.time[rows]
            count = comparable_pairs(time, event)
            if count:
                total += count * float(concordance_index(time, -found.linear[rows], event))
        pairs += count
    return total / pairs if pairs else np.nan


def comparable_pairs(time: Array, event: Array) -> float:
    """Pairs of which it is known who had the event first."""
    order = np.sort(time)
    later = len(time) - np.searchsorted(order, time[event], side="right")
    censored = np.sort(time[~event])
    same = np.searchsorted(censored, time[event], "right") - np.searchsorted(censored, time[event], "left")
    return float(later.sum() + same.sum())


def slope(found: Predicted) -> float:
    """Of the event on the linear predictor: 1 where predictions are as far apart as they should be."""
    return _slope(found)[0]


def _slope(found: Predicted) -> tuple[float, float]:
    """Calibration slope and its variance, robust to clustering."""
    sample = found.sample
    one = Sample(("linear",), found.linear[:, None], sample.event, sample.time, sample.patients)
    try:
        fitted = fit(found.method, one, thorough=False)
    except NotFitted:
        return np.nan, np.nan
    return float(fitted.coefficients[0]), float(fitted.covariance[0, 0])


def intercept(found: Predicted) -> float:
    """Calibration in the large of a logistic model: the intercept with the linear predictor as an offset; else NaN."""
    if found.method != "logistic":
        return np.nan
    ones = np.ones((len(found.linear), 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        event = found.sample.event.astype(float)
        model = sm.GLM(event, ones, sm.families.Binomial(), offset=np.clip(found.linear, -30.0, 30.0)).fit()
    return float(model.params[0])


def observed(sample: Sample, horizon: float | None) -> Estimate:
    """How often the event came: the share of rows, or Kaplan-Meier's risk at the horizon."""
    if sample.time is None:
        return proportion(int(sample.event.sum()), len(sample.event))
    assert horizon is not None
    zeros = np.zeros(len(sample.event))
    return risk_of(Episodes(sample.patients.code, zeros, sample.time, sample.event, zeros), horizon)


def brier(found: Predicted) -> float:
    """Mean squared error of the predicted probability.

    Of a Cox model at the horizon, rows weighted by the inverse probability of not being censored (Graf 1999).
    """
    sample, risk = found.sample, found.risk
    if sample.time is None:
        return float(np.mean((risk - sample.event) ** 2))
    assert found.horizon is not None
    zeros = np.zeros(len(risk))
    free = curve(Episodes(sample.patients.code, zeros, sample.time, ~sample.event, zeros))
    had = sample.event & (sample.time <= found.horizon)
    beyond = sample.time > found.horizon
    before = np.concatenate([[1.0], free.survival])[np.searchsorted(free.time, sample.time, side="left")]
    at_horizon = np.concatenate([[1.0], free.survival])[np.searchsorted(free.time, found.horizon, side="right")]
    weight = np.where(had, 1.0 / np.maximum(before, 1e-9), np.where(beyond, 1.0 / max(float(at_horizon), 1e-9), 0.0))
    return float(np.mean(weight * (risk - had) ** 2))


def measures(found: Predicted, fold: Array | None = None, own: bool = False) -> dict[str, float]:
    """All of :data:`MEASURES`; ``own``: of the rows the model was fitted on, where the slope is 1."""
    happened = observed(found.sample, found.horizon).value
    values = (
        discrimination(found, fold),
        1.0 if own else slope(found),
        happened / float(found.risk.mean()),
        brier(found),
    )
    return dict(zip(MEASURES, values, strict=True))


@dataclass(frozen=True)
class CalibrationCurve:
    """Observed against predicted.

    Attributes
    ----------
    predicted, rows
        (g,) mean prediction and number of rows in groups of equal size by the prediction.
    observed
        (g,) share with the event, or Kaplan-Meier's risk, with intervals that take rows for independent.
    smooth
        (2, k) a locally weighted regression (Cleveland 1979) of the event on the prediction; empty for a Cox model.
    """

    predicted: Array
    rows: Array
    observed: tuple[Estimate, ...]
    smooth: Array


def calibration_curve(found: Predicted, groups: int | None = None) -> CalibrationCurve:
    """By ten groups from 200 rows on, else five."""
    count = groups or (10 if len(found.risk) >= 200 else 5)
    parts = [part for part in np.array_split(np.argsort(found.risk, kind="stable"), count) if len(part)]
    told = tuple(observed(found.sample.rows(part), found.horizon) for part in parts)
    smooth = np.zeros((2, 0))
    if found.method == "logistic" and np.ptp(found.risk) > 0.0:
        fitted = lowess(found.sample.event.astype(float), found.risk, frac=0.7, it=0, delta=0.005 * np.ptp(found.risk))
        smooth = np.clip(fitted.T, 0.0, 1.0)
    means = np.array([float(found.risk[part].mean()) for part in parts])
    return CalibrationCurve(means, np.array([len(part) for part in parts]), told, smooth)


def roc(found: Predicted) -> Array:
    """(2, k) false and true positive rate of a logistic model's predictions; empty for Cox's."""
    if found.method != "logistic":
        return np.zeros((2, 0))
    false, true, _ = roc_curve(found.sample.event, found.risk)
    return np.vstack([false, true])


@dataclass(frozen=True)
class Reclassification:
    """What a model adds to another's predicted probabilities.

    Category-free net reclassification, of those with and without the event and their sum (Pencina 2011), and integrated
    discrimination improvement (Pencina 2008).
    """

    with_event: Estimate
    without_event: Estimate
    net: Estimate
    integrated: Estimate


def reclassified(event: Array, before: Array, after: Array) -> Array:
    """(4,) net reclassification of those with and without the event, their sum, and integrated discrimination."""
    if not event.any() or event.all():
        return np.full(4, np.nan)
    up = np.sign(after - before)
    had, had_not = float(up[event].mean()), float(-up[~event].mean())
    gain = after - before
    return np.array([had, had_not, had + had_not, float(gain[event].mean() - gain[~event].mean())])


def no_reclassification() -> Reclassification:
    """Where it is not defined."""
    return Reclassification(UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN)
