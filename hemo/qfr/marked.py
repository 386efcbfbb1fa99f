"""What is drawn on a view: the vessel's contours, and the side branches that leave it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.qfr.camera import Camera
from hemo.qfr.cine import Contours
from hemo.qfr.midline import feet
from hemo.tree import Branch, SideBranch, arc_length

Array = NDArray[Any]


@dataclass(frozen=True)
class SideMark:
    """A side branch marked in a view: its name (the same in both views), where it leaves (2,), and how wide, pixels."""

    name: str
    place: Array
    diameter: float


@dataclass(frozen=True)
class View:
    """What one view shows of the vessel."""

    camera: Camera
    contours: Contours
    marks: tuple[SideMark, ...] = ()


def side_branches(views: Sequence[View], branch: Branch) -> tuple[SideBranch, ...]:
    """Marks of one name in both views are one side branch, at the mean place and of the mean diameter."""
    found: dict[str, list[tuple[float, float]]] = {}
    for view in views:
        seen = view.camera.project(branch.points)
        for mark in view.marks:
            place = np.asarray(mark.place, dtype=np.float64).reshape(1, 2)
            if not np.all(np.isfinite(place)) or not mark.diameter > 0.0:
                raise InputError(f"side branch {mark.name!r}: give its place on the image and its diameter in pixels.")
            run = arc_length(seen)
            at = float(np.interp(feet(place, seen, run), run, branch.arc)[0])
            index = int(np.searchsorted(branch.arc, at).clip(0, len(branch.arc) - 1))
            size = mark.diameter * float(view.camera.pixel_at(branch.points[index : index + 1])[0])
            found.setdefault(mark.name, []).append((at, size))
    sides = [SideBranch(branch.name, *(float(x) for x in np.mean(places, axis=0))) for places in found.values()]
    return tuple(sorted(sides, key=lambda side: side.place))
