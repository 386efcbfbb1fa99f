"""Gaps of one voxel in a vessel, or between the aorta and a vessel, closed where a vessel ends at them.

Segmentations lose a plane, a voxel at a calcified lesion, or the row of voxels between two labels. Closing the
whole mask would also glue vessels that run side by side. So a gap is closed only between two pieces of the lumen
that no path joins, only where one of them ends and the other one goes on from there, and only across voxels that
neighbour both.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_closing, distance_transform_edt, find_objects, label, maximum_filter

from hemo.geometry.image.lostplanes import between
from hemo.geometry.image.placement import Array, Placement
from hemo.geometry.image.segments import AORTA, CORONARY

_log = logging.getLogger(__name__)

LabelArray = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Indices = NDArray[np.int64]
Box = tuple[slice, slice, slice]

_CUBE = np.ones((3, 3, 3), dtype=bool)
_WINDOW = 15e-3  # m, how far round a gap its two sides are looked at
_NEAR = 4e-3  # m, how far from a gap a vessel's radius is taken
# Mean place of a vessel's voxels within four radii, over their mean distance: 0.9 where it ends, 0.5 where it
# passes by (a straight tube of radius R beside the gap), also 0.5 for a flat wall.
_ENDS = 0.7
_FACING = -0.5  # cosine
_MOST_GAPS = 10
_ALIKE = 0.5  # smaller over larger area of the sections on both sides of a lost plane
_CALIBRE = 0.6  # of a piece's largest radius, at the end by which it may hang on the side of another vessel


@dataclass(frozen=True)
class _Side:
    """One side of a gap: direction and distinctness of its end, and its radius, m."""

    towards: Array
    distinct: float
    radius: float


def bridged(labels: LabelArray, placement: Placement, where: str) -> LabelArray:
    """Close gaps of one voxel; each is a warning with its place.

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
        The same array where nothing is closed, otherwise a new one. Each piece is joined at most once, with a
        larger one (those with aorta count as the largest), so that the closing makes no loops.
    """
    pieces, count = label(labels > 0, _CUBE)
    if count < 2:
        return labels
    voxels = np.bincount(pieces[pieces > 0], minlength=count + 1).astype(np.float64)
    voxels[np.setdiff1d(pieces[labels == AORTA], 0)] += labels.size
    boxes = find_objects(pieces)
    closed = labels
    for piece in np.argsort(voxels[1:])[:-1] + 1:
        larger = voxels > voxels[piece]
        for gap, other in _gaps(pieces, int(piece), larger, boxes[piece - 1]):
            if _belong_together(gap, int(piece), other, pieces, labels, placement):
                fill = _fill(gap, (int(piece), other), pieces, placement)
                closed = closed.copy() if closed is labels else closed
                closed[tuple(fill.T)] = nearest_labels(labels, fill, placement)
                _log.warning(
                    "%s: a gap of one voxel in the lumen at %s was closed; check the segmentation there.",
                    where,
                    placement.text(gap.mean(axis=0)[::-1]),
                )
                break
    return closed


def nearest_labels(labels: LabelArray, indices: Indices, placement: Placement) -> LabelArray:
    """(n,) the label of the lumen nearest to background voxels (n, 3), z, y, x; between the two, the coronary's."""
    window = _window(indices, np.full(3, 2), labels.shape)
    near = labels[window]
    if not (near == AORTA).any() or not (near == CORONARY).any():
        return np.full(len(indices), near.max())
    inner = tuple((indices - [side.start for side in window]).T)
    aorta, coronary = (
        distance_transform_edt(near != part, placement.spacing[::-1])[inner] for part in (AORTA, CORONARY)
    )
    return np.where(coronary <= aorta, np.uint8(CORONARY), np.uint8(AORTA))


def _window(indices: Indices, margin: Array, shape: tuple[int, ...]) -> Box:
    """The box of indices (n, 3) and ``margin`` (3,) voxels more on every side, within an array."""
    low = np.maximum(indices.min(axis=0) - margin, 0).astype(int)
    high = np.minimum(indices.max(axis=0) + margin + 1, shape).astype(int)
    return slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2])


def _gaps(pieces: Indices, piece: int, larger: Mask, box: Box) -> Iterator[tuple[Indices, int]]:
    """Connected groups (n, 3) of background voxels that neighbour a piece and one larger piece, and that one.

    The widest few only: a vessel ends at a gap of its own width, and rough walls have hundreds of narrow ones.
    """
    corners = np.array([[side.start for side in box], [side.stop - 1 for side in box]])
    window = _window(corners, np.full(3, 2), pieces.shape)
    near = pieces[window]
    rim = maximum_filter((near == piece).view(np.uint8), 3).astype(bool) & (near == 0)
    start = np.array([side.start for side in window])
    beyond = np.unique(near[maximum_filter(rim.view(np.uint8), 3).astype(bool)])
    for other in beyond[larger[beyond]]:
        beside = maximum_filter((near == other).view(np.uint8), 3).astype(bool) & rim
        groups, count = label(beside, _CUBE)
        widest = np.argsort(-np.bincount(groups[beside], minlength=count + 1)[1:])[:_MOST_GAPS] + 1
        for group in widest:
            yield np.argwhere(groups == group) + start, int(other)


def _belong_together(
    gap: Indices, piece: int, other: int, pieces: Indices, labels: LabelArray, placement: Placement
) -> bool:
    """Whether a vessel that ends at the gap goes on beyond it.

    Two ends that face each other, an end at the aorta, or an end of about the smaller piece's full calibre on
    the side of the larger piece or the reverse (a side branch cut off, a trunk cut before its bifurcation).
    """
    beside = _window(gap, np.ones(3), pieces.shape)
    aortic = [float(np.mean(labels[beside][pieces[beside] == number] == AORTA)) for number in (piece, other)]
    if min(aortic) > 0.5:
        return True
    size = placement.spacing[::-1]
    centre = gap.mean(axis=0)
    window = _window(gap, np.ceil(_WINDOW / size), pieces.shape)
    start = np.array([side.start for side in window])
    a, b = (_side(pieces[window] == number, (centre - start) * size, size) for number in (piece, other))
    if aortic[1] > 0.5:
        return a.distinct > _ENDS
    if a.distinct > _ENDS and b.distinct > _ENDS:
        return bool(a.towards @ b.towards < _FACING)
    end = a if a.distinct > _ENDS else b
    return end.distinct > _ENDS and end.radius >= _CALIBRE * _largest_radius(pieces, piece, size)


def _side(mask: Mask, centre: Array, size: Array) -> _Side:
    """How a piece lies to a gap at ``centre``, both in m from the window's first voxel."""
    places = np.argwhere(mask) * size - centre
    distance = np.linalg.norm(places, axis=1)
    depth = distance_transform_edt(mask, sampling=size)[mask]
    radius = float(depth[distance < max(_NEAR, distance.min() + 2.0 * size.max())].max())
    within = distance < max(4.0 * radius, distance.min() + 4.0 * size.max())
    mean = places[within].mean(axis=0)
    length = float(np.linalg.norm(mean))
    return _Side(mean / max(length, 1e-12), length / float(distance[within].mean()), radius)


def _largest_radius(pieces: Indices, piece: int, size: Array) -> float:
    box = find_objects((pieces == piece).view(np.uint8))[0]
    return float(distance_transform_edt(np.pad(pieces[box] == piece, 1), sampling=size).max())


def _fill(gap: Indices, joined: tuple[int, int], pieces: Indices, placement: Placement) -> Indices:
    """(n, 3) the voxels that close a gap between two pieces.

    A lost plane is interpolated. Elsewhere it is what a closing of the two pieces adds in the gap, or the whole
    gap where that does not join them.
    """
    for axis in np.flatnonzero(np.ptp(gap, axis=0) == 0):
        plane = _interpolated(gap, int(axis), joined, pieces, placement)
        if len(plane):
            return plane
    window = _window(gap, np.full(3, 4), pieces.shape)
    start = np.array([side.start for side in window])
    both = np.isin(pieces[window], joined)
    added = binary_closing(np.pad(both, 2), _CUBE)[2:-2, 2:-2, 2:-2]
    fill = gap[added[tuple((gap - start).T)]]
    joint = both.copy()
    joint[tuple((fill - start).T)] = True
    numbers, _ = label(joint, _CUBE)
    first, second = (set(np.unique(numbers[pieces[window] == number])) for number in joined)
    return fill if first & second else gap


def _interpolated(gap: Indices, axis: int, joined: tuple[int, int], pieces: Indices, placement: Placement) -> Indices:
    """(n, 3) the lumen in a lost plane of the image between a section of one piece and one of the other.

    Empty where the two do not lie on either side of the plane with sections of about one size.
    """
    nothing = np.empty((0, 3), dtype=np.int64)
    level = int(gap[0, axis])
    before, here, after = (np.take(pieces, level + step, axis=axis) for step in (-1, 0, 1))
    footprint = np.zeros(here.shape, dtype=np.uint8)
    footprint[tuple(np.delete(gap, axis, axis=1).T)] = 1
    footprint = maximum_filter(footprint, 3)
    sections = []
    for plane in (before, after):
        numbers, _ = label(np.isin(plane, joined), np.ones((3, 3)))
        sections.append(np.isin(numbers, np.setdiff1d(numbers[footprint > 0], 0)))
    found = [np.unique(plane[section]) for plane, section in zip((before, after), sections, strict=True)]
    areas = [np.count_nonzero(section) for section in sections]
    if any(len(numbers) != 1 for numbers in found) or found[0] == found[1] or min(areas) < _ALIKE * max(areas):
        return nothing
    inside = between(sections[0], sections[1], np.delete(placement.spacing[::-1], axis))
    others = [
        maximum_filter(((plane > 0) & ~np.isin(plane, joined)).view(np.uint8), 3) for plane in (before, here, after)
    ]
    fill = np.argwhere(inside & (here == 0) & (np.max(others, axis=0) == 0))
    return np.insert(fill, axis, level, axis=1)
