"""The cohort's table: one row a case, refused by row number where it cannot be used."""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hemo.errors import InputError
from hemo.given import CHOICES, QUANTITIES, USUAL
from hemo.units import parse

IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,64}")
METHODS = ("reduced", "fem", "both")
_JOB = ("id", "case", "method", "ranks", "memory", "time")
_PATIENT = (*QUANTITIES, "resistance_reserve", *CHOICES)


@dataclass(frozen=True)
class Row:
    """One case of a cohort.

    Attributes
    ----------
    id
        Pseudonym; it becomes the name of the case's result folder.
    number
        Line of the table, the heading being 1.
    path
        Case file (TOML) or ``tree.json``.
    method
        One of ``METHODS``; of a tree always ``reduced``.
    ranks, memory, time
        What its job asks for: processes, MB, s; None for the profile's.
    patient
        Of a tree: texts with units, as the options of ``hemo reduced``.
    kept
        Columns that go into the result as they are.
    """

    id: str
    number: int
    path: Path
    method: str = "reduced"
    ranks: int | None = None
    memory: float | None = None
    time: float | None = None
    patient: Mapping[str, str] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_tree(self) -> bool:
        """Whether the case is a bare tree."""
        return self.path.suffix.lower() == ".json"

    @property
    def kind(self) -> str:
        """Which job it goes into."""
        return "reduced" if self.method == "reduced" else "fem"


def read_cohort(path: Path, kept: Sequence[str] = ()) -> list[Row]:
    """Read a cohort's table.

    Parameters
    ----------
    path
        CSV with the columns ``id`` and ``case`` and, where wanted, ``method``, ``ranks``, ``memory``, ``time`` and, for
        trees, the options of ``hemo reduced``. Paths are relative to the table's folder.
    kept
        Names of further columns, which are passed on.

    Raises
    ------
    InputError
        With the row's number: a bad or repeated id, an unknown column, a value that cannot be read.
    """
    lines = _lines(path)
    heads = [name.strip() for name in lines[0]] if lines else []
    _check_heads(path, heads, kept)
    rows: list[Row] = []
    seen: dict[str, int] = {}
    for number, cells in enumerate(lines[1:], 2):
        if not any(cell.strip() for cell in cells):
            continue
        where = f"{path}: row {number}"
        if len(cells) != len(heads):
            raise InputError(f"{where}: has {len(cells)} cells and the heading has {len(heads)}; correct the row.")
        named = {head: cell.strip() for head, cell in zip(heads, cells, strict=True)}
        row = _row(named, number, path.parent, where, kept)
        if row.id in seen:
            raise InputError(f"{where}: its id stands in row {seen[row.id]} already; give each case its own.")
        seen[row.id] = number
        rows.append(row)
    if not rows:
        raise InputError(f"{path}: holds no case; write a row for each under the heading id,case,method.")
    return rows


def _lines(path: Path) -> list[list[str]]:
    """The table's cells."""
    try:
        return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig")), strict=True))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text; save the table as CSV in UTF-8.") from error
    except csv.Error as error:
        raise InputError(f"{path}: is no CSV table ({error}); save it as CSV with commas.") from error
    except OSError as error:
        raise InputError(f"{path}: cannot read the cohort's table ({error.strerror}); check the path.") from error


def _check_heads(path: Path, heads: Sequence[str], kept: Sequence[str]) -> None:
    known = (*_JOB, *_PATIENT)
    for name in ("id", "case"):
        if name not in heads:
            raise InputError(f"{path}: has no column {name!r}; the heading is such as id,case,method, with commas.")
    repeated = [name for name in heads if heads.count(name) > 1]
    if repeated:
        raise InputError(f"{path}: the column {repeated[0]!r} stands there twice; remove one.")
    clash = [name for name in kept if name in known]
    if clash:
        raise InputError(f"--keep {clash[0]}: the column means something to hemo already; leave --keep out.")
    absent = [name for name in kept if name not in heads]
    if absent:
        raise InputError(f"--keep {absent[0]}: {path} has no such column.")
    for name in heads:
        if name not in known and name not in kept:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}? Or " if near else ""
            raise InputError(
                f"{path}: the column {name!r} is unknown; {hint}add --keep {name!r} to pass it on to the results."
            )


def _row(cells: Mapping[str, str], number: int, folder: Path, where: str, kept: Sequence[str]) -> Row:
    if not IDENTIFIER.fullmatch(cells["id"]):
        raise InputError(f"{where}: the id must be 1 to 64 of the characters A-Z a-z 0-9 _ -; give a pseudonym.")
    if not cells["case"]:
        raise InputError(f"{where}: the column case is empty; name a case file or a tree.json.")
    method = cells.get("method") or "reduced"
    if method not in METHODS:
        raise InputError(f"{where}: method {method!r} is not one of {', '.join(METHODS)}.")
    patient = {name: cells[name] for name in _PATIENT if cells.get(name)}
    row = Row(
        cells["id"],
        number,
        (folder / cells["case"]).absolute(),
        method,
        _ranks(cells.get("ranks", ""), where),
        _amount(cells.get("memory", ""), megabytes, 10.0, 1e7, f"{where}: memory"),
        _amount(cells.get("time", ""), seconds, 1.0, 3e6, f"{where}: time"),
        patient,
        {name: cells[name] for name in kept},
    )
    if row.path.suffix.lower() not in (".json", ".toml"):
        raise InputError(f"{where}: {cells['case']!r} is neither a case file (.toml) nor a tree (.json).")
    if row.is_tree and method != "reduced":
        raise InputError(f"{where}: a tree goes by the method reduced; write a case file round it for {method}.")
    if patient and not row.is_tree:
        raise InputError(f"{where}: {next(iter(patient))} belongs into the case file; only a tree takes it here.")
    _check_patient(patient, where)
    return row


def _ranks(text: str, where: str) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or not 1 <= int(text) <= 4096:
        raise InputError(f"{where}: ranks {text!r} is not a whole number from 1 to 4096.")
    return int(text)


def megabytes(text: str, where: str) -> float:
    """Memory in MB; a bare number is refused, which the library of units would take for bits."""
    if isinstance(text, str) and re.fullmatch(r"[-+.\deE\s]*", text):
        raise InputError(f"{where}: {text!r} has no unit; write one, such as 4 GB.")
    return parse(text, "byte", where) / 1e6


def seconds(text: str, where: str) -> float:
    """A time in s."""
    return parse(text, "second", where)


def _amount(text: str, read: Callable[[str, str], float], least: float, most: float, where: str) -> float | None:
    """A quantity within its range; None where nothing is given."""
    if not text:
        return None
    value = read(text, where)
    if not least <= value <= most:
        raise InputError(f"{where}: {text!r} is out of range; check number and unit.")
    return value


def _check_patient(patient: Mapping[str, str], where: str) -> None:
    for name, text in patient.items():
        if name in QUANTITIES:
            parse(text, QUANTITIES[name], f"{where}: {name}")
        elif name in CHOICES and text not in CHOICES[name]:
            raise InputError(f"{where}: {name} {text!r} is not one of {', '.join(CHOICES[name])}.")
        elif name == "resistance_reserve":
            _reserve(text, where)


def _reserve(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 1.0 <= value <= 20.0:
        raise InputError(f"{where}: resistance_reserve {text!r} is not a number from 1 to 20.")
    return value


def given_of(patient: Mapping[str, str]) -> dict[str, Any]:
    """A row's texts as :func:`hemo.given.patient_of` and :func:`hemo.given.blood_of` take them."""
    reserve = patient.get("resistance_reserve")
    return {
        **{name: patient.get(name) for name in QUANTITIES},
        **{name: patient.get(name, usual) for name, usual in USUAL.items()},
        "resistance_reserve": None if reserve is None else float(reserve),
    }
