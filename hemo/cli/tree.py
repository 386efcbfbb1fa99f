"""``hemo tree``: a label map, a surface, centrelines or contours to a vessel tree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hemo.cli.console import Stages
from hemo.errors import InputError
from hemo.vtkio import SURFACE_ENDINGS, read_polydata


@click.command(epilog="Example: hemo tree lumen.nii.gz --label aorta=1 --label coronary=2 -o tree.json")
@click.argument("source", metavar="INPUT", type=click.Path(path_type=Path))
@click.option("-o", "--output", default="tree.json", show_default=True, help="Where to write; - for stdout.")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="[default: aorta=1 coronary=2]")
@click.option("--unit", type=click.Choice(["mm", "cm", "m"]), help="Of surface, lines, contours; else checked by size.")
@click.option("--centreline", "lines", multiple=True, metavar="FILE", help="Measure these lines on INPUT's lumen.")
@click.option("--minimal-outlet-diameter", default="1.5 mm", show_default=True)
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def tree(
    source: Path,
    output: str,
    labels: tuple[str, ...],
    unit: str | None,
    lines: tuple[str, ...],
    minimal_outlet_diameter: str,
    quiet: bool,
) -> None:
    """Find the coronary trees in INPUT.

    INPUT is a label map (NIfTI, NRRD, MHA), a surface (STL, VTP, PLY, OBJ), VMTK's centrelines (VTP), SimVascular's
    contours (.ctgr, or a folder of them), or a tree.json, whose lesions are then sought where it lists none.
    """
    import json
    import tempfile

    from hemo import stages
    from hemo.case import check_case
    from hemo.treejson import document, tree_to_json

    geometry: dict[str, Any] = {
        _kind(source): str(source.resolve()),
        "minimal_outlet_diameter": minimal_outlet_diameter,
    }
    if lines:
        geometry["centreline"] = [str(Path(line).resolve()) for line in lines]
    if labels:
        geometry["labels"] = _labels(labels)
    if unit:
        geometry["unit"] = unit
    case = check_case({"case": {"name": source.name}, "geometry": geometry}, "hemo tree")
    stages.input_files(case, source)
    with Stages(quiet or output == "-") as progress, tempfile.TemporaryDirectory() as scratch:
        progress.stage("Finding the vessel trees")
        found = stages.load_geometry(case, source, Path(scratch)).trees
        progress.detail(stages.describe(found))
    text = json.dumps(document([tree_to_json(item) for item in found]))
    write_text(output, text)


def _kind(source: Path) -> str:
    """The key of a case's geometry under which a file belongs."""
    ending = source.suffix.lower()
    if ending in (".vtp", ".vtk") and source.is_file():
        data = read_polydata(source)
        return "centreline" if data.lines and not len(data.triangles) else "surface"
    if ending == ".ctgr" or (source.is_dir() and any(source.rglob("*.ctgr"))):
        return "contours"
    kinds = {".pth": "centreline", ".json": "tree"}
    return kinds.get(ending, "surface" if ending in SURFACE_ENDINGS else "label_map")


def _labels(pairs: tuple[str, ...]) -> dict[str, int]:
    values = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        if not name or not value.lstrip("-").isdigit():
            raise InputError(f"--label {pair!r}: write NAME=VALUE with a whole number, such as coronary=2.")
        values[name] = int(value)
    return values


def write_text(output: str, text: str) -> None:
    """Write to a file, or to stdout for ``-``; a bad place is one sentence."""
    if output == "-":
        click.echo(text)
        return
    try:
        Path(output).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{output}: cannot be written ({error.strerror}); choose another place with -o.") from error
