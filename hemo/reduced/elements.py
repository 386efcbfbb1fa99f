"""The tree of elements that flow passes: every stretch of vessel between two places where flow leaves, and every bed.

Elements stand by depth, and within a depth beside their siblings, so that sums towards the ostium and from it are a few
array operations for each depth, whatever stands in the last axes of the arrays (one tree under many parameters).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Indices = NDArray[np.int64]

DENSE = 16384  # elements times beds up to which the table of who feeds whom is kept whole


@dataclass(frozen=True)
class Depth:
    """Elements ``low`` to ``high`` (not included): all those that begin at so many forks from the ostium.

    ``starts`` says where among them each of the ``parents``' children begin.
    """

    low: int
    high: int
    starts: Indices
    parents: Indices


@dataclass(frozen=True)
class Elements:
    """Who follows whom.

    Attributes
    ----------
    parent
        (e,) element upstream of each, -1 at the ostium; upstream ones first, siblings together.
    beds
        (k,) the elements that are beds: flow leaves through these alone.
    stretches
        (m,) the others.
    depths
        From the ostium outwards.
    """

    parent: Indices
    beds: Indices
    stretches: Indices
    depths: tuple[Depth, ...]

    @property
    def loops(self) -> int:
        """How many flows there are besides those out of the beds."""
        return 0

    @cached_property
    def feeds(self) -> Array | None:
        """(e, k) 1 where an element lies upstream of a bed or is it; None for a large tree."""
        if len(self.parent) * len(self.beds) > DENSE:
            return None
        fed = np.zeros((len(self.parent), len(self.beds)))
        fed[self.beds, np.arange(len(self.beds))] = 1.0
        return self._gathered(fed)

    def flows(self, out: Array) -> Array:
        """(e, ...) flow through every element from that out of the beds (k, ...)."""
        if self.feeds is not None:
            return np.asarray(self.feeds @ out)
        through = np.zeros((len(self.parent), *out.shape[1:]))
        through[self.beds] = out
        return self._gathered(through)

    def to_beds(self, loss: Array) -> Array:
        """(k, ...) what is lost on the way from the ostium through each bed, from each element's loss (e, ...)."""
        if self.feeds is not None:
            return np.asarray(self.feeds.T @ loss)
        return self.from_ostium(loss)[self.beds]

    def from_ostium(self, loss: Array) -> Array:
        """(e, ...) what is lost from the ostium to the end of each element."""
        lost = loss[: len(self.parent)].copy()
        for depth in self.depths[1:]:
            lost[depth.low : depth.high] += lost[self.parent[depth.low : depth.high]]
        return np.asarray(lost)

    def _gathered(self, value: Array) -> Array:
        for depth in self.depths[:0:-1]:
            value[depth.parents] += np.add.reduceat(value[depth.low : depth.high], depth.starts, axis=0)
        return value


@dataclass(frozen=True)
class Looped(Elements):
    """A tree with connections between its vessels, or to the ostium: each is a further element and a further flow.

    The flow c through a connection leaves the way from the ostium to where it begins, and takes as much off the way to
    where it ends: the flows of all elements are linear in those out of the beds, (k,), and through the connections,
    which stand behind them.
    """

    begins: tuple[int, ...] = ()  # element at whose end each begins, -1 the ostium
    ends: tuple[int, ...] = ()

    @property
    def loops(self) -> int:
        """How many connections."""
        return len(self.begins)

    @cached_property
    def feeds(self) -> Array:
        """(e + connections, k + connections) flow of each element for each flow of 1."""
        count, beds = len(self.parent), len(self.beds)
        fed = np.zeros((count + self.loops, beds + self.loops))
        for column, bed in enumerate(self.beds):
            fed[self._way(int(bed)), column] = 1.0
        for number, (begin, end) in enumerate(zip(self.begins, self.ends, strict=True)):
            fed[self._way(begin), beds + number] += 1.0
            fed[self._way(end), beds + number] -= 1.0
            fed[count + number, beds + number] = 1.0
        return fed

    def _way(self, element: int) -> list[int]:
        way = []
        while element >= 0:
            way.append(element)
            element = int(self.parent[element])
        return way


def elements(parent: Indices, bed_parent: Indices) -> Elements:
    """The elements of m stretches with their upstream stretches (m,), -1 at the ostium, and beds that follow (k,).

    A stretch stands behind its upstream one in ``parent``.
    """
    above = np.concatenate([parent, bed_parent]).astype(np.int64)
    depth = np.zeros(len(above), dtype=np.int64)
    for element in range(len(above)):
        if above[element] >= 0:
            depth[element] = depth[above[element]] + 1
    place = np.empty(len(above), dtype=np.int64)  # where each element stands
    order = np.empty(len(above), dtype=np.int64)
    members = np.split(np.argsort(depth, kind="stable"), np.cumsum(np.bincount(depth))[:-1])
    depths, low = [], 0
    for group in members:
        upstream = np.where(above[group] < 0, -1, place[above[group]])
        by_parent = np.argsort(upstream, kind="stable")
        parents, starts = np.unique(upstream[by_parent], return_index=True)
        high = low + len(group)
        order[low:high] = group[by_parent]
        place[order[low:high]] = np.arange(low, high)
        depths.append(Depth(low, high, starts, parents))
        low = high
    ordered = above[order]
    return Elements(
        np.where(ordered < 0, -1, place[ordered]), place[len(parent) :], place[: len(parent)], tuple(depths)
    )
