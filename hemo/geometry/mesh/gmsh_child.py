"""The only module that imports gmsh; a program of its own: ``python -m hemo.geometry.mesh.gmsh_child JOB``.

The gmsh wheel carries an old PETSc, which disturbs a process that has loaded MPI, and gmsh is under the
GPL: so hemo starts it as a separate program and exchanges files. JOB is a folder with ``task.json``
(``{"task": "fill" | "remesh", ...options}``) and ``in.npz``; the answer is ``out.npz`` there. Lengths are
millimetres. A failure ends with exit code 1 and its reason on stderr.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gmsh
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Made = dict[str, Array]

TRIANGLE, TETRAHEDRON = 2, 4  # gmsh's element types


def main(folder: Path) -> None:
    """Do the job that lies in ``folder``."""
    task = json.loads((folder / "task.json").read_text())
    with np.load(folder / "in.npz") as data:
        given = {name: data[name] for name in data.files}
    with _gmsh():
        made = {"fill": fill, "remesh": remesh}[task.pop("task")](given, task)
    np.savez(folder / "out.npz", **made)  # type: ignore[arg-type]


@contextmanager
def _gmsh() -> Iterator[None]:
    gmsh.initialize(["hemo"], readConfigFiles=False, interruptible=False)
    gmsh.option.setNumber("General.Terminal", 0)
    gmsh.logger.start()
    try:
        yield
    except Exception as error:
        said = [line for line in gmsh.logger.get() if line.startswith(("Error", "Warning"))]
        raise RuntimeError("; ".join([str(error), *said[-3:]])) from error
    finally:
        gmsh.finalize()


def fill(given: Mapping[str, Array], options: Mapping[str, Any]) -> Made:
    """Tetrahedra inside a closed triangulation, whose triangles are kept as they are.

    Given ``points`` (n, 3) and ``triangles`` (m, 3) facing outward. Options ``algorithm`` (gmsh's
    Mesh.Algorithm3D: 1 Delaunay, 4 frontal, 10 HXT), ``optimise`` (its own optimiser), ``netgen``,
    ``threshold`` (quality below which a cell is worked on). Made: ``points`` whose first n are the given
    ones, ``cells`` (k, 4).
    """
    count = len(given["points"])
    gmsh.model.addDiscreteEntity(2, 1)
    gmsh.model.mesh.addNodes(2, 1, np.arange(1, count + 1), given["points"].ravel())
    gmsh.model.mesh.addElementsByType(1, TRIANGLE, [], given["triangles"].ravel() + 1)
    loop = gmsh.model.geo.addSurfaceLoop([1])
    volume = gmsh.model.geo.addVolume([loop])
    gmsh.model.geo.synchronize()
    for name, value in {
        "Mesh.Algorithm3D": options.get("algorithm", 10),
        "Mesh.Optimize": int(options.get("optimise", True)),
        "Mesh.OptimizeNetgen": int(options.get("netgen", False)),
        "Mesh.OptimizeThreshold": options.get("threshold", 0.4),
        "Mesh.MeshSizeExtendFromBoundary": 1,
        "Mesh.MeshSizeFromPoints": 0,
        "General.NumThreads": options.get("threads", 1),
    }.items():
        gmsh.option.setNumber(name, value)
    gmsh.model.mesh.generate(3)
    for method in options.get("extra", []):
        gmsh.model.mesh.optimize(method, force=True, niter=1)
    return _tetrahedra(volume, count)


def _tetrahedra(volume: int, count: int) -> Made:
    tags, coordinates, _ = gmsh.model.mesh.getNodes()
    elements, nodes = gmsh.model.mesh.getElementsByType(TETRAHEDRON, volume)
    if len(elements) == 0:
        raise RuntimeError("gmsh made no tetrahedra")
    tags = tags.astype(np.int64)
    order = np.argsort(tags)
    tags, points = tags[order], coordinates.reshape(-1, 3)[order]
    if not np.array_equal(tags[:count], np.arange(1, count + 1)):
        raise RuntimeError("gmsh changed the boundary")
    number = np.full(tags.max() + 1, -1, dtype=np.int64)
    number[tags] = np.arange(len(tags))
    return {"points": points, "cells": number[nodes.astype(np.int64)].reshape(-1, 4)}


def remesh(given: Mapping[str, Array], options: Mapping[str, Any]) -> Made:
    """Triangles of a wanted size on the parts of a tagged surface, by gmsh's reparametrisation.

    Given ``points``, ``triangles``, ``tags`` (m,) and ``size`` (n,) at the points. Made: ``points`` and
    ``triangles``, with the rims of the parts among their edges. Meant for when mmgs is missing.
    """
    from scipy.spatial import cKDTree

    count = len(given["points"])
    gmsh.option.setNumber("General.NumThreads", 1)
    parts = np.unique(given["tags"])
    for part in parts:
        gmsh.model.addDiscreteEntity(2, int(part))
    gmsh.model.mesh.addNodes(2, int(parts[0]), np.arange(1, count + 1), given["points"].ravel())
    for part in parts:
        own = given["triangles"][given["tags"] == part]
        gmsh.model.mesh.addElementsByType(int(part), TRIANGLE, [], own.ravel() + 1)
    gmsh.model.mesh.reclassifyNodes()
    gmsh.model.mesh.createTopology()
    gmsh.model.mesh.classifySurfaces(np.radians(options.get("angle", 60.0)), True, True, np.pi)
    gmsh.model.mesh.createGeometry()
    gmsh.model.geo.synchronize()
    tree, size = cKDTree(given["points"]), given["size"]

    def wanted(_dim: int, _tag: int, x: float, y: float, z: float, _lc: float) -> float:
        return float(size[tree.query([x, y, z])[1]])

    gmsh.model.mesh.setSizeCallback(wanted)
    for name in ("Mesh.MeshSizeExtendFromBoundary", "Mesh.MeshSizeFromPoints", "Mesh.MeshSizeFromCurvature"):
        gmsh.option.setNumber(name, 0)
    gmsh.option.setNumber("Mesh.Algorithm", 6)
    gmsh.model.mesh.generate(2)
    return _triangles()


def _triangles() -> Made:
    tags, coordinates, _ = gmsh.model.mesh.getNodes()
    _, nodes = gmsh.model.mesh.getElementsByType(TRIANGLE)
    number = np.full(int(tags.max()) + 1, -1, dtype=np.int64)
    number[tags.astype(np.int64)] = np.arange(len(tags))
    used, compact = np.unique(number[nodes.astype(np.int64)], return_inverse=True)
    return {"points": coordinates.reshape(-1, 3)[used], "triangles": compact.reshape(-1, 3)}


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except Exception as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
