"""Boundary conditions: how much flow the heart asks for and what the microvasculature lets through.

This module owns the physiology for every path (reduced, finite-element, and later angiographic).
Each assumption is an :class:`Assumption` with its source, which the summary prints.

The recipe is the one of Taylor, Fonte and Min 2013 (J Am Coll Cardiol 61:2233): resting flow from
myocardial mass, microvascular resistance from vessel calibre, and hyperaemia as a lowered resistance.
It publishes no constants; the ones used here are named with where they come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hemo.errors import InputError
from hemo.tree import Branch, VesselTree
from hemo.units import GRAM, ML_PER_MIN, MMHG

State = Literal["rest", "hyperaemia"]

# Q_rest = 5.0 mL/min (M_LV / g)^0.75, the whole coronary circulation against LEFT VENTRICULAR mass. The
# exponent is that of Choy and Kassab 2008 (J Appl Physiol 104:1281). The factor is hemo's own: 135 g gives
# 198 mL/min, which with a resistance reserve of 3 becomes 594 mL/min, against 582 +- 138 measured by continuous
# thermodilution in mild disease (Fournier et al. 2021, EuroIntervention 17:e309).
REST_FLOW_FACTOR = 5.0
REST_FLOW_EXPONENT = 0.75
DEFAULT_MASS = 135.0 * GRAM
# Left share of whole-heart hyperaemic flow, Fournier 2021, mild disease: (228 + 160) / (228 + 160 + 189).
LEFT_SHARE = 0.67
SHARES = {"left": LEFT_SHARE, "right": 1.0 - LEFT_SHARE}


@dataclass(frozen=True)
class Assumption:
    """One number that the result stands on.

    ``source`` is ``"case file"`` or ``"default: <citation>"``.
    """

    name: str
    value: float | str
    unit: str
    source: str


@dataclass(frozen=True)
class FlowConditions:
    """What a flow solver needs besides the geometry and the blood.

    Pressure-driven (``inlet_flow`` None): the mean total pressure p + rho |u|^2 / 2 at the ostium is
    ``aortic_pressure``. Flow-driven: a parabolic profile carries ``inlet_flow`` through the inlet, and
    the pressure level is shifted afterwards so that mean static pressure + rho U^2 / 2 at the inlet
    section is ``aortic_pressure``. Outlet i: mean pressure p_i = venous_pressure + R_i Q_i.

    Attributes
    ----------
    aortic_pressure, venous_pressure
        Pa.
    outlet_resistance
        Outlet branch name -> resistance, Pa s / m^3 (0 allowed in the flow-driven form with one outlet).
    inlet_flow
        m^3/s, or None.
    """

    aortic_pressure: float
    venous_pressure: float
    outlet_resistance: dict[str, float]
    inlet_flow: float | None = None

    def __post_init__(self) -> None:
        if self.aortic_pressure <= 0.0:
            raise InputError(f"the mean aortic pressure is {self.aortic_pressure:g} Pa; it must be positive.")
        if self.inlet_flow is None and self.venous_pressure >= self.aortic_pressure:
            raise InputError("the venous pressure is not below the aortic pressure; no flow can result.")
        if any(value < 0.0 for value in self.outlet_resistance.values()):
            raise InputError("an outlet resistance is negative; every one must be zero or positive.")


@dataclass(frozen=True)
class Physiology:
    """What is known or assumed of the patient; None means not given. SI.

    Attributes
    ----------
    systolic, diastolic, mean_pressure
        Aortic or cuff pressure, Pa; ``mean_pressure`` wins where both are given.
    venous_pressure
        Pa.
    myocardial_mass
        Left ventricular mass, kg.
    rest_flow
        Measured resting flow of the whole coronary circulation, m^3/s; wins over the mass.
    resistance_reserve
        Resting over hyperaemic microvascular resistance (the microvascular resistance reserve).
    exponent
        Flow-diameter exponent of the split at a bifurcation.
    inlet_flow
        Prescribed flow through a single tree's inlet, m^3/s; wins over all of the above.
    state
        The state that ``inlet_flow`` describes and that FFR is computed in.
    given
        Names of the fields that came from the user.
    """

    systolic: float | None = None
    diastolic: float | None = None
    mean_pressure: float | None = None
    venous_pressure: float = 5.0 * MMHG
    heart_rate: float | None = None
    myocardial_mass: float | None = None
    rest_flow: float | None = None
    resistance_reserve: float = 3.0
    exponent: float = 2.39
    inlet_flow: float | None = None
    state: State = "hyperaemia"
    given: frozenset[str] = frozenset()


def mean_aortic_pressure(systolic: float, diastolic: float) -> float:
    """Mean from cuff pressures, DBP + (SBP - DBP) / 3 (the clinical rule of thumb), Pa.

    Raises
    ------
    InputError
        If a pressure is not positive or systolic is not above diastolic.
    """
    if systolic <= 0.0 or diastolic <= 0.0:
        raise InputError("patient: systolic and diastolic pressure must be positive; correct the case file.")
    if systolic <= diastolic:
        raise InputError(
            f"patient: systolic pressure ({systolic / MMHG:.0f} mmHg) is not above diastolic "
            f"({diastolic / MMHG:.0f} mmHg); exchange or correct them."
        )
    return diastolic + (systolic - diastolic) / 3.0


def resting_flow(mass: float) -> float:
    """Resting flow (m^3/s) of the whole coronary circulation for a left ventricular mass (kg)."""
    return float(REST_FLOW_FACTOR * (mass / GRAM) ** REST_FLOW_EXPONENT * ML_PER_MIN)


def split_flow(tree: VesselTree, total: float, exponent: float) -> dict[str, float]:
    """Share ``total`` (m^3/s) out among the outlets.

    At every bifurcation the daughters take flow in proportion to their healthy reference diameter to
    the power ``exponent`` (Murray-type law; 2.39 is the pooled value of Taylor DJ et al. 2024, Am J
    Physiol Heart 327:H182). Where a side branch leaves, the daughters are the side branch and the
    parent's own continuation. Cutting the tree further downstream changes nothing.
    """
    shares: dict[str, float] = {}

    def descend(branch: Branch, inflow: float) -> None:
        remaining = inflow
        places: dict[int, list[Branch]] = {}
        for child in tree.children(branch.name):
            places.setdefault(int(child.parent_index or 0), []).append(child)
        for place, children in sorted(places.items()):
            weights = [_calibre(child, 0) ** exponent for child in children]
            goes_on = branch.is_outlet or any(later > place for later in places)
            own = _calibre(branch, place) ** exponent if goes_on else 0.0
            whole = sum(weights) + own
            for child, weight in zip(children, weights, strict=True):
                descend(child, remaining * weight / whole)
            remaining *= own / whole
        if branch.is_outlet:
            shares[branch.name] = remaining

    descend(tree.root, total)
    return {name: shares[name] for name in tree.outlets}


def _calibre(branch: Branch, index: int, window: float = 5e-3) -> float:
    """Healthy diameter (m) just distal to a place: the median over the next few millimetres."""
    arc = branch.arc
    near = (arc >= arc[index]) & (arc <= arc[index] + window)
    return float(2.0 * np.median(branch.reference_radius[near]))


def outlet_resistances(flows: Mapping[str, float], aortic: float, venous: float) -> dict[str, float]:
    """Resistance (Pa s/m^3) of each outlet that passes its flow with the whole pressure drop across it.

    At rest the healthy epicardial drop is about 1 mmHg, so all of (Pa - Pv) is the microvasculature's.
    """
    return {name: (aortic - venous) / flow for name, flow in flows.items()}


def flow_conditions(tree: VesselTree, patient: Physiology, state: State | None = None) -> FlowConditions:
    """Boundary conditions of one tree at rest or at hyperaemia (default: the patient's state).

    Raises
    ------
    InputError
        If the pressures are missing or contradictory, or a number is out of range.
    """
    aortic = aortic_pressure(patient)
    wanted = state or patient.state
    if patient.exponent <= 0.0 or patient.resistance_reserve < 1.0:
        raise InputError("flow: the exponent must be positive and the resistance reserve at least 1.")
    if patient.inlet_flow is not None:
        if patient.inlet_flow <= 0.0:
            raise InputError("flow: inlet_flow must be positive.")
        change = {"rest": 1.0, "hyperaemia": patient.resistance_reserve}
        flow = patient.inlet_flow * change[wanted] / change[patient.state]
        flows = split_flow(tree, flow, patient.exponent)
        resistance = outlet_resistances(flows, aortic, patient.venous_pressure)
        return FlowConditions(aortic, patient.venous_pressure, resistance, flow)
    rest = _whole_heart_rest(patient) * SHARES.get(tree.name, 1.0)
    resistance = outlet_resistances(split_flow(tree, rest, patient.exponent), aortic, patient.venous_pressure)
    if wanted == "hyperaemia":
        resistance = {name: value / patient.resistance_reserve for name, value in resistance.items()}
    return FlowConditions(aortic, patient.venous_pressure, resistance)


def aortic_pressure(patient: Physiology) -> float:
    """Mean aortic pressure, Pa, from the mean itself or from the cuff."""
    if patient.mean_pressure is not None:
        if patient.mean_pressure <= 0.0:
            raise InputError("patient: mean_pressure must be positive; correct the case file.")
        return patient.mean_pressure
    if patient.systolic is None or patient.diastolic is None:
        raise InputError("patient: give systolic and diastolic pressure, or mean_pressure.")
    return mean_aortic_pressure(patient.systolic, patient.diastolic)


def _whole_heart_rest(patient: Physiology) -> float:
    if patient.rest_flow is not None:
        if patient.rest_flow <= 0.0:
            raise InputError("flow: rest_flow must be positive.")
        return patient.rest_flow
    mass = patient.myocardial_mass if patient.myocardial_mass is not None else DEFAULT_MASS
    if not 30.0 * GRAM <= mass <= 600.0 * GRAM:
        raise InputError(f"patient: myocardial_mass {mass / GRAM:g} g is outside 30 to 600 g; check its unit.")
    return resting_flow(mass)


def assumptions(tree: VesselTree, patient: Physiology, conditions: FlowConditions) -> tuple[Assumption, ...]:
    """Everything assumed for one tree, with its source."""

    def source(field: str, default: str) -> str:
        return "case file" if field in patient.given else f"default: {default}"

    cuff = "case file" if "mean_pressure" in patient.given else "case file: DBP + (SBP - DBP) / 3"
    rows = [
        Assumption("mean aortic pressure", conditions.aortic_pressure / MMHG, "mmHg", cuff),
        Assumption(
            "venous pressure",
            conditions.venous_pressure / MMHG,
            "mmHg",
            source("venous_pressure", "usual central venous pressure, not confirmed in a primary source"),
        ),
        Assumption(
            "flow-diameter exponent", patient.exponent, "", source("exponent", "Taylor DJ 2024, AJP Heart 327:H182")
        ),
    ]
    if conditions.inlet_flow is not None:
        rows.append(Assumption("inlet flow", conditions.inlet_flow / ML_PER_MIN, "mL/min", "case file"))
    else:
        rows += _demand(tree, patient, source("resistance_reserve", "ILIAS registry median 2.97 (secondary note)"))
    rows += [
        Assumption(f"outlet resistance {name}", value / MMHG * ML_PER_MIN, "mmHg min/mL", "computed")
        for name, value in conditions.outlet_resistance.items()
    ]
    return tuple(rows)


def _demand(tree: VesselTree, patient: Physiology, reserve_source: str) -> list[Assumption]:
    """The assumptions that set the flow when it is not prescribed."""
    rows = []
    if patient.rest_flow is None:
        mass = patient.myocardial_mass or DEFAULT_MASS
        given = "myocardial_mass" in patient.given
        rows.append(
            Assumption("left ventricular mass", mass / GRAM, "g", "case file" if given else "default: population value")
        )
    rest = _whole_heart_rest(patient)
    rows.append(
        Assumption(
            "resting coronary flow, whole heart",
            rest / ML_PER_MIN,
            "mL/min",
            "case file"
            if patient.rest_flow is not None
            else "default: 5.0 (M/g)^0.75, exponent Choy and Kassab 2008, factor matched to Fournier 2021",
        )
    )
    if tree.name in SHARES:
        rows.append(
            Assumption(f"share of the {tree.name} tree", SHARES[tree.name], "", "default: Fournier 2021, mild disease")
        )
    rows.append(Assumption("microvascular resistance reserve", patient.resistance_reserve, "", reserve_source))
    return rows
