"""``hemo lines``: one warm process that answers a line of JSON with a line of JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import click
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hemo.answers import losses_of, plan_answer, reduced_answer, uncertainty_answer
from hemo.cli.plan import stent_of
from hemo.errors import HemoError, InputError
from hemo.geometry.lesion import completed
from hemo.given import USUAL, blood_of, patient_of, tells
from hemo.planning import every_lesion
from hemo.treejson import StoredTree, parse_trees
from hemo.uncertainty import uncertainty


class Patient(BaseModel):
    """What is known of the patient and the blood; values with their unit, as the options of ``hemo reduced``."""

    model_config = ConfigDict(extra="forbid")

    systolic: str | None = None
    diastolic: str | None = None
    mean_pressure: str | None = None
    heart_rate: str | None = None
    cardiac_output: str | None = None
    myocardial_mass: str | None = None
    rest_flow: str | None = None
    inlet_flow: str | None = None
    resistance_reserve: float | None = None
    dominance: Literal["right", "co-dominant", "left"] = "right"
    territory: Literal["coronary", "femoropopliteal", "generic"] = "coronary"
    state: Literal["rest", "hyperaemia"] = "hyperaemia"
    density: str = USUAL["density"]
    viscosity: str = USUAL["viscosity"]


class Request(BaseModel):
    """One line."""

    model_config = ConfigDict(extra="forbid")

    id: str | int | None = Field(None, description="comes back with the answer")
    command: Literal["reduced", "plan", "uncertainty"] = "reduced"
    tree: dict[str, Any] | None = Field(None, description="a tree, as hemo schema tree says")
    keep: str | None = Field(None, description="a name under which the tree is kept for later lines")
    use: str | None = Field(None, description="the name of a tree that was kept, in place of tree")
    patient: Patient = Field(default_factory=Patient)
    stents: list[str] = Field(
        default_factory=list, description="for plan: LESION or LESION=DIAMETER; every one without"
    )
    expansion: float = Field(1.0, description="for plan: stent area over that of the diameter")
    uncalibrated: bool = Field(False, description="leave the tree's calibration, if it has one, unused")
    samples: int = Field(256, description="for uncertainty: a power of two")
    seed: int = Field(0, description="for uncertainty")


class Answer(BaseModel):
    """The line that comes back: ``result``, or ``error`` in one sentence with the exit code it would have."""

    id: str | int | None
    result: dict[str, Any] | None = None
    error: str | None = None
    code: int = 0


@click.command(epilog="Example: hemo lines < requests.jsonl > answers.jsonl")
def lines() -> None:
    """Answer each line of JSON on stdin with one on stdout, until stdin ends; a bad line does not end it.

    A line has a tree (or the name of one that was kept) and what hemo reduced, plan or uncertainty would be told;
    hemo schema request prints what may be in it, hemo schema answer what comes back.
    """
    for answer in answered(sys.stdin):
        sys.stdout.write(answer + "\n")
        sys.stdout.flush()


def answered(source: Iterable[str]) -> Iterator[str]:
    """The answers to lines; empty ones are passed over."""
    kept: dict[str, StoredTree] = {}
    for line in source:
        if line.strip():
            yield _answer(line, kept).model_dump_json()


def _answer(line: str, kept: dict[str, StoredTree]) -> Answer:
    number: str | int | None = None
    try:
        data = json.loads(line)
        number = data.get("id") if isinstance(data, dict) and isinstance(data.get("id"), str | int) else None
        request = Request.model_validate(data)
        result = _result(request, kept)
        json.dumps(result, allow_nan=False)
        return Answer(id=number, result=result)
    except json.JSONDecodeError as error:
        return Answer(id=None, error=f"the line is not valid JSON ({error}).", code=InputError.exit_code)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return Answer(id=number, error=f"{where or 'the line'}: {first['msg']}.", code=InputError.exit_code)
    except HemoError as error:
        return Answer(id=number, error=str(error), code=error.exit_code)


def _result(request: Request, kept: dict[str, StoredTree]) -> dict[str, Any]:
    given = request.patient.model_dump()
    stored = _tree(request, kept)
    patient, blood = patient_of(given), blood_of(given)
    conditions = None if tells(given) else stored.conditions
    own = None if request.uncalibrated else stored.calibration
    if request.command == "plan":
        stents = [stent_of(text, request.expansion) for text in request.stents]
        return plan_answer(
            stored.tree, conditions, patient, blood, stents or every_lesion(stored.tree, request.expansion), own
        )
    if request.command == "uncertainty":
        options = losses_of(own)
        found = uncertainty(stored.tree, patient, blood, samples=request.samples, seed=request.seed, options=options)
        return uncertainty_answer(found, own)
    return reduced_answer(stored.tree, conditions, patient, blood, own)


def _tree(request: Request, kept: dict[str, StoredTree]) -> StoredTree:
    """The line's tree with its lesions found."""
    if (request.tree is None) == (request.use is None):
        raise InputError("a line needs a tree, or with use the name of one that was kept.")
    if request.use is not None:
        if request.use not in kept:
            raise InputError(f"no tree was kept as {request.use!r}; send it once with keep.")
        return kept[request.use]
    (first, *more) = parse_trees(json.dumps(request.tree), "tree")
    if more:
        raise InputError("a line takes one tree; send a line for each.")
    stored = first._replace(tree=completed(first))
    if request.keep is not None:
        kept[request.keep] = stored
    return stored
