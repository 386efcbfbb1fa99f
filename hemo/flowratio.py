"""The flow ratio of one vessel whose flow is known: from an angiogram (QFR) or a pullback (OFR, UFR).

Pressure over aortic pressure along the vessel, what each lesion takes of it, and what it would be with lesions opened.
The losses and the division of flow at side branches are those of every other path of hemo.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from hemo.blood import Blood
from hemo.boundary import FlowConditions, Leak
from hemo.boundary.split import Shares, split_flow
from hemo.boundary.territory import CORONARY
from hemo.errors import InputError
from hemo.indices import LesionPressure, Reading, lesion_pressure, vessel_place
from hemo.planning import MOST_TOGETHER, Stent, opened
from hemo.reduced.losses import LossOptions
from hemo.reduced.network import solve_vessels
from hemo.reduced.prescribed import pressures
from hemo.reduced.vessels import vessels_of
from hemo.results import TreeFlow
from hemo.tree import VesselTree
from hemo.units import ML_PER_MIN, MMHG

Array = NDArray[Any]

EXPONENT = CORONARY.exponent.value
Division = Literal["beds", "healthy"]
LEAST_BED = 1e-3  # of what the beds would resist without any loss in the vessel


@dataclass(frozen=True)
class Drive:
    """What drives the flow.

    Attributes
    ----------
    inflow
        Into the vessel's first point, m^3/s.
    aortic_pressure
        Mean, Pa: total pressure at the vessel's first point.
    venous_pressure
        Behind the beds, Pa.
    exponent
        k of the flow-diameter law by which side branches take their share.
    leakage
        Whether what a vessel's taper says of branches that nobody drew leaves, too.
    division
        ``"beds"``: microvascular resistances stand to each other as healthy diameters say, and all together let the
        known flow in: so what lies behind a lesion gets less, and opening it lets more flow. ``"healthy"``: the flow is
        divided by healthy diameters whatever the lesions take, and stays what it is when they are opened.
    """

    inflow: float
    aortic_pressure: float
    venous_pressure: float = CORONARY.venous_pressure.value
    exponent: float = EXPONENT
    leakage: bool = True
    division: Division = "beds"

    def __post_init__(self) -> None:
        if not self.inflow > 0.0:
            raise InputError(f"the flow into the vessel is {self.inflow / ML_PER_MIN:g} mL/min; it must be positive.")
        if not self.aortic_pressure > self.venous_pressure >= 0.0:
            raise InputError(
                f"the mean aortic pressure is {self.aortic_pressure:g} Pa and the venous {self.venous_pressure:g} Pa; "
                "the latter must not be negative, and the former above it."
            )
        if self.division not in get_args(Division):
            raise InputError(f"{self.division!r} is no division of flow; there are {', '.join(get_args(Division))}.")


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
        The vessel's ratio with these lesions opened to their healthy calibre, by ids: every combination of up to six
        lesions, of more each alone and all together.
    opened
        Pressure and flow with all of them opened; None without lesions.
    conditions
        The beds; None where the flow was divided by healthy diameters.
    """

    tree: VesselTree
    flow: TreeFlow
    place: float
    vessel: float
    lesions: Mapping[str, LesionPressure]
    residual: Mapping[tuple[str, ...], float]
    opened: TreeFlow | None
    conditions: FlowConditions | None

    @property
    def curve(self) -> Array:
        """(n,) the ratio at the vessel's centreline points."""
        return self.flow.ffr(self.tree.root.name)

    @property
    def all_opened(self) -> float:
        """With every lesion opened; the vessel's own where there is none."""
        return self.residual[max(self.residual, key=len)] if self.residual else self.vessel


def flow_ratio(
    tree: VesselTree,
    drive: Drive,
    blood: Blood | None = None,
    reading: Reading | None = None,
    options: LossOptions | None = None,
    unsure_end: float = 0.0,
) -> FlowRatio:
    """The ratio along a tree's first vessel, its lesions listed; other vessels of the tree only take their flow.

    Parameters
    ----------
    unsure_end
        Length at the vessel's end where its lumen is not sure enough to read the vessel's ratio, m.

    Raises
    ------
    InputError
        If the flow cannot pass the lesions.
    """
    root, blood = tree.root, blood or Blood()
    solved, conditions = _solver(tree, drive, blood, options)
    flow, place = solved(tree), reading_place(tree, unsure_end)

    def read(one: TreeFlow) -> float:
        return float(np.interp(place, root.arc, one.ffr(root.name)))

    own = [lesion.id for lesion in tree.lesions_on(root.name)]
    sizes = range(1, len(own) + 1) if len(own) <= MOST_TOGETHER else (1, len(own))
    chosen = [key for size in sizes for key in combinations(own, size)]
    after = {key: solved(opened(tree, [Stent(lesion) for lesion in key])) for key in chosen}
    lesions = {one.id: lesion_pressure(tree, one, flow, None, reading) for one in tree.lesions_on(root.name)}
    residual = {key: read(one) for key, one in after.items()}
    return FlowRatio(tree, flow, place, read(flow), lesions, residual, after.get(tuple(own)), conditions)


def reading_place(tree: VesselTree, unsure_end: float = 0.0) -> float:
    """Arc length (m) where the first vessel's own ratio is read, not within ``unsure_end`` (m) of its end."""
    found = vessel_place(tree, tree.root)
    return min(tree.root.length if found is None else found, tree.root.length - unsure_end)


def flow_along(
    tree: VesselTree, drive: Drive, blood: Blood | None = None, options: LossOptions | None = None
) -> TreeFlow:
    """Pressure and flow alone.

    Raises
    ------
    InputError
        As :func:`flow_ratio`.
    """
    return _solver(tree, drive, blood or Blood(), options)[0](tree)


def _solver(
    tree: VesselTree, drive: Drive, blood: Blood, options: LossOptions | None
) -> tuple[Callable[[VesselTree], TreeFlow], FlowConditions | None]:
    """What gives the flow in the vessel as it is or with lesions opened, and the beds."""
    shares = split_flow(tree, drive.exponent, drive.leakage)
    if drive.division == "healthy":
        out, leaks = drive.inflow * shares.in_order, list(shares.leaks)
        return lambda vessels: pressures(vessels, out, leaks, drive.aortic_pressure, blood, options), None
    beds = bed_conditions(tree, shares, drive, blood, options)
    return lambda vessels: solve_vessels(vessels_of(vessels, beds.leak_places), beds, blood, options)[0], beds


def bed_conditions(
    tree: VesselTree, shares: Shares, drive: Drive, blood: Blood, options: LossOptions | None = None
) -> FlowConditions:
    """The beds that stand to each other as 1 / shares and let the known flow in.

    Raises
    ------
    InputError
        If the lesions let less pass even where the beds resist next to nothing.
    """
    vessels = vessels_of(tree, list(shares.leaks))
    lossless = (drive.aortic_pressure - drive.venous_pressure) / (drive.inflow * shares.in_order)
    count = len(shares.outlets)

    def conditions(level: float) -> FlowConditions:
        resistance = [float(value) for value in np.exp(level) * lossless]
        outlets = dict(zip(shares.outlets, resistance, strict=False))
        leaks = tuple(Leak(*at, value) for at, value in zip(shares.leaks, resistance[count:], strict=True))
        return FlowConditions(drive.aortic_pressure, drive.venous_pressure, outlets, None, leaks)

    def excess(level: float) -> float:
        flow, out = solve_vessels(vessels, conditions(level), blood, options)
        return float(np.log(out.sum() / drive.inflow)) if flow.status.usable and out.sum() > 0.0 else float("nan")

    high = low = 0.0  # logarithms: without any loss in the vessel the beds would let the flow in at 0
    while (found := excess(low)) < 0.0 and low > np.log(LEAST_BED):
        high, low = low, low - 0.3
    if not found >= 0.0:
        raise InputError(
            f"tree {tree.name!r}: {drive.inflow / ML_PER_MIN:.0f} mL/min cannot pass this lumen at an aortic pressure "
            f"of {drive.aortic_pressure / MMHG:.0f} mmHg; check the flow and the lumen."
        )
    return conditions(low if low == high else brentq(excess, low, high, xtol=1e-6))
