"""Microvascular resistances that the epicardial vessels' own losses are taken account of in.

``hemo.boundary`` gives every bed the resistance that passes its flow under the whole driving pressure. Where the
vessels take a part of that pressure, the beds of a living heart open until they have their flow (autoregulation), as
far as they can: fully open they are at hyperaemia.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.blood import Blood
from hemo.boundary import (
    FlowConditions,
    Physiology,
    State,
    aortic_pressure,
    demand,
    flow_conditions,
    healthy_tails,
    resistance_reserve,
)
from hemo.errors import InputError
from hemo.reduced.losses import LossOptions
from hemo.reduced.network import sink_resistances, solve_sinks
from hemo.results import TreeFlow
from hemo.tree import VesselTree

Array = NDArray[Any]

TOLERANCE = 1e-9  # relative change of a bed's resistance
MAX_ROUNDS = 200


@dataclass(frozen=True)
class States:
    """A tree at rest and at hyperaemia: the conditions of each, and the reduced model's flow under them."""

    rest: TreeFlow
    rest_conditions: FlowConditions
    hyperaemia: TreeFlow
    hyperaemia_conditions: FlowConditions

    def of(self, state: State) -> tuple[TreeFlow, FlowConditions]:
        """One state's flow and conditions."""
        if state == "hyperaemia":
            return self.hyperaemia, self.hyperaemia_conditions
        return self.rest, self.rest_conditions


def solve_states(tree: VesselTree, patient: Physiology, blood: Blood, options: LossOptions | None = None) -> States:
    """Rest and hyperaemia of one patient's tree.

    At rest the beds take the flow they ask for as long as they can open (:func:`autoregulated`); at hyperaemia they are
    fully open. Where the flow was measured at hyperaemia, the open beds are those that let it through
    (:func:`matched`). A prescribed inlet flow is held in both.
    """
    known = demand(tree, patient)
    rest, open_beds = (
        flow_conditions(tree, patient, "rest", blood),
        hyperaemic_conditions(tree, patient, blood, options),
    )
    if known.prescribed:
        flows = [solve_sinks(tree, conditions, blood, options)[0] for conditions in (rest, open_beds)]
        return States(flows[0], rest, flows[1], open_beds)
    asked = known.flows.in_order
    if known.state == "hyperaemia":
        whole = sink_resistances(tree, open_beds) + healthy_tails(tree, known.flows, blood.viscosity).in_order
        drive = aortic_pressure(patient, "rest") - patient.venous
        asked = drive / (whole * resistance_reserve(patient).value)
    at_rest, rest_conditions = autoregulated(tree, asked, rest, open_beds, blood, options)
    return States(at_rest, rest_conditions, solve_sinks(tree, open_beds, blood, options)[0], open_beds)


def hyperaemic_conditions(
    tree: VesselTree, patient: Physiology, blood: Blood, options: LossOptions | None = None
) -> FlowConditions:
    """The conditions with every bed fully open."""
    known, open_beds = demand(tree, patient), flow_conditions(tree, patient, "hyperaemia", blood)
    if known.prescribed or known.state == "rest":
        return open_beds
    return matched(tree, known.flows.in_order, open_beds, blood, options)


def unopened(tree: VesselTree, patient: Physiology, blood: Blood, options: LossOptions | None = None) -> Array:
    """(sinks,) resistance of the beds at rest with nothing narrow before them, Pa s / m^3."""
    if demand(tree, patient).state == "hyperaemia":
        open_beds = hyperaemic_conditions(tree, patient, blood, options)
        return resistance_reserve(patient).value * sink_resistances(tree, open_beds)
    return sink_resistances(tree, flow_conditions(tree, patient, "rest", blood))


def autoregulated(
    tree: VesselTree,
    asked: Array,
    start: FlowConditions,
    open_beds: FlowConditions,
    blood: Blood,
    options: LossOptions | None = None,
) -> tuple[TreeFlow, FlowConditions]:
    """The state in which every bed takes the flow it asks for, or is fully open.

    Parameters
    ----------
    asked
        (sinks,) flow that each outlet, and then each leak, asks for, m^3/s.
    start
        Pressures, and resistances that are not too small.
    open_beds
        The least resistances the beds can have.

    Returns
    -------
    The flow, and the conditions with the resistances that the beds found: at each, the larger of (p - Pv) / Q with the
    flow Q that it asks for, and of its least.
    """
    least = sink_resistances(tree, open_beds)
    resistance = np.maximum(sink_resistances(tree, start), least)
    for _ in range(MAX_ROUNDS):
        conditions = with_resistances(tree, start, resistance)
        flow, sinks = solve_sinks(tree, conditions, blood, options)
        wanted = np.maximum(resistance * sinks / asked, least)  # (p - Pv) / Q
        if np.abs(wanted / resistance - 1.0).max() <= TOLERANCE:
            break
        resistance = wanted
    return flow, conditions


def matched(
    tree: VesselTree, flows: Array, start: FlowConditions, blood: Blood, options: LossOptions | None = None
) -> FlowConditions:
    """The conditions under which every bed takes its flow (sinks,), m^3/s, whatever the vessels before it lose.

    For flows measured in a diseased tree: its beds resist less than the flows under the full pressure would say.

    Raises
    ------
    InputError
        If the vessels lose so much that the flow cannot reach a bed.
    """
    least = 1e-3 * sink_resistances(tree, start)
    found = autoregulated(tree, flows, start, with_resistances(tree, start, least), blood, options)[1]
    for name, value, floor in zip(tree.outlets, sink_resistances(tree, found), least, strict=False):
        if value <= floor:
            raise InputError(
                f"tree {tree.name!r}: the flow given cannot reach {name!r}: the vessels before it would take the whole "
                "pressure; check the flow, its unit and the lumen."
            )
    return found


def with_resistances(tree: VesselTree, conditions: FlowConditions, resistance: Array) -> FlowConditions:
    """The same conditions with other resistances (sinks,) of the beds, Pa s / m^3."""
    outlets = dict(zip(tree.outlets, resistance.tolist(), strict=False))
    leaks = tuple(
        replace(leak, resistance=float(value))
        for leak, value in zip(conditions.leaks, resistance[len(outlets) :], strict=True)
    )
    return replace(conditions, outlet_resistance=outlets, leaks=leaks)
