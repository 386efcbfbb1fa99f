"""Receiver operating characteristic: the curve, the area under it, and areas compared.

DeLong ER, DeLong DM, Clarke-Pearson DL. Biometrics 1988;44:837-845 takes rows as independent. Obuchowski NA.
Nonparametric analysis of clustered ROC curve data. Biometrics 1997;53:567-578 sums its components over patients;
with one row a patient the two are the same. Components come from midranks (Sun X, Xu W. IEEE Signal Process Lett
2014;21:1389-1393).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from hemo.agreement.clusters import LEVEL, Draws, Interval, bootstrap_interval, student, sums

Array = NDArray[Any]
NORMAL = float(stats.norm.ppf(0.5 * (1.0 + LEVEL)))


@dataclass(frozen=True)
class Areas:
    """Areas under the curves of several methods on the same rows.

    Attributes
    ----------
    area
        (methods,).
    covariance
        (methods, methods) Obuchowski's, of patients.
    independent
        (methods, methods) DeLong's, of rows.
    influence
        (patients, methods) what each patient adds to the error of each area.
    left_out
        (patients, methods) what leaving a patient out takes off each area, to first order.
    freedom
        Patients with rows of the rarer kind, less 1: of Student's t in the intervals.
    """

    area: Array
    covariance: Array
    independent: Array
    influence: Array
    left_out: Array
    freedom: int

    def interval(self, method: int = 0) -> Interval:
        """Of one area, symmetric on the logit scale; none where the area is 0 or 1."""
        return logit_interval(float(self.area[method]), float(self.covariance[method, method]), self.freedom)

    def delong(self, method: int = 0) -> Interval:
        """DeLong's interval of one area, symmetric, rows taken as independent."""
        half = NORMAL * float(np.sqrt(self.independent[method, method]))
        value = float(self.area[method])
        return Interval(value, value - half, value + half, "DeLong, rows independent")


@dataclass(frozen=True)
class AreaDifference:
    """First area less second: with Obuchowski's interval and p, and DeLong's p that takes rows as independent."""

    difference: Interval
    p: float
    delong_z: float
    delong_p: float


def logit_interval(value: float, variance: float, freedom: int) -> Interval:
    """Interval of a number between 0 and 1 from its variance, symmetric on the logit scale."""
    if not 0.0 < value < 1.0 or not np.isfinite(variance) or freedom < 1:
        return Interval(value, method="none: at its bound")
    half = student(freedom) * np.sqrt(variance) / (value * (1.0 - value))
    middle = np.log(value / (1.0 - value))
    low, high = (1.0 / (1.0 + np.exp(-end)) for end in (middle - half, middle + half))
    return Interval(value, float(low), float(high), "Obuchowski, logit")


def placements(score: Array, true: Array) -> tuple[Array, float]:
    """(n,) share of rows of the other kind that each row is ranked rightly against, and the area; more is abnormal."""
    rank = stats.rankdata(score)
    own = np.empty(len(score))
    for kind in (true, ~true):
        own[kind] = stats.rankdata(score[kind])
    abnormal, normal = int(true.sum()), int((~true).sum())
    with np.errstate(all="ignore"):
        share = np.where(true, (rank - own) / normal, 1.0 - (rank - own) / abnormal)
        return share, float(share[true].mean()) if abnormal else float("nan")


def areas(scores: Array, true: Array, code: Array, count: int) -> Areas:
    """Areas of ``scores`` (methods, n) for ``true`` (n,) rows of ``count`` patients ``code`` (n,).

    NaN where the rows are all of one kind.
    """
    methods = len(scores)
    m, n = int(true.sum()), int((~true).sum())
    if not m or not n:
        none, nothing = np.full((methods, methods), np.nan), np.full((count, methods), np.nan)
        return Areas(np.full(methods, np.nan), none, none, nothing, nothing, 0)
    placed = [placements(score, true) for score in scores]
    area = np.array([value for _, value in placed])
    centred = np.stack([share for share, _ in placed], axis=1) - area
    return Areas(
        area,
        _covariance(centred, true, code, count),
        _covariance(centred, true, np.arange(len(true)), len(true)),
        sums(code, centred * np.where(true, 1.0 / m, 1.0 / n)[:, None], count),
        _left_out(centred, true, code, count) + _left_out(centred, ~true, code, count),
        min(len(np.unique(code[kind])) for kind in (true, ~true)) - 1,
    )


def _covariance(centred: Array, true: Array, code: Array, count: int) -> Array:
    """Obuchowski 1997, eq. 3 to 5, of components less their area (n, methods)."""
    m, n = true.sum(), (~true).sum()
    upper = sums(code, centred * true[:, None], count)
    lower = sums(code, centred * ~true[:, None], count)
    own = _correction(code[true]) * (upper.T @ upper) / m**2
    other = _correction(code[~true]) * (lower.T @ lower) / n**2
    across = _correction(code) * (upper.T @ lower) / (m * n)
    return np.asarray(own + other + across + across.T)


def _left_out(centred: Array, kind: Array, code: Array, count: int) -> Array:
    """(patients, methods) sums of the rows of one kind over the rows of that kind that other patients have."""
    others = kind.sum() - np.bincount(code[kind], minlength=count)
    with np.errstate(all="ignore"):
        return np.asarray(sums(code, centred * kind[:, None], count) / others[:, None])


def _correction(code: Array) -> float:
    """n / (n - 1) of the patients there; a single one tells no variance."""
    patients = len(np.unique(code))
    return patients / (patients - 1.0) if patients > 1 else float("nan")


def compare(found: Areas, first: int = 0, second: int = 1) -> AreaDifference:
    """Two areas on the same rows."""
    apart = float(found.area[first] - found.area[second])
    contrast = np.zeros(len(found.area))
    contrast[first], contrast[second] = 1.0, -1.0
    errors = [float(np.sqrt(max(0.0, float(contrast @ c @ contrast)))) for c in (found.covariance, found.independent)]
    z = [apart / error if error > 0.0 else (0.0 if apart == 0.0 else np.nan) for error in errors]
    half = student(found.freedom) * errors[0]
    return AreaDifference(
        Interval(apart, apart - half, apart + half, "Obuchowski"),
        float(2.0 * stats.t.sf(abs(z[0]), found.freedom)) if found.freedom > 0 else np.nan,
        float(z[1]),
        float(2.0 * stats.norm.sf(abs(z[1]))),
    )


def bootstrap_area(score: Array, true: Array, code: Array, draws: Draws) -> Interval:
    """Interval of an area, patients drawn with replacement."""
    _, group = np.unique(score, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    found = []
    for weights in draws.blocks():
        rows = weights[:, code[order]]
        abnormal, normal = rows * true[order], rows * ~true[order]
        if len(starts) < len(order):  # ties
            abnormal, normal = (np.add.reduceat(kind, starts, axis=1) for kind in (abnormal, normal))
        below = np.cumsum(normal, axis=1) - 0.5 * normal
        with np.errstate(all="ignore"):
            found.append((abnormal * below).sum(axis=1) / (abnormal.sum(axis=1) * normal.sum(axis=1)))
    everyone = areas(score[None], true, code, draws.count)
    return bootstrap_interval(float(everyone.area[0]), np.concatenate(found), everyone.influence[:, 0])


def curve(score: Array, true: Array) -> tuple[Array, Array, Array]:
    """False positive rate, true positive rate and score of each cut-off (k,), as scikit-learn gives them."""
    from sklearn.metrics import roc_curve

    false_rate, true_rate, cutoff = roc_curve(true, score, drop_intermediate=False)
    return false_rate, true_rate, cutoff


def youden(score: Array, true: Array) -> tuple[float, float, float]:
    """The score with the greatest sensitivity + specificity, and both there; the first of several."""
    false_rate, true_rate, cutoff = curve(score, true)
    best = int(np.argmax(true_rate - false_rate))
    return float(cutoff[best]), float(true_rate[best]), float(1.0 - false_rate[best])
