"""Subgroups: bias and accuracy level by level, and whether the levels differ (interaction)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.agreement.blandaltman import Agreement, bland_altman
from hemo.agreement.classification import Diagnosis, cells, diagnosis
from hemo.agreement.clusters import Interval, Wald, consecutive, equality, sums
from hemo.agreement.cohort import Cohort, Grouping, Index
from hemo.agreement.roc import areas

Array = NDArray[Any]
LEAST_PATIENTS = 3
MEASURES = ("bias", "sensitivity", "specificity", "accuracy", "auc")
_RATIOS = {"sensitivity": ((0,), (0, 1)), "specificity": ((3,), (2, 3)), "accuracy": ((0, 3), (0, 1, 2, 3))}


@dataclass(frozen=True)
class Level:
    """One level of a subgroup: rows, patients, agreement (None for an index on another scale), calls, area."""

    name: str
    rows: int
    patients: int
    agreement: Agreement | None
    diagnosis: Diagnosis
    area: Interval


@dataclass(frozen=True)
class Subgroup:
    """A grouping of the rows.

    Attributes
    ----------
    declared
        Whether it was named before the data were seen.
    unknown
        Rows without a level.
    interaction
        Measure -> test that all levels are the same; NaN where a level lacks rows or has none wrong.
    adjusted
        Measure -> p adjusted over the declared subgroups (Holm); empty otherwise.
    """

    name: str
    declared: bool
    levels: tuple[Level, ...]
    unknown: int
    interaction: dict[str, Wald]
    adjusted: dict[str, float]


def subgroups(cohort: Cohort, method: Index) -> tuple[Subgroup, ...]:
    """Every grouping of a cohort whose rows all have the wire's and the method's value."""
    found = [_subgroup(cohort, method, grouping) for grouping in cohort.groupings]
    return tuple(_adjusted(one, found) for one in found)


def _subgroup(cohort: Cohort, method: Index, grouping: Grouping) -> Subgroup:
    rows = [grouping.code == number for number in range(len(grouping.levels))]
    levels = tuple(_level(name, cohort, method, row) for name, row in zip(grouping.levels, rows, strict=True))
    tests = {measure: _interaction(measure, cohort, method, levels, rows) for measure in MEASURES}
    return Subgroup(grouping.name, grouping.declared, levels, int((grouping.code < 0).sum()), tests, {})


def _level(name: str, cohort: Cohort, method: Index, rows: Array) -> Level:
    code, count = consecutive(cohort.patient[rows])
    wire, values = cohort.measured.values[rows], method.values[rows]
    true = cohort.measured.rule.abnormal(wire)
    enough = count >= LEAST_PATIENTS and method.rule.is_ratio
    return Level(
        name,
        int(rows.sum()),
        count,
        bland_altman(values, wire, code, count) if enough else None,
        diagnosis(method.rule.abnormal(values), true, code, count),
        areas(method.rule.score(values)[None], true, code, count).interval(),
    )


def _interaction(measure: str, cohort: Cohort, method: Index, levels: tuple[Level, ...], rows: list[Array]) -> Wald:
    """Wald's test over levels; what a patient adds to each level comes from all of the cohort's patients."""
    code, count = cohort.patient, cohort.patients
    wire, values = cohort.measured, method
    influence = np.zeros((count, len(rows)))
    estimate = np.full(len(rows), np.nan)
    for number, (level, chosen) in enumerate(zip(levels, rows, strict=True)):
        if level.patients < LEAST_PATIENTS or (measure == "bias" and not method.rule.is_ratio):
            continue
        if measure == "auc":
            own, own_count = consecutive(code[chosen])
            score = values.rule.score(values.values[chosen])
            area = areas(score[None], wire.abnormal[chosen], own, own_count)
            estimate[number], influence[np.unique(code[chosen]), number] = area.area[0], area.left_out[:, 0]
            continue
        if measure == "bias":
            above = sums(code, (values.values - wire.values) * chosen, count)
            below = sums(code, chosen.astype(float), count)
        else:
            table = cells(values.abnormal[chosen], wire.abnormal[chosen], code[chosen], count)
            above, below = (table[:, kinds].sum(axis=1) for kinds in _RATIOS[measure])
        if below.sum() > 0.0:
            estimate[number] = above.sum() / below.sum()
            with np.errstate(all="ignore"):
                influence[:, number] = (above - estimate[number] * below) / (below.sum() - below)
    if not np.all(np.isfinite(estimate)) or not np.all(np.isfinite(influence)):
        return Wald(float("nan"), (max(len(rows) - 1, 0), 0), float("nan"))
    return equality(estimate, influence)


def _adjusted(one: Subgroup, every: list[Subgroup]) -> Subgroup:
    """Holm's adjustment of each measure's p over the declared subgroups that have one."""
    adjusted = {}
    for measure in MEASURES:
        tested = {s.name: s.interaction[measure].p for s in every if s.declared}
        tested = {name: p for name, p in tested.items() if np.isfinite(p)}
        if one.name in tested:
            adjusted[measure] = float(holm(np.array(list(tested.values())))[list(tested).index(one.name)])
    return replace(one, adjusted=adjusted)


def holm(p: Array) -> Array:
    """p (n,) adjusted for n tests (Holm S. Scand J Stat 1979;6:65-70); statsmodels' collects garbage at every call."""
    order = np.argsort(p)
    stepped = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order])
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
