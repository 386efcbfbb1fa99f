"""How good a mesh is: shapes of the cells, how many lie across every vessel, where they are."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.geometry.mesh.sections import BARYCENTRIC, FACES, SectionProbes
from hemo.geometry.mesh.sizing import branch_at
from hemo.tetmesh import TetMesh
from hemo.tree import VesselTree
from hemo.units import MILLIMETRE

Array = NDArray[np.float64]

EDGES = np.array([[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]])
RAYS = 4  # diameters on which the edges across a section are counted


@dataclass(frozen=True)
class BranchQuality:
    """Cells of one branch, and the fewest across any diameter of it (see :func:`cells_across`)."""

    cells: int
    cells_per_diameter: float


@dataclass(frozen=True)
class MeshQuality:
    """Shapes and sizes of the cells; those of boundary layers, flat by design, are held apart.

    Attributes
    ----------
    gamma_min, gamma_percentile_1, gamma_median
        Three times inscribed over circumscribed radius, 1 for a regular cell; layers left out.
    dihedral_min, dihedral_max
        Angles between two faces of a cell, degrees; layers left out.
    aspect_max
        Longest edge over the inscribed radius, divided by 2 sqrt(6): 1 for a regular cell; layers left out.
    layer_cells, layer_dihedral_min, layer_dihedral_max, layer_aspect_max
        The same of the cells of boundary layers; None without layers.
    size_min, size_max
        (6 V)^(1/3) of the cells, m.
    edges_per_diameter
        Fewest edge lengths on a diameter of any section: the integral of 1 / (mean edge of the cell passed).
    branches
        Branch -> its cells.
    """

    gamma_min: float
    gamma_percentile_1: float
    gamma_median: float
    dihedral_min: float
    dihedral_max: float
    aspect_max: float
    layer_cells: int
    layer_dihedral_min: float | None
    layer_dihedral_max: float | None
    layer_aspect_max: float | None
    size_min: float
    size_max: float
    edges_per_diameter: float
    branches: dict[str, BranchQuality]

    def as_json(self) -> dict[str, Any]:
        """Plain values, lengths in millimetres."""
        plain = asdict(self)
        for key in ("size_min", "size_max"):
            plain[f"{key}_mm"] = plain.pop(key) / MILLIMETRE
        return plain


def mesh_quality(mesh: TetMesh, tree: VesselTree, probes: SectionProbes, layer_cells: int = 0) -> MeshQuality:
    """Measure a mesh whose last ``layer_cells`` cells make boundary layers; ``probes`` as made on it."""
    core = slice(0, len(mesh.cells) - layer_cells)
    quality = gamma(mesh)[core]
    smallest, largest = dihedral_angles(mesh)
    stretch = aspect(mesh)
    size = np.cbrt(6.0 * mesh.cell_volumes())
    flat = slice(core.stop, None)
    layered = layer_cells > 0
    return MeshQuality(
        gamma_min=float(quality.min()),
        gamma_percentile_1=float(np.percentile(quality, 1)),
        gamma_median=float(np.median(quality)),
        dihedral_min=float(smallest[core].min()),
        dihedral_max=float(largest[core].max()),
        aspect_max=float(stretch[core].max()),
        layer_cells=layer_cells,
        layer_dihedral_min=float(smallest[flat].min()) if layered else None,
        layer_dihedral_max=float(largest[flat].max()) if layered else None,
        layer_aspect_max=float(stretch[flat].max()) if layered else None,
        size_min=float(size.min()),
        size_max=float(size.max()),
        edges_per_diameter=float(edges_across(mesh, probes).min()),
        branches=_branches(mesh, tree, probes),
    )


def _branches(mesh: TetMesh, tree: VesselTree, probes: SectionProbes) -> dict[str, BranchQuality]:
    number = branch_at(mesh.points[mesh.cells].mean(axis=1), tree)
    count = np.bincount(number, minlength=len(tree.branches))
    across = cells_across(mesh, probes)
    return {
        branch.name: BranchQuality(int(count[i]), float(np.nanmin(across[slice(*probes.branch_slices[branch.name])])))
        for i, branch in enumerate(tree.branches)
    }


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


def gamma(mesh: TetMesh) -> Array:
    """(m,) quality of the cells: three times inscribed over circumscribed radius; 1 for a regular tetrahedron.

    With volume V, face areas A_i and the products p_j of opposite edges' lengths (Liu and Joe 1994, BIT 34:268):
    r = 3 V / sum A_i and R = sqrt(s (s - p_1) (s - p_2) (s - p_3)) / (6 V) with 2 s = p_1 + p_2 + p_3.
    """
    a, b, c, d = (mesh.points[mesh.cells[:, i]] for i in range(4))
    volume = np.abs(mesh.cell_volumes())
    area = _face_area(mesh)
    pairs = (((a, b), (c, d)), ((a, c), (b, d)), ((a, d), (b, c)))
    p, q, r = (np.linalg.norm(u - v, axis=1) * np.linalg.norm(w - x, axis=1) for (u, v), (w, x) in pairs)
    product = (p + q + r) * (q + r - p) * (p + r - q) * (p + q - r) / 16.0
    return np.asarray(54.0 * volume**2 / np.maximum(area * np.sqrt(np.maximum(product, 0.0)), 1e-300))


def aspect(mesh: TetMesh) -> Array:
    """(m,) longest edge over 2 sqrt(6) inscribed radii: 1 for a regular tetrahedron, large for a flat one."""
    corners = mesh.points[mesh.cells]
    longest = np.max([np.linalg.norm(corners[:, i] - corners[:, j], axis=1) for i, j in EDGES], axis=0)
    inscribed = 3.0 * np.abs(mesh.cell_volumes()) / _face_area(mesh)
    return np.asarray(longest / np.maximum(2.0 * np.sqrt(6.0) * inscribed, 1e-300))


def _face_area(mesh: TetMesh) -> Array:
    """(m,) surface of each cell."""
    corners = ((mesh.points[mesh.cells[:, k]] for k in face) for face in FACES)
    areas = [0.5 * np.linalg.norm(np.cross(v - u, w - u), axis=1) for u, v, w in corners]
    return np.asarray(np.maximum(np.sum(areas, axis=0), 1e-300))


def dihedral_angles(mesh: TetMesh) -> tuple[Array, Array]:
    """(m,) smallest and largest angle between two faces of each cell, degrees."""
    # Gradients of the barycentric coordinates: normals of the faces, all inward.
    corners = mesh.points[mesh.cells]
    b, c, d = (corners[:, k] - corners[:, 0] for k in (1, 2, 3))
    normals = [np.cross(c, d), np.cross(d, b), np.cross(b, c)]
    normals.insert(0, -normals[0] - normals[1] - normals[2])
    unit = [normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-300) for normal in normals]
    cosine = np.stack([-np.einsum("ij,ij->i", unit[i], unit[j]) for i, j in EDGES])
    angles = [
        np.degrees(np.arccos(np.clip(extreme, -1.0, 1.0))) for extreme in (cosine.max(axis=0), cosine.min(axis=0))
    ]
    return angles[0], angles[1]
