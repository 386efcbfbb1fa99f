"""How a tree's flow is shared out: at bifurcations, and along vessels through branches too thin to be seen.

*At a bifurcation* the daughters take flow in proportion to their healthy reference diameter to the power k, so that a
lesion does not lower its own territory and the place where a segmentation happens to end does not count. k = 2.39
(95 % interval 2.24 to 2.54) is pooled over 18 studies and 1070 trees (Taylor DJ et al. 2024, Am J Physiol Heart Circ
Physiol 327:H182).

*Between bifurcations* a healthy vessel that tapers has given off branches: by the same law the flow at a place is in
proportion to its healthy diameter to the power k, and what is lost on the way leaves there. Where a vessel does not
step down at the daughters that are in the tree, its taper holds what they take: the leak is lessened, the same part all
along the vessel, so that from its start to its wide end it loses what its diameters say, daughters and leak together.

*Where a side branch was left out* of the tree (it is thinner than the cut) it still takes the share that it would have
taken in it, at its ostium. Moving the cut therefore moves no flow.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.tree import Branch, VesselTree, healthy_diameter

Array = NDArray[Any]

LEAK_SPACING = 5e-3  # m: what leaves along a vessel is gathered at places so far apart
SMALLEST_LEAK = 1e-4  # of the tree's flow: less is not followed, it goes on with the vessel
WIDE = 2.0e-3  # m: where the vessel is at least so wide its taper is weighed against its daughters, wherever it is cut


@dataclass(frozen=True)
class Shares:
    """Fractions of a tree's flow: by outlet, and by (branch, centreline point) where it leaves on the way."""

    outlets: dict[str, float]
    leaks: dict[tuple[str, int], float]

    @property
    def in_order(self) -> Array:
        """(sinks,) the outlets', then the leaks'."""
        return np.array([*self.outlets.values(), *self.leaks.values()])

    def of_branch(self, name: str) -> float:
        """What leaves from one branch itself, through its end and along it."""
        return self.outlets.get(name, 0.0) + sum(share for (branch, _), share in self.leaks.items() if branch == name)

    def scaled(self, factors: Mapping[str, float]) -> Shares:
        """Every share of a branch times that branch's factor."""
        return Shares(
            {name: share * factors[name] for name, share in self.outlets.items()},
            {place: share * factors[place[0]] for place, share in self.leaks.items()},
        )


def split_flow(
    tree: VesselTree,
    exponent: float,
    leakage: bool = True,
    loss_per_length: float = 0.0,
    fixed: Mapping[tuple[str, str], float] | None = None,
    unbranched: Collection[str] = (),
) -> Shares:
    """Share a tree's flow out; the shares add up to one.

    Parameters
    ----------
    exponent
        k of the flow-diameter law.
    leakage
        Whether tapering vessels leak. Side branches known to be left out take their share either way.
    loss_per_length
        Fraction of a vessel's flow that is lost per length besides, 1/m: for vessels that hardly taper.
    fixed
        Share that a daughter takes of its mother's flow, by their names, whatever their diameters.
    unbranched
        Names of vessels that give off no branches but those of the tree.
    """
    walk = _Walk(tree, exponent, leakage, loss_per_length, fixed or {}, unbranched)
    walk.descend(tree.root, 1.0)
    return Shares({name: walk.outlets[name] for name in tree.outlets}, walk.leaks)


@dataclass
class _Walk:
    """Goes down a tree and notes what leaves where."""

    tree: VesselTree
    exponent: float
    leakage: bool
    loss_per_length: float
    fixed: Mapping[tuple[str, str], float]
    unbranched: Collection[str]
    outlets: dict[str, float] = field(default_factory=dict)
    leaks: dict[tuple[str, int], float] = field(default_factory=dict)

    def descend(self, branch: Branch, inflow: float) -> None:
        """Share out what flows into a branch."""
        daughters = self._daughters(branch)
        taken = {place: self._parts(branch, daughters, place) for place in sorted(daughters)}
        unseen = self._unseen(branch, {place: sum(parts) for place, parts in taken.items()})
        remaining, start = inflow, 0
        last = len(branch.points) - 1
        for place, parts in taken.items():
            remaining = self._along(branch, start, place, remaining, unseen)
            for (child, _), part in zip(daughters[place], parts, strict=True):
                if child is None:
                    self._leave(branch.name, place, remaining * part)
                else:
                    self.descend(child, remaining * part)
            remaining *= 1.0 - sum(parts)
            start = place
        if branch.is_outlet:
            self.outlets[branch.name] = self._along(branch, start, last, remaining, unseen)

    def _parts(
        self, branch: Branch, by_place: Mapping[int, list[tuple[Branch | None, float]]], place: int
    ) -> list[float]:
        """Fraction of the flow that each daughter takes at a place."""
        daughters = by_place[place]
        goes_on = branch.is_outlet or any(later > place for later in by_place)
        own = healthy_diameter(branch, place) ** self.exponent if goes_on else 0.0
        told = [self.fixed.get((branch.name, child.name)) if child is not None else None for child, _ in daughters]
        weights = [
            0.0 if part is not None else diameter**self.exponent
            for part, (_, diameter) in zip(told, daughters, strict=True)
        ]
        whole = sum(weights) + own
        left = 1.0 - sum(part for part in told if part is not None) if whole > 0.0 else 0.0
        given = sum(part for part in told if part is not None) or 1.0
        return [
            (part / given if whole == 0.0 else part) if part is not None else left * weight / whole
            for part, weight in zip(told, weights, strict=True)
        ]

    def _daughters(self, branch: Branch) -> dict[int, list[tuple[Branch | None, float]]]:
        """By centreline point: the branches that leave there, None for one that was left out, and their diameters."""
        found: dict[int, list[tuple[Branch | None, float]]] = {}
        for child in self.tree.children(branch.name):
            found.setdefault(int(child.parent_index or 0), []).append((child, healthy_diameter(child, 0)))
        for side in self.tree.side_branches:
            if side.branch == branch.name:
                point = int(np.argmin(np.abs(branch.arc - side.place)))
                found.setdefault(point, []).append((None, side.diameter))
        return found

    def _unseen(self, branch: Branch, taken: Mapping[int, float]) -> float:
        """The part of the vessel's taper that its known daughters do not account for, 0 to 1."""
        if not self.leakage or branch.name in self.unbranched:
            return 0.0
        healthy = np.minimum.accumulate(branch.reference_radius)
        wide = np.flatnonzero(2.0 * healthy >= WIDE)
        if not len(wide) or healthy[wide[-1]] >= healthy[0]:
            return 1.0
        taper = np.log(healthy[0] / healthy[wide[-1]])
        passing = [1.0 - part for place, part in taken.items() if place <= wide[-1] and part < 1.0 - 1e-9]
        return float(np.clip(1.0 + np.log(passing).sum() / (self.exponent * taper), 0.0, 1.0))

    def _along(self, branch: Branch, start: int, end: int, inflow: float, unseen: float) -> float:
        """What of the flow at one centreline point arrives at another; the rest leaves in between."""
        if unseen == 0.0 or end <= start:
            return inflow
        healthy = np.minimum.accumulate(branch.reference_radius[start : end + 1])
        along = branch.arc[start : end + 1] - branch.arc[start]
        passing = (healthy / healthy[0]) ** (self.exponent * unseen) * np.exp(-self.loss_per_length * along)
        lost = -np.diff(passing)
        middle = 0.5 * (branch.arc[start:end] + branch.arc[start + 1 : end + 1])
        count = max(1, round(float(branch.arc[end] - branch.arc[start]) / LEAK_SPACING))
        bounds = np.linspace(branch.arc[start], branch.arc[end], count + 1)
        group = np.clip(np.searchsorted(bounds, middle) - 1, 0, count - 1)
        remaining = inflow
        for number in range(count):
            share = inflow * float(lost[group == number].sum())
            if share > SMALLEST_LEAK:
                centre = float(np.average(middle[group == number], weights=lost[group == number]))
                self._leave(branch.name, int(np.argmin(np.abs(branch.arc - centre))), share)
                remaining -= share
        return remaining

    def _leave(self, branch: str, point: int, share: float) -> None:
        self.leaks[branch, point] = self.leaks.get((branch, point), 0.0) + share
