"""Triangles that fill a closed polygon in space."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.linalg import spsolve
from scipy.spatial import Delaunay, QhullError, cKDTree

from hemo.geometry.lumen.planecut import plane_axes
from hemo.geometry.lumen.surfacecheck import edge_table

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

# Rims with more corners than this are filled from their middle, not with the least area.
_MOST_CORNERS = 200


def opening(rim: Array) -> tuple[Array, Array, float]:
    """Middle, unit normal and area of the surface that a closed polygon (k, 3) spans (its vector area)."""
    after = np.roll(rim, -1, axis=0)
    length = np.linalg.norm(after - rim, axis=1)
    centre = (0.5 * (rim + after) * length[:, None]).sum(axis=0) / max(float(length.sum()), 1e-300)
    vector = 0.5 * np.cross(rim - centre, after - centre).sum(axis=0)
    area = float(np.linalg.norm(vector))
    return centre, vector / max(area, 1e-300), area


def flat_patch(points: Array, loop: Indices) -> tuple[Array, Indices]:
    """A cap of well-shaped triangles: new points, and (k, 3) triangles that run round as ``loop`` does.

    Delaunay's triangulation of the rim in its mean plane with a hexagonal grid inside; a rim that is not
    flat carries the cap along with it, harmonically. Where that plane folds the rim, a fan from its middle.
    """
    rim = points[loop]
    centre, normal, _ = opening(rim)
    first, second = plane_axes(normal)
    flat = np.column_stack([(rim - centre) @ first, (rim - centre) @ second])
    step = float(np.linalg.norm(flat - np.roll(flat, -1, axis=0), axis=1).mean())
    inner = _grid_inside(flat, step)
    whole = np.concatenate([flat, inner])
    try:
        faces = np.asarray(Delaunay(whole).simplices, dtype=np.int64)
    except QhullError:
        return fan_patch(points, loop)
    faces = faces[_winding(whole[faces].mean(axis=1), flat) > 0.5]
    corner = whole[faces]
    area = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    faces = np.where(area[:, None] < 0.0, faces[:, ::-1], faces)
    if not _fills(faces, len(loop), len(whole)):
        return fan_patch(points, loop)
    height = _harmonic(faces, len(whole), (rim - centre) @ normal)
    new = centre + inner @ np.stack([first, second]) + height[len(loop) :, None] * normal
    number = np.concatenate([loop, len(points) + np.arange(len(inner))])
    return np.concatenate([points, new]), number[faces]


def _grid_inside(polygon: Array, step: float) -> Array:
    """Nodes of a hexagonal grid inside a polygon (k, 2) and not too near to it."""
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    step = max(step, float(np.ptp(polygon, axis=0).max()) / 60.0)
    x, y = np.meshgrid(np.arange(low[0], high[0], step), np.arange(low[1], high[1], step * np.sqrt(0.75)))
    x[1::2] += 0.5 * step
    nodes = np.column_stack([x.ravel(), y.ravel()])
    nodes = nodes[_winding(nodes, polygon) > 0.5]
    return nodes[cKDTree(polygon).query(nodes)[0] > 0.6 * step] if len(nodes) else nodes


def _winding(places: Array, polygon: Array) -> Array:
    """(n,) how often a polygon (k, 2) runs round each place (n, 2)."""
    a = polygon[None] - places[:, None]
    b = np.roll(a, -1, axis=1)
    angle = np.arctan2(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0], (a * b).sum(axis=2))
    return np.asarray(angle.sum(axis=1) / (2.0 * np.pi))


def _fills(faces: Indices, rim: int, count: int) -> bool:
    """Whether the faces' border is the rim, numbers 0 to ``rim`` in turn, and every point is used."""
    if not len(faces) or len(np.unique(faces)) != count:
        return False
    directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    code = directed[:, 0] * count + directed[:, 1]
    back = directed[:, 1] * count + directed[:, 0]
    border = np.sort(code[~np.isin(code, back)])
    index = np.arange(rim)
    return len(np.unique(code)) == len(code) and np.array_equal(border, np.sort(index * count + (index + 1) % rim))


def _harmonic(faces: Indices, count: int, rim: Array) -> Array:
    """(count,) values of which each inner one is its neighbours' mean, the first ones given."""
    edges, _, _ = edge_table(faces)
    both = np.concatenate([edges, edges[:, ::-1]])
    graph = csr_array(coo_array((np.ones(len(both)), (both[:, 0], both[:, 1])), shape=(count, count)))
    inner = np.arange(len(rim), count)
    if not len(inner):
        return rim
    degree = coo_array((graph.sum(axis=1)[inner], (np.arange(len(inner)),) * 2))
    own = csr_array(degree - graph[inner][:, inner]).tocsc()
    return np.concatenate([rim, np.atleast_1d(spsolve(own, graph[inner][:, : len(rim)] @ rim))])


def fan_patch(points: Array, loop: Indices) -> tuple[Array, Indices]:
    """Triangles from the rim's middle."""
    middle = np.full(len(loop), len(points))
    return np.concatenate([points, [opening(points[loop])[0]]]), np.column_stack([loop, np.roll(loop, -1), middle])


def least_patch(points: Array, loop: Indices) -> tuple[Array, Indices]:
    """The triangulation of the rim alone that has the least area (Barequet and Sharir 1995, CAGD 12:207)."""
    n = len(loop)
    if n > _MOST_CORNERS:
        return fan_patch(points, loop)
    rim = points[loop]
    least = np.zeros((n, n))
    choice = np.zeros((n, n), dtype=np.int64)
    for span in range(2, n):
        for i in range(n - span):
            k, middles = i + span, np.arange(i + 1, i + span)
            area = 0.5 * np.linalg.norm(np.cross(rim[middles] - rim[i], rim[k] - rim[i]), axis=1)
            cost = least[i, middles] + least[middles, k] + area
            choice[i, k] = middles[np.argmin(cost)]
            least[i, k] = cost.min()
    faces, waiting = [], [(0, n - 1)]
    while waiting:
        i, k = waiting.pop()
        if k - i >= 2:
            j = int(choice[i, k])
            faces.append((i, j, k))
            waiting += [(i, j), (j, k)]
    return points, loop[np.array(faces, dtype=np.int64).reshape(-1, 3)]
