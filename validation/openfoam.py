"""hemo against OpenFOAM's simpleFoam on the straight stenoses: time to solution at equal error of the pressure drop.

``python -m validation openfoam [--install] [--repeats N] [--fresh]``. Each run leaves a line in
``validation/records/openfoam.jsonl``, so that the campaign goes on where it stopped; ``--fresh`` begins it anew, as
another machine must. Debian's package is only fetched, into hemo's cache, with ``--install``.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from statistics import median
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from hemo import __version__
from validation.campaign import resumed
from validation.openfoam_cases import CHOICES
from validation.openfoam_grid import OGrid
from validation.openfoam_runs import RANKS, SETTLED, Line, OpenFOAM, find, solve_hemo, solve_openfoam
from validation.straight_stenosis import REFERENCE
from validation.table import DOCS, Table, publish

RECORDS = DOCS.parent / "validation" / "records" / "openfoam.jsonl"
FIELDS = ("code", "severity", "mesh", "repeat")
CODES = HEMO, FOAM = "hemo", "OpenFOAM"
CELLS_PER_DIAMETER = {f"{n} per diameter": n for n in (3, 4, 5, 6, 8)}
GRIDS = {
    f"{grid.side}, {grid.radial}, {grid.axial}": grid
    for grid in (OGrid(4, 4, 80), OGrid(4, 6, 110), OGrid(6, 8, 160), OGrid(8, 11, 200), OGrid(10, 14, 280))
}
# Of the 60 % stenosis hemo finds no steady solution with 4 cells across, in a hundred steps.
TOO_COARSE = {(HEMO, 0.6): 2}
LEVELS = (2.0, 1.0)  # % of the drop
PATIENCE = 90.0  # s of solving after which a mesh is not repeated
Runs = dict[tuple[Any, ...], Line]


def main(options: Sequence[str] = ()) -> None:
    """Run what is missing, then the tables and the figure."""
    parser = argparse.ArgumentParser(prog="python -m validation openfoam")
    parser.add_argument(
        "--install", action="store_true", help="fetch Debian's OpenFOAM into hemo's cache if it is not there"
    )
    parser.add_argument("--repeats", type=int, default=5, help="of each mesh; those of long runs are fewer")
    parser.add_argument("--fresh", action="store_true", help="forget the runs on record")
    chosen = parser.parse_args(options)
    foam = find(chosen.install)
    if foam is None:
        print("openfoam: simpleFoam is neither on the PATH nor in hemo's cache, and --install was not given.")
        return
    if chosen.fresh:
        RECORDS.unlink(missing_ok=True)
    runs = campaign(foam, chosen.repeats)
    publish(mesh_table(runs, foam))
    publish(ratio_table(runs))
    draw(runs)


def campaign(foam: OpenFOAM, repeats: int) -> Runs:
    """Every run, round by round, so that a slow hour of the machine does not fall on one code alone."""
    runs: Runs = {}
    for repeat in range(repeats):
        wanted = [(*kind, repeat) for kind in kinds() if _patient(_of(runs, *kind))]
        runs |= resumed(RECORDS, FIELDS, wanted, partial(run, foam))
    return runs


def kinds() -> list[tuple[str, float, str]]:
    """Code, severity and mesh of every row of the table."""
    return [(code, severity, mesh) for severity, _ in REFERENCE for code in CODES for mesh in meshes(code, severity)]


def meshes(code: str, severity: float) -> tuple[str, ...]:
    """A code's meshes of a stenosis from coarse to fine."""
    names = CELLS_PER_DIAMETER if code == HEMO else GRIDS
    return tuple(names)[TOO_COARSE.get((code, severity), 0) :]


def run(foam: OpenFOAM, code: str, severity: float, mesh: str, repeat: int) -> Line:
    """One run as a line of the record."""
    print(f"openfoam: {code}, {100 * severity:.0f} %, {mesh}, run {repeat + 1}", flush=True)
    flow = dict(REFERENCE.keys())[severity]
    if code == HEMO:
        line = solve_hemo(severity, flow, CELLS_PER_DIAMETER[mesh])
    else:
        line = solve_openfoam(foam, severity, flow, GRIDS[mesh])
    return dict(zip(FIELDS, (code, severity, mesh, repeat), strict=True)) | line


def _of(runs: Runs, code: str, severity: float, mesh: str) -> list[Line]:
    return [line for key, line in runs.items() if key[:3] == (code, severity, mesh)]


def _patient(lines: Sequence[Line]) -> bool:
    """Whether a mesh is to be run again."""
    return all("drop" in line for line in lines) and sum(line["solution"] for line in lines) < PATIENCE


def error(line: Line) -> float:
    """Of the drop against the reference, %."""
    reference = {severity: drop for (severity, _), drop in REFERENCE.items()}[line["severity"]]
    return 100.0 * (line["drop"] / reference - 1.0)


def curve(runs: Runs, code: str, severity: float) -> tuple[list[float], list[float]]:
    """Sizes of the errors, %, and median seconds of a code's meshes from coarse to fine; what failed is left out."""
    found = [_of(runs, code, severity, mesh) for mesh in meshes(code, severity)]
    solved = [lines for lines in found if lines and all("drop" in line for line in lines)]
    seconds = [median(line["solution"] for line in lines) for lines in solved]
    return [abs(error(lines[0])) for lines in solved], seconds


def time_at(level: float, errors: Sequence[float], seconds: Sequence[float]) -> tuple[float, str] | None:
    """Seconds to an error of ``level``, and how they were found; None where no mesh has it to the end.

    Of the meshes, from coarse to fine, counts the first that has the level together with all finer ones: an error that
    passes through zero on a coarse mesh is luck. Between it and the one before, the logarithm of time is linear in
    that of the error.
    """
    held = next((k for k in range(len(errors)) if max(errors[k:]) <= level), None)
    if held is None:
        return None
    if held == 0:
        return seconds[0], "coarsest mesh"
    two = slice(held - 1, held + 1)
    x, y = np.log(np.maximum(errors[two], 1e-6)), np.log(seconds[two])
    return float(np.exp(np.interp(np.log(level), x[::-1], y[::-1]))), "between two meshes"


def mesh_table(runs: Runs, foam: OpenFOAM) -> Table:
    """One row a mesh."""
    rows = [_row(lines) for kind in kinds() if (lines := _of(runs, *kind))]
    loads = [line["load"] for line in runs.values()]
    compiling = median(line["compile"] for line in runs.values() if "compile" in line)
    note = (
        f"hemo {__version__} on dolfinx {version('fenics-dolfinx')}: `hemo run --method both --ranks {RANKS}`, as it "
        "comes; residual below 1e-6 of the forces, flows steady within 1e-7. Its seconds are those of the "
        f"finite-element stage without compiling forms (loading compiled ones takes {compiling:.1f} s more). "
        f"OpenFOAM {foam.version}: simpleFoam on {RANKS} ranks, {CHOICES}. Its seconds are those of decomposePar and "
        f"of simpleFoam until the drop has settled within {100 * SETTLED:g} % of its last value, which a user cannot "
        "know; in brackets until its residuals end it. Pressures are written every five iterations for that, up to "
        "2 % of the time. Meshing is counted apart: gmsh, mmg and hemo's checks; blockMesh, moving the points, "
        "renumberMesh. Of hemo's meshes the cells across a diameter are given, of the O-grids the cells along a side "
        "of the core, from there to the wall and along the vessel. Medians over the runs; no more once they have taken "
        f"{PATIENCE:.0f} s together. "
        f"{os.cpu_count()} cores; {min(loads):.1f} to {max(loads):.1f} jobs were on them as the runs began."
    )
    columns = ("stenosis", "code", "mesh", "cells", "meshing / s", "solution / s", "runs", "drop / mmHg", "error")
    return Table("openfoam", columns, tuple(rows), note)


def _row(lines: Sequence[Line]) -> tuple[str, ...]:
    first = lines[0]
    start = (f"{100 * first['severity']:.0f} %", first["code"], first["mesh"])
    if any("drop" not in line for line in lines):
        return (*start, "-", "-", "did not converge", str(len(lines)), "-", "-")
    seconds = {key: median(line[key] for line in lines) for key in ("meshing", "solution", "stopped") if key in first}
    solution = f"{seconds['solution']:.1f}" + (f" ({seconds['stopped']:.1f})" if "stopped" in seconds else "")
    counts = (f"{first['cells']:,}", f"{seconds['meshing']:.1f}", solution, str(len(lines)))
    return (*start, *counts, f"{first['drop']:.3f}", f"{error(first):+.2f} %")


def ratio_table(runs: Runs) -> Table:
    """Times at equal error."""
    rows = []
    for severity, _ in REFERENCE:
        for level in LEVELS:
            ours, theirs = (time_at(level, *curve(runs, code, severity)) for code in (HEMO, FOAM))
            ratio = f"{ours[0] / theirs[0]:.3g}" if ours and theirs else "-"
            rows.append((f"{100 * severity:.0f} %", f"{level:g} %", _told(ours), _told(theirs), ratio))
    note = (
        "Each code on the cheapest mesh that has the error together with all its finer ones; between that mesh and the "
        "one before, log time against log error. Where the coarsest mesh has it already, its time stands, which is "
        "more than was needed."
    )
    columns = ("stenosis", "error", "hemo / s", "OpenFOAM / s", "hemo over OpenFOAM")
    return Table("openfoam_ratio", columns, tuple(rows), note)


def _told(found: tuple[float, str] | None) -> str:
    return "no mesh" if found is None else f"{found[0]:.3g} ({found[1]})"


def draw(runs: Runs) -> None:
    """Error over time."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    for axes, (severity, _) in zip(figure.subplots(1, 2, sharey=True), REFERENCE, strict=True):
        for code in CODES:
            errors, seconds = curve(runs, code, severity)
            axes.loglog(seconds, errors, "o-", label=code)
        axes.axhline(1.0, color="#aaaaaa", linewidth=0.8)
        axes.set(xlabel="time to solution / s", title=f"{100 * severity:.0f} % stenosis")
    figure.axes[0].set(ylabel="error of the drop / %")
    figure.axes[0].legend(frameon=False)
    figure.savefig(DOCS / "figures" / "openfoam.svg", metadata={"Date": None})
