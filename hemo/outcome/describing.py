"""What the joint table holds: each column by group, rank correlations, and the event by two categories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from hemo.errors import InputError
from hemo.outcome.estimates import Estimate, proportion
from hemo.outcome.joining import JOINT, Joined
from hemo.outcome.study import Study, SummarySection
from hemo.outcome.tables import as_text, binary, is_category, listed

Array = NDArray[Any]
ALL = "all"


@dataclass(frozen=True)
class Described:
    """A column in one group: mean, SD, median and quartiles, or the count of each category; and what is missing."""

    column: str
    group: str
    rows: int
    missing: int
    mean: float | None
    sd: float | None
    median: float | None
    quartiles: tuple[float, float] | None
    counts: dict[str, int] | None


@dataclass(frozen=True)
class Cell:
    """How many rows of two categories had the event, with Wilson's interval (rows taken for independent)."""

    row: str
    column: str
    rows: int
    events: int
    share: Estimate


@dataclass(frozen=True)
class Description:
    """What is told of the joint table; ``correlations`` and ``pairs`` (c, c) are Spearman's, of the numeric columns.

    ``group`` and ``cross`` are the columns that make the groups and the cells.
    """

    groups: tuple[str, ...]
    described: tuple[Described, ...]
    p: dict[str, float | None]
    numeric: tuple[str, ...]
    correlations: Array
    pairs: Array
    cells: tuple[Cell, ...]
    group: str | None
    cross: tuple[str, str] | None


def describe(joined: Joined, study: Study) -> Description:
    """Describe the declared columns, in all rows and by group.

    Raises
    ------
    InputError
        If a column is lacking, or the group has too many values.
    """
    assert study.summary is not None
    section, frame = study.summary, joined.frame
    named = [*section.columns, *(section.cross or ()), *([section.group] if section.group else [])]
    for name in named:
        if name not in frame.columns:
            raise InputError(f"[summary]: {JOINT} has no column {name!r}; there are {listed(frame.columns)}.")
    labels = as_text(frame[section.group]) if section.group else pd.Series(ALL, frame.index)
    groups = sorted(labels.dropna().unique()) if section.group else []
    if len(groups) > 10:
        raise InputError(f"[summary]: group has {len(groups)} values; name a column of categories.")
    described, p = [], {}
    for column in section.columns:
        for group in [ALL, *groups]:
            part = frame if group == ALL else frame[labels == group]
            described.append(_described(part[column], column, group))
        p[column] = None if len(groups) < 2 else _test(frame, column, labels, groups, joined.several)
    numeric = [column for column in section.columns if not is_category(frame[column])]
    table = frame[numeric].astype(float)
    correlations = table.corr(method="spearman", min_periods=5).to_numpy(float) if numeric else np.zeros((0, 0))
    known = table.notna().to_numpy(int)
    cells = _cells(joined, study, section)
    return Description(
        tuple(groups),
        tuple(described),
        p,
        tuple(numeric),
        correlations,
        known.T @ known,
        cells,
        section.group,
        section.cross,
    )


def _described(values: pd.Series, column: str, group: str) -> Described:
    missing = int(values.isna().sum())
    if is_category(values):
        counts = as_text(values).dropna().value_counts().sort_index()
        told = {str(name): int(count) for name, count in counts.items()}
        if len(told) > 20:
            raise InputError(f"[summary]: {column} has {len(told)} different texts; it is no category.")
        return Described(column, group, len(values), missing, None, None, None, None, told)
    known = values.dropna().to_numpy(float)
    if set(np.unique(known)) <= {0.0, 1.0}:
        told = {"0": int((known == 0.0).sum()), "1": int((known == 1.0).sum())}
        return Described(column, group, len(values), missing, None, None, None, None, told)
    low, median, high = np.quantile(known, [0.25, 0.5, 0.75])
    sd = float(known.std(ddof=1)) if len(known) > 1 else np.nan
    return Described(
        column, group, len(values), missing, float(known.mean()), sd, float(median), (float(low), float(high)), None
    )


def _test(frame: pd.DataFrame, column: str, labels: pd.Series, groups: list[str], several: bool) -> float | None:
    """Kruskal-Wallis (Mann-Whitney of two groups), chi-square of categories; none with several rows a patient."""
    if several:
        return None
    parts = [frame.loc[labels == group, column].dropna() for group in groups]
    values = pd.concat(parts)
    if min(map(len, parts)) < 2 or values.nunique() < 2:
        return None
    if is_category(values) or set(values.unique()) <= {0, 1}:
        table = pd.crosstab(as_text(frame[column]), labels)
        table = table.loc[(table > 0).any(axis=1), groups]
        return float(stats.chi2_contingency(table)[1])
    if len(groups) == 2:
        return float(stats.mannwhitneyu(*(part.to_numpy(float) for part in parts)).pvalue)
    return float(stats.kruskal(*(part.to_numpy(float) for part in parts)).pvalue)


def _cells(joined: Joined, study: Study, section: SummarySection) -> tuple[Cell, ...]:
    if section.cross is None:
        return ()
    if study.event is None:
        raise InputError("[summary]: cross counts events; declare an [event].")
    frame = joined.frame
    event = binary(frame, study.event.column, JOINT)
    first, second = (as_text(frame[column]) for column in section.cross)
    known = event.notna() & first.notna() & second.notna()
    cells = []
    for row in sorted(first[known].unique()):
        for column in sorted(second[known].unique()):
            chosen = event[known & (first == row) & (second == column)]
            count = int(chosen.sum())
            cells.append(Cell(row, column, len(chosen), count, proportion(count, len(chosen))))
    if len(cells) > 60:
        raise InputError(f"[summary]: cross has {len(cells)} cells; name two columns of categories.")
    return tuple(cells)
