r"""How much lumen an X-ray crosses: images of the path length through tubes, under exact cone-beam geometry.

A piece of lumen of volume dV at the depth z (distance from the source along the beam's axis) is seen by the pixel onto
which it projects. With S the source-detector distance and theta the ray's angle to the axis, a detector area dA spans
the area dA (z / S)^2 cos(theta) across the ray at that depth, since it spans the solid angle dA cos^3(theta) / S^2 and
the distance is z / cos(theta). So a pixel of area A sees the mean path length

    L = sum of dV (S / z)^2 / (A cos(theta)).

The sum of L A (z / S)^2 cos(theta) over an image is the volume, whatever the sampling. Each piece is shared among the
nine nearest pixels by a quadratic B-spline, so that pieces half a pixel apart leave no ripple. It stands for the own
width of the pixel and more (variance 3/12 instead of 1/12 pixel squared): what blurs the image besides is made less by
as much (:data:`SHARED`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from hemo.qfr.camera import Camera
from hemo.qfr.synthetic.lumen import Lumen
from hemo.tree import VesselTree

Array = NDArray[Any]

SHARED = 2.0 / 12.0  # pixel^2: variance that sharing adds to a pixel's own width, along each axis
ACROSS, ALONG = 0.55, 0.8  # pixels between samples across the vessel, and along the shadow of its depth
_LEVELS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)


@dataclass(frozen=True)
class Samples:
    """Places in a lumen that stand for all of it, made for one view and good for all its frames.

    Attributes
    ----------
    slab
        (m,) index into the lumen.
    u, v
        (m,) place in the slab's unit disc.
    weight
        (m,) share of the disc's area, adding up to pi for each slab (less what was taken out).
    """

    slab: NDArray[np.int64]
    u: Array
    v: Array
    weight: Array


def _shadow(lumen: Lumen, camera: Camera) -> tuple[Array, Array]:
    """(n, 3) homogeneous images of the centres, and (n, 2, 2) what (u, v) move on the image, pixels."""
    at = lumen.centre @ camera.matrix[:, :3].T + camera.matrix[:, 3]
    move = lumen.axes @ camera.matrix[:, :3].T  # (n, 2, 3)
    place = at[:, :2] / at[:, 2:]
    return at, np.swapaxes((move[:, :, :2] - move[:, :, 2:] * place[:, None]) / at[:, None, 2:], 1, 2)


def strips(count: int) -> tuple[Array, Array]:
    """Centroids (count,) and areas (count,) of strips of equal width across the unit disc; the areas add up to pi."""
    edge = np.linspace(-1.0, 1.0, count + 1)
    height = np.sqrt(np.maximum(1.0 - edge**2, 0.0))
    area = np.diff(edge * height + np.arcsin(edge))
    return np.diff(-2.0 / 3.0 * height**3) / area, area


def _disc(across: int, along: int) -> tuple[Array, Array, Array]:
    u, area = strips(across)
    v = np.sqrt(1.0 - u**2)[:, None] * ((2.0 * np.arange(along) + 1.0) / along - 1.0)
    return np.repeat(u, along), v.ravel(), np.repeat(area / along, along)


def sampled(lumen: Lumen, camera: Camera) -> Samples:
    """Places for a view: dense across the vessel's shadow, few along the depth, which hardly shows.

    The disc is turned in itself so that u runs along the long axis of its shadow (the first right singular vector).
    """
    _, move = _shadow(lumen, camera)
    _, size, turn = np.linalg.svd(move)
    levels = np.array(_LEVELS)
    need = np.searchsorted(levels, np.minimum(2.0 * size / [ACROSS, ALONG], levels[-1]))
    need[:, 0] = np.maximum(need[:, 0], 4)
    parts = []
    for pair in np.unique(need, axis=0):
        slab = np.flatnonzero((need == pair).all(axis=1))
        p, q, weight = _disc(*(int(levels[k]) for k in pair))
        u = turn[slab, 0, :1] * p + turn[slab, 1, :1] * q
        v = turn[slab, 0, 1:] * p + turn[slab, 1, 1:] * q
        parts.append((np.repeat(slab, len(p)), u.ravel(), v.ravel(), np.tile(weight, len(slab))))
    return Samples(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def without_overlap(samples: Samples, lumen: Lumen, tree: VesselTree) -> Samples:
    """The samples but those of a daughter's start that lie in its mother or in a sister from the same place."""
    keep = np.ones(len(samples.slab), dtype=bool)
    for number, branch in enumerate(tree.branches):
        if branch.parent is None:
            continue
        sisters = [one.name for one in tree.branches[:number] if (one.parent, one.parent_index) == _fork(branch)]
        mother = tree[branch.parent]
        reach = 2.5 * float(mother.diameter[branch.parent_index or 0])
        index = lumen.names.index(branch.name)
        near = np.flatnonzero((lumen.vessel[samples.slab] == index) & (lumen.arc[samples.slab] < reach))
        slab = samples.slab[near]
        u, v = samples.u[near, None], samples.v[near, None]
        place = lumen.centre[slab] + u * lumen.axes[slab, 0] + v * lumen.axes[slab, 1]
        for other in (mother.name, *sisters):
            keep[near[inside(lumen.of(other), place)]] = False
    return Samples(*(getattr(samples, key)[keep] for key in ("slab", "u", "v", "weight")))


def _fork(branch: Any) -> tuple[str | None, int | None]:
    return branch.parent, branch.parent_index


def in_view(lumen: Lumen, camera: Camera, margin: float = 0.1) -> Lumen:
    """The slabs whose middle is seen, or would be on an image wider by ``margin`` of itself all round."""
    place = camera.project(lumen.centre)
    size = np.array(camera.shape[::-1])
    return lumen.chosen(np.all((place > -margin * size) & (place < (1.0 + margin) * size), axis=1))


def inside(lumen: Lumen, places: Array) -> NDArray[np.bool_]:
    """(m,) whether places (m, 3) lie in one vessel: in the ellipse of the nearest slab and not beyond its ends."""
    _, nearest = cKDTree(lumen.centre).query(places)
    away = places - lumen.centre[nearest]
    axes, gain = lumen.axes[nearest], lumen.slope[nearest, 0]
    part = np.einsum("ij,ikj->ik", away, axes) / np.einsum("ikj,ikj->ik", axes, axes)
    beyond = np.abs(np.einsum("ij,ij->i", away, gain)) > np.einsum("ij,ij->i", gain, gain)
    return np.asarray(((part**2).sum(axis=1) < 1.0) & ~beyond)


def path_length(lumen: Lumen, samples: Samples, camera: Camera, factor: Array | None = None) -> Array:
    """(rows, columns) mean path length through the lumen over each pixel, m.

    Parameters
    ----------
    factor
        (n,) what each slab's length counts, for example its concentration (the image is then in m times its unit).
    """
    factor = np.ones(len(lumen.centre)) if factor is None else factor
    kept = np.flatnonzero(factor[samples.slab])
    slab, u, v = samples.slab[kept], samples.u[kept], samples.v[kept]
    gain = np.einsum("nij,nj->in", lumen.slope, np.cross(lumen.axes[:, 0], lumen.axes[:, 1]))
    at = lumen.centre @ camera.matrix[:, :3].T + camera.matrix[:, 3]
    move = lumen.axes @ camera.matrix[:, :3].T

    def spread(centre: Array, first: Array, second: Array) -> Array:
        return np.asarray(np.take(centre, slab) + u * np.take(first, slab) + v * np.take(second, slab))

    column, row, depth = (spread(at[:, k], move[:, 0, k], move[:, 1, k]) for k in range(3))
    # A bend tighter than the vessel is wide folds the slabs over one another: no negative volume.
    volume = np.maximum(spread(*gain), 0.0) * np.take(factor, slab) * samples.weight[kept]
    return _shared(camera, column / depth, row / depth, volume / depth**2)


def _shared(camera: Camera, column: Array, row: Array, amount: Array) -> Array:
    rows, columns = camera.shape
    centre = 0.5 * (columns - 1), 0.5 * (rows - 1)
    x, y = (column - centre[0]) * camera.pixel[1], (row - centre[1]) * camera.pixel[0]
    slant = np.sqrt(1.0 + (x**2 + y**2) / camera.source_detector**2)  # 1 / cos(theta)
    amount = amount * slant * camera.source_detector**2 / (camera.pixel[0] * camera.pixel[1])
    seen = (column > -1.5) & (column < columns + 0.5) & (row > -1.5) & (row < rows + 0.5)
    # A margin of two pixels all round takes what falls beside.
    width = columns + 4
    (j, right), (i, down) = (_spline(place[seen] + 2.0) for place in (column, row))
    first, amount = (i - 1) * width + j - 1, amount[seen]
    image = np.zeros((rows + 4) * width)
    for k in range(3):
        part = amount * down[k]
        for m in range(3):
            image += np.bincount(first + (k * width + m), part * right[m], len(image))
    return image.reshape(rows + 4, width)[2:-2, 2:-2]


def _spline(place: Array) -> tuple[NDArray[np.int64], tuple[Array, Array, Array]]:
    """The nearest whole number, and the shares of the one before it, itself and the one after it: they add up to 1."""
    nearest = np.rint(place)
    away = place - nearest
    return nearest.astype(np.int64), (0.5 * (0.5 - away) ** 2, 0.75 - away**2, 0.5 * (0.5 + away) ** 2)


def silhouette(lumen: Lumen, camera: Camera) -> tuple[Array, Array, Array]:
    """Midline, left and right edge (n, 2) of one vessel on the image, pixels (column, row), proximal to distal.

    The edge is where the slabs' shadows, ellipses, reach farthest across the midline: exact for a cylinder and for
    small taper. Left and right are as one looks distally on the image.
    """
    at, move = _shadow(lumen, camera)
    midline = at[:, :2] / at[:, 2:]
    tangent = np.gradient(midline, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-12)
    across = np.column_stack([tangent[:, 1], -tangent[:, 0]])  # rows run downwards: this is the viewer's left
    half = np.linalg.norm(np.einsum("ni,nij->nj", across, move), axis=1)[:, None]
    return midline, midline + half * across, midline - half * across
