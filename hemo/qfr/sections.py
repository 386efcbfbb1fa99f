r"""Elliptic sections of a lumen from how wide it is seen.

*One edge.* The ray r from the source S to a point of an edge touches the lumen. Near a place X of the centreline with
the tangent t the lumen is a cylinder, and the plane through the ray and t touches it: its unit normal
N = t x r / |t x r| lies in the section, and the section reaches h(N) = |N . (S - X)| that way. Magnification,
perspective and foreshortening are all in this: what an oblique view shows across the vessel's image is the section's
extent across both the ray and the centreline.

*Several views.* Of an ellipse with the matrix Q (its support function is h(N)^2 = N^T Q N, its area pi sqrt(det Q))

    h^2 = m + x cos 2 alpha + y sin 2 alpha,    area = pi sqrt(m^2 - x^2 - y^2),

alpha being N's angle in the section; the semi-axes are sqrt(m +- sqrt(x^2 + y^2)). Two views give two equations for
three numbers. Taken is the rounder ellipse, by least squares: (x, y) / m is drawn towards 0 with the weight of what is
usual. As the views' errors vanish this is the ellipse of least eccentricity through both extents. If they are at right
angles its semi-axes are the extents themselves, the usual assumption; where both views look from one side it is a
circle. Over lumens turned at random whose axis ratios are spread evenly from 0.6 to 1 its area is too large by 1.9 % on
average from 60 degrees between the extents on, by 2.8 % at 10 to 30 (the product of both: 2.0 and 3.6 %); single areas
are off by 2.7 % (standard deviation) at right angles, 6.5 % at 60 to 90, 15 % at 30 to 60 and 19 % at 10 to 30 degrees,
which no choice of ellipse changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ellipe

from hemo.qfr.camera import Camera
from hemo.qfr.cine import Contours
from hemo.qfr.midline import feet
from hemo.tree import arc_length, transported_normals

Array = NDArray[Any]


@dataclass(frozen=True)
class SectionOptions:
    """How sections are fitted.

    Attributes
    ----------
    edge
        Standard deviation of a half-width that is left after smoothing, m.
    eccentricity
        That of x / m and y / m of coronary lumens: 0.18 where axis ratios are spread evenly between 0.6 and 1.
    expected
        Whether the area is that expected over the ellipses that fit, not that of the roundest: without bias over lumens
        of that spread, but too small for round ones.
    least_ratio
        Of the semi-axes; flatter sections are made rounder.
    """

    edge: float = 0.03e-3
    eccentricity: float = 0.18
    expected: bool = False
    least_ratio: float = 0.3


@dataclass(frozen=True)
class Sections:
    """Elliptic sections normal to a centreline.

    ``semi_axes`` (n, 2) long and short, m; ``directions`` (n, 2, 3) unit vectors along them.
    """

    semi_axes: Array
    directions: Array

    @property
    def area(self) -> Array:
        """(n,) m^2."""
        return np.asarray(np.pi * self.semi_axes.prod(axis=1))

    @property
    def perimeter(self) -> Array:
        """(n,) m; by the complete elliptic integral."""
        long, short = self.semi_axes.T
        return np.asarray(4.0 * long * ellipe(1.0 - (short / long) ** 2))

    def rings(self, points: Array, tangent: Array, around: int) -> Array:
        """(n, around, 3) points of the outlines, m; successive outlines do not twist about the centreline (n, 3)."""
        one = transported_normals(points, tangent)
        angle = 2.0 * np.pi * np.arange(around) / around
        circle = np.cos(angle)[:, None] * one[:, None, :] + np.sin(angle)[:, None] * np.cross(tangent, one)[:, None, :]
        # The symmetric stretch along the semi-axes: smooth along the vessel even where the section is round.
        part = np.einsum("nac,nkc->nak", circle, self.directions) * self.semi_axes[:, None, :]
        return np.asarray(points[:, None, :] + np.einsum("nak,nkc->nac", part, self.directions))


@dataclass(frozen=True)
class Extents:
    """How far a lumen reaches across one view: at arc lengths (k,) of the centreline, half of it (k,), m.

    ``doubt`` (k,) is by how much ``half`` may be off for what lies over the vessel, m.
    """

    arc: Array
    half: Array
    doubt: Array


def extents(camera: Camera, contours: Contours, points: Array, tangent: Array, guess: Array) -> Extents:
    """What one view's edges tell of the sections.

    Parameters
    ----------
    points, tangent
        (n, 3) the centreline, m, finely, and its unit tangents.
    guess
        (k,) arc length of the centreline, m, near which each midline point is.
    """
    run = arc_length(points)
    seen = camera.project(points)
    along_image = arc_length(seen)
    near = np.interp(guess, run, along_image)
    arc = np.interp(feet(contours.midline, seen, along_image, near, 30.0), along_image, run)
    # Only where the midline goes on along the vessel: neither beyond its ends nor back.
    furthest = np.concatenate([[-1.0], np.maximum.accumulate(arc)[:-1]])
    used = (arc > furthest + 1e-7) & (arc > 0.0) & (arc < run[-1])
    place, heading = (np.stack([np.interp(arc, run, v[:, k]) for k in range(3)], axis=1) for v in (points, tangent))
    sides = []
    for edge in (contours.left, contours.right):
        normal = np.cross(heading, camera.rays(edge))
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        sides.append(((camera.source - place) * normal).sum(axis=1))
    half = 0.5 * np.abs(sides[0] - sides[1])[used]
    share = 0.0 if contours.doubt is None else (contours.doubt / contours.width)[used]
    return Extents(arc[used], half, half * share)


def across(camera: Camera, points: Array, tangent: Array) -> tuple[Array, Array]:
    """(n, 3) unit vectors across rays and centreline, and (n,) the sine of the angle between these two."""
    ray = points - camera.source
    normal = np.cross(tangent, ray / np.linalg.norm(ray, axis=1, keepdims=True))
    sine = np.linalg.norm(normal, axis=1)
    return normal / np.maximum(sine, 1e-12)[:, None], sine


def fit_sections(
    half: Array,
    normal: Array,
    sine: Array,
    frame: tuple[Array, Array],
    options: SectionOptions | None = None,
    doubt: Array | None = None,
) -> Sections:
    """The roundest ellipses with the half-widths seen.

    Parameters
    ----------
    half, sine
        (views, n) half-widths, m, and sines of the angle between ray and centreline: oblique views count less.
    normal
        (views, n, 3) directions in the sections along which the half-widths are.
    frame
        Two (n, 3) unit vectors normal to the centreline and each other.
    doubt
        (views, n) by how much half-widths may be off besides, m: what is covered in one view is told by the other.
    """
    options = options or SectionOptions()
    alpha = np.arctan2((normal * frame[1]).sum(axis=2), (normal * frame[0]).sum(axis=2))
    edge = np.hypot(options.edge, 0.0 if doubt is None else doubt)
    square = (half**2 / edge**2).sum(axis=0) / (np.ones_like(half) / edge**2).sum(axis=0)
    rows = np.stack([np.ones_like(alpha), np.cos(2.0 * alpha), np.sin(2.0 * alpha)], axis=2)
    error = 2.0 * half * edge / square / np.maximum(sine, 0.1)
    weighted = rows / error[:, :, None]
    matrix = np.einsum("vnp,vnq->npq", weighted, weighted)
    matrix[:, [1, 2], [1, 2]] += options.eccentricity**-2
    right = np.einsum("vnp,vn->np", weighted, half**2 / square / error)
    mean, x, y = np.linalg.solve(matrix, right[:, :, None])[:, :, 0].T * square
    gap = np.hypot(x, y)
    if options.expected:
        spread = np.linalg.inv(matrix) * (square**2)[:, None, None]
        gap = np.sqrt(gap**2 + spread[:, 1, 1] + spread[:, 2, 2])
    most = (1.0 - options.least_ratio**2) / (1.0 + options.least_ratio**2)
    gap = np.minimum(gap, most * mean)
    turn = 0.5 * np.arctan2(y, x)[:, None]
    long, short = np.cos(turn) * frame[0] + np.sin(turn) * frame[1], np.cos(turn) * frame[1] - np.sin(turn) * frame[0]
    return Sections(np.sqrt(np.stack([mean + gap, mean - gap], axis=1)), np.stack([long, short], axis=1))
