"""``hemo reduced``: FFR on a tree, JSON in, JSON out, on numpy and scipy alone."""

from __future__ import annotations

import json
from typing import Any

import click

from hemo.answers import reduced_answer
from hemo.cli.patient import calibration_of, patient_options, stored_trees
from hemo.cli.tree import write_text
from hemo.geometry.lesion import completed
from hemo.given import blood_of, patient_of, tells
from hemo.treejson import SCHEMA_VERSION


@click.command(
    epilog='Example: hemo reduced tree.json --systolic "128 mmHg" --diastolic "76 mmHg" --myocardial-mass "135 g" -o -'
)
@click.argument("tree", metavar="TREE.json")
@click.option("-o", "--output", default="-", show_default=True, help="Where to write the JSON; - for stdout.")
@patient_options
def reduced(tree: str, output: str, **given: Any) -> None:
    """Pressure, flow and FFR along the vessels of TREE.json (- reads stdin).

    Lesions are searched for where the file has no ``lesions`` key. Boundary conditions come from the file's
    ``boundary``, or, where a pressure or a flow is given here, from the options; then the result also holds rest, flow
    reserve, the pressure ratios of a beat at rest (from systolic and diastolic pressure) and FFR's error budget.

    A tree that carries a calibration (hemo run --method both, hemo calibrate) is solved with it, and the result says
    so.
    """
    stored = stored_trees(tree)
    patient, blood = patient_of(given), blood_of(given)
    results = [
        reduced_answer(
            completed(one), None if tells(given) else one.conditions, patient, blood, calibration_of(one, given)
        )
        for one in stored
    ]
    write_text(output, json.dumps({"schema_version": SCHEMA_VERSION, "trees": results}, allow_nan=False))
