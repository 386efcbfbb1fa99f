"""The stages that need a mesh: meshing a tree, solving on it, and what follows from the solution."""

from __future__ import annotations

import json
import logging
import os
import queue
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from logging.handlers import QueueHandler
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hemo.case import Case
from hemo.errors import InputError
from hemo.files import replace_text
from hemo.geometry.mesh.sections import SectionProbes
from hemo.indices import facet_geometry, lesion_wall, map_to_centreline
from hemo.output import VolumeFields
from hemo.results import BranchFlow, TreeFlow
from hemo.stages import Geometry
from hemo.summary import MeshInfo, TreeResult
from hemo.tetmesh import TetMesh
from hemo.tree import VesselTree, flow_between_points
from hemo.treejson import parse_trees, tree_to_json

if TYPE_CHECKING:
    from hemo.fem.job import FemResult

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MeshedTree:
    """A mesh, the tree cut to it, and the sections to be sampled on it."""

    mesh: TetMesh
    tree: VesselTree
    probes: SectionProbes
    info: MeshInfo


def mesh_trees(case: Case, geometry: Geometry, work: Path) -> list[MeshedTree]:
    """Mesh every tree in ``work/TREE``, several at a time where there are cores for it."""
    trees = geometry.trees
    processes = min(len(trees), len(os.sched_getaffinity(0)))
    if processes > 1:
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            waiting = [pool.submit(_mesh_apart, case, geometry, tree, work / tree.name) for tree in trees]
            for said in (future.result() for future in waiting):
                for record in said:
                    logging.getLogger(record.name).handle(record)
    return [mesh_tree(case, geometry, tree, work / tree.name) for tree in trees]


def _mesh_apart(case: Case, geometry: Geometry, tree: VesselTree, work: Path) -> list[logging.LogRecord]:
    """Mesh a tree in a process of its own; returns what was logged there."""
    said: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    logger, handler = logging.getLogger("hemo"), QueueHandler(said)
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    logger.propagate = False
    try:
        mesh_tree(case, geometry, tree, work)
    finally:
        logger.removeHandler(handler)
    return [said.get() for _ in range(said.qsize())]


def mesh_tree(case: Case, geometry: Geometry, tree: VesselTree, work: Path) -> MeshedTree:
    """Mesh one tree, or take the mesh that an interrupted run left."""
    from hemo.geometry.mesh.layers import LayerOptions
    from hemo.geometry.mesh.meshing import MeshOptions, build_mesh

    if geometry.surface is None:
        raise InputError("the finite-element method needs a lumen: give a label map or a surface.")
    work.mkdir(parents=True, exist_ok=True)
    record = work / "meshed.json"
    if not record.is_file():
        wanted = case.fem
        options = MeshOptions(
            cells_per_diameter=wanted.cells_per_diameter,
            minimal_outlet_diameter=case.geometry.minimal_outlet_diameter,
            keep_ends=case.geometry.analytic is not None,
            layers=LayerOptions(wanted.boundary_layers, wanted.first_layer, wanted.layer_growth),
        )
        result = build_mesh(geometry.surface, tree, options)
        report = result.report
        for warning in report.warnings:
            log.warning("%s tree: %s", tree.name, warning)
        result.mesh.save(work / "mesh.npz")
        result.probes.save(work / "probes.npz")
        details = {"method": report.method, "volume_error": report.volume_error, **report.quality.as_json()}
        info = MeshInfo(
            report.cells, report.vertices, report.min_quality, report.cells_per_diameter_min, report=details
        )
        log.info("%s tree: %s", tree.name, report)
        text = json.dumps({"tree": tree_to_json(result.tree), "info": info.__dict__})
        replace_text(record, text)
    return _stored_mesh(work)


def _stored_mesh(work: Path) -> MeshedTree:
    record = json.loads((work / "meshed.json").read_text())
    (stored,) = parse_trees(json.dumps(record["tree"]), str(work))
    info = MeshInfo(**record["info"])
    return MeshedTree(TetMesh.load(work / "mesh.npz"), stored.tree, SectionProbes.load(work / "probes.npz"), info)


def solve_fem(
    case: Case,
    meshed: MeshedTree,
    start: TreeResult,
    work: Path,
    logs: Path,
    ranks: int,
    tell: Callable[[str], None],
) -> FemResult:
    """Solve on the mesh from the reduced solution, in ``work/fem``; a finished solve there is taken as it is.

    The worker's log goes to the end of ``logs/log.txt``, the other ranks' to files beside it.
    """
    from hemo.fem.initial import initial_fields
    from hemo.fem.job import read_result, write_job
    from hemo.fem.launch import run_worker

    job = work / "fem"
    if not (job / "result.npz").is_file():
        job.mkdir(exist_ok=True)
        assert start.reduced is not None
        initial = initial_fields(meshed.mesh.points, meshed.tree, start.reduced)
        write_job(job, meshed.mesh, meshed.probes, initial, case.fluid(), start.conditions)
        run_worker(job, ranks, lambda status: tell(_progress_line(status)))
        _keep_logs(job, logs, meshed.tree.name)
    return read_result(job)


def _keep_logs(job: Path, logs: Path, tree: str) -> None:
    """Move the ranks' logs from the job's folder to the run's."""
    first = job / "log.txt"
    if first.is_file():
        with open(logs / "log.txt", "a", encoding="utf-8") as file:
            file.write(first.read_text(encoding="utf-8"))
        first.unlink()
    for other in job.glob("log.rank*.txt"):
        with open(logs / f"log.{tree}{other.name.removeprefix('log')}", "a", encoding="utf-8") as file:
            file.write(other.read_text(encoding="utf-8"))
        other.unlink()


def _progress_line(status: Mapping[str, Any]) -> str:
    parts = [str(status.get("state", ""))]
    if status.get("step") is not None:
        parts.append(f"step {status['step']}")
    if status.get("residual") is not None:
        parts.append(f"residual {status['residual']:.1e}")
    return ", ".join(part for part in parts if part)


def with_fem(result: TreeResult, meshed: MeshedTree, solution: FemResult) -> TreeResult:
    """Add the finite-element flow, the wall traction and the lesions' wall indices to a tree's result."""
    flow = TreeFlow(
        "fem", solution.status, result.conditions.aortic_pressure, _branch_flows(meshed, solution), solution.message
    )
    walls = {}
    where = map_to_centreline(meshed.tree, facet_geometry(solution.wall)[0])
    for lesion in meshed.tree.lesions:
        along = flow.branches[lesion.branch].pressure
        datum = float(np.interp(lesion.start, meshed.tree[lesion.branch].arc, along))
        try:
            walls[lesion.id] = lesion_wall(meshed.tree, lesion, solution.wall, where, datum)
        except ValueError as error:
            log.warning("%s", error)
    return replace(result, fem=flow, traction=solution.wall, lesion_walls=walls, mesh=meshed.info)


def _branch_flows(meshed: MeshedTree, solution: FemResult) -> dict[str, BranchFlow]:
    """Section means of the pressure, and the flow that the outlets fed by each stretch carry.

    In a junction a section also cuts the neighbouring vessel: its flow is not one vessel's. A point whose section
    found no cell takes its neighbours' pressure.
    """
    outlets = np.array([solution.outlet_flow[name] for name in meshed.tree.outlets])
    between = flow_between_points(meshed.tree, outlets)
    flows = {}
    for branch in meshed.tree.branches:
        start, stop = meshed.probes.branch_slices[branch.name]
        good = np.flatnonzero(solution.section_area[start:stop] > 0.0)
        pressure = np.interp(branch.arc, branch.arc[good], solution.section_pressure[start:stop][good])
        flow = between[branch.name]
        flows[branch.name] = BranchFlow(pressure, np.concatenate([flow[:1], flow]))
    return flows


def volume(meshed: MeshedTree, solution: FemResult) -> VolumeFields:
    """The fields of ``volume.vtu``."""
    return VolumeFields(meshed.mesh, solution.velocity, solution.pressure)
