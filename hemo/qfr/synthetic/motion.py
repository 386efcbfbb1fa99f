"""How the vessels move: with the beat, with the breath. A smooth map of all space, so that lumens stay whole."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.qfr.synthetic.lumen import Lumen
from hemo.tree import VesselTree

Array = NDArray[Any]


@dataclass(frozen=True)
class MotionOptions:
    """Sizes of the movement.

    Attributes
    ----------
    translation
        (3,) shift of all vessels in mid systole, LPS, m.
    bending
        How far the part of the tree farthest from the ostium moves besides, in mid systole, m.
    systole, relaxation
        Parts of the beat: from the R wave to the farthest place, and from there back to rest.
    breath, breath_period
        Largest shift towards the feet (m), and how long a breath takes (s).
    """

    translation: tuple[float, float, float] = (2e-3, 1e-3, -3e-3)
    bending: float = 5e-3
    systole: float = 0.36
    relaxation: float = 0.30
    breath: float = 2e-3
    breath_period: float = 4.5


def contraction(phase: Array, options: MotionOptions) -> Array:
    """(k,) 0 at end-diastole to 1 at end-systole, smooth over the beat; the vessels rest in late diastole."""
    phase = np.asarray(phase) % 1.0
    rising = np.clip(phase / options.systole, 0.0, 1.0)
    falling = np.clip((phase - options.systole) / options.relaxation, 0.0, 1.0)
    return np.asarray(0.5 * (np.cos(np.pi * falling) - np.cos(np.pi * rising)))


@dataclass(frozen=True)
class Motion:
    """Moves places of one tree: x + e (t + b w^2 d) + breath, w the distance along ``axis`` over ``size``.

    Attributes
    ----------
    hinge, axis, across
        (3,) the ostium; unit vector to the tree's farthest part; unit vector d in which that part moves.
    size
        Distance of the farthest part along the axis, m.
    """

    hinge: Array
    axis: Array
    across: Array
    size: float
    options: MotionOptions

    def moved(self, lumen: Lumen, squeeze: float, breath: float) -> Lumen:
        """A lumen at a contraction (0 to 1) and a breath (m towards the feet): slabs move with the map's gradient."""
        part = np.clip((lumen.centre - self.hinge) @ self.axis / self.size, 0.0, None)
        bend = squeeze * self.options.bending
        gradient = (2.0 * bend / self.size * part)[:, None, None]
        shift = squeeze * np.array(self.options.translation) + np.array([0.0, 0.0, -breath])
        centre = lumen.centre + shift + (bend * part**2)[:, None] * self.across
        axes = lumen.axes + gradient * (lumen.axes @ self.axis)[..., None] * self.across
        slope = lumen.slope + gradient * (lumen.slope @ self.axis)[..., None] * self.across
        return replace(lumen, centre=centre, axes=axes, slope=slope)


def motion_of(tree: VesselTree, options: MotionOptions) -> Motion:
    """The movement of a tree about its ostium: its far part bends towards the middle of the tree."""
    points = np.concatenate([branch.points for branch in tree.branches])
    hinge = tree.root.points[0]
    far = points[np.argmax(np.linalg.norm(points - hinge, axis=1))] - hinge
    size = float(np.linalg.norm(far))
    inwards = points.mean(axis=0) - hinge
    axis = far / size
    inwards = inwards - (inwards @ axis) * axis
    if np.linalg.norm(inwards) < 1e-3 * size:  # a straight vessel has no inside
        inwards = np.cross(axis, np.eye(3)[np.argmin(np.abs(axis))])
    return Motion(hinge, axis, inwards / np.linalg.norm(inwards), size, options)
