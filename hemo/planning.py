"""What FFR would be with lesions opened: a stent, or a calcium modification, before it is done.

The lumen within a lesion becomes that of a stent, the beds stay as they are at hyperaemia, and the reduced model is
solved again: milliseconds for every combination of lesions. A stent's expansion is its area over the healthy one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.blood import Blood
from hemo.boundary import FlowConditions
from hemo.errors import InputError
from hemo.indices import Reading, measurement_place
from hemo.reduced.calibration import with_own_law_in
from hemo.reduced.losses import LossOptions
from hemo.reduced.network import solve
from hemo.tree import Branch, Lesion, VesselTree

Array = NDArray[Any]

MOST_TOGETHER = 6  # lesions of which every combination is tried


@dataclass(frozen=True)
class Stent:
    """How a lesion is opened.

    Attributes
    ----------
    lesion
        Its id.
    diameter
        Nominal, m; None for the healthy calibre at every place of the lesion.
    expansion
        Area reached over that of the diameter, 0.3 to 1.5.
    """

    lesion: str
    diameter: float | None = None
    expansion: float = 1.0

    def __post_init__(self) -> None:
        if not 0.3 <= self.expansion <= 1.5:
            raise InputError(f"stent in {self.lesion}: an expansion of {self.expansion:g} is outside 0.3 to 1.5.")
        if self.diameter is not None and not 1e-3 <= self.diameter <= 10e-3:
            raise InputError(
                f"stent in {self.lesion}: {1e3 * self.diameter:g} mm is outside 1 to 10 mm; check its unit."
            )


@dataclass(frozen=True)
class Outcome:
    """FFR with some lesions opened.

    Attributes
    ----------
    opened
        Ids of the lesions that are.
    lesions
        FFR where each lesion's is read, by id, also of those opened.
    gradients
        Fall of FFR over each lesion, from its start to its end.
    outlets
        FFR at the end of each outlet's vessel.
    flows
        Out of each outlet, m^3/s.
    """

    opened: tuple[str, ...]
    lesions: Mapping[str, float]
    gradients: Mapping[str, float]
    outlets: Mapping[str, float]
    flows: Mapping[str, float]


@dataclass(frozen=True)
class Step:
    """The next lesion to open on the way to an outlet, and FFR at that outlet's vessel's end afterwards."""

    lesion: str
    ffr: float


@dataclass(frozen=True)
class Plan:
    """A tree's options.

    Attributes
    ----------
    before
        Nothing opened.
    single
        Each of the lesions opened alone, by id.
    combined
        Some or all of them together, by their ids: every combination of up to six lesions, of more all together.
    order
        For each outlet with lesions on its way: which to open first, by the gain at that outlet, one after the other.
    """

    before: Outcome
    single: Mapping[str, Outcome]
    combined: Mapping[tuple[str, ...], Outcome]
    order: Mapping[str, tuple[Step, ...]]

    @property
    def together(self) -> Outcome:
        """All of them opened."""
        return self.combined[max(self.combined, key=len)]


def plan(
    tree: VesselTree,
    conditions: FlowConditions,
    stents: Sequence[Stent] | None = None,
    blood: Blood | None = None,
    reading: Reading | None = None,
    options: LossOptions | None = None,
    subtracted: float = 0.0,
) -> Plan:
    """FFR with each of the lesions opened, and with them together; all lesions to their healthy calibre without stents.

    Of a calibration in ``options`` what concerns a lesion is dropped where that is opened: its lumen is another.

    Raises
    ------
    InputError
        If there is no lesion to open, or a stent's is not in the tree, or there are two in one.
    """
    wanted = every_lesion(tree) if stents is None else tuple(stents)
    if not wanted:
        raise InputError(f"tree {tree.name!r} has no lesion to open.")
    if len({stent.lesion for stent in wanted}) < len(wanted):
        raise InputError("two stents are given for one lesion; keep one.")
    by_id = {stent.lesion: stent for stent in wanted}
    known: dict[tuple[str, ...], Outcome] = {}

    def with_opened(ids: Sequence[str]) -> Outcome:
        key = tuple(name for name in by_id if name in ids)
        if key not in known:
            changed = opened(tree, [by_id[name] for name in key])
            known[key] = _outcome(changed, conditions, blood, reading, _without(tree, options, key), subtracted, key)
        return known[key]

    count = len(wanted)
    sizes = range(1, count + 1) if count <= MOST_TOGETHER else (1, count)
    combined = {key: with_opened(key) for size in sizes for key in combinations(by_id, size)}
    order = {name: _order(tree, name, tuple(by_id), with_opened) for name in tree.outlets}
    return Plan(
        with_opened(()),
        {name: combined[(name,)] for name in by_id},
        combined,
        {name: steps for name, steps in order.items() if steps},
    )


def _without(tree: VesselTree, options: LossOptions | None, opened_ids: tuple[str, ...]) -> LossOptions | None:
    """The options with the loss law's own losses in the lesions that are opened."""
    if options is None or options.calibration is None or not opened_ids:
        return options
    return replace(options, calibration=with_own_law_in(tree, options.calibration, opened_ids))


def every_lesion(tree: VesselTree, expansion: float = 1.0) -> tuple[Stent, ...]:
    """What is opened where nothing is said: every lesion, to its healthy calibre."""
    return tuple(Stent(lesion.id, None, expansion) for lesion in tree.lesions)


def opened(tree: VesselTree, stents: Sequence[Stent]) -> VesselTree:
    """The tree with the lumen of stents within their lesions, nowhere narrower than it was.

    Raises
    ------
    InputError
        If a stent's lesion is not in the tree.
    """
    for stent in stents:
        lesion = next((one for one in tree.lesions if one.id == stent.lesion), None)
        if lesion is None:
            known = ", ".join(one.id for one in tree.lesions) or "none"
            raise InputError(f"tree {tree.name!r} has no lesion {stent.lesion!r}; it has {known}.")
        branch = _opened(tree[lesion.branch], lesion, stent)
        inside = (branch.arc >= lesion.start) & (branch.arc <= lesion.end)
        if not inside.any():
            raise InputError(f"tree {tree.name!r}: no centreline point lies in lesion {lesion.id!r}; refine the line.")
        narrowest = float(branch.arc[inside][branch.area[inside].argmin()])
        healthy = np.pi * float(np.interp(narrowest, branch.arc, branch.reference_radius)) ** 2
        throat = float(branch.area[inside].min())
        changed = replace(lesion, minimum=narrowest, minimal_lumen_area=throat, reference_area=healthy)
        tree = replace(
            tree,
            branches=tuple(branch if one.name == branch.name else one for one in tree.branches),
            lesions=tuple(changed if one.id == lesion.id else one for one in tree.lesions),
        )
    return tree


def _wanted(branch: Branch, stent: Stent, place: Array | float) -> Any:
    """Area of the stent at arc lengths, m^2."""
    if stent.diameter is not None:
        return np.full(np.shape(place), stent.expansion * np.pi / 4.0 * stent.diameter**2)
    return stent.expansion * np.pi * np.interp(place, branch.arc, branch.reference_radius) ** 2


def _opened(branch: Branch, lesion: Lesion, stent: Stent) -> Branch:
    inside = (branch.arc >= lesion.start) & (branch.arc <= lesion.end)
    area = np.where(inside, np.maximum(_wanted(branch, stent, branch.arc), branch.area), branch.area)
    round_radius = np.sqrt(area / np.pi)
    return replace(branch, area=area, radius=np.where(area > branch.area, round_radius, branch.radius), perimeter=None)


def _outcome(
    tree: VesselTree,
    conditions: FlowConditions,
    blood: Blood | None,
    reading: Reading | None,
    options: LossOptions | None,
    subtracted: float,
    key: tuple[str, ...],
) -> Outcome:
    flow = replace(solve(tree, conditions, blood, options), subtracted=subtracted)
    curves = {branch.name: (branch.arc, flow.ffr(branch.name)) for branch in tree.branches}

    def at(branch: str, place: float) -> float:
        return float(np.interp(place, *curves[branch]))

    return Outcome(
        key,
        {one.id: at(one.branch, measurement_place(tree[one.branch], one, reading)) for one in tree.lesions},
        {one.id: at(one.branch, one.start) - at(one.branch, one.end) for one in tree.lesions},
        {name: float(curves[name][1][-1]) for name in tree.outlets},
        {name: float(flow.branches[name].flow[-1]) for name in tree.outlets},
    )


def _order(tree: VesselTree, outlet: str, ids: tuple[str, ...], with_opened: Any) -> tuple[Step, ...]:
    """The lesions on the way to an outlet, the one that raises FFR there most first, then the next beside it."""
    left = [lesion.id for lesion in tree.lesions if lesion.id in ids and _passes(tree, outlet, lesion)]
    done: list[str] = []
    steps = []
    while left:
        best = max(left, key=lambda name: with_opened((*done, name)).outlets[outlet])
        done.append(best)
        left.remove(best)
        steps.append(Step(best, with_opened(done).outlets[outlet]))
    return tuple(steps)


def _passes(tree: VesselTree, outlet: str, lesion: Lesion) -> bool:
    """Whether the way from the ostium to an outlet passes the lesion's throat."""
    branch = tree[outlet]
    end = branch.length
    while True:
        if branch.name == lesion.branch:
            return lesion.minimum <= end
        if branch.parent is None:
            return False
        mother = tree[branch.parent]
        end = float(mother.arc[branch.parent_index or 0])
        branch = mother
