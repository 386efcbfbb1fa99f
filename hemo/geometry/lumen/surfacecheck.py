"""What a triangulated lumen must be before it is used: closed, oriented outwards, not self-crossing.

Plain arrays in, plain arrays out; the sentences that a user reads are made in :mod:`hemo.geometry.lumen.surface`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import breadth_first_order, connected_components
from scipy.spatial import cKDTree

Array = NDArray[np.float64]
Indices = NDArray[np.int64]


def merge_points(points: Array, triangles: Indices, tolerance: float) -> tuple[Array, Indices]:
    """Join vertices that coincide within ``tolerance`` and drop degenerate and repeated triangles.

    Returns
    -------
    points, triangles
        (n, 3) the vertices in use and (m, 3) indices into them.
    """
    key = np.round(points / tolerance).astype(np.int64)
    _, first, inverse = np.unique(key, axis=0, return_index=True, return_inverse=True)
    joined = inverse.reshape(-1)[triangles]
    proper = (joined[:, 0] != joined[:, 1]) & (joined[:, 1] != joined[:, 2]) & (joined[:, 2] != joined[:, 0])
    joined = joined[proper]
    _, keep = np.unique(np.sort(joined, axis=1), axis=0, return_index=True)
    joined = joined[np.sort(keep)]
    used, renumbered = np.unique(joined, return_inverse=True)
    return points[first][used], renumbered.reshape(-1, 3).astype(np.int64)


def weld_border(points: Array, triangles: Indices, tolerance: float) -> tuple[Array, Indices]:
    """Join border vertices nearer than ``tolerance``: parts of a surface that were written one by one."""
    edges, _, count = edge_table(triangles)
    border = np.unique(edges[count == 1])
    pairs = cKDTree(points[border]).query_pairs(tolerance, output_type="ndarray") if len(border) else border
    if not len(pairs):
        return points, triangles
    size = len(border)
    graph = coo_matrix((np.ones(len(pairs), dtype=np.int8), (pairs[:, 0], pairs[:, 1])), shape=(size, size))
    _, group = connected_components(graph, directed=False)
    _, first = np.unique(group, return_index=True)
    moved = points.copy()
    moved[border] = points[border[first[group]]]
    return merge_points(moved, triangles, tolerance * 1e-3)


def edge_table(triangles: Indices) -> tuple[Indices, Indices, Indices]:
    """Undirected edges of a triangulation.

    Returns
    -------
    edges
        (e, 2) sorted vertex pairs, unique.
    of_triangle
        (m, 3) edge index of the sides (0, 1), (1, 2), (2, 0).
    count
        (e,) how many triangles share each edge.
    """
    sides = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    sides.sort(axis=1)
    span = np.int64(sides.max()) + 1
    code, inverse, count = np.unique(sides[:, 0] * span + sides[:, 1], return_inverse=True, return_counts=True)
    edges = np.stack([code // span, code % span], axis=1)
    return edges, inverse.reshape(3, -1).T.astype(np.int64), count.astype(np.int64)


def across_edges(of_triangle: Indices, count: Indices) -> Indices:
    """(e, 2) the two triangles at each edge that has two, by the arrays of :func:`edge_table`; in the edges' order."""
    paired = count[of_triangle.ravel()] == 2
    order = np.argsort(np.where(paired, of_triangle.ravel(), -1), kind="stable")
    return np.asarray(order[int((~paired).sum()) :].reshape(-1, 2) // 3)


def enclosed_volume(points: Array, triangles: Indices) -> float:
    """Signed volume inside a closed surface (divergence theorem); positive with normals outwards, m^3."""
    centred = points - points.mean(axis=0)
    a, b, c = centred[triangles[:, 0]], centred[triangles[:, 1]], centred[triangles[:, 2]]
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6.0)


def triangle_components(triangles: Indices) -> Indices:
    """(m,) number, from 0 without gaps, of the connected piece that each triangle belongs to."""
    size = int(triangles.max()) + 1
    rows = np.concatenate([triangles[:, 0], triangles[:, 1]])
    columns = np.concatenate([triangles[:, 1], triangles[:, 2]])
    graph = coo_matrix((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(size, size))
    piece = connected_components(graph, directed=False)[1][triangles[:, 0]]
    return np.unique(piece, return_inverse=True)[1].astype(np.int64)


def orient_outwards(points: Array, triangles: Indices) -> tuple[Indices, int]:
    """Turn the triangles of a closed manifold so that neighbours agree and every piece encloses volume.

    Returns
    -------
    triangles
        (m, 3) with normals outwards.
    turned
        How many triangles were turned.
    """
    flip = _disagreeing(triangles)
    turned = triangles.copy()
    turned[flip] = turned[flip][:, [0, 2, 1]]
    pieces = triangle_components(turned)
    for piece in range(int(pieces.max()) + 1):
        members = pieces == piece
        if enclosed_volume(points, turned[members]) < 0.0:
            turned[members] = turned[members][:, [0, 2, 1]]
    return turned, int(np.any(turned != triangles, axis=1).sum())


def _disagreeing(triangles: Indices) -> NDArray[np.bool_]:
    """(m,) whether a triangle runs against the first one of its piece, walking over shared edges."""
    _, of_triangle, _ = edge_table(triangles)
    order = np.argsort(of_triangle.T.ravel(), kind="stable")
    owner = np.tile(np.arange(len(triangles)), 3)[order].reshape(-1, 2)
    forward = np.concatenate([triangles[:, a] < triangles[:, b] for a, b in ((0, 1), (1, 2), (2, 0))])
    same_way = forward[order].reshape(-1, 2)
    against = same_way[:, 0] == same_way[:, 1]
    m = len(triangles)
    if not against.any():
        return np.zeros(m, dtype=bool)
    # Two copies of each triangle, as given (i) and turned (i + m): edges join the copies that agree.
    a, b = owner[:, 0], owner[:, 1]
    rows = np.concatenate([a, a + m])
    columns = np.concatenate([np.where(against, b + m, b), np.where(against, b, b + m)])
    graph = coo_matrix((np.ones(2 * len(a), dtype=np.int8), (rows, columns)), shape=(2 * m, 2 * m)).tocsr()
    flip = np.zeros(m, dtype=bool)
    seen = np.zeros(m, dtype=bool)
    for start in np.unique(triangle_components(triangles), return_index=True)[1]:
        reached = breadth_first_order(graph, start, directed=False, return_predecessors=False)
        first = reached[~seen[reached % m]]
        _, once = np.unique(first % m, return_index=True)
        chosen = first[np.sort(once)]
        seen[chosen % m] = True
        flip[chosen % m] = chosen >= m
    return flip


def self_crossings(points: Array, triangles: Indices, depth: float = 0.0) -> Indices:
    """Pairs of triangles, without a common vertex, that cut through each other by more than ``depth``.

    An edge cuts a triangle when it passes through its inside (Moller and Trumbore 1997, J. Graphics
    Tools 2:21); the depth is the distance of the edge's nearer end from the triangle's plane.

    Returns
    -------
    pairs
        (k, 2) triangle indices, each pair once.
    """
    corners = points[triangles]
    centre = corners.mean(axis=1)
    reach = np.linalg.norm(corners - centre[:, None], axis=2).max(axis=1)
    pairs = _apart(triangles, _near_pairs(centre, reach))  # most pairs on one sheet of the wall are neighbours
    low, high = corners.min(axis=1), corners.max(axis=1)
    touching = np.all((low[pairs[:, 0]] <= high[pairs[:, 1]]) & (low[pairs[:, 1]] <= high[pairs[:, 0]]), axis=1)
    pairs = pairs[touching]
    crossing = np.zeros(len(pairs), dtype=bool)
    for first, second in ((0, 1), (1, 0)):
        for side in range(3):
            start = corners[pairs[:, first], side]
            end = corners[pairs[:, first], (side + 1) % 3]
            crossing |= _edge_cuts(start, end, corners[pairs[:, second]], depth)
    return np.asarray(pairs[crossing])


def _apart(triangles: Indices, pairs: Indices) -> Indices:
    """The pairs (k, 2) of triangles without a common vertex."""
    ours, theirs = (np.ascontiguousarray(triangles[pairs[:, side]].T) for side in (0, 1))
    shared = np.zeros(len(pairs), dtype=bool)
    for mine in ours:
        for yours in theirs:
            shared |= mine == yours
    return np.asarray(pairs[~shared])


def _near_pairs(centre: Array, reach: Array) -> Indices:
    """Pairs whose bounding spheres meet; classes of like size keep the search local."""
    scale = max(float(np.median(reach)), 1e-12)
    classes = np.floor(np.log2(np.maximum(reach / scale, 1e-12))).clip(-12, 12)
    groups = [np.flatnonzero(classes == size) for size in np.unique(classes)]
    trees = [cKDTree(centre[group]) for group in groups]
    found = []
    for first, i in enumerate(groups):
        for second, j in enumerate(groups[first:], first):
            limit = float(reach[i].max() + reach[j].max())
            if first == second:
                a, b = i[trees[first].query_pairs(limit, output_type="ndarray").T]
            else:
                near = trees[first].sparse_distance_matrix(trees[second], limit, output_type="ndarray")
                a, b = i[near["i"]], j[near["j"]]
            keep = ((centre[a] - centre[b]) ** 2).sum(axis=1) <= (reach[a] + reach[b]) ** 2
            found.append(np.stack([a[keep], b[keep]], axis=1))
    return np.asarray(np.concatenate(found), dtype=np.int64)


def _edge_cuts(start: Array, end: Array, corners: Array, depth: float) -> NDArray[np.bool_]:
    """(k,) whether each edge passes through its triangle, both ends deeper than ``depth``."""
    origin = corners[:, 0]
    u, v = corners[:, 1] - origin, corners[:, 2] - origin
    normal = np.cross(u, v)
    length = np.linalg.norm(normal, axis=1)
    length[length == 0.0] = np.inf
    above = np.einsum("ij,ij->i", start - origin, normal) / length
    below = np.einsum("ij,ij->i", end - origin, normal) / length
    through = (above * below < 0.0) & (np.minimum(np.abs(above), np.abs(below)) > depth)
    span = np.where(through, above - below, 1.0)
    hit = start + (above / span)[:, None] * (end - start) - origin
    first = np.einsum("ij,ij->i", np.cross(hit, v), normal) / length**2
    second = np.einsum("ij,ij->i", np.cross(u, hit), normal) / length**2
    return np.asarray(through & (first >= 0.0) & (second >= 0.0) & (first + second <= 1.0))
