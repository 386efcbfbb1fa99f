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
from hemo.triangles import unit_normals

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

_CREASE = np.cos(np.radians(50.0))


def subdivide_curved(points: Array, triangles: Indices, tolerance: float, rounds: int = 4) -> tuple[Array, Indices]:
    """Halve every edge whose curve bulges by more than ``tolerance`` (m) over its chord, repeatedly.

    Vertices given stay where they are; edges between faces that meet at more than 50 degrees stay
    straight. Returns points (n, 3) and triangles (m, 3).
    """
    fresh: NDArray[np.bool_] = np.ones(len(triangles), dtype=np.bool_)
    for _ in range(rounds):
        # An edge bulges as it did before unless a triangle at one of its ends is new.
        changed = _corners(triangles[fresh], len(points))
        around = _corners(triangles[changed[triangles].any(axis=1)], len(points))
        rows = np.flatnonzero(around[triangles].any(axis=1))
        edges, of_triangle, count = edge_table(triangles[rows])
        middle = _curve_middles(points, triangles[rows], edges, of_triangle, count)
        chord = points[edges].mean(axis=1)
        bulge = np.linalg.norm(middle - chord, axis=1)
        length = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
        split = (bulge > tolerance) & (bulge < 0.25 * length) & changed[edges].any(axis=1)
        if not split.any():
            break
        number = np.full(len(edges), -1, dtype=np.int64)
        number[split] = len(points) + np.arange(int(split.sum()))
        points = np.concatenate([points, middle[split]])
        middles = np.full(triangles.shape, -1, dtype=np.int64)
        middles[rows] = number[of_triangle]
        old = int(np.all(middles < 0, axis=1).sum())
        triangles = split_triangles(triangles, middles)
        fresh = np.asarray(np.arange(len(triangles)) >= old)
    return points, triangles


def _corners(triangles: Indices, count: int) -> NDArray[np.bool_]:
    """(count,) which vertices are corners of the triangles."""
    found = np.zeros(count, dtype=bool)
    found[triangles] = True
    return found


def _curve_middles(points: Array, triangles: Indices, edges: Indices, of_triangle: Indices, count: Indices) -> Array:
    """(e, 3) middle of each edge's curve, the mean of what its two faces say."""
    unit = unit_normals(points[triangles])
    normals = _corner_normals(points, triangles, unit)
    lifts = []
    for side in range(3):
        a, b = triangles[:, side], triangles[:, (side + 1) % 3]
        along = points[b] - points[a]
        n_a, n_b = normals[:, side], normals[:, (side + 1) % 3]
        lifts.append(-(_dot(along, n_a)[:, None] * n_a - _dot(along, n_b)[:, None] * n_b) / 8.0)
    bulge = _sums(of_triangle.T.ravel(), np.concatenate(lifts), len(edges))
    bulge /= np.maximum(count, 1)[:, None]
    bulge[_creases(unit, of_triangle, len(edges))] = 0.0
    return np.asarray(points[edges].mean(axis=1) + bulge)


def _creases(unit: Array, of_triangle: Indices, edge_count: int) -> NDArray[np.bool_]:
    """(e,) edges whose faces meet at more than 50 degrees (or that have one face only)."""
    total = _sums(of_triangle.T.ravel(), np.tile(unit, (3, 1)), edge_count)
    # |n1 + n2|^2 = 2 + 2 cos(angle)
    return np.asarray(_dot(total, total) < 2.0 + 2.0 * _CREASE)


def _corner_normals(points: Array, triangles: Indices, unit: Array) -> Array:
    """(m, 3, 3) normal at each corner: the angle-weighted mean of the faces round it on this side of creases."""
    vertex = triangles.ravel()
    weight = corner_angles(points, triangles).ravel()
    total = _sums(vertex, weight[:, None] * np.repeat(unit, 3, axis=0), len(points))
    # Faces all within half the angle of a crease of their mean: none is beyond a crease of another.
    mean = total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-300)
    within = _dot(np.repeat(unit, 3, axis=0), mean[vertex]) > np.sqrt(0.5 + 0.5 * _CREASE)
    creased = np.bincount(vertex[~within], minlength=len(points)) > 0
    normals = mean[vertex]
    rows = np.flatnonzero(creased[vertex])
    normals[rows] = _this_side_of_creases(vertex[rows], weight[rows], unit[rows // 3])
    return normals.reshape(*triangles.shape, 3)


def _this_side_of_creases(vertex: Indices, weight: Array, own: Array) -> Array:
    """(k, 3) normals at corners: weighted means of the faces at the same vertex that are within a crease's angle."""
    order = np.argsort(vertex, kind="stable")
    first = np.searchsorted(vertex[order], vertex)
    valence = np.searchsorted(vertex[order], vertex, side="right") - first
    normals = np.zeros((len(vertex), 3))
    for step in range(int(valence.max(initial=0))):
        corner = np.flatnonzero(valence > step)
        other = order[first[corner] + step]
        same_side = _dot(own[other], own[corner]) > _CREASE
        normals[corner] += (weight[other] * same_side)[:, None] * own[other]
    return np.asarray(normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-300))


def corner_angles(points: Array, triangles: Indices) -> Array:
    """(m, 3) inner angles, rad."""
    angles = np.zeros(triangles.shape)
    for k in range(3):
        u = points[triangles[:, (k + 1) % 3]] - points[triangles[:, k]]
        v = points[triangles[:, (k + 2) % 3]] - points[triangles[:, k]]
        angles[:, k] = np.arctan2(np.linalg.norm(np.cross(u, v), axis=1), _dot(u, v))
    return angles


def split_triangles(triangles: Indices, middles: Indices) -> Indices:
    """The triangles that stay, then new ones; ``middles`` (m, 3) holds the new vertex on each side, or -1."""
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


def _sums(group: Indices, values: Array, count: int) -> Array:
    """(count, 3) sums of the values (k, 3) of each group."""
    return np.stack([np.bincount(group, values[:, axis], count) for axis in range(3)], axis=1)


def _dot(a: Array, b: Array) -> Array:
    return np.asarray(np.einsum("ij,ij->i", a, b))
