r"""The periodic state of a tree of elements under pressures or a flow that repeat, found as a whole.

Every element takes h(Q) + L dQ/dt of total pressure, and behind a capacitance C its end stands under the charge,
1/C int q dt. With n evenly spaced times the flows are trigonometric polynomials, so that derivative and integral are
exact in the frequencies (time collocation of harmonic balance: Nakhla and Vlach 1976, IEEE Trans Circuits Syst 23:85),
and the charges' means follow: nothing is marched until it repeats.

The residual is corrected by the response of the linear tree with each loss' slope in the middle of its range over the
period, frequency by frequency (:func:`~hemo.reduced.convex.respond_by_sweeps` with impedances). Losses rise with the
flow, so that what is left of an error is then less than the error; Anderson's acceleration (1965, J ACM 12:547) makes
few corrections of it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.reduced.convex import respond_by_sweeps
from hemo.reduced.elements import Elements
from hemo.reduced.terms import Losses

Array = NDArray[Any]
log = logging.getLogger(__name__)

TOLERANCE = 1e-9  # of the largest pressure
MOST_CORRECTIONS = 300
REMEMBERED = 8  # corrections that the acceleration combines


@dataclass(frozen=True)
class Circuit:
    """Elements whose state repeats.

    Attributes
    ----------
    elements
        Who follows whom.
    losses
        (e,) or, where a resistance changes with time, (e, n).
    inertance
        (e,) Pa s^2 / m^3.
    stiffness
        (k,) of the capacitance that an end stands behind, Pa / m^3; 0 where it stands behind none.
    drive
        (k, n) Pa: what pushes flow out of each end, the pressure at its far side with the other sign.
    period
        s.
    """

    elements: Elements
    losses: Losses
    inertance: Array
    stiffness: Array
    drive: Array
    period: float


@dataclass(frozen=True)
class PeriodicState:
    """``out`` (k, n) flow through the ends, m^3/s; ``ostium`` (n,) total pressure there, Pa; whether it converged."""

    out: Array
    ostium: Array
    converged: bool


def solve_periodic(circuit: Circuit, ostium: Array | None = None, inflow: Array | None = None) -> PeriodicState:
    """The state under a total pressure at the ostium (n,), Pa, or a flow through it (n,), m^3/s."""
    state = _Corrections(circuit, ostium, inflow)
    out = np.zeros_like(circuit.drive)
    memory: list[tuple[Array, Array]] = []
    best, damping = np.inf, 1.0
    for _ in range(MOST_CORRECTIONS):
        correction, pressure, error = state.correct(out)
        if error <= TOLERANCE:
            return PeriodicState(out, pressure, True)
        if error > 10.0 * best:  # combined too boldly: only the last is kept, and less of it
            memory.clear()
            damping = max(damping / 2.0, 0.1)
        best = min(best, error)
        memory = [*memory, (out, correction)][-REMEMBERED:]
        out = _combined(memory, damping)
    log.warning("the periodic state was not found in %d corrections", MOST_CORRECTIONS)
    return PeriodicState(out, pressure, False)


class _Corrections:
    """Residual and correction of the flows through the ends."""

    def __init__(self, circuit: Circuit, ostium: Array | None, inflow: Array | None) -> None:
        self.circuit, self.ostium, self.inflow = circuit, ostium, inflow
        self.stored = circuit.stiffness > 0.0
        n = circuit.drive.shape[-1]
        i_omega = _derivative(n, circuit.period)
        self.reactance = circuit.inertance[:, None] * i_omega
        self.charge = np.zeros((len(circuit.stiffness), len(i_omega)), dtype=complex)
        whole = np.flatnonzero(i_omega != 0.0)
        self.charge[:, whole] = circuit.stiffness[:, None] / i_omega[whole]
        self.blocked = self.stored[:, None] & (i_omega == 0.0)  # no mean flow into a capacitance

    def correct(self, out: Array) -> tuple[Array, Array, float]:
        """What to add to the flows (k, n), the pressure at the ostium (n,), and the residual over the pressures."""
        circuit, n = self.circuit, out.shape[-1]
        flow = circuit.elements.flows(out)
        loss = circuit.losses.loss(flow)
        loss += np.fft.irfft(self.reactance * np.fft.rfft(flow), n)
        residual = circuit.elements.to_beds(loss) - circuit.drive
        residual += np.fft.irfft(self.charge * np.fft.rfft(out), n)
        unmet = np.fft.rfft(residual - (0.0 if self.ostium is None else self.ostium))
        slope = circuit.losses.slope(flow)
        middle = 0.5 * (slope.max(axis=-1) + slope.min(axis=-1))[:, None]
        impedance = middle + self.reactance
        impedance[circuit.elements.beds] += self.charge
        impedance[circuit.elements.beds] = np.where(self.blocked, np.inf, impedance[circuit.elements.beds])
        step, even = respond_by_sweeps(circuit.elements, impedance, -unmet)
        pressure = self.ostium
        unmet_flow = np.zeros(n)
        if self.inflow is not None:
            missing = np.fft.rfft(self.inflow - out.sum(axis=0)) - step.sum(axis=0)
            total = even.sum(axis=0)
            joined = np.divide(missing, total, out=np.zeros_like(missing), where=total != 0.0)
            step += joined * even
            pressure = np.fft.irfft(joined, n)
            unmet = unmet - joined
            unmet_flow = self.inflow - out.sum(axis=0)
        assert pressure is not None
        unmet[self.blocked] = 0.0
        scale = max(float(np.abs(circuit.drive).max()), float(np.abs(pressure).max()), 1e-300)
        error = float(np.abs(np.fft.irfft(unmet, n)).max()) / scale
        carried = max(float(np.abs(flow).max()), 1e-300)
        error = max(error, float(np.abs(unmet_flow).max()) / carried)
        return np.fft.irfft(step, n), pressure, error


def _combined(memory: list[tuple[Array, Array]], damping: float) -> Array:
    """The next flows: those remembered, so combined that their corrections together are least, and corrected."""
    out, correction = memory[-1]
    if len(memory) == 1:
        return out + damping * correction
    outs = np.stack([out.ravel() - before.ravel() for before, _ in memory[:-1]])
    corrections = np.stack([correction.ravel() - before.ravel() for _, before in memory[:-1]])
    weights = np.linalg.lstsq(corrections @ corrections.T, corrections @ correction.ravel(), rcond=1e-12)[0]
    least = correction.ravel() - weights @ corrections
    return np.asarray((out.ravel() - weights @ outs + damping * least).reshape(out.shape))


def end_pressures(circuit: Circuit, state: PeriodicState) -> Array:
    """(e, n) total pressure at the end of every element that is no end of the circuit itself, Pa; 0 for those."""
    flow = circuit.elements.flows(state.out)
    lost = circuit.losses.loss(flow) + circuit.inertance[:, None] * rate(flow, circuit.period)
    found = state.ostium - circuit.elements.from_ostium(lost)
    found[circuit.elements.beds] = 0.0
    return np.asarray(found)


def rate(values: Array, period: float) -> Array:
    """(..., n) derivative of what repeats after ``period`` s, at its own times, 1/s."""
    n = values.shape[-1]
    return np.asarray(np.fft.irfft(_derivative(n, period) * np.fft.rfft(values), n))


def _derivative(n: int, period: float) -> Array:
    """(n // 2 + 1,) i omega, 1/s; 0 for the highest frequency of an even n, which has no derivative at those times."""
    factor = 2j * np.pi / period * np.arange(n // 2 + 1)
    if n % 2 == 0:
        factor[-1] = 0.0
    return np.asarray(factor)
