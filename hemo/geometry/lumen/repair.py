"""Repairs of a triangulated lumen that leave its shape alone: fins, bubbles, flat triangles, small folds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from hemo.errors import InputError
from hemo.geometry.lumen.capping import close_openings, place_in_mm
from hemo.geometry.lumen.surfacecheck import edge_table, enclosed_volume, self_crossings, triangle_components
from hemo.triangles import flatness, triangle_areas

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]

# Loose pieces, fins and bubbles with less than these shares of the area, or of the volume, are left out.
_DUST = 1e-3
_FIN = 2e-2
_BUBBLE = 1e-2
# Folds are cut out and closed again if no more than this share of the triangles goes with them.
_FOLD = 5e-2


def without_dust(points: Array, triangles: Indices) -> tuple[Indices, int]:
    """The triangles without loose pieces of less than a thousandth of the area, and how many these were."""
    pieces = triangle_components(triangles)
    share = np.bincount(pieces, triangle_areas(points[triangles]))
    keep = share >= _DUST * share.sum()
    return triangles[keep[pieces]], int((~keep).sum())


def without_fins(points: Array, triangles: Indices) -> tuple[Indices, int]:
    """The triangles without the sheets that make edges of more than two, and how many sheets these were.

    The surface is cut into sheets along those edges; the smallest go first, as long as each takes such
    edges away and leaves none open that was not.
    """
    dropped = 0
    total = float(triangle_areas(points[triangles]).sum())
    while True:
        _, of_triangle, count = edge_table(triangles)
        if count.max() <= 2:
            return triangles, dropped
        sheet = _sheets(of_triangle, count)
        area = np.bincount(sheet, triangle_areas(points[triangles]))
        for number in np.argsort(area):
            left = count - np.bincount(of_triangle[sheet == number].ravel(), minlength=len(count))
            fewer = np.sum(left > 2) < np.sum(count > 2)
            if area[number] <= _FIN * total and fewer and np.sum(left == 1) <= np.sum(count == 1):
                triangles = triangles[sheet != number]
                dropped += 1
                break
        else:
            return triangles, dropped


def _sheets(of_triangle: Indices, count: Indices) -> Indices:
    """(m,) number of the sheet of each triangle: neighbours over edges of exactly two triangles."""
    order = np.argsort(of_triangle.ravel(), kind="stable")
    owner = order[count[of_triangle.ravel()[order]] == 2].reshape(-1, 2) // 3
    m = len(of_triangle)
    graph = coo_array((np.ones(len(owner), dtype=np.int8), (owner[:, 0], owner[:, 1])), shape=(m, m))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def without_bubbles(points: Array, triangles: Indices, where: str) -> tuple[Indices, int]:
    """A closed surface without small closed pieces inside another one, and how many these were.

    Raises
    ------
    InputError
        If a large piece lies inside another: then nobody knows which of the two is the lumen.
    """
    pieces = triangle_components(triangles)
    if pieces.max() == 0:
        return triangles, 0
    parts = [triangles[pieces == number] for number in range(int(pieces.max()) + 1)]
    volume = np.array([abs(enclosed_volume(points, part)) for part in parts])
    keep = np.ones(len(parts), dtype=bool)
    for inner, part in enumerate(parts):
        place = points[part[0, 0]]
        for outer in np.flatnonzero(volume > volume[inner]):
            if abs(_winding(place, points[parts[outer]])) < 0.5:
                continue
            if volume[inner] > _BUBBLE * volume[outer]:
                raise InputError(
                    f"{where}: one closed surface lies inside another near {place_in_mm(place)}; export the lumen "
                    f"alone, without the vessel's outer wall."
                )
            keep[inner] = False
    return triangles[keep[pieces]], int((~keep).sum())


def _winding(place: Array, corners: Array) -> float:
    """How often triangles (m, 3, 3) surround a place (van Oosterom and Strackee 1983, IEEE Trans Biomed Eng 30:125)."""
    a, b, c = (corners[:, k] - place for k in range(3))
    la, lb, lc = (np.linalg.norm(v, axis=1) for v in (a, b, c))
    dot = [np.einsum("ij,ij->i", u, v) for u, v in ((a, b), (b, c), (c, a))]
    below = la * lb * lc + dot[0] * lc + dot[1] * la + dot[2] * lb
    return float(2.0 * np.arctan2(np.einsum("ij,ij->i", a, np.cross(b, c)), below).sum() / (4.0 * np.pi))


def without_flat_triangles(points: Array, triangles: Indices) -> tuple[Indices, int]:
    """A closed surface in which no vertex lies on the opposite edge of its triangle: that edge is turned.

    Such triangles stand where a vertex of one facet meets the side of another (T-junctions).
    """
    triangles = triangles.copy()
    turned = 0
    for flat in np.flatnonzero(flatness(points[triangles]) < 1e-6):
        side = np.linalg.norm(points[triangles[flat]] - points[np.roll(triangles[flat], -1)], axis=1)
        k = int(side.argmax())
        a, b, middle = (int(triangles[flat, (k + i) % 3]) for i in range(3))
        near = np.flatnonzero((triangles == a).any(axis=1) & (triangles == b).any(axis=1))
        other = near[near != flat]
        if len(other) != 1:
            continue
        far = int(next(v for v in triangles[other[0]] if v not in (a, b)))
        joined = ((triangles == middle).any(axis=1) & (triangles == far).any(axis=1)).any()
        if far == middle or joined:
            continue
        triangles[flat], triangles[other[0]] = (a, far, middle), (far, b, middle)
        turned += 1
    return triangles, turned


def without_folds(
    points: Array, triangles: Indices, depth: float, where: str, rounds: int = 3
) -> tuple[Array, Indices, Array]:
    """A closed surface that does not cross itself by more than ``depth`` (m): small folds are cut out and closed.

    The triangles that cross, and those round them, are taken out and the holes filled (as Attene 2010, Vis
    Comput 26:1393, does).

    Returns
    -------
    points, triangles
        The surface.
    places
        (k, 3) a place in each fold, m.

    Raises
    ------
    InputError
        If it crosses itself over more than a small fold.
    """
    deep = self_crossings(points, triangles, depth)
    places: list[Array] = []
    crossing = np.zeros(len(triangles), dtype=bool)
    for _ in range(rounds):
        if not len(deep):
            break
        crossing = np.zeros(len(triangles), dtype=bool)
        crossing[deep] = True
        place = points[triangles[deep[0]]].reshape(-1, 3).mean(axis=0)
        sentence = (
            f"{where}: the surface crosses itself ({len(deep)} pairs of triangles, one at {place_in_mm(place)}); "
            f"repair it there."
        )
        touched = np.zeros(len(points), dtype=bool)
        touched[triangles[crossing]] = True
        out = touched[triangles].any(axis=1)
        if out.mean() > _FOLD:
            raise InputError(sentence)
        places += _spread(points[triangles[crossing]].mean(axis=1))
        try:
            closed = close_openings(points, triangles[~out], where)
        except InputError as error:
            raise InputError(sentence) from error
        if closed.ends:
            raise InputError(sentence)
        points, triangles = closed.points, closed.triangles
        deep = self_crossings(points, triangles, depth)
    if len(deep):
        raise InputError(sentence)
    return points, triangles, np.array(places).reshape(-1, 3)


def _spread(places: Array, distance: float = 2e-3) -> list[Array]:
    """One of each group of places (n, 3) nearer than ``distance`` (m)."""
    chosen: list[Array] = []
    for place in places:
        if not chosen or cKDTree(np.array(chosen)).query(place)[0] > distance:
            chosen.append(place)
    return chosen
