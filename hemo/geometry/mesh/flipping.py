"""Flip the edges of a surface that are not Delaunay, so that the tetrahedra's mesher finds every triangle.

A remesher leaves a few: ears on the planar caps, triangles on three neighbouring vertices of the rim nearly in line,
where whatever fills the lumen then has a flat cell (of quality 0.01 at the fork of the tests); and edges of the wall
seen from the two vertices opposite under more than 180 degrees together. A Delaunay tetrahedralisation of the
vertices lacks the triangles beside such edges, and to recover them takes a fifth of the time of the filling.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hemo.geometry.lumen.surfacecheck import across_edges, edge_table
from hemo.geometry.mesh.clipping import WALL_TAG, TaggedSurface
from hemo.triangles import area_vectors, flatness, unit_normals

Array = NDArray[np.float64]
Index = NDArray[np.int64]

SWEEPS = 30
MARGIN = 1e-6  # of the cotangents, so that four vertices on a circle are left as they are
FLAT = 0.985  # cosine between two triangles' normals below which their edge stays: a coarse round wall would lose shape
NEEDLE = 0.01  # height over longest edge of a triangle whose normal says nothing, and without which no shape is lost


def flip_to_delaunay(surface: TaggedSurface, wall: bool = True) -> TaggedSurface:
    """The surface with edges flipped (Lawson 1977) until all within one part, but features, are Delaunay.

    Those of the wall only where ``wall``: on one of stretched triangles the flipped edges would lie across the vessel,
    as deep chords (0.4 % of the volume at 8 cells per diameter).

    An edge between two triangles is when the angles opposite it add up to at most 180 degrees (Bobenko and Springborn
    2007, Discrete Comput Geom 38:740). Two triangles of a round wall that bend by more than 10 degrees keep their edge:
    at 6 cells per diameter a flip there cost 20 % of the wall shear stress at a vertex. Needles bend in name only: left
    on three vertices of a rim, they lie on the cap, and no mesher fills such a lumen.
    """
    triangles = surface.triangles.copy()
    rows: Index = np.flatnonzero(wall | (surface.tags != WALL_TAG))
    flippable = np.zeros(len(triangles), dtype=bool)
    flippable[rows] = True
    for _ in range(SWEEPS):
        part = triangles[rows]
        touched = _sweep(surface.points, part, surface.tags[rows])
        if not touched.any():
            break
        triangles[rows] = part
        # Next time those near a flip: all triangles round the vertices beside one that a flipped edge had.
        beside = np.zeros(len(surface.points), dtype=bool)
        beside[triangles[touched[triangles].any(axis=1)]] = True
        rows = np.flatnonzero(beside[triangles].any(axis=1) & flippable)
    return replace(surface, triangles=triangles)


def _sweep(points: Array, triangles: Index, tags: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Flip the wrong edges that do not meet, in place; (n,) the vertices of what was flipped."""
    edges, sides, count = edge_table(triangles)
    inner, pair = np.flatnonzero(count == 2), across_edges(sides, count)
    same = tags[pair[:, 0]] == tags[pair[:, 1]]
    ends, pair = edges[inner[same]], pair[same]
    corner = np.stack([triangles[pair[:, k]].sum(axis=1) - ends.sum(axis=1) for k in (0, 1)], axis=1)
    seen = _cotangent(points, corner[:, 0], ends) + _cotangent(points, corner[:, 1], ends)
    wrong = np.flatnonzero(seen < -MARGIN)
    vector = area_vectors(points[triangles])
    wrong = wrong[~_bent(*(points[triangles[pair[wrong, k]]] for k in (0, 1)))]
    codes = edges[:, 0] * len(points) + edges[:, 1]  # in order
    new = np.sort(corner[wrong], axis=1)
    code = new[:, 0] * len(points) + new[:, 1]
    wrong = wrong[codes[np.minimum(np.searchsorted(codes, code), len(codes) - 1)] != code]
    touched = np.zeros(len(points), dtype=bool)
    for k in wrong[np.argsort(seen[wrong], kind="stable")]:
        near = np.concatenate([ends[k], corner[k]])
        if touched[near].any():  # then its triangles may be others by now
            continue
        made = _flipped(triangles[pair[k, 0]], corner[k])
        if not np.all(area_vectors(points[made]) @ vector[pair[k]].sum(axis=0) > 0.0):
            continue
        triangles[pair[k]] = made
        touched[near] = True
    return touched


def _bent(first: Array, second: Array) -> NDArray[np.bool_]:
    """(k,) whether neighbours with these corners (k, 3, 3), neither of them a needle, bend at their edge."""
    cosine = np.einsum("ij,ij->i", unit_normals(first), unit_normals(second))
    return np.asarray((cosine < FLAT) & (np.minimum(flatness(first), flatness(second)) > NEEDLE))


def _flipped(first: Index, corner: Index) -> Index:
    """(2, 3) the triangles after the flip; the first one is (a, b, c) in its own order, the second lies beyond a-b."""
    c, d = corner
    place = int(np.flatnonzero(first == c)[0])
    a, b = (first[(place + step) % 3] for step in (1, 2))
    return np.array([[a, d, c], [d, b, c]])


def _cotangent(points: Array, corner: Index, edges: Index) -> Array:
    """(k,) cotangent of the angle at which an edge is seen from a corner."""
    u, v = (points[edges[:, k]] - points[corner] for k in (0, 1))
    return np.asarray(np.einsum("ij,ij->i", u, v) / np.maximum(np.linalg.norm(np.cross(u, v), axis=1), 1e-300))
