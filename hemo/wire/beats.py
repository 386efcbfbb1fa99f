"""Heart beats of an aortic pressure trace: where each begins, and what it looks like.

A beat begins at the foot of its upstroke. Upstrokes are where pressure has risen most within 0.12 s, the sum of
positive slopes that Zong, Heldt, Moody and Mark proposed (Computers in Cardiology 2003;30:259; read in its abstract).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, uniform_filter1d
from scipy.signal import find_peaks

from hemo.units import MMHG
from hemo.wire.trace import Trace, filled

Array = NDArray[Any]

SMOOTHING = 0.012  # s, standard deviation, for finding feet and slopes
RISE = 0.12  # s, within which an upstroke is summed
REFRACTORY = 0.28  # s, the least between two upstrokes: 214 a minute
LEAST_RISE = 0.3  # of the usual upstroke
HIGHEST = 260.0 * MMHG  # what is above is no heart beat
LAG = (0.0, 0.04)  # s by which a wire's pressure may come late
CHANNELS = ("aortic", "distal")


@dataclass(frozen=True)
class Beats:
    """m beats between m + 1 feet.

    Attributes
    ----------
    feet
        (m + 1,) sample at which each beat begins, and the last one ends.
    rate
        Samples in a second.
    mean, highest, lowest, slope
        (m, 2) of aortic and distal pressure: mean and extremes, Pa, and steepest rise, Pa/s; NaN where all is lost.
    """

    feet: Array
    rate: float
    mean: Array
    highest: Array
    lowest: Array
    slope: Array

    def __len__(self) -> int:
        return len(self.feet) - 1

    @property
    def period(self) -> Array:
        """(m,) s."""
        return np.diff(self.feet) / self.rate

    @property
    def pulse(self) -> Array:
        """(m, 2) pulse pressure, Pa."""
        return self.highest - self.lowest

    @property
    def ratio(self) -> Array:
        """(m,) mean distal over mean aortic pressure of each beat."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.mean[:, 1] / self.mean[:, 0]

    def within(self, start: int, end: int) -> Array:
        """(m,) True for beats that lie wholly between two samples."""
        return (self.feet[:-1] >= start) & (self.feet[1:] <= end)


def smoothed(values: Array, rate: float) -> Array:
    """(n,) without what is faster than a heart's upstroke; lost samples bridged."""
    return gaussian_filter1d(filled(values), max(SMOOTHING * rate, 0.5))


def mean_beat(values: Array, beats: Beats, used: Array, length: int) -> Array:
    """(length,) mean of the used beats of smoothed pressure (n,), laid on each other at their feet."""
    waves = [values[foot : foot + length] for foot in beats.feet[used] if foot + length <= len(values)]
    return np.mean(waves, axis=0) if waves else np.full(length, np.nan)


def wire_lag(aortic: Array, distal: Array, rate: float) -> float:
    """By how much the distal pressure of a mean beat comes late, s: what explains most of its difference.

    A wave's way and the recorder's filters; of a difference c - lag dP/dt, by least squares, within 0 to 40 ms.
    """
    slope = np.gradient(aortic) * rate
    gap, change = distal - aortic, slope - slope.mean()
    return float(np.clip(-(change @ gap) / max(change @ change, 1e-9), *LAG))


def find_beats(trace: Trace, ignored: Array) -> Beats:
    """The beats of a trace.

    Parameters
    ----------
    trace
        The pressures.
    ignored
        (n,) True where the aortic pressure is known to be no heart's.
    """
    usable = np.where(ignored | (trace.aortic > HIGHEST), np.nan, trace.aortic)
    aortic = smoothed(usable, trace.rate)
    feet = _feet(aortic, trace.rate)
    slopes = [np.gradient(smoothed(values, trace.rate)) * trace.rate for values in (trace.aortic, trace.distal)]
    raw = np.stack([trace.aortic, trace.distal], axis=1)
    soft = np.stack([smoothed(trace.aortic, trace.rate), smoothed(trace.distal, trace.rate)], axis=1)
    rows: list[list[Array]] = [[], [], [], []]
    for first, last in pairwise(feet):
        part, rounded = raw[first:last], soft[first:last]
        known = ~np.isnan(part)
        rows[0].append(np.where(known.any(0), np.nansum(part, axis=0) / np.maximum(known.sum(0), 1), np.nan))
        rows[1].append(rounded.max(axis=0))
        rows[2].append(rounded.min(axis=0))
        rows[3].append(np.array([slope[first:last].max() for slope in slopes]))
    mean, highest, lowest, slope = (np.array(row).reshape(-1, 2) for row in rows)
    return Beats(feet, trace.rate, mean, highest, lowest, slope)


def _feet(aortic: Array, rate: float) -> Array:
    """Samples at which upstrokes begin, on smoothed pressure."""
    width = max(round(RISE * rate), 2)
    slope = np.gradient(aortic)
    rise = uniform_filter1d(np.maximum(slope, 0.0), width) * width
    found, _ = find_peaks(rise, distance=max(round(REFRACTORY * rate), 1))
    if len(found) < 2:
        return np.zeros(1, int)  # no beat
    heights = rise[found]
    usual = np.median(heights[heights > 0.4 * np.percentile(heights, 90.0)])
    feet = []
    for peak in found[heights > LEAST_RISE * usual]:
        back = max(0, peak - round(0.16 * rate))
        window = aortic[back : peak + 1]
        steepest = back + int(np.argmax(slope[back : peak + width // 2 + 1]))
        feet.append(back + int(np.argmin(window[: max(steepest - back, 1)])))
    return np.unique(feet)
