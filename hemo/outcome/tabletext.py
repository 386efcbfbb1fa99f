"""Rows as CSV files and as text: the same rows go to a file, to the page and to the terminal."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hemo.outcome.estimates import Estimate

Row = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """Rows with the same keys; a cell is a text, a number, an :class:`Estimate` or None. ``name`` is the file's."""

    name: str
    title: str
    rows: tuple[Row, ...]
    note: str = ""


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    """Rows as CSV, an estimate as columns for value, bounds and p."""
    flat = [_flat(row, rows) for row in rows]
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(flat[0]))
        writer.writeheader()
        writer.writerows(flat)


def _flat(row: Row, rows: Sequence[Row]) -> Row:
    flat: Row = {}
    for key, value in row.items():
        kinds = [one[key] for one in rows if isinstance(one[key], Estimate)]
        if not kinds:
            flat[key] = _raw(value)
            continue
        estimate = value if isinstance(value, Estimate) else Estimate(np.nan, np.nan, np.nan)
        flat |= {key: _raw(estimate.value), f"{key}_low": _raw(estimate.low), f"{key}_high": _raw(estimate.high)}
        if any(one.p is not None for one in kinds):
            flat[f"{key}_p"] = _raw(estimate.p)
    return flat


def _raw(value: Any) -> Any:
    if isinstance(value, float | np.floating):
        return f"{value:.6g}" if np.isfinite(value) else ""
    return value


def cell(key: str, value: Any) -> str:
    """A cell for reading: an estimate with its interval and p, a p-value short, a dash for what is not known."""
    if isinstance(value, Estimate):
        if not np.isfinite(value.value):
            return "-"
        told = short(value.value)
        told += f" ({short(value.low)} to {short(value.high)})" if np.isfinite(value.low) else ""
        return told if value.p is None else f"{told}, p {probability(value.p)}"
    if value is None or (isinstance(value, float | np.floating) and not np.isfinite(value)):
        return "-"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        return (
            probability(float(value)) if key == "p" or "_p" in key[-2:] or key.startswith("p_") else short(float(value))
        )
    return str(value)


def probability(p: float) -> str:
    """A p-value."""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def short(value: float) -> str:
    """A number with as many digits as one reads."""
    size = abs(value)
    return (
        f"{value:.0f}"
        if size >= 1000.0
        else f"{value:.1f}"
        if size >= 20.0
        else f"{value:.2f}"
        if size >= 2.0
        else f"{value:.3f}"
    )
