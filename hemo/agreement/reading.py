"""A study's table as a cohort: columns mapped, values checked, everything that is left out counted."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hemo.agreement.cohort import Cohort, Grouping, Index, Rule
from hemo.agreement.joining import joined
from hemo.agreement.regression import MOST_ROWS
from hemo.agreement.subgroups import LEAST_PATIENTS
from hemo.agreement.textfile import Columns, read_columns
from hemo.errors import InputError
from hemo.indices import THRESHOLD

Array = NDArray[Any]

# What a cell may hold instead of a number, without regard to case.
MISSING = (
    *("", "na", "n/a", "nan", "none", "null", "-", ".", "?", "missing", "unknown", "not done", "not measured"),
    *("not evaluable", "non-evaluable", "nonevaluable", "non-diagnostic", "nondiagnostic", "failed", "rejected"),
)
FFR_RULE = Rule(THRESHOLD)
LARGEST_RATIO = 1.1  # drift and hydrostatic pressure take a wire a little above 1
MOST_LEVELS = 8
_SPLIT = re.compile(r"(.+?)\s*(<=|>=|<|>)\s*(-?[0-9.]+)")


@dataclass(frozen=True)
class Mapping:
    """Which column is what, and the cut-offs.

    Attributes
    ----------
    computed, measured, patient
        Columns of the method under test, of the wire, and of who the row belongs to.
    second, vessel, reason
        Columns of a method to compare with, of the vessel's name, of why the method has no value.
    declared, exploratory
        Subgroups named before the data were seen, and others: a column, or one with a cut such as ``calcium>400``.
    measured_rule, computed_rule, second_rule
        When each is abnormal.
    missing
        More texts that mean no value.
    repeats
        Whether a vessel may have several rows.
    unit
        What a row is: a vessel or a patient.
    beside
        Further files, whose columns stand beside the table's.
    keys
        Columns by which their rows belong together, in the table and in the others.
    """

    computed: str
    measured: str
    patient: str
    second: str | None = None
    vessel: str | None = None
    reason: str | None = None
    declared: tuple[str, ...] = ()
    exploratory: tuple[str, ...] = ()
    measured_rule: Rule = FFR_RULE
    computed_rule: Rule = FFR_RULE
    second_rule: Rule = FFR_RULE
    missing: tuple[str, ...] = ()
    repeats: bool = False
    unit: Literal["vessel", "patient"] = "vessel"
    beside: tuple[Path, ...] = ()
    keys: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Table:
    """A file's cells with what is needed to point at one."""

    path: Path
    columns: Columns  # name -> cells
    lines: tuple[int, ...]
    decimal_comma: bool
    missing: frozenset[str]

    def column(self, name: str, option: str) -> list[str]:
        """The cells of a column."""
        if name not in self.columns:
            there = ", ".join(list(self.columns)[:20])
            raise InputError(f"{self.path}: has no column {name!r} ({option}); there are {there}.")
        return self.columns[name]


def read_cohort(path: Path, mapping: Mapping) -> tuple[Cohort, tuple[str, ...]]:
    """The cohort of a CSV or Parquet file, and what the user should know of it.

    Raises
    ------
    InputError
        If a column is missing, a value is no number or not plausible, a row has no patient, a vessel stands twice, or
        fewer than three patients have both values.
    """
    columns, delimiter = read_columns(path)
    told: list[str] = []
    for other in mapping.beside:
        columns, lone = joined(path, columns, other, mapping.keys)
        told += [lone] if lone else []
    missing = frozenset((*MISSING, *(text.strip().lower() for text in mapping.missing)))
    lines = range(2, 2 + len(next(iter(columns.values()), [])))
    table = Table(path, columns, tuple(lines), delimiter in (";", "\t"), missing)
    kept, warnings = _without_blank_rows(table)
    warnings = [*told, *warnings]
    patient = _patients(kept, mapping)
    warnings += _duplicates(kept, mapping)
    measured, why_wire = _index(kept, mapping.measured, "--measured", mapping.measured_rule, None)
    reason = None if mapping.reason is None else kept.column(mapping.reason, "--reason")
    computed, why_method = _index(kept, mapping.computed, "--computed", mapping.computed_rule, reason)
    reasons = {mapping.measured: why_wire, mapping.computed: why_method}
    second = None
    if mapping.second is not None:
        second, reasons[mapping.second] = _index(kept, mapping.second, "--second", mapping.second_rule, None)
    names = [name for name in (mapping.measured, mapping.computed, mapping.second, mapping.patient) if name]
    if len(set(names)) < len(names):
        raise InputError(f"{path}: --measured, --computed, --second and --patient must be different columns.")
    groupings = _groupings(kept, mapping)
    cohort = Cohort(mapping.unit, patient, measured, computed, second, groupings, reasons)
    _enough(path, cohort)
    return cohort, (*warnings, *_oddities(cohort))


def _without_blank_rows(table: Table) -> tuple[Table, list[str]]:
    used = [any(row) for row in zip(*table.columns.values(), strict=True)]
    if not any(used):
        raise InputError(f"{table.path}: has a header but no rows.")
    if all(used):
        return table, []
    columns = {name: list(compress(column, used)) for name, column in table.columns.items()}
    kept = replace(table, columns=columns, lines=tuple(compress(table.lines, used)))
    return kept, [f"{used.count(False)} empty rows were left out."]


def _patients(table: Table, mapping: Mapping) -> Array:
    ids = table.column(mapping.patient, "--patient")
    lacking = [number for number, name in enumerate(ids) if name.lower() in table.missing]
    if lacking:
        raise InputError(
            f"{table.path}: {len(lacking)} rows have no patient in column {mapping.patient!r}, the first is row "
            f"{table.lines[lacking[0]]}; every row needs one."
        )
    return np.unique(np.array(ids), return_inverse=True)[1]


def _duplicates(table: Table, mapping: Mapping) -> list[str]:
    """Refuse a vessel that stands twice; without vessels' names say how many rows are the same in every cell."""
    ids = table.column(mapping.patient, "--patient")
    if mapping.unit == "patient":
        times = max(Counter(ids).values())
        if times > 1:
            raise InputError(f"{table.path}: a patient stands in {times} rows; --unit patient needs one row each.")
        return []
    if mapping.vessel is not None and not mapping.repeats:
        keys = Counter(zip(ids, (name.lower() for name in table.column(mapping.vessel, "--vessel")), strict=True))
        (key, times) = keys.most_common(1)[0]
        if times > 1:
            raise InputError(
                f"{table.path}: vessel {key[1]!r} of one patient stands {times} times; keep one row a vessel, or add "
                "--repeats if they are repeated measurements."
            )
    if mapping.vessel is not None:
        return []
    same = sum(times - 1 for times in Counter(zip(*table.columns.values(), strict=True)).values())
    return [f"{same} rows repeat another in every cell; name the vessels with --vessel to rule out copies."] * (
        same > 0
    )


def _index(table: Table, name: str, option: str, rule: Rule, reason: list[str] | None) -> tuple[Index, dict[str, int]]:
    """A column of numbers, and why values are missing."""
    values, why = [], Counter[str]()
    for row, text in enumerate(table.column(name, option)):
        if text.lower() in table.missing:
            values.append(math.nan)
            why[(reason[row] if reason else "") or text or "empty"] += 1
        else:
            values.append(_number(table, name, row, text, rule))
    return Index(name, np.array(values), rule), dict(why.most_common())


def _number(table: Table, name: str, row: int, text: str, rule: Rule | None) -> float:
    where = f"{table.path}: row {table.lines[row]}, column {name!r}: {text!r}"
    try:
        value = float(text.replace(",", ".") if table.decimal_comma else text)
    except ValueError:
        raise InputError(f"{where} is no number; leave the cell empty, or name the text with --missing.") from None
    if not math.isfinite(value):
        raise InputError(f"{where} is no finite number; leave the cell empty.")
    if rule is not None and rule.is_ratio and not 0.0 < value <= LARGEST_RATIO:
        advice = "divide per cent by 100" if value > 1.5 else "leave the cell empty where nothing was measured"
        raise InputError(f"{where} is no pressure ratio, which lies above 0 and up to {LARGEST_RATIO:g}; {advice}.")
    return value


def _groupings(table: Table, mapping: Mapping) -> tuple[Grouping, ...]:
    named = [(text, True) for text in mapping.declared] + [(text, False) for text in mapping.exploratory]
    if len({text for text, _ in named}) < len(named):
        raise InputError("a subgroup is given twice; give each once, with --subgroup or --exploratory.")
    return tuple(_grouping(table, text, declared) for text, declared in named)


def _grouping(table: Table, text: str, declared: bool) -> Grouping:
    option = "--subgroup" if declared else "--exploratory"
    found = None if text in table.columns else _SPLIT.fullmatch(text)
    if found is not None:
        name, sign, cut = found[1], found[2], float(found[3])
        cells = table.column(name, option)
        values = np.array(
            [math.nan if c.lower() in table.missing else _number(table, name, n, c, None) for n, c in enumerate(cells)]
        )
        side = {"<": values < cut, "<=": values <= cut, ">": values > cut, ">=": values >= cut}[sign]
        other = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}[sign]
        code = np.where(np.isnan(values), -1, np.where(side, 1, 0))
        return Grouping(text, (f"{other} {found[3]}", f"{sign} {found[3]}"), code, declared)
    cells = table.column(text, option)
    levels = sorted({cell for cell in cells if cell.lower() not in table.missing})
    if not 2 <= len(levels) <= MOST_LEVELS:
        advice = f"give 2 to {MOST_LEVELS}, or cut a number such as {text}>400"
        raise InputError(f"{table.path}: subgroup {text!r} has {len(levels)} levels; {advice}.")
    number = {level: k for k, level in enumerate(levels)}
    return Grouping(text, tuple(levels), np.array([number.get(cell, -1) for cell in cells]), declared)


def _enough(path: Path, cohort: Cohort) -> None:
    for method in cohort.methods:
        both = cohort.measured.known & method.known
        patients = len(np.unique(cohort.patient[both]))
        if patients < LEAST_PATIENTS:
            raise InputError(
                f"{path}: {patients} patients have both {cohort.measured.name!r} and {method.name!r}; "
                f"at least {LEAST_PATIENTS} are needed."
            )
        for index in (cohort.measured, method):
            if np.ptp(index.values[both]) == 0.0:
                raise InputError(f"{path}: column {index.name!r} holds one value in every row that can be compared.")


def _oddities(cohort: Cohort) -> list[str]:
    both = cohort.measured.known & cohort.computed.known
    said = []
    patients = len(np.unique(cohort.patient[both]))
    if patients < 50:
        said.append(f"{patients} patients: intervals were tried on 80 and more, those of fewer may be too narrow.")
    if both.sum() > MOST_ROWS:
        said.append(f"Passing and Bablok's line is not computed beyond {MOST_ROWS:,} rows.")
    abnormal = int(cohort.measured.abnormal[both].sum())
    for count, what in ((abnormal, "abnormal"), (int(both.sum()) - abnormal, "normal")):
        if count < 10:
            said.append(f"{count} rows are {what} by {cohort.measured.name} ({cohort.measured.rule.text}).")
    if cohort.computed.rule.is_ratio and cohort.measured.rule.is_ratio:
        same = cohort.computed.values[both] == cohort.measured.values[both]
        if same.mean() > 0.5:
            said.append("more than half of the computed values equal the wire's exactly; is it a copied column?")
    return said
