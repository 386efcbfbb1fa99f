"""Which vessels there are: cheapest paths from the aorta to every distal tip of the lumen.

Paths whose cost is low in the middle of the lumen, taken to the farthest place not yet covered by a
vessel, again and again: the tree-structure extraction of Sato et al. 2000 (TEASAR, Pacific Graphics,
p. 281) on the cost of minimal-path vessel tracking (Antiga et al. 2003, IEEE Trans Med Imaging 22:674).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import block_array, coo_array, csr_array
from scipy.sparse.csgraph import connected_components, dijkstra
from scipy.spatial import cKDTree

from hemo.geometry.centreline.lumengraph import LumenGraph

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Skeleton:
    """Cheapest paths to the tips of one vessel tree.

    Attributes
    ----------
    before
        (n,) node before each node on its path from the aorta; -1 at the first.
    run
        (n,) length of that path, m.
    tips
        The distal end nodes, longest path first.
    """

    before: Indices
    run: Array
    tips: tuple[int, ...]

    def path(self, tip: int) -> list[int]:
        """Nodes from the ostium to a tip."""
        nodes = [tip]
        while self.before[nodes[-1]] >= 0:
            nodes.append(int(self.before[nodes[-1]]))
        return nodes[::-1]


@dataclass(frozen=True)
class SkeletonOptions:
    """What counts as a vessel.

    Attributes
    ----------
    power
        Of the wall distance in the path's cost.
    minimal_length
        Of a side branch beyond its parent's wall, m.
    minimal_radius
        Median wall distance along a side branch, m.
    minimal_tree
        Length of the longest path of a tree, m.
    ostium_size
        Ostia nearer to each other than this are one, m.
    """

    power: float = 3.0
    minimal_length: float = 4e-3
    minimal_radius: float = 0.45e-3
    minimal_tree: float = 15e-3
    ostium_size: float = 6e-3


def find_skeletons(graph: LumenGraph, options: SkeletonOptions) -> tuple[Skeleton, ...]:
    """One skeleton per ostium, the longest first."""
    cost = graph.cost(options.power)
    sources = np.flatnonzero(graph.contact)
    if not len(sources):
        sources = _widest_ends(graph, cost)
    spent, before = _from_sources(cost, sources)
    run = _path_lengths(graph.points, spent, before)
    tips = _find_tips(graph, before, run, options)
    skeletons = [Skeleton(before, run, group) for group in _group_by_ostium(graph, before, tips, options.ostium_size)]
    return tuple(sorted(skeletons, key=lambda s: -sum(run[tip] for tip in s.tips)))


def _widest_ends(graph: LumenGraph, cost: csr_array) -> Indices:
    """Without an aorta: the wider end of each connected piece."""
    _, piece = connected_components(cost, directed=False)
    sizes = np.bincount(piece)
    starts = []
    for number in np.flatnonzero(sizes >= 0.01 * sizes.max()):
        members = np.flatnonzero(piece == number)
        ends = [int(members[0])]
        for _ in range(2):
            _, before = _from_sources(cost, np.array(ends[-1:]))
            spent = _path_lengths(graph.points, dijkstra(cost, indices=ends[-1]), before)
            ends.append(int(members[np.argmax(spent[members])]))
        width = []
        for end in ends[1:]:
            near = np.linalg.norm(graph.points[members] - graph.points[end], axis=1) < 5e-3
            width.append(float(graph.depth[members][near].max()))
        starts.append(ends[1 + int(np.argmax(width))])
    return np.asarray(starts, dtype=np.int64)


def _from_sources(cost: csr_array, sources: Indices) -> tuple[Array, Indices]:
    """Cost of the cheapest path from any source and the node before; -1 at sources and out of reach."""
    n = cost.shape[0]
    gate = coo_array((np.full(len(sources), 1e-9), (np.zeros(len(sources), dtype=int), sources)), shape=(1, n))
    matrix = csr_array(block_array([[cost, None], [gate, csr_array((1, 1))]]))
    spent, before = dijkstra(matrix, indices=n, return_predecessors=True)
    before = before[:n].astype(np.int64)
    before[(before == n) | (before < 0)] = -1
    return spent[:n], before


def _path_lengths(points: Array, spent: Array, before: Indices) -> Array:
    """(n,) m; zero out of reach."""
    run = np.zeros(len(points))
    step = np.where(before >= 0, np.linalg.norm(points - points[before], axis=1), 0.0)
    for node in np.argsort(spent):
        if before[node] >= 0:
            run[node] = run[before[node]] + step[node]
    return run


def _find_tips(graph: LumenGraph, before: Indices, run: Array, options: SkeletonOptions) -> list[int]:
    """Ends of the vessels, by repeatedly taking the farthest node that no vessel covers yet."""
    tree = cKDTree(graph.points)
    covered = np.zeros(len(run), dtype=bool)
    on_path = np.zeros(len(run), dtype=bool)
    tips = []
    for node in np.argsort(-run):
        if covered[node]:
            continue
        trail = [int(node)]
        while before[trail[-1]] >= 0 and not on_path[before[trail[-1]]]:
            trail.append(int(before[trail[-1]]))
        joint = int(before[trail[-1]])
        least = options.minimal_length + graph.depth[joint] if joint >= 0 else options.minimal_tree
        start = run[joint] if joint >= 0 else 0.0
        accepted = run[node] - start >= least and np.median(graph.depth[trail]) >= options.minimal_radius
        if accepted:
            tips.append(int(node))
            on_path[trail] = True
        every = np.asarray(trail)[:: max(1, len(trail) // max(1, round((run[node] - start) / 0.7e-3)))]
        for balls in tree.query_ball_point(graph.points[every], 1.3 * graph.depth[every] + 0.6e-3):
            covered[balls] = True
        covered[trail] = True
    return tips


def _group_by_ostium(graph: LumenGraph, before: Indices, tips: list[int], size: float) -> list[tuple[int, ...]]:
    """Tips whose paths start at the same place of the aorta."""
    starts = []
    for tip in tips:
        node = tip
        while before[node] >= 0:
            node = int(before[node])
        starts.append(node)
    if not starts:
        return []
    near = np.linalg.norm(graph.points[starts][:, None] - graph.points[starts][None], axis=2) <= size
    group = connected_components(csr_array(near), directed=False)[1]
    return [tuple(tip for tip, g in zip(tips, group, strict=True) if g == k) for k in range(int(group.max()) + 1)]
