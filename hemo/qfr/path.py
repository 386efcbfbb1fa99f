"""The way along a vessel through points that a user set, and lines on an image: length, equal steps, smoothing."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from hemo.errors import InputError
from hemo.tree import arc_length

Array = NDArray[Any]

FLOOR = 0.03  # of the ridge at the points: a step off every vessel costs 1 / FLOOR times one on it
FAINTEST = 0.08  # of the strongest ridge: a point with nothing more about it is not on a vessel
RETRACED = 0.3  # of a stretch's length: if more of it runs over the stretches before, the points are out of order


def at_equal_steps(line: Array, step: float) -> Array:
    """The line (n, 2) at steps of at most ``step``, all equal along its arc, ends kept."""
    arc = arc_length(line)
    places = np.linspace(0.0, arc[-1], max(2, int(np.ceil(arc[-1] / step - 1e-9)) + 1))
    return np.column_stack([np.interp(places, arc, values) for values in line.T])


def smoothed(line: Array, length: float) -> Array:
    """The line (n, 2), given at equal steps of about 1, through a Gaussian of that standard deviation; ends kept.

    Beyond its ends the line goes on mirrored through them, so a straight line is not shortened.
    """
    count = min(len(line) - 1, int(np.ceil(4.0 * length)))
    before, after = 2.0 * line[0] - line[count:0:-1], 2.0 * line[-1] - line[-2 : -count - 2 : -1]
    longer = gaussian_filter1d(np.concatenate([before, line, after]), length, axis=0)
    return np.asarray(longer[count : count + len(line)])


def normals(line: Array) -> Array:
    """(n, 2) unit vectors to the left on the image when looking along the line.

    Rows run downwards, so left of a line that goes to the right (columns) is up: towards smaller rows.
    """
    along = np.gradient(line, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-12)
    return np.column_stack([along[:, 1], -along[:, 0]])


def minimal_path(strength: Array, points: Array, reach: float) -> Array:
    """(n, 2) column and row of the pixels along the least costly way through the points, proximal to distal.

    Parameters
    ----------
    strength
        (rows, columns) of ``ridge``; a step costs the inverse of it, up to what it is at the points: a darker catheter
        or vessel beside draws nothing to it.
    points
        (k, 2) column and row, k >= 2, each drawn to the strongest ridge within ``reach`` pixels.

    Raises
    ------
    InputError
        If no dark line is near a point, two coincide, or they are not in order along the vessel.
    """
    from skimage.graph import MCP_Geometric

    seeds = [_drawn(strength, point, reach, number) for number, point in enumerate(points, start=1)]
    pieces: list[Array] = []
    for number, (begin, end) in enumerate(pairwise(seeds), start=1):
        if begin == end:
            raise InputError(
                f"Points {number} and {number + 1} lie on one place of the vessel; set them further apart."
            )
        usual = min(_about(strength, begin), _about(strength, end))
        finder = MCP_Geometric(1.0 / (FLOOR * usual + np.minimum(strength, usual)))
        finder.find_costs([begin], [end])
        pieces.append(np.array(finder.traceback(end))[:, ::-1])
    _in_order(pieces)
    return np.concatenate([pieces[0], *[piece[1:] for piece in pieces[1:]]]).astype(float)


def _drawn(strength: Array, point: Array, reach: float, number: int) -> tuple[int, int]:
    """Row and column of the strongest ridge near a point; what is nearer wins over what is a little stronger."""
    rows, columns = np.indices(strength.shape)
    far = np.hypot(columns - point[0], rows - point[1])
    near = np.where(far <= reach + 0.5, strength - 0.02 * far, -np.inf)
    row, column = np.unravel_index(int(np.argmax(near)), strength.shape)
    if strength[row, column] < FAINTEST:
        raise InputError(f"No vessel within {reach:g} pixels of point {number}; set it on the vessel.")
    return int(row), int(column)


def _about(strength: Array, seed: tuple[int, int]) -> float:
    """Strength along the vessel at a seed: the 80th percentile of 7 by 7 pixels, which holds some of its ridge."""
    row, column = seed
    near = strength[max(row - 3, 0) : row + 4, max(column - 3, 0) : column + 4]
    return float(np.percentile(near, 80.0))


def _in_order(pieces: list[Array]) -> None:
    from scipy.spatial import cKDTree

    for number in range(1, len(pieces)):
        earlier = cKDTree(np.concatenate(pieces[:number]))
        away = pieces[number][4:]
        if len(away) and np.mean(earlier.query(away)[0] <= 1.5) > RETRACED:
            raise InputError(
                f"The way to point {number + 2} runs back over the vessel before point {number + 1}; give the points "
                "in order from proximal to distal, each on the vessel itself."
            )
