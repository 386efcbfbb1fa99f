"""A stent's expansion and apposition.

Expansion = minimal stent area / mean of the proximal and the distal reference lumen area. Apposition is measured from
the stent's centre: where the lumen lies farther out than the stent by more than a strut's thickness, the strut is
malapposed.
Consensus targets (EAPCI: Raber et al. 2018, Eur Heart J 39:3281): expansion above 80 %, or a minimal stent area above
5.5 mm^2 in IVUS, 4.5 mm^2 in OCT; malapposition of 0.4 mm or more over 1 mm or more is worth correcting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.geometry.intravascular.contours import ANGLES, Frame
from hemo.geometry.outline import area_and_centroid, reach

Array = NDArray[Any]
STRUT = 0.1e-3  # m: struts of today's stents with their coating, 0.08 to 0.10 mm


@dataclass(frozen=True)
class StentSections:
    """The stent in every frame: (n,) each, nan where a frame shows none.

    Attributes
    ----------
    area
        m^2.
    least_over_greatest
        Least over greatest diameter: 1 where the stent is round.
    malapposition
        Greatest distance from stent to lumen where the lumen lies outside, m.
    malapposed_area
        Between stent and lumen over the malapposed angles, m^2.
    malapposed_angle
        Of the malapposed struts, rad.
    protrusion_area
        Of lumen lost within the stent (prolapse, neointima), m^2.
    """

    area: Array
    least_over_greatest: Array
    malapposition: Array
    malapposed_area: Array
    malapposed_angle: Array
    protrusion_area: Array

    @property
    def shown(self) -> Array:
        """(n,) whether the frame shows a stent."""
        return np.isfinite(self.area)

    @property
    def minimal(self) -> int:
        """Frame with the minimal stent area, counted from the proximal end."""
        return int(np.nanargmin(self.area))


def stent_sections(frames: Sequence[Frame], strut: float = STRUT) -> StentSections | None:
    """What each frame's stent measures, ``strut`` (m) the thickness that is no malapposition; None without a stent."""
    if all(frame.stent is None for frame in frames):
        return None
    rows = [np.full(6, np.nan) if f.stent is None else _measured(f.stent, f.lumen, strut) for f in frames]
    return StentSections(*np.array(rows).T)


def _measured(stent: Array, lumen: Array, strut: float) -> Array:
    area, centre = area_and_centroid(stent)
    own, beyond = reach(stent, centre, ANGLES), reach(lumen, centre, ANGLES)
    half = len(ANGLES) // 2
    across = own[:half] + own[half:]
    gap = beyond - own
    loose = gap > strut
    sector = 0.5 * (beyond**2 - own**2) * (2.0 * np.pi / len(ANGLES))
    return np.array(
        [
            area,
            across.min() / across.max(),
            max(float(gap.max()), 0.0),
            sector[loose].sum(),
            loose.mean() * 2.0 * np.pi,
            -sector[gap < 0.0].sum(),
        ]
    )
