"""Two methods on the same rows: McNemar, clustered McNemar, differences of proportions, reclassification."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from hemo.agreement.clusters import LEVEL, Interval, Summed, design_effect, few_patients, jackknife_interval, sums

Array = NDArray[Any]


@dataclass(frozen=True)
class PairedDifference:
    """Share of rows right by the first method less that by the second.

    Attributes
    ----------
    rows, only_first, only_second
        Rows, and those that one method alone has right.
    difference
        With Tango's score interval, rows counted as many as they are worth.
    mcnemar_p
        McNemar's exact test, rows taken as independent.
    clustered_p
        Obuchowski's test (1998).
    margin, non_inferior
        Largest difference that would not matter, and whether the interval's lower end lies above its negative; None
        without a margin.
    """

    name: str
    rows: int
    only_first: int
    only_second: int
    difference: Interval
    mcnemar_p: float
    clustered_p: float
    margin: float | None
    non_inferior: bool | None


@dataclass(frozen=True)
class Reclassification:
    """Net reclassification by the first method in place of the second.

    Attributes
    ----------
    abnormal_up, abnormal_down, normal_up, normal_down
        Rows that the wire calls abnormal or normal, moved to abnormal (up) or to normal (down).
    abnormal, normal, total
        Net share of abnormal rows moved up, of normal rows moved down, and their sum (net reclassification
        improvement, Pencina MJ. Stat Med 2008;27:157-172; -2 to 2, not confirmed in the original).
    """

    abnormal_up: int
    abnormal_down: int
    normal_up: int
    normal_down: int
    abnormal: Interval
    normal: Interval
    total: Interval


def paired_difference(
    name: str, first: Array, second: Array, code: Array, count: int, margin: float | None = None
) -> PairedDifference:
    """Compare whether each row (n,) is right by ``first`` and by ``second``, bool."""
    from statsmodels.stats.contingency_tables import mcnemar

    b, c, rows = int((first & ~second).sum()), int((second & ~first).sum()), len(first)
    exact = float(mcnemar([[0, b], [c, 0]], exact=True).pvalue) if b + c else 1.0
    apart = sums(code, first.astype(float) - second, count)
    size = np.bincount(code, minlength=count).astype(float)
    worth = difference_effect(apart, size, b + c)
    if count < rows:
        worth *= few_patients(count)
    value = (b - c) / rows if rows else float("nan")
    difference = replace(tango_interval(b / worth, c / worth, rows / worth), value=value)
    worse = None if margin is None or not np.isfinite(difference.low) else bool(difference.low > -margin)
    return PairedDifference(name, rows, b, c, difference, exact, clustered_mcnemar_p(apart), margin, worse)


def difference_effect(apart: Array, size: Array, discordant: int) -> float:
    """Design effect of a difference of paired proportions from sums (patients,) of the difference and of the rows."""
    rows = float(size.sum())
    if not discordant or int((size > 0).sum()) == rows:
        return 1.0
    mean = float(apart.sum()) / rows
    return design_effect(float(((apart - mean * size) ** 2).sum()), discordant - rows * mean**2)


def clustered_mcnemar_p(apart: Array) -> float:
    """p that two methods are right equally often; ``apart`` (patients,) rows right by one alone less by the other.

    Obuchowski NA. On the comparison of correlated proportions for clustered data. Stat Med 1998;17:1495-1507 (not
    confirmed in the original): the difference over its standard error when the proportions are equal,
    K / (K - 1) * sum (b_k - c_k)^2, against Student's t with K - 1 degrees of freedom (there: the normal law).
    """
    squares, patients = float((apart**2).sum()), len(apart)
    if squares == 0.0:
        return 1.0
    if patients < 2:
        return float("nan")
    t = abs(float(apart.sum())) / np.sqrt(patients / (patients - 1.0) * squares)
    return float(2.0 * stats.t.sf(t, patients - 1))


def tango_interval(b: float, c: float, rows: float, level: float = LEVEL) -> Interval:
    """Score interval of (b - c) / rows of paired proportions; effective numbers need not be whole.

    Tango T. Stat Med 1998;17:891-908: the differences whose score statistic is within the normal law's quantile.
    """
    if rows <= 0.0:
        return Interval(float("nan"), method="none: no rows")
    z = float(stats.norm.ppf(0.5 * (1.0 + level)))
    value = (b - c) / rows

    def statistic(delta: float) -> float:
        linear = -b - c + (2.0 * rows - b + c) * delta
        share = (np.sqrt(max(0.0, linear**2 + 8.0 * rows * c * delta * (1.0 - delta))) - linear) / (4.0 * rows)
        variance = rows * (2.0 * share + delta * (1.0 - delta))
        return float((b - c - rows * delta) / np.sqrt(max(variance, 1e-300)))

    edge = 1.0 - 1e-9
    low = -1.0 if value <= -edge else optimize.brentq(lambda d: statistic(d) - z, -edge, value)
    high = 1.0 if value >= edge else optimize.brentq(lambda d: statistic(d) + z, value, edge)
    return Interval(value, float(low), float(high), "Tango")


def reclassification(first: Array, second: Array, true: Array, code: Array, count: int) -> Reclassification:
    """What calling rows by ``first`` in place of ``second`` changes; arguments (n,), bool."""
    up, down = first & ~second, second & ~first
    kinds = np.stack([up & true, down & true, up & ~true, down & ~true, true, ~true], axis=1)
    table = sums(code, kinds.astype(float), count)

    def abnormal(total: Array) -> Array:
        return (total[..., 0] - total[..., 1]) / total[..., 4]

    def normal(total: Array) -> Array:
        return (total[..., 3] - total[..., 2]) / total[..., 5]

    nets = (abnormal, normal, lambda total: abnormal(total) + normal(total))
    abnormal_up, abnormal_down, normal_up, normal_down = (int(number) for number in table.sum(axis=0)[:4])
    intervals = (jackknife_interval(Summed(table, net)) for net in nets)
    return Reclassification(abnormal_up, abnormal_down, normal_up, normal_down, *intervals)
