"""Where to sample a solution to get section means along the centrelines.

A section is the plane through a centreline point normal to the centreline, cut with the tetrahedra: only
the cut cells that hang together (face by face, within the plane) with the one at the point, so that a
vessel running alongside has no part in it. In a bifurcation the plane also passes through the other
daughter: there the section is the part within ``reach`` equivalent radii of the point, in whole cells, and
its flow is not that of one vessel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hemo.tetmesh import INLET, TetMesh
from hemo.tree import Branch, VesselTree
from hemo.triangles import triangle_areas

Array = NDArray[np.float64]
Index = NDArray[np.int64]

# Interior three-point rule, degree 2 (Strang and Fix 1973): exact for P2 fields on each planar piece.
BARYCENTRIC = np.array([[4, 1, 1], [1, 4, 1], [1, 1, 4]], dtype=np.float64) / 6.0
# An end section lies in a cap; it is taken this share of the radius inside the mesh.
INSET = 1e-4
# Width of the boxes of cells searched together, in mean sizes of a cell.
BOX = 2.0


@dataclass(frozen=True)
class SectionProbes:
    """Quadrature points on the sections of a mesh.

    Attributes
    ----------
    cell
        (k,) index into ``mesh.cells`` of the cell each point lies in.
    point
        (k, 3) m.
    weight
        (k,) m^2; a section's weights sum to its area.
    normal
        (k, 3) unit normal of the section, distal.
    section
        (k,) number of the section, 0 to ``n_sections`` - 1; a section that met no cell has no points.
    n_sections
        Number of sections.
    branch_slices
        Branch name -> (start, stop) of its sections, proximal first.
    """

    cell: Index
    point: Array
    weight: Array
    normal: Array
    section: Index
    n_sections: int
    branch_slices: dict[str, tuple[int, int]]

    def beside(self, places: Sequence[tuple[str, float]], tree: VesselTree) -> NDArray[np.bool_]:
        """(n_sections,) whether a section is one of the two next to a place: branch and arc length, m.

        The probes must lie at every point of the tree's centrelines.
        """
        found = np.zeros(self.n_sections, dtype=bool)
        for name, place in places:
            start, stop = self.branch_slices[name]
            after = start + int(np.searchsorted(tree[name].arc, place))
            found[[max(after - 1, start), min(after, stop - 1)]] = True
        return found

    def save(self, path: Path) -> None:
        """Write a ``.npz``."""
        np.savez(
            path,
            cell=self.cell,
            point=self.point,
            weight=self.weight,
            normal=self.normal,
            section=self.section,
            n_sections=np.int64(self.n_sections),
            branch_names=np.array(list(self.branch_slices), dtype=np.str_),
            branch_ranges=np.array(list(self.branch_slices.values()), dtype=np.int64).reshape(-1, 2),
        )

    @staticmethod
    def load(path: Path) -> SectionProbes:
        """Read what :meth:`save` wrote."""
        with np.load(path) as data:
            slices = {
                str(name): (int(start), int(stop))
                for name, (start, stop) in zip(data["branch_names"], data["branch_ranges"], strict=True)
            }
            return SectionProbes(
                data["cell"],
                data["point"],
                data["weight"],
                data["normal"],
                data["section"],
                int(data["n_sections"]),
                slices,
            )


def section_probes(mesh: TetMesh, tree: VesselTree, stride: int = 1, reach: float = 2.5) -> SectionProbes:
    """Sections at every ``stride``-th centreline point of every branch, branch by branch in order.

    Parameters
    ----------
    mesh, tree
        A mesh and the tree cut to it.
    stride
        1 for every point; the first and the last point of a branch are always among them.
    reach
        Extent of a section, equivalent radii from the centreline point; matters only in junctions.
    """
    cutter = _Cutter(mesh)
    parts: list[tuple[Index, Array, Array]] = []
    normals: list[Array] = []
    slices: dict[str, tuple[int, int]] = {}
    for branch in tree.branches:
        places = _places(len(branch.points), stride)
        centres, directions = section_planes(mesh, branch)
        for place in places:
            radius = float(branch.diameter[place]) / 2.0
            parts.append(cutter.cut(centres[place], directions[place], reach * radius))
        normals.append(directions[places])
        slices[branch.name] = (len(parts) - len(places), len(parts))
    lengths = np.array([len(part[0]) for part in parts])
    return SectionProbes(
        cell=np.concatenate([part[0] for part in parts]),
        point=np.concatenate([part[1] for part in parts]),
        weight=np.concatenate([part[2] for part in parts]),
        normal=np.repeat(np.concatenate(normals), lengths, axis=0),
        section=np.repeat(np.arange(len(parts)), lengths),
        n_sections=len(parts),
        branch_slices=slices,
    )


def _places(count: int, stride: int) -> Index:
    places: Index = np.unique(np.append(np.arange(0, count, max(stride, 1)), count - 1))
    return places


def section_planes(mesh: TetMesh, branch: Branch) -> tuple[Array, Array]:
    """Centres (n, 3) and distal unit normals (n, 3) of a branch's sections.

    The normal is the chord of the centreline over half a radius each way, which a jagged centreline tilts
    less than its derivative. Towards a cap, over the last half radius, it turns into the cap's normal, or
    the plane would leave the mesh; the end section itself is taken a hair inside.
    """
    radius, arc = branch.diameter / 2.0, branch.arc
    half = np.minimum.reduce([0.5 * radius, arc, arc[-1] - arc])
    before, after = (
        np.stack([np.interp(arc + side * half, arc, branch.points[:, k]) for k in range(3)], axis=1) for side in (-1, 1)
    )
    chord = np.linalg.norm(after - before, axis=1, keepdims=True)
    normals = np.where(chord > 0.0, (after - before) / np.where(chord > 0.0, chord, 1.0), branch.tangent)
    centres = branch.points.copy()
    caps = [(INLET, 0, -1.0)] if branch.parent is None else []
    caps += [(branch.name, -1, 1.0)] if branch.is_outlet else []
    for name, end, side in caps:
        vector = side * mesh.area_vector(name)
        vector /= np.linalg.norm(vector)
        share = np.clip(np.abs(arc - arc[end]) / (0.5 * radius[end]), 0.0, 1.0)[:, None]
        normals = share * normals + (1.0 - share) * vector
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        centres[end] -= side * INSET * radius[end] * vector
    return centres, normals


class _Cutter:
    """Cuts planes through one mesh; holds its face neighbours and its cells in boxes of a few cells' width."""

    def __init__(self, mesh: TetMesh) -> None:
        self._points, self._cells = mesh.points, mesh.cells
        a, b, c, d = (mesh.points[mesh.cells[:, k]] for k in range(4))
        self._order, self._starts = _boxes(
            0.25 * (a + b + c + d), BOX * float(np.cbrt(6.0 * mesh.cell_volumes().mean()))
        )
        low, high = (
            function.reduceat(function(function(a, b), function(c, d))[self._order], self._starts[:-1], axis=0)
            for function in (np.minimum, np.maximum)
        )
        self._centre, self._half = 0.5 * (low + high), 0.5 * (high - low)
        self._size = float(self._half.max())
        self._near: tuple[Array, float, Index] = np.zeros(3), -1.0, np.empty(0, dtype=np.int64)
        self._neighbours = mesh.neighbours
        self._local = np.full(len(mesh.cells), -1, dtype=np.int64)

    def _beside(self, centre: Array, normal: Array, reach: float) -> Index:
        """Cells of the boxes that meet the plane and the sphere of radius ``reach``, in order."""
        boxes = self._boxes_near(centre, reach)
        offset, half = self._centre[boxes] - centre, self._half[boxes]
        beside = np.abs(offset @ normal) <= half @ np.abs(normal) + 1e-6 * self._size
        boxes, offset, half = boxes[beside], np.abs(offset[beside]), half[beside]
        boxes = boxes[(np.maximum(offset - half, 0.0) ** 2).sum(axis=1) <= reach**2]
        first, count = self._starts[boxes], np.diff(self._starts)[boxes]
        before = np.cumsum(count) - count
        return np.sort(self._order[np.repeat(first - before, count) + np.arange(count.sum())])

    def _boxes_near(self, centre: Array, reach: float) -> Index:
        """Boxes that a sphere may meet; found for a larger one and kept, as the next section lies close by."""
        middle, radius, boxes = self._near
        needed = reach + np.sqrt(3.0) * self._size
        if np.linalg.norm(centre - middle) + needed > radius:
            radius = 2.0 * needed
            boxes = np.flatnonzero(((self._centre - centre) ** 2).sum(axis=1) <= radius**2)
            self._near = centre, radius, boxes
        return boxes

    def cut(self, centre: Array, normal: Array, reach: float) -> tuple[Index, Array, Array]:
        """Cells (k,), points (k, 3) and weights (k,) of one section; empty where it meets no cell."""
        near = self._beside(centre, normal, reach)
        height = (self._points[self._cells[near]] - centre) @ normal
        height[np.abs(height) < 1e-9 * self._size] = 0.0  # a plane through a layer of vertices: all on one side
        above = (height >= 0.0).sum(axis=1)
        crossed = (above > 0) & (above < 4)
        cells, height = near[crossed], height[crossed]
        if len(cells) == 0:
            return np.empty(0, dtype=np.int64), np.empty((0, 3)), np.empty(0)
        owner, triangles = cut_tetrahedra(self._points[self._cells[cells]], height)
        piece_area = triangle_areas(triangles)
        pieces = np.bincount(owner, minlength=len(cells))
        middle = np.stack([np.bincount(owner, triangles.mean(axis=1)[:, k], len(cells)) for k in range(3)], axis=1)
        distance = np.linalg.norm(middle / pieces[:, None] - centre, axis=1)
        within = distance <= reach
        within[distance.argmin()] = True
        part = self._parts(cells, within)
        own = (part == part[distance.argmin()])[owner]
        points = np.einsum("qk,tkd->tqd", BARYCENTRIC, triangles[own]).reshape(-1, 3)
        return np.repeat(cells[owner[own]], 3), points, np.repeat(piece_area[own] / 3.0, 3)

    def _parts(self, cells: Index, within: NDArray[np.bool_]) -> Index:
        """(k,) number of the connected part of each cell; -1 for those left out."""
        chosen = cells[within]
        self._local[chosen] = np.arange(len(chosen))
        beside = self._neighbours[chosen]
        other = np.where(beside >= 0, self._local[beside], -1)
        self._local[chosen] = -1
        row, column = np.nonzero(other >= 0)
        graph = coo_array((np.ones(len(row)), (row, other[row, column])), shape=(len(chosen),) * 2)
        part = np.full(len(cells), -1, dtype=np.int64)
        part[within] = connected_components(graph, directed=False)[1]
        return part


def _boxes(middle: Array, width: float) -> tuple[Index, Index]:
    """Cells by the cube of a grid that their middle (m, 3) lies in.

    Returns
    -------
    order, starts
        (m,) cells, those of one cube together, and where in it each of b cubes begins; (b + 1,), the last is m.
    """
    place = ((middle - middle.min(axis=0)) / width).astype(np.int64)
    key = np.ravel_multi_index(tuple(place.T), tuple(place.max(axis=0) + 1))
    order = np.argsort(key)
    changes = np.flatnonzero(np.diff(key[order])) + 1
    return order, np.concatenate([[0], changes, [len(order)]])


def cut_tetrahedra(corners: Array, height: Array) -> tuple[Index, Array]:
    """Cut tetrahedra by the plane of height zero.

    Parameters
    ----------
    corners
        (k, 4, 3) vertices of tetrahedra that the plane crosses.
    height
        (k, 4) signed distances of the vertices to the plane.

    Returns
    -------
    owner
        (t,) which tetrahedron each triangle belongs to; two for a cut with four corners.
    triangles
        (t, 3, 3) their corners.
    """
    order = np.argsort(height, axis=1, kind="stable")
    height = np.take_along_axis(height, order, axis=1)
    corners = np.take_along_axis(corners, order[:, :, None], axis=1)
    below = (height < 0.0).sum(axis=1)

    def crossing(rows: Index, i: int, j: int) -> Array:
        share = height[rows, i] / (height[rows, i] - height[rows, j])
        return np.asarray(corners[rows, i] + share[:, None] * (corners[rows, j] - corners[rows, i]))

    one, two, three = (np.flatnonzero(below == n) for n in (1, 2, 3))
    pieces = [
        (one, np.stack([crossing(one, 0, j) for j in (1, 2, 3)], axis=1)),
        (three, np.stack([crossing(three, i, 3) for i in (0, 1, 2)], axis=1)),
    ]
    quad = [crossing(two, i, j) for i, j in ((0, 2), (0, 3), (1, 3), (1, 2))]
    pieces += [(two, np.stack(quad[:3], axis=1)), (two, np.stack([quad[0], quad[2], quad[3]], axis=1))]
    return np.concatenate([rows for rows, _ in pieces]), np.concatenate([made for _, made in pieces])
