"""``hemo reduced``: FFR on a tree, JSON in, JSON out, on numpy and scipy alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from hemo.blood import Blood
from hemo.boundary import FlowConditions, Physiology
from hemo.cli.tree import write_text
from hemo.errors import NotConverged
from hemo.evaluation import evaluate
from hemo.geometry.lesion import completed
from hemo.indices import Reading
from hemo.reduced import solve
from hemo.results import Status, TreeFlow
from hemo.summary import overall_status
from hemo.tree import VesselTree
from hemo.treejson import SCHEMA_VERSION, parse_trees, read_trees, tree_to_json
from hemo.treesummary import TreeResult, tree_row
from hemo.units import MILLIMETRE, ML_PER_MIN, MMHG, parse

# What, given, makes the options win over the file; with the unit it is kept in.
QUANTITIES = {
    "systolic": "pascal",
    "diastolic": "pascal",
    "mean_pressure": "pascal",
    "heart_rate": "1/second",
    "cardiac_output": "metre**3/second",
    "myocardial_mass": "kilogram",
    "rest_flow": "metre**3/second",
    "inlet_flow": "metre**3/second",
}


@click.command(
    epilog='Example: hemo reduced tree.json --systolic "128 mmHg" --diastolic "76 mmHg" --myocardial-mass "135 g" -o -'
)
@click.argument("tree", metavar="TREE.json")
@click.option("-o", "--output", default="-", show_default=True, help="Where to write the JSON; - for stdout.")
@click.option("--systolic", metavar="PRESSURE")
@click.option("--diastolic", metavar="PRESSURE")
@click.option("--mean-pressure", metavar="PRESSURE")
@click.option("--heart-rate", metavar="RATE", help="With systolic pressure and mass it tells the resting flow.")
@click.option("--cardiac-output", metavar="FLOW")
@click.option("--myocardial-mass", metavar="MASS", help="Left ventricular mass.")
@click.option("--dominance", type=click.Choice(["right", "co-dominant", "left"]), default="right", show_default=True)
@click.option(
    "--territory",
    type=click.Choice(["coronary", "femoropopliteal", "generic"]),
    default="coronary",
    show_default=True,
)
@click.option("--rest-flow", metavar="FLOW", help="Resting flow of the whole coronary circulation.")
@click.option("--inlet-flow", metavar="FLOW", help="Flow through the inlet, instead of an estimate.")
@click.option("--resistance-reserve", type=float, help="Resting over hyperaemic resistance; 3.0 without it.")
@click.option("--state", type=click.Choice(["rest", "hyperaemia"]), default="hyperaemia", show_default=True)
@click.option("--density", default="1060 kg/m^3", show_default=True)
@click.option("--viscosity", default="3.5 mPa*s", show_default=True)
def reduced(tree: str, output: str, **given: Any) -> None:
    """Pressure, flow and FFR along the vessels of TREE.json (- reads stdin).

    Lesions are searched for where the file has no ``lesions`` key. Boundary conditions come from the file's
    ``boundary``, or, where a pressure or a flow is given here, from the options; then the result also holds rest, flow
    reserve, the pressure ratios of a beat at rest (from systolic and diastolic pressure) and FFR's error budget.
    """
    stored = parse_trees(sys.stdin.read(), "stdin") if tree == "-" else read_trees(Path(tree))
    blood = Blood(
        parse(given["density"], "kilogram/metre**3", "--density"),
        parse(given["viscosity"], "pascal*second", "--viscosity"),
    )
    patient = _patient(given)
    known = any(given[name] is not None for name in QUANTITIES)
    results = [_result(completed(one), None if known else one.conditions, patient, blood) for one in stored]
    write_text(output, json.dumps({"schema_version": SCHEMA_VERSION, "trees": results}, allow_nan=False))


def _patient(given: dict[str, Any]) -> Physiology:
    """What the options say of the patient."""
    values: dict[str, Any] = {
        name: parse(given[name], unit, "--" + name.replace("_", "-"))
        for name, unit in QUANTITIES.items()
        if given[name] is not None
    }
    chosen = {name: given[name] for name in ("resistance_reserve", "state", "dominance", "territory")}
    return Physiology(**chosen, **values)


def _result(tree: VesselTree, stored: FlowConditions | None, patient: Physiology, blood: Blood) -> dict[str, Any]:
    """One tree by the file's own conditions, or by the patient's, with all that follows from those."""
    if stored is None:
        result = evaluate(tree, patient, blood)
    else:
        result = TreeResult(tree, (), stored, reduced=solve(tree, stored, blood))
    if overall_status([result]) is not Status.CONVERGED:
        raise NotConverged(f"tree {tree.name!r}: the reduced model did not converge, so no FFR is given.")
    assert result.reduced is not None
    rows = tree_row(result, ("reduced",), None, Reading())
    return {
        "name": tree.name,
        "status": result.reduced.status.name.lower(),
        "boundary": tree_to_json(tree, result.conditions)["boundary"],
        "branches": [row["reduced"] | _curves(row["name"], result.reduced, tree) for row in rows["branches"]],
        "lesions": [_lesion(row) for row in rows["lesions"]],
    }


def _curves(name: str, flow: TreeFlow, tree: VesselTree) -> dict[str, Any]:
    along = flow.branches[name]
    return {
        "name": name,
        "arc_length_mm": (tree[name].arc / MILLIMETRE).tolist(),
        "pressure_mmhg": (along.pressure / MMHG).tolist(),
        "ffr_curve": flow.ffr(name).tolist(),
        "flow_curve_ml_min": (along.flow / ML_PER_MIN).tolist(),
    }


def _lesion(row: dict[str, Any]) -> dict[str, Any]:
    """The keys of ``summary.json`` without its level of methods; no orientation is known, so no wire equivalent."""
    values = {key: value for key, value in row["reduced"].items() if key != "ffr_wire_equivalent"}
    return {"id": row["id"], "branch": row["branch"], **values, "error_budget": row["error_budget"]}
