"""The lumen of a whole tree in a row: intervals between centreline points, and lesions, ready for loss laws.

Radii and what follows from them may have a further axis: one tree with many lumens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.tree import Branch, Lesion, VesselTree

Array = NDArray[Any]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Places:
    """Arc lengths on branches as points (l,) of the row and shares of the way (l,) to the next."""

    point: Indices
    share: Array

    def of(self, values: Array) -> Array:
        """(l, ...) what stands in points (P, ...), linear between them."""
        share = self.share.reshape(-1, *(1,) * (values.ndim - 1))
        return np.asarray((1.0 - share) * values[self.point] + share * values[self.point + 1])


@dataclass(frozen=True)
class Lesions:
    """The lesions of the row.

    Attributes
    ----------
    length
        (l,) m.
    throat_area, proximal_area, distal_area, reference_area
        (l, ...) minimal lumen area, area at the lesion's start and at its end, healthy area at the throat, m^2.
    interval, lesion
        (p,) which interval overlaps which lesion.
    inside, behind
        (p,) length of the overlap, m; and its share of the way from the throat to the lesion's end.
    """

    length: Array
    throat_area: Array
    proximal_area: Array
    distal_area: Array
    reference_area: Array
    interval: Indices
    lesion: Indices
    inside: Array
    behind: Array


@dataclass(frozen=True)
class Lumen:
    """Vessels and lesions of a tree.

    Attributes
    ----------
    radius
        (P, ...) by the area, at the centreline points of all branches, m.
    point
        (n,) first point of each interval; its second is the next.
    step
        (n,) length of each interval, m.
    lesions
        Of the tree.
    start, throat, end
        Places of the lesions.
    """

    radius: Array
    point: Indices
    step: Array
    lesions: Lesions
    start: Places
    throat: Places
    end: Places

    def resized(self, factor: Array) -> Lumen:
        """With every radius times a factor (P, ...); healthy areas stay."""
        radius = self.radius.reshape(self.radius.shape + (1,) * (factor.ndim - self.radius.ndim)) * factor
        area = np.pi * radius**2
        lesions = self.lesions
        throat = lesions.throat_area.reshape(lesions.throat_area.shape + (1,) * (factor.ndim - 1))
        reference = np.broadcast_to(
            lesions.reference_area.reshape(-1, *(1,) * (factor.ndim - 1)), (len(throat), *factor.shape[1:])
        )
        changed = replace(
            lesions,
            throat_area=throat * self.throat.of(factor) ** 2,
            proximal_area=self.start.of(area),
            distal_area=self.end.of(area),
            reference_area=reference,
        )
        return replace(self, radius=radius, lesions=changed)


def lumen(tree: VesselTree) -> Lumen:
    """A tree's lumen."""
    begun = dict(zip([branch.name for branch in tree.branches], _begun(tree), strict=True))
    area = np.concatenate([branch.area for branch in tree.branches])
    point = np.concatenate([begun[branch.name] + np.arange(len(branch.points) - 1) for branch in tree.branches])
    step = np.concatenate([np.diff(branch.arc) for branch in tree.branches])
    start, throat, end = (
        places(tree, [(lesion.branch, getattr(lesion, what)) for lesion in tree.lesions])
        for what in ("start", "minimum", "end")
    )
    pieces = [_pieces(tree[lesion.branch], lesion) for lesion in tree.lesions]
    # Point numbers run ahead of interval numbers by one for each branch before.
    before = {branch.name: begun[branch.name] - i for i, branch in enumerate(tree.branches)}
    numbers = [before[lesion.branch] + own for lesion, (own, _, _) in zip(tree.lesions, pieces, strict=True)]
    lesions = Lesions(
        np.array([lesion.length for lesion in tree.lesions]),
        np.array([lesion.minimal_lumen_area for lesion in tree.lesions]),
        start.of(area),
        end.of(area),
        np.array([lesion.reference_area for lesion in tree.lesions]),
        _joined(numbers, np.int64),
        np.repeat(np.arange(len(pieces)), [len(own) for own, _, _ in pieces]).astype(np.int64),
        _joined([inside for _, inside, _ in pieces]),
        _joined([behind for _, _, behind in pieces]),
    )
    return Lumen(np.sqrt(area / np.pi), point, step, lesions, start, throat, end)


def places(tree: VesselTree, wanted: Sequence[tuple[str, float]]) -> Places:
    """Arc lengths (m) on branches as places of the row.

    Raises
    ------
    InputError
        If the tree has no such branch.
    """
    begun = dict(zip([branch.name for branch in tree.branches], _begun(tree), strict=True))
    arcs = {name: tree[name].arc for name in {name for name, _ in wanted} if name in begun}
    point, share = [], []
    for name, place in wanted:
        if name not in begun:
            raise InputError(f"tree {tree.name!r} has no branch {name!r}.")
        arc = arcs[name]
        first = int(np.clip(np.searchsorted(arc, place, side="right") - 1, 0, len(arc) - 2))
        point.append(begun[name] + first)
        share.append(float(np.clip((place - arc[first]) / (arc[first + 1] - arc[first]), 0.0, 1.0)))
    return Places(np.array(point, dtype=np.int64), np.array(share))


def _begun(tree: VesselTree) -> list[int]:
    """Number of each branch's first point."""
    return [0, *np.cumsum([len(branch.points) for branch in tree.branches])[:-1].tolist()]


def _pieces(branch: Branch, lesion: Lesion) -> tuple[Indices, Array, Array]:
    """The branch's intervals within a lesion, how much of each lies in it, and its share of the way from the throat."""
    arc = branch.arc

    def overlap(low: float, high: float) -> Array:
        return np.clip(np.minimum(arc[1:], high) - np.maximum(arc[:-1], low), 0.0, None)

    inside, behind = overlap(lesion.start, lesion.end), overlap(lesion.minimum, lesion.end)
    if behind.sum() <= 0.0:  # the throat is the end
        behind[min(int(np.searchsorted(arc, lesion.minimum)), len(behind) - 1)] = 1.0
    own = np.flatnonzero((inside > 0.0) | (behind > 0.0))
    return own, inside[own], behind[own] / behind.sum()


def _joined(arrays: list[Array], kind: type = np.float64) -> Array:
    return np.concatenate(arrays) if arrays else np.zeros(0, dtype=kind)
