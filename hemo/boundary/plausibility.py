"""Numbers that no patient has get named, with the range that was measured beside them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.blood import Blood
from hemo.boundary.patient import Physiology
from hemo.boundary.recipe import known_share
from hemo.boundary.scale import left_ventricular_mass
from hemo.boundary.territory import CORONARY
from hemo.results import TreeFlow
from hemo.tree import Branch, VesselTree
from hemo.units import GRAM, ML_PER_MIN

Array = NDArray[Any]

# mL/min per gram of left ventricle. Rest: 0.62 +- 0.13 by magnetic resonance (Brown et al. 2023, Eur Heart J Cardiovasc
# Imaging 24:426) to 1.00 +- 0.26 by positron emission (Camici group 1995), mean -+ 2 SD. Hyperaemia: 1.2 (2.24 - 2 x
# 0.53) to 9.7 (5.9 + 2 x 1.9, Fournier et al. 2021, LAD of controls).
PERFUSION_RANGE = {"rest": (0.36, 1.52), "hyperaemia": (1.2, 9.7)}
# Of vessels at least 2 mm wide, by their healthy diameter. An LAD of 3.7 mm with 149 to 528 mL/min has 260 to 920 at
# 3.5 mPa s; above 1500 the flow of a healthy coronary artery would be without example.
REYNOLDS_LIMIT = 1500.0
# Pa, wall shear stress 32 mu Q / (pi D^3) at the healthy diameter: 1 to 7 Pa is normal at rest (Gijsen et al. 2019, Eur
# Heart J 40:3421), times the flow reserve at hyperaemia.
SHEAR_RANGE = {"rest": (0.2, 7.0), "hyperaemia": (0.6, 25.0)}
WIDE = 2.0e-3  # m
# Reynolds number of the throat's flow, by its diameter, above which jets behind eccentric stenoses break down: 1000 of
# the inlet in a 75 % area stenosis (Varghese, Frankel and Fischer 2007, J Fluid Mech 582:253), 2000 in its throat.
THROAT_REYNOLDS = 2000.0


def implausible(tree: VesselTree, patient: Physiology, blood: Blood, flow: TreeFlow, state: str) -> tuple[str, ...]:
    """One sentence for each number of a solved tree that lies outside what was measured in people."""
    found = list(_reynolds_and_shear(tree, blood, flow, state))
    if patient.territory == CORONARY.name:
        if state == "hyperaemia":
            found += _vessel_flows(tree, flow)
        found += _per_gram(tree, patient, flow, state)
    return tuple(found)


def _vessel_flows(tree: VesselTree, flow: TreeFlow) -> Iterator[str]:
    for name, ((low, high), source) in CORONARY.hyperaemic_range.items():
        if name not in flow.branches:
            continue
        value = float(flow.branches[name].flow[0])
        if not low <= value <= high:
            yield (
                f"{tree.name} tree: {name} carries {value / ML_PER_MIN:.0f} mL/min at hyperaemia; measured are "
                f"{low / ML_PER_MIN:.0f} to {high / ML_PER_MIN:.0f} ({source})."
            )


def _per_gram(tree: VesselTree, patient: Physiology, flow: TreeFlow, state: str) -> Iterator[str]:
    share = known_share(tree, patient)
    if share is None:
        return
    mass = left_ventricular_mass(patient) * share.value / GRAM
    value = float(flow.branches[tree.root.name].flow[0]) / ML_PER_MIN / (1.5 * mass)
    low, high = PERFUSION_RANGE[state]
    if not low <= value <= high:
        yield (
            f"{tree.name} tree: {value:.2f} mL/min per gram of muscle at {state}; measured are {low:g} to {high:g} "
            "(docs/physiology.md)."
        )


def _reynolds_and_shear(tree: VesselTree, blood: Blood, flow: TreeFlow, state: str) -> Iterator[str]:
    for branch in tree.branches:
        healthy = 2.0 * branch.reference_radius
        wide = healthy >= WIDE
        along = np.abs(flow.branches[branch.name].flow)
        if wide.any():
            yield from _healthy_part(tree, branch, blood, along[wide], healthy[wide], state)
        for lesion in tree.lesions_on(branch.name):
            throat = math.sqrt(4.0 * lesion.minimal_lumen_area / math.pi)
            passing = float(np.interp(lesion.minimum, branch.arc, along))
            reynolds = blood.reynolds(passing, throat)
            if reynolds > THROAT_REYNOLDS:
                yield (
                    f"{tree.name} tree, {lesion.id}: the Reynolds number in the throat is {reynolds:.0f}; above "
                    f"{THROAT_REYNOLDS:.0f} the jet behind it may be unsteady and lose more pressure than is computed."
                )


def _healthy_part(
    tree: VesselTree, branch: Branch, blood: Blood, flow: Array, diameter: Array, state: str
) -> Iterator[str]:
    reynolds = float(blood.reynolds(flow, diameter).max())
    if reynolds > REYNOLDS_LIMIT:
        yield (
            f"{tree.name} tree, {branch.name}: the Reynolds number reaches {reynolds:.0f} at {state}; healthy "
            f"arteries stay "
            f"below {REYNOLDS_LIMIT:.0f}."
        )
    shear = float(np.median(32.0 * blood.viscosity * flow / (math.pi * diameter**3)))
    low, high = SHEAR_RANGE[state]
    if not low <= shear <= high:
        yield (
            f"{tree.name} tree, {branch.name}: wall shear stress of {shear:.2g} Pa at {state} by its healthy "
            f"diameter; usual "
            f"are {low:g} to {high:g} Pa."
        )
