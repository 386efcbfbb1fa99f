"""``hemo mesh``: the tetrahedral meshes of a case, with tagged caps."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from hemo.cli.console import Stages, emit_json, table
from hemo.errors import InputError

if TYPE_CHECKING:
    from hemo.femstages import MeshedTree


@click.command(epilog="Example: hemo mesh cases/left_coronary/case.toml --out meshes")
@click.argument("case", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=Path("mesh"), show_default=True, help="Must not exist.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
@click.option("--json", "as_json", is_flag=True, help="Print the mesh report as JSON on stdout.")
def mesh(case: Path, out: Path, quiet: bool, as_json: bool) -> None:
    """Mesh every coronary tree of CASE: OUT/TREE.vtu, and OUT/TREE_boundary.vtp with the caps' tags."""
    from hemo import femstages, stages
    from hemo.case import read_case

    loaded = read_case(case)
    stages.input_files(loaded, case)
    if out.exists():
        raise InputError(f"{out}: exists already; choose another folder with --out or remove it.")
    report = []
    with Stages(quiet or as_json) as progress, tempfile.TemporaryDirectory() as scratch:
        progress.stage("Reading the lumen and finding the vessel trees")
        geometry = stages.load_geometry(loaded, case, Path(scratch))
        folder = Path(scratch) / "out"
        folder.mkdir()
        progress.stage(f"Meshing the {' and the '.join(tree.name for tree in geometry.trees)} tree")
        for tree, meshed in zip(geometry.trees, femstages.mesh_trees(loaded, geometry, Path(scratch)), strict=True):
            _write(folder, tree.name, meshed)
            report.append({"tree": tree.name, **meshed.info.__dict__, "caps": meshed.mesh.names})
        shutil.move(folder, out)
    if as_json:
        emit_json(report)
    elif not quiet:
        rows = [
            [str(r["tree"]), f"{r['cells']:,}", f"{r['min_quality']:.3f}", f"{r['cells_per_diameter']:.1f}"]
            for r in report
        ]
        Console().print(table(f"Meshes in {out}", ["tree", "cells", "lowest quality", "cells per diameter"], rows))


def _write(folder: Path, name: str, meshed: MeshedTree) -> None:
    from hemo.units import MILLIMETRE
    from hemo.vtkio import write_polydata, write_tetrahedra

    mesh = meshed.mesh
    write_tetrahedra(folder / f"{name}.vtu", mesh.points / MILLIMETRE, mesh.cells)
    write_polydata(
        folder / f"{name}_boundary.vtp", mesh.points / MILLIMETRE, mesh.facets, cell_data={"Tag": mesh.facet_tags}
    )
    mesh.save(folder / f"{name}.npz")
