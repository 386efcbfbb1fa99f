"""One table of all: tables joined by the keys they share, columns derived, and everything that is lacking counted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hemo.errors import InputError
from hemo.outcome.study import Derived, Study, TableSection
from hemo.outcome.tables import numbers, read_table
from hemo.tomlfile import resolve_path

JOINT = "the joint table"
_COMPARISON = re.compile(r"(.+?)\s*(<=|>=|==|<|>)\s*([-+0-9.eE]+)")


@dataclass(frozen=True)
class Joined:
    """The joint table of a study.

    Attributes
    ----------
    frame
        A row for each combination of ``keys`` in any of the tables.
    keys
        Of the finest table.
    tables
        Every declared table by name, as it was read.
    table_keys
        Of each of them.
    counts
        For each joined table: its rows, and how many rows of the joint table found none in it.
    patient
        Column of the patient's id.
    """

    frame: pd.DataFrame
    keys: tuple[str, ...]
    tables: Mapping[str, pd.DataFrame]
    table_keys: Mapping[str, tuple[str, ...]]
    counts: tuple[dict[str, Any], ...]
    patient: str

    @property
    def several(self) -> bool:
        """Whether a patient has more than one row."""
        return bool(self.frame[self.patient].duplicated().any())


def join(study: Study, path: Path) -> Joined:
    """Read and join the tables of a study; nobody is left out because a table lacks them.

    Raises
    ------
    InputError
        If a table cannot be read, or its keys do not fit the others'.
    """
    tables = {one.name: read_table(one, resolve_path(path, one.file or one.results or "")) for one in study.tables}
    sections = sorted((one for one in study.tables if one.join), key=lambda one: -len(one.keys))
    if not sections:
        raise InputError(f"{path}: no table is joined; leave join = false out of one of them.")
    frame = tables[sections[0].name]
    for section in sections[1:]:
        frame = _merged(frame, tables[section.name], section)
    counts = [_count(frame, tables[one.name], one) for one in sections]
    frame = frame.sort_values(sections[0].keys, kind="stable", ignore_index=True)
    for name, rule in study.derived.items():
        if name in frame.columns:
            raise InputError(f"{path}: derived.{name}: a table has a column of that name; choose another.")
        frame[name] = derived(frame, rule)
    keys = {one.name: tuple(one.keys) for one in study.tables}
    return Joined(frame, tuple(sections[0].keys), tables, keys, tuple(counts), study.study.patient)


def _merged(frame: pd.DataFrame, table: pd.DataFrame, section: TableSection) -> pd.DataFrame:
    lacking = [key for key in section.keys if key not in frame.columns]
    if lacking:
        raise InputError(f"table {section.name!r}: its key {lacking[0]!r} is in no finer table; name common keys.")
    shared = [column for column in table.columns if column in frame.columns and column not in section.keys]
    if shared:
        raise InputError(
            f"table {section.name!r}: another table has {shared[0]!r} too; rename or leave out one of them."
        )
    return frame.merge(table, how="outer", on=section.keys, sort=False)


def _count(frame: pd.DataFrame, table: pd.DataFrame, section: TableSection) -> dict[str, Any]:
    present = frame.merge(table[section.keys], how="left", on=section.keys, indicator=True)["_merge"] == "both"
    return {"name": section.name, "keys": list(section.keys), "rows": len(table), "without": int((~present).sum())}


def derived(frame: pd.DataFrame, rule: Derived) -> pd.Series:
    """Whether any or all comparisons hold (1 or 0), or how many; NaN where a missing value leaves it open."""
    columns = [_compared(frame, text) for text in rule.any_of or rule.all_of or rule.count_of or []]
    held = pd.concat(columns, axis=1).to_numpy(float)
    unknown = np.isnan(held).any(axis=1)
    if rule.any_of is not None:
        found = (held == 1.0).any(axis=1).astype(float)
        return pd.Series(np.where(unknown & (found == 0.0), np.nan, found), frame.index)
    if rule.all_of is not None:
        failed = (held == 0.0).any(axis=1)
        return pd.Series(np.where(failed, 0.0, np.where(unknown, np.nan, 1.0)), frame.index)
    return pd.Series(np.where(unknown, np.nan, held.sum(axis=1)), frame.index)


def _compared(frame: pd.DataFrame, text: str) -> pd.Series:
    match = _COMPARISON.fullmatch(text.strip())
    try:
        column, sign, bound = match.groups() if match else ("", "", "")
        value = float(bound)
    except ValueError as error:
        raise InputError(f"the comparison {text!r} is not understood; write one as 'ct_ffr <= 0.80'.") from error
    left = numbers(frame, column, JOINT)
    compared = {"<=": left <= value, ">=": left >= value, "==": left == value, "<": left < value, ">": left > value}
    return compared[sign].astype(float).where(left.notna())


def complete(frame: pd.DataFrame, columns: Sequence[str]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The rows that lack none of the columns, and the count of those that do."""
    lacking = frame[list(columns)].isna()
    kept = ~lacking.any(axis=1)
    return frame[kept], {
        "rows": len(frame),
        "complete": int(kept.sum()),
        "missing": {column: int(count) for column, count in lacking.sum().items() if count},
    }
