"""The data of a study: one row a vessel (or a patient), indices with the rule that calls them abnormal, subgroups."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.agreement.clusters import consecutive
from hemo.errors import InputError

Array = NDArray[Any]
ON_IT = 1e-9  # values within this of a cut-off are on it: 0.80 read from text is not always 0.80


@dataclass(frozen=True)
class Rule:
    """When an index is abnormal: at or below (``low``) or at or above a cut-off."""

    cutoff: float
    low: bool = True

    def abnormal(self, values: Array) -> Array:
        """(n,) bool; NaN is not abnormal."""
        if self.low:
            return values <= self.cutoff + ON_IT
        return values >= self.cutoff - ON_IT

    def score(self, values: Array) -> Array:
        """(n,) the index turned so that more is more abnormal."""
        return -values if self.low else values

    @property
    def text(self) -> str:
        """As a user writes it."""
        return f"{'<=' if self.low else '>='}{self.cutoff:{'.2f' if self.is_ratio else 'g'}}"

    @property
    def is_ratio(self) -> bool:
        """Whether the index is a pressure ratio such as FFR, by its cut-off."""
        return self.low and 0.0 < self.cutoff <= 1.0


def parse_rule(text: str, where: str) -> Rule:
    """``0.80``, ``<=0.80`` or ``>=50``.

    Raises
    ------
    InputError
        If the text is something else.
    """
    found = re.fullmatch(r"\s*(<=|>=)?\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*", text)
    if found is None:
        raise InputError(f"{where} {text!r}: write a cut-off such as 0.80, <=0.80 or >=50.")
    return Rule(float(found[2]), found[1] != ">=")


@dataclass(frozen=True)
class Index:
    """One measured or computed quantity: its column's name, values (n,) with NaN where missing, and its rule."""

    name: str
    values: Array
    rule: Rule

    @property
    def known(self) -> Array:
        """(n,) bool, where there is a value."""
        return np.isfinite(self.values)

    @property
    def abnormal(self) -> Array:
        """(n,) bool."""
        return self.rule.abnormal(self.values)


@dataclass(frozen=True)
class Grouping:
    """Subgroups: the level's number of each row (n,), -1 where not known; ``declared`` before the data were seen."""

    name: str
    levels: tuple[str, ...]
    code: Array
    declared: bool


@dataclass(frozen=True)
class Cohort:
    """Rows of a study.

    Attributes
    ----------
    unit
        ``vessel`` or ``patient``: what a row is.
    patient
        (n,) number of each row's patient.
    measured, computed, second
        The wire, the method under test, and one it is compared with.
    groupings
        Subgroups.
    reasons
        Index name -> why values are missing -> how many.
    """

    unit: str
    patient: Array
    measured: Index
    computed: Index
    second: Index | None = None
    groupings: tuple[Grouping, ...] = ()
    reasons: dict[str, dict[str, int]] | None = None

    def __len__(self) -> int:
        return len(self.patient)

    @property
    def patients(self) -> int:
        """How many there are."""
        return len(np.unique(self.patient))

    @property
    def methods(self) -> tuple[Index, ...]:
        """What is compared with the wire."""
        return (self.computed,) if self.second is None else (self.computed, self.second)

    def select(self, rows: Array) -> Cohort:
        """Some of the rows, patients numbered again."""

        def cut(index: Index) -> Index:
            return replace(index, values=index.values[rows])

        return replace(
            self,
            patient=consecutive(self.patient[rows])[0],
            measured=cut(self.measured),
            computed=cut(self.computed),
            second=None if self.second is None else cut(self.second),
            groupings=tuple(replace(one, code=one.code[rows]) for one in self.groupings),
        )

    def by_patient(self) -> Cohort:
        """One row a patient: the most abnormal of the vessels that the wire measured.

        A method's value is missing where one of these vessels could not be evaluated and no other is abnormal. A
        subgroup that differs between a patient's vessels is not known.
        """
        measured = self.select(self.measured.known)
        code, count = measured.patient, measured.patients
        groupings = tuple(replace(one, code=_common(one.code, code, count)) for one in measured.groupings)
        return Cohort(
            "patient",
            np.arange(count),
            _worst(measured.measured, code, count),
            _worst(measured.computed, code, count),
            None if measured.second is None else _worst(measured.second, code, count),
            groupings,
        )


def _worst(index: Index, code: Array, count: int) -> Index:
    """The most abnormal value of each patient; missing where a missing vessel might have been abnormal."""
    score = np.full(count, -np.inf)
    known = index.known
    np.maximum.at(score, code[known], index.rule.score(index.values[known]))
    values = index.rule.score(score)  # turning twice gives the index back
    lacking = np.bincount(code[~known], minlength=count) > 0
    return replace(index, values=np.where(np.isinf(score) | (lacking & ~index.rule.abnormal(values)), np.nan, values))


def _common(level: Array, code: Array, count: int) -> Array:
    """The level that all rows of a patient share, or -1."""
    low, high = np.full(count, np.iinfo(int).max), np.full(count, -1)
    np.minimum.at(low, code, level)
    np.maximum.at(high, code, level)
    return np.where(low == high, high, -1)
