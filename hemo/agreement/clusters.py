"""Patients as the unit of sampling: sums over patients, jackknife, bootstrap, and tests between correlated numbers.

Vessels of one patient are alike, so an interval that takes them as independent is too narrow. Nearly every statistic
here depends on the data through sums over patients only (:class:`Summed`): the sums of all patients but one give the
jackknife, sums with patients drawn again give the bootstrap, both without a loop over patients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[Any]
LEVEL = 0.95
WEIGHTS_AT_ONCE, WEIGHTS_KEPT = 2_000_000, 20_000_000  # numbers of a block of bootstrap weights, and of all


@dataclass(frozen=True)
class Interval:
    """A number with its interval; NaN where there is none.

    Attributes
    ----------
    value, low, high
        Estimate and the ends of its 95 % interval.
    method
        How the interval was made.
    """

    value: float
    low: float = np.nan
    high: float = np.nan
    method: str = ""


@dataclass(frozen=True)
class Draws:
    """A bootstrap: patients drawn with replacement.

    Attributes
    ----------
    count, draws
        Patients, and how often as many are drawn.
    seed
        The same seed draws the same patients.
    """

    count: int
    draws: int
    seed: int

    def blocks(self) -> Iterable[Array]:
        """How often each patient is drawn: arrays (some, patients) of ``draws`` rows in all."""
        return self._kept if self.draws * self.count <= WEIGHTS_KEPT else self._made()

    @cached_property
    def _kept(self) -> list[Array]:
        return list(self._made())

    def _made(self) -> Iterator[Array]:
        random = np.random.default_rng(self.seed)
        size = max(1, WEIGHTS_AT_ONCE // max(self.count, 1))
        for start in range(0, self.draws, size):
            n = min(size, self.draws - start)
            drawn = random.integers(self.count, size=(n, self.count)) + self.count * np.arange(n)[:, None]
            yield np.bincount(drawn.ravel(), minlength=n * self.count).reshape(n, self.count).astype(float)


@dataclass(frozen=True)
class Summed:
    """A statistic of sums over patients.

    Attributes
    ----------
    table
        (patients, k) what each patient adds.
    of
        Sums (..., k) -> the statistic (...); NaN or infinite where it is not defined.
    """

    table: Array
    of: Callable[[Array], Array]

    @property
    def value(self) -> float:
        """The statistic of all patients."""
        with np.errstate(all="ignore"):
            return float(self.of(self.table.sum(axis=0)))

    def jackknife(self) -> Array:
        """(patients,) the statistic without each patient."""
        with np.errstate(all="ignore"):
            return self.of(self.table.sum(axis=0) - self.table)

    def bootstrap(self, draws: Draws) -> Interval:
        """Interval of patients drawn with replacement, all their rows kept."""
        with np.errstate(all="ignore"):
            resampled = np.concatenate([self.of(weights @ self.table) for weights in draws.blocks()])
            left_out = self.jackknife()
            influence = left_out.mean() - left_out
        return bootstrap_interval(self.value, resampled, influence)


def sums(code: Array, values: Array, count: int) -> Array:
    """(count,) or (count, k) sums of ``values`` (n,) or (n, k) over the rows of each patient ``code`` (n,)."""
    if values.ndim == 1:
        return np.bincount(code, weights=values, minlength=count)
    return np.stack([np.bincount(code, weights=column, minlength=count) for column in values.T], axis=1)


def consecutive(code: Array) -> tuple[Array, int]:
    """Patient codes (n,) numbered without gaps, and how many patients there are."""
    found, inverse = np.unique(code, return_inverse=True)
    return inverse, len(found)


def bootstrap_interval(value: float, resampled: Array, influence: Array | None = None) -> Interval:
    """The interval of a bootstrap (draws,); none where a draw in twenty has no number.

    ``influence`` (patients,), what each patient adds, to a factor, makes it the bias-corrected and accelerated one
    (Efron B. J Am Stat Assoc 1987;82:171-185), Student's t in place of the normal quantile (Hesterberg TC. Am Stat
    2015;69:371-386, neither confirmed in the original); without, or where it is not finite, it is the percentile one.
    """
    good = resampled[np.isfinite(resampled)]
    if len(good) < 0.95 * len(resampled) or len(good) < 100:
        return Interval(value, method="none: too many draws without a value")
    method, ends = "patient bootstrap, percentile", np.array([1.0 - LEVEL, 1.0 + LEVEL]) / 2.0
    share = float((good < value).mean() + 0.5 * (good == value).mean())
    if influence is not None and np.all(np.isfinite(influence)) and np.any(influence) and 0.0 < share < 1.0:
        n = len(influence)
        shift = stats.norm.ppf(share)
        skew = float((influence**3).sum() / (6.0 * (influence**2).sum() ** 1.5))
        reach = shift + np.array([-1.0, 1.0]) * student(n - 1) * np.sqrt(n / (n - 1.0))
        method, ends = "patient bootstrap, BCa", stats.norm.cdf(shift + reach / (1.0 - skew * reach))
    low, high = np.quantile(good, ends)
    return Interval(value, float(low), float(high), method)


def jackknife_error(left_out: Array) -> float:
    """Standard error from the values (patients,) without each patient (Tukey's jackknife)."""
    n = len(left_out)
    if n < 3 or not np.all(np.isfinite(left_out)):
        return float("nan")
    return float(np.sqrt((n - 1) / n * np.sum((left_out - left_out.mean()) ** 2)))


def jackknife_interval(
    statistic: Summed,
    there: Callable[[Array], Array] = lambda value: value,
    back: Callable[[Array], Array] = lambda value: value,
) -> Interval:
    """Patient jackknife with Student's t, symmetric on the scale ``there`` (``back`` is its inverse)."""
    value = statistic.value
    with np.errstate(all="ignore"):
        error = jackknife_error(there(statistic.jackknife()))
        middle = there(np.asarray(value))
    half = student(len(statistic.table) - 1) * error
    if not np.isfinite(middle) or not np.isfinite(half):
        return Interval(value, method="none: not defined without one of the patients")
    return Interval(value, float(back(middle - half)), float(back(middle + half)), "patient jackknife, Student's t")


def student(freedom: float) -> float:
    """Student's t that the level's two sides lie beyond."""
    return float(stats.t.ppf(0.5 * (1.0 + LEVEL), freedom)) if freedom >= 1 else float("nan")


def design_effect(clustered: float, independent: float) -> float:
    """How many times larger the variance is than of as many independent rows; at least 1, 1 where both are 0."""
    return max(1.0, clustered / independent) if independent > 0.0 else 1.0


def few_patients(patients: int) -> float:
    """What a variance over ``patients`` is multiplied by for a normal interval to hold: n / (n - 1) * (t / z)^2.

    After Korn EL, Graubard BI. Surv Methodol 1998;24:193-201 (not confirmed in the original).
    """
    if patients < 2:
        return float("inf")
    return float(patients / (patients - 1.0) * (student(patients - 1) / stats.norm.ppf(0.5 * (1.0 + LEVEL))) ** 2)


@dataclass(frozen=True)
class Wald:
    """A test of equality: F statistic with its degrees of freedom and p."""

    statistic: float
    freedom: tuple[int, int]
    p: float


def equality(values: Array, influence: Array) -> Wald:
    """Whether ``values`` (groups,) are the same; ``influence`` (patients, groups): what leaving one out takes off.

    Wald's test with the patients' own covariance, so groups may share patients: F with (groups - 1, patients - groups)
    degrees of freedom, patients being those who add to any group. NaN where the covariance has no inverse.
    """
    groups = len(values)
    n = int(np.any(influence != 0.0, axis=1).sum())
    freedom = (groups - 1, n - groups)
    if groups < 2 or freedom[1] < 1:
        return Wald(float("nan"), freedom, float("nan"))
    covariance = (n - 1) / n * influence.T @ influence  # the jackknife's
    contrast = np.hstack([-np.ones((groups - 1, 1)), np.eye(groups - 1)])
    apart, spread = contrast @ values, contrast @ covariance @ contrast.T
    if not np.all(np.diag(covariance) > 0.0) or np.linalg.cond(spread) > 1e12:
        return Wald(float("nan"), freedom, float("nan"))
    statistic = float(apart @ np.linalg.solve(spread, apart)) / (groups - 1)
    return Wald(statistic, freedom, float(stats.f.sf(statistic, *freedom)))
