"""Blood as a fluid: density and viscosity.

Newtonian for now: at hyperaemia the wall shear rate is of order 1000 1/s, where whole blood is
close to its high-shear plateau, so a constant viscosity changes FFR little. Values in use are
1050 to 1060 kg/m^3 and 3.5 to 4.0 mPa s.
"""

from __future__ import annotations

from dataclasses import dataclass

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
