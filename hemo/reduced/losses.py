r"""Pressure losses along a branch.

Between two centreline points the TOTAL pressure p + rho U^2 / 2 falls by

    dP = R Q + K |Q| Q

with two parts:

*Distributed viscous loss.* Fully developed laminar flow in the actual area profile,
R = 8 pi mu int ds / A^2 (Poiseuille's law in terms of area). Valid for gentle taper and
Reynolds numbers below transition; entrance flow adds to it.

*Expansion loss* behind each lesion, K = K_t rho / 2 (1/A_s - 1/A_d)^2, A_s the minimal lumen area
and A_d the area at the lesion's end (Borda-Carnot; the form of Young and Tsai 1973, J Biomech
6:395, whose K_t = 1.52 was fitted to blunt plugs). With the integrated viscous loss K_t = 1
comes within 7 % of the axisymmetric Navier-Stokes drop of smooth cosine stenoses of 50 and 60 %
diameter at throat Reynolds numbers of 385 to 960 (docs/physics.md), where K_t = 1.52 with Young and Tsai's
viscous term is nearly twice as large. It is spread evenly from the throat to the lesion's end,
so the throat itself shows convective acceleration only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.blood import Blood, poiseuille_resistance
from hemo.reduced.terms import Losses
from hemo.tree import Branch, Lesion, VesselTree

Array = NDArray[Any]


@dataclass(frozen=True)
class LossOptions:
    """Constants of the loss law.

    Attributes
    ----------
    expansion
        K_t of the expansion behind a lesion, dimensionless.
    """

    expansion: float = 1.0


def interval_losses(tree: VesselTree, blood: Blood, options: LossOptions) -> Losses:
    """What each interval between centreline points loses, through all branches."""
    return Losses(
        np.concatenate([viscous_resistance(branch, blood) for branch in tree.branches]),
        np.concatenate(
            [
                expansion_coefficient(branch, tuple(tree.lesions_on(branch.name)), blood, options)
                for branch in tree.branches
            ]
        ),
    )


def viscous_resistance(branch: Branch, blood: Blood) -> Array:
    """(n - 1,) resistance of each interval between centreline points by its area, Pa s / m^3."""
    return poiseuille_resistance(branch.arc, np.sqrt(branch.area / np.pi), blood.viscosity)


def expansion_coefficient(branch: Branch, lesions: tuple[Lesion, ...], blood: Blood, options: LossOptions) -> Array:
    """(n - 1,) coefficient of |Q| Q of each interval, Pa s^2 / m^6."""
    arc = branch.arc
    coefficient = np.zeros(len(arc) - 1)
    for lesion in lesions:
        distal_area = float(np.interp(lesion.end, arc, branch.area))
        loss = options.expansion * 0.5 * blood.density * (1.0 / lesion.minimal_lumen_area - 1.0 / distal_area) ** 2
        if distal_area <= lesion.minimal_lumen_area:
            continue
        overlap = np.clip(np.minimum(arc[1:], lesion.end) - np.maximum(arc[:-1], lesion.minimum), 0.0, None)
        if overlap.sum() > 0.0:
            coefficient += loss * overlap / overlap.sum()
        else:
            coefficient[min(int(np.searchsorted(arc, lesion.minimum)), len(coefficient) - 1)] += loss
    return coefficient
