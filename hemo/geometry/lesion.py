"""Healthy reference calibre and the lesions measured against it.

The reference diameter of a vessel is a straight taper with a step down at each side branch, fitted
to the vessel's own diameters by quantile regression (Koenker and Bassett 1978, Econometrica 46:33),
which a lesion hardly moves. A lesion is a stretch where the lumen falls below it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label
from scipy.optimize import linprog

from hemo.tree import Branch, Lesion, VesselTree

Array = NDArray[Any]


@dataclass(frozen=True)
class LesionOptions:
    """What counts as a lesion.

    Attributes
    ----------
    minimal_stenosis
        Diameter fraction lost at the throat that makes a narrowing a lesion.
    edge
        Diameter fraction lost that marks its start and end.
    minimal_length
        m.
    end_margin
        Stretch at either end of a branch where the narrowing of a cut or an ostium is not trusted, m.
    """

    minimal_stenosis: float = 0.30
    edge: float = 0.10
    minimal_length: float = 1.0e-3
    end_margin: float = 1.0e-3


def with_reference_and_lesions(tree: VesselTree, options: LesionOptions | None = None) -> VesselTree:
    """The same tree with every branch's reference radius fitted and its lesions found."""
    options = options or LesionOptions()
    branches = tuple(
        replace(branch, reference_radius=reference_radius(branch, _side_branch_arcs(tree, branch), options.edge))
        for branch in tree.branches
    )
    lesions = tuple(lesion for branch in branches for lesion in find_lesions(branch, options))
    return VesselTree(tree.name, branches, lesions)


def _side_branch_arcs(tree: VesselTree, branch: Branch) -> list[float]:
    return [float(branch.arc[child.parent_index or 0]) for child in tree.children(branch.name)]


def reference_radius(branch: Branch, side_branches: list[float], edge: float = 0.10) -> Array:
    """(n,) healthy radius along a branch, m.

    Two passes: a fit slightly above the median of all diameters, then the median of those that are
    not narrowed by more than ``edge``.
    """
    arc, diameter = branch.arc, branch.diameter
    inside = [place for place in side_branches if arc[0] + 2e-3 < place < arc[-1] - 2e-3]
    first = _taper(arc, diameter, inside, np.ones(len(arc), dtype=bool), quantile=0.6)
    healthy = diameter > (1.0 - edge) * first
    if healthy.sum() < max(5, 0.2 * len(arc)):
        return first / 2.0
    return _taper(arc, diameter, inside, healthy, quantile=0.5) / 2.0


def _taper(arc: Array, diameter: Array, steps: list[float], use: NDArray[np.bool_], quantile: float) -> Array:
    """Quantile regression of a non-increasing taper with non-positive steps, as a linear program.

    Unknowns: value at the start, slope, steps, and the positive and negative residuals.
    """
    scale = float(np.median(diameter))
    columns = [np.ones_like(arc), arc / max(arc[-1], 1e-9), *[(arc >= place).astype(float) for place in steps]]
    design = np.stack(columns, axis=1)
    rows, observed = design[use], diameter[use] / scale
    n, k = rows.shape
    cost = np.concatenate([np.zeros(k), np.full(n, quantile), np.full(n, 1.0 - quantile)])
    equality = np.hstack([rows, np.eye(n), -np.eye(n)])
    bounds = [(None, None), *[(None, 0.0)] * (k - 1), *[(0.0, None)] * (2 * n)]
    solution = linprog(cost, A_eq=equality, b_eq=observed, bounds=bounds, method="highs")
    if solution.x is None:
        return np.full_like(arc, scale)
    fitted = scale * (design @ solution.x[:k])
    return np.maximum(fitted, 0.2 * scale)


def find_lesions(branch: Branch, options: LesionOptions | None = None) -> tuple[Lesion, ...]:
    """Stretches narrower than the branch's reference radius, proximal first."""
    options = options or LesionOptions()
    arc = branch.arc
    narrowing = 1.0 - branch.diameter / (2.0 * branch.reference_radius)
    trusted = (arc >= options.end_margin) & (arc <= arc[-1] - options.end_margin)
    stretches, count = label(np.where(trusted, narrowing, 0.0) >= options.edge)
    lesions: list[Lesion] = []
    for stretch in range(1, count + 1):
        places = np.flatnonzero(stretches == stretch)
        start = _crossing(arc, narrowing, places[0], -1, options.edge)
        end = _crossing(arc, narrowing, places[-1], +1, options.edge)
        if narrowing[places].max() >= options.minimal_stenosis and end - start >= options.minimal_length:
            lesions.append(measure_lesion(branch, float(start), float(end), f"{branch.name}_{len(lesions) + 1}"))
    return tuple(lesions)


def _crossing(arc: Array, narrowing: Array, index: int, step: int, edge: float) -> float:
    """Arc length where the narrowing crosses ``edge`` between a point of the lesion and its neighbour outside."""
    outside = index + step
    if not 0 <= outside < len(arc) or narrowing[outside] >= edge:
        return float(arc[index])
    fraction = (narrowing[index] - edge) / (narrowing[index] - narrowing[outside])
    return float(arc[index] + fraction * (arc[outside] - arc[index]))


def measure_lesion(branch: Branch, start: float, end: float, identifier: str) -> Lesion:
    """The lesion between two arc lengths (m) of a branch, with its minimal lumen area and gradients."""
    arc = branch.arc
    inside = np.flatnonzero((arc >= start - 1e-9) & (arc <= end + 1e-9))
    throat = int(inside[np.argmin(branch.area[inside])])
    radius = branch.diameter / 2.0
    up = max(float(arc[throat]) - start, 1e-6)
    down = max(end - float(arc[throat]), 1e-6)
    return Lesion(
        id=identifier,
        branch=branch.name,
        start=start,
        minimum=float(arc[throat]),
        end=end,
        minimal_lumen_area=float(branch.area[throat]),
        reference_area=float(np.pi * branch.reference_radius[throat] ** 2),
        radius_gradient_up=(float(np.interp(start, arc, radius)) - float(radius[throat])) / up,
        radius_gradient_down=(float(np.interp(end, arc, radius)) - float(radius[throat])) / down,
    )
