"""The stretches of a tree between the places where flow leaves, in each of which the flow is the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.tree import VesselTree

Array = NDArray[Any]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Stretches:
    """Stretches in the order of the branches and along each, so that what is upstream stands before.

    An *interval* is what lies between two neighbouring centreline points; intervals are counted through all branches.
    Sinks are the outlets, in the order of ``tree.outlets``, and then the leaks.

    Attributes
    ----------
    offsets
        (branches + 1,) number of each branch's first interval, and of all intervals.
    first
        (m,) number of each stretch's first interval.
    upstream
        (m,) stretch before each, -1 at the ostium.
    sink_upstream
        (k,) stretch that each sink follows, -1 at the ostium.
    marks
        (q,) stretch that ends at each marked point, -1 at the ostium.
    """

    offsets: Indices
    first: Indices
    upstream: Indices
    sink_upstream: Indices
    marks: Indices

    @cached_property
    def lengths(self) -> Indices:
        """(m,) how many intervals each has."""
        return np.diff(self.first, append=self.offsets[-1])

    def intervals(self, values: Array) -> Array:
        """(intervals, ...) from one value for each stretch (m, ...)."""
        return np.repeat(values, self.lengths, axis=0)

    def flows(self, sink_flow: Array) -> Array:
        """(m, ...) flow through each stretch from that out of the sinks (k, ...)."""
        flow = np.zeros((len(self.first) + 1, *sink_flow.shape[1:]))  # the last is the ostium's
        np.add.at(flow, self.sink_upstream, sink_flow)
        for stretch in range(len(self.first) - 1, -1, -1):
            flow[self.upstream[stretch]] += flow[stretch]
        return np.asarray(flow[:-1])


def stretches(
    tree: VesselTree, leaks: Sequence[tuple[str, int]] = (), marked: Sequence[tuple[str, int]] = ()
) -> Stretches:
    """The stretches of a tree with ``leaks`` at places (branch, centreline point), divided at ``marked`` ones, too."""
    number = {branch.name: i for i, branch in enumerate(tree.branches)}
    lasts = [len(branch.points) - 1 for branch in tree.branches]
    leaving: list[set[int]] = [set() for _ in tree.branches]
    for branch in tree.branches:
        if branch.parent is not None:
            leaving[number[branch.parent]].add(branch.parent_index or 0)
    for name, point in (*leaks, *marked):
        leaving[number[name]].add(point)
    offsets = np.concatenate([[0], np.cumsum(lasts)])
    first: list[int] = []
    upstream: list[int] = []
    ending: list[dict[int, int]] = []  # of each branch, the stretch that ends at a point
    for branch, last, offset, places in zip(tree.branches, lasts, offsets, leaving, strict=False):
        before = -1 if branch.parent is None else ending[number[branch.parent]][branch.parent_index or 0]
        ends = {0: before}
        begun = 0
        for place in [*sorted(place for place in places if 0 < place < last), last]:
            first.append(int(offset) + begun)
            upstream.append(ends[begun])
            ends[place] = len(first) - 1
            begun = place
        ending.append(ends)
    sinks = [ending[number[name]][lasts[number[name]]] for name in tree.outlets]
    sinks += [ending[number[name]][point] for name, point in leaks]
    marks = [ending[number[name]][point] for name, point in marked]
    return Stretches(
        offsets, np.array(first), np.array(upstream), np.array(sinks, dtype=np.int64), np.array(marks, dtype=np.int64)
    )


def flow_between_points(tree: VesselTree, sink_flow: Array, leaks: Sequence[tuple[str, int]] = ()) -> dict[str, Array]:
    """Flow in every interval of every branch, (n - 1,) m^3/s, from that out of the outlets and then the leaks."""
    parts = stretches(tree, leaks)
    between = parts.intervals(parts.flows(sink_flow))
    return by_branch(tree, parts, between)


def sink_flows(tree: VesselTree, flows: Mapping[str, Array], leaks: Sequence[tuple[str, int]] = ()) -> Array:
    """(k,) flow out of the outlets and then the leaks from that at the points of every branch, (n,) m^3/s each.

    What :func:`flow_between_points` was made from. Sinks of one place have equal parts of what leaves there, and what
    leaves at the ostium, which no vessel carries, is 0.
    """
    parts = stretches(tree, leaks)
    between = np.concatenate([np.asarray(flows[branch.name])[1:] for branch in tree.branches])
    matrix = parts.flows(np.eye(len(parts.sink_upstream)))
    return np.asarray(np.linalg.lstsq(matrix, between[parts.first], rcond=None)[0])


def by_branch(tree: VesselTree, parts: Stretches, values: Array) -> dict[str, Array]:
    """What stands in intervals, branch by branch."""
    ends = [int(offset) for offset in parts.offsets]
    names = (branch.name for branch in tree.branches)
    return {name: values[a:b] for name, a, b in zip(names, ends, ends[1:], strict=False)}
