"""``summary.json``: every number of a run, with what it stands on. ``hemo schema summary`` documents each key."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hemo import __version__
from hemo.indices import Reading
from hemo.results import Status
from hemo.treesummary import TreeResult, plain, tree_row

SCHEMA_VERSION = 1

# Names of assumptions that are read back from a summary; those of blood that thins begin with the last.
STATE, DENSITY, VISCOSITY, THINNING = "state of the flow", "blood density", "blood viscosity", "Carreau-Yasuda"


@dataclass(frozen=True)
class RunRecord:
    """What concerns the run as a whole."""

    case: str
    methods: tuple[str, ...]
    warnings: tuple[str, ...]
    timing: dict[str, float]
    inputs: dict[str, str]
    density: float
    reading: Reading
    orientation_known: bool


def build_summary(run: RunRecord, results: Sequence[TreeResult]) -> dict[str, Any]:
    """The summary as plain JSON values."""
    return {
        "schema_version": SCHEMA_VERSION,
        "case": run.case,
        "status": overall_status(results).name.lower(),
        "methods": list(run.methods),
        "warnings": list(run.warnings),
        "timing_s": {stage: round(seconds, 3) for stage, seconds in run.timing.items()},
        "software": software(),
        "inputs": run.inputs,
        "boundary": [
            {"tree": result.tree.name, "name": a.name, "value": plain(a.value), "unit": a.unit, "source": a.source}
            for result in results
            for a in result.assumptions
        ],
        "mesh": _mesh(results),
        "trees": [
            tree_row(result, run.methods, run.density if run.orientation_known else None, run.reading)
            for result in results
        ],
    }


def overall_status(results: Sequence[TreeResult]) -> Status:
    """The worst status of all solves."""
    solves = [flow for r in results for flow in (r.reduced, r.reduced_rest, r.fem) if flow is not None]
    bad = [flow.status for flow in solves if flow.status is not Status.CONVERGED]
    return min(bad, key=lambda status: status.usable, default=Status.CONVERGED)


def software(*more: str) -> dict[str, str]:
    """Versions of hemo and of the libraries a result depends on, where they are installed; ``more`` names others."""
    found = {"hemo": __version__, "python": platform.python_version()}
    names = ("numpy", "scipy", "fenics-dolfinx", "petsc4py", "mpi4py", "gmsh", "vtk", "SimpleITK", "scikit-image")
    for name in (*names, *more):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _mesh(results: Sequence[TreeResult]) -> dict[str, Any] | None:
    meshes = [result.mesh for result in results if result.mesh is not None]
    if not meshes:
        return None
    return {
        "cells": sum(mesh.cells for mesh in meshes),
        "vertices": sum(mesh.vertices for mesh in meshes),
        "min_quality": min(mesh.min_quality for mesh in meshes),
        "cells_per_diameter": min(mesh.cells_per_diameter for mesh in meshes),
        "by_tree": {result.tree.name: result.mesh.report for result in results if result.mesh is not None},
    }
