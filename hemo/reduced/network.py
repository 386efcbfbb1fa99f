r"""Steady flow in a tree of rigid vessels with resistance outlets.

Between two places where flow leaves, a stretch of vessel loses total pressure as :mod:`hemo.reduced.losses` says; a
bed takes R q, an outlet's also the kinetic pressure rho q^2 / (2 A^2) of what leaves it (a leak is driven by the total
pressure in the vessel). All of these rise with the flow, so that :mod:`hemo.reduced.convex` finds the one solution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.blood import Blood
from hemo.boundary import FlowConditions
from hemo.errors import InputError
from hemo.reduced.convex import minimise
from hemo.reduced.elements import Elements, Looped, elements
from hemo.reduced.laws import Fluid
from hemo.reduced.losses import LossOptions, lumen_losses
from hemo.reduced.lumen import Lumen, lumen
from hemo.reduced.terms import Losses
from hemo.results import BranchFlow, Status, TreeFlow
from hemo.stretches import Stretches, by_branch, stretches
from hemo.tree import VesselTree

Array = NDArray[Any]


@dataclass(frozen=True)
class Vessels:
    """What of a tree depends on neither the blood nor what drives it: made once, solved many times.

    Attributes
    ----------
    tree, leaks
        The vessels, and the places (branch, centreline point) where flow leaves on the way.
    stretches
        Of the tree.
    elements
        The stretches, and a bed for every sink.
    lumen
        Of the tree.
    """

    tree: VesselTree
    leaks: tuple[tuple[str, int], ...]
    stretches: Stretches
    elements: Elements
    lumen: Lumen

    @property
    def outlet_area(self) -> Array:
        """(outlets, ...) area at the ends of the vessels, m^2."""
        names = [branch.name for branch in self.tree.branches]
        ends = self.stretches.offsets[1:] + np.arange(len(names))  # a branch has one point more than intervals
        radius = self.lumen.radius[ends[[names.index(name) for name in self.tree.outlets]]]
        return np.asarray(np.pi * radius**2)


def vessels_of(
    tree: VesselTree, leaks: Sequence[tuple[str, int]] = (), marked: Sequence[tuple[str, int]] = ()
) -> Vessels:
    """A tree made ready for :func:`solve_vessels`; see :func:`hemo.stretches.stretches`."""
    ends = [(one.to_branch, _point(tree, one.to_branch, one.to_place)) for one in tree.connections]
    begins = [
        (one.from_branch, _point(tree, one.from_branch, one.from_place))
        for one in tree.connections
        if one.from_branch is not None
    ]
    parts = stretches(tree, leaks, (*marked, *ends, *begins))
    everything = elements(parts.upstream, parts.sink_upstream)
    if tree.connections:
        at = [int(everything.stretches[mark]) if mark >= 0 else -1 for mark in parts.marks[len(marked) :]]
        started = iter(at[len(ends) :])
        from_where = tuple(-1 if one.from_branch is None else next(started) for one in tree.connections)
        everything = Looped(**vars(everything), begins=from_where, ends=tuple(at[: len(ends)]))
        parts = replace(parts, marks=parts.marks[: len(marked)])
    return Vessels(tree, tuple(leaks), parts, everything, lumen(tree))


def _point(tree: VesselTree, branch: str, place: float) -> int:
    return int(np.argmin(np.abs(tree[branch].arc - place)))


@dataclass(frozen=True)
class Network:
    """What the vessels of a tree lose.

    Attributes
    ----------
    stretches, elements
        Of the tree.
    intervals, vessels
        What each interval between centreline points loses, and each stretch.
    kinetic
        (outlets, ...) rho / (2 A^2) at the ends of the vessels, Pa s^2 / m^6.
    connections
        What each connection loses.
    """

    stretches: Stretches
    elements: Elements
    intervals: Losses
    vessels: Losses
    kinetic: Array
    connections: Losses

    def with_beds(self, resistance: Array) -> Losses:
        """What each element loses with beds of these resistances (k, ...), Pa s / m^3."""
        shape = np.broadcast_shapes(self.vessels.linear.shape[1:], resistance.shape[1:])
        count = len(self.elements.parent)
        linear, quadratic = np.zeros((2, count + self.elements.loops, *shape))
        linear[count:], quadratic[count:] = self.connections.linear, self.connections.quadratic
        linear[self.elements.stretches], linear[self.elements.beds] = self.vessels.linear, resistance
        quadratic[self.elements.stretches] = self.vessels.quadratic
        quadratic[self.elements.beds[: len(self.kinetic)]] = self.kinetic
        return Losses(linear, quadratic, tuple(term.onto(self.elements.stretches) for term in self.vessels.terms))


def solve(
    tree: VesselTree, conditions: FlowConditions, blood: Blood | None = None, options: LossOptions | None = None
) -> TreeFlow:
    """Pressure and flow along every branch.

    Parameters
    ----------
    tree
        Vessels in SI units.
    conditions
        Aortic pressure or inlet flow, and each outlet's resistance.

    Returns
    -------
    TreeFlow
        Static pressure (Pa) and flow (m^3/s) at each centreline point, method ``"reduced"``.

    Raises
    ------
    InputError
        If an outlet has no resistance given, or a resistance or a leak names no outlet or place of the tree.
    """
    return solve_sinks(tree, conditions, blood, options)[0]


def solve_sinks(
    tree: VesselTree, conditions: FlowConditions, blood: Blood | None = None, options: LossOptions | None = None
) -> tuple[TreeFlow, Array]:
    """:func:`solve`, and the flow (m^3/s) out of each outlet and then each leak."""
    check_conditions(tree, conditions)
    return solve_vessels(vessels_of(tree, conditions.leak_places), conditions, blood, options)


def solve_vessels(
    vessels: Vessels, conditions: FlowConditions, blood: Blood | None = None, options: LossOptions | None = None
) -> tuple[TreeFlow, Array]:
    """:func:`solve_sinks` of a tree made ready, whose leaks are those of the conditions."""
    blood = blood or Blood()
    network = assembled(vessels, (blood.density, blood.viscosity), options)
    losses = network.with_beds(sink_resistances(vessels.tree, conditions))
    level = 0.0 if conditions.inlet_flow is not None else conditions.aortic_pressure - conditions.venous_pressure
    drive = driven(network.elements, np.array(level))
    found = minimise(network.elements, losses, drive, conditions.inlet_flow)
    status = Status.CONVERGED if found.converged.all() else Status.NOT_CONVERGED
    pressure, flow = distributed(vessels, network, blood.density, np.array(conditions.aortic_pressure), found.out)
    along = {name: BranchFlow(pressure[name], flow[name]) for name in pressure}
    through = found.out[len(network.elements.beds) :]
    joined = {one.name: float(flow) for one, flow in zip(vessels.tree.connections, through, strict=True)}
    whole = TreeFlow("reduced", status, conditions.aortic_pressure, along, connections=joined)
    return whole, found.out[: len(network.elements.beds)]


def check_conditions(tree: VesselTree, conditions: FlowConditions) -> None:
    """Raises InputError where conditions and tree do not fit."""
    missing = set(tree.outlets) - set(conditions.outlet_resistance)
    unknown = set(conditions.outlet_resistance) - set(tree.outlets)
    if missing:
        raise InputError(f"tree {tree.name!r}: outlet {sorted(missing)[0]!r} has no resistance; give one.")
    if unknown:
        raise InputError(f"tree {tree.name!r}: a resistance is given for {sorted(unknown)[0]!r}, which is no outlet.")
    lengths = {branch.name: len(branch.points) for branch in tree.branches}
    for name, point in conditions.leak_places:
        if not 0 <= point < lengths.get(name, 0):
            raise InputError(f"tree {tree.name!r}: a leak leaves from point {point} of {name!r}, which does not exist.")


def sink_resistances(tree: VesselTree, conditions: FlowConditions) -> Array:
    """(sinks,) resistance of each outlet's bed, then each leak's, Pa s / m^3."""
    outlets = [conditions.outlet_resistance[name] for name in tree.outlets]
    return np.array(outlets + [leak.resistance for leak in conditions.leaks])


def assembled(vessels: Vessels, fluid: Fluid, options: LossOptions | None = None) -> Network:
    """What the vessels lose with a fluid of some density, kg/m^3, and viscosity, Pa s (or as many as lumens)."""
    parts = vessels.stretches
    intervals = lumen_losses(vessels.lumen, fluid, options or LossOptions())
    whole = Losses(
        np.add.reduceat(intervals.linear, parts.first),
        np.add.reduceat(intervals.quadratic, parts.first),
        tuple(term.onto(parts.intervals(np.arange(len(parts.first)))) for term in intervals.terms),
    )
    kinetic = 0.5 * fluid[0] / vessels.outlet_area**2
    return Network(parts, vessels.elements, intervals, whole, kinetic, _connections(vessels, fluid))


def driven(everything: Elements, level: Array) -> Array:
    """(k + connections, ...) the pressure ``level`` (...) that drives every bed, none through connections."""
    drive = np.zeros((len(everything.beds) + everything.loops, *level.shape))
    drive[: len(everything.beds)] = level
    return drive


def _connections(vessels: Vessels, fluid: Fluid) -> Losses:
    """A graft's friction, and the kinetic pressure that is lost where it meets the vessel; collaterals' resistance."""
    shape = np.broadcast_shapes(np.shape(fluid[0]), np.shape(fluid[1]), vessels.lumen.radius.shape[1:])
    linear, quadratic = np.zeros((2, len(vessels.tree.connections), *shape))
    for i, one in enumerate(vessels.tree.connections):
        if one.resistance is not None:
            linear[i] = one.resistance
            continue
        assert one.length is not None and one.diameter is not None
        linear[i] = 128.0 * fluid[1] * one.length / (np.pi * one.diameter**4)
        quadratic[i] = 0.5 * fluid[0] / (np.pi / 4.0 * one.diameter**2) ** 2
    return Losses(linear, quadratic)


def inertance(tree: VesselTree, blood: Blood) -> Array:
    """(intervals,) rho int ds / A of each, Pa s^2 / m^3."""
    return np.concatenate(
        [
            blood.density * np.diff(branch.arc) * 0.5 * (1.0 / branch.area[:-1] + 1.0 / branch.area[1:])
            for branch in tree.branches
        ]
    )


def distributed(
    vessels: Vessels,
    network: Network,
    density: Array | float,
    ostium: Array,
    out: Array,
    inertia: Array | float = 0.0,
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Static pressure, Pa, and flow, m^3/s, (n, ...) at every point of each branch.

    ``ostium`` (...) is the total pressure there, ``out`` (sinks, ...) the flow through the beds, ``inertia``
    (intervals, ...) what inertia takes, Pa.
    """
    tree = vessels.tree
    flow = network.stretches.intervals(network.elements.flows(out)[network.elements.stretches])
    flows = by_branch(tree, network.stretches, flow)
    lost = by_branch(tree, network.stretches, network.intervals.loss(flow) + inertia)
    total: dict[str, Array] = {}
    pressure: dict[str, Array] = {}
    along: dict[str, Array] = {}
    for branch in tree.branches:
        name = branch.name
        start = ostium if branch.parent is None else total[branch.parent][branch.parent_index or 0]
        total[name] = start - np.concatenate([np.zeros((1, *out.shape[1:])), np.cumsum(lost[name], axis=0)])
        along[name] = np.concatenate([flows[name][:1], flows[name]])
        speed = along[name] / branch.area.reshape(-1, *(1,) * (out.ndim - 1))
        pressure[name] = total[name] - 0.5 * density * speed**2
    return pressure, along
