"""A heart-shaped surface and the courses of vessels on it.

The epicardium is an ellipsoid about the heart's long axis, in the patient's LPS frame. ``phi`` is the angle
about the axis: 0 at the anterior interventricular groove, 90 degrees at the obtuse (left) margin, 180 at the
crux and the posterior groove, -90 at the acute (right) margin. ``psi`` is the latitude from the
atrioventricular groove (0) to the apex (90 degrees).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from hemo.tree import arc_length

Array = NDArray[Any]

STEP = 0.25e-3
_STRIDE = 0.5e-3
# Knots of a course's final spline: closer ones would keep the stepping's kinks, wider ones cut its bends.
_KNOT = 2.5e-3
_REACHED = 6e-3


@dataclass(frozen=True)
class Epicardium:
    """The ellipsoid.

    Attributes
    ----------
    axes
        (3, 3) rows: unit vectors towards phi = 0, phi = 90 degrees and the apex, LPS.
    size
        (3,) semi-axes along them, m.
    """

    axes: Array
    size: Array

    def place(self, phi: float, psi: float) -> Array:
        """(3,) LPS place at the angles given in degrees."""
        p, q = np.radians(phi), np.radians(psi)
        local = self.size * np.array([np.cos(q) * np.cos(p), np.cos(q) * np.sin(p), np.sin(q)])
        return np.asarray(local @ self.axes)

    def angles(self, place: Array) -> tuple[float, float]:
        """Phi and psi (degrees) of an LPS place (3,)."""
        local = (self.axes @ place) / self.size
        psi = np.degrees(np.arctan2(local[2], np.hypot(local[0], local[1])))
        return float(np.degrees(np.arctan2(local[1], local[0]))), float(psi)

    def normal(self, place: Array) -> Array:
        """(3,) outward unit normal at a place."""
        outward = ((self.axes @ place) / self.size**2) @ self.axes
        return np.asarray(outward / np.linalg.norm(outward))

    def drop(self, place: Array) -> Array:
        """(3,) the place moved radially onto the surface."""
        return np.asarray(place / np.linalg.norm((self.axes @ place) / self.size))


@dataclass(frozen=True)
class Waviness:
    """Random bends of a course: a sum of sines of random phase.

    ``sideways`` is the root mean square of the bends' curvature on the surface, 1/m, ``outward`` the root mean
    square of the height over it, m; wavelengths lie between the two given, m.
    """

    sideways: float
    outward: float
    wavelengths: tuple[float, float] = (12e-3, 40e-3)
    terms: int = 4

    def draw(self, rng: np.random.Generator, rms: float, arc: Array) -> Array:
        """One realisation along an arc length."""
        waves = np.exp(rng.uniform(np.log(self.wavelengths[0]), np.log(self.wavelengths[1]), self.terms))
        phases = rng.uniform(0.0, 2.0 * np.pi, self.terms)
        terms = np.sin(2.0 * np.pi * arc[:, None] / waves + phases)
        return np.asarray(rms * np.sqrt(2.0 / self.terms) * terms.sum(axis=1))


def course(
    heart: Epicardium,
    start: Array,
    heading: Array,
    waypoints: Sequence[tuple[float, float]],
    length: float,
    limit: float,
    waviness: Waviness,
    rng: np.random.Generator,
) -> Array:
    """(k, 3) places every 0.5 mm along a vessel that leaves ``start`` along ``heading`` and makes for waypoints.

    The heading turns towards the next waypoint (phi, psi in degrees) at a rate below ``limit`` (1/m), plus the
    random bends; the height over the surface is that of the start, decaying, plus random bends.
    """
    count = int(np.ceil(length / _STRIDE)) + 1
    arc = _STRIDE * np.arange(count)
    bends = waviness.draw(rng, waviness.sideways, arc)
    # Straight at first; the distal part bends most.
    ramp = (1.0 - np.exp(-((arc / 12e-3) ** 2))) * (0.75 + 0.5 * arc / arc[-1])
    place = heart.drop(start)
    lift = (start - place) @ heart.normal(place) * np.exp(-((arc / 10e-3) ** 2))
    lift = lift + ramp * waviness.draw(rng, waviness.outward, arc)
    goals = [heart.place(*angles) for angles in waypoints]
    places = np.empty((count, 3))
    for i in range(count):
        normal = heart.normal(place)
        heading = heading - (heading @ normal) * normal
        heading = heading / np.linalg.norm(heading)
        places[i] = place + lift[i] * normal
        while len(goals) > 1 and (
            np.linalg.norm(goals[0] - place) < _REACHED or (goals[0] - place) @ (goals[1] - goals[0]) < 0
        ):
            goals.pop(0)
        turn = bends[i] * ramp[i]
        toward = goals[0] - place
        if np.linalg.norm(toward) > _REACHED:
            error = np.arctan2(_cross(heading, toward) @ normal, heading @ toward)
            turn += np.clip(error / 14e-3, -limit, limit)
        heading = heading + _STRIDE * turn * _cross(normal, heading)
        place = heart.drop(place + _STRIDE * heading)
    return places


def _cross(a: Array, b: Array) -> Array:
    """(3,) cross product of two vectors (numpy's own is slow on single ones)."""
    return np.array([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


def bridge(start: Array, leaving: Array, end: Array, arriving: Array) -> Array:
    """(k, 3) places along a cubic Bezier curve from a place to another with the given unit directions."""
    handle = 0.38 * float(np.linalg.norm(end - start))
    control = np.array([start, start + handle * leaving, end - handle * arriving, end])
    t = np.linspace(0.0, 1.0, max(int(np.linalg.norm(end - start) / _STRIDE), 12))[:, None]
    weights = np.hstack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
    return np.asarray(weights @ control)


def evenly(places: Array) -> Array:
    """(n, 3) points every 0.25 mm on the cubic spline through knots of a course: its curvature is continuous."""
    arc = arc_length(places)
    count = max(round(arc[-1] / _KNOT), 3)
    knots = np.linspace(0.0, arc[-1], count + 1)
    spline = CubicSpline(knots, np.column_stack([np.interp(knots, arc, places[:, k]) for k in range(3)]))
    fine = spline(np.linspace(0.0, arc[-1], 20 * count))
    length = arc_length(fine)
    dense = CubicSpline(length, fine)
    return np.asarray(dense(STEP * np.arange(int(length[-1] / STEP) + 1)))


def turned(vector: Array, about: Array, degrees: float) -> Array:
    """(3,) the vector turned about a unit axis (Rodrigues)."""
    angle = np.radians(degrees)
    across = np.cross(about, vector)
    return np.asarray(
        vector * np.cos(angle) + across * np.sin(angle) + about * (about @ vector) * (1.0 - np.cos(angle))
    )
