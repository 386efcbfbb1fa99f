"""Measures over time: before and after, one row a place and time point; change within groups and between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import confint_proportions_2indep

from hemo.outcome.estimates import LEVEL, UNKNOWN, Estimate, proportion
from hemo.outcome.joining import Joined
from hemo.outcome.serialtable import column_of, groups_of, long_table, wide_table
from hemo.outcome.study import SerialSection

Array = NDArray[Any]
ALL = "all"


@dataclass(frozen=True)
class Level:
    """A measure at one time in one group; ``above`` is the share above the gate."""

    measure: str
    group: str
    time: str
    rows: int
    missing: int
    mean: float
    sd: float
    median: float
    quartiles: tuple[float, float]
    above: Estimate | None


@dataclass(frozen=True)
class Change:
    """From the baseline to a later time within a group, of those measured at both.

    ``mean`` has the t interval and p (robust to patients with several places, where there are any); ``signed_rank_p``
    is Wilcoxon's, ``gate_p`` McNemar's exact one of passing the gate; ``gained`` and ``lost`` are the discordant pairs.
    """

    measure: str
    group: str
    time: str
    pairs: int
    mean: Estimate
    signed_rank_p: float | None
    gained: int | None
    lost: int | None
    gate_p: float | None


@dataclass(frozen=True)
class Contrast:
    """A group less the reference group at a time.

    ``level`` of the means (Welch); ``change`` of the mean changes from the baseline; ``adjusted`` of the means at that
    time for equal baselines (analysis of covariance); ``above`` of the shares above the gate (Newcombe).
    """

    measure: str
    group: str
    reference: str
    time: str
    level: Estimate
    rank_p: float | None
    change: Estimate | None
    adjusted: Estimate | None
    above: Estimate | None


@dataclass(frozen=True)
class Serial:
    """A table over time.

    ``rows`` has a row for each place and time point: keys, group, time, each measure and its change from the baseline.
    """

    name: str
    order: tuple[str, ...]
    groups: tuple[str, ...]
    clustered: bool
    levels: tuple[Level, ...]
    changes: tuple[Change, ...]
    contrasts: tuple[Contrast, ...]
    rows: pd.DataFrame


def serial(joined: Joined, section: SerialSection) -> Serial:
    """Describe and compare measures over time.

    Raises
    ------
    InputError
        If a column is lacking, a place has a time point twice, or its group differs between time points.
    """
    where = f"[[serial]] {section.name!r}"
    wide, keys = wide_table(joined, section, where)
    groups = groups_of(wide, section, where)
    clustered = bool(wide[joined.patient].duplicated().any())
    names = [ALL] if not groups else [ALL, *groups]
    levels, changes, contrasts = [], [], []
    for measure in section.measures:
        gate = section.gate.get(measure)
        for name in names:
            part = wide if name == ALL else wide[wide["_group"] == name]
            levels += [_level(part, measure, name, time, gate) for time in section.order]
            found = [_change(part, measure, name, time, section, joined.patient) for time in section.order[1:]]
            changes += [one for one in found if one is not None]
        for name in groups[1:]:
            contrasts += [
                _contrast(wide, measure, name, groups[0], time, section, joined.patient) for time in section.order
            ]
    rows = long_table(wide, keys, section)
    return Serial(
        section.name,
        tuple(section.order),
        tuple(groups),
        clustered,
        tuple(levels),
        tuple(changes),
        tuple(contrasts),
        rows,
    )


def _level(part: pd.DataFrame, measure: str, group: str, time: str, gate: float | None) -> Level:
    values = part[column_of(measure, time)]
    known = values.dropna().to_numpy(float)
    mean, sd = (float(known.mean()) if len(known) else np.nan, float(known.std(ddof=1)) if len(known) > 1 else np.nan)
    low, median, high = np.quantile(known, [0.25, 0.5, 0.75]) if len(known) else (np.nan, np.nan, np.nan)
    above = None if gate is None else proportion(int((known > gate).sum()), len(known))
    quartiles = (float(low), float(high))
    return Level(measure, group, time, len(known), int(values.isna().sum()), mean, sd, float(median), quartiles, above)


def _change(
    part: pd.DataFrame, measure: str, group: str, time: str, section: SerialSection, patient: str
) -> Change | None:
    first = column_of(measure, section.order[0])
    pairs = part[[patient, first, column_of(measure, time)]].dropna()
    if pairs.empty:
        return None
    before, after = pairs.iloc[:, 1].to_numpy(float), pairs.iloc[:, 2].to_numpy(float)
    gap = after - before
    mean = coefficient(gap, np.ones((len(gap), 1)), pairs[patient], 0)
    rank = float(stats.wilcoxon(gap).pvalue) if len(gap) > 5 and (gap != 0.0).any() else None
    gate = section.gate.get(measure)
    if gate is None:
        return Change(measure, group, time, len(gap), mean, rank, None, None, None)
    gained, lost = int(((before <= gate) & (after > gate)).sum()), int(((before > gate) & (after <= gate)).sum())
    p = float(mcnemar([[0, gained], [lost, 0]], exact=True).pvalue) if gained + lost else None
    return Change(measure, group, time, len(gap), mean, rank, gained, lost, p)


def _contrast(
    wide: pd.DataFrame, measure: str, group: str, reference: str, time: str, section: SerialSection, patient: str
) -> Contrast:
    both = wide[wide["_group"].isin([group, reference])]
    column, first = column_of(measure, time), column_of(measure, section.order[0])
    known = both.dropna(subset=[column])
    tested = (known["_group"] == group).to_numpy(float)
    values = known[column].to_numpy(float)
    level = _between(values, tested, known[patient])
    split = [values[tested == k] for k in (0.0, 1.0)]
    rank = float(stats.mannwhitneyu(*split).pvalue) if min(map(len, split)) > 2 else None
    change = adjusted = None
    paired = both.dropna(subset=[column, first])
    if time != section.order[0] and len(paired):
        arm, base = (paired["_group"] == group).to_numpy(float), paired[first].to_numpy(float)
        change = _between(paired[column].to_numpy(float) - base, arm, paired[patient])
        design = np.column_stack([np.ones(len(arm)), arm, base - base.mean()])
        adjusted = coefficient(paired[column].to_numpy(float), design, paired[patient], 1)
    gate = section.gate.get(measure)
    above = None if gate is None else _shares(split[1] > gate, split[0] > gate)
    return Contrast(measure, group, reference, time, level, rank, change, adjusted, above)


def _between(values: Array, tested: Array, patients: pd.Series) -> Estimate:
    """Difference of two means: Welch's, or robust to clustering."""
    if min(int((tested == k).sum()) for k in (0.0, 1.0)) < 2:
        return UNKNOWN
    if patients.duplicated().any():
        return coefficient(values, np.column_stack([np.ones(len(tested)), tested]), patients, 1)
    found = stats.ttest_ind(values[tested == 1.0], values[tested == 0.0], equal_var=False)
    low, high = found.confidence_interval(LEVEL)
    value = float(values[tested == 1.0].mean() - values[tested == 0.0].mean())
    return Estimate(value, float(low), float(high), _p(found.pvalue))


def coefficient(values: Array, design: Array, patients: pd.Series, place: int) -> Estimate:
    """A coefficient of least squares with its t interval; sandwich variances where a patient has several rows.

    Without such rows and with an intercept alone it is the paired t-test.
    """
    if len(values) <= design.shape[1] + 1 or np.linalg.matrix_rank(design) < design.shape[1]:
        return UNKNOWN
    options: dict[str, Any] = {}
    if patients.duplicated().any():
        codes = np.unique(patients.astype(str), return_inverse=True)[1]
        options = {"cov_type": "cluster", "cov_kwds": {"groups": codes}, "use_t": True}
    elif design.shape[1] > 1:
        options = {"cov_type": "HC3", "use_t": True}
    with np.errstate(invalid="ignore", divide="ignore"):
        found = sm.OLS(values, design).fit(**options)
    low, high = found.conf_int(1.0 - LEVEL)[place]
    return Estimate(float(found.params[place]), float(low), float(high), _p(found.pvalues[place]))


def _p(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _shares(tested: Array, reference: Array) -> Estimate | None:
    """Difference of two shares: Newcombe's hybrid score interval (1998, method 10), Fisher's exact p."""
    if not len(tested) or not len(reference):
        return None
    counts = (int(tested.sum()), len(tested), int(reference.sum()), len(reference))
    low, high = confint_proportions_2indep(*counts, method="newcomb", compare="diff", alpha=1.0 - LEVEL)
    table = [[counts[0], counts[1] - counts[0]], [counts[2], counts[3] - counts[2]]]
    value = counts[0] / counts[1] - counts[2] / counts[3]
    return Estimate(value, float(low), float(high), float(stats.fisher_exact(table)[1]))
