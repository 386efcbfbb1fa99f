"""A view's midline made smooth: even in arc length on the image, with its direction and its width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BSpline
from scipy.linalg import eigh

from hemo.errors import InputError
from hemo.qfr.cine import Contours
from hemo.tree import arc_length

Array = NDArray[Any]

FEWEST = 12  # midline points
KNOT = 4.0  # pixels: finer than a lumen's calibre changes, coarser than the noise of single pixels


@dataclass(frozen=True)
class Midline:
    """Points of a midline about one pixel apart, proximal to distal.

    Attributes
    ----------
    arc
        (n,) length along the image from the first point, pixels.
    points, tangent
        (n, 2) column and row, and unit vectors pointing distally.
    log_width
        (n,) logarithm of the width in pixels.
    log_slope
        (n,) its derivative along ``arc``, 1/pixel.
    """

    arc: Array
    points: Array
    tangent: Array
    log_width: Array
    log_slope: Array

    def at(self, arc: Array) -> Array:
        """(k, 2) points at lengths (k,) along the image."""
        return np.stack([np.interp(arc, self.arc, self.points[:, k]) for k in range(2)], axis=1)


def smoothed(along: Array, values: Array, wanted: Array, derivative: int = 0, knot: float = KNOT) -> Array:
    """Values (n,) or (n, d) at increasing places ``along`` (n,), smoothed and taken at the places ``wanted``.

    A penalised cubic spline (Eilers and Marx 1996, Stat Sci 11:89) whose smoothness is what generalised
    cross-validation tells (Craven and Wahba 1979, Numer Math 31:377): exact contours are kept as they are, and of noisy
    ones the noise is taken off. ``knot`` is the distance of its knots, unless the
    places are farther apart.
    """
    count = max(6, round((along[-1] - along[0]) / max(knot, float(np.median(np.diff(along))))))
    knots = uniform_knots(along[0], along[-1], count)
    basis = BSpline.design_matrix(np.clip(along, along[0], along[-1]), knots, 3).toarray()
    columns = values.reshape(len(values), -1)
    mean = columns.mean(axis=0)
    # Of third differences: those of second ones fill the throat of a short lesion by 0.02 mm at 0.3 pixels of noise.
    rough = np.diff(np.eye(basis.shape[1]), 3, axis=0)
    gram = basis.T @ basis
    gram += 1e-10 * np.trace(gram) / len(gram) * np.eye(len(gram))  # a knot's interval may hold no place
    stiff, modes = eigh(rough.T @ rough, gram)
    share = modes.T @ (basis.T @ (columns - mean))
    damping = np.maximum(stiff, 0.0) * np.logspace(-9.0, 5.0, 57)[:, None]  # (penalties, modes)
    lost = damping / (1.0 + damping)
    left = ((columns - mean) ** 2).sum(axis=0) - (share**2).sum(axis=0) + lost**2 @ share**2
    free = len(along) - (1.0 - lost).sum(axis=1)
    best = (np.maximum(left, 0.0) / np.maximum(free, 1.0)[:, None] ** 2).argmin(axis=0)
    spline = BSpline(knots, modes @ ((1.0 - lost[best]).T * share), 3)
    taken = spline(np.clip(wanted, along[0], along[-1]), nu=derivative) + (mean if derivative == 0 else 0.0)
    return np.asarray(taken.reshape(len(wanted), *values.shape[1:]))


def uniform_knots(start: float, end: float, intervals: int) -> Array:
    """Evenly spaced knots of a cubic spline with the given number of intervals between two places."""
    step = (end - start) / intervals
    knots = start + step * np.arange(-3, intervals + 4)
    knots[3], knots[-4] = start, end
    return knots


def smooth_midline(contours: Contours, where: str) -> Midline:
    """The midline of a view's contours.

    Raises
    ------
    InputError
        Naming the view ``where`` and what its contours lack.
    """
    check_contours(contours, where)
    given = arc_length(contours.midline)
    arc = np.linspace(0.0, given[-1], max(FEWEST, round(given[-1]) + 1))
    tangent = smoothed(given, contours.midline, arc, derivative=1)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    width = np.log(contours.width)
    slope = smoothed(given, width, arc, derivative=1)
    return Midline(arc, smoothed(given, contours.midline, arc), tangent, smoothed(given, width, arc), slope)


def check_contours(contours: Contours, where: str) -> None:
    """Refuse contours that no reconstruction can use."""
    n = len(contours.midline)
    for label, line in (("midline", contours.midline), ("left edge", contours.left), ("right edge", contours.right)):
        if line.shape != (n, 2) or n < FEWEST:
            raise InputError(f"{where}: the {label} needs one column and row for each of at least {FEWEST} points.")
        if not np.all(np.isfinite(line)):
            raise InputError(f"{where}: a point of the {label} is not a number.")
    if np.any(np.diff(arc_length(contours.midline)) <= 0.0):
        raise InputError(f"{where}: two successive midline points coincide.")
    if np.any(contours.width <= 0.0):
        raise InputError(f"{where}: the edges meet, so the vessel has no width there; draw them apart, or end before.")


def feet(points: Array, line: Array, arc: Array, guess: Array | None = None, reach: float = np.inf) -> Array:
    """(k,) arc lengths of the places of a polyline nearest to points (k, d).

    Parameters
    ----------
    line, arc
        (n, d) corners and (n,) their arc lengths; the end segments go on beyond the ends.
    guess, reach
        (k,) arc lengths near which the places are looked for, and how near: a line may cross itself.
    """
    side = np.diff(line, axis=0)
    square = np.einsum("md,md->m", side, side)
    offset = points[:, None, :] - line[None, :-1, :]
    share = np.einsum("kmd,md->km", offset, side) / square
    share[:, 1:] = np.maximum(share[:, 1:], 0.0)
    share[:, :-1] = np.minimum(share[:, :-1], 1.0)
    distance = ((offset - share[..., None] * side) ** 2).sum(axis=2)
    if guess is not None:
        middle = 0.5 * (arc[1:] + arc[:-1])
        away = np.abs(middle - guess[:, None])
        allowed = np.maximum(reach, away.min(axis=1, keepdims=True))
        distance = np.where(away <= allowed, distance, np.inf)
    nearest = distance.argmin(axis=1)
    own = share[np.arange(len(points)), nearest]
    return np.asarray(arc[nearest] + own * np.diff(arc)[nearest])
