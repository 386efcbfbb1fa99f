"""A lumen for a tree that comes without one: round sections of its areas along its centrelines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from hemo.errors import InputError
from hemo.geometry.lumen.surface import Surface
from hemo.geometry.synthetic.tubes import Tube, round_tube
from hemo.geometry.synthetic.wall import wall_of
from hemo.tree import Branch, VesselTree, arc_length

Array = NDArray[np.float64]

STEP = 0.25e-3  # m between points of an axis
RESOLVED = 0.4  # grid spacing over the smallest radius
FINEST, COARSEST = 0.08e-3, 0.25e-3  # m
NEAR = 3.0  # radii of the parent from its centreline


def round_lumen(tree: VesselTree) -> Surface:
    """The closed wall of all vessels; it goes half a sphere beyond every end, where the mesher cuts it.

    A daughter begins on its parent's centreline, within the parent's lumen.

    Raises
    ------
    InputError
        If a daughter does not begin there: the vessels' places are not known.
    """
    tubes = tuple(_tube(tree, branch) for branch in tree.branches)
    smallest = min(float(tube.radius.min()) for tube in tubes)
    return wall_of(tubes, float(np.clip(RESOLVED * smallest, FINEST, COARSEST)))


def _tube(tree: VesselTree, branch: Branch) -> Tube:
    points, radius = branch.points, np.sqrt(branch.area / np.pi)
    if branch.parent is not None:
        parent = tree[branch.parent]
        start = parent.points[branch.parent_index]
        if np.linalg.norm(points[0] - start) > NEAR * parent.radius[branch.parent_index]:
            raise InputError(
                f"branch {branch.name!r} does not begin in its parent {branch.parent!r}, so no lumen can be made "
                "of the tree: give points_mm, or use --method reduced."
            )
        points, radius = np.concatenate([start[None], points]), np.append(radius[0], radius)
    arc = arc_length(points)
    even = np.linspace(0.0, arc[-1], max(round(arc[-1] / STEP), 4) + 1)
    return round_tube(branch.name, CubicSpline(arc, points)(even), np.interp(even, arc, radius))
