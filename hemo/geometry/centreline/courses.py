"""From paths to vessels: which daughter a vessel goes on into at each bifurcation."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hemo.geometry.centreline.lumengraph import LumenGraph
from hemo.geometry.centreline.skeleton import Skeleton

Array = NDArray[np.float64]

# Two daughters make a left main bifurcation if the thinner has this share of the wider's radius, both
# are this long, and the bifurcation is within this distance of the ostium (left main: mean 11 mm).
_DAUGHTER_RATIO = 0.5
_DAUGHTER_LENGTH = 20e-3
_LEFT_MAIN_LENGTH = 35e-3


@dataclass(frozen=True)
class Course:
    """One vessel as nodes of the graph.

    Attributes
    ----------
    nodes
        From the parent's node where it leaves (or the ostium) to its tip (or, for a left main, its end).
    parent
        Number of the parent in the list of courses; None for the root.
    ends_in_daughters
        True for a left main.
    """

    nodes: tuple[int, ...]
    parent: int | None
    ends_in_daughters: bool = False


def final_daughters(courses: list[Course]) -> list[int]:
    """Numbers of the courses into which a root that ends in daughters parts, the better first; twigs leave before."""
    end = courses[0].nodes[-1]
    return [number for number, course in enumerate(courses) if course.parent == 0 and course.nodes[0] == end]


@dataclass(frozen=True)
class _Forest:
    graph: LumenGraph
    skeleton: Skeleton
    after: dict[int, list[int]]
    height: dict[int, float]

    def ahead(self, node: int) -> list[int]:
        """The longest way on from a node to a tip, the node included."""
        way = [node]
        while self.after.get(way[-1]):
            way.append(max(self.after[way[-1]], key=lambda n: self.height[n]))
        return way

    def at(self, way: list[int], distance: float) -> int:
        """Position in ``way`` at a distance (m) from its start."""
        run = self.skeleton.run[way] - self.skeleton.run[way[0]]
        return min(int(np.searchsorted(run, distance)), len(way) - 1)


def find_courses(graph: LumenGraph, skeleton: Skeleton, left: bool) -> list[Course]:
    """Vessels of one tree, a parent before its children.

    A vessel goes on into the daughter with the best product of calibre, straightness and length ahead.
    In a left tree the root ends at the left main bifurcation, if there is one.
    """
    forest = _forest(graph, skeleton)
    ostium = skeleton.path(skeleton.tips[0])[0]
    courses: list[Course] = []
    waiting: list[tuple[int, int | None, int | None]] = [(ostium, None, None)]  # first node, joint, parent
    while waiting:
        first, joint, parent = waiting.pop(0)
        nodes = [first] if joint is None else [joint, first]
        sides: list[tuple[int, int]] = []
        ends = False
        while forest.after.get(nodes[-1]):
            here = nodes[-1]
            daughters = forest.after[here]
            if len(daughters) > 1:
                daughters = sorted(daughters, key=lambda n: -_score(forest, nodes, n))
            if left and parent is None and len(daughters) > 1 and _is_left_main_end(forest, nodes, daughters):
                sides += [(here, daughter) for daughter in daughters]
                ends = True
                break
            nodes.append(daughters[0])
            sides += [(here, daughter) for daughter in daughters[1:]]
        courses.append(Course(tuple(nodes), parent, ends))
        waiting += [(daughter, here, len(courses) - 1) for here, daughter in sides]
    return courses


def _forest(graph: LumenGraph, skeleton: Skeleton) -> _Forest:
    after: dict[int, list[int]] = {}
    height: dict[int, float] = {}
    for tip in skeleton.tips:
        path = skeleton.path(tip)
        for node, nxt in pairwise(path):
            if nxt not in after.setdefault(node, []):
                after[node].append(nxt)
        for node in path:
            height[node] = max(height.get(node, 0.0), float(skeleton.run[tip] - skeleton.run[node]))
    return _Forest(graph, skeleton, after, height)


def _calibre(forest: _Forest, joint: int, daughter: int) -> float:
    """Wall distance over the first 25 mm of a daughter beyond the bifurcation: a wide part's, since a lesion there
    must not make the vessel look like a side branch."""
    way = forest.ahead(daughter)
    start = forest.at(way, float(forest.graph.depth[joint]) + 1e-3)
    end = forest.at(way, float(forest.graph.depth[joint]) + 26e-3)
    return float(np.percentile(forest.graph.depth[way[start : max(end, start + 1)]], 75.0))


def _score(forest: _Forest, nodes: list[int], daughter: int) -> float:
    joint, graph = nodes[-1], forest.graph
    way = forest.ahead(daughter)
    run = forest.skeleton.run[nodes]
    back = nodes[int(np.searchsorted(run, run[-1] - 6e-3))]
    inward = graph.points[joint] - graph.points[back]
    outward = graph.points[way[forest.at(way, float(graph.depth[joint]) + 5e-3)]] - graph.points[joint]
    size = np.linalg.norm(inward) * np.linalg.norm(outward)
    cosine = float(inward @ outward / size) if size > 0.0 else 0.0
    length = forest.height[daughter] + 1e-3
    return _calibre(forest, joint, daughter) * (1.5 + cosine) * float(np.sqrt(length))


def _is_left_main_end(forest: _Forest, nodes: list[int], daughters: list[int]) -> bool:
    joint = nodes[-1]
    if forest.skeleton.run[joint] - forest.skeleton.run[nodes[0]] > _LEFT_MAIN_LENGTH:
        return False
    calibres = [_calibre(forest, joint, daughter) for daughter in daughters[:2]]
    lengths = [forest.height[daughter] for daughter in daughters[:2]]
    return min(calibres) >= _DAUGHTER_RATIO * max(calibres) and min(lengths) >= _DAUGHTER_LENGTH
