"""Flip the ears of the planar caps: triangles on three neighbouring vertices of the rim, nearly in line.

A remesher leaves some, and whatever fills the lumen then has a flat cell there (of quality 0.01 at the fork of the
tests). In a plane an edge may be flipped at will. What is well shaped stays as it is.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hemo.geometry.lumen.planecut import plane_axes
from hemo.geometry.lumen.surfacecheck import across_edges, edge_table
from hemo.geometry.mesh.clipping import TaggedSurface

Array = NDArray[np.float64]
Index = NDArray[np.int64]

SWEEPS = 30
OBTUSE = 150.0  # degrees; the edge opposite a larger angle is flipped
MARGIN = 1e-6  # of the cotangents, so that four vertices on a circle are left as they are


def flip_ears(surface: TaggedSurface) -> TaggedSurface:
    """The surface without the very obtuse triangles of its caps that a flip to a Delaunay edge (Lawson 1977) mends."""
    triangles = surface.triangles.copy()
    for tag, (centre, normal) in surface.planes.items():
        rows = surface.tags == tag
        axes = np.stack(plane_axes(normal))
        triangles[rows] = _flipped((surface.points - centre) @ axes.T, triangles[rows])
    return replace(surface, triangles=triangles)


def _flipped(points: Array, triangles: Index) -> Index:
    triangles = triangles.copy()
    for _ in range(SWEEPS):
        edges, sides, count = edge_table(triangles)
        inner, pair = np.flatnonzero(count == 2), across_edges(sides, count)
        corner = np.stack([_other(triangles[pair[:, k]], edges[inner]) for k in (0, 1)], axis=1)
        seen = np.stack([_cotangent(points, corner[:, k], edges[inner]) for k in (0, 1)], axis=1)
        wrong = (seen.sum(axis=1) < -MARGIN) & (seen.min(axis=1) < 1.0 / np.tan(np.radians(OBTUSE)))
        known = {(int(a), int(b)) for a, b in np.sort(edges, axis=1)}
        touched: set[int] = set()
        for k in np.flatnonzero(wrong):
            c, d = (int(vertex) for vertex in corner[k])
            if touched & set(pair[k].tolist()) or (min(c, d), max(c, d)) in known:
                continue
            # The first triangle is (a, b, c) in its own order, the second lies beyond the edge from a to b.
            place = int(np.flatnonzero(triangles[pair[k, 0]] == c)[0])
            a, b = (int(triangles[pair[k, 0], (place + step) % 3]) for step in (1, 2))
            made = np.array([[a, d, c], [d, b, c]])
            if np.all(np.sign(_area(points, made)) == np.sign(_area(points, triangles[pair[k]]).sum())):
                triangles[pair[k]] = made
                touched |= set(pair[k].tolist())
        if not touched:
            break
    return triangles


def _other(triangles: Index, edges: Index) -> Index:
    """(k,) the vertex of each triangle that is not on its edge."""
    return np.asarray(triangles.sum(axis=1) - edges.sum(axis=1))


def _cotangent(points: Array, corner: Index, edges: Index) -> Array:
    """(k,) cotangent of the angle at which an edge is seen from a corner."""
    u, v = (points[edges[:, k]] - points[corner] for k in (0, 1))
    cross = np.abs(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0])
    return np.asarray(np.einsum("ij,ij->i", u, v) / np.maximum(cross, 1e-300))


def _area(points: Array, triangles: Index) -> Array:
    """(k,) twice the signed area."""
    u, v = (points[triangles[:, k]] - points[triangles[:, 0]] for k in (1, 2))
    return np.asarray(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0])
