"""Rest and hyperaemia of one tree by the reduced model, with all that FFR is read with; no case file, no geometry."""

from __future__ import annotations

import logging
from dataclasses import replace

from hemo.blood import Blood
from hemo.boundary import Physiology, assumptions, resistance_reserve
from hemo.boundary.patient import Microvasculature
from hemo.boundary.plausibility import implausible
from hemo.errors import InputError
from hemo.indices import Reading
from hemo.reduced import LossOptions, States, solve, solve_states
from hemo.reduced.beds import hyperaemic_conditions
from hemo.reduced.budget import Spread, error_budget
from hemo.reduced.pulsatile import RestingRatios, lesion_ratios, tree_beat
from hemo.results import TreeFlow
from hemo.tree import VesselTree
from hemo.treesummary import TreeResult

log = logging.getLogger(__name__)


def evaluate(
    tree: VesselTree,
    patient: Physiology,
    blood: Blood,
    reading: Reading | None = None,
    spread: Spread | None = None,
    subtracted: float = 0.0,
    options: LossOptions | None = None,
) -> TreeResult:
    """Both states of a tree, its resting beat, its FFR's error budget, and FFR with other people's microvasculature.

    Parameters
    ----------
    reading
        Where a lesion's FFR is read.
    spread
        Standard deviations of what the error budget changes.
    subtracted
        Venous pressure that is taken off both pressures of FFR, Pa.
    options
        Of the loss law, with the tree's calibration where there is one.
    """
    reading, spread = reading or Reading(), spread or Spread()
    states = solve_states(tree, patient, blood, options)
    rest, hyperaemia = (replace(flow, subtracted=subtracted) for flow in (states.rest, states.hyperaemia))
    at_hyperaemia = patient.state == "hyperaemia"
    flow, conditions = hyperaemia if at_hyperaemia else rest, states.of(patient.state)[1]
    for sentence in implausible(tree, patient, blood, flow, patient.state):
        log.warning("%s", sentence)
    return TreeResult(
        tree=tree,
        assumptions=assumptions(tree, patient, conditions),
        conditions=conditions,
        reduced=flow,
        reduced_rest=rest,
        reduced_hyperaemia=hyperaemia,
        other_reserves=_other_reserves(tree, patient, blood, subtracted, options) if at_hyperaemia else {},
        budgets=error_budget(tree, patient, blood, conditions, flow, reading, spread, options),
        resting=_resting(tree, patient, blood, states, reading, options),
    )


def _resting(
    tree: VesselTree,
    patient: Physiology,
    blood: Blood,
    states: States,
    reading: Reading,
    options: LossOptions | None,
) -> dict[str, RestingRatios]:
    """Pressure ratios of a beat at rest beyond each lesion, where what drives it is known."""
    if not patient.has_beat or not tree.lesions or (patient.inflow is not None and patient.state != "rest"):
        return {}
    try:
        found = tree_beat(tree, patient, states.rest_conditions, blood, options=options)
    except InputError as error:  # a mean pressure or a heart rate that no beat has
        log.warning("%s tree: no beat at rest, so no diastolic ratio is given: %s", tree.name, error)
        return {}
    if not found.periodic:
        log.warning("%s tree: the beat at rest did not become periodic, so no diastolic ratio is given.", tree.name)
        return {}
    return lesion_ratios(tree, found.beat, found.pressure, reading)


def _other_reserves(
    tree: VesselTree, patient: Physiology, blood: Blood, subtracted: float, options: LossOptions | None
) -> dict[tuple[str, float], TreeFlow]:
    """Hyperaemia with the microvasculature of others, where the patient's own was not measured."""
    if patient.resistance_reserve is not None or patient.flow_reserve is not None or patient.inlet_flow is not None:
        return {}
    found: dict[tuple[str, float], TreeFlow] = {}
    kinds: tuple[Microvasculature, ...] = ("patient", "healthy", "dysfunction")
    for kind in kinds:
        other = replace(patient, microvasculature=kind, microcirculatory_resistance_index=None)
        flow = solve(tree, hyperaemic_conditions(tree, other, blood, options), blood, options)
        found[kind, resistance_reserve(other).value] = replace(flow, subtracted=subtracted)
    return found
