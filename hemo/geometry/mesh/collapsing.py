"""Take the short edges out of a surface, before and after it is remeshed.

There are some where it was cut a hair beside a vertex, and a remesher leaves some in notches; each forces
flat tetrahedra. An edge is collapsed to one vertex where that keeps the surface's topology (link
condition: Dey et al. 1999, Publ Inst Math 66:23), its parts and the sense of its triangles.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hemo.geometry.lumen.surfacecheck import edge_table
from hemo.geometry.mesh.clipping import WALL_TAG, TaggedSurface
from hemo.triangles import area_vectors

Array = NDArray[np.float64]
Index = NDArray[np.int64]

TURN = 0.3  # cosine between a triangle's normals before and after, below which an edge is left alone
SMALLEST_RIM = 8  # vertices


def collapse_short_edges(surface: TaggedSurface, least: Array, passes: int = 4) -> TaggedSurface:
    """The surface without edges shorter than ``least`` (n,), the length (m) wanted at least at each vertex."""
    for _ in range(passes):
        edges, _, _ = edge_table(surface.triangles)
        length = np.linalg.norm(surface.points[edges[:, 0]] - surface.points[edges[:, 1]], axis=1)
        ratio = length / least[edges].mean(axis=1)
        short = np.flatnonzero(ratio < 1.0)
        if len(short) == 0:
            break
        surface, kept = _collapse(surface, edges[short[np.argsort(ratio[short])]])
        if kept.all():
            break
        least = least[kept]
    return surface


def _collapse(surface: TaggedSurface, edges: Index) -> tuple[TaggedSurface, NDArray[np.bool_]]:
    """Collapse those of the edges that may be and that do not meet; also which vertices (n,) are left."""
    points, triangles = surface.points.copy(), surface.triangles.copy()
    order = np.argsort(triangles.ravel(), kind="stable") // 3
    start = np.concatenate([[0], np.cumsum(np.bincount(triangles.ravel(), minlength=len(points)))])
    parts = _parts(surface)
    kept = np.ones(len(points), dtype=bool)
    touched = np.zeros(len(points), dtype=bool)
    gone: list[int] = []
    for first, second in edges:
        a, b = int(first), int(second)
        if parts[a].bit_count() < parts[b].bit_count():
            a, b = b, a
        of_a, of_b = (order[start[v] : start[v + 1]] for v in (a, b))
        both = np.intersect1d(of_a, of_b)
        changed = np.setdiff1d(np.union1d(of_a, of_b), both)
        ring = triangles[np.concatenate([changed, both])]
        common = np.intersect1d(triangles[of_a], triangles[of_b])
        if touched[ring].any() or parts[b] & ~parts[a] or len(both) != 2 or len(common) != 4:
            continue
        # Between two vertices of a rim only an edge of the rim itself, with the cap on one side.
        if parts[b].bit_count() > 1 and surface.tags[both[0]] == surface.tags[both[1]]:
            continue
        before = triangles[changed]
        moved = (before == a) | (before == b)
        places = [0.5 * (points[a] + points[b]), points[a], points[b]] if parts[a] == parts[b] else [points[a]]
        place = next((place for place in places if not _turned(points, before, moved, place)), None)
        if place is None:
            continue
        points[a] = place
        triangles[changed] = np.where(before == b, a, before)
        touched[ring] = True
        kept[b] = False
        gone += [int(triangle) for triangle in both]
    number = np.cumsum(kept) - 1
    whole = np.delete(triangles, gone, axis=0)
    return replace(surface, points=points[kept], triangles=number[whole], tags=np.delete(surface.tags, gone)), kept


def _parts(surface: TaggedSurface) -> list[int]:
    """Which parts meet at each vertex, a bit for each; those of a rim with few vertices differ, and so stay."""
    tags = np.unique(surface.tags)
    on = np.zeros((len(tags), len(surface.points)), dtype=bool)
    for bit, tag in enumerate(tags):
        on[bit, surface.triangles[surface.tags == tag]] = True
    found = [1] * len(surface.points)  # the first part, the wall, alone
    for vertex in map(int, np.flatnonzero(on[1:].any(axis=0))):
        found[vertex] = sum(1 << int(bit) for bit in np.flatnonzero(on[:, vertex]))
    bits = len(tags)
    for tag in surface.planes:
        rim = np.flatnonzero(on[tags == tag].any(axis=0) & on[tags == WALL_TAG].any(axis=0))
        if len(rim) <= SMALLEST_RIM:
            for vertex in map(int, rim):
                found[vertex] |= 1 << bits
                bits += 1
    return found


def _turned(points: Array, triangles: Index, moved: NDArray[np.bool_], place: Array) -> bool:
    """Whether a triangle whose ``moved`` (k, 3) vertex goes to ``place`` would fold or collapse."""
    before = points[triangles]
    after = np.where(moved[:, :, None], place, before)
    old, new = area_vectors(before), area_vectors(after)
    scale = np.linalg.norm(old, axis=1) * np.linalg.norm(new, axis=1)
    return bool(np.any(np.einsum("ij,ij->i", old, new) <= TURN * scale))
