"""The study file: everything that is analysed, declared in TOML before the data are looked at.

pydantic checks the shape; an unknown key is refused by name. Which columns exist is known only with the tables.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from hemo.errors import InputError
from hemo.indices import THRESHOLD
from hemo.tomlfile import problems, read_toml

Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
Columns = Annotated[list[Text], Field(min_length=1)]
Aggregate = Literal["min", "max", "mean", "median", "sum", "first", "count"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StudySection(_Section):
    """The study as a whole."""

    name: Text = Field(description="a title for the report")
    patient: Text = Field("patient", description="column of pseudonymous ids: rows of one patient belong together")
    seed: int = Field(1, ge=0, description="of every random choice")
    resamples: int = Field(2000, ge=100, le=20000, description="bootstrap samples of patients")
    model_resamples: int = Field(200, ge=20, le=2000, description="the same, in each of which all models are refitted")


class TableSection(_Section):
    """A table, from a file or from hemo's own results."""

    name: Text
    file: str | None = Field(None, description="CSV or Parquet; relative to the study file; $VARIABLES expand")
    results: str | None = Field(
        None,
        description="summary.json of many runs: {column} takes a part of the path, * any",
    )
    rows: Literal["lesions", "branches"] = Field("lesions", description="of the results of hemo run")
    keys: Columns = Field(description="columns that tell whose a row is, the patient's first; no two rows share them")
    columns: list[Text] | None = Field(None, description="those that are kept; all without it")
    rename: dict[str, Text] = Field({}, description="column of the file = name in the study")
    only: dict[str, str | int | float] = Field({}, description="column = value of the rows that are kept")
    aggregate: dict[str, Aggregate] = Field({}, description="column = how rows that share their keys become one")
    missing: list[str] = Field([], description="what stands for a missing value, beside empty, NA and NaN")
    separator: Annotated[str, Field(min_length=1, max_length=1)] = ","
    decimal: Literal[".", ","] = "."
    join: bool = Field(True, description="whether it is part of the joint table; [[serial]] may use one that is not")

    @model_validator(mode="after")
    def _one_source(self) -> TableSection:
        if (self.file is None) == (self.results is None):
            raise ValueError("give file or results, one of them")
        return self


class Derived(_Section):
    """A column made of comparisons such as "ct_ffr <= 0.80": whether any or all hold, or how many."""

    any_of: list[Text] | None = None
    all_of: list[Text] | None = None
    count_of: list[Text] | None = None

    @model_validator(mode="after")
    def _one_rule(self) -> Derived:
        if sum(rule is not None and len(rule) > 0 for rule in (self.any_of, self.all_of, self.count_of)) != 1:
            raise ValueError("give one of any_of, all_of and count_of, with at least one comparison")
        return self


class SummarySection(_Section):
    """The joint table told: by group, with rank correlations, and the event by two categories."""

    columns: Columns
    group: Text | None = Field(None, description="column whose values are the groups")
    cross: tuple[Text, Text] | None = Field(None, description="two columns of categories: events in every cell")


class EventSection(_Section):
    """The event that the models predict."""

    column: Text = Field(description="1 where it happened, 0 where not")
    time: Text | None = Field(None, description="column of the time to the event or to the end of follow-up")
    unit: Text = Field("days", description="of time")
    horizon: float | None = Field(None, gt=0.0, description="time at which risk is told")
    method: Literal["logistic", "cox"] = "logistic"
    folds: int = Field(10, ge=2, le=50, description="of the cross-validation; a patient's rows share a fold")
    repeats: int = Field(5, ge=1, le=100, description="of the cross-validation")
    per: dict[str, float] = Field({}, description="predictor = step that its ratio is told for; 1 without")

    @model_validator(mode="after")
    def _complete(self) -> EventSection:
        if self.method == "cox" and (self.time is None or self.horizon is None):
            raise ValueError("method = 'cox' needs time and horizon")
        if self.horizon is not None and self.time is None:
            raise ValueError("horizon needs time")
        if any(step == 0.0 for step in self.per.values()):
            raise ValueError("a step in per is not zero")
        return self


class ModelSection(_Section):
    """A model of the event; each is compared with the one before it, or with the one it names."""

    name: Text
    predictors: Columns
    against: Text | None = None


class SerialSection(_Section):
    """Measures before and after: a row for each place and time point."""

    name: Text
    table: Text
    time: Text = Field(description="column of the time point")
    order: Annotated[list[Text], Field(min_length=1)] = Field(description="its values, the baseline first")
    measures: Columns
    group: Text | None = Field(None, description="column of the group, the same at all time points")
    groups: list[Text] | None = Field(None, description="its values, the reference first; sorted without")
    gate: dict[str, float] = Field({}, description="measure = value above which it goes on")


class TrialSection(_Section):
    """Two arms compared in time, one row a patient."""

    arm: Text = Field(description="column of the arm that a patient was assigned to")
    arms: tuple[Text, Text] = Field(description="its values: the reference, then the arm tested")
    treated: Text | None = Field(None, description="column of the treatment received, with the same values")
    crossover_time: Text | None = Field(None, description="column of the time of crossing over; empty: from the start")
    protocol: Text | None = Field(None, description="column: 1 where the protocol was kept")
    event: Text
    time: Text
    unit: Text = "days"
    horizon: float = Field(gt=0.0)
    margin_risk_difference: float | None = Field(None, gt=0.0, lt=1.0, description="tested less reference, absolute")
    margin_hazard_ratio: float | None = Field(None, gt=1.0, description="tested over reference")
    alpha: float = Field(0.025, gt=0.0, le=0.1, description="one-sided")

    @model_validator(mode="after")
    def _consistent(self) -> TrialSection:
        if self.crossover_time is not None and self.treated is None:
            raise ValueError("crossover_time needs treated")
        if self.arms[0] == self.arms[1]:
            raise ValueError("arms are two different values")
        return self


class ThresholdSection(_Section):
    """The best threshold of a measure against a reference, in all and in subgroups."""

    name: Text
    measure: Text
    positive: Literal["low", "high"] = Field("low", description="which values of the measure are positive")
    reference: Text = Field(description="column of 1 and 0, or a measure that reference_at_most cuts")
    reference_at_most: float | None = Field(None, description="positive at or below; 0.80 of FFR")
    rule: Literal["youden", "sensitivity"] = "youden"
    sensitivity: float = Field(0.90, gt=0.5, lt=1.0, description="of rule = 'sensitivity'")
    against: float = Field(THRESHOLD, description="the fixed threshold it is compared with")
    subgroups: list[Text] = []
    folds: int = Field(10, ge=2, le=50)


class Study(_Section):
    """A whole study file."""

    study: StudySection
    tables: Annotated[list[TableSection], Field(min_length=1)]
    derived: dict[str, Derived] = {}
    summary: SummarySection | None = None
    event: EventSection | None = None
    models: list[ModelSection] = []
    serial: list[SerialSection] = []
    trial: TrialSection | None = None
    thresholds: list[ThresholdSection] = []

    @model_validator(mode="after")
    def _consistent(self) -> Study:
        if self.models and self.event is None:
            raise ValueError("models need an [event]")
        for what in ("tables", "models", "serial", "thresholds"):
            _unlike([section.name for section in getattr(self, what)], what)
        names = [model.name for model in self.models]
        for place, model in enumerate(self.models):
            if model.against is not None and model.against not in names[:place]:
                raise ValueError(f"the model {model.name!r} is set against {model.against!r}, which is none before it")
        for table in self.tables:
            if table.keys[0] != self.study.patient:
                raise ValueError(f"the first key of the table {table.name!r} is the patient's, {self.study.patient!r}")
        tables = [table.name for table in self.tables]
        for one in self.serial:
            if one.table not in tables:
                raise ValueError(f"[[serial]] {one.name!r} names no table; there are {', '.join(tables)}")
        return self


def _unlike(names: list[str], what: str) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"two {what} are called {twice[0]!r}")


def read_study(path: Path) -> Study:
    """Read and check a study file.

    Raises
    ------
    InputError
        Missing file, bad TOML, an unknown key (with the nearest known one), or a value out of range.
    """
    return check_study(read_toml(path, "study file"), str(path))


def check_study(data: dict[str, Any], where: str) -> Study:
    """The study in a parsed TOML document; raises InputError like :func:`read_study`."""
    try:
        return Study.model_validate(data)
    except ValidationError as error:
        raise InputError(f"{where}: {problems(error, Study)[0]}") from error
