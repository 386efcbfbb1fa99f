"""``hemo plan`` against 3D: the tightest lesion of synthetic trees opened, meshed and solved again.

``python -m validation plan_trees``. The first trees of ``tree_solutions``; of each the lesion over which most pressure
falls gets the lumen that the plan gives it, round, in the exact surface, which is meshed and solved anew with the beds
as they are. The plan knows the tree before only. Each solve leaves a line in ``validation/records/plan_trees.jsonl``.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from typing import Any

import numpy as np

from hemo.errors import HemoError
from hemo.geometry.synthetic.vessels import SyntheticVessels
from hemo.geometry.synthetic.wall import lumen_surface
from hemo.indices import measurement_place
from hemo.planning import Stent, opened, plan
from hemo.tree import VesselTree
from validation.campaign import resumed
from validation.reduced_trees import Solved, solved
from validation.table import DOCS, Table, publish
from validation.tree_solutions import PROCESSES, chosen, heart, solve_3d, tree_of
from validation.tree_solutions import records as trees

RECORDS = DOCS.parent / "validation" / "records" / "plan_trees.jsonl"
TREES = 20
EDGE = 2e-3  # m


def with_lumen(vessels: SyntheticVessels, side: str, tree: VesselTree, lesion: str) -> SyntheticVessels:
    """The heart with a lesion's stretch of wall round and of the tree's area there."""
    found = next(one for one in tree.lesions if one.id == lesion)
    branch = tree[found.branch]
    true = next(one for one in vessels.trees if one.name == side)[found.branch]
    tubes = []
    for tube in vessels.tubes:
        if tube.name == found.branch:
            start = len(tube.points) - len(true.points)
            arc = true.arc
            # All of it between the lesion's ends, less and less over the next millimetres: a wall has no steps.
            away = np.maximum(np.maximum(found.start - arc, arc - found.end), 0.0)
            part = 0.5 * (1.0 + np.cos(np.pi * np.minimum(away / EDGE, 1.0)))
            wanted = np.where(
                away > 0.0, true.reference_radius, np.sqrt(np.interp(arc, branch.arc, branch.area) / np.pi)
            )
            radius, bump = tube.radius.copy(), tube.bump.copy()
            radius[start:] = (1.0 - part) * radius[start:] + part * wanted
            bump[start:] *= 1.0 - part
            tube = replace(tube, radius=radius, bump=bump)
        tubes.append(tube)
    return replace(vessels, tubes=tuple(tubes))


def solve(seed: int, side: str, lesion: str) -> dict[str, Any]:
    """One tree with one lesion opened, in 3D."""
    line: dict[str, Any] = {"seed": seed, "tree": side, "lesion": lesion, "beds": "hyperaemia"}
    try:
        after = opened(tree_of(seed, side), [Stent(lesion)])
        line |= solve_3d(after, lumen_surface(with_lumen(heart(seed), side, after, lesion)), 1.0)
    except HemoError as error:
        line |= {"status": "FAILED", "message": str(error)}
    print(f"plan_trees: {side} {seed}, {lesion}: {line['status']}", flush=True)
    return line


def _solve(key: tuple[int, str, str]) -> dict[str, Any]:
    return solve(*key)


def tightest(one: Solved) -> str:
    """The lesion over which FFR falls most in 3D."""

    def fall(lesion: Any) -> float:
        branch = one.tree[lesion.branch]
        places = [lesion.start, measurement_place(branch, lesion, None)]
        before, behind = np.interp(places, branch.arc, one.flow.ffr(lesion.branch))
        return float(before - behind)

    return str(max(one.tree.lesions, key=fall).id)


def main(options: Sequence[str] = ()) -> None:
    """Solve what is missing; fill the section ``plan_trees`` of docs/benchmarks.md."""
    del options
    logging.getLogger("hemo").setLevel(logging.ERROR)
    wanted = chosen()[:TREES]
    before = {}
    for line in trees():
        if (
            line["beds"] == "hyperaemia"
            and line["status"] == "CONVERGED"
            and [line["seed"], line["tree"]] in map(list, wanted)
        ):
            before[line["seed"], line["tree"]] = solved(line)
    keys = [(*key, tightest(one)) for key, one in before.items()]
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
        done = resumed(RECORDS, ("seed", "tree", "lesion"), keys, solve, lambda _, missing: pool.map(_solve, missing))
    rows, apart = [], []
    for key, line in done.items():
        if line["status"] != "CONVERGED":
            continue
        one, after = before[key[0], key[1]], solved(line)
        planned = plan(one.tree, one.conditions, [Stent(key[2])])
        true = after.ffr(after.flow)
        mine = np.array([*planned.together.lesions.values(), *planned.together.outlets.values()])
        index = [lesion.id for lesion in one.tree.lesions].index(key[2])
        gain = true[index] - one.ffr(one.flow)[index]
        apart.append(mine - true)
        numbers = (one.ffr(one.flow)[index], true[index], mine[index], mine[index] - true[index])
        cells = [f"{value:.3f}" for value in numbers]
        mean = f"{np.abs(mine - true).mean():.4f}"
        rows.append((f"{key[1]} {key[0]}", key[2], *cells, f"{gain:+.3f}", mean))
    everything = np.concatenate(apart)
    columns = ("tree", "lesion", "3D before", "3D after", "plan", "plan - 3D", "gain in 3D", "mean over all places")
    note = (
        "FFR where the opened lesion's is read; the last column over all lesions and outlets of the tree. Mean "
        f"absolute difference {np.abs(everything).mean():.4f} (asked: 0.02), largest {np.abs(everything).max():.3f}, "
        f"over {len(rows)} trees; {len(done) - len(rows)} solves not usable."
    )
    publish(Table("plan_trees", columns, tuple(rows), note))
