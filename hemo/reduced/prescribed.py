"""Pressure along vessels whose flows are known, as in QFR and in intravascular pullbacks: nothing is solved.

The losses are those of :mod:`hemo.reduced.losses`, laid along the vessels as in a tree with resistance outlets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.blood import Blood
from hemo.errors import InputError
from hemo.reduced.losses import LossOptions
from hemo.reduced.network import assembled, distributed
from hemo.reduced.vessels import vessels_of
from hemo.results import BranchFlow, Status, TreeFlow
from hemo.tree import VesselTree

Array = NDArray[Any]


def pressures(
    tree: VesselTree,
    out: Array,
    leaks: Sequence[tuple[str, int]],
    aortic_pressure: float,
    blood: Blood | None = None,
    options: LossOptions | None = None,
) -> TreeFlow:
    """Static pressure along every branch at given flows.

    Parameters
    ----------
    tree
        Vessels in SI units, with their lesions.
    out
        (outlets + leaks,) flow that leaves through the outlets' ends and at the leaks, m^3/s, none negative.
    leaks
        (branch, centreline point) where flow leaves on the way.
    aortic_pressure
        Total pressure at the ostium, Pa.

    Raises
    ------
    InputError
        If the flows do not fit the tree, or the losses leave no pressure at some place.
    """
    if out.shape != (len(tree.outlets) + len(leaks),) or not np.all(np.isfinite(out)) or np.any(out < 0.0):
        raise InputError(f"tree {tree.name!r}: one flow, not negative, is needed for every outlet and every leak.")
    blood = blood or Blood()
    vessels = vessels_of(tree, leaks)
    network = assembled(vessels, (blood.density, blood.viscosity), options)
    pressure, flow = distributed(vessels, network, np.array(aortic_pressure), out)
    lowest = min(pressure, key=lambda name: float(pressure[name].min()))
    if pressure[lowest].min() <= 0.0:
        raise InputError(
            f"tree {tree.name!r}: {lowest} would lose more than the whole aortic pressure at the flow given "
            f"({6e7 * float(out.sum()):.0f} mL/min enter); such a flow cannot pass, so give a lower one."
        )
    along = {name: BranchFlow(pressure[name], flow[name]) for name in pressure}
    return TreeFlow("reduced", Status.CONVERGED, aortic_pressure, along)
