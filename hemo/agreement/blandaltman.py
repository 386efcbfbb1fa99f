"""Bias and limits of agreement, with several measurements a patient.

Bland JM, Altman DG. Agreement between methods of measurement with multiple observations per individual. J Biopharm
Stat 2007;17:571-582: the true value varies between a patient's vessels, so a one-way analysis of variance of the
differences by patient parts their variance. Valid for differences that are about normal and whose spread does not
depend on the value; ``trend`` says how far they are from that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.agreement.clusters import (
    Interval,
    Summed,
    jackknife_interval,
    sums,
)

Array = NDArray[Any]
SPAN = 1.96


@dataclass(frozen=True)
class Agreement:
    """Differences, method less wire.

    Attributes
    ----------
    bias, sd, lower, upper
        Mean difference, standard deviation of a single difference, limits of agreement.
    between_sd, within_sd
        Its parts between and within patients; NaN where no patient has two rows.
    trend
        Slope of the difference over the mean of both methods.
    """

    bias: Interval
    sd: Interval
    lower: Interval
    upper: Interval
    between_sd: float
    within_sd: float
    trend: Interval


def bland_altman(method: Array, wire: Array, code: Array, count: int) -> Agreement:
    """Bias and limits of agreement of (n,) paired values of ``count`` patients, ``code`` (n,) the patient's number.

    Intervals of bias and spread are of the patient jackknife, the spread's on a logarithmic scale; those of the limits
    join the two by MOVER (Zou GY. Stat Methods Med Res 2013;22:630-642, eq. 6, not confirmed in the original), which
    takes the two estimates as uncorrelated.
    """
    difference = method - wire
    centre = float(difference.mean())
    table = _table(difference - centre, code, count)
    shift = Summed(table, lambda total: total[..., 1] / total[..., 0])
    spread = Summed(table, lambda total: np.sqrt(_variances(total)[0]))
    bias, sd = jackknife_interval(shift), jackknife_interval(spread, np.log, np.exp)
    bias = Interval(bias.value + centre, bias.low + centre, bias.high + centre, bias.method)
    _, between, within = _variances(table.sum(axis=0))
    return Agreement(
        bias,
        sd,
        _limit(bias, sd, -SPAN),
        _limit(bias, sd, SPAN),
        float(np.sqrt(between)),
        float(np.sqrt(within)),
        _trend(difference, 0.5 * (method + wire), code, count),
    )


def _table(difference: Array, code: Array, count: int) -> Array:
    """(patients, 6) rows, sum, sum of squares, sum^2 / rows, rows^2, 1."""
    rows = np.bincount(code, minlength=count).astype(float)
    total = sums(code, difference, count)
    return np.stack([rows, total, sums(code, difference**2, count), total**2 / rows, rows**2, np.ones(count)], axis=1)


def _variances(total: Array) -> tuple[Array, Array, Array]:
    """Variance of a single difference, and its parts between and within patients (Bland & Altman 2007, section 3)."""
    rows, added, squares, parted, rows_squared, patients = np.moveaxis(np.asarray(total), -1, 0)
    with np.errstate(all="ignore"):
        within = np.maximum(0.0, squares - parted) / (rows - patients)
        mean_square = np.maximum(0.0, parted - added**2 / rows) / (patients - 1.0)
        divisor = (rows**2 - rows_squared) / ((patients - 1.0) * rows)
        between = np.maximum(0.0, (mean_square - within) / divisor)
        single = np.abs(rows - patients) < 0.5
        return np.where(single, mean_square, between + within), between, within


def _limit(bias: Interval, sd: Interval, span: float) -> Interval:
    """MOVER interval of bias + span * sd."""
    value = bias.value + span * sd.value
    near, far = (sd.low, sd.high) if span > 0.0 else (sd.high, sd.low)
    low = value - np.hypot(bias.value - bias.low, span * (sd.value - near))
    high = value + np.hypot(bias.high - bias.value, span * (far - sd.value))
    return Interval(value, float(low), float(high), "MOVER of the patient jackknife")


def _trend(difference: Array, mean: Array, code: Array, count: int) -> Interval:
    x, y = mean - mean.mean(), difference - difference.mean()
    table = sums(code, np.stack([np.ones_like(x), x, y, x * x, x * y], axis=1), count)

    def slope(total: Array) -> Array:
        n, sx, sy, sxx, sxy = np.moveaxis(np.asarray(total), -1, 0)
        return (sxy - sx * sy / n) / (sxx - sx * sx / n)

    return jackknife_interval(Summed(table, slope))


def method_only_sd(sd: float, wire_sd: float) -> float:
    """Spread of a method's own error, where the wire's repeat measurements spread by ``wire_sd``; 0 if it is less."""
    return float(np.sqrt(max(0.0, sd**2 - wire_sd**2)))
