"""hemo against OpenFOAM's simpleFoam on a real left tree with a lesion: time to solution at equal error of FFR.

``python -m validation openfoam_tree [--repeats N] [--fresh]``; OpenFOAM as ``python -m validation openfoam --install``
leaves it. Each run leaves a line in ``validation/records/openfoam_tree.jsonl``, so that the campaign goes on where it
stopped.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from hemo import __version__
from validation.campaign import resumed
from validation.openfoam import CODES, FOAM, HEMO, time_at
from validation.openfoam_patient import BEFORE, REFERENCE, Patient, patient, reference, solve
from validation.openfoam_runs import RANKS, Line, OpenFOAM
from validation.openfoam_snappy import Snappy
from validation.openfoam_tree_runs import SETTLED, off, prepared
from validation.openfoam_tree_runs import solve as solve_openfoam
from validation.real_tree import SEVERITY, VESSEL
from validation.table import DOCS, Table, publish

RECORDS = DOCS.parent / "validation" / "records" / "openfoam_tree.jsonl"
FIELDS = ("code", "mesh", "repeat")
CELLS_PER_DIAMETER = {f"{n} across": float(n) for n in (3, 4)}
GRIDS = {
    f"{grid.across:g} across, {grid.layers} layers": grid for grid in (Snappy(3.5), Snappy(4.5), Snappy(6), Snappy(8))
}
CONVERGED = ("converged", f"{REFERENCE:g} across", 0)
LEVELS = (0.02, 0.01, 0.005)
Runs = dict[tuple[Any, ...], Line]
NOTE = (
    "A {severity} lesion of the {vessel}; the error is the largest over the outlets, against hemo's mesh {finest} "
    "({unknowns} unknowns, started from the solution {before} across). OpenFOAM's two finest differ by {between}, "
    "its finest and hemo's by {across}. hemo {hemo}, {ranks} ranks, as it comes: residual below 1e-6 of the forces, "
    "flows steady within 1e-7, resistance outlets, total pressure at the inlet; seconds of the whole finite-element "
    "stage without compiling forms. OpenFOAM {foam}: simpleFoam on {ranks} ranks, SIMPLEC (velocity relaxed by 0.9), "
    "from rest, until the initial residuals are below 1e-4; convection `linearUpwind` with cell-limited gradients, "
    "diffusion `limited corrected 0.5`; pressure by GAMG with GaussSeidel, velocity by symGaussSeidel, each to 0.1; "
    "ranks by `simple`. Its seconds are those of decomposePar and of simpleFoam until every FFR has settled within "
    "{settled} of its last value, which a user cannot know; in brackets until its residuals end it. Its outlets are "
    "given the flows that hemo found on the finest mesh (the widest of them a pressure, the inlet all of the flow): in "
    "its favour, for it need not find the flows that go with its pressures, as hemo does. With total pressure at the "
    "inlet simpleFoam diverged. Meshing: gmsh, mmg and hemo's checks; blockMesh, snappyHexMesh on one rank, "
    "renumberMesh, at least so many cells across every diameter, their size halved from class to class; {every} "
    "checkMesh. {cores} cores; {loads} jobs were on them as the runs began."
)


def main(options: Sequence[str] = ()) -> None:
    """Run what is missing, then the tables."""
    parser = argparse.ArgumentParser(prog="python -m validation openfoam_tree")
    parser.add_argument("--repeats", type=int, default=3, help="of each mesh's solve")
    ready = prepared(parser, options, RECORDS)
    if ready is None:
        return
    chosen, foam = ready
    runs = campaign(foam, chosen.repeats)
    publish(mesh_table(runs, foam))
    publish(ratio_table(runs))


def campaign(foam: OpenFOAM, repeats: int) -> Runs:
    """Every run, round by round; what both codes share is made when the first run wants it."""
    with tempfile.TemporaryDirectory() as name:
        made = cache(lambda: patient(Path(name)))
        runs: Runs = {}

        def run(code: str, mesh: str, repeat: int) -> Line:
            print(f"openfoam_tree: {code}, {mesh}, run {repeat + 1}", flush=True)
            key = dict(zip(FIELDS, (code, mesh, repeat), strict=True))
            return key | _run(foam, made(), code, mesh, runs)

        for repeat in range(repeats):
            runs |= resumed(RECORDS, FIELDS, [(HEMO, mesh, repeat) for mesh in CELLS_PER_DIAMETER], run)
            runs |= resumed(RECORDS, FIELDS, [CONVERGED], run)
            runs |= resumed(RECORDS, FIELDS, [(FOAM, mesh, repeat) for mesh in GRIDS], run)
    return runs


def _run(foam: OpenFOAM, made: Patient, code: str, mesh: str, runs: Runs) -> Line:
    if code == HEMO:
        return solve(made, CELLS_PER_DIAMETER[mesh])
    if code == FOAM:
        return solve_openfoam(foam, made, GRIDS[mesh], runs[CONVERGED])
    return reference(made)


def meshes(code: str) -> tuple[str, ...]:
    """A code's meshes from coarse to fine."""
    return tuple(CELLS_PER_DIAMETER if code == HEMO else GRIDS)


def _of(runs: Runs, code: str, mesh: str) -> list[Line]:
    return [line for key, line in runs.items() if key[:2] == (code, mesh)]


def curve(runs: Runs, code: str) -> tuple[list[float], list[float]]:
    """Errors of FFR and median seconds of a code's meshes from coarse to fine."""
    found = [_of(runs, code, mesh) for mesh in meshes(code)]
    errors = [off(lines[0]["ffr"], runs[CONVERGED]["ffr"]) for lines in found]
    return errors, [median(line["solution"] for line in lines) for lines in found]


def mesh_table(runs: Runs, foam: OpenFOAM) -> Table:
    """One row a mesh."""
    names = sorted(runs[CONVERGED]["ffr"])
    rows = [_row(_of(runs, code, mesh), runs[CONVERGED], names) for code in CODES for mesh in meshes(code)]
    rows.append(_row([runs[CONVERGED]], runs[CONVERGED], names))
    columns = ("code", "mesh", "cells", "lumen lost", "meshing / s", "solution / s", "runs")
    ends = (*(f"FFR {name}" for name in names), "error")
    return Table("openfoam_tree", (*columns, *ends), tuple(rows), _note(runs, foam))


def _row(lines: Sequence[Line], converged: Line, names: Sequence[str]) -> tuple[str, ...]:
    first = lines[0]
    seconds = {key: median(line[key] for line in lines) for key in ("solution", "stopped") if key in first}
    solution = f"{seconds['solution']:.1f}" if seconds else "not timed"
    if "stopped" in seconds:
        solution += f" ({seconds['stopped']:.1f})"
    # A campaign meshes once: later runs take that mesh.
    told = f"{max(line['meshing'] for line in lines):.0f}" if seconds else "not timed"
    lost = f"{first['lost']:.1%}" if "lost" in first else "-"
    start = (first["code"], first["mesh"], f"{first['cells']:,}", lost, told, solution, str(len(lines)))
    error = off(first["ffr"], converged["ffr"])
    return (*start, *(f"{first['ffr'][name]:.4f}" for name in names), f"{error:.4f}" if error else "-")


def _note(runs: Runs, foam: OpenFOAM) -> str:
    converged = runs[CONVERGED]
    before, last = (_of(runs, FOAM, mesh)[0]["ffr"] for mesh in meshes(FOAM)[-2:])
    checked = all(line["checked"] for line in runs.values() if line["code"] == FOAM)
    loads = [line["load"] for line in runs.values() if "load" in line]
    return NOTE.format(
        severity=f"{SEVERITY:.0%}",
        vessel=VESSEL,
        finest=CONVERGED[1],
        unknowns=f"{converged['unknowns']:,}",
        before=f"{BEFORE:g}",
        between=f"{off(last, before):.4f}",
        across=f"{off(last, converged['ffr']):.4f}",
        hemo=f"{__version__} on dolfinx {version('fenics-dolfinx')}",
        ranks=RANKS,
        foam=foam.version,
        settled=f"{SETTLED:g}",
        every="every mesh passes" if checked else "NOT every mesh passes",
        cores=os.cpu_count(),
        loads=f"{min(loads):.1f} to {max(loads):.1f}",
    )


def ratio_table(runs: Runs) -> Table:
    """Times at equal error."""
    rows = []
    for level in LEVELS:
        ours, theirs = (time_at(level, *curve(runs, code)) for code in (HEMO, FOAM))
        ratio = f"{ours[0] / theirs[0]:.3g}" if ours and theirs else "-"
        told = ("no mesh" if found is None else f"{found[0]:.3g} ({found[1]})" for found in (ours, theirs))
        rows.append((f"{level:g}", *told, ratio))
    note = "Found as on the straight stenoses; meshing is not counted."
    columns = ("error of FFR", "hemo / s", "OpenFOAM / s", "hemo over OpenFOAM")
    return Table("openfoam_tree_ratio", columns, tuple(rows), note)
