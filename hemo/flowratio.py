"""FFR along a vessel at a flow that is given where it begins, as in pullbacks of intravascular images.

FFR (optical or ultrasonic flow ratio) is that of :mod:`hemo.reduced` at a prescribed flow where the vessel begins: the
flow given, or a velocity times the healthy area there. Side branches and what leaves along the taper have hyperaemic
beds, whose resistances are in the ratio that :mod:`hemo.boundary.split` says and whose level lets just that flow in. A
lesion thus turns flow into the branches before it, which a split by diameters alone would send through it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq

from hemo.blood import Blood
from hemo.boundary import Assumption, FlowConditions, Leak
from hemo.boundary.split import split_flow
from hemo.errors import InputError
from hemo.geometry.lesion import find_lesions, with_reference
from hemo.planning import Stent, opened
from hemo.reduced.network import solve, solve_vessels
from hemo.reduced.vessels import vessels_of
from hemo.results import TreeFlow
from hemo.tree import Branch, VesselTree
from hemo.units import ML_PER_MIN, MMHG

FIXED_VELOCITY = 0.35  # m/s: Tu et al. 2016, JACC Cardiovasc Interv 9:2024, fixed-flow QFR
USUAL_PRESSURE = 93.0 * MMHG
USUAL = "default: of 120/75 mmHg; measured pressure decides FFR"
VENOUS = 5.0 * MMHG
STUB = 8e-3  # m of a side branch that stands for it in the fit
LEAST_BED = 1e-3  # of the resistance without a lesion
EXPONENT = 2.39  # of the flow-diameter law: hemo.boundary.split


@dataclass(frozen=True)
class FlowState:
    """The flow where the vessel begins.

    Attributes
    ----------
    aortic_pressure
        Mean, at hyperaemia, Pa; None for a usual one. What is lost before the vessel begins is not known.
    flow
        m^3/s; None for ``velocity`` times the healthy lumen area at the proximal end.
    velocity
        Mean over the section, at hyperaemia, m/s.
    exponent
        k of the flow-diameter law by which side branches and the taper take their share.
    leakage
        Whether the tapering vessel gives off unseen branches.
    """

    aortic_pressure: float | None = None
    flow: float | None = None
    velocity: float | None = None
    exponent: float = EXPONENT
    leakage: bool = True

    def __post_init__(self) -> None:
        if self.flow is not None and self.velocity is not None:
            raise InputError("give the hyperaemic flow or its velocity, not both.")
        for name, value, low, high, unit in (
            ("aortic pressure", self.aortic_pressure, 30.0 * MMHG, 200.0 * MMHG, (MMHG, "mmHg")),
            ("flow", self.flow, 5.0 * ML_PER_MIN, 1000.0 * ML_PER_MIN, (ML_PER_MIN, "mL/min")),
            ("velocity", self.velocity, 0.05, 1.5, (1.0, "m/s")),
        ):
            if value is not None and not low <= value <= high:
                raise InputError(
                    f"a hyperaemic {name} of {value / unit[0]:g} {unit[1]} is outside {low / unit[0]:g} to "
                    f"{high / unit[0]:g}; check its unit."
                )


@dataclass(frozen=True)
class FlowRatio:
    """FFR along the vessel.

    Attributes
    ----------
    flow
        Pressures and flow along the vessel.
    opened
        The same with every lesion at its healthy calibre, the beds as they are; None without lesions.
    conditions
        The pressures and beds of both.
    assumptions
        Everything that was assumed for it.
    """

    flow: TreeFlow
    opened: TreeFlow | None
    conditions: FlowConditions
    assumptions: tuple[Assumption, ...]


def with_healthy_calibre(tree: VesselTree) -> VesselTree:
    """A vessel with its healthy calibre, which steps down at its side branches, and its lesions.

    For the fit each side branch is a short tube of its ostium's width: the law of bifurcations then weighs both
    daughters.
    """
    vessel = tree.root
    tubes = []
    for number, side in enumerate(tree.side_branches):
        at = int(np.argmin(np.abs(vessel.arc - side.place)))
        line = vessel.points[at] + np.linspace(0.5, 1.0, 9)[:, None] * STUB * vessel.normal[at]
        size = np.full(len(line), 0.5 * side.diameter)
        tubes.append(Branch(f"{vessel.name} side {number}", line, size, np.pi * size**2, size, vessel.name, at))
    fitted = with_reference(VesselTree(tree.name, (vessel, *tubes))).root
    known = replace(tree, branches=(replace(vessel, reference_radius=fitted.reference_radius),))
    return known.with_lesions(find_lesions(known.root))


def flow_ratio(tree: VesselTree, state: FlowState, blood: Blood | None = None) -> FlowRatio:
    """FFR along a vessel at the state's flow, and with its lesions opened at the same beds.

    Raises
    ------
    InputError
        If the flow cannot pass the lumen.
    """
    blood = blood or Blood()
    inflow = state.flow or (state.velocity or FIXED_VELOCITY) * healthy_inlet(tree)
    conditions = hyperaemic_beds(tree, state, inflow, blood)
    flow = solve(tree, conditions, blood)
    after = None
    if tree.lesions:
        after = solve(opened(tree, [Stent(lesion.id) for lesion in tree.lesions]), conditions, blood)
    return FlowRatio(flow, after, conditions, _assumptions(state, blood, tree, flow))


def healthy_inlet(tree: VesselTree) -> float:
    """Area of the healthy calibre where the vessel begins, m^2."""
    return float(np.pi * tree.root.reference_radius[0] ** 2)


def hyperaemic_beds(tree: VesselTree, state: FlowState, inflow: float, blood: Blood) -> FlowConditions:
    """Beds in the ratio of the split whose level lets ``inflow`` (m^3/s) into the vessel.

    Raises
    ------
    InputError
        If not even beds without resistance would.
    """
    shares = split_flow(tree, state.exponent, state.leakage)
    aortic = state.aortic_pressure or USUAL_PRESSURE

    def at(level: float) -> FlowConditions:
        resistance = level * (aortic - VENOUS) / (inflow * shares.in_order)
        count = len(shares.outlets)
        beds = {name: float(r) for name, r in zip(shares.outlets, resistance, strict=False)}
        leaks = tuple(Leak(*place, float(r)) for place, r in zip(shares.leaks, resistance[count:], strict=True))
        return FlowConditions(aortic, VENOUS, beds, None, leaks)

    vessels = vessels_of(tree, at(1.0).leak_places)

    def excess(logarithm: float) -> float:
        flow, out = solve_vessels(vessels, at(float(np.exp(logarithm))), blood)
        return float(np.log(out.sum() / inflow)) if flow.status.usable and out.sum() > 0.0 else float("nan")

    high = low = 0.0
    while (found := excess(low)) < 0.0 and low > np.log(LEAST_BED):
        high, low = low, low - 0.3
    if not found >= 0.0:
        raise InputError(
            f"{tree.name}: a flow of {inflow / ML_PER_MIN:.0f} mL/min cannot pass this lumen at "
            f"{aortic / MMHG:.0f} mmHg; give a lower flow or velocity."
        )
    return at(float(np.exp(low if low == high else brentq(excess, low, high, xtol=1e-4))))


def _assumptions(state: FlowState, blood: Blood, tree: VesselTree, flow: TreeFlow) -> tuple[Assumption, ...]:
    vessel = tree.root
    along = flow.branches[vessel.name].flow / ML_PER_MIN
    area = healthy_inlet(tree)
    chord = float(np.linalg.norm(vessel.points[-1] - vessel.points[0]))
    curved = 1.0 - chord / vessel.length

    def source(told: object, otherwise: str) -> str:
        return "given" if told else otherwise

    rows = [
        Assumption("mean aortic pressure", flow.aortic_pressure / MMHG, "mmHg", source(state.aortic_pressure, USUAL)),
        Assumption(
            "venous pressure", VENOUS / MMHG, "mmHg", "default: usual value of a person lying down, not confirmed"
        ),
        Assumption(
            "flow at the proximal end", float(along[0]), "mL/min", source(state.flow, "velocity x healthy area")
        ),
    ]
    if not state.flow:
        fixed = "default: fixed-flow QFR, Tu et al. 2016, JACC Cardiovasc Interv 9:2024"
        rows.append(
            Assumption("hyperaemic velocity", state.velocity or FIXED_VELOCITY, "m/s", source(state.velocity, fixed))
        )
        rows.append(Assumption("healthy area at the proximal end", 1e6 * area, "mm^2", "fitted to the lumen"))
    if curved < 1e-3:
        straight = "no centreline given: friction of its bends is left out, FFR some 0.02 too high (docs/pullback.md)"
        rows.append(Assumption("course", "straight", "", straight))
    split = "default: Taylor DJ et al. 2024, Am J Physiol Heart Circ Physiol 327:H182"
    return (
        *rows,
        Assumption("flow at the distal end", float(along[-1]), "mL/min", "computed"),
        Assumption("exponent of the flow split", state.exponent, "", split if state.exponent == EXPONENT else "given"),
        Assumption("density", blood.density, "kg/m^3", "given"),
        Assumption("viscosity", 1e3 * blood.viscosity, "mPa s", "given"),
    )
