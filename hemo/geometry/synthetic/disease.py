"""Random lesions: how the area falls along a vessel, and how much of it an eccentric bump takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.geometry.synthetic.anatomy import GeneratorOptions
from hemo.geometry.synthetic.tubes import bump_area_factor

Array = NDArray[Any]

# A nodule's depth stays below this fraction of the radius, and the throat above this radius (m).
_DEEPEST = 0.75
SMALLEST_THROAT = 0.30e-3


@dataclass(frozen=True)
class Narrowing:
    """One lesion: the area is that of the healthy section times (1 - severity w)^2.

    w rises from 0 at ``start`` to 1 at the throat and falls to 0 at ``end`` as half cosines; it stays at 1 over
    ``plateau`` of the length about the throat. Lengths are arc lengths of the branch, m; ``start`` may be
    negative (ostial). ``eccentricity`` is the bump's depth at the throat, ``angle`` its direction, radians.
    """

    branch: str
    start: float
    throat: float
    end: float
    severity: float
    plateau: float
    eccentricity: float
    angle: float

    def shape(self, arc: Array) -> Array:
        """(n,) w."""
        half = 0.5 * self.plateau
        rise = (arc - self.start) / ((1.0 - half) * (self.throat - self.start))
        fall = (self.end - arc) / ((1.0 - half) * (self.end - self.throat))
        return 0.5 * (1.0 - np.cos(np.pi * np.clip(np.minimum(rise, fall), 0.0, 1.0)))

    def applied(self, arc: Array) -> tuple[Array, Array]:
        """Factor (n,) on the round radius and the bump's depth (n,)."""
        shape = self.shape(arc)
        bump = self.eccentricity * shape
        return (1.0 - self.severity * shape) / np.sqrt(bump_area_factor(bump)), bump


def draw_narrowings(
    branches: dict[str, tuple[Array, Array, Array]], options: GeneratorOptions, rng: np.random.Generator
) -> list[Narrowing]:
    """Lesions of one tree.

    Parameters
    ----------
    branches
        By name: arc length (n,), healthy radius (n,), and arc lengths of its side branches (k,), m.
    """
    found: list[Narrowing] = []
    count = int(rng.integers(options.lesions[0], options.lesions[1] + 1))
    names = list(branches)
    # Lesions follow the calibre and the length: most lie in the proximal and middle parts of the main vessels.
    weight = np.array([arc[-1] * radius.mean() ** 2 for arc, radius, _ in branches.values()])
    for _ in range(60):
        if len(found) >= count:
            break
        name = str(rng.choice(names, p=weight / weight.sum()))
        candidate = _candidate(name, *branches[name], found, options, rng)
        if candidate is not None:
            found.append(candidate)
    return found


def _candidate(
    name: str,
    arc: Array,
    radius: Array,
    sides: Array,
    found: list[Narrowing],
    options: GeneratorOptions,
    rng: np.random.Generator,
) -> Narrowing | None:
    """One lesion, or None where it has no room."""
    length = arc[-1]
    extent = float(np.exp(rng.uniform(*np.log(options.lesion_length))))
    if extent > 0.6 * length:
        return None
    skew = float(rng.choice([0.5, rng.uniform(0.3, 0.7)]))
    throat = _place(arc, sides, [n for n in found if n.branch == name], extent, rng)
    # The throat lies on a centreline point so that the minimal lumen area is that of a section.
    index = int(np.argmin(np.abs(arc - throat)))
    throat = float(arc[index])
    start, end = throat - skew * extent, throat + (1.0 - skew) * extent
    if throat < arc[0] + 1.2e-3 or end > length - 4e-3 or radius[index] < 0.7e-3:
        return None
    for other in found:
        if other.branch == name and start < other.end + 0.5e-3 and other.start < end + 0.5e-3:
            return None
    severity = float(rng.uniform(*options.severity))
    severity = min(severity, 1.0 - SMALLEST_THROAT / float(radius[index]))
    if severity < options.severity[0]:
        return None
    if rng.random() < options.nodules:
        eccentricity = min(_DEEPEST, 2.4 * severity)
    else:
        eccentricity = min(_DEEPEST, 2.4 * severity) * float(rng.choice([0.0, rng.uniform(0.1, 0.6)]))
    plateau = float(rng.choice([0.0, rng.uniform(0.2, 0.6)])) if extent > 8e-3 else 0.0
    return Narrowing(name, start, throat, end, severity, plateau, eccentricity, float(rng.uniform(0, 2 * np.pi)))


def _place(arc: Array, sides: Array, mine: list[Narrowing], extent: float, rng: np.random.Generator) -> float:
    """Arc length of the throat: anywhere, at a bifurcation, at the ostium, or in tandem with another lesion."""
    kind = rng.choice(["anywhere", "bifurcation", "ostial", "tandem"], p=[0.5, 0.2, 0.12, 0.18])
    if kind == "bifurcation" and len(sides):
        return float(rng.choice(sides) + rng.uniform(-4e-3, 4e-3))
    if kind == "ostial":
        return float(rng.uniform(1.5e-3, 4e-3))
    if kind == "tandem" and mine:
        return float(mine[-1].end + rng.uniform(1e-3, 6e-3) + 0.5 * extent)
    return float(rng.uniform(arc[0], arc[-1]))
