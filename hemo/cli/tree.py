"""``hemo tree``: a label map or a surface to a vessel tree."""

from __future__ import annotations

from pathlib import Path

import click

from hemo.cli.console import Stages
from hemo.errors import InputError

SURFACES = {".stl", ".vtp", ".ply", ".obj", ".vtk"}


@click.command(epilog="Example: hemo tree lumen.nii.gz --label aorta=1 --label coronary=2 -o tree.json")
@click.argument("source", metavar="INPUT", type=click.Path(path_type=Path))
@click.option("-o", "--output", default="tree.json", show_default=True, help="Where to write; - for stdout.")
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="PART=LABEL",
    help="Number or name of the aorta or the coronaries, or several: coronary=LCA,RCA.  [default: what the file says]",
)
@click.option("--unit", type=click.Choice(["mm", "cm", "m"]), help="Unit of a surface; guessed and checked without.")
@click.option("--minimal-outlet-diameter", default="1.5 mm", show_default=True)
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def tree(
    source: Path, output: str, labels: tuple[str, ...], unit: str | None, minimal_outlet_diameter: str, quiet: bool
) -> None:
    """Find the coronary trees in a label map (NIfTI, NRRD, MHA, DICOM SEG) or a closed surface (STL, VTP)."""
    import json
    import tempfile

    from hemo import stages
    from hemo.case import check_case
    from hemo.treejson import document, tree_to_json

    key = "surface" if source.suffix.lower() in SURFACES else "label_map"
    geometry = {key: str(source.resolve()), "minimal_outlet_diameter": minimal_outlet_diameter}
    if labels:
        geometry["labels"] = _labels(labels)  # type: ignore[assignment]
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


def write_text(output: str, text: str) -> None:
    """Write to a file, or to stdout for ``-``; a bad place is one sentence."""
    if output == "-":
        click.echo(text)
        return
    try:
        Path(output).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{output}: cannot be written ({error.strerror}); choose another place with -o.") from error
