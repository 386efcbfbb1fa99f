"""Where the reduced model and 3D part ways: the places farthest off, and what of the way to each is off by how much.

``python -m validation outliers`` reads what ``tree_solutions`` left. A place's difference of FFR is split into

* *flow*: the reduced model at its own flows less the reduced model at the flows of the 3D solution;
* and, at the 3D flows, by how much more or less static pressure falls on each part of the way from the ostium:
  *forks* (from a diameter before a side branch, or a fork, to a diameter and a half into the vessel), *lesions* (start
  to end), *recovery* (behind a lesion, over three times the length in which its jet gives pressure back) and *vessels*
  (the rest: friction, the profile that develops at the ostium, forks passed by).

The parts add up to the difference exactly.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.blood import Blood
from hemo.indices import measurement_place
from hemo.reduced import LossOptions
from hemo.reduced.lumen import lumen
from hemo.reduced.prescribed import pressures
from hemo.reduced.recovery import not_recovered, recovery_of
from hemo.results import TreeFlow
from hemo.tree import Branch, Lesion
from validation.lesion_losses import publish_lesions
from validation.reduced_trees import Solved, solved
from validation.table import Table, publish
from validation.tree_solutions import fine_records, records

Array = NDArray[Any]
KINDS = ("flow", "vessels", "lesions", "recovery", "forks")
BEFORE, INTO = 1.0, 1.5  # diameters of the parent to a fork's sides
WAKE = 3.0  # lengths of recovery
WORST = 10


@dataclass(frozen=True)
class Place:
    """Where FFR is read, and the split of reduced less 3D there; ``by`` is also by lesion, wake and fork."""

    tree: str
    name: str
    true: float
    mine: float
    parts: dict[str, float]
    by: dict[str, float]

    @property
    def difference(self) -> float:
        """Of FFR."""
        return self.mine - self.true


def places(one: Solved) -> list[Place]:
    """All places of a solution at which FFR is compared."""
    own = one.reduced(LossOptions())
    true = one.ffr(one.flow)
    at_flows = pressures(one.tree, one.sinks, one.conditions.leak_places, one.conditions.aortic_pressure)
    between = one.ffr(at_flows)
    ends = [(x.id, x.branch, measurement_place(one.tree[x.branch], x)) for x in one.tree.lesions]
    ends += [(f"end of {name}", name, one.tree[name].length) for name in one.tree.outlets]
    found = []
    for k, (name, branch, arc) in enumerate(ends):
        by = _by_part(one, at_flows, branch, arc)
        parts = dict.fromkeys(KINDS, 0.0) | {"flow": float(own[k] - between[k])}
        for what, value in by.items():
            parts[what.split(" ")[0]] += value
        found.append(Place(one.name, name, float(true[k]), float(own[k]), parts, by))
    return found


def _by_part(one: Solved, at_flows: TreeFlow, name: str, arc: float) -> dict[str, float]:
    """FFR lost less (or, negative, more) than in 3D on every part of the way to a place, by the part's name."""
    found: dict[str, float] = {}
    before = 0.0  # the ostium's total pressure is that of both
    for branch, last, forked in _way(one, name, arc):
        apart = at_flows.ffr(branch.name) - one.flow.ffr(branch.name)
        arcs = np.append(branch.arc[branch.arc < last], last)
        change = np.diff(np.interp(arcs, branch.arc, apart), prepend=before)
        for kind, value in zip(_kinds(one, branch, arcs, forked), change, strict=True):
            found[kind] = found.get(kind, 0.0) + float(value)
        before = float(np.interp(last, branch.arc, apart))
    return found


def _way(one: Solved, name: str, arc: float) -> list[tuple[Branch, float, bool]]:
    """Branches from the ostium to a place: how far each is followed, m, and whether the way then turns off it."""
    way: list[tuple[Branch, float, bool]] = []
    branch, last = one.tree[name], arc
    while True:
        way.insert(0, (branch, last, bool(way)))
        if branch.parent is None:
            return way
        mother = one.tree[branch.parent]
        branch, last = mother, float(mother.arc[branch.parent_index or 0])


def _kinds(one: Solved, branch: Branch, arcs: Array, forked: bool) -> Iterator[str]:
    """What the way to each arc length of a branch belongs to."""
    wakes = _wakes(one)
    mother = None if branch.parent is None else one.tree[branch.parent]
    into = 0.0 if mother is None else INTO * float(mother.diameter[branch.parent_index or 0])
    turn = BEFORE * float(np.interp(arcs[-1], branch.arc, branch.diameter)) if forked else 0.0
    lesions = sorted(one.tree.lesions_on(branch.name), key=lambda lesion: lesion.start)
    for arc in arcs:
        behind = [x for x in lesions if x.end < arc <= x.end + wakes[x.id]]
        within = [x for x in lesions if x.start < arc <= x.end]
        if arc <= into:
            yield f"forks {branch.name}"
        elif forked and arc > arcs[-1] - turn:
            yield "forks at the end of " + branch.name
        elif within:
            yield f"lesions {within[-1].id}"
        elif behind:
            yield f"recovery behind {behind[-1].id}"
        else:
            yield f"vessels {branch.name}"


def _wakes(one: Solved) -> dict[str, float]:
    """How far behind each lesion pressure comes back, m."""
    through = np.array([_flow(one, lesion, lesion.minimum) for lesion in one.tree.lesions])
    length = not_recovered(recovery_of(lumen(one.tree), (Blood().density, Blood().viscosity)), through)[1]
    return {lesion.id: WAKE * float(value) for lesion, value in zip(one.tree.lesions, length, strict=True)}


def _flow(one: Solved, lesion: Lesion, place: float) -> float:
    return float(np.interp(place, one.tree[lesion.branch].arc, one.flow.branches[lesion.branch].flow))


def described(one: Solved, place: Place) -> str:
    """The two largest parts, and what is about them."""
    everything = {"flow": place.parts["flow"]} | place.by
    largest = sorted(everything, key=lambda what: -abs(everything[what]))[:2]
    return "; ".join(f"{_words(one, what)} {everything[what]:+.3f}" for what in largest)


def _publish_meshes(trees: dict[str, Solved]) -> None:
    """FFR of the trees that were also solved on finer meshes."""
    rows = []
    for line in fine_records():
        fine = solved(line)
        change = fine.ffr(fine.flow) - trees[fine.name].ffr(trees[fine.name].flow)
        cells = (f"{line['across']:g}", f"{line['cells']:,}", f"{change.mean():+.4f}", f"{np.abs(change).max():.4f}")
        rows.append((fine.name, *cells))
    columns = ("tree", "cells across", "cells", "mean change", "largest change")
    note = "FFR at all places of a tree less that with 3 cells across, as in `tree_solutions`."
    publish(Table("tree_meshes", columns, tuple(rows), note))


def largest_lesions(place: Place) -> list[str]:
    """The lesions among the two largest parts of a place's difference."""
    largest = sorted(place.by, key=lambda what: -abs(place.by[what]))[:2]
    return [what.removeprefix("lesions ") for what in largest if what.startswith("lesions ")]


def _words(one: Solved, what: str) -> str:
    lesion = next((x for x in one.tree.lesions if what.split(" ")[-1] == x.id), None)
    if lesion is None:
        return what
    gone = 1.0 - _flow(one, lesion, lesion.end) / _flow(one, lesion, lesion.start)
    near = ", at the ostium" if one.tree.root.name == lesion.branch and lesion.start < 3e-3 else ""
    left = f", {100 * gone:.0f} % of its flow leaves within" if gone > 0.1 else ""
    return f"{what} ({100 * lesion.diameter_stenosis:.0f} %, {1e3 * lesion.length:.0f} mm{near}{left})"


def main(options: Sequence[str] = ()) -> None:
    """Fill the sections of docs/benchmarks.md on what differences come from."""
    del options
    logging.getLogger("hemo").setLevel(logging.ERROR)
    lines = [line for line in records() if line["status"] == "CONVERGED" and line["beds"] == "hyperaemia"]
    trees = [solved(line) for line in lines]
    found = [(one, place) for one in trees for place in places(one)]
    worst = sorted(found, key=lambda item: -abs(item[1].difference))[:WORST]
    rows = []
    for one, place in worst:
        cells = [f"{place.parts[kind]:+.3f}" for kind in KINDS]
        numbers = (f"{place.true:.3f}", f"{place.mine:.3f}", f"{place.difference:+.3f}")
        rows.append((place.tree, place.name, *numbers, *cells, described(one, place)))
    columns = ("tree", "place", "3D", "reduced", "difference", *KINDS, "most of it")
    note = "The ten places farthest off, uncalibrated; the parts (see above) add up to the difference."
    publish(Table("reduced_trees_outliers", columns, tuple(rows), note))
    each = {kind: np.array([place.parts[kind] for _, place in found]) for kind in KINDS}
    rows = [
        (kind, f"{values.mean():+.4f}", f"{np.abs(values).mean():.4f}", f"{np.abs(values).max():.4f}")
        for kind, values in each.items()
    ]
    note = f"The same parts over all {len(found)} places of {len(trees)} trees, in FFR."
    publish(Table("reduced_trees_parts", ("part", "mean", "mean absolute", "largest"), tuple(rows), note))
    _publish_meshes({one.name: one for one in trees})
    publish_lesions(trees, [(place.tree, lesion) for _, place in worst for lesion in largest_lesions(place)])
