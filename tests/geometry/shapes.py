"""Lumina of simple shape with the trees that belong to them."""

from __future__ import annotations

import numpy as np
from skimage.measure import marching_cubes

from hemo.geometry.lumen.surface import Surface
from hemo.tree import Branch, VesselTree

MM = 1e-3
SPACING = 0.25 * MM
MAIN_RADIUS, SIDE_RADIUS = 1.5 * MM, 1.0 * MM


def capsule(points: np.ndarray, start: np.ndarray, end: np.ndarray, radius: float) -> np.ndarray:
    """Signed distance (m) to the sphere-swept segment."""
    along = end - start
    share = np.clip((points - start) @ along / (along @ along), 0.0, 1.0)
    return np.linalg.norm(points - start - share[:, None] * along, axis=1) - radius


def lumen(*vessels: tuple[list[float], list[float], float]) -> Surface:
    """Surface of a union of capsules given in mm."""
    ends = MM * np.array([[a, b] for a, b, _ in vessels])
    radius = MM * np.array([r for _, _, r in vessels])
    low = (ends.min(axis=1) - radius[:, None]).min(axis=0) - 3 * SPACING
    high = (ends.max(axis=1) + radius[:, None]).max(axis=0) + 3 * SPACING
    shape = np.ceil((high - low) / SPACING).astype(int) + 1
    grid = low + SPACING * np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1).reshape(-1, 3)
    field = np.min([capsule(grid, *end, r) for end, r in zip(ends, radius, strict=True)], axis=0).reshape(shape)
    points, triangles, _, _ = marching_cubes(field, 0.0, spacing=(SPACING,) * 3, gradient_direction="descent")
    return Surface(points.astype(float) + low, triangles.astype(np.int64))


def prism(
    sides: int = 8, radius: float = 1.5e-3, length: float = 30e-3, rings: int = 31
) -> tuple[np.ndarray, np.ndarray]:
    """A coarse tube: its vertices are on a cylinder, its sides are flat."""
    angle = 2.0 * np.pi * np.arange(sides) / sides
    height = np.linspace(0.0, length, rings)
    ring = radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points = np.concatenate(
        [np.column_stack([ring, np.full(sides, z)]) for z in height] + [[[0, 0, 0], [0, 0, length]]]
    )
    index = np.arange(sides * rings).reshape(rings, sides)
    after = np.roll(index, -1, axis=1)
    a, b, c, d = index[:-1].ravel(), after[:-1].ravel(), after[1:].ravel(), index[1:].ravel()
    wall = np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
    low = np.stack([np.full(sides, len(points) - 2), after[0], index[0]], axis=1)
    high = np.stack([np.full(sides, len(points) - 1), index[-1], after[-1]], axis=1)
    return points, np.concatenate([wall, low, high])


AORTA = ([0, 0, -12], [0, 0, 12], 6.0)
MAIN = ([0, 0, 0], [28, 0, 0], 1.5)
SIDE = ([16, 0, 0], [24, 10, 0], 1.0)


def tree(main_end: float = 28.0) -> VesselTree:
    """The tree of MAIN and SIDE, from the aortic wall on."""
    x = MM * np.arange(6.0, main_end + 0.1, 0.4)
    r = np.full_like(x, MAIN_RADIUS)
    main = Branch("M", np.column_stack([x, 0 * x, 0 * x]), r, np.pi * r**2, r)
    direction = np.array([8.0, 10.0, 0.0]) / np.hypot(8.0, 10.0)
    s = MM * np.arange(1.9, np.hypot(8.0, 10.0), 0.4)
    q = np.full_like(s, SIDE_RADIUS)
    points = MM * np.array([16.0, 0, 0]) + s[:, None] * direction
    return VesselTree("t", (main, Branch("S", points, q, np.pi * q**2, q, "M", int(np.abs(x - 16 * MM).argmin()))))
