"""Ratios of distal to aortic pressure: FFR at hyperaemia, and the ratios at rest.

Every ratio is one of means, over whole beats or over the same part of each beat. Definitions and sources:

*FFR*: the lowest ratio of three beats in a row at stable hyperaemia. Stable: the three belong to five clean beats in
a row, they lie within 0.05 of each other, and moving the three by one beat either way changes their ratio by 0.01 at
most. That a minimum before hyperaemia settles reads too low (by 0.03 in 18 % of infusions) is told in PMID 25366652
(abstract read); an automatic minimum within quality beats is Johnson's (JACC Cardiovasc Interv 2015;8:1018; its number
of beats was not confirmed). The 0.05 and 0.01 are hemo's own.
*Pd/Pa*: over all clean beats at rest.
*Wave-free ratio, of the iFR kind*: over the last 75 % of diastole less its last 5 ms (Sen et al., J Am Coll Cardiol
2012;59:1392, as told in later abstracts). iFR is a proprietary algorithm: this is a diastolic ratio of its kind.
*dPR*: over the whole of diastole (van 't Veer et al., J Am Coll Cardiol 2017;70:2088; not confirmed in the original).
*DFR*: where aortic pressure falls and lies below its mean; *RFR*: the lowest ratio at any time of the beat, mean of the
beats (both as told in a table of resting indices in Open Heart; their filters are not published).
The ratios of parts of a beat are those of pressures at one time: the wire's lag (``beats.wire_lag``) is taken out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from hemo.wire.artefacts import Quality
from hemo.wire.beats import Beats, mean_beat, smoothed, wire_lag
from hemo.wire.trace import Trace, runs

Array = NDArray[Any]

BEATS = 3  # of FFR
RUN = 5  # clean beats in a row
ALIKE = 0.05  # between the three
STEADY = 0.01  # when they move by one beat
LEAST_REST = 5  # beats
LAST = 0.005  # s of diastole that the wave-free period leaves out


@dataclass(frozen=True)
class Measured:
    """A ratio, or why there is none; its span in s, and its number of beats."""

    value: float | None
    reason: str = ""
    span: tuple[float, float] | None = None
    beats: int = 0


@dataclass(frozen=True)
class Hyperaemic:
    """FFR, mean aortic and distal pressure (Pa) in its beats, and the lowest three beats, stable or not."""

    ffr: Measured
    aortic: float | None = None
    distal: float | None = None
    lowest: float | None = None


@dataclass(frozen=True)
class Resting:
    """Ratios at rest; mean aortic pressure, Pa; the valve's closure, s after a beat's foot; the wire's lag, s."""

    pd_pa: Measured
    wave_free: Measured
    dpr: Measured
    dfr: Measured
    rfr: Measured
    aortic: float | None = None
    closure: float | None = None
    lag: float | None = None


def _three(beats: Beats) -> tuple[Array, Array]:
    """(m,) ratio and (m, 2) mean pressures of each beat with its two neighbours; NaN at the ends."""
    weight = beats.period[:, None]
    total = np.full((len(beats), 2), np.nan)
    sums = beats.mean * weight
    total[1:-1] = (sums[:-2] + sums[1:-1] + sums[2:]) / (weight[:-2] + weight[1:-1] + weight[2:])
    return total[:, 1] / total[:, 0], total


def hyperaemic(trace: Trace, quality: Quality, span: tuple[float, float]) -> Hyperaemic:
    """FFR within a span of hyperaemia, s."""
    beats = quality.beats
    inside = quality.clean & beats.within(trace.index(span[0]), trace.index(span[1]))
    if inside.sum() < RUN:
        return Hyperaemic(Measured(None, f"only {inside.sum()} clean beats at hyperaemia"))
    ratio, means = _three(beats)
    single = beats.ratio
    stable, whole = np.zeros(len(beats), bool), np.zeros(len(beats), bool)
    for first, last in runs(inside):
        whole[first + 1 : last - 1] = last - first >= BEATS
        for k in range(first + 2, last - 2):
            near = ratio[k - 1 : k + 2] if last - first > RUN else ratio[k : k + 1]
            stable[k] = np.ptp(single[k - 1 : k + 2]) <= ALIKE and np.abs(near - ratio[k]).max() <= STEADY
    lowest = float(ratio[whole].min()) if whole.any() else None
    if not stable.any():
        return Hyperaemic(Measured(None, "no three beats at stable hyperaemia"), lowest=lowest)
    best = int(np.where(stable, ratio, np.inf).argmin())
    seconds = (trace.start + beats.feet[best - 1] / trace.rate, trace.start + beats.feet[best + 2] / trace.rate)
    return Hyperaemic(
        Measured(float(ratio[best]), span=seconds, beats=BEATS), float(means[best, 0]), float(means[best, 1]), lowest
    )


def resting(trace: Trace, quality: Quality, span: tuple[float, float]) -> Resting:
    """The ratios within a span of rest, s."""
    beats = quality.beats
    used = np.flatnonzero(quality.clean & beats.within(trace.index(span[0]), trace.index(span[1])))
    if len(used) < LEAST_REST:
        none = Measured(None, f"only {len(used)} clean beats at rest")
        return Resting(none, none, none, none, none)
    seconds = (trace.start + beats.feet[used[0]] / trace.rate, trace.start + beats.feet[used[-1] + 1] / trace.rate)
    means = np.average(beats.mean[used], axis=0, weights=beats.period[used])
    length = int(np.median(np.diff(beats.feet)[used]))
    soft = [smoothed(values, trace.rate) for values in (trace.aortic, trace.distal)]
    typical = [mean_beat(values, beats, used, length) for values in soft]
    closure = valve_closure(typical[0], trace.rate)
    lag = wire_lag(typical[0], typical[1], trace.rate)
    parts: dict[str, float | None] = {}
    if closure is not None:
        pairs = [(beats.feet[k] + closure * trace.rate, float(beats.feet[k + 1])) for k in used]
        starts, ends = (np.array(column) for column in zip(*pairs, strict=True))
        parts["dpr"] = _mean_ratio(trace, starts, ends, lag)
        parts["wave_free"] = _mean_ratio(trace, starts + 0.25 * (ends - starts), ends - LAST * trace.rate, lag)
    at = np.arange(len(soft[0]))
    dfr, rfr = _falling(soft[0], np.interp(at + lag * trace.rate, at, soft[1]), beats, used)

    def told(value: float | None) -> Measured:
        return Measured(value, "" if value is not None else "the valve's closure is not seen", seconds, len(used))

    whole, free, diastole = float(means[1] / means[0]), parts.get("wave_free"), parts.get("dpr")
    return Resting(
        told(whole), told(free), told(diastole), told(dfr), told(rfr), float(means[0]), closure=closure, lag=lag
    )


def valve_closure(beat: Array, rate: float) -> float | None:
    """When the aortic valve closes, s after the foot of a mean beat: the sharpest bend behind the steepest fall.

    The mean of many beats is taken so that noise and quantum average out.
    """
    curve = CubicSpline(np.arange(len(beat)) / rate, beat)
    time = np.arange(0.0, (len(beat) - 1) / rate, 0.002)
    pressure, slope, bend = (curve(time, order) for order in range(3))
    top = int(np.argmax(pressure))
    fall = (time > time[top]) & (time < min(time[top] + 0.3, 0.7 * time[-1]))
    if top == 0 or not fall.any():
        return None
    steepest = int(np.flatnonzero(fall)[np.argmin(slope[fall])])
    behind = (time >= time[steepest]) & (time < time[steepest] + 0.12)
    closure = float(time[np.flatnonzero(behind)[np.argmax(bend[behind])]])
    return closure if 0.15 < closure < 0.6 and closure < 0.75 * time[-1] else None


def _mean_ratio(trace: Trace, starts: Array, ends: Array, lag: float) -> float | None:
    """Mean distal over mean aortic pressure between pairs of places in samples, parts of samples counted.

    The distal pressure is taken ``lag`` seconds later.
    """
    at = np.arange(len(trace.aortic) + 1)
    sums = []
    for values, late in ((trace.distal, lag * trace.rate), (trace.aortic, 0.0)):
        total = np.concatenate([[0.0], np.cumsum(np.nan_to_num(values))])
        sums.append(np.sum(np.interp(ends + late, at, total) - np.interp(starts + late, at, total)))
    return float(sums[0] / sums[1]) if sums[1] > 0.0 else None


def _falling(aortic: Array, distal: Array, beats: Beats, used: Array) -> tuple[float | None, float]:
    """DFR and RFR of the used beats."""
    slope = np.gradient(aortic)
    sums, least = np.zeros(2), []
    for k in used:
        part = slice(beats.feet[k], beats.feet[k + 1])
        kept = (aortic[part] < beats.mean[k, 0]) & (slope[part] < 0.0)
        sums += (aortic[part][kept].sum(), distal[part][kept].sum())
        least.append(float((distal[part] / aortic[part]).min()))
    return (float(sums[1] / sums[0]) if sums[0] > 0.0 else None), float(np.mean(least))
