"""Areas and normals of triangles, given by their corners (m, 3, 3), or by vertices (n, 3) and indices (m, 3)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[Any]

_TINY = 1e-300


def area_vectors(corners: Array) -> Array:
    """(m, 3) normals as long as the triangles are large, m^2: towards where the corners run anticlockwise."""
    first = corners[:, 0]
    return np.asarray(0.5 * np.cross(corners[:, 1] - first, corners[:, 2] - first))


def triangle_areas(corners: Array) -> Array:
    """(m,) m^2."""
    return np.asarray(np.linalg.norm(area_vectors(corners), axis=1))


def unit_normals(corners: Array) -> Array:
    """(m, 3) of length 1, or 0 where a triangle has no area."""
    vector = area_vectors(corners)
    return np.asarray(vector / np.maximum(np.linalg.norm(vector, axis=1, keepdims=True), _TINY))


def flatness(corners: Array) -> Array:
    """(m,) height over the longest side: 0.87 of a regular triangle, 0 where the corners lie in line."""
    longest = np.linalg.norm(corners - np.roll(corners, -1, axis=1), axis=2).max(axis=1)
    return np.asarray(2.0 * triangle_areas(corners) / np.maximum(longest, _TINY) ** 2)


def vertex_normals(points: Array, triangles: Indices) -> Array:
    """(n, 3) unit normals at the vertices of a surface: the area-weighted mean of the triangles round each."""
    facet = area_vectors(points[triangles])
    corner = triangles.T.ravel()
    normal = np.stack([np.bincount(corner, np.tile(facet[:, k], 3), len(points)) for k in range(3)], axis=1)
    return np.asarray(normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), _TINY))
