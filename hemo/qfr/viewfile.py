"""A view made ready for QFR: its cine, with the vessel's contours as they were drawn or as they are traced now."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.qfr.cine import Cine, Contours
from hemo.qfr.contours import TraceOptions, side_branch, traced
from hemo.qfr.contoursjson import Landmark, SideBranchMark, ViewContours, ViewPoints
from hemo.qfr.marked import SideMark

Array = NDArray[Any]
log = logging.getLogger(__name__)

NEARBY = 24  # frames before and after the marked one that may show the vessel alike


@dataclass(frozen=True)
class MarkedView:
    """One view of the vessel.

    Attributes
    ----------
    cine
        Its frames and geometry.
    contours
        The vessel on one of them.
    sides
        Side branches.
    landmarks
        (2,) column and row by name, pixels.
    blur
        Of the frame, as tracing found it, pixels; None where contours were given.
    """

    cine: Cine
    contours: Contours
    sides: tuple[SideMark, ...] = ()
    landmarks: dict[str, Array] = field(default_factory=dict)
    blur: float | None = None


def marked(cine: Cine, drawn: ViewContours | ViewPoints, where: str, options: TraceOptions | None = None) -> MarkedView:
    """The view with its contours, traced where only points are given; ``where`` begins every message.

    Raises
    ------
    InputError
        If the frame does not exist, contours lie outside of it, or cannot be traced.
    """
    frame = drawn.frame if isinstance(drawn, ViewPoints) else drawn.contours.frame
    if frame >= len(cine.frames):
        raise InputError(f"{where}: frame {frame} is not in the cine, whose frames are 0 to {len(cine.frames) - 1}.")
    landmarks = {one.name: np.array(one.place) for one in drawn.landmarks if one.name}
    if isinstance(drawn, ViewContours):
        _check_within(drawn.contours.midline, cine, where)
        sides = tuple(
            SideMark(mark.name or f"side branch {number}", drawn.contours.midline[mark.index], mark.diameter)
            for number, mark in enumerate(drawn.side_branches, 1)
        )
        return MarkedView(cine, drawn.contours, sides, landmarks)
    _check_within(drawn.points, cine, where)
    try:
        return _traced(cine, drawn, landmarks, where, options or TraceOptions())
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _traced(
    cine: Cine, drawn: ViewPoints, landmarks: dict[str, Array], where: str, options: TraceOptions
) -> MarkedView:
    options = replace(options, logarithmic=cine.logarithmic)
    picture = np.asarray(cine.frames[drawn.frame], dtype=np.float64)
    near = range(max(0, drawn.frame - NEARBY), min(len(cine.frames), drawn.frame + NEARBY + 1))
    others = [cine.frames[number] for number in near if number != drawn.frame]
    found = traced(picture, drawn.points, options, others)
    for sentence in found.warnings:
        log.warning("%s: %s", where, sentence)
    contours = replace(found.contours, frame=drawn.frame, calibration=drawn.calibration)
    options = replace(options, blur=found.blur)
    sides = []
    for number, side in enumerate(drawn.side_branches, 1):
        name = side.name or f"side branch {number}"
        try:
            index, diameter = side_branch(picture, contours, np.array(side.place), options)
        except InputError as error:  # the other view may show it
            log.warning("%s: side branch %r is left out here: %s", where, name, error)
            continue
        sides.append(SideMark(name, contours.midline[index], diameter))
    return MarkedView(cine, contours, tuple(sides), landmarks, found.blur)


def drawn_of(view: MarkedView) -> ViewContours:
    """What the view's file would hold, to be edited and given back."""
    marks = []
    for side in view.sides:
        index = int(np.argmin(np.linalg.norm(view.contours.midline - side.place, axis=1)))
        marks.append(SideBranchMark(side.name, index, side.diameter))
    landmarks = tuple(Landmark(name, (float(at[0]), float(at[1]))) for name, at in view.landmarks.items())
    return ViewContours(view.contours, tuple(marks), landmarks)


def marks_beside(dicom: Path) -> Path:
    """Where a view's marks are looked for when no file is named: the cine's name with ``.json``."""
    return dicom.with_suffix(".json")


def _check_within(points: Array, cine: Cine, where: str) -> None:
    rows, columns = cine.camera.shape
    if np.any(points < -0.5) or np.any(points > np.array([columns, rows]) - 0.5):
        raise InputError(f"{where}: a point lies outside the image of {columns} columns and {rows} rows.")
