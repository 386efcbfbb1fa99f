"""Smooth away the folds of a remeshed surface that a tetrahedral mesher stumbles over.

Creases and notches of a segmentation leave, after remeshing, here and there a triangle folded back on its
neighbour or one that cuts another. Their vertices are moved towards the middle of their neighbours until
nothing folds or crosses; elsewhere nothing moves.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from hemo.geometry.lumen.surfacecheck import edge_table, self_crossings
from hemo.geometry.mesh.clipping import WALL_TAG, TaggedSurface

Array = NDArray[np.float64]
Index = NDArray[np.int64]

FOLD = -0.5  # cosine between the normals of two neighbours below which they count as folded


def untangle(surface: TaggedSurface, rounds: int = 20) -> tuple[TaggedSurface, int]:
    """The surface without folds, and how many vertices had to move; caps stay planar.

    A vertex on a cap's rim moves towards its neighbours on the rim, so that the rim stays a curve in its plane.
    """
    moved = np.zeros(len(surface.points), dtype=bool)
    for _ in range(rounds):
        bad = tangled(surface.points, surface.triangles)
        if len(bad) == 0:
            break
        near = np.zeros(len(surface.points), dtype=bool)
        near[surface.triangles[bad]] = True
        moved |= near
        surface = relax(surface, near)
    return surface, int(moved.sum())


def relax(surface: TaggedSurface, chosen: NDArray[np.bool_], steps: int = 3) -> TaggedSurface:
    """Move the chosen vertices (n,) half-way to the middle of their neighbours, ``steps`` times."""
    link = _neighbours(surface)
    degree = np.maximum(np.asarray(link.sum(axis=1)).ravel(), 1.0)[:, None]
    points = surface.points
    for _ in range(steps):
        points = points + chosen[:, None] * 0.5 * (link @ points / degree - points)
    return replace(surface, points=points)


def tangled(points: Array, triangles: Index) -> Index:
    """Triangles that are folded back on a neighbour or cut another one."""
    owners = _across_edges(triangles)
    a, b, c = (points[triangles[:, i]] for i in range(3))
    normal = np.cross(b - a, c - a)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-300)
    folded = owners[np.einsum("ij,ij->i", normal[owners[:, 0]], normal[owners[:, 1]]) < FOLD]
    crossing = self_crossings(points, triangles), _crossing_at_a_vertex(points, triangles)
    bad: Index = np.unique(np.concatenate([folded.ravel(), *(pairs.ravel() for pairs in crossing)]))
    return bad


def _across_edges(triangles: Index) -> Index:
    """(e, 2) the two triangles at each edge of a closed surface."""
    _, of_triangle, _ = edge_table(triangles)
    return np.argsort(of_triangle.ravel(), kind="stable").reshape(-1, 2) // 3


def _crossing_at_a_vertex(points: Array, triangles: Index) -> Index:
    """Pairs (k, 2) of triangles with one common vertex of which one's opposite edge cuts the other."""
    size, rows = len(points), np.repeat(np.arange(len(triangles)), 3)
    incidence = coo_array((np.ones(len(rows)), (rows, triangles.ravel())), shape=(len(triangles), size)).tocsr()
    common = coo_array(incidence @ incidence.T)
    once = (common.data == 1.0) & (common.row != common.col)
    first, second = common.row[once].astype(np.int64), common.col[once].astype(np.int64)
    shared = (triangles[first][:, :, None] == triangles[second][:, None, :]).any(axis=2).argmax(axis=1)
    start = points[triangles[first, (shared + 1) % 3]]
    end = points[triangles[first, (shared + 2) % 3]]
    cuts = _edge_cuts(start, end, points[triangles[second]])
    return np.stack([first[cuts], second[cuts]], axis=1)


def _edge_cuts(start: Array, end: Array, corners: Array) -> NDArray[np.bool_]:
    """(k,) whether the edge from start to end passes through the triangle (Moller and Trumbore 1997)."""
    u, v, along = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0], end - start
    across = np.cross(along, v)
    determinant = np.einsum("ij,ij->i", u, across)
    parallel = np.abs(determinant) < 1e-14 * np.linalg.norm(u, axis=1) * np.linalg.norm(across, axis=1)
    scale = np.where(parallel, 1.0, determinant)
    offset = start - corners[:, 0]
    first = np.einsum("ij,ij->i", offset, across) / scale
    turned = np.cross(offset, u)
    second = np.einsum("ij,ij->i", along, turned) / scale
    place = np.einsum("ij,ij->i", v, turned) / scale
    inside = (first > 0.0) & (second > 0.0) & (first + second < 1.0)
    return np.asarray(~parallel & inside & (place > 0.0) & (place < 1.0))


def _neighbours(surface: TaggedSurface) -> csr_array:
    """(n, n) which vertices each vertex is drawn to: all neighbours, on a rim only those of the same rim."""
    triangles = surface.triangles
    size = len(surface.points)
    on_wall = np.zeros(size, dtype=bool)
    on_wall[triangles[surface.tags == WALL_TAG]] = True
    cap = np.zeros(size, dtype=np.int64)
    for tag in surface.planes:
        cap[triangles[surface.tags == tag]] = tag
    rim = on_wall & (cap > 0)
    start = np.concatenate([triangles[:, i] for i in (0, 1, 2, 1, 2, 0)])
    end = np.concatenate([triangles[:, i] for i in (1, 2, 0, 0, 1, 2)])
    keep = ~rim[start] | (rim[end] & (cap[start] == cap[end]))
    graph = coo_array((np.ones(keep.sum()), (start[keep], end[keep])), shape=(size, size)).tocsr()
    graph.data[:] = 1.0
    return csr_array(graph)
