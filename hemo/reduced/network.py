r"""Steady flow in a tree of rigid vessels with losses R Q + K |Q| Q and resistance outlets.

In total pressure the problem is convex. With the flows q out of the tree as unknowns and the flow of
segment s being Q_s = sum of the sinks (outlets, and leaks on the way) it feeds, the flows minimise

    E(q) = sum_s [ R_s Q_s^2 / 2 + K_s |Q_s|^3 / 3 ]
         + sum_i [ R_i q_i^2 / 2 + rho |q_i|^3 / (6 A_i^2) - (P_a - P_v) q_i ]

whose gradient is the balance of total pressure from the ostium to each sink's venous side (a leak, 1/A_i = 0, is
driven by the total pressure in the vessel). All
R and K are non-negative and some R positive, so E is strictly convex with one minimum, which Newton's
method with backtracking reaches from any start, however large K is beside R. A prescribed inlet
flow adds the constraint sum q = Q, whose multiplier is the total pressure at the ostium. (Convex
content of a nonlinear network: Millar 1951, Phil Mag 42:1150.)
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.blood import Blood
from hemo.boundary import FlowConditions
from hemo.errors import InputError
from hemo.reduced.losses import LossOptions, expansion_coefficient, viscous_resistance
from hemo.results import BranchFlow, Status, TreeFlow
from hemo.tree import VesselTree, flow_between_points, sinks_fed

Array = NDArray[Any]
log = logging.getLogger(__name__)

TOLERANCE = 1e-10  # relative to the driving pressure
MAX_ITERATIONS = 100


@dataclass(frozen=True)
class Network:
    """Segments with constant flow: ``feeds[s, i]`` is 1 where segment s lies upstream of sink i.

    ``linear`` (Pa s / m^3), ``quadratic`` (Pa s^2 / m^6) and ``inertance`` (Pa s^2 / m^3) belong to the segments,
    ``sink_linear`` and ``sink_quadratic`` to the sinks.
    """

    feeds: Array
    linear: Array
    quadratic: Array
    inertance: Array
    sink_linear: Array
    sink_quadratic: Array


@dataclass(frozen=True)
class BranchLoss:
    """(n - 1,) resistance (Pa s / m^3), coefficient of |Q| Q (Pa s^2 / m^6), inertance (Pa s^2 / m^3) of intervals."""

    resistance: Array
    coefficient: Array
    inertance: Array


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
    blood = blood or Blood()
    losses = branch_losses(tree, blood, options)
    network = assembled(tree, conditions, losses, blood)
    if conditions.inlet_flow is None:
        drive = np.full(len(network.sink_linear), conditions.aortic_pressure - conditions.venous_pressure)
        flows, converged = minimise(network, drive)
    else:
        flows, _, converged = minimise_carrying(network, conditions.inlet_flow)
    status = Status.CONVERGED if converged else Status.NOT_CONVERGED
    along = distributed(tree, conditions.leak_places, losses, blood, conditions.aortic_pressure, flows)
    return TreeFlow("reduced", status, conditions.aortic_pressure, along), flows


def branch_losses(tree: VesselTree, blood: Blood, options: LossOptions | None = None) -> dict[str, BranchLoss]:
    """What every interval of every branch loses, by branch."""
    options = options or LossOptions()
    return {
        branch.name: BranchLoss(
            viscous_resistance(branch, blood),
            expansion_coefficient(branch, tuple(tree.lesions_on(branch.name)), blood, options),
            blood.density * np.diff(branch.arc) * 0.5 * (1.0 / branch.area[:-1] + 1.0 / branch.area[1:]),
        )
        for branch in tree.branches
    }


def _check_outlets(tree: VesselTree, conditions: FlowConditions) -> None:
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


def assembled(tree: VesselTree, conditions: FlowConditions, losses: Mapping[str, BranchLoss], blood: Blood) -> Network:
    """The tree as segments and sinks; raises InputError where conditions and tree do not fit."""
    _check_outlets(tree, conditions)
    feeds: list[Array] = []
    parts: list[Array] = []
    for name, stretches in sinks_fed(tree, conditions.leak_places).items():
        starts = [first for first, _ in stretches]
        own = losses[name]
        parts.append(np.add.reduceat(np.stack([own.resistance, own.coefficient, own.inertance]), starts, axis=1))
        feeds.extend(row for _, row in stretches)
    linear, quadratic, inertance = np.concatenate(parts, axis=1)
    outlet_area = np.array([tree[name].area[-1] for name in tree.outlets])
    return Network(
        feeds=np.array(feeds),
        linear=linear,
        quadratic=quadratic,
        inertance=inertance,
        sink_linear=sink_resistances(tree, conditions),
        sink_quadratic=np.concatenate([0.5 * blood.density / outlet_area**2, np.zeros(len(conditions.leaks))]),
    )


def _energy(network: Network, q: Array, drive: Array | float) -> float:
    flow = network.feeds @ q
    segments = network.linear * flow**2 / 2.0 + network.quadratic * np.abs(flow) ** 3 / 3.0
    sinks = network.sink_linear * q**2 / 2.0 + network.sink_quadratic * np.abs(q) ** 3 / 3.0
    return float(segments.sum() + sinks.sum() - (drive * q).sum())


def _gradient(network: Network, q: Array) -> Array:
    """(sinks,) total-pressure loss from the ostium to each sink's venous side, Pa."""
    flow = network.feeds @ q
    loss = network.linear * flow + network.quadratic * np.abs(flow) * flow
    return network.feeds.T @ loss + network.sink_linear * q + network.sink_quadratic * np.abs(q) * q


def _hessian(network: Network, q: Array) -> Array:
    flow = network.feeds @ q
    slope = network.linear + 2.0 * network.quadratic * np.abs(flow)
    own = network.sink_linear + 2.0 * network.sink_quadratic * np.abs(q)
    return np.asarray(network.feeds.T @ (slope[:, None] * network.feeds) + np.diag(own))


def _backtrack(network: Network, q: Array, step: Array, drive: Array | float, slope: float) -> Array:
    """The first of the halved steps that lowers the energy enough (Armijo)."""
    energy, fraction = _energy(network, q, drive), 1.0
    while _energy(network, q + fraction * step, drive) > energy + 1e-4 * fraction * slope + 1e-14 * abs(energy):
        fraction /= 2.0
        if fraction < 1e-12:
            break
    return q + fraction * step


def minimise(network: Network, drive: Array, start: Array | None = None) -> tuple[Array, bool]:
    """The sinks' flows (m^3/s) under a driving pressure (sinks,), Pa, for each; and whether the tolerance was met."""
    q = drive / (network.feeds.T @ network.linear + network.sink_linear) if start is None else start
    scale = np.abs(drive).max()
    for _ in range(MAX_ITERATIONS):
        residual = _gradient(network, q) - drive
        if np.abs(residual).max() <= TOLERANCE * scale:
            return q, True
        step = -np.linalg.solve(_hessian(network, q), residual)
        q = _backtrack(network, q, step, drive, float(residual @ step))
    log.warning("the reduced model stopped after %d iterations", MAX_ITERATIONS)
    return q, False


def minimise_carrying(
    network: Network, total: float, drive: Array | float = 0.0, start: Array | float = 0.0
) -> tuple[Array, float, bool]:
    """The same with sum q = ``total``, m^3/s: Newton in the plane of the constraint.

    Returns
    -------
    The sinks' flows (m^3/s), the pressure that joins ``drive`` to push them, Pa, and whether the tolerance was met.
    """
    n = network.feeds.shape[1]
    conductance = 1.0 / (network.feeds.T @ network.linear + network.sink_linear)
    q = start + (total - np.sum(start)) * conductance / conductance.sum()
    for _ in range(MAX_ITERATIONS):
        losses = _gradient(network, q)
        gradient = losses - drive
        spread = gradient - gradient.mean()
        if np.abs(spread).max() <= TOLERANCE * max(np.abs(losses).max(), np.abs(drive).max()):
            return q, float(gradient.mean()), True
        bordered = np.ones((n + 1, n + 1))
        bordered[:n, :n] = _hessian(network, q)
        scale = bordered[0, 0]
        bordered[:n, n] = bordered[n, :n] = scale
        bordered[n, n] = 0.0
        step = np.linalg.solve(bordered, np.concatenate([-gradient, [0.0]]))[:n]
        q = _backtrack(network, q, step, drive, float(gradient @ step))
    return q, float(gradient.mean()), False


def distributed(
    tree: VesselTree,
    leaks: Sequence[tuple[str, int]],
    losses: Mapping[str, BranchLoss],
    blood: Blood,
    aortic: float,
    sink_flow: Array,
    change: Array | None = None,
) -> dict[str, BranchFlow]:
    """Total pressure down the tree from the ostium, then static pressure and flow at every point.

    ``change`` (sinks,) is how fast the sinks' flows rise, m^3/s^2: what inertia takes.
    """
    flows = flow_between_points(tree, sink_flow, leaks)
    rising = None if change is None else flow_between_points(tree, change, leaks)
    total: dict[str, Array] = {}
    branches: dict[str, BranchFlow] = {}
    for branch in tree.branches:
        flow, own = flows[branch.name], losses[branch.name]
        start = aortic if branch.parent is None else total[branch.parent][branch.parent_index or 0]
        loss = own.resistance * flow + own.coefficient * np.abs(flow) * flow
        if rising is not None:
            loss = loss + own.inertance * rising[branch.name]
        total[branch.name] = start - np.concatenate([[0.0], np.cumsum(loss)])
        at_points = np.concatenate([flow[:1], flow])
        static = total[branch.name] - 0.5 * blood.density * (at_points / branch.area) ** 2
        branches[branch.name] = BranchFlow(static, at_points)
    return branches
