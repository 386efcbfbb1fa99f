"""Two views that an operator would take of a vessel, and a tree put where the C-arm turns about."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.qfr.camera import Camera
from hemo.tree import Branch, VesselTree

Array = NDArray[Any]

LEAST = np.radians(30.0)  # between the views
_STEP = 5.0  # degrees of the search
_PRIMARY, _SECONDARY = 60.0, 35.0
_FIELD = (0.15, 0.20)  # m, its width at the detector
_DETECTOR, _ISOCENTRE = (0.9, 1.2), (0.7, 0.8)  # m, from the source
_MARGIN, _TRIALS = 0.05, 60  # rim of the image that stays free of the branch; draws of the settings


def centred(tree: VesselTree, place: Array | None = None) -> VesselTree:
    """The tree moved so that a place (3,), m, or else the middle of the box round it, is at the isocentre."""
    points = np.concatenate([branch.points for branch in tree.branches])
    middle = 0.5 * (points.min(axis=0) + points.max(axis=0)) if place is None else place
    return replace(tree, branches=tuple(replace(branch, points=branch.points - middle) for branch in tree.branches))


def foreshortening(points: Array, camera: Camera) -> float:
    """Part of a course's length that a view hides: 1 - mean sine of the angle between its pieces and the rays."""
    piece = np.diff(points, axis=0)
    size = np.linalg.norm(piece, axis=1)
    ray = 0.5 * (points[1:] + points[:-1]) - camera.source
    along = np.abs((piece * ray).sum(axis=1)) / (size * np.linalg.norm(ray, axis=1))
    return 1.0 - float(np.sum(size * np.sqrt(1.0 - np.minimum(along, 1.0) ** 2)) / np.sum(size))


def overlapped(tree: VesselTree, name: str, camera: Camera) -> float:
    """Part of a branch's length whose shadow another vessel's touches, but for 5 mm about their common fork."""
    branch = tree[name]
    mine = camera.project(branch.points)
    width = 0.5 * branch.diameter / camera.pixel_at(branch.points)
    hidden = np.zeros(len(mine), dtype=bool)
    for other in tree.branches:
        if other.name == name:
            continue
        theirs = camera.project(other.points)
        reach = width[:, None] + 0.5 * other.diameter / camera.pixel_at(other.points)
        meets = ((mine[:, None] - theirs) ** 2).sum(axis=2) < reach**2
        near = np.linalg.norm(branch.points[:, None] - other.points, axis=2) < 5e-3
        hidden |= np.any(meets & ~near, axis=1)
    return float(hidden.mean())


def viewing(tree: VesselTree, name: str, rng: np.random.Generator) -> tuple[Camera, Camera]:
    """Two views at least 30 degrees apart that show a branch long and free, with settings of clinical kind by chance.

    Angles are searched every 5 degrees over primary -60 to 60, secondary -35 to 35. The source is 0.7 to 0.8 m from the
    isocentre and 0.9 to 1.2 m from the detector, whose field is 15 to 20 cm wide with 512 or 1024 pixels; settings that
    cut the branch off are drawn again.

    Raises
    ------
    InputError
        If the tree has no such branch.
    """
    if name not in {branch.name for branch in tree.branches}:
        raise InputError(f"tree {tree.name!r}: no branch is called {name!r}; choose one of its branches to view.")
    thin = _thinned(tree)
    angles = [
        (np.radians(a), np.radians(b))
        for a in np.arange(-_PRIMARY, _PRIMARY + 1.0, _STEP)
        for b in np.arange(-_SECONDARY, _SECONDARY + 1.0, _STEP)
    ]
    cameras = [Camera(a, b, 1.05, 0.75, (3e-4, 3e-4), (512, 512)) for a, b in angles]
    cost = np.array([foreshortening(thin[name].points, one) + 0.7 * overlapped(thin, name, one) for one in cameras])
    beams = np.array([one.axes[2] for one in cameras])
    apart = np.arccos(np.clip(np.abs(beams @ beams.T), 0.0, 1.0))
    both = np.where(apart >= LEAST - 1e-9, cost[:, None] + cost, np.inf)
    first, second = np.unravel_index(int(np.argmin(both)), both.shape)
    return _fitted(thin[name].points, (cameras[int(first)], cameras[int(second)]), rng)


def _fitted(points: Array, angles: tuple[Camera, Camera], rng: np.random.Generator) -> tuple[Camera, Camera]:
    """The views with the first settings drawn that show all points; after many draws, with those that show most."""
    for trial in range(_TRIALS + 1):
        last = trial == _TRIALS
        size = int(rng.choice([512, 1024]))
        pixel = (_FIELD[1] if last else float(rng.uniform(*_FIELD))) / size
        one, other = (
            replace(
                view,
                source_detector=_DETECTOR[0] if last else float(rng.uniform(*_DETECTOR)),
                source_isocentre=_ISOCENTRE[1] if last else float(rng.uniform(*_ISOCENTRE)),
                pixel=(pixel, pixel),
                shape=(size, size),
            )
            for view in angles
        )
        seen = np.concatenate([view.project(points) for view in (one, other)]) / size
        if last or np.all((seen > _MARGIN) & (seen < 1.0 - _MARGIN)):
            break
    return one, other


def _thinned(tree: VesselTree) -> VesselTree:
    """The tree with points about 1 mm apart, for the search."""
    branches: list[Branch] = []
    for branch in tree.branches:
        count = max(2, int(branch.length / 1e-3) + 1)
        thin = branch.sampled(np.linspace(0.0, branch.length, count))
        index = None
        if branch.parent is not None:
            mother = next(one for one in branches if one.name == branch.parent)
            place = tree[branch.parent].arc[branch.parent_index or 0]
            index = int(np.argmin(np.abs(mother.arc - place)))
        branches.append(replace(thin, parent_index=index))
    return VesselTree(tree.name, tuple(branches))
