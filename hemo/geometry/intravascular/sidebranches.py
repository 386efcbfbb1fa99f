"""Side branches that the pullback's contours show: where their ostia lie and how wide they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from hemo.geometry.intravascular.contours import ANGLES, Frame
from hemo.geometry.intravascular.sections import Sections
from hemo.geometry.outline import area_and_centroid

Array = NDArray[Any]
SAME = np.radians(45.0)  # a branch is seen on successive frames in directions no farther apart
MEETS = 0.25e-3  # m between the contours of lumen and branch at an ostium; walls part them elsewhere


@dataclass(frozen=True)
class SeenBranch:
    """A side branch over successive frames.

    Attributes
    ----------
    frames
        Counted from the proximal end, increasing.
    place
        Of its ostium, m: a branch leaves distally, so it is the most proximal frame that shows it.
    diameter
        Median over the frames by the ostium of the contour's least width, m: a slanting cut only makes it longer.
    angle
        Direction in which it lies from the lumen's centre at the ostium, rad.
    gap
        Between the contours of lumen and branch at the ostium, m.
    """

    frames: tuple[int, ...]
    place: float
    diameter: float
    angle: float
    gap: float

    @property
    def joins(self) -> bool:
        """Whether the contours show that it leaves this vessel within the pullback."""
        return self.gap <= MEETS


def seen_branches(frames: Sequence[Frame], sections: Sections) -> tuple[SeenBranch, ...]:
    """The side branches, proximal first: contours of successive frames in about one direction."""
    runs: list[list[tuple[int, int, float]]] = []  # of (frame, contour, direction)
    for number, frame in enumerate(frames):
        open_runs = [run for run in runs if run[-1][0] == number - 1]
        for which, outline in enumerate(frame.branches):
            offset = area_and_centroid(outline)[1] - sections.centre[number]
            angle = float(np.arctan2(offset[1], offset[0]))
            near = [run for run in open_runs if abs(np.angle(np.exp(1j * (run[-1][2] - angle)))) < SAME]
            if near:
                chosen = min(near, key=lambda run: abs(np.angle(np.exp(1j * (run[-1][2] - angle)))))
                chosen.append((number, which, angle))
                open_runs = [run for run in open_runs if run is not chosen]
            else:
                runs.append([(number, which, angle)])
    return tuple(_branch(run, frames) for run in runs)


def _branch(run: Sequence[tuple[int, int, float]], frames: Sequence[Frame]) -> SeenBranch:
    first, which, angle = run[0]
    outline = frames[first].branches[which]
    gap = float(cKDTree(frames[first].lumen).query(outline)[0].min())
    widths = [least_width(frames[number].branches[one]) for number, one, _ in run[:3]]
    place = frames[first].place
    return SeenBranch(tuple(number for number, _, _ in run), place, float(np.median(widths)), angle, gap)


def least_width(outline: Array) -> float:
    """Smallest distance of two parallel lines that hold an outline between them."""
    half = ANGLES[: len(ANGLES) // 2]
    shadow = outline @ np.stack([np.cos(half), np.sin(half)])
    return float(np.ptp(shadow, axis=0).min())
