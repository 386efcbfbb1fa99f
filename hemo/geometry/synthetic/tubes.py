"""Tubes about a curve with known sections, and the exact implicit function of their union.

A place belongs to the section of its foot point, the nearest point of the axis. The section normal to the
axis at s is the star-shaped set |x - c(s)| < R(s) (1 - b(s) g(theta)), with g = ((1 + cos theta) / 2)^3
measured from the direction of a bump, so its area is known in closed form:
A = pi R^2 (1 - 2 b <g> + b^2 <g^2>), <g> = 5/16, <g^2> = 231/1024. This holds while R kappa < 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.spatial import cKDTree

from hemo.tree import arc_length, transported_normals

Array = NDArray[Any]

_SHARPNESS = 3
MEAN_BUMP, MEAN_SQUARE_BUMP = 5.0 / 16.0, 231.0 / 1024.0


@dataclass(frozen=True)
class Tube:
    """A vessel's wall, from inside its parent to its end.

    Attributes
    ----------
    name
        That of the branch.
    points
        (n, 3) axis, evenly spaced on a twice differentiable curve, m.
    radius
        (n,) radius R of the round part of each section, m.
    bump
        (n,) depth b of the bump into the lumen as a fraction of R, 0 to below 1.
    bump_direction
        (n, 3) unit vectors normal to the axis, towards the bump.
    flat_ends
        Ends are cut square; otherwise they are half spheres.
    """

    name: str
    points: Array
    radius: Array
    bump: Array
    bump_direction: Array
    flat_ends: bool = False

    @cached_property
    def arc(self) -> Array:
        """(n,) arc length, m."""
        return arc_length(self.points)

    @cached_property
    def tangent(self) -> Array:
        """(n, 3) unit tangent."""
        derivative = np.gradient(self.points, self.arc, axis=0, edge_order=2)
        return np.asarray(derivative / np.linalg.norm(derivative, axis=1, keepdims=True))

    @cached_property
    def curvature_vector(self) -> Array:
        """(n, 3) derivative of the tangent, 1/m."""
        return np.gradient(self.tangent, self.arc, axis=0, edge_order=2)

    @cached_property
    def steepness(self) -> float:
        """How much faster than a distance the signed distance grows at most, from a wall that leans (1: nowhere)."""
        wall = np.column_stack([self.radius, self.radius * (1.0 - self.bump)])
        lean = np.gradient(wall, self.arc, axis=0)
        return float(np.sqrt(1.0 + (lean**2).max()))

    @property
    def area(self) -> Array:
        """(n,) area of the section normal to the axis, m^2."""
        return np.pi * self.radius**2 * bump_area_factor(self.bump)

    @cached_property
    def search(self) -> cKDTree:
        """Nearest axis points."""
        return cKDTree(self.points)

    @cached_property
    def _profile(self) -> CubicSpline:
        return CubicSpline(self.arc, np.column_stack([self.radius, self.bump]))

    def profile(self, arc: Array) -> tuple[Array, Array]:
        """Radius R and bump depth b, (n,) each, at arc lengths; smooth between the points: a throat has no kink."""
        radius, bump = self._profile(np.clip(arc, 0.0, self.arc[-1])).T
        return radius, np.clip(bump, 0.0, 0.95)

    def foot(self, places: Array, nearest: Array) -> tuple[Array, Array, Array]:
        """Arc length (n,), radial vector (n, 3) and tangent (n, 3) of the foot points of places (n, 3).

        ``nearest`` is the index of the nearest axis point. The axis is a parabola there, which is third-order exact.
        """
        tangent, bend = self.tangent[nearest], self.curvature_vector[nearest]
        offset = places - self.points[nearest]
        along = np.zeros(len(places))
        back, ahead = self._beyond(nearest, 0), self._beyond(nearest, len(self.points) - 1)
        for _ in range(2):
            radial = offset - along[:, None] * tangent - 0.5 * along[:, None] ** 2 * bend
            slope = tangent + along[:, None] * bend
            along = along + _dot(radial, slope) / np.maximum(1.0 - _dot(radial, bend), 0.2)
            along = np.clip(along, -back, ahead)
        radial = offset - along[:, None] * tangent - 0.5 * along[:, None] ** 2 * bend
        slope = tangent + along[:, None] * bend
        return self.arc[nearest] + along, radial, slope / _norm(slope)[:, None]

    def _beyond(self, nearest: Array, end: int) -> Array:
        """How far a foot may lie from its nearest axis point: nowhere beyond the end of the axis."""
        return np.where(nearest == end, 0.0, self.arc[1] - self.arc[0])

    def signed_distance(self, places: Array, reach: float, cautious: bool = False) -> tuple[Array, Array]:
        """Signed distance to the wall (negative inside) and the local wall radius, (n,) each, m.

        Exact on the wall and of its size near it. Places further than ``reach`` beyond the largest radius get
        infinity. ``cautious`` scales it down where a bump would make it jump across the axis: no true distance to
        the bump is overestimated then.
        """
        distance = np.full(len(places), np.inf)
        size = np.full(len(places), np.inf)
        near, *found = self.distance_near(places, reach, cautious)
        distance[near], size[near] = found
        return distance, size

    def distance_near(self, places: Array, reach: float, cautious: bool = False) -> tuple[Array, Array, Array]:
        """Which of the places (n, 3) are within reach of :meth:`signed_distance`, and the two values of these alone."""
        bound = float(self.radius.max()) + reach
        low, high = self.points.min(axis=0) - bound, self.points.max(axis=0) + bound
        near = np.flatnonzero((places[:, 0] > low[0]) & (places[:, 0] < high[0]))
        for k in (1, 2):
            column = places[near, k]
            near = near[(column > low[k]) & (column < high[k])]
        _, nearest = self.search.query(places[near], distance_upper_bound=bound)
        near, nearest = near[nearest < len(self.points)], nearest[nearest < len(self.points)]
        arc, radial, tangent = self.foot(places[near], nearest)
        gap = _norm(radial)
        round_radius, bump = self.profile(arc)
        direction = self.bump_direction[nearest]
        direction = direction - _dot(direction, tangent)[:, None] * tangent
        cosine = _dot(radial, direction) / np.maximum(gap * _norm(direction), 1e-12)
        wall = round_radius * (1.0 - bump * bump_shape(cosine))
        least = round_radius * (1.0 - bump) if cautious else wall
        distance = (gap - wall) * least / wall
        if self.flat_ends:
            distance = np.maximum(distance, self._beyond_ends(places[near]))
        return near, distance, wall

    def _beyond_ends(self, places: Array) -> Array:
        before = _dot(self.points[0] - places, self.tangent[:1])
        after = _dot(places - self.points[-1], self.tangent[-1:])
        return np.maximum(before, after)

    def wall(self, step: float = 0.125e-3, around: int = 72) -> Array:
        """(k, 3) points of the wall, without its ends."""
        fine = np.linspace(0.0, self.arc[-1], round(self.arc[-1] / step) + 1)
        axis, tangent, direction = (
            np.column_stack([np.interp(fine, self.arc, values[:, k]) for k in range(3)])
            for values in (self.points, self.tangent, self.bump_direction)
        )
        tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
        direction -= _dot(direction, tangent)[:, None] * tangent
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        across = np.cross(tangent, direction)
        angle = 2.0 * np.pi * np.arange(around) / around
        round_radius, bump = self.profile(fine)
        radius = round_radius[:, None] * (1.0 - bump[:, None] * bump_shape(np.cos(angle)))
        ring = np.cos(angle)[:, None] * direction[:, None, :] + np.sin(angle)[:, None] * across[:, None, :]
        return np.asarray((axis[:, None, :] + radius[..., None] * ring).reshape(-1, 3))


def bump_shape(cosine: Array) -> Array:
    """Depth of a bump at the cosine of the angle from its middle, 1 at the middle and 0 opposite."""
    return ((1.0 + np.clip(cosine, -1.0, 1.0)) / 2.0) ** _SHARPNESS


def bump_area_factor(bump: Array) -> Array:
    """Section area over that of the round section, for a bump of the given depth."""
    return 1.0 - 2.0 * bump * MEAN_BUMP + bump**2 * MEAN_SQUARE_BUMP


def round_tube(name: str, points: Array, radius: Array, flat_ends: bool = False) -> Tube:
    """A tube of circular sections."""
    smooth = Tube(name, points, radius, np.zeros_like(radius), np.zeros_like(points), flat_ends)
    return replace(smooth, bump_direction=transported_normals(points, smooth.tangent))


def inscribed_radius(tube: Tube, start: int) -> Array:
    """(n - start,) radius of the largest sphere about a point of each section that stays within the wall, m.

    The sphere's centre may leave the axis away from a bump. The wall is that of the tube alone, without the
    openings of side branches.
    """
    wall = cKDTree(tube.wall())
    points, bump = tube.points[start:], tube.bump[start:]
    radius = np.asarray(wall.query(points)[0])
    for place in np.flatnonzero(bump > 0.01):
        away = -tube.radius[start + place] * tube.bump_direction[start + place]
        centres = points[place] + np.linspace(0.0, min(bump[place], 0.6), 13)[:, None] * away
        radius[place] = wall.query(centres)[0].max()
    return radius


def union(
    tubes: tuple[Tube, ...], places: Array, reach: float, fillet: float, cautious: bool = False
) -> tuple[Array, Array]:
    """Signed distance to the union of tubes and the wall radius of the nearest, (n,) each, m.

    ``fillet`` (m) rounds the edges where two walls meet: the polynomial smooth minimum moves the surface by at
    most a quarter of it, and only where both walls are within it.
    """
    distance: Array = np.full(len(places), np.inf)
    size: Array = np.full(len(places), np.inf)
    for tube in tubes:
        near, other, radius = tube.distance_near(places, reach, cautious)
        before = distance[near]
        size[near] = np.where(other < before, radius, size[near])
        overlap = np.maximum(fillet - np.abs(before - other), 0.0)
        distance[near] = np.minimum(before, other) - (overlap**2 / (4.0 * fillet) if fillet > 0.0 else 0.0)
    return distance, size


def _dot(a: Array, b: Array) -> Array:
    return np.asarray(a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1] + a[..., 2] * b[..., 2])


def _norm(a: Array) -> Array:
    return np.asarray(np.sqrt(_dot(a, a)))
