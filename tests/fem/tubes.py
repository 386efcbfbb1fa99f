"""Structured tetrahedral meshes of tubes for the tests: no mesher needed, the same on every machine."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hemo.tetmesh import INLET, WALL, TetMesh

Array = NDArray[np.float64]


def disk(rings: int) -> tuple[Array, NDArray[np.int64]]:
    """Unit disk: (n, 2) points in concentric rings of 6 k points and (m, 3) counter-clockwise triangles."""
    points, starts = [np.zeros((1, 2))], [0, 1]
    for ring in range(1, rings + 1):
        angle = 2 * np.pi * np.arange(6 * ring) / (6 * ring)
        points.append(ring / rings * np.column_stack([np.cos(angle), np.sin(angle)]))
        starts.append(starts[-1] + 6 * ring)
    triangles = []
    for ring in range(1, rings + 1):
        for sector in range(6):
            for k in range(ring):
                outer = [starts[ring] + (sector * ring + k + j) % (6 * ring) for j in (0, 1)]
                inner_count = max(6 * (ring - 1), 1)
                inner = [starts[ring - 1] + (sector * (ring - 1) + k + j) % inner_count for j in (0, 1)]
                triangles.append([inner[0], outer[0], outer[1]])
                if k < ring - 1:
                    triangles.append([inner[0], outer[1], inner[1]])
    return np.vstack(points), np.array(triangles, dtype=np.int64)


def tube(radius: Callable[[Array], Array], stations: Array, rings: int = 4, outlet: str = "out") -> TetMesh:
    """A straight tube along z whose polygonal sections have the area pi R(z)^2.

    ``stations`` are the z of the vertex layers, m; ``radius`` gives R at them, m.
    """
    flat, triangles = disk(rings)
    # A regular n-gon of circumradius r has the area n/2 r^2 sin(2 pi / n); the rings between keep their shape.
    corners = 6 * rings
    stretch = np.sqrt(2 * np.pi / corners / np.sin(2 * np.pi / corners))
    layer, layers = len(flat), len(stations)
    r = np.asarray(radius(stations)) * stretch
    points = np.empty((layers, layer, 3))
    points[:, :, :2] = r[:, None, None] * flat
    points[:, :, 2] = stations[:, None]
    # Prisms split along the lexicographic order of the vertices, so that neighbours agree.
    lower = np.sort(triangles, axis=1)[None] + (np.arange(layers - 1) * layer)[:, None, None]
    a, b, c = lower.reshape(-1, 3).T
    d, e, f = (lower.reshape(-1, 3) + layer).T
    cells = np.vstack([np.column_stack(t) for t in ((a, b, c, f), (a, b, e, f), (a, d, e, f))])
    xyz = points.reshape(-1, 3)
    return finish(xyz, cells, _tube_tag(stations[0], stations[-1], outlet), {1: WALL, 2: INLET, 3: outlet})


def _tube_tag(first: float, last: float, _: str) -> Callable[[Array], NDArray[np.int32]]:
    def tag(corners: Array) -> NDArray[np.int32]:
        z = corners[:, :, 2]
        found = np.ones(len(corners), dtype=np.int32)
        found[np.all(np.abs(z - first) < 1e-9, axis=1)] = 2
        found[np.all(np.abs(z - last) < 1e-9, axis=1)] = 3
        return found

    return tag


def finish(
    points: Array, cells: NDArray[np.int64], tag: Callable[[Array], NDArray[np.int32]], names: dict[int, str]
) -> TetMesh:
    """Orient the cells, find the boundary with outward normals and tag it by its corners (k, 3, 3)."""
    x = points[cells]
    volume = np.einsum("ij,ij->i", np.cross(x[:, 1] - x[:, 0], x[:, 2] - x[:, 0]), x[:, 3] - x[:, 0])
    cells = cells.copy()
    cells[volume < 0] = cells[volume < 0][:, [0, 2, 1, 3]]
    # Faces of a positive tetrahedron, normals outward.
    faces = cells[:, [[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]]].reshape(-1, 3)
    _, first, count = np.unique(np.sort(faces, axis=1), axis=0, return_index=True, return_counts=True)
    facets = faces[np.sort(first[count == 1])]
    return TetMesh(points, cells, facets, tag(points[facets]), names)


def cosine_stenosis(severity: float, radius: float = 1.5e-3) -> Callable[[Array], Array]:
    """R(z) of the benchmark: R0 (1 - s/2 (1 + cos(2 pi (z - 20) / 10))) for |z - 20 mm| < 5 mm."""

    def r(z: Array) -> Array:
        dip = severity / 2 * (1 + np.cos(2 * np.pi * (z - 20e-3) / 10e-3))
        return radius * (1 - np.where(np.abs(z - 20e-3) < 5e-3, dip, 0.0))

    return r


def graded_stations(radius: Callable[[Array], Array], length: float, per_radius: float) -> Array:
    """Layer positions whose spacing is the local radius divided by ``per_radius``."""
    z = np.linspace(0.0, length, 20001)
    density = per_radius / radius(z)
    count = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(z))])
    layers = round(count[-1]) + 1
    return np.interp(np.linspace(0.0, count[-1], layers), count, z)


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
    return finish(points, cells_used.reshape(-1, 4).astype(np.int64), tag, names)
