"""A second table beside a study's own, as the wire's readings beside computed indices: row by row, none dropped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hemo.agreement.textfile import Columns, read_columns
from hemo.errors import InputError

Key = tuple[str, ...]


def parse_keys(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Names of a key's columns in the table and in the one beside it, from ``name`` or ``name=other``.

    Raises
    ------
    InputError
        If a text names nothing on one side.
    """
    pairs = []
    for text in texts:
        own, _, other = text.partition("=")
        pair = (own.strip(), other.strip() if "=" in text else own.strip())
        if not all(pair):
            raise InputError(f"--on {text!r}: write a column such as vessel, or two that stand for one as id=patient.")
        pairs.append(pair)
    return tuple(pairs)


def joined(path: Path, columns: Columns, other: Path, keys: Sequence[tuple[str, str]]) -> tuple[Columns, str | None]:
    """The table's columns with those of another file, and how many rows stand in one of both only, in a sentence.

    Rows belong together whose cells agree in every key, letters' case aside. A row without a partner stays, with empty
    cells; a column whose name the table has already is called ``FILE.NAME``.

    Raises
    ------
    InputError
        If a key's column is missing, a key stands twice in the other file, or no rows belong together.
    """
    added, _ = read_columns(other)
    own_keys = _keys(path, columns, [own for own, _ in keys])
    other_keys = _keys(other, added, [name for _, name in keys])
    place = {key: row for row, key in enumerate(other_keys)}
    if len(place) < len(other_keys):
        twice = next(key for row, key in enumerate(other_keys) if place[key] != row)
        raise InputError(f"{other}: {' '.join(twice)} stands twice; keep one row, or name more columns by --on.")
    known = set(own_keys)
    alone = [row for row, key in enumerate(other_keys) if key not in known]
    lone = sum(key not in place for key in own_keys)
    if lone == len(own_keys):
        raise InputError(
            f"{other}: no row belongs to one of {path}; check --on and how patients and vessels are written."
        )
    whole = {name: [*cells, *([""] * len(alone))] for name, cells in columns.items()}
    for own, name in keys:
        whole[own][len(own_keys) :] = [added[name][row] for row in alone]
    for name, cells in added.items():
        if name not in {theirs for _, theirs in keys}:
            mine = [cells[place[key]] if key in place else "" for key in own_keys]
            whole[name if name not in columns else f"{other.stem}.{name}"] = [*mine, *(cells[row] for row in alone)]
    if not alone and not lone:
        return whole, None
    return (
        whole,
        f"{lone} rows of {path.name} have no partner in {other.name}, {len(alone)} of that none here; all stay.",
    )


def _keys(path: Path, columns: Columns, names: Sequence[str]) -> list[Key]:
    for name in names:
        if name not in columns:
            raise InputError(f"{path}: has no column {name!r} (--on); there are {', '.join(list(columns)[:20])}.")
    return [tuple(cell.casefold() for cell in row) for row in zip(*(columns[name] for name in names), strict=True)]
