"""The side branches that are not in the mesh, spread over the lumen beside their places; numpy only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.boundary import Leak
from hemo.indices import map_to_centreline
from hemo.tree import VesselTree

Array = NDArray[Any]

REACH = 2.5e-3  # m: how far along the vessel a leak is spread to either side, at least a lumen radius


def leak_conductance(
    centroids: Array, volumes: Array, tree: VesselTree, leaks: Sequence[Leak], counted: Array
) -> Array:
    """(m,) conductance per volume, 1 / (Pa s), of cells with (m, 3) centroids (m) and (m,) volumes (m^3).

    Every leak's conductance 1 / R is spread evenly over the cells of its branch whose place along the centreline is
    within ``REACH`` of its own, or over the nearest cell where there are none. Cells not ``counted`` (those of flow
    extensions) take no part.
    """
    where = map_to_centreline(tree, centroids)
    number = {branch.name: i for i, branch in enumerate(tree.branches)}
    conductance = np.zeros(len(volumes))
    for leak in leaks:
        branch = tree[leak.branch]
        reach = max(REACH, float(branch.radius[leak.point]))
        mine = counted & (where.branch == number[leak.branch])
        if not mine.any():
            mine = counted
        distance = np.where(mine, np.abs(where.arc - branch.arc[leak.point]), np.inf)
        cells = distance <= reach
        if not cells.any():
            cells = np.zeros(len(volumes), dtype=bool)
            cells[int(np.argmin(distance))] = True
        conductance[cells] += 1.0 / (leak.resistance * float(volumes[cells].sum()))
    return conductance


def leak_flows(leaks: Sequence[Leak], pressure: Mapping[str, Array], venous: float, total: float) -> Array:
    """(leaks,) flow of each leak, m^3/s, from the pressure (n,) along the branches, Pa; they add up to ``total``.

    The sum is exact in a finite-element solution, as what enters less what leaves through the outlets.
    """
    sizes = np.array([(float(pressure[leak.branch][leak.point]) - venous) / leak.resistance for leak in leaks])
    return sizes * (total / sizes.sum()) if len(leaks) else sizes
