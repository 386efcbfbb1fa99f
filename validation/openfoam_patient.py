"""The real left tree with a virtual lesion as hemo and OpenFOAM both solve it, and hemo's side of that.

All flow leaves through the outlets: flow that leaves along tapers and through branches cut off, most of it in this
patient, would want sources in OpenFOAM's equations. So more passes the lesion than in ``real_tree``.
"""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from hemo import femresults, femstages, flowstage, meshstage
from hemo.beatstage import reduced_beat
from hemo.case import Case, read_case
from hemo.fem.carryover import carried_over
from hemo.fem.job import write_job
from hemo.fem.launch import run_worker
from hemo.fem.options import FemOptions
from hemo.fem.result import FemResult, read_result
from hemo.meshstage import MeshedTree
from hemo.reduced.pulsatile import BeatFlow
from hemo.results import Status
from hemo.stages import Geometry, load_geometry
from hemo.tetmesh import INLET
from hemo.tree import VesselTree
from hemo.treesummary import TreeResult
from validation.openfoam_runs import RANKS, Line
from validation.real_tree import CASE, narrowed

# Cells across: the mesh whose boundary OpenFOAM's meshes fill and whose FFR all others are held against, and the mesh
# from whose solution its own starts, which is not timed.
REFERENCE, BEFORE = 5.0, 4.0
BEFORE_OUTLET = 2.0  # diameters of the outlet


@dataclass(frozen=True)
class Patient:
    """The case and its lumen; meshes are kept in the folder."""

    case: Case
    geometry: Geometry
    folder: Path

    def with_cells(self, cells: float) -> Case:
        """The case with so many cells across every diameter."""
        return femstages.with_cells(self.case, cells)

    def meshed(self, cells: float) -> MeshedTree:
        """A mesh, of a tree that lost no branch."""
        (tree,) = self.geometry.trees
        made = meshstage.mesh_tree(self.with_cells(cells), self.geometry, tree, self.folder / f"{cells:g}")
        return replace(made, tree=replace(made.tree, side_branches=()))

    def reduced(self, meshed: MeshedTree) -> TreeResult:
        """The reduced solution, from which the finite elements start."""
        return flowstage.solve_reduced(self.case, meshed.tree)

    def beat(self, meshed: MeshedTree, steps: int) -> BeatFlow:
        """The reduced model's beat."""
        conditions = self.reduced(meshed).conditions
        return reduced_beat(meshed.tree, self.case.physiology(), conditions, self.case.fluid(), steps)


def patient(folder: Path) -> Patient:
    """Narrow the lumen and find its tree."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "case.toml"
    surface, ostium = narrowed(folder)
    file.write_text(CASE.format(surface=surface, ostium=ostium, cells=REFERENCE))
    case = read_case(file)
    case = case.model_copy(update={"flow": case.flow.model_copy(update={"leakage": False})})
    return Patient(case, load_geometry(case, file, folder / "lumen"), folder)


def places(tree: VesselTree) -> dict[str, float]:
    """Arc length, m, on each outlet's branch where FFR is read: away from what the outlet's condition disturbs."""
    return {name: tree[name].length - BEFORE_OUTLET * float(tree[name].diameter[-1]) for name in tree.outlets}


def solve(patient: Patient, cells: float) -> Line:
    """One steady run as ``hemo run`` makes it: what :func:`_line` gives, and seconds as in ``solve_hemo``.

    A solve that lies in the patient's folder is done again.
    """
    load, start = os.getloadavg()[0], time.perf_counter()
    meshed = patient.meshed(cells)
    meshing, first, work = time.perf_counter() - start, patient.reduced(meshed), meshed.folder
    shutil.rmtree(work / "fem", ignore_errors=True)
    start = time.perf_counter()
    solution = femstages.solve_fem(
        patient.with_cells(cells), meshed, first, work, work, RANKS, lambda _: None, partial(_again, patient)
    )
    seconds = time.perf_counter() - start - solution.timing["compile"]
    return _line(meshed, first, solution) | {"meshing": meshing, "solution": seconds, "load": load}


def _again(patient: Patient, case: Case) -> MeshedTree:
    return patient.meshed(case.fem.cells_per_diameter)


def reference(patient: Patient) -> Line:
    """The finest mesh, from the solution on the one before; on one rank, for its memory."""
    coarse, fine = patient.meshed(BEFORE), patient.meshed(REFERENCE)
    first, job = patient.reduced(fine), fine.folder / "fem"
    if not (coarse.folder / "fem" / "result.npz").is_file():
        solve(patient, BEFORE)
    start = carried_over(coarse.mesh, read_result(coarse.folder / "fem"), fine.mesh)
    write_job(
        job,
        fine.mesh,
        fine.probes,
        (start.velocity, start.pressure),
        patient.case.fluid(),
        first.conditions,
        FemOptions(solved=True, most_window_steps=0),
        between=(start.edges, start.edge_velocity),
    )
    run_worker(job, 1)
    return _line(fine, first, read_result(job))


def _line(meshed: MeshedTree, first: TreeResult, solution: FemResult) -> Line:
    """Cells, unknowns, FFR and flow (m^3/s) of every outlet, aortic pressure (Pa), area of the inlet (m^2)."""
    assert solution.status is Status.CONVERGED, solution.message
    flow = femresults.with_fem(first, meshed, solution).fem
    assert flow is not None
    return {
        "cells": meshed.info.cells,
        "unknowns": solution.unknowns,
        "ffr": {
            name: float(np.interp(place, meshed.tree[name].arc, flow.ffr(name)))
            for name, place in places(meshed.tree).items()
        },
        "flow": solution.outlet_flow,
        "aortic": flow.aortic_pressure,
        "inlet_area": float(np.linalg.norm(meshed.mesh.area_vector(INLET))),
    }
