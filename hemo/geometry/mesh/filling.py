"""Fill a closed tagged surface with tetrahedra: gmsh as a program of its own, and what is done about poor cells."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import hemo
from hemo.errors import EnvironmentMissing, InputError
from hemo.geometry.mesh.clipping import TaggedSurface
from hemo.geometry.mesh.peeling import peel_flat_cells
from hemo.geometry.mesh.quality import gamma
from hemo.geometry.mesh.untangling import relax
from hemo.tetmesh import FACES, TetMesh, face_keys

Array = NDArray[Any]
log = logging.getLogger(__name__)

MM = 1e-3  # gmsh works in millimetres about the middle of the surface
GMSH_TIME_LIMIT = 1200  # s
POOR_QUALITY = 0.15  # gamma below which a cell's wall vertices are smoothed
RELAXATIONS = 3
OPTIMISED = 0.35  # gamma below which a mesher works on a cell; from 0.4 on it takes three times as long


def fill(
    boundary: TaggedSurface, name: str = "vessel", peel: bool = True, poor_quality: float = POOR_QUALITY
) -> tuple[TetMesh, str]:
    """Tetrahedra inside a closed tagged surface, its triangles kept, and the name of the method that made them.

    Flat cells on the wall are taken off (``peel``: two triangles of the wall change for each). Where a narrow crease of
    the wall forces a poor cell, the wall's vertices there are smoothed and the filling is done again, with more
    optimisation, a few times; the best is returned. ``name`` is that of the tree in warnings; cells are poor below the
    gamma ``poor_quality``.

    Raises
    ------
    InputError
        If no method fills the surface.
    """
    mesh, quality, method = _tetrahedra(boundary, name, peel, poor_quality)
    best, lowest = (mesh, method), quality.min()
    poor = np.zeros(len(boundary.points), dtype=bool)
    for _ in range(RELAXATIONS):
        poor[boundary.triangles[poor[boundary.triangles].any(axis=1)]] = True  # one ring more than last time
        corners = mesh.cells[quality < poor_quality].ravel()
        poor[corners[corners < len(poor)]] = True
        if quality.min() >= poor_quality:
            break
        boundary = relax(boundary, poor)
        try:
            mesh, quality, method = _tetrahedra(boundary, name, peel, poor_quality, extra=[""])
        except InputError as error:
            log.warning("%s tree: %s The mesh before smoothing is kept.", name, error)
            break
        if quality.min() > lowest:
            best, lowest = (mesh, method), quality.min()
    return best


def _tetrahedra(
    boundary: TaggedSurface, name: str, peel: bool, poor_quality: float, **options: Any
) -> tuple[TetMesh, Array, str]:
    """The mesh, the quality of its cells, and the name of the method."""
    middle = boundary.points.mean(axis=0)
    given = {"points": (boundary.points - middle) / MM, "triangles": boundary.triangles}
    made, method = _filled(given, name, **options)
    points = made["points"] * MM + middle
    points[: len(boundary.points)] = boundary.points
    mesh = TetMesh(points, made["cells"].astype(np.int64), boundary.triangles, boundary.tags, boundary.names)
    if np.median(mesh.cell_volumes()) < 0.0:
        mesh = replace(mesh, cells=mesh.cells[:, [0, 1, 3, 2]])
    mesh = split_corner_cells(mesh)
    quality = gamma(mesh)
    if peel:
        mesh, gone = peel_flat_cells(mesh, quality, poor_quality)
        quality = np.delete(quality, gone)
    return mesh, quality, method


def split_corner_cells(mesh: TetMesh) -> TetMesh:
    """Give each cell with three faces on the boundary a vertex in its middle.

    All six edges of such a cell lie on the boundary, so that with velocity prescribed there its pressure is
    undetermined (the Taylor-Hood pair wants a free velocity in every cell).
    """
    on_boundary = np.zeros(len(mesh.points), dtype=bool)
    on_boundary[mesh.facets] = True
    corner = np.flatnonzero(on_boundary[mesh.cells].all(axis=1))
    key = face_keys(np.concatenate([mesh.facets, mesh.cells[corner][:, FACES].reshape(-1, 3)]))
    outer = np.isin(key[len(mesh.facets) :], key[: len(mesh.facets)]).reshape(-1, 4)
    corner = corner[outer.sum(axis=1) >= 3]
    if len(corner) == 0:
        return mesh
    middle = len(mesh.points) + np.arange(len(corner))
    pieces = np.repeat(mesh.cells[corner][None], 4, axis=0)
    for vertex in range(4):
        pieces[vertex, :, vertex] = middle
    points = np.vstack([mesh.points, mesh.points[mesh.cells[corner]].mean(axis=1)])
    return replace(mesh, points=points, cells=np.vstack([np.delete(mesh.cells, corner, axis=0), *pieces]))


def _filled(given: Mapping[str, Array], name: str, **options: Any) -> tuple[dict[str, Array], str]:
    """By HXT (Marot, Pellerin and Remacle 2019, Int J Numer Meth Eng 117:967), by Delaunay and Netgen if it fails.

    HXT's own optimiser ends at about the smallest gamma of Netgen's on the Delaunay mesh in a quarter of the time;
    gmsh's after it (``extra = [""]``) raises it for a third more of the time (docs/benchmarks.md, ``mesh_optimisers``).
    """
    try:
        return run_gmsh("fill", given, algorithm=10, threshold=OPTIMISED, **options), "HXT"
    except InputError as error:
        log.warning("%s tree: %s Delaunay with Netgen is tried.", name, error)
    return run_gmsh("fill", given, algorithm=1, threshold=OPTIMISED, netgen=True), "Delaunay and Netgen"


def run_gmsh(task: str, arrays: Mapping[str, Array], **options: Any) -> dict[str, Array]:
    """Run one task of :mod:`gmsh_child` in a process of its own, which never sees MPI.

    Raises
    ------
    EnvironmentMissing
        If gmsh is not installed.
    InputError
        If gmsh fails or takes too long.
    """
    if find_spec("gmsh") is None:
        raise EnvironmentMissing("gmsh is not installed; run 'make setup', or install the extra hemo[mesh].")
    with tempfile.TemporaryDirectory(prefix="hemo-gmsh-") as name:
        folder = Path(name)
        np.savez(folder / "in.npz", **arrays)  # type: ignore[arg-type]
        (folder / "task.json").write_text(json.dumps({"task": task, **options}))
        root = str(Path(hemo.__file__).parent.parent)
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        try:
            done = subprocess.run(
                [sys.executable, "-m", "hemo.geometry.mesh.gmsh_child", name],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
                capture_output=True,
                text=True,
                timeout=GMSH_TIME_LIMIT,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise InputError(f"gmsh did not end within {GMSH_TIME_LIMIT} s; ask for fewer cells.") from error
        if done.returncode != 0 or not (folder / "out.npz").is_file():
            last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
            raise InputError(f"gmsh could not {task} the lumen: {last[0]}.")
        with np.load(folder / "out.npz") as data:
            return {key: data[key] for key in data.files}
