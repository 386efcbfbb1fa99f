"""Meshes of the benchmarks: plane triangles drawn out to tetrahedra, cubes, what gmsh filled; sections through them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import gmsh
import numpy as np
from numpy.typing import NDArray

from hemo.tetmesh import FACES, INLET, WALL, TetMesh, face_neighbours

Array = NDArray[Any]

# A prism of corners a < b < c and, above them, d, e, f; neighbours that take the same order agree on their diagonals.
PRISM = ((0, 1, 2, 5), (0, 1, 4, 5), (0, 3, 4, 5))


def split_quads(corners: Array) -> Array:
    """(2 n, 3) triangles of (n, 4) quadrilaterals, by the diagonal of the first and third corner."""
    return np.concatenate([corners[:, [0, 1, 2]], corners[:, [0, 2, 3]]])


def split_prisms(lower: Array, upper: Array) -> Array:
    """(3 n, 4) tetrahedra between (n, 3) triangles and those above, by the order of ``lower``'s corners."""
    order = np.argsort(lower, axis=1)
    corners = np.concatenate([np.take_along_axis(part, order, axis=1) for part in (lower, upper)], axis=1)
    return np.concatenate([corners[:, list(part)] for part in PRISM])


def disk(shares: Array) -> tuple[Array, Array]:
    """Unit disk: (n, 2) points, 6 k of them on ring k, and (m, 3) triangles; (rings + 1,) radii from 0 to 1."""
    rings = len(shares) - 1
    points, triangles, start = [np.zeros((1, 2))], [], [0, 1]
    for ring in range(1, rings + 1):
        turns = 2 * np.pi * np.arange(6 * ring) / (6 * ring)
        points.append(shares[ring] * np.column_stack([np.cos(turns), np.sin(turns)]))
        start.append(start[-1] + 6 * ring)
        for sector in range(6):
            for k in range(ring):
                outside = [start[ring] + (sector * ring + k + j) % (6 * ring) for j in (0, 1)]
                inside = [start[ring - 1] + (sector * (ring - 1) + k + j) % max(6 * (ring - 1), 1) for j in (0, 1)]
                triangles.append([inside[0], *outside])
                if k < ring - 1:
                    triangles.append([inside[0], outside[1], inside[1]])
    return np.concatenate(points), np.array(triangles, dtype=np.int64)


def same_area(corners: int) -> float:
    """Circumradius of a regular polygon that has the unit circle's area: n/2 r^2 sin(2 pi / n) = pi."""
    return float(np.sqrt(2 * np.pi / corners / np.sin(2 * np.pi / corners)))


def tube(radius: Callable[[Array], Array], stations: Array, rings: int = 4, outlet: str = "out") -> TetMesh:
    """A straight tube along z whose polygonal sections have the area pi R(z)^2.

    ``stations`` are the z of the vertex layers, m; ``radius`` gives R at them, m.
    """
    flat, triangles = disk(np.linspace(0.0, 1.0, rings + 1))
    points, cells = drawn_out(flat, triangles, stations)
    points[:, :2] *= np.repeat(radius(stations) * same_area(6 * rings), len(flat))[:, None]
    return tagged(points, cells, between_planes(2, stations[0], stations[-1]), {1: WALL, 2: INLET, 3: outlet})


def blocks(mask: NDArray[np.bool_], side: float, tag: Callable[[Array], Array], names: dict[int, str]) -> TetMesh:
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


def graded_stations(radius: Callable[[Array], Array], length: float, per_radius: float) -> Array:
    """Layer positions whose spacing is the local radius divided by ``per_radius``."""
    z = np.linspace(0.0, length, 20001)
    density = per_radius / radius(z)
    count = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(z))])
    layers = round(count[-1]) + 1
    return np.interp(np.linspace(0.0, count[-1], layers), count, z)


def drawn_out(plane: Array, triangles: Array, heights: Array, to_and_fro: bool = False) -> tuple[Array, Array]:
    """Points and tetrahedra between copies of a plane mesh, (n, 2) points, at each height."""
    points = np.column_stack([np.tile(plane, (len(heights), 1)), np.repeat(heights, len(plane))])
    return points, between([triangles + len(plane) * k for k in range(len(heights))], to_and_fro)


def between(layers: list[Array], to_and_fro: bool) -> Array:
    """(n, 4) tetrahedra between each (m, 3) triangles and the next, whose diagonals lean one way or to and fro."""
    pairs = [pair[::-1] if to_and_fro and k % 2 else pair for k, pair in enumerate(pairwise(layers))]
    return np.concatenate([split_prisms(*pair) for pair in pairs])


def from_gmsh() -> tuple[Array, Array]:
    """Points and tetrahedra of gmsh's present model."""
    tags, coordinates, _ = gmsh.model.mesh.getNodes()
    _, nodes = gmsh.model.mesh.getElementsByType(4)
    place = np.zeros(int(tags.max()) + 1, dtype=np.int64)
    place[tags.astype(np.int64)] = np.arange(len(tags))
    return used(coordinates.reshape(-1, 3), place[nodes.astype(np.int64)].reshape(-1, 4))


def used(points: Array, cells: Array) -> tuple[Array, Array]:
    """The points that cells have as corners, and the cells by their new numbers."""
    kept, cells = np.unique(cells, return_inverse=True)
    return points[kept], cells.reshape(-1, 4).astype(np.int64)


def tagged(points: Array, cells: Array, tag: Callable[[Array], Array], names: dict[int, str]) -> TetMesh:
    """Cells put the right way round, and boundary facets with outward normals, tagged by their corners (k, 3, 3)."""
    untagged = TetMesh(points, cells, np.empty((0, 3), dtype=np.int64), np.empty(0, dtype=np.int32), {})
    turned = untagged.cell_volumes() < 0.0
    cells = np.where(turned[:, None], cells[:, [1, 0, 2, 3]], cells)
    cell, face = np.nonzero(face_neighbours(cells) < 0)
    facets = cells[cell[:, None], FACES[face]]
    corners = points[facets]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    inward = np.einsum("ij,ij->i", normal, points[cells[cell, face]] - corners[:, 0]) > 0.0
    facets[inward] = facets[inward][:, [1, 0, 2]]
    return TetMesh(points, cells, facets, tag(points[facets]).astype(np.int32), names)


def between_planes(axis: int, first: float, last: float) -> Callable[[Array], Array]:
    """Tag 2 on the plane where fluid enters, 3 where it leaves, 1 elsewhere."""
    rounding = 1e-9 * (last - first)

    def tag(corners: Array) -> Array:
        place = corners[:, :, axis]
        return np.where(
            (place < first + rounding).all(axis=1), 2, np.where((place > last - rounding).all(axis=1), 3, 1)
        )

    return tag


def plane_quadrature(mesh: TetMesh, z: float) -> tuple[Array, Array, Array]:
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


def section_arrays(mesh: TetMesh, heights: Array) -> dict[str, Array]:
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
