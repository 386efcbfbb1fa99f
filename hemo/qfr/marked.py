"""What is drawn on a view: the vessel's contours, and the side branches that leave it."""

from __future__ import annotations

import logging
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
log = logging.getLogger(__name__)

DISAGREEING = 4.0 / 3.0  # of two views' diameters of a side branch
BEFORE = 8e-3  # m of the vessel before a side branch that tell its calibre there
WIDEST = 0.95  # of that calibre


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
    """Marks of one name in both views are one side branch, at the mean place and of the mean diameter.

    Where the views disagree by more than a third the thinner is taken: what lies over a vessel makes it wider. A side
    branch that would be as wide as the vessel that it leaves is left out, with a warning: it would seem to take most of
    the flow.
    """
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
    sides = []
    for name, seen_in in found.items():
        at, sizes = float(np.mean([at for at, _ in seen_in])), [size for _, size in seen_in]
        size = min(sizes) if max(sizes) > DISAGREEING * min(sizes) else float(np.mean(sizes))
        before = branch.diameter[(branch.arc >= at - BEFORE) & (branch.arc <= at)]
        mother = float(np.median(before)) if len(before) else float(branch.diameter[0])
        if size > WIDEST * mother:
            log.warning(
                "side branch %r comes out %.1f mm wide where the vessel is %.1f mm: it is left out and takes no flow; "
                "mark it farther from the ostium, or where no other vessel lies over it.",
                *(name, 1e3 * size, 1e3 * mother),
            )
            continue
        sides.append(SideBranch(branch.name, at, size))
    return tuple(sorted(sides, key=lambda side: side.place))
