"""From a lumen surface and a vessel tree to tetrahedra with tagged caps.

Steps: clip to the tree and cap (:mod:`clipping`), remesh the surface by local calibre (:mod:`remeshing`),
give back the volume that chords cut off (:mod:`compensation`), fill with tetrahedra (gmsh, in a child
process, from the triangles as they are). Where a dirty surface defeats a step, the lumen is rebuilt as the
level set of its distance field round the tree (:mod:`implicit`) and the steps are done again.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import hemo
from hemo.errors import EnvironmentMissing, HemoError, InputError
from hemo.geometry.clipping import ClippedLumen, TaggedSurface, clip_to_tree, keep_flat_ends
from hemo.geometry.compensation import conserve_volume
from hemo.geometry.remeshing import MM, Sizes, remesh
from hemo.geometry.sections import face_neighbours, section_probes
from hemo.geometry.surface import Surface
from hemo.tetmesh import TetMesh
from hemo.tree import VesselTree

Array = NDArray[Any]
log = logging.getLogger(__name__)

GMSH_TIME_LIMIT = 1200  # s
POOR_QUALITY = 0.1  # gamma below which another mesher is tried


@dataclass(frozen=True)
class MeshOptions:
    """How to mesh.

    Attributes
    ----------
    cells_per_diameter
        Edges across the local diameter, the throat of a stenosis included; 6 with quadratic velocity
        resolves a coronary.
    minimal_outlet_diameter
        A branch ends where its healthy diameter falls below this, m.
    gradation
        Largest ratio of neighbouring edge lengths on the surface.
    keep_ends
        Keep the flat ends that the surface has, instead of cutting it.
    conserve_volume
        Move the wall outward by what its chords cut off.
    """

    cells_per_diameter: float = 6.0
    minimal_outlet_diameter: float = 1.5e-3
    gradation: float = 1.3
    keep_ends: bool = False
    conserve_volume: bool = True

    def __post_init__(self) -> None:
        if not 2.0 <= self.cells_per_diameter <= 60.0:
            raise InputError(f"cells_per_diameter is {self.cells_per_diameter:g}; give a number from 2 to 60.")
        if not 1.05 <= self.gradation <= 3.0:
            raise InputError(f"the mesh gradation is {self.gradation:g}; give a number from 1.05 to 3.")


@dataclass(frozen=True)
class MeshReport:
    """What was made.

    Attributes
    ----------
    cells, vertices
        Numbers of tetrahedra and of their vertices.
    min_quality
        Smallest gamma of a cell: three times inscribed over circumscribed radius, 1 for a regular one.
    cells_per_diameter_min, cells_per_diameter_median
        Over the centreline points: equivalent diameter of the section over the mean size of
        its cells (see :func:`cells_across`).
    volume_error
        Enclosed volume of the mesh over that of the clipped surface, minus 1.
    method
        Which route and which remesher made it.
    warnings
        Sentences.
    timings
        Step -> s.
    """

    cells: int
    vertices: int
    min_quality: float
    cells_per_diameter_min: float
    cells_per_diameter_median: float
    volume_error: float
    method: str
    warnings: tuple[str, ...] = ()
    timings: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class MeshResult:
    """A mesh, the tree cut at its caps, and what is to be said about it."""

    mesh: TetMesh
    tree: VesselTree
    report: MeshReport


def build_mesh(surface: Surface, tree: VesselTree, options: MeshOptions | None = None) -> MeshResult:
    """Mesh the lumen of one tree.

    Parameters
    ----------
    surface
        Closed lumen: aorta with both coronary trees, or a single vessel.
    tree
        The tree to mesh; its root starts at the ostium.
    options
        See :class:`MeshOptions`.

    Raises
    ------
    InputError
        If no valid mesh with every cap comes of it; the sentence names the outlet where it can.
    EnvironmentMissing
        If gmsh is not installed.
    """
    options = options or MeshOptions()
    if not options.keep_ends:
        from hemo.geometry.truncate import truncate

        tree = truncate(tree, options.minimal_outlet_diameter)
    try:
        return _from_surface(surface, tree, options, "surface", ())
    except EnvironmentMissing:
        raise
    except HemoError as first:
        if options.keep_ends:
            raise
        log.warning("meshing the surface as it is failed: %s The lumen round the tree is rebuilt instead.", first)
        return _second_route(surface, tree, options, first)


def _second_route(surface: Surface, tree: VesselTree, options: MeshOptions, first: HemoError) -> MeshResult:
    from hemo.geometry.implicit import rebuild_lumen

    note = f"the surface could not be meshed as it is ({first}) and was rebuilt round the tree."
    try:
        return _from_surface(rebuild_lumen(surface, tree), tree, options, "rebuilt lumen", (note,))
    except EnvironmentMissing:
        raise
    except HemoError as second:
        raise InputError(f"{first} Rebuilding the lumen round the tree failed too: {second}") from second


def _from_surface(
    surface: Surface, tree: VesselTree, options: MeshOptions, route: str, notes: tuple[str, ...]
) -> MeshResult:
    clock = _Clock()
    with clock.step("clip"):
        clipped = keep_flat_ends(surface, tree) if options.keep_ends else clip_to_tree(surface, tree)
    with clock.step("remesh"):
        sizes = Sizes(options.cells_per_diameter, options.gradation)
        boundary, remesher = remesh(clipped.surface, clipped.tree, sizes)
    if options.conserve_volume:
        with clock.step("volume_compensation"):
            boundary = conserve_volume(boundary, clipped.surface)
    with clock.step("fill"):
        mesh, quality = fill(boundary)
    with clock.step("check"):
        check_mesh(mesh, tree)
        report = _report(mesh, quality, clipped, f"{route}, {remesher}, gmsh", notes, clock.seconds)
    return MeshResult(mesh, clipped.tree, report)


def fill(boundary: TaggedSurface) -> tuple[TetMesh, Array]:
    """Tetrahedra inside a closed tagged surface, its triangles kept, and the gamma quality (m,) of each."""
    middle = boundary.points.mean(axis=0)
    given = {"points": (boundary.points - middle) / MM, "triangles": boundary.triangles}
    made = _filled(given)
    points = made["points"] * MM + middle
    points[: len(boundary.points)] = boundary.points
    cells = made["cells"].astype(np.int64)
    mesh = TetMesh(points, cells, boundary.triangles, boundary.tags, boundary.names)
    if np.median(mesh.cell_volumes()) < 0.0:
        mesh = replace(mesh, cells=cells[:, [0, 1, 3, 2]])
    mesh = split_corner_cells(mesh)
    return mesh, gamma(mesh)


def gamma(mesh: TetMesh) -> NDArray[np.float64]:
    """(m,) quality of the cells: three times inscribed over circumscribed radius; 1 for a regular tetrahedron.

    With volume V, face areas A_i and the products p_j of opposite edges' lengths (Liu and Joe 1994, BIT 34:268):
    r = 3 V / sum A_i and R = sqrt(s (s - p_1) (s - p_2) (s - p_3)) / (6 V) with 2 s = p_1 + p_2 + p_3.
    """
    a, b, c, d = (mesh.points[mesh.cells[:, i]] for i in range(4))
    volume = np.abs(mesh.cell_volumes())
    faces = [np.cross(v - u, w - u) for u, v, w in ((b, c, d), (a, c, d), (a, b, d), (a, b, c))]
    area = 0.5 * np.sum([np.linalg.norm(face, axis=1) for face in faces], axis=0)
    pairs = (((a, b), (c, d)), ((a, c), (b, d)), ((a, d), (b, c)))
    p, q, r = (np.linalg.norm(u - v, axis=1) * np.linalg.norm(w - x, axis=1) for (u, v), (w, x) in pairs)
    product = (p + q + r) * (q + r - p) * (p + r - q) * (p + q - r) / 16.0
    return np.asarray(54.0 * volume**2 / np.maximum(area * np.sqrt(np.maximum(product, 0.0)), 1e-300))


def split_corner_cells(mesh: TetMesh) -> TetMesh:
    """Give each cell with three faces on the boundary a vertex in its middle.

    All six edges of such a cell lie on the boundary, so that with velocity prescribed there its pressure is
    undetermined (the Taylor-Hood pair wants a free velocity in every cell).
    """
    corner = np.flatnonzero((face_neighbours(mesh.cells) < 0).sum(axis=1) >= 3)
    if len(corner) == 0:
        return mesh
    middle = len(mesh.points) + np.arange(len(corner))
    pieces = np.repeat(mesh.cells[corner][None], 4, axis=0)
    for vertex in range(4):
        pieces[vertex, :, vertex] = middle
    points = np.vstack([mesh.points, mesh.points[mesh.cells[corner]].mean(axis=1)])
    return replace(mesh, points=points, cells=np.vstack([np.delete(mesh.cells, corner, axis=0), *pieces]))


def _filled(given: Mapping[str, Array]) -> dict[str, Array]:
    """By HXT (Marot, Pellerin and Remacle 2019, Int J Numer Meth Eng 117:967), by Delaunay and Netgen where it fails.

    On the straight stenosis HXT's own optimiser reaches a smallest gamma of 0.3 in a quarter of the time that
    Netgen's optimisation of the Delaunay mesh takes to reach 0.37.
    """
    try:
        made = run_gmsh("fill", given, algorithm=10, threshold=0.4)
        if made["quality"].min() >= POOR_QUALITY:
            return made
        log.warning("a cell of the HXT mesh has quality %.3f; Delaunay with Netgen is tried", made["quality"].min())
    except InputError as error:
        made = {}
        log.warning("%s Delaunay with Netgen is tried.", error)
    try:
        other = run_gmsh("fill", given, algorithm=1, netgen=True)
    except InputError:
        if made:
            return made
        raise
    return other if not made or other["quality"].min() > made["quality"].min() else made


def run_gmsh(task: str, arrays: Mapping[str, Array], **options: Any) -> dict[str, Array]:
    """Run one task of :mod:`gmsh_child` in a process of its own, which never sees MPI.

    Raises
    ------
    EnvironmentMissing
        If gmsh is not installed.
    InputError
        If gmsh fails or takes too long.
    """
    if find_spec("gmsh") is None:
        raise EnvironmentMissing("gmsh is not installed; run 'make setup', or install the extra hemo[mesh].")
    with tempfile.TemporaryDirectory(prefix="hemo-gmsh-") as name:
        folder = Path(name)
        np.savez(folder / "in.npz", **arrays)  # type: ignore[arg-type]
        (folder / "task.json").write_text(json.dumps({"task": task, **options}))
        root = str(Path(hemo.__file__).parent.parent)
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        try:
            done = subprocess.run(
                [sys.executable, "-m", "hemo.geometry.gmsh_child", name],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
                capture_output=True,
                text=True,
                timeout=GMSH_TIME_LIMIT,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise InputError(f"gmsh did not end within {GMSH_TIME_LIMIT} s; ask for fewer cells per diameter.") from error
        if done.returncode != 0 or not (folder / "out.npz").is_file():
            last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
            raise InputError(f"gmsh could not {task} the lumen: {last[0]}.")
        with np.load(folder / "out.npz") as data:
            return {key: data[key] for key in data.files}


def check_mesh(mesh: TetMesh, tree: VesselTree) -> None:
    """Refuse a mesh that no solver should be given.

    Raises
    ------
    InputError
        For inverted cells, a boundary that is not that of the cells, or a missing cap.
    """
    volumes = mesh.cell_volumes()
    if np.any(volumes <= 0.0):
        raise InputError(f"tree {tree.name!r}: {int((volumes <= 0).sum())} cells of the mesh are inverted.")
    for name in ("inlet", "wall", *tree.outlets):
        if name not in mesh.names.values() or len(mesh.facets_of(name)) == 0:
            raise InputError(f"tree {tree.name!r}: the mesh has no boundary facets tagged {name!r}.")
    faces = np.sort(mesh.cells[:, [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]].reshape(-1, 3), axis=1)
    unique, uses = np.unique(faces, axis=0, return_counts=True)
    outer = unique[uses == 1]
    own = np.unique(np.sort(mesh.facets, axis=1), axis=0)
    if uses.max() > 2 or outer.shape != own.shape or not np.array_equal(outer, own):
        raise InputError(f"tree {tree.name!r}: the tagged facets are not the whole boundary of the mesh.")


def _report(
    mesh: TetMesh,
    quality: Array,
    clipped: ClippedLumen,
    method: str,
    notes: tuple[str, ...],
    timings: dict[str, float],
) -> MeshReport:
    warnings = [*notes, *clipped.warnings]
    genus = clipped.surface.genus
    if genus > 0:
        warnings.append(f"vessels of the tree touch and form {genus} ring(s) in the lumen; flow can take a short-cut there.")
    across = cells_across(mesh, clipped.tree)
    return MeshReport(
        cells=len(mesh.cells),
        vertices=len(mesh.points),
        min_quality=float(quality.min()),
        cells_per_diameter_min=float(across.min()),
        cells_per_diameter_median=float(np.median(across)),
        volume_error=float(mesh.cell_volumes().sum() / clipped.surface.volume - 1.0),
        method=method,
        warnings=tuple(warnings),
        timings=timings,
    )


def cells_across(mesh: TetMesh, tree: VesselTree) -> Array:
    """(n,) cells per diameter at every second centreline point: equivalent diameter of the section over its cells' size.

    The size of a cell of volume V is (6 V)^(1/3), the spacing of a grid of cubes each cut into six tetrahedra.
    """
    probes = section_probes(mesh, tree, stride=2)
    size = np.cbrt(6.0 * mesh.cell_volumes())
    area = np.bincount(probes.section, probes.weight, probes.n_sections)
    mean = np.bincount(probes.section, probes.weight * size[probes.cell], probes.n_sections)
    found = area > 0.0
    return np.asarray(2.0 * np.sqrt(area[found] / np.pi) / (mean[found] / area[found]))


@dataclass
class _Clock:
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = time.perf_counter() - start
