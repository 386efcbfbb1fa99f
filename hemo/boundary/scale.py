"""How much flow the whole coronary circulation takes at rest, from the best that is known of the patient.

In this order (``Physiology.scale`` "automatic"): a measured flow; a perfusion map; cardiac output; heart rate, systolic
pressure and mass; mass alone; a population value. Every constant is at its name, with its source and range.
"""

from __future__ import annotations

from dataclasses import dataclass

from hemo.boundary.conditions import Assumption
from hemo.boundary.patient import Physiology
from hemo.errors import InputError
from hemo.units import GRAM, ML_PER_MIN, MMHG

# Q_rest = 5.0 mL/min (M_LV / g)^0.75, both coronary arteries against LEFT VENTRICULAR mass. The exponent is that of
# Choy and Kassab 2008 (J Appl Physiol 104:1281: 0.74 +- 0.04 in pigs; Choi et al. 2020, Physiol Rep 8:e14514, found
# 0.50 in patients). No factor is published. hemo's own: 135 g gives 198 mL/min, which with a resistance reserve of 3
# becomes 594 mL/min, against 582 +- 138 measured by continuous thermodilution in mild disease (Fournier et al. 2021,
# EuroIntervention 17:e309). Positron emission tomography says less: 0.92 mL/min/g at a rate-pressure product of 8634
# (Czernin et al. 1993, Circulation 88:62), 174 mL/min for 135 g with 1.4 times the left ventricle's mass.
MASS_FACTOR = 5.0
MASS_EXPONENT = 0.75
DEFAULT_MASS = 135.0 * GRAM
MASS_RANGE = (30.0 * GRAM, 600.0 * GRAM)

# The left ventricle is two thirds of the heart: 0.77 of both ventricles at autopsy (181 and 54 g in men, 125 and 38 g
# in women: Vitoria series, Arq Bras Cardiol, from its abstract), and the atria weigh about 15 % of the heart (not
# confirmed).
HEART_OVER_LEFT_VENTRICLE = 1.5

# Resting perfusion in mL/min/g of left ventricle over heart rate (1/min) x systolic pressure (mmHg): 0.76 at 6895 and
# 0.92 at 8634 in younger and older volunteers, 1.10e-4 and 1.07e-4 (Czernin et al. 1993, n = 40).
PERFUSION_OVER_RATE_PRESSURE = 1.08e-4
RATE_PRESSURE_RANGE = (4000.0, 20000.0)

# The heart takes 4 to 5 % of the cardiac output (textbook value, not confirmed in a primary study).
CARDIAC_FRACTION = 0.045
CARDIAC_OUTPUT_RANGE = (1500.0 * ML_PER_MIN, 15000.0 * ML_PER_MIN)


@dataclass(frozen=True)
class RestingFlow:
    """Resting flow (m^3/s) of both coronary trees, how it was found, and on what it stands."""

    value: float
    scale: str
    assumptions: tuple[Assumption, ...]


def flow_from_mass(mass: float) -> float:
    """Resting flow (m^3/s) of the whole coronary circulation for a left ventricular mass (kg)."""
    return float(MASS_FACTOR * (mass / GRAM) ** MASS_EXPONENT * ML_PER_MIN)


def flow_from_rate_and_pressure(heart_rate: float, systolic: float, mass: float) -> float:
    """Resting flow (m^3/s) from heart rate (1/s), systolic pressure (Pa) and left ventricular mass (kg).

    Raises
    ------
    InputError
        If rate times pressure lies far outside what a resting person has.
    """
    product = 60.0 * heart_rate * systolic / MMHG
    low, high = RATE_PRESSURE_RANGE
    if not low <= product <= high:
        raise InputError(
            f"patient: heart rate x systolic pressure is {product:.0f} mmHg/min, outside {low:.0f} to {high:.0f} "
            f"at rest; "
            "check their units."
        )
    whole = HEART_OVER_LEFT_VENTRICLE * mass / GRAM
    return float(PERFUSION_OVER_RATE_PRESSURE * product * whole * ML_PER_MIN)


def resting_flow(patient: Physiology) -> RestingFlow:
    """The whole coronary circulation's resting flow, by the first scale that the patient's data allow.

    Raises
    ------
    InputError
        If the scale that was asked for lacks its data, or a number is out of range.
    """
    known = {
        "measured": patient.rest_flow is not None,
        "cardiac output": patient.cardiac_output is not None,
        "rate and pressure": None not in (patient.heart_rate, patient.systolic) and _mass_given(patient),
        "mass": _mass_given(patient),
        "population": True,
    }
    wanted: str = patient.scale
    if wanted in ("automatic", "perfusion"):
        wanted = next(name for name, there in known.items() if there)
    elif not known[wanted]:
        raise InputError(f"flow.scale: {wanted!r} needs data that the case does not give; give them, or leave it out.")
    makers = {
        "measured": _measured,
        "cardiac output": _from_output,
        "rate and pressure": _from_rate,
        "mass": _from_mass,
        "population": _from_population,
    }
    value, rows = makers[wanted](patient)
    return RestingFlow(value, wanted, rows)


def _mass_given(patient: Physiology) -> bool:
    return patient.myocardial_mass is not None or patient.total_myocardial_mass is not None


def left_ventricular_mass(patient: Physiology) -> float:
    """Mass of the left ventricle, kg; raises InputError outside 30 to 600 g."""
    mass, key = patient.myocardial_mass, "myocardial_mass"
    if mass is None and patient.total_myocardial_mass is not None:
        mass, key = patient.total_myocardial_mass / HEART_OVER_LEFT_VENTRICLE, "total_myocardial_mass"
    if mass is None:
        return DEFAULT_MASS
    if not MASS_RANGE[0] <= mass <= MASS_RANGE[1]:
        raise InputError(
            f"patient: {key} means {mass / GRAM:g} g of left ventricle, outside 30 to 600 g; check its unit."
        )
    return mass


def _mass_rows(patient: Physiology) -> tuple[Assumption, ...]:
    mass = Assumption("left ventricular mass", left_ventricular_mass(patient) / GRAM, "g", "case file")
    if patient.myocardial_mass is not None:
        return (mass,)
    return (
        Assumption(
            "left ventricle's part of the heart's mass",
            1.0 / HEART_OVER_LEFT_VENTRICLE,
            "",
            "default: 0.77 of both ventricles at autopsy, atria about 15 % of the heart (not confirmed)",
        ),
        mass,
    )


def _measured(patient: Physiology) -> tuple[float, tuple[Assumption, ...]]:
    assert patient.rest_flow is not None
    if patient.rest_flow <= 0.0:
        raise InputError("flow: rest_flow must be positive.")
    return patient.rest_flow, (_row(patient.rest_flow, "case file"),)


def _from_output(patient: Physiology) -> tuple[float, tuple[Assumption, ...]]:
    output = patient.cardiac_output or 0.0
    low, high = CARDIAC_OUTPUT_RANGE
    if not low <= output <= high:
        raise InputError(
            f"patient: cardiac_output {output / ML_PER_MIN:.0f} mL/min is outside {low / ML_PER_MIN:.0f} to "
            f"{high / ML_PER_MIN:.0f}; check its unit."
        )
    flow = CARDIAC_FRACTION * output
    rows = (
        Assumption("cardiac output", output / ML_PER_MIN, "mL/min", "case file"),
        Assumption("coronary part of it", CARDIAC_FRACTION, "", "default: 4 to 5 %, textbook value (not confirmed)"),
    )
    return flow, (*rows, _row(flow, "computed"))


def _from_rate(patient: Physiology) -> tuple[float, tuple[Assumption, ...]]:
    assert patient.heart_rate is not None and patient.systolic is not None
    mass = left_ventricular_mass(patient)
    flow = flow_from_rate_and_pressure(patient.heart_rate, patient.systolic, mass)
    source = (
        "default: 1.08e-4 mL/min/g per mmHg/min, Czernin et al. 1993, Circulation 88:62; heart 1.5 x left ventricle"
    )
    product = Assumption(
        "heart rate x systolic pressure", 60.0 * patient.heart_rate * patient.systolic / MMHG, "mmHg/min", "case file"
    )
    return flow, (*_mass_rows(patient), product, _row(flow, source))


def _from_mass(patient: Physiology) -> tuple[float, tuple[Assumption, ...]]:
    flow = flow_from_mass(left_ventricular_mass(patient))
    return flow, (*_mass_rows(patient), _row(flow, _MASS_SOURCE))


def _from_population(_: Physiology) -> tuple[float, tuple[Assumption, ...]]:
    flow = flow_from_mass(DEFAULT_MASS)
    mass = Assumption(
        "left ventricular mass",
        DEFAULT_MASS / GRAM,
        "g",
        "default: population value, 145 +- 29 g in men and "
        "108 +- 20 g in women by CT (Kang et al. 2017, Korean J Radiol 18:664)",
    )
    return flow, (mass, _row(flow, _MASS_SOURCE))


_MASS_SOURCE = "default: 5.0 (M/g)^0.75, exponent Choy and Kassab 2008, factor matched to Fournier et al. 2021"


def _row(flow: float, source: str) -> Assumption:
    return Assumption("resting coronary flow, whole heart", flow / ML_PER_MIN, "mL/min", source)
