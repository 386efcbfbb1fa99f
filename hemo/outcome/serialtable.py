"""A table over time in wide form, a row for each place, and in long form with the changes."""

from __future__ import annotations

import pandas as pd

from hemo.errors import InputError
from hemo.outcome.joining import Joined
from hemo.outcome.study import SerialSection
from hemo.outcome.tables import as_text, listed, numbers


def column_of(measure: str, time: str) -> str:
    """The wide table's column of a measure at a time."""
    return f"{measure} @ {time}"


def wide_table(joined: Joined, section: SerialSection, where: str) -> tuple[pd.DataFrame, list[str]]:
    """One row a place, with a column for each measure and time; the group is ``_group``."""
    frame = joined.tables[section.table].copy()
    wanted = [section.time, *section.measures]
    for column in wanted:
        if column not in frame.columns:
            raise InputError(f"{where}: its table has no column {column!r}; there are {listed(frame.columns)}.")
    keys = [key for key in joined.table_keys[section.table] if key != section.time]
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
        column_of(m, t): frame[frame["_time"] == t].set_index(keys)[m] for m in section.measures for t in section.order
    }
    wide = pd.DataFrame(columns).reset_index()
    if section.group is not None:
        wide = wide.merge(_group_of(joined, frame, keys, section, where), how="left", on=keys)
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


def groups_of(wide: pd.DataFrame, section: SerialSection, where: str) -> list[str]:
    """The groups that are compared, the reference first; none where no group is declared."""
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


def long_table(wide: pd.DataFrame, keys: list[str], section: SerialSection) -> pd.DataFrame:
    """A row for each place and time point, with changes from the baseline."""
    parts = []
    for time in section.order:
        part = wide[keys].copy()
        if "_group" in wide.columns:
            part[str(section.group)] = wide["_group"]
        part[section.time] = time
        for measure in section.measures:
            part[measure] = wide[column_of(measure, time)]
            if time != section.order[0]:
                part[f"{measure}_change"] = part[measure] - wide[column_of(measure, section.order[0])]
            if measure in section.gate:
                part[f"{measure}_above_gate"] = (part[measure] > section.gate[measure]).where(part[measure].notna())
        parts.append(part[part[list(section.measures)].notna().any(axis=1)])
    found = pd.concat(parts, ignore_index=True)
    place = found[section.time].map({time: number for number, time in enumerate(section.order)})
    return found.assign(_place=place).sort_values([*keys, "_place"], ignore_index=True).drop(columns="_place")
