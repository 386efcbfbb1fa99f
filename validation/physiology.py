"""How far each physiological choice moves FFR: the lesions of ten random trees, one choice changed at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from hemo.blood import Blood
from hemo.boundary import Physiology, aortic_pressure
from hemo.geometry.lesion import with_reference_and_lesions
from hemo.geometry.synthetic.random_trees import random_heart
from hemo.geometry.truncate import truncate
from hemo.indices import Reading, lesion_pressure
from hemo.reduced import LossOptions, solve, solve_states
from hemo.reduced.budget import with_calibre
from hemo.tree import VesselTree
from hemo.units import GRAM, ML_PER_MIN, MMHG
from validation.table import Table, publish

PATIENT = Physiology(
    systolic=128 * MMHG, diastolic=76 * MMHG, heart_rate=66 / 60.0, myocardial_mass=135 * GRAM, scale="mass"
)
MEAN = aortic_pressure(PATIENT)


@dataclass(frozen=True)
class Choice:
    """One thing done otherwise; what is not given stays as it is."""

    patient: Physiology = PATIENT
    reading: Reading = field(default_factory=Reading)
    blood: Blood = field(default_factory=Blood)
    losses: LossOptions | None = None
    subtracted: float = 0.0
    change: Callable[[VesselTree], VesselTree] | None = None


def _with(**change: object) -> Choice:
    return Choice(patient=replace(PATIENT, **change))  # type: ignore[arg-type]


CHOICES: dict[str, Choice] = {
    "resistance reserve 4.4 (healthy) instead of 3.0": _with(resistance_reserve=4.4),
    "resistance reserve 4.76 (TCRI 0.21)": _with(resistance_reserve=1 / 0.21),
    "resistance reserve 1.9 (dysfunction)": _with(resistance_reserve=1.9),
    "resistance reserve 2.32 and 3.86 (quartiles), lower": _with(resistance_reserve=2.32),
    "resistance reserve 2.32 and 3.86 (quartiles), upper": _with(resistance_reserve=3.86),
    "resting flow + 24 % (one SD among patients)": _with(rest_flow=1.24 * 198 * ML_PER_MIN, scale="measured"),
    "resting flow - 24 %": _with(rest_flow=0.76 * 198 * ML_PER_MIN, scale="measured"),
    "flow from rate, pressure and mass": _with(scale="rate and pressure"),
    "flow from a cardiac output of 4.25 L/min": _with(cardiac_output=4250 * ML_PER_MIN, scale="cardiac output"),
    "left dominance": _with(dominance="left"),
    "co-dominance": _with(dominance="co-dominant"),
    "exponent 2.24": _with(exponent=2.24),
    "exponent 2.54": _with(exponent=2.54),
    "exponent 3 (Murray)": _with(exponent=3.0),
    "no leakage along tapers": _with(leakage=False),
    "venous pressure 0": _with(venous_pressure=0.0),
    "venous pressure 10 mmHg": _with(venous_pressure=10 * MMHG),
    "(Pd - Pv) / (Pa - Pv) instead of Pd/Pa": Choice(subtracted=5 * MMHG),
    "mean pressure by a third of the pulse pressure instead of 0.40": _with(mean_pressure=(76 + 52 / 3) * MMHG),
    "aortic pressure at hyperaemia 10 % lower": _with(hyperaemic_mean_pressure=0.9 * MEAN),
    "read 10 mm beyond the lesion": Choice(reading=Reading(10e-3)),
    "read 30 mm beyond the lesion": Choice(reading=Reading(30e-3)),
    "viscosity 4.0 mPa s": Choice(blood=Blood(viscosity=4.0e-3)),
    "lesions lose 1.2 times as much": Choice(losses=LossOptions(expansion=1.2)),
    "lumen 0.1 mm wider": Choice(change=lambda tree: with_calibre(tree, 0.1e-3)),
    "lumen 0.1 mm narrower": Choice(change=lambda tree: with_calibre(tree, -0.1e-3)),
}


def lesions_ffr(tree: VesselTree, choice: Choice) -> NDArray[np.float64]:
    """FFR distal to each lesion of a tree."""
    changed = tree if choice.change is None else choice.change(tree)
    states = solve_states(changed, choice.patient, choice.blood)
    flow = states.hyperaemia
    if choice.losses is not None:
        flow = solve(changed, states.hyperaemia_conditions, choice.blood, choice.losses)
    flow = replace(flow, subtracted=choice.subtracted)
    return np.array([lesion_pressure(changed, item, flow, None, choice.reading).distal for item in changed.lesions])


def trees(count: int = 10) -> list[VesselTree]:
    """Trees of random hearts, left and right in turn, with at least one lesion."""
    found: list[VesselTree] = []
    seed = 300
    while len(found) < count:
        side = ("left", "right")[len(found) % 2]
        tree = next(tree for tree in random_heart(seed).trees if tree.name == side)
        tree = truncate(with_reference_and_lesions(tree), 1.5e-3)
        if tree.lesions:
            found.append(tree)
        seed += 1
    return found


def main() -> None:
    """Fill the section ``physiology`` of docs/physiology.md."""
    ten = trees()
    base = np.concatenate([lesions_ffr(tree, Choice()) for tree in ten])
    grey = (base > 0.6) & (base < 0.9)
    rows = []
    for name, choice in CHOICES.items():
        change = np.concatenate([lesions_ffr(tree, choice) for tree in ten]) - base
        crossed = int(((base + change <= 0.8) != (base <= 0.8)).sum())
        rows.append(
            (
                name,
                f"{change.mean():+.3f}",
                f"{change[grey].mean():+.3f}",
                f"{change[int(np.abs(change).argmax())]:+.3f}",
                f"{crossed}",
            )
        )
    columns = (
        "choice",
        "mean change of FFR",
        f"mean where FFR is 0.60 to 0.90 ({int(grey.sum())} lesions)",
        "largest change",
        "lesions that cross 0.80",
    )
    note = (
        f"{len(base)} lesions of ten random trees (seeds from 300, left and right in turn), FFR {base.min():.2f} to "
        f"{base.max():.2f} by the defaults: 135 g, 128/76 mmHg, resistance reserve 3.0, right dominance. Reduced model."
    )
    publish(Table("physiology", columns, tuple(rows), note), "physiology.md")
