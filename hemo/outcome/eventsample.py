"""The rows that models of an event are fitted on: complete, as numbers, with what was left out counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.outcome.estimates import Patients
from hemo.outcome.fitting import Sample
from hemo.outcome.joining import JOINT, Joined, complete
from hemo.outcome.study import EventSection, ModelSection
from hemo.outcome.tables import as_text, binary, is_category, numbers

Array = NDArray[Any]


def outcome(
    joined: Joined, section: EventSection, models: Sequence[ModelSection]
) -> tuple[pd.DataFrame, dict[str, Any], int]:
    """The complete rows with ``_event`` and ``_time``, what was missing, and how many outcomes are not known."""
    frame = joined.frame.assign(_event=binary(joined.frame, section.column, JOINT))
    used = list(dict.fromkeys(name for model in models for name in model.predictors))
    needed = [section.column, *used]
    if section.time is not None:
        frame["_time"] = numbers(frame, section.time, JOINT)
        if (frame["_time"] < 0.0).any():
            raise InputError(f"[event]: {section.time} is negative in a row; times run from the start of follow-up.")
        if section.horizon is not None and not (frame["_time"] >= section.horizon).any():
            raise InputError(
                f"[event]: nobody is followed to the horizon of {section.horizon:g} {section.unit}; lower it."
            )
        needed.append(section.time)
    kept, missing = complete(frame, needed)
    if section.method == "cox" or section.horizon is None:
        return kept, missing, 0
    by_then = (kept["_event"] == 1.0) & (kept["_time"] <= section.horizon)
    known = by_then | (kept["_time"] >= section.horizon)
    return kept.assign(_event=by_then.astype(float))[known], missing, int((~known).sum())


def event_sample(
    frame: pd.DataFrame, joined: Joined, section: EventSection, models: Sequence[ModelSection]
) -> tuple[Sample, dict[str, list[str]]]:
    """The rows as numbers, and which columns each predictor became: categories one for each value but the first."""
    made: dict[str, list[str]] = {}
    columns: dict[str, Array] = {}
    for name in dict.fromkeys(name for model in models for name in model.predictors):
        if is_category(frame[name]) and not as_text(frame[name]).str.lower().isin(["yes", "no", "true", "false"]).all():
            words = as_text(frame[name])
            levels = sorted(words.unique())
            if len(levels) > 10:
                raise InputError(f"[[models]]: {name} has {len(levels)} different texts; it is no predictor.")
            made[name] = [f"{name} = {level}" for level in levels[1:]]
            columns |= {f"{name} = {level}": (words == level).to_numpy(float) for level in levels[1:]}
        else:
            made[name] = [name]
            columns[name] = numbers(frame, name, JOINT).to_numpy(float)
    x = np.column_stack(list(columns.values())) if columns else np.zeros((len(frame), 0))
    time = frame["_time"].to_numpy(float) if section.method == "cox" else None
    patients = Patients.of(frame[joined.patient])
    return Sample(tuple(columns), x, frame["_event"].to_numpy(float) == 1.0, time, patients), made


def columns_of(model: ModelSection, made: Mapping[str, list[str]]) -> list[str]:
    """The columns that a model's predictors became."""
    return [column for name in dict.fromkeys(model.predictors) for column in made[name]]
