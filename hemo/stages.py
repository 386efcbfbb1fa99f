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

from hemo.boundary import aortic_pressure, assumptions, flow_conditions
from hemo.case import Case, resolve_path
from hemo.errors import InputError
from hemo.geometry.centreline.renaming import rename
from hemo.geometry.lesion import LesionOptions, with_reference_and_lesions
from hemo.geometry.lumen.surface import Surface
from hemo.geometry.synthetic.vessels import straight_stenosis
from hemo.geometry.truncate import truncate
from hemo.reduced import solve
from hemo.summary import TreeResult
from hemo.tree import VesselTree
from hemo.treejson import document, parse_trees, read_trees, tree_to_json

Array = NDArray[Any]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Geometry:
    """Trees with their lesions, the lumen they were found in (None for a bare tree), and whether LPS is known."""

    trees: tuple[VesselTree, ...]
    surface: Surface | None
    orientation_known: bool


def input_files(case: Case, path: Path) -> dict[str, Path]:
    """Every file the result depends on, by the name it has in the summary.

    Raises
    ------
    InputError
        If a file named in the case is missing.
    """
    found = {str(path): Path(path)}
    for key in ("label_map", "surface", "tree"):
        text = getattr(case.geometry, key)
        if text is None:
            continue
        file = resolve_path(path, text)
        if not file.is_file():
            raise InputError(f"{path}: geometry.{key} {text!r} is not a file ({file}); correct the path.")
        found[text] = file
    return found


def check_case(case: Case, methods: Sequence[str]) -> None:
    """Refuse what cannot work before any time is spent on it."""
    aortic_pressure(case.physiology())
    case.fluid()
    if "fem" in methods and case.geometry.tree is not None:
        raise InputError(
            "geometry.tree holds centrelines only: use --method reduced, or give a label map or a surface."
        )


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
            vessel.diameter, vessel.length, vessel.severity, vessel.lesion_length, vessel.lesion_centre
        )
        return Geometry((tree,), surface, orientation_known=False)
    if source.tree is not None:
        stored = read_trees(resolve_path(path, source.tree))
        trees = tuple(item.tree if item.lesions_listed else _with_lesions(case, item.tree) for item in stored)
        return Geometry(rename(trees, source.names), None, orientation_known=True)
    surface, found = _segmented(case, path)
    named = rename(found, source.names)
    cut = (truncate(tree, source.minimal_outlet_diameter) for tree in (_with_lesions(case, tree) for tree in named))
    return Geometry(tuple(cut), surface, orientation_known=True)


def _segmented(case: Case, path: Path) -> tuple[Surface, tuple[VesselTree, ...]]:
    """The lumen surface and its trees, from a label map or a surface file."""
    from hemo.geometry.centreline.trees import find_trees
    from hemo.geometry.image.labelimage import read_labels
    from hemo.geometry.lumen.fromlabels import surface_from_labels
    from hemo.geometry.lumen.surface import read_surface

    source = case.geometry
    ostia = np.array(source.ostia) if source.ostia else None
    if source.label_map is not None:
        image = read_labels(resolve_path(path, source.label_map), source.labels)
        surface = surface_from_labels(image)
        return surface, find_trees(surface, image, ostia=ostia)
    surface = read_surface(resolve_path(path, source.surface or ""), source.unit)
    return surface, find_trees(surface, ostia=ostia)


def _with_lesions(case: Case, tree: VesselTree) -> VesselTree:
    return with_reference_and_lesions(tree, LesionOptions(minimal_stenosis=case.lesion.minimal_stenosis))


def _store_geometry(geometry: Geometry, path: Path) -> None:
    surface = geometry.surface or Surface(np.empty((0, 3)), np.empty((0, 3), dtype=np.int64))
    temporary = path.with_suffix(".tmp.npz")
    np.savez(
        temporary,
        points=surface.points,
        triangles=surface.triangles,
        trees=json.dumps(document([tree_to_json(tree) for tree in geometry.trees])),
        orientation_known=geometry.orientation_known,
    )
    temporary.rename(path)


def _stored_geometry(path: Path) -> Geometry:
    with np.load(path) as data:
        surface = Surface(data["points"], data["triangles"]) if len(data["points"]) else None
        trees = tuple(item.tree for item in parse_trees(str(data["trees"]), str(path)))
        return Geometry(trees, surface, bool(data["orientation_known"]))


def describe(trees: Sequence[VesselTree]) -> str:
    """One line on what was found, for the progress display."""
    return "; ".join(
        f"{tree.name}: {', '.join(branch.name for branch in tree.branches)}, {len(tree.lesions)} lesion(s)"
        for tree in trees
    )


def solve_reduced(case: Case, tree: VesselTree) -> TreeResult:
    """Hyperaemia (or the state asked for) and rest by the reduced model; it also starts the finite elements."""
    patient, blood = case.physiology(), case.fluid()
    conditions = flow_conditions(tree, patient)
    return TreeResult(
        tree=tree,
        assumptions=assumptions(tree, patient, conditions),
        conditions=conditions,
        reduced=solve(tree, conditions, blood),
        reduced_rest=solve(tree, flow_conditions(tree, patient, "rest"), blood),
    )
