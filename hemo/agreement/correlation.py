"""Pearson, Spearman, intraclass correlation and Lin's concordance, with intervals that keep patients whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.agreement.clusters import Draws, Interval, Summed, bootstrap_interval, jackknife_interval, sums

Array = NDArray[Any]


@dataclass(frozen=True)
class Correlations:
    """Pearson's r, Spearman's rho, ICC(2,1), Lin's concordance correlation coefficient."""

    pearson: Interval
    spearman: Interval
    icc: Interval
    concordance: Interval


def correlations(method: Array, wire: Array, code: Array, count: int, draws: Draws) -> Correlations:
    """All four of (n,) paired values; ``code`` (n,) the number of the row's patient, of ``count``.

    Intervals: patient jackknife on Fisher's z scale, and of Spearman's rho the patient bootstrap.
    """
    return Correlations(
        _fisher(pearson(method, wire, code, count)),
        spearman(method, wire, code, draws),
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


def spearman(x: Array, y: Array, code: Array, draws: Draws) -> Interval:
    """Spearman's rho of (n,) values; the interval is of the patient bootstrap, ranks made anew in every draw."""
    resampled = [_rank_correlation(x, y, weights[:, code]) for weights in draws.blocks()]
    value = float(_rank_correlation(x, y, np.ones((1, len(x))))[0])
    return bootstrap_interval(value, np.concatenate(resampled))


def _rank_correlation(x: Array, y: Array, weights: Array) -> Array:
    """(draws,) correlation of midranks, rows counted ``weights`` (draws, n) times."""
    n = weights.sum(axis=1, keepdims=True)
    a, b = weighted_midranks(x, weights), weighted_midranks(y, weights)
    a, b = a - 0.5 * (n + 1.0), b - 0.5 * (n + 1.0)
    with np.errstate(all="ignore"):
        return (weights * a * b).sum(axis=1) / np.sqrt((weights * a * a).sum(axis=1) * (weights * b * b).sum(axis=1))


def weighted_midranks(values: Array, weights: Array) -> Array:
    """(draws, n) rank of each value among rows counted ``weights`` (draws, n) times, ties at their mean."""
    _, group = np.unique(values, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    within = np.add.reduceat(weights[:, order], starts, axis=1)
    below = np.cumsum(within, axis=1) - within
    return (below + 0.5 * (within + 1.0))[:, group]
