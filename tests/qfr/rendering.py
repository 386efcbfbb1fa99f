"""Frames of tubes whose calibre is known: chords supersampled, a detector's blur, its pixels, counted quanta.

Independent of what reads them: the tubes' axes lie in one plane, so chords along the beam are closed forms, and those
of tubes that join are the larger of both. Lengths in pixels, a place being (column, row).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

Array = NDArray[Any]


@dataclass(frozen=True)
class Tube:
    """A tube about a line (n, 2) that lies in the image's plane.

    ``radius`` is the half-width over the arc length from the line's start, ``depth`` that half along the beam over it:
    1 for a circle. It ends flat at the line's ends.
    """

    line: Array
    radius: Callable[[Array], Array]
    depth: Callable[[Array], Array] = np.ones_like


def straight(start: tuple[float, float], end: tuple[float, float]) -> Array:
    length = np.hypot(end[0] - start[0], end[1] - start[1])
    return np.linspace(start, end, int(20 * length))


def arc(centre: tuple[float, float], radius: float, begin: float, end: float) -> Array:
    angle = np.linspace(begin, end, int(20 * radius * abs(end - begin)))
    return np.column_stack([centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)])


def lesion(healthy: float, severity: float, middle: float, length: float) -> Callable[[Array], Array]:
    """Half-width narrowed by a cosine, ``severity`` of the diameter at its middle."""

    def radius(s: Array) -> Array:
        inside = np.abs(s - middle) < 0.5 * length
        return healthy * (1.0 - inside * severity * 0.5 * (1.0 + np.cos(2.0 * np.pi * (s - middle) / length)))

    return radius


def chord(tube: Tube, places: Array) -> Array:
    """(n,) pixels along the beam through a tube at places (n, 2)."""
    along = np.gradient(tube.line, axis=0)
    steps = np.linalg.norm(np.diff(tube.line, axis=0), axis=1)
    reach = np.concatenate([[0.0], np.cumsum(steps)])
    widest = float(np.max(tube.radius(reach)))
    away, nearest = cKDTree(tube.line).query(places, distance_upper_bound=widest + 0.2)
    result = np.zeros(len(places))
    there = np.flatnonzero(np.isfinite(away))
    nearest, tangent = nearest[there], along[nearest[there]]
    tangent = tangent / np.linalg.norm(tangent, axis=1, keepdims=True)
    from_point = places[there] - tube.line[nearest]
    forward = np.einsum("ij,ij->i", from_point, tangent)
    s = reach[nearest] + forward
    across = np.hypot(*(from_point - forward[:, None] * tangent).T)
    inside = (forward > -0.06) & (forward < 0.06) | ((nearest > 0) & (nearest < len(reach) - 1))
    half = np.sqrt(np.maximum(tube.radius(s) ** 2 - across**2, 0.0)) * tube.depth(s)
    result[there] = np.where(inside, 2.0 * half, 0.0)
    return result


def render(
    tubes: list[Tube],
    shape: tuple[int, int] = (160, 160),
    *,
    absorption: float = 0.03,
    blur: float = 1.0,
    noise: float = 0.0,
    background: Callable[[Array, Array], Array] | None = None,
    scatter: float = 0.0,
    seed: int = 0,
    fine: int = 4,
) -> Array:
    """(rows, columns) dose, 1000 where nothing absorbs.

    Parameters
    ----------
    absorption
        1/pixel along the beam.
    blur
        Standard deviation of the Gaussian before pixels integrate, pixels.
    noise
        Standard deviation of quantum noise over the brightness where nothing absorbs.
    background
        Factor on the dose at (column, row).
    scatter
        Even dose that no vessel takes away, over that of the beam.
    """
    rows, columns = shape
    inner = (np.arange(fine) + 0.5) / fine - 0.5
    y, x = (np.arange(count)[:, None] + inner for count in shape)
    column, row = np.meshgrid(x.ravel(), y.ravel())
    places = np.column_stack([column.ravel(), row.ravel()])
    through = np.max([chord(tube, places) for tube in tubes], axis=0).reshape(column.shape)
    dose = np.exp(-absorption * through)
    if background is not None:
        dose = dose * background(column, row)
    dose = gaussian_filter(dose, blur * fine, mode="nearest", truncate=5.0)
    dose = dose.reshape(rows, fine, columns, fine).mean(axis=(1, 3)) + scatter
    return counted(1000.0 * dose, noise, seed)


def counted(dose: Array, noise: float, seed: int) -> Array:
    """Poisson's numbers about a dose, as many quanta to 1000 as make such noise there."""
    if noise <= 0.0:
        return dose
    quanta = 1e-3 / noise**2
    return np.random.default_rng(seed).poisson(dose * quanta) / quanta
