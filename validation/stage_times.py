"""Seconds of each stage of the demo and of a real left tree, and reduced against 3D FFR on every ready case."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from hemo.pipeline import RunOptions, run_case
from validation.table import Table, publish

CASES = Path(__file__).resolve().parents[1] / "cases"
READY = (
    "left_coronary/case.toml",
    "straight_stenosis/case.toml",
    "straight_stenosis/severe.toml",
    "narco/label_map.toml",
    "narco/surface.toml",
)
TIMED = {"left_coronary/case.toml": "left", "narco/label_map.toml": "left", "narco/surface.toml": "left"}
STAGES = (
    ("reading the lumen, trees and lesions (whole image)", "geometry"),
    ("meshing (all trees, side by side)", "mesh"),
    ("reduced-order solve", "reduced_{tree}"),
    ("finite elements, all", "fem_{tree}"),
    ("- of it distributing the mesh and compiling the forms", "fem_{tree}_setup", "fem_{tree}_compile"),
    ("- of it factorising", "fem_{tree}_factorisation"),
    ("- of it assembling and iterating", "fem_{tree}_solve", "-fem_{tree}_factorisation"),
    ("- of it sections and wall", "fem_{tree}_sections", "fem_{tree}_wall"),
    ("writing the result", "output"),
)

NOTE = "Two ranks on two cores. The finite elements dominate, and in them the GMRES iterations and the factorisations."


def run(case: str, ranks: int = 2) -> dict[str, Any]:
    """Summary of one whole run."""
    with tempfile.TemporaryDirectory() as folder:
        return dict(run_case(CASES / case, RunOptions(Path(folder) / "out", "both", ranks)))


def seconds(summary: dict[str, Any], keys: tuple[str, ...], tree: str) -> float:
    """Sum of the named timings; a minus sign before a key subtracts it. A stage that was not timed counts nothing."""
    timing = summary["timing_s"]
    named = [(key.lstrip("-").format(tree=tree), -1.0 if key.startswith("-") else 1.0) for key in keys]
    return sum(sign * timing.get(key, 0.0) for key, sign in named)


def difference_rows(case: str, summary: dict[str, Any]) -> list[tuple[str, ...]]:
    """One row a vessel: FFR at its end and flow by both methods."""
    rows = []
    for tree in summary["trees"]:
        for branch in tree["branches"]:
            reduced, fem = branch["reduced"], branch["fem"]
            rows.append(
                (
                    case.removesuffix(".toml"),
                    f"{tree['name']} {branch['name']}",
                    f"{reduced['ffr']:.3f}",
                    f"{fem['ffr']:.3f}",
                    f"{reduced['ffr'] - fem['ffr']:+.3f}",
                    f"{reduced['distal_flow_ml_min']:.1f}",
                    f"{fem['distal_flow_ml_min']:.1f}",
                )
            )
    return rows


def main() -> None:
    """Two tables."""
    cases = [case for case in READY if not case.startswith("narco") or "HEMO_DATA" in os.environ]
    summaries = {case: run(case) for case in cases}
    timed = [case for case in cases if case in TIMED]
    rows = [
        (name, *(f"{seconds(summaries[case], tuple(keys), TIMED[case]):.2f}" for case in timed))
        for name, *keys in STAGES
    ]
    titles = tuple(f"{case.removesuffix('.toml')}, {TIMED[case]} tree" for case in timed)
    publish(Table("stage_times", ("stage / s", *titles), tuple(rows), NOTE))
    columns = ("case", "vessel", "FFR reduced", "FFR 3D", "difference", "mL/min reduced", "mL/min 3D")
    compared = tuple(row for case in cases for row in difference_rows(case, summaries[case]))
    publish(Table("reduced_against_3d", columns, compared, "FFR at the vessel's end; the flow there at hyperaemia."))
