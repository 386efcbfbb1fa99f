r"""Where a C-arm's source and detector are, and how points in the patient come onto the image.

Frame: metres from the isocentre, LPS (x to the patient's left, y posterior, z to the head), the patient supine and head
first. With both angles 0 the source is below the table and the detector in front of the chest. The primary angle turns
the detector towards the patient's left (LAO positive, RAO negative), the secondary one towards the head (cranial
positive, caudal negative): DICOM PS3.3 section C.8.7.5, Positioner Primary and Secondary Angle. So the beam runs along

    d = (sin a cos b, -cos a cos b, sin b)

and the image is seen as if the viewer faced the patient: columns run along u = (cos a, sin a, 0) (to the patient's left
in a frontal view), rows along v = u x d (to the feet).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Camera:
    """One view's geometry.

    Attributes
    ----------
    primary_angle, secondary_angle
        rad; LAO and cranial positive.
    source_detector, source_isocentre
        m.
    pixel
        Spacing of rows and of columns at the detector, m.
    shape
        Rows and columns of the image.
    shift
        (3,) what is added to a point of the patient before it is seen, m: the table's, or an isocentre's that is off.
    """

    primary_angle: float
    secondary_angle: float
    source_detector: float
    source_isocentre: float
    pixel: tuple[float, float]
    shape: tuple[int, int]
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def axes(self) -> Array:
        """(3, 3) unit vectors as rows: along columns of the image, along its rows, along the beam."""
        (sin_a, sin_b), (cos_a, cos_b) = (f([self.primary_angle, self.secondary_angle]) for f in (np.sin, np.cos))
        along = np.array([sin_a * cos_b, -cos_a * cos_b, sin_b])
        across = np.array([cos_a, sin_a, 0.0])
        return np.stack([across, np.cross(across, along), along])

    @property
    def source(self) -> Array:
        """(3,) the focal spot in the patient's frame, m."""
        return np.asarray(-self.source_isocentre * self.axes[2] - np.array(self.shift))

    @property
    def matrix(self) -> Array:
        """(3, 4) P with (column, row, 1) ~ P (x, y, z, 1): pixels, the first pixel's centre being (0, 0)."""
        rows, columns = self.shape
        inner = np.array(
            [
                [self.source_detector / self.pixel[1], 0.0, 0.5 * (columns - 1)],
                [0.0, self.source_detector / self.pixel[0], 0.5 * (rows - 1)],
                [0.0, 0.0, 1.0],
            ]
        )
        return np.asarray(inner @ np.column_stack([self.axes, -self.axes @ self.source]))

    def project(self, points: Array) -> Array:
        """(n, 2) column and row, pixels, of points (n, 3), m."""
        seen = points @ self.matrix[:, :3].T + self.matrix[:, 3]
        return np.asarray(seen[:, :2] / seen[:, 2:])

    def depth(self, points: Array) -> Array:
        """(n,) distance from the source along the beam's axis, m."""
        return np.asarray((points - self.source) @ self.axes[2])

    def rays(self, pixels: Array) -> Array:
        """(n, 3) unit vectors from the source through pixels (n, 2) of column and row."""
        whole = np.column_stack([pixels, np.ones(len(pixels))])
        direction = whole @ np.linalg.inv(self.matrix[:, :3]).T
        return np.asarray(direction / np.linalg.norm(direction, axis=1, keepdims=True))

    def pixel_at(self, points: Array) -> Array:
        """(n,) size of a pixel (the mean of both spacings) where points (n, 3) are, m."""
        return np.asarray(np.mean(self.pixel) * self.depth(points) / self.source_detector)


def angle_between(one: Camera, other: Camera) -> float:
    """Angle between the beams of two views, rad, 0 to pi / 2: opposite views are alike."""
    return float(np.arccos(min(1.0, abs(float(one.axes[2] @ other.axes[2])))))


def fundamental(one: Camera, other: Camera) -> Array:
    """(3, 3) F with x_other^T F x_one = 0 for images (column, row, 1) of one point.

    F = [e]_x P_other P_one^+ with e = P_other (source of ``one``): Hartley and Zisserman 2004, Multiple View Geometry,
    eq. 9.1.
    """
    epipole = other.matrix @ np.append(one.source, 1.0)
    cross = np.array([[0.0, -epipole[2], epipole[1]], [epipole[2], 0.0, -epipole[0]], [-epipole[1], epipole[0], 0.0]])
    return np.asarray(cross @ other.matrix @ np.linalg.pinv(one.matrix))
