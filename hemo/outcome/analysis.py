"""A whole study: every declared analysis, the warnings that belong to it, and all of it as plain JSON values."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from hemo.errors import InputError
from hemo.files import sha256
from hemo.jsonvalues import as_json
from hemo.outcome.describing import Description, describe
from hemo.outcome.joining import JOINT, Joined, join
from hemo.outcome.models import FEW_EVENTS, EventModels, event_models
from hemo.outcome.ownresults import fingerprint
from hemo.outcome.serial import Serial, serial
from hemo.outcome.study import Study
from hemo.outcome.tables import listed
from hemo.outcome.thresholds import ThresholdStudy, thresholds
from hemo.outcome.trial import Trial, trial
from hemo.summary import software
from hemo.tomlfile import resolve_path

SCHEMA_VERSION = 1
FEW_PATIENTS_WITH_EVENT = 20
NOT_PROPORTIONAL = 0.05
MULTIPLICITY = (
    "p-values and intervals are those of each comparison alone, but for Holm's adjusted p of the model comparisons and "
    "of the subgroups' thresholds. Only what the study file names as primary beforehand confirms; the rest explores."
)
COMPLETE_CASES = "Rows that lack a value an analysis needs are left out of it and counted there; nothing is imputed."


@dataclass(frozen=True)
class Analysis:
    """Everything that was found; None where it was not declared."""

    study: Study
    joined: Joined
    description: Description | None
    models: EventModels | None
    serial: tuple[Serial, ...]
    trial: Trial | None
    thresholds: tuple[ThresholdStudy, ...]
    warnings: tuple[str, ...]


def analyse(study: Study, path: Path, stage: Callable[[str], None] = lambda _: None) -> Analysis:
    """Do all that a study file declares; ``stage`` is told what begins.

    Raises
    ------
    InputError
        If a table or a column is not what the study file says.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the libraries: what matters of them is told in Analysis.warnings
        return _analysed(study, path, stage)


def _analysed(study: Study, path: Path, stage: Callable[[str], None]) -> Analysis:
    stage("Reading and joining the tables")
    joined = join(study, path)
    _check_columns(study, joined)
    stage("Describing the joint table")
    description = None if study.summary is None else describe(joined, study)
    over_time = tuple(serial(joined, section) for section in study.serial)
    compared = None if study.trial is None else trial(joined, study.trial)
    levels = []
    for section in study.thresholds:
        stage(f"Threshold: {section.name}")
        levels.append(thresholds(joined, section, study.study))
    models = None
    if study.models:
        stage("Fitting and validating the models")
        models = event_models(joined, study)
    told = (description, models, over_time, compared, tuple(levels))
    return Analysis(study, joined, *told, warnings=tuple(_warnings(study, joined, *told)))


def _check_columns(study: Study, joined: Joined) -> None:
    """Every column that is named stands in the joint table: said before anything is computed."""
    named: list[tuple[str, list[str | None]]] = []
    if study.event is not None:
        named.append(("[event]", [study.event.column, study.event.time]))
    named += [(f"[[models]] {one.name!r}", list(one.predictors)) for one in study.models]
    named += [(f"[[thresholds]] {x.name!r}", [x.measure, x.reference, *x.subgroups]) for x in study.thresholds]
    for where, columns in named:
        for column in columns:
            if column is not None and column not in joined.frame.columns:
                there = listed(joined.frame.columns)
                raise InputError(f"{where}: {JOINT} has no column {column!r}; there are {there}.")


def _warnings(
    study: Study,
    joined: Joined,
    description: Description | None,
    models: EventModels | None,
    over_time: tuple[Serial, ...],
    compared: Trial | None,
    levels: tuple[ThresholdStudy, ...],
) -> list[str]:
    found = [
        f"table {one['name']!r}: {one['without']} of {len(joined.frame)} rows of the joint table have none in it."
        for one in joined.counts
        if one["without"]
    ]
    if joined.several and description is not None and study.summary is not None and study.summary.group:
        found.append("patients have several rows: groups of the joint table are described, not tested.")
    found += [] if models is None else _of_models(study, models)
    found += [] if compared is None else _of_trial(study, compared)
    found += [
        f"threshold {one.name!r}, {part.group}: {part.note}." for one in levels for part in one.results if part.note
    ]
    return found


def _of_models(study: Study, models: EventModels) -> list[str]:
    found = [f"the model {name!r} is not fitted: {reason}." for name, reason in models.not_fitted.items()]
    if models.missing["complete"] < models.missing["rows"]:
        lost = models.missing["rows"] - models.missing["complete"]
        found.append(f"the models leave out {lost} of {models.missing['rows']} rows that lack a value.")
    if models.excluded:
        found.append(
            f"{models.excluded} rows were followed for less than the horizon without the event and are left out of the "
            "logistic models; method = 'cox' keeps them."
        )
    if models.patients_with_event < FEW_PATIENTS_WITH_EVENT:
        found.append(f"only {models.patients_with_event} patients had the event; the models say little.")
    for one in models.results:
        few = one.events_per_parameter < FEW_EVENTS
        if few:
            found.append(
                f"the model {one.name!r} has {one.events_per_parameter:.1f} events for each parameter; below "
                f"{FEW_EVENTS:g} its coefficients are unstable."
            )
        broken = [name for name, p in zip(one.predictors, one.proportional_p, strict=False) if p < NOT_PROPORTIONAL]
        if broken:
            found.append(f"the model {one.name!r}: hazards are not proportional in {', '.join(broken)} (p < 0.05).")
        if one.failed_resamples:
            found.append(f"the model {one.name!r} could not be refitted in {one.failed_resamples} bootstrap samples.")
    return found


def _of_trial(study: Study, compared: Trial) -> list[str]:
    assert study.trial is not None
    section, found = study.trial, []
    lost = sum(compared.missing.values())
    if lost:
        parts = ", ".join(f"{count} {name}" for name, count in compared.missing.items() if count)
        found.append(f"trial: values are missing ({parts}); see what it says with them taken as worst.")
    if section.margin_risk_difference is None and section.margin_hazard_ratio is None:
        found.append("trial: no margin is declared, so that non-inferiority is not tested.")
    for one in compared.comparisons:
        if one.risk.difference.value != one.risk.difference.value:
            found.append(f"trial, {one.name}: an arm is not followed to {section.horizon:g} {section.unit}.")
        if one.ratio is None:
            found.append(
                f"trial, {one.name}: an arm has no event: there is no hazard ratio, and the difference's interval is "
                "too narrow."
            )
        elif one.ratio.proportional_p is not None and one.ratio.proportional_p < NOT_PROPORTIONAL:
            found.append(f"trial, {one.name}: the arms' hazards are not proportional (p < 0.05); read the difference.")
    verdicts = {one.by_difference.non_inferior for one in compared.comparisons if one.by_difference is not None}
    if len(verdicts) == 2:
        found.append("trial: the populations disagree on non-inferiority.")
    return found


def summary(found: Analysis, path: Path) -> dict[str, Any]:
    """Everything as plain JSON values; ``path`` is the study file's."""
    study = found.study
    inputs = {path.name: sha256(path)}
    for one in study.tables:
        if one.file is not None:
            inputs[one.file] = sha256(resolve_path(path, one.file))
        elif one.results is not None:
            inputs[one.results] = fingerprint(resolve_path(path, one.results))
    joined = found.joined
    return {
        "schema_version": SCHEMA_VERSION,
        "study": study.study.name,
        "software": software("pandas", "statsmodels", "scikit-learn", "lifelines"),
        "inputs": inputs,
        "declared": study.model_dump(mode="json", exclude_none=True),
        "warnings": list(found.warnings),
        "multiplicity": MULTIPLICITY,
        "missing_data": COMPLETE_CASES,
        "joint_table": {
            "rows": len(joined.frame),
            "patients": int(joined.frame[joined.patient].nunique()),
            "keys": list(joined.keys),
            "tables": as_json(joined.counts),
        },
        "summary": None if found.description is None else as_json(found.description),
        "models": None if found.models is None else as_json(found.models),
        "serial": [_without(one, "rows") for one in found.serial],
        "trial": None if found.trial is None else _trial(found.trial),
        "thresholds": [as_json(one) for one in found.thresholds],
    }


def _without(value: Any, *names: str) -> dict[str, Any]:
    """A dataclass as JSON values, but for some of its fields."""
    return {one.name: as_json(getattr(value, one.name)) for one in fields(value) if one.name not in names}


def _trial(found: Trial) -> dict[str, Any]:
    return _without(found, "comparisons") | {"comparisons": [_without(one, "episodes") for one in found.comparisons]}
