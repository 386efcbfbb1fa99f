r"""Pressure over one heart beat: at the root of the aorta, and of the heart muscle on its own vessels.

*Aorta.* Between valve opening and closure the pressure rises from diastolic to systolic and falls to the incisura as a
stretch of a sine; in diastole it falls exponentially, as in a two-element Windkessel, to the diastolic pressure. The
height of the incisura is chosen so that the mean is that of the patient, and where the highest is not enough, as at low
heart rates, a slower fall. Ejection lasts 413 ms - 1.7 ms x heart rate (1/min)
(Weissler, Harris and Schoenfeld 1968, Circulation 37:149, men; not confirmed).

A measured beat (``patient.aortic_waveform``) takes the place of all this but for the ejection's duration. A measured
beat of flow through the inlet (``flow.inlet_waveform``) begins where the valve opens, and what it takes of pressure is
for the vessels and beds to tell.

*Muscle.* The left ventricle's pressure follows the aorta's during ejection and is ``FILLING`` otherwise, with
``ISOVOLUMIC`` rise and fall. Kim et al. 2010 (Ann Biomed Eng 38:3195) let the muscle press on its vessels with the
pressure of its ventricle; the right ventricle's is a fifth of the left one's. The right coronary artery feeds both: 26
% of the left ventricle's mass (Stalikas et al. 2025, secondary) and the right ventricle, 0.3 of it (autopsy).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from hemo.beattrace import BeatTrace
from hemo.boundary import Physiology, aortic_pressure
from hemo.boundary.territory import CORONARY
from hemo.errors import InputError
from hemo.units import MMHG

Array = NDArray[Any]

FILLING = 8.0 * MMHG  # Pa, of the left ventricle in diastole (usual value, not confirmed)
ISOVOLUMIC = 0.05  # s, contraction; relaxation takes twice as long (usual values, not confirmed)
RIGHT_OVER_LEFT = 0.2  # pressure of the right ventricle over that of the left (usual value, not confirmed)
# Pressure on the vessels of each tree's muscle over that of the left ventricle.
SQUEEZE = {"left": 1.0, "right": (0.264 + 0.3 * RIGHT_OVER_LEFT) / (0.264 + 0.3)}
DEFAULT_RATE = 70.0 / 60.0  # 1/s


@dataclass(frozen=True)
class Beat:
    """One heart beat from the opening of the aortic valve.

    Attributes
    ----------
    time
        (n,) evenly spaced from 0, s; the period is ``time[-1] + time[1]``.
    aortic
        (n,) Pa; of a beat of flow without meaning until it is solved.
    ventricle
        (n,) of the left ventricle, Pa.
    ejection
        How long the valve is open, s: diastole begins then.
    inflow
        (n,) prescribed flow through the inlet, m^3/s; None where the pressure drives.
    """

    time: Array
    aortic: Array
    ventricle: Array
    ejection: float
    inflow: Array | None = None

    @property
    def period(self) -> float:
        """s."""
        return float(self.time[-1] + self.time[1])

    @property
    def diastole(self) -> NDArray[np.bool_]:
        """(n,) whether the valve is closed."""
        return np.asarray(self.time >= self.ejection)

    @property
    def wave_free(self) -> NDArray[np.bool_]:
        """(n,) the wave-free period: from 25 % into diastole to 5 ms before its end (Sen et al. 2012, J Am Coll Cardiol
        59:1392, not confirmed).
        """
        start = self.ejection + 0.25 * (self.period - self.ejection)
        return np.asarray((self.time >= start) & (self.time <= self.period - 5e-3))


def patients_beat(patient: Physiology, mean: float, steps: int = 200) -> Beat:
    """A beat of a patient at a mean aortic pressure (Pa), by the measured flow or the pressures that are known.

    Where the mean is not that of rest, systolic and diastolic pressure are taken to have changed in its proportion.

    Raises
    ------
    InputError
        As :func:`heart_beat`, or without the cuff's pressures, which the muscle of the heart wants even where the flow
        is known, or where a flow is prescribed whose beat is not.
    """
    if patient.inflow is not None and patient.territory != CORONARY.name:
        time = np.arange(steps) * patient.inflow.period / steps
        unsqueezed = Beat(time, np.full(steps, mean), np.zeros(steps), ejection_time(1.0 / patient.inflow.period))
        return _carrying(unsqueezed, patient.inflow)
    if patient.inlet_flow is not None and patient.inflow is None:
        raise InputError("flow.inlet_flow: a beat needs the flow at every time; give flow.inlet_waveform instead.")
    if patient.systolic is None or patient.diastolic is None:
        raise InputError("patient: a beat needs systolic and diastolic pressure; give both.")
    changed = mean / aortic_pressure(patient, "rest")
    if patient.trace is not None:
        return measured_beat(patient.trace, changed, steps)
    systolic, diastolic = changed * patient.systolic, changed * patient.diastolic
    beat = heart_beat(systolic, diastolic, mean, patient.heart_rate or DEFAULT_RATE, steps)
    return beat if patient.inflow is None else _carrying(beat, patient.inflow)


def _carrying(beat: Beat, flow: BeatTrace) -> Beat:
    """The beat driven by a measured flow, whose mean is kept."""
    values = flow.at_even_times(len(beat.time))
    return replace(beat, inflow=values + (flow.mean - values.mean()))


def measured_beat(trace: BeatTrace, factor: float = 1.0, steps: int = 200) -> Beat:
    """The beat of a measured aortic pressure, times a factor, from where it is lowest; its mean is kept."""
    time = np.arange(steps) * trace.period / steps
    ejection = ejection_time(1.0 / trace.period)
    shape = trace.from_its_foot(steps)
    pressure = shape * (factor * trace.mean / shape.mean())
    return Beat(time, pressure, _ventricle(time, pressure, ejection, trace.period), ejection)


def ejection_time(heart_rate: float) -> float:
    """How long the aortic valve is open, s, at a heart rate in 1/s."""
    return 0.413 - 0.0017 * 60.0 * heart_rate


def heart_beat(systolic: float, diastolic: float, mean: float, heart_rate: float, steps: int = 200) -> Beat:
    """A beat with these aortic pressures (Pa) at this rate (1/s).

    Raises
    ------
    InputError
        If the mean cannot be that of such a beat, or the rate is no resting one.
    """
    if not 0.5 <= heart_rate <= 3.0:
        raise InputError(f"patient: heart_rate {60 * heart_rate:.0f} /min is outside 30 to 180; check its unit.")
    period = 1.0 / heart_rate
    ejection = ejection_time(heart_rate)
    time = np.arange(steps) * period / steps

    def aortic(incisura: float, rate: float) -> Array:
        """Pressure with the height of the incisura as a part of the pulse pressure, and the rate of the fall."""
        rise = np.clip(time / ejection, 0.0, 1.0)
        # a sine that starts at 0, passes 1 and ends at the incisura
        end = np.pi - np.arcsin(incisura)
        systole = np.sin(rise * end)
        decay = (time - ejection) / (period - ejection)
        fall = (np.exp(-rate * decay) - np.exp(-rate)) / (1.0 - np.exp(-rate))
        return diastolic + (systolic - diastolic) * np.where(time < ejection, systole, incisura * fall)

    def excess(incisura: float, rate: float) -> float:
        return float(aortic(incisura, rate).mean()) - mean

    def usual(incisura: float) -> float:
        return 3.0 * incisura + 0.05

    low, high, linear = 0.02, 0.98, 1e-3
    if excess(low, usual(low)) > 0.0 or excess(high, linear) < 0.0:
        raise InputError(
            f"patient: a mean aortic pressure of {mean / MMHG:.0f} mmHg does not go with {systolic / MMHG:.0f}/"
            f"{diastolic / MMHG:.0f} mmHg; correct one."
        )
    if excess(high, usual(high)) >= 0.0:
        incisura = float(brentq(lambda height: excess(height, usual(height)), low, high))
        pressure = aortic(incisura, usual(incisura))
    else:
        pressure = aortic(high, float(brentq(lambda rate: excess(high, rate), linear, usual(high))))
    return Beat(time, pressure, _ventricle(time, pressure, ejection, period), ejection)


def _ventricle(time: Array, aortic: Array, ejection: float, period: float) -> Array:
    """Pressure of the left ventricle: the aorta's while the valve is open, smooth rise and fall beside it."""
    closing = float(np.interp(ejection, time, aortic))
    falling = 0.5 * (1.0 + np.cos(np.pi * np.clip((time - ejection) / (2.0 * ISOVOLUMIC), 0.0, 1.0)))
    rising = 0.5 * (1.0 - np.cos(np.pi * np.clip((time - (period - ISOVOLUMIC)) / ISOVOLUMIC, 0.0, 1.0)))
    closed = FILLING + (closing - FILLING) * falling + (float(aortic[0]) - FILLING) * rising
    return np.asarray(np.where(time < ejection, aortic, closed))
