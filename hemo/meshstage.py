"""The stage that meshes trees, side by side where there are several, and keeps each mesh in a folder."""

from __future__ import annotations

import json
import logging
import os
import queue
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from logging.handlers import QueueHandler
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hemo.case import Case
from hemo.errors import EnvironmentMissing, HemoError, InputError, TreesNotMeshed
from hemo.files import file_name, replace_text
from hemo.geometry.mesh.extensions import Extension
from hemo.geometry.mesh.quality import gamma
from hemo.geometry.mesh.sections import SectionProbes
from hemo.stages import Geometry
from hemo.tetmesh import TetMesh
from hemo.tree import VesselTree
from hemo.treejson import parse_trees, tree_to_json
from hemo.treesummary import MeshInfo

log = logging.getLogger(__name__)

PROBES = "probes.npz"
SAME_LENGTH = 1e-3  # m
MESHED = "meshed.json"  # in a tree's work folder, written last: the mesh beside it is whole


@dataclass(frozen=True)
class MeshedTree:
    """A mesh, the tree cut to it, and the flow extensions that no result counts; they are stored in a ``folder``."""

    mesh: TetMesh
    tree: VesselTree
    info: MeshInfo
    extensions: tuple[Extension, ...]
    folder: Path

    @cached_property
    def probes(self) -> SectionProbes:
        """The sections to be sampled on it: larger than the mesh, and read only where they are wanted."""
        return SectionProbes.load(self.folder / PROBES)

    @cached_property
    def quality(self) -> NDArray[np.float64]:
        """(m,) gamma of the cells, those of boundary layers left out."""
        return gamma(self.mesh)[: len(self.mesh.cells) - self.info.report["layer_cells"]]


Mesher = Callable[[Case], MeshedTree]


def cells(meshed: MeshedTree) -> int:
    """How many a mesh has."""
    return meshed.info.cells


def mesh_trees[Made](
    case: Case, geometry: Geometry, work: Path, then: Callable[[MeshedTree], Made], processes: int | None = None
) -> list[Made]:
    """Mesh every tree in ``work/TREE``, in so many processes side by side: by default one a core.

    Returns what ``then``, a function of a module, makes of each mesh in the process that made it; :func:`mesh_tree`
    gives the meshes themselves afterwards. They are those made one after the other, and what the processes log is
    repeated here tree by tree. Each takes its own memory (docs/benchmarks.md, ``mesh_cost``); where that was too much,
    the trees follow one by one.

    Raises
    ------
    TreesNotMeshed
        If some trees could not be meshed, after the others were; where none could, the first one's error.
    """
    places = [(tree, work / file_name(tree.name)) for tree in geometry.trees]
    unmade = sum(not (place / MESHED).is_file() for _, place in places)
    processes = min(unmade, processes or len(os.sched_getaffinity(0)))
    if processes > 1:
        try:
            return _all_meshed(places, _mesh_side_by_side(case, geometry, places, then, processes))
        except BrokenProcessPool:
            log.warning("a process that meshed a tree was ended from outside, perhaps for lack of memory.")
    return _all_meshed(places, (_meshed(case, geometry, tree, place, then) for tree, place in places))


def _meshed[Made](
    case: Case, geometry: Geometry, tree: VesselTree, work: Path, then: Callable[[MeshedTree], Made]
) -> Made | HemoError:
    try:
        return then(mesh_tree(case, geometry, tree, work))
    except EnvironmentMissing:
        raise
    except HemoError as error:
        return error


def _all_meshed[Made](places: Sequence[tuple[VesselTree, Path]], results: Iterable[Made | HemoError]) -> list[Made]:
    """What was made of each tree, or the errors of those of which nothing was, in one sentence."""
    made: list[Made] = []
    failed: dict[str, HemoError] = {}
    for (tree, _), result in zip(places, results, strict=True):
        if isinstance(result, HemoError):
            failed[tree.name] = result
        else:
            made.append(result)
    if not failed:
        return made
    if not made:
        raise next(iter(failed.values()))
    others = ", ".join(tree.name for tree, _ in places if tree.name not in failed)
    which = f"{len(failed)} of {len(places)} trees could not be meshed ({others}: meshed)"
    raise TreesNotMeshed(f"{which}: {' '.join(map(str, failed.values()))}", made)


def _mesh_side_by_side[Made](
    case: Case,
    geometry: Geometry,
    places: Sequence[tuple[VesselTree, Path]],
    then: Callable[[MeshedTree], Made],
    processes: int,
) -> list[Made | HemoError]:
    made: list[Made | HemoError] = []
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(_mesh_apart, case, geometry, tree, place, then) for tree, place in places]
        for future in waiting:
            records, result = future.result()
            for record in records:
                logger = logging.getLogger(record.name)
                if logger.isEnabledFor(record.levelno):
                    logger.handle(record)
            if isinstance(result, EnvironmentMissing):
                pool.shutdown(cancel_futures=True)
                raise result
            made.append(result)
    return made


def _mesh_apart[Made](
    case: Case, geometry: Geometry, tree: VesselTree, work: Path, then: Callable[[MeshedTree], Made]
) -> tuple[list[logging.LogRecord], Made | HemoError]:
    """Mesh a tree in a process of its own; what was logged there, and what was made or the error that ended it."""
    said: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    logger = logging.getLogger("hemo")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.handlers = [QueueHandler(said)]
    try:
        result = _meshed(case, geometry, tree, work, then)
    except EnvironmentMissing as error:
        result = error
    return [said.get() for _ in range(said.qsize())], result


def mesher(geometry: Geometry, tree: VesselTree, work: Path) -> Mesher:
    """What makes further meshes of a tree by other cases, each in a folder of ``work``; warnings are only logged."""

    def again(case: Case) -> MeshedTree:
        with auxiliary():
            return mesh_tree(case, geometry, tree, work / f"cells_{case.fem.cells_per_diameter:.3g}")

    return again


@contextmanager
def auxiliary() -> Iterator[None]:
    """Within, hemo's warnings go to its log and to no collector: they concern no mesh that a result is on."""
    collectors = [handler for handler in logging.getLogger("hemo").handlers if handler.level >= logging.WARNING]
    for handler in collectors:
        handler.addFilter(_nothing)
    try:
        yield
    finally:
        for handler in collectors:
            handler.removeFilter(_nothing)


def _nothing(_: logging.LogRecord) -> bool:
    return False


def same_vessels(one: VesselTree, other: VesselTree) -> bool:
    """Whether two meshes of a tree end at the same places."""
    if [branch.name for branch in one.branches] != [branch.name for branch in other.branches]:
        return False
    lengths = [(branch.length, other[branch.name].length) for branch in one.branches]
    return one.outlets == other.outlets and all(abs(a - b) < SAME_LENGTH for a, b in lengths)


def mesh_tree(case: Case, geometry: Geometry, tree: VesselTree, work: Path) -> MeshedTree:
    """Mesh one tree, or take the mesh that an interrupted run left.

    A tree without a lumen gets one of round sections.
    """
    from hemo.geometry.mesh.meshing import MeshOptions, build_mesh
    from hemo.geometry.synthetic.roundlumen import round_lumen

    if tree.connections:
        raise InputError(
            f"tree {tree.name!r}: grafts and collaterals are in the reduced model only; add --method reduced, or take "
            "the tree's connections out."
        )
    work.mkdir(parents=True, exist_ok=True)
    record = work / MESHED
    if not record.is_file():
        options = MeshOptions(
            cells_per_diameter=case.fem.cells_per_diameter,
            minimal_outlet_diameter=0.0,  # the tree's ends are where they belong, those at a surface's caps too
            keep_ends=case.geometry.analytic is not None,
            outlet_extension=case.geometry.flow_extension,
            inlet_extension=case.geometry.inlet_extension,
            stretch=case.fem.stretch,
            layers=case.fem.layers,
        )
        try:
            surface = geometry.surface
            if surface is None:
                log.warning("%s tree: it came without a lumen; round sections of its areas are one.", tree.name)
                surface = round_lumen(tree)
            result = build_mesh(surface, tree, options)
        except InputError as error:
            raise error if str(error).startswith("tree ") else InputError(f"tree {tree.name!r}: {error}") from error
        report = result.report
        for warning in report.warnings:
            log.warning("%s tree: %s", tree.name, warning)
        result.mesh.save(work / "mesh.npz")
        result.probes.save(work / PROBES)
        details = {
            "method": report.method,
            "volume_error": report.volume_error,
            "cells_per_diameter_median": report.cells_per_diameter_median,
            **report.quality.as_json(),
        }
        info = MeshInfo(
            report.cells, report.vertices, report.min_quality, report.cells_per_diameter_min, report=details
        )
        log.info("%s tree: %s", tree.name, report)
        extensions = [extension.to_json() for extension in result.extensions]
        text = {"tree": tree_to_json(result.tree), "info": info.__dict__, "extensions": extensions}
        replace_text(record, json.dumps(text))
    return _stored_mesh(work)


def _stored_mesh(work: Path) -> MeshedTree:
    record = json.loads((work / MESHED).read_text())
    (stored,) = parse_trees(json.dumps(record["tree"]), str(work))
    info = MeshInfo(**record["info"])
    extensions = tuple(Extension.from_json(item) for item in record["extensions"])
    return MeshedTree(TetMesh.load(work / "mesh.npz"), stored.tree, info, extensions, work)
