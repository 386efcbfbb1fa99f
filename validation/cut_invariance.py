"""Where the segmentation is cut must not decide FFR: the reduced model on trees cut at 1.2, 1.5 and 2.0 mm."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hemo.blood import Blood
from hemo.boundary import Physiology
from hemo.case import read_case
from hemo.geometry.lesion import with_reference_and_lesions
from hemo.geometry.synthetic.random_trees import random_heart
from hemo.geometry.truncate import truncate
from hemo.indices import Reading, lesion_pressure
from hemo.reduced import solve_states
from hemo.stages import load_geometry
from hemo.tree import VesselTree
from hemo.units import GRAM, MMHG
from validation.narco_trees import CASES
from validation.table import Table, publish

CUTS = (1.2e-3, 1.5e-3, 2.0e-3)  # m
TREES = int(os.environ.get("HEMO_CUT_TREES", "50"))
PATIENT = Physiology(systolic=128 * MMHG, diastolic=76 * MMHG, myocardial_mass=135 * GRAM)
GOAL = 0.01


@dataclass(frozen=True)
class Moved:
    """A lesion's FFR at the same place for each cut, and by the rule, where the place may move.

    ``lost`` says that a cut takes another stenosis of at least 40 % of the tree away.
    """

    tree: str
    lesion: str
    lost: bool
    same_place: tuple[float, ...]
    by_rule: tuple[float, ...]

    @property
    def change(self) -> float:
        """Largest difference between cuts."""
        return max(self.by_rule) - min(self.by_rule)


def moved(name: str, tree: VesselTree, patient: Physiology = PATIENT) -> list[Moved]:
    """Every lesion that all cuts keep."""
    cut = [truncate(tree, diameter) for diameter in CUTS]
    flows = [solve_states(one, patient, Blood()).hyperaemia for one in cut]
    kept = set.intersection(*({lesion.id for lesion in one.lesions} for one in cut))
    lost = any(lesion.id not in kept and lesion.diameter_stenosis >= 0.4 for lesion in tree.lesions)
    found = []
    for lesion in tree.lesions:
        if lesion.id not in kept:
            continue
        rule = [lesion_pressure(one, lesion, flow, None) for one, flow in zip(cut, flows, strict=True)]
        place = min(read.place for read in rule)
        at = Reading(wire={lesion.branch: place})
        same = [lesion_pressure(one, lesion, flow, None, at).distal for one, flow in zip(cut, flows, strict=True)]
        found.append(Moved(name, lesion.id, lost, tuple(same), tuple(read.distal for read in rule)))
    return found


def synthetic(count: int) -> list[Moved]:
    """Random hearts' trees, left and right in turn, by their own sections and fitted healthy calibres."""
    found = []
    for seed in range(count):
        side = ("left", "right")[seed % 2]
        heart = random_heart(seed)
        tree = next(tree for tree in heart.trees if tree.name == side)
        found += moved(f"{side} {seed}", with_reference_and_lesions(tree))
    return found


def narco() -> list[Moved]:
    """The NARCO patient's trees, found without a cut."""
    file = CASES / "label_map.toml"
    case = read_case(file)
    case = case.model_copy(
        update={
            "geometry": case.geometry.model_copy(update={"minimal_outlet_diameter": 0.5e-3}),
            "lesion": case.lesion.model_copy(update={"minimal_stenosis": 0.2}),
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        trees = load_geometry(case, file, Path(folder)).trees
    return [item for tree in trees for item in moved(f"NARCO {tree.name}", tree)]


def row(name: str, lesions: list[Moved]) -> tuple[str, ...]:
    """One line of the table."""
    change = np.array([item.change for item in lesions])
    same = np.array([max(item.same_place) - min(item.same_place) for item in lesions])
    worst = lesions[int(change.argmax())]
    values = np.array([item.by_rule[1] for item in lesions])
    return (
        name,
        str(len(lesions)),
        f"{values.min():.2f} to {values.max():.2f}",
        f"{same.max():.4f}",
        f"{np.median(change):.4f}",
        f"{np.quantile(change, 0.95):.4f}",
        f"{change.max():.4f} ({worst.tree}, {worst.lesion})",
        f"{int((change > GOAL).sum())}",
    )


def main() -> None:
    """Fill the section ``cut_invariance`` of docs/benchmarks.md."""
    lesions = synthetic(TREES)
    rows = [
        row(f"{TREES} synthetic trees", lesions),
        row("... in which no cut takes a stenosis of 40 % away", [item for item in lesions if not item.lost]),
    ]
    if "HEMO_DATA" in os.environ:
        found = narco()
        if found:
            rows.append(row("NARCO, both trees (lesions from 20 % on)", found))
    columns = (
        "trees",
        "lesions",
        "FFR",
        "largest change at one place",
        "median change",
        "95th percentile",
        "largest change",
        "above 0.01",
    )
    note = (
        "Each tree is cut at a healthy diameter of 1.2, 1.5 and 2.0 mm; the change is the difference between "
        "the largest "
        "and the smallest FFR of a lesion over the three, read by the rule (20 mm beyond the lesion, which a cut may "
        "shorten) and at one place that all three trees have. Reduced model at hyperaemia."
    )
    publish(Table("cut_invariance", columns, tuple(rows), note))
