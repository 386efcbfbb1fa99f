"""A pullback's outlines, frame by frame, and what makes them unfit to measure.

Places run along the pullback from its most proximal frame, m. Outlines lie in their frame's plane, m,
counter-clockwise, the first point not repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.geometry.outline import area_and_centroid, crosses_itself, is_star, reach, resampled

Array = NDArray[Any]
Kind = Literal["lumen", "eem", "stent", "calcium", "branch"]
NAMES = {
    "lumen": "lumen",
    "eem": "external elastic membrane",
    "stent": "stent",
    "calcium": "calcium",
    "branch": "branch",
}

FEWEST_POINTS = 12
FEWEST_FRAMES = 3
MOST_POINTS = 1000  # of an outline: more are thinned out
# Equivalent diameters, m, outside which an outline is not in the unit said, or is not what it is said to be.
DIAMETERS = {"lumen": (0.4e-3, 10e-3), "eem": (0.8e-3, 12e-3), "stent": (0.8e-3, 8e-3), "calcium": (5e-5, 8e-3)}
DIAMETERS["branch"] = (0.1e-3, 8e-3)
STRAY = 10.0, 0.03  # a side this many times as long as the usual one, and this part of the perimeter, is no outline's
OUTSIDE = 0.3e-3  # m: the lumen may cross the membrane, calcium may cross either, by so much
# Factors of area by which no lumen, and no vessel, changes within one frame and back.
JUMP: dict[Kind, float] = {"lumen": 4.0, "eem": 2.0}
WIDE_GAP = 1.8  # times the usual spacing
LONGEST_GAP = 5e-3  # m between frames
ANGLES = np.radians(np.arange(0.0, 360.0, 2.0))


@dataclass(frozen=True)
class Frame:
    """The outlines (k, 2), m, of one frame; ``number`` is the file's, ``place`` the distance from the first frame,
    m.
    """

    number: int
    place: float
    lumen: Array
    eem: Array | None = None
    stent: Array | None = None
    calcium: tuple[Array, ...] = ()
    branches: tuple[Array, ...] = ()


@dataclass(frozen=True)
class Pullback:
    """Frames, proximal first.

    Attributes
    ----------
    name
        For the report.
    frames
        With places that increase from 0.
    ostium
        Place of the mark on the ostium, m; None where there is none.
    modality
        ``"ivus"``, ``"oct"`` or None where nobody said.
    warnings
        What a reader must know of the contours.
    """

    name: str
    frames: tuple[Frame, ...]
    ostium: float | None = None
    modality: Literal["ivus", "oct"] | None = None
    warnings: tuple[str, ...] = ()

    @property
    def place(self) -> Array:
        """(n,) m."""
        return np.array([frame.place for frame in self.frames])

    @property
    def widths(self) -> Array:
        """(n,) length of vessel that each frame stands for, m: half-way to its neighbours."""
        place = self.place
        middle = 0.5 * (place[1:] + place[:-1])
        edges = np.concatenate([[2 * place[0] - middle[0]], middle, [2 * place[-1] - middle[-1]]])
        return np.diff(edges)

    @property
    def spacing(self) -> float:
        """The usual distance of two frames, m."""
        return float(np.median(np.diff(self.place)))


def checked_outline(points: Array, kind: Kind, where: str) -> Array:
    """An outline (k, 2), m, without repeated points and counter-clockwise.

    Raises
    ------
    InputError
        If it has too few points, is open, has a stray point, crosses itself, or is no size for what it is.
    """
    name = f"{where}: the {NAMES[kind]} contour"
    if not np.all(np.isfinite(points)):
        raise InputError(f"{name} holds a value that is not a number; export it again.")
    moved = np.linalg.norm(points - np.roll(points, 1, axis=0), axis=1) > 1e-9
    points = points[moved]
    if len(points) < FEWEST_POINTS:
        raise InputError(f"{name} has {len(points)} points; at least {FEWEST_POINTS} are needed.")
    if len(points) > MOST_POINTS:
        points = resampled(points, MOST_POINTS)
    side = np.linalg.norm(np.roll(points, -1, axis=0) - points, axis=1)
    long = (side > STRAY[0] * np.median(side)) & (side > STRAY[1] * side.sum())
    if long.any():
        what = "is open" if long.sum() == 1 else "has a point far from its neighbours"
        raise InputError(
            f"{name} {what}: {1e3 * side.max():.2f} mm lie between two of its points, {1e3 * np.median(side):.3f} mm "
            "usually; close it or correct it."
        )
    area, middle = area_and_centroid(points)
    low, high = DIAMETERS[kind]
    diameter = 2.0 * np.sqrt(abs(area) / np.pi)
    if not is_star(points, middle) and crosses_itself(points):
        raise InputError(f"{name} crosses itself; correct it.")
    if not low <= diameter <= high:
        raise InputError(
            f"{name} is {1e3 * diameter:.4g} mm wide, outside {1e3 * low:g} to {1e3 * high:g} mm; coordinates are "
            "in mm unless --unit says otherwise."
        )
    return points if area > 0.0 else points[::-1]


def check_frame(frame: Frame, where: str) -> list[str]:
    """What is odd about a frame's outlines among one another.

    Raises
    ------
    InputError
        If they cannot belong to one frame.
    """
    said = []
    area, middle = area_and_centroid(frame.lumen)
    lumen = reach(frame.lumen, middle, ANGLES)
    if np.isnan(lumen).any():
        raise InputError(f"{where}: the lumen does not surround its centre of area; correct its contour.")
    outer = lumen
    if frame.eem is not None:
        outer = reach(frame.eem, middle, ANGLES)
        beyond = np.inf if np.isnan(outer).any() else float((lumen - outer).max())
        if beyond > OUTSIDE or area_and_centroid(frame.eem)[0] < area:
            raise InputError(
                f"{where}: the lumen lies outside the external elastic membrane; check that both contours are of this "
                "frame and in one unit."
            )
        if beyond > 0.1e-3:
            said.append(f"{where}: the lumen crosses the external elastic membrane by {1e3 * beyond:.2f} mm.")
    if frame.stent is not None:
        own = area_and_centroid(frame.stent)[1]
        beside = np.linalg.norm(own - middle) > 0.5 * np.sqrt(area)
        if beside or np.isnan(reach(frame.lumen, own, ANGLES)).any() or np.isnan(reach(frame.stent, own, ANGLES)).any():
            raise InputError(f"{where}: the stent lies beside the lumen; check that both contours are of this frame.")
    for deposit in frame.calcium:
        seen = deposit - middle
        distance, angle = np.hypot(*seen.T), np.arctan2(seen[:, 1], seen[:, 0])
        own = np.interp(angle, ANGLES, lumen, period=2.0 * np.pi)
        if np.mean(distance < own - 0.1e-3) > 0.5:
            raise InputError(f"{where}: calcium lies within the lumen; check that both contours are of this frame.")
        limit = np.interp(angle, ANGLES, outer, period=2.0 * np.pi) + (OUTSIDE if frame.eem is not None else 3e-3)
        if np.any(distance > limit):
            raise InputError(
                f"{where}: calcium lies outside the vessel's wall; check that its contour is of this frame."
            )
    return said


def check_frames(frames: Sequence[Frame], where: str) -> list[str]:
    """What is odd about the frames along the pullback.

    Raises
    ------
    InputError
        If they are too few, too far apart, repeated, or one differs from both its neighbours as no vessel does.
    """
    if len(frames) < FEWEST_FRAMES:
        raise InputError(f"{where}: holds {len(frames)} frames; at least {FEWEST_FRAMES} are needed.")
    for before, after in pairwise(frames):
        if np.array_equal(before.lumen, after.lumen):
            raise InputError(f"{where}: frames {before.number} and {after.number} hold one and the same lumen.")
    _check_jumps([(frame.number, frame.lumen) for frame in frames], "lumen", where)
    walls = [(frame.number, frame.eem) for frame in frames if frame.eem is not None]
    _check_jumps(walls, "eem", where)
    said = _gaps(frames, where)
    if 0 < len(walls) < len(frames):
        said.append(
            f"{where}: the external elastic membrane is drawn in {len(walls)} of {len(frames)} frames; plaque is "
            "measured in those alone."
        )
    return said


def _gaps(frames: Sequence[Frame], where: str) -> list[str]:
    said = []
    steps = np.diff([frame.place for frame in frames])
    usual = float(np.median(steps))
    for number in np.flatnonzero(steps > min(max(WIDE_GAP * usual, 1e-4), LONGEST_GAP)):
        pair = f"frames {frames[number].number} and {frames[number + 1].number}"
        if steps[number] > LONGEST_GAP:
            raise InputError(f"{where}: {1e3 * steps[number]:.1f} mm lie between {pair}; frames are missing there.")
        said.append(f"{where}: {1e3 * steps[number]:.2f} mm lie between {pair}, {1e3 * usual:.2f} mm usually.")
    return said


def _check_jumps(outlines: Sequence[tuple[int, Array]], kind: Kind, where: str) -> None:
    """Refuse an outline that is far larger or smaller than both its neighbours."""
    area = [area_and_centroid(outline)[0] for _, outline in outlines]
    most = JUMP[kind]
    for k in range(1, len(area) - 1):
        before, own, after = area[k - 1 : k + 2]
        if own > most * max(before, after) or own < min(before, after) / most:
            raise InputError(
                f"{where}: the {NAMES[kind]} of frame {outlines[k][0]} has {1e6 * own:.2f} mm², its neighbours "
                f"{1e6 * before:.2f} and {1e6 * after:.2f} mm²; check that contour."
            )
