r"""Coronary beds that the muscle squeezes, as the vessels see them in one implicit step.

The network of Kim et al. 2010 (Ann Biomed Eng 38:3195): resistances Ra, Ram, Rv in a row, a capacitance Ca to ground
between the first two, and one, Cim, to the pressure of the muscle between the last two,

    Ca dPp/dt = q - (Pp - Pc) / Ram,   Cim d(Pc - Pim)/dt = (Pp - Pc) / Ram - (Pc - Pv) / Rv.

A step of an implicit backward differentiation formula makes of it a resistance in series with a pressure.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# Of a bed's resistance and capacitance (secondary note; Kim 2010's own tables were not read).
ARTERIAL, MIDDLE, VENOUS = 0.32, 0.52, 0.16
ARTERIAL_CAPACITANCE, MUSCLE_CAPACITANCE = 0.11, 0.89
# s: whole capacitance of a bed times its resistance at rest. 3.6e-5 cm^5/dyn of a left tree at 130 mL/min under 88 mmHg
# (a public recipe for SimVascular, not confirmed).
TIME_CONSTANT = 1.9

# u_t at the new time is (weights[0] u_new + weights[1] u_before + ...) / dt (Hairer and Wanner, Solving Ordinary
# Differential Equations II, section V.1): implicit Euler, and the second-order formula.
BACKWARD_DIFFERENCES = {1: (1.0, -1.0), 2: (1.5, -2.0, 0.5)}


class CoronaryBeds:
    """The states of any number of beds.

    Parameters
    ----------
    resistance
        (m,) of each whole bed, Pa s / m^3.
    venous
        Pa.
    dt
        Time step, s.
    time_constant
        Whole capacitance times resistance, s. The capacitance is that of rest: where the beds are open it is so many
        times smaller as their resistance is.
    order
        Of the backward differentiation formula, 1 or 2; a first step without a past is always of order 1.
    """

    def __init__(
        self, resistance: Array, venous: float, dt: float, time_constant: float = TIME_CONSTANT, order: int = 1
    ) -> None:
        self.ra, self.ram, self.rv = (part * resistance for part in (ARTERIAL, MIDDLE, VENOUS))
        self.ca, self.cim = (part * time_constant / resistance for part in (ARTERIAL_CAPACITANCE, MUSCLE_CAPACITANCE))
        self.venous, self.dt, self.order = venous, dt, order
        self.past: list[tuple[Array, Array]] = []

    def start(self, flow: Array, muscle: float) -> None:
        """Steady state under a flow (m,), m^3/s, and a pressure of the muscle, Pa."""
        within = self.venous + self.rv * flow
        self.past = [(within + self.ram * flow, within - muscle)]

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
