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
from scipy.spatial import cKDTree

from hemo.geometry.lumen.subdivision import corner_angles
from hemo.geometry.lumen.surfacecheck import across_edges, edge_table, self_crossings
from hemo.geometry.mesh.clipping import WALL_TAG, TaggedSurface
from hemo.triangles import unit_normals

Array = NDArray[np.float64]
Index = NDArray[np.int64]

FOLD = -0.5  # cosine between the normals of two neighbours below which they count as folded


def untangle(surface: TaggedSurface, rounds: int = 20) -> tuple[TaggedSurface, int]:
    """The surface without folds, and how many vertices had to move; caps stay planar.

    A vertex on a cap's rim moves towards its neighbours on the rim, so that the rim stays a curve in its plane.
    """
    moved = np.zeros(len(surface.points), dtype=bool)
    looked_at: Index = np.arange(len(surface.triangles))
    for _ in range(rounds):
        bad = looked_at[tangled(surface.points, surface.triangles[looked_at])]
        if len(bad) == 0:
            break
        near = np.zeros(len(surface.points), dtype=bool)
        near[surface.triangles[bad]] = True
        moved |= near
        surface = relax(surface, near)
        looked_at = _beside(surface.points, surface.triangles, moved)
    return surface, int(moved.sum())


def _beside(points: Array, triangles: Index, moved: NDArray[np.bool_]) -> Index:
    """Triangles so near to a moved vertex that one that moved may meet them."""
    corners = points[triangles]
    centre = corners.mean(axis=1)
    reach = np.linalg.norm(corners - centre[:, None], axis=2).max(axis=1)
    gap, _ = cKDTree(points[moved]).query(centre)
    return np.flatnonzero(gap <= reach + 2.0 * reach[moved[triangles].any(axis=1)].max())


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
    _, of_triangle, count = edge_table(triangles)
    owners = across_edges(of_triangle, count)
    normal = unit_normals(points[triangles])
    folded = owners[np.einsum("ij,ij->i", normal[owners[:, 0]], normal[owners[:, 1]]) < FOLD]
    crossing = self_crossings(points, triangles), _crossing_at_a_vertex(points, triangles, normal)
    bad: Index = np.unique(np.concatenate([folded.ravel(), *(pairs.ravel() for pairs in crossing)]))
    return bad


def _crossing_at_a_vertex(points: Array, triangles: Index, normal: Array) -> Index:
    """Pairs (k, 2) of triangles with one common vertex of which one's opposite edge cuts the other."""
    near = np.flatnonzero(_doubtful(points, triangles, normal)[triangles].any(axis=1))
    size, rows = len(points), np.repeat(np.arange(len(near)), 3)
    incidence = coo_array((np.ones(len(rows)), (rows, triangles[near].ravel())), shape=(len(near), size)).tocsr()
    common = coo_array(incidence @ incidence.T)
    once = (common.data == 1.0) & (common.row != common.col)
    first, second = near[common.row[once]], near[common.col[once]]
    shared = (triangles[first][:, :, None] == triangles[second][:, None, :]).any(axis=2).argmax(axis=1)
    start = points[triangles[first, (shared + 1) % 3]]
    end = points[triangles[first, (shared + 2) % 3]]
    cuts = _edge_cuts(start, end, points[triangles[second]])
    return np.stack([first[cuts], second[cuts]], axis=1)


def _doubtful(points: Array, triangles: Index, normal: Array) -> NDArray[np.bool_]:
    """(n,) vertices whose triangles might cut each other: all facing one way and once round, they cannot."""
    corner = triangles.ravel()
    total = np.stack([np.bincount(corner, np.repeat(normal[:, k], 3), len(points)) for k in range(3)], axis=1)
    total = total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-300)
    facing = np.einsum("ij,ij->i", np.repeat(normal, 3, axis=0), total[corner])
    round_it = np.bincount(corner, corner_angles(points, triangles).ravel(), len(points))
    return np.asarray((np.bincount(corner[facing < 0.1], minlength=len(points)) > 0) | (round_it > 3.0 * np.pi))


def _edge_cuts(start: Array, end: Array, corners: Array) -> NDArray[np.bool_]:
    """(k,) whether the edge from start to end passes through the triangle (Moller and Trumbore 1997)."""
    u, v, along = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0], end - start
    across = np.cross(along, v)
    determinant = np.einsum("ij,ij->i", u, across)
    parallel = np.abs(determinant) <= 1e-14 * np.linalg.norm(u, axis=1) * np.linalg.norm(across, axis=1)
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
