"""``hemo mesh``: the tetrahedral meshes of a case, with tagged caps."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from hemo.cli.console import Stages, emit_json, show_warnings, table
from hemo.errors import TreesNotMeshed
from hemo.files import file_name, write_json
from hemo.resultfolder import working_folder
from hemo.tetmesh import TetMesh
from hemo.triangles import triangle_areas
from hemo.units import MILLIMETRE, SQUARE_MILLIMETRE

if TYPE_CHECKING:
    from hemo.meshstage import MeshedTree

FORMATS = ("vtu", "msh", "xdmf", "npz")


@click.command(epilog="Example: hemo mesh cases/left_coronary/case.toml --out meshes --format msh")
@click.argument("case", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=Path("mesh"), show_default=True, help="Must not exist.")
@click.option(
    "--format", "formats", type=click.Choice(FORMATS), multiple=True, help="May be repeated.  [default: vtu, msh, xdmf]"
)
@click.option("--flow-extension", metavar="LENGTH", help="Prolong every outlet: '5 mm', '3 diameters'.")
@click.option("--inlet-extension", metavar="LENGTH", help="Prolong the inlet.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
@click.option("--json", "as_json", is_flag=True, help="Print the mesh report as JSON on stdout.")
def mesh(
    case: Path,
    out: Path,
    formats: tuple[str, ...],
    flow_extension: str | None,
    inlet_extension: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Mesh every coronary tree of CASE: volume, tagged boundary, quality report and pictures in the folder OUT."""
    from hemo import meshstage, stages
    from hemo.case import read_case, with_extensions
    from hemo.cli.geometryreport import write_geometry
    from hemo.pipeline import collected_warnings

    loaded = with_extensions(read_case(case), flow_extension, inlet_extension)
    stages.input_files(loaded, case)
    with (
        Stages(quiet or as_json) as progress,
        working_folder(out, {}, fresh=True) as folder,
        tempfile.TemporaryDirectory() as scratch,
        collected_warnings() as said,
    ):
        progress.stage("Reading the lumen and finding the vessel trees")
        geometry = stages.load_geometry(loaded, case, Path(scratch))
        progress.detail(stages.describe(geometry.trees))
        progress.stage(f"Meshing the {' and the '.join(tree.name for tree in geometry.trees)} tree")
        (folder / "figures").mkdir()
        write = partial(_write, folder, formats or FORMATS[:3])
        failure: TreesNotMeshed | None = None
        with ThreadPoolExecutor(1) as beside:
            drawn = beside.submit(write_geometry, folder, geometry, loaded.geometry.minimal_outlet_diameter)
            try:
                trees = meshstage.mesh_trees(loaded, geometry, Path(scratch), write)
            except TreesNotMeshed as error:
                failure, trees = error, list(error.made)
            drawn.result()
        for tree in trees:
            progress.detail(f"{tree['cells']:,} tetrahedra")
        report = {"case": loaded.case.name, "unit": "mm", "trees": trees, "warnings": said.messages}
        if failure is not None:
            report["failure"] = str(failure)
        write_json(folder / "report.json", report)
        if failure is not None:
            raise TreesNotMeshed(f"{failure} What was meshed is in {folder}, marked as unfinished.", trees) from failure
    if as_json:
        emit_json(report)
    elif not quiet:
        show_warnings(said.messages)
        Console().print(_table(out, trees))


def _write(folder: Path, formats: tuple[str, ...], meshed: MeshedTree) -> dict[str, Any]:
    """Write one tree's mesh and its picture; return its part of the report."""
    from hemo.geometry.mesh.writers import WRITERS
    from hemo.meshpicture import mesh_picture

    mesh, tree = meshed.mesh, meshed.tree
    files = [path for kind in formats for path in WRITERS[kind](folder, file_name(tree.name), mesh)]
    picture = folder / "figures" / file_name(f"mesh_{tree.name}.png")
    picture.write_bytes(mesh_picture(mesh, tree, meshed.quality))
    return mesh_report(meshed) | {"files": [str(path.relative_to(folder)) for path in [*files, picture]]}


def mesh_report(meshed: MeshedTree) -> dict[str, Any]:
    """Numbers of one tree's mesh: size, quality of its cells, volume, and each part of its boundary."""
    mesh, quality = meshed.mesh, meshed.quality
    lowest, fifth, middle = np.percentile(quality, [0.0, 5.0, 50.0])
    shares = {f"below_{limit:g}": float(np.mean(quality < limit)) for limit in (0.1, 0.2, 0.3)}
    return {
        "tree": meshed.tree.name,
        **meshed.info.__dict__,
        "quality": {"lowest": float(lowest), "percentile_5": float(fifth), "median": float(middle), "share": shares},
        "volume_mm3": float(mesh.cell_volumes().sum()) / MILLIMETRE**3,
        "flow_extensions_mm": {item.name: item.length / MILLIMETRE for item in meshed.extensions},
        "boundary": [
            {
                "name": name,
                "tag": tag,
                "triangles": len(mesh.facets_of(name)),
                "area_mm2": _area(mesh, name) / SQUARE_MILLIMETRE,
            }
            for tag, name in mesh.names.items()
        ],
    }


def _area(mesh: TetMesh, name: str) -> float:
    return float(triangle_areas(mesh.points[mesh.facets_of(name)]).sum())


def _table(out: Path, trees: list[dict[str, Any]]) -> Table:
    heads = ["tree", "cells", "lowest quality", "median", "cells/diameter", "mm³", "outlets"]
    rows = [
        [
            r["tree"],
            f"{r['cells']:,}",
            f"{r['quality']['lowest']:.3f}",
            f"{r['quality']['median']:.2f}",
            f"{r['cells_per_diameter']:.1f}",
            f"{r['volume_mm3']:.0f}",
            str(len(r["boundary"]) - 2),  # less the wall and the inlet
        ]
        for r in trees
    ]
    return table(f"Meshes in {out}", heads, rows)
