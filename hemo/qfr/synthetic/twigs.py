"""Vessels too thin for the tree, which an angiogram shows all the same: clutter with the contrast's own timing.

Outlets go on in two thinner daughters, again and again, and side branches leave along the way. They creep on the sphere
that fits the tree best, bending by chance. Flow goes as the cube of the radius (Murray 1926, Proc Natl Acad Sci
12:207), so velocity as the radius.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.geometry.synthetic.heart import turned
from hemo.qfr.synthetic.lumen import Lumen, joined, tube
from hemo.tree import Branch, VesselTree

Array = NDArray[Any]

_THINNEST = 0.16e-3  # m, radius
_STRIDE = 0.8e-3  # m
_HEART = (0.015, 0.2)  # m: vessels are farther from its centre; they lie about it no farther than that


@dataclass(frozen=True)
class Twigs:
    """Thin vessels and where their contrast comes from.

    Attributes
    ----------
    lumen
        Their slabs, one vessel each.
    branch, point
        (twigs,) the branch of the tree and its centreline point that each one's contrast left.
    lag
        (slabs,) time since then at mean flow, s.
    """

    lumen: Lumen
    branch: tuple[str, ...]
    point: NDArray[np.int64]
    lag: Array


@dataclass(frozen=True)
class _Sprout:
    """Where a twig starts.

    Its root's place in the tree, its own place and heading, radius (m), speed (m/s), delay (s), and how much of its
    start lies in its mother (m).
    """

    branch: str
    point: int
    place: Array
    heading: Array
    radius: float
    speed: float
    lag: float
    hidden: float = 0.0


def fitted_sphere(points: Array) -> Array:
    """(3,) centre of the sphere nearest to points (n, 3): |p|^2 = 2 p . c + k, by least squares.

    Where they tell of no sphere the size of a heart (a straight vessel) the centre is 5 cm behind them.
    """
    middle = points.mean(axis=0)
    away = points - middle
    system = np.column_stack([2.0 * away, np.ones(len(points))])
    centre = np.linalg.lstsq(system, (away**2).sum(axis=1), rcond=None)[0][:3]
    if _HEART[0] < np.linalg.norm(away - centre, axis=1).min() and np.linalg.norm(centre) < _HEART[1]:
        return np.asarray(middle + centre)
    flattest = np.linalg.svd(away, full_matrices=False)[2][-1]
    return np.asarray(middle + 0.05 * flattest)


def grown_twigs(
    tree: VesselTree, flow: Mapping[str, Array], spacing: float, step: float, rng: np.random.Generator
) -> Twigs | None:
    """Twigs about every ``spacing`` (m) along the vessels and beyond the outlets, in slabs about ``step`` thick (m)."""
    heart = fitted_sphere(np.concatenate([branch.points for branch in tree.branches]))
    waiting = [one for branch in tree.branches for one in _sprouts(branch, flow[branch.name], heart, spacing, rng)]
    lumens, branches, points, lags = [], [], [], []
    while waiting:
        one = waiting.pop()
        course, radius = _course(one, heart, rng)
        part = tube("twig", course, np.repeat(radius[:, None], 2, axis=1), np.zeros(len(course)), step)
        part = part.chosen(part.arc > one.hidden)
        lumens.append(part)
        branches.append(one.branch)
        points.append(one.point)
        lags.append(one.lag + part.arc / one.speed)
        heading = course[-1] - course[-2]
        if radius[-1] * 0.6 > _THINNEST:
            late = one.lag + float(part.arc[-1]) / one.speed
            for share, turn in ((0.85, 0.4), (0.68, -0.7)):
                onwards = _turned(heading, course[-1] - heart, turn * rng.uniform(0.6, 1.4))
                size = float(radius[-1]) * share
                waiting.append(_Sprout(one.branch, one.point, course[-1], onwards, size, one.speed * share, late))
    if not lumens:
        return None
    return Twigs(joined(lumens), tuple(branches), np.array(points), np.concatenate(lags))


def _sprouts(branch: Branch, flow: Array, heart: Array, spacing: float, rng: np.random.Generator) -> list[_Sprout]:
    radius, tangent = 0.5 * branch.diameter, branch.tangent
    speed = flow / branch.area
    found = []
    for place in np.arange(rng.uniform(0.3, 1.0) * spacing, branch.length, spacing):
        k = int(np.argmin(np.abs(branch.arc - place * rng.uniform(0.9, 1.1))))
        size = float(np.exp(rng.uniform(np.log(0.18e-3), np.log(0.45e-3))))
        turn = rng.choice([-1.0, 1.0]) * rng.uniform(0.6, 1.2)
        heading = _turned(tangent[k], branch.points[k] - heart, turn)
        slower = min(1.0, size / float(radius[k]))
        found.append(
            _Sprout(
                branch.name,
                k,
                branch.points[k],
                heading,
                size,
                float(speed[k]) * slower,
                0.0,
                float(radius[k]) / abs(np.sin(turn)),
            )
        )
    if branch.is_outlet:
        last = len(radius) - 1
        side = rng.choice([-1.0, 1.0])
        for share, turn in ((0.92, 0.2), (0.6, -0.8)):
            heading = _turned(tangent[last], branch.points[last] - heart, side * turn * rng.uniform(0.6, 1.4))
            size = float(radius[last]) * share
            found.append(
                _Sprout(branch.name, last, branch.points[last], heading, size, float(speed[last]) * share, 0.0)
            )
    return found


def _course(one: _Sprout, heart: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """(n, 3) places and (n,) radii: 30 to 60 radii long, tapering to 0.7, wandering, at one height on the heart."""
    count = max(4, round(one.radius * rng.uniform(30.0, 60.0) / _STRIDE))
    places, heading = [one.place], one.heading / np.linalg.norm(one.heading)
    height = float(np.linalg.norm(one.place - heart))
    bend = 0.0
    for _ in range(count):
        bend = 0.6 * bend + rng.normal(0.0, 0.06)
        up = (places[-1] - heart) / np.linalg.norm(places[-1] - heart)
        heading = _turned(heading - (heading @ up) * up, up, bend)
        heading = heading / np.linalg.norm(heading)
        forward = places[-1] + _STRIDE * heading - heart
        places.append(heart + height * forward / np.linalg.norm(forward))
    return np.array(places), one.radius * np.linspace(1.0, 0.7, count + 1)


def _turned(heading: Array, about: Array, angle: float) -> Array:
    """(3,) a vector turned about an axis of any length by an angle, rad."""
    return turned(heading, about / np.linalg.norm(about), float(np.degrees(angle)))


def twig_values(twigs: Twigs, time: Array, late: Array, values: Mapping[str, Array]) -> Array:
    """(k, slabs) concentration at times T ``time`` (k,): what was at the root so long before.

    ``values`` are branch -> (j, n) at the times T ``late`` (j,), increasing.
    """
    found = np.empty((len(time), len(twigs.lag)))
    for number, (branch, point) in enumerate(zip(twigs.branch, twigs.point, strict=True)):
        mine = twigs.lumen.vessel == number
        asked = time[:, None] - twigs.lag[mine]
        found[:, mine] = np.interp(asked.ravel(), late, values[branch][:, point], left=0.0).reshape(asked.shape)
    return found
