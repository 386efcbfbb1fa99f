"""Numbers with their intervals, and what the bootstrap and cross-validation need: patients, not rows, are independent.

All intervals are of 95 %.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from hemo.agreement.classification import wilson_interval

Array = NDArray[Any]
LEVEL = 0.95
Z = float(stats.norm.ppf(0.5 + LEVEL / 2.0))


@dataclass(frozen=True)
class Estimate:
    """A number, the bounds of its interval, and where a hypothesis was tested the p-value."""

    value: float
    low: float
    high: float
    p: float | None = None


UNKNOWN = Estimate(np.nan, np.nan, np.nan)


def from_draws(value: float, draws: Array, shift: float = 0.0) -> Estimate:
    """Percentile interval of draws (n,), moved by ``shift``; NaN (a failed fit) is left out."""
    draws = draws[np.isfinite(draws)]
    if len(draws) < 20:
        return Estimate(value, np.nan, np.nan)
    low, high = np.quantile(draws, [0.5 - LEVEL / 2.0, 0.5 + LEVEL / 2.0])
    return Estimate(value, float(low + shift), float(high + shift))


def around(value: float, draws: Array) -> Estimate:
    """The spread of draws (n,) about their own mean, laid round a value from which a bias was taken."""
    return from_draws(value, draws, value - float(np.nanmean(draws)))


def proportion(count: int, total: int) -> Estimate:
    """A share of independent rows with Wilson's interval."""
    found = wilson_interval(count, total)
    return Estimate(found.value, found.low, found.high)


@dataclass(frozen=True)
class Patients:
    """Which rows belong together.

    Attributes
    ----------
    code
        (n,) number of each row's patient, 0 to count - 1.
    """

    code: Array

    @staticmethod
    def of(ids: Sequence[Any] | Array) -> Patients:
        """The patients of a column of ids."""
        return Patients(np.unique(np.asarray(ids).astype(str), return_inverse=True)[1])

    @cached_property
    def count(self) -> int:
        """Of patients."""
        return int(self.code.max()) + 1 if len(self.code) else 0

    @property
    def several(self) -> bool:
        """Whether a patient has more than one row."""
        return self.count < len(self.code)

    @cached_property
    def _rows(self) -> tuple[Array, Array, Array]:
        sizes = np.bincount(self.code, minlength=self.count)
        return np.argsort(self.code, kind="stable"), np.cumsum(sizes) - sizes, sizes

    def draw(self, rng: np.random.Generator) -> Array:
        """Rows of as many patients as there are, drawn with replacement, all of a patient's rows together."""
        order, starts, sizes = self._rows
        picked = rng.integers(self.count, size=self.count)
        length = sizes[picked]
        within = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
        return np.asarray(order[np.repeat(starts[picked], length) + within])

    def folds(self, count: int, rng: np.random.Generator) -> Array:
        """(n,) fold of each row, 0 to count - 1, patients spread at random and evenly."""
        return np.asarray(rng.permutation(np.arange(self.count) % count)[self.code])


def bootstrap(statistic: Callable[[Array], Array | float], patients: Patients, resamples: int, seed: int) -> Array:
    """(resamples, ...) values of a statistic of rows, over samples of patients."""
    rng = np.random.default_rng(seed)
    return np.array([statistic(patients.draw(rng)) for _ in range(resamples)], dtype=float)
