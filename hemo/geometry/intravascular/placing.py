"""A pullback as a vessel: one branch of a tree on a given centreline, or straight, with its side branches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from hemo.errors import InputError
from hemo.geometry.intravascular.contours import Pullback
from hemo.geometry.intravascular.sections import Sections
from hemo.tree import Branch, SideBranch, VesselTree, arc_length

Array = NDArray[Any]
SPACING = 0.25e-3  # m between the points of the vessel


@dataclass(frozen=True)
class Placement:
    """A centreline (n, 3), proximal to distal, m, and the arc length on it of the pullback's proximal end, m."""

    points: Array
    start: float = 0.0


def placed(
    pullback: Pullback,
    sections: Sections,
    side_branches: Sequence[tuple[float, float]] = (),
    placement: Placement | None = None,
    name: str = "vessel",
) -> VesselTree:
    """The vessel that the frames make, its healthy calibre not yet known (it is the lumen's).

    Between frames lumen radius and perimeter follow monotone cubics (Fritsch and Carlson 1980, SIAM J Numer Anal
    17:238), which make no throat that no frame shows.

    Parameters
    ----------
    pullback, sections
        The frames and their lumen.
    side_branches
        (place along the pullback, diameter), m.
    placement
        Where it lies; None for a straight line towards the feet.
    name
        Of the vessel.

    Raises
    ------
    InputError
        If the centreline ends before the pullback, or a side branch has no place on it.
    """
    place = pullback.place
    count = max(2, round(float(place[-1] - place[0]) / SPACING) + 1)
    along = np.linspace(place[0], place[-1], count)

    def between(values: Array) -> Array:
        return np.asarray(PchipInterpolator(place, values)(along))

    radius = between(np.sqrt(sections.area / np.pi))
    inscribed = np.minimum(between(sections.inscribed_radius), radius)
    branch = Branch(
        name,
        _points(along, placement),
        inscribed,
        np.pi * radius**2,
        radius,
        perimeter=np.maximum(between(sections.perimeter), 2.0 * np.pi * radius),
    )
    length = branch.length
    for where, diameter in side_branches:
        if not 0.0 <= where <= length or not 0.1e-3 <= diameter <= 8e-3:
            raise InputError(
                f"{pullback.name}: a side branch {1e3 * diameter:.3g} mm wide at {1e3 * where:.3g} mm has no place on "
                f"a pullback of {1e3 * length:.1f} mm from its proximal end."
            )
    sides = tuple(SideBranch(name, where, diameter) for where, diameter in side_branches)
    return VesselTree(pullback.name, (branch,), (), sides)


def _points(along: Array, placement: Placement | None) -> Array:
    if placement is None:
        return np.stack([np.zeros_like(along), np.zeros_like(along), along[0] - along], axis=1)
    arc = arc_length(placement.points)
    wanted = placement.start + along
    if wanted[0] < 0.0 or wanted[-1] > arc[-1] + 1e-4:
        raise InputError(
            f"the pullback reaches from {1e3 * wanted[0]:.1f} to {1e3 * wanted[-1]:.1f} mm of a centreline that is "
            f"{1e3 * arc[-1]:.1f} mm long; check which vessel it is and where the pullback begins (--at)."
        )
    return np.stack([np.interp(wanted, arc, placement.points[:, k]) for k in range(3)], axis=1)
