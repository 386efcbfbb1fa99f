"""Blood as a fluid: density and viscosity.

At hyperaemia the wall shear rate is of order 1000 1/s, where whole blood is close to its high-shear plateau, so a
constant viscosity changes FFR little; where the shear is low it is too thin. Values in use are 1050 to 1060 kg/m^3 and
3.5 to 4.0 mPa s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError


@dataclass(frozen=True)
class CarreauYasuda:
    """Shear thinning: mu = mu_inf + (mu_0 - mu_inf) (1 + (lambda g)^a)^((n - 1) / a) at the shear rate g.

    Yasuda, Armstrong and Cohen 1981 (Rheol Acta 20:163); the numbers for blood are those of Cho and Kensey 1991
    (Biorheology 28:241), by other authors' codes, not confirmed. They belong to mu_inf = 3.45 mPa s.

    Attributes
    ----------
    zero_shear
        mu_0, Pa s.
    time
        lambda, s.
    transition, index
        a and n.
    """

    zero_shear: float = 56e-3
    time: float = 1.902
    transition: float = 1.25
    index: float = 0.22

    def __post_init__(self) -> None:
        if not (self.time > 0.0 and self.transition > 0.0 and 0.0 < self.index <= 1.0):
            raise InputError("relaxation_time and transition must be positive, power_index within 0 to 1.")

    def ratio(self, squared: Any, plateau: float) -> Any:
        """Viscosity over its ``plateau`` mu_inf (Pa s) at squared shear rates (1/s^2); numbers, arrays, expressions."""
        power = (self.index - 1.0) / self.transition
        return 1.0 + (self.zero_shear / plateau - 1.0) * (1.0 + self._scaled(squared)) ** power

    def ratio_slope(self, squared: Any, plateau: float) -> Any:
        """The derivative of :meth:`ratio` with respect to the squared shear rate, which must be positive; s^2."""
        scaled = self._scaled(squared)
        power = (self.index - 1.0) / self.transition
        inner = 0.5 * self.transition * scaled / squared
        return (self.zero_shear / plateau - 1.0) * power * (1.0 + scaled) ** (power - 1.0) * inner

    def _scaled(self, squared: Any) -> Any:
        return (self.time**2 * squared) ** (0.5 * self.transition)


@dataclass(frozen=True)
class Blood:
    """A fluid, Newtonian where it does not thin.

    Attributes
    ----------
    density
        kg/m^3.
    viscosity
        Dynamic viscosity, Pa s; of a fluid that thins, that at high shear.
    thinning
        How it thins; None for a Newtonian fluid. The finite elements alone count with it.
    """

    density: float = 1060.0
    viscosity: float = 3.5e-3
    thinning: CarreauYasuda | None = None

    def __post_init__(self) -> None:
        if not 900.0 <= self.density <= 1200.0:
            raise InputError(f"blood density {self.density:g} kg/m^3 is outside 900 to 1200; check its unit.")
        if not 5e-4 <= self.viscosity <= 5e-2:
            raise InputError(f"blood viscosity {self.viscosity:g} Pa s is outside 0.0005 to 0.05; check its unit.")
        if self.thinning is not None and not self.viscosity < self.thinning.zero_shear <= 1.0:
            raise InputError("zero_shear_viscosity must lie above viscosity, and not above 1 Pa s.")

    def reynolds(self, flow: Any, diameter: Any) -> Any:
        """Reynolds number of a flow, m^3/s, through a round section, m: 4 rho Q / (pi D mu)."""
        return 4.0 * self.density * flow / (np.pi * diameter * self.viscosity)


def poiseuille_resistance(arc: NDArray[Any], radius: NDArray[Any], viscosity: float) -> NDArray[Any]:
    """(n - 1,) resistance of each interval of a round vessel to developed laminar flow, Pa s / m^3.

    Poiseuille's law in arc length (m), radius (m) and viscosity (Pa s), exact for a radius that varies linearly between
    the points: int ds / r^4 = ds (r_0^2 + r_0 r_1 + r_1^2) / (3 r_0^3 r_1^3).
    """
    return interval_resistance(np.diff(arc), radius[:-1], radius[1:], viscosity)


def interval_resistance(
    step: NDArray[Any], first: NDArray[Any], second: NDArray[Any], viscosity: NDArray[Any] | float
) -> NDArray[Any]:
    """The same for intervals of these lengths (m) between these radii (m), of any common shape."""
    mean_inverse = (first**2 + first * second + second**2) / (3.0 * first**3 * second**3)
    return np.asarray(8.0 * viscosity / np.pi * step * mean_inverse)
