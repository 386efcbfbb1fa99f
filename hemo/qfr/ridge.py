"""Where a frame shows dark lines: brightness on a scale that is linear in the absorption, and a ridge filter on it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError

Array = NDArray[Any]

SCALES = (1.5, 2.5, 4.0, 6.0)  # pixels, about the radii of 0.3 to 1.2 mm
DARKEST = 0.02  # of the median brightness: below it a logarithm would show the detector's offset, not the patient


def log_brightness(frame: Array, logarithmic: bool, gain: float | None = None) -> Array:
    """(rows, columns) natural logarithm of the dose, up to a factor if the frame is ``logarithmic`` with no known gain.

    ``gain``: grey values of a logarithmic frame for a factor e of the dose.

    Raises
    ------
    InputError
        If the frame is not a picture of finite numbers, or is black.
    """
    frame = np.asarray(frame, dtype=float)
    if frame.ndim != 2 or min(frame.shape) < 32 or not np.all(np.isfinite(frame)):
        raise InputError("The frame must be a grey picture of at least 32 by 32 finite numbers; export it again.")
    if logarithmic:
        return frame / gain if gain else frame
    floor = DARKEST * float(np.median(frame))
    if floor <= 0.0:
        raise InputError("The frame is black or its brightness negative; check which frame was taken and its window.")
    return np.asarray(np.log(np.maximum(frame, floor)))


def ridge(brightness: Array, scales: tuple[float, ...] = SCALES) -> Array:
    """(rows, columns) how much a place lies on a dark line, 0 to 1 (the picture's 99.5th percentile and above).

    The largest curvature across, over scales (Sato et al. 1998, Med Image Anal 2:143-168): unlike the ratios of
    Frangi's filter it stays where vessels bend, cross and branch, so a path along it has no gaps there.
    """
    from skimage.filters import sato

    strength = np.asarray(sato(brightness, sigmas=scales, black_ridges=True, mode="nearest"))
    top = float(np.percentile(strength, 99.5))
    return np.clip(strength / top, 0.0, 1.0) if top > 0.0 else np.zeros_like(strength)
