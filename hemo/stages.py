"""The stages of a run, each able to pick up what an interrupted run left in its work folder."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hemo.case import Case, resolve_path
from hemo.errors import InputError
from hemo.geometry.lesion import LesionOptions, with_reference_and_lesions
from hemo.geometry.sections import SectionProbes, section_probes
from hemo.geometry.surface import Surface
from hemo.geometry.synthetic import straight_stenosis
from hemo.geometry.truncate import truncate
from hemo.indices import facet_geometry, lesion_wall, map_to_centreline
from hemo.output import VolumeFields
from hemo.results import BranchFlow, TreeFlow
from hemo.summary import MeshInfo, TreeResult
from hemo.tetmesh import TetMesh
from hemo.tree import VesselTree
from hemo.treejson import document, read_trees, tree_to_json

if TYPE_CHECKING:
    from hemo.fem.job import FemResult

Array = NDArray[Any]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Geometry:
    """Trees with their lesions, the lumen they were found in (None for a bare tree), and whether LPS is known."""

    trees: tuple[VesselTree, ...]
    surface: Surface | None
    orientation_known: bool


@dataclass(frozen=True)
class MeshedTree:
    """A mesh, the tree cut to it, and the sections to be sampled on it."""

    mesh: TetMesh
    tree: VesselTree
    probes: SectionProbes
    info: MeshInfo


def input_files(case: Case, path: Path) -> dict[str, Path]:
    """Every file the result depends on, by the name it has in the summary.

    Raises
    ------
    InputError
        If a file named in the case is missing.
    """
    found = {str(path): Path(path)}
    for key in ("label_map", "surface", "tree"):
        text = getattr(case.geometry, key)
        if text is None:
            continue
        file = resolve_path(path, text)
        if not file.is_file():
            raise InputError(f"{path}: geometry.{key} {text!r} is not a file ({file}); correct the path.")
        found[text] = file
    return found


def check_case(case: Case, methods: Sequence[str]) -> None:
    """Refuse what cannot work before any time is spent on it."""
    from hemo.boundary import aortic_pressure

    aortic_pressure(case.physiology())
    case.fluid()
    if "fem" in methods and case.geometry.tree is not None:
        raise InputError(
            "geometry.tree holds centrelines only: use --method reduced, or give a label map or a surface."
        )


def load_geometry(case: Case, path: Path, work: Path) -> Geometry:
    """Read the case's lumen and find its trees and lesions; the work folder keeps them for a resumed run."""
    stored = work / "geometry.npz"
    if not stored.is_file():
        geometry = _find_geometry(case, path)
        work.mkdir(parents=True, exist_ok=True)
        _store_geometry(geometry, stored)
    return _stored_geometry(stored)


def _find_geometry(case: Case, path: Path) -> Geometry:
    source = case.geometry
    if source.analytic is not None:
        vessel = source.analytic
        surface, tree = straight_stenosis(
            vessel.diameter, vessel.length, vessel.severity, vessel.lesion_length, vessel.lesion_centre
        )
        return Geometry((tree,), surface, orientation_known=False)
    if source.tree is not None:
        stored = read_trees(resolve_path(path, source.tree))
        trees = tuple(item.tree if item.lesions_listed else _with_lesions(case, item.tree) for item in stored)
        return Geometry(trees, None, orientation_known=True)
    surface, found = _segmented(case, path)
    cut = (truncate(tree, source.minimal_outlet_diameter) for tree in (_with_lesions(case, tree) for tree in found))
    return Geometry(tuple(cut), surface, orientation_known=True)


def _segmented(case: Case, path: Path) -> tuple[Surface, tuple[VesselTree, ...]]:
    """The lumen surface and its trees, from a label map or a surface file."""
    from hemo.geometry.centreline import find_trees
    from hemo.geometry.image import read_labels
    from hemo.geometry.surface import read_surface, surface_from_labels

    source = case.geometry
    if source.label_map is not None:
        image = read_labels(resolve_path(path, source.label_map), source.labels)
        surface = surface_from_labels(image)
        return surface, find_trees(surface, image)
    surface = read_surface(resolve_path(path, source.surface or ""), source.unit)
    return surface, find_trees(surface, None)


def _with_lesions(case: Case, tree: VesselTree) -> VesselTree:
    return with_reference_and_lesions(tree, LesionOptions(minimal_stenosis=case.lesion.minimal_stenosis))


def _store_geometry(geometry: Geometry, path: Path) -> None:
    surface = geometry.surface or Surface(np.empty((0, 3)), np.empty((0, 3), dtype=np.int64))
    temporary = path.with_suffix(".tmp.npz")
    np.savez(
        temporary,
        points=surface.points,
        triangles=surface.triangles,
        trees=json.dumps(document([tree_to_json(tree) for tree in geometry.trees])),
        orientation_known=geometry.orientation_known,
    )
    temporary.rename(path)


def _stored_geometry(path: Path) -> Geometry:
    from hemo.treejson import parse_trees

    with np.load(path) as data:
        surface = Surface(data["points"], data["triangles"]) if len(data["points"]) else None
        trees = tuple(item.tree for item in parse_trees(str(data["trees"]), str(path)))
        return Geometry(trees, surface, bool(data["orientation_known"]))


def describe(trees: Sequence[VesselTree]) -> str:
    """One line on what was found, for the progress display."""
    return "; ".join(
        f"{tree.name}: {', '.join(branch.name for branch in tree.branches)}, {len(tree.lesions)} lesion(s)"
        for tree in trees
    )


def mesh_tree(case: Case, geometry: Geometry, tree: VesselTree, work: Path) -> MeshedTree:
    """Mesh one tree, or take the mesh that an interrupted run left."""
    from hemo.geometry.meshing import MeshOptions, build_mesh

    if geometry.surface is None:
        raise InputError("the finite-element method needs a lumen: give a label map or a surface.")
    work.mkdir(parents=True, exist_ok=True)
    record = work / "meshed.json"
    if not record.is_file():
        options = MeshOptions(
            cells_per_diameter=case.fem.cells_per_diameter,
            minimal_outlet_diameter=case.geometry.minimal_outlet_diameter,
            keep_ends=case.geometry.analytic is not None,
        )
        result = build_mesh(geometry.surface, tree, options)
        for warning in result.report.warnings:
            log.warning("%s tree: %s", tree.name, warning)
        result.mesh.save(work / "mesh.npz")
        section_probes(result.mesh, result.tree).save(work / "probes.npz")
        info = MeshInfo(
            result.report.cells,
            result.report.vertices,
            result.report.min_quality,
            result.report.cells_per_diameter_min,
        )
        log.info("%s tree: %s", tree.name, result.report)
        text = json.dumps({"tree": tree_to_json(result.tree), "info": info.__dict__})
        (work / "meshed.tmp").write_text(text)
        (work / "meshed.tmp").rename(record)
    return _stored_mesh(work)


def _stored_mesh(work: Path) -> MeshedTree:
    from hemo.treejson import parse_trees

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
    """Section means at the centreline points; a point whose section found no cell takes its neighbours' value."""
    flows = {}
    for branch in meshed.tree.branches:
        start, stop = meshed.probes.branch_slices[branch.name]
        area = solution.section_area[start:stop]
        good = np.flatnonzero(area > 0.0)
        arc = branch.arc
        flows[branch.name] = BranchFlow(
            np.interp(arc, arc[good], solution.section_pressure[start:stop][good]),
            np.interp(arc, arc[good], solution.section_flow[start:stop][good]),
        )
    return flows


def volume(meshed: MeshedTree, solution: FemResult) -> VolumeFields:
    """The fields of ``volume.vtu``."""
    return VolumeFields(meshed.mesh, solution.velocity, solution.pressure)
