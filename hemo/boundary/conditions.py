"""What a flow solver needs besides the geometry and the blood, and the record of what was assumed for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hemo.errors import InputError

State = Literal["rest", "hyperaemia"]


@dataclass(frozen=True)
class Assumption:
    """One number that the result stands on.

    ``source`` is ``"case file"``, ``"computed"`` or ``"default: <citation>"``.
    """

    name: str
    value: float | str
    unit: str
    source: str


@dataclass(frozen=True)
class Leak:
    """Flow that leaves a vessel between its ends, through side branches that are not in the tree.

    Attributes
    ----------
    branch, point
        Where: the branch and the index of its centreline point.
    resistance
        Of the bed beyond, Pa s / m^3: the leak's flow is (p + rho U^2 / 2 - venous pressure) / resistance.
    """

    branch: str
    point: int
    resistance: float


@dataclass(frozen=True)
class FlowConditions:
    """What a flow solver needs besides the geometry and the blood.

    Pressure-driven (``inlet_flow`` None): where fluid enters, the total pressure p + rho |u|^2 / 2 at the ostium is
    ``aortic_pressure``, and where it leaves the static one. Flow-driven: a parabolic profile carries ``inlet_flow``
    through the inlet, and the pressure level is shifted afterwards so that mean static pressure + rho U^2 / 2 at the
    inlet section is ``aortic_pressure``. Outlet i: mean pressure p_i = venous_pressure + R_i Q_i.

    Attributes
    ----------
    aortic_pressure, venous_pressure
        Pa.
    outlet_resistance
        Outlet branch name -> resistance, Pa s / m^3 (0 allowed in the flow-driven form with one outlet).
    inlet_flow
        m^3/s, or None.
    leaks
        Where flow leaves on the way.
    """

    aortic_pressure: float
    venous_pressure: float
    outlet_resistance: dict[str, float]
    inlet_flow: float | None = None
    leaks: tuple[Leak, ...] = ()

    def __post_init__(self) -> None:
        if self.aortic_pressure <= 0.0:
            raise InputError(f"the mean aortic pressure is {self.aortic_pressure:g} Pa; it must be positive.")
        if self.inlet_flow is None and self.venous_pressure >= self.aortic_pressure:
            raise InputError("the venous pressure is not below the aortic pressure; no flow can result.")
        if any(value < 0.0 for value in self.outlet_resistance.values()):
            raise InputError("an outlet resistance is negative; every one must be zero or positive.")
        if any(leak.resistance <= 0.0 for leak in self.leaks):
            raise InputError("the resistance of a leak must be positive.")

    @property
    def leak_places(self) -> tuple[tuple[str, int], ...]:
        """(branch, point) of each leak."""
        return tuple((leak.branch, leak.point) for leak in self.leaks)
