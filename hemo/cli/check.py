"""``hemo check``: preflight. Says what a run would do and what is wrong, and computes nothing."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import click
from rich.console import Console

from hemo.cli.console import emit_json
from hemo.errors import EnvironmentMissing


@click.command(epilog="Example: hemo check cases/left_coronary/case.toml")
@click.argument("case", type=click.Path(path_type=Path))
@click.option("--method", type=click.Choice(["reduced", "fem", "both"]), default="both", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def check(case: Path, method: str, as_json: bool) -> None:
    """Read CASE, look for its files and for what the method needs, and say what would be done."""
    from hemo import stages
    from hemo.boundary import aortic_pressure
    from hemo.case import read_case
    from hemo.units import MMHG

    loaded = read_case(case)
    methods = ("reduced", "fem") if method == "both" else (method,)
    files = stages.input_files(loaded, case)
    stages.check_case(loaded, methods)
    missing = missing_parts(methods, loaded.geometry.tree is None and loaded.geometry.analytic is None)
    if missing:
        raise EnvironmentMissing(f"{', '.join(missing)} not found; run `make setup` and start hemo through env/exec.")
    plan = {
        "case": loaded.case.name,
        "files": [str(file) for file in files.values()],
        "methods": list(methods),
        "mean_aortic_pressure_mmhg": round(aortic_pressure(loaded.physiology()) / MMHG, 2),
        "state": loaded.flow.state,
        "cells_per_diameter": loaded.fem.cells_per_diameter if "fem" in methods else None,
    }
    if as_json:
        emit_json(plan)
        return
    console = Console()
    for key, value in plan.items():
        console.print(f"{key.replace('_', ' ')}: {value}", markup=False, highlight=False)
    console.print("ready to run", markup=False)


def missing_parts(methods: tuple[str, ...], segmented: bool) -> list[str]:
    """Names of the libraries and programs that a run would miss."""
    wanted = ["vtk", "matplotlib", "jinja2"]
    if segmented:
        wanted += ["SimpleITK", "pydicom", "skimage"]
    if "fem" in methods:
        wanted += ["dolfinx", "gmsh"]
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    if "fem" in methods and shutil.which("mpirun") is None:
        missing.append("mpirun")
    return missing
