"""Cut a closed triangulated surface along one loop of a plane, leaving every other vessel whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, cKDTree

from hemo.triangles import unit_normals

Array = NDArray[np.float64]
Index = NDArray[np.int64]

REACH = 6.0  # a vessel's section lies within so many of its radii


@dataclass(frozen=True)
class Loop:
    """A closed curve in which a plane crosses a surface.

    Attributes
    ----------
    triangles
        (k,) crossed triangles in order round the loop.
    points
        (k, 3) where the loop leaves each of them.
    centre, normal
        The plane.
    """

    triangles: Index
    points: Array
    centre: Array
    normal: Array

    @property
    def area(self) -> float:
        """Area enclosed, in the square of the points' unit."""
        relative = self.points - self.points.mean(axis=0)
        vector = 0.5 * np.cross(relative, np.roll(relative, -1, axis=0)).sum(axis=0)
        return float(abs(vector @ self.normal))

    @property
    def reach(self) -> float:
        """Largest distance from the plane's centre."""
        return float(np.linalg.norm(self.points - self.centre, axis=1).max())

    @property
    def solidity(self) -> float:
        """Area over that of the convex hull: 1 for an oval, less where a spur stands out or two vessels meet."""
        relative = self.points - self.centre
        hull = ConvexHull(np.stack([relative @ axis for axis in plane_axes(self.normal)], axis=1))
        return self.area / float(hull.volume)

    @property
    def encloses_centre(self) -> bool:
        """Whether the loop winds round the plane's centre."""
        first, second = plane_axes(self.normal)
        relative = self.points - self.centre
        angle = np.arctan2(relative @ second, relative @ first)
        turn = np.angle(np.exp(1j * (np.roll(angle, -1) - angle))).sum()
        return bool(abs(turn) > np.pi)


def plane_axes(normal: Array) -> tuple[Array, Array]:
    """Two unit vectors that with ``normal`` form a right-handed frame."""
    helper = np.eye(3)[np.abs(normal).argmin()]
    first = np.cross(helper, normal)
    first /= np.linalg.norm(first)
    return np.asarray(first), np.asarray(np.cross(normal, first))


def find_loop(points: Array, triangles: Index, centre: Array, normal: Array, radius: float) -> Loop | None:
    """The loop round ``centre`` in the plane through it, or None.

    Only triangles within 6 ``radius`` are looked at; a loop that leaves this ball is no vessel's section.
    Of several loops round the centre the smallest counts; where none winds round it (a centreline may lie
    slightly outside a dented lumen), the one whose middle is within one radius.
    """
    near = np.linalg.norm(points - centre, axis=1) < REACH * radius
    candidates = np.flatnonzero(near[triangles].all(axis=1))
    return _own_loop(plane_loops(points, triangles, candidates, centre, normal), centre, radius)


class LoopFinder:
    """Finds loops as :func:`find_loop` does, quickly where many are sought on one large surface.

    Parameters
    ----------
    points, triangles
        (n, 3) vertices, any one unit, and (m, 3) their indices.
    """

    def __init__(self, points: Array, triangles: Index) -> None:
        self._points, self._triangles = points, triangles
        self._tree = cKDTree(points, leafsize=48, balanced_tree=False)
        corners = triangles.ravel()
        order = np.argsort(corners, kind="stable")
        self._owner = order // 3
        self._starts = np.searchsorted(corners[order], np.arange(len(points) + 1))

    def find(self, centre: Array, normal: Array, radius: float) -> Loop | None:
        """The loop round ``centre`` in the plane through it, or None."""
        inside = np.sort(np.array(self._tree.query_ball_point(centre, REACH * radius), dtype=np.int64))
        # Of a triangle crossed by the plane one corner lies above it: only those are looked at.
        above = inside[_height(self._points[inside], centre, normal) > 0.0]
        counts = self._starts[above + 1] - self._starts[above]
        runs = np.repeat(self._starts[above] - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts)
        candidates = np.unique(self._owner[runs + np.arange(int(counts.sum()))])
        corners = self._triangles[candidates]
        within = np.linalg.norm(self._points[corners] - centre, axis=2) < REACH * radius
        candidates = candidates[within.all(axis=1)]
        return _own_loop(plane_loops(self._points, self._triangles, candidates, centre, normal), centre, radius)

    def slope(self, loop: Loop) -> float:
        """Largest cosine between the plane's normal and that of a triangle it crosses: 0 where it cuts squarely."""
        return float(np.abs(unit_normals(self._points[self._triangles[loop.triangles]]) @ loop.normal).max())


def _own_loop(loops: list[Loop], centre: Array, radius: float) -> Loop | None:
    enclosing = [loop for loop in loops if loop.encloses_centre]
    if enclosing:
        return min(enclosing, key=lambda loop: loop.area)
    beside = [loop for loop in loops if np.linalg.norm(loop.points.mean(axis=0) - centre) < radius]
    return max(beside, key=lambda loop: loop.area, default=None)


def plane_loops(points: Array, triangles: Index, candidates: Index, centre: Array, normal: Array) -> list[Loop]:
    """Every closed loop of the plane through the candidate triangles.

    In an oriented manifold each crossed triangle has one edge that goes down through the plane and one
    that comes up; the neighbour over the descending edge holds it as its ascending one.
    """
    height = _height(points[triangles[candidates]], centre, normal)
    count = (height > 0.0).sum(axis=1)
    kept = (count == 1) | (count == 2)
    crossed, height = candidates[kept], height[kept]
    if len(crossed) == 0:
        return []
    start, end = triangles[crossed], np.roll(triangles[crossed], -1, axis=1)
    above, next_above = height > 0.0, np.roll(height > 0.0, -1, axis=1)
    rows = np.arange(len(crossed))
    down = (above & ~next_above).argmax(axis=1)
    up = (~above & next_above).argmax(axis=1)
    leaving = list(zip(start[rows, down].tolist(), end[rows, down].tolist(), strict=True))
    entering = {
        edge: row for row, edge in enumerate(zip(end[rows, up].tolist(), start[rows, up].tolist(), strict=True))
    }
    a, b = start[rows, down], end[rows, down]
    high, low = height[rows, down], height[rows, (down + 1) % 3]
    share = high / (high - low)
    exits = points[a] + share[:, None] * (points[b] - points[a])
    cycles = _cycles([entering.get(edge, -1) for edge in leaving])
    return [Loop(crossed[cycle], exits[cycle], centre, normal) for cycle in cycles if len(cycle) >= 3]


def _cycles(successor: list[int]) -> list[Index]:
    """Closed cycles of a partial permutation (-1: no successor)."""
    state = [0] * len(successor)
    cycles = []
    for first in range(len(successor)):
        path = []
        place = first
        while place >= 0 and state[place] == 0:
            state[place] = 1
            path.append(place)
            place = successor[place]
        if place == first and path:
            cycles.append(np.array(path, dtype=np.int64))
    return cycles


def cut_along(points: Array, triangles: Index, loop: Loop) -> tuple[Array, Index, Index, Index]:
    """Part the surface along a loop.

    Returns
    -------
    points, triangles
        The surface with the loop's triangles split and its two sides sharing no vertex.
    above, below
        (k,) vertex indices of the loop on the side the plane's normal points to and on the other, both in
        the loop's order.
    """
    points, triangles, ((above, below),) = cut_along_all(points, triangles, [loop])
    return points, triangles, above, below


def cut_along_all(
    points: Array, triangles: Index, loops: Sequence[Loop]
) -> tuple[Array, Index, list[tuple[Index, Index]]]:
    """Part the surface along loops that share no triangle: as :func:`cut_along` does, with both sides of each."""
    new: list[tuple[int, int, int]] = []
    rims: list[tuple[Index, Index]] = []
    size = len(points)
    for loop in loops:
        above = size + np.arange(len(loop.triangles))
        below = above + len(loop.triangles)
        new += _split(points, triangles, loop, above, below)
        rims.append((above, below))
        size += 2 * len(loop.triangles)
    crossed = np.concatenate([loop.triangles for loop in loops])
    parted = np.vstack([np.delete(triangles, crossed, axis=0), np.array(new, dtype=np.int64)])
    return np.vstack([points, *(loop.points for loop in loops for _ in range(2))]), parted, rims


def _split(points: Array, triangles: Index, loop: Loop, above: Index, below: Index) -> list[tuple[int, int, int]]:
    """The pieces of a loop's triangles on either side of it."""
    new: list[tuple[int, int, int]] = []
    high = _height(points[triangles[loop.triangles]], loop.centre, loop.normal) > 0.0
    for i, (triangle, upper) in enumerate(zip(loop.triangles, high, strict=True)):
        alone_above = bool(upper.sum() == 1)
        v0, v1, v2 = np.roll(triangles[triangle], -int(np.argmax(upper == alone_above)))
        before = (i - 1) % len(loop.triangles)
        if alone_above:
            new += [(v0, above[i], above[before])]
            new += [(below[i], v1, v2), (below[i], v2, below[before])]
        else:
            new += [(v0, below[before], below[i])]
            new += [(above[before], v1, v2), (above[before], v2, above[i])]
    return new


def _height(points: Array, centre: Array, normal: Array) -> Array:
    """(...) height of points (..., 3) above a plane, the same for a point in whatever array it stands."""
    x, y, z = np.moveaxis(points - centre, -1, 0)
    return np.asarray(x * normal[0] + y * normal[1] + z * normal[2])
