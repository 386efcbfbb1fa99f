"""What a calibration is: one tree's own losses beside those of a loss law, and the 3D solutions they were fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.units import ML_PER_MIN

Array = NDArray[Any]

# Within these losses rise with the flow, and so the calibrated tree has one solution.
BOUNDS = {"friction": (0.3, 5.0), "lesion": (0.0, 5.0), "kinetic": (0.0, 20.0)}
ROUNDING = 1e-5  # of a bound, for what was written with few digits


@dataclass(frozen=True)
class Calibration:
    """One tree's own losses, for every interval between centreline points through all branches.

    Attributes
    ----------
    friction, lesion
        (n,) factors on the law's friction and on what lesions lose beyond it.
    kinetic
        (n,) what is lost besides in every 10 mm, in kinetic pressures rho / 2 (Q / A)^2 of the interval's mean area: a
        number, so that the loss goes with density and calibre as a kinetic pressure does.
    law
        The loss law that the factors belong to.
    """

    friction: Array
    lesion: Array
    kinetic: Array
    law: str = "fitted"

    def __post_init__(self) -> None:
        count = len(self.friction)
        for name, (least, most) in BOUNDS.items():
            values = getattr(self, name)
            if np.shape(values) != (count,) or not np.isfinite(values).all():
                raise InputError(f"the calibration's {name} needs a finite number for every interval of the tree.")
            slack = ROUNDING * most
            if values.min() < least - slack or values.max() > most + slack:
                worst = values[np.argmax(np.maximum(least - values, values - most))]
                raise InputError(f"the calibration's {name} has {worst:g}, outside {least:g} to {most:g}.")

    def outside(self, inside: NDArray[np.bool_]) -> Calibration:
        """The same with the law's own losses in the intervals ``inside`` (n,)."""
        return replace(
            self,
            friction=np.where(inside, 1.0, self.friction),
            lesion=np.where(inside, 1.0, self.lesion),
            kinetic=np.where(inside, 0.0, self.kinetic),
        )


@dataclass(frozen=True)
class Apart:
    """Reduced against 3D FFR of a tree's lesions, where they are read, and outlets: mean absolute and largest."""

    mean: float
    largest: float


@dataclass(frozen=True)
class Fit:
    """One 3D solution that a calibration was fitted to, and how well.

    Attributes
    ----------
    method, state
        How it was solved; rest or hyperaemia, None where that is not known.
    inlet_flow
        m^3/s.
    cells, cells_per_diameter
        Of its mesh: tetrahedra, and the fewest across any section.
    residual_rms, residual_largest
        Of the falls of head from the ostium to the end of every piece: what the fit leaves, Pa.
    places
        How many lesions and outlets FFR was compared at.
    before, after
        FFR of the law as it is, and with the calibration, against this solution's.
    source
        Where the solution was read, None in the run that made it.
    """

    method: str
    state: str | None
    inlet_flow: float
    cells: int
    cells_per_diameter: float
    residual_rms: float
    residual_largest: float
    places: int
    before: Apart
    after: Apart
    source: str | None = None


@dataclass(frozen=True)
class TreeCalibration:
    """A tree's calibration with where it comes from.

    Attributes
    ----------
    losses
        What is applied.
    density, viscosity
        Of the blood of the 3D solutions, kg/m^3 and Pa s; of blood that thins, at high shear.
    thinning
        Whether that blood thinned with shear, which the friction's factors then stand for.
    pieces
        Number of pieces the tree was fitted in.
    fits
        The solutions.
    """

    losses: Calibration
    density: float
    viscosity: float
    thinning: bool
    pieces: int
    fits: tuple[Fit, ...]

    @property
    def sentence(self) -> str:
        """What a person must know of results with it."""
        return (
            f"The losses (law {self.losses.law!r}) were fitted to {_told(self.fits)} of this same tree: what follows "
            "carries 3D to other conditions and is no independent reduced result."
        )

    @property
    def comparison(self) -> str:
        """How far reduced and 3D FFR are apart without the calibration and with it."""
        parts = [
            f"at {fit.inlet_flow / ML_PER_MIN:.0f} mL/min reduced FFR is off 3D by {fit.before.mean:.4f} on average "
            f"(largest {fit.before.largest:.4f}) at {fit.places} lesions and outlets, with the losses fitted to 3D by "
            f"{fit.after.mean:.4f} ({fit.after.largest:.4f}, pressure within {fit.residual_largest:.0f} Pa)"
            for fit in self.fits
        ]
        return f"{'; '.join(parts)}. The fit is in tree.json; reduced numbers reported are without it."


def _told(fits: Sequence[Fit]) -> str:
    flows = " and ".join(f"{fit.inlet_flow / ML_PER_MIN:.0f}" for fit in fits)
    return f"{len(fits)} steady 3D solution{'s' if len(fits) > 1 else ''} ({flows} mL/min through the inlet)"
