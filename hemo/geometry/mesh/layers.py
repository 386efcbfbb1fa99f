"""Boundary layers: flat tetrahedra along the wall round a core that is filled as any lumen is.

The wall is moved inwards along its smoothed normals; where that would fold or meet the opposite wall the
layers become thinner, smoothly, until they fit. Between the wall and the moved wall lie prisms, each cut into
three tetrahedra along the order of the vertices' numbers, so that neighbours agree (Dompierre et al. 1999,
Proc 8th Int Meshing Roundtable, 195). Caps stay planar: their rims move within the caps' planes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.linalg import spsolve
from scipy.spatial import cKDTree

from hemo.errors import HemoError, InputError
from hemo.geometry.lumen.surfacecheck import edge_table, self_crossings
from hemo.geometry.mesh.clipping import WALL_TAG, TaggedSurface
from hemo.geometry.mesh.sizing import local_radius
from hemo.tetmesh import TetMesh
from hemo.tree import VesselTree
from hemo.triangles import area_vectors, triangle_areas, unit_normals, vertex_normals

Array = NDArray[np.float64]
Index = NDArray[np.int64]

SMOOTHINGS = 3  # sweeps over the directions
TURNS, SEEN = 20, 0.5  # so often turned where the cosine with a triangle's normal is less
GRADING = 0.3  # largest change of the thickness over a length along the wall
ROOM = 0.4  # share of the largest ball inside the wall, touching it at a vertex, that layers may take of its radius
ROUNDS, SHRINK = 12, 0.7  # thinner by this factor round what does not fit, so often
THINNEST = 0.05  # share of the wanted thickness below which the layers have failed
SLIM = 0.1  # least volume of a layers' cell over a third of its triangle on the wall times the thickness
SQUARE = 0.3  # smallest cosine between a triangle of the wall and of the moved wall


class LayersFailed(HemoError):
    """The layers do not fit in."""


@dataclass(frozen=True)
class LayerOptions:
    """``count`` layers, the first of ``first`` local radii, each ``growth`` times the one before."""

    count: int
    first: float = 0.04
    growth: float = 1.4

    def __post_init__(self) -> None:
        if not 0 <= self.count <= 20:
            raise InputError(f"boundary_layers is {self.count}; give a number from 0 to 20.")
        if not (0.001 <= self.first <= 0.2 and 1.0 <= self.growth <= 3.0):
            raise InputError("the first boundary layer: give 0.001 to 0.2 radii and a growth from 1 to 3.")
        if self.total > 0.6:
            raise InputError(f"the boundary layers would take {self.total:.2f} of the radius; give at most 0.6.")

    @property
    def heights(self) -> Array:
        """(count + 1,) distance of each sheet from the wall over that of the last, 0 to 1."""
        steps = np.concatenate([[0.0], np.cumsum(self.growth ** np.arange(self.count))])
        return np.asarray(steps / steps[-1])

    @property
    def total(self) -> float:
        """Thickness of all layers over the local radius."""
        return float(self.first * np.sum(self.growth ** np.arange(self.count)))


def core_surface(boundary: TaggedSurface, tree: VesselTree, options: LayerOptions) -> TaggedSurface:
    """The boundary of the core: the same triangles, the wall moved inwards by the layers' thickness.

    Raises
    ------
    LayersFailed
        If no thickness above a twentieth of the wanted one fits somewhere.
    """
    wall = boundary.triangles[boundary.tags == WALL_TAG]
    used = np.unique(wall)
    direction = _directions(boundary, wall)
    wanted = options.total * local_radius(boundary.points, tree)
    thickness = wanted.copy()
    thickness[used] = np.minimum(wanted[used], ROOM * _inner_ball(boundary.points[used], direction[used], wanted[used]))
    edges, _, _ = edge_table(wall)
    for _ in range(ROUNDS):
        thickness = _graded(thickness, boundary.points, edges)
        core = _with_caps(boundary, boundary.points + thickness[:, None] * direction, used)
        bad = _unfit(boundary, core)
        if len(bad) == 0:
            return core
        near = np.zeros(len(thickness), dtype=bool)
        near[boundary.triangles[bad]] = True
        near[edges[near[edges].any(axis=1)]] = True
        thickness[near] *= SHRINK
        if np.any(thickness[used] < THINNEST * wanted[used]):
            break
    raise LayersFailed("boundary layers do not fit somewhere along the wall")


def _directions(boundary: TaggedSurface, wall: Index) -> Array:
    """(n, 3) unit vectors into the lumen at the wall's vertices, smoothed; on a rim within its cap's plane.

    In a crease they are turned until they see every triangle of the vertex from above, as far as can be (the most
    normal one: Aubry and Lohner 2008, Commun Numer Methods Eng 24:1641).
    """
    inward = -vertex_normals(boundary.points, wall)
    edges, _, _ = edge_table(wall)
    size = len(boundary.points)
    link = coo_array((np.ones(2 * len(edges)), (edges.T.ravel(), edges[:, ::-1].T.ravel())), shape=(size, size)).tocsr()
    inward = _in_planes(boundary, wall, inward)
    for _ in range(SMOOTHINGS):
        mean = link @ inward / np.maximum(np.asarray(link.sum(axis=1)).reshape(-1, 1), 1.0)
        inward = _in_planes(boundary, wall, inward + mean)
    facing = -unit_normals(boundary.points[wall])
    for _ in range(TURNS):
        seen = np.einsum("tkd,td->tk", inward[wall], facing)
        least = np.full(size, 1.0)
        np.minimum.at(least, wall, seen)
        row, corner = np.nonzero((seen < SEEN) & (seen == least[wall]))
        if len(row) == 0:
            break
        np.add.at(inward, wall[row, corner], 0.2 * facing[row])
        inward = _in_planes(boundary, wall, inward)
    return inward


def _in_planes(boundary: TaggedSurface, wall: Index, vectors: Array) -> Array:
    """(n, 3) the vectors as unit vectors, those on a rim within the plane of its cap."""
    vectors = vectors.copy()
    on_wall = np.unique(wall)
    for tag, (_, normal) in boundary.planes.items():
        rim = np.intersect1d(boundary.triangles[boundary.tags == tag], on_wall)
        vectors[rim] -= (vectors[rim] @ normal)[:, None] * normal
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-300))


def _inner_ball(points: Array, direction: Array, thickness: Array) -> Array:
    """(n,) radius of the largest ball that touches the wall at each vertex from inside, where it matters.

    Through another vertex q the ball has the radius |q - x|^2 / (2 (q - x).n) (Ma, Bae and Choi 2012, Vis Comput
    28:7); only vertices within reach of a ball too small for the layers are looked at.
    """
    radius = np.full(len(points), np.inf)
    reach = 2.0 * thickness / ROOM
    tree = cKDTree(points)
    for start in range(0, len(points), 4096):
        block = np.arange(start, min(start + 4096, len(points)))
        near = tree.query_ball_point(points[block], reach[block])
        owner = np.repeat(block, [len(group) for group in near])
        other = np.concatenate([np.asarray(group, dtype=np.int64) for group in near])
        offset = points[other] - points[owner]
        square, height = np.einsum("ij,ij->i", offset, offset), np.einsum("ij,ij->i", offset, direction[owner])
        # A neighbour on a slightly rough wall is no opposite wall: it is seen at a flat angle.
        opposite = height > 0.5 * np.sqrt(square)
        np.minimum.at(radius, owner[opposite], square[opposite] / (2.0 * height[opposite]))
    return radius


def _graded(thickness: Array, points: Array, edges: Index) -> Array:
    """(n,) thickness cut down until it changes by no more than the grading along any edge."""
    allowed = GRADING * np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
    thickness = thickness.copy()
    for _ in range(50):
        before = thickness.copy()
        for i, j in ((0, 1), (1, 0)):
            np.minimum.at(thickness, edges[:, i], before[edges[:, j]] + allowed)
        if np.array_equal(before, thickness):
            break
    return thickness


def _with_caps(boundary: TaggedSurface, moved: Array, used: Index) -> TaggedSurface:
    """The moved wall, and in each cap the vertices within moved by the harmonic continuation of its rim's move."""
    points = boundary.points.copy()
    points[used] = moved[used]
    for tag in boundary.planes:
        cap = boundary.triangles[boundary.tags == tag]
        inner = np.setdiff1d(cap, used)
        if len(inner) == 0:
            continue
        edges, _, _ = edge_table(cap)
        size = len(points)
        both = np.concatenate([edges, edges[:, ::-1]])
        link = csr_array(coo_array((np.ones(len(both)), (both[:, 0], both[:, 1])), shape=(size, size)))
        rows = link[inner]
        degree = np.asarray(rows.sum(axis=1)).ravel()
        laplace = coo_array((degree, (np.arange(len(inner)),) * 2), shape=(len(inner),) * 2).tocsc() - rows[:, inner]
        rim = np.intersect1d(cap, used)
        shift = rows[:, rim] @ (points[rim] - boundary.points[rim])
        points[inner] += np.column_stack([spsolve(laplace.tocsc(), shift[:, k]) for k in range(3)])
    return replace(boundary, points=points)


def _unfit(boundary: TaggedSurface, core: TaggedSurface) -> Index:
    """Triangles of the moved boundary that turned, that make too thin cells, or that cut another one."""
    normals = [unit_normals(points[boundary.triangles]) for points in (boundary.points, core.points)]
    turned = np.flatnonzero(np.einsum("ij,ij->i", *normals) < SQUARE)
    wall = boundary.triangles[boundary.tags == WALL_TAG]
    position = np.flatnonzero(boundary.tags == WALL_TAG)
    straight = triangle_areas(boundary.points[wall])
    straight *= np.linalg.norm(core.points[wall] - boundary.points[wall], axis=2).mean(axis=1) / 3.0
    slim = np.flatnonzero(_prism_volumes(boundary.points, core.points, wall).min(axis=0) <= SLIM * straight)
    bad: Index = np.unique(np.concatenate([turned, position[slim]]))
    if len(bad) == 0:
        bad = np.unique(self_crossings(core.points, core.triangles))
    return bad


def _prism_volumes(outer: Array, inner: Array, wall: Index) -> Array:
    """(3, m) volumes of the tetrahedra of the prisms between a wall and the moved wall."""
    both = np.vstack([outer, inner])
    return np.stack([_volumes(both, cells) for cells in _split(wall, wall + len(outer))])


def _volumes(points: Array, cells: Index) -> Array:
    a, b, c, d = (points[cells[:, i]] for i in range(4))
    return np.asarray(np.einsum("ij,ij->i", np.cross(b - a, c - a), d - a) / 6.0)


def _split(lower: Index, upper: Index) -> tuple[Index, Index, Index]:
    """Three tetrahedra of each prism; ``lower`` holds the wall's triangles (normals outward), ``upper`` lies inwards.

    The diagonal of each side runs from the lower vertex of the smaller number to the upper one of the larger.
    """
    order = np.argsort(lower, axis=1)
    odd = np.isin(order @ [9, 3, 1], [0 * 9 + 2 * 3 + 1, 1 * 9 + 0 * 3 + 2, 2 * 9 + 1 * 3 + 0])
    a, b, c = np.take_along_axis(lower, order, axis=1).T
    d, e, f = np.take_along_axis(upper, order, axis=1).T
    made = []
    for p, q, r, s in ((a, b, c, f), (a, b, f, e), (a, e, f, d)):
        made.append(np.stack([p, np.where(odd, q, r), np.where(odd, r, q), s], axis=1))
    return made[0], made[1], made[2]


def with_layers(boundary: TaggedSurface, core: TetMesh, options: LayerOptions) -> tuple[TetMesh, int]:
    """The filled core with the layers round it, and how many of its cells, the last ones, are layers.

    ``core``'s first vertices are those of ``boundary`` moved inwards; the sheets between lie on straight lines.
    """
    size, count = len(boundary.points), options.count
    used = np.unique(boundary.triangles[boundary.tags == WALL_TAG])
    place = np.full(size, -1, dtype=np.int64)
    place[used] = np.arange(len(used))
    inner, outer = core.points[used], boundary.points[used]
    sheets = [outer + height * (inner - outer) for height in options.heights[:-1]]
    # Numbers of a wall vertex on each sheet: the new ones follow the core's, the last sheet is the core's own.
    number = [len(core.points) + sheet * len(used) + place for sheet in range(count)] + [np.arange(size)]
    wall = boundary.triangles[boundary.tags == WALL_TAG]
    cells = [core.cells]
    for low, high in pairwise(number):
        # Split along the numbers of the wall's vertices, which have the same order on every sheet.
        cells += [_renumbered(piece, low, high, size) for piece in _split(wall, wall + size)]
    facets, tags = [number[0][wall]], [np.full(len(wall), WALL_TAG, dtype=np.int32)]
    for tag, (_, normal) in boundary.planes.items():
        cap = boundary.triangles[boundary.tags == tag]
        facets.append(cap)
        rim = _rim(cap)
        for low, high in pairwise(number):
            i, j = np.sort(rim, axis=1).T
            facets += [np.stack([low[i], low[j], high[j]], axis=1), np.stack([low[i], high[j], high[i]], axis=1)]
        tags.append(np.full(len(cap) + 2 * count * len(rim), tag, dtype=np.int32))
        facets[-2 * count :] = [_facing(core.points, sheets, piece, normal) for piece in facets[-2 * count :]]
    mesh = TetMesh(
        np.vstack([core.points, *sheets]), np.vstack(cells), np.vstack(facets), np.concatenate(tags), core.names
    )
    return mesh, len(mesh.cells) - len(core.cells)


def _renumbered(cells: Index, low: Index, high: Index, size: int) -> Index:
    return np.where(cells < size, low[np.minimum(cells, size - 1)], high[np.maximum(cells - size, 0)])


def _rim(cap: Index) -> Index:
    """(k, 2) edges of a cap that only one of its triangles has."""
    edges, _, count = edge_table(cap)
    rim: Index = edges[count == 1]
    return rim


def _facing(points: Array, sheets: list[Array], triangles: Index, normal: Array) -> Index:
    """The triangles, each turned so that it faces along ``normal``."""
    places = np.vstack([points, *sheets])
    turned = area_vectors(places[triangles]) @ normal < 0.0
    return np.where(turned[:, None], triangles[:, [0, 2, 1]], triangles)
