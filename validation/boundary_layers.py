"""Whether boundary layers pay: Poiseuille flow with and without them, over the number of cells."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hemo.blood import Blood
from hemo.pipeline import RunOptions, run_case
from hemo.vtkio import read_polydata
from validation.table import Table, publish

CASE = """
[case]
name = "Poiseuille"
[geometry]
analytic = {{ diameter = "3 mm", length = "12 mm", severity = 0.0, lesion_length = "5 mm", lesion_centre = "6 mm" }}
[patient]
mean_pressure = "93 mmHg"
[flow]
inlet_flow = "0.5 mL/s"
[fem]
cells_per_diameter = {cells}
boundary_layers = {layers}
first_layer = {first}
"""
RADIUS, LENGTH, FLOW = 1.5e-3, 12e-3, 0.5e-6
MESHES = ((6, 0, 0.04), (4, 2, 0.08), (4, 3, 0.05))


class Errors(NamedTuple):
    """Cells, relative errors of gradient and mean wall shear stress, its scatter over the mean."""

    cells: int
    gradient: float
    shear: float
    scatter: float


def solve(cells: float, layers: int, first: float, ranks: int = 1) -> Errors:
    """Errors on one mesh, away from the ends."""
    with tempfile.TemporaryDirectory() as folder:
        case = Path(folder) / "case.toml"
        case.write_text(CASE.format(cells=cells, layers=layers, first=first))
        summary = run_case(case, RunOptions(Path(folder) / "out", "both", ranks))
        line = read_polydata(Path(folder) / "out" / "centreline.vtp")
        wall = read_polydata(Path(folder) / "out" / "wall.vtp")
    viscosity = Blood().viscosity
    inner = slice(len(line.points) // 10, -len(line.points) // 10)
    slope = -np.polyfit(1e-3 * line.points[inner, 2], line.point_data["Pressure"][inner], 1)[0]
    middle = np.abs(1e-3 * wall.points[:, 2] - LENGTH / 2) < LENGTH / 4
    shear = np.linalg.norm(wall.point_data["WSS"][middle], axis=1)
    shear /= 4 * viscosity * FLOW / (np.pi * RADIUS**3)
    gradient = slope / (8 * viscosity * FLOW / (np.pi * RADIUS**4)) - 1.0
    mesh = summary["mesh"]
    assert isinstance(mesh, dict)
    return Errors(int(mesh["cells"]), float(gradient), float(shear.mean() - 1.0), float(shear.std()))


def main() -> None:
    """Table over the meshes."""
    rows = []
    for cells, layers, first in MESHES:
        found = solve(cells, layers, first)
        errors = (f"{100 * value:+.2f} %" for value in (found.gradient, found.shear))
        rows.append((str(cells), str(layers), f"{found.cells:,}", *errors, f"{100 * found.scatter:.2f} %"))
    columns = ("cells per diameter", "layers", "tetrahedra", "pressure gradient", "mean WSS", "scatter of WSS")
    note = "0.5 mL/s in a tube of 3 mm; the middle half of 12 mm. hemo makes layers only where `boundary_layers` asks."
    publish(Table("boundary_layers", columns, tuple(rows), note))
