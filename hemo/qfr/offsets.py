"""How far the second view's isocentre is off, and what of it two images can tell.

A C-arm's two views share the isocentre only if the table has not moved. In parallel projection the midlines and
landmarks of two views tell one of the offset's three components: across the epipolar plane, and only where landmarks,
widths or the vessel's turning points tell which height is which. Along the second beam it changes nothing; along the
second image within the epipolar plane it moves the whole vessel along the first beam, unseen. Perspective makes these
two visible, weakly, through magnification: they are drawn towards zero, and change the vessel's size by a fraction
offset over source distance, about 0.13 % a millimetre.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.qfr.bundle import BundleOptions
from hemo.qfr.camera import Camera
from hemo.qfr.projection import landmark_rows, moved, triangulated

Array = NDArray[Any]


@dataclass(frozen=True)
class Offset:
    """The second view's offset as it was found.

    Attributes
    ----------
    shift, angles
        (3,) m, and (2,) rad: added to those of the second camera.
    directions, uncertainty
        (3, 3) unit vectors as rows and (3,) standard deviation of the shift along them, m, best known first.
    unseen
        (3,) whether the images tell little of the shift along each: less than halve what was expected anyway.
    """

    shift: Array
    angles: Array
    directions: Array
    uncertainty: Array
    unseen: Array


def offset_found(change: Array, covariance: Array, expected: float) -> Offset:
    """The record of a change (5,) with its covariance (5, 5); ``expected`` is the prior standard deviation, m."""
    values, vectors = np.linalg.eigh(covariance[:3, :3])
    deviation = np.sqrt(np.maximum(values, 0.0))
    return Offset(change[:3], change[3:], vectors.T, deviation, deviation > 0.5 * expected)


def offset_from_landmarks(
    cameras: Sequence[Camera], landmarks: Array, options: BundleOptions | None = None
) -> tuple[Array, Array]:
    """The second camera's most likely change (5,) from landmarks (l, 2, 2) alone, and its covariance (5, 5).

    Raises
    ------
    InputError
        If the landmarks' array has another shape.
    """
    options = options or BundleOptions()
    check_landmarks(landmarks)
    change: Array = np.zeros(5)
    places = triangulated(cameras, landmarks[:, 0], landmarks[:, 1])
    for _ in range(10):
        rows, residual = landmark_rows((cameras[0], moved(cameras[1], change)), places, landmarks)
        normal = rows.T @ rows / options.landmark**2
        right = -rows.T @ residual / options.landmark**2
        normal[range(5), range(5)] += options.held**-2
        right[:5] -= change * options.held**-2
        by = np.linalg.solve(normal, right)
        change, places = change + by[:5], places + by[5:].reshape(-1, 3)
    return change, np.linalg.inv(normal)[:5, :5]


def check_landmarks(landmarks: Array) -> None:
    """Refuse landmarks that are not pairs of pixels."""
    if landmarks.ndim != 3 or landmarks.shape[1:] != (2, 2) or not np.all(np.isfinite(landmarks)):
        raise InputError("landmarks: give for each its column and row in the first view and in the second.")
