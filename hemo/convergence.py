"""How far a number may still be from its value on an infinitely fine mesh, from three meshes.

Roache's grid convergence index by the procedure of Celik et al. 2008 (J Fluids Eng 130:078001), which wants meshes
whose cells differ by a factor of 1.3 and more. The index is meant to hold the true value in 95 of 100 cases where the
three numbers come nearer to it by one power of the size of cells; where they do not, no order can be told, and three
times their range stands for it (hemo's own choice).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SAFETY = 1.25  # Celik's factor where the order is observed
RANGES = 3.0  # of the three values, where it is not
LEAST_ORDER, MOST_ORDER = 0.5, 3.0  # a higher one, by chance, would make the index small: quadratic elements give 3
ROUNDS = 50
BOUNDS = (1e-6, 10.0)  # of the iterates


@dataclass(frozen=True)
class Convergence:
    """What three meshes say of one number.

    Attributes
    ----------
    values
        On the meshes, the finest first.
    order
        Observed, limited to what the elements can do; None where the values do not converge by a power.
    extrapolated
        Value on an infinitely fine mesh by that power; None where there is none.
    uncertainty
        How far the finest mesh's value may be off, in its own unit.
    """

    values: tuple[float, float, float]
    order: float | None
    extrapolated: float | None
    uncertainty: float

    @property
    def index(self) -> float:
        """The grid convergence index: the uncertainty over the finest mesh's value."""
        return self.uncertainty / max(abs(self.values[0]), 1e-300)


@dataclass(frozen=True)
class GridRow:
    """One number of a tree: of which vessel or lesion, what, in which unit (empty: none), and what the meshes say."""

    place: str
    quantity: str
    unit: str
    convergence: Convergence


@dataclass(frozen=True)
class GridStudy:
    """A tree on several meshes, the finest first.

    Attributes
    ----------
    cells, sizes
        Their cells, and the cube root of the mean cell's volume, m.
    rows
        One a number.
    """

    cells: tuple[int, ...]
    sizes: tuple[float, ...]
    rows: tuple[GridRow, ...]


def convergence(values: tuple[float, float, float], sizes: tuple[float, float, float]) -> Convergence:
    """Judge three values by the sizes of their meshes' cells, both from the finest mesh to the coarsest.

    Raises
    ------
    ValueError
        If the sizes do not grow.
    """
    fine, middle, coarse = values
    first, second = sizes[1] / sizes[0], sizes[2] / sizes[1]
    if not (first > 1.0 and second > 1.0):
        raise ValueError("the meshes must become coarser")
    order = observed_order(middle - fine, coarse - middle, first, second)
    if order is None:
        return Convergence(values, None, None, RANGES * float(np.ptp(values)))
    if order > MOST_ORDER:  # the finest two may agree by chance: the coarsest has a say
        both = (fine - middle) / (first**MOST_ORDER - 1.0), (fine - coarse) / ((first * second) ** MOST_ORDER - 1.0)
        extrapolated = fine + max(both, key=abs)
    else:
        extrapolated = fine + (fine - middle) / (first**order - 1.0)
    return Convergence(values, min(order, MOST_ORDER), extrapolated, SAFETY * abs(extrapolated - fine))


def observed_order(first_change: float, second_change: float, first: float, second: float) -> float | None:
    """The power p of Celik's equation 3 by his fixed-point iteration; None where there is none.

    The changes are those from the finest mesh to the middle one and from there to the coarsest, the ratios those of
    their cells' sizes.
    """
    if first_change == 0.0 or second_change / first_change <= 0.0:
        return None
    ratio = second_change / first_change
    order = abs(np.log(ratio)) / np.log(first)
    for _ in range(ROUNDS):
        order = float(np.clip(order, *BOUNDS))
        order = np.log(ratio * (first**order - 1.0) / (second**order - 1.0)) / np.log(first)
    return float(order) if order >= LEAST_ORDER else None
