"""Cohorts for the tests: trees and cases that take a fraction of a second."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CASE = """
[case]
name = "{name}"
[geometry]
analytic = {{ diameter = "3 mm", length = "40 mm", severity = {severity}, lesion_length = "10 mm" }}
[patient]
mean_pressure = "93 mmHg"
[flow]
inlet_flow = "1.5 mL/s"
"""


def write_tree(path: Path, radius: float = 1.5) -> Path:
    """A vessel with a narrowing."""
    points = [[0.0, 0.0, float(z)] for z in range(0, 61, 2)]
    radii = [radius * (1.0 - (0.5 if 24 <= z[2] <= 36 else 0.0)) for z in points]
    branch = {"name": "LAD", "points_mm": points, "radius_mm": radii, "is_outlet": True}
    path.write_text(json.dumps({"schema_version": 1, "trees": [{"name": "left", "branches": [branch]}]}))
    return path


def write_case(path: Path, severity: float = 0.5, name: str = "a vessel") -> Path:
    """A case file of a straight vessel."""
    path.write_text(CASE.format(name=name, severity=severity))
    return path


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """A cohort's table of rows."""
    columns = dict.fromkeys(name for row in rows for name in row)
    with path.open("w", newline="", encoding="utf-8") as out:
        table = csv.DictWriter(out, list(columns), restval="")
        table.writeheader()
        table.writerows(rows)
    return path


def trees(folder: Path, number: int, **more: str) -> list[dict[str, str]]:
    """Rows of one tree at several pressures."""
    write_tree(folder / "tree.json")
    flow = {"inlet_flow": "100 mL/min"}
    return [
        {"id": f"t{k}", "case": "tree.json", "mean_pressure": f"{90 + k} mmHg", **flow, **more} for k in range(number)
    ]


def hemo(*arguments: object, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The command, as a user types it."""
    return subprocess.run(
        [sys.executable, "-m", "hemo", *map(str, arguments)],
        capture_output=True, text=True, check=False, cwd=ROOT, env=dict(environment or os.environ), timeout=300,
    )  # fmt: skip


def read_csv(path: Path) -> dict[str, dict[str, str]]:
    """A table's rows by id (the last of several)."""
    with path.open(newline="", encoding="utf-8") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


def journal(folder: Path) -> list[tuple[str, str]]:
    """What happened to which case, in the jobs' order of time."""
    lines = [json.loads(line) for file in folder.glob("chunks/*.jsonl") for line in file.read_text().splitlines()]
    return [(line["id"], line["event"]) for line in sorted(lines, key=lambda line: line["time"])]
