"""A tree's losses fitted to steady 3D solutions of it, with how far reduced and 3D FFR are apart before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.blood import Blood
from hemo.boundary import FlowConditions
from hemo.errors import InputError
from hemo.indices import Reading, lesion_pressure
from hemo.reduced.calibration import Solution, calibrate
from hemo.reduced.losses import LossOptions
from hemo.reduced.network import solve
from hemo.results import Status, TreeFlow
from hemo.stretches import sink_flows
from hemo.tree import VesselTree
from hemo.treecalibration import Apart, Fit, TreeCalibration

Array = NDArray[Any]

SAME = 1e-5  # m, that two solutions' trees may differ by: they are the same tree, read from files


@dataclass(frozen=True)
class Solved:
    """One steady 3D solution of a tree.

    Attributes
    ----------
    tree, conditions, flow
        Its vessels as they were meshed, what drove it, and the pressure and flow along them.
    state
        Rest or hyperaemia, None where it is not known.
    cells, cells_per_diameter
        Of its mesh.
    source
        Where it was read.
    """

    tree: VesselTree
    conditions: FlowConditions
    flow: TreeFlow
    state: str | None
    cells: int
    cells_per_diameter: float
    source: str | None = None


def calibrated(
    solutions: Sequence[Solved],
    blood: Blood | None = None,
    reading: Reading | None = None,
    options: LossOptions | None = None,
) -> TreeCalibration:
    """The calibration of the tree that all ``solutions``, of the same ``blood``, are of.

    Raises
    ------
    InputError
        If there is none, one did not converge, or they are of different trees.
    """
    if not solutions:
        raise InputError("a calibration needs at least one 3D solution.")
    tree, plain = solutions[0].tree, replace(options or LossOptions(), calibration=None)
    for one in solutions:
        _check(tree, one)
    blood, reading = blood or Blood(), reading or Reading()
    given = [Solution(one.flow, _sinks(one), one.conditions.leak_places) for one in solutions]
    losses, residual = calibrate(tree, given, blood, plain)
    own = replace(plain, calibration=losses)
    fits = []
    for one, left in zip(solutions, residual, strict=True):
        before, after = (_apart(one, blood, reading, law) for law in (plain, own))
        flow = float(one.flow.branches[tree.root.name].flow[0])
        rms, largest = float(np.sqrt(np.mean(left**2))), float(np.abs(left).max())
        places = len(tree.lesions) + len(tree.outlets)
        numbers = (flow, one.cells, one.cells_per_diameter, rms, largest, places, before, after)
        fits.append(Fit(one.flow.method, one.state, *numbers, one.source))
    return TreeCalibration(
        losses, blood.density, blood.viscosity, blood.thinning is not None, residual.shape[1], tuple(fits)
    )


def _apart(one: Solved, blood: Blood, reading: Reading, options: LossOptions) -> Apart:
    """Reduced against 3D FFR under the solution's own conditions."""
    tree = one.tree
    reduced = replace(solve(tree, one.conditions, blood, options), subtracted=one.flow.subtracted)

    def read(flow: TreeFlow) -> Array:
        lesions = [lesion_pressure(tree, lesion, flow, None, reading).distal for lesion in tree.lesions]
        return np.array(lesions + [float(flow.ffr(name)[-1]) for name in tree.outlets])

    off = np.abs(read(reduced) - read(one.flow))
    return Apart(float(off.mean()), float(off.max()))


def _sinks(one: Solved) -> Array:
    flows = {name: along.flow for name, along in one.flow.branches.items()}
    return sink_flows(one.tree, flows, one.conditions.leak_places)


def _check(tree: VesselTree, one: Solved) -> None:
    """Raises InputError if a solution is of another tree, or none to fit to."""
    where = f"{one.source}: " if one.source is not None else ""
    if one.flow.status is not Status.CONVERGED:
        raise InputError(f"{where}tree {one.tree.name!r} has no steady converged 3D solution to calibrate to.")
    if not same_tree(tree, one.tree):
        raise InputError(
            f"{where}its tree {one.tree.name!r} is not that of the first result: other vessels, centreline points, "
            "calibre or lesions; calibrate each by its own."
        )


def same_tree(one: VesselTree, other: VesselTree) -> bool:
    """Whether two trees have the same vessels, at the same places and as wide, and the same lesions."""
    if [(b.name, b.parent, b.parent_index) for b in one.branches] != [
        (b.name, b.parent, b.parent_index) for b in other.branches
    ]:
        return False
    for a, b in zip(one.branches, other.branches, strict=True):
        if a.points.shape != b.points.shape:
            return False
        if np.abs(a.points - b.points).max() > SAME or np.abs(a.diameter - b.diameter).max() > SAME:
            return False
    if [lesion.branch for lesion in one.lesions] != [lesion.branch for lesion in other.lesions]:
        return False
    mine, its = (np.array([(x.start, x.minimum, x.end) for x in tree.lesions]) for tree in (one, other))
    return bool(np.allclose(mine, its, rtol=0.0, atol=SAME))
