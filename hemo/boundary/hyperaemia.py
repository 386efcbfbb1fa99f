"""What hyperaemia does: it lowers the resistance of the microvasculature, not the flow by a factor.

R_hyperaemia = R_rest / MRR, with the microvascular resistance reserve MRR = (CFR / FFR) (Pa_rest / Pa_hyperaemia) of De
Bruyne et al. 2021 (J Am Coll Cardiol 78:1541): a measured coronary flow reserve contains the stenosis, which the model
adds itself, so that FFR takes it out again. MRR is 1 / TCRI, the total coronary resistance index of other work.
"""

from __future__ import annotations

from dataclasses import dataclass

from hemo.boundary.conditions import Assumption
from hemo.boundary.patient import Physiology, aortic_pressure
from hemo.errors import InputError

DYSFUNCTION_IMR = 25.0  # mmHg s, COVADIS: Ong et al. 2018, Int J Cardiol (PMID 29031990; digits not confirmed)
DYSFUNCTION_CFR = (2.0, 2.5)  # below the first: dysfunction by every definition; between: by some (COVADIS, ESC)
# Mean of the 24 patients without obstructive disease whose reserve was abnormal, 3.4 in the other 122 (continuous
# thermodilution, JACC Cardiovasc Interv 2023;16:470).
DYSFUNCTION_RESERVE = 1.9


@dataclass(frozen=True)
class Reserve:
    """Resting over hyperaemic microvascular resistance, and where it comes from."""

    value: float
    source: str


def resistance_reserve(patient: Physiology) -> Reserve:
    """The reserve from what was measured, or of the kind of microvasculature that is assumed.

    Raises
    ------
    InputError
        If it would be below 1, or a measured flow reserve comes without the FFR of its vessel.
    """
    found = _measured(patient) or _assumed(patient)
    if not 1.0 <= found.value <= 15.0:
        raise InputError(f"flow: the resistance reserve is {found.value:.2f}; it must be between 1 and 15.")
    return found


def _measured(patient: Physiology) -> Reserve | None:
    if patient.resistance_reserve is not None:
        return Reserve(patient.resistance_reserve, "case file")
    if patient.flow_reserve is None:
        return None
    if patient.measured_ffr is None:
        raise InputError(
            "flow: flow_reserve contains the stenosis; give measured_ffr of the same vessel too (1.0 where it is free "
            "of disease), or resistance_reserve."
        )
    if not 0.0 < patient.measured_ffr <= 1.0 or patient.flow_reserve <= 0.0:
        raise InputError("flow: measured_ffr must lie between 0 and 1, and flow_reserve must be positive.")
    pressures = aortic_pressure(patient, "rest") / aortic_pressure(patient, "hyperaemia")
    value = patient.flow_reserve / patient.measured_ffr * pressures
    return Reserve(value, "case file: (CFR / FFR) (Pa_rest / Pa_hyperaemia), De Bruyne et al. 2021")


def _assumed(patient: Physiology) -> Reserve:
    kind, typical = microvasculature(patient), patient.typical
    if kind == "healthy":
        return Reserve(typical.healthy_reserve.value, f"default (healthy): {typical.healthy_reserve.source}")
    if kind == "dysfunction":
        source = "default (dysfunction): abnormal patients without stenosis, JACC Cardiovasc Interv 2023;16:470"
        return Reserve(DYSFUNCTION_RESERVE, source)
    return Reserve(typical.resistance_reserve.value, f"default: {typical.resistance_reserve.source}")


def microvasculature(patient: Physiology) -> str:
    """Whose microvasculature to assume: what the case says, or dysfunction where IMR says so."""
    index = patient.microcirculatory_resistance_index
    if patient.microvasculature == "patient" and index is not None and index >= DYSFUNCTION_IMR:
        return "dysfunction"
    return patient.microvasculature


def microvascular_function(patient: Physiology) -> tuple[Assumption, ...]:
    """What the measured indices say of the microvasculature, by the usual definitions."""
    rows = []
    if patient.flow_reserve is not None:
        low, high = DYSFUNCTION_CFR
        verdict = (
            "below 2.0" if patient.flow_reserve < low else "2.0 to 2.5" if patient.flow_reserve < high else "normal"
        )
        rows.append(Assumption("coronary flow reserve", patient.flow_reserve, verdict, "case file"))
    index = patient.microcirculatory_resistance_index
    if index is not None:
        verdict = "mmHg s (25 and more: dysfunction)" if index >= DYSFUNCTION_IMR else "mmHg s (below 25)"
        rows.append(Assumption("index of microcirculatory resistance", index, verdict, "case file"))
    return tuple(rows)
