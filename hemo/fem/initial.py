"""The finite-element solve's initial guess, made from the reduced-order solution; numpy only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.indices import map_to_centreline
from hemo.results import TreeFlow
from hemo.tree import VesselTree

Array = NDArray[Any]


def initial_fields(points: Array, tree: VesselTree, flow: TreeFlow) -> tuple[Array, Array]:
    """Velocity (n, 3) in m/s and pressure (n,) in Pa at (n, 3) places in the lumen.

    Section by section the parabola 2 U (1 - (r/R)^2) along the centreline with the reduced model's mean
    velocity U = Q / A, and its static pressure.
    """
    where = map_to_centreline(tree, points)
    velocity = np.zeros((len(points), 3))
    pressure = np.empty(len(points))
    for number, branch in enumerate(tree.branches):
        mine = where.branch == number
        if not mine.any():
            continue
        arc = where.arc[mine]
        along = flow.branches[branch.name]
        area = np.interp(arc, branch.arc, branch.area)
        centre = np.column_stack([np.interp(arc, branch.arc, branch.points[:, k]) for k in range(3)])
        offset = points[mine] - centre
        offset -= np.einsum("ij,ij->i", offset, where.tangent[mine])[:, None] * where.tangent[mine]
        radial = np.linalg.norm(offset, axis=1)  # beside the axis, also beyond a branch's end
        profile = 2.0 * np.clip(1.0 - radial**2 * np.pi / area, 0.0, 1.0)
        speed = np.interp(arc, branch.arc, along.flow) / area * profile
        velocity[mine] = speed[:, None] * where.tangent[mine]
        pressure[mine] = np.interp(arc, branch.arc, along.pressure)
    return velocity, pressure
