"""``hemo run``: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from hemo.cli.console import Stages, emit_json, number, table


@click.command(
    epilog="Example: hemo run cases/left_coronary/case.toml --out results/left --method both --ranks 2",
)
@click.argument("case", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Result folder; must not exist. [default: results/CASE]")
@click.option("--method", type=click.Choice(["reduced", "fem", "both"]), default="both", show_default=True)
@click.option("--ranks", type=int, default=2, show_default=True, help="MPI processes of the finite-element solve.")
@click.option("--fresh", is_flag=True, help="Discard what an interrupted run left, instead of continuing it.")
@click.option("--grid-study", is_flag=True, help="Solve on two coarser meshes too and say how far the numbers move.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON on stdout.")
def run(
    case: Path, out: Path | None, method: str, ranks: int, fresh: bool, grid_study: bool, quiet: bool, as_json: bool
) -> None:
    """Compute FFR, wall shear stress and axial plaque stress of one CASE file."""
    from hemo.pipeline import RunOptions, run_case

    folder = out or Path("results") / f"{case.resolve().parent.name}_{case.stem}"
    options = RunOptions(folder, method, ranks, fresh, grid_study)  # type: ignore[arg-type]
    with Stages(quiet or as_json) as progress:
        summary = run_case(case, options, progress)
    if as_json:
        emit_json(summary)
    elif not quiet:
        show(summary, folder)


def show(summary: dict[str, Any], folder: Path) -> None:
    """Print the vessel and lesion tables."""
    console = Console()
    methods = summary["methods"]
    rows = []
    for tree in summary["trees"]:
        for branch in tree["branches"]:
            values = [number(branch[m]["ffr"], 3) for m in methods]
            flows = [number(branch[m]["flow_ml_min"], 0) for m in methods]
            rows.append([f"{tree['name']} {branch['name']}", *values, *flows])
    heads = [f"FFR {m}" for m in methods] + [f"mL/min {m}" for m in methods]
    console.print(table("Vessels: FFR at the distal end, inflow", ["vessel", *heads], rows))
    rows = []
    for tree in summary["trees"]:
        for lesion in tree["lesions"]:
            ffr = [number(lesion[m]["ffr_distal"] if lesion[m] else None, 3) for m in methods]
            rows.append([f"{tree['name']} {lesion['id']}", number(lesion["percent_diameter_stenosis"], 0), *ffr])
    if rows:
        heads = ["% diameter", *[f"FFR {m}" for m in methods]]
        console.print(table("Lesions: FFR distal to each", ["lesion", *heads], rows))
    for tree in summary["trees"]:
        if tree["grid_study"]:
            _show_grid(console, tree["name"], tree["grid_study"])
    for tree in summary["trees"]:
        if tree["calibration"]:
            console.print(f"{tree['name']}: {tree['calibration']['sentence']}", markup=False, highlight=False)
    for warning in summary["warnings"]:
        console.print(f"warning: {warning}", markup=False, highlight=False)
    console.print(f"{folder / 'report.html'}  (for research, not for diagnosis)", markup=False, highlight=False)


def _show_grid(console: Console, tree: str, study: dict[str, Any]) -> None:
    rows = []
    for row in study["rows"]:
        digits = 1 if row["unit"] else 4
        values = [number(value, digits) for value in row["values"]]
        order = "-" if row["order"] is None else f"{row['order']:.1f}"
        name = f"{row['quantity']}, {row['unit']}" if row["unit"] else row["quantity"]
        rows.append([row["place"], name, *values, order, f"{row['uncertainty']:.{digits}f}"])
    heads = ["place", "quantity", *[f"{cells:,} cells" for cells in study["cells"]], "order", "uncertain by"]
    console.print(table(f"Grid study of the {tree} tree", heads, rows))
