"""Where the trees of a lumen begin, and the cheapest paths from there."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import block_array, coo_array, csr_array
from scipy.sparse.csgraph import connected_components, dijkstra
from scipy.spatial import cKDTree

from hemo.errors import InputError
from hemo.geometry.centreline.lumengraph import LumenGraph

Array = NDArray[np.float64]
Indices = NDArray[np.int64]
_log = logging.getLogger(__name__)

# A given ostium may lie this far from the lumen; the lumen meets the aorta this near to it, or not at all, m.
_OFF_LUMEN = 3e-3
_NEAR_CONTACT = 6e-3
# A tree cut off from the aorta begins at most this far from it, m; a piece farther away is part of a broken vessel.
_GAP = 10e-3


def find_starts(graph: LumenGraph, cost: csr_array, minimal_tree: float, ostia: Array | None = None) -> Indices:
    """Nodes at which the trees begin.

    With ``ostia`` (k, 3), m: where the lumen meets the aorta within 6 mm of each, else the node nearest to it.
    Otherwise where the lumen meets the aorta; a piece of lumen that does not meet it begins at its end nearest
    to the aorta if that is within 10 mm (with a warning), and is left out with a warning if not. Without an aorta
    each piece begins at the wider of its two ends. Pieces shorter than ``minimal_tree`` (m) are left out.

    Raises
    ------
    InputError
        If one of ``ostia`` lies more than 3 mm off the lumen.
    """
    if ostia is not None:
        return _at_ostia(graph, ostia)
    _, piece = connected_components(cost, directed=False)
    touching = np.unique(piece[graph.contact])
    starts = [np.flatnonzero(graph.contact)]
    for number in np.flatnonzero(np.bincount(piece) >= 5e-3 * len(piece)):
        if number in touching:
            continue
        members = np.flatnonzero(piece == number)
        ends, length = _ends(graph, cost, members)
        if length < minimal_tree and len(touching):
            continue
        start = _nearest_to_aorta(graph, ends, length) if len(graph.aorta) else _wider(graph, members, ends)
        if start is not None:
            starts.append(np.array([start]))
    return np.concatenate(starts).astype(np.int64)


def _at_ostia(graph: LumenGraph, ostia: Array) -> Indices:
    starts = []
    contact = np.flatnonzero(graph.contact)
    for place in ostia:
        gap, nearest = cKDTree(graph.points).query(place)
        if gap > _OFF_LUMEN + graph.spacing:
            raise InputError(
                f"the ostium at x {1e3 * place[0]:.1f}, y {1e3 * place[1]:.1f}, z {1e3 * place[2]:.1f} mm lies "
                f"{1e3 * gap:.1f} mm from the coronary lumen; give a place inside it (LPS, mm)."
            )
        near = contact[np.linalg.norm(graph.points[contact] - place, axis=1) < _NEAR_CONTACT]
        starts += list(near) if len(near) else [nearest]
    return np.unique(np.asarray(starts, dtype=np.int64))


def _ends(graph: LumenGraph, cost: csr_array, members: Indices) -> tuple[list[int], float]:
    """The two ends of a connected piece, as far apart along cheapest paths as there are, and their distance, m."""
    ends, length = [int(members[0])], 0.0
    for _ in range(2):
        spent, before = from_sources(cost, np.array(ends[-1:]))
        run = path_lengths(graph.points, spent, before)
        ends.append(int(members[np.argmax(run[members])]))
        length = float(run[ends[-1]])
    return ends[1:], length


def _nearest_to_aorta(graph: LumenGraph, ends: list[int], length: float) -> int | None:
    gaps = cKDTree(graph.aorta).query(graph.points[ends])[0]
    start = ends[int(np.argmin(gaps))]
    place = 1e3 * graph.points[start]
    if gaps.min() > _GAP:
        _log.warning(
            "%.0f mm of lumen from x %.1f, y %.1f, z %.1f mm on hang together with no ostium and are left out; "
            "close the gap in the segmentation, or state the place as an ostium.",
            *(1e3 * length, *place),
        )
        return None
    _log.warning(
        "a vessel of %.0f mm does not reach the aorta; its ostium is taken at x %.1f, y %.1f, z %.1f mm.",
        *(1e3 * length, *place),
    )
    return start


def _wider(graph: LumenGraph, members: Indices, ends: list[int]) -> int:
    """Of two ends the one with the wider lumen within 5 mm."""
    width = []
    for end in ends:
        near = np.linalg.norm(graph.points[members] - graph.points[end], axis=1) < 5e-3
        width.append(float(graph.depth[members][near].max()))
    return ends[int(np.argmax(width))]


def from_sources(cost: csr_array, sources: Indices) -> tuple[Array, Indices]:
    """Cost of the cheapest path from any source and the node before; -1 at sources and out of reach."""
    n = cost.shape[0]
    gate = coo_array((np.full(len(sources), 1e-9), (np.zeros(len(sources), dtype=int), sources)), shape=(1, n))
    matrix = csr_array(block_array([[cost, None], [gate, csr_array((1, 1))]]))
    spent, before = dijkstra(matrix, indices=n, return_predecessors=True)
    before = before[:n].astype(np.int64)
    before[(before == n) | (before < 0)] = -1
    return spent[:n], before


def path_lengths(points: Array, spent: Array, before: Indices) -> Array:
    """(n,) m; zero out of reach."""
    run = np.zeros(len(points))
    step = np.where(before >= 0, np.linalg.norm(points - points[before], axis=1), 0.0)
    for node in np.argsort(spent):
        if before[node] >= 0:
            run[node] = run[before[node]] + step[node]
    return run
