"""Silhouettes of swept elliptic tubes, by projecting their surface points: shares no formula with hemo.qfr."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from hemo.geometry.synthetic.gauges import random_rotation
from hemo.qfr.camera import Camera, angle_between
from hemo.qfr.cine import Contours
from hemo.qfr.midline import feet
from hemo.tree import arc_length, transported_normals

Array = NDArray[Any]


@dataclass(frozen=True)
class Truth:
    """A vessel: axis (n, 3), arc (n,), semi-axes (n, 2) and their directions (n, 2, 3), m."""

    points: Array
    semi_axes: Array
    directions: Array

    @property
    def arc(self) -> Array:
        return arc_length(self.points)

    @property
    def area(self) -> Array:
        return np.asarray(np.pi * self.semi_axes.prod(axis=1))


def camera(primary: float, secondary: float, shift: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Camera:
    return Camera(np.radians(primary), np.radians(secondary), 1.1, 0.76, (3e-4, 3e-4), (512, 512), shift)


def swept(points: Array, radius: Array, ratio: float = 1.0, turn: float = 0.0) -> Truth:
    """Ellipses of area pi radius^2 and the given axis ratio, turned by ``turn`` from an untwisted frame."""
    tangent = np.gradient(points, arc_length(points), axis=0, edge_order=2)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    one = transported_normals(points, tangent)
    other = np.cross(tangent, one)
    long, short = np.cos(turn) * one + np.sin(turn) * other, -np.sin(turn) * one + np.cos(turn) * other
    semi = np.stack([radius / np.sqrt(ratio), radius * np.sqrt(ratio)], axis=1)
    return Truth(points, semi, np.stack([long, short], axis=1))


def random_axis(rng: np.random.Generator, length: float = 60e-3, step: float = 0.2e-3) -> Array:
    """A smooth random curve about the isocentre with radii of curvature from some 12 mm up."""
    arc = np.linspace(0.0, 1.0, round(length / step) + 1)
    direction = np.zeros((len(arc), 3))
    direction[:, 2] = 1.0
    for order in (1, 2, 3):
        phase = rng.uniform(0.0, 2.0 * np.pi, 2)
        size = rng.uniform(0.2, 0.7, 2) / order**0.7
        direction[:, 0] += size[0] * np.sin(np.pi * order * arc + phase[0])
        direction[:, 1] += size[1] * np.sin(np.pi * order * arc + phase[1])
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    points = CubicSpline(arc, direction).antiderivative()(arc) * length
    points = (points - points.mean(axis=0)) @ random_rotation(rng).T
    return np.asarray(points + rng.uniform(-15e-3, 15e-3, 3))


def stenosed(arc: Array, radius: float, severity: float, centre: float, length: float, taper: float = 0.2) -> Array:
    phase = np.clip((arc - centre) / length, -0.5, 0.5)
    return np.asarray(
        radius * (1.0 - taper * arc / arc[-1]) * (1.0 - 0.5 * severity * (1.0 + np.cos(2.0 * np.pi * phase)))
    )


def silhouette(
    truth: Truth, view: Camera, start: float, end: float, rng: np.random.Generator | None = None, noise: float = 0.0
) -> Contours:
    """The outline seen between two arc lengths, m, with the midline's points about a pixel apart.

    Where a plane through the source and across the axis's image cuts the wall, the outermost points of the cut are the
    edges. The noise (pixels) moves each edge point by itself across the vessel.
    """
    angle = np.linspace(0.0, 2.0 * np.pi, 120, endpoint=False)
    ring = np.cos(angle)[:, None, None] * (truth.semi_axes[:, 0, None] * truth.directions[:, 0])[None]
    ring = ring + np.sin(angle)[:, None, None] * (truth.semi_axes[:, 1, None] * truth.directions[:, 1])[None]
    wall = view.project((truth.points + ring).reshape(-1, 3)).reshape(len(angle), -1, 2)
    axis = view.project(truth.points)
    run = arc_length(axis)
    low, high = np.interp([start, end], truth.arc, run)
    places = np.linspace(low, high, max(20, round(high - low)))
    spline = CubicSpline(run, axis)
    middle, tangent = spline(places), spline(places, 1)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    normal = np.stack([tangent[:, 1], -tangent[:, 0]], axis=1)  # to the left when looking distally, rows downwards
    left, right = np.empty_like(middle), np.empty_like(middle)
    nearest = np.clip(np.searchsorted(run, places), 0, len(run) - 1)
    reach = round(6e-3 / (truth.arc[1] - truth.arc[0]))
    for k, near in enumerate(nearest):
        part = wall[:, max(near - reach, 0) : near + reach + 1] - middle[k]
        along, across = part @ tangent[k], part @ normal[k]
        cut = (along[:, :-1] < 0.0) & (along[:, 1:] >= 0.0)
        share = along[:, :-1] / np.where(cut, along[:, :-1] - along[:, 1:], 1.0)
        found = (across[:, :-1] + share * (across[:, 1:] - across[:, :-1]))[cut]
        left[k], right[k] = middle[k] + found.max() * normal[k], middle[k] + found.min() * normal[k]
    if rng is not None and noise > 0.0:
        left = left + rng.normal(0.0, noise, len(left))[:, None] * normal
        right = right + rng.normal(0.0, noise, len(right))[:, None] * normal
    return Contours(0, 0.5 * (left + right), left, right)


def visible(truth: Truth, view: Camera) -> Array:
    """(n,) sine of the angle between the axis and the ray that sees it."""
    tangent = np.gradient(truth.points, truth.arc, axis=0)
    ray = truth.points - view.source
    ray /= np.linalg.norm(ray, axis=1, keepdims=True)
    return np.asarray(np.linalg.norm(np.cross(tangent, ray), axis=1))


def drawn(
    seed: int, ratio: float = 1.0, apart: float | None = None, least: float = 0.4, offset: float = 0.0
) -> tuple[Truth, tuple[Camera, Camera], tuple[Camera, Camera], np.random.Generator]:
    """A random vessel with a lesion, the two cameras as they are said to be, and as they are.

    The views are ``apart`` degrees (30 to 90 without it), and show at least the fraction ``least`` of its length
    everywhere; the second is shifted by ``offset``, m, in a random direction.
    """
    rng = np.random.default_rng(seed)
    while True:
        points = random_axis(rng)
        wanted = np.radians(rng.uniform(30.0, 90.0) if apart is None else apart)
        first = camera(rng.uniform(-40.0, 40.0), rng.uniform(-25.0, 25.0))
        angles = rng.uniform(-90.0, 90.0), rng.uniform(-35.0, 35.0)
        while abs(angle_between(first, camera(*angles)) - wanted) > np.radians(2.0):
            angles = rng.uniform(-90.0, 90.0), rng.uniform(-35.0, 35.0)
        shift = rng.normal(size=3)
        shift *= offset / np.linalg.norm(shift)
        second = camera(*angles, (float(shift[0]), float(shift[1]), float(shift[2])))
        place, length = rng.uniform(22e-3, 38e-3), rng.uniform(8e-3, 16e-3)
        radius = stenosed(arc_length(points), rng.uniform(1.2e-3, 1.9e-3), rng.uniform(0.4, 0.8), place, length)
        truth = swept(points, radius, ratio, rng.uniform(0.0, np.pi))
        if min(visible(truth, view).min() for view in (first, second)) > least:
            return truth, (first, camera(*angles)), (first, second), rng


def distances(points: Array, truth: Truth) -> tuple[Array, Array]:
    """(n,) distance of points from the true axis, m, once moved as a whole onto it, and (n,) arc lengths there."""
    for _ in range(30):
        arc = feet(points, truth.points, truth.arc)
        nearest = np.stack([np.interp(arc, truth.arc, truth.points[:, k]) for k in range(3)], axis=1)
        points = points - 1.5 * (points - nearest).mean(axis=0)
    return np.linalg.norm(points - nearest, axis=1), arc
