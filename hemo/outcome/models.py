"""Models of an event, compared: apparent, corrected for optimism by bootstrap, and cross-validated, by patients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.multitest import multipletests

from hemo.errors import InputError
from hemo.outcome.estimates import Estimate, Z, around
from hemo.outcome.eventsample import columns_of, event_sample, outcome
from hemo.outcome.fitting import Fitted, NotFitted, fit
from hemo.outcome.joining import Joined
from hemo.outcome.performance import (
    MEASURES,
    CalibrationCurve,
    Reclassification,
    calibration_curve,
    intercept,
    measures,
    roc,
)
from hemo.outcome.study import Study
from hemo.outcome.validating import Validation, predicted

Array = NDArray[Any]
FEW_EVENTS = 10.0  # a parameter; Peduzzi 1996


@dataclass(frozen=True)
class ModelResult:
    """One model.

    Attributes
    ----------
    predictors, per
        (p,) names, and the steps that ratios are told for.
    ratios
        (p,) odds or hazard ratios per step, with Wald's p.
    proportional_p
        (p,) of the test of proportional hazards; empty for a logistic model.
    apparent, optimism, corrected, cross_validated
        :data:`~hemo.outcome.performance.MEASURES`; ``intercept`` is cross-validated too.
    discrimination
        Corrected, with the bootstrap's interval.
    roc
        (2, k) of cross-validated predictions.
    """

    name: str
    predictors: tuple[str, ...]
    per: tuple[float, ...]
    ratios: tuple[Estimate, ...]
    proportional_p: Array
    events_per_parameter: float
    apparent: Mapping[str, float]
    optimism: Mapping[str, float]
    corrected: Mapping[str, float]
    cross_validated: Mapping[str, float]
    intercept: float
    discrimination: Estimate
    failed_resamples: int
    calibration: CalibrationCurve
    roc: Array


@dataclass(frozen=True)
class ModelComparison:
    """A model against another: gain of corrected discrimination; where nested, the test of what was added.

    ``p`` is of the likelihood ratio, or Wald's with robust variances where patients have several rows; ``adjusted_p``
    is Holm's over all comparisons.
    """

    name: str
    against: str
    gain: Estimate
    added: tuple[str, ...]
    test: str | None
    p: float | None
    adjusted_p: float | None
    reclassification: Reclassification | None


@dataclass(frozen=True)
class EventModels:
    """What the models say; ``excluded`` are rows whose outcome at the horizon is not known (logistic models)."""

    rows: int
    patients: int
    events: int
    patients_with_event: int
    missing: Mapping[str, Any]
    excluded: int
    results: tuple[ModelResult, ...]
    not_fitted: Mapping[str, str]
    comparisons: tuple[ModelComparison, ...]


def event_models(joined: Joined, study: Study) -> EventModels:
    """Fit, validate and compare the declared models on the rows that lack none of their predictors.

    Raises
    ------
    InputError
        If a column is lacking or of the wrong kind, or too few patients had the event, or did not.
    """
    assert study.event is not None
    section = study.event
    frame, missing, excluded = outcome(joined, section, study.models)
    sample, made = event_sample(frame, joined, section, study.models)
    with_event = len(np.unique(sample.patients.code[sample.event]))
    without = len(np.unique(sample.patients.code[~sample.event]))
    if min(with_event, without) < 5:
        raise InputError(
            f"[event]: of the complete rows {with_event} patients had {section.column} and {without} did not; "
            "no model is fitted with fewer than 5 of each."
        )
    names = {model.name: columns_of(model, made) for model in study.models}
    fitted, refused = {}, {}
    for name, columns in names.items():
        try:
            fitted[name] = fit(section.method, sample.columns(columns), thorough=True)
        except NotFitted as reason:
            refused[name] = str(reason)
    validation = Validation.of(sample, {name: names[name] for name in fitted}, section, study.study)
    results = tuple(_result(validation, name, found) for name, found in fitted.items())
    comparisons = _comparisons(study, fitted, validation, results)
    counts = (len(sample.event), sample.patients.count, int(sample.event.sum()), with_event)
    return EventModels(*counts, missing, excluded, results, refused, comparisons)


def _result(validation: Validation, name: str, fitted: Fitted) -> ModelResult:
    sample = validation.whole.columns(validation.columns[name])
    apparent = measures(predicted(fitted, sample, validation.section.horizon), own=True)
    lost = (
        np.nanmean(validation.own[name] - validation.original[name], axis=0)
        if len(validation.own[name])
        else np.full(4, np.nan)
    )
    optimism = dict(zip(MEASURES, map(float, lost), strict=True))
    corrected = {key: apparent[key] - optimism[key] for key in MEASURES}
    per = tuple(validation.section.per.get(column, 1.0) for column in fitted.names)
    unseen = validation.unseen[name]
    return ModelResult(
        name,
        fitted.names,
        per,
        ratios(fitted, np.array(per)),
        fitted.proportional_p,
        float(sample.event.sum()) / len(fitted.names),
        apparent,
        optimism,
        corrected,
        validation.crossed[name],
        intercept(unseen),
        around(corrected["discrimination"], validation.own[name][:, 0]),
        int(np.isnan(validation.own[name][:, 0]).sum()),
        calibration_curve(unseen),
        roc(unseen),
    )


def ratios(fitted: Fitted, per: Array) -> tuple[Estimate, ...]:
    """Odds or hazard ratios per step (p,), with Wald's interval and p."""
    error = np.sqrt(np.diag(fitted.covariance))
    rows = []
    for beta, spread, step in zip(fitted.coefficients, error, per, strict=True):
        low, high = sorted(float(np.exp(step * (beta + sign * Z * spread))) for sign in (-1.0, 1.0))
        rows.append(Estimate(float(np.exp(step * beta)), low, high, float(2.0 * stats.norm.sf(abs(beta) / spread))))
    return tuple(rows)


def _comparisons(
    study: Study, fitted: Mapping[str, Fitted], validation: Validation, results: tuple[ModelResult, ...]
) -> tuple[ModelComparison, ...]:
    apparent = {one.name: one.apparent["discrimination"] for one in results}
    rows = []
    order = [model for model in study.models if model.name in fitted]
    for place, model in enumerate(order):
        against = model.against or (order[place - 1].name if place else None)
        if against is None or against not in fitted:
            continue
        now, before = fitted[model.name], fitted[against]
        gain = validation.gain(model.name, against, apparent[model.name] - apparent[against])
        added, test, p = added_test(now, before, validation.whole.patients.several)
        again = validation.reclassification(model.name, against)
        rows.append(ModelComparison(model.name, against, gain, added, test, p, None, again))
    tested = [row.p for row in rows if row.p is not None]
    holm = iter(multipletests(tested, method="holm")[1] if tested else [])
    return tuple(row if row.p is None else replace(row, adjusted_p=float(next(holm))) for row in rows)


def added_test(now: Fitted, before: Fitted, clustered: bool) -> tuple[tuple[str, ...], str | None, float | None]:
    """What a model has more than the other, the name of the test of it, and p; no test where they are not nested."""
    added = tuple(name for name in now.names if name not in before.names)
    if not set(before.names) < set(now.names):
        return added, None, None
    if clustered:
        places = [now.names.index(name) for name in added]
        beta = now.coefficients[places]
        wald = float(beta @ np.linalg.solve(now.covariance[np.ix_(places, places)], beta))
        return added, "Wald, robust to clustering", float(stats.chi2.sf(wald, len(added)))
    ratio = 2.0 * (now.log_likelihood - before.log_likelihood)
    return added, "likelihood ratio", float(stats.chi2.sf(max(ratio, 0.0), len(added)))
