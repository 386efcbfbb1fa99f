"""Calcium: its arc, thickness, length, score, and a nodule's protrusion into the lumen.

The arc is seen from the centre of the lumen. The score is that of Fujino et al. 2018 (EuroIntervention 13:e2182, doi
10.4244/EIJ-D-17-00962), derived in OCT: 2 points for a greatest angle above 180 degrees, 1 for a greatest thickness
above 0.5 mm, 1 for a length above 5 mm; of 4 points stents reached 78 % expansion, of 0 to 3 points 96 %. Ultrasound
does not pass calcium, so a thickness that was drawn in IVUS, and a score that counts it, are no measurement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label
from scipy.spatial import ConvexHull

from hemo.geometry.intravascular.contours import Frame
from hemo.geometry.intravascular.sections import Sections
from hemo.geometry.outline import length_inside, reach, swept_angles

Array = NDArray[Any]
FINE = np.radians(np.arange(0.0, 360.0, 1.0))
SUPERFICIAL = 0.1e-3  # m from the lumen: what lies deeper does not push it in
LEAST_PROTRUSION = 0.1e-3  # m: less is within the drawing of a contour


@dataclass(frozen=True)
class CalciumSections:
    """Calcium in every frame: (n,) each. Arc rad, thickness, depth (0: reaches the lumen) and protrusion m; 0
    without.
    """

    arc: Array
    thickness: Array
    depth: Array
    protrusion: Array


@dataclass(frozen=True)
class Deposit:
    """Calcium over successive frames ``first`` to ``last``, counted from the proximal end; lengths m, arc rad."""

    first: int
    last: int
    length: float
    arc: float
    thickness: float
    protrusion: float

    @property
    def score(self) -> int:
        """Fujino's, 0 to 4."""
        return 2 * (self.arc > np.pi) + (self.thickness > 0.5e-3) + (self.length > 5e-3)


def calcium_sections(frames: Sequence[Frame], sections: Sections) -> CalciumSections | None:
    """What each frame's calcium measures; None where none is drawn."""
    if not any(frame.calcium for frame in frames):
        return None
    rows = [
        _measured(frame, centre) if frame.calcium else np.zeros(4)
        for frame, centre in zip(frames, sections.centre, strict=True)
    ]
    return CalciumSections(*np.array(rows).T)


def deposits(found: CalciumSections, widths: Array) -> tuple[Deposit, ...]:
    """Calcium in one piece along the pullback; a frame stands for ``widths`` (n,) m of vessel, half-way to the next."""
    stretches, count = label(found.arc > 0.0)
    made = []
    for number in range(1, count + 1):
        own = np.flatnonzero(stretches == number)
        made.append(
            Deposit(
                int(own[0]),
                int(own[-1]),
                float(widths[own].sum()),
                float(found.arc[own].max()),
                float(found.thickness[own].max()),
                float(found.protrusion[own].max()),
            )
        )
    return tuple(made)


def _measured(frame: Frame, centre: Array) -> Array:
    spans = [_span(deposit, centre) for deposit in frame.calcium]
    thickness = max(float(length_inside(deposit, centre, FINE).max()) for deposit in frame.calcium)
    seen = np.vstack(frame.calcium) - centre
    lumen = reach(frame.lumen, centre, FINE)
    own = np.interp(np.arctan2(seen[:, 1], seen[:, 0]), FINE, lumen, period=2.0 * np.pi)
    depth = max(float((np.hypot(*seen.T) - own).min()), 0.0)
    protrusion = _protrusion(frame.lumen, centre, lumen, spans) if depth < SUPERFICIAL else 0.0
    return np.array([_covered(spans), thickness, depth, protrusion])


def _span(outline: Array, centre: Array) -> tuple[float, float]:
    """First and last angle under which an outline is seen, rad; a whole turn where it surrounds the centre."""
    angle = swept_angles(outline, centre)
    low, high = float(angle.min()), float(angle.max())
    if abs(angle[-1] - angle[0]) > np.pi or high - low >= 2.0 * np.pi:
        return 0.0, 2.0 * np.pi
    return low, high


def _covered(spans: Sequence[tuple[float, float]]) -> float:
    """Angle that spans cover together, rad."""
    parts = []
    for low, high in spans:
        start = low % (2.0 * np.pi)
        end = start + high - low
        parts.append((start, min(end, 2.0 * np.pi)))
        if end > 2.0 * np.pi:
            parts.append((0.0, end - 2.0 * np.pi))
    total, reached = 0.0, 0.0
    for low, high in sorted(parts):
        total += max(high - max(low, reached), 0.0)
        reached = max(reached, high)
    return min(total, 2.0 * np.pi)


def _protrusion(outline: Array, centre: Array, lumen: Array, spans: Sequence[tuple[float, float]]) -> float:
    """How deep the lumen is dented over the calcium, m: its greatest depth below its convex hull.

    No published definition in numbers was found, so this one is hemo's own. A hull spans a dent straight, a vessel
    would be round, so the depth is at most what a reader would measure from a circle.
    """
    hull = outline[ConvexHull(outline).vertices]
    turned = [np.mod(FINE - low, 2.0 * np.pi) <= high - low for low, high in spans]
    over = np.any(turned, axis=0)
    # Along a ray the dent looks deeper than it is across; the distance to the hull's nearest side is what counts.
    place = centre + lumen[:, None] * np.stack([np.cos(FINE), np.sin(FINE)], axis=1)
    side = np.roll(hull, -1, axis=0) - hull
    inward = np.stack([-side[:, 1], side[:, 0]], axis=1) / np.linalg.norm(side, axis=1, keepdims=True)
    below = ((place[:, None] - hull) * inward).sum(axis=2).min(axis=1)
    deepest = float(below[over].max()) if over.any() else 0.0
    return deepest if deepest >= LEAST_PROTRUSION else 0.0
