"""How good a mesh is: shapes of the cells, how many lie across every vessel, where they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.geometry.mesh.sections import BARYCENTRIC, SectionProbes
from hemo.geometry.mesh.sizing import branch_at
from hemo.tetmesh import BLOCK, EDGES, TetMesh
from hemo.tree import VesselTree
from hemo.units import MILLIMETRE

Array = NDArray[np.float64]
Index = NDArray[np.int64]

RAYS = 4  # diameters on which the edges across a section are counted


@dataclass(frozen=True)
class BranchQuality:
    """The cells of one branch, and how many lie across it (see :func:`cells_across`).

    ``cells`` counts those of boundary layers too; in the shapes they are left out. A cell belongs to the branch whose
    inscribed sphere comes nearest to its first vertex; those of a flow extension to the branch that it prolongs.
    ``worst_at`` is where along the branch, m, its worst cell lies. None stands for what a branch without cells, or
    without sections that meet one, does not have.
    """

    cells: int
    gamma_min: float | None
    gamma_median: float | None
    edge_ratio_max: float | None
    worst_at: float | None
    cells_per_diameter_min: float | None
    cells_per_diameter_median: float | None


@dataclass(frozen=True)
class MeshQuality:
    """Shapes and sizes of the cells; the shapes of boundary layers, flat by design, are held apart.

    Attributes
    ----------
    gamma_min, gamma_percentile_1, gamma_median
        Three times inscribed over circumscribed radius, 1 for a regular cell.
    dihedral_min, dihedral_max
        Angles between two faces of a cell, degrees.
    aspect_max
        Longest edge over the inscribed radius, divided by 2 sqrt(6): 1 for a regular cell.
    edge_ratio_max
        Longest over shortest edge of a cell.
    layer_cells, layer_dihedral_min, layer_dihedral_max, layer_aspect_max
        Number and the same of the cells of boundary layers; None without layers.
    size_min, size_max
        (6 V)^(1/3) of the cells, m.
    edges_per_diameter_min, edges_per_diameter_median
        Edge lengths on the diameters of the sections (see :func:`edges_across`).
    worst_branch, worst_place
        Where the cell of the lowest gamma lies: branch, and its middle (3,), m.
    branches
        Branch -> its cells.
    """

    gamma_min: float
    gamma_percentile_1: float
    gamma_median: float
    dihedral_min: float
    dihedral_max: float
    aspect_max: float
    edge_ratio_max: float
    layer_cells: int
    layer_dihedral_min: float | None
    layer_dihedral_max: float | None
    layer_aspect_max: float | None
    size_min: float
    size_max: float
    edges_per_diameter_min: float
    edges_per_diameter_median: float
    worst_branch: str
    worst_place: tuple[float, float, float]
    branches: dict[str, BranchQuality]

    def as_json(self) -> dict[str, Any]:
        """Plain values, lengths in millimetres."""
        plain = asdict(self)
        for key in ("size_min", "size_max"):
            plain[f"{key}_mm"] = plain.pop(key) / MILLIMETRE
        plain["worst_place_mm"] = [value / MILLIMETRE for value in plain.pop("worst_place")]
        for branch in plain["branches"].values():
            place = branch.pop("worst_at")
            branch["worst_at_mm"] = None if place is None else place / MILLIMETRE
        return plain


def mesh_quality(mesh: TetMesh, tree: VesselTree, probes: SectionProbes, layer_cells: int = 0) -> MeshQuality:
    """Measure a mesh of a tree; ``probes`` are its sections at every centreline point.

    The last ``layer_cells`` cells make boundary layers.
    """
    shapes = cell_shapes(mesh)
    core, flat = np.split(np.arange(len(mesh.cells)), [len(mesh.cells) - layer_cells])
    quality, ratio, stretch = shapes.gamma[core], shapes.edge_ratio[core], shapes.aspect
    smallest, largest, size = shapes.dihedral_min, shapes.dihedral_max, np.cbrt(6.0 * shapes.volume)
    owner = branch_at(mesh.points, tree)[mesh.cells[:, 0]]
    worst = int(quality.argmin())
    x, y, z = (float(value) for value in _middle(mesh, worst))
    edges = edges_across(mesh, probes)
    return MeshQuality(
        gamma_min=float(quality[worst]),
        gamma_percentile_1=float(np.percentile(quality, 1)),
        gamma_median=float(np.median(quality)),
        dihedral_min=float(smallest[core].min()),
        dihedral_max=float(largest[core].max()),
        aspect_max=float(stretch[core].max()),
        edge_ratio_max=float(ratio.max()),
        layer_cells=layer_cells,
        layer_dihedral_min=_if_any(np.min, smallest[flat]),
        layer_dihedral_max=_if_any(np.max, largest[flat]),
        layer_aspect_max=_if_any(np.max, stretch[flat]),
        size_min=float(size.min()),
        size_max=float(size.max()),
        edges_per_diameter_min=float(edges.min()),
        edges_per_diameter_median=float(np.median(edges)),
        worst_branch=tree.branches[owner[worst]].name,
        worst_place=(x, y, z),
        branches=_branches(mesh, tree, probes, owner, quality, ratio),
    )


def _branches(
    mesh: TetMesh, tree: VesselTree, probes: SectionProbes, owner: Index, quality: Array, ratio: Array
) -> dict[str, BranchQuality]:
    made = {}
    across = cells_across(mesh, probes)
    for number, branch in enumerate(tree.branches):
        own = np.flatnonzero(owner[: len(quality)] == number)
        sections = across[slice(*probes.branch_slices[branch.name])]
        sections = sections[np.isfinite(sections)]
        worst = _middle(mesh, own[quality[own].argmin()]) if len(own) else None
        place = None if worst is None else branch.arc[np.linalg.norm(branch.points - worst, axis=1).argmin()]
        made[branch.name] = BranchQuality(
            cells=int((owner == number).sum()),
            gamma_min=_if_any(np.min, quality[own]),
            gamma_median=_if_any(np.median, quality[own]),
            edge_ratio_max=_if_any(np.max, ratio[own]),
            worst_at=None if place is None else float(place),
            cells_per_diameter_min=_if_any(np.min, sections),
            cells_per_diameter_median=_if_any(np.median, sections),
        )
    return made


def _middle(mesh: TetMesh, cell: int) -> Array:
    return np.asarray(mesh.points[mesh.cells[cell]].mean(axis=0))


def _if_any(measure: Callable[[Array], Any], values: Array) -> float | None:
    return float(measure(values)) if len(values) else None


def cells_across(mesh: TetMesh, probes: SectionProbes) -> Array:
    """(n,) cells per diameter at each section: its diameter over its cells' mean size; NaN where it met no cell.

    The size of a cell of volume V is (6 V)^(1/3), the spacing of a grid of cubes each cut into six tetrahedra.
    """
    size = np.cbrt(6.0 * mesh.cell_volumes())
    area = np.bincount(probes.section, probes.weight, probes.n_sections)
    mean = np.bincount(probes.section, probes.weight * size[probes.cell], probes.n_sections)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(2.0 * np.sqrt(area / np.pi) * area / mean)


def edges_across(mesh: TetMesh, probes: SectionProbes) -> Array:
    """(s, RAYS) edge lengths that fit on diameters of the s sections that met cells.

    A diameter passes through the section's centroid; each cell on it counts the length within over its mean edge.
    """
    corners = np.einsum("ab,tbd->tad", np.linalg.inv(BARYCENTRIC), probes.point.reshape(-1, 3, 3))
    section, cell = probes.section[::3], probes.cell[::3]
    edge = np.linalg.norm(np.diff(mesh.points[mesh.cells[cell][:, EDGES]], axis=2)[:, :, 0], axis=2).mean(axis=1)
    weight = 3.0 * probes.weight[::3]
    area = np.bincount(section, weight, probes.n_sections)
    middle = corners.mean(axis=1)
    centre = np.stack([np.bincount(section, weight * middle[:, k], probes.n_sections) for k in range(3)], axis=1)
    offset = corners - (centre / np.maximum(area, 1e-300)[:, None])[section][:, None]
    normal = probes.normal[::3]
    first = np.cross(normal, np.eye(3)[np.abs(normal).argmin(axis=1)])
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    x, y = (np.einsum("tad,td->ta", offset, axis) for axis in (first, np.cross(normal, first)))
    counts = []
    for angle in np.pi * np.arange(RAYS) / RAYS:
        inside = _chord(np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x)
        counts.append(np.bincount(section, inside / edge, probes.n_sections)[area > 0.0])
    return np.stack(counts, axis=1)


def _chord(along: Array, height: Array) -> Array:
    """(t,) length within each triangle of the line of height zero; (t, 3) coordinates of its corners."""
    low: Array = np.full(len(along), np.inf)
    high: Array = -low
    for i, j in ((0, 1), (1, 2), (2, 0)):
        crossed = (height[:, i] >= 0.0) != (height[:, j] >= 0.0)
        drop = np.where(crossed, height[:, i] - height[:, j], 1.0)
        place = along[:, i] + (along[:, j] - along[:, i]) * height[:, i] / drop
        low, high = np.where(crossed, np.minimum(low, place), low), np.where(crossed, np.maximum(high, place), high)
    return np.where(high > low, high - low, 0.0)


@dataclass(frozen=True)
class CellShapes:
    """Shapes of the m cells of a mesh.

    Attributes
    ----------
    volume
        (m,) signed, m^3.
    gamma
        (m,) three times inscribed over circumscribed radius; 1 for a regular tetrahedron.

        With volume V, face areas A_i and the products p_j of opposite edges' lengths (Liu and Joe 1994, BIT 34:268):
        r = 3 V / sum A_i and R = sqrt(s (s - p_1) (s - p_2) (s - p_3)) / (6 V) with 2 s = p_1 + p_2 + p_3.
    aspect
        (m,) longest edge over 2 sqrt(6) inscribed radii: 1 for a regular tetrahedron, large for a flat one.
    edge_ratio
        (m,) longest over shortest edge.
    dihedral_min, dihedral_max
        (m,) smallest and largest angle between two faces, degrees.
    """

    volume: Array
    gamma: Array
    aspect: Array
    edge_ratio: Array
    dihedral_min: Array
    dihedral_max: Array


def cell_shapes(mesh: TetMesh) -> CellShapes:
    """Measure the cells, a block at a time, so that what lies between stays in the processor's cache."""
    starts = range(0, max(len(mesh.cells), 1), BLOCK)
    blocks = [_shapes(mesh.points[mesh.cells[start : start + BLOCK]]) for start in starts]
    return CellShapes(*(np.concatenate(parts) for parts in zip(*blocks, strict=True)))


def gamma(mesh: TetMesh) -> Array:
    """(m,) quality of the cells, see :class:`CellShapes`."""
    return cell_shapes(mesh).gamma


def _shapes(corners: Array) -> tuple[Array, ...]:
    """The fields of :class:`CellShapes` for cells with the corners (k, 4, 3)."""
    a, b, c, d = (np.ascontiguousarray(corners[:, i].T) for i in range(4))
    ab, ac, ad = b - a, c - a, d - a
    # Twice the faces' areas, all inward (the gradients of the barycentric coordinates), opposite a to d.
    faces = [np.empty(0), _cross(ac, ad), _cross(ad, ab), _cross(ab, ac)]
    faces[0] = -faces[1] - faces[2] - faces[3]
    doubled = [_length(face) for face in faces]
    surface = np.maximum(0.5 * sum(doubled), 1e-300)
    six_volumes = (faces[3] * ad).sum(axis=0)
    volume = np.abs(six_volumes) / 6.0
    edges = np.stack([_length(edge) for edge in (ab, ac, ad, c - b, d - b, d - c)])
    p, q, r = edges[0] * edges[5], edges[1] * edges[4], edges[2] * edges[3]
    product = (p + q + r) * (q + r - p) * (p + r - q) * (p + q - r) / 16.0
    quality = 54.0 * volume**2 / np.maximum(surface * np.sqrt(np.maximum(product, 0.0)), 1e-300)
    longest, inscribed = edges.max(axis=0), 3.0 * volume / surface
    aspect = longest / np.maximum(2.0 * np.sqrt(6.0) * inscribed, 1e-300)
    unit = [face / np.maximum(size, 1e-300) for face, size in zip(faces, doubled, strict=True)]
    cosine = np.stack([-(unit[i] * unit[j]).sum(axis=0) for i, j in EDGES])
    smallest, largest = (np.degrees(np.arccos(np.clip(x, -1.0, 1.0))) for x in (cosine.max(axis=0), cosine.min(axis=0)))
    return six_volumes / 6.0, quality, aspect, longest / np.maximum(edges.min(axis=0), 1e-300), smallest, largest


def _cross(a: Array, b: Array) -> Array:
    """Vector products of (3, k) vectors."""
    return np.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


def _length(a: Array) -> Array:
    """(k,) lengths of (3, k) vectors."""
    return np.sqrt((a * a).sum(axis=0))
