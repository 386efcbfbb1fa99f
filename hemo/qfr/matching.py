"""Which place of a vessel's midline in one view is which in the other.

Points of one epipolar plane (through both sources) are seen on one epipolar line in each view. The angle of that
plane about the line through the sources, times the isocentre's distance from this line, is a place's *height*: two
images of one place have the same height. A vessel may touch, cross or follow such a plane, so heights alone do not tell
the places. Both midlines are therefore walked together from end to end, never back, by dynamic programming: what the
walk minimises is the difference of the heights, that of the profiles of widths (weakly), and changes of pace.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.qfr.camera import Camera
from hemo.qfr.midline import Midline, feet

Array = NDArray[Any]

# Places walked on in the one and the other view; none stands still, so that the match is one to one.
_STEPS = ((1, 4), (1, 3), (1, 2), (2, 3), (1, 1), (3, 2), (2, 1), (3, 1), (4, 1))
_PACE = np.log([second / first for first, second in _STEPS])
_FORBIDDEN = 1e6
_ON_VESSEL = 12.0  # pixels from the midline


@dataclass(frozen=True)
class MatchOptions:
    """What a match weighs.

    Attributes
    ----------
    spacing
        Of the places that are matched, m at the isocentre.
    height
        Difference of heights that costs as much as leaving a place unmatched, m.
    width
        Relative difference of widths that does; sections that are not round, and noise, make some.
    pace
        Cost of a change of pace by a factor e, in unmatched places.
    most
        Places at most in one midline; beyond it they are farther apart.
    """

    spacing: float = 0.5e-3
    height: float = 0.5e-3
    width: float = 0.35
    pace: float = 1.5
    most: int = 160


@dataclass(frozen=True)
class Match:
    """Places that belong together, as arc lengths (k,) on both midlines, pixels, increasing; and what it cost."""

    first: Array
    second: Array
    cost: float


def heights(cameras: Sequence[Camera], view: int, pixels: Array) -> Array:
    """(n,) heights of pixels (n, 2) of one of two views, m; the isocentre's is 0."""
    ahead, up, distance = _pencil(cameras)
    rays = cameras[view].rays(pixels)
    return np.asarray(distance * np.arctan2(rays @ up, rays @ ahead))


def height_direction(cameras: Sequence[Camera]) -> Array:
    """(3,) unit vector across the epipolar plane of the isocentre."""
    return _pencil(cameras)[1]


def _pencil(cameras: Sequence[Camera]) -> tuple[Array, Array, float]:
    start, end = cameras[0].source, cameras[1].source
    along = (end - start) / np.linalg.norm(end - start)
    ahead = -start + (start @ along) * along
    distance = float(np.linalg.norm(ahead))
    return ahead / distance, np.cross(along, ahead / distance), distance


def match(
    cameras: Sequence[Camera],
    lines: Sequence[Midline],
    landmarks: Array | None = None,
    offsets: Array | None = None,
    expected: float = np.inf,
    options: MatchOptions | None = None,
) -> tuple[Match, float]:
    """Match two midlines.

    Parameters
    ----------
    cameras, lines
        Two each.
    landmarks
        (l, 2, 2) pixels of places seen in both views: landmark, view, column and row. Those near the midlines bind
        the match.
    offsets
        (o,) differences of the heights (second less first) to try, m; without it none.
    expected
        What size such differences are expected to be, m: as large a one costs as much as an unmatched place.

    Returns
    -------
    match, offset
        The cheapest match, and the difference of the heights at which it is.

    Raises
    ------
    InputError
        If no stretch is seen in both views, or the landmarks contradict each other.
    """
    options = options or MatchOptions()
    offsets = np.zeros(1) if offsets is None else offsets
    arcs = [_places(line, camera, options) for line, camera in zip(lines, cameras, strict=True)]
    cost = _costs(cameras, lines, arcs, offsets, options)
    barred = _barred(lines, arcs, landmarks)
    cost = np.where(barred, _FORBIDDEN, cost)
    totals, paths = _walk(cost, options)
    best = int(np.argmin(totals + (offsets / expected) ** 2))
    if not np.isfinite(totals[best]) or totals[best] >= _FORBIDDEN:
        raise InputError(
            "the two views' midlines cannot be matched: they show no common stretch, or the landmarks are not in the "
            "same order in both views; check the contours, the landmarks and the views' angles."
        )
    i, j = paths(best)
    if len(i) < 4:
        raise InputError("hardly any of the vessel is seen in both views: check the contours and the views' angles.")
    return Match(arcs[0][i], arcs[1][j], float(totals[best])), float(offsets[best])


def _places(line: Midline, camera: Camera, options: MatchOptions) -> Array:
    pixel = float(camera.pixel_at(-np.array([camera.shift]))[0])
    count = round(line.arc[-1] * pixel / options.spacing) + 1
    return np.linspace(0.0, line.arc[-1], int(np.clip(count, 12, options.most)))


def _costs(
    cameras: Sequence[Camera], lines: Sequence[Midline], arcs: list[Array], offsets: Array, options: MatchOptions
) -> Array:
    """(o, n, m) cost of every pair of places for every offset."""
    high = [heights(cameras, view, lines[view].at(arcs[view])) for view in range(2)]
    wide = [np.interp(arcs[view], lines[view].arc, lines[view].log_width) for view in range(2)]
    # Only the profile is compared: magnification, calibration and an even flattening leave it alone.
    first, second = (values - np.median(values) for values in wide)
    width = np.abs(first[:, None] - second[None, :]) / options.width
    height = high[1][None, None, :] - high[0][None, :, None] - offsets[:, None, None]
    return np.asarray((height / options.height) ** 2 + np.minimum(width, 2.0) ** 2)


def _barred(lines: Sequence[Midline], arcs: list[Array], landmarks: Array | None) -> Array:
    """(n, m) pairs that would put a landmark before another place in one view and behind it in the other."""
    barred = np.zeros((len(arcs[0]), len(arcs[1])), dtype=bool)
    if landmarks is None:
        return barred
    places = [feet(landmarks[:, view], lines[view].points, lines[view].arc) for view in range(2)]
    off = [np.linalg.norm(landmarks[:, k] - lines[k].at(places[k]), axis=1) for k in range(2)]
    slack = [2.0 * (arc[1] - arc[0]) for arc in arcs]
    for one, other, away in zip(*places, np.maximum(*off), strict=True):
        if away > _ON_VESSEL:
            continue  # a catheter's tip, a clip: it tells the offset, not the vessel's places
        before, behind = arcs[0] < one - slack[0], arcs[0] > one + slack[0]
        barred |= before[:, None] & (arcs[1] > other + slack[1])[None, :]
        barred |= behind[:, None] & (arcs[1] < other - slack[1])[None, :]
    return barred


def _walk(cost: Array, options: MatchOptions) -> tuple[Array, Any]:
    """Least total cost (o,) and a function that gives one offset's path as two arrays of indices.

    A walk begins where one midline begins and ends where one ends; what is left of the other costs 1 a place.
    """
    count, n, m = cost.shape
    change = options.pace * np.abs(_PACE[:, None] - _PACE[None, :])
    begin = np.full((n, m), np.inf)
    begin[:, 0], begin[0, :] = np.arange(n), np.arange(m)
    total = np.full((n, count, m, len(_STEPS)), np.inf)
    origin = np.full((n, count, m, len(_STEPS)), -1, dtype=np.int8)
    reached, came = np.empty((n, count, m, len(_STEPS))), np.empty((n, count, m, len(_STEPS)), dtype=np.int8)
    for i in range(n):
        for k, (a, b) in enumerate(_STEPS):
            if a > i or b >= m:
                continue
            mean = 0.5 * (cost[:, i - a, : m - b] + cost[:, i, b:])
            total[i, :, b:, k] = reached[i - a, :, : m - b, k] + 0.5 * (a + b) * mean
            origin[i, :, b:, k] = came[i - a, :, : m - b, k]
        onwards = total[i][..., :, None] + change
        from_step = onwards.argmin(axis=-2)
        least = np.take_along_axis(onwards, from_step[..., None, :], axis=-2)[..., 0, :]
        starts = begin[i][None, :, None] <= least
        reached[i] = np.where(starts, begin[i][None, :, None], least)
        came[i] = np.where(starts, -1, from_step)
    left = np.full((n, m), np.inf)
    left[-1, :], left[:, -1] = np.arange(m)[::-1], np.arange(n)[::-1]
    closing = total + left[:, None, :, None]
    totals = closing.min(axis=(0, 2, 3))

    def path(which: int) -> tuple[Array, Array]:
        end = closing[:, which]
        i, j, k = (int(x) for x in np.unravel_index(end.argmin(), end.shape))
        trail = [(i, j)]
        while k >= 0:
            k, (a, b) = int(origin[i, which, j, k]), _STEPS[k]
            i, j = i - a, j - b
            trail.append((i, j))
        rows = np.array(trail[::-1])
        return rows[:, 0], rows[:, 1]

    return totals, path
