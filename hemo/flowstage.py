"""The flow stage of a run: rest and hyperaemia by the reduced model, what is implausible in it, and how sure it is."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

from hemo.blood import Blood
from hemo.boundary import Assumption, Physiology, assumptions, resistance_reserve, side_of
from hemo.boundary.patient import Microvasculature
from hemo.boundary.plausibility import implausible
from hemo.boundary.territory import CORONARY
from hemo.case import Case
from hemo.indices import Reading, measurement_place
from hemo.reduced import States, solve, solve_states
from hemo.reduced.beds import hyperaemic_conditions
from hemo.reduced.budget import Spread, error_budget, flow_spread
from hemo.reduced.pulsatile import RestingRatios, resting_ratios, solve_beat
from hemo.reduced.waveform import DEFAULT_RATE, SQUEEZE, heart_beat
from hemo.results import TreeFlow
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
    patient, blood = case.physiology(), case.fluid()
    if perfusion is not None and case.perfusion is not None:
        patient = replace(patient, perfusion=perfusion, perfusion_state=case.perfusion.state)
    states = solve_states(tree, patient, blood)
    subtracted = patient.venous if case.lesion.definition != "Pd/Pa" else 0.0
    rest, hyperaemia = (replace(flow, subtracted=subtracted) for flow in (states.rest, states.hyperaemia))
    at_hyperaemia = patient.state == "hyperaemia"
    flow, conditions = hyperaemia if at_hyperaemia else rest, states.of(patient.state)[1]
    for sentence in implausible(tree, patient, blood, flow, patient.state):
        log.warning("%s", sentence)
    by_image = voxel / 4.0 if voxel else Spread.lumen_diameter
    spread = Spread(lumen_diameter=case.uncertainty.lumen_diameter or by_image)
    return TreeResult(
        tree=tree,
        assumptions=(*assumptions(tree, patient, conditions), *_spread_rows(case, patient, tree, spread, voxel)),
        conditions=conditions,
        reduced=flow,
        reduced_rest=rest,
        reduced_hyperaemia=hyperaemia,
        other_reserves=_other_reserves(tree, patient, blood, subtracted) if at_hyperaemia else {},
        budgets=error_budget(tree, patient, blood, conditions, flow, case.reading(), spread),
        resting=_resting(tree, patient, blood, states, case.reading()),
    )


def _resting(
    tree: VesselTree, patient: Physiology, blood: Blood, states: States, reading: Reading
) -> dict[str, RestingRatios]:
    """Pressure ratios of a beat at rest beyond each lesion, where the cuff's pressures and a coronary bed are given."""
    if None in (patient.systolic, patient.diastolic) or patient.inlet_flow is not None or not tree.lesions:
        return {}
    if patient.territory != CORONARY.name:
        return {}
    assert patient.systolic is not None and patient.diastolic is not None
    beat = heart_beat(
        patient.systolic, patient.diastolic, states.rest.aortic_pressure, patient.heart_rate or DEFAULT_RATE
    )
    found = solve_beat(tree, states.rest_conditions, beat, blood, SQUEEZE[side_of(tree) or "left"])
    if not found.periodic:
        log.warning("%s tree: the beat at rest did not become periodic, so no diastolic ratio is given.", tree.name)
        return {}
    return {
        lesion.id: resting_ratios(found, tree[lesion.branch], measurement_place(tree[lesion.branch], lesion, reading))
        for lesion in tree.lesions
    }


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


def _other_reserves(
    tree: VesselTree, patient: Physiology, blood: Blood, subtracted: float
) -> dict[tuple[str, float], TreeFlow]:
    """Hyperaemia with the microvasculature of others, where the patient's own was not measured."""
    if patient.resistance_reserve is not None or patient.flow_reserve is not None or patient.inlet_flow is not None:
        return {}
    found: dict[tuple[str, float], TreeFlow] = {}
    kinds: tuple[Microvasculature, ...] = ("patient", "healthy", "dysfunction")
    for kind in kinds:
        other = replace(patient, microvasculature=kind, microcirculatory_resistance_index=None)
        flow = solve(tree, hyperaemic_conditions(tree, other, blood), blood)
        found[kind, resistance_reserve(other).value] = replace(flow, subtracted=subtracted)
    return found
