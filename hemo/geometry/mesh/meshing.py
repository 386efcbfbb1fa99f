"""From a lumen surface and a vessel tree to tetrahedra with tagged caps.

Steps: clip to the tree and cap (:mod:`clipping`), remesh the surface by local calibre (:mod:`remeshing`),
give back the volume that chords cut off (:mod:`compensation`), lay boundary layers if asked for
(:mod:`layers`), fill with tetrahedra (:mod:`filling`: gmsh, in a child process, from the triangles as they
are), make those inside as long and wide as wanted (:mod:`adapting`: mmg3d). Where a dirty surface defeats a
step, the lumen is rebuilt as the level set of its distance field round the tree (:mod:`implicit`) and the
steps are done again.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace

import numpy as np

from hemo.errors import EnvironmentMissing, HemoError, InputError
from hemo.geometry.lumen.surface import Surface
from hemo.geometry.lumen.surfacecheck import enclosed_volume
from hemo.geometry.mesh.capcuts import OstiumNotCut
from hemo.geometry.mesh.clipping import ClippedLumen, clip_to_tree, keep_flat_ends
from hemo.geometry.mesh.discretising import Clock, discretised
from hemo.geometry.mesh.extensions import Extension, ExtensionLength, extend_caps, with_extensions
from hemo.geometry.mesh.layers import LayerOptions
from hemo.geometry.mesh.leavingout import Rest, as_far_as, clear_of_strangers, flow_left, left_out
from hemo.geometry.mesh.quality import MeshQuality, cells_across, mesh_quality
from hemo.geometry.mesh.sections import SectionProbes, section_probes
from hemo.geometry.mesh.sizing import Sizes
from hemo.geometry.mesh.trimming import with_lead
from hemo.geometry.mesh.untangling import untangle
from hemo.geometry.truncate import truncate, without_outlets
from hemo.tetmesh import FACES, INLET, TetMesh, face_keys
from hemo.tree import VesselTree

log = logging.getLogger(__name__)

FLATTEST = 0.01  # gamma of a cell below which the user is told
LEAD_LENGTH = 0.75  # diameters that a root is led upstream where its ostium lies in a fork
LARGEST_LOSS = 0.1  # share of a tree's flow whose outlets may be left out, or cut short, where they cannot be cut


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
    outlet_extension, inlet_extension
        Flow extensions beyond the outlets and before the inlet; None for none.
    stretch
        Length of the cells of straight vessels over their width; 1 for equal sides, as with boundary layers.
    layers
        Boundary layers; none without. Where they do not fit the mesh is made without, with a warning.
    """

    cells_per_diameter: float = 6.0
    minimal_outlet_diameter: float = 1.5e-3
    gradation: float = 1.3
    stretch: float = 1.0
    keep_ends: bool = False
    conserve_volume: bool = True
    outlet_extension: ExtensionLength | None = None
    inlet_extension: ExtensionLength | None = None
    layers: LayerOptions | None = None

    def extensions(self, tree: VesselTree) -> dict[str, ExtensionLength]:
        """Wanted length of the extension at each cap that gets one."""
        wanted = {INLET: self.inlet_extension, **dict.fromkeys(tree.outlets, self.outlet_extension)}
        return {name: length for name, length in wanted.items() if length is not None}

    def __post_init__(self) -> None:
        if not 2.0 <= self.cells_per_diameter <= 60.0:
            raise InputError(f"cells_per_diameter is {self.cells_per_diameter:g}; give a number from 2 to 60.")
        if not 1.05 <= self.gradation <= 3.0:
            raise InputError(f"the mesh gradation is {self.gradation:g}; give a number from 1.05 to 3.")
        if not 1.0 <= self.stretch <= 4.0:
            raise InputError(f"the stretch of the cells is {self.stretch:g}; give a number from 1 to 4.")

    @property
    def sizes(self) -> Sizes:
        """Of the cells."""
        layered = self.layers is not None and self.layers.count > 0
        return Sizes(self.cells_per_diameter, self.gradation, 1.0 if layered else self.stretch)


@dataclass(frozen=True)
class MeshReport:
    """What was made.

    Attributes
    ----------
    cells, vertices
        Numbers of tetrahedra and of their vertices.
    min_quality
        Smallest gamma of a cell: three times inscribed over circumscribed radius, 1 for a regular one; that of
        boundary layers, flat by design, is not looked at.
    cells_per_diameter_min, cells_per_diameter_median
        Over the centreline points: equivalent diameter of the section over the mean size of
        its cells (see :func:`hemo.geometry.mesh.quality.cells_across`).
    volume_error
        Enclosed volume of the mesh over that of the clipped surface, minus 1.
    method
        Which route, which remesher and which filling made it.
    quality
        Shapes and sizes of the cells, by branch.
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
    quality: MeshQuality
    warnings: tuple[str, ...] = ()
    timings: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class MeshResult:
    """A mesh, the tree cut at its caps (extensions left out), the sections at its points, the flow extensions."""

    mesh: TetMesh
    tree: VesselTree
    probes: SectionProbes
    report: MeshReport
    extensions: tuple[Extension, ...] = ()


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
    if enclosed_volume(surface.points, surface.triangles) < 0.0:
        surface = Surface(surface.points, surface.triangles[:, ::-1])
    if not options.keep_ends:
        tree = truncate(tree, options.minimal_outlet_diameter)
    try:
        return _from_surface(surface, tree, options, "surface", ())
    except EnvironmentMissing:
        raise
    except HemoError as first:
        if options.keep_ends:
            raise
        text = "%s tree: meshing the surface as it is failed: %s The lumen round the tree is rebuilt instead."
        log.warning(text, tree.name, first)
        return _second_route(surface, tree, options, first)


def _second_route(surface: Surface, tree: VesselTree, options: MeshOptions, first: HemoError) -> MeshResult:
    """Mesh the lumen rebuilt round the tree; small outlets that cannot be cut on it either are left out."""
    notes = [f"the surface could not be meshed as it is ({first}) and was rebuilt round the tree."]
    whole, led = tree, False
    while True:
        try:
            made = clear_of_strangers(tree) or _rebuilt(surface, tree, options, tuple(notes))
        except EnvironmentMissing:
            raise
        except OstiumNotCut as second:
            if led:
                raise InputError(f"{first} Rebuilding the lumen round the tree failed too: {second}") from second
            led, tree = True, with_lead(tree, LEAD_LENGTH * float(tree.root.diameter[0]))
            notes.append(f"the inlet lies within the lumen that {tree.root.name} leaves ({second})")
            continue
        except HemoError as second:
            made = Rest(without_outlets(tree, getattr(second, "outlets", ())), str(second))
        if isinstance(made, MeshResult):
            return made
        lost = left_out(tree, made.tree)
        if not lost or flow_left(whole, made.tree, by_length=True) < 1.0 - LARGEST_LOSS:
            raise InputError(f"{first} Rebuilding the lumen round the tree failed too: {made.reason}")
        notes.append(f"{lost} ({made.reason})")
        tree = made.tree


def _rebuilt(surface: Surface, tree: VesselTree, options: MeshOptions, notes: tuple[str, ...]) -> MeshResult | Rest:
    """The mesh of the lumen rebuilt round the tree; what is left of a tree that this lumen does not follow to its ends.

    Where it ends before a vessel, the vessel ends a radius before that.
    """
    from hemo.geometry.mesh.implicit import rebuild_lumen

    rebuilt = rebuild_lumen(surface, tree)
    if (rest := as_far_as(tree, rebuilt.reached)) is not None:
        return rest
    parted = (f"{one} and {other} touch and are parted there." for one, other in rebuilt.parted)
    return _from_surface(rebuilt.surface, tree, options, "rebuilt lumen", (*notes, *parted))


def _from_surface(
    surface: Surface, tree: VesselTree, options: MeshOptions, route: str, notes: tuple[str, ...]
) -> MeshResult:
    clock = Clock()
    with clock.step("clip"):
        clipped = keep_flat_ends(surface, tree) if options.keep_ends else clip_to_tree(surface, tree)
        extended, extensions = extend_caps(clipped.surface, options.extensions(tree), tree.name)
        clipped = replace(clipped, surface=untangle(extended)[0])
    prolonged = with_extensions(clipped.tree, extensions)
    made, remesher = discretised(
        clipped.surface, prolonged, options.sizes, options.layers, options.conserve_volume, clock
    )
    mesh, notes = made.mesh, (*notes, *made.warnings)
    with clock.step("check"):
        check_mesh(mesh, tree)
        probes = section_probes(mesh, clipped.tree)
        quality = mesh_quality(mesh, clipped.tree, probes, made.layer_cells)
        report = _report(mesh, quality, probes, clipped, f"{route}, {remesher}, {made.method}", notes, clock.seconds)
    return MeshResult(mesh, clipped.tree, probes, report, extensions)


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
    cell, opposite = np.nonzero(mesh.neighbours < 0)
    outer = mesh.cells[cell[:, None], FACES[opposite]]
    key = face_keys(np.concatenate([outer, mesh.facets]))
    if not np.array_equal(np.sort(key[: len(outer)]), np.sort(key[len(outer) :])):
        raise InputError(f"tree {tree.name!r}: the tagged facets are not the whole boundary of the mesh.")


def _report(
    mesh: TetMesh,
    quality: MeshQuality,
    probes: SectionProbes,
    clipped: ClippedLumen,
    method: str,
    notes: tuple[str, ...],
    timings: dict[str, float],
) -> MeshReport:
    warnings = [*notes, *clipped.warnings]
    genus = clipped.surface.genus
    if genus > 0:
        warnings.append(f"vessels of the tree touch and form {genus} ring(s) in the lumen; flow can short-cut there.")
    if quality.gamma_min < FLATTEST:
        place = ", ".join(f"{name} {1e3 * value:.1f}" for name, value in zip("xyz", quality.worst_place, strict=True))
        warnings.append(
            f"a cell of {quality.worst_branch} near {place} mm is flat (quality {quality.gamma_min:.4f}); a solver may "
            "fail on it, and what it gives there is not to be trusted."
        )
    across = cells_across(mesh, probes)
    return MeshReport(
        cells=len(mesh.cells),
        vertices=len(mesh.points),
        min_quality=quality.gamma_min,
        cells_per_diameter_min=float(np.nanmin(across)),
        cells_per_diameter_median=float(np.nanmedian(across)),
        volume_error=float(mesh.cell_volumes().sum() / clipped.surface.volume - 1.0),
        method=method,
        quality=quality,
        warnings=tuple(warnings),
        timings=timings,
    )
