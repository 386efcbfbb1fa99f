"""Finer triangles on the smooth surface that a coarse triangulation samples.

A vessel of 1.5 mm drawn with 1 mm edges is a pentagon: the vertices lie on the wall, the facets cut
corners and lose up to a tenth of the radius. Each edge is therefore halved at the middle of the cubic
that passes through its ends normal to the surface there: the edge curve of the curved point-normal
triangle (Vlachos et al. 2001, I3D, p. 159).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hemo.geometry.lumen.surfacecheck import edge_table

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

_CREASE = np.cos(np.radians(50.0))


def subdivide_curved(points: Array, triangles: Indices, tolerance: float, rounds: int = 4) -> tuple[Array, Indices]:
    """Halve every edge whose curve bulges by more than ``tolerance`` (m) over its chord, repeatedly.

    Vertices given stay where they are; edges between faces that meet at more than 50 degrees stay
    straight. Returns points (n, 3) and triangles (m, 3).
    """
    for _ in range(rounds):
        edges, of_triangle, count = edge_table(triangles)
        middle = _curve_middles(points, triangles, edges, of_triangle, count)
        chord = points[edges].mean(axis=1)
        bulge = np.linalg.norm(middle - chord, axis=1)
        length = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
        split = (bulge > tolerance) & (bulge < 0.25 * length)
        if not split.any():
            break
        number = np.full(len(edges), -1, dtype=np.int64)
        number[split] = len(points) + np.arange(int(split.sum()))
        points = np.concatenate([points, middle[split]])
        triangles = split_triangles(triangles, number[of_triangle])
    return points, triangles


def _curve_middles(points: Array, triangles: Indices, edges: Indices, of_triangle: Indices, count: Indices) -> Array:
    """(e, 3) middle of each edge's curve, the mean of what its two faces say."""
    face = np.cross(
        points[triangles[:, 1]] - points[triangles[:, 0]], points[triangles[:, 2]] - points[triangles[:, 0]]
    )
    unit = face / np.maximum(np.linalg.norm(face, axis=1, keepdims=True), 1e-300)
    normals = _corner_normals(points, triangles, unit)
    bulge = np.zeros((len(edges), 3))
    for side in range(3):
        a, b = triangles[:, side], triangles[:, (side + 1) % 3]
        along = points[b] - points[a]
        n_a, n_b = normals[:, side], normals[:, (side + 1) % 3]
        lift = -(_dot(along, n_a)[:, None] * n_a - _dot(along, n_b)[:, None] * n_b) / 8.0
        np.add.at(bulge, of_triangle[:, side], lift)
    bulge /= np.maximum(count, 1)[:, None]
    bulge[_creases(unit, of_triangle, len(edges))] = 0.0
    return np.asarray(points[edges].mean(axis=1) + bulge)


def _creases(unit: Array, of_triangle: Indices, edge_count: int) -> NDArray[np.bool_]:
    """(e,) edges whose faces meet at more than 50 degrees (or that have one face only)."""
    total = np.zeros((edge_count, 3))
    for side in range(3):
        np.add.at(total, of_triangle[:, side], unit)
    # |n1 + n2|^2 = 2 + 2 cos(angle)
    return np.asarray(_dot(total, total) < 2.0 + 2.0 * _CREASE)


def _corner_normals(points: Array, triangles: Indices, unit: Array) -> Array:
    """(m, 3, 3) normal at each corner: the angle-weighted mean of the faces round it on this side of creases."""
    m = len(triangles)
    vertex = triangles.ravel()
    order = np.argsort(vertex, kind="stable")
    start = np.searchsorted(vertex[order], np.arange(vertex.max() + 2))
    valence = np.diff(start)
    weight = _corner_angles(points, triangles).ravel()
    normals = np.zeros((3 * m, 3))
    own = np.repeat(unit, 3, axis=0)
    for step in range(int(valence.max())):
        corner = np.flatnonzero(valence[vertex] > step)
        other = order[start[vertex[corner]] + step]
        faces = unit[other // 3]
        same_side = _dot(faces, own[corner]) > _CREASE
        normals[corner] += (weight[other] * same_side)[:, None] * faces
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-300)
    return normals.reshape(m, 3, 3)


def _corner_angles(points: Array, triangles: Indices) -> Array:
    """(m, 3) inner angles, rad."""
    angles = np.zeros(triangles.shape)
    for k in range(3):
        u = points[triangles[:, (k + 1) % 3]] - points[triangles[:, k]]
        v = points[triangles[:, (k + 2) % 3]] - points[triangles[:, k]]
        angles[:, k] = np.arctan2(np.linalg.norm(np.cross(u, v), axis=1), _dot(u, v))
    return angles


def split_triangles(triangles: Indices, middles: Indices) -> Indices:
    """New triangles; ``middles`` (m, 3) holds the new vertex on each side, or -1."""
    has = middles >= 0
    count = has.sum(axis=1)
    new = [triangles[count == 0]]
    for number in (1, 2, 3):
        rows = np.flatnonzero(count == number)
        # Turn each triangle so that its split sides come first (one), or its unsplit side last (two).
        turn = has[rows].argmax(axis=1) if number == 1 else ((~has[rows]).argmax(axis=1) + 1) % 3
        turn = turn if number < 3 else np.zeros_like(turn)
        a, b, c = (triangles[rows, (turn + k) % 3] for k in range(3))
        ab, bc, ca = (middles[rows, (turn + k) % 3] for k in range(3))
        pieces = {
            1: [(a, ab, c), (ab, b, c)],
            2: [(ab, b, bc), (a, ab, bc), (a, bc, c)],
            3: [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)],
        }[number]
        new += [np.stack(piece, axis=1) for piece in pieces]
    return np.concatenate(new)


def _dot(a: Array, b: Array) -> Array:
    return np.asarray(np.einsum("ij,ij->i", a, b))
