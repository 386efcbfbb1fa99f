"""Exact distance from places to a triangulated surface, and which side of it they are on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hemo.geometry.lumen.proximity import wall_tree
from hemo.geometry.lumen.surface import Surface
from hemo.triangles import unit_normals

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


class SurfaceDistance:
    """Distance to the nearest triangle of a surface.

    Triangles longer than ``edge`` (m) are split for the search; the distance is exact to the chosen
    triangles, whose candidates are those around the nearest corners.

    Parameters
    ----------
    surface
        Closed, normals outwards.
    edge
        Longest edge of the search mesh, m.
    """

    def __init__(self, surface: Surface, edge: float = 0.3e-3, candidates: int = 6) -> None:
        corners = _split(surface.points[surface.triangles], edge)
        self._corners = corners
        self._middles = corners.mean(axis=1)
        self._tree = wall_tree(self._middles)
        self._candidates = min(candidates, len(corners))
        self._normal = unit_normals(corners)

    def nearest(self, points: Array) -> tuple[Array, Array, Array]:
        """Distance (n,), nearest surface place (n, 3) and outward normal there (n, 3) of places (n, 3)."""
        parts = [self._nearest(points[i : i + 20000]) for i in range(0, len(points), 20000)]
        if not parts:
            return np.zeros(0), np.zeros((0, 3)), np.zeros((0, 3))
        gap, place, normal = (np.concatenate(column) for column in zip(*parts, strict=True))
        return gap, place, normal

    def rough(self, points: Array) -> tuple[Array, Array, Array]:
        """The same to the middle of the nearest small triangle: a few per cent of ``edge`` off, and fast."""
        gap, found = self._tree.query(points, workers=-1)
        return np.asarray(gap), self._middles[found], self._normal[found]

    def rough_depth(self, points: Array) -> tuple[Array, Array]:
        """(n,) depth below the plane of the nearest small triangle, m, negative outside, a fast estimate; and (n, 3)
        that triangle's middle."""
        _, middle, normal = self.rough(points)
        return -_dot(points - middle, normal), middle

    def depth(self, points: Array) -> Array:
        """(n,) distance to the surface, m, negative outside."""
        gap, place, normal = self.nearest(points)
        return np.where(_dot(points - place, normal) <= 0.0, gap, -gap)

    def _nearest(self, points: Array) -> tuple[Array, Array, Array]:
        _, found = self._tree.query(points, k=self._candidates, workers=-1)
        found = np.asarray(found).reshape(len(points), -1)
        flat = found.ravel()
        place = closest_on_triangles(np.repeat(points, found.shape[1], axis=0), self._corners[flat])
        gap = np.linalg.norm(place.reshape(*found.shape, 3) - points[:, None], axis=2)
        best = gap.argmin(axis=1)
        rows = np.arange(len(points))
        return gap[rows, best], place.reshape(*found.shape, 3)[rows, best], self._normal[found[rows, best]]


def _split(corners: Array, edge: float) -> Array:
    """Triangles (k, 3, 3) with every edge at most ``edge``: the longest edge is halved until it is short."""
    done = []
    while len(corners):
        sides = np.linalg.norm(corners - np.roll(corners, -1, axis=1), axis=2)
        longest = sides.argmax(axis=1)
        short = sides.max(axis=1) <= edge
        done.append(corners[short])
        corners, longest = corners[~short], longest[~short]
        rows = np.arange(len(corners))
        a, b, c = (corners[rows, (longest + k) % 3] for k in range(3))
        middle = 0.5 * (a + b)
        corners = np.concatenate([np.stack([a, middle, c], axis=1), np.stack([middle, b, c], axis=1)])
    return np.concatenate(done)


def closest_on_triangles(points: Array, corners: Array) -> Array:
    """(n, 3) place of triangle i (n, 3, 3) nearest to point i (n, 3).

    The regions of Ericson, Real-Time Collision Detection (2005), section 5.1.5: inside, or on the
    nearest of the three edges.
    """
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    u, v, w = b - a, c - a, points - a
    uu, uv, vv = _dot(u, u), _dot(u, v), _dot(v, v)
    uw, vw = _dot(u, w), _dot(v, w)
    determinant = np.maximum(uu * vv - uv * uv, 1e-300)
    s, t = (vv * uw - uv * vw) / determinant, (uu * vw - uv * uw) / determinant
    place = a + s[:, None] * u + t[:, None] * v
    outside = np.flatnonzero((s < 0.0) | (t < 0.0) | (s + t > 1.0))
    p = points[outside]
    sides = [_closest_on_segment(p, x[outside], y[outside]) for x, y in ((a, b), (b, c), (c, a))]
    gaps = np.stack([_dot(q - p, q - p) for q in sides])
    place[outside] = np.stack(sides)[gaps.argmin(axis=0), np.arange(len(outside))]
    return np.asarray(place)


def _closest_on_segment(points: Array, start: Array, end: Array) -> Array:
    along = end - start
    fraction = np.clip(_dot(points - start, along) / np.maximum(_dot(along, along), 1e-300), 0.0, 1.0)
    return np.asarray(start + fraction[:, None] * along)


def _dot(a: Array, b: Array) -> Array:
    return np.asarray(np.einsum("ij,ij->i", a, b))
