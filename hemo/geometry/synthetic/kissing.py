"""Two vessels of a tree bent until they touch: what a segmentation joins and a centreline must not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from hemo.geometry.synthetic.growing import Grown, bends_enough, clear_points
from hemo.geometry.synthetic.heart import STEP, evenly
from hemo.geometry.synthetic.vessels import Contact

Array = NDArray[Any]

# Vessels further apart than this are not brought together, m.
_WITHIN = 15e-3
_FREE_START = 10e-3


def bring_together(
    grown: list[Grown], others: list[Grown], gap: float, rng: np.random.Generator
) -> tuple[list[Grown], Contact | None]:
    """The tree with one side branch bent against a neighbour, and the contact; None where no pair is near enough.

    The bend keeps the curvature's limit and ``gap`` (m) to all other vessels, also those in ``others``.
    """
    for room, moving, index, still, toward in _pairs(grown):
        depth = float(rng.uniform(0.1e-3, 0.4e-3))
        bent = _bent(moving, index, (room + depth) * toward)
        rest = [v for v in (*grown, *others) if v.name not in (moving.name, still.name)]
        if bent is None or clear_points(bent, rest, gap) < len(bent.points):
            continue
        distance, nearest = cKDTree(still.points).query(bent.points)
        overlap = bent.reference + still.reference[nearest] - distance
        touching = (overlap > 0.0) & (bent.arc > _FREE_START)
        if 0 < touching.sum() * STEP < 12e-3 and overlap[bent.arc > _FREE_START].max() < 0.6e-3:
            deepest = int(np.argmax(np.where(touching, overlap, -1.0)))
            place = 0.5 * (bent.points[deepest] + still.points[nearest[deepest]])
            contact = Contact(moving.name, still.name, place, float(touching.sum() * STEP), float(overlap[deepest]))
            return [bent if v.name == moving.name else v for v in grown], contact
    return grown, None


def _pairs(grown: list[Grown]) -> list[tuple[float, Grown, int, Grown, Array]]:
    """Pairs of unrelated vessels: room between the walls, the one to move, its index there, the other, direction."""
    parents = {v.parent for v in grown}
    found = []
    for moving in (v for v in grown if v.parent is not None and v.name not in parents):
        for still in grown:
            if still.name in (moving.name, moving.parent) or still.parent == moving.name:
                continue
            distance, nearest = cKDTree(still.points).query(moving.points)
            room = distance - moving.reference - still.reference[nearest]
            middle = (moving.arc > _FREE_START + 6e-3) & (moving.arc < moving.arc[-1] - 3e-3)
            if not middle.any():
                continue
            index = int(np.argmin(np.where(middle, room, np.inf)))
            toward = (still.points[nearest[index]] - moving.points[index]) / distance[index]
            if room[index] < _WITHIN:
                found.append((float(room[index]), moving, index, still, toward))
    return sorted(found, key=lambda pair: pair[0])


def _bent(vessel: Grown, index: int, shift: Array) -> Grown | None:
    """The vessel moved by ``shift`` (3,) at a point and by less around it."""
    middle = vessel.arc[index]
    half = np.where(vessel.arc < middle, middle - 4e-3, 22e-3)
    window = 0.5 * (1.0 + np.cos(np.pi * np.clip((vessel.arc - middle) / half, -1.0, 1.0)))
    points = evenly(vessel.points + window[:, None] * shift)
    reference = np.interp(np.linspace(0.0, 1.0, len(points)), np.linspace(0.0, 1.0, len(window)), vessel.reference)
    return replace(vessel, points=points, reference=reference) if bends_enough(points, reference) else None
