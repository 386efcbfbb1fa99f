"""Reference sites: the largest lumen proximal and distal to a lesion or a stent.

The rule of the ACC's standards (Mintz et al. 2001, J Am Coll Cardiol 37:1478): the site with the largest lumen proximal
(distal) to a stenosis, within the same segment, usually within 10 mm of it, with no major intervening branch; it need
not be the site with the least plaque. A site that is itself narrowed by 20 % or more of the healthy diameter is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class ReferenceRule:
    """Where a reference may lie.

    Attributes
    ----------
    distance
        Farthest from the lesion's edge, m.
    narrowing
        Diameter fraction lost against the healthy calibre from which a site is diseased.
    major_branch
        Diameter of a side branch beyond which no reference lies, m; 1.5 mm is usual, not confirmed.
    """

    distance: float = 10e-3
    narrowing: float = 0.20
    major_branch: float = 1.5e-3


@dataclass(frozen=True)
class References:
    """Frame numbers, counted from the proximal end, of the reference sites; None where there is none, and why."""

    proximal: int | None
    distal: int | None
    lacking: tuple[str, ...] = ()

    def mean(self, values: Array) -> float | None:
        """Mean of values (n,) at the sites there are; None without."""
        sites = [site for site in (self.proximal, self.distal) if site is not None]
        return float(np.mean(values[sites])) if sites else None


def references(
    place: Array,
    area: Array,
    healthy_area: Array,
    stretch: tuple[float, float],
    branches: Sequence[tuple[float, float]] = (),
    rule: ReferenceRule | None = None,
) -> References:
    """The sites proximal and distal to a stretch.

    Parameters
    ----------
    place, area, healthy_area
        (n,) of the frames: m, lumen m^2, and that of the healthy calibre m^2.
    stretch
        Where the lesion or the stent begins and ends, m.
    branches
        (place, diameter) of the side branches, m.
    rule
        Its constants.
    """
    rule = rule or ReferenceRule()
    sound = np.sqrt(area / healthy_area) > 1.0 - rule.narrowing
    major = np.array([where for where, diameter in branches if diameter >= rule.major_branch])
    low, high = stretch
    before, behind = major[major <= low], major[major >= high]
    first = max(low - rule.distance, float(before.max()) if len(before) else -np.inf)
    last = min(high + rule.distance, float(behind.min()) if len(behind) else np.inf)
    sites: list[int | None] = []
    lacking = []
    for name, inside in (("proximal", (place >= first) & (place < low)), ("distal", (place > high) & (place <= last))):
        usable = np.flatnonzero(inside & sound)
        sites.append(int(usable[np.argmax(area[usable])]) if len(usable) else None)
        if not len(usable):
            within = f"within {1e3 * rule.distance:g} mm, up to a major branch"
            narrow = f"every frame {within}, is narrowed by {100 * rule.narrowing:g} % or more"
            lacking.append(f"there is no {name} reference: {narrow if inside.any() else f'no frame lies {within}'}.")
    return References(sites[0], sites[1], tuple(lacking))
