"""What is known or assumed of the patient, and the pressures that follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from hemo.beattrace import BeatTrace
from hemo.boundary.conditions import State
from hemo.boundary.territory import CORONARY, Dominance, Territory, territory_named
from hemo.errors import InputError
from hemo.units import MMHG

Scale = Literal["automatic", "measured", "perfusion", "cardiac output", "rate and pressure", "mass", "population"]
Microvasculature = Literal["patient", "healthy", "dysfunction"]


@dataclass(frozen=True)
class Physiology:
    """What is known of the patient; None means not given, and the territory's default is taken. SI.

    Attributes
    ----------
    territory
        ``"coronary"``, ``"femoropopliteal"`` or ``"generic"``.
    dominance
        Of the coronary circulation.
    systolic, diastolic, mean_pressure
        Aortic or cuff pressure, Pa; ``mean_pressure`` wins where both are given.
    hyperaemic_mean_pressure
        Mean aortic pressure during hyperaemia, Pa; that of rest without it.
    venous_pressure
        Pa.
    heart_rate, cardiac_output
        1/s, m^3/s.
    myocardial_mass, total_myocardial_mass
        Of the left ventricle, of the whole heart, kg.
    rest_flow
        Measured resting flow of the whole territory (both coronary trees), m^3/s.
    vessel_flow, vessel_flow_state
        Measured flow at the start of vessels, m^3/s by branch name, and the state it was measured in.
    perfusion, perfusion_state
        Flow that each vessel's own territory takes (without its named side branches), m^3/s by branch name, from
        a perfusion map, and the state of the map.
    scale
        Which of these sets the flow; ``"automatic"`` takes the first that is given in the order of ``Scale``.
    microvasculature
        Whose resistance reserve to assume where none is given.
    resistance_reserve
        Resting over hyperaemic microvascular resistance (the microvascular resistance reserve).
    flow_reserve, measured_ffr
        Measured coronary flow reserve and the FFR of the same vessel; give the resistance reserve together.
    microcirculatory_resistance_index
        IMR, mmHg s; 25 and more means dysfunction.
    exponent
        Flow-diameter exponent of the split at a bifurcation.
    trace
        A measured beat of aortic pressure, whose shape a beat in time takes; see :func:`with_trace`.
    bed_time_constant, bed_impedance
        Capacitance times resistance of the microvascular beds at rest, s, and the arteries' wave impedance as part of
        that resistance (not of coronary beds); of beats in time only.
    leakage
        Whether tapering vessels lose flow to branches too thin to be seen.
    inlet_flow
        Prescribed flow through a single tree's inlet, m^3/s, the mean over a beat; wins over all of the above.
    inflow
        A measured beat of that flow, which drives a beat in time; see :func:`with_inflow`.
    state
        The state that ``inlet_flow`` describes and that FFR is computed in.
    """

    territory: str = "coronary"
    dominance: Dominance = "right"
    systolic: float | None = None
    diastolic: float | None = None
    mean_pressure: float | None = None
    hyperaemic_mean_pressure: float | None = None
    venous_pressure: float | None = None
    heart_rate: float | None = None
    cardiac_output: float | None = None
    myocardial_mass: float | None = None
    total_myocardial_mass: float | None = None
    rest_flow: float | None = None
    vessel_flow: Mapping[str, float] = field(default_factory=dict)
    vessel_flow_state: State = "rest"
    perfusion: Mapping[str, float] = field(default_factory=dict)
    perfusion_state: State = "hyperaemia"
    scale: Scale = "automatic"
    microvasculature: Microvasculature = "patient"
    resistance_reserve: float | None = None
    flow_reserve: float | None = None
    measured_ffr: float | None = None
    microcirculatory_resistance_index: float | None = None
    exponent: float | None = None
    bed_time_constant: float | None = None
    bed_impedance: float | None = None
    leakage: bool = True
    inlet_flow: float | None = None
    state: State = "hyperaemia"
    trace: BeatTrace | None = None
    inflow: BeatTrace | None = None

    @property
    def typical(self) -> Territory:
        """The territory's numbers."""
        return territory_named(self.territory)

    @property
    def venous(self) -> float:
        """Venous pressure, Pa."""
        return self.typical.venous_pressure.value if self.venous_pressure is None else self.venous_pressure

    @property
    def division_exponent(self) -> float:
        """Flow-diameter exponent of the split."""
        return self.typical.exponent.value if self.exponent is None else self.exponent

    @property
    def storage_time(self) -> float:
        """Time constant of the beds at rest, s."""
        return self.typical.bed_time_constant.value if self.bed_time_constant is None else self.bed_time_constant

    @property
    def wave_impedance(self) -> float | None:
        """The arteries' wave impedance as part of the beds' resistance at rest; None for coronary beds."""
        typical = self.typical.bed_impedance
        return typical.value if self.bed_impedance is None and typical is not None else self.bed_impedance

    @property
    def has_beat(self) -> bool:
        """Whether enough is known for a beat in time: what drives it, and what squeezes a coronary tree's beds."""
        cuff = self.systolic is not None and self.diastolic is not None
        if self.inlet_flow is None:
            return cuff
        return self.inflow is not None and (cuff or self.territory != CORONARY.name)


def with_trace(patient: Physiology, trace: BeatTrace) -> Physiology:
    """The patient whose pressures at rest and heart rate are those of a measured beat.

    Raises
    ------
    InputError
        If one of them is given besides.
    """
    _leave_to(patient, "aortic_waveform", ("systolic", "diastolic", "mean_pressure", "heart_rate"))
    return replace(
        patient,
        systolic=float(trace.values.max()),
        diastolic=float(trace.values.min()),
        mean_pressure=trace.mean,
        heart_rate=1.0 / trace.period,
        trace=trace,
    )


def with_inflow(patient: Physiology, trace: BeatTrace) -> Physiology:
    """The patient whose inlet flow and heart rate are those of a measured beat of flow.

    Raises
    ------
    InputError
        If one of them is given besides, or a beat of aortic pressure: pressure is what the flow takes.
    """
    if patient.trace is not None:
        raise InputError("flow.inlet_waveform: patient.aortic_waveform drives the inlet too; leave one of them out.")
    _leave_to(patient, "inlet_waveform", ("inlet_flow", "heart_rate"))
    return replace(patient, inlet_flow=trace.mean, heart_rate=1.0 / trace.period, inflow=trace)


def _leave_to(patient: Physiology, waveform: str, told: tuple[str, ...]) -> None:
    """Refuse what a waveform tells besides."""
    for name in told:
        if getattr(patient, name) is not None:
            section = "flow" if name == "inlet_flow" else "patient"
            raise InputError(f"{section}: the {waveform} tells {name}; leave one of them out.")


MEAN_ABOVE_DIASTOLIC = 0.40  # of the pulse pressure


def mean_aortic_pressure(systolic: float, diastolic: float) -> float:
    """Mean from cuff pressures, DBP + 0.40 (SBP - DBP), Pa.

    Inside the brachial artery the mean lies 39.5 +- 2.5 % of the pulse pressure above the diastolic (Bos et al. 2007, J
    Hypertens 25:751, 57 people), by tonometry 42.2 +- 5.5 % (Grillo et al. 2020, J Hypertens, 1526 people; both
    abstracts). The usual third reads 5 mmHg too low. At the aortic root, of its own pressures, it is 0.45 (Chemla et
    al. 2002, Clin Sci 103:7).

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
    return diastolic + MEAN_ABOVE_DIASTOLIC * (systolic - diastolic)


def aortic_pressure(patient: Physiology, state: State = "rest") -> float:
    """Mean aortic pressure, Pa, at rest from the mean itself or from the cuff; at hyperaemia as measured, or the same.

    Raises
    ------
    InputError
        If it is not given, or not positive.
    """
    if state == "hyperaemia" and patient.hyperaemic_mean_pressure is not None:
        return _positive(patient.hyperaemic_mean_pressure, "hyperaemic_mean_pressure")
    if patient.mean_pressure is not None:
        return _positive(patient.mean_pressure, "mean_pressure")
    if patient.systolic is None or patient.diastolic is None:
        raise InputError("patient: give systolic and diastolic pressure, or mean_pressure.")
    return mean_aortic_pressure(patient.systolic, patient.diastolic)


def _positive(value: float, name: str) -> float:
    if value <= 0.0:
        raise InputError(f"patient: {name} must be positive; correct the case file.")
    return value
