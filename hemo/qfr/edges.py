"""A vessel laid straight, and a first pair of edges on it: the steepest rise of brightness, kept smooth along it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from hemo.qfr.path import normals

Array = NDArray[Any]

SPACING = 0.5  # pixels, across: of candidate edges
STIFF = 0.15  # of the typical gradient: what an edge pays for moving by one candidate from row to row
SMOOTH = (2.0, 1.0)  # pixels, along and across: against the noise, before the gradient is taken


def straightened(picture: Array, midline: Array, offsets: Array, order: int = 3) -> Array:
    """(n, m) brightness at offsets (m,) in pixels to the left of the midline (n, 2); NaN outside the picture.

    ``order`` is that of the interpolating spline.
    """
    places = midline[:, None, :] + offsets[None, :, None] * normals(midline)[:, None, :]
    sampled = map_coordinates(picture, [places[..., 1], places[..., 0]], order=order, mode="nearest")
    limits = np.array(picture.shape[::-1]) - 1.0
    outside = np.any((places < 0.0) | (places > limits), axis=-1)
    return np.where(outside, np.nan, sampled)


def steepest_edges(picture: Array, midline: Array, reach: float) -> tuple[Array, Array]:
    """(n,) offsets in pixels of the right (negative) and the left edge, by dynamic programming, sub-pixel.

    The sum along the vessel of the gradient outwards less ``STIFF`` for each move is largest (Sonka et al. 1995, IEEE
    Trans Med Imaging 14:151-161, search both borders too). Both edges lie on their own side of the midline, at most
    ``reach`` away.
    """
    offsets = np.arange(-reach - 1.0, reach + 1.0 + 1e-9, SPACING)
    profile = _filled(straightened(picture, midline, offsets))
    gradient = np.gradient(gaussian_filter(profile, (SMOOTH[0], SMOOTH[1] / SPACING), mode="nearest"), SPACING, axis=1)
    found = []
    for side in (-1.0, 1.0):
        allowed = np.flatnonzero((side * offsets >= SPACING) & (side * offsets <= reach))
        outwards = side * gradient[:, allowed]
        lane = best_lane(outwards, STIFF * float(np.median(np.max(outwards, axis=1))))
        found.append(_between(offsets[allowed], outwards, lane))
    return found[0], found[1]


def _filled(profile: Array) -> Array:
    """Rows that leave the picture go on with their last brightness, so that no edge shows there."""
    if not np.isnan(profile).any():
        return profile
    whole = np.arange(profile.shape[1])
    for row in profile:
        known = np.isfinite(row)
        row[~known] = np.interp(whole[~known], whole[known], row[known]) if known.any() else 0.0
    return profile


def best_lane(gain: Array, stiffness: float) -> Array:
    """(n,) the column on every row for the largest sum, moving by at most two columns from row to row."""
    rows, columns = gain.shape
    total, came = gain[0], np.zeros((rows, columns), dtype=int)
    moves = np.arange(-2, 3)
    for row in range(1, rows):
        wide = np.pad(total, 2, constant_values=-np.inf)
        choices = np.stack([wide[2 + move : 2 + move + columns] - stiffness * abs(move) for move in moves])
        best = np.argmax(choices, axis=0)
        came[row] = np.arange(columns) + moves[best]
        total = choices[best, np.arange(columns)] + gain[row]
    lane = np.empty(rows, dtype=int)
    lane[-1] = int(np.argmax(total))
    for row in range(rows - 1, 0, -1):
        lane[row - 1] = came[row, lane[row]]
    return lane


def _between(offsets: Array, gain: Array, lane: Array) -> Array:
    """(n,) the summit of the parabola through the gain at the lane and its neighbours."""
    middle = np.clip(lane, 1, len(offsets) - 2)
    rows = np.arange(len(lane))
    before, here, after = (gain[rows, middle + move] for move in (-1, 0, 1))
    bend = before - 2.0 * here + after
    shift = np.where(bend < 0.0, 0.5 * (before - after) / np.where(bend < 0.0, bend, -1.0), 0.0)
    inner = np.clip(shift, -0.5, 0.5)
    return np.asarray(offsets[lane] + np.where(lane == middle, inner, 0.0) * (offsets[1] - offsets[0]))
