"""The circuit behind generated traces: a ventricle, a windkessel, a stenosis and a bed that opens.

A left ventricle ejects into a windkessel (aortic pressure). A stenosis that loses A q + B q^2 and a microvascular bed
that systole squeezes share that pressure (distal pressure, flow). Pressures in mmHg, times in s, flows in mL/s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import lfilter

Array = NDArray[Any]
Spans = dict[str, tuple[float, float]]
FINE = 1000.0  # 1/s; the circuit's own rate
VENOUS = 5.0  # mmHg
IMPEDANCE = 0.11  # of the aorta over its resistance


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
class Circuit:
    """(n,) time, pressures and flow; times at which the heart ejects, and at which its valve closes."""

    time: Array
    aortic: Array
    distal: Array
    flow: Array
    onsets: Array
    closures: Array


def smooth(x: Array) -> Array:
    """From 0 at x = 0 to 1 at x = 1."""
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)


def run_circuit(
    patient: Patient,
    time: Array,
    opening: Array,
    random: np.random.Generator,
    breathing: float,
    ectopics: int,
    spans: Spans,
    early: tuple[float, float] = (0.55, 0.72),
) -> tuple[Circuit, list[tuple[float, float]]]:
    """The circuit, and from the early beat to the next normal one of each ectopic beat.

    Half of what breathing does drives flow, half moves all pressures alike.
    """
    breath = np.sin(2.0 * np.pi * time / 4.3 + random.uniform(0.0, 6.0))
    moving = breath if breathing else 0.0 * breath
    onsets, found = _onsets(patient, time, opening, moving, random, ectopics, spans, early)
    steady = not breathing and not ectopics
    flow, squeeze, closures = _ejection(time, onsets, random, 0.0 if steady else 0.02)
    drawn = 0.5 * breathing * breath
    aortic = _windkessel(patient, flow, opening) + drawn
    through = _stenosis(patient, aortic, squeeze, opening)
    return Circuit(time, aortic + drawn, through[1] + drawn, through[0], onsets, closures), found


def _onsets(
    patient: Patient,
    time: Array,
    opening: Array,
    breath: Array,
    random: np.random.Generator,
    ectopics: int,
    spans: Spans,
    shortened: tuple[float, float],
) -> tuple[Array, list[tuple[float, float]]]:
    """Times of ejection, and from the early beat to the next normal one of each ectopic beat."""
    free = (spans["rest"][0] + 3.0, time[-1] - 10.0) if "rest" in spans else (0.0, 0.0)
    wanted = np.sort(random.uniform(free[0], free[1], ectopics))
    varies = bool(np.any(breath))
    now, onsets, early = 0.2, [0.2], []
    while now < time[-1]:
        at = min(int(now * FINE), len(time) - 1)
        interval = 60.0 / (patient.heart_rate * (1.0 + patient.quickening * opening[at]))
        interval *= 1.0 + 0.03 * breath[at] + (0.012 * random.standard_normal() if varies else 0.0)
        if len(wanted) and now > wanted[0]:
            short, pause = interval * random.uniform(*shortened), interval * random.uniform(1.3, 1.45)
            onsets += [now + short, now + short + pause]
            early.append((now + short, now + short + pause))
            wanted = wanted[1:]
            wanted = wanted[wanted > onsets[-1] + 5.0]
        else:
            onsets.append(now + interval)
        now = onsets[-1]
    return np.array(onsets), early


def _ejection(time: Array, onsets: Array, random: np.random.Generator, spread: float) -> tuple[Array, Array, Array]:
    """(n,) flow into the aorta, to a scale; (n,) how far systole squeezes the bed; closures of the valve, s."""
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
        bump = smooth((local + 0.02) / 0.09) * (1.0 - smooth((local - lasts) / 0.09))
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
