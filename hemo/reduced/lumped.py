r"""Microvascular beds that store blood, as the vessels see them in one implicit step.

*Coronary beds* are squeezed by the muscle. The network of Kim et al. 2010 (Ann Biomed Eng 38:3195): resistances Ra,
Ram, Rv in a row, a capacitance Ca to ground between the first two, and one, Cim, to the pressure of the muscle between
the last two,

    Ca dPp/dt = q - (Pp - Pc) / Ram,   Cim d(Pc - Pim)/dt = (Pp - Pc) / Ram - (Pc - Pv) / Rv.

*Other beds* are three-element windkessels (Westerhof, Lankhaar and Westerhof 2009, Med Biol Eng Comput 47:131): the
wave impedance rho c / A of the artery in series with a capacitance beside the bed's resistance. That is the same
network with Cim = 0.

A step of an implicit backward differentiation formula makes of either a resistance in series with a pressure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.boundary.territory import CORONARY

Array = NDArray[Any]


@dataclass(frozen=True)
class BedKind:
    """How resistance and capacitance are divided within beds of one kind.

    Attributes
    ----------
    arterial, middle, venous
        Parts of a bed's resistance: Ra, Ram, Rv.
    arterial_capacitance, muscle_capacitance
        Parts of its capacitance: Ca, Cim.
    time_constant
        Whole capacitance times resistance, s, of a bed that has not opened.
    impedance
        Whether Ra is the impedance of arteries, which stays where the bed opens.
    """

    arterial: float
    middle: float
    venous: float
    arterial_capacitance: float
    muscle_capacitance: float
    time_constant: float
    impedance: bool = False


MOST_IMPEDANCE = 0.9  # of an open bed's resistance: what opens must not vanish

# The division is from a secondary note; Kim 2010's own tables were not read.
CORONARY_BED = BedKind(0.32, 0.52, 0.16, 0.11, 0.89, CORONARY.bed_time_constant.value)


def windkessel(impedance: float, time_constant: float) -> BedKind:
    """A bed of three elements; ``impedance`` is its first resistance's part of the whole, ``time_constant`` in s."""
    half = (1.0 - impedance) / 2.0
    return BedKind(impedance, half, half, 1.0, 0.0, time_constant, impedance=True)


# u_t at the new time is (weights[0] u_new + weights[1] u_before + ...) / dt (Hairer and Wanner, Solving Ordinary
# Differential Equations II, section V.1): implicit Euler, and the second-order formula.
BACKWARD_DIFFERENCES = {1: (1.0, -1.0), 2: (1.5, -2.0, 0.5)}


class Beds:
    """The states of any number of beds of one kind.

    Parameters
    ----------
    kind
        Their division.
    resistance
        (m,) of each whole bed, Pa s / m^3.
    opening
        (m,) or one for all: the resistance at rest, with nothing narrow before the bed, over that. A bed that opens
        stores what it did, and the impedance of its arteries stays.
    venous
        Pa.
    dt
        Time step, s.
    order
        Of the backward differentiation formula, 1 or 2; a first step without a past is always of order 1.
    """

    def __init__(
        self, kind: BedKind, resistance: Array, opening: Array | float, venous: float, dt: float, order: int = 1
    ) -> None:
        arterial = np.minimum(kind.arterial * opening, MOST_IMPEDANCE) if kind.impedance else kind.arterial
        left = (1.0 - arterial) / (1.0 - kind.arterial)
        self.ra, self.ram, self.rv = (part * resistance for part in (arterial, left * kind.middle, left * kind.venous))
        whole = kind.time_constant / (resistance * opening)
        self.ca, self.cim = kind.arterial_capacitance * whole, kind.muscle_capacitance * whole
        self.venous, self.dt, self.order = venous, dt, order
        self.past: list[tuple[Array, Array]] = []

    def start(self, flow: Array, muscle: float) -> None:
        """Steady state under a flow (m,), m^3/s, and a pressure of the muscle, Pa."""
        within = self.venous + self.rv * flow
        self.past = [(within + self.ram * flow, within - muscle)]

    def fill(self, mean: Array, muscle: float, flow: float) -> None:
        """Add what the beds lack to a beat that repeats, where a given flow goes into all of them together.

        Parameters
        ----------
        mean
            (2, m) means of the states over the last beat, Pa.
        muscle, flow
            Means of the muscle's pressure, Pa, and of the whole flow, m^3/s: as much must leave the beds.
        """
        leaving = (mean[1] + muscle - self.venous) / self.rv
        share = 1.0 / (self.ram + self.rv)
        missing = (flow - leaving.sum()) * share / share.sum()
        self.past = [
            (arterial + (self.ram + self.rv) * missing, stored + self.rv * missing) for arterial, stored in self.past
        ]

    def resume(self, past: list[tuple[Array, Array]]) -> None:
        """Go on from the states Pp and Pc - Pim, (m,) each, Pa, of one or two times, the latest first."""
        self.past = past

    def seen(self, muscle: float) -> tuple[Array, Array]:
        """Resistance (m,) and pressure (m,) of each bed as the vessels see it: p = pressure + resistance q.

        ``muscle`` is the pressure of the muscle at the end of the step, Pa.
        """
        return self.ra + self._step(1.0, 0.0, 0.0)[0], self._step(0.0, muscle, 1.0)[0]

    def advance(self, flow: Array, muscle: float) -> None:
        """Take the step with the flow found, (m,), m^3/s."""
        arterial, middle = self._step(flow, muscle, 1.0)
        self.past = [(arterial, middle - muscle), *self.past][: self.order]

    def _step(self, flow: Array | float, muscle: float, states: float) -> tuple[Array, Array]:
        """Pp and Pc after a step; linear: ``states`` 0 leaves the old states and the venous pressure out."""
        new, *old = BACKWARD_DIFFERENCES[len(self.past)]
        arterial, transmural = (
            -sum(weight * state[k] for weight, state in zip(old, self.past, strict=True)) for k in (0, 1)
        )
        a, m, c = self.ca / self.dt, self.cim / self.dt, 1.0 / self.ram
        first = flow + states * a * arterial
        second = m * (new * muscle + states * transmural) + states * self.venous / self.rv
        d1, d2 = new * a + c, new * m + c + 1.0 / self.rv
        determinant = d1 * d2 - c**2
        return np.asarray((d2 * first + c * second) / determinant), np.asarray((d1 * second + c * first) / determinant)
