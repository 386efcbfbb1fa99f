"""3D solutions of synthetic coronary trees, kept as pressures along every vessel, for the reduced model.

``python -m validation tree_solutions``. Trees of :mod:`hemo.geometry.synthetic.random_trees`, their exact surfaces,
cut where hemo cuts them; more than half have a lesion of FFR 0.60 to 0.85. Each is solved at hyperaemia, and some
also with beds that resist twice as much. Every solution leaves a line in ``validation/records/tree_solutions.jsonl``
(a minute or two), so that the campaign goes on where it stopped.

With ``HEMO_DATA``, also the trees of ``cases/narco`` and the left one with the virtual lesion of ``real_tree``; without
it these come from the record alone.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from itertools import zip_longest
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo import femresults, femstages, meshstage
from hemo.blood import Blood
from hemo.boundary import Physiology
from hemo.case import Case, read_case
from hemo.errors import HemoError
from hemo.evaluation import evaluate
from hemo.geometry.lesion import with_reference_and_lesions
from hemo.geometry.lumen.surface import Surface
from hemo.geometry.synthetic.anatomy import GeneratorOptions
from hemo.geometry.synthetic.random_trees import random_heart
from hemo.geometry.synthetic.vessels import SyntheticVessels
from hemo.geometry.synthetic.wall import lumen_surface
from hemo.geometry.truncate import truncate
from hemo.indices import lesion_pressure
from hemo.reduced import solve
from hemo.reduced.beds import with_resistances
from hemo.reduced.network import sink_resistances
from hemo.stages import Geometry, load_geometry
from hemo.tree import VesselTree
from hemo.treejson import tree_to_json
from hemo.units import GRAM, MMHG
from validation.campaign import resumed
from validation.real_tree import CASE, SOURCE, narrowed
from validation.table import DOCS

Array = NDArray[Any]
RECORDS = DOCS.parent / "validation" / "records" / "tree_solutions.jsonl"
CHOSEN = RECORDS.with_name("tree_solutions_chosen.json")
PATIENT = Physiology(systolic=128 * MMHG, diastolic=76 * MMHG, myocardial_mass=135 * GRAM)
CELLS = 3.0  # across every diameter, twice as long as wide: FFR within 0.001 to 0.006 on NARCO's tree (real_tree)
PROCESSES = 2  # trees at a time, each on one core
# Longer lesions than the generator's usual ones, two to four in a tree: FFR below 0.85 at Reynolds numbers at which a
# steady flow is found in minutes.
OPTIONS = GeneratorOptions(lesions=(2, 4), severity=(0.30, 0.65), lesion_length=(6e-3, 30e-3))
SEEDS = range(1000, 1160)
INTERESTING, OTHERS = 26, 16
MOST_REYNOLDS = 600.0  # in a throat
BEDS = {"hyperaemia": 1.0, "twice the resistance": 2.0}
REAL, VIRTUAL = "NARCO", "NARCO, virtual 60 % LAD lesion"
NARCO = ((REAL, "left"), (REAL, "right"), (VIRTUAL, "left"))
FINER = ((1093, "right", 4.5), (1148, "left", 4.5))  # cells across
FINE_RECORDS = RECORDS.with_name("tree_solutions_fine.jsonl")
SECOND = 10  # trees that are also solved with the second


def tree_of(seed: int, side: str, diameter: float = 1.5e-3) -> VesselTree:
    """A random heart's tree with the lesions that hemo finds, cut at a healthy diameter, m."""
    trees = heart(seed).trees
    tree = with_reference_and_lesions(next(tree for tree in trees if tree.name == side))
    return truncate(tree, diameter)


@cache
def heart(seed: int) -> SyntheticVessels:
    """The seed's vessels."""
    return random_heart(seed, OPTIONS)


def chosen() -> list[tuple[int, str]]:
    """Seeds and sides, found once by the reduced model and kept: the smaller ones of either kind, in turn."""
    if not CHOSEN.is_file():
        kinds: dict[bool, list[tuple[float, int, str]]] = {True: [], False: []}
        for seed in SEEDS:
            side = ("left", "right")[seed % 2]
            tree = tree_of(seed, side)
            result = evaluate(tree, PATIENT, Blood())
            assert result.reduced is not None
            along = result.reduced.branches
            reynolds = max(
                float(Blood().reynolds(along[branch.name].flow, branch.diameter).max()) for branch in tree.branches
            )
            if not tree.lesions or reynolds > MOST_REYNOLDS:
                continue
            lowest = min(lesion_pressure(tree, lesion, result.reduced, None).distal for lesion in tree.lesions)
            size = sum(float((np.diff(branch.arc) / branch.diameter[1:]).sum()) for branch in tree.branches)
            kinds[0.60 <= lowest <= 0.85].append((size, seed, side))
        interesting, others = sorted(kinds[True])[:INTERESTING], sorted(kinds[False])[:OTHERS]
        together = [one for pair in zip_longest(interesting, others) for one in pair if one is not None]
        CHOSEN.write_text(json.dumps([[seed, side] for _, seed, side in together]) + "\n", encoding="utf-8")
    return [(int(seed), str(side)) for seed, side in json.loads(CHOSEN.read_text(encoding="utf-8"))]


def solve_tree(seed: int, side: str, beds: str) -> dict[str, Any]:
    """One tree's pressures, mmHg, at its centreline points and flows, mL/min, out of its sinks, in 3D."""
    clock = time.perf_counter()
    line: dict[str, Any] = {"seed": seed, "tree": side, "beds": beds}
    try:
        line |= solve_3d(tree_of(seed, side), lumen_surface(heart(seed)), BEDS[beds])
    except HemoError as error:
        line |= {"status": "FAILED", "message": str(error)}
    line["seconds"] = round(time.perf_counter() - clock, 1)
    print(f"tree_solutions: {side} {seed}, {beds}: {line['status']}, {line['seconds']:.0f} s", flush=True)
    return line


def solve_narco(name: str, side: str, beds: str) -> dict[str, Any]:
    """The same of one of the real patient's trees, ``name`` being one of ``NARCO``."""
    clock = time.perf_counter()
    line: dict[str, Any] = {"seed": name, "tree": side, "beds": beds}
    with tempfile.TemporaryDirectory() as folder:
        file = SOURCE
        if name == VIRTUAL:
            surface, ostium = narrowed(Path(folder))
            file = Path(folder) / "case.toml"
            file.write_text(CASE.format(surface=surface, ostium=ostium, cells=CELLS), encoding="utf-8")
        work = Path(folder) / "geometry"  # apart from that of the vessel before it was narrowed
        work.mkdir()
        geometry = load_geometry(read_case(file), file, work)
        assert geometry.surface is not None
        names = [tree.name for tree in geometry.trees]
        tree = geometry.trees[names.index(side) if side in names else 0]
        try:
            line |= solve_3d(tree, geometry.surface, BEDS[beds])
        except HemoError as error:
            line |= {"status": "FAILED", "message": str(error)}
    line["seconds"] = round(time.perf_counter() - clock, 1)
    print(f"tree_solutions: {side} {name}, {beds}: {line['status']}, {line['seconds']:.0f} s", flush=True)
    return line


def solve_3d(tree: VesselTree, surface: Surface, beds: float, cells: float = CELLS) -> dict[str, Any]:
    """What a line holds of a tree in its lumen, with beds that resist so many times as much as at hyperaemia.

    ``cells`` are those across every diameter.
    """
    case = Case.model_validate(
        {
            "case": {"name": "tree"},
            "geometry": {"tree": "none.json"},
            "fem": {"cells_per_diameter": cells, "average_unsteady": False},
        }
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        geometry = Geometry((tree,), surface, orientation_known=False)
        meshed = meshstage.mesh_tree(case, geometry, tree, folder / "tree")
        start = evaluate(meshed.tree, PATIENT, Blood())
        resistance = beds * sink_resistances(meshed.tree, start.conditions)
        conditions = with_resistances(meshed.tree, start.conditions, resistance)
        start = replace(start, conditions=conditions, reduced=solve(meshed.tree, conditions))
        solution = femstages.solve_fem(case, meshed, start, folder / "tree", folder, 1, lambda _: None)
        fem = femresults.with_fem(start, meshed, solution).fem
    found = {"status": solution.status.name, "cells": meshed.info.cells, "geometry": _rounded(meshed.tree)}
    pressures = femresults.branch_pressures(meshed, solution, solution.section_pressure)
    return found | {
        "resistance": [float(f"{value:.8g}") for value in resistance],
        "leaks": [list(place) for place in conditions.leak_places],
        "aortic": conditions.aortic_pressure,
        "venous": conditions.venous_pressure,
        "inlet_ml_min": float(f"{solution.inlet_flow * 6e7:.6g}"),
        "outlets_ml_min": {name: float(f"{flow * 6e7:.6g}") for name, flow in solution.outlet_flow.items()},
        "pressure_mmhg": {name: [round(float(p) / MMHG, 3) for p in values] for name, values in pressures.items()},
        "usable": fem is not None,
    }


def _rounded(tree: VesselTree) -> dict[str, Any]:
    """The tree as it was meshed, which cuts its ends a little, in JSON to a micrometre."""

    def rounded(value: Any) -> Any:
        if isinstance(value, float):
            return float(f"{value:.6g}")
        if isinstance(value, list):
            return [rounded(one) for one in value]
        return {key: rounded(one) for key, one in value.items()} if isinstance(value, dict) else value

    found: dict[str, Any] = rounded(tree_to_json(tree))
    for branch in found["branches"]:
        branch["points_mm"] = [[round(x, 3) for x in point] for point in branch["points_mm"]]
    return found


def records() -> list[dict[str, Any]]:
    """The campaign's lines, those not on record made now."""
    trees = chosen()
    keys = [(seed, side, "hyperaemia") for seed, side in trees]
    keys += [(seed, side, "twice the resistance") for seed, side in trees[:SECOND]]
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
        lines = resumed(
            RECORDS, ("seed", "tree", "beds"), keys, solve_tree, lambda _, missing: pool.map(_solve, missing)
        )
    return list(lines.values())


def _solve(key: tuple[int, str, str]) -> dict[str, Any]:
    return solve_tree(*key)


def fine_records() -> list[dict[str, Any]]:
    """A few of the trees on finer meshes (two to ten minutes each)."""

    def solve(seed: int, side: str, across: float) -> dict[str, Any]:
        line = {"seed": seed, "tree": side, "beds": "hyperaemia", "across": across}
        return line | solve_3d(tree_of(seed, side), lumen_surface(heart(seed)), 1.0, across)

    return list(resumed(FINE_RECORDS, ("seed", "tree", "across"), FINER, solve).values())


def narco_records() -> list[dict[str, Any]]:
    """The lines of the real patient's trees, made now where the record lacks them and there are data."""
    if "HEMO_DATA" not in os.environ:
        return [line for line in map(json.loads, RECORDS.read_text().splitlines()) if line["seed"] in (REAL, VIRTUAL)]
    keys = [(name, side, "hyperaemia") for name, side in NARCO]
    return list(resumed(RECORDS, ("seed", "tree", "beds"), keys, solve_narco).values())


def main(options: Sequence[str] = ()) -> None:
    """Solve what is missing."""
    del options
    records()
    if not narco_records():
        print("tree_solutions: the NARCO trees are skipped, HEMO_DATA is not set and no record is there")
