"""Which vessel of a tree a place in the lumen belongs to, and where two vessels that touch are to be parted.

A place belongs to the vessel whose inscribed ball comes nearest to it, min over |x - c| - r. Two vessels touch there,
rather than branch from each other, if the way between them along the tree is many times longer than they are wide.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from hemo.geometry.mesh.sizing import branch_tubes
from hemo.tree import VesselTree, arc_length

Array = NDArray[np.float64]
Index = NDArray[np.int64]

# Way along the tree over the sum of two radii from which on vessels side by side are strangers: daughters of a fork of
# 23 degrees part their walls at 5.
STRANGERS = 5.0
STRETCH = 4.0  # length, in radii, of the stretches that are looked at one by one


@dataclass(frozen=True)
class Tubes:
    """Samples of a tree's centrelines, each branch's from its parent's centreline on.

    Attributes
    ----------
    names
        Of the branches.
    centre, radius
        (k, 3) and (k,), m.
    branch
        (k,) number of the branch.
    arc
        (k,) distance along it from its parent's centreline, m.
    offset, place
        (b, b) from the beginning of the row's branch to the vessel from which it and the column's branch come in
        common, and where on that it begins (arc), m; NaN where the row's is that vessel.
    """

    names: tuple[str, ...]
    centre: Array
    radius: Array
    branch: Index
    arc: Array
    offset: Array
    place: Array

    def way(self, one: Index, other: Index) -> Array:
        """(n,) distance along the tree between samples, m."""
        total, places = np.zeros(len(one)), []
        for here, there in ((one, other), (other, one)):
            offset, place = (table[self.branch[here], self.branch[there]] for table in (self.offset, self.place))
            off = np.isfinite(offset)
            total += np.where(off, self.arc[here] + offset, 0.0)
            places.append(np.where(off, place, self.arc[here]))
        return np.asarray(total + np.abs(places[0] - places[1]))

    def stretches(self) -> Iterator[Index]:
        """Samples of short pieces of the branches, one after the other."""
        for number in range(len(self.names)):
            own = np.flatnonzero(self.branch == number)
            length = self.arc[own[-1]] - self.arc[own[0]]
            count = int(np.ceil(length / (STRETCH * float(np.median(self.radius[own])))))
            yield from np.array_split(own, min(max(count, 1), len(own)))


def tubes_of(tree: VesselTree, step: float) -> Tubes:
    """Samples of the branches at most ``step`` radii apart."""
    parts = branch_tubes(tree, step)
    number = {branch.name: k for k, branch in enumerate(tree.branches)}
    arcs = [arc_length(centre) for centre, _ in parts]
    ways: list[list[tuple[int, float, float]]] = []  # of each branch its ancestors: (number, offset, place on it)
    for branch in tree.branches:
        if branch.parent is None:
            ways.append([])
            continue
        parent = number[branch.parent]
        lead = arcs[parent][-1] - tree[branch.parent].length
        place = lead + float(tree[branch.parent].arc[branch.parent_index or 0])
        ways.append([(parent, 0.0, place), *((up, place + offset, at) for up, offset, at in ways[parent])])
    offset, place = np.full((2, len(parts), len(parts)), np.nan)
    for i, own in enumerate(ways):
        for j, others in enumerate(ways):
            line = {j, *(up for up, _, _ in others)}
            met = None if i in line else next(step for step in own if step[0] in line)
            if met is not None:
                offset[i, j], place[i, j] = met[1:]
    return Tubes(
        tuple(number),
        np.concatenate([centre for centre, _ in parts]),
        np.concatenate([radius for _, radius in parts]),
        np.repeat(np.arange(len(parts)), [len(arc) for arc in arcs]),
        np.concatenate(arcs),
        offset,
        place,
    )


@dataclass(frozen=True)
class Owners:
    """Of n places: the sample each belongs to (-1: none within reach), how far its ball is from there and that of the
    nearest stranger (inf: none), m, that one's sample, and the distance (m) to the tubes round the balls.
    """

    own: Index
    gap: Array
    tube: Array
    stranger: Index
    stranger_gap: Array


def owners(tubes: Tubes, places: Array, width: float, margin: float, apart: float) -> Owners:
    """Owners of places (n, 3) within ``margin`` (m) of the tubes of ``width`` radii round the centrelines.

    Strangers are sought where their ball is no farther than ``apart`` (m) beyond the owner's.
    """
    order = _Places(places, float(np.median(tubes.radius)))
    count = len(places)
    own, gap = np.full(count, -1), np.full(count, np.inf)
    stranger, stranger_gap = np.full(count, -1), np.full(count, np.inf)
    tube = np.full(count, np.inf)
    pieces = [
        (piece, *order.near(tubes.centre[piece], width * tubes.radius[piece] + margin)) for piece in tubes.stretches()
    ]
    for piece, at, distance, nearest in pieces:
        sample = piece[nearest]
        ball = distance - tubes.radius[sample]
        tube[at] = np.minimum(tube[at], distance - width * tubes.radius[sample])
        better = ball < gap[at]
        own[at[better]], gap[at[better]] = sample[better], ball[better]
    for piece, at, distance, nearest in pieces:
        sample = piece[nearest]
        ball = distance - tubes.radius[sample]
        close = np.flatnonzero((ball < gap[at] + apart) & (ball < stranger_gap[at]) & (own[at] != sample))
        at, sample, ball = at[close], sample[close], ball[close]
        room = tubes.radius[own[at]] + tubes.radius[sample]
        foreign = tubes.way(own[at], sample) > STRANGERS * room
        stranger[at[foreign]], stranger_gap[at[foreign]] = sample[foreign], ball[foreign]
    return Owners(own, gap, tube, stranger, stranger_gap)


def places_near(tubes: Tubes, places: Array, width: float, margin: float) -> Index:
    """Which of (n, 3) places lie within ``margin`` (m) of the tubes of ``width`` radii round the centrelines."""
    order = _Places(places, float(np.median(tubes.radius)))
    pieces = tubes.stretches()
    found = [order.near(tubes.centre[piece], width * tubes.radius[piece] + margin)[0] for piece in pieces]
    return np.unique(np.concatenate(found))


def ends_in_strangers(tree: VesselTree) -> dict[str, float]:
    """Outlets whose last stretch runs in the lumen of a vessel they do not branch from -> arc length (m) before it.

    A vessel that is followed to where it touches another one ends in that one's lumen.
    """
    tubes = tubes_of(tree, 0.5)
    found = owners(tubes, tubes.centre, 1.0, 0.0, 2.0 * float(tubes.radius.max()))
    every = np.arange(len(tubes.centre))
    owned = tubes.way(every, found.own) > STRANGERS * (tubes.radius + tubes.radius[found.own])
    other = np.maximum(found.stranger, 0)
    beside = (found.stranger_gap < 0.0) & (tubes.way(every, other) > STRANGERS * (tubes.radius + tubes.radius[other]))
    ends = {}
    for number, branch in enumerate(tree.branches):
        own = np.flatnonzero(tubes.branch == number)
        free = np.flatnonzero(~(owned | beside)[own])
        if branch.is_outlet and len(free) and free[-1] < len(own) - 1:
            at = tubes.arc[own[free[-1]]] - tubes.arc[own[-1]] + branch.length
            ends[branch.name] = float(max(at, 0.0))
    return ends


class _Places:
    """Places in blocks, so that those near a piece of a vessel are found without looking at all."""

    def __init__(self, places: Array, size: float) -> None:
        self._places, self._low = places, places.min(axis=0)
        block = np.floor((places - self._low) / size).astype(np.int64)
        self._size, self._shape = size, block.max(axis=0) + 1
        flat = np.ravel_multi_index(tuple(block.T), tuple(self._shape))
        self._order = np.argsort(flat, kind="stable")
        self._blocks, self._starts = np.unique(flat[self._order], return_index=True)
        self._stops = np.append(self._starts[1:], len(flat))
        index = np.stack(np.unravel_index(self._blocks, tuple(self._shape)), axis=1)
        self._tree = cKDTree(self._low + size * (index + 0.5))

    def near(self, centre: Array, reach: Array) -> tuple[Index, Array, Index]:
        """Places within ``reach`` (k,) of the nearest of (k, 3) centres, the distance and that centre's number."""
        span = float(reach.max()) + self._size * np.sqrt(0.75)
        found = np.unique(
            np.concatenate([np.array(x, dtype=np.int64) for x in self._tree.query_ball_point(centre, span)])
        )
        runs = [self._order[self._starts[k] : self._stops[k]] for k in found]
        at = np.concatenate([np.empty(0, dtype=np.int64), *runs])
        distance, nearest = cKDTree(centre).query(self._places[at])
        inside = distance <= reach[nearest]
        return at[inside], distance[inside], nearest[inside]
