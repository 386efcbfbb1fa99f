"""The side branches that are not in the mesh, spread over the lumen beside their places; numpy only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from hemo.boundary import Leak
from hemo.indices import map_to_centreline
from hemo.tree import VesselTree

Array = NDArray[Any]

REACH = 2.5e-3  # m: how far along the vessel a leak is spread to either side, at least a lumen radius


def leak_shares(centroids: Array, volumes: Array, tree: VesselTree, leaks: Sequence[Leak], counted: Array) -> csr_array:
    """(m, leaks) conductance per volume, 1 / (Pa s), of each leak in cells with centroids, m, and volumes, m^3.

    Every leak's conductance 1 / R is spread evenly over the cells of its branch whose place along the centreline is
    within ``REACH`` of its own, or over the nearest cell where there are none. Cells not ``counted`` (those of flow
    extensions) take no part. The sum over the leaks is what the cells let through.
    """
    where = map_to_centreline(tree, centroids)
    number = {branch.name: i for i, branch in enumerate(tree.branches)}
    rows, columns, values = [], [], []
    for column, leak in enumerate(leaks):
        branch = tree[leak.branch]
        reach = max(REACH, float(branch.radius[leak.point]))
        mine = counted & (where.branch == number[leak.branch])
        if not mine.any():
            mine = counted
        distance = np.where(mine, np.abs(where.arc - branch.arc[leak.point]), np.inf)
        cells = np.flatnonzero(distance <= reach)
        if not len(cells):
            cells = np.array([int(np.argmin(distance))])
        rows.append(cells)
        columns.append(np.full(len(cells), column))
        values.append(np.full(len(cells), 1.0 / (leak.resistance * float(volumes[cells].sum()))))
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return csr_array(entries, shape=(len(volumes), len(leaks)))


def leak_flows(leaks: Sequence[Leak], pressure: Mapping[str, Array], venous: float, total: float) -> Array:
    """(leaks,) flow of each leak, m^3/s, from the pressure (n,) along the branches, Pa; they add up to ``total``.

    The sum is exact in a finite-element solution, as what enters less what leaves through the outlets.
    """
    sizes = np.array([(float(pressure[leak.branch][leak.point]) - venous) / leak.resistance for leak in leaks])
    return sizes * (total / sizes.sum()) if len(leaks) else sizes
