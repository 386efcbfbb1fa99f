"""Lines that run together, joined: one node for every place along the vessels of a tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from hemo.geometry.centreline.centring import resample
from hemo.geometry.centreline.linefile import Polyline
from hemo.tree import arc_length

Array = NDArray[np.float64]

# Spacing of the joined lines' nodes; lines are one where nearer than this share of the radius, or this far.
SPACING = 0.2e-3
_SAME = 0.1
_SAME_AT_LEAST = 0.1e-3
# An end within this many radii of another line lies in its lumen.
_LUMEN = 1.5


@dataclass(frozen=True)
class Nodes:
    """Joined lines: node places, radii, areas (nan where unknown) and the node before each (-1 at a root)."""

    points: Array
    radius: Array
    area: Array
    before: NDArray[np.int64]
    tips: tuple[int, ...]


def rooted(lines: Sequence[Polyline], same: float = 0.1e-3) -> list[Polyline]:
    """Every line from its root to its tip."""
    if len(lines) == 1:
        return [_wider_first(lines[0])]
    first = np.array([line.points[0] for line in lines])
    last = np.array([line.points[-1] for line in lines])
    if _shared(first, same) >= _shared(last, same) and _shared(first, same) > 1:
        return list(lines)
    if _shared(last, same) > 1:
        return [_reversed(line) for line in lines]
    return _attached(list(lines))


def _shared(ends: Array, same: float) -> int:
    """Least number of lines that start where one of them does."""
    return int(min(len(found) for found in cKDTree(ends).query_ball_point(ends, same)))


def _reversed(line: Polyline) -> Polyline:
    area = None if line.area is None else line.area[::-1]
    return replace(line, points=line.points[::-1], radius=line.radius[::-1], area=area)


def _wider_first(line: Polyline) -> Polyline:
    third = max(len(line.radius) // 3, 1)
    return line if line.radius[:third].mean() >= line.radius[-third:].mean() else _reversed(line)


def _attached(lines: list[Polyline]) -> list[Polyline]:
    """Single vessels as lines from their root: each is led in by the line in whose lumen one of its ends lies.

    In turn the end nearest to the lines done, within their lumen, is joined on. Where there is none, a root is
    next: of the lines whose wider end lies in no other, the widest there.
    """
    waiting = [_wider_first(line) for line in lines]
    done: list[Polyline] = []
    while waiting:
        found = [
            (*_nearest(way.points[0], base), number, owner, way)
            for number, line in enumerate(waiting)
            for way in (line, _reversed(line))
            for owner, base in enumerate(done)
        ]
        best = min(found, key=lambda item: item[0], default=None)
        if best is not None and best[0] < _LUMEN:
            _, place, number, owner, way = best
            del waiting[number]
            done.append(_continued(done[owner], place, way))
        else:
            done.append(waiting.pop(_next_root(waiting)))
    return done


def _nearest(place: Array, line: Polyline) -> tuple[float, int]:
    """Distance of a place from a line, in the line's radii, and the number of the point there."""
    gap = np.linalg.norm(line.points - place, axis=1) / line.radius
    return float(gap.min()), int(gap.argmin())


def _next_root(lines: list[Polyline]) -> int:
    def free(number: int) -> bool:
        others = (line for k, line in enumerate(lines) if k != number)
        return all(_nearest(lines[number].points[0], other)[0] >= _LUMEN for other in others)

    return max(range(len(lines)), key=lambda number: (free(number), lines[number].radius[0]))


def _continued(base: Polyline, place: int, line: Polyline) -> Polyline:
    """``line`` led in by ``base`` up to its point ``place``."""
    keep = slice(0, place + 1)
    area = None
    if base.area is not None and line.area is not None:
        area = np.concatenate([base.area[keep], line.area])
    points = np.concatenate([base.points[keep], line.points])
    return Polyline(line.name, points, np.concatenate([base.radius[keep], line.radius]), area)


def _fine(line: Polyline) -> Polyline:
    """The line at even steps, its values interpolated."""
    arc = arc_length(line.points)
    moves = np.concatenate([[True], np.diff(arc) > 1e-9])
    arc, points = arc[moves], line.points[moves]
    fine = resample(points, SPACING)
    even = np.linspace(0.0, arc[-1], len(fine))
    radius = np.interp(even, arc, line.radius[moves])
    area = np.full(len(fine), np.nan) if line.area is None else np.interp(even, arc, line.area[moves])
    return Polyline(line.name, fine, radius, area)


def joined(lines: Sequence[Polyline]) -> Nodes:
    """One set of nodes: of each line, the part beyond where it was last together with a longer one is new."""
    points: Array = np.zeros((0, 3))
    radius: Array = np.zeros(0)
    area: Array = np.zeros(0)
    before: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
    tips = []
    for line in sorted(map(_fine, lines), key=lambda item: -len(item.points)):
        start, joint = 0, -1
        if len(points):
            gap, nearest = cKDTree(points).query(line.points)
            together = np.flatnonzero(gap < np.maximum(_SAME * line.radius, _SAME_AT_LEAST))
            if len(together):
                start, joint = int(together[-1]) + 1, int(nearest[together[-1]])
        count = len(line.points) - start
        if not count:
            continue
        new = np.arange(len(points), len(points) + count)
        before = np.concatenate([before, [joint], new[:-1]])
        points = np.concatenate([points, line.points[start:]])
        radius = np.concatenate([radius, line.radius[start:]])
        area = np.concatenate([area, np.full(count, np.nan) if line.area is None else line.area[start:]])
        tips.append(int(new[-1]))
    return Nodes(points, radius, area, before, tuple(tips))
