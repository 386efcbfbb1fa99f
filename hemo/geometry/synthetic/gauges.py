"""Tubes whose every cross-section is known exactly, placed at random in a label map.

The centreline is a straight line or an arc of a circle, and the section normal to it at arc length s is a disc of
radius R(s). Whether a point is inside is therefore decided exactly, without a triangulation, and the diameter,
the area and the throat of any surface made from the label map have a truth to be held against.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemo.geometry.image.labelimage import CORONARY, LabelImage
from hemo.geometry.synthetic.vessels import Stenosis

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Tube:
    """A tube of circular sections.

    Attributes
    ----------
    length
        Arc length of the centreline, m; s runs from -length/2 to length/2, and the ends are flat.
    bend
        Radius of the centreline's arc, m; infinite for a straight tube. A tube of length 2 pi bend is a torus.
    radius
        R(s), m, of arc lengths (n,).
    """

    length: float
    bend: float
    radius: Callable[[Array], Array]

    def centreline(self, arc: Array) -> tuple[Array, Array]:
        """Points (n, 3), m, and unit tangents (n, 3) at arc lengths (n,)."""
        zero = np.zeros_like(arc)
        if np.isinf(self.bend):
            return np.stack([arc, zero, zero], axis=1), np.stack([zero + 1.0, zero, zero], axis=1)
        angle = arc / self.bend
        points = self.bend * np.stack([np.sin(angle), 1.0 - np.cos(angle), zero], axis=1)
        return points, np.stack([np.cos(angle), np.sin(angle), zero], axis=1)

    def contains(self, points: Array) -> NDArray[np.bool_]:
        """(n,) which of the points (n, 3), m, are inside."""
        x, y, z = points.T
        if np.isinf(self.bend):
            arc, across = x, np.hypot(y, z)
        else:
            arc = self.bend * np.arctan2(x, self.bend - y)
            across = np.hypot(np.hypot(x, y - self.bend) - self.bend, z)
        return np.asarray((across < self.radius(arc)) & (np.abs(arc) <= 0.5 * self.length))


@dataclass(frozen=True)
class PlacedTube:
    """A tube in a label map, and where it lies.

    Attributes
    ----------
    image
        The label map; a voxel is lumen if its centre is inside.
    tube
        The shape in its own frame.
    turn, shift
        (3, 3) and (3,), m: a point p of the tube's frame lies at turn p + shift.
    """

    image: LabelImage
    tube: Tube
    turn: Array
    shift: Array

    def centreline(self, arc: Array) -> tuple[Array, Array]:
        """Points (n, 3), m, and tangents (n, 3) at arc lengths (n,), in the patient's frame."""
        points, tangents = self.tube.centreline(arc)
        return points @ self.turn.T + self.shift, tangents @ self.turn.T


def cylinder(diameter: float, length: float = 24e-3) -> Tube:
    """A straight tube of constant calibre."""
    return Tube(length, np.inf, lambda arc: np.full_like(arc, 0.5 * diameter))


def torus(diameter: float, bend: float = 8e-3) -> Tube:
    """A ring of constant calibre."""
    return Tube(2.0 * np.pi * bend, bend, lambda arc: np.full_like(arc, 0.5 * diameter))


def tapering_tube(diameter: float, length: float = 24e-3, bend: float = 15e-3, taper: float = 0.2) -> Tube:
    """A bent tube whose calibre falls by the share ``taper`` of its mean, ``diameter``, from end to end."""
    return Tube(length, bend, lambda arc: 0.5 * diameter * (1.0 - taper * arc / length))


def stenosed_tube(diameter: float, severity: float, lesion: float, bend: float = np.inf) -> Tube:
    """A tube with one cosine narrowing of the given length in its middle."""
    narrowing = Stenosis(0.0, lesion, severity)
    return Tube(lesion + 14e-3, bend, lambda arc: 0.5 * diameter * narrowing.factor(arc))


def place(tube: Tube, spacing: Array, rng: np.random.Generator) -> PlacedTube:
    """Put a tube into a label map of the given voxel size (3,), m.

    Orientation of the tube, orientation of the image's axes and the place within a voxel are drawn at random.
    """
    turn, direction = random_rotation(rng), random_rotation(rng)
    shift = rng.uniform(-0.05, 0.05, 3)
    arc = tube.length * (np.arange(200) / 199.0 - 0.5)
    line, _ = tube.centreline(arc)
    along_axes = (line @ turn.T + shift) @ direction
    margin = float(np.max(tube.radius(arc))) + 2.0 * float(spacing.max())
    low, high = along_axes.min(axis=0) - margin, along_axes.max(axis=0) + margin
    origin = low - rng.uniform(0.0, 1.0, 3) * spacing
    count = np.ceil((high - origin) / spacing).astype(np.int64) + 1
    grid = np.meshgrid(*(origin[k] + spacing[k] * np.arange(count[k]) for k in (2, 1, 0)), indexing="ij")
    voxels = np.stack(grid[::-1], axis=-1).reshape(-1, 3)
    inside = tube.contains((voxels @ direction.T - shift) @ turn)
    labels = np.where(inside, CORONARY, 0).astype(np.uint8).reshape(count[::-1])
    return PlacedTube(LabelImage(labels, direction @ origin, np.array(spacing, float), direction), tube, turn, shift)


def random_rotation(rng: np.random.Generator) -> Array:
    """(3, 3) rotation, uniform over all of them: the unit quaternion of four normal numbers."""
    w, x, y, z = (q := rng.normal(size=4)) / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
