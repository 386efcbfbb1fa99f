"""The nozzle of the FDA's interlaboratory study, sudden expansion at z = 0: meshes of its meridian plane and its lumen.

Hariharan et al. 2011 (J Biomech Eng 133:041002): a tube of 12 mm, a cone of 20 degrees over 22.685 mm to a throat of
4 mm, 40 mm long, and a tube of 12 mm again. Lengths in mm. Both meshes stand on the same stations along the nozzle and
on rings: those in the throat go through everywhere, those beyond its radius begin at the expansion.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import basix.ufl
import numpy as np
import ufl
from dolfinx import mesh
from mpi4py import MPI
from numpy.typing import NDArray

from hemo.tetmesh import INLET, WALL, TetMesh
from validation import meridian
from validation.tets import between, between_planes, disk, same_area, split_quads, tagged

Array = NDArray[Any]

WIDE, NARROW = 6.0, 2.0
CONE, THROAT = -62.685, -40.0  # where they begin
START, END = -100.0, 120.0
MEASURED = (-88.0, -64.0, -48.0, -42.0, -20.0, -8.0, 0.0, 8.0, 16.0, 24.0, 32.0, 40.0, 48.0, 60.0, 80.0)


def wall_radius(z: Array) -> Array:
    """(n,) before the expansion."""
    return np.interp(z, [CONE, THROAT], [WIDE, NARROW])


def stations(least: float, most: float) -> Array:
    """Places along the nozzle, all the measured ones among them; steps from ``least`` at the expansion to ``most``."""
    fixed = np.unique([START, CONE, THROAT, END, *MEASURED])
    found = [START]
    for first, last in pairwise(fixed):
        z = np.linspace(first, last, 400)
        from_throat = least + 0.2 * np.abs(z - THROAT) + 0.1 * NARROW
        step = np.minimum(np.minimum(most, least + 0.15 * np.abs(z)), from_throat)
        count = np.concatenate([[0.0], np.cumsum(np.diff(z) / (0.5 * (step[1:] + step[:-1])))])
        found.extend(np.interp(np.linspace(0.0, count[-1], round(count[-1]) + 2)[1:], count, z))
    return np.array(found)


def rings(inner: int, outer: int) -> tuple[Array, Array]:
    """Shares of the throat's radius from 0 to 1, and radii from the throat's to the tube's, closer at the lip."""
    share = 1.0 - (1.0 - np.linspace(0.0, 1.0, inner + 1)) ** 1.3
    ratio = np.log((WIDE - NARROW) / outer / (NARROW * (1.0 - share[-2])))
    grown = np.expm1(2.0 * ratio * np.linspace(0.0, 1.0, outer + 1)) / np.expm1(2.0 * ratio)
    return share, NARROW + (WIDE - NARROW) * grown


def plane(inner: int, outer: int, least: float, most: float) -> tuple[mesh.Mesh, mesh.MeshTags]:
    """Triangles of (z, r) for :class:`validation.meridian.Flow`."""
    z, (share, beyond) = stations(least, most), rings(inner, outer)
    behind = z[z >= 0.0]
    core = np.stack([np.repeat(z, inner + 1), np.outer(wall_radius(z), share).ravel()], axis=1)
    ring = np.stack(np.meshgrid(behind, beyond[1:], indexing="ij"), axis=-1).reshape(-1, 2)
    number = np.arange(len(core)).reshape(len(z), inner + 1)
    more = np.concatenate([number[z >= 0.0, -1:], len(core) + np.arange(len(ring)).reshape(len(behind), outer)], axis=1)
    # The diagonals lead into the corners, where a cell with no inner side would hold its pressure fast.
    quads = [np.stack([n[1:, :-1], n[1:, 1:], n[:-1, 1:], n[:-1, :-1]], axis=-1).reshape(-1, 4) for n in (number, more)]
    triangles = split_quads(np.concatenate(quads))
    element = ufl.Mesh(basix.ufl.element("Lagrange", "triangle", 1, shape=(2,)))
    domain = mesh.create_mesh(MPI.COMM_SELF, triangles, np.concatenate([core, ring]), element)
    domain.topology.create_connectivity(1, 2)

    def wall(x: Array) -> Array:
        lip = np.isclose(x[0], 0.0) & (x[1] > NARROW - 1e-9)
        return lip | np.isclose(x[1], np.where(x[0] > 1e-9, WIDE, wall_radius(x[0])))

    parts = {
        meridian.WALL: wall,
        meridian.AXIS: lambda x: np.isclose(x[1], 0.0),
        meridian.INLET: lambda x: np.isclose(x[0], START),
        meridian.OUTLET: lambda x: np.isclose(x[0], END),
    }
    return domain, meridian.tag_boundary(domain, parts)


def lumen(inner: int, outer: int, least: float, most: float) -> TetMesh:
    """Tetrahedra along z, m; polygons of 6 ``inner`` corners whose areas are the circles'."""
    z, (share, beyond) = stations(least, most), rings(inner, outer)
    disk, triangles, whole = _section(share, beyond)
    core = 1 + 3 * inner * (inner + 1)
    start = np.concatenate([[0], np.cumsum(np.where(z < 0.0, core, len(disk)))])
    size = np.where(z < 0.0, wall_radius(z), NARROW)
    places, layers = [], []
    for first, height, radius in zip(start, z, size, strict=False):
        part = disk if height >= 0.0 else disk[:core]
        places.append(np.column_stack([radius / NARROW * part, np.full(len(part), height)]))
        layers.append((whole if height >= 0.0 else triangles) + first)
    throat = int(np.searchsorted(z, 0.0))
    upstream = [*layers[:throat], triangles + start[throat]]
    cells = np.concatenate([between(part, to_and_fro=True) for part in (upstream, layers[throat:])])
    points = 1e-3 * np.concatenate(places)
    tag = between_planes(2, 1e-3 * START, 1e-3 * END)
    return tagged(points, cells, tag, {1: WALL, 2: INLET, 3: "outlet"})


def _section(share: Array, beyond: Array) -> tuple[Array, Array, Array]:
    """(n, 2) points of a section after the expansion, triangles of the throat's, and of the whole."""
    inner = len(share) - 1
    corners = 6 * inner
    core, triangles = disk(share)
    core *= NARROW * same_area(corners)
    rim = core[-corners:] / NARROW
    number = len(core) - corners + np.arange(len(beyond) * corners).reshape(-1, corners)
    after = np.roll(number, -1, axis=1)
    quads = np.stack([number[:-1], number[1:], after[1:], after[:-1]], axis=-1).reshape(-1, 4)
    points = [core, *(radius * rim for radius in beyond[1:])]
    return np.concatenate(points), triangles, np.concatenate([triangles, split_quads(quads)])
