r"""The losses of one tree fitted to solutions of its three-dimensional flow.

The vessels are divided into pieces: at forks and leaks, at the ends and throats of lesions, and into lengths of some
millimetres. The solutions tell how much total pressure is lost from the ostium to the end of each at their flows; the
piece's loss becomes

    a R Q + b K |Q| Q + c rho / (2 A^2) |Q| Q  for every 10 mm, A an interval's mean area,

with the friction R and the lesion loss K of the law. What one to three solutions do not tell of a, b and c is left to
what is usual, by least squares with the parameters' usual spread (ridge) and within bounds that keep the loss rising
with the flow: so a calibrated tree still has one solution. Further terms of a law are scaled with its K.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import lsq_linear

from hemo.blood import Blood
from hemo.errors import InputError
from hemo.reduced.losses import PIECE, LossOptions, kinetic
from hemo.reduced.lumen import lumen
from hemo.reduced.network import Network, assembled, below_head
from hemo.reduced.terms import Losses
from hemo.reduced.vessels import Vessels, vessels_of
from hemo.results import TreeFlow
from hemo.stretches import by_branch
from hemo.tree import Branch, Lesion, VesselTree
from hemo.treecalibration import BOUNDS, Calibration

Array = NDArray[Any]
Indices = NDArray[np.int64]

USUAL = np.array([1.0, 1.0, 0.3])  # a, b, c
SPREAD = np.array([0.3, 0.3, 1.0])
LEAST, MOST = np.array(list(BOUNDS.values())).T
ACCURACY = 5.0  # Pa, of a solution's fall of total pressure from the ostium to the end of a piece


@dataclass(frozen=True)
class Solution:
    """A 3D solution of a tree: ``flow`` along it, and ``sinks`` (k,) the flow out of its outlets and then its leaks."""

    flow: TreeFlow
    sinks: Array
    leaks: tuple[tuple[str, int], ...] = ()


def calibrate(
    tree: VesselTree, solutions: Sequence[Solution], blood: Blood | None = None, options: LossOptions | None = None
) -> tuple[Calibration, Array]:
    """The tree's losses fitted to solutions of its flow, to be given on as ``LossOptions.calibration``.

    Also (solutions, pieces) what it leaves unexplained of the fall from the ostium to the end of each piece, Pa.

    Raises
    ------
    InputError
        If there is no solution, or one is of another tree.
    """
    if not solutions:
        raise InputError(f"tree {tree.name!r}: a calibration needs at least one solution.")
    blood, options = blood or Blood(), replace(options or LossOptions(), calibration=None)
    ready = {leaks: vessels_of(tree, leaks) for leaks in dict.fromkeys(solution.leaks for solution in solutions)}
    network = assembled(ready[solutions[0].leaks], (blood.density, blood.viscosity), options)
    losses = network.intervals
    owner, way = _pieces(tree, solutions[0].leaks)
    dynamic = kinetic(ready[solutions[0].leaks].lumen, network.fluid)
    own = Losses(np.zeros_like(losses.linear), losses.quadratic, losses.terms)
    columns, falls = [], []
    for solution in solutions:
        fall, flow = _falls(ready[solution.leaks], network, solution)
        each = np.stack([losses.linear * flow, own.loss(flow), dynamic * np.abs(flow) * flow, fall])
        friction, lesion, more, fell = np.add.reduceat(each, np.flatnonzero(np.diff(owner, prepend=-1)), axis=1)
        columns.append(np.hstack([way * friction, way * lesion, way * more]))
        falls.append(way @ fell)
    matrix, wanted, count = np.concatenate(columns), np.concatenate(falls), len(way)
    usual, spread = np.repeat(USUAL, count), np.repeat(SPREAD, count)
    fitted = lsq_linear(
        np.concatenate([matrix / ACCURACY, np.diag(1.0 / spread)]),
        np.concatenate([wanted / ACCURACY, usual / spread]),
        (np.repeat(LEAST, count), np.repeat(MOST, count)),
    ).x
    a, b, c = fitted.reshape(3, count)[:, owner]
    return Calibration(a, b, c, options.law), (wanted - matrix @ fitted).reshape(len(solutions), count)


def with_own_law_in(tree: VesselTree, calibration: Calibration, lesions: Collection[str]) -> Calibration:
    """The calibration without what it says of the intervals of some lesions, by their ids, whose lumen is another."""
    row = lumen(tree).lesions
    mine = np.array([lesion.id in lesions for lesion in tree.lesions], dtype=bool)
    inside = np.zeros(len(calibration.friction), dtype=bool)
    inside[row.interval[mine[row.lesion]]] = True
    return calibration.outside(inside)


def _pieces(tree: VesselTree, leaks: tuple[tuple[str, int], ...]) -> tuple[Indices, Array]:
    """(n,) which piece each interval belongs to, and (pieces, pieces) 1 for those on the way to the end of each."""
    cuts: dict[str, set[int]] = {branch.name: set() for branch in tree.branches}
    for branch in tree.branches:
        if branch.parent is not None:
            cuts[branch.parent].add(branch.parent_index or 0)
    for name, point in leaks:
        cuts[name].add(point)
    owner: list[Indices] = []
    begun: dict[str, int] = {}  # number of each branch's first piece
    count = 0
    for branch in tree.branches:
        begun[branch.name] = count
        starts = np.zeros(len(branch.points) - 1, dtype=np.int64)
        starts[_ends(branch, tuple(tree.lesions_on(branch.name)), cuts[branch.name])] = 1
        owner.append(count + np.cumsum(starts))
        count = int(owner[-1][-1]) + 1
    way = np.zeros((count, count))
    by_name = dict(zip(begun, owner, strict=True))
    for branch in tree.branches:
        before = np.zeros(count)
        if branch.parent is not None and (branch.parent_index or 0) > 0:
            before = way[by_name[branch.parent][(branch.parent_index or 0) - 1]]
        elif branch.parent is not None:
            first = begun[branch.parent]
            before = way[first] - np.eye(count)[first]
        for piece in np.unique(by_name[branch.name]):
            before = before + np.eye(count)[piece]
            way[piece] = before
    return np.concatenate(owner), way


def _ends(branch: Branch, lesions: tuple[Lesion, ...], cuts: set[int]) -> list[int]:
    """Points of a branch where one piece ends and the next begins."""
    arc, last = branch.arc, len(branch.points) - 1
    ends = cuts | {
        int(np.argmin(np.abs(arc - place))) for one in lesions for place in (one.start, one.minimum, one.end)
    }
    inside = np.zeros(last + 1, dtype=bool)
    for lesion in lesions:
        inside |= (arc > lesion.start) & (arc < lesion.end)
    begun = 0.0
    for point in range(1, last):
        long = arc[point] - begun >= PIECE and arc[-1] - arc[point] >= 0.5 * PIECE
        if point in ends or (long and not inside[point]):
            ends.add(point)
            begun = arc[point]
    return sorted(point for point in ends if 0 < point < last)


def _falls(vessels: Vessels, network: Network, solution: Solution) -> tuple[Array, Array]:
    """(n,) fall of the head over each interval, Pa, and the flow there, m^3/s.

    That over a branch's first interval begins at the point of its parent from which it leaves.
    """
    tree = vessels.tree
    if set(solution.flow.branches) != {branch.name for branch in tree.branches}:
        raise InputError(f"tree {tree.name!r}: a solution is of other branches.")
    for branch in tree.branches:
        if len(solution.flow.branches[branch.name].pressure) != len(branch.points):
            raise InputError(f"tree {tree.name!r}, {branch.name}: a solution has other centreline points.")
    # How far below the head the law has static pressure at these flows: the head that the solution's stands for.
    through = vessels.stretches.flows(solution.sinks)
    lower, lacking = below_head(vessels, network, vessels.elements.flows(solution.sinks))
    flows = by_branch(tree, vessels.stretches, vessels.stretches.intervals(through))
    head: dict[str, Array] = {}
    falls = []
    children = iter(lacking)
    for branch in tree.branches:
        head[branch.name] = solution.flow.branches[branch.name].pressure + lower[branch.name]
        fall = -np.diff(head[branch.name])
        before = solution.flow.aortic_pressure
        if branch.parent is not None:
            before = head[branch.parent][branch.parent_index or 0] - next(children)
        fall[0] += before - head[branch.name][0]
        falls.append(fall)
    return np.concatenate(falls), np.concatenate([flows[branch.name] for branch in tree.branches])
