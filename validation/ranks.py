"""The same tree on 1, 2, 3 and 4 ranks, at the default tolerances and at tight ones: how far FFR differs.

The mesh, the initial guess and everything else are one job's; only the worker's ranks change, and with them the order
of every sum.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np

from hemo.fem.launch import run_worker
from hemo.fem.result import FemResult, read_result
from hemo.results import Status
from validation.table import Table, publish
from validation.workerjob import left_coronary_job, set_options

ACROSS = 3  # cells
RANKS = (1, 2, 3, 4)
# Name -> solver options, and what FFR may differ by.
TOLERANCES = {
    "default": ({}, 1e-6),
    "tight": ({"tolerance": 1e-10, "flow_tolerance": 1e-11, "linear_tolerance": 1e-4}, 1e-8),
}


def solved(inputs: Path, folder: Path, ranks: int, options: dict[str, float]) -> FemResult:
    """The tree on so many ranks."""
    place = Path(shutil.copytree(inputs, folder))
    set_options(place, **options)
    run_worker(place, ranks)
    result = read_result(place)
    assert result.status is Status.CONVERGED
    return result


def main() -> None:
    """Solve on each number of ranks and fill the section ``ranks`` of docs/benchmarks.md."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        inputs = left_coronary_job(ACROSS, Path(name))
        aortic = json.loads((inputs / "job.json").read_text())["conditions"]["aortic_pressure"]
        for tolerance, (options, goal) in TOLERANCES.items():
            found = [solved(inputs, Path(name) / f"{tolerance}{ranks}", ranks, options) for ranks in RANKS]
            ffr = np.array([result.section_pressure / aortic for result in found])
            flow = np.array([list(result.outlet_flow.values()) for result in found])
            for ranks, result, own, out in zip(RANKS, found, ffr, flow, strict=True):
                off = float(np.nanmax(np.abs(own - ffr[0])))
                row = (tolerance, str(ranks), str(len(result.iterations)), f"{result.iterations[-1]['residual']:.1e}")
                row += (f"{off:.1e}", f"{np.abs(out / flow[0] - 1.0).max():.1e}", "yes" if off <= goal else "NO")
                rows.append(row)
    columns = ("tolerances", "ranks", "steps", "residual", "FFR off 1 rank's", "outlet flows off", "within the goal")
    tight = ", ".join(f"{name} {value:g}" for name, value in TOLERANCES["tight"][0].items())
    note = (
        f"Left coronary tree, {ACROSS} cells across; FFR at every section of every vessel; 1e-6 is wanted at the "
        f"default tolerances, 1e-8 at tight ones ({tight})."
    )
    publish(Table("ranks", columns, tuple(rows), note))
