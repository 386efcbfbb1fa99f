"""Vessels grown on the heart, one after the other, each clear of those before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from hemo.geometry.synthetic.anatomy import MM, GeneratorOptions, SideBranch, rest_after
from hemo.geometry.synthetic.heart import STEP, Epicardium, Waviness, bridge, course, evenly, turned

Array = NDArray[Any]

# Curvature stays below 1 / (2.5 r), so that a tube does not cut itself.
TIGHTEST = 1.0 / 2.5
STEERING = 1.0 / 14e-3
# No vessel ends smaller than this, m.
SMALLEST = 1.0e-3


@dataclass(frozen=True)
class Grown:
    """A vessel before disease: axis (n, 3), healthy radius (n,), m; where it leaves its parent."""

    name: str
    points: Array
    reference: Array
    parent: str | None = None
    parent_index: int | None = None
    is_outlet: bool = True

    @property
    def arc(self) -> Array:
        """(n,) arc length, m; points are 0.25 mm apart."""
        return STEP * np.arange(len(self.points))


class NoRoom(Exception):
    """A vessel found no course clear of the others."""


def calibre(
    arc: Array, start: float, end: float, steps: list[tuple[float, float]], rng: np.random.Generator, scatter: float
) -> Array:
    """(n,) healthy diameter: exponential taper with a smooth step down behind each side branch, m.

    ``steps`` are (arc length, calibre ratio of the side branch). A step takes one diameter of length. Steps
    alone may bring the vessel below ``end``; taper is reduced so that it does not end below 1 mm.
    """
    noise = np.exp(rng.normal(0.0, scatter, len(steps)))
    lost = np.prod([rest_after(ratio) for _, ratio in steps])
    taper = max(np.log(start * lost / end), 0.0)
    for share in (1.0, 0.75, 0.5, 0.25, 0.0):
        diameter = start * np.exp(-share * taper * arc / arc[-1])
        for (place, ratio), scattered in zip(steps, noise, strict=True):
            before = float(np.interp(place, arc, diameter))
            factor = min(rest_after(side_ratio(ratio, before)) * float(scattered), 1.0)
            t = np.clip((arc - place) / before, 0.0, 1.0)
            diameter = diameter * (1.0 + (factor - 1.0) * t * t * (3.0 - 2.0 * t))
        if diameter[-1] >= SMALLEST:
            break
    return np.asarray(diameter)


def side_ratio(ratio: float, before: float) -> float:
    """Calibre of a side branch over its parent's: as drawn, but no smaller than what is segmented (1.25 mm)."""
    return min(max(ratio, 1.25e-3 / before), 0.85)


def bends_enough(points: Array, radius: Array) -> bool:
    """Whether the curvature stays below 1 / (2.5 r) everywhere."""
    first = np.gradient(points, STEP, axis=0)
    second = np.gradient(first, STEP, axis=0)
    curvature = np.linalg.norm(np.cross(first, second), axis=1) / np.linalg.norm(first, axis=1) ** 3
    return bool(np.all(curvature[2:-2] * radius[2:-2] <= TIGHTEST))


def clear_points(new: Grown, others: list[Grown], gap: float) -> int:
    """How many points of a vessel, from its start, keep ``gap`` to all others and to itself.

    Near the bifurcation where it leaves its parent and siblings it need not.
    """
    blocked = np.zeros(len(new.points), dtype=bool)
    for other in others:
        free = 0.0
        if other.name == new.parent:
            free = 4.0 * float(other.reference[new.parent_index or 0]) + 2.0 * gap
        elif new.parent is not None and other.parent == new.parent and _same_fork(new, other):
            free = 4.0 * float(other.reference[0]) + 2.0 * gap
        distance, nearest = cKDTree(other.points).query(new.points)
        blocked |= (distance - new.reference - other.reference[nearest] < gap) & (new.arc >= free)
    far = max(20, int(6.0 * float(new.reference.max()) / STEP)) // 4
    points, radius = new.points[::4], new.reference[::4]
    apart = np.linalg.norm(points[:, None] - points[None], axis=2) - radius[:, None] - radius[None]
    index = np.arange(len(points))
    behind = index[:, None] - index[None] > far
    blocked[::4] |= np.any(behind & (apart < gap), axis=1)
    return int(np.argmax(blocked)) if blocked.any() else len(blocked)


def _same_fork(a: Grown, b: Grown) -> bool:
    return abs((a.parent_index or 0) - (b.parent_index or 0)) * STEP < 6e-3


def attempt(
    make: Callable[[float], Grown | None], others: list[Grown], gap: float, least: float = 1.0, tries: int = 24
) -> Grown:
    """The first vessel that is clear of the others; later tries bend less.

    A vessel that is clear over the share ``least`` of its length ends where it would meet another.

    Raises
    ------
    NoRoom
        None was.
    """
    for k in range(tries):
        grown = make(max(0.2, 1.0 - k / (0.8 * tries)))
        if grown is None:
            continue
        count = clear_points(grown, others, gap)
        if count == len(grown.points):
            return grown
        if k >= tries // 3 and count > least * len(grown.points):
            return _cut(grown, count)
    raise NoRoom


def _cut(vessel: Grown, count: int) -> Grown:
    """The first points of a vessel, tapering to the end calibre it had."""
    taper = (vessel.reference[-1] / vessel.reference[count - 1]) ** (np.arange(count) / (count - 1))
    return replace(vessel, points=vessel.points[:count], reference=vessel.reference[:count] * taper)


def waviness(options: GeneratorOptions, calm: float) -> Waviness:
    """Random bends of ordinary size, less for a calmer try.

    With the heart's own curvature they give vessels on the ventricles the mean curvature of 0.87 / cm at end
    diastole that Liao et al. 2002 (Catheter Cardiovasc Interv 55:344) imply; those of the grooves bend less.
    """
    return Waviness(sideways=58.0 * options.tortuosity * calm, outward=0.45 * MM * options.tortuosity * calm)


def side_vessel(
    heart: Epicardium,
    parent: Grown,
    branch: SideBranch,
    others: list[Grown],
    options: GeneratorOptions,
    rng: np.random.Generator,
) -> Grown:
    """A branch that leaves its parent at an angle and makes for its territory.

    Raises
    ------
    NoRoom
        No course is clear of the other vessels.
    """
    index = min(int(branch.place * (len(parent.points) - 1)), len(parent.points) - 1)
    start = parent.points[index]
    ahead = parent.points[min(index + 4, len(parent.points) - 1)] - parent.points[max(index - 4, 0)]
    normal = heart.normal(start)
    ahead = ahead - (ahead @ normal) * normal
    ahead = ahead / np.linalg.norm(ahead)
    phi, psi = heart.angles(start)
    before = 2.0 * float(parent.reference[index])
    own = before * side_ratio(branch.ratio, before)

    def of(points: Array) -> Grown | None:
        arc = STEP * np.arange(len(points))
        diameter = calibre(arc, own, min(branch.end_calibre, own), [], rng, 0.0)
        grown = Grown(branch.name, points, diameter / 2.0, parent.name, index)
        return grown if bends_enough(points, grown.reference) else None

    if not branch.towards:
        dive = turned(-normal, np.cross(normal, ahead), -float(rng.uniform(10.0, 35.0)))
        end = start + branch.length * (0.8 * dive + 0.5 * ahead)
        arriving = (dive + ahead) / np.linalg.norm(dive + ahead)
        return attempt(lambda _: of(evenly(bridge(start, dive, end, arriving))), others, options.gap, least=0.45)
    goals = [(phi + dphi, psi if goal is None else max(goal, psi + 8.0)) for dphi, goal in branch.towards]
    toward = heart.place(*goals[0]) - start
    side = 1.0 if np.cross(ahead, toward) @ normal > 0 else -1.0

    def make(calm: float) -> Grown | None:
        away = turned(ahead, normal, side * branch.angle + float(rng.normal(0.0, 4.0)))
        bends = waviness(options, calm)
        return of(evenly(course(heart, start, away, goals, branch.length, STEERING, bends, rng)))

    return attempt(make, others, options.gap, least=0.45)
