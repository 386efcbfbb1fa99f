"""The mean of neighbouring frames where the vessel hardly moves between them: less noise, hardly more blur."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.qfr.ridge import log_brightness, ridge

Array = NDArray[Any]

SURROUNDINGS = 30  # pixels about the points in which the vessel's motion is judged
STILL = 0.4  # pixels: a shift of it adds 0.03 pixel^2 to the blur's variance over three frames
FINE = 20  # parts of a pixel that a shift is told in


def steady_mean(
    frames: Array, index: int, points: Array, logarithmic: bool, count: int = 3, still: float = STILL
) -> tuple[Array, tuple[int, ...]]:
    """Mean of a frame and those next to it on which the vessel lies at the same place.

    The shift is that of the ridges about the points (cross-correlation: Guizar-Sicairos et al. 2008, Opt Lett
    33:156-158), so that a background at rest does not hide a vessel that moves. A vessel that bends without shifting as
    a whole, and contrast that is still arriving, are not seen by it: that is for the user to judge.

    Parameters
    ----------
    frames
        (k, rows, columns) brightness.
    index
        The frame that is traced.
    points
        (n, 2) column and row along the vessel.
    count
        Most frames in the mean, 1 to 5.
    still
        Largest shift against the traced frame, pixels.

    Returns
    -------
    The mean, and which frames are in it.
    """
    from skimage.registration import phase_cross_correlation

    low = np.maximum(np.min(points, axis=0) - SURROUNDINGS, 0).astype(int)
    high = np.ceil(np.max(points, axis=0) + SURROUNDINGS + 1).astype(int)

    def lines(frame: Array) -> Array:
        return ridge(log_brightness(frame, logarithmic)[low[1] : high[1], low[0] : high[0]])

    own, taken = lines(frames[index]), [index]
    for side in (-1, 1):
        for away in range(1, count):
            other = index + side * away
            if not 0 <= other < len(frames):
                break
            shift = phase_cross_correlation(own, lines(frames[other]), upsample_factor=FINE, normalization=None)[0]
            if np.hypot(*shift) > still:
                break
            taken.append(other)
    nearest = sorted(sorted(taken, key=lambda one: abs(one - index))[:count])
    return np.asarray(np.mean(np.asarray(frames)[nearest], axis=0, dtype=float)), tuple(nearest)
