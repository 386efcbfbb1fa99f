"""Pressure-wire traces whose every number is known; ``python -m hemo.wire.synthetic FOLDER`` writes some.

Hyperaemia opens the bed of a circuit (``hemo.wire.circuit``) in time, a wire is advanced, read and drawn back, and
disturbances fall on what is recorded. The true ratios are those of the same circuit held at rest or at full hyperaemia
for 40 s, without breathing, ectopic beats, noise or wire: no beat is sought and no window chosen, so nothing is shared
with what reads traces.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import lfilter

from hemo.units import MMHG
from hemo.wire.circuit import FINE, Circuit, Patient, Spans, run_circuit, smooth

Array = NDArray[Any]
STEADY = 40.0  # s, of the circuit that tells the truth
CHANNELS = ("aortic", "distal")
RANGE = (-30.0, 300.0)  # mmHg, of the recorder


@dataclass(frozen=True)
class Recording:
    """How the trace is taken.

    ``parts`` are names and lengths, s, in order, of: equalisation, crossing, rest, infusion, bolus, pullback, check.
    Drift is the wire's reading less the truth at the end, mmHg; it grows evenly from the first sample. Slight
    disturbances are those an eye may miss.
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
    slight: bool = False
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
    rfr: float
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
class _Sizes:
    """Ranges of what disturbs: lengths in s, pressures in mmHg, frequencies in Hz, the rest as shares."""

    flush: tuple[float, float] = (40.0, 180.0)  # above the highest pressure
    damping: tuple[float, float] = (0.25, 0.8)  # of the low pass
    whip: tuple[float, float] = (12.0, 40.0)
    disconnection: tuple[float, float] = (0.8, 8.0)  # its length
    saturation: tuple[float, float] = (0.45, 0.7)  # of the pressure's range
    early: tuple[float, float] = (0.55, 0.72)  # of the interval


USUAL = _Sizes()
SLIGHT = _Sizes((10.0, 40.0), (0.8, 2.0), (5.0, 12.0), (0.3, 0.8), (0.7, 0.95), (0.72, 0.85))


def make(patient: Patient, recording: Recording, seed: int) -> MadeTrace:
    """A trace with its disturbances at random places."""
    random = np.random.default_rng(seed)
    ends = np.cumsum([length for _, length in recording.parts])
    spans = {name: (float(end - length), float(end)) for (name, length), end in zip(recording.parts, ends, strict=True)}
    time = np.arange(round(ends[-1] * FINE)) / FINE
    opening = _opening(time, spans)
    ectopic = recording.disturbances.count("ectopic")
    sizes = SLIGHT if recording.slight else USUAL
    circuit, early = run_circuit(patient, time, opening, random, recording.breathing, ectopic, spans, sizes.early)
    distal: Array = circuit.aortic - _place(time, spans, recording) * (circuit.aortic - circuit.distal)
    distal = lfilter([1.0 / 9.0], [1.0, -8.0 / 9.0], distal, zi=[8.0 / 9.0 * distal[0]])[0]  # 8 ms: it lags a little
    distal = distal + recording.drift * time / time[-1]
    events = [Event("ectopic", "both", start, end) for start, end in early]
    channels = {"aortic": circuit.aortic.copy(), "distal": distal}
    late: list[Event] = []
    for kind in recording.disturbances:
        if kind != "ectopic":
            span = _free_span(kind, spans, [*events, *late], random, sizes)
            late.append(_disturb(kind, channels, time, span, circuit, random, sizes))
    at = np.arange(int(ends[-1] * recording.rate)) / recording.rate
    read = [_record(channels[name], time, at, recording, random) for name in CHANNELS]
    for event in late:
        if event.kind in ("disconnection", "saturation"):
            _at_the_recorder(event, at, read, random, sizes)
    truth = _truth(patient, spans, (*events, *late))
    return MadeTrace(at, read[0], read[1], truth)


def _opening(time: Array, spans: Spans) -> Array:
    """(n,) 0 at rest, 1 at full hyperaemia: an infusion stays, a bolus of 12 s goes."""
    value: Array = np.zeros(len(time))
    if "infusion" in spans:
        start, end = spans["infusion"]
        over = spans.get("pullback", (0.0, end))[1]
        value = smooth((time - start - 12.0) / 25.0) * (1.0 - smooth((time - over) / 8.0))
    if "bolus" in spans:
        start = spans["bolus"][0]
        value = smooth((time - start - 4.0) / 7.0) * np.exp(-np.maximum(time - start - 23.0, 0.0) / 14.0)
    return value


def _place(time: Array, spans: Spans, recording: Recording) -> Array:
    """(n,) share of the stenosis's loss that lies between guide and sensor."""
    start, end = spans["crossing"]
    value: Array = smooth((time - start) / (end - start))
    if "pullback" in spans:
        start, end = spans["pullback"]
        back = 1.0 - (time - start) / (end - start)  # 1 distal, 0 at the guide
        left = sum(share * smooth((back - place) / 0.08) for place, share in recording.pullback)
        value = np.where(time < start, value, left)
    elif "check" in spans:
        value = value * (1.0 - smooth((time - spans["check"][0]) / 2.0))
    return value


def _truth(patient: Patient, spans: Spans, events: tuple[Event, ...]) -> Truth:
    """Ratios of the circuit's own pressures over whole heart beats, each state held."""
    time = np.arange(round(STEADY * FINE)) / FINE
    nothing = np.random.default_rng(0)
    states = [run_circuit(patient, time, np.full(len(time), x), nothing, 0.0, 0, {})[0] for x in (0.0, 1.0)]
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
    each = zip(still.onsets[5:-3], still.onsets[6:-2], strict=True)
    beats = [(time >= a) & (time < b) for a, b in each]
    rfr = float(np.mean([(still.distal[beat] / still.aortic[beat]).min() for beat in beats]))
    return Truth(full, rest, ratios[0], ratios[1], rfr, cfr, spans, events)


def _free_span(
    kind: str, spans: Spans, taken: Sequence[Event], random: np.random.Generator, sizes: _Sizes
) -> tuple[float, float]:
    """A random span, clear of the other disturbances, of the checks and of the wire's way."""
    lengths = {"flush": (0.5, 4.0), "damping": (4.0, 14.0), "whip": (3.0, 12.0)}
    lengths |= {"disconnection": sizes.disconnection, "saturation": (4.0, 12.0)}
    first = spans["rest"][0] + 1.0
    ends = [spans[name][0] for name in ("pullback", "check") if name in spans]
    last = min(ends, default=max(span[1] for span in spans.values())) - 1.0
    least, most = lengths[kind]
    for attempt in range(1000):
        length = random.uniform(least, most if attempt < 500 else min(least + 1.0, most))
        start = random.uniform(first, last - length)
        if all(start > one.end + 2.5 or start + length < one.start - 2.5 for one in taken):
            return start, start + length
    raise ValueError("no place is left for another disturbance")


def _disturb(
    kind: str,
    channels: dict[str, Array],
    time: Array,
    span: tuple[float, float],
    circuit: Circuit,
    random: np.random.Generator,
    sizes: _Sizes,
) -> Event:
    """Change a channel as the cause would; what happens in the recorder itself is only placed here."""
    inside = (time >= span[0]) & (time < span[1])
    edges = smooth((time - span[0]) / 0.12) * smooth((span[1] - time) / 0.12)
    often = {"flush": 1.0, "damping": 0.7, "whip": 0.25, "disconnection": 0.5, "saturation": 0.7}[kind]
    name = CHANNELS[int(random.random() >= often)]
    old = channels[name]
    if kind == "flush":
        level = old.max() + random.uniform(*sizes.flush)
        channels[name] = old + edges * (level + 3.0 * np.sin(40.0 * time) - old)
    elif kind == "damping":
        keep = np.exp(-2.0 * np.pi * random.uniform(*sizes.damping) / FINE)
        damped = lfilter([1.0 - keep], [1.0, -keep], old, zi=[keep * old[:800].mean()])[0]
        channels[name] = old + edges * (random.uniform(0.88, 1.02) * damped - old)
    elif kind == "whip":
        spikes = np.zeros(len(time))
        for onset in circuit.onsets[(circuit.onsets > span[0] - 0.1) & (circuit.onsets < span[1] - 0.3)]:
            for _ in range(random.integers(1, 4)):
                centre, width = onset + random.uniform(0.05, 0.4), random.uniform(0.012, 0.03)
                size = random.choice([-1.0, 1.0]) * random.uniform(*sizes.whip)
                spikes += size * np.exp(-0.5 * ((time - centre) / width) ** 2)
        channels[name] = old + spikes * inside
    return Event(kind, name, *span)


def _record(values: Array, time: Array, at: Array, recording: Recording, random: np.random.Generator) -> Array:
    """(m,) the amplifier's filter, noise and quantum."""
    smooth = gaussian_filter1d(values, max(0.3 / recording.rate, 0.004) * FINE)
    read = np.interp(at, time, smooth) + recording.noise * random.standard_normal(len(at))
    return np.clip(np.round(read / recording.quantum) * recording.quantum, *RANGE)


def _at_the_recorder(event: Event, at: Array, read: list[Array], random: np.random.Generator, sizes: _Sizes) -> None:
    """Lose or clip the recorded samples."""
    values = read[CHANNELS.index(event.channel)]
    inside = (at >= event.start) & (at < event.end)
    if event.kind == "saturation":
        low, high = values[inside].min(), values[inside].max()
        values[inside] = np.minimum(values[inside], round(low + random.uniform(*sizes.saturation) * (high - low), 1))
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


def examples() -> dict[str, MadeTrace]:
    """The traces of docs/wire.md: a usual one, a bolus in a right coronary, a wire that drifted, a pullback."""
    usual = Recording(disturbances=("flush", "damping", "whip", "disconnection", "saturation", "ectopic"), drift=1.0)
    bolus = Recording(
        rate=250.0, parts=tuple(("bolus" if n == "infusion" else n, min(x, 50.0)) for n, x in usual.parts), noise=0.6
    )
    drawn = replace(usual, disturbances=(), drift=0.0, parts=(*usual.parts[:-1], ("pullback", 40.0), ("check", 10.0)))
    return {
        "P001_LAD": make(Patient(loss=0.5), usual, 11),
        "P002_RCA": make(Patient(heart_rate=64.0, loss=0.25, squeeze=0.25), bolus, 12),
        "P003_LCX": make(Patient(loss=0.4, reserve=3.0), replace(usual, drift=-5.0, disturbances=("whip",)), 13),
        "P004_LAD": make(Patient(loss=0.6), drawn, 14),
    }


def write_examples(folder: Path) -> None:
    """Write the traces, list.csv with what an operator would know of them, and truth.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    listed, truths = [], []
    for name, made in examples().items():
        pascal = name == "P002_RCA"
        heads = ["time_s", "Pa", "Pd"] if pascal else ["time_s", "aortic_mmHg", "distal_mmHg"]
        values = np.stack([made.time, *(c * (MMHG if pascal else 1.0) for c in (made.aortic, made.distal))], axis=1)
        rows = [["" if np.isnan(x) else f"{x:.4f}".rstrip("0").rstrip(".") for x in row] for row in values]
        _write(folder / f"{name}.csv", [heads, *rows])
        spans = {part: f"{start:g}:{end:g}" for part, (start, end) in made.truth.parts.items()}
        start, end = made.truth.parts["check"]
        checks = f"{spans['equalisation']} {start + 3.0:g}:{end:g}"
        length = "70 mm" if "pullback" in spans else ""
        transit = ["0.9 s", f"{0.9 / made.truth.cfr:.3f} s"] if name == "P001_LAD" else ["", ""]
        listed.append([f"{name}.csv", *name.split("_"), checks, spans.get("pullback", ""), length, *transit])
        truths.append([name, *(f"{x:.4f}" for x in (made.truth.ffr, made.truth.rest, made.truth.wave_free))])
    heads = ["trace", "patient", "vessel", "equalisation", "pullback", "pullback_length"]
    _write(folder / "list.csv", [[*heads, "rest_transit", "hyperaemic_transit"], *listed])
    _write(folder / "truth.csv", [["trace", "ffr", "pd_pa", "wave_free_ratio"], *truths])


def _write(path: Path, rows: Sequence[Sequence[str]]) -> None:
    path.write_text("".join(",".join(row) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m hemo.wire.synthetic FOLDER")
    write_examples(Path(sys.argv[1]))
