"""Outlines as a file held them, put together to frames in metres, proximal first, or refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.geometry.intravascular.contours import (
    NAMES,
    Frame,
    Kind,
    Pullback,
    check_frame,
    check_frames,
    checked_outline,
)

Array = NDArray[Any]
UNITS = {"um": 1e-6, "mm": 1e-3, "cm": 1e-2, "m": 1.0}


@dataclass(frozen=True)
class Reading:
    """What is known of a pullback besides its file.

    Attributes
    ----------
    unit
        Of the coordinates: ``"um"``, ``"mm"``, ``"cm"`` or ``"m"``; None for what the file says, or mm.
    frame_step
        Length of vessel from one frame number to the next, m, in place of the file's z: the frames' spacing, or
        pullback speed over frame rate.
    first
        Which end the first frame of the file is; None for what the file says, or the mark on the ostium, or distal.
    modality
        Overrides the file's.
    """

    unit: str | None = None
    frame_step: float | None = None
    first: Literal["distal", "proximal"] | None = None
    modality: Literal["ivus", "oct"] | None = None


@dataclass(frozen=True)
class Outline:
    """One closed outline (k, 2) in the file's unit; ``depth`` is its frame's z, None where the file has none."""

    kind: Kind
    frame: int
    depth: float | None
    points: Array
    file: str


def assembled(name: str, where: str, outlines: Sequence[Outline], ostium: int | None, reading: Reading) -> Pullback:
    """The pullback that outlines make; ``ostium`` is the number of the frame with its mark.

    Raises
    ------
    InputError
        If an outline, a frame or their order is unfit to measure.
    """
    scale = UNITS[reading.unit or "mm"]
    numbers = list(dict.fromkeys(one.frame for one in outlines if one.kind == "lumen"))
    depth = _depths(where, numbers, outlines, reading, scale)
    by_frame: dict[int, dict[Kind, list[Array]]] = {number: {} for number in numbers}
    for one in outlines:
        spot = f"{one.file}, frame {one.frame}"
        if one.frame not in by_frame:
            raise InputError(f"{spot}: has a {NAMES[one.kind]} contour, but no lumen; give both, or neither.")
        made = checked_outline(scale * one.points, one.kind, spot)
        by_frame[one.frame].setdefault(one.kind, []).append(made)
    places = np.array([depth[number] for number in numbers])
    if ostium is not None and not min(numbers) <= ostium <= max(numbers):
        raise InputError(f"{where}: the mark on the ostium is in frame {ostium}, which is not in the pullback.")
    order = np.argsort(numbers)
    mark = None if ostium is None else float(np.interp(ostium, np.array(numbers)[order], places[order]))
    reversed_, said = _proximal_last(where, places, mark, reading)
    start, onwards = (places[-1], places[0]) if reversed_ else (places[0], places[-1])
    along = np.sign(onwards - start)
    frames = [_frame(number, along * (depth[number] - start) + 0.0, by_frame[number], where) for number in numbers]
    frames = frames[::-1] if reversed_ else frames
    for frame in frames:
        said += check_frame(frame, f"{where}, frame {frame.number}")
    said += check_frames(frames, where)
    at = None if mark is None else float(along * (mark - start) + 0.0)
    return Pullback(name, tuple(frames), at, reading.modality, tuple(said))


def _depths(
    where: str, numbers: Sequence[int], outlines: Sequence[Outline], reading: Reading, scale: float
) -> Mapping[int, float]:
    """z of every frame, m, strictly one way along the pullback."""
    if not numbers:
        raise InputError(f"{where}: holds no lumen contour.")
    if reading.frame_step is not None:
        return {number: reading.frame_step * number for number in numbers}
    depth: dict[int, float] = {}
    for one in outlines:
        if one.depth is None:
            raise InputError(
                f"{where}: has no z; give --frame-spacing, or --pullback-speed and --frame-rate, or a column z."
            )
        told = depth.setdefault(one.frame, scale * one.depth)
        if abs(told - scale * one.depth) > 2e-6:
            raise InputError(
                f"{one.file}, frame {one.frame}: z is {1e3 * scale * one.depth:.4g} mm for the {NAMES[one.kind]} and "
                f"{1e3 * told:.4g} mm for the lumen; export them from one pullback."
            )
    steps = np.diff([depth[number] for number in numbers])
    wrong = np.flatnonzero((steps == 0.0) | (np.sign(steps) != np.sign(steps.sum())))
    if len(wrong):
        raise InputError(
            f"{where}, frame {numbers[int(wrong[0]) + 1]}: z does not go on in one direction from frame "
            f"{numbers[int(wrong[0])]}; sort the frames, or give --frame-spacing."
        )
    return depth


def _proximal_last(where: str, places: Array, mark: float | None, reading: Reading) -> tuple[bool, list[str]]:
    """Whether the last frame is the proximal one, and what to say of it."""
    if reading.first is not None:
        return reading.first == "distal", []
    if mark is None:
        return True, [
            f"{where}: the first frame is taken for the distal end, as in a pullback; --first proximal if not."
        ]
    share = (mark - places[0]) / (places[-1] - places[0])
    if 0.25 < share < 0.75:
        raise InputError(
            f"{where}: the mark on the ostium lies at neither end of the pullback; say --first distal or proximal."
        )
    return share > 0.5, []


def _frame(number: int, place: float, found: Mapping[Kind, list[Array]], where: str) -> Frame:
    for kind in ("lumen", "eem", "stent"):
        if len(found.get(kind, ())) > 1:
            raise InputError(f"{where}, frame {number}: has more than one {NAMES[kind]} contour; keep one.")

    for kind, outlines in found.items():
        if any(np.array_equal(a, b) for a, b in combinations(outlines, 2)):
            raise InputError(f"{where}, frame {number}: the same {NAMES[kind]} contour is there twice; remove one.")

    def one(kind: Kind) -> Array | None:
        return found[kind][0] if kind in found else None

    return Frame(
        number,
        float(place),
        found["lumen"][0],
        one("eem"),
        one("stent"),
        tuple(found.get("calcium", ())),
        tuple(found.get("branch", ())),
    )
