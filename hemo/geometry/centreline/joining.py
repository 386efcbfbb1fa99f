"""Lines that run together, joined: one node for every place along the vessels of a tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from hemo.geometry.centreline.centring import arc_length, resample
from hemo.geometry.centreline.linefile import Polyline

Array = NDArray[np.float64]

# Spacing of the joined lines' nodes; lines are one where nearer than this share of the radius, or this far.
SPACING = 0.2e-3
_SAME = 0.1
_SAME_AT_LEAST = 0.1e-3


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
    """Single vessels as lines from their root: each goes on from the line in whose lumen one of its ends lies.

    The widest vessel whose wider end lies in no other is a root; then, in turn, the line whose end is nearest to the
    lines done, within their lumen.
    """
    waiting = sorted(lines, key=lambda line: -float(np.median(line.radius)) * np.sqrt(len(line.points)))
    done: list[Polyline] = []
    while waiting:
        best: tuple[float, int, Polyline, int, int] | None = None
        for number, line in enumerate(waiting):
            for way in (line, _reversed(line)):
                for owner, base in enumerate(done):
                    gap = np.linalg.norm(base.points - way.points[0], axis=1) / base.radius
                    place = int(gap.argmin())
                    if gap[place] < 1.5 and (best is None or gap[place] < best[0]):
                        best = (float(gap[place]), number, way, owner, place)
        if best is None:
            done.append(_wider_first(waiting.pop(0)))
            continue
        _, number, way, owner, place = best
        waiting.pop(number)
        done.append(_continued(done[owner], place, way))
    return done


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
