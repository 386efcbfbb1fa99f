"""Plane closed outlines (k, 2): area, centroid, perimeter, inscribed circle, distances along rays, self-crossing.

The outline's last point joins its first, which is not repeated. Lengths in any unit, angles in radians from the first
axis towards the second.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from hemo.tree import arc_length

Array = NDArray[Any]


def area_and_centroid(outline: Array) -> tuple[float, Array]:
    """Signed area (positive counter-clockwise) and the area's centroid (2,), by Green's theorem."""
    middle = outline.mean(axis=0)
    a = outline - middle
    b = np.roll(a, -1, axis=0)
    cross = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    area = 0.5 * float(cross.sum())
    if area == 0.0:
        return 0.0, middle
    return area, middle + ((a + b) * cross[:, None]).sum(axis=0) / (6.0 * area)


def perimeter(outline: Array) -> float:
    """Length of the sides."""
    return float(np.linalg.norm(np.roll(outline, -1, axis=0) - outline, axis=1).sum())


def inscribed_radius(outline: Array, start: Array) -> float:
    """Radius of the largest circle within, by a search on ever finer grids about the best place so far."""
    side = np.roll(outline, -1, axis=0) - outline
    square = np.maximum((side**2).sum(axis=1), 1e-300)
    best, size, radius = start, 0.5 * float(np.ptp(outline, axis=0).max()), 0.0
    steps = np.stack(np.meshgrid(*[np.linspace(-1.0, 1.0, 13)] * 2), axis=-1).reshape(-1, 2)
    for _ in range(4):
        places = best + size * steps
        offset = places[:, None] - outline
        share = np.clip((offset * side).sum(axis=2) / square, 0.0, 1.0)
        gap = np.linalg.norm(offset - share[..., None] * side, axis=2).min(axis=1)
        behind = offset - side
        turn = np.arctan2(offset[..., 0] * behind[..., 1] - offset[..., 1] * behind[..., 0], (offset * behind).sum(2))
        gap[np.abs(turn.sum(axis=1)) < np.pi] = 0.0
        if gap.max() > radius:
            radius, best = float(gap.max()), places[int(gap.argmax())]
        size *= 0.25
    return radius


def swept_angles(outline: Array, centre: Array) -> Array:
    """(k + 1,) angle of the outline's points as seen from a place, followed round without jumps, back to the first."""
    seen = outline - centre
    angle = np.arctan2(seen[:, 1], seen[:, 0])
    return np.unwrap(np.append(angle, angle[0]))


def is_star(outline: Array, centre: Array) -> bool:
    """Whether every ray from a place meets the outline just once: such an outline cannot cross itself."""
    angle = swept_angles(outline, centre)
    turns = np.diff(angle)
    return bool(abs(abs(angle[-1] - angle[0]) - 2.0 * np.pi) < 1e-6 and (np.all(turns > 0.0) or np.all(turns < 0.0)))


def crossings(outline: Array, centre: Array, angles: Array) -> tuple[Array, Array]:
    """Where rays from a place at angles (m,) meet the outline: their ray's number (c,) and the distance (c,)."""
    first = outline - centre
    second = np.roll(first, -1, axis=0)
    across = np.stack([-np.sin(angles), np.cos(angles)])
    side_first, side_second = (first @ across).T, (second @ across).T
    ray, edge = np.nonzero((side_first >= 0.0) != (side_second >= 0.0))
    share = side_first[ray, edge] / (side_first[ray, edge] - side_second[ray, edge])
    place = first[edge] + share[:, None] * (second - first)[edge]
    distance = place[:, 0] * np.cos(angles[ray]) + place[:, 1] * np.sin(angles[ray])
    ahead = distance > 0.0
    return ray[ahead], distance[ahead]


def reach(outline: Array, centre: Array, angles: Array) -> Array:
    """(m,) distance from a place to the outermost crossing of each ray with the outline; nan where it misses it."""
    if is_star(outline, centre):
        return _star_reach(outline - centre, angles)
    ray, distance = crossings(outline, centre, angles)
    found = np.full(len(angles), -np.inf)
    np.maximum.at(found, ray, distance)
    return np.where(np.isfinite(found), found, np.nan)


def _star_reach(seen: Array, angles: Array) -> Array:
    """The same where each ray crosses once, without trying every side."""
    angle = np.arctan2(seen[:, 1], seen[:, 0]) % (2.0 * np.pi)
    order = np.argsort(angle)
    seen, angle = seen[order], angle[order]
    last = np.searchsorted(angle, angles % (2.0 * np.pi)) % len(seen)
    a, b = seen[last - 1], seen[last]
    across = np.stack([-np.sin(angles), np.cos(angles)], axis=1)
    before, behind = (a * across).sum(axis=1), (b * across).sum(axis=1)
    apart = before - behind
    share = np.where(np.abs(apart) > 1e-300, before / np.where(apart == 0.0, 1.0, apart), 0.0)
    return np.asarray(np.linalg.norm(a + np.clip(share, 0.0, 1.0)[:, None] * (b - a), axis=1))


def length_inside(outline: Array, centre: Array, angles: Array) -> Array:
    """(m,) length of each ray from a place that lies within the outline."""
    ray, distance = crossings(outline, centre, angles)
    order = np.lexsort((-distance, ray))
    ray, distance = ray[order], distance[order]
    rank = np.arange(len(ray)) - np.searchsorted(ray, ray)
    # From the outermost crossing inwards: a ray leaves, enters, leaves ...; what is left over ends at the place itself.
    found = np.zeros(len(angles))
    np.add.at(found, ray, np.where(rank % 2 == 0, distance, -distance))
    return found


def crosses_itself(outline: Array) -> bool:
    """Whether two sides that are not neighbours meet."""
    count = len(outline)
    side = np.roll(outline, -1, axis=0) - outline
    longest = float(np.linalg.norm(side, axis=1).max())
    # Two sides that meet have middles no farther apart than the longest side is long.
    pairs = cKDTree(outline + 0.5 * side).query_pairs(longest * (1.0 + 1e-9), output_type="ndarray")
    gap = (pairs[:, 1] - pairs[:, 0]) % count
    i, j = pairs[(gap > 1) & (gap < count - 1)].T

    def turn(a: Array, b: Array, c: Array) -> Array:
        return np.sign((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0])

    a, b, c, d = outline[i], outline[(i + 1) % count], outline[j], outline[(j + 1) % count]
    first, second = (turn(a, b, c), turn(a, b, d)), (turn(c, d, a), turn(c, d, b))
    in_line = (first[0] == 0.0) & (first[1] == 0.0)
    return bool(np.any((first[0] * first[1] <= 0.0) & (second[0] * second[1] <= 0.0) & ~in_line))


def resampled(outline: Array, count: int) -> Array:
    """(count, 2) points evenly spaced along the sides."""
    closed = np.vstack([outline, outline[:1]])
    along = arc_length(closed)
    wanted = np.linspace(0.0, along[-1], count, endpoint=False)
    return np.stack([np.interp(wanted, along, closed[:, k]) for k in range(2)], axis=1)
