"""A trace from beats to indices, with and without the wire's drift."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.units import MMHG
from hemo.wire.artefacts import Quality, judge
from hemo.wire.beats import smoothed
from hemo.wire.drift import Drift, measure
from hemo.wire.indices import Hyperaemic, Measured, Resting, hyperaemic, resting
from hemo.wire.microvascular import FlowMeasurement, Microvascular, microvascular
from hemo.wire.pullback import PullbackCurve, pullback_curve
from hemo.wire.trace import Span, Trace, bridged
from hemo.wire.windows import Given, Windows, choose

Array = NDArray[Any]

TOGETHER = 0.5  # correlation of the two pressures within a beat
MUCH = 0.5  # share of the beats that artefacts may take before it is said
HIDDEN = 0.25  # the same at hyperaemia


@dataclass(frozen=True)
class WireOptions:
    """What the user says of a trace; see :class:`~hemo.wire.windows.Given`.

    Attributes
    ----------
    given
        Windows.
    flow
        Flows or transit times measured beside it.
    pullback_length, pullback_speed
        m, or m/s, of the pullback; not both.
    """

    given: Given = field(default_factory=Given)
    flow: FlowMeasurement | None = None
    pullback_length: float | None = None
    pullback_speed: float | None = None


@dataclass(frozen=True)
class State:
    """Indices of one reading of the distal pressure: as recorded, or less its drift."""

    hyperaemic: Hyperaemic
    resting: Resting
    microvascular: Microvascular | None


@dataclass(frozen=True)
class WireAnalysis:
    """Everything read from a trace; ``corrected`` is None where no drift is known."""

    trace: Trace
    quality: Quality
    windows: Windows
    drift: Drift | None
    recorded: State
    corrected: State | None
    pullback: PullbackCurve | None
    warnings: tuple[str, ...]

    @property
    def status(self) -> str:
        """Whether FFR may be used: "ok", "drift" (known and above 3 mmHg), or "no_ffr"."""
        if self.recorded.hyperaemic.ffr.value is None:
            return "no_ffr"
        return "drift" if self.drift is not None and self.drift.size == "large" else "ok"

    @property
    def reason(self) -> str:
        """In words, where the status is not "ok"."""
        if self.status == "drift":
            return f"{_drifted(self.drift)}; the usual rule is to measure again"
        return self.recorded.hyperaemic.ffr.reason


def analyse(trace: Trace, options: WireOptions | None = None, known: Quality | None = None) -> WireAnalysis:
    """Read a trace; ``known`` are its beats and artefacts where they were found before, for other windows.

    Raises
    ------
    InputError
        If no heart beat is seen, a given window does not fit, or neither rest nor hyperaemia can be read.
    """
    options = options or WireOptions()
    trace = bridged(trace)
    quality = known or judge(trace)
    if quality.clean.sum() < 5:
        raise InputError(
            f"{trace.name}: {quality.clean.sum()} undisturbed heart beats were found in {trace.duration:.0f} s; check "
            "the columns, the unit and the rate."
        )
    if _together(trace, quality) < TOGETHER:
        raise InputError(f"{trace.name}: the two pressures do not beat together; check the columns.")
    windows = choose(trace, quality, options.given)
    drift = measure(trace, quality, [(window.span, window.source) for window in windows.equalisation])
    recorded = _state(trace, quality, windows, options)
    corrected = None
    if drift is not None:
        straight = replace(trace, distal=trace.distal - drift.offset(trace, trace.time))
        corrected = _state(straight, _straightened(trace, quality, drift), windows, options)
    curve = None
    if windows.pullback is not None:
        curve = pullback_curve(trace, quality, windows.pullback.span, _length(options, windows.pullback.span))
    elif options.pullback_length is not None or options.pullback_speed is not None:
        raise InputError(f"{trace.name}: a pullback's length or speed needs its times; give --pullback START:END.")
    if recorded.hyperaemic.ffr.value is None and recorded.resting.pd_pa.value is None and curve is None:
        raise InputError(
            f"{trace.name}: no index can be read: {recorded.hyperaemic.ffr.reason}; {recorded.resting.pd_pa.reason}."
        )
    warnings = tuple(_warnings(trace, quality, windows, drift, recorded))
    return WireAnalysis(trace, quality, windows, drift, recorded, corrected, curve, warnings)


def _together(trace: Trace, quality: Quality) -> float:
    """Median correlation of the two pressures within the clean beats."""
    feet, clean = quality.beats.feet, np.flatnonzero(quality.clean)
    both = np.stack([smoothed(trace.aortic, trace.rate), smoothed(trace.distal, trace.rate)])
    with np.errstate(invalid="ignore", divide="ignore"):
        found = [np.corrcoef(both[:, feet[k] : feet[k + 1]])[0, 1] for k in clean]
    return float(np.median(np.nan_to_num(found)))


def _drifted(drift: Drift | None) -> str:
    value = 0.0 if drift is None or drift.value is None else drift.value
    return f"the wire drifted by {value / MMHG:+.1f} mmHg"


def _length(options: WireOptions, span: Span) -> float | None:
    if options.pullback_speed is None:
        return options.pullback_length
    if options.pullback_length is not None:
        raise InputError("give the pullback's length or its speed, not both.")
    return options.pullback_speed * (span[1] - span[0])


def _straightened(trace: Trace, quality: Quality, drift: Drift) -> Quality:
    """The same beats with the drift taken from their distal pressures."""
    beats = quality.beats
    middle = trace.start + 0.5 * (beats.feet[:-1] + beats.feet[1:]) / trace.rate
    less = np.stack([np.zeros(len(beats)), drift.offset(trace, middle)], axis=1)
    moved = replace(beats, mean=beats.mean - less, highest=beats.highest - less, lowest=beats.lowest - less)
    return replace(quality, beats=moved)


def _state(trace: Trace, quality: Quality, windows: Windows, options: WireOptions) -> State:
    full = Hyperaemic(
        Measured(None, "no hyperaemia is seen in the trace; give --hyperaemia START:END if there was any")
    )
    if windows.hyperaemia is not None:
        full = hyperaemic(trace, quality, windows.hyperaemia.span)
    none = Measured(None, "no rest is seen in the trace; give --rest START:END")
    still = Resting(none, none, none, none, none)
    if windows.rest is not None:
        still = resting(trace, quality, windows.rest.span)
    measured = options.flow or _own_flow(trace, still, full)
    beds = None if measured is None else microvascular(measured, still, full)
    return State(full, still, beds)


def _own_flow(trace: Trace, still: Resting, full: Hyperaemic) -> FlowMeasurement | None:
    """The trace's own flow, over the beats of the resting indices and of FFR."""
    if trace.flow is None or still.pd_pa.span is None or full.ffr.span is None:
        return None
    means = []
    for span in (still.pd_pa.span, full.ffr.span):
        part = trace.flow[trace.index(span[0]) : trace.index(span[1])]
        if not np.isfinite(part).any():
            return None
        means.append(float(np.nanmean(part)))
    return FlowMeasurement(means[0], means[1], "flow", absolute=False)


def _warnings(trace: Trace, quality: Quality, windows: Windows, drift: Drift | None, state: State) -> list[str]:
    said = [*trace.notes]
    full, still = state.hyperaemic, state.resting
    lost = 1.0 - float(quality.clean.mean())
    if lost > MUCH:
        said.append(f"artefacts take {100 * lost:.0f} % of the beats")
    if windows.hyperaemia is not None and full.ffr.value is not None:
        inside = quality.beats.within(*(trace.index(end) for end in windows.hyperaemia.span))
        share = 1.0 - float(quality.clean[inside].mean()) if inside.any() else 0.0
        if share > HIDDEN:
            said.append(f"artefacts take {100 * share:.0f} % of the beats at hyperaemia, perhaps its lowest ones")
    if quality.irregular:
        said.append("the rhythm is irregular: no ectopic beat is told from it, and three beats are few for a mean")
    if full.ffr.value is None:
        said.append(f"no FFR: {full.ffr.reason}")
    elif full.lowest is not None and full.lowest < full.ffr.value - 0.01:
        said.append(f"three beats that are not stable read lower, {full.lowest:.2f}; FFR is that of stable hyperaemia")
    if still.pd_pa.value is None:
        said.append(f"no resting index: {still.pd_pa.reason}")
    if drift is None or drift.size == "unknown":
        said.append("no equalisation check is seen at the end, so the wire's drift is unknown; give --equalisation")
    elif drift.size != "small":
        said.append(_drifted(drift))
    if any(window.source == "found" for window in windows.equalisation):
        said.append("equalisation checks were found in the trace, not given; see that they are checks")
    for window, name in ((windows.rest, "rest"), (windows.hyperaemia, "hyperaemia")):
        if window is not None and window.source == "found":
            said.append(f"{name} was found in the trace, {window.span[0]:.1f} to {window.span[1]:.1f} s")
    return said
