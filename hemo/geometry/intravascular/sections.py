"""What a closed outline measures: area, perimeter, diameters, roundness.

The definitions are those of the ACC's standards for intravascular ultrasound (Mintz et al. 2001, J Am Coll Cardiol
37:1478): diameters pass through the centre of the lumen; eccentricity is (greatest - least) / greatest diameter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.geometry.intravascular.contours import ANGLES, Frame
from hemo.geometry.outline import area_and_centroid, perimeter, reach, resampled

Array = NDArray[Any]


@dataclass(frozen=True)
class Sections:
    """The lumen of every frame: (n,) each, SI; ``centre`` (n, 2) is the centre of its area."""

    area: Array
    perimeter: Array
    centre: Array
    least_diameter: Array
    greatest_diameter: Array
    inscribed_radius: Array

    @property
    def diameter(self) -> Array:
        """(n,) 2 sqrt(A / pi), m."""
        return np.asarray(2.0 * np.sqrt(self.area / np.pi))

    @property
    def eccentricity(self) -> Array:
        """(n,) (greatest - least) / greatest diameter, 0 where the lumen is round."""
        return np.asarray(1.0 - self.least_diameter / self.greatest_diameter)

    @property
    def oval_friction(self) -> Array:
        """(n,) friction in an ellipse of these diameters over that in a circle of its area, (a^2 + b^2) / (2 a b).

        Developed laminar flow (White, Viscous Fluid Flow, 3rd ed., eq. 3-47).
        """
        ratio = self.least_diameter / self.greatest_diameter
        return np.asarray((1.0 + ratio**2) / (2.0 * ratio))


def lumen_sections(frames: Sequence[Frame]) -> Sections:
    """What the lumen measures in each frame."""
    rows = [_measured(frame.lumen) for frame in frames]
    area, length, least, greatest = (np.array([row[k] for row in rows]) for k in (0, 1, 3, 4))
    centre = np.array([row[2] for row in rows])
    outlines = np.stack([resampled(frame.lumen, 80) for frame in frames])
    return Sections(area, length, centre, least, greatest, _inscribed(outlines, centre))


def _measured(outline: Array) -> tuple[float, float, Array, float, float]:
    area, centre = area_and_centroid(outline)
    radius = reach(outline, centre, ANGLES)
    half = len(ANGLES) // 2
    across = radius[:half] + radius[half:]
    return area, perimeter(outline), centre, float(across.min()), float(across.max())


def _inscribed(outlines: Array, start: Array) -> Array:
    """(n,) radius of a largest circle within each of outlines (n, k, 2), climbed to from places (n, 2) within them.

    Every step stays within the circle found so far, so within the outline.
    """
    steps = np.stack(np.meshgrid(*[np.linspace(-1.0, 1.0, 5)] * 2), axis=-1).reshape(-1, 2)
    own = np.arange(len(outlines))
    best = start
    radius = np.linalg.norm(outlines - best[:, None], axis=2).min(axis=1)
    for size in 0.6 * 0.6 ** np.arange(10):
        places = best[:, None] + size * radius[:, None, None] * steps
        gap = np.linalg.norm(outlines[:, None] - places[:, :, None], axis=3).min(axis=2)
        chosen = gap.argmax(axis=1)
        best, radius = places[own, chosen], gap[own, chosen]
    return radius


def outline_area(outline: Array | None) -> float:
    """m^2; nan where there is no outline."""
    return float("nan") if outline is None else abs(area_and_centroid(outline)[0])
