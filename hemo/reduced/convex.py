r"""The flows of a tree of elements whose losses rise with the flow: a convex problem with one solution.

In total pressure, with the flows q out of the beds as unknowns and the flow of element e being Q_e, the sum of the
beds that it feeds, the flows minimise

    E(q) = sum_e H_e(Q_e) - sum_i d_i q_i

H_e being the integral of the loss h_e and d_i the pressure that drives bed i: the gradient is the balance of total
pressure from the ostium to the far side of each bed. Every h_e rises, so E is convex, and strictly so where each way
from the ostium to a bed has a resistance: one minimum, which Newton's method with backtracking reaches from any start,
however large the losses. (Convex content of a nonlinear network: Millar 1951, Phil Mag 42:1150.) A prescribed inlet
flow adds the constraint sum q = Q, whose multiplier is the pressure at the ostium that joins the drives.

Newton's correction is that of a tree of resistances. Small trees take it from a dense matrix; large ones, and one
tree under many parameters at once (further axes of every array), from the beds to the ostium and back, each subtree
being a conductance and a current (Thevenin), so that the cost is that of the number of elements.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.reduced.elements import Elements
from hemo.reduced.terms import Losses

Array = NDArray[Any]
Besides = Callable[[Array], tuple[Array, Array]]
log = logging.getLogger(__name__)

TOLERANCE = 1e-10  # of the driving pressure
MOST_STEPS = 100
SUFFICIENT = 1e-4  # of the decrease that the slope promises (Armijo)
ROUNDING = 1e-14  # of the energy
SHORTEST = 1e-12  # step
NEARER = 0.5  # of the error is left after a step that needs no look at the energy


@dataclass(frozen=True)
class Solution:
    """``out`` (k, ...) flow through each bed, m^3/s; ``ostium`` (...) Pa that joined the drives; if it converged."""

    out: Array
    ostium: Array
    converged: NDArray[np.bool_]


def minimise(
    tree: Elements,
    losses: Losses,
    drive: Array,
    total: Array | float | None = None,
    besides: Besides | None = None,
) -> Solution:
    """The flows under the driving pressures of the beds (k, ...), Pa, or with ``total`` (...) m^3/s through the ostium.

    Further axes are problems of their own. ``besides`` gives what adds to the drives at the flows of the elements
    (e, ...), and how much of it each element's own flow takes away, Pa s / m^3 (e, ...): that joins the slopes of the
    losses, the rest is taken as it is at every step, so that with it no uniqueness is claimed.
    """
    if total is not None and tree.loops:
        raise InputError("the inlet's flow cannot be prescribed where a graft or collaterals lead round it.")
    state = _State.of(tree, losses, drive, total, besides, _first(tree, losses, drive, total))
    for _ in range(MOST_STEPS):
        converged = state.error <= TOLERANCE * state.scale
        if converged.all():
            break
        step, even = _respond(tree, losses.slope(state.flow) + state.stiffer, -state.residual)
        if total is not None:
            step = step - step.sum(axis=0) / even.sum(axis=0) * even
        further = _State.of(tree, losses, drive, total, besides, state.out + step)
        if (further.error > NEARER * state.error).any():
            slope = (state.residual * step).sum(axis=0)
            out = _backtracked(tree, losses, state.drive, state.out, step, slope)
            further = _State.of(tree, losses, drive, total, besides, out)
        state = further
    else:
        log.warning("the reduced model stopped after %d iterations", MOST_STEPS)
    return Solution(state.out, state.ostium, converged)


@dataclass(frozen=True)
class _State:
    """Flows, and how far they are from the balance of pressure."""

    out: Array
    flow: Array
    stiffer: Array | float
    drive: Array
    residual: Array
    ostium: Array
    error: Array
    scale: Array

    @classmethod
    def of(
        cls,
        tree: Elements,
        losses: Losses,
        drive: Array,
        total: Array | float | None,
        besides: Besides | None,
        out: Array,
    ) -> _State:
        """At flows out of the beds."""
        flow = tree.flows(out)
        stiffer: Array | float = 0.0
        if besides is not None:
            more, stiffer = besides(flow)
            drive = drive + more
        lost = tree.to_beds(losses.loss(flow))
        residual, scale = lost - drive, np.abs(drive).max(axis=0)
        ostium = np.zeros(out.shape[1:])
        if total is not None:
            ostium = residual.mean(axis=0)
            scale = np.maximum(scale, np.abs(lost).max(axis=0))
        return cls(out, flow, stiffer, drive, residual, ostium, np.abs(residual - ostium).max(axis=0), scale)


def _first(tree: Elements, losses: Losses, drive: Array, total: Array | float | None) -> Array:
    """Flows through each bed as if it were alone, by the linear losses."""
    shape = np.broadcast_shapes(drive.shape[1:], losses.linear.shape[1:], np.shape(total) if total is not None else ())
    linear = np.broadcast_to(losses.linear, (len(losses.linear), *shape))
    conductance = np.zeros((len(tree.beds) + tree.loops, *shape))  # nothing through loops
    conductance[: len(tree.beds)] = 1.0 / tree.to_beds(linear)[: len(tree.beds)]
    if total is None:
        return np.asarray(drive * conductance)
    return np.asarray(total * conductance / conductance.sum(axis=0))


def _backtracked(tree: Elements, losses: Losses, drive: Array, out: Array, step: Array, slope: Array) -> Array:
    """After the first of the halved steps that lowers the energy enough, each problem by its own."""

    def energy(at: Array) -> Array:
        return np.asarray(losses.energy(tree.flows(at)) - (drive * at).sum(axis=0))

    before, fraction = energy(out), np.ones(out.shape[1:])
    while True:
        after = energy(out + fraction * step)
        short = after > before + SUFFICIENT * fraction * slope + ROUNDING * np.abs(before)
        if not short.any() or fraction.min() < SHORTEST:
            return np.asarray(out + fraction * step)
        fraction = np.where(short, fraction / 2.0, fraction)


def _respond(tree: Elements, slope: Array, push: Array) -> tuple[Array, Array]:
    """(k, ...) changes of the beds' flows under pressures ``push`` (k, ...) in them, and under 1 Pa at the ostium."""
    if tree.loops and push.ndim > 1:
        return _respond_one_by_one(tree, slope, push)
    if tree.feeds is None or push.ndim > 1:
        return respond_by_sweeps(tree, slope, push)
    hessian = tree.feeds.T @ (slope[:, None] * tree.feeds)
    both = np.linalg.solve(hessian, np.column_stack([push, np.ones_like(push)]))
    return both[:, 0], both[:, 1]


def _respond_one_by_one(tree: Elements, slope: Array, push: Array) -> tuple[Array, Array]:
    """The same for (k, b), each by its own dense matrix."""
    assert tree.feeds is not None
    hessians = np.einsum("ei,eb,ej->bij", tree.feeds, slope, tree.feeds, optimize=True)
    ones = np.ones_like(push)
    both = np.linalg.solve(hessians, np.stack([push.T, ones.T], axis=-1))
    return both[..., 0].T, both[..., 1].T


def respond_by_sweeps(tree: Elements, slope: Array, push: Array) -> tuple[Array, Array]:
    """The same, each subtree as a conductance and a current for no pressure at its beginning.

    A subtree with conductance y and current i behind an element that resists s has together y / (1 + y s) and
    i / (1 + y s); a bed alone has 1 / s and push / s, nothing where s is infinite. Slopes (e, ...) may be impedances.
    """
    conductance, current = np.zeros((2, *slope.shape), dtype=np.result_type(slope, push))
    divisor = np.ones_like(current)
    conductance[tree.beds] = 1.0 / slope[tree.beds]
    current[tree.beds] = push * conductance[tree.beds]
    for depth in tree.depths[:0:-1]:
        here, parents = slice(depth.low, depth.high), depth.parents
        behind = np.add.reduceat(conductance[here], depth.starts, axis=0)
        divisor[parents] = 1.0 + behind * slope[parents]
        conductance[parents] = behind / divisor[parents]
        current[parents] = np.add.reduceat(current[here], depth.starts, axis=0) / divisor[parents]
    # Beds' flows are current + conductance * pressure before them. That pressure for none at the ostium, and for 1 Pa:
    # an element passes on what its own flow leaves.
    before, part = np.zeros_like(current), np.ones_like(current)
    for depth in tree.depths[1:]:
        here = slice(depth.low, depth.high)
        up = tree.parent[here]
        before[here] = before[up] / divisor[up] - slope[up] * current[up]
        part[here] = part[up] / divisor[up]
    return current[tree.beds] + conductance[tree.beds] * before[tree.beds], (conductance * part)[tree.beds]
