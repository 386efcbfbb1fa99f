"""Which vessels there are: cheapest paths from the aorta to every distal tip of the lumen.

Paths whose cost is low in the middle of the lumen, taken to the farthest place not yet covered by a
vessel, again and again: the tree-structure extraction of Sato et al. 2000 (TEASAR, Pacific Graphics,
p. 281) on the cost of minimal-path vessel tracking (Antiga et al. 2003, IEEE Trans Med Imaging 22:674).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from hemo.geometry.centreline.lumengraph import LumenGraph
from hemo.geometry.centreline.starts import find_starts, from_sources, path_lengths

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


def find_skeletons(graph: LumenGraph, options: SkeletonOptions, ostia: Array | None = None) -> tuple[Skeleton, ...]:
    """One skeleton per ostium, the longest first.

    Parameters
    ----------
    graph
        The lumen without its aorta.
    options
        What counts as a vessel.
    ostia
        (k, 3) places, m, at which the trees begin; without it they begin where the lumen meets the aorta,
        and pieces of lumen that do not meet it as :func:`hemo.geometry.centreline.starts.find_starts` says.

    Raises
    ------
    InputError
        If one of ``ostia`` lies off the lumen.
    """
    cost = graph.cost(options.power)
    spent, before = from_sources(cost, find_starts(graph, cost, options.minimal_tree, ostia))
    run = path_lengths(graph.points, spent, before)
    tips = _find_tips(graph, before, run, options)
    skeletons = [Skeleton(before, run, group) for group in _group_by_ostium(graph, before, tips, options.ostium_size)]
    return tuple(sorted(skeletons, key=lambda s: -sum(run[tip] for tip in s.tips)))


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
