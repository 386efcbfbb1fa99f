"""A simulated study of 300 virtual patients: CT-FFR against a wire, with the truth known.

``virtual_study`` reads what this makes. Every patient has a random heart (:mod:`hemo.geometry.synthetic`) and a
microcirculation of its own, drawn from the spreads that ``hemo uncertainty`` works with. The truth is the reduced model
calibrated to 3D: each vessel and lesion has the loss of one of the 42 trees that were solved in three dimensions
(``tree_solutions``), drawn at random. What hemo is given is what a clinic has: a lumen read from CT with an
error, a cuff's pressure, the population's resistance reserve. In a quarter of the patients calcium makes the lumen look
a tenth of a millimetre narrower, which is the subgroup that a study should find.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import cache
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.blood import Blood
from hemo.errors import HemoError
from hemo.geometry.lesion import with_reference_and_lesions
from hemo.geometry.synthetic.anatomy import GeneratorOptions
from hemo.geometry.synthetic.random_trees import random_heart
from hemo.geometry.truncate import truncate
from hemo.reduced import LossOptions, solve, solve_states
from hemo.reduced.beds import with_resistances
from hemo.reduced.budget import flow_spreads
from hemo.reduced.network import sink_resistances
from hemo.results import TreeFlow
from hemo.tree import Branch, VesselTree
from hemo.treecalibration import Calibration
from hemo.uncertainty import Distribution, Doubts, uncertainty
from validation.campaign import resumed
from validation.reduced_trees import calibrated, solved
from validation.table import DOCS
from validation.tree_solutions import PATIENT, records

Array = NDArray[Any]
RECORDS = DOCS.parent / "validation" / "records" / "virtual_cohort.jsonl"
PATIENTS = range(300)
PROCESSES = 2
FIRST_SEED = 7000  # no fit has seen these hearts
OPTIONS = GeneratorOptions(lesions=(1, 4), severity=(0.25, 0.70))
SAMPLES = 64
CALCIFIED, BLOOMING = 0.25, 0.1e-3  # part of the patients; m of the diameter that CT loses there
UNREADABLE = 0.08  # part of the vessels whose CT cannot be evaluated


@cache
def donors() -> tuple[Array, Array]:
    """(p, 3) of branches beside their lesions and (q, 3) of lesions: friction's factor, the lesion's, kinetic losses.

    Means over a branch's or a lesion's intervals: what the fit takes from one piece and gives to the next is not
    scattered twice.
    """
    beside, within = [], []
    for one in (solved(line) for line in records() if line["status"] == "CONVERGED" and line["beds"] == "hyperaemia"):
        found = calibrated(one).calibration
        assert found is not None
        each = np.stack([found.friction, found.lesion, found.kinetic], axis=1)
        begun = 0
        for branch in one.tree.branches:
            middle = 0.5 * (branch.arc[1:] + branch.arc[:-1])
            own, free = each[begun : begun + len(middle)], np.ones(len(middle), dtype=bool)
            begun += len(middle)
            for lesion in one.tree.lesions_on(branch.name):
                inside = (middle > lesion.start) & (middle < lesion.end)
                within.append(own[inside].mean(axis=0))
                free &= ~inside
            if free.any():
                beside.append(own[free].mean(axis=0))
    return np.array(beside), np.array(within)


def own_losses(tree: VesselTree, rng: np.random.Generator) -> LossOptions:
    """Every branch with the losses of a branch, every lesion with those of a lesion, drawn at random."""
    beside, within = donors()
    drawn = []
    for branch in tree.branches:
        middle = 0.5 * (branch.arc[1:] + branch.arc[:-1])
        each = np.repeat(beside[rng.integers(len(beside))][None], len(middle), axis=0)
        for lesion in tree.lesions_on(branch.name):
            each[(middle > lesion.start) & (middle < lesion.end)] = within[rng.integers(len(within))]
        drawn.append(each)
    return LossOptions(calibration=Calibration(*np.concatenate(drawn).T))


def read_from_ct(tree: VesselTree, doubts: Doubts, bias: float, rng: np.random.Generator) -> VesselTree:
    """The tree with the lumen's error: a part that is the same everywhere, one that is not, and a bias, m."""
    whole = doubts.spread.lumen_diameter
    shared = whole * np.sqrt(doubts.common) * rng.normal() + bias
    branches = []
    for branch in tree.branches:
        distance = np.subtract.outer(branch.arc, branch.arc)
        covariance = np.exp(-0.5 * (distance / doubts.correlation) ** 2)
        local = whole * np.sqrt(1.0 - doubts.common) * rng.multivariate_normal(np.zeros(len(distance)), covariance)
        branches.append(_resized(branch, np.maximum(1.0 + (shared + local) / branch.diameter, 0.4)))
    return with_reference_and_lesions(replace(tree, branches=tuple(branches), lesions=()))


def _resized(branch: Branch, factor: Array) -> Branch:
    return replace(branch, radius=branch.radius * factor, area=branch.area * factor**2)


def true_flow(tree: VesselTree, doubts: Doubts, rng: np.random.Generator) -> TreeFlow:
    """Hyperaemia of this very patient."""
    own, reserve = flow_spreads(tree, PATIENT)
    exponent = PATIENT.division_exponent + doubts.spread.exponent * rng.normal()
    conditions = solve_states(tree, replace(PATIENT, exponent=exponent), Blood()).hyperaemia_conditions
    aortic = conditions.aortic_pressure + doubts.pressure * rng.normal()
    drive = (aortic - conditions.venous_pressure) / (conditions.aortic_pressure - conditions.venous_pressure)
    more = np.exp(own * rng.normal() + reserve * rng.normal())
    conditions = with_resistances(tree, conditions, sink_resistances(tree, conditions) * drive / more)
    blood = Blood(viscosity=Blood().viscosity * float(np.exp(doubts.viscosity * rng.normal())))
    return solve(tree, replace(conditions, aortic_pressure=aortic), blood, own_losses(tree, rng))


def patient(number: int) -> dict[str, Any]:
    """A line of the record: the patient's lesions with the truth and with what hemo makes of the CT."""
    logging.getLogger("hemo").setLevel(logging.ERROR)
    rng, doubts = np.random.default_rng([FIRST_SEED, number]), Doubts()
    heart = random_heart(FIRST_SEED + number, OPTIONS)
    calcified = bool(rng.random() < CALCIFIED)
    line: dict[str, Any] = {"patient": number, "calcified": calcified, "sex": "fm"[int(rng.random() < 0.7)]}
    lesions: list[dict[str, Any]] = []
    for whole in heart.trees:
        try:
            tree = truncate(with_reference_and_lesions(whole), 1.5e-3)
            truth = true_flow(tree, doubts, rng)
            scan = read_from_ct(tree, doubts, -BLOOMING if calcified else 0.0, rng)
            found = uncertainty(scan, PATIENT, samples=SAMPLES, seed=number)
        except HemoError as error:
            lesions.append({"lesion": whole.name, "reason": str(error)})
            continue
        lesions += [_lesion(tree, truth, one, rng) for one in found.lesions]
    return line | {"lesions": lesions}


def _lesion(tree: VesselTree, truth: TreeFlow, found: Distribution, rng: np.random.Generator) -> dict[str, Any]:
    true = float(np.interp(found.place, tree[found.branch].arc, truth.ffr(found.branch)))
    values = {"true": true, "computed": found.value, "low": found.interval[0], "high": found.interval[1]}
    rounded = {name: round(value, 5) for name, value in values.items()}
    return {"lesion": found.name, **rounded, "evaluable": bool(rng.random() >= UNREADABLE)}


def cohort() -> list[dict[str, Any]]:
    """The record's lines, those not on it made now."""
    keys = [(number,) for number in PATIENTS]
    with get_context("spawn").Pool(PROCESSES) as pool:
        lines = resumed(RECORDS, ("patient",), keys, patient, lambda _, missing: pool.imap(_patient, missing))
    return list(lines.values())


def _patient(key: tuple[int]) -> dict[str, Any]:
    return patient(*key)
