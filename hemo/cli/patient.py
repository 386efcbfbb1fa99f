"""The options of the patient and the blood, for the commands that take a tree."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from hemo.given import CHOICES, USUAL
from hemo.treecalibration import TreeCalibration
from hemo.treejson import StoredTree, parse_trees, read_trees


def _choice(name: str) -> Callable[..., Any]:
    return click.option(f"--{name}", type=click.Choice(CHOICES[name]), default=USUAL[name], show_default=True)


_OPTIONS = (
    click.option("--systolic", metavar="PRESSURE"),
    click.option("--diastolic", metavar="PRESSURE"),
    click.option("--mean-pressure", metavar="PRESSURE"),
    click.option("--heart-rate", metavar="RATE", help="With systolic pressure and mass it tells the resting flow."),
    click.option("--cardiac-output", metavar="FLOW"),
    click.option("--myocardial-mass", metavar="MASS", help="Left ventricular mass."),
    _choice("dominance"),
    _choice("territory"),
    click.option("--rest-flow", metavar="FLOW", help="Resting flow of the whole coronary circulation."),
    click.option("--inlet-flow", metavar="FLOW", help="Flow through the inlet, instead of an estimate."),
    click.option("--resistance-reserve", type=float, help="Resting over hyperaemic resistance; 3.0 without it."),
    _choice("state"),
    click.option("--uncalibrated", is_flag=True, help="Leave the calibration of the tree's file, if any, unused."),
    click.option("--density", default=USUAL["density"], show_default=True),
    click.option("--viscosity", default=USUAL["viscosity"], show_default=True),
)


def patient_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of the patient and the blood, for one command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def calibration_of(stored: StoredTree, given: dict[str, Any]) -> TreeCalibration | None:
    """The calibration of the tree's file, unless the options say to leave it unused."""
    return None if given["uncalibrated"] else stored.calibration


def stored_trees(source: str) -> tuple[StoredTree, ...]:
    """The trees of a file, or of stdin for -."""
    return tuple(parse_trees(sys.stdin.read(), "stdin") if source == "-" else read_trees(Path(source)))
