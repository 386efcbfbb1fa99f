"""The best threshold of a measure, in all and by subgroup: chosen in cross-validation, its interval by bootstrap.

The threshold that maximises the empirical Youden index jumps from value to value, and the bootstrap of such a maximum
is not consistent. Here both distributions are smoothed with a Gaussian kernel first (Fluss, Faraggi and Reiser 2005,
Biometrical Journal 47:458; not confirmed), with a bandwidth of each class (:func:`bandwidth`), the same in every
resample.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from statsmodels.stats.multitest import multipletests

from hemo.errors import InputError
from hemo.outcome.estimates import Estimate, Patients, bootstrap, from_draws
from hemo.outcome.joining import JOINT, Joined, complete
from hemo.outcome.study import StudySection, ThresholdSection
from hemo.outcome.tables import as_text, binary, numbers

Array = NDArray[Any]
LEAST = 10  # rows of either class; fewer give no threshold
GRID = 256
SCORES = ("sensitivity", "specificity", "accuracy", "youden")


@dataclass(frozen=True)
class ThresholdResult:
    """A threshold in one group of rows.

    Attributes
    ----------
    threshold
        On all rows of the group.
    chosen, fixed
        Sensitivity, specificity, accuracy and Youden index of thresholds chosen on other patients than those they judge
        (cross-validated), and of the fixed one.
    gain
        Accuracy of the one less that of the other.
    note
        Why there is none; empty otherwise.
    """

    group: str
    rows: int
    patients: int
    positive: int
    threshold: Estimate
    chosen: Mapping[str, Estimate]
    fixed: Mapping[str, Estimate]
    gain: Estimate
    note: str = ""


@dataclass(frozen=True)
class SubgroupDifference:
    """Threshold of one level of a subgroup less that of the first; p from the bootstrap's normal approximation."""

    subgroup: str
    level: str
    first: str
    difference: Estimate
    adjusted_p: float | None


@dataclass(frozen=True)
class ThresholdStudy:
    """All of a declared threshold."""

    name: str
    missing: Mapping[str, Any]
    results: tuple[ThresholdResult, ...]
    differences: tuple[SubgroupDifference, ...]


@dataclass(frozen=True)
class Measured:
    """A measure (n,), low where positive, and the truth (n,)."""

    value: Array
    positive: Array
    patients: Patients

    def rows(self, chosen: Array) -> Measured:
        """Some of them."""
        return Measured(self.value[chosen], self.positive[chosen], Patients(self.patients.code[chosen]))


class Rule(Protocol):
    """How a threshold is chosen."""

    def __call__(self, value: Array, positive: Array, fold: Array, folds: int) -> Array:
        """(folds + 1,) thresholds: on all rows, then on those outside each fold; ``fold`` (n,) is each row's."""


def youden_rule(sample: Measured) -> Rule:
    """The threshold of greatest smoothed Youden index; grid and bandwidths are those of the whole sample.

    The grid leaves out half a per cent at either end, so that a value far off does not make it coarse.
    """
    low, high = (float(end) for end in np.quantile(sample.value, [0.005, 0.995]))
    grid = np.linspace(low, high, GRID)
    step = max(grid[1] - grid[0], 1e-12)
    kernels = [norm.cdf((grid[:, None] - grid) / bandwidth(sample.value[sample.positive == k])) for k in (True, False)]

    def rule(value: Array, positive: Array, fold: Array, folds: int) -> Array:
        place = np.clip(np.rint((value - grid[0]) / step).astype(int), 0, GRID - 1) * folds + fold
        height = np.zeros((GRID, folds + 1))
        with np.errstate(invalid="ignore", divide="ignore"):
            for kernel, sign in zip(kernels, (1.0, -1.0), strict=True):
                held = np.bincount(place[positive == (sign > 0.0)], minlength=GRID * folds).reshape(GRID, folds)
                total = held.sum(axis=1, keepdims=True)
                counts = np.hstack([total, total - held])
                height += sign * (kernel @ counts) / counts.sum(axis=0)
        return np.array([_peak(column, grid) for column in height.T])

    return rule


def _peak(height: Array, grid: Array) -> float:
    """Where a curve on a grid is highest, by the parabola through the highest point and its neighbours."""
    if not np.isfinite(height).all():
        return np.nan
    best = int(height.argmax())
    if not 0 < best < len(grid) - 1:
        return float(grid[best])
    left, middle, right = height[best - 1 : best + 2]
    bend = left - 2.0 * middle + right
    return float(grid[best] + (0.5 * (grid[1] - grid[0]) * (left - right) / bend if bend < 0.0 else 0.0))


def bandwidth(value: Array) -> float:
    """0.9 times the lesser of standard deviation and IQR / 1.34 (Silverman 1986, eq. 3.31), times n^(-1/3).

    Silverman's n^(-1/5) suits a density; it moves the threshold of skewed measures by a quarter of its standard error.
    The narrower kernel leaves a bias of less than a tenth of it.
    """
    low, high = np.quantile(value, [0.25, 0.75])
    spread = min(x for x in (float(value.std(ddof=1)), (high - low) / 1.34, np.inf) if x > 0.0)
    return 0.9 * float(spread) * len(value) ** (-1.0 / 3.0) if np.isfinite(spread) else 1e-6


def sensitivity_rule(least: float) -> Rule:
    """The lowest threshold that finds the share ``least`` of the positive ones: their quantile."""

    def rule(value: Array, positive: Array, fold: Array, folds: int) -> Array:
        parts = [value[positive & (fold != number)] for number in range(-1, folds)]
        return np.array([np.quantile(part, least) if len(part) else np.nan for part in parts])

    return rule


def scores(called: Array, positive: Array) -> Array:
    """(4,) :data:`SCORES` of calls (n,)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        sensitivity = called[positive].mean() if positive.any() else np.nan
        specificity = (~called[~positive]).mean() if (~positive).any() else np.nan
    return np.array([sensitivity, specificity, (called == positive).mean(), sensitivity + specificity - 1.0])


def crossed(sample: Measured, rule: Rule, folds: int, rng: np.random.Generator) -> Array:
    """(5,) the threshold on all rows, then the scores of calls by thresholds chosen on the other folds.

    A patient's rows share a fold.
    """
    fold = sample.patients.folds(folds, rng)
    chosen = rule(sample.value, sample.positive, fold, folds)
    return np.concatenate([chosen[:1], scores(sample.value <= chosen[1:][fold], sample.positive)])


def threshold_in(group: str, sample: Measured, section: ThresholdSection, study: StudySection) -> ThresholdResult:
    """The threshold of a group of rows; the measure is turned so that low is positive."""
    turn = 1.0 if section.positive == "low" else -1.0
    positive = int(sample.positive.sum())
    counts = (len(sample.value), sample.patients.count, positive)
    if min(positive, len(sample.value) - positive) < LEAST:
        none = Estimate(np.nan, np.nan, np.nan)
        note = f"fewer than {LEAST} rows with or without the condition"
        return ThresholdResult(group, *counts, none, {}, {}, none, note)
    rule = rule_of(section, sample)
    fixed = turn * section.against

    def everything(rows: Array) -> Array:
        drawn = sample.rows(rows)
        given = scores(drawn.value <= fixed, drawn.positive)
        return np.concatenate([crossed(drawn, rule, section.folds, rng), given])

    rng = np.random.default_rng(study.seed)
    repeats = np.array([everything(np.arange(len(sample.value))) for _ in range(20)])
    told = repeats.mean(axis=0)
    draws = bootstrap(everything, sample.patients, study.resamples, study.seed)
    found = [from_draws(float(told[k]), draws[:, k]) for k in range(9)]
    gain = from_draws(float(told[3] - told[7]), draws[:, 3] - draws[:, 7])
    limit = found[0] if turn > 0.0 else Estimate(-found[0].value, -found[0].high, -found[0].low)
    parts = (dict(zip(SCORES, found[1:5], strict=True)), dict(zip(SCORES, found[5:9], strict=True)))
    return ThresholdResult(group, *counts, limit, *parts, gain)


def rule_of(section: ThresholdSection, sample: Measured) -> Rule:
    """How a threshold is chosen."""
    return youden_rule(sample) if section.rule == "youden" else sensitivity_rule(section.sensitivity)


def thresholds(joined: Joined, section: ThresholdSection, study: StudySection) -> ThresholdStudy:
    """The threshold in all rows and in every level of the subgroups, and how the levels differ.

    Raises
    ------
    InputError
        If a column is lacking or of the wrong kind, or nothing is left.
    """
    frame = joined.frame.copy()
    frame["_value"] = numbers(frame, section.measure, JOINT)
    if section.reference_at_most is None:
        frame["_truth"] = binary(frame, section.reference, JOINT)
    else:
        reference = numbers(frame, section.reference, JOINT)
        frame["_truth"] = (reference <= section.reference_at_most).astype(float).where(reference.notna())
    kept, missing = complete(frame, [section.measure, section.reference])
    if kept.empty:
        raise InputError(f"[[thresholds]] {section.name!r}: no row has {section.measure} and {section.reference}.")
    turn = 1.0 if section.positive == "low" else -1.0
    value, truth = turn * kept["_value"].to_numpy(float), kept["_truth"].to_numpy(float) == 1.0
    whole = Measured(value, truth, Patients.of(kept[joined.patient]))
    results = [threshold_in("all", whole, section, study)]
    differences: list[SubgroupDifference] = []
    for column in section.subgroups:
        words = as_text(kept[column])
        missing["missing"][column] = int(words.isna().sum())
        levels = sorted(words.dropna().unique())
        if not 2 <= len(levels) <= 10:
            raise InputError(
                f"[[thresholds]] {section.name!r}: {column} has {len(levels)} values; a subgroup has 2 to 10."
            )
        within = {level: (words == level).to_numpy(bool) for level in levels}
        results += [threshold_in(f"{column} = {x}", whole.rows(rows), section, study) for x, rows in within.items()]
        differences += _differences(column, whole, within, section, study)
    return ThresholdStudy(section.name, missing, tuple(results), _adjusted(differences))


def _differences(
    column: str, whole: Measured, within: Mapping[str, Array], section: ThresholdSection, study: StudySection
) -> list[SubgroupDifference]:
    """Between the levels of a subgroup, on samples of all patients."""
    turn = 1.0 if section.positive == "low" else -1.0
    usable = {
        level: rows
        for level, rows in within.items()
        if min(int(whole.positive[rows].sum()), int((~whole.positive[rows]).sum())) >= LEAST
    }
    if len(usable) < 2:
        return []
    rules = {level: rule_of(section, whole.rows(rows)) for level, rows in usable.items()}

    def each(rows: Array) -> Array:
        chosen = [rows[inside[rows]] for inside in usable.values()]
        found = [
            rule(whole.value[x], whole.positive[x], np.zeros(len(x), int), 1)[0]
            for rule, x in zip(rules.values(), chosen, strict=True)
        ]
        return np.array(found)

    told = turn * each(np.arange(len(whole.value)))
    draws = turn * bootstrap(each, whole.patients, study.resamples, study.seed)
    first, *others = usable
    found = []
    for place, level in enumerate(others, start=1):
        gaps = draws[:, place] - draws[:, 0]
        value = float(told[place] - told[0])
        spread = float(np.nanstd(gaps, ddof=1))
        estimate = from_draws(value, gaps)
        p = float(2.0 * norm.sf(abs(value) / spread)) if spread > 0.0 else None
        tested = Estimate(estimate.value, estimate.low, estimate.high, p)
        found.append(SubgroupDifference(column, level, first, tested, None))
    return found


def _adjusted(differences: list[SubgroupDifference]) -> tuple[SubgroupDifference, ...]:
    """With Holm's p over all subgroups of the threshold."""
    tested = [one.difference.p for one in differences if one.difference.p is not None]
    holm = iter(multipletests(tested, method="holm")[1] if tested else [])
    return tuple(
        one
        if one.difference.p is None
        else SubgroupDifference(one.subgroup, one.level, one.first, one.difference, float(next(holm)))
        for one in differences
    )
