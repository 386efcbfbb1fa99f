"""The cohort's tables: a row for every case, vessel and lesion, also of what was not computed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hemo.batch.outcome import CODES, Outcome, state_of
from hemo.batch.planning import ROWS
from hemo.files import replace_table, replace_text
from hemo.summary import software

SCHEMA_VERSION = 1
_NOT_BEGUN = "not begun; the same command goes on."
_BEGUN = "was being computed when its job ended (a kill, too little memory or time); the same command goes on."


def gather(folder: Path) -> dict[str, Any]:
    """Write ``cohort.csv``, ``vessels.csv``, ``lesions.csv`` and ``summary.json`` of a cohort's folder.

    Returns
    -------
    The summary: how many cases there are by status, the worst exit code, and the tables' names.
    """
    rows = json.loads((folder / ROWS).read_text(encoding="utf-8"))
    outcomes = [_outcome(folder, row) for row in rows]
    pairs = list(zip(rows, outcomes, strict=True))
    _write(folder / "vessels.csv", [_head(row) | dict(v) for row, one in pairs for v in one.vessels], _LONG)
    _write(folder / "lesions.csv", [_head(row) | dict(v) for row, one in pairs for v in one.lesions], _LONG)
    _write(folder / "cohort.csv", [_case(row, outcome) for row, outcome in pairs], _FIRST)
    counts = Counter(outcome.status for outcome in outcomes)
    told = {
        "schema_version": SCHEMA_VERSION,
        "cases": len(rows),
        "status": dict(sorted(counts.items())),
        "exit_code": exit_code(counts),
        "software": software(),
    }
    replace_text(folder / "summary.json", json.dumps(told, indent=1) + "\n")
    return told


def exit_code(counts: Mapping[str, int]) -> int:
    """That of a cohort: 130 or 4 while the same command has more to do, then 3, then 2, then 0."""
    present = {CODES[status] for status, number in counts.items() if number}
    present = {3 if code == 1 else code for code in present}
    return next((code for code in (130, 4, 3, 2) if code in present), 0)


_FIRST = ("id", "status", "exit_code", "reason", "method", "warnings", "seconds")
_LONG = ("id",)


def _head(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": row["id"], **row["kept"]}


def _outcome(folder: Path, row: Mapping[str, Any]) -> Outcome:
    state = state_of(folder, row["id"], row["key"])
    if state is None:
        return Outcome(row["id"], row["key"], "interrupted", _NOT_BEGUN)
    return state if state.status != "begun" else Outcome(row["id"], row["key"], "interrupted", _BEGUN)


def _case(row: Mapping[str, Any], outcome: Outcome) -> dict[str, Any]:
    """One line: what became of the case, its lowest FFR, and FFR of each vessel's end and behind each lesion."""
    line = {
        "id": row["id"],
        "status": outcome.status,
        "exit_code": CODES[outcome.status],
        "reason": outcome.reason,
        "method": row["method"],
        "warnings": len(outcome.warnings),
        "seconds": round(outcome.seconds, 3),
        **row["kept"],
    }
    several = len({vessel["tree"] for vessel in outcome.vessels}) > 1
    for method in ("reduced", "fem"):
        found: dict[str, float | None] = {}
        for kind, rows, key in (("vessel", outcome.vessels, "ffr"), ("lesion", outcome.lesions, "ffr_distal")):
            for one in rows:
                name = f"{one['tree']}_{one[kind]}" if several else one[kind]
                if f"{key}_{method}" in one:
                    found[f"{key}_{name}_{method}"] = one[f"{key}_{method}"]
        values = [value for value in found.values() if value is not None]
        line |= {f"lowest_ffr_{method}": min(values, default=None)} if found else {}
        line |= found
    return line


def _write(path: Path, rows: Sequence[Mapping[str, Any]], first: Sequence[str]) -> None:
    """A CSV table whose columns are those of all rows; empty cells where one has none."""
    columns = dict.fromkeys([*first, *(name for row in rows for name in row)])
    replace_table(path, rows, list(columns))
