"""``hemo plan``: FFR with lesions opened, before they are."""

from __future__ import annotations

import json
from typing import Any

import click

from hemo.answers import plan_answer
from hemo.cli.patient import calibration_of, patient_options, stored_trees
from hemo.cli.tree import write_text
from hemo.errors import InputError
from hemo.geometry.lesion import completed
from hemo.given import blood_of, patient_of, tells
from hemo.planning import Stent, every_lesion
from hemo.treejson import SCHEMA_VERSION
from hemo.units import parse


@click.command(
    epilog='Example: hemo plan tree.json --stent LAD_1 --stent "LAD_2=3.0 mm" --expansion 0.9 --systolic "128 mmHg" '
    '--diastolic "76 mmHg" --myocardial-mass "135 g"'
)
@click.argument("tree", metavar="TREE.json")
@click.option("-o", "--output", default="-", show_default=True, help="Where to write the JSON; - for stdout.")
@click.option(
    "--stent",
    "stents",
    metavar="LESION[=DIAMETER]",
    multiple=True,
    help="A lesion to open, to its healthy calibre or a stent's diameter; every lesion without this option.",
)
@click.option(
    "--expansion", type=float, default=1.0, show_default=True, help="Area reached over that of the diameter, of all."
)
@patient_options
def plan_command(tree: str, output: str, stents: tuple[str, ...], expansion: float, **given: Any) -> None:
    """FFR of TREE.json (- reads stdin) with lesions opened, one by one and together.

    For every lesion: its gain alone, what falls over it before and after, and for every outlet the order in which to
    open the lesions on its way. The beds stay as they are at hyperaemia. Boundary conditions as for hemo reduced, and
    a calibration too, which an opened lesion loses.
    """
    wanted = [stent_of(text, expansion) for text in stents]
    patient, blood = patient_of(given), blood_of(given)
    rows, left = [], {stent.lesion for stent in wanted}
    for stored in stored_trees(tree):
        whole = completed(stored)
        own = {lesion.id for lesion in whole.lesions}
        mine = tuple(stent for stent in wanted if stent.lesion in own) if wanted else every_lesion(whole, expansion)
        left -= own
        if mine:
            conditions = None if tells(given) else stored.conditions
            rows.append(plan_answer(whole, conditions, patient, blood, mine, calibration_of(stored, given)))
    if left:
        raise InputError(f"--stent {sorted(left)[0]}: no tree has that lesion; hemo reduced lists them.")
    if not rows:
        raise InputError("no tree has a lesion to open.")
    write_text(output, json.dumps({"schema_version": SCHEMA_VERSION, "trees": rows}, allow_nan=False))


def stent_of(text: str, expansion: float) -> Stent:
    """LESION or LESION=DIAMETER."""
    lesion, _, diameter = text.partition("=")
    return Stent(lesion, parse(diameter, "metre", f"--stent {lesion}") if diameter else None, expansion)
