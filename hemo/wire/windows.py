"""Which stretch of a trace is an equalisation check, rest, hyperaemia, a pullback: as given, or as found.

What is found is found from the pressures alone. *Check*: in the first or last 20 s the sensors differ by the same
throughout the beat, and that difference steps where the wire is moved. A mild stenosis without much flow looks alike,
so a found check is never used silently. *Hyperaemia*: the ratio falls by 0.02 or more
below where it began and stays there. Where that cannot be seen, nothing is assumed; the thresholds are hemo's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from hemo.errors import InputError
from hemo.units import MMHG
from hemo.wire.artefacts import Quality
from hemo.wire.beats import mean_beat, smoothed, wire_lag
from hemo.wire.trace import Span, Trace

Array = NDArray[Any]

STEP = 1.2 * MMHG  # of the difference, at least, where the wire leaves or enters the guide
ALIKE = 0.6 * MMHG  # standard deviation of the difference within a beat
NEAR = 10.0 * MMHG  # the most that a check may differ
MOVING = 6.0  # s
CHECK = 20.0  # s, the longest check that is found
FALL = 0.02  # of the ratio
LEVEL = 0.01  # of the ratio, within which rest is one state
LASTING = 6  # beats
SETTLING = 5.0  # s before the fall is seen in which hyperaemia may have begun
KINDS = ("equalisation", "rest", "hyperaemia", "pullback")


@dataclass(frozen=True)
class Given:
    """Spans of time, s, as the user gives them; None and empty: to be found."""

    equalisation: tuple[Span, ...] = ()
    rest: Span | None = None
    hyperaemia: Span | None = None
    pullback: Span | None = None


@dataclass(frozen=True)
class Window:
    """A stretch, s, and how it is known: "given", "file" or "found"."""

    span: Span
    source: str


@dataclass(frozen=True)
class Windows:
    """What is known of a trace's stretches."""

    equalisation: tuple[Window, ...]
    rest: Window | None
    hyperaemia: Window | None
    pullback: Window | None


def choose(trace: Trace, quality: Quality, given: Given) -> Windows:
    """Windows as given, else as the file marks them, else as found.

    Raises
    ------
    InputError
        For a span outside the trace or the wrong way round.
    """
    known = {kind: _known(trace, given, kind) for kind in KINDS}
    pullback = known["pullback"][0] if known["pullback"] else None
    checks = known["equalisation"] or _find_checks(trace, quality, pullback)
    middle = trace.start + 0.5 * trace.duration
    first = max([w.span[1] for w in checks if w.span[1] < middle], default=trace.start)
    last = min([w.span[0] for w in checks if w.span[0] >= middle], default=trace.start + trace.duration)
    if pullback is not None:
        last = min(last, pullback.span[0])
    rest = known["rest"][0] if known["rest"] else None
    full = known["hyperaemia"][0] if known["hyperaemia"] else None
    if rest is None or full is None:
        found = _find_states(trace, quality, first, last, full)
        rest, full = rest or found[0], full or found[1]
    return Windows(tuple(checks), rest, full, pullback)


def _known(trace: Trace, given: Given, kind: str) -> list[Window]:
    spans = getattr(given, kind)
    spans = () if spans is None else spans if kind == "equalisation" else (spans,)
    for start, end in spans:
        if not trace.start <= start < end <= trace.start + trace.duration + 1.0 / trace.rate:
            raise InputError(
                f"{trace.name}: {kind} from {start:g} to {end:g} s does not lie within the trace, "
                f"{trace.start:g} to {trace.start + trace.duration:g} s; correct it."
            )
    if spans:
        return [Window(span, "given") for span in spans]
    return [Window(span, "file") for span in trace.marks.get(kind, ())]


def _find_checks(trace: Trace, quality: Quality, pullback: Window | None) -> list[Window]:
    """The first beats, and the last ones, if they are a check's."""
    clean = np.flatnonzero(quality.clean)
    if len(clean) < 12:
        return []
    feet = quality.beats.feet
    gap = quality.beats.mean[:, 1] - quality.beats.mean[:, 0]
    found = []
    for order in (slice(None), slice(None, None, -1)):
        beats = clean[order]
        moved = pullback is not None and order.step == -1
        size = _check_size(gap[beats], np.abs(feet[beats] - feet[beats[0]]) / trace.rate, moved)
        used = np.sort(beats[:size])
        if size and _level(trace, quality, used):
            ends = (int(feet[used[0]]), int(feet[used[-1] + 1]))
            found.append(Window((trace.start + ends[0] / trace.rate, trace.start + ends[1] / trace.rate), "found"))
    return found


def _check_size(gap: Array, time: Array, moved: bool) -> int:
    """How many of the beats (from an end of the trace inwards, ``time`` from there) may be a check; 0 for none."""
    level = float(np.median(gap[:4]))
    step = max(STEP, 5.0 * float(np.median(np.abs(np.diff(gap[:8])))))
    off = np.abs(gap - level) > step / 2.0
    ends = np.flatnonzero(off[:-1] & off[1:])
    if not len(ends) or ends[0] < 3 or time[ends[0]] > CHECK:
        return 0
    leave = int(ends[0])
    after = (time - time[leave] <= MOVING) & (np.arange(len(time)) >= leave)
    settled = abs(float(np.median(gap[after][-3:])) - level)
    return max(leave - 1, 3) if abs(level) < NEAR and (settled >= step or moved) else 0


def _level(trace: Trace, quality: Quality, used: Array) -> bool:
    """Whether the mean beat's difference is the same throughout the beat, the wire's lag taken out."""
    feet = quality.beats.feet
    length = int(np.diff(feet)[used].min())
    soft = (smoothed(values, trace.rate) for values in (trace.aortic, trace.distal))
    aortic, distal = (mean_beat(values, quality.beats, used, length) for values in soft)
    late = wire_lag(aortic, distal, trace.rate) * np.gradient(aortic) * trace.rate
    return bool(np.std(distal - aortic + late) < ALIKE)


def _find_states(
    trace: Trace, quality: Quality, first: float, last: float, full: Window | None
) -> tuple[Window | None, Window | None]:
    """Rest, and hyperaemia, between two times; ``full`` where hyperaemia is known."""
    if full is not None:
        last = full.span[0]
    begin = first + (3.0 if first > trace.start else 0.0)  # the wire is advanced
    used = np.flatnonzero(quality.clean & quality.beats.within(trace.index(begin), trace.index(last)))
    if len(used) < 5:
        return None, full
    ratio = median_filter(quality.beats.ratio[used], size=5, mode="nearest")
    feet = quality.beats.feet
    starts, ends = (trace.start + feet[used + late] / trace.rate for late in (0, 1))
    fall = None if full is not None else _fall(ratio)
    if fall is None and full is None:
        return None, None  # all of it may be rest, or all of it hyperaemia
    onset = last if fall is None else float(starts[fall])
    settled = onset - SETTLING if fall is not None else last
    # without a check before it, what lasts no longer than one may be one
    least = CHECK if fall is not None and first == trace.start else 4.0
    rest = _steady(ratio[ends <= settled], starts, ends) if settled - begin >= least else None
    return rest, full if fall is None else Window((onset, last), "found")


def _steady(ratio: Array, starts: Array, ends: Array) -> Window | None:
    """From the first to the last of the beats whose ratio is the usual one."""
    near = np.flatnonzero(np.abs(ratio - np.median(ratio)) <= LEVEL) if len(ratio) else np.empty(0, int)
    return Window((float(starts[near[0]]), float(ends[near[-1]])), "found") if len(near) >= 5 else None


def _fall(ratio: Sequence[float] | Array) -> int | None:
    """The first beat from which on the ratio stays below where it began."""
    begun = float(np.median(np.asarray(ratio)[:8]))
    low = np.asarray(ratio) < begun - FALL
    for k in np.flatnonzero(low):
        if k >= 4 and low[k : k + LASTING].all() and len(low) - k >= LASTING:
            return int(k)
    return None
