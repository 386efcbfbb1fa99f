"""Measures over time: before and after, one row a place and time point; change within groups and between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import confint_proportions_2indep

from hemo.errors import InputError
from hemo.outcome.estimates import LEVEL, UNKNOWN, Estimate, proportion
from hemo.outcome.joining import Joined
from hemo.outcome.study import SerialSection
from hemo.outcome.tables import as_text, listed, numbers

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

    ``mean`` has the t interval and p (robust to patients with several places where there are such); ``signed_rank_p`` is
    Wilcoxon's, ``gate_p`` McNemar's exact one of passing the gate, with ``gained`` and ``lost`` the discordant pairs.
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
    wide, keys = _wide(joined, section, where)
    groups = _groups(wide, section, where)
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
    rows = _long(wide, keys, section)
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


def _column(measure: str, time: str) -> str:
    return f"{measure} @ {time}"


def _wide(joined: Joined, section: SerialSection, where: str) -> tuple[pd.DataFrame, list[str]]:
    """One row a place, with a column for each measure and time; the group is ``_group``."""
    frame = joined.tables[section.table].copy()
    wanted = [section.time, *section.measures]
    for column in wanted:
        if column not in frame.columns:
            raise InputError(f"{where}: its table has no column {column!r}; there are {listed(frame.columns)}.")
    keys = [key for key in joined.keys if key in frame.columns and key != section.time] or [joined.patient]
    keys = list(dict.fromkeys([joined.patient, *keys]))
    frame["_time"] = as_text(frame[section.time])
    frame = frame[frame["_time"].isin(section.order)]
    for time in section.order:
        if not (frame["_time"] == time).any():
            raise InputError(f"{where}: no row has {section.time} = {time!r}; check order.")
    twice = frame.duplicated([*keys, "_time"])
    if twice.any():
        row = frame.loc[twice.idxmax()]
        raise InputError(
            f"{where}: {row[joined.patient]} has {row['_time']!r} twice; add a key to the first table, or correct it."
        )
    for measure in section.measures:
        frame[measure] = numbers(frame, measure, where)
    columns = {
        _column(m, t): frame[frame["_time"] == t].set_index(keys)[m] for m in section.measures for t in section.order
    }
    wide = pd.DataFrame(columns).reset_index()
    if section.group is not None:
        wide = wide.merge(_group_of(joined, frame, keys, section, where), how="left", on=[k for k in keys])
    return wide, keys


def _group_of(joined: Joined, frame: pd.DataFrame, keys: list[str], section: SerialSection, where: str) -> pd.DataFrame:
    """Keys and ``_group``, from the table itself or from the joint table."""
    group = str(section.group)
    source = frame if group in frame.columns else joined.frame
    if group not in source.columns or not set(keys) <= set(source.columns):
        raise InputError(f"{where}: there is no column {group!r}; there are {listed(source.columns)}.")
    words = source[keys].assign(_group=as_text(source[group])).dropna().drop_duplicates()
    twice = words.duplicated(keys)
    if twice.any():
        raise InputError(f"{where}: {group} differs between the rows of {words.loc[twice.idxmax(), keys[0]]}.")
    return words


def _groups(wide: pd.DataFrame, section: SerialSection, where: str) -> list[str]:
    if section.group is None:
        return []
    present = sorted(wide["_group"].dropna().unique())
    groups = section.groups or present
    for name in groups:
        if name not in present:
            raise InputError(f"{where}: no row has {section.group} = {name!r}; there are {listed(present)}.")
    if len(groups) > 10:
        raise InputError(f"{where}: {section.group} has {len(groups)} values; name those to compare in groups.")
    return list(groups)


def _level(part: pd.DataFrame, measure: str, group: str, time: str, gate: float | None) -> Level:
    values = part[_column(measure, time)]
    known = values.dropna().to_numpy(float)
    mean, sd = (float(known.mean()) if len(known) else np.nan, float(known.std(ddof=1)) if len(known) > 1 else np.nan)
    low, median, high = np.quantile(known, [0.25, 0.5, 0.75]) if len(known) else (np.nan, np.nan, np.nan)
    above = None if gate is None else proportion(int((known > gate).sum()), len(known))
    quartiles = (float(low), float(high))
    return Level(measure, group, time, len(known), int(values.isna().sum()), mean, sd, float(median), quartiles, above)


def _change(
    part: pd.DataFrame, measure: str, group: str, time: str, section: SerialSection, patient: str
) -> Change | None:
    first = _column(measure, section.order[0])
    pairs = part[[patient, first, _column(measure, time)]].dropna()
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
    column, first = _column(measure, time), _column(measure, section.order[0])
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


def _long(wide: pd.DataFrame, keys: list[str], section: SerialSection) -> pd.DataFrame:
    """A row for each place and time point, with changes from the baseline."""
    parts = []
    for time in section.order:
        part = wide[keys].copy()
        if "_group" in wide.columns:
            part[str(section.group)] = wide["_group"]
        part[section.time] = time
        for measure in section.measures:
            part[measure] = wide[_column(measure, time)]
            if time != section.order[0]:
                part[f"{measure}_change"] = part[measure] - wide[_column(measure, section.order[0])]
            if measure in section.gate:
                part[f"{measure}_above_gate"] = (part[measure] > section.gate[measure]).where(part[measure].notna())
        parts.append(part[part[list(section.measures)].notna().any(axis=1)])
    order: Mapping[str, int] = {time: place for place, time in enumerate(section.order)}
    found = pd.concat(parts, ignore_index=True)
    return (
        found.assign(_o=found[section.time].map(order)).sort_values([*keys, "_o"], ignore_index=True).drop(columns="_o")
    )
