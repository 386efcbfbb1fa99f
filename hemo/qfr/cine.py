"""What a view is: its frames over time with the C-arm's geometry, and the contours of a vessel on one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.qfr.camera import Camera

Array = NDArray[Any]


@dataclass(frozen=True)
class Cine:
    """One view over time; nothing in it says who the patient is.

    Attributes
    ----------
    frames
        (k, rows, columns) brightness: contrast is dark. A number proportional to its logarithm is linear in the path
        through the vessel (``logarithmic`` says whether the frames are that already).
    times
        (k,) s from the first frame.
    camera
        The view's geometry.
    logarithmic
        Whether brightness is linear in the absorption (DICOM's Pixel Intensity Relationship LOG) and not in the dose.
    """

    frames: Array
    times: Array
    camera: Camera
    logarithmic: bool = False

    @property
    def frame_rate(self) -> float:
        """1/s."""
        return float((len(self.times) - 1) / (self.times[-1] - self.times[0]))


@dataclass(frozen=True)
class Contours:
    """A vessel's midline and edges on one frame of a view, proximal to distal.

    Attributes
    ----------
    frame
        Which frame, from 0.
    midline
        (n, 2) column and row, pixels.
    left, right
        (n, 2) the edges where they face each midline point, left and right when looking distally on the image.
    calibration
        Metres a pixel where the vessel is, when a catheter gives it; None to take the view's geometry.
    doubt
        (n,) by how much the width may be off because of what else is seen there, pixels; None where nothing is.
    """

    frame: int
    midline: Array
    left: Array
    right: Array
    calibration: float | None = None
    doubt: Array | None = None

    @property
    def width(self) -> Array:
        """(n,) distance of the edges, pixels."""
        return np.asarray(np.linalg.norm(self.left - self.right, axis=1))
