"""Take flat cells off the wall of a mesh: those that lie like a plaster on an edge between two of its triangles.

Four vertices of a smooth wall are nearly in one plane, and a Delaunay mesher now and then makes a cell of no volume of
them. To flip the edge that it lies on removes the cell, and moves the wall by its thickness.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hemo.tetmesh import FACES, TetMesh, face_keys

Array = NDArray[np.float64]
Index = NDArray[np.int64]

# The faces of a positively oriented tetrahedron, opposite its vertices 0 to 3, seen from within.
WITHIN = np.array([[1, 3, 2], [0, 2, 3], [0, 3, 1], [0, 1, 2]])


def peel_flat_cells(mesh: TetMesh, quality: Array, least: float) -> tuple[TetMesh, Index]:
    """The mesh without cells of ``quality`` (m,) below ``least`` that have two faces on one part of the boundary.

    Their other two faces take the place of these; where the edge between those is one of the boundary already, so that
    it would be pinched, the cell stays.

    Returns
    -------
    mesh, gone
        And the numbers (k,) of the cells that were taken off.
    """
    facets, tags = mesh.facets.copy(), mesh.facet_tags
    taken = np.zeros(len(mesh.points), dtype=bool)
    gone: list[int] = []
    for number in np.flatnonzero(quality < least):
        cell = mesh.cells[number]
        near = np.flatnonzero(np.isin(facets, cell).sum(axis=1) >= 2)
        sides = face_keys(np.concatenate([cell[FACES], facets[near]]))
        outer = [near[np.flatnonzero(sides[4:] == side)] for side in sides[:4]]  # the facet of each side, if any
        bare = [k for k in range(4) if len(outer[k])]
        if len(bare) != 2 or taken[cell].any():
            continue
        pair = np.concatenate([outer[k] for k in bare])
        if tags[pair[0]] != tags[pair[1]] or np.any(np.isin(facets[near], cell[bare]).sum(axis=1) == 2):
            continue
        facets[pair] = cell[WITHIN[[k for k in range(4) if k not in bare]]]
        taken[cell] = True
        gone.append(int(number))
    if not gone:
        return mesh, np.array([], dtype=np.int64)
    return replace(mesh, cells=np.delete(mesh.cells, gone, axis=0), facets=facets), np.array(gone)
