"""Pearson, Spearman, intraclass correlation and Lin's concordance, with intervals that keep patients whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from hemo.agreement.clusters import Interval, Summed, jackknife_interval, student, sums

Array = NDArray[Any]


@dataclass(frozen=True)
class Correlations:
    """Pearson's r, Spearman's rho, ICC(2,1), Lin's concordance correlation coefficient."""

    pearson: Interval
    spearman: Interval
    icc: Interval
    concordance: Interval


def correlations(method: Array, wire: Array, code: Array, count: int) -> Correlations:
    """All four of (n,) paired values; ``code`` (n,) the number of the row's patient, of ``count``.

    Intervals are on Fisher's z scale, of the patient jackknife, and of Spearman's rho of the patients' influence.
    """
    return Correlations(
        _fisher(pearson(method, wire, code, count)),
        spearman(method, wire, code, count),
        _fisher(icc(np.stack([method, wire], axis=1), code, count)),
        _fisher(concordance(method, wire, code, count)),
    )


def _fisher(statistic: Summed) -> Interval:
    return jackknife_interval(statistic, np.arctanh, np.tanh)


def _moments(x: Array, y: Array, code: Array, count: int) -> Array:
    """(patients, 6) sums of 1, x, y, x^2, y^2, xy about the common mean of both."""
    centre = 0.5 * (x.mean() + y.mean())
    x, y = x - centre, y - centre
    return sums(code, np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1), count)


def _second_moments(total: Array) -> tuple[Array, Array, Array, Array]:
    """Variances of x and y (divided by n), covariance, difference of the means."""
    n, sx, sy, sxx, syy, sxy = np.moveaxis(np.asarray(total), -1, 0)
    mx, my = sx / n, sy / n
    return sxx / n - mx**2, syy / n - my**2, sxy / n - mx * my, mx - my


def pearson(x: Array, y: Array, code: Array, count: int) -> Summed:
    """Pearson's correlation of (n,) values."""

    def of(total: Array) -> Array:
        vx, vy, cov, _ = _second_moments(total)
        return cov / np.sqrt(vx * vy)

    return Summed(_moments(x, y, code, count), of)


def concordance(x: Array, y: Array, code: Array, count: int) -> Summed:
    """Lin's concordance correlation coefficient (Lin LI. Biometrics 1989;45:255-268): moments divided by n."""

    def of(total: Array) -> Array:
        vx, vy, cov, apart = _second_moments(total)
        return 2.0 * cov / (vx + vy + apart**2)

    return Summed(_moments(x, y, code, count), of)


def icc(ratings: Array, code: Array, count: int) -> Summed:
    """ICC(2,1), absolute agreement of a single rating (Shrout PE, Fleiss JL. Psychol Bull 1979;86:420-428).

    ``ratings`` is (n, k). (MSR - MSE) / (MSR + (k - 1) MSE + k (MSC - MSE) / n).
    """
    k = ratings.shape[1]
    centred = ratings - ratings.mean()
    parts = [np.ones(len(centred)), (centred**2).sum(axis=1), centred.sum(axis=1) ** 2 / k]
    table = sums(code, np.column_stack([*parts, centred]), count)

    def of(total: Array) -> Array:
        n, squares, rows, columns = total[..., 0], total[..., 1], total[..., 2], total[..., 3:]
        correction = columns.sum(axis=-1) ** 2 / (n * k)
        between = rows - correction
        raters = (columns**2).sum(axis=-1) / n - correction
        msr, msc = between / (n - 1.0), raters / (k - 1.0)
        mse = (squares - correction - between - raters) / ((n - 1.0) * (k - 1.0))
        return (msr - mse) / (msr + (k - 1.0) * mse + k * (msc - mse) / n)

    return Summed(table, of)


def spearman(x: Array, y: Array, code: Array, count: int) -> Interval:
    """Spearman's rho of (n,) values with midranks; interval on Fisher's z scale from what each patient adds to it.

    What a row adds is the derivative of the mean product of centred ranks by the row's weight (Hajek's projection):
    its own product, and what it shifts in the others' ranks. Hemo's own for clustered rows; a test holds it against the
    jackknife.
    """
    n = len(x)
    a, b = (stats.rankdata(values) / n - 0.5 * (n + 1.0) / n for values in (x, y))
    scale = float(np.sqrt((a @ a) * (b @ b)) / n)
    if scale == 0.0:
        return Interval(float("nan"), method="none: one value throughout")
    rho = float(a @ b) / n / scale
    added = a * b - (a * b).mean() + _shifted(a, b) + _shifted(b, a)
    error = float(np.sqrt((sums(code, added, count) ** 2).sum())) / n / scale * np.sqrt(count / max(count - 1.0, 1.0))
    if abs(rho) >= 1.0:
        return Interval(rho, method="none: at its bound")
    half = student(count - 1) * error / (1.0 - rho**2)
    low, high = np.tanh(np.arctanh(rho) - half), np.tanh(np.arctanh(rho) + half)
    return Interval(rho, float(low), float(high), "patients' influence, Student's t")


def _shifted(rank: Array, other: Array) -> Array:
    """(n,) what a row adds to the mean of ``other`` times ``rank`` by standing below or above the other rows."""
    _, group = np.unique(rank, return_inverse=True)
    total = np.bincount(group, weights=other)
    above = total.sum() - np.cumsum(total) + 0.5 * total
    found = above[group] / len(rank)
    return np.asarray(found - found.mean())
