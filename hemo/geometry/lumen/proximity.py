"""Signed distance from points to a triangulated surface, in numpy and a k-d tree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Array = NDArray[np.float64]
Index = NDArray[np.int64]

CANDIDATES = 8
_EDGE = 1e-3  # barycentric: so far beyond a triangle's edge a point still stands over it
_CLOSE = 0.1  # of the triangles' edges: higher than that a point may be nearer to another triangle
BLOCK = 4096  # points at a time, so that the work arrays stay in the processor's cache


def wall_tree(points: Array) -> cKDTree:
    """Search tree of places (n, 3) on a wall, quick from within the lumen.

    From the middle of a vessel most of a ring of wall is about as near: large leaves take half the time there.
    """
    return cKDTree(points, leafsize=48, balanced_tree=False)


class Proximity:
    """Nearest points on a triangulated surface.

    Each triangle is sampled so densely that the nearest samples belong to the nearest triangles; the
    distance itself is exact for the triangles so found.

    Parameters
    ----------
    points
        (n, 3) vertices, any one unit.
    triangles
        (m, 3) vertex indices, normals outward.
    """

    def __init__(self, points: Array, triangles: Index) -> None:
        self._corners = points[triangles]
        normal = np.cross(self._corners[:, 1] - self._corners[:, 0], self._corners[:, 2] - self._corners[:, 0])
        size = np.linalg.norm(normal, axis=1, keepdims=True)
        self._normals = normal / np.maximum(size, 1e-300)
        edges = self._corners - np.roll(self._corners, -1, axis=1)
        length = np.linalg.norm(edges, axis=2)
        samples, owner = _samples(self._corners, length.max(axis=1), float(np.median(length)))
        self._owner = owner
        self._spacing = float(np.median(length))
        self._tree = cKDTree(samples)

    @property
    def first_corner(self) -> Array:
        """(m, 3) a vertex of each triangle."""
        return self._corners[:, 0]

    def signed_distance(self, query: Array) -> Array:
        """(k,) distance of (k, 3) points, negative on the side the normals point away from."""
        candidates, blocks = self.candidates(query), _blocks(len(query))
        return np.concatenate([np.empty(0), *(self._block(query[part], candidates[part]) for part in blocks)])

    def candidates(self, query: Array, count: int = CANDIDATES) -> Index:
        """(k, c) triangles among which the nearest to each of (k, 3) points is."""
        count = min(count, len(self._owner))
        _, nearest = self._tree.query(query, k=count, workers=-1)
        return np.asarray(self._owner[np.reshape(nearest, (len(query), count))])

    def near_by(self, query: Array) -> NearBy:
        """Prepare the distances of (k, 3) points close to the surface, and of the same points moved a little."""
        return NearBy(self, self._dual(), self.candidates(query, 3), _CLOSE * self._spacing)

    def _dual(self) -> Array:
        """(m, 3, 3) rows that give the second and third barycentric coordinate and the height above each triangle."""
        u, v = (self._corners[:, i] - self._corners[:, 0] for i in (1, 2))
        square = np.maximum(np.linalg.norm(np.cross(u, v), axis=1, keepdims=True), 1e-300)
        return np.stack(
            [np.cross(v, self._normals) / square, np.cross(self._normals, u) / square, self._normals], axis=1
        )

    def _block(self, query: Array, triangle: Index) -> Array:
        count = triangle.shape[1]
        flat = triangle.ravel()
        where = np.repeat(query, count, axis=0)
        closest = closest_point(where, *(self._corners[flat, i] for i in range(3)))
        distance = np.linalg.norm(where - closest, axis=1).reshape(len(query), count)
        best = distance.min(axis=1)
        # Where the nearest point lies on an edge or a corner the triangles that share it are equally near;
        # the one that faces the point most squarely gives the right side (Baerentzen and Aanaes 2005).
        across = np.einsum("ij,ij->i", where - closest, self._normals[flat]).reshape(distance.shape)
        across[distance > best[:, None] * (1.0 + 1e-6) + 1e-15] = 0.0
        facing = np.take_along_axis(across, np.abs(across).argmax(axis=1)[:, None], axis=1)[:, 0]
        return np.asarray(np.where(facing < 0.0, -best, best))


@dataclass(frozen=True)
class NearBy:
    """Distances of points from a surface that they nearly lie on: most stand over one of few triangles.

    The height above the plane of the triangle that a point stands over IS its distance, but where it stands over none,
    or high: only there all candidates are looked at.
    """

    surface: Proximity
    dual: Array
    over: Index
    limit: float

    def signed_distance(self, query: Array) -> Array:
        """(k,) signed distance, as :meth:`Proximity.signed_distance`, of the points, or where they have moved to."""
        blocks = [self._heights(query[part], self.over[part]) for part in _blocks(len(query))]
        distance = np.concatenate([np.empty(0), *blocks])
        rest = np.flatnonzero(~(np.abs(distance) <= self.limit))
        distance[rest] = self.surface.signed_distance(query[rest])
        return distance

    def _heights(self, query: Array, over: Index) -> Array:
        """(k,) smallest height of each point above those of its triangles that it stands over; infinite without."""
        offset = query[:, None] - self.surface.first_corner[over]
        second, third, height = np.einsum("kcij,kcj->ikc", self.dual[over], offset)
        outside = (second < -_EDGE) | (third < -_EDGE) | (second + third > 1.0 + _EDGE)
        least = np.where(outside, np.inf, np.abs(height)).argmin(axis=1)[:, None]
        found = np.take_along_axis(height, least, axis=1)[:, 0]
        found[np.take_along_axis(outside, least, axis=1)[:, 0]] = np.inf
        return np.asarray(found)


def _blocks(count: int) -> list[slice]:
    return [slice(start, start + BLOCK) for start in range(0, count, BLOCK)]


def _samples(corners: Array, longest: Array, spacing: float) -> tuple[Array, Index]:
    """Points inside each triangle at most about ``spacing`` apart, and the triangle each belongs to."""
    division = np.clip(np.ceil(longest / max(spacing, 1e-300)), 1, 40).astype(np.int64)
    samples, owner = [], []
    for n in np.unique(division):
        group = np.flatnonzero(division == n)
        i, j = (index.ravel() for index in np.meshgrid(np.arange(n), np.arange(n), indexing="ij"))
        keep = i + j < n
        first, second = (i[keep] + 1 / 3) / n, (j[keep] + 1 / 3) / n
        weights = np.stack([1.0 - first - second, first, second], axis=1)
        samples.append(np.einsum("qk,tkd->tqd", weights, corners[group]).reshape(-1, 3))
        owner.append(np.repeat(group, len(weights)))
    return np.concatenate(samples), np.concatenate(owner)


def closest_point(p: Array, a: Array, b: Array, c: Array) -> Array:
    """(k, 3) nearest point to each p on its triangle (a, b, c); all (k, 3)."""
    normal = np.cross(b - a, c - a)
    square = np.maximum(np.einsum("ij,ij->i", normal, normal), 1e-300)
    second = np.einsum("ij,ij->i", np.cross(p - a, c - a), normal) / square
    third = np.einsum("ij,ij->i", np.cross(b - a, p - a), normal) / square
    inside = (second >= 0.0) & (third >= 0.0) & (second + third <= 1.0)
    best = a + second[:, None] * (b - a) + third[:, None] * (c - a)
    outside = np.flatnonzero(~inside)
    if len(outside):
        edges = [_closest_on_segment(p[outside], u[outside], v[outside]) for u, v in ((a, b), (b, c), (c, a))]
        distance = np.stack([np.linalg.norm(p[outside] - q, axis=1) for q in edges])
        best[outside] = np.stack(edges)[distance.argmin(axis=0), np.arange(len(outside))]
    return np.asarray(best)


def _closest_on_segment(p: Array, a: Array, b: Array) -> Array:
    along = b - a
    share = np.einsum("ij,ij->i", p - a, along) / np.maximum(np.einsum("ij,ij->i", along, along), 1e-300)
    return np.asarray(a + np.clip(share, 0.0, 1.0)[:, None] * along)
