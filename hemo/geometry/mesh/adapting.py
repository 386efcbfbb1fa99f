"""Tetrahedra of the wanted width and stretch inside a lumen: MMG's ``mmg3d``, with the boundary kept as it is.

Whatever fills a surface makes cells as long as wide, and larger within than at the wall; mmg3d splits, collapses and
flips them until their edges have unit length in the metric of :mod:`stretching` (Dobrzynski and Frey 2008, Proc 17th
Int Meshing Roundtable, 177).
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hemo.geometry.mesh.medit import read_tetrahedra, write_tetrahedra
from hemo.geometry.mesh.mmg import MM, MmgFailed, mmg_program, run_mmg, write_wanted
from hemo.geometry.mesh.peeling import WITHIN
from hemo.geometry.mesh.sizing import Sizes, size_at
from hemo.tetmesh import TetMesh, face_keys
from hemo.tree import VesselTree

Index = NDArray[np.int64]


def adapted(mesh: TetMesh, tree: VesselTree, sizes: Sizes, share: float) -> TetMesh:
    """The mesh with its inner cells remade, ``share`` of the wanted width wide; its boundary is the same triangles.

    Raises
    ------
    MmgFailed
        If mmg3d is missing, fails, or does not keep the boundary.
    """
    program = mmg_program("mmg3d")
    if program is None:
        raise MmgFailed("mmg3d is not installed.")
    middle = mesh.points.mean(axis=0)
    width = share * size_at(mesh.points, tree, sizes)
    with tempfile.TemporaryDirectory(prefix="hemo-mmg3d-") as folder:
        source = Path(folder) / "in.meshb"
        write_tetrahedra(source, (mesh.points - middle) / MM, mesh.facets, mesh.facet_tags, mesh.cells)
        write_wanted(source, mesh.points, width, tree, sizes)
        points, triangles, tags, cells = read_tetrahedra(run_mmg(program, source, width, sizes, "-nosurf"))
    made = TetMesh(points * MM + middle, cells, triangles, tags, mesh.names)
    return _facing_out(made, len(mesh.facets))


def _facing_out(mesh: TetMesh, count: int) -> TetMesh:
    """The mesh with the outer faces of its cells as facets, their tags those of the triangles it has."""
    cell, opposite = np.nonzero(mesh.neighbours < 0)
    outer: Index = np.take_along_axis(mesh.cells[cell], WITHIN[opposite][:, ::-1], axis=1)
    key = face_keys(np.concatenate([outer, mesh.facets]))
    found, given = key[: len(outer)], key[len(outer) :]
    order, by_key = np.argsort(found), np.argsort(given)
    if len(found) != count or not np.array_equal(found[order], given[by_key]):
        raise MmgFailed("mmg3d changed the boundary.")
    return TetMesh(mesh.points, mesh.cells, outer[order], mesh.facet_tags[by_key], mesh.names)
