"""The flow stage of a run: what the case says of the patient, evaluated by the reduced model."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

from hemo.boundary import Assumption, Physiology
from hemo.case import Case
from hemo.evaluation import evaluate
from hemo.reduced.budget import Spread, flow_spread
from hemo.summary import DENSITY, STATE, THINNING, VISCOSITY
from hemo.tree import VesselTree
from hemo.treesummary import TreeResult
from hemo.units import MILLIMETRE

log = logging.getLogger(__name__)


def solve_reduced(
    case: Case, tree: VesselTree, voxel: float | None = None, perfusion: Mapping[str, float] | None = None
) -> TreeResult:
    """Rest and hyperaemia by the reduced model, and how sure its FFR is; it also starts the finite elements.

    ``voxel`` is the image's spacing, m, which the calibres cannot be surer than; None without an image. ``perfusion``
    is the flow of each vessel's territory, m^3/s, in the state of the case's map.
    """
    patient = case.physiology()
    if perfusion is not None and case.perfusion is not None:
        patient = replace(patient, perfusion=perfusion, perfusion_state=case.perfusion.state)
    by_image = voxel / 4.0 if voxel else Spread.lumen_diameter
    spread = Spread(lumen_diameter=case.uncertainty.lumen_diameter or by_image)
    if case.fluid().thinning is not None:
        log.warning(
            "%s tree: the reduced model takes blood's viscosity at high shear; blood that thins resists more.",
            tree.name,
        )
    subtracted = patient.venous if case.lesion.definition != "Pd/Pa" else 0.0
    result = evaluate(tree, patient, case.fluid(), case.reading(), spread, subtracted)
    known = "case file" if "state" in case.flow.model_fields_set else "default"
    state = Assumption(STATE, patient.state, "", known)
    rows = (state, *_blood_rows(case), *_spread_rows(case, patient, tree, spread, voxel))
    return replace(result, assumptions=(*result.assumptions, *rows))


def _blood_rows(case: Case) -> tuple[Assumption, ...]:
    """What blood is taken to be, and by which model."""
    fluid = case.fluid()

    def source(name: str, default: str) -> str:
        return "case file" if name in case.blood.model_fields_set else f"default: {default}"

    rows = [
        Assumption(DENSITY, fluid.density, "kg/m^3", source("density", "usual value")),
        Assumption(VISCOSITY, 1e3 * fluid.viscosity, "mPa s", source("viscosity", "usual value, high shear")),
    ]
    if fluid.thinning is not None:
        law, cited = fluid.thinning, "Cho and Kensey 1991, not confirmed"
        rows += [
            Assumption(f"{THINNING} {name} (3D only)", value, unit, source(key, cited))
            for key, name, value, unit in (
                ("zero_shear_viscosity", "viscosity without shear", 1e3 * law.zero_shear, "mPa s"),
                ("relaxation_time", "relaxation time", law.time, "s"),
                ("transition", "exponent a", law.transition, ""),
                ("power_index", "exponent n", law.index, ""),
            )
        ]
    return tuple(rows)


def _spread_rows(
    case: Case, patient: Physiology, tree: VesselTree, spread: Spread, voxel: float | None
) -> tuple[Assumption, ...]:
    reason = "a quarter of a voxel" if voxel else "no image to tell"
    source = "case file" if case.uncertainty.lumen_diameter else f"default: hemo's own, {reason}"
    return (
        Assumption("standard deviation of the lumen's diameter", spread.lumen_diameter / MILLIMETRE, "mm", source),
        Assumption(
            "standard deviation of the logarithm of the flow",
            flow_spread(tree, patient),
            "",
            "default: Gallinoro 2023, Fournier 2021, ILIAS registry (docs/physiology.md)",
        ),
    )
