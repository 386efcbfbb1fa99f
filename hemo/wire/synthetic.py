"""Pressure-wire traces whose every number is known; ``python -m hemo.wire.synthetic FOLDER`` writes some.

A left ventricle ejects into a windkessel (aortic pressure). A stenosis that loses A q + B q^2 and a microvascular bed
that systole squeezes share that pressure (distal pressure, flow). Hyperaemia opens the bed in time. The true ratios
are those of the same circuit held at rest or at full hyperaemia for 40 s, without breathing, ectopic beats, noise or
wire: no beat is sought and no window chosen, so nothing is shared with what reads traces.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import lfilter

from hemo.units import MMHG

Array = NDArray[Any]
FINE = 1000.0  # 1/s; the circuit's own rate
VENOUS = 5.0  # mmHg
STEADY = 40.0  # s, of the circuit that tells the truth
CHANNELS = ("aortic", "distal")
IMPEDANCE = 0.11  # of the aorta over its resistance
RANGE = (-30.0, 300.0)  # mmHg, of the recorder


@dataclass(frozen=True)
class Patient:
    """What the circuit is made of; pressures in mmHg, times in s, flows in mL/s.

    Attributes
    ----------
    heart_rate, mean_pressure, stroke
        1/min; mean aortic pressure at rest; share by which a pulse is larger (above 1) or smaller than usual.
    loss
        Share of aortic pressure that the stenosis would take from a flow of ``reserve * rest_flow``.
    rest_flow, reserve
        Of the bed without stenosis; how many times hyperaemia opens it.
    fall, quickening
        Of aortic pressure, and of the heart's rate, with hyperaemia.
    squeeze
        Share of the bed's conductance that systole takes: 0.6 left, 0.2 right.
    """

    heart_rate: float = 72.0
    mean_pressure: float = 93.0
    stroke: float = 1.0
    loss: float = 0.3
    rest_flow: float = 1.0
    reserve: float = 4.0
    fall: float = 0.1
    quickening: float = 0.08
    squeeze: float = 0.6


@dataclass(frozen=True)
class Recording:
    """How the trace is taken.

    ``parts`` are names and lengths, s, in order, of: equalisation, crossing, rest, infusion, bolus, pullback, check.
    Drift is the wire's reading less the truth at the end, mmHg; it grows evenly from the first sample.
    """

    rate: float = 100.0
    parts: tuple[tuple[str, float], ...] = (
        ("equalisation", 10.0),
        ("crossing", 3.0),
        ("rest", 25.0),
        ("infusion", 90.0),
        ("check", 12.0),
    )
    noise: float = 0.4
    quantum: float = 0.1
    breathing: float = 3.0
    drift: float = 0.0
    disturbances: tuple[str, ...] = ()
    pullback: tuple[tuple[float, float], ...] = ((0.35, 0.7), (0.75, 0.3))  # place of a step (share), its share of loss


@dataclass(frozen=True)
class Event:
    """A disturbance put in: kind, channel ("aortic", "distal" or "both"), from and to, s."""

    kind: str
    channel: str
    start: float
    end: float


@dataclass(frozen=True)
class Truth:
    """What an ideal reader would find; spans of the parts in s."""

    ffr: float
    rest: float
    wave_free: float
    diastolic: float
    cfr: float
    parts: dict[str, tuple[float, float]]
    events: tuple[Event, ...]


@dataclass(frozen=True)
class MadeTrace:
    """(n,) s, (n,) mmHg as recorded, NaN where nothing was, and the truth."""

    time: Array
    aortic: Array
    distal: Array
    truth: Truth = field(repr=False)


@dataclass(frozen=True)
class _Circuit:
    time: Array
    aortic: Array
    distal: Array
    flow: Array
    onsets: Array
    closures: Array


def make(patient: Patient, recording: Recording, seed: int) -> MadeTrace:
    """A trace with its disturbances at random places."""
    random = np.random.default_rng(seed)
    ends = np.cumsum([length for _, length in recording.parts])
    spans = {name: (float(end - length), float(end)) for (name, length), end in zip(recording.parts, ends, strict=True)}
    time = np.arange(round(ends[-1] * FINE)) / FINE
    opening = _opening(time, spans)
    ectopic = recording.disturbances.count("ectopic")
    circuit, early = _circuit(patient, time, opening, random, recording.breathing, ectopic, spans)
    distal = circuit.aortic - _place(time, spans, recording) * (circuit.aortic - circuit.distal)
    distal = lfilter([1.0 / 9.0], [1.0, -8.0 / 9.0], distal, zi=[8.0 / 9.0 * distal[0]])[0]  # 8 ms: it lags a little
    distal = distal + recording.drift * time / time[-1]
    events = [Event("ectopic", "both", start, end) for start, end in early]
    channels = {"aortic": circuit.aortic.copy(), "distal": distal}
    late: list[Event] = []
    for kind in recording.disturbances:
        if kind != "ectopic":
            span = _free_span(kind, spans, [*events, *late], random)
            late.append(_disturb(kind, channels, time, span, circuit, random))
    at = np.arange(int(ends[-1] * recording.rate)) / recording.rate
    read = [_record(channels[name], time, at, recording, random) for name in CHANNELS]
    for event in late:
        if event.kind in ("disconnection", "saturation"):
            _at_the_recorder(event, at, read, random)
    truth = _truth(patient, spans, (*events, *late))
    return MadeTrace(at, read[0], read[1], truth)


def _opening(time: Array, spans: dict[str, tuple[float, float]]) -> Array:
    """(n,) 0 at rest, 1 at full hyperaemia: an infusion stays, a bolus of 12 s goes."""
    value = np.zeros(len(time))
    if "infusion" in spans:
        start, end = spans["infusion"]
        over = spans.get("pullback", (0.0, end))[1]
        value = _smooth((time - start - 12.0) / 25.0) * (1.0 - _smooth((time - over) / 8.0))
    if "bolus" in spans:
        start = spans["bolus"][0]
        value = _smooth((time - start - 4.0) / 7.0) * np.exp(-np.maximum(time - start - 23.0, 0.0) / 14.0)
    return value


def _place(time: Array, spans: dict[str, tuple[float, float]], recording: Recording) -> Array:
    """(n,) share of the stenosis's loss that lies between guide and sensor."""
    value = np.zeros(len(time))
    start, end = spans["crossing"]
    value = _smooth((time - start) / (end - start))
    if "pullback" in spans:
        start, end = spans["pullback"]
        back = 1.0 - (time - start) / (end - start)  # 1 distal, 0 at the guide
        left = sum(share * _smooth((back - place) / 0.08) for place, share in recording.pullback)
        value = np.where(time < start, value, left)
    elif "check" in spans:
        value = value * (1.0 - _smooth((time - spans["check"][0]) / 2.0))
    return value


def _smooth(x: Array) -> Array:
    """From 0 at x = 0 to 1 at x = 1."""
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)


def _circuit(
    patient: Patient,
    time: Array,
    opening: Array,
    random: np.random.Generator,
    breathing: float,
    ectopics: int,
    spans: dict[str, tuple[float, float]],
) -> tuple[_Circuit, list[tuple[float, float]]]:
    breath = np.sin(2.0 * np.pi * time / 4.3 + random.uniform(0.0, 6.0))
    onsets, early = _onsets(patient, time, opening, breath if breathing else 0.0 * breath, random, ectopics, spans)
    steady = not breathing and not ectopics
    flow, squeeze, closures = _ejection(time, onsets, random, 0.0 if steady else 0.02)
    drawn = 0.5 * breathing * breath  # half of what breathing does drives flow, half moves all pressures alike
    aortic = _windkessel(patient, flow, opening) + drawn
    through = _stenosis(patient, aortic, squeeze, opening)
    return _Circuit(time, aortic + drawn, through[1] + drawn, through[0], onsets, closures), early


def _onsets(
    patient: Patient,
    time: Array,
    opening: Array,
    breath: Array,
    random: np.random.Generator,
    ectopics: int,
    spans: dict[str, tuple[float, float]],
) -> tuple[Array, list[tuple[float, float]]]:
    """Times of ejection, and from the early beat to the next normal one of each ectopic beat."""
    free = (spans["rest"][0] + 3.0, time[-1] - 10.0) if "rest" in spans else (0.0, 0.0)
    wanted = np.sort(random.uniform(*free, ectopics))
    varies = bool(np.any(breath))
    now, onsets, early = 0.2, [0.2], []
    while now < time[-1]:
        at = min(int(now * FINE), len(time) - 1)
        interval = 60.0 / (patient.heart_rate * (1.0 + patient.quickening * opening[at]))
        interval *= 1.0 + 0.03 * breath[at] + (0.012 * random.standard_normal() if varies else 0.0)
        if len(wanted) and now > wanted[0]:
            short, pause = interval * random.uniform(0.55, 0.72), interval * random.uniform(1.3, 1.45)
            onsets += [now + short, now + short + pause]
            early.append((now + short, now + short + pause))
            wanted = wanted[1:]
            wanted = wanted[wanted > onsets[-1] + 5.0]
        else:
            onsets.append(now + interval)
        now = onsets[-1]
    return np.array(onsets), early


def _ejection(time: Array, onsets: Array, random: np.random.Generator, spread: float) -> tuple[Array, Array, Array]:
    """(n,) flow into the aorta, mL/s before scaling; (n,) how far systole squeezes the bed; closures of the valve, s."""
    flow, squeeze = np.zeros(len(time)), np.zeros(len(time))
    closures = []
    before = np.diff(onsets, prepend=onsets[0] - 0.85)
    for onset, filling in zip(onsets, before, strict=True):
        lasts = 0.30 * min(filling / 0.85, 1.3) ** 0.4
        first, last = (round(t * FINE) for t in (onset, onset + 1.1 * lasts + 0.1))
        local = time[first : min(last, len(time))] - onset
        volume = (1.0 - np.exp(-max(filling - 0.2, 0.02) / 0.25)) / (1.0 - np.exp(-0.65 / 0.25))
        volume *= 1.0 + spread * random.standard_normal()
        inside = np.clip(local / lasts, 0.0, 1.0)
        flow[first : first + len(local)] += volume * np.sin(np.pi * inside**0.75) ** 1.5
        back = (local - lasts) / 0.035  # the valve closes: a little flows back
        flow[first : first + len(local)] -= 0.12 * volume * np.where((back > 0) & (back < 1), np.sin(np.pi * back), 0.0)
        bump = _smooth((local + 0.02) / 0.09) * (1.0 - _smooth((local - lasts) / 0.09))
        squeeze[first : first + len(local)] = np.maximum(squeeze[first : first + len(local)], bump)
        closures.append(onset + lasts + 0.035)
    return flow, squeeze, np.array(closures)


def _windkessel(patient: Patient, flow: Array, opening: Array) -> Array:
    """(n,) aortic pressure, mmHg: compliance and resistance, and an impedance in series that shows the valve."""
    decay = np.exp(-1.0 / (FINE * 1.5))
    start = flow[: round(20.0 * FINE)].mean() / (1.0 - decay)
    reservoir = lfilter([1.0], [1.0, -decay], flow, zi=[decay * start])[0] * (1.0 - decay)
    mean = flow.mean()
    pulse = gaussian_filter1d(IMPEDANCE * flow, 0.008 * FINE)
    wave = gaussian_filter1d(np.maximum(np.gradient(flow) * FINE, -40.0), 0.02 * FINE) * 4e-4  # what comes back
    shape = (reservoir + patient.stroke * (pulse + np.roll(wave, round(0.06 * FINE)))) / (mean * (1.0 + IMPEDANCE))
    return patient.mean_pressure * (1.0 - patient.fall * opening) * shape


def _stenosis(patient: Patient, aortic: Array, squeeze: Array, opening: Array) -> tuple[Array, Array]:
    """(n,) flow, mL/s, and (n,) distal pressure, mmHg: A q + B q^2 + R q = p - VENOUS, a quadratic in q."""
    usual = patient.reserve * patient.rest_flow
    drop = patient.loss * patient.mean_pressure
    viscous, expansion = 0.3 * drop / usual, 0.7 * drop / usual**2
    open_ = 1.0 + (patient.reserve - 1.0) * opening
    bed = (patient.mean_pressure - VENOUS) / patient.rest_flow / open_ / (1.0 - patient.squeeze * squeeze)
    linear, head = viscous + bed, aortic - VENOUS
    if expansion > 0.0:
        flow = 2.0 * head / (linear + np.sqrt(linear**2 + 4.0 * expansion * np.maximum(head, 0.0)))
    else:
        flow = head / linear
    return flow, VENOUS + bed * flow


def _truth(patient: Patient, spans: dict[str, tuple[float, float]], events: tuple[Event, ...]) -> Truth:
    """Ratios of the circuit's own pressures over whole heart beats, each state held."""
    time = np.arange(round(STEADY * FINE)) / FINE
    nothing = np.random.default_rng(0)
    states = [_circuit(patient, time, np.full(len(time), x), nothing, 0.0, 0, {})[0] for x in (0.0, 1.0)]
    whole = [(c.time >= c.onsets[5]) & (c.time < c.onsets[-3]) for c in states]
    rest, full = (float(c.distal[w].mean() / c.aortic[w].mean()) for c, w in zip(states, whole, strict=True))
    still = states[0]
    ratios = []
    for share, margin in ((0.25, 0.005), (0.0, 0.0)):
        kept = np.zeros(len(time), bool)
        for closed, opened in zip(still.closures[5:-3], still.onsets[6:-2], strict=True):
            kept |= (time >= closed + share * (opened - closed)) & (time < opened - margin)
        ratios.append(float(still.distal[kept].mean() / still.aortic[kept].mean()))
    cfr = float(states[1].flow[whole[1]].mean() / states[0].flow[whole[0]].mean())
    return Truth(full, rest, ratios[0], ratios[1], cfr, spans, events)


def _free_span(
    kind: str, spans: dict[str, tuple[float, float]], taken: Sequence[Event], random: np.random.Generator
) -> tuple[float, float]:
    """A random span, clear of the other disturbances, of the checks and of the wire's way."""
    lengths = {"flush": (0.5, 4.0), "damping": (4.0, 14.0), "whip": (3.0, 12.0)}
    lengths |= {"disconnection": (0.8, 8.0), "saturation": (4.0, 12.0)}
    first = spans["rest"][0] + 1.0
    last = min([spans[name][0] for name in ("pullback", "check") if name in spans]) - 1.0
    for _ in range(500):
        length = random.uniform(*lengths[kind])
        start = random.uniform(first, last - length)
        if all(start > one.end + 2.5 or start + length < one.start - 2.5 for one in taken):
            return start, start + length
    raise ValueError("no place is left for another disturbance")


def _disturb(
    kind: str,
    channels: dict[str, Array],
    time: Array,
    span: tuple[float, float],
    circuit: _Circuit,
    random: np.random.Generator,
) -> Event:
    """Change a channel as the cause would; what happens in the recorder itself is only placed here."""
    inside = (time >= span[0]) & (time < span[1])
    edges = _smooth((time - span[0]) / 0.12) * _smooth((span[1] - time) / 0.12)
    often = {"flush": 1.0, "damping": 0.7, "whip": 0.25, "disconnection": 0.5, "saturation": 0.7}[kind]
    name = CHANNELS[int(random.random() >= often)]
    old = channels[name]
    if kind == "flush":
        level = old.max() + random.uniform(40.0, 180.0)
        channels[name] = old + edges * (level + 3.0 * np.sin(40.0 * time) - old)
    elif kind == "damping":
        keep = np.exp(-2.0 * np.pi * random.uniform(0.25, 0.8) / FINE)
        damped = lfilter([1.0 - keep], [1.0, -keep], old, zi=[keep * old[:800].mean()])[0]
        channels[name] = old + edges * (random.uniform(0.88, 1.02) * damped - old)
    elif kind == "whip":
        spikes = np.zeros(len(time))
        for onset in circuit.onsets[(circuit.onsets > span[0] - 0.1) & (circuit.onsets < span[1] - 0.3)]:
            for _ in range(random.integers(1, 4)):
                centre, width = onset + random.uniform(0.05, 0.4), random.uniform(0.012, 0.03)
                size = random.choice([-1.0, 1.0]) * random.uniform(12.0, 40.0)
                spikes += size * np.exp(-0.5 * ((time - centre) / width) ** 2)
        channels[name] = old + spikes * inside
    return Event(kind, name, *span)


def _record(values: Array, time: Array, at: Array, recording: Recording, random: np.random.Generator) -> Array:
    """(m,) the amplifier's filter, noise and quantum."""
    smooth = gaussian_filter1d(values, max(0.3 / recording.rate, 0.004) * FINE)
    read = np.interp(at, time, smooth) + recording.noise * random.standard_normal(len(at))
    return np.clip(np.round(read / recording.quantum) * recording.quantum, *RANGE)


def _at_the_recorder(event: Event, at: Array, read: list[Array], random: np.random.Generator) -> None:
    """Lose or clip the recorded samples."""
    values = read[CHANNELS.index(event.channel)]
    inside = (at >= event.start) & (at < event.end)
    if event.kind == "saturation":
        low, high = values[inside].min(), values[inside].max()
        values[inside] = np.minimum(values[inside], round(low + random.uniform(0.45, 0.7) * (high - low), 1))
        return
    way = random.integers(4)
    if way == 0:
        values[inside] = np.nan
    elif way == 1:
        values[inside] = 0.0
    elif way == 2:
        values[inside] = values[inside][0]
    else:
        values[inside] = np.round(random.normal(2.0, 2.0, int(inside.sum())), 1)
