"""How much longer than wide the cells of a vessel are to be, and along which direction.

Across a vessel the flow changes over a fraction of the radius, along it over diameters: cells drawn out along the
centreline resolve the wall's layer and a jet's with fewer of them (docs/solver.md, section 7). Not so where vessels
join, nor where the calibre changes: a cell that follows the centreline while the wall leaves it by the slope R' rises
or falls by its length times R', which is kept below half its width.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hemo.geometry.mesh.sizing import branch_tubes, nearest_sphere
from hemo.tree import VesselTree, arc_length

Array = NDArray[np.float64]

STEP = 0.5  # largest rise of the wall along a cell over the cell's width


def stretch_at(points: Array, tree: VesselTree, most: float) -> tuple[Array, Array]:
    """Length over width (n,), from 1 to ``most``, of the cells wanted at (n, 3) points, and the vessel's direction.

    The direction (n, 3) is the unit tangent of the centreline.
    """
    parts = branch_tubes(tree)
    centre, radius = (np.concatenate(values) for values in zip(*parts, strict=True))
    tangent = np.concatenate([np.gradient(line, arc_length(line), axis=0) for line, _ in parts])
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    stretch = np.clip(np.minimum(_by_calibre(parts), _by_joints(tree, parts)), 1.0, most)
    nearest = nearest_sphere(points, centre, radius)
    return stretch[nearest], tangent[nearest]


def _by_calibre(parts: list[tuple[Array, Array]]) -> Array:
    """(k,) stretch that the wall's slope allows at the tubes' points: the steeper of those over a radius each way."""
    allowed = []
    for centre, radius in parts:
        arc = arc_length(centre)
        ends = np.maximum(arc - radius, 0.0), np.minimum(arc + radius, arc[-1])
        slopes = [np.abs(np.interp(end, arc, radius) - radius) / np.maximum(np.abs(end - arc), 1e-9) for end in ends]
        allowed.append(STEP / np.maximum(np.maximum(*slopes), 1e-9))
    return np.concatenate(allowed)


def _by_joints(tree: VesselTree, parts: list[tuple[Array, Array]]) -> Array:
    """(k,) stretch that the next joint allows: its distance along the vessel over the parent's diameter there."""
    allowed = {
        branch.name: np.full(len(radius), np.inf) for branch, (_, radius) in zip(tree.branches, parts, strict=True)
    }
    tubes = dict(zip(allowed, parts, strict=True))
    for branch in tree.branches:
        if branch.parent is None:
            continue
        line, radius = tubes[branch.parent]
        joint = int(np.linalg.norm(line - tubes[branch.name][0][0], axis=1).argmin())
        for name, place in ((branch.parent, joint), (branch.name, 0)):
            arc = arc_length(tubes[name][0])
            allowed[name] = np.minimum(allowed[name], np.abs(arc - arc[place]) / (2.0 * radius[joint]))
    return np.concatenate(list(allowed.values()))


def metric(width: Array, stretch: Array, direction: Array) -> Array:
    """(n, 3, 3) tensors M in which a wanted edge e has the length e.M.e = 1: ``width`` across, more along."""
    along = direction[:, :, None] * direction[:, None, :]
    return np.asarray((np.eye(3) - (1.0 - stretch**-2.0)[:, None, None] * along) / (width**2)[:, None, None])


def in_plane(stretch: Array, direction: Array, normal: Array) -> Array:
    """(n,) mean extension of the unit circle of that metric in planes of the given normals, over the width."""
    within = 1.0 - np.einsum("ij,ij->i", direction, normal) ** 2
    return np.asarray((1.0 - within * (1.0 - stretch**-2.0)) ** -0.25)
