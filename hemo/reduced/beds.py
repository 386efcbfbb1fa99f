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
    Shares,
    aortic_pressure,
    demand,
    flow_conditions,
    healthy_tails,
    resistance_reserve,
)
from hemo.errors import InputError
from hemo.reduced.network import solve_sinks
from hemo.results import TreeFlow
from hemo.tree import VesselTree

Array = NDArray[Any]


@dataclass(frozen=True)
class States:
    """A tree at rest and at hyperaemia: the conditions of each, and the reduced model's flow under them."""

    rest: TreeFlow
    rest_conditions: FlowConditions
    hyperaemia: TreeFlow
    hyperaemia_conditions: FlowConditions


TOLERANCE = 1e-9  # relative change of a bed's resistance
MAX_ROUNDS = 200


def solve_states(tree: VesselTree, patient: Physiology, blood: Blood) -> States:
    """Rest and hyperaemia of one patient's tree.

    At rest the beds take the flow they ask for as long as they can open (:func:`autoregulated`); at hyperaemia they are
    fully open. Where the flow was measured at hyperaemia, the open beds are those that let it through
    (:func:`matched`). A prescribed inlet flow is held in both.
    """
    known = demand(tree, patient)
    rest, open_beds = (flow_conditions(tree, patient, state, blood) for state in ("rest", "hyperaemia"))
    if known.prescribed:
        return States(solve_sinks(tree, rest, blood)[0], rest, solve_sinks(tree, open_beds, blood)[0], open_beds)
    asked = _flows(known.flows)
    if known.state == "hyperaemia":
        open_beds = matched(tree, asked, open_beds, blood)
        whole = _resistances(tree, open_beds) + _flows(healthy_tails(tree, known.flows, blood.viscosity))
        drive = aortic_pressure(patient, "rest") - patient.venous
        asked = drive / (whole * resistance_reserve(patient).value)
    at_rest, rest_conditions = autoregulated(tree, asked, rest, open_beds, blood)
    return States(at_rest, rest_conditions, solve_sinks(tree, open_beds, blood)[0], open_beds)


def autoregulated(
    tree: VesselTree, asked: Array, start: FlowConditions, open_beds: FlowConditions, blood: Blood
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
    least = _resistances(tree, open_beds)
    resistance = np.maximum(_resistances(tree, start), least)
    for _ in range(MAX_ROUNDS):
        conditions = _with_resistances(tree, start, resistance)
        flow, sinks = solve_sinks(tree, conditions, blood)
        wanted = np.maximum(resistance * sinks / asked, least)  # (p - Pv) / Q
        if np.abs(wanted / resistance - 1.0).max() <= TOLERANCE:
            break
        resistance = wanted
    return flow, conditions


def matched(tree: VesselTree, flows: Array, start: FlowConditions, blood: Blood) -> FlowConditions:
    """The conditions under which every bed takes its flow (sinks,), m^3/s, whatever the vessels before it lose.

    For flows measured in a diseased tree: its beds resist less than the flows under the full pressure would say.

    Raises
    ------
    InputError
        If the vessels lose so much that the flow cannot reach a bed.
    """
    least = 1e-3 * _resistances(tree, start)
    found = autoregulated(tree, flows, start, _with_resistances(tree, start, least), blood)[1]
    for name, value, floor in zip(tree.outlets, _resistances(tree, found), least, strict=False):
        if value <= floor:
            raise InputError(
                f"tree {tree.name!r}: the flow given cannot reach {name!r}: the vessels before it would take the whole "
                "pressure; check the flow, its unit and the lumen."
            )
    return found


def _flows(shares: Shares) -> Array:
    """Outlets' values, then leaks'."""
    return np.array([*shares.outlets.values(), *shares.leaks.values()])


def _resistances(tree: VesselTree, conditions: FlowConditions) -> Array:
    outlets = [conditions.outlet_resistance[name] for name in tree.outlets]
    return np.array(outlets + [leak.resistance for leak in conditions.leaks])


def _with_resistances(tree: VesselTree, conditions: FlowConditions, resistance: Array) -> FlowConditions:
    outlets = dict(zip(tree.outlets, resistance.tolist(), strict=False))
    leaks = tuple(
        replace(leak, resistance=float(value))
        for leak, value in zip(conditions.leaks, resistance[len(outlets) :], strict=True)
    )
    return replace(conditions, outlet_resistance=outlets, leaks=leaks)
