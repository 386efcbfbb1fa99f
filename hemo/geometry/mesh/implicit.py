"""Rebuild a lumen round its tree where the given surface cannot be meshed as it is.

The rebuilt lumen is what the given one has in common with a tube round the tree's centrelines, so that
the aorta and vessels that merely touch fall away. Both are distance fields on a grid round the tree; the
surface is the zero level of their intersection (marching cubes, Lewiner et al. 2003, J Graph Tools 8:1).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label
from scipy.sparse import coo_array
from scipy.spatial import cKDTree

from hemo.errors import EnvironmentMissing, InputError
from hemo.geometry.lumen.proximity import Proximity
from hemo.geometry.lumen.surface import Surface
from hemo.geometry.mesh.sizing import tube
from hemo.tree import VesselTree

Array = NDArray[np.float64]

WIDTH = 1.6  # radius of the tube over the inscribed radius: an eccentric lumen still fits in
VOXELS_PER_DIAMETER = 6.0
LARGEST_GRID = 60_000_000  # voxels


def rebuild_lumen(surface: Surface, tree: VesselTree) -> Surface:
    """The part of ``surface``'s lumen within 1.6 radii of the tree's centrelines, as a new closed surface.

    Raises
    ------
    InputError
        If no lumen surrounds the centrelines.
    EnvironmentMissing
        If scikit-image is not installed.
    """
    try:
        from skimage.measure import marching_cubes
    except ImportError as error:
        raise EnvironmentMissing("scikit-image is missing; run 'make setup', or install hemo[geometry].") from error
    centre, radius = tube(tree, step=0.3)
    step = max(2.0 * float(np.percentile(radius, 5)) / VOXELS_PER_DIAMETER, 0.08e-3)
    margin = WIDTH * float(radius.max()) + 4.0 * step
    origin = centre.min(axis=0) - margin
    shape = np.ceil((centre.max(axis=0) + margin - origin) / step).astype(np.int64) + 1
    while np.prod(shape.astype(float)) > LARGEST_GRID:
        step *= 1.25
        shape = np.ceil((centre.max(axis=0) + margin - origin) / step).astype(np.int64) + 1
    field = _field(surface, centre, radius, origin, step, shape)
    inside, _ = label(field < 0.0)
    core = inside[tuple(np.round((centre - origin) / step).astype(np.int64).T)]
    if not np.any(core > 0):
        raise InputError(f"tree {tree.name!r}: the centreline lies outside the lumen; check their frames and units.")
    own = np.bincount(core[core > 0]).argmax()
    field[(inside != own) & (field < 0.0)] = step
    points, triangles, _, _ = marching_cubes(field, 0.0, spacing=(step,) * 3, gradient_direction="ascent")
    triangles = triangles.astype(np.int64)
    return _outward(Surface(taubin(points.astype(np.float64), triangles) + origin, triangles))


def taubin(points: Array, triangles: NDArray[np.int64], rounds: int = 10) -> Array:
    """Vertices smoothed without shrinking, shifts of 0.5 and -0.53 in turn (Taubin 1995, SIGGRAPH 351).

    Takes the steps of the voxels away, which a remesher would resolve as curvature.
    """
    start = np.concatenate([triangles[:, 0], triangles[:, 1], triangles[:, 2]])
    end = np.concatenate([triangles[:, 1], triangles[:, 2], triangles[:, 0]])
    size = len(points)
    graph = coo_array((np.ones(2 * len(start)), (np.r_[start, end], np.r_[end, start])), shape=(size, size)).tocsr()
    degree = np.maximum(np.asarray(graph.sum(axis=1)).reshape(-1, 1), 1.0)
    for _ in range(rounds):
        for shift in (0.5, -0.53):
            points = points + shift * (graph @ points / degree - points)
    return np.asarray(points)


def _field(
    surface: Surface, centre: Array, radius: Array, origin: Array, step: float, shape: NDArray[np.int64]
) -> Array:
    """Signed distance (m) to the intersection on the grid; only the voxels near the tube are computed."""
    field = np.full(shape, 4.0 * step)
    near = _voxels_near(centre, WIDTH * radius + 3.0 * step, origin, step, shape)
    where = origin + step * np.stack(np.unravel_index(near, tuple(shape)), axis=1)
    count = min(24, len(centre))
    distance, nearest = cKDTree(centre).query(where, k=count)
    to_tube = (distance - WIDTH * radius[nearest]).min(axis=1)
    to_wall = Proximity(surface.points, surface.triangles).signed_distance(where)
    field.ravel()[near] = np.maximum(to_tube, to_wall)
    return field


def _voxels_near(
    centre: Array, reach: Array, origin: Array, step: float, shape: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Flat indices of the voxels within ``reach`` of a centreline point."""
    mask = np.zeros(shape, dtype=bool)
    for point, extent in zip(centre, reach, strict=True):
        low = np.maximum(np.floor((point - extent - origin) / step).astype(np.int64), 0)
        high = np.minimum(np.ceil((point + extent - origin) / step).astype(np.int64) + 1, shape)
        mask[low[0] : high[0], low[1] : high[1], low[2] : high[2]] = True
    return np.flatnonzero(mask)


def _outward(surface: Surface) -> Surface:
    corners = surface.points[surface.triangles] - surface.points.mean(axis=0)
    if np.einsum("ij,ij->", np.cross(corners[:, 0], corners[:, 1]), corners[:, 2]) < 0.0:
        return Surface(surface.points, surface.triangles[:, ::-1])
    return surface
