"""The inside of the lumen as a graph of grid nodes, with the aorta told apart from the coronaries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from scipy.sparse import coo_array, csr_array
from scipy.spatial import cKDTree

from hemo.errors import InputError
from hemo.geometry.image.labelimage import AORTA, CORONARY, LabelImage
from hemo.geometry.lumen.distance import SurfaceDistance
from hemo.geometry.lumen.labelfield import tangent_ball_radius
from hemo.geometry.lumen.surface import Surface
from hemo.geometry.lumen.vtkgrid import inside_grid
from hemo.triangles import vertex_normals

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]

# Every second one of the 26 neighbours, so that each pair is met once.
_NEIGHBOURS = [(i, j, k) for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1) if (i, j, k) > (0, 0, 0)]


@dataclass(frozen=True)
class LumenGraph:
    """Grid nodes inside the coronary lumen.

    Attributes
    ----------
    points
        (n, 3) nodes of a grid, and the middles of throats too narrow for it, m.
    depth
        (n,) distance to the wall, m.
    edges
        (e, 2) neighbouring nodes (26-neighbourhood) with no wall between them.
    contact
        (n,) whether the node has a neighbour in the aorta.
    aorta
        (a, 3) nodes inside the aorta, thinned to about 1.5 mm, m; empty without an aorta.
    spacing
        Distance of the nodes, m.
    """

    points: Array
    depth: Array
    edges: Indices
    contact: Flags
    aorta: Array
    spacing: float

    @property
    def aorta_centre(self) -> Array:
        """(3,) mean of the aortic nodes, m; nan without an aorta."""
        return self.aorta.mean(axis=0) if len(self.aorta) else np.full(3, np.nan)

    def cost(self, power: float) -> csr_array:
        """Symmetric matrix of the edge costs: length / depth^power (mm over mm), low along the middle."""
        a, b = self.edges.T
        slowness = (1e-3 / np.maximum(self.depth, 0.1e-3)) ** power
        length = 1e3 * np.linalg.norm(self.points[a] - self.points[b], axis=1)
        weight = length * 0.5 * (slowness[a] + slowness[b])
        n = len(self.points)
        half = coo_array((weight, (a, b)), shape=(n, n)).tocsr()
        return csr_array(half + half.T)


def lumen_graph(
    surface: Surface,
    labels: LabelImage | None,
    wall: SurfaceDistance,
    spacing: float = 0.35e-3,
    aortic_radius: float = 5e-3,
) -> LumenGraph:
    """Grid the lumen and leave the aorta out.

    Parameters
    ----------
    surface
        Closed lumen.
    labels
        Tells the aorta by its label; without it the aorta is what a ball of half the largest inscribed
        radius sweeps (a morphological opening), if that largest radius is at least ``aortic_radius``.
    wall
        Distance to the surface.
    spacing
        Of the grid, m; coarser where the surface is very large.

    Raises
    ------
    InputError
        If the surface encloses no grid node.
    """
    low, high = surface.points.min(axis=0) - spacing, surface.points.max(axis=0) + spacing
    spacing = float(max(spacing, np.cbrt(np.prod(high - low) / 150e6)))
    shape = tuple(int(count) for count in np.ceil((high - low) / spacing) + 1)
    inside = inside_grid(surface.points, surface.triangles, low, spacing, (shape[0], shape[1], shape[2]))
    if not inside.any():
        raise InputError("the surface encloses no lumen; check its unit and that it is closed.")
    nodes = np.flatnonzero(inside)
    index = np.stack(np.unravel_index(nodes, inside.shape), axis=1)
    places = low + spacing * index[:, ::-1]
    aorta = _aorta_nodes(inside, places, low, spacing, labels, aortic_radius)
    points = places[~aorta]
    depth, nearest, normal = wall.rough(points)
    edges, contact = _edges(nodes, aorta, inside.shape)
    edges = edges[~_wall_between(points, depth, nearest, normal, edges, spacing)]
    throat = _throat_nodes(surface, spacing)
    throat = throat[~_at_aorta_alone(throat, nodes, aorta, inside.shape, low, spacing)]
    edges = np.concatenate([edges, _throat_edges(points, throat, wall, spacing)])
    points, depth = np.concatenate([points, throat]), np.concatenate([depth, wall.rough(throat)[0]])
    contact = np.concatenate([contact, np.zeros(len(throat), dtype=bool)])
    thin = np.flatnonzero(aorta)[np.all(index[aorta] % max(1, round(1.5e-3 / spacing)) == 0, axis=1)]
    return LumenGraph(points, depth, edges, contact, places[thin], spacing)


def _aorta_nodes(
    inside: Flags, points: Array, low: Array, spacing: float, labels: LabelImage | None, aortic_radius: float
) -> Flags:
    """(n,) which of the inside nodes, at ``points`` (n, 3), belong to the aorta."""
    if labels is not None and labels.has_aorta:
        value = labels.values_at(points)
        unknown = (value != AORTA) & (value != CORONARY)
        if unknown.any() and not unknown.all():
            known = np.flatnonzero(~unknown)
            value[unknown] = value[known[cKDTree(points[known]).query(points[unknown])[1]]]
        return np.asarray(value == AORTA)
    stride = max(1, round(1.0e-3 / spacing))
    depth = spacing * stride * distance_transform_edt(np.pad(inside[::stride, ::stride, ::stride], 1))[1:-1, 1:-1, 1:-1]
    if depth.max() < aortic_radius:
        return np.zeros(len(points), dtype=bool)
    least = max(0.45 * float(depth.max()), aortic_radius)
    balls = depth >= least
    centres = low + spacing * stride * np.argwhere(balls)[:, ::-1]
    return _swept(points, centres, depth[balls])


def _swept(points: Array, centres: Array, radius: Array) -> Flags:
    """(n,) whether a point lies in one of the inscribed balls."""
    tree = cKDTree(centres)
    swept = np.zeros(len(points), dtype=bool)
    gap, found = tree.query(points, distance_upper_bound=1.3 * float(radius.max()))
    near = np.flatnonzero(gap < np.inf)
    swept[near] = gap[near] <= radius[found[near]]
    # Most lie in the ball of the nearest centre; the others may lie in that of one of the next.
    near = near[~swept[near]]
    gap, found = tree.query(points[near], k=min(12, len(centres)))
    gap, found = gap.reshape(len(near), -1), found.reshape(len(near), -1)
    swept[near] = np.any(gap <= radius[found], axis=1)
    return swept


def _edges(nodes: Indices, aorta: Flags, shape: tuple[int, ...]) -> tuple[Indices, Flags]:
    """Neighbouring pairs of coronary nodes, and which of the nodes have an aortic neighbour.

    ``nodes`` (n,) are flat indices into a grid of ``shape``, none of them at its border; ``aorta`` (n,) tells which
    are not coronary. The pairs (e, 2) number the coronary nodes alone.
    """
    coronary = nodes[~aorta]
    number = np.full(int(np.prod(shape)), -1, dtype=np.int32)
    number[nodes[aorta]] = -2
    number[coronary] = np.arange(len(coronary))
    contact = np.zeros(len(coronary), dtype=bool)
    pairs = []
    for i, j, k in _NEIGHBOURS:
        step = (i * shape[1] + j) * shape[2] + k
        other = number[coronary + step]
        contact |= (other == -2) | (number[coronary - step] == -2)
        here = np.flatnonzero(other >= 0)
        pairs.append(np.stack([here, other[here]], axis=1))
    return np.concatenate(pairs), contact


def _throat_nodes(surface: Surface, spacing: float) -> Array:
    """(k, 3) middles of lumen so narrow that the grid may have no node in it: centres of its inscribed balls."""
    limit = 1.2 * spacing
    normal = vertex_normals(surface.points, surface.triangles)
    ball = tangent_ball_radius(surface.points, normal, limit, rounds=4)
    centre = (surface.points - ball[:, None] * normal)[ball < 0.99 * limit]
    _, kept = np.unique(np.round(centre / (0.4 * spacing)).astype(np.int64), axis=0, return_index=True)
    return np.asarray(centre[kept])


def _at_aorta_alone(
    places: Array, nodes: Indices, aorta: Flags, shape: tuple[int, ...], low: Array, spacing: float
) -> Flags:
    """(k,) which places (k, 3) have aortic nodes beside them and no coronary one: a ridge of the aorta's wall."""
    kind = np.zeros(shape, dtype=np.int8)
    kind.reshape(-1)[nodes] = np.where(aorta, 2, 1)
    middle = np.rint((places - low) / spacing).astype(np.int64)[:, ::-1]
    around = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    beside = kind[tuple(np.clip(middle[:, None] + around, 0, np.array(shape) - 1).transpose(2, 0, 1))]
    return np.asarray((beside == 2).any(axis=1) & ~(beside == 1).any(axis=1))


def _throat_edges(points: Array, throat: Array, wall: SurfaceDistance, spacing: float) -> Indices:
    """(e, 2) pairs of throat nodes, numbered after the grid's, and of them with the grid's, that see each other."""
    if not len(throat):
        return np.zeros((0, 2), dtype=np.int64)
    own = cKDTree(throat)
    pairs = [own.query_pairs(1.5 * spacing, output_type="ndarray") + len(points)]
    near = own.sparse_distance_matrix(cKDTree(points), 1.5 * spacing, output_type="ndarray")
    pairs.append(np.stack([near["i"] + len(points), near["j"]], axis=1))
    edges = np.concatenate(pairs).astype(np.int64)
    every = np.concatenate([points, throat])
    a, b = every[edges[:, 0]], every[edges[:, 1]]
    inside = np.all([wall.rough_depth(a + share * (b - a))[0] > 0.0 for share in (0.25, 0.5, 0.75)], axis=0)
    return np.asarray(edges[inside])


def _wall_between(points: Array, depth: Array, nearest: Array, normal: Array, edges: Indices, spacing: float) -> Flags:
    """(e,) edges that leave through the wall beside one node and enter through the wall beside the other.

    So two vessels that touch, with both walls in the surface, stay apart.
    """
    near = np.all(depth[edges] < 1.8 * spacing, axis=1)
    apart = np.zeros(len(edges), dtype=bool)
    a, b = edges[near].T
    facing = np.einsum("ij,ij->i", normal[a], normal[b]) < -0.5
    out_of_a = np.einsum("ij,ij->i", points[b] - nearest[a], normal[a]) > 0.0
    out_of_b = np.einsum("ij,ij->i", points[a] - nearest[b], normal[b]) > 0.0
    apart[near] = facing & out_of_a & out_of_b
    return apart
