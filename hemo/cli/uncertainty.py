"""``hemo uncertainty``: how sure FFR is, and what to measure better."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import click

from hemo.answers import losses_of, uncertainty_answer
from hemo.cli.patient import calibration_of, patient_options, stored_trees
from hemo.cli.tree import write_text
from hemo.geometry.lesion import completed
from hemo.given import blood_of, patient_of
from hemo.reduced.budget import Spread
from hemo.treejson import SCHEMA_VERSION
from hemo.uncertainty import Doubts, uncertainty
from hemo.units import parse

VOXELS = 0.25  # of a voxel is the lumen's diameter uncertain by, where no more is known


@click.command(
    epilog='Example: hemo uncertainty tree.json --systolic "128 mmHg" --diastolic "76 mmHg" --myocardial-mass "135 g" '
    '--voxel-size "0.4 mm"'
)
@click.argument("tree", metavar="TREE.json")
@click.option("-o", "--output", default="-", show_default=True, help="Where to write the JSON; - for stdout.")
@click.option("--samples", type=int, default=1024, show_default=True, help="A power of two; nine solves each.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same numbers.")
@click.option("--voxel-size", metavar="LENGTH", help="The diameter's standard deviation is a quarter of it.")
@click.option("--lumen-deviation", metavar="LENGTH", help="Standard deviation of the diameter; 0.1 mm without either.")
@click.option("--correlation-length", metavar="LENGTH", default="8 mm", show_default=True, help="Of its local part.")
@click.option("--pressure-deviation", metavar="PRESSURE", default="5.8 mmHg", show_default=True)
@patient_options
def uncertainty_command(tree: str, output: str, samples: int, seed: int, **given: Any) -> None:
    """Distribution of FFR beyond every lesion and at every outlet of TREE.json (- reads stdin).

    Gives mean, standard deviation, 95 % interval, the probability of FFR <= 0.80, and each cause's part of the
    variance: the one with the largest is what to measure better. Pressures and mass (or a flow) must be given. A
    calibration of the tree is used, and the loss law's range is then narrower.
    """
    doubts = _doubts(given)
    patient, blood = patient_of(given), blood_of(given)
    trees = []
    for one in stored_trees(tree):
        own = calibration_of(one, given)
        found = uncertainty(
            completed(one), patient, blood, doubts=doubts, samples=samples, seed=seed, options=losses_of(own)
        )
        trees.append(uncertainty_answer(found, own))
    write_text(output, json.dumps({"schema_version": SCHEMA_VERSION, "trees": trees}, allow_nan=False))


def _doubts(given: dict[str, Any]) -> Doubts:
    doubts = Doubts()
    deviation = doubts.spread.lumen_diameter
    if given["voxel_size"] is not None:
        deviation = VOXELS * parse(given["voxel_size"], "metre", "--voxel-size")
    if given["lumen_deviation"] is not None:
        deviation = parse(given["lumen_deviation"], "metre", "--lumen-deviation")
    return replace(
        doubts,
        spread=Spread(lumen_diameter=deviation),
        correlation=parse(given["correlation_length"], "metre", "--correlation-length"),
        pressure=parse(given["pressure_deviation"], "pascal", "--pressure-deviation"),
    )
