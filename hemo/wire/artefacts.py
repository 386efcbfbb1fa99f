"""What in a trace is no pressure of the patient: found sample by sample, then beat by beat, and named.

No published definition in numbers was found for any of these; the thresholds are hemo's own, tested on generated
traces (validation/wire_traces.py). They compare a beat with its neighbours: what lasts for most of the trace is taken
for the patient's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, maximum_filter1d, median_filter, minimum_filter1d

from hemo.units import MMHG
from hemo.wire.beats import CHANNELS, REFRACTORY, Beats, find_beats, smoothed
from hemo.wire.trace import Trace, filled, runs

Array = NDArray[Any]

LOWEST = 15.0 * MMHG  # below it for 0.15 s nothing is measured
FLAT = (0.35, 1.0 * MMHG, 1.0)  # s within which a heart moves the pressure by more; s, the longest flat top
MARGIN = 0.1  # s kept away from what is lost
FLUSH = (0.15, 25.0 * MMHG, 0.15)  # s; above the usual systolic pressure by both this and this share of it
FLAT_TOP = 0.08  # s at exactly one value: the recorder's limit
REPEATED_TOP = 0.13  # s that one such top alone must last
LONGEST = 2.4  # s, of a beat
EARLY, LATE = 0.82, 1.5  # of the usual interval: a beat that comes early; one that is missing
IRREGULAR = 0.12  # share of beats out of time from which on it is the rhythm itself
DAMPED = (0.55, 0.8)  # of the usual slope and pulse pressure
DIP = (0.65, 0.9)  # the same against the beats just before a sudden fall that ends as suddenly
SIDE = 6  # beats before it
SUDDEN = 0.75  # of the slope two beats before: hyperaemia takes longer
LONGEST_DIP = 40.0  # s
NEIGHBOURS = 41  # beats
WHIP = (1.6, 2.5 * MMHG)  # times the usual, and more than it by this: what is faster than a heart
FAST = 0.025  # s
BRIDGE = 1.3  # s between two of a kind that are told as one


class Kind(Enum):
    """What can be wrong with a trace."""

    FLUSH = "flush"
    DAMPING = "damping"
    WHIP = "whip"
    DISCONNECTION = "disconnection"
    SATURATION = "saturation"
    ECTOPIC = "ectopic"


@dataclass(frozen=True)
class Artefact:
    """One stretch that is left out: its kind, channel ("aortic", "distal", "both"), first and one past last sample."""

    kind: Kind
    channel: str
    first: int
    last: int


@dataclass(frozen=True)
class Quality:
    """Beats, what disturbs them, and which are left.

    Attributes
    ----------
    beats
        Of the aortic pressure.
    artefacts
        In order of time.
    clean
        (m,) True for beats that nothing disturbs.
    irregular
        The rhythm itself has no regular beat (atrial fibrillation, for one): early beats were kept.
    """

    beats: Beats
    artefacts: tuple[Artefact, ...]
    clean: Array
    irregular: bool


def judge(trace: Trace) -> Quality:
    """Find the beats of a trace and everything that must not be averaged."""
    lost = {name: _lost(values, trace.rate) for name, values in _channels(trace)}
    rough = find_beats(trace, lost["aortic"])
    flush = {
        name: _flush(values, lost[name], rough, k, trace.rate) for k, (name, values) in enumerate(_channels(trace))
    }
    beats = find_beats(trace, lost["aortic"] | flush["aortic"])
    found = [
        Artefact(kind, name, first, last)
        for kind, masks in ((Kind.DISCONNECTION, lost), (Kind.FLUSH, flush))
        for name, mask in masks.items()
        for first, last in runs(mask)
    ]
    found += _saturation(trace, beats, found)
    touched = {name: _touched(beats, found, (name, "both")) for name in CHANNELS}
    found += _damping(trace, beats, touched)
    touched = {name: _touched(beats, found, (name, "both")) for name in CHANNELS}
    found = _merged([*found, *_whip(trace, beats, touched)], trace.rate)
    early, irregular = _ectopic(beats, _touched(beats, found, CHANNELS))
    found = _merged([*found, *early], trace.rate)
    clean = ~_touched(beats, found, (*CHANNELS, "both")) & _possible(beats)
    return Quality(beats, tuple(found), clean, irregular)


def _channels(trace: Trace) -> tuple[tuple[str, Array], tuple[str, Array]]:
    return ("aortic", trace.aortic), ("distal", trace.distal)


def _possible(beats: Beats) -> Array:
    """(m,) a beat's length is a heart's, and no neighbour was missed within it."""
    if not len(beats):
        return np.zeros(0, bool)
    usual = _running_median(beats.period, np.ones(len(beats), bool))
    return (beats.period >= REFRACTORY) & (beats.period <= np.minimum(LONGEST, 1.9 * usual))


def _touched(beats: Beats, found: Sequence[Artefact], channels: Sequence[str]) -> Array:
    """(m,) True for beats that share a sample with an artefact of these channels."""
    hit = np.zeros(len(beats), bool)
    for one in found:
        if one.channel in channels:
            hit |= (beats.feet[:-1] < one.last) & (beats.feet[1:] > one.first)
    return hit


def _lost(values: Array, rate: float) -> Array:
    """(n,) True where a channel holds nothing: empty, still, or far below any pressure."""
    empty = np.isnan(values)
    known = filled(values)
    width = max(round(FLAT[0] * rate), 3)
    still = maximum_filter1d(known, width) - minimum_filter1d(known, width) < FLAT[1]
    still &= known < 250.0 * MMHG  # a flush against the recorder's limit is still too
    mask = empty | (maximum_filter1d(still.astype(np.int8), width) > 0)
    for first, last in runs(mask):  # a flat top is a beat's that the recorder cut off
        beside = known[[max(first - width // 2, 0), min(last + width // 2, len(known) - 1)]]
        if last - first < FLAT[2] * rate and not empty[first:last].any() and beside.max() < known[first] - 3.0 * MMHG:
            mask[first:last] = False
    for first, last in runs(known < LOWEST):
        if last - first >= 0.15 * rate:
            mask[first:last] = True
    edge = max(round(MARGIN * rate), 1)
    return maximum_filter1d(mask.astype(np.int8), 2 * edge + 1) > 0 if mask.any() else mask


def _flush(values: Array, lost: Array, beats: Beats, channel: int, rate: float) -> Array:
    """(n,) True where pressure stands above what the heart makes, and on its way there and back."""
    mask = np.zeros(len(values), bool)
    if len(beats) < 3:
        return mask
    usual = float(np.nanmedian(beats.highest[:, : channel + 1], axis=0).max())  # in the guide the wire reads the aorta
    limit = usual + max(FLUSH[1], FLUSH[2] * usual)
    high = (filled(values) > limit) & ~lost
    for first, last in runs(high):
        if last - first >= FLUSH[0] * rate:
            edge = round(0.25 * rate)
            mask[max(0, first - edge) : last + edge] = True
    return mask


def _saturation(trace: Trace, beats: Beats, found: Sequence[Artefact]) -> list[Artefact]:
    """Beats whose top (or bottom) is cut off: many samples of exactly its extreme value."""
    made = []
    for name, values in _channels(trace):
        free = ~_touched(beats, found, (name,))
        for sign in (1.0, -1.0):
            lengths, levels = np.zeros(len(beats)), np.full(len(beats), np.nan)
            for k in np.flatnonzero(free):
                part = sign * values[beats.feet[k] : beats.feet[k + 1]]
                top = part.max()
                lengths[k] = max((b - a - 1 for a, b in runs(part >= top - 0.5)), default=0) / trace.rate
                levels[k] = top
            tops = lengths >= FLAT_TOP
            same = np.array([np.sum(tops & (np.abs(levels - level) < 1.0)) > 1 for level in levels], bool)
            cut = (tops & same) | (lengths >= REPEATED_TOP)
            for first, last in runs(cut):
                made.append(Artefact(Kind.SATURATION, name, int(beats.feet[first]), int(beats.feet[last])))
    return made


def _running_median(values: Array, used: Array, width: int = NEIGHBOURS) -> Array:
    """(m,) median of the used values among the ``width`` nearest used ones, for every beat."""
    at = np.flatnonzero(used & np.isfinite(values))
    if not len(at):
        return np.full(len(values), np.nan)
    width = min(width, len(at))
    nearest = np.clip(np.searchsorted(at, np.arange(len(values))) - width // 2, 0, len(at) - width)
    return np.median(sliding_window_view(values[at], width), axis=1)[nearest]


def _damping(trace: Trace, beats: Beats, touched: dict[str, Array]) -> list[Artefact]:
    """Two or more beats in a row that rise too slowly and too little, and stretches where no beat is left."""
    made = []
    for channel, name in enumerate(CHANNELS):
        used = ~touched[name]
        slope, pulse = beats.slope[:, channel], beats.pulse[:, channel]
        weak = slope < DAMPED[0] * _running_median(slope, used)
        weak &= pulse < DAMPED[1] * _running_median(pulse, used)
        weak |= _dips(slope, pulse, beats.feet[:-1] / trace.rate, used)
        if name == "aortic":
            weak |= _beatless(trace, beats)
        weak &= used
        for first, last in runs(weak):
            if last - first >= 2 or beats.feet[last] - beats.feet[first] > 2.0 * trace.rate:
                ends = beats.feet[[max(first - 1, 0), min(last + 1, len(beats))]]  # it does not begin with a beat
                made.append(Artefact(Kind.DAMPING, name, int(ends[0]), int(ends[1])))
    return made


def _dips(slope: Array, pulse: Array, time: Array, used: Array) -> Array:
    """(m,) True for beats between a sudden fall of slope and pulse pressure and their sudden return.

    What hyperaemia does to the distal pressure takes longer, or stays.
    """
    at = np.flatnonzero(used)
    steep, high, when = slope[at], pulse[at], time[at]
    found = np.zeros(len(slope), bool)
    k = SIDE
    while k < len(at) - 3:
        sudden = steep[k + 1] < SUDDEN * steep[k - 1]  # over two beats, for one may be half damped
        before = np.median(steep[k - SIDE : k]), np.median(high[k - SIDE : k])
        if sudden and steep[k + 1 : k + 3].max() < DIP[0] * before[0] and high[k + 1] < DIP[1] * before[1]:
            level = np.median(steep[k + 1 : k + 3])
            back = (steep[k + 3 :] > level / DIP[0]) & (steep[k + 1 : -2] < SUDDEN * steep[k + 3 :])
            ends = np.flatnonzero(back & (when[k + 3 :] - when[k] < LONGEST_DIP))
            if len(ends):
                last = k + 3 + int(ends[0])
                found[at[k] : at[last]] = True
                k = last
        k += 1
    return found


def _beatless(trace: Trace, beats: Beats) -> Array:
    """(m,) True for stretches between two feet in which the distal pressure beats on and the aortic does not."""
    usual = _running_median(beats.period, np.ones(len(beats), bool))
    steep = _running_median(beats.slope[:, 1], np.ones(len(beats), bool))
    slope = np.gradient(smoothed(trace.distal, trace.rate)) * trace.rate
    found = np.zeros(len(beats), bool)
    for k in np.flatnonzero(beats.period > 1.7 * usual):
        first, last = beats.feet[k] + round(0.6 * usual[k] * trace.rate), beats.feet[k + 1] - round(0.06 * trace.rate)
        found[k] = slope[first:last].max(initial=0.0) > 0.5 * steep[k]
    return found


def _whip(trace: Trace, beats: Beats, touched: dict[str, Array]) -> list[Artefact]:
    """Beats with swings faster than a heart's: the sensor is knocked."""
    made = []
    ceiling: dict[str, Array] = {}
    for name, values in _channels(trace):  # the aortic first: what it shows is no whip in the distal pressure
        known = filled(values)
        fast = np.abs(known - gaussian_filter1d(known, max(FAST * trace.rate, 1.0)))
        used = ~touched[name]
        shaken = np.zeros(len(beats), bool)
        for part, most in _fastest(fast, beats).items():
            usual = np.fmax(_running_median(most, used), ceiling.get(part, 0.0))
            ceiling[part] = usual
            shaken |= used & (most > WHIP[0] * usual) & (most > usual + WHIP[1])
        for first, last in runs(shaken):
            made.append(Artefact(Kind.WHIP, name, int(beats.feet[first]), int(beats.feet[last])))
    return made


def _fastest(fast: Array, beats: Beats) -> dict[str, Array]:
    """(m,) greatest of ``fast`` (n,) in each beat's upstroke, and in the rest of it."""
    early, late = round(0.1 * beats.rate), round(0.16 * beats.rate)
    rows = []
    for a, b in zip(beats.feet[:-1], beats.feet[1:], strict=True):
        rows.append((fast[max(a - early, 0) : a + late].max(), fast[a + late : b - early].max(initial=0.0)))
    both = np.array(rows).reshape(-1, 2)
    return {"upstroke": both[:, 0], "rest": both[:, 1]}


def _ectopic(beats: Beats, touched: Array) -> tuple[list[Artefact], bool]:
    """Early beats with the pause behind them, and pauses; none where most beats are out of time."""
    period = beats.period
    if len(beats) < 5:
        return [], False
    usual = median_filter(period, size=min(11, len(period)), mode="nearest")
    early, late = period < EARLY * usual, period > LATE * usual
    counted = ~touched
    if counted.any() and np.mean((early | late)[counted]) > IRREGULAR:
        return [], True
    found = []
    for k in np.flatnonzero((early | late) & counted):
        last = min(k + (2 if early[k] else 1), len(beats))
        found.append(Artefact(Kind.ECTOPIC, "both", int(beats.feet[k]), int(beats.feet[last])))
    return found, False


def _merged(found: Sequence[Artefact], rate: float) -> list[Artefact]:
    """One artefact for neighbours of a kind and channel."""
    made: list[Artefact] = []
    for kind in Kind:
        gap = 0.0 if kind is Kind.ECTOPIC else BRIDGE * rate
        for channel in (*CHANNELS, "both"):
            same = sorted((a.first, a.last) for a in found if (a.kind, a.channel) == (kind, channel))
            joined: list[list[int]] = []
            for first, last in same:
                if joined and first <= joined[-1][1] + gap:
                    joined[-1][1] = max(joined[-1][1], last)
                else:
                    joined.append([first, last])
            made += [Artefact(kind, channel, first, last) for first, last in joined]
    return sorted(made, key=lambda one: (one.first, one.last))
