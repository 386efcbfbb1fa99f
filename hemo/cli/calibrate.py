"""``hemo calibrate``: the reduced model of a tree fitted to one to three 3D solutions of it."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from hemo.cli.console import emit_json, show_warnings, table
from hemo.cli.tree import write_text
from hemo.errors import InputError

MOST = 3  # results: three flows tell a linear and a quadratic loss apart, and what is neither
ALIKE = 0.05  # of the flow: results nearer than that tell one thing twice


@click.command(epilog="Example: hemo calibrate results/rest results/hyperaemia -o tree.json")
@click.argument("results", metavar="RESULT...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", default="tree.json", show_default=True, help="Where to write the tree; - for stdout.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
@click.option("--json", "as_json", is_flag=True, help="Print what was fitted, and how well, as JSON on stdout.")
def calibrate(results: tuple[Path, ...], output: str, quiet: bool, as_json: bool) -> None:
    """Fit the reduced model's losses to 3D: RESULT are one to three result folders of hemo run --method fem or both.

    They hold steady converged solutions of the same trees at different flow. The trees are written with their
    calibration, which hemo reduced, plan, uncertainty and lines then use, and with the boundary conditions of the first
    RESULT.
    """
    from hemo.calibrating import calibrated
    from hemo.calibrationjson import calibration_to_json
    from hemo.treejson import document, tree_to_json

    if output == "-" and as_json:
        raise InputError("-o - and --json both write to stdout; leave one out.")
    solved, blood = _read(results)
    rows, trees, warnings = [], [], []
    for name, first in solved[0].items():
        own = [one[name] for one in solved]
        fitted = calibrated(own, blood)
        trees.append(tree_to_json(first.tree, first.conditions, fitted))
        rows.append({"name": name, **calibration_to_json(fitted), "sentence": fitted.comparison})
        flows = sorted(fit.inlet_flow for fit in fitted.fits)
        if any(high < (1.0 + ALIKE) * low for low, high in pairwise(flows)):
            warnings.append(f"{name} tree: two results have nearly the same flow and tell little more than one.")
    write_text(output, json.dumps(document(trees), allow_nan=False))
    show_warnings(warnings, quiet)
    if as_json:
        emit_json({"trees": rows, "output": output, "warnings": warnings})
    elif not quiet and output != "-":
        _show(rows)
        click.echo(f"{output}  (for research, not for diagnosis)")


def _read(results: tuple[Path, ...]) -> tuple[list[dict[str, Any]], Any]:
    """Each folder's solutions by tree, and the blood of all."""
    from hemo.solvedfolder import read_solved

    if len(results) > MOST:
        raise InputError(f"{len(results)} results are given; a calibration takes one to {MOST}.")
    if len({folder.resolve() for folder in results}) < len(results):
        raise InputError("one result folder is given twice; give each once.")
    read = [read_solved(folder) for folder in results]
    (first, blood), *others = read
    for folder, (solved, its) in zip(results[1:], others, strict=True):
        if set(solved) != set(first):
            known, other = (", ".join(sorted(names)) for names in (first, solved))
            raise InputError(f"{folder}: it has the trees {other}, the first result {known}; they must be the same.")
        if its != blood:
            raise InputError(f"{folder}: its blood is not that of the first result; solve all with the same.")
    return [solved for solved, _ in read], blood


def _show(rows: list[dict[str, Any]]) -> None:
    lines = []
    for row in rows:
        for fit in row["solutions"]:
            off = [
                f"{fit[key]['mean_absolute']:.4f} ({fit[key]['largest']:.4f})"
                for key in ("ffr_apart_before", "ffr_apart_after")
            ]
            left = [f"{fit[key]:.1f}" for key in ("residual_rms_pa", "residual_largest_pa")]
            where = f"{row['name']} {Path(fit['source']).name}"
            lines.append([where, f"{fit['inlet_flow_ml_min']:.0f}", f"{fit['cells']:,}", *left, *off])
    heads = ["3D solution", "mL/min", "cells", "rms, Pa", "largest, Pa", "FFR off", "... fitted"]
    Console().print(table("Reduced model fitted to 3D: pressure left, FFR off 3D in the mean (largest)", heads, lines))
