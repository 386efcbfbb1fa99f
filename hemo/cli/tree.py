"""``hemo tree``: a label map, a surface, centrelines or contours to a vessel tree."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from hemo.cli.console import Stages, emit_json, show_warnings
from hemo.cli.geometryreport import geometry_rows, show_geometry, write_beside, write_geometry
from hemo.errors import InputError
from hemo.resultfolder import working_folder
from hemo.vtkio import SURFACE_ENDINGS, read_polydata


@click.command(epilog="Example: hemo tree lumen.nii.gz --label aorta=1 --label coronary=2 -o tree.json")
@click.argument("source", metavar="INPUT", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", help="The tree; its pictures and VTK files go beside it. - for stdout.  [default: tree.json]"
)
@click.option("--out", type=click.Path(path_type=Path), help="Write everything into this new folder instead.")
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="PART=LABEL",
    help="Number or name of the aorta or the coronaries, or several: coronary=LCA,RCA.  [default: what the file says]",
)
@click.option("--unit", type=click.Choice(["mm", "cm", "m"]), help="Of surface, lines, contours; else checked by size.")
@click.option("--centreline", "lines", multiple=True, metavar="FILE", help="Measure these lines on INPUT's lumen.")
@click.option("--ostium", "ostia", multiple=True, metavar="X,Y,Z", help="Where a tree begins, mm, LPS; found without.")
@click.option("--minimal-outlet-diameter", default="1.5 mm", show_default=True)
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
@click.option("--json", "as_json", is_flag=True, help="Print the vessels and lesions as JSON on stdout.")
def tree(
    source: Path,
    output: str | None,
    out: Path | None,
    labels: tuple[str, ...],
    unit: str | None,
    lines: tuple[str, ...],
    ostia: tuple[str, ...],
    minimal_outlet_diameter: str,
    quiet: bool,
    as_json: bool,
) -> None:
    """Find the coronary trees in INPUT.

    INPUT is a label map (NIfTI, NRRD, MHA, DICOM SEG), a surface (STL, VTP, PLY, OBJ), VMTK's centrelines (VTP),
    SimVascular's contours (.ctgr, or a folder of them), or a tree.json, whose lesions are then sought where it lists
    none.
    """
    import json
    import tempfile

    from hemo import stages
    from hemo.case import check_case
    from hemo.pipeline import collected_warnings
    from hemo.treejson import document, tree_to_json

    if out is not None and output is not None:
        raise InputError("give either -o for the tree or --out for a folder, not both.")
    if output == "-" and as_json:
        raise InputError("-o - and --json both write to stdout; leave one out.")
    geometry: dict[str, Any] = {
        _kind(source): str(source.resolve()),
        "minimal_outlet_diameter": minimal_outlet_diameter,
    }
    if lines:
        geometry["centreline"] = [str(Path(line).resolve()) for line in lines]
    if labels:
        geometry["labels"] = _labels(labels)
    if ostia:
        geometry["ostia"] = [_place(text) for text in ostia]
    if unit:
        geometry["unit"] = unit
    case = check_case({"case": {"name": source.name}, "geometry": geometry}, "hemo tree")
    stages.input_files(case, source)
    with ExitStack() as stack:
        folder = stack.enter_context(working_folder(out, {}, fresh=True)) if out else None
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        progress = stack.enter_context(Stages(quiet or as_json or output == "-"))
        said = stack.enter_context(collected_warnings())
        progress.stage("Finding the vessel trees")
        found = stages.load_geometry(case, source, scratch)
        progress.detail(stages.describe(found.trees))
        smallest = case.geometry.minimal_outlet_diameter
        if output == "-":
            click.echo(json.dumps(document([tree_to_json(item) for item in found.trees])))
            show_warnings(said.messages, quiet)
            return
        progress.stage("Writing the tree and its pictures")
        if folder is None or out is None:
            files = write_beside(Path(output or "tree.json"), found, smallest)
        else:
            files = [out / file.relative_to(folder) for file in write_geometry(folder, found, smallest)]
    rows = geometry_rows(found.trees)
    if as_json:
        emit_json({"trees": rows, "files": [str(file) for file in files], "warnings": said.messages})
    elif not quiet:
        show_warnings(said.messages)
        show_geometry(rows)
        click.echo("\n".join(str(file) for file in files))


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


def _labels(pairs: tuple[str, ...]) -> dict[str, list[int | str]]:
    """``coronary=2`` and ``coronary=LCA,RCA``; one part given twice adds up."""
    values: dict[str, list[int | str]] = {}
    for pair in pairs:
        part, _, text = pair.partition("=")
        items = [item.strip() for item in text.split(",")]
        if not part.strip() or not all(items):
            raise InputError(f"--label {pair!r}: write PART=LABEL, such as coronary=2 or coronary=LCA,RCA.")
        values.setdefault(part.strip(), []).extend(int(item) if item.isdecimal() else item for item in items)
    return values


def _place(text: str) -> list[float]:
    try:
        x, y, z = (float(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(f"--ostium {text!r}: write X,Y,Z in mm (LPS), such as 12.5,-40,103.2.") from error
    return [x, y, z]


def write_text(output: str, text: str) -> None:
    """Write to a file, or to stdout for ``-``; a bad place is one sentence."""
    if output == "-":
        click.echo(text)
        return
    try:
        Path(output).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{output}: cannot be written ({error.strerror}); choose another place with -o.") from error
