"""Rebuild a lumen round its tree where the given surface cannot be meshed as it is.

The rebuilt lumen is what the given one has in common with a tube round the tree's centrelines, so that
the aorta and vessels that merely touch fall away. Both are distance fields on a grid round the tree; the
surface is the zero level of their intersection (marching cubes, Lewiner et al. 2003, J Graph Tools 8:1).
Where two vessels of the tree itself touch, a gap parts them midway between their inscribed balls.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label
from scipy.sparse import coo_array

from hemo.errors import EnvironmentMissing, InputError
from hemo.geometry.lumen.proximity import Proximity
from hemo.geometry.lumen.surface import Surface
from hemo.geometry.mesh.ownership import Tubes, owners, places_near, tubes_of
from hemo.tree import VesselTree

Array = NDArray[np.float64]
Index = NDArray[np.int64]

WIDTH = 1.6  # radius of the tube over the inscribed radius: an eccentric lumen still fits in
VOXELS_PER_DIAMETER = 6.0
LARGEST_GRID = 60_000_000  # voxels
PARTING = 0.2, 1.5  # gap between vessels that touch, of the thinner one's radius, but at least so many voxels
BLOCKS = 8, 4, 2, 1  # voxels across the blocks whose distance from the wall is looked at in turn


@dataclass(frozen=True)
class Rebuilt:
    """A lumen rebuilt round a tree.

    Attributes
    ----------
    surface
        Closed.
    parted
        Pairs of names of vessels that touch and were parted.
    reached
        Branch -> distance along it (m) up to which the lumen hangs together with the root's.
    """

    surface: Surface
    parted: tuple[tuple[str, str], ...]
    reached: dict[str, float]


@dataclass(frozen=True)
class _Grid:
    """Voxels: the first one's place (3,), their spacing (m) and number along each axis."""

    origin: Array
    step: float
    shape: tuple[int, ...]

    def places(self, flat: Index) -> Array:
        """(n, 3) of voxels given by their flat indices."""
        return np.asarray(self.origin + self.step * np.stack(np.unravel_index(flat, self.shape), axis=1))

    def voxels(self, places: Array) -> tuple[Index, ...]:
        """Indices of the voxels nearest to places (n, 3)."""
        return tuple(np.round((places - self.origin) / self.step).astype(np.int64).T)


def rebuild_lumen(surface: Surface, tree: VesselTree) -> Rebuilt:
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
    tubes = tubes_of(tree, 0.3)
    grid = _grid(tubes)
    field, parted = _field(surface, tubes, grid)
    inside, _ = label(field < 0.0)
    core = inside[grid.voxels(tubes.centre)]
    if not np.any(core > 0):
        raise InputError(f"tree {tree.name!r}: the centreline lies outside the lumen; check their frames and units.")
    own = _root_part(core, tubes)
    field[(inside != own) & (field < 0.0)] = grid.step
    points, triangles, _, _ = marching_cubes(field, 0.0, spacing=(grid.step,) * 3, gradient_direction="ascent")
    triangles = triangles.astype(np.int64)
    smooth = taubin(points.astype(np.float64), triangles) + grid.origin
    return Rebuilt(_outward(Surface(smooth, triangles)), parted, _reached(tree, tubes, core == own))


def _grid(tubes: Tubes) -> _Grid:
    step = max(2.0 * float(np.percentile(tubes.radius, 5)) / VOXELS_PER_DIAMETER, 0.08e-3)
    while True:
        margin = WIDTH * float(tubes.radius.max()) + 4.0 * step
        low, high = tubes.centre.min(axis=0) - margin, tubes.centre.max(axis=0) + margin
        shape = tuple(int(count) for count in np.ceil((high - low) / step) + 1)
        if np.prod(np.array(shape, dtype=float)) <= LARGEST_GRID:
            return _Grid(low, step, shape)
        step *= 1.25


def _root_part(core: Index, tubes: Tubes) -> int:
    """The connected part in which most of the root runs; that of most samples where the root is in none."""
    root = core[(tubes.branch == 0) & (core > 0)]
    return int(np.bincount(root if len(root) else core[core > 0]).argmax())


def _reached(tree: VesselTree, tubes: Tubes, within: NDArray[np.bool_]) -> dict[str, float]:
    """Branch -> arc length (m) of its last sample in the part kept; 0 where there is none."""
    reached = {}
    for number, branch in enumerate(tree.branches):
        own = tubes.branch == number
        arc = tubes.arc[own] - tubes.arc[own][-1] + branch.length
        reached[branch.name] = float(max(arc[within[own]].max(initial=0.0), 0.0))
    return reached


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


def _field(surface: Surface, tubes: Tubes, grid: _Grid) -> tuple[Array, tuple[tuple[str, str], ...]]:
    """Signed distance (m) to the intersection on the grid, and the vessels parted.

    Only the voxels near the tubes are computed; far from the zero level the distance is a bound.
    """
    field = np.full(grid.shape, 4.0 * grid.step)
    near = _voxels_near(tubes.centre, WIDTH * tubes.radius + 3.0 * grid.step, grid)
    # A centreline point has wall within its radius: a place near it within its distance and that.
    beside = np.zeros(len(surface.points), dtype=bool)
    beside[places_near(tubes, surface.points, WIDTH + 1.4, 4.0 * grid.step)] = True
    own = surface.triangles[beside[surface.triangles].any(axis=1)]
    if len(own) == 0:
        raise InputError("no wall surrounds the centrelines; check their frames and units.")
    wall = _wall_distance(surface.points, own, near, grid)
    near, wall = near[wall < 3.0 * grid.step], wall[wall < 3.0 * grid.step]
    places = grid.places(near)
    least = PARTING[1] * grid.step
    found = owners(
        tubes, places, WIDTH, 3.0 * grid.step, PARTING[0] * float(tubes.radius.max()) + least + 4.0 * grid.step
    )
    radius = tubes.radius[found.own]
    value = np.minimum(np.maximum(found.tube, wall), 4.0 * grid.step)
    strange = found.stranger >= 0
    gap = np.maximum(PARTING[0] * np.minimum(radius, tubes.radius[found.stranger]), least)
    apart = np.where(strange, 0.5 * (found.gap - np.where(strange, found.stranger_gap, 0.0) + gap), -np.inf)
    touching = (value < 0.0) & (apart > 0.0)
    pairs = tubes.branch[np.stack([found.own[touching], found.stranger[touching]], axis=1)]
    parted = {(tubes.names[i], tubes.names[j]) for i, j in np.unique(np.sort(pairs, axis=1), axis=0)}
    field.ravel()[near] = np.maximum(value, apart)
    return field, tuple(sorted(parted))


def _wall_distance(points: Array, triangles: Index, voxels: Index, grid: _Grid) -> Array:
    """(n,) signed distance (m) to the surface: exact within a voxel of it, elsewhere a bound with the right sign.

    A distance changes no faster than the place does, so that a block far from the wall lies on one side of it.
    """
    proximity = Proximity(points, triangles)
    index = np.stack(np.unravel_index(voxels, grid.shape), axis=1)
    value = np.zeros(len(voxels))
    todo = np.arange(len(voxels))
    for block in BLOCKS:
        shape = tuple(count // block + 1 for count in grid.shape)
        blocks, member = np.unique(np.ravel_multi_index(tuple(index[todo].T // block), shape), return_inverse=True)
        corner = block * np.stack(np.unravel_index(blocks, shape), axis=1)
        middle = proximity.signed_distance(grid.origin + grid.step * (corner + 0.5 * (block - 1)))
        span = 0.5 * np.sqrt(3.0) * (block - 1) * grid.step
        value[todo] = (np.sign(middle) * np.maximum(np.abs(middle) - span, 0.0))[member]
        todo = todo[np.abs(value[todo]) < grid.step]
    return value


def _voxels_near(centre: Array, reach: Array, grid: _Grid) -> Index:
    """Flat indices of the voxels within ``reach`` of a centreline point."""
    mask = np.zeros(grid.shape, dtype=bool)
    for point, extent in zip(centre, reach, strict=True):
        low = np.maximum(np.floor((point - extent - grid.origin) / grid.step).astype(np.int64), 0)
        high = np.minimum(np.ceil((point + extent - grid.origin) / grid.step).astype(np.int64) + 1, grid.shape)
        mask[low[0] : high[0], low[1] : high[1], low[2] : high[2]] = True
    return np.flatnonzero(mask)


def _outward(surface: Surface) -> Surface:
    corners = surface.points[surface.triangles] - surface.points.mean(axis=0)
    if np.einsum("ij,ij->", np.cross(corners[:, 0], corners[:, 1]), corners[:, 2]) < 0.0:
        return Surface(surface.points, surface.triangles[:, ::-1])
    return surface
