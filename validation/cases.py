"""Every case of ``cases/`` through ``hemo run --method both``: how it ended, the lowest FFR, seconds.

``python -m validation cases [--fresh]``. Each case leaves a line in ``validation/records/cases.jsonl``, so that the
campaign goes on where it stopped.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hemo.errors import NotConverged
from hemo.pipeline import RunOptions, run_case
from validation.campaign import resumed
from validation.table import DOCS, Table, publish

CASES = DOCS.parent / "cases"
RECORDS = DOCS.parent / "validation" / "records" / "cases.jsonl"
RANKS = 2


def run(name: str) -> dict[str, Any]:
    """One case as a line of the record."""
    print(f"cases: {name}", flush=True)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        try:
            summary: dict[str, Any] = dict(run_case(CASES / name, RunOptions(Path(folder) / "out", "both", RANKS)))
        except NotConverged as error:
            return {"case": name, "status": "not converged", "message": str(error)}
    vessels = [branch for tree in summary["trees"] for branch in tree["branches"]]
    lowest = min(vessels, key=lambda branch: float(branch["fem"]["ffr"]))
    return {
        "case": name,
        "status": summary["status"],
        "trees": [tree["name"] for tree in summary["trees"]],
        "cells": summary["mesh"]["cells"],
        "vessel": lowest["name"],
        "fem": lowest["fem"]["ffr"],
        "reduced": lowest["reduced"]["ffr"],
        "seconds": time.perf_counter() - start,
    }


def row(line: dict[str, Any]) -> tuple[str, ...]:
    """A line of the table."""
    if "cells" not in line:
        return line["case"], line["status"], "", "", "", "", "", ""
    ffr = (f"{line[method]:.3f}" for method in ("fem", "reduced"))
    cells = f"{line['cells']:,}"
    return line["case"], line["status"], ", ".join(line["trees"]), cells, line["vessel"], *ffr, f"{line['seconds']:.0f}"


def main(options: Sequence[str] = ()) -> None:
    """Run what is missing, and fill the section ``cases`` of docs/benchmarks.md."""
    parser = argparse.ArgumentParser(prog="python -m validation cases")
    parser.add_argument("--fresh", action="store_true", help="forget the cases on record")
    if parser.parse_args(options).fresh:
        RECORDS.unlink(missing_ok=True)
    names = [str(file.relative_to(CASES)) for file in sorted(CASES.glob("*/*.toml"))]
    here = [name for name in names if not name.startswith("narco") or "HEMO_DATA" in os.environ]
    found = resumed(RECORDS, ("case",), [(name,) for name in here], run)
    columns = ("case", "status", "trees", "cells", "lowest FFR in", "by finite elements", "reduced", "s")
    note = f"`hemo run CASE --method both --ranks {RANKS}` as it comes, the lumen's reading and meshing included."
    publish(Table("cases", columns, tuple(row(line) for line in found.values()), note))
