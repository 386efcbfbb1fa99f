"""Vessels that touch: loops in the lumen that no coronary tree has, and where to part them.

Cheapest paths from the ostia meet wherever two ways lead to the same place. Where the ways are far apart in
between, the lumen has a loop, and one of its junctions is no bifurcation but two vessels that touch ("kiss").
At such a place four arms meet, two of them straight on into the other two; a bifurcation has three.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicHermiteSpline
from scipy.spatial import cKDTree

from hemo.geometry.centreline.lumengraph import LumenGraph
from hemo.geometry.centreline.skeleton import Skeleton

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
_log = logging.getLogger(__name__)

# Ways to neighbouring nodes that differ by more than this make a loop, if a wall lies between them, m.
_DETOUR = 12e-3
_WALL = 0.5e-3
# Contacts nearer to each other than this are one, m.
_PLACE = 6e-3
# Arms of a junction are looked at where they have left it by this many times its wall distance, or at least this, m.
_ARM_RADII, _ARM = 2.5, 3e-3
# Bends (1 - cosine) and changes of calibre (logarithms) summed over two vessels: more is no kiss.
_MOST_UNLIKE = 1.8
_MOST_KISSES = 8


@dataclass(frozen=True)
class Loop:
    """Two ways to one place.

    Attributes
    ----------
    place
        (3,) where they meet, m.
    first, second
        Nodes of the two ways, from where they part (or the two ostia) to the meeting.
    """

    place: Array
    first: tuple[int, ...]
    second: tuple[int, ...]


@dataclass(frozen=True)
class Kiss:
    """Two vessels that touch: the middle lines (k, 3) of both beside the contact, and their radii, m."""

    place: Array
    lines: tuple[Array, Array]
    radii: tuple[float, float]
    reach: float


def part_vessels(
    graph: LumenGraph, find: Callable[[LumenGraph], tuple[Skeleton, ...]]
) -> tuple[LumenGraph, tuple[Skeleton, ...]]:
    """Part vessels that touch, and warn of every loop with its place.

    ``find`` makes the skeletons of a graph. Returns the graph without the false junctions and its skeletons.
    """
    skeletons = find(graph)
    told: list[Array] = []
    for _ in range(_MOST_KISSES):
        loops = find_loops(graph, skeletons) if skeletons else []
        paths = [skeleton.path(tip) for skeleton in skeletons for tip in skeleton.tips] if loops else []
        kisses = [kiss for kiss in (find_kiss(graph, paths, loop) for loop in loops) if kiss is not None]
        fresh = [kiss for kiss in kisses if not _known(kiss.place, told)]
        if not fresh:
            break
        told.append(fresh[0].place)
        _log.warning("two vessels touch near x %.1f, y %.1f, z %.1f mm; they are parted there.", *(1e3 * told[-1]))
        graph = parted(graph, fresh[0])
        skeletons = find(graph)
    for loop in loops:
        if not _known(loop.place, told):
            told.append(loop.place)
            _log.warning(
                "the lumen forms a ring that closes near x %.1f, y %.1f, z %.1f mm: vessels touch there, or the "
                "segmentation joins them; each is followed to that place and not beyond.",
                *(1e3 * loop.place),
            )
    return graph, skeletons


def _known(place: Array, told: list[Array]) -> bool:
    return bool(told) and bool((((np.array(told) - place) ** 2).sum(axis=1) < _PLACE**2).any())


def find_loops(graph: LumenGraph, skeletons: Sequence[Skeleton]) -> list[Loop]:
    """Loops of the lumen outside the aorta, one for each place where the ways to it meet."""
    before, run = skeletons[0].before, skeletons[0].run
    a, b = graph.edges.T
    reached = run > 0.0
    tree_edge = (before[a] == b) | (before[b] == a)
    candidates = np.flatnonzero(reached[a] & reached[b] & ~tree_edge & _ways_differ(graph, skeletons, a, b))
    order = candidates[np.argsort(-np.minimum(graph.depth[a[candidates]], graph.depth[b[candidates]]))]
    parent, length = list(map(int, before)), list(map(float, run))  # ways are walked node by node
    loops: list[Loop] = []
    seen: list[Array] = []
    for edge in order:
        place = graph.points[a[edge]]
        if _known(place, seen):
            continue
        first, second = _ways(parent, length, int(a[edge]), int(b[edge]))
        if run[a[edge]] - run[first[0]] + run[b[edge]] - run[second[0]] < _DETOUR:
            continue
        if not wall_between(graph, first, second):
            continue
        seen.append(place)
        loops.append(Loop(place, first, second))
    return loops


def _ways_differ(graph: LumenGraph, skeletons: Sequence[Skeleton], a: Indices, b: Indices) -> NDArray[np.bool_]:
    """(e,) whether two nodes descend from places of the skeleton that are farther apart than the lumen is wide."""
    before = skeletons[0].before
    on_path = np.zeros(len(before), dtype=bool)
    for skeleton in skeletons:
        for tip in skeleton.tips:
            on_path[skeleton.path(tip)] = True
    foot = np.where(on_path | (before < 0), np.arange(len(before)), before)
    while np.any(foot != foot[foot]):
        foot = foot[foot]
    gap = np.linalg.norm(graph.points[foot[a]] - graph.points[foot[b]], axis=1)
    return np.asarray(gap > graph.depth[foot[a]] + graph.depth[foot[b]])


def _ways(before: list[int], run: list[float], a: int, b: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The ways to two nodes from where they part; ``run`` is the length from the root."""
    first, second = [a], [b]
    while first[-1] != second[-1]:
        farther, other = (first, second) if run[first[-1]] >= run[second[-1]] else (second, first)
        back = farther if before[farther[-1]] >= 0 else other
        if before[back[-1]] < 0:
            break
        back.append(before[back[-1]])
    return tuple(first[::-1]), tuple(second[::-1])


def wall_between(graph: LumenGraph, first: tuple[int, ...], second: tuple[int, ...]) -> bool:
    """Whether one of the two ways runs through a lumen that is apart from the other's somewhere.

    Spheres within the lumen that do not meet are not enough: a way along the wall of a taper has small ones. Midway
    between them there must be no lumen either.
    """
    lumen = cKDTree(graph.points)
    for one, other in ((first, second), (second, first)):
        here, there = graph.points[list(one)], graph.points[list(other)]
        gap, nearest = cKDTree(there).query(here)
        depth, far_depth = graph.depth[list(one)], graph.depth[np.asarray(other)[nearest]]
        apart = gap > depth + far_depth + _WALL
        along = 0.5 * (gap + depth - far_depth)[apart] / gap[apart]
        middle = here[apart] + along[:, None] * (there[nearest[apart]] - here[apart])
        if np.any(lumen.query(middle)[0] > graph.spacing):
            return True
    return False


def find_kiss(graph: LumenGraph, paths: list[list[int]], loop: Loop) -> Kiss | None:
    """The junction of a loop where four arms meet, two and two straight on; None if there is none.

    ``paths`` are the nodes of the skeletons from the ostia to each tip.
    """
    best: tuple[float, Kiss] | None = None
    for way in (loop.first, loop.second):
        for at in _junctions(graph, paths, way):
            found = _crossing(graph, paths, way, at)
            if found is not None and (best is None or found[0] < best[0]):
                best = found
    return None if best is None else best[1]


def _junctions(graph: LumenGraph, paths: list[list[int]], way: tuple[int, ...]) -> list[int]:
    """Positions in a way where a vessel's path leaves it; none near its beginning, the bifurcation itself."""
    number = {node: position for position, node in enumerate(way)}
    found = set()
    for path in paths:
        shared = [number[node] for node in path if node in number]
        if shared and len(shared) < len(path) and path[-1] not in number:
            found.add(max(shared))
    start = graph.points[way[0]]
    clear = max(_ARM, _ARM_RADII * float(graph.depth[way[0]]))
    return sorted(at for at in found if np.linalg.norm(graph.points[way[at]] - start) > clear)


def _crossing(graph: LumenGraph, paths: list[list[int]], way: tuple[int, ...], at: int) -> tuple[float, Kiss] | None:
    """The kiss at a junction of a way, and how little its arms look like two vessels."""
    centre = graph.points[way[at]]
    reach = max(_ARM, _ARM_RADII * float(graph.depth[way[at]]))
    up = _arm(graph, list(way[: at + 1])[::-1], centre, reach)
    onward = _arm(graph, list(way[at:]), centre, reach)
    if up is None or onward is None:
        return None
    others: list[_Arm] = []
    for path in paths:
        near = [i for i, node in enumerate(path) if np.linalg.norm(graph.points[node] - centre) < reach]
        arm = _arm(graph, path[near[-1] :], centre, reach) if near else None
        if arm is not None and all(
            np.linalg.norm(arm.place - other.place) > 0.7 * reach for other in (up, onward, *others)
        ):
            others.append(arm)
    pairings = [
        (_unlikeness(up, main) + _unlikeness(onward, partner), main, partner)
        for main, partner in permutations(others, 2)
    ]
    badness, main, partner = min(pairings, key=lambda item: item[0], default=(np.inf, up, up))
    if badness > _MOST_UNLIKE:
        return None
    lines = (_course(up, main), _course(onward, partner))
    return badness, Kiss(
        centre, lines, (0.5 * (up.depth + main.depth), 0.5 * (onward.depth + partner.depth)), 1.5 * reach
    )


@dataclass(frozen=True)
class _Arm:
    """Where a vessel has left a junction (3,), m, its direction away from there, and its wall distance, m."""

    place: Array
    direction: Array
    depth: float


def _arm(graph: LumenGraph, nodes: list[int], centre: Array, reach: float) -> _Arm | None:
    """What a way that begins in the junction is at ``reach`` from the centre; None if it ends before."""
    gap = np.linalg.norm(graph.points[nodes] - centre, axis=1)
    if gap.max() < reach:
        return None
    leaves, beyond = int(np.argmax(gap >= reach)), int(np.argmax(gap >= min(1.6 * reach, gap.max())))
    place = graph.points[nodes[leaves]]
    ahead = graph.points[nodes[beyond]] - (place if beyond > leaves else centre)
    depth = float(np.median(graph.depth[nodes[leaves : beyond + 1]]))
    return _Arm(place, np.asarray(ahead / max(float(np.linalg.norm(ahead)), 1e-12)), depth)


def _unlikeness(one: _Arm, other: _Arm) -> float:
    """How far two arms are from being one vessel: the bend from each to the other, and their change of calibre."""
    chord = other.place - one.place
    cosines = chord @ (other.direction - one.direction) / max(float(np.linalg.norm(chord)), 1e-12)
    return float(2.0 - cosines + abs(np.log(one.depth / other.depth)))


def _course(one: _Arm, other: _Arm) -> Array:
    """(k, 3) smooth middle line from one arm to the other, led on straight at both ends."""
    span = float(np.linalg.norm(other.place - one.place))
    slopes = [-span * one.direction, span * other.direction]
    curve = CubicHermiteSpline([0.0, 1.0], [one.place, other.place], slopes)(np.linspace(0.0, 1.0, 30))
    return np.vstack([one.place + span * one.direction, curve, other.place + span * other.direction])


def parted(graph: LumenGraph, kiss: Kiss) -> LumenGraph:
    """The graph without the edges that lead from one of the two vessels to the other beside the contact."""
    near = np.flatnonzero(np.linalg.norm(graph.points - kiss.place, axis=1) < kiss.reach)
    side = np.full(len(graph.points), -1)
    gaps = [
        cKDTree(line).query(graph.points[near])[0] - radius for line, radius in zip(kiss.lines, kiss.radii, strict=True)
    ]
    side[near] = np.argmin(gaps, axis=0)
    a, b = graph.edges.T
    across = (side[a] >= 0) & (side[b] >= 0) & (side[a] != side[b])
    return replace(graph, edges=graph.edges[~across])
