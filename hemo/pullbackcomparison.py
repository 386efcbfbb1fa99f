"""Two pullbacks of one vessel beside one another: what a stent gained, what stress or systole takes away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.geometry.intravascular.registering import Measured, Registration, registered
from hemo.pullback import PullbackAnalysis

Array = NDArray[Any]


@dataclass(frozen=True)
class Comparison:
    """The second pullback against the first, over the stretch that both show.

    Attributes
    ----------
    registration
        How the second lies on the first.
    place
        (n,) on the first, m: its frames within the overlap.
    first, second
        (n,) lumen area there, m^2.
    before, after
        (place on the first, m; area, m^2) of each one's narrowest frame within the overlap.
    """

    registration: Registration
    place: Array
    first: Array
    second: Array
    before: tuple[float, float]
    after: tuple[float, float]

    @property
    def change(self) -> Array:
        """(n,) of lumen area from the first to the second, over the first's."""
        return np.asarray(self.second / self.first - 1.0)

    @property
    def mean_change(self) -> float:
        """Of the mean lumen area (volume over length) of the overlap, over the first's."""
        volume = [float(np.trapezoid(area, self.place)) for area in (self.first, self.second)]
        return volume[1] / volume[0] - 1.0

    @property
    def minimal_gain(self) -> float:
        """Second minimal lumen area less the first, m^2: lumen gain, no expansion of a stent."""
        return self.after[1] - self.before[1]


def compare(first: PullbackAnalysis, second: PullbackAnalysis, shift: float | None = None) -> Comparison:
    """Register two pullbacks and set their lumens side by side.

    Raises
    ------
    InputError
        If they cannot be registered.
    """
    one, other = (Measured(a.pullback, a.sections, a.branches) for a in (first, second))
    found = registered(one, other, shift)
    low, high = found.overlap
    place = first.pullback.place
    inside = place[(place >= low) & (place <= high)]
    return Comparison(
        found,
        inside,
        np.interp(inside, place, first.sections.area),
        np.interp(inside, second.pullback.place + found.shift, second.sections.area),
        _narrowest(place, first.sections.area, low, high),
        _narrowest(second.pullback.place + found.shift, second.sections.area, low, high),
    )


def _narrowest(place: Array, area: Array, low: float, high: float) -> tuple[float, float]:
    inside = np.flatnonzero((place >= low - 1e-9) & (place <= high + 1e-9))
    least = int(inside[np.argmin(area[inside])])
    return float(place[least]), float(area[least])
