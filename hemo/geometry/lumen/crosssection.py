"""Plane cuts of a surface: the lumen section round a centreline point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from hemo.geometry.lumen.surface import Surface
from hemo.geometry.lumen.surfacecheck import edge_table

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Sections:
    """Lumen sections, one a plane; nan where no closed loop surrounds the point.

    Attributes
    ----------
    area
        (n,) m^2.
    perimeter
        (n,) m.
    centroid
        (n, 3) m.
    """

    area: Array
    perimeter: Array
    centroid: Array


class SectionCutter:
    """Cuts one surface by many planes, looking only at the triangles near each plane's point."""

    def __init__(self, surface: Surface) -> None:
        self._points = surface.points
        self._triangles = surface.triangles
        _, self._sides, _ = edge_table(surface.triangles)
        corners = surface.points[surface.triangles]
        centre = corners.mean(axis=1)
        self._reach = float(np.linalg.norm(corners - centre[:, None], axis=2).max())
        self._tree = cKDTree(centre)

    def cut(self, points: Array, normals: Array, reach: Array) -> Sections:
        """Sections round ``points`` (n, 3) normal to ``normals`` (n, 3), looking ``reach`` (n,) m far."""
        rows = [self._section(*item) for item in zip(points, normals, reach, strict=True)]
        table = np.asarray(rows, dtype=np.float64).reshape(-1, 5)
        return Sections(table[:, 0], table[:, 1], table[:, 2:])

    def _section(self, point: Array, normal: Array, reach: float) -> tuple[float, ...]:
        """Area, perimeter and centroid of the loop round the point; doubles its reach until the loop closes."""
        for widening in (1.0, 2.0, 4.0):
            near = np.asarray(self._tree.query_ball_point(point, widening * reach + self._reach), dtype=np.int64)
            if not len(near):
                continue
            result = _loop_round(self._points, self._triangles[near], self._sides[near], point, normal)
            if result is not None:
                return result
        return (np.nan,) * 5


def _loop_round(
    points: Array, triangles: Indices, sides: Indices, origin: Array, normal: Array
) -> tuple[float, ...] | None:
    """The closed loop whose winding number about ``origin`` is one; None without such a loop.

    Each cut triangle gives one segment between two of its sides, oriented with the surface, so area
    (Green's theorem) and winding number are plain sums over the segments of a connected loop.
    """
    height = (points[triangles] - origin) @ normal
    above = height >= 0.0
    cut = above.any(axis=1) & ~above.all(axis=1)
    triangles, sides, height, above = triangles[cut], sides[cut], height[cut], above[cut]
    if len(triangles) < 3:
        return None
    start, start_side, end, end_side = _segments(points, triangles, sides, height, above)
    u = _perpendicular(normal)
    v = np.cross(normal, u)
    a = np.stack([(start - origin) @ u, (start - origin) @ v], axis=1)
    b = np.stack([(end - origin) @ u, (end - origin) @ v], axis=1)
    names, renumbered = np.unique(np.stack([start_side, end_side]), return_inverse=True)
    renumbered = renumbered.reshape(2, -1)
    size = len(names)
    graph = coo_matrix((np.ones(len(a), dtype=np.int8), (renumbered[0], renumbered[1])), shape=(size, size))
    count, member = connected_components(graph, directed=False)
    loop = member[renumbered[0]]
    open_end = np.bincount(renumbered.ravel(), minlength=size) != 2
    broken = np.zeros(count, dtype=bool)
    broken[member[open_end]] = True
    cross = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    angle = np.arctan2(cross, np.einsum("ij,ij->i", a, b))
    winding = np.bincount(loop, angle, minlength=count) / (2.0 * np.pi)
    area = 0.5 * np.bincount(loop, cross, minlength=count)
    round_it = np.flatnonzero(~broken & (np.abs(winding) > 0.5) & (area * winding > 0.0))
    if not len(round_it):
        return None
    best = round_it[np.argmin(np.abs(area[round_it]))]
    mine = loop == best
    perimeter = float(np.linalg.norm(b[mine] - a[mine], axis=1).sum())
    moment = ((a[mine] + b[mine]) * cross[mine, None]).sum(axis=0) / (6.0 * area[best])
    centroid = origin + moment[0] * u + moment[1] * v
    return (abs(float(area[best])), perimeter, *(float(value) for value in centroid))


def _segments(
    points: Array, triangles: Indices, sides: Indices, height: Array, above: NDArray[np.bool_]
) -> tuple[Array, Indices, Array, Indices]:
    """Start and end of each triangle's segment, with the mesh edge that each lies on."""
    rows = np.arange(len(triangles))
    leaving = above & ~np.roll(above, -1, axis=1)  # side k goes from above to below the plane
    entering = ~above & np.roll(above, -1, axis=1)
    found = []
    for crossing in (leaving, entering):
        k = crossing.argmax(axis=1)
        i, j = triangles[rows, k], triangles[rows, (k + 1) % 3]
        # The same end first on both triangles of an edge, so that both compute the same place.
        swap = i > j
        h_i, h_j = height[rows, k], height[rows, (k + 1) % 3]
        i, j = np.where(swap, j, i), np.where(swap, i, j)
        h_i, h_j = np.where(swap, h_j, h_i), np.where(swap, h_i, h_j)
        fraction = h_i / (h_i - h_j)
        found += [points[i] + fraction[:, None] * (points[j] - points[i]), sides[rows, k]]
    return found[0], found[1], found[2], found[3]


def _perpendicular(normal: Array) -> Array:
    axis = np.zeros(3)
    axis[np.argmin(np.abs(normal))] = 1.0
    u = np.cross(normal, axis)
    return np.asarray(u / np.linalg.norm(u))
