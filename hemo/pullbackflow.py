"""FFR along a pullback: what flow enters the vessel where it begins, and what was assumed for it.

FFR (optical or ultrasonic flow ratio) is that of :mod:`hemo.flowratio` at the flow given, or at a velocity times the
healthy area where the vessel begins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hemo.blood import Blood
from hemo.boundary import Assumption
from hemo.errors import InputError
from hemo.flowratio import EXPONENT, Drive, FlowRatio, flow_ratio
from hemo.results import TreeFlow
from hemo.tree import VesselTree
from hemo.units import ML_PER_MIN, MMHG

FIXED_VELOCITY = 0.35  # m/s: Tu et al. 2016, JACC Cardiovasc Interv 9:2024, fixed-flow QFR
USUAL_PRESSURE = 93.0 * MMHG
USUAL = "default: of 120/75 mmHg; measured pressure decides FFR"


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
class PullbackFlow:
    """FFR along the vessel, and everything that was assumed for it."""

    ratio: FlowRatio
    assumptions: tuple[Assumption, ...]


def pullback_flow(tree: VesselTree, state: FlowState, blood: Blood | None = None) -> PullbackFlow:
    """FFR along a vessel at the state's flow, and with its lesions opened at the same beds.

    Raises
    ------
    InputError
        If the flow cannot pass the lumen.
    """
    blood = blood or Blood()
    inflow = state.flow or (state.velocity or FIXED_VELOCITY) * healthy_inlet(tree)
    drive = Drive(inflow, state.aortic_pressure or USUAL_PRESSURE, exponent=state.exponent, leakage=state.leakage)
    found = flow_ratio(tree, drive, blood)
    return PullbackFlow(found, _assumptions(state, blood, tree, found.flow))


def healthy_inlet(tree: VesselTree) -> float:
    """Area of the healthy calibre where the vessel begins, m^2."""
    return float(np.pi * tree.root.reference_radius[0] ** 2)


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
            "venous pressure",
            Drive.venous_pressure / MMHG,
            "mmHg",
            "default: usual value of a person lying down, not confirmed",
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
