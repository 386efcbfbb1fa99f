"""Openings of a surface: which are the ends of vessels, and how they are closed.

An opening is a loop of border edges. Where the wall runs away from it to one side all round, it is the
open end of a vessel and gets a flat cap; where the wall goes on in its own plane, it is a tear, which is
filled if it is small beside the vessel and refused if not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from hemo.errors import InputError
from hemo.geometry.lumen.labelfield import tangent_ball_radius
from hemo.geometry.lumen.patching import fan_patch, flat_patch, least_patch, opening
from hemo.geometry.lumen.surfacecheck import edge_table, orient_outwards, triangle_components
from hemo.triangles import area_vectors, vertex_normals

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
Fill = Callable[[Array, Indices], tuple[Array, Indices]]

# At an end, the wall leaves the opening's plane at more than this sine of the angle, all round but for this share.
_END_SINE = 0.25
_END_SHARE = 0.15
# An end's short axis over its long one, at least, and its area over that of a section of the vessel, at most: a cut
# 65 degrees off square is an end still.
_END_ROUNDNESS = 0.3
_END_SECTIONS = 3.0
# A tear's hydraulic diameter, 4 area / perimeter, over the vessel's radius.
_TEAR_SIZE = 1.0
# A cap's vector area over its area, and the cosine at most between it and the wall beside it.
_FLAT = 0.9
_CREASE = 0.7


@dataclass(frozen=True)
class Cap:
    """A flat end of the lumen: where a vessel, or the aorta, was cut.

    Attributes
    ----------
    name
        From the file where it names its faces, otherwise ``"end 1"`` and so on.
    centre
        (3,) m.
    normal
        (3,) unit, out of the lumen.
    area
        m^2.
    """

    name: str
    centre: Array
    normal: Array
    area: float


@dataclass(frozen=True)
class Closed:
    """A surface whose openings were closed.

    Attributes
    ----------
    points, triangles
        (n, 3) m, (m, 3), normals outwards.
    turned
        How many of the given triangles were turned.
    ends
        A cap for each end of a vessel.
    tears
        (k, 3) the middle of each tear that was filled, m.
    seams
        How many slits without any width were closed.
    """

    points: Array
    triangles: Indices
    turned: int
    ends: tuple[Cap, ...]
    tears: Array
    seams: int


def close_openings(points: Array, triangles: Indices, where: str) -> Closed:
    """Turn the triangles outwards and close every opening.

    Parameters
    ----------
    points, triangles
        (n, 3) m and (m, 3); no edge has more than two triangles.
    where
        What the messages call the surface.

    Raises
    ------
    InputError
        If a hole is too large beside the vessel for its lumen to be known, or two open ends face each other.
    """
    points, triangles = _split_pinches(points, triangles)
    wall, turned = _oriented(points, triangles)
    loops = boundary_loops(wall)
    if not loops:
        return Closed(points, wall, turned, (), np.zeros((0, 3)), 0)
    used = np.unique(wall)
    radius = _calibre(points, wall)[used]
    ends: list[Cap] = []
    tears: list[Array] = []
    seams = 0
    for loop in loops:
        centre, normal, area = opening(points[loop])
        rim = points[loop]
        perimeter = float(np.linalg.norm(rim - np.roll(rim, -1, axis=0), axis=1).sum())
        # Beside the rim too: at the rim itself the wall's normals lean.
        local = float(np.median(radius[cKDTree(rim).query(points[used])[0] < 0.1 * perimeter]))
        if _is_end(points, wall, loop, local) and area <= _END_SECTIONS * np.pi * local**2:
            points, patch = _sound_patch(flat_patch, points, wall, loop)
            ends.append(Cap(f"end {len(ends) + 1}", centre, normal, area))
        else:
            size = 4.0 * area / perimeter
            if size > _TEAR_SIZE * local:
                raise InputError(
                    f"{where}: the surface has a hole about {1e3 * size:.1f} mm wide at {place_in_mm(centre)} that is "
                    f"no vessel's end, so its lumen is not known there; close it."
                )
            points, patch = _sound_patch(least_patch, points, wall, loop)
            seams += size < 0.02 * local
            tears += [] if size < 0.02 * local else [centre]
        wall = np.concatenate([wall, patch])
    _refuse_facing(ends, where)
    return Closed(points, wall, turned, tuple(ends), np.array(tears).reshape(-1, 3), seams)


def named_caps(points: Array, triangles: Indices, patch: Indices, names: dict[int, str]) -> tuple[Cap, ...]:
    """The parts of a surface that are caps: flat, and met by the rest of it at an edge.

    Parameters
    ----------
    points, triangles
        (n, 3) m and (m, 3).
    patch
        (m,) number of the part of each triangle.
    names
        What the parts are called; one in several pieces gives caps with numbers.
    """
    edges, of_triangle, count = edge_table(triangles)
    vector = area_vectors(points[triangles])
    area = np.linalg.norm(vector, axis=1)
    unit = vector / np.maximum(area, 1e-300)[:, None]
    found: list[Cap] = []
    for number in np.unique(patch):
        members = np.flatnonzero(patch == number)
        piece = triangle_components(triangles[members])
        for k in np.unique(piece):
            own = members[piece == k]
            total, size = vector[own].sum(axis=0), float(area[own].sum())
            if size > 0.0 and _FLAT * size < float(np.linalg.norm(total)) and size < 0.5 * area.sum():
                normal = total / np.linalg.norm(total)
                sides = np.bincount(of_triangle[own].ravel(), minlength=len(edges))
                rim = (sides == 1) & (count > 1)
                beside = rim[of_triangle].any(axis=1)
                beside[own] = False
                if not beside.any() or np.abs(unit[beside] @ normal).mean() < _CREASE:
                    centre = (points[triangles[own]].mean(axis=1) * area[own, None]).sum(axis=0) / size
                    label = names.get(int(number), "") or f"end {len(found) + 1}"
                    found.append(Cap(label if piece.max() == 0 else f"{label} {k + 1}", centre, normal, size))
    return tuple(found)


def place_in_mm(place: Array) -> str:
    """A place (3,) m as a user reads it."""
    return "x {:.1f}, y {:.1f}, z {:.1f} mm".format(*(1e3 * place))


def boundary_loops(triangles: Indices) -> list[Indices]:
    """Loops of border edges of a consistently oriented surface, each in the direction of a patch that fills it."""
    _, of_triangle, count = edge_table(triangles)
    onward: dict[int, int] = {}
    for side in range(3):
        border = count[of_triangle[:, side]] == 1
        onward.update(zip(triangles[border, (side + 1) % 3].tolist(), triangles[border, side].tolist(), strict=True))
    loops = []
    while onward:
        first, node = onward.popitem()
        loop = [first]
        while node != first and node in onward:
            loop.append(node)
            node = onward.pop(node)
        loops.append(np.array(loop, dtype=np.int64))
    return sorted(loops, key=lambda loop: int(loop.min()))


def _split_pinches(points: Array, triangles: Indices) -> tuple[Array, Indices]:
    """A vertex of its own for each fan of triangles at a border vertex where several fans meet."""
    edges, of_triangle, count = edge_table(triangles)
    border = np.zeros(len(points), dtype=bool)
    border[edges[count == 1]] = True
    if not border.any():
        return points, triangles
    m = len(triangles)
    order = np.argsort(of_triangle.ravel(), kind="stable")
    paired = order[np.isin(of_triangle.ravel()[order], np.flatnonzero(count == 2))].reshape(-1, 2)
    rows, columns = [], []
    for end in (0, 1):  # corners of the two triangles at each end of their common edge
        vertex = edges[of_triangle.ravel()[paired[:, 0]], end]
        corner = [3 * (k // 3) + (triangles[k // 3] == vertex[:, None]).argmax(axis=1) for k in paired.T]
        rows.append(corner[0])
        columns.append(corner[1])
    joins = np.concatenate(rows), np.concatenate(columns)
    graph = coo_array((np.ones(len(joins[0]), dtype=np.int8), joins), shape=(3 * m, 3 * m))
    fan = connected_components(graph, directed=False)[1]
    corners = triangles.ravel()
    key = np.where(border[corners], fan, -1)
    pairs, renumbered = np.unique(np.stack([corners, key]), axis=1, return_inverse=True)
    return points[pairs[0]], renumbered.reshape(-1, 3).astype(np.int64)


def _oriented(points: Array, triangles: Indices) -> tuple[Indices, int]:
    """Triangles turned outwards, openings closed by fans for the time being."""
    edges, _, count = edge_table(triangles)
    border = edges[count == 1]
    graph = coo_array((np.ones(len(border), dtype=np.int8), (border[:, 0], border[:, 1])), shape=(len(points),) * 2)
    _, loop = connected_components(graph, directed=False)
    names, member = np.unique(loop[border[:, 0]], return_inverse=True)
    middle = np.zeros((len(names), 3))
    for axis in range(3):
        weight = points[border, axis].mean(axis=1)
        middle[:, axis] = np.bincount(member, weight, len(names)) / np.maximum(
            np.bincount(member, minlength=len(names)), 1
        )
    fans = np.column_stack([border, len(points) + member])
    whole, _ = orient_outwards(np.concatenate([points, middle]), np.concatenate([triangles, fans]))
    wall = whole[: len(triangles)]
    return wall, int(np.any(wall != triangles, axis=1).sum())


def _calibre(points: Array, wall: Indices) -> Array:
    """(n,) radius of the largest ball that touches the wall at each point from inside, m."""
    limit = 0.5 * float(np.ptp(points, axis=0).max())
    return tangent_ball_radius(points, vertex_normals(points, wall), limit)


def _is_end(points: Array, wall: Indices, loop: Indices, radius: float) -> bool:
    """Whether an opening is no slit and the wall all round it lies well to the inner side of its plane.

    Depth under the plane over distance from the rim is one at a square cut, a quarter at the side of a
    tear, and not positive where the wall goes on beyond the opening. It is taken at the wall's vertices about
    half a ``radius`` (m) from the rim.
    """
    rim = points[loop]
    centre, normal, _ = opening(rim)
    spread = np.linalg.svd(rim - centre, compute_uv=False)
    if spread[1] < _END_ROUNDNESS * spread[0]:
        return False
    edge = float(np.linalg.norm(rim - np.roll(rim, -1, axis=0), axis=1).mean())
    far = max(0.75 * radius, 2.0 * edge)
    gap, _ = cKDTree(rim).query(points, distance_upper_bound=far)
    near = np.isfinite(gap)
    edges, _, _ = edge_table(wall)
    inside = edges[near[edges].all(axis=1)]
    graph = coo_array((np.ones(len(inside), dtype=np.int8), (inside[:, 0], inside[:, 1])), shape=(len(points),) * 2)
    _, piece = connected_components(graph, directed=False)
    band = near & (gap > far / 3.0) & np.isin(piece, piece[loop])
    if not band.any():
        return False
    depth = (centre - points[band]) @ normal
    return float(np.percentile(depth / gap[band], 100.0 * _END_SHARE)) > _END_SINE


def _refuse_facing(ends: list[Cap], where: str) -> None:
    """A vessel cut in two, its parts hardly apart, would be closed in the middle: refuse that."""
    for one, other in combinations(ends, 2):
        apart = float(np.linalg.norm(one.centre - other.centre))
        if one.normal @ other.normal < -0.9 and apart < 0.3 * np.sqrt(min(one.area, other.area) / np.pi):
            raise InputError(
                f"{where}: two open ends face each other at {place_in_mm(one.centre)}; join the two parts of the "
                f"surface there."
            )


def _sound_patch(fill: Fill, points: Array, wall: Indices, loop: Indices) -> tuple[Array, Indices]:
    """What ``fill`` makes, or a fan where that would use an edge of the wall a third time."""
    more, patch = fill(points, loop)
    _, _, count = edge_table(np.concatenate([wall, patch]))
    return (more, patch) if count.max() <= 2 else fan_patch(points, loop)
