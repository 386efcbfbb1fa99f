"""What a person marks on a virtual angiogram: a frame, points along the vessel, side branches, forks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.qfr.contoursjson import Landmark, ViewPoints
from hemo.qfr.synthetic.truth import Truth
from hemo.qfr.synthetic.way import VesselPath
from hemo.tree import Branch, VesselTree

Array = NDArray[Any]


@dataclass(frozen=True)
class Habits:
    """How a person marks.

    Attributes
    ----------
    first
        Distance of the first point from the ostium, m: the catheter's tip is before it.
    least_wide
        The last point lies where the healthy vessel is still so wide, m.
    apart
        Of the points along the vessel, m.
    off
        Standard deviation of a mark, pixels.
    """

    first: float = 4e-3
    least_wide: float = 1.8e-3
    apart: float = 15e-3
    off: float = 1.5


def last_place(branch: Branch, habits: Habits | None = None) -> float:
    """Arc length (m) of the person's last point: where the healthy vessel is last wide enough."""
    wide = branch.arc[2.0 * branch.reference_radius >= (habits or Habits()).least_wide]
    return float(min(wide[-1], branch.length - 1e-3))


def marked_by_person(
    path: VesselPath, names: Sequence[str], truth: Truth, rng: np.random.Generator, habits: Habits | None = None
) -> ViewPoints:
    """Marks on the end-diastolic frame on which the vessel is filled best all along.

    Parameters
    ----------
    path
        The way to be marked, of the tree that was seen; ``names`` are the branches that it follows.
    """
    habits, branch = habits or Habits(), path.tree.root
    filled = np.min([truth.concentration[name][truth.end_diastolic].min(axis=1) for name in names], axis=0)
    frame = int(truth.end_diastolic[int(np.argmax(filled))])
    end = last_place(branch, habits)
    arc = np.linspace(habits.first, end, max(3, int((end - habits.first) / habits.apart) + 2))
    inside = habits.first + 2e-3, end - 2e-3

    def clicked(points: Array) -> Array:
        shown = truth.camera.project(points - np.array([0.0, 0.0, float(truth.breath[frame])]))
        return np.asarray(shown + rng.normal(0.0, habits.off, shown.shape))

    def marks(kind: str, points: Array) -> tuple[Landmark, ...]:
        return tuple(Landmark(f"{kind} {k}", (float(x), float(y))) for k, (x, y) in enumerate(clicked(points)))

    forks = [one.place for one in path.tree.side_branches if inside[0] < one.place < inside[1]]
    sides = side_places(truth.tree, names, path, inside)
    return ViewPoints(
        frame,
        clicked(branch.sampled(arc).points),
        marks("side", sides),
        marks("fork", branch.sampled(np.array(forks)).points),
    )


def side_places(tree: VesselTree, names: Sequence[str], path: VesselPath, inside: tuple[float, float]) -> Array:
    """(s, 3) a place in every other vessel that leaves within a stretch, some diameters behind its ostium, m."""
    found: list[Array] = []
    for name in names:
        for child in tree.children(name):
            start = tree[name].points[child.parent_index or 0]
            place = float(path.tree.root.arc[np.argmin(np.linalg.norm(path.tree.root.points - start, axis=1))])
            if child.name not in names and inside[0] < place < inside[1]:
                found.append(
                    child.sampled(np.array([min(4.0 * float(child.diameter[0]), 0.7 * child.length)])).points[0]
                )
    return np.array(found).reshape(-1, 3)
