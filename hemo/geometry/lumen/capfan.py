"""Close a planar loop with triangles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from hemo.geometry.lumen.planecut import plane_axes

Array = NDArray[np.float64]
Index = NDArray[np.int64]


def triangulate_cap(points: Array, rim: Index, normal: Array) -> tuple[Array, Index]:
    """Close a planar loop whose vertices run anticlockwise about ``normal``.

    A fan round the centroid where the loop is star-shaped about it, or round the middle of the places about which it
    is; ears cut off otherwise.

    Returns
    -------
    extra
        (0 or 1, 3) points to append to ``points``.
    triangles
        (m, 3) into the extended points, facing ``normal``.
    """
    centre = points[rim].mean(axis=0)
    first, second = plane_axes(normal)
    flat = np.stack([(points[rim] - centre) @ first, (points[rim] - centre) @ second], axis=1)
    place = np.zeros(2) if _sees_all(flat) else _kernel(flat)
    if place is not None:
        hub = np.full(len(rim), len(points))
        middle = centre + place[0] * first + place[1] * second
        return middle[None], np.stack([hub, rim, np.roll(rim, -1)], axis=1)
    return np.empty((0, 3)), rim[_ears(flat)]


def _sees_all(flat: Array) -> bool:
    """Whether the origin sees every side of a polygon (n, 2), anticlockwise, from within."""
    after = np.roll(flat, -1, axis=0)
    return bool(np.all(flat[:, 0] * after[:, 1] - flat[:, 1] * after[:, 0] > 0.0))


def _kernel(flat: Array) -> Array | None:
    """The place (2,) from which every side of a polygon (n, 2) is seen best, None where there is none.

    It is the middle of the largest circle left of all sides, by linear programming.
    """
    along = np.roll(flat, -1, axis=0) - flat
    length = np.linalg.norm(along, axis=1)
    inward = np.stack([-along[:, 1], along[:, 0]], axis=1)[length > 0.0] / length[length > 0.0, None]
    scale = float(np.abs(flat).max())
    rows = np.column_stack([-inward, np.ones(len(inward))])
    limits = -np.einsum("ij,ij->i", inward, flat[length > 0.0]) / scale
    found = linprog([0.0, 0.0, -1.0], A_ub=rows, b_ub=limits, bounds=[(None, None)] * 2 + [(0.0, None)])
    if found.status != 0 or found.x[2] < 1e-3 or not _sees_all(flat - scale * found.x[:2]):
        return None
    return np.asarray(scale * found.x[:2])


def _ears(flat: Array) -> Index:
    """Triangulate a simple polygon (n, 2), anticlockwise, by cutting ears (Meisters 1975), best first."""
    rest = list(range(len(flat)))
    ears = []
    while len(rest) > 3:
        best, worth = -1, -np.inf
        for i in range(len(rest)):
            a, b, c = flat[rest[i - 1]], flat[rest[i]], flat[rest[(i + 1) % len(rest)]]
            others = flat[[j for j in rest if j not in (rest[i - 1], rest[i], rest[(i + 1) % len(rest)])]]
            area = _twice_area(a, b, c)
            if area <= 0.0 or np.any(_inside(others, a, b, c)):
                continue
            shape = float(area / (np.sum((a - b) ** 2) + np.sum((b - c) ** 2) + np.sum((c - a) ** 2)))
            if shape > worth:
                best, worth = i, shape
        best = max(best, 0)
        ears.append((rest[best - 1], rest[best], rest[(best + 1) % len(rest)]))
        del rest[best]
    ears.append((rest[0], rest[1], rest[2]))
    return np.array(ears, dtype=np.int64)


def _twice_area(a: Array, b: Array, c: Array) -> float:
    return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))


def _inside(p: Array, a: Array, b: Array, c: Array) -> NDArray[np.bool_]:
    def side(u: Array, v: Array) -> Array:
        return np.asarray((v[0] - u[0]) * (p[:, 1] - u[1]) - (v[1] - u[1]) * (p[:, 0] - u[0]))

    return np.asarray((side(a, b) >= 0.0) & (side(b, c) >= 0.0) & (side(c, a) >= 0.0))
