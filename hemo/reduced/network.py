r"""Steady flow in a tree of rigid vessels with losses R Q + K |Q| Q and resistance outlets.

In total pressure the problem is convex. With the outlet flows q as unknowns and the flow of
segment s being Q_s = sum of the outlets it feeds, the flows minimise

    E(q) = sum_s [ R_s Q_s^2 / 2 + K_s |Q_s|^3 / 3 ]
         + sum_i [ R_i q_i^2 / 2 + rho |q_i|^3 / (6 A_i^2) - (P_a - P_v) q_i ]

whose gradient is the balance of total pressure from the ostium to each outlet's venous side. All
R and K are non-negative and some R positive, so E is strictly convex with one minimum, which Newton's
method with backtracking reaches from any start, however large K is beside R. A prescribed inlet
flow adds the constraint sum q = Q, whose multiplier is the total pressure at the ostium. (Convex
content of a nonlinear network: Millar 1951, Phil Mag 42:1150.)
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.blood import Blood
from hemo.boundary import FlowConditions
from hemo.errors import InputError
from hemo.reduced.losses import LossOptions, expansion_coefficient, viscous_resistance
from hemo.results import BranchFlow, Status, TreeFlow
from hemo.tree import VesselTree, flow_between_points, outlets_fed

Array = NDArray[Any]
log = logging.getLogger(__name__)

TOLERANCE = 1e-10  # relative to the driving pressure
MAX_ITERATIONS = 100


@dataclass(frozen=True)
class _Network:
    """Segments with constant flow: ``feeds[s, i]`` is 1 where segment s lies upstream of outlet i."""

    feeds: Array
    linear: Array
    quadratic: Array
    outlet_linear: Array
    outlet_quadratic: Array


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
        If an outlet has no resistance given, or a resistance names no outlet.
    """
    blood, options = blood or Blood(), options or LossOptions()
    _check_outlets(tree, conditions)
    losses = {
        b.name: (
            viscous_resistance(b, blood),
            expansion_coefficient(b, tuple(tree.lesions_on(b.name)), blood, options),
        )
        for b in tree.branches
    }
    network = _assemble(tree, conditions, blood, losses)
    if conditions.inlet_flow is None:
        drive = conditions.aortic_pressure - conditions.venous_pressure
        flows, converged = _minimise(network, drive)
    else:
        flows, converged = _minimise_constrained(network, conditions.inlet_flow)
    status = Status.CONVERGED if converged else Status.NOT_CONVERGED
    return _distribute(tree, conditions, blood, losses, flows, status)


def _check_outlets(tree: VesselTree, conditions: FlowConditions) -> None:
    missing = set(tree.outlets) - set(conditions.outlet_resistance)
    unknown = set(conditions.outlet_resistance) - set(tree.outlets)
    if missing:
        raise InputError(f"tree {tree.name!r}: outlet {sorted(missing)[0]!r} has no resistance; give one.")
    if unknown:
        raise InputError(f"tree {tree.name!r}: a resistance is given for {sorted(unknown)[0]!r}, which is no outlet.")


def _assemble(
    tree: VesselTree, conditions: FlowConditions, blood: Blood, losses: dict[str, tuple[Array, Array]]
) -> _Network:
    feeds: list[Array] = []
    linear: list[Array] = []
    quadratic: list[Array] = []
    for name, stretches in outlets_fed(tree).items():
        starts = [first for first, _ in stretches]
        resistance, coefficient = losses[name]
        linear.append(np.add.reduceat(resistance, starts))
        quadratic.append(np.add.reduceat(coefficient, starts))
        feeds.extend(row for _, row in stretches)
    outlet_area = np.array([tree[name].area[-1] for name in tree.outlets])
    return _Network(
        feeds=np.array(feeds),
        linear=np.concatenate(linear),
        quadratic=np.concatenate(quadratic),
        outlet_linear=np.array([conditions.outlet_resistance[name] for name in tree.outlets]),
        outlet_quadratic=0.5 * blood.density / outlet_area**2,
    )


def _energy(network: _Network, q: Array, drive: float) -> float:
    flow = network.feeds @ q
    segments = network.linear * flow**2 / 2.0 + network.quadratic * np.abs(flow) ** 3 / 3.0
    outlets = network.outlet_linear * q**2 / 2.0 + network.outlet_quadratic * np.abs(q) ** 3 / 3.0
    return float(segments.sum() + outlets.sum() - drive * q.sum())


def _gradient(network: _Network, q: Array) -> Array:
    """(outlets,) total-pressure loss from the ostium to each outlet's venous side, Pa."""
    flow = network.feeds @ q
    loss = network.linear * flow + network.quadratic * np.abs(flow) * flow
    return network.feeds.T @ loss + network.outlet_linear * q + network.outlet_quadratic * np.abs(q) * q


def _hessian(network: _Network, q: Array) -> Array:
    flow = network.feeds @ q
    slope = network.linear + 2.0 * network.quadratic * np.abs(flow)
    own = network.outlet_linear + 2.0 * network.outlet_quadratic * np.abs(q)
    return np.asarray(network.feeds.T @ (slope[:, None] * network.feeds) + np.diag(own))


def _backtrack(network: _Network, q: Array, step: Array, drive: float, slope: float) -> Array:
    """The first of the halved steps that lowers the energy enough (Armijo)."""
    energy, fraction = _energy(network, q, drive), 1.0
    while _energy(network, q + fraction * step, drive) > energy + 1e-4 * fraction * slope + 1e-14 * abs(energy):
        fraction /= 2.0
        if fraction < 1e-12:
            break
    return q + fraction * step


def _minimise(network: _Network, drive: float) -> tuple[Array, bool]:
    q = drive / (network.feeds.T @ network.linear + network.outlet_linear)
    for _ in range(MAX_ITERATIONS):
        residual = _gradient(network, q) - drive
        if np.abs(residual).max() <= TOLERANCE * drive:
            return q, True
        step = -np.linalg.solve(_hessian(network, q), residual)
        q = _backtrack(network, q, step, drive, float(residual @ step))
    log.warning("the reduced model stopped after %d iterations", MAX_ITERATIONS)
    return q, False


def _minimise_constrained(network: _Network, total: float) -> tuple[Array, bool]:
    """The same with sum q = ``total``: Newton in the plane of the constraint."""
    n = network.feeds.shape[1]
    conductance = 1.0 / (network.feeds.T @ network.linear + network.outlet_linear)
    q = total * conductance / conductance.sum()
    for _ in range(MAX_ITERATIONS):
        gradient = _gradient(network, q)
        spread = gradient - gradient.mean()
        if np.abs(spread).max() <= TOLERANCE * np.abs(gradient).max():
            return q, True
        bordered = np.ones((n + 1, n + 1))
        bordered[:n, :n] = _hessian(network, q)
        scale = bordered[0, 0]
        bordered[:n, n] = bordered[n, :n] = scale
        bordered[n, n] = 0.0
        step = np.linalg.solve(bordered, np.concatenate([-gradient, [0.0]]))[:n]
        q = _backtrack(network, q, step, 0.0, float(gradient @ step))
    return q, False


def _distribute(
    tree: VesselTree,
    conditions: FlowConditions,
    blood: Blood,
    losses: dict[str, tuple[Array, Array]],
    outlet_flow: Array,
    status: Status,
) -> TreeFlow:
    """Total pressure down the tree from the ostium, then static pressure at every point."""
    flows = flow_between_points(tree, outlet_flow)
    total: dict[str, Array] = {}
    branches: dict[str, BranchFlow] = {}
    for branch in tree.branches:
        flow = flows[branch.name]
        resistance, coefficient = losses[branch.name]
        start = conditions.aortic_pressure if branch.parent is None else total[branch.parent][branch.parent_index or 0]
        loss = resistance * flow + coefficient * np.abs(flow) * flow
        total[branch.name] = start - np.concatenate([[0.0], np.cumsum(loss)])
        at_points = np.concatenate([flow[:1], flow])
        static = total[branch.name] - 0.5 * blood.density * (at_points / branch.area) ** 2
        branches[branch.name] = BranchFlow(static, at_points)
    return TreeFlow("reduced", status, conditions.aortic_pressure, branches)
