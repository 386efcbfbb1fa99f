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
from hemo.reduced.terms import along
from hemo.tree import Branch, Lesion, VesselTree

Array = NDArray[Any]
Indices = NDArray[np.int64]

TURN = 1.5e-3  # m, to either side of where the curvature is taken


@dataclass(frozen=True)
class Places:
    """Arc lengths on branches as points (l,) of the row and shares of the way (l,) to the next."""

    point: Indices
    share: Array

    def of(self, values: Array) -> Array:
        """(l, ...) what stands in points (P, ...), linear between them."""
        share = along(self.share, values)
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
    healthy_distal_area
        (l, ...) healthy area at the lesion's end, or the area there where that is larger, m^2.
    opening
        (l,) length from the throat to the end, m.
    fullness
        (l, ...) mean over the lesion of (throat area / area)^2: near 1 where all of it is as narrow as the throat.
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
    healthy_distal_area: Array
    opening: Array
    fullness: Array
    interval: Indices
    lesion: Indices
    inside: Array
    behind: Array


@dataclass(frozen=True)
class Jets:
    """Which points lie in or behind which lesion, on its branch, from its start on.

    Attributes
    ----------
    point, lesion
        (q,) pairs.
    start
        (q,) the point at the lesion's start.
    opened
        (q,) how much of the way from the throat to the end lies behind: 0 before the throat, 1 from the end on.
    beyond
        (q,) distance from the end, m; 0 before it.
    """

    point: Indices
    lesion: Indices
    start: Indices
    opened: Array
    beyond: Array


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
    curvature
        (n,) of the centreline in each interval, 1/m.
    branch
        (n,) number of each interval's branch.
    lesions
        Of the tree.
    start, throat, end
        Places of the lesions.
    narrowest
        (l,) interval of each lesion's throat.
    jets
        Points in and behind lesions.
    from_ostium
        (p,) arc length of the root's points, m.
    """

    radius: Array
    point: Indices
    step: Array
    curvature: Array
    branch: Indices
    lesions: Lesions
    start: Places
    throat: Places
    end: Places
    narrowest: Indices
    jets: Jets
    from_ostium: Array

    def resized(self, factor: Array) -> Lumen:
        """With every radius times a factor (P, ...); healthy areas stay."""
        radius = along(self.radius, factor) * factor
        area = np.pi * radius**2
        lesions = self.lesions
        throat = along(lesions.throat_area, factor)
        reference = np.broadcast_to(along(lesions.reference_area, factor), (len(throat), *factor.shape[1:]))
        throat = throat * self.throat.of(factor) ** 2
        end = self.end.of(area)
        healthy = along(lesions.healthy_distal_area, factor)
        changed = replace(
            lesions,
            throat_area=throat,
            proximal_area=self.start.of(area),
            distal_area=end,
            reference_area=reference,
            healthy_distal_area=np.maximum(healthy, end),
            fullness=_fullness(lesions, throat, area, self.point),
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
    throat_area = np.array([lesion.minimal_lumen_area for lesion in tree.lesions])
    healthy = np.pi * np.concatenate([branch.reference_radius for branch in tree.branches]) ** 2
    lesions = Lesions(
        np.array([lesion.length for lesion in tree.lesions]),
        throat_area,
        start.of(area),
        end.of(area),
        np.array([lesion.reference_area for lesion in tree.lesions]),
        np.maximum(end.of(healthy), end.of(area)),
        np.array([lesion.end - lesion.minimum for lesion in tree.lesions]),
        np.zeros_like(throat_area),
        _joined(numbers, np.int64),
        np.repeat(np.arange(len(pieces)), [len(own) for own, _, _ in pieces]).astype(np.int64),
        _joined([inside for _, inside, _ in pieces]),
        _joined([behind for _, _, behind in pieces]),
    )
    lesions = replace(lesions, fullness=_fullness(lesions, throat_area, area, point))
    names = [branch.name for branch in tree.branches]
    of_lesion = np.array([names.index(lesion.branch) for lesion in tree.lesions], dtype=np.int64)
    return Lumen(
        np.sqrt(area / np.pi),
        point,
        step,
        np.concatenate([_curvature(branch) for branch in tree.branches]),
        np.repeat(np.arange(len(names)), [len(branch.points) - 1 for branch in tree.branches]),
        lesions,
        start,
        throat,
        end,
        throat.point - of_lesion,
        _jets(tree, begun, start),
        tree.root.arc,
    )


def _fullness(lesions: Lesions, throat: Array, area: Array, point: Indices) -> Array:
    """(l, ...) mean over each lesion of (throat area / area)^2, at most 1 at every place."""
    middle = 0.5 * (area[point[lesions.interval]] + area[point[lesions.interval] + 1])
    inside = along(lesions.inside, area)
    part = np.minimum(throat[lesions.lesion] / middle, 1.0) ** 2 * inside
    whole: Array = np.zeros(throat.shape)
    length: Array = np.zeros(len(throat))
    np.add.at(whole, lesions.lesion, part)
    np.add.at(length, lesions.lesion, lesions.inside)
    return np.asarray(whole / along(np.maximum(length, 1e-12), area))


def _curvature(branch: Branch) -> Array:
    """(n - 1,) curvature of the centreline: how much it turns over a few millimetres about each interval, 1/m."""
    arc, tangents = branch.arc, branch.tangent
    middle = 0.5 * (arc[1:] + arc[:-1])
    low, high = np.maximum(middle - TURN, arc[0]), np.minimum(middle + TURN, arc[-1])

    def tangent(at: Array) -> Array:
        along = np.stack([np.interp(at, arc, tangents[:, k]) for k in range(3)], axis=1)
        return np.asarray(along / np.linalg.norm(along, axis=1, keepdims=True))

    turned = np.arccos(np.clip((tangent(low) * tangent(high)).sum(axis=1), -1.0, 1.0))
    return np.asarray(turned / (high - low))


def _jets(tree: VesselTree, begun: dict[str, int], start: Places) -> Jets:
    rows = []
    for k, lesion in enumerate(tree.lesions):
        arc = tree[lesion.branch].arc
        own = np.flatnonzero(arc >= lesion.start)
        opening = max(lesion.end - lesion.minimum, 1e-9)
        opened = np.clip((arc[own] - lesion.minimum) / opening, 0.0, 1.0)
        beyond = np.maximum(arc[own] - lesion.end, 0.0)
        first = np.full(len(own), start.point[k])
        rows.append((begun[lesion.branch] + own, np.full(len(own), k), first, opened, beyond))
    point, number, begins = (_joined([row[k] for row in rows]).astype(np.int64) for k in range(3))
    return Jets(point, number, begins, _joined([row[3] for row in rows]), _joined([row[4] for row in rows]))


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
