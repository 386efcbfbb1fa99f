"""Lesions: stretches where the lumen falls below the healthy calibre that :mod:`hemo.geometry.reference` fits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from hemo.geometry.reference import ReferenceOptions, reference_radii
from hemo.tree import Branch, Lesion, VesselTree
from hemo.treejson import StoredTree

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
    recovery
        Share of the lesser of two neighbouring narrowings that the lumen must recover between two lesions.
    end_margin
        Stretch at either end of a branch where the narrowing of a cut or an ostium is not trusted, m.
    side_branch_steps
        Whether the healthy calibre steps down where a side branch was left out of the tree.
    """

    minimal_stenosis: float = 0.30
    edge: float = 0.10
    minimal_length: float = 1.0e-3
    recovery: float = 0.5
    end_margin: float = 1.0e-3
    side_branch_steps: bool = False


def completed(stored: StoredTree, options: LesionOptions | None = None) -> VesselTree:
    """A tree as it was read, with the lesions and the healthy calibres that its file does not list.

    Without its lesions a narrow vessel would lose too little pressure.
    """
    if not stored.lesions_listed:
        return with_reference_and_lesions(stored.tree, options)
    return stored.tree if stored.reference_listed else with_reference(stored.tree, options)


def with_reference_and_lesions(tree: VesselTree, options: LesionOptions | None = None) -> VesselTree:
    """The same tree with every branch's reference radius fitted and its lesions found."""
    options = options or LesionOptions()
    tree = with_reference(tree, options)
    lesions = tuple(lesion for branch in tree.branches for lesion in find_lesions(branch, options))
    return tree.with_lesions(lesions)


def with_reference(tree: VesselTree, options: LesionOptions | None = None) -> VesselTree:
    """The same tree with every branch's reference radius fitted; its lesions stay."""
    options = options or LesionOptions()
    healthy = reference_radii(tree, ReferenceOptions(edge=options.edge, side_branches=options.side_branch_steps))
    branches = tuple(replace(branch, reference_radius=healthy[branch.name]) for branch in tree.branches)
    return replace(tree, branches=branches)


def find_lesions(branch: Branch, options: LesionOptions | None = None) -> tuple[Lesion, ...]:
    """Stretches narrower than the branch's reference radius, proximal first.

    A stretch with several throats is as many lesions where the lumen recovers between them by
    ``options.recovery`` of what the lesser of two neighbours has lost.
    """
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
        bounds = [start, *(float(arc[place]) for place in _recoveries(narrowing, places, options)), end]
        for low, high in pairwise(bounds):
            own = places[(arc[places] >= low) & (arc[places] <= high)]
            if narrowing[own].max() >= options.minimal_stenosis and high - low >= options.minimal_length:
                lesions.append(measure_lesion(branch, low, high, f"{branch.name}_{len(lesions) + 1}"))
    return tuple(lesions)


def _recoveries(narrowing: Array, places: Array, options: LesionOptions) -> list[int]:
    """Points of a stretch at which the lumen has recovered enough to part two lesions."""
    loss = narrowing[places]
    left, right = np.maximum.accumulate(loss), np.maximum.accumulate(loss[::-1])[::-1]
    lesser = np.minimum(left, right)
    open_again = (loss <= (1.0 - options.recovery) * lesser) & (lesser >= options.minimal_stenosis)
    parts, count = label(open_again)
    return [int(places[np.flatnonzero(parts == k)[np.argmin(loss[parts == k])]]) for k in range(1, count + 1)]


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
