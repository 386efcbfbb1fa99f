"""A study's numbers as JSON values: ``summary.json`` of ``hemo agree``, and what ``--json`` prints.

Proportions are fractions of 1, differences are method less wire, None stands where there is no number.
docs/agreement.md defines every key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hemo.agreement.blandaltman import method_only_sd
from hemo.agreement.cohort import Cohort, Index, Rule
from hemo.agreement.study import MethodResult, Options, Unit, paired_rows
from hemo.agreement.trials import Trial
from hemo.jsonvalues import as_json

SCHEMA_VERSION = 1


def summary(
    cohort: Cohort,
    units: Sequence[Unit],
    options: Options,
    trials: Sequence[Trial] = (),
    inputs: Mapping[str, str] | None = None,
    warnings: Sequence[str] = (),
) -> dict[str, Any]:
    """Everything that is told of a study; ``inputs`` are the files' hashes."""
    from hemo import __version__

    return {
        "schema_version": SCHEMA_VERSION,
        "software": {"hemo": __version__},
        "inputs": dict(inputs or {}),
        "warnings": list(warnings),
        "options": plain(options),
        "flow": flow(cohort),
        "units": [_unit(one, options) for one in units],
        "published": [plain(one) for one in trials],
    }


def flow(cohort: Cohort) -> dict[str, Any]:
    """Who was in the table and who was left out of what, and why."""
    wire = cohort.measured.known

    def count(rows: Any) -> dict[str, int]:
        return {"rows": int(rows.sum()), "patients": len(np.unique(cohort.patient[rows]))}

    told: dict[str, Any] = {"in_table": count(np.ones(len(cohort), dtype=bool)), "wire": cohort.measured.name}
    told["with_wire"], told["without_wire"] = count(wire), count(~wire)
    told["methods"] = [
        {
            "name": index.name,
            "analysed": count(paired_rows(cohort, index)),
            "not_evaluable": count(wire & ~index.known),
            "without_both": count(~wire & ~index.known),
        }
        for index in cohort.methods
    ]
    if cohort.second is not None:
        told["all_three"] = count(wire & cohort.computed.known & cohort.second.known)
    told["reasons"] = cohort.reasons or {}
    return told


def _unit(unit: Unit, options: Options) -> dict[str, Any]:
    return {
        "unit": unit.cohort.unit,
        "methods": [_method(one, options) for one in unit.methods],
        "comparison": plain(unit.comparison),
    }


def _method(found: MethodResult, options: Options) -> dict[str, Any]:
    told = {"name": found.index.name, "rule": found.index.rule.text, **plain(found)}
    del told["index"]
    if found.best_cutoff is not None:
        told["best_cutoff"] = dict(zip(("cutoff", "sensitivity", "specificity"), told["best_cutoff"], strict=True))
    if found.agreement is not None:
        sd = found.agreement.sd.value
        told["agreement"]["method_only_sd"] = [plain(method_only_sd(sd, wire)) for wire in options.wire_sd]
    return told


def plain(value: Any) -> Any:
    """Results as JSON values, rules and indices by their names."""
    return as_json(value, _named)


def _named(value: Any) -> Any:
    if isinstance(value, Rule):
        return value.text
    if isinstance(value, Index):
        return value.name
    return value
