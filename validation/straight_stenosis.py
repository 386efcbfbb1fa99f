"""Finite-element pressure drop of the straight stenoses against the axisymmetric solution, over the mesh."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from matplotlib.figure import Figure

from hemo.pipeline import RunOptions, run_case
from hemo.units import MMHG
from hemo.vtkio import read_polydata
from validation.table import DOCS, Table, publish

CASE = """
[case]
name = "straight stenosis"
[geometry]
analytic = {{ diameter = "3 mm", length = "60 mm", severity = {severity} }}
[patient]
mean_pressure = "93 mmHg"
[flow]
inlet_flow = "{flow} mL/s"
[fem]
cells_per_diameter = {cells}
"""
REFERENCE = {(0.5, 1.5): 3.512, (0.6, 2.0): 13.118}
MESHES = (4, 6, 8)


def solve(severity: float, flow: float, cells: float, ranks: int = 2) -> tuple[int, float, float]:
    """Number of tetrahedra, pressure drop (mmHg) and seconds of one run."""
    with tempfile.TemporaryDirectory() as folder:
        case = Path(folder) / "case.toml"
        case.write_text(CASE.format(severity=severity, flow=flow, cells=cells))
        start = time.perf_counter()
        summary = run_case(case, RunOptions(Path(folder) / "out", "both", ranks))
        seconds = time.perf_counter() - start
        pressure = read_polydata(Path(folder) / "out" / "centreline.vtp").point_data["Pressure"]
    mesh = summary["mesh"]
    assert isinstance(mesh, dict)
    return int(mesh["cells"]), float(pressure[0] - pressure[-1]) / MMHG, seconds


def main() -> None:
    """Table and figure over cells per diameter."""
    rows = []
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for (severity, flow), reference in REFERENCE.items():
        found = [solve(severity, flow, cells) for cells in MESHES]
        errors = [100.0 * (drop / reference - 1.0) for _, drop, _ in found]
        for cells, (count, drop, seconds), error in zip(MESHES, found, errors, strict=True):
            rows.append(
                (
                    f"{100 * severity:.0f} %, {flow:g} mL/s",
                    str(cells),
                    f"{count:,}",
                    f"{drop:.3f}",
                    f"{error:+.2f} %",
                    f"{seconds:.0f}",
                )
            )
        axes.plot([count for count, _, _ in found], errors, "o-", label=f"{100 * severity:.0f} %")
    columns = ("stenosis, flow", "cells per diameter", "tetrahedra", "drop / mmHg", "error", "whole run / s")
    note = "Reference: 3.512 and 13.118 mmHg, the converged axisymmetric solution. Two ranks."
    publish(Table("straight_stenosis", columns, tuple(rows), note))
    axes.axhspan(-2, 2, color="#dddddd")
    axes.set(xlabel="tetrahedra", ylabel="error of the drop / %", xscale="log")
    axes.legend(frameon=False)
    figure.savefig(DOCS / "figures" / "straight_stenosis.svg", metadata={"Date": None})
