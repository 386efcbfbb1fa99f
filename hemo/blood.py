"""Blood as a fluid: density and viscosity.

Newtonian for now: at hyperaemia the wall shear rate is of order 1000 1/s, where whole blood is
close to its high-shear plateau, so a constant viscosity changes FFR little. Values in use are
1050 to 1060 kg/m^3 and 3.5 to 4.0 mPa s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError


@dataclass(frozen=True)
class Blood:
    """A Newtonian fluid.

    Attributes
    ----------
    density
        kg/m^3.
    viscosity
        Dynamic viscosity, Pa s.
    """

    density: float = 1060.0
    viscosity: float = 3.5e-3

    def __post_init__(self) -> None:
        if not 900.0 <= self.density <= 1200.0:
            raise InputError(f"blood density {self.density:g} kg/m^3 is outside 900 to 1200; check its unit.")
        if not 5e-4 <= self.viscosity <= 5e-2:
            raise InputError(f"blood viscosity {self.viscosity:g} Pa s is outside 0.0005 to 0.05; check its unit.")


def poiseuille_resistance(arc: NDArray[Any], radius: NDArray[Any], viscosity: float) -> NDArray[Any]:
    """(n - 1,) resistance of each interval of a round vessel to developed laminar flow, Pa s / m^3.

    Poiseuille's law in arc length (m), radius (m) and viscosity (Pa s), exact for a radius that varies linearly between
    the points: int ds / r^4 = ds (r_0^2 + r_0 r_1 + r_1^2) / (3 r_0^3 r_1^3).
    """
    first, second = radius[:-1], radius[1:]
    mean_inverse = (first**2 + first * second + second**2) / (3.0 * first**3 * second**3)
    return np.asarray(8.0 * viscosity / np.pi * np.diff(arc) * mean_inverse)
