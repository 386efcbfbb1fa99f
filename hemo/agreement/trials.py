"""What published trials found, to stand beside a cohort's own figures; docs/physics.md, section 5.

``trials.csv`` holds a row a trial; a figure is its number and the tag of how far it is trusted: ``S`` was read in the
source; ``M`` (``M?``: even the digits are uncertain) and ``C`` were not confirmed in the primary source. Accuracy,
sensitivity and specificity are in per cent, the bias is method less FFR or as printed.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from importlib.resources import files

FIGURES = ("accuracy", "sensitivity", "specificity", "auc", "r", "bias", "sd")
FAMILIES = ("CT-FFR", "QFR", "angiographic FFR", "intravascular")
NULL_MODEL = "stenosis"  # what no computation at all reaches


@dataclass(frozen=True)
class Figure:
    """A published number and its tag."""

    value: float
    tag: str
    confirmed: bool


@dataclass(frozen=True)
class Trial:
    """A study: what it tested, how many, its figures by name, where they are from."""

    name: str
    family: str
    patients: int | None
    vessels: int | None
    figures: dict[str, Figure]
    source: str
    note: str


def trials(families: tuple[str, ...] = FAMILIES) -> tuple[Trial, ...]:
    """Trials of these families, and stenosis alone beside any of them."""
    text = files("hemo").joinpath("agreement/trials.csv").read_text(encoding="utf-8")
    every = [_trial(row) for row in csv.DictReader(io.StringIO(text))]
    return tuple(one for one in every if one.family in families or (families and one.family == NULL_MODEL))


def _trial(row: dict[str, str]) -> Trial:
    figures = {}
    for name in FIGURES:
        if row[name]:
            number, tag = row[name].split()
            figures[name] = Figure(float(number), tag, tag == "S")
    patients, vessels = (int(row[key]) if row[key] else None for key in ("patients", "vessels"))
    return Trial(row["name"], row["family"], patients, vessels, figures, row["source"], row["note"])
