"""A closed lumen surface from a label map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label
from scipy.spatial import cKDTree

from hemo.errors import InputError
from hemo.geometry.image.labelimage import CORONARY, LabelImage
from hemo.geometry.lumen.labelfield import BlurredMask, blurred_mask, fit_level
from hemo.geometry.lumen.subdivision import subdivide_curved
from hemo.geometry.lumen.surface import CHORD_TOLERANCE, Surface
from hemo.geometry.lumen.surfacecheck import edge_table, triangle_components
from hemo.geometry.lumen.voxelsides import between_voxels
from hemo.geometry.lumen.vtkgrid import contour_grid
from hemo.triangles import vertex_normals

# The aorta's wall matters this near a coronary, m.
_OF_INTEREST = 4e-3
# Blur of a label map in units of its largest voxel edge, and the level of the first contour.
_BLUR = 1.0
_FIRST_LEVEL = 0.4
# A lumen in which the blurred mask nowhere reaches this is narrower than the blur.
_THIN_LUMEN = 0.55
_AROUND = np.argwhere(np.ones((3, 3, 3))) - 1

Indices = NDArray[np.int64]


def surface_from_labels(image: LabelImage, blur: float = _BLUR) -> Surface:
    """One closed lumen surface of aorta and coronaries, without the shrinkage of small vessels.

    The blurred mask is contoured at the level that a vessel of the local radius has at its own edge (see
    :mod:`hemo.geometry.lumen.labelfield`), and thin vessels' walls then go to the smoothest surface between the
    voxels inside and outside (:mod:`hemo.geometry.lumen.voxelsides`); pieces under 10 mm^3 are left out.

    Parameters
    ----------
    image
        The label map.
    blur
        Standard deviation of the blur in units of the largest voxel edge.

    Raises
    ------
    InputError
        If no lumen as large as a vessel is left.
    """
    mask = blurred_mask(image, blur, (0.25e-3, 0.45e-3))
    places, triangles = contour_grid(_above_first_level(mask, image), 0.0)
    if len(triangles):
        triangles = _outer_shells(places * mask.spacing, triangles)
    if not len(triangles):
        raise InputError("the label map holds no lumen of more than 10 mm^3; check the labels.")
    used, numbered = np.unique(triangles, return_inverse=True)
    triangles = numbered.reshape(-1, 3).astype(np.int64)
    places = places[used]
    thin = _beside_coronaries(image, mask.start + mask.spacing * places)
    places, radius = fit_level(mask, places, triangles, thin)
    places = mask.start + mask.spacing * places
    places = between_voxels(image.labels > 0, image.spacing, places, triangles, mask.spacing * radius)
    points = image.origin + places @ image.direction.T
    if np.linalg.det(image.direction) < 0.0:
        triangles = triangles[:, [0, 2, 1]]
    points, triangles = subdivide_curved(points, triangles, CHORD_TOLERANCE)
    return Surface(points + chord_gap(points, triangles), triangles)


def _beside_coronaries(image: LabelImage, places: NDArray[np.float64]) -> NDArray[np.bool_] | None:
    """(n,) which places (n, 3), m along the image's axes, are near a coronary; None where no label tells."""
    if not image.has_aorta:
        return None
    voxels = image.spacing * np.argwhere(image.labels == CORONARY)[:, ::-1]
    return np.isfinite(cKDTree(voxels).query(places, distance_upper_bound=_OF_INTEREST)[0])


def chord_gap(points: NDArray[np.float64], triangles: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n, 3) moves outward that give back what the flat triangles cut off the smooth wall through their vertices.

    On z = (k1 x^2 + k2 y^2) / 2 an equilateral triangle of edge e with its vertices on the wall lies H e^2 / 8 below
    it in the mean, H = (k1 + k2) / 2: 0.9 % of the area of a vessel of 3 mm with triangles of 0.35 mm. The mean of
    (n_j - n_i) . (p_j - p_i) over the edges of a vertex is H e^2, n being the normals.
    """
    edges, _, _ = edge_table(triangles)
    normals = vertex_normals(points, triangles)
    i, j = edges.T
    bend = np.einsum("ij,ij->i", normals[j] - normals[i], points[j] - points[i])
    total = np.bincount(edges.ravel(), np.repeat(bend, 2), len(points))
    mean = total / np.maximum(np.bincount(edges.ravel(), minlength=len(points)), 1)
    return np.asarray(mean[:, None] / 8.0 * normals)


def _above_first_level(mask: BlurredMask, image: LabelImage) -> NDArray[np.float32]:
    """(nz, ny, nx) the blurred mask less the level of the first contour, at its nodes.

    A lumen narrower than the blur nowhere reaches the common level and would fall apart at a tight throat; beside
    its voxels the level is a share of what the blurred mask reaches there, so that what the labels connect stays so.
    """
    values = mask.nodal()
    voxels = np.argwhere(image.labels)
    node = np.rint((voxels[:, ::-1] * image.spacing - mask.start) / mask.spacing).astype(np.int64)[:, ::-1]
    reached = values[tuple(node.T)]
    thin = np.flatnonzero(reached < _THIN_LUMEN)
    peak = np.zeros(len(thin), dtype=np.float32)
    for step in _AROUND:
        peak = np.maximum(peak, values[tuple((node[thin] + step).T)])
    level = np.full_like(values, _FIRST_LEVEL)
    _lower(level, node, reached, thin[peak < _THIN_LUMEN])
    pieces, count = label(values > level)
    if count > 1:
        _lower(level, node, reached, _links(voxels, pieces[tuple(node.T)]))
    return values - level


def _lower(level: NDArray[np.float32], node: Indices, reached: NDArray[np.float32], rows: Indices) -> None:
    """The level at and beside the nodes (n, 3) of some voxels brought to a share of what is reached (n,) there."""
    for step in _AROUND:
        np.minimum.at(level, tuple((node[rows] + step).T), 0.6 * reached[rows])


def _links(voxels: Indices, pieces: Indices) -> Indices:
    """Rows of the lumen's voxels (n, 3) by which pieces (n,; 0: in none of them) hang together in the labels.

    Those in no piece, where a connected group of them touches two pieces (a throat of one voxel between wide
    lumens), and neighbours in different pieces (a throat that goes from voxel to voxel over a corner).
    """
    place = voxels - voxels.min(axis=0) + 1
    number = np.zeros(place.max(axis=0) + 2, dtype=np.int32)
    number[tuple(place[pieces == 0].T)] = 1
    groups, count = label(number, np.ones((3, 3, 3)))
    number[tuple(place.T)] = pieces
    lost, none = np.flatnonzero(pieces == 0), number.max() + 1
    of = groups[tuple(place[lost].T)]
    least, most = np.full(count + 1, none), np.zeros(count + 1, dtype=np.int64)
    corner = np.zeros(len(voxels), dtype=bool)
    for step in _AROUND:
        beside = number[tuple((place + step).T)]
        corner |= (beside > 0) & (pieces > 0) & (beside != pieces)
        np.maximum.at(most, of, beside[lost])
        np.minimum.at(least, of, np.where(beside[lost] > 0, beside[lost], none))
    return np.concatenate([np.flatnonzero(corner), lost[(least < most)[of]]])


def _outer_shells(
    points: NDArray[np.float64], triangles: NDArray[np.int64], minimal_volume: float = 10e-9
) -> NDArray[np.int64]:
    """The closed pieces that enclose at least ``minimal_volume`` (m^3); holes enclose a negative one."""
    pieces = triangle_components(triangles)
    corners = points[triangles]
    volume = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6.0
    enclosed = np.bincount(pieces, volume)
    return np.asarray(triangles[(enclosed >= minimal_volume)[pieces]])
