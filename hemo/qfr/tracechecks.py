"""When contours cannot be right, and what a person should look at: one sentence each, with the place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from hemo.errors import InputError
from hemo.qfr.lumenfit import THINNEST, LumenFit
from hemo.qfr.path import normals

Array = NDArray[Any]

LOST = 0.6  # of a pixel's noise: a vessel no darker over LOST_LENGTH cannot be told from none
LOST_LENGTH = 8  # pixels
FAINT = 1.5  # of a pixel's noise
UNSURE = 0.15  # of the width: standard deviation by noise alone that is worth a warning
CROWDED = 0.75  # mean weight of a section below it: something else that is filled lies there
CROWDED_LENGTH = 6  # pixels
DENSER = 1.5  # how much absorption per length may change over DENSER_LENGTH
DENSER_LENGTH = 10  # pixels
TURN = np.radians(75.0)  # of the midline over TURN_LENGTH
TURN_LENGTH = 6  # pixels
AT_BORDER = 5  # sections whose edges end where the search does


def check_points(points: Array, shape: tuple[int, ...], least: int = 2) -> Array:
    """(k, 2) points as numbers, all inside the image.

    Raises
    ------
    InputError
        If there are fewer than ``least``, or one is not a place in the image.
    """
    try:
        points = np.asarray(points, dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError("Points must be pairs of numbers, column and row in pixels.") from error
    if points.ndim != 2 or points.shape[1:] != (2,) or len(points) < least or not np.all(np.isfinite(points)):
        needed = "Two or more points, each" if least > 1 else "A point with"
        raise InputError(f"{needed} column and row in finite pixels, must be given on the vessel.")
    rows, columns = shape
    for number, (column, row) in enumerate(points, start=1):
        if not (0 <= column <= columns - 1 and 0 <= row <= rows - 1):
            raise InputError(
                f"Point {number} at column {column:g}, row {row:g} is outside the image of {columns} by {rows} pixels."
            )
    return points


def check_sections(midline: Array, right: Array, left: Array, shape: tuple[int, ...], reach: float) -> None:
    """Refuse what no contour can be drawn from.

    Parameters
    ----------
    right, left
        (n,) offsets of the edges, pixels to the left of the midline (n, 2).

    Raises
    ------
    InputError
        If edges end at the search's border, the vessel leaves the image, or its midline jumps.
    """
    wide = np.maximum(left, -right) > reach - 0.75
    if (place := _run(wide, AT_BORDER)) is not None:
        raise InputError(
            f"No edge of the vessel within {reach:g} pixels of its middle {_at(midline, place)}: set points closer "
            "together on the vessel, or a larger reach if it is that wide."
        )
    edges = midline + np.stack([right, left])[..., None] * normals(midline)
    outside = np.any((edges < 0.0) | (edges > np.array(shape[::-1]) - 1.0), axis=(0, 2))
    if (place := _run(outside, 1)) is not None:
        raise InputError(
            f"The vessel leaves the image {_at(midline, place)}; set the points where both edges are seen."
        )
    along = np.diff(midline, axis=0)
    before, after = along[:-TURN_LENGTH], along[TURN_LENGTH:]
    turned = np.abs(np.arctan2(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0], (before * after).sum(axis=1)))
    if (place := _run(turned > TURN, 2)) is not None:
        raise InputError(
            f"The midline jumps {_at(midline, place)}: it leaves the vessel there or turns back on itself; add points "
            "on the vessel on both sides of that place."
        )


def remarks(fit: LumenFit, midline: Array, moved: Array, assumed: bool, snap: float) -> tuple[str, ...]:
    """What is worth a look.

    Parameters
    ----------
    moved
        (k,) pixels that each point was off the vessel.
    assumed
        Whether the blur is neither known nor found.

    Raises
    ------
    InputError
        If there is no contrast to follow over a stretch, or no lumen.
    """
    contrast = gaussian_filter1d(fit.depth, 2.0, mode="nearest") / fit.noise
    if (place := _run(contrast < LOST, LOST_LENGTH)) is not None:
        raise InputError(
            f"The vessel cannot be told from the background {_at(midline, place)}: take a frame on which it is filled "
            "there, or end the stretch before it."
        )
    if (place := _run(fit.radius < 1.01 * THINNEST, 2)) is not None:
        raise InputError(
            f"No lumen is to be seen {_at(midline, place)}: end the stretch before it, or take a frame on which "
            "contrast passes there."
        )
    said = [
        f"Point {number} was {off:.1f} pixels off the vessel and was drawn to it."
        for number, off in enumerate(moved, start=1)
        if off > 0.5 * snap
    ]
    weight = np.sum(fit.weights, axis=1) / np.maximum(np.count_nonzero(fit.weights > 0.0, axis=1), 1)
    change = np.abs(np.log(fit.density[DENSER_LENGTH:] / fit.density[:-DENSER_LENGTH])) > np.log(DENSER)
    faint = (contrast < FAINT) | (fit.error > UNSURE * fit.radius)
    for where, sentence in (
        (_run(weight < CROWDED, CROWDED_LENGTH), "Another vessel or a branch lies beside or over the vessel"),
        (_run(change, 1), "The contrast changes abruptly (a crossing, a gap, or a lesion far from round)"),
        (_run(faint, 3), "The vessel is faint and its width uncertain"),
    ):
        if where is not None:
            said.append(f"{sentence} {_at(midline, where)}: look at the contours there.")
    if assumed:
        said.append(
            f"The vessel is too thin to tell how blurred the frame is; {fit.blur:g} pixels were assumed. Give the blur "
            "that a wider vessel or the catheter shows."
        )
    if not fit.settled:
        said.append("The edges had not quite settled: look at all of the contours.")
    return tuple(said)


def _run(flags: Array, least: int) -> int | None:
    """Middle of the longest run of True that is at least so long."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    lengths = edges[1::2] - edges[::2]
    if not len(lengths) or lengths.max() < least:
        return None
    longest = int(np.argmax(lengths))
    return int((edges[2 * longest] + edges[2 * longest + 1]) // 2)


def _at(midline: Array, place: int) -> str:
    column, row = midline[min(place, len(midline) - 1)]
    return f"at column {column:.0f}, row {row:.0f}"
