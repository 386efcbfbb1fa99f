"""Planes of a label image that hold nothing although the lumen goes on beyond them: interpolated.

A segmentation that lost a slice, or a DICOM file that lost the frames of one, cuts every vessel at once, and splits
those that run within the plane along their length.
"""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, label, maximum_filter, shift
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hemo.geometry.image.placement import Array, Placement

_log = logging.getLogger(__name__)

LabelArray = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_SQUARE = np.ones((3, 3), dtype=bool)
# A round vessel that lies along the plane has 0.5 of the area in its outermost plane that it has two further in.
_CUT = 0.6
_REACH = 2  # planes
_ALIKE = 0.5  # smaller over larger area of two sections that are shifted onto each other


def with_lost_planes(labels: LabelArray, placement: Placement, where: str) -> LabelArray:
    """Fill single planes without any lumen where it breaks off on both sides; each is a warning.

    Two vessels side by side along an axis leave an empty plane between them too, but narrow towards it.

    Parameters
    ----------
    labels
        (nz, ny, nx), background on every side.
    placement
        Of the labels.
    where
        The file, for messages.

    Returns
    -------
    labels
        The same array where nothing is lost, otherwise a new one.
    """
    restored = labels
    for axis in range(3):
        area = np.count_nonzero(labels, axis=tuple(k for k in range(3) if k != axis))
        for level in np.flatnonzero((area[1:-1] == 0) & (area[:-2] > 0) & (area[2:] > 0)) + 1:
            if not (_goes_on(area[level - 1 :: -1]) and _goes_on(area[level + 1 :])):
                continue
            size = np.delete(placement.spacing[::-1], axis)
            plane = _restored(labels.take(level - 1, axis), labels.take(level + 1, axis), size)
            if not plane.any():
                continue
            restored = restored.copy() if restored is labels else restored
            np.moveaxis(restored, axis, 0)[level] = plane
            middle = np.insert(np.argwhere(plane).mean(axis=0), axis, level)
            _log.warning(
                "%s: a whole plane of the image, at %s, holds no lumen and was interpolated; check the segmentation.",
                where,
                placement.text(middle[::-1]),
            )
    return restored


def _goes_on(area: NDArray[np.int64]) -> bool:
    """Whether the lumen meets a plane instead of curving away: its area does not dwindle over the last planes."""
    return bool(area[0] >= _CUT * area[: _REACH + 1].max())


def _restored(before: LabelArray, after: LabelArray, size: Array) -> LabelArray:
    """The labels of a plane between two: of each group of sections that lie over each other."""
    first, count = label(before > 0, _SQUARE)
    second, more = label(after > 0, _SQUARE)
    # Sections a voxel apart still go together: an oblique vessel moves from plane to plane.
    over = maximum_filter(first, 3)
    touching = (over > 0) & (maximum_filter(second, 3) > 0)
    pairs = (over[touching] - 1, count + maximum_filter(second, 3)[touching] - 1)
    graph = coo_array((np.ones(len(pairs[0])), pairs), shape=(count + more, count + more))
    _, group = connected_components(graph, directed=False)
    plane = np.zeros_like(before)
    for number in np.unique(group[pairs[0]]):
        below = np.isin(first, np.flatnonzero(group[:count] == number) + 1)
        above = np.isin(second, np.flatnonzero(group[count:] == number) + 1)
        inside = between(below, above, size)
        nearest = distance_transform_edt(~(below | above), size, return_distances=False, return_indices=True)
        plane[inside] = np.where(below, before, after)[tuple(nearest)][inside]
    return plane


def between(below: Mask, above: Mask, size: Array) -> Mask:
    """The section halfway between two, (ny, nx), of voxels of ``size`` (2,).

    Where the mean of their signed distances is positive (shape-based interpolation, Raya and Udupa 1990, IEEE
    Trans Med Imaging 9:32); sections of about one size are first moved to halfway between their centroids, as
    vessels want (Higgins et al. 1993, ibid. 12:439).
    """
    areas = [np.count_nonzero(below), np.count_nonzero(above)]
    centres = [np.argwhere(mask).mean(axis=0) for mask in (below, above)]
    middle = np.mean(centres, axis=0) if min(areas) >= _ALIKE * max(areas) else None
    depth = np.zeros(below.shape)
    for mask, centre in zip((below, above), centres, strict=True):
        signed = distance_transform_edt(mask, size) - distance_transform_edt(~mask, size)
        depth += signed if middle is None else shift(signed, middle - centre, order=1, mode="nearest")
    return np.asarray(depth > 0.0)
