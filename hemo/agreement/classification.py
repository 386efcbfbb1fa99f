"""Sensitivity, specificity, predictive values, accuracy, likelihood ratios, with intervals that keep patients whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.agreement.clusters import (
    LEVEL,
    Draws,
    Interval,
    Summed,
    design_effect,
    few_patients,
    jackknife_interval,
    sums,
)

Array = NDArray[Any]

# name -> (cells of the numerator, cells of the denominator); cells are tp, fn, fp, tn.
PROPORTIONS = {
    "sensitivity": ((0,), (0, 1)),
    "specificity": ((3,), (2, 3)),
    "ppv": ((0,), (0, 2)),
    "npv": ((3,), (1, 3)),
    "accuracy": ((0, 3), (0, 1, 2, 3)),
}


@dataclass(frozen=True)
class Proportion:
    """A proportion of rows.

    Attributes
    ----------
    numerator, denominator
        Rows.
    wilson
        Wilson's score interval, rows counted as many as they are worth (``design_effect``, and that patients are few).
    bootstrap
        Interval of patients drawn again.
    design_effect
        How much more the proportion varies than one of independent rows; 1 where every patient has one row.
    """

    name: str
    numerator: int
    denominator: int
    wilson: Interval
    bootstrap: Interval
    design_effect: float


@dataclass(frozen=True)
class Diagnosis:
    """A method's call against the wire's: rows of each kind, proportions by name, likelihood ratios."""

    tp: int
    fn: int
    fp: int
    tn: int
    proportions: dict[str, Proportion]
    lr_positive: Interval
    lr_negative: Interval
    lr_positive_bootstrap: Interval
    lr_negative_bootstrap: Interval


def cells(called: Array, true: Array, code: Array, count: int) -> Array:
    """(patients, 4) true positive, false negative, false positive, true negative rows; arguments (n,), bool."""
    kinds = np.stack([called & true, ~called & true, called & ~true, ~called & ~true], axis=1)
    return sums(code, kinds.astype(float), count)


def diagnosis(called: Array, true: Array, code: Array, count: int, draws: Draws | None = None) -> Diagnosis:
    """All measures of ``called`` (n,) against ``true`` (n,), bool; no bootstrap where ``draws`` is None."""
    table = cells(called, true, code, count)
    proportions = {
        name: proportion(name, table[:, above].sum(axis=1), table[:, below].sum(axis=1), draws)
        for name, (above, below) in PROPORTIONS.items()
    }
    ratios = [Summed(table, _lr_positive), Summed(table, _lr_negative)]
    tp, fn, fp, tn = (int(number) for number in table.sum(axis=0))
    positive, negative = (jackknife_interval(ratio, np.log, np.exp) for ratio in ratios)
    positive_again, negative_again = (_bootstrap(ratio, draws) for ratio in ratios)
    return Diagnosis(tp, fn, fp, tn, proportions, positive, negative, positive_again, negative_again)


def _bootstrap(statistic: Summed, draws: Draws | None) -> Interval:
    return Interval(statistic.value) if draws is None else statistic.bootstrap(draws)


def proportion(name: str, above: Array, below: Array, draws: Draws | None = None) -> Proportion:
    """A ratio of sums over patients: ``above`` (patients,) of ``below`` (patients,) rows."""
    numerator, denominator = float(above.sum()), float(below.sum())
    effect = proportion_effect(above, below)
    contributing = int((below > 0.0).sum())
    worth = effect if contributing == denominator else effect * few_patients(contributing)
    wilson = wilson_interval(numerator, denominator, worth)
    statistic = Summed(np.stack([above, below], axis=1), lambda total: total[..., 0] / total[..., 1])
    return Proportion(name, int(numerator), int(denominator), wilson, _bootstrap(statistic, draws), effect)


def proportion_effect(above: Array, below: Array) -> float:
    """Design effect of a proportion: variance of the ratio of patients' sums over that of independent rows.

    Rao JNK, Scott AJ. Biometrics 1992;48:577-585 (not confirmed in the original). Where all rows agree it cannot be
    seen, and patients count instead of rows.
    """
    rows, hits = float(below.sum()), float(above.sum())
    contributing = int((below > 0.0).sum())
    if rows == 0.0 or contributing == rows:
        return 1.0
    share = hits / rows
    if hits in (0.0, rows):
        return rows / contributing
    return design_effect(float(((above - share * below) ** 2).sum()), rows * share * (1.0 - share))


def wilson_interval(hits: float, rows: float, effect: float = 1.0) -> Interval:
    """Wilson's score interval of ``rows`` that are worth ``rows / effect``, which need not be whole."""
    from statsmodels.stats.proportion import proportion_confint

    value = hits / rows if rows else float("nan")
    if not rows or not np.isfinite(effect):
        return Interval(value, method="none: no rows, or of one patient")
    low, high = proportion_confint(hits / effect, rows / effect, alpha=1.0 - LEVEL, method="wilson")
    return Interval(value, min(float(low), value), max(float(high), value), "Wilson")  # but for rounding, at 0 and 1


def _lr_positive(total: Array) -> Array:
    tp, fn, fp, tn = np.moveaxis(np.asarray(total), -1, 0)
    return tp / (tp + fn) * (fp + tn) / fp


def _lr_negative(total: Array) -> Array:
    tp, fn, fp, tn = np.moveaxis(np.asarray(total), -1, 0)
    return fn / (tp + fn) * (fp + tn) / tn
