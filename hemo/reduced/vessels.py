"""What of a tree depends on neither the blood nor what drives it: made once, solved many times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.reduced.elements import Elements, Looped, elements
from hemo.reduced.lumen import Jets, Lumen, lumen
from hemo.stretches import Stretches, stretches
from hemo.tree import Branch, VesselTree

Array = NDArray[Any]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Vessels:
    """A tree made ready.

    Attributes
    ----------
    tree, leaks
        The vessels, and the places (branch, centreline point) where flow leaves on the way.
    stretches
        Of the tree.
    elements
        The stretches, and a bed for every sink.
    lumen
        Of the tree.
    throats
        (l,) element that holds each lesion's throat.
    branched
        (c,) elements that the static pressure where they begin drives: the first stretch of every branch but the root,
        and every outlet's bed.
    forks
        (c,) point of the row at which each of these begins.
    side
        (c,) which of these are vessels that leave another on its way, not at its end.
    behind
        Which of these, by their numbers for points, lie in or behind which lesion.
    """

    tree: VesselTree
    leaks: tuple[tuple[str, int], ...]
    stretches: Stretches
    elements: Elements
    lumen: Lumen
    throats: Indices
    branched: Indices
    forks: Indices
    side: NDArray[np.bool_]
    behind: Jets

    @property
    def coupled(self) -> bool:
        """Whether what drives a branch depends on the flow before it (:mod:`hemo.reduced.recovery`)."""
        return bool(len(self.behind.lesion) or self.side.any())

    @property
    def outlet_area(self) -> Array:
        """(outlets, ...) area at the ends of the vessels, m^2."""
        names = [branch.name for branch in self.tree.branches]
        ends = self.stretches.offsets[1:] + np.arange(len(names))  # a branch has one point more than intervals
        radius = self.lumen.radius[ends[[names.index(name) for name in self.tree.outlets]]]
        return np.asarray(np.pi * radius**2)


def vessels_of(
    tree: VesselTree, leaks: Sequence[tuple[str, int]] = (), marked: Sequence[tuple[str, int]] = ()
) -> Vessels:
    """A tree made ready for :func:`hemo.reduced.network.solve_vessels`; see :func:`hemo.stretches.stretches`."""
    ends = [(one.to_branch, _point(tree, one.to_branch, one.to_place)) for one in tree.connections]
    begins = [
        (one.from_branch, _point(tree, one.from_branch, one.from_place))
        for one in tree.connections
        if one.from_branch is not None
    ]
    parts = stretches(tree, leaks, (*marked, *ends, *begins))
    everything = elements(parts.upstream, parts.sink_upstream)
    if tree.connections:
        at = [int(everything.stretches[mark]) if mark >= 0 else -1 for mark in parts.marks[len(marked) :]]
        started = iter(at[len(ends) :])
        from_where = tuple(-1 if one.from_branch is None else next(started) for one in tree.connections)
        everything = Looped(**vars(everything), begins=from_where, ends=tuple(at[: len(ends)]))
        parts = replace(parts, marks=parts.marks[: len(marked)])
    row = lumen(tree)
    throats = everything.stretches[np.searchsorted(parts.first, row.narrowest, side="right") - 1]
    branched, points = _branched(tree, parts, everything)
    side = np.zeros(len(points), dtype=bool)
    side[: len(tree.branches) - 1] = [
        _on_the_way(tree, branch) for branch in tree.branches if branch.parent is not None
    ]
    jets = row.jets
    pairs = [(c, int(k)) for c, point in enumerate(points) for k in np.flatnonzero(jets.point == point)]
    own = np.array([k for _, k in pairs], dtype=np.int64)
    there = np.array([c for c, _ in pairs], dtype=np.int64)
    behind_lesions = Jets(there, jets.lesion[own], jets.start[own], jets.opened[own], jets.beyond[own])
    return Vessels(tree, tuple(leaks), parts, everything, row, throats, branched, points, side, behind_lesions)


def _branched(tree: VesselTree, parts: Stretches, everything: Elements) -> tuple[Indices, Indices]:
    """The branched elements, and the points of the row at which they begin."""
    begun = parts.offsets[:-1] + np.arange(len(tree.branches))  # a branch has one point more than intervals
    number = {branch.name: i for i, branch in enumerate(tree.branches)}
    first = np.searchsorted(parts.first, parts.offsets[:-1])
    elements_there, points = [], []
    for branch in tree.branches:
        if branch.parent is not None:
            elements_there.append(everything.stretches[first[number[branch.name]]])
            points.append(begun[number[branch.parent]] + (branch.parent_index or 0))
    for bed, name in zip(everything.beds, tree.outlets, strict=False):
        elements_there.append(bed)
        points.append(begun[number[name]] + len(tree[name].points) - 1)
    return np.array(elements_there, dtype=np.int64), np.array(points, dtype=np.int64)


def _on_the_way(tree: VesselTree, branch: Branch) -> bool:
    """Whether a branch leaves its parent between the parent's ends."""
    return 0 < (branch.parent_index or 0) < len(tree[branch.parent or ""].points) - 1


def _point(tree: VesselTree, branch: str, place: float) -> int:
    return int(np.argmin(np.abs(tree[branch].arc - place)))
