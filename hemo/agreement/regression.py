"""Lines between two methods that both err: Passing and Bablok, and Deming."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from hemo.agreement.clusters import LEVEL, Interval, Summed, design_effect, jackknife_interval, sums

Array = NDArray[Any]
MOST_ROWS = 6000  # 18 million slopes: half a gigabyte
BLOCK = 500


@dataclass(frozen=True)
class Line:
    """``method = intercept + slope * wire``.

    Attributes
    ----------
    slope, intercept
        With intervals.
    linearity_p
        Of Passing and Bablok's cusum test; NaN for Deming's line.
    """

    slope: Interval
    intercept: Interval
    linearity_p: float = np.nan


def passing_bablok(wire: Array, method: Array, code: Array, count: int) -> Line | None:
    """Passing and Bablok's line of (n,) values (J Clin Chem Clin Biochem 1983;21:709-720).

    None beyond 6,000 rows, and where no line is to be seen (a value throughout, a vertical median).

    The slope is the median of the slopes between all pairs of rows, moved by the number below -1; pairs on one point
    and slopes of -1 are left out, vertical ones count as above. Its interval is their published one, of Kendall's
    variance n (n - 1) (2 n + 5) / 18, where every patient has one row. Otherwise the variance is multiplied by a design
    effect (hemo's own, held by the coverage campaign): sum over patients of their rows' summed scores, squared, over
    the sum of squared scores, a score being how many of a row's slopes lie above the median less those below.
    """
    n = len(wire)
    if n > MOST_ROWS or n < 3 or np.ptp(wire) == 0.0 or np.ptp(method) == 0.0:
        return None
    slopes = np.concatenate([_pair_slopes(wire, method, row) for row in range(n - 1)])
    slopes = np.sort(slopes[~np.isnan(slopes)])
    offset, total = int((slopes < -1.0).sum()), len(slopes)
    slope = _median_of_sorted(slopes, offset) if total else float("nan")
    if not np.isfinite(slope):
        return None
    variance = n * (n - 1) * (2 * n + 5) / 18.0
    if count < n:
        variance *= _score_design_effect(wire, method, slope, code, count)
    half = float(stats.norm.ppf(0.5 * (1.0 + LEVEL))) * np.sqrt(variance)
    first = round((total - half) / 2.0)
    ends = [slopes[k] if 0 <= k < total else np.nan for k in (first + offset - 1, total - first + offset)]
    name = "Kendall's variance" if count == n else "Kendall's variance and a design effect"
    intercept, low, high = (float(np.median(method - b * wire)) for b in (slope, ends[1], ends[0]))
    return Line(
        Interval(slope, float(ends[0]), float(ends[1]), name),
        Interval(intercept, low, high, name),
        _cusum_p(wire, method, slope, intercept),
    )


def _pair_slopes(x: Array, y: Array, row: int) -> Array:
    """Slopes from a row to all later ones; NaN for those that are left out."""
    dx, dy = x[row + 1 :] - x[row], y[row + 1 :] - y[row]
    with np.errstate(all="ignore"):
        slope = dy / dx
    slope[(dx == 0.0) & (dy != 0.0)] = np.inf
    slope[slope == -1.0] = np.nan
    return slope


def _median_of_sorted(slopes: Array, offset: int) -> float:
    total = len(slopes)
    middle = (total - 1) // 2 + offset
    pair = slopes[[min(middle, total - 1), min(middle + (total + 1) % 2, total - 1)]]
    return float(pair.mean())


def _score_design_effect(x: Array, y: Array, slope: float, code: Array, count: int) -> float:
    """How much more a patient's rows vary together than apart, in the scores that the slope's interval is of."""
    scores = np.empty(len(x))
    for start in range(0, len(x), BLOCK):
        rows = slice(start, start + BLOCK)
        dx, dy = x[rows, None] - x, y[rows, None] - y
        with np.errstate(all="ignore"):
            each = np.where(dx == 0.0, np.where(dy == 0.0, np.nan, np.inf), dy / dx)
        above = (each > slope) | (each < -1.0)
        scores[rows] = np.where(np.isnan(each) | (each == slope), 0.0, np.where(above, 1.0, -1.0)).sum(axis=1)
    return design_effect(float((sums(code, scores, count) ** 2).sum()), float((scores**2).sum()))


def _cusum_p(x: Array, y: Array, slope: float, intercept: float) -> float:
    """p of linearity: the cusum of the residuals' signs along the line against Kolmogorov and Smirnov's law."""
    residual = y - intercept - slope * x
    above, below = int((residual > 0.0).sum()), int((residual < 0.0).sum())
    if above == 0 or below == 0 or slope <= 0.0:
        return float("nan")
    step = np.where(residual > 0.0, np.sqrt(below / above), -np.sqrt(above / below)) * (residual != 0.0)
    along = np.argsort(y + x / slope, kind="stable")
    return float(stats.kstwobign.sf(np.abs(np.cumsum(step[along])).max() / np.sqrt(below + 1.0)))


def deming(wire: Array, method: Array, code: Array, count: int, ratio: float = 1.0) -> Line:
    """Deming's line of (n,) values; ``ratio`` is the method's error variance over the wire's.

    Intervals: jackknife (Linnet K. Stat Med 1990;9:1463-1473, not confirmed in the original), here of patients.
    """
    cx, cy = wire.mean(), method.mean()
    x, y = wire - cx, method - cy
    table = sums(code, np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1), count)

    def slope(total: Array) -> Array:
        n, sx, sy, sxx, syy, sxy = np.moveaxis(np.asarray(total), -1, 0)
        vx, vy, cov = sxx - sx**2 / n, syy - sy**2 / n, sxy - sx * sy / n
        apart = vy - ratio * vx
        return (apart + np.sqrt(apart**2 + 4.0 * ratio * cov**2)) / (2.0 * cov)

    def intercept(total: Array) -> Array:
        b = slope(total)
        return cy + total[..., 2] / total[..., 0] - b * (cx + total[..., 1] / total[..., 0])

    return Line(jackknife_interval(Summed(table, slope)), jackknife_interval(Summed(table, intercept)))
