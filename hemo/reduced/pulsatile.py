r"""A heart beat in a rigid tree: the quasi-steady losses, the blood's inertia, and coronary beds that the muscle
squeezes.

Every place where flow leaves ends in the network of Kim et al. 2010 (Ann Biomed Eng 38:3195): resistances Ra, Ram, Rv
in a row, a capacitance Ca to ground between the first two, and one, Cim, to the pressure of the muscle between the last
two,

    Ca dPp/dt = q - (Pp - Pc) / Ram,   Cim d(Pc - Pim)/dt = (Pp - Pc) / Ram - (Pc - Pv) / Rv.

A step of the implicit Euler method makes each bed a resistance in series with a pressure, and the inertia rho int ds /
A dQ/dt another: so every step is the convex problem of :mod:`hemo.reduced.network`, which always has its one solution.
The capacitances carry no mean flow, so that the mean over a beat differs from steady flow only by the quadratic losses.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.blood import Blood
from hemo.boundary import FlowConditions
from hemo.errors import InputError
from hemo.reduced.network import Network, assembled, branch_losses, distributed, minimise
from hemo.reduced.waveform import Beat
from hemo.tree import Branch, VesselTree

Array = NDArray[Any]

# Of a bed's resistance and capacitance (secondary note; Kim 2010's own tables were not read).
ARTERIAL, MIDDLE, VENOUS = 0.32, 0.52, 0.16
ARTERIAL_CAPACITANCE, MUSCLE_CAPACITANCE = 0.11, 0.89
# s: whole capacitance of a bed times its resistance at rest. 3.6e-5 cm^5/dyn of a left tree at 130 mL/min under 88 mmHg
# (a public recipe for SimVascular, not confirmed).
TIME_CONSTANT = 1.9
MOST_BEATS = 30
PERIODIC = 1e-3  # relative change of the flow over a beat


@dataclass(frozen=True)
class BeatFlow:
    """Static pressure (steps, n), Pa, and flow (steps, n), m^3/s, at the points of each branch over one beat."""

    beat: Beat
    pressure: dict[str, Array]
    flow: dict[str, Array]
    periodic: bool


def solve_beat(
    tree: VesselTree, conditions: FlowConditions, beat: Beat, blood: Blood, squeeze: float = 1.0
) -> BeatFlow:
    """The periodic state of a tree under the resistances of ``conditions``.

    Parameters
    ----------
    squeeze
        Pressure of the muscle on its vessels over that of the left ventricle.

    Raises
    ------
    InputError
        For conditions with a prescribed inlet flow.
    """
    if conditions.inlet_flow is not None:
        raise InputError("a beat needs a pressure at the inlet, not a prescribed flow.")
    losses = branch_losses(tree, blood)
    network = assembled(tree, conditions, losses, blood)
    muscle = squeeze * beat.ventricle
    bed = _Bed(network.sink_linear, conditions.venous_pressure, float(beat.time[1]))
    flows = np.zeros((len(beat.time), len(network.sink_linear)))
    q = (beat.aortic.mean() - conditions.venous_pressure) / network.sink_linear
    bed.start(q)
    periodic = False
    for _ in range(MOST_BEATS):
        before = flows.copy()
        for step in range(len(beat.time)):
            squeezed = float(muscle[step] - muscle[step - 1])
            slope, level = bed.seen(squeezed)
            now, drive = _with_inertia(replace(network, sink_linear=slope), beat.aortic[step] - level, q, bed.dt)
            q, _ = minimise(now, drive, q)
            bed.advance(q, squeezed)
            flows[step] = q
        if np.abs(flows - before).max() <= PERIODIC * np.abs(flows).max():
            periodic = True
            break
    pressure: dict[str, list[Array]] = {branch.name: [] for branch in tree.branches}
    along: dict[str, list[Array]] = {branch.name: [] for branch in tree.branches}
    for step, aortic in enumerate(beat.aortic):
        change = (flows[step] - flows[step - 1]) / bed.dt
        now_flow = distributed(tree, conditions.leak_places, losses, blood, float(aortic), flows[step], change)
        for name, values in now_flow.items():
            pressure[name].append(values.pressure)
            along[name].append(values.flow)
    return BeatFlow(
        beat,
        {name: np.array(values) for name, values in pressure.items()},
        {name: np.array(values) for name, values in along.items()},
        periodic,
    )


@dataclass(frozen=True)
class RestingRatios:
    """Distal over aortic pressure over parts of a beat.

    ``whole`` is Pd/Pa; ``wave_free`` of the wave-free period (iFR is defined so), ``diastolic`` of all of diastole
    (dPR), ``lowest`` the lowest at any instant (RFR). The cut-off of 0.89 belongs to wires: computed ones that match an
    FFR of 0.80 range from 0.89 to 0.93.
    """

    whole: float
    wave_free: float
    diastolic: float
    lowest: float


def resting_ratios(found: BeatFlow, branch: Branch, place: float) -> RestingRatios:
    """The ratios at an arc length (m) of a branch."""
    distal = np.array([np.interp(place, branch.arc, values) for values in found.pressure[branch.name]])
    beat = found.beat

    def over(part: NDArray[np.bool_]) -> float:
        return float(distal[part].mean() / beat.aortic[part].mean())

    everything = np.ones(len(distal), dtype=bool)
    lowest = float((distal / beat.aortic).min())
    return RestingRatios(over(everything), over(beat.wave_free), over(beat.diastole), lowest)


class _Bed:
    """All beds' lumped states, and what the vessels see of them in one implicit step."""

    def __init__(self, resistance: Array, venous: float, dt: float) -> None:
        self.ra, self.ram, self.rv = (part * resistance for part in (ARTERIAL, MIDDLE, VENOUS))
        self.ca, self.cim = (part * TIME_CONSTANT / resistance for part in (ARTERIAL_CAPACITANCE, MUSCLE_CAPACITANCE))
        self.venous, self.dt = venous, dt
        self.arterial = self.muscle = np.zeros_like(resistance)

    def start(self, q: Array) -> None:
        """Steady state under a flow."""
        self.muscle = self.venous + self.rv * q
        self.arterial = self.muscle + self.ram * q

    def _step(self, q: Array | float, squeezed: float, states: float) -> tuple[Array, Array]:
        """Both pressures after a step with inflow ``q``, the muscle's pressure rising by ``squeezed``.

        Linear in (q, squeezed, old states): ``states`` 0 leaves the old states and the venous pressure out.
        """
        a, m = self.ca / self.dt, self.cim / self.dt
        # (a + 1/Ram) Pp - Pc/Ram = q + a Pp_old ;  (m + 1/Ram + 1/Rv) Pc - Pp/Ram = m (Pc_old + squeezed) + Pv/Rv
        first = q + states * a * self.arterial
        second = m * (states * self.muscle + squeezed) + states * self.venous / self.rv
        d1, d2, c = a + 1.0 / self.ram, m + 1.0 / self.ram + 1.0 / self.rv, 1.0 / self.ram
        determinant = d1 * d2 - c**2
        return (d2 * first + c * second) / determinant, (d1 * second + c * first) / determinant

    def seen(self, squeezed: float) -> tuple[Array, Array]:
        """Resistance and pressure of each bed as the vessels see it: p = pressure + resistance q."""
        return self.ra + self._step(1.0, 0.0, 0.0)[0], self._step(0.0, squeezed, 1.0)[0]

    def advance(self, q: Array, squeezed: float) -> None:
        """Take the step with the flow found."""
        self.arterial, self.muscle = self._step(q, squeezed, 1.0)


def _with_inertia(network: Network, drive: Array, q: Array, dt: float) -> tuple[Network, Array]:
    """The step's network and driving pressures: inertia is a resistance, and pushes on with the flow that was."""
    inertia = network.inertance / dt
    pushed = network.feeds.T @ (inertia * (network.feeds @ q))
    return replace(network, linear=network.linear + inertia), drive + pushed
