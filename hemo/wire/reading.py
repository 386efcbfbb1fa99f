"""Pressure traces from CSV files: which column is what, in which unit, at which rate.

A file has a line of heads and one column of aortic, one of distal pressure, and times unless the rate is given. The
separator is a comma, semicolon or tab; with semicolons or tabs numbers may have decimal commas. Cells that are empty
or say that nothing was measured are lost samples; other text is an error.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.units import MMHG
from hemo.wire.trace import Span, Trace, filled

Array = NDArray[Any]

UNITS = {"mmhg": MMHG, "pa": 1.0, "kpa": 1e3}
AORTIC = ("aortic", "paortic", "pao", "pa", "aorticpressure", "paorta", "aorta", "aor")
DISTAL = ("distal", "pdistal", "pd", "distalpressure", "pwire", "wire")
TIMES = {"times": 1.0, "time": 1.0, "t": 1.0, "ts": 1.0, "timesec": 1.0, "timems": 1e-3, "tms": 1e-3, "seconds": 1.0}
FLOWS = ("flow", "flowmlmin", "flowmls", "velocity", "velocitycms")  # of which only ratios are formed
MARKS = {"equalisation": "equalisation", "equalization": "equalisation", "check": "equalisation", "rest": "rest"}
MARKS |= {"baseline": "rest", "hyperaemia": "hyperaemia", "hyperemia": "hyperaemia", "pullback": "pullback"}
LOST = {"", "nan", "na", "n/a", "null", "none", "-", "--", "---"}
RATES = (25.0, 5000.0)
MEAN = (25.0 * MMHG, 200.0 * MMHG)  # of a patient's aortic pressure
LEAST_SECONDS = 8.0


@dataclass(frozen=True)
class Columns:
    """What the user says of the file: heads of its columns, "mmhg", "pa" or "kpa", samples in a second."""

    aortic: str | None = None
    distal: str | None = None
    time: str | None = None
    flow: str | None = None
    unit: str | None = None
    rate: float | None = None


def read_trace(path: Path, columns: Columns | None = None) -> Trace:
    """Read a trace.

    Raises
    ------
    InputError
        For a file that is none, heads that are missing or twice, numbers that are none, times that do not increase,
        pressures that are no patient's, and a rate outside 25 to 5000 samples a second.
    """
    told = columns or Columns()
    heads, rows, comma = _rows(path)
    plain = [_bare(head) for head in heads]
    first, second = (
        _place(path, heads, plain, *what) for what in ((told.aortic, AORTIC, "aortic"), (told.distal, DISTAL, "distal"))
    )
    if first == second:
        raise InputError(f"{path}: one column cannot be both pressures; name two with --aortic and --distal.")
    raw = [_numbers(path, heads[place], rows, place, comma, lost=True) for place in (first, second)]
    time, notes = _times(path, told, heads, plain, rows, comma)
    factor, unit_note = _unit(path, told, heads, first, raw[0])
    flow = _flow(path, told, heads, plain, rows, comma)
    even = _even(path, time, [factor * raw[0], factor * raw[1], *([] if flow is None else [flow])])
    trace = Trace(
        path.stem,
        even[0],
        even[2][0],
        even[2][1],
        None if flow is None else even[2][2],
        _marks(plain, rows, time, even[0]),
        even[1],
        tuple(note for note in (*notes, unit_note) if note),
    )
    _check(path, trace)
    return trace


def _rows(path: Path) -> tuple[list[str], list[list[str]], bool]:
    """Heads, rows, and whether numbers have decimal commas."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise InputError(f"{path}: cannot read the trace ({reason}); give a CSV file.") from error
    lines = text.splitlines()
    if len(lines) < 3 or "\0" in text:
        raise InputError(f"{path}: it holds no table of pressures; give a CSV file with a line of heads.")
    mark = max(",;\t", key=lines[0].count)
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=mark) if any(row)]
    except csv.Error as error:
        raise InputError(f"{path}: cannot read the trace ({error}); give a CSV file.") from error
    comma = mark != "," and any("," in cell for row in rows[1:20] for cell in row)
    return rows[0], rows[1:], comma


def _bare(head: str) -> str:
    """A head without its unit in brackets, capitals, blanks and signs."""
    return "".join(letter for letter in head.lower() if letter.isalnum())


def _without_unit(bare: str) -> str:
    for unit in ("mmhg", "kpa"):
        bare = bare.removesuffix(unit)
    return bare.removesuffix("pa") if len(bare) > 4 else bare


def _place(path: Path, heads: list[str], plain: list[str], given: str | None, known: Sequence[str], what: str) -> int:
    """Which column is meant."""
    if given is not None:
        found = [k for k, head in enumerate(heads) if head == given]
    else:
        found = [k for k, bare in enumerate(plain) if bare in known or _without_unit(bare) in known]
    if len(found) != 1:
        there = ", ".join(heads[:12]) or "none"
        wanted = f"{given!r}" if given is not None else f"the {what} pressure"
        count = "no column" if not found else f"{len(found)} columns"
        raise InputError(f"{path}: {count} for {wanted} among {there}; name it with --{what}.")
    return found[0]


def _numbers(path: Path, head: str, rows: list[list[str]], place: int, comma: bool, lost: bool) -> Array:
    """(n,) of one column; NaN for what was not measured, if that may be."""
    values = np.empty(len(rows))
    for number, row in enumerate(rows):
        cell = row[place] if place < len(row) else ""
        try:
            values[number] = float(cell.replace(",", ".") if comma else cell)
        except ValueError:
            if not (lost and cell.lower() in LOST):
                raise InputError(
                    f"{path}, line {number + 2}: {cell!r} in the column {head} is no number; correct it."
                ) from None
            values[number] = np.nan
    values[np.isinf(values)] = np.nan
    return values


def _times(
    path: Path, told: Columns, heads: list[str], plain: list[str], rows: list[list[str]], comma: bool
) -> tuple[Array, tuple[str, ...]]:
    """(n,) s, and what was assumed."""
    if told.rate is not None:
        if not RATES[0] <= told.rate <= RATES[1]:
            raise InputError(f"{path}: {told.rate:g} samples a second is outside {RATES[0]:g} to {RATES[1]:g}.")
        return np.arange(len(rows)) / told.rate, ()
    found = [k for k, bare in enumerate(plain) if (bare in TIMES if told.time is None else heads[k] == told.time)]
    if len(found) != 1:
        raise InputError(f"{path}: it has no single column of times; name it with --time, or give --rate.")
    place = found[0]
    factor = TIMES.get(plain[place], 1.0)
    notes: tuple[str, ...] = ()
    values = _numbers(path, heads[place], rows, place, comma, lost=False)
    if not np.isfinite(values).all():
        raise InputError(f"{path}: a time in the column {heads[place]} is no number; correct it.")
    steps = np.diff(values)
    if np.any(steps <= 0.0):
        line = int(np.argmax(steps <= 0.0)) + 3
        raise InputError(f"{path}, line {line}: the time does not increase; correct it.")
    unsaid = plain[place] not in TIMES or plain[place] in ("time", "t")
    if unsaid and float(np.median(steps)) >= 1.0:
        factor, notes = 1e-3, (f"the column {heads[place]} was taken for milliseconds",)
    return factor * values, notes


def _unit(path: Path, told: Columns, heads: list[str], place: int, aortic: Array) -> tuple[float, str]:
    """Pa in one of the file's units: as told, as the head says, or as the size shows."""
    level = float(np.nanmedian(aortic)) if np.isfinite(aortic).any() else np.nan
    head = heads[place].lower()
    named = next((unit for unit in ("mmhg", "kpa") if unit in head), None)
    if named is None and any(mark in head for mark in ("[pa]", "(pa)", "_pa", "/ pa", " pa")) and level > 1000.0:
        named = "pa"
    unit = told.unit or named
    sized = [one for one in ("mmhg", "pa") if MEAN[0] <= level * UNITS[one] <= MEAN[1]]
    if unit is not None:
        if not MEAN[0] <= level * UNITS[unit] <= MEAN[1]:
            raise InputError(
                f"{path}: the aortic pressure's median of {level:g} is none of a patient in {unit}; check --unit and "
                "the columns."
            )
        return UNITS[unit], ""
    if len(sized) != 1:
        raise InputError(
            f"{path}: the aortic pressure's median of {level:g} is none of a patient in mmHg or Pa; check the columns, "
            "or name the unit with --unit."
        )
    return UNITS[sized[0]], f"pressures were taken for {'mmHg' if sized[0] == 'mmhg' else 'Pa'} by their size"


def _flow(
    path: Path, told: Columns, heads: list[str], plain: list[str], rows: list[list[str]], comma: bool
) -> Array | None:
    """(n,) of the column of flow or velocity, in its own unit; None without one."""
    found = [k for k, bare in enumerate(plain) if (bare in FLOWS if told.flow is None else heads[k] == told.flow)]
    if told.flow is not None and len(found) != 1:
        raise InputError(f"{path}: {len(found)} columns are called {told.flow!r}; correct --flow-column.")
    if not found:
        return None
    return _numbers(path, heads[found[0]], rows, found[0], comma, lost=True)


def _even(path: Path, time: Array, columns: list[Array]) -> tuple[float, float, list[Array]]:
    """Rate, first time and columns on even times; gaps of more than three steps are lost samples."""
    if len(time) < 2:
        raise InputError(f"{path}: {len(time)} samples are no trace.")
    steps = np.diff(time)
    step = float(np.median(steps))
    if np.abs(steps - step).max() < 0.02 * step:
        step = float((time[-1] - time[0]) / (len(time) - 1))
    rate = 1.0 / step
    if not RATES[0] <= rate <= RATES[1]:
        raise InputError(
            f"{path}: {rate:.4g} samples a second is outside {RATES[0]:g} to {RATES[1]:g}; check the times."
        )
    if (time[-1] - time[0]) * rate > 20.0 * len(time):
        raise InputError(f"{path}: most of its {time[-1] - time[0]:.0f} s hold no sample; check the times.")
    if np.abs(steps - step).max() < 0.02 * step:
        return rate, float(time[0]), columns
    even = time[0] + np.arange(int((time[-1] - time[0]) * rate + 1.5)) * step
    after = np.clip(np.searchsorted(time, even), 1, len(time) - 1)
    gap = time[after] - time[after - 1] > 3.5 * step
    made = []
    for values in columns:
        lost = np.isnan(values)
        near = lost[np.clip(np.round(np.interp(even, time, np.arange(len(time)))).astype(int), 0, len(time) - 1)]
        made.append(np.where(gap | near, np.nan, np.interp(even, time, filled(values))))
    return rate, float(time[0]), made


def _marks(plain: list[str], rows: list[list[str]], time: Array, rate: float) -> dict[str, tuple[Span, ...]]:
    """Stretches that a column called phase or mark names."""
    place = next((k for k, bare in enumerate(plain) if bare in ("phase", "mark", "marks", "phases")), None)
    if place is None:
        return {}
    words = np.array([MARKS.get(_bare(row[place]) if place < len(row) else "", "") for row in rows])
    found: dict[str, tuple[Span, ...]] = {}
    edges = [0, *map(int, np.flatnonzero(words[1:] != words[:-1]) + 1), len(words)]
    for first, last in pairwise(edges):
        if words[first]:
            span = (float(time[first]), float(time[last - 1] + 1.0 / rate))
            found[str(words[first])] = (*found.get(str(words[first]), ()), span)
    return found


def _check(path: Path, trace: Trace) -> None:
    """Refuse what is no pair of a patient's pressures."""
    if trace.duration < LEAST_SECONDS:
        raise InputError(f"{path}: it lasts {trace.duration:.1f} s; give {LEAST_SECONDS:g} s at least.")
    for name, values in (("aortic", trace.aortic), ("distal", trace.distal)):
        known = np.isfinite(values)
        if known.mean() < 0.3:
            raise InputError(f"{path}: {100 * (1 - known.mean()):.0f} % of the {name} pressure is missing.")
    ratio = float(np.nanmedian(trace.distal) / np.nanmedian(trace.aortic))
    if not 0.1 <= ratio <= 1.15:
        raise InputError(
            f"{path}: the distal pressure is {ratio:.2f} of the aortic one through most of it; are the columns "
            "swapped, or their units different?"
        )
