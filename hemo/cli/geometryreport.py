"""What the commands show and write of the geometry alone: tables of vessels and lesions, files, pictures."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from hemo.cli.console import table
from hemo.errors import InputError
from hemo.files import file_name
from hemo.tree import VesselTree

if TYPE_CHECKING:
    from hemo.stages import Geometry


def geometry_rows(trees: Sequence[VesselTree]) -> list[dict[str, Any]]:
    """Vessels and lesions as plain JSON values, with the keys of ``summary.json``."""
    from hemo.treesummary import branch_geometry, lesion_geometry

    return [
        {
            "name": tree.name,
            "branches": [branch_geometry(branch) for branch in tree.branches],
            "lesions": [lesion_geometry(lesion) for lesion in tree.lesions],
        }
        for tree in trees
    ]


def show_geometry(trees: Sequence[dict[str, Any]]) -> None:
    """Print the rows of :func:`geometry_rows` as tables."""
    vessels, lesions = [], []
    for tree in trees:
        for b in tree["branches"]:
            ends = [f"{b['length_mm']:.1f}", f"{b['proximal_diameter_mm']:.2f}", f"{b['distal_diameter_mm']:.2f}"]
            vessels.append([f"{tree['name']} {b['name']}", b["parent"] or "-", *ends])
        for item in tree["lesions"]:
            measures = [f"{item['mla_mm2']:.2f}", f"{item['reference_area_mm2']:.2f}"]
            measures += [f"{item['percent_diameter_stenosis']:.0f}", f"{item['percent_area_stenosis']:.0f}"]
            place = [f"{item['start_mm']:.1f}", f"{item['length_mm']:.1f}"]
            lesions.append([f"{tree['name']} {item['id']}", *measures, *place])
    console = Console()
    heads = ["vessel", "from", "length / mm", "proximal / mm", "distal / mm"]
    console.print(table("Vessels: length, diameter at both ends", heads, vessels))
    if lesions:
        heads = ["lesion", "MLA", "healthy", "%DS", "%AS", "start", "length"]
        title = "Lesions: minimal lumen and healthy area / mm², diameter and area stenosis, place / mm"
        console.print(table(title, heads, lesions))
    else:
        console.print("no lesion was found")


def write_geometry(folder: Path, geometry: Geometry, minimal_outlet: float | None) -> list[Path]:
    """Write tree.json, centreline.vtp, lumen.vtp (where there is a lumen) and figures/ into a folder."""
    from hemo.output import write_centrelines
    from hemo.pictures import diameter_picture, tree_picture
    from hemo.treejson import document, tree_to_json
    from hemo.units import MILLIMETRE
    from hemo.vtkio import write_polydata

    trees, surface = geometry.trees, geometry.surface
    figures = folder / "figures"
    figures.mkdir(exist_ok=True)
    texts = {
        folder / "tree.json": json.dumps(document([tree_to_json(tree) for tree in trees])) + "\n",
        figures / "tree.svg": tree_picture(trees, geometry.orientation_known),
        **{figures / file_name(f"diameter_{tree.name}.svg"): diameter_picture(tree, minimal_outlet) for tree in trees},
    }
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    files = [*texts, folder / "centreline.vtp"]
    write_centrelines(files[-1], trees, [{} for _ in trees])
    if surface is not None:
        files.append(folder / "lumen.vtp")
        write_polydata(files[-1], surface.points / MILLIMETRE, surface.triangles)
    return files


def write_beside(tree_json: Path, geometry: Geometry, minimal_outlet: float | None) -> list[Path]:
    """Write the same files beside ``NAME.json``, as ``NAME.svg``, ``NAME_centreline.vtp`` and so on; all or none.

    Raises
    ------
    InputError
        If the place cannot be written.
    """
    names = {"tree.json": tree_json.name, "tree.svg": f"{tree_json.stem}.svg"}
    try:
        with tempfile.TemporaryDirectory(dir=tree_json.parent, prefix=".hemo-") as scratch:
            files = write_geometry(Path(scratch), geometry, minimal_outlet)
            places = [tree_json.with_name(names.get(f.name, f"{tree_json.stem}_{f.name}")) for f in files]
            for file, place in zip(files, places, strict=True):
                os.replace(file, place)
    except OSError as error:
        raise InputError(f"{tree_json}: cannot be written ({error.strerror}); choose another place with -o.") from error
    return places
