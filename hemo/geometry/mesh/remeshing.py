"""Remesh a tagged surface to triangles of a wanted size, keeping the rims of its caps.

The remesher is MMG's ``mmgs`` (Dapogny, Dobrzynski and Frey 2014, J Comput Phys 262:358; LGPL), run as a
program of its own through files (:mod:`medit`). Without it gmsh remeshes the parts in its child process.
"""

from __future__ import annotations

import logging
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from hemo.errors import EnvironmentMissing, HemoError
from hemo.geometry.lumen.surfacecheck import edge_table
from hemo.geometry.mesh.clipping import WALL_TAG, TaggedSurface
from hemo.geometry.mesh.collapsing import collapse_short_edges
from hemo.geometry.mesh.filling import MM, run_gmsh
from hemo.geometry.mesh.medit import MeditError, read_surface, write_surface
from hemo.geometry.mesh.mmg import MmgFailed, mmg_program, run_mmg, write_wanted
from hemo.geometry.mesh.sizing import Sizes, size_at, tube
from hemo.geometry.mesh.stretching import in_plane, stretch_at
from hemo.geometry.mesh.untangling import untangle
from hemo.tree import VesselTree
from hemo.triangles import triangle_areas, unit_normals

Array = NDArray[np.float64]
Index = NDArray[np.int64]
log = logging.getLogger(__name__)

RIDGE_ANGLE = 60  # degrees between the normals of two triangles that makes their edge a feature
# Tetrahedra grown from triangles of this share of D/N come out with N cells across D at least, but at caps.
TRIANGLE_SIZE = 0.82
# Accepted logarithm of the triangles' size over the wanted one: root mean square, and where they are coarsest.
ACCEPTED, CORRECTIONS = 0.1, 1
# Edges shorter than these shares of the wanted length are collapsed before and after remeshing.
SHORT_BEFORE, SHORT_AFTER = 0.1, 0.3


class RemeshingFailed(HemoError):
    """A remesher gave up or returned something that is no closed surface."""


def remesh(surface: TaggedSurface, tree: VesselTree, sizes: Sizes) -> tuple[TaggedSurface, str]:
    """Triangles of the wanted size, without folds, and the name of the remesher that made them.

    Raises
    ------
    RemeshingFailed
        If no remesher returns a closed surface with every part.
    EnvironmentMissing
        If neither mmgs nor gmsh is installed.
    """
    surface = collapse_short_edges(surface, SHORT_BEFORE * size_at(surface.points, tree, sizes))
    target = size_at(surface.points, tree, sizes)
    # The chord of an edge D/N on a circle of radius R lies R/(2 N^2) deep; allow it thrice on the widest vessel. With
    # half of that mmgs refines here and there round a plain tube: triangles of 0.68 to 0.94 of the wanted, by chance.
    deviation = 3.0 * float(tube(tree)[1].max()) / (2.0 * sizes.cells_per_diameter**2)
    program = mmgs_program()
    if program is not None:
        try:
            made = _to_size(surface, tree, sizes, target, deviation, program)
            return _tidied(made, tree, sizes), "mmgs"
        except RemeshingFailed as error:
            log.warning("%s tree: mmgs failed (%s); gmsh remeshes the surface instead", tree.name, error)
    return _tidied(_checked(surface, _gmsh(surface, target)), tree, sizes), "gmsh"


def _tidied(surface: TaggedSurface, tree: VesselTree, sizes: Sizes) -> TaggedSurface:
    """Without short edges and folds; what was a fold may leave short edges, which are collapsed in turn."""
    for _ in range(2):
        surface = collapse_short_edges(surface, SHORT_AFTER * size_at(surface.points, tree, sizes))
        surface, moved = untangle(surface)
        if moved == 0:
            break
    return surface


def _to_size(
    surface: TaggedSurface, tree: VesselTree, sizes: Sizes, target: Array, deviation: float, program: Path
) -> TaggedSurface:
    """Remesh by mmgs, again with a corrected target while the triangles' size misses the wanted one.

    mmgs accepts edges between 0.6 and 1.4 of the target, so that a mesh already near it changes little and a
    short throat is met late. The correction is local, averaged over a diameter of the vessel; the best is kept.
    """
    centre, radius = tube(tree)
    nearest = cKDTree(centre).query(surface.points)[1]
    factor, best, error = np.full(len(target), TRIANGLE_SIZE), surface, np.inf
    for _ in range(CORRECTIONS + 1):
        made = _checked(surface, _mmgs(surface, factor * target, tree, sizes, deviation, program))
        middle, ratio = relative_size(made, tree, sizes)
        miss = _smoothed(np.log(ratio / TRIANGLE_SIZE), middle, centre, radius)
        deviating, coarsest = float(np.sqrt(np.mean(miss**2))), max(float(miss.max()), 0.0)
        if deviating + coarsest < error:
            best, error = made, deviating + coarsest
        if max(deviating, coarsest) <= ACCEPTED:
            break
        factor = np.clip(factor * np.exp(-np.clip(miss[nearest], -0.4, 0.4)), 0.3, 2.0)
    return best


def _smoothed(values: Array, places: Array, centre: Array, radius: Array) -> Array:
    """(k,) mean of the values whose place's nearest centreline points lie within a radius of each one."""
    tree = cKDTree(centre)
    nearest = tree.query(places)[1]
    total, count = np.bincount(nearest, values, len(centre)), np.bincount(nearest, minlength=len(centre))
    near = [np.array(group, dtype=np.int64) for group in tree.query_ball_point(centre, radius)]
    sums = np.array([[total[group].sum(), count[group].sum()] for group in near])
    return np.asarray(sums[:, 0] / np.maximum(sums[:, 1], 1.0))


def relative_size(surface: TaggedSurface, tree: VesselTree, sizes: Sizes) -> tuple[Array, Array]:
    """Middle (m, 3) of each triangle, and its size over the wanted one (m,).

    A triangle's size is the edge of the equilateral one of equal area; where stretched ones are wanted, of their area.
    """
    corners = surface.points[surface.triangles]
    edge = np.sqrt(4.0 / np.sqrt(3.0) * triangle_areas(corners))
    middle = corners.mean(axis=1)
    wanted = size_at(middle, tree, sizes)
    if sizes.stretch > 1.0:
        wanted = wanted * in_plane(*stretch_at(middle, tree, sizes.stretch), unit_normals(corners))
    return np.asarray(middle), np.asarray(np.maximum(edge, 1e-9) / wanted)


def mmgs_program() -> Path | None:
    """Where the mmgs program is: beside this interpreter, or on the PATH."""
    return mmg_program("mmgs")


def _checked(before: TaggedSurface, after: TaggedSurface) -> TaggedSurface:
    """Refuse a surface that is open, lost a part or changed its shape; flatten its caps exactly."""
    if np.any(edge_table(after.triangles)[2] != 2):
        raise RemeshingFailed("the remeshed surface is not closed.")
    points = after.points.copy()
    for tag, (centre, normal) in before.planes.items():
        vertices = np.unique(after.triangles[after.tags == tag])
        if len(vertices) == 0:
            raise RemeshingFailed(f"the cap {before.names[tag]!r} was lost in remeshing.")
        points[vertices] -= ((points[vertices] - centre) @ normal)[:, None] * normal
    flat = replace(after, points=points)
    if abs(flat.volume / before.volume - 1.0) > 0.1:
        raise RemeshingFailed("remeshing changed the enclosed volume by more than a tenth.")
    return flat


def _mmgs(
    surface: TaggedSurface, target: Array, tree: VesselTree, sizes: Sizes, deviation: float, program: Path
) -> TaggedSurface:
    middle = surface.points.mean(axis=0)
    with tempfile.TemporaryDirectory(prefix="hemo-mmgs-") as folder:
        source = Path(folder) / "in.meshb"
        write_surface(source, (surface.points - middle) / MM, surface.triangles, surface.tags)
        write_wanted(source, surface.points, target, tree, sizes)
        options = "-ar", str(RIDGE_ANGLE), "-hausd", f"{deviation / MM:.6g}"
        try:
            points, triangles, tags = read_surface(run_mmg(program, source, target, sizes, *options))
        except MmgFailed as error:
            raise RemeshingFailed(str(error)) from error
        except MeditError as error:
            raise RemeshingFailed(f"mmgs wrote no surface: {error}") from error
    return replace(surface, points=points * MM + middle, triangles=triangles, tags=tags)


def _gmsh(surface: TaggedSurface, target: Array) -> TaggedSurface:
    middle = surface.points.mean(axis=0)
    arrays = {
        "points": (surface.points - middle) / MM,
        "triangles": surface.triangles,
        "tags": surface.tags,
        "size": target / MM,
    }
    try:
        made = run_gmsh("remesh", arrays)
    except EnvironmentMissing:
        raise
    except HemoError as error:
        raise RemeshingFailed(str(error)) from error
    points, triangles = made["points"] * MM + middle, made["triangles"]
    return replace(surface, points=points, triangles=triangles, tags=_tags_by_plane(surface, points, triangles))


def _tags_by_plane(surface: TaggedSurface, points: Array, triangles: Index) -> NDArray[np.int32]:
    """(m,) tag of each triangle: a cap's where it lies in that cap's plane, within its rim, the wall's elsewhere."""
    tags = np.full(len(triangles), WALL_TAG, dtype=np.int32)
    for tag, (centre, normal) in surface.planes.items():
        cap = surface.points[surface.triangles[surface.tags == tag]].reshape(-1, 3) - centre
        reach = float(np.linalg.norm(cap, axis=1).max())
        corners = points[triangles] - centre
        flat = np.abs(corners @ normal).max(axis=1) < 1e-4 * reach
        tags[flat & (np.linalg.norm(corners, axis=2).max(axis=1) < 1.01 * reach)] = tag
    return tags
