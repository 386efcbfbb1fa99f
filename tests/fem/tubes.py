"""Structured tetrahedral meshes of tubes for the tests: no mesher needed, the same on every machine."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hemo.tetmesh import TetMesh
from validation.tets import graded_stations, tagged, tube

__all__ = ["blocks", "cosine_stenosis", "graded_stations", "section_arrays", "tube"]

Array = NDArray[np.float64]


def cosine_stenosis(severity: float, radius: float = 1.5e-3) -> Callable[[Array], Array]:
    """R(z) of the benchmark: R0 (1 - s/2 (1 + cos(2 pi (z - 20) / 10))) for |z - 20 mm| < 5 mm."""

    def r(z: Array) -> Array:
        dip = severity / 2 * (1 + np.cos(2 * np.pi * (z - 20e-3) / 10e-3))
        return radius * (1 - np.where(np.abs(z - 20e-3) < 5e-3, dip, 0.0))

    return r


def plane_quadrature(mesh: TetMesh, z: float) -> tuple[NDArray[np.int64], Array, Array]:
    """Cells, (k, 3) points and (k,) weights of a quadrature of degree 2 over the plane section at height z."""
    # A hair off the vertex layers, so that no vertex lies in the plane.
    side = mesh.points[:, 2] - z
    inside = side[mesh.cells]
    cut = np.flatnonzero((inside.min(axis=1) < 0) & (inside.max(axis=1) > 0))
    cells, points, weights = [], [], []
    for cell in cut:
        corners, s = mesh.points[mesh.cells[cell]], side[mesh.cells[cell]]
        low, high = np.flatnonzero(s < 0), np.flatnonzero(s > 0)
        polygon = np.array([(corners[i] * s[j] - corners[j] * s[i]) / (s[j] - s[i]) for i in low for j in high])
        if len(polygon) == 4:
            polygon = polygon[[0, 1, 3, 2]]
        for k in range(1, len(polygon) - 1):
            triangle = polygon[[0, k, k + 1]]
            area = 0.5 * np.linalg.norm(np.cross(triangle[1] - triangle[0], triangle[2] - triangle[0]))
            for i in range(3):  # Strang and Fix: edge midpoints, degree 2
                cells.append(cell)
                points.append(0.5 * (triangle[i] + triangle[(i + 1) % 3]))
                weights.append(area / 3)
    return np.array(cells, dtype=np.int64), np.array(points), np.array(weights)


def section_arrays(mesh: TetMesh, heights: Array) -> dict[str, NDArray]:
    """Section probes at several heights, normals along +z."""
    parts = [plane_quadrature(mesh, z) for z in heights]
    section = np.concatenate([np.full(len(part[0]), k) for k, part in enumerate(parts)])
    count = len(section)
    return {
        "cell": np.concatenate([part[0] for part in parts]),
        "point": np.concatenate([part[1] for part in parts]),
        "weight": np.concatenate([part[2] for part in parts]),
        "normal": np.tile([0.0, 0.0, 1.0], (count, 1)),
        "section": section,
    }


def blocks(
    mask: NDArray[np.bool_], side: float, tag: Callable[[Array], NDArray[np.int32]], names: dict[int, str]
) -> TetMesh:
    """The cubes of an (nx, ny, nz) mask, ``side`` m wide and from the origin on, six tetrahedra each (Kuhn 1960)."""
    corner = np.argwhere(mask)
    shape = np.array(mask.shape) + 1
    cells = []
    for order in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)):
        path = np.cumsum(np.vstack([np.zeros(3, dtype=np.int64), np.eye(3, dtype=np.int64)[list(order)]]), axis=0)
        at = corner[:, None, :] + path[None]
        cells.append((at[..., 0] * shape[1] + at[..., 1]) * shape[2] + at[..., 2])
    used, cells_used = np.unique(np.vstack(cells), return_inverse=True)
    points = side * np.column_stack(np.unravel_index(used, tuple(shape))).astype(np.float64)
    return tagged(points, cells_used.reshape(-1, 4).astype(np.int64), tag, names)
