"""Tables of a study: CSV and Parquet files, checked as they are read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.outcome.ownresults import collected

if TYPE_CHECKING:
    from hemo.outcome.study import TableSection

Array = NDArray[Any]


def read_table(section: TableSection, path: Path) -> pd.DataFrame:
    """The rows of a declared table, its keys as text, one row for each combination of them.

    Parameters
    ----------
    section
        What the study file says of it.
    path
        Of its file, or the pattern of its results.

    Raises
    ------
    InputError
        If the file cannot be read, lacks a column, or two rows share their keys and no rule makes one of them.
    """
    where = f"table {section.name!r} ({path})"
    if section.results is not None:
        frame = collected(path, section.rows)
    else:
        frame = _parquet(path) if path.suffix.lower() in (".parquet", ".pq") else _csv(section, path)
    if not len(frame):
        raise InputError(f"{where}: holds no rows; check the file.")
    _known(frame, list(section.rename), where)
    frame = frame.rename(columns=section.rename)
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise InputError(f"{where}: has two columns called {twice[0]!r}; rename one of them.")
    _known(frame, [*section.keys, *(section.columns or []), *section.only, *section.aggregate], where)
    for column, value in section.only.items():
        frame = frame[as_text(frame[column]) == _plain_text(value)]
        if not len(frame):
            raise InputError(f"{where}: no row has {column} = {value!r}.")
    kept = [*section.keys, *(section.columns or [c for c in frame.columns if c not in section.keys])]
    frame = _keyed(frame[list(dict.fromkeys([*kept, *section.aggregate]))].copy(), section.keys, where)
    return _one_a_key(frame, section, where)


def _csv(section: TableSection, path: Path) -> pd.DataFrame:
    try:
        frame = pd.read_csv(
            path,
            sep=section.separator,
            decimal=section.decimal,
            na_values=section.missing,
            dtype=dict.fromkeys([*section.keys, *_before(section.rename, section.keys)], str),
            encoding="utf-8-sig",
            skipinitialspace=True,
        )
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text; save the table as CSV in UTF-8.") from error
    except OSError as error:
        raise InputError(f"{path}: cannot read the table ({error.strerror}); check the path.") from error
    except (pd.errors.EmptyDataError, pd.errors.ParserError, ValueError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise InputError(f"{path}: is no table ({reason}); give CSV with one row of column names.") from error
    frame.columns = [str(name).strip() for name in frame.columns]
    if len(frame.columns) == 1 and any(mark in frame.columns[0] for mark in ";\t,"):
        raise InputError(f"{path}: has one column, {frame.columns[0]!r}; name the separator of the table in the study.")
    if not isinstance(frame.index, pd.RangeIndex):
        raise InputError(f"{path}: its rows have more cells than there are column names; correct the first row.")
    return frame


def _before(rename: dict[str, str], keys: list[str]) -> list[str]:
    """What the keys are called in the file."""
    return [old for old, new in rename.items() if new in keys]


def _parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except OSError as error:
        reason = error.strerror or "no Parquet"
        raise InputError(f"{path}: cannot read the table ({reason}); check the path.") from error
    except Exception as error:  # pyarrow raises its own kinds for damaged files
        raise InputError(f"{path}: is no Parquet file that can be read; write it again.") from error


def _known(frame: pd.DataFrame, columns: list[str], where: str) -> None:
    for column in columns:
        if column not in frame.columns:
            raise InputError(f"{where}: has no column {column!r}; there are {listed(frame.columns)}.")


def listed(names: Any, most: int = 15) -> str:
    """Names for a sentence, cut short."""
    shown = [str(name) for name in names]
    return ", ".join(shown[:most]) + (f" and {len(shown) - most} more" if len(shown) > most else "")


def _plain_text(value: Any) -> str:
    """A value as text, whole numbers without their decimal point."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def as_text(column: pd.Series) -> pd.Series:
    """A column as text without blanks round it, whole numbers without their decimal point, missing ones kept."""
    return column.map(_plain_text, na_action="ignore").astype(object)


def _keyed(frame: pd.DataFrame, keys: list[str], where: str) -> pd.DataFrame:
    for key in keys:
        frame[key] = as_text(frame[key])
        empty = frame[key].isna() | (frame[key] == "")
        if empty.any():
            raise InputError(f"{where}: {int(empty.sum())} rows have no {key}; every row needs its keys.")
    return frame


def _one_a_key(frame: pd.DataFrame, section: TableSection, where: str) -> pd.DataFrame:
    if section.aggregate:
        grouped = frame.groupby(section.keys, sort=False)
        columns = {}
        for column, rule in section.aggregate.items():
            if rule not in ("first", "count"):
                frame[column] = numbers(frame, column, where)
            columns[column] = getattr(grouped[column], rule)()
        return pd.DataFrame(columns).reset_index()
    twice = frame.duplicated(section.keys)
    if twice.any():
        shown = ", ".join(f"{key} {frame.loc[twice.idxmax(), key]}" for key in section.keys)
        raise InputError(
            f"{where}: {int(twice.sum())} rows repeat the keys of another, such as {shown}; correct them, add a key, "
            "or say with aggregate how they become one."
        )
    return frame.reset_index(drop=True)


def numbers(frame: pd.DataFrame, column: str, where: str) -> pd.Series:
    """A column as floats, NaN where missing; yes and no become 1 and 0.

    Raises
    ------
    InputError
        If there is no such column, a cell is no number, or one is infinite.
    """
    if column not in frame.columns:
        raise InputError(f"{where} has no column {column!r}; there are {listed(frame.columns)}.")
    values = frame[column]
    if not pd.api.types.is_numeric_dtype(values):
        words = as_text(values).str.lower()
        known = {"yes": 1, "no": 0, "true": 1, "false": 0}
        values = words.map(known) if words.dropna().isin(list(known)).all() else values
    found = pd.to_numeric(values, errors="coerce").astype(float)
    wrong = (found.isna() & values.notna()) | np.isinf(found)
    if wrong.any():
        cell = values[wrong].iloc[0]
        raise InputError(
            f"{where}: {column} holds {str(cell)[:40]!r}, which is no number; correct it, or name it under missing."
        )
    return found


def binary(frame: pd.DataFrame, column: str, where: str) -> pd.Series:
    """A column of 1 and 0 as floats, NaN where missing; anything else is refused."""
    found = numbers(frame, column, where)
    wrong = found.notna() & ~found.isin([0.0, 1.0])
    if wrong.any():
        raise InputError(f"{where}: {column} holds {found[wrong].iloc[0]:g}; it takes 1 and 0 (or yes and no) alone.")
    return found


def is_category(column: pd.Series) -> bool:
    """Whether a column holds categories (text, or yes and no) and not measurements."""
    return bool(not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column))
