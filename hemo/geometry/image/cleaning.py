"""One clean lumen in a label image: no islands, no gaps of a voxel, no holes."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects, label

from hemo.errors import InputError
from hemo.geometry.image.gaps import bridged, nearest_labels
from hemo.geometry.image.lostplanes import with_lost_planes
from hemo.geometry.image.placement import Placement

_log = logging.getLogger(__name__)

LabelArray = NDArray[np.uint8]

_ALL_NEIGHBOURS = np.ones((3, 3, 3), dtype=bool)
_LEAST_VOLUME = 10e-9  # m^3
_LARGE_HOLE = 10e-9  # m^3


def clean(labels: LabelArray, placement: Placement, where: str) -> LabelArray:
    """Restore lost planes (:func:`with_lost_planes`), leave islands out, close gaps (:func:`bridged`), fill holes.

    Parameters
    ----------
    labels
        (nz, ny, nx) with background on every side.
    placement
        Of the labels.
    where
        The file, for messages.

    Returns
    -------
    labels
        A new array of the same shape. An island is a piece of lumen (26-connected) of less than 10 mm^3 that
        touches no other; a hole is background that no path of neighbouring voxels (6-connected) joins with
        the outside, and gets the label of the nearest lumen.

    Raises
    ------
    InputError
        If no piece of the lumen is as large as a vessel.
    """
    labels = with_lost_planes(labels, placement, where)
    pieces, count = label(labels > 0, _ALL_NEIGHBOURS)
    volume = float(np.prod(placement.spacing)) * np.bincount(pieces[pieces > 0], minlength=count + 1)
    islands = (volume > 0.0) & (volume < _LEAST_VOLUME)
    left = count - np.count_nonzero(islands)
    if not left:
        raise InputError(f"{where}: holds no lumen of more than 10 mm^3; check the labels and the voxel size.")
    lumen = labels.copy()
    if islands.any():
        _log.info("%s: %d islands of less than 10 mm^3 left out.", where, np.count_nonzero(islands))
        lumen[islands[pieces]] = 0
    if left > 1:
        lumen = bridged(lumen, placement, where)
    return _filled(lumen, placement, where)


def _filled(labels: LabelArray, placement: Placement, where: str) -> LabelArray:
    """The lumen without holes, each with the label of the nearest lumen; ``labels`` is changed."""
    holes, count = label(labels == 0)
    voxel = float(np.prod(placement.spacing))
    total = 0.0
    for number, box in enumerate(find_objects(holes), start=1):
        if number == holes[0, 0, 0]:
            continue
        hole = np.argwhere(holes[box] == number) + [side.start for side in box]
        labels[tuple(hole.T)] = nearest_labels(labels, hole, placement)
        volume = voxel * len(hole)
        total += volume
        if volume > _LARGE_HOLE:
            _log.warning(
                "%s: a hole of %.0f mm^3 in the lumen at %s was filled; check that the lumen is no hollow wall.",
                where,
                1e9 * volume,
                placement.text(hole.mean(axis=0)[::-1]),
            )
    if count > 1:
        _log.info("%s: %d holes in the lumen filled, %.1f mm^3.", where, count - 1, 1e9 * total)
    return labels
