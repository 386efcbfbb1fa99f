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
from hemo.geometry.lesion import completed
from hemo.indices import lesion_pressure
from hemo.reduced import solve, solve_states
from hemo.results import Status, TreeFlow
from hemo.tree import VesselTree
from hemo.treejson import SCHEMA_VERSION, parse_trees, read_trees, tree_to_json
from hemo.units import MILLIMETRE, ML_PER_MIN, MMHG, parse


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
    ``boundary``, or, where a pressure is given here, from the options.
    """
    trees = parse_trees(sys.stdin.read(), "stdin") if tree == "-" else read_trees(Path(tree))
    blood = Blood(
        parse(given["density"], "kilogram/metre**3", "--density"),
        parse(given["viscosity"], "pascal*second", "--viscosity"),
    )
    results = []
    for stored in trees:
        vessels = completed(stored)
        conditions = _conditions(vessels, stored.conditions, given, blood)
        results.append(_result(vessels, conditions, solve(vessels, conditions, blood)))
    write_text(output, json.dumps({"schema_version": SCHEMA_VERSION, "trees": results}, allow_nan=False))


def _conditions(tree: VesselTree, stored: FlowConditions | None, given: dict[str, Any], blood: Blood) -> FlowConditions:
    """The options win over the file where any pressure or flow is given."""
    quantities = {
        "systolic": "pascal",
        "diastolic": "pascal",
        "mean_pressure": "pascal",
        "heart_rate": "1/second",
        "cardiac_output": "metre**3/second",
        "myocardial_mass": "kilogram",
        "rest_flow": "metre**3/second",
        "inlet_flow": "metre**3/second",
    }
    values: dict[str, Any] = {
        name: parse(given[name], unit, "--" + name.replace("_", "-"))
        for name, unit in quantities.items()
        if given[name] is not None
    }
    if stored is not None and not values:
        return stored
    chosen = {name: given[name] for name in ("resistance_reserve", "state", "dominance", "territory")}
    patient = Physiology(**chosen, **values)
    return solve_states(tree, patient, blood).of(patient.state)[1]


def _result(tree: VesselTree, conditions: FlowConditions, flow: TreeFlow) -> dict[str, Any]:
    if flow.status is not Status.CONVERGED:
        raise NotConverged(f"tree {tree.name!r}: the reduced model did not converge, so no FFR is given.")
    return {
        "name": tree.name,
        "status": flow.status.name.lower(),
        "boundary": tree_to_json(tree, conditions)["boundary"],
        "branches": [
            {
                "name": branch.name,
                "ffr": float(flow.ffr(branch.name)[-1]),
                "flow_ml_min": float(flow.branches[branch.name].flow[0] / ML_PER_MIN),
                "arc_length_mm": (branch.arc / MILLIMETRE).tolist(),
                "pressure_mmhg": (flow.branches[branch.name].pressure / MMHG).tolist(),
                "ffr_curve": flow.ffr(branch.name).tolist(),
                "flow_curve_ml_min": (flow.branches[branch.name].flow / ML_PER_MIN).tolist(),
            }
            for branch in tree.branches
        ],
        "lesions": [
            {"id": lesion.id, "branch": lesion.branch, **_lesion_ffr(tree, lesion, flow)} for lesion in tree.lesions
        ],
    }


def _lesion_ffr(tree: VesselTree, lesion: Any, flow: TreeFlow) -> dict[str, float]:
    pressure = lesion_pressure(tree, lesion, flow, None)
    return {
        "ffr_proximal": pressure.proximal,
        "ffr_distal": pressure.distal,
        "ffr_distal_at_mm": pressure.place / MILLIMETRE,
        "delta_ffr": pressure.delta,
    }
