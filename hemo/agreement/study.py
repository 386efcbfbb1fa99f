"""All statistics of a cohort: methods against the wire, two methods against each other, by vessel and by patient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.agreement.bands import WIRE_SD, Band, bands
from hemo.agreement.blandaltman import Agreement, bland_altman
from hemo.agreement.classification import Diagnosis, diagnosis
from hemo.agreement.clusters import Draws, Interval, consecutive
from hemo.agreement.cohort import Cohort, Index
from hemo.agreement.correlation import Correlations, correlations
from hemo.agreement.paired import PairedDifference, Reclassification, paired_difference, reclassification
from hemo.agreement.regression import Line, deming, passing_bablok
from hemo.agreement.roc import AreaDifference, areas, bootstrap_area, compare, youden
from hemo.agreement.subgroups import LEAST_PATIENTS, Subgroup, subgroups

Array = NDArray[Any]


@dataclass(frozen=True)
class Options:
    """How a cohort is analysed.

    Attributes
    ----------
    draws, seed
        Of the bootstrap.
    error_ratio
        Error variance of the method over the wire's, for Deming's line.
    margin
        Difference of proportions that would not matter, for non-inferiority; None tests none.
    wire_sd
        Spread of a single wire measurement.
    """

    draws: int = 2000
    seed: int = 1
    error_ratio: float = 1.0
    margin: float | None = None
    wire_sd: tuple[float, ...] = WIRE_SD


@dataclass(frozen=True)
class Intention:
    """Calls when rows without the method's value count as well: as ``abnormal``, ``normal``, or ``wrong``."""

    taken_as: str
    rows: int
    diagnosis: Diagnosis
    area: Interval


@dataclass(frozen=True)
class MethodResult:
    """One method against the wire.

    Attributes
    ----------
    rows, patients, not_evaluable
        Rows with both values, their patients, rows with the wire's value only.
    agreement, related, passing_bablok, deming
        None where method and wire are on different scales.
    area, area_bootstrap, area_delong
        Area under the curve, by three intervals.
    best_cutoff
        The method's value of the greatest sensitivity + specificity, and both there (Youden; found on these rows).
    """

    index: Index
    rows: int
    patients: int
    not_evaluable: int
    agreement: Agreement | None
    related: Correlations
    passing_bablok: Line | None
    deming: Line | None
    diagnosis: Diagnosis
    area: Interval
    area_bootstrap: Interval
    area_delong: Interval
    best_cutoff: tuple[float, float, float] | None
    bands: tuple[Band, ...]
    intention: tuple[Intention, ...]
    subgroups: tuple[Subgroup, ...]


@dataclass(frozen=True)
class MethodComparison:
    """First method against second, on the rows that have all three values."""

    first: str
    second: str
    rows: int
    patients: int
    area: AreaDifference
    differences: tuple[PairedDifference, ...]
    reclassification: Reclassification


@dataclass(frozen=True)
class Unit:
    """All results with a row a vessel, or a row a patient."""

    cohort: Cohort
    methods: tuple[MethodResult, ...]
    comparison: MethodComparison | None


def analyse(
    cohort: Cohort, options: Options = Options(), progress: Callable[[str], None] = lambda text: None
) -> tuple[Unit, ...]:
    """Results by vessel, and by patient where some patient has several vessels and there is enough to compare."""
    units = [cohort]
    if cohort.patients < len(cohort):
        patients = cohort.by_patient()
        if all(paired_rows(patients, index).sum() >= LEAST_PATIENTS for index in patients.methods):
            units.append(patients)
    return tuple(_unit(one, options, progress) for one in units)


def _unit(cohort: Cohort, options: Options, progress: Callable[[str], None]) -> Unit:
    methods = []
    for index in cohort.methods:
        progress(f"{index.name} against {cohort.measured.name}, by {cohort.unit}")
        methods.append(_method(cohort, index, options))
    comparison = None if cohort.second is None else _comparison(cohort, options)
    return Unit(cohort, tuple(methods), comparison)


def paired_rows(cohort: Cohort, index: Index) -> Array:
    """(n,) bool: rows with the wire's and the method's value."""
    return cohort.measured.known & index.known


def _method(cohort: Cohort, index: Index, options: Options) -> MethodResult:
    rows = paired_rows(cohort, index)
    code, count = consecutive(cohort.patient[rows])
    wire, values = cohort.measured.values[rows], index.values[rows]
    true, called = cohort.measured.abnormal[rows], index.abnormal[rows]
    draws = Draws(count, options.draws, options.seed)
    score = index.rule.score(values)
    found = areas(score[None], true, code, count)
    same_scale = index.rule.is_ratio and cohort.measured.rule.is_ratio
    both_kinds = bool(true.any() and not true.all())
    cutoff, *there = youden(score, true) if both_kinds else (np.nan, np.nan, np.nan)
    chosen = cohort.select(rows)
    own = next(one for one in chosen.methods if one.name == index.name)
    return MethodResult(
        index,
        len(wire),
        count,
        int((cohort.measured.known & ~index.known).sum()),
        bland_altman(values, wire, code, count) if same_scale else None,
        correlations(values, wire, code, count),
        passing_bablok(wire, values, code, count) if same_scale else None,
        deming(wire, values, code, count, options.error_ratio) if same_scale else None,
        diagnosis(called, true, code, count, draws),
        found.interval(),
        bootstrap_area(score, true, code, draws) if both_kinds else Interval(float("nan")),
        found.delong(),
        (float(index.rule.score(np.array(cutoff))), there[0], there[1]) if both_kinds else None,
        bands(called == true, wire, cohort.measured.rule.cutoff, code, count, options.wire_sd),
        _intention(cohort, index),
        subgroups(chosen, own),
    )


def _intention(cohort: Cohort, index: Index) -> tuple[Intention, ...]:
    """Rows with the wire's value, those without the method's taken three ways; empty where none lacks it."""
    rows = cohort.measured.known
    lacking = ~index.known[rows]
    if not lacking.any():
        return ()
    code, count = consecutive(cohort.patient[rows])
    true = cohort.measured.abnormal[rows]
    score = index.rule.score(index.values[rows])
    worst, least = np.nanmax(score) + 1.0, np.nanmin(score) - 1.0
    found = []
    for name, abnormal in (("abnormal", np.ones_like(true)), ("normal", np.zeros_like(true)), ("wrong", ~true)):
        called = np.where(lacking, abnormal, index.abnormal[rows])
        filled = np.where(lacking, np.where(abnormal, worst, least), score)
        area = areas(filled[None], true, code, count).interval()
        found.append(Intention(name, int(rows.sum()), diagnosis(called, true, code, count), area))
    return tuple(found)


def _comparison(cohort: Cohort, options: Options) -> MethodComparison | None:
    first, second = cohort.methods
    rows = paired_rows(cohort, first) & second.known
    if not rows.any():
        return None
    code, count = consecutive(cohort.patient[rows])
    true = cohort.measured.abnormal[rows]
    called = [index.abnormal[rows] for index in (first, second)]
    right = [one == true for one in called]
    scores = np.stack([index.rule.score(index.values[rows]) for index in (first, second)])
    differences = []
    for name, kind in (("accuracy", np.ones_like(true)), ("sensitivity", true), ("specificity", ~true)):
        inside, inside_count = consecutive(code[kind])
        pair = right[0][kind], right[1][kind]
        differences.append(paired_difference(name, *pair, inside, inside_count, options.margin))
    return MethodComparison(
        first.name,
        second.name,
        int(rows.sum()),
        count,
        compare(areas(scores, true, code, count)),
        tuple(differences),
        reclassification(called[0], called[1], true, code, count),
    )
