"""A smooth field from a label map whose level surface keeps the calibre of small vessels.

The mask is blurred by a Gaussian of about one voxel. Contoured at one half, a blurred vessel of radius R
comes out too thin; but the blurred disc has at its own edge exactly the value

    c(R) = (1 - exp(-a) I0(a)) / 2,   a = R^2 / sigma^2

(from Marcum's Q function with equal arguments, Q1(b, b) = (1 + exp(-b^2) I0(b^2)) / 2; Simon and Alouini,
Digital Communication over Fading Channels, 2005, eq. 4.19), so the wall is put where the blurred mask
equals c of the local radius. That is a straight vessel; the last rounds take the value that the surface so found
itself has at its wall when it is blurred (:mod:`hemo.geometry.lumen.wallvalue`), which holds for any shape. The
dislocation of curved edges by blur is analysed by Bouma et al. 2005 (IEEE Trans Med Imaging 24:1120).
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, map_coordinates
from scipy.sparse import csr_array, diags_array
from scipy.special import ive

from hemo.geometry.image.labelimage import LabelImage
from hemo.geometry.lumen.proximity import wall_tree
from hemo.geometry.lumen.surfacecheck import edge_table
from hemo.geometry.lumen.wallvalue import blurred_at_wall
from hemo.triangles import vertex_normals

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


# The edge's level over that in the middle of a blurred vessel: 0.68 at a radius of sigma, nearing 1 below.
_WITHIN_REACH = 0.85
_WORTH_THREADS = 20_000  # places


@dataclass(frozen=True)
class BlurredMask:
    """The lumen blurred by a Gaussian, as the coefficients of a cubic B-spline.

    Attributes
    ----------
    coefficients
        (nz, ny, nx) on a grid of equal ``spacing`` along the image's axes.
    start
        (3,) place of node (0, 0, 0) in the image's own axes, m from voxel (0, 0, 0).
    spacing
        m.
    sigma
        Standard deviation of the whole blur, m.
    """

    coefficients: NDArray[np.float32]
    start: Array
    spacing: float
    sigma: float

    def nodal(self) -> NDArray[np.float32]:
        """(nz, ny, nx) the blurred mask at the nodes."""
        values = self.coefficients
        for axis in range(3):
            values = correlate1d(values, np.array([1.0, 4.0, 1.0], dtype=np.float32) / 6.0, axis=axis)
        return values

    def at(self, places: Array) -> Array:
        """(n,) the blurred mask at places (n, 3), in grid units x, y, z; many of them on every core."""
        cores = len(os.sched_getaffinity(0)) if len(places) > _WORTH_THREADS else 1
        if cores == 1:
            return self._at(places)
        with ThreadPoolExecutor(cores) as pool:
            return np.concatenate(list(pool.map(self._at, np.array_split(places, cores))))

    def _at(self, places: Array) -> Array:
        return np.asarray(
            map_coordinates(self.coefficients, places.T[::-1], order=3, prefilter=False, output=np.float64)
        )

    def gradient(self, places: Array, step: float = 0.2) -> Array:
        """(n, 3) its gradient per grid unit, by central differences."""
        columns = []
        for axis in range(3):
            shift = np.zeros(3)
            shift[axis] = step
            columns.append((self.at(places + shift) - self.at(places - shift)) / (2.0 * step))
        return np.stack(columns, axis=1)


def blurred_mask(image: LabelImage, sigma_voxels: float, grid_range: tuple[float, float]) -> BlurredMask:
    """Blur the lumen (aorta and coronaries), cropped to its box, onto a grid of equal spacing.

    ``sigma_voxels`` is the blur in units of the largest voxel edge; the grid's spacing is the smallest
    voxel edge, kept within ``grid_range`` (m). Evaluating a cubic B-spline on coefficients that are the
    samples themselves adds a blur of variance spacing^2 / 3, which is part of sigma.
    """
    lumen = image.labels > 0
    present = [np.flatnonzero(lumen.any(axis=tuple(k for k in range(3) if k != axis))) for axis in range(3)]
    box = tuple(slice(int(rows[0]), int(rows[-1]) + 1) for rows in present)
    values = lumen[box].astype(np.float32)
    sigma = sigma_voxels * float(image.spacing.max())
    spacing = float(np.clip(image.spacing.min(), *grid_range))
    narrow = float(np.sqrt(max(sigma**2 - spacing**2 / 3.0, (0.3 * spacing) ** 2)))
    sigma = float(np.sqrt(narrow**2 + spacing**2 / 3.0))
    start = np.zeros(3)
    margin = 4.0 * sigma + 2.0 * spacing
    for axis in range(3):  # array axis 2 - axis holds the image axis
        size = image.spacing[axis]
        first, last = present[2 - axis][0] * size - margin, present[2 - axis][-1] * size + margin
        start[axis] = first
        nodes = first + spacing * np.arange(int(np.ceil((last - first) / spacing)) + 1)
        kernel = _gaussian_rows(nodes, size, lumen.shape[2 - axis], narrow)[:, box[2 - axis]]
        moved = np.moveaxis(values, 2 - axis, 0)
        filled = moved.any(axis=0)
        blurred = np.zeros((len(nodes), *filled.shape), dtype=np.float32)
        blurred[:, filled] = kernel @ moved[:, filled]
        values = np.ascontiguousarray(np.moveaxis(blurred, 0, 2 - axis))
    return BlurredMask(values, start, spacing, sigma)


def _gaussian_rows(nodes: Array, size: float, count: int, sigma: float) -> csr_array:
    """(len(nodes), count) weights of the voxels, of edge ``size``, in a Gaussian mean round each node.

    Voxels beyond the image are background. Each row sums to one over an endless row of voxels.
    """
    reach = int(np.ceil(4.0 * sigma / size)) + 1
    middle = np.rint(nodes / size).astype(np.int64)
    columns = middle[:, None] + np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * ((columns * size - nodes[:, None]) / sigma) ** 2)
    weights /= weights.sum(axis=1, keepdims=True)
    rows = np.broadcast_to(np.arange(len(nodes))[:, None], columns.shape)
    there = (columns >= 0) & (columns < count)
    shape = (len(nodes), count)
    return csr_array((weights[there].astype(np.float32), (rows[there], columns[there])), shape=shape)


def edge_level(radius: Array, sigma: float) -> Array:
    """(n,) value of a blurred disc of the given radius (m) at its own edge."""
    return np.asarray(0.5 * (1.0 - ive(0, (radius / sigma) ** 2)))


def edge_steepness(radius: Array, sigma: float) -> Array:
    """(n,) derivative of :func:`edge_level` by the radius, per unit of it."""
    square = (radius / sigma) ** 2
    return np.asarray(radius / sigma**2 * (ive(0, square) - ive(1, square)))


def fit_level(
    mask: BlurredMask,
    places: Array,
    triangles: Indices,
    thin: NDArray[np.bool_] | None = None,
    rounds: int = 4,
    own_rounds: int = 2,
    minimal_radius: float = 0.15e-3,
) -> tuple[Array, Array]:
    """Move a contour's vertices (n, 3), grid units, to where the blurred mask equals c(local radius), and then to
    where it equals what the surface itself, blurred, has at its wall (``own_rounds`` times).

    Each round estimates the local radius (maximal ball inside that touches the vertex, averaged over the
    neighbourhood), evens the triangles out, and projects the vertices along the field's gradient. A radius
    found too small lowers the level and so widens the next: three voxels across want four rounds to settle. Only the
    first is done where the vessel is known not to be ``thin`` (n,), as is most of the aorta. Returns the vertices and
    the local radius (n,), both in grid units.
    """
    average = neighbour_average(triangles, len(places))
    widest = 4e-3 / mask.spacing
    ball: Array = np.full(len(places), widest)
    level = np.full(len(places), 0.5)
    rows: Indices = np.arange(len(places))
    for _ in range(rounds):
        gradient = mask.gradient(places[rows])
        normal = -gradient / np.maximum(np.linalg.norm(gradient, axis=1, keepdims=True), 1e-12)
        ball[rows] = tangent_ball_radius(places, normal, np.minimum(2.0 * ball[rows], widest), rows)
        radius = np.maximum(ball, minimal_radius / mask.spacing)
        for _ in range(12):
            radius = average @ radius
        wanted = edge_level(np.asarray(mask.spacing * radius[rows]), mask.sigma)
        level[rows] = _damped(mask, places[rows], normal, radius[rows], wanted)
        places = _towards(mask, places, normal, average, level, rows)
        rows = np.flatnonzero(ball < 0.9 * widest if thin is None else thin)
    # What c leaves out: the bends along the vessel, a throat's above all (10 % of the area in a lesion of 5 mm).
    for _ in range(own_rounds):
        normal = vertex_normals(places, triangles)
        level[rows] = blurred_at_wall(places, triangles, normal, mask.sigma / mask.spacing, rows)
        for _ in range(6):
            level = average @ level
        level[rows] = _damped(mask, places[rows], normal[rows], radius[rows], level[rows])
        places = _towards(mask, places, normal[rows], average, level, rows)
    return places, radius


def _damped(mask: BlurredMask, places: Array, normal: Array, radius: Array, wanted: Array) -> Array:
    """(n,) level to go to where the surface as it is wants another; radius in grid units.

    The wanted level c(R) rises with the radius, and with it what the wall asks for next: to go all the way to it
    overshoots in thin vessels, for ever below three voxels across. Newton's step on blurred mask = c(R) takes the
    share g / (g + dc/dR), g being the blurred mask's slope across the wall. Where the lumen is narrower than the blur
    no more is asked for than a share of what its middle has.
    """
    middle = np.maximum(_WITHIN_REACH * mask.at(places - radius[:, None] * normal), 0.03)
    here = mask.at(places)
    slope = np.maximum(-np.einsum("ij,ij->i", mask.gradient(places), normal), 1e-3)
    share = slope / (slope + edge_steepness(radius, mask.sigma / mask.spacing))
    return np.asarray(here + share * (np.minimum(wanted, middle) - here))


def _towards(mask: BlurredMask, places: Array, normal: Array, average: csr_array, level: Array, rows: Indices) -> Array:
    """Even the triangles out along the wall, then move the vertices to their level; those of ``rows`` (k,), whose
    normals (k, 3) are given."""
    shift = (average @ places - places)[rows]
    along = shift - np.einsum("ij,ij->i", shift, normal)[:, None] * normal
    moved = places.copy()
    moved[rows] = _project(mask, places[rows] + 0.6 * along, level[rows])
    return moved


def _project(mask: BlurredMask, places: Array, level: Array, steps: int = 3) -> Array:
    """Steps of at most half a grid unit along the gradient, Newton's with the gradient of the first."""
    gradient = mask.gradient(places)
    square = np.maximum(np.einsum("ij,ij->i", gradient, gradient), 1e-3)
    for _ in range(steps):
        move = ((level - mask.at(places)) / square)[:, None] * gradient
        length = np.linalg.norm(move, axis=1, keepdims=True)
        places = places + move * np.minimum(1.0, 0.5 / np.maximum(length, 1e-12))
    return places


def tangent_ball_radius(
    points: Array, normals: Array, limit: float | Array, rows: Indices | None = None, rounds: int = 8
) -> Array:
    """(k,) radius of the largest ball inside that touches the surface at some of its points, at most ``limit`` (k,).

    The shrinking-ball method (Ma, Bae and Choi 2012, Vis Comput 28:7) on the points (n, 3) themselves; ``rows`` (k,)
    numbers those that are wanted (None: all), and ``normals`` (k, 3) there point outwards.
    """
    tree = wall_tree(points)
    rows = np.arange(len(points)) if rows is None else rows
    radius = np.broadcast_to(np.asarray(limit, dtype=np.float64), len(rows)).copy()
    active = np.arange(len(rows))
    for _ in range(rounds):
        if not len(active):
            break
        centre = points[rows[active]] - radius[active, None] * normals[active]
        gap, nearest = tree.query(centre, workers=-1)
        touching = (gap >= radius[active] * (1.0 - 1e-3)) | (nearest == rows[active])
        active, nearest = active[~touching], nearest[~touching]
        chord = points[rows[active]] - points[nearest]
        along = np.einsum("ij,ij->i", chord, normals[active])
        ball = np.einsum("ij,ij->i", chord, chord) / np.maximum(2.0 * along, 1e-12)
        radius[active] = np.minimum(radius[active], ball)
    return radius


def neighbour_average(triangles: Indices, count: int) -> csr_array:
    """(n, n) matrix that averages each vertex's value with its neighbours'."""
    edges, _, _ = edge_table(triangles)
    rows = np.concatenate([edges[:, 0], edges[:, 1], np.arange(count)])
    columns = np.concatenate([edges[:, 1], edges[:, 0], np.arange(count)])
    adjacency = csr_array((np.ones(len(rows)), (rows, columns)), shape=(count, count))
    return csr_array(diags_array(1.0 / adjacency.sum(axis=1)) @ adjacency)
