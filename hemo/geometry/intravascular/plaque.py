"""Plaque between the lumen and the external elastic membrane (EEM).

Plaque burden = (EEM area - lumen area) / EEM area; plaque eccentricity = (greatest - least) / greatest thickness of
plaque and media; remodelling index = EEM area / mean EEM area of the references (Mintz et al. 2001, J Am Coll Cardiol
37:1478).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.geometry.intravascular.contours import ANGLES, Frame
from hemo.geometry.intravascular.sections import Sections, outline_area
from hemo.geometry.outline import reach

Array = NDArray[Any]


@dataclass(frozen=True)
class Plaque:
    """(n,) each, of every frame; nan where the frame has no EEM. Areas m^2, thicknesses m, from the lumen's centre."""

    eem_area: Array
    burden: Array
    least_thickness: Array
    greatest_thickness: Array

    @property
    def eccentricity(self) -> Array:
        """(n,) (greatest - least) / greatest thickness; nan where nothing is thick."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((self.greatest_thickness - self.least_thickness) / self.greatest_thickness)

    def volume(self, widths: Array, sections: Sections) -> float:
        """Of plaque and media over the frames with an EEM, m^3."""
        return float(np.nansum((self.eem_area - sections.area) * widths))


def plaque(frames: Sequence[Frame], sections: Sections) -> Plaque | None:
    """What each frame's plaque measures; None where no frame has an EEM."""
    if all(frame.eem is None for frame in frames):
        return None
    eem = np.array([outline_area(frame.eem) for frame in frames])
    thickness = np.full((len(frames), 2), np.nan)
    for number, frame in enumerate(frames):
        if frame.eem is not None:
            centre = sections.centre[number]
            wall = reach(frame.eem, centre, ANGLES) - reach(frame.lumen, centre, ANGLES)
            thickness[number] = max(float(wall.min()), 0.0), float(wall.max())
    return Plaque(eem, np.maximum(1.0 - sections.area / eem, 0.0), thickness[:, 0], thickness[:, 1])
