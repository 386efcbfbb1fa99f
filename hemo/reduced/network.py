r"""Steady flow in a tree of rigid vessels with resistance outlets.

Between two places where flow leaves, a stretch of vessel loses total pressure as :mod:`hemo.reduced.losses` says; a
bed takes R q, an outlet's also the kinetic pressure rho q^2 / (2 A^2) of what leaves it (a leak is driven by the total
pressure in the vessel). All of these rise with the flow, so that :mod:`hemo.reduced.convex` finds the one solution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.blood import Blood
from hemo.boundary import FlowConditions
from hemo.errors import InputError
from hemo.reduced.convex import Solution, minimise
from hemo.reduced.elements import Elements
from hemo.reduced.laws import Fluid
from hemo.reduced.losses import LossOptions, lumen_losses
from hemo.reduced.recovery import LEAST, Recovery, behind, not_turned, recovery_of, static_difference
from hemo.reduced.terms import Losses, along
from hemo.reduced.vessels import Vessels, vessels_of
from hemo.results import BranchFlow, Status, TreeFlow
from hemo.tree import VesselTree

Array = NDArray[Any]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Network:
    """What the vessels of a tree lose.

    Attributes
    ----------
    intervals, vessels
        What each interval between centreline points loses, and each stretch.
    kinetic
        (outlets, ...) kinetic pressure over Q^2 at the ends of the vessels, Pa s^2 / m^6.
    connections
        What each connection loses.
    profile
        Kinetic pressure over that of a flat profile.
    fluid
        Density, kg/m^3, and viscosity, Pa s.
    recovery
        What the static pressure behind lesions is less, as factors on the flow there.
    turned
        (c, ...) kinetic pressure that does not drive branched elements, over the square of the flow that arrives.
    """

    intervals: Losses
    vessels: Losses
    kinetic: Array
    connections: Losses
    profile: float
    fluid: Fluid
    recovery: Recovery
    turned: Array

    def with_beds(self, tree: Elements, resistance: Array) -> Losses:
        """What each of the elements loses with beds of these resistances (k, ...), Pa s / m^3."""
        each = (self.vessels.linear, self.vessels.quadratic, self.kinetic, resistance)
        shape = np.broadcast_shapes(*(values.shape[1:] for values in each))
        count = len(tree.parent)
        linear, quadratic = np.zeros((2, count + tree.loops, *shape))
        linear[count:], quadratic[count:] = self.connections.linear, self.connections.quadratic
        linear[tree.stretches], linear[tree.beds] = self.vessels.linear, resistance
        quadratic[tree.stretches] = self.vessels.quadratic
        quadratic[tree.beds[: len(self.kinetic)]] = self.kinetic
        return Losses(linear, quadratic, tuple(term.onto(tree.stretches) for term in self.vessels.terms))


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
    losses = network.with_beds(vessels.elements, sink_resistances(vessels.tree, conditions))
    level = 0.0 if conditions.inlet_flow is not None else conditions.aortic_pressure - conditions.venous_pressure
    drive = driven(vessels.elements, np.array(level))
    found = settled(vessels, network, losses, drive, conditions.inlet_flow)
    status = Status.CONVERGED if found.converged.all() else Status.NOT_CONVERGED
    pressure, flow = distributed(vessels, network, np.array(conditions.aortic_pressure), found.out)
    along = {name: BranchFlow(pressure[name], flow[name]) for name in pressure}
    through = found.out[len(vessels.elements.beds) :]
    joined = {one.name: float(flow) for one, flow in zip(vessels.tree.connections, through, strict=True)}
    whole = TreeFlow("reduced", status, conditions.aortic_pressure, along, connections=joined)
    return whole, found.out[: len(vessels.elements.beds)]


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
    parts, options = vessels.stretches, options or LossOptions()
    intervals = lumen_losses(vessels.lumen, fluid, options)
    whole = Losses(
        np.add.reduceat(intervals.linear, parts.first),
        np.add.reduceat(intervals.quadratic, parts.first),
        tuple(term.onto(parts.intervals(np.arange(len(parts.first)))) for term in intervals.terms),
    )
    kinetic = options.profile * 0.5 * fluid[0] / vessels.outlet_area**2
    joined = _connections(vessels, fluid)
    turned = not_turned(vessels.lumen, fluid, vessels.forks, vessels.behind)
    turned = np.where(along(vessels.side, turned), turned, 0.0)
    recovery = recovery_of(vessels.lumen, fluid)
    return Network(intervals, whole, kinetic, joined, options.profile, fluid, recovery, turned)


def settled(vessels: Vessels, network: Network, losses: Losses, drive: Array, total: Array | float | None) -> Solution:
    """The convex problem's solution, with what the head lacks where branches leave (:mod:`hemo.reduced.recovery`).

    That depends on the flow through the lesion before, and on the flow that a side branch turns out of. This coupling
    is not convex, and no uniqueness is claimed for it; it moves pressures by a few per cent of what is lost.
    """
    if network.profile == 1.0 or not vessels.coupled:
        return minimise(vessels.elements, losses, drive, total)

    def besides(flow: Array) -> tuple[Array, Array]:
        lacking = lacking_before(vessels, network, flow)
        slope = np.zeros_like(lacking)  # it grows with the square of the flow that arrives, of which this is a part
        arriving = np.abs(flow[vessels.elements.parent[vessels.branched]])
        slope[vessels.branched] = 2.0 * lacking[vessels.branched] / np.maximum(arriving, LEAST)
        return -vessels.elements.to_beds(lacking), slope

    return minimise(vessels.elements, losses, drive, total, besides=besides)


def lacking_at(vessels: Vessels, network: Network, flow: Array) -> Array:
    """(c, ...) what the pressure lacks where the branched elements of the tree begin, Pa; 0 without recovery."""
    lacking: Array = np.zeros((len(vessels.branched), *flow.shape[1:]))
    if network.profile == 1.0 or not vessels.coupled:
        return lacking
    jets, arriving = vessels.behind, flow[vessels.elements.parent[vessels.branched]]
    np.add.at(lacking, jets.point, behind(network.recovery, flow[vessels.throats], arriving[jets.point], jets))
    return lacking + along(network.turned, flow) * arriving**2


def lacking_before(vessels: Vessels, network: Network, flow: Array) -> Array:
    """(e, ...) the same for every element of the tree, Pa."""
    lacking = np.zeros_like(flow)
    np.add.at(lacking, vessels.branched, lacking_at(vessels, network, flow))
    return lacking


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
    vessels: Vessels, network: Network, ostium: Array, out: Array, inertia: Array | float = 0.0
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Static pressure, Pa, and flow, m^3/s, (n, ...) at every point of each branch.

    ``ostium`` (...) is the total pressure there, ``out`` (sinks, ...) the flow through the beds, ``inertia``
    (intervals, ...) what inertia takes, Pa.
    """
    tree, parts = vessels.tree, vessels.stretches
    through = vessels.elements.flows(out)
    between = parts.intervals(through[vessels.elements.stretches])
    lost = network.intervals.loss(between) + inertia
    fallen = np.concatenate([np.zeros((1, *lost.shape[1:])), np.cumsum(lost, axis=0)])
    flow = flow_at_points(vessels, through)
    below, lacking = _below_head(vessels, network, flow, through), lacking_at(vessels, network, through)
    number = {branch.name: i for i, branch in enumerate(tree.branches)}
    begins: list[Array] = []  # head at each branch's first point, and what had fallen there, through all branches
    for i, branch in enumerate(tree.branches):
        start = ostium
        if branch.parent is not None:
            mother = number[branch.parent]
            start = begins[mother] - fallen[parts.offsets[mother] + (branch.parent_index or 0)] - lacking[i - 1]
        begins.append(start + fallen[parts.offsets[i]])
    counts = np.diff(parts.offsets) + 1
    own = np.repeat(np.arange(len(counts)), counts)
    at = np.arange(len(own)) - own  # intervals before each point, through all branches
    shape = (-1, *out.shape[1:])
    pressure = np.reshape(np.stack(begins), shape)[own] - fallen[at] - below
    return _by_points(vessels, pressure), _by_points(vessels, flow)


def below_head(vessels: Vessels, network: Network, through: Array) -> tuple[dict[str, Array], Array]:
    """How much static pressure is below the head at every point of each branch, and what the head lacks at forks, Pa.

    ``through`` (e, ...) is the flow of the elements; the latter (c, ...) is for ``vessels.branched``.
    """
    below = _below_head(vessels, network, flow_at_points(vessels, through), through)
    return _by_points(vessels, below), lacking_at(vessels, network, through)


def _below_head(vessels: Vessels, network: Network, flow: Array, through: Array) -> Array:
    """The former (P, ...) through all branches, where ``flow`` (P, ...) passes the points."""
    area = np.pi * along(vessels.lumen.radius, flow) ** 2
    below = network.profile * 0.5 * network.fluid[0] * (flow / area) ** 2
    if network.profile == 1.0:
        return np.asarray(below)
    throats = through[vessels.throats]
    return np.asarray(below - static_difference(vessels.lumen, network.fluid, network.recovery, throats, flow))


def flow_at_points(vessels: Vessels, through: Array) -> Array:
    """(P, ...) flow at every point of the tree, that of the interval before it; at a branch's first, of the one behind.

    ``through`` (e, ...) is the flow of the elements, m^3/s.
    """
    between = vessels.stretches.intervals(through[vessels.elements.stretches])
    begun = vessels.stretches.offsets[:-1]
    return np.insert(between, begun, between[begun], axis=0)


def _by_points(vessels: Vessels, values: Array) -> dict[str, Array]:
    """What stands in points (P, ...), branch by branch."""
    ends = (vessels.stretches.offsets[1:] + np.arange(1, len(vessels.tree.branches) + 1)).tolist()
    names = (branch.name for branch in vessels.tree.branches)
    return {name: values[a:b] for name, a, b in zip(names, [0, *ends], ends, strict=False)}
