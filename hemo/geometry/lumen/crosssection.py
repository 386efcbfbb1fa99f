"""Plane cuts of a surface: the lumen section round a centreline point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from hemo.geometry.lumen.surface import Surface

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

# Planes cut at once.
_TOGETHER = 32


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
        corners = surface.points[surface.triangles]
        self._centre = corners.mean(axis=1)
        self._extent = np.linalg.norm(corners - self._centre[:, None], axis=2).max(axis=1)
        # The few longest triangles are tried at every plane: one long one must not make the search for all go far.
        self._usual = float(np.quantile(self._extent, 0.999))
        self._short, self._long = (
            np.flatnonzero(self._extent <= self._usual),
            np.flatnonzero(self._extent > self._usual),
        )
        self._tree = cKDTree(self._centre[self._short], balanced_tree=False)

    def cut(self, points: Array, normals: Array, reach: Array) -> Sections:
        """Sections round ``points`` (n, 3) normal to ``normals`` (n, 3), looking ``reach`` (n,) m far.

        Where no loop closes within reach, the search goes twice and four times as far.
        """
        table = np.full((len(points), 5), np.nan)
        waiting = np.argsort(reach, kind="stable")
        for widening in (1.0, 2.0, 4.0):
            for first in range(0, len(waiting), _TOGETHER):
                rows = waiting[first : first + _TOGETHER]
                table[rows] = self._sections(points[rows], normals[rows], widening * reach[rows])
            waiting = waiting[np.isnan(table[waiting, 0])]
        return Sections(table[:, 0], table[:, 1], table[:, 2:])

    def _sections(self, points: Array, normals: Array, reach: Array) -> Array:
        """(n, 5) area, perimeter and centroid of the loop round each point among the triangles within its reach."""
        reach = reach + self._usual
        near = cKDTree(points).sparse_distance_matrix(self._tree, float(reach.max()), output_type="ndarray")
        near = near[near["v"] <= reach[near["i"]]]
        plane = np.concatenate([near["i"], np.repeat(np.arange(len(points)), len(self._long))])
        triangle = np.concatenate([self._short[near["j"]], np.tile(self._long, len(points))])
        level = _dot(self._centre[triangle] - points[plane], normals[plane])
        close = np.abs(level) <= 1.001 * self._extent[triangle]
        plane, triangle = plane[close], triangle[close]
        corners = self._points[self._triangles[triangle]]
        height = _dot(corners - points[plane, None], normals[plane, None])
        above = height >= 0.0
        cut = above.any(axis=1) & ~above.all(axis=1)
        segments = _segments(self._points, self._triangles[triangle[cut]], height[cut])
        return _loops_round(plane[cut], segments, points, normals)


def _loops_round(
    plane: Indices, segments: tuple[Array, Indices, Array, Indices], origins: Array, normals: Array
) -> Array:
    """(n, 5) area, perimeter and centroid of the closed loop about each plane's origin; nan without such a loop.

    Each cut triangle gives one segment between two of its sides, oriented with the surface, so area (Green's
    theorem) and winding number are plain sums over the segments of a connected loop. The loop's winding number
    about the origin is one; of several, the smallest is the one.
    """
    table = np.full((len(origins), 5), np.nan)
    start, start_side, end, end_side = segments
    u = _perpendicular(normals)
    v = np.asarray(np.cross(normals, u))
    a, b = (np.stack([_dot(x - origins[plane], w[plane]) for w in (u, v)], axis=1) for x in (start, end))
    span = np.int64(max(start_side.max(initial=0), end_side.max(initial=0))) + 1
    names, ends = np.unique(plane * span + np.stack([start_side, end_side]), return_inverse=True)
    ends = ends.reshape(2, -1)
    graph = coo_matrix((np.ones(len(a), dtype=np.int8), (ends[0], ends[1])), shape=(len(names), len(names)))
    count, member = connected_components(graph, directed=False)
    loop = member[ends[0]]
    broken = np.zeros(count, dtype=bool)
    broken[member[np.bincount(ends.ravel(), minlength=len(names)) != 2]] = True
    cross = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    winding = np.bincount(loop, np.arctan2(cross, _dot(a, b)), minlength=count) / (2.0 * np.pi)
    area = 0.5 * np.bincount(loop, cross, minlength=count)
    round_it = np.flatnonzero(~broken & (np.abs(winding) > 0.5) & (area * winding > 0.0))
    of_loop = np.zeros(count, dtype=np.int64)
    of_loop[loop] = plane
    round_it = round_it[np.lexsort((np.abs(area[round_it]), of_loop[round_it]))]
    found, first = np.unique(of_loop[round_it], return_index=True)
    best = round_it[first]
    table[found, 0] = np.abs(area[best])
    table[found, 1] = np.bincount(loop, np.linalg.norm(b - a, axis=1), minlength=count)[best]
    table[found, 2:] = origins[found]
    for k, axis in enumerate((u, v)):
        moment = np.bincount(loop, (a[:, k] + b[:, k]) * cross, minlength=count)[best]
        table[found, 2:] += (moment / (6.0 * area[best]))[:, None] * axis[found]
    return table


def _segments(points: Array, triangles: Indices, height: Array) -> tuple[Array, Indices, Array, Indices]:
    """Start and end of each cut triangle's segment, with a number of the mesh edge that each lies on."""
    rows = np.arange(len(triangles))
    above = height >= 0.0
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
        found += [points[i] + fraction[:, None] * (points[j] - points[i]), i * len(points) + j]
    return found[0], found[1], found[2], found[3]


def _perpendicular(normals: Array) -> Array:
    """(n, 3) unit vectors across normals (n, 3)."""
    u = np.cross(normals, np.eye(3)[np.argmin(np.abs(normals), axis=1)])
    return np.asarray(u / np.linalg.norm(u, axis=1, keepdims=True))


def _dot(a: Array, b: Array) -> Array:
    return np.asarray(np.einsum("...i,...i->...", a, b))
