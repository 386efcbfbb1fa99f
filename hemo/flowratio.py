"""The flow ratio of one vessel whose flow is known: from an angiogram (QFR) or a pullback (OFR, UFR).

Pressure over aortic pressure along the vessel, what each lesion takes of it, and what it would be with lesions opened.
The losses and the division of flow at side branches are those of every other path of hemo.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.blood import Blood
from hemo.boundary.split import split_flow
from hemo.errors import InputError
from hemo.indices import LesionPressure, Reading, lesion_pressure, vessel_place
from hemo.planning import MOST_TOGETHER, Stent, opened
from hemo.reduced.losses import LossOptions
from hemo.reduced.prescribed import pressures
from hemo.results import TreeFlow
from hemo.tree import VesselTree

Array = NDArray[Any]

EXPONENT = 2.39  # of the flow-diameter law, see hemo.boundary.split


@dataclass(frozen=True)
class Drive:
    """What drives the flow.

    Attributes
    ----------
    inflow
        Into the vessel's first point, m^3/s.
    aortic_pressure
        Mean, Pa: total pressure at the vessel's first point.
    exponent
        k of the flow-diameter law by which side branches take their share.
    leakage
        Whether what a vessel's taper says of branches that nobody drew leaves, too.
    """

    inflow: float
    aortic_pressure: float
    exponent: float = EXPONENT
    leakage: bool = True

    def __post_init__(self) -> None:
        if not self.inflow > 0.0:
            raise InputError(f"the flow into the vessel is {6e7 * self.inflow:g} mL/min; it must be positive.")
        if not self.aortic_pressure > 0.0:
            raise InputError(f"the mean aortic pressure is {self.aortic_pressure:g} Pa; it must be positive.")


@dataclass(frozen=True)
class FlowRatio:
    """One vessel's.

    Attributes
    ----------
    tree, flow
        The vessel with its lesions, and pressure and flow along it.
    place
        Arc length (m) where the vessel's own ratio is read: its distal end, or the last place that is wide enough for
        a wire and outside every lesion.
    vessel
        The ratio there.
    lesions
        Of each lesion, by id: the ratio before and behind it.
    residual
        The vessel's ratio with these lesions opened to their healthy calibre at the same flow, by ids: every
        combination of up to six lesions, of more each alone and all together.
    """

    tree: VesselTree
    flow: TreeFlow
    place: float
    vessel: float
    lesions: Mapping[str, LesionPressure]
    residual: Mapping[tuple[str, ...], float]

    @property
    def curve(self) -> Array:
        """(n,) the ratio at the vessel's centreline points."""
        return self.flow.ffr(self.tree.root.name)

    @property
    def all_opened(self) -> float:
        """With every lesion opened; the vessel's own where there is none."""
        return self.residual[max(self.residual, key=len)] if self.residual else self.vessel


def outflows(tree: VesselTree, drive: Drive) -> tuple[Array, list[tuple[str, int]]]:
    """Flow (m^3/s) out of every outlet and then at every place on the way, and those places.

    By healthy diameters alone (:mod:`hemo.boundary.split`): a lesion does not lower what flows, as the flow is known.
    """
    shares = split_flow(tree, drive.exponent, drive.leakage)
    return drive.inflow * shares.in_order, list(shares.leaks)


def flow_ratio(
    tree: VesselTree,
    drive: Drive,
    blood: Blood | None = None,
    reading: Reading | None = None,
    options: LossOptions | None = None,
) -> FlowRatio:
    """The ratio along a tree's first vessel, its lesions listed; other vessels of the tree only take their flow.

    Raises
    ------
    InputError
        If the flow cannot pass the lesions.
    """

    def at(vessels: VesselTree) -> TreeFlow:
        out, leaks = outflows(vessels, drive)
        return pressures(vessels, out, leaks, drive.aortic_pressure, blood, options)

    root = tree.root
    flow = at(tree)
    found = vessel_place(tree, root)
    place = root.length if found is None else found

    def read(one: TreeFlow) -> float:
        return float(np.interp(place, root.arc, one.ffr(root.name)))

    own = [lesion.id for lesion in tree.lesions_on(root.name)]
    sizes = range(1, len(own) + 1) if len(own) <= MOST_TOGETHER else (1, len(own))
    chosen = [key for size in sizes for key in combinations(own, size)]
    residual = {key: read(at(opened(tree, [Stent(lesion) for lesion in key]))) for key in chosen}
    lesions = {lesion.id: lesion_pressure(tree, lesion, flow, None, reading) for lesion in tree.lesions_on(root.name)}
    return FlowRatio(tree, flow, place, read(flow), lesions, residual)
