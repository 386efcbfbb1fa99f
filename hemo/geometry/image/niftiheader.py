"""Headers of NIfTI-1, NIfTI-2 and Analyze files: what they promise, and whether their two placements agree.

The format gives a place in the patient twice, as a quaternion (qform) and as an affine matrix (sform; nifti1.h of
the NIfTI data format working group, methods 2 and 3). ITK takes the one or the other by rules of its own, without
a word where they differ.
"""

from __future__ import annotations

import logging
import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from hemo.errors import InputError
from hemo.geometry.image.placement import Array, check_right_angles

_log = logging.getLogger(__name__)

HEADER_BYTES = 544
_TWO_SIZES = 2e-3  # relative difference of the voxel sizes in two places of a header
_SCANNER = 1  # the code of scanner coordinates


@dataclass(frozen=True)
class NiftiHeader:
    """The fields that matter here, as the file has them: lengths in the file's unit, places in RAS.

    Attributes
    ----------
    dimensions
        Voxels along each axis in use.
    bits
        A voxel.
    offset
        First byte of the voxels.
    pixdim
        (4,) handedness of the qform, then voxel size along x, y, z.
    codes
        What qform and sform mean; 0 for nothing.
    quaternion
        (6,) b, c, d and the place of voxel (0, 0, 0).
    sform
        (3, 4).
    """

    dimensions: tuple[int, ...]
    bits: int
    offset: int
    pixdim: Array
    codes: tuple[int, int]
    quaternion: Array
    sform: Array

    def voxel_bytes(self) -> int:
        """Length of the voxels."""
        return math.prod(self.dimensions) * self.bits // 8

    def qform(self) -> Array:
        """(3, 4) the affine matrix of the quaternion."""
        b, c, d = self.quaternion[:3]
        a = math.sqrt(max(1.0 - b * b - c * c - d * d, 0.0))
        rotation = np.array(
            [
                [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
                [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
                [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
            ]
        )
        hand = -1.0 if self.pixdim[0] < 0.0 else 1.0
        return np.column_stack([rotation * self.pixdim[1:] * [1.0, 1.0, hand], self.quaternion[3:]])


def nifti_header(first: bytes) -> NiftiHeader:
    """Read the first bytes of a header file.

    Raises
    ------
    ValueError, struct.error
        If it is none.
    """
    order = "<" if struct.unpack_from("<i", first)[0] in (348, 540) else ">"

    def fields(form: str, place: int) -> tuple[Any, ...]:
        return struct.unpack_from(order + form, first, place)

    second = fields("i", 0)[0] == 540
    if second:
        dimensions, (bits,), (offset,) = fields("8q", 16), fields("h", 14), fields("q", 168)
        pixdim, codes = fields("4d", 104), fields("2i", 344)
        quaternion, sform = fields("6d", 352), fields("12d", 400)
    else:
        dimensions, (bits,), (offset,) = fields("8h", 40), fields("h", 72), fields("f", 108)
        pixdim, codes = fields("4f", 76), fields("2h", 252)
        quaternion, sform = fields("6f", 256), fields("12f", 280)
        if first[344:347] not in (b"n+1", b"ni1"):  # Analyze
            codes = (0, 0)
    rank = dimensions[0]
    if not 1 <= rank <= 7 or min(dimensions[1 : rank + 1]) < 1:
        raise ValueError("no NIfTI header")
    return NiftiHeader(
        tuple(dimensions[1 : rank + 1]),
        bits,
        int(offset),
        np.array(pixdim),
        (codes[0], codes[1]),
        np.array(quaternion),
        np.reshape(sform, (3, 4)),
    )


def check_axes(header: NiftiHeader, where: str) -> None:
    """Refuse a header that misplaces the voxels; warn of one whose placements differ, or that has none.

    Raises
    ------
    InputError
        A sheared sform, numbers that are none, sizes of 0 or of two kinds.
    """
    qform, sform = header.codes
    size = header.pixdim[1:]
    stated = " x ".join(f"{value:g}" for value in size)
    if sform > 0:
        length = np.linalg.norm(header.sform[:, :3], axis=0)
        if not np.all(np.isfinite(header.sform)) or np.any(length == 0.0):
            raise InputError(f"{where}: its place in the patient is not a number; export the segmentation again.")
        check_right_angles(header.sform[:, :3] / length, where)
        if not np.abs(length / np.maximum(np.abs(size), 1e-12) - 1.0).max() <= _TWO_SIZES:
            raise InputError(
                f"{where}: its voxels are {stated} in one place of the header and another size in the other."
            )
        if qform > 0:
            _warn_of_difference(header, where)
    elif not np.all(np.isfinite(size)) or min(size) <= 0.0:
        raise InputError(f"{where}: voxels of {stated} mm are impossible; correct the spacing.")
    elif qform <= 0:
        warn_of_orientation(where)


def _warn_of_difference(header: NiftiHeader, where: str) -> None:
    """Say so where sform and qform place a corner more than a voxel apart."""
    last = np.array(header.dimensions[:3] + (1,) * 3)[:3] - 1
    corners = np.column_stack([np.indices((2, 2, 2)).reshape(3, -1).T * last, np.ones(8)])
    apart = float(np.linalg.norm(corners @ (header.sform - header.qform()).T, axis=1).max())
    if not apart <= np.abs(header.pixdim[1:]).max():
        taken = "sform" if header.codes[1] == _SCANNER else "qform"
        _log.warning(
            "%s: its qform and its sform place it up to %g apart, in the unit of the file; the %s is taken: check that "
            "the result lies on the CT.",
            where,
            round(apart, 3),
            taken,
        )


def warn_of_orientation(where: str) -> None:
    """Say that left and right are not sure."""
    _log.warning(
        "%s: does not say how it lies in the patient; its axes are taken as left, posterior and superior, so left and "
        "right, front and back may be exchanged.",
        where,
    )
