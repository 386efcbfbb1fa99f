"""``summary.json``: every number of a run, with what it stands on. ``hemo schema summary`` documents each key."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo import __version__
from hemo.boundary import Assumption, FlowConditions
from hemo.indices import LesionWall, lesion_pressure
from hemo.results import Status, TreeFlow, WallTraction
from hemo.tree import Branch, Lesion, VesselTree
from hemo.units import MILLIMETRE, ML_PER_MIN, SQUARE_MILLIMETRE

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class MeshInfo:
    """What the summary says of one tree's mesh; ``report`` holds what has no key of its own, as JSON values."""

    cells: int
    vertices: int
    min_quality: float
    cells_per_diameter: float
    report: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TreeResult:
    """Everything known of one tree when the run ends; a method that was not asked for is None."""

    tree: VesselTree
    assumptions: tuple[Assumption, ...]
    conditions: FlowConditions
    reduced: TreeFlow | None = None
    reduced_rest: TreeFlow | None = None
    fem: TreeFlow | None = None
    traction: WallTraction | None = None
    lesion_walls: dict[str, LesionWall] = field(default_factory=dict)
    mesh: MeshInfo | None = None


@dataclass(frozen=True)
class RunRecord:
    """What concerns the run as a whole."""

    case: str
    methods: tuple[str, ...]
    warnings: tuple[str, ...]
    timing: dict[str, float]
    inputs: dict[str, str]
    density: float
    measurement_distance: float
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
            {"tree": result.tree.name, "name": a.name, "value": _plain(a.value), "unit": a.unit, "source": a.source}
            for result in results
            for a in result.assumptions
        ],
        "mesh": _mesh(results),
        "trees": [_tree(run, result) for result in results],
    }


def overall_status(results: Sequence[TreeResult]) -> Status:
    """The worst status of all solves."""
    solves = [flow for r in results for flow in (r.reduced, r.reduced_rest, r.fem) if flow is not None]
    bad = [flow.status for flow in solves if flow.status is not Status.CONVERGED]
    return bad[0] if bad else Status.CONVERGED


def software() -> dict[str, str]:
    """Versions of hemo and of the libraries a result depends on, where they are installed."""
    found = {"hemo": __version__, "python": platform.python_version()}
    names = ("numpy", "scipy", "fenics-dolfinx", "petsc4py", "mpi4py", "gmsh", "vtk", "SimpleITK", "scikit-image")
    for name in names:
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


def _tree(run: RunRecord, result: TreeResult) -> dict[str, Any]:
    flows = {"reduced": result.reduced, "fem": result.fem}
    asked = {name: flow for name, flow in flows.items() if flow is not None and name in run.methods}
    return {
        "name": result.tree.name,
        "branches": [_branch(branch, asked, result.reduced_rest) for branch in result.tree.branches],
        "lesions": [_lesion(run, lesion, result, asked) for lesion in result.tree.lesions],
    }


def branch_geometry(branch: Branch) -> dict[str, Any]:
    """What is told of a branch whatever was solved on it."""
    return {
        "name": branch.name,
        "parent": branch.parent,
        "length_mm": branch.length / MILLIMETRE,
        "proximal_diameter_mm": float(branch.diameter[0]) / MILLIMETRE,
        "distal_diameter_mm": float(branch.diameter[-1]) / MILLIMETRE,
        "is_outlet": branch.is_outlet,
    }


def lesion_geometry(lesion: Lesion) -> dict[str, Any]:
    """What is told of a lesion whatever was solved round it."""
    return {
        "id": lesion.id,
        "branch": lesion.branch,
        "start_mm": lesion.start / MILLIMETRE,
        "end_mm": lesion.end / MILLIMETRE,
        "mla_mm2": lesion.minimal_lumen_area / SQUARE_MILLIMETRE,
        "reference_area_mm2": lesion.reference_area / SQUARE_MILLIMETRE,
        "percent_diameter_stenosis": 100.0 * lesion.diameter_stenosis,
        "percent_area_stenosis": 100.0 * lesion.area_stenosis,
        "length_mm": lesion.length / MILLIMETRE,
        "radius_gradient_up": lesion.radius_gradient_up,
        "radius_gradient_down": lesion.radius_gradient_down,
    }


def _branch(branch: Branch, flows: dict[str, TreeFlow], rest: TreeFlow | None) -> dict[str, Any]:
    row = branch_geometry(branch)
    for name, flow in flows.items():
        along = flow.branches[branch.name]
        converged = flow.status is Status.CONVERGED
        resting = rest.branches[branch.name].flow[0] if rest is not None and name == "reduced" else None
        row[name] = {
            "ffr": _plain(flow.ffr(branch.name)[-1]) if converged else None,
            "flow_ml_min": _plain(along.flow[0] / ML_PER_MIN),
            "distal_flow_ml_min": _plain(along.flow[-1] / ML_PER_MIN),
            "rest_flow_ml_min": None if resting is None else _plain(resting / ML_PER_MIN),
            "cfr": None if resting is None else _plain(along.flow[0] / resting),
        }
    return row


def _lesion(run: RunRecord, lesion: Lesion, result: TreeResult, flows: dict[str, TreeFlow]) -> dict[str, Any]:
    row = lesion_geometry(lesion)
    density = run.density if run.orientation_known else None
    for name, flow in flows.items():
        if flow.status is not Status.CONVERGED:
            row[name] = None
            continue
        pressure = lesion_pressure(result.tree, lesion, flow, density, run.measurement_distance)
        row[name] = {
            "ffr_proximal": pressure.proximal,
            "ffr_distal": pressure.distal,
            "ffr_distal_at_mm": pressure.place / MILLIMETRE,
            "ffr_wire_equivalent": pressure.wire_equivalent,
            "delta_ffr": pressure.delta,
            "ffr_interval": None,
        }
        if name == "fem" and lesion.id in result.lesion_walls:
            row[name] |= _wall(result.lesion_walls[lesion.id])
    return row


def _wall(wall: LesionWall) -> dict[str, Any]:
    def stress(values: dict[str, float]) -> dict[str, Any]:
        return {
            "mean_pa": _plain(values["mean"]),
            "upstream_pa": _plain(values["upstream"]),
            "downstream_pa": _plain(values["downstream"]),
        }

    return {
        "wss_mean_pa": wall.wss_mean,
        "wss_max_pa": wall.wss_max,
        "axial_force_n": wall.axial_force,
        "aps_gauge": stress(wall.gauge),
        "aps_relative": {**stress(wall.relative), "datum": {"name": "lesion start", "pressure_pa": wall.datum}},
    }


def _plain(value: Any) -> Any:
    """A JSON value: floats finite or null."""
    if isinstance(value, str):
        return value
    number = float(value)
    return number if np.isfinite(number) else None


def ffr_range(results: Sequence[TreeResult], method: str) -> NDArray[np.float64]:
    """All FFR values of a method along all trees, for a colour scale."""
    flows = [(r.tree, getattr(r, method)) for r in results]
    values = [flow.ffr(branch.name) for tree, flow in flows if flow is not None for branch in tree.branches]
    return np.concatenate(values) if values else np.empty(0)
