"""Whose muscle it is: every piece belongs to the vessel that runs nearest to it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from scipy.spatial import cKDTree

from hemo.boundary.territory import CORONARY
from hemo.geometry.image.perfusion import Muscle
from hemo.tree import VesselTree
from hemo.units import MILLIMETRE

log = logging.getLogger(__name__)

FAR = 60e-3  # m: muscle so far from every vessel says that a vessel is missing


def territory_flows(trees: Sequence[VesselTree], muscle: Muscle) -> dict[str, dict[str, float]]:
    """Flow (m^3/s) that the muscle nearest to each vessel takes, by tree and branch.

    The nearest centreline, the Voronoi division in common use (no primary source confirmed); vessels that give no
    branches of their own (the left main) take none. With one tree alone all of the muscle is its own, which a warning
    says.
    """
    if len(trees) == 1:
        log.warning(
            "only the %s tree was found: it is given the whole muscle of the perfusion map. Segment the other tree "
            "too, or crop the map's mask to this one's territory.",
            trees[0].name,
        )
    owners, places = [], []
    for tree in trees:
        for branch in tree.branches:
            if branch.name not in CORONARY.unbranched:
                owners += [(tree.name, branch.name)] * len(branch.points)
                places.append(branch.points)
    distance, nearest = cKDTree(np.vstack(places)).query(muscle.points)
    if (distance > FAR).any():
        log.warning(
            "%.0f %% of the perfusion map's muscle lies more than %.0f mm from every vessel: a vessel may be missing, "
            "or the map be of another scan.",
            100.0 * (distance > FAR).mean(),
            FAR / MILLIMETRE,
        )
    flows: dict[str, dict[str, float]] = {
        tree.name: {b.name: 0.0 for b in tree.branches if b.name not in CORONARY.unbranched} for tree in trees
    }
    order = sorted(set(owners))
    number = np.array([order.index(owner) for owner in owners])
    sums = np.bincount(number[nearest], weights=muscle.flow, minlength=len(order))
    for (tree_name, branch_name), flow in zip(order, sums, strict=True):
        flows[tree_name][branch_name] = float(flow)
    return flows
