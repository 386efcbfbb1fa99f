"""The labelled part of a volume, put together from its planes: what lies round it is never held."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from hemo.geometry.image.placement import Array

Plane = NDArray[np.uint8]

_MARGIN = 2  # voxels of background on every side


def cropped(planes: Mapping[int, Plane]) -> tuple[NDArray[np.uint8], Array]:
    """The box of all voxels that are not background, with a margin.

    Parameters
    ----------
    planes
        (ny, nx) labels of the planes z of the volume that hold any; none has no key.

    Returns
    -------
    labels
        (nz, ny, nx) uint8.
    first
        (3,) index x, y, z in the volume of the box's first voxel; -2 where a label stands at the edge.
    """
    filled = {z: plane for z, plane in planes.items() if plane.any()}
    if not filled:
        return np.zeros((1, 1, 1), dtype=np.uint8), np.zeros(3)
    rows = np.flatnonzero(np.any([plane.any(axis=1) for plane in filled.values()], axis=0))
    columns = np.flatnonzero(np.any([plane.any(axis=0) for plane in filled.values()], axis=0))
    first = np.array([columns[0], rows[0], min(filled)]) - _MARGIN
    last = np.array([columns[-1], rows[-1], max(filled)]) + _MARGIN
    labels = np.zeros(tuple((last - first + 1)[::-1]), dtype=np.uint8)
    inner = slice(_MARGIN, -_MARGIN)
    for z, plane in filled.items():
        labels[z - first[2], inner, inner] = plane[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return labels, first.astype(np.float64)
