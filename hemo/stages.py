"""The stages of a run, each able to pick up what an interrupted run left in its work folder."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.beatstage import check_beat
from hemo.boundary import aortic_pressure
from hemo.case import Case
from hemo.errors import InputError
from hemo.geometry.centreline.renaming import rename
from hemo.geometry.centreline.simvascular import contour_files
from hemo.geometry.image.perfusion import Muscle
from hemo.geometry.lesion import LesionOptions, completed, with_reference_and_lesions
from hemo.geometry.lumen.capping import Cap
from hemo.geometry.lumen.surface import Surface
from hemo.geometry.synthetic.vessels import straight_stenosis
from hemo.geometry.truncate import truncate
from hemo.reduced.pulsatile import bed_kind
from hemo.tomlfile import resolve_path
from hemo.tree import VesselTree
from hemo.treejson import document, parse_trees, read_trees, tree_to_json

Array = NDArray[Any]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Geometry:
    """Trees with their lesions, the lumen they were found in (None for a bare tree), and whether LPS is known.

    ``voxel`` is the largest spacing of the image, m; None without one.
    """

    trees: tuple[VesselTree, ...]
    surface: Surface | None
    orientation_known: bool
    voxel: float | None = None


def input_files(case: Case, path: Path) -> dict[str, Path]:
    """Every file the result depends on, by the name it has in the summary.

    Raises
    ------
    InputError
        If a file named in the case is missing.
    """
    found = {str(path): Path(path)}
    for text in (case.patient.aortic_waveform, case.flow.inlet_waveform):
        if text is not None:
            found[text] = resolve_path(path, text)
    for text in (case.perfusion.map, case.perfusion.myocardium) if case.perfusion is not None else ():
        found[text] = resolve_path(path, text)
        if not found[text].is_file():
            raise InputError(f"{path}: perfusion: {text!r} is not a file ({found[text]}); correct the path.")
    for key in ("label_map", "surface", "centreline", "contours", "tree"):
        for text in _listed(getattr(case.geometry, key)):
            file = resolve_path(path, text)
            if key == "contours" and file.is_dir():
                found |= {f"{text}/{item.name}": item for item in contour_files(file)}
                continue
            if key == "label_map" and file.is_dir():
                from hemo.geometry.image.labelimage import label_file

                file = label_file(file)
            if not file.is_file():
                raise InputError(f"{path}: geometry.{key} {text!r} is not a file ({file}); correct the path.")
            found[text] = file
    return found


def _listed(paths: str | list[str] | None) -> list[str]:
    return [paths] if isinstance(paths, str) else paths or []


def check_case(case: Case, methods: Sequence[str]) -> None:
    """Refuse what cannot work before any time is spent on it."""
    patient = case.physiology()
    aortic_pressure(patient)
    bed_kind(patient)
    source = case.geometry
    extended = source.flow_extension is not None or source.inlet_extension is not None
    if case.fluid().thinning is not None and extended:
        raise InputError(
            "blood.model: what a flow extension loses is taken off for a constant viscosity only; leave the extension "
            "out."
        )
    if "fem" in methods:
        check_beat(case)


def load_geometry(case: Case, path: Path, work: Path) -> Geometry:
    """Read the case's lumen and find its trees and lesions; the work folder keeps them for a resumed run."""
    stored = work / "geometry.npz"
    if not stored.is_file():
        geometry = _find_geometry(case, path)
        work.mkdir(parents=True, exist_ok=True)
        _store_geometry(geometry, stored)
    return _stored_geometry(stored)


def _find_geometry(case: Case, path: Path) -> Geometry:
    source = case.geometry
    if source.analytic is not None:
        vessel = source.analytic
        surface, tree = straight_stenosis(
            vessel.diameter, vessel.length, vessel.severity, vessel.lesion_length, vessel.lesion_centre, vessel.name
        )
        return Geometry((tree,), surface, orientation_known=False)
    if source.tree is not None:
        stored = read_trees(resolve_path(path, source.tree))
        trees = tuple(completed(item, _lesion_options(case)) for item in stored)
        for item in stored:
            if item.calibration is not None:
                log.warning("%s tree: the calibration of its file is not used here.", item.tree.name)
        return Geometry(rename(trees, source.names), None, orientation_known=True)
    lumen, found, voxel = _segmented(case, path)
    with_lesions = (with_reference_and_lesions(tree, _lesion_options(case)) for tree in rename(found, source.names))
    cut = (truncate(tree, source.minimal_outlet_diameter, _capped(lumen, tree)) for tree in with_lesions)
    return Geometry(tuple(cut), lumen, orientation_known=True, voxel=voxel)


def _capped(surface: Surface | None, tree: VesselTree) -> tuple[str, ...]:
    """Names of the outlets that end at a cap of the surface: somebody chose that end."""
    capped = []
    for name in tree.outlets:
        branch = tree[name]
        cap = None if surface is None else surface.cap_at(branch.points[-1], 3.0 * float(branch.radius[-1]))
        if cap is not None:
            log.info("%s ends at the surface's cap %r.", name, cap.name)
            capped.append(name)
    return tuple(capped)


def _segmented(case: Case, path: Path) -> tuple[Surface | None, tuple[VesselTree, ...], float | None]:
    """The lumen surface, where there is one, its trees, and the image's largest spacing (m), where there is one."""
    from hemo.geometry.centreline.contourtree import trees_from_contours
    from hemo.geometry.centreline.givenlines import read_centrelines, trees_from_lines
    from hemo.geometry.centreline.trees import find_trees
    from hemo.geometry.image.labelimage import read_labels
    from hemo.geometry.lumen.fromlabels import surface_from_labels
    from hemo.geometry.lumen.surface import read_surface

    source = case.geometry
    ostia = np.array(source.ostia) if source.ostia else None
    if source.contours is not None:
        folders_and_files = [resolve_path(path, text) for text in _listed(source.contours)]
        return None, trees_from_contours(folders_and_files, source.unit), None
    surface = image = voxel = None
    if source.label_map is not None:
        image = read_labels(resolve_path(path, source.label_map), source.labels)
        surface, voxel = surface_from_labels(image), float(image.spacing.max())
    elif source.surface is not None:
        surface = read_surface(resolve_path(path, source.surface), source.unit)
    if source.centreline is not None:
        files = [resolve_path(path, text) for text in _listed(source.centreline)]
        return surface, trees_from_lines(read_centrelines(files, source.unit), surface), voxel
    assert surface is not None  # the case has one source at least
    return surface, find_trees(surface, image, ostia=ostia), voxel


def _lesion_options(case: Case) -> LesionOptions:
    return LesionOptions(minimal_stenosis=case.lesion.minimal_stenosis)


def _store_geometry(geometry: Geometry, path: Path) -> None:
    surface = geometry.surface or Surface(np.empty((0, 3)), np.empty((0, 3), dtype=np.int64))
    caps = [[cap.name, list(cap.centre), list(cap.normal), cap.area] for cap in surface.caps]
    temporary = path.with_suffix(".tmp.npz")
    np.savez(
        temporary,
        points=surface.points,
        triangles=surface.triangles,
        caps=json.dumps(caps),
        trees=json.dumps(document([tree_to_json(tree) for tree in geometry.trees])),
        orientation_known=geometry.orientation_known,
        voxel=np.nan if geometry.voxel is None else geometry.voxel,
    )
    temporary.rename(path)


def _stored_geometry(path: Path) -> Geometry:
    with np.load(path) as data:
        caps = (Cap(name, np.array(c), np.array(n), area) for name, c, n, area in json.loads(str(data["caps"])))
        surface = Surface(data["points"], data["triangles"], tuple(caps)) if len(data["points"]) else None
        trees = tuple(item.tree for item in parse_trees(str(data["trees"]), str(path)))
        voxel = float(data["voxel"])
        return Geometry(trees, surface, bool(data["orientation_known"]), voxel if np.isfinite(voxel) else None)


def load_muscle(case: Case, path: Path) -> Muscle | None:
    """The muscle of the case's perfusion map, or None without one."""
    from hemo.geometry.image.perfusion import read_perfusion

    source = case.perfusion
    if source is None:
        return None
    return read_perfusion(resolve_path(path, source.map), resolve_path(path, source.myocardium), source.unit)


def describe(trees: Sequence[VesselTree]) -> str:
    """One line on what was found, for the progress display."""
    return "; ".join(
        f"{tree.name}: {', '.join(branch.name for branch in tree.branches)}, {len(tree.lesions)} lesion(s)"
        for tree in trees
    )
