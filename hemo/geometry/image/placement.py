"""Where the voxels of an image lie in the patient, and what is no such place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError

Array = NDArray[np.float64]

_SPACING_RANGE = (0.08e-3, 5e-3)
_SHEAR = 1e-3  # the most that two unit vectors of the axes may differ from a right angle


@dataclass(frozen=True)
class Placement:
    """Origin, voxel size and axes of an image.

    Attributes
    ----------
    origin
        (3,) LPS centre of voxel (0, 0, 0), m.
    spacing
        (3,) voxel size along the image axes x, y, z, m.
    direction
        (3, 3) columns are the LPS unit vectors of the image axes x, y, z, at right angles; left-handed too.
    """

    origin: Array
    spacing: Array
    direction: Array

    def moved(self, index: Array) -> Placement:
        """The same for an image whose first voxel is voxel ``index`` (3,), x, y, z, of this one."""
        return Placement(self.origin + self.direction @ (self.spacing * index), self.spacing, self.direction)

    def text(self, index: Array) -> str:
        """The place of an index (3,), x, y, z, in words."""
        place = 1e3 * (self.origin + self.direction @ (self.spacing * index))
        return "({:.1f}, {:.1f}, {:.1f}) mm".format(*place)


def checked_placement(origin: Array, spacing: Array, direction: Array, where: str) -> Placement:
    """A placement whose voxels have the size of a coronary CT's and whose axes stand at right angles.

    Rounding of the direction in the file is taken out (nearest orthogonal matrix, Higham 1986, SIAM J Sci
    Stat Comput 7:1160).

    Raises
    ------
    InputError
        For a voxel size that no CT of the heart has, and for axes that are sheared or not numbers.
    """
    check_spacing(spacing, where)
    if not np.all(np.isfinite(origin)) or not np.all(np.isfinite(direction)):
        raise InputError(f"{where}: its place in the patient is not a number; export the segmentation again.")
    check_right_angles(direction, where)
    left, _, right = np.linalg.svd(direction)
    return Placement(np.asarray(origin, float), np.asarray(spacing, float), left @ right)


def check_right_angles(axes: Array, where: str) -> None:
    """Refuse image axes, the columns (3, 3) of unit length, that are sheared."""
    if np.abs(axes.T @ axes - np.eye(3)).max() > _SHEAR:
        raise InputError(f"{where}: its axes are not at right angles; resample it to a grid that is not sheared.")


def check_spacing(spacing: Array, where: str) -> None:
    """Refuse voxels that are no coronary CT's, and say which unit they seem to have; ``spacing`` in m."""
    size = " x ".join(f"{1e3 * value:g}" for value in spacing)
    if not np.all(np.isfinite(spacing)) or np.any(spacing <= 0.0):
        raise InputError(f"{where}: voxels of {size} mm are impossible; correct the spacing.")
    if _plausible(spacing):
        return
    units = {"metres": 1e3, "centimetres": 10.0, "micrometres": 1e-3}
    likely = [f" (they would fit as {unit})" for unit, scale in units.items() if _plausible(scale * spacing)]
    guess = likely[0] if likely else ""
    raise InputError(f"{where}: voxels of {size} mm are no coronary CT image{guess}; correct the spacing (in mm).")


def _plausible(spacing: Array) -> bool:
    return bool(np.all(spacing >= _SPACING_RANGE[0]) and np.all(spacing <= _SPACING_RANGE[1]))
