"""A centred, smooth, evenly spaced line from a jagged path of grid nodes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from hemo.geometry.lumen.distance import SurfaceDistance
from hemo.tree import arc_length

Array = NDArray[np.float64]

_DIRECTIONS = 8


def resample(points: Array, spacing: float) -> Array:
    """The polyline (n, 3) at even steps of about ``spacing``, ends kept."""
    arc = arc_length(points)
    keep = np.concatenate([[True], np.diff(arc) > 1e-9])
    arc, points = arc[keep], points[keep]
    even = np.linspace(0.0, arc[-1], max(2, round(arc[-1] / spacing)) + 1)
    return np.column_stack([np.interp(even, arc, points[:, k]) for k in range(3)])


def smooth(points: Array, width: float) -> Array:
    """Gaussian mean along an evenly spaced polyline, ``width`` (m) its standard deviation; ends kept.

    The line is continued beyond its ends by point reflection, so that it does not shorten.
    """
    step = float(np.linalg.norm(np.diff(points, axis=0), axis=1).mean())
    reach = min(int(np.ceil(4.0 * width / step)), len(points) - 1)
    if reach < 1 or width <= 0.0:
        return points
    head = 2.0 * points[0] - points[reach:0:-1]
    tail = 2.0 * points[-1] - points[-2 : -reach - 2 : -1]
    whole = np.concatenate([head, points, tail])
    return np.asarray(gaussian_filter1d(whole, width / step, axis=0)[reach : reach + len(points)])


def normal_planes(points: Array) -> tuple[Array, Array, Array]:
    """Unit tangents and two unit normals (n, 3) each of a polyline (n, 3), n >= 2."""
    tangent = np.gradient(points, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-300)
    axis = np.eye(3)[np.argmin(np.abs(tangent), axis=1)]
    first = np.cross(tangent, axis)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    return tangent, first, np.cross(tangent, first)


def centre_line(path: Array, wall: SurfaceDistance, spacing: float, width: float, step: float = 0.3e-3) -> Array:
    """Move a path (n, 3) inside the lumen to the middle.

    In turn: each point goes to where the wall is farthest within its normal plane, and the line is
    smoothed by a Gaussian of standard deviation ``width`` (m). The first search goes ``step`` (m) far at a time, each
    next one less, to 0.1 mm. Returns points about ``spacing`` apart.
    """
    line = smooth(resample(path, spacing), width)
    while step > 0.1e-3:
        line, _ = deepest_in_plane(line, wall, step, 3)
        line = resample(smooth(line, width), spacing)
        step *= 0.7
    return line


def deepest_in_plane(line: Array, wall: SurfaceDistance, step: float, rounds: int) -> tuple[Array, Array]:
    """Where the wall is farthest in each point's normal plane, and how far.

    A pattern search (Hooke and Jeeves 1961, J ACM 8:212): eight directions, the step halved where none
    is better; a point moves at most ``rounds`` times ``step`` (m).

    Returns
    -------
    places
        (n, 3).
    depth
        (n,) m.
    """
    _, first, second = normal_planes(line)
    angle = 2.0 * np.pi * np.arange(_DIRECTIONS) / _DIRECTIONS
    # The trials of one point side by side: the search tree is quick where one query lies near the last.
    around = np.cos(angle)[:, None] * first[:, None] + np.sin(angle)[:, None] * second[:, None]
    places = line.copy()
    depth, middle = wall.rough_depth(places)
    known = middle[:, None]
    size = np.full(len(line), step)
    rows = np.arange(len(line))
    for _ in range(rounds):
        trial = places[:, None] + size[:, None, None] * around
        # No place is deeper than it is far from a piece of wall met before: most trials need no search.
        bound = np.min([np.linalg.norm(trial - known[:, [k]], axis=2) for k in range(known.shape[1])], axis=0)
        worth = bound > 0.999999 * depth[:, None]
        found = np.full(worth.shape, -np.inf)
        met = np.full(trial.shape, np.inf)
        found[worth], met[worth] = wall.rough_depth(trial[worth])
        known = np.concatenate([known, met], axis=1)
        best = found.argmax(axis=1)
        better = found[rows, best] > depth
        places[better] = trial[rows, best][better]
        depth[better] = found[rows, best][better]
        size[~better] *= 0.5
    return places, depth
