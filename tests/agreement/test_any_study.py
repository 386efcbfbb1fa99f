"""Any small study is told in numbers or in dashes, never in a traceback."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest

from hemo.agreement.cohort import Cohort, Grouping, Index, Rule
from hemo.agreement.figures import drawings
from hemo.agreement.page import estimates
from hemo.agreement.sheets import sheets
from hemo.agreement.study import Options, analyse
from hemo.agreement.summary import summary
from hemo.agreement.trials import trials


def drawn(seed):
    """A cohort of few rows, coarse values, one class now and then, and a lot missing."""
    random = np.random.default_rng(seed)
    n = int(random.integers(4, 25))
    step = random.choice([0.001, 0.01, 0.1])
    middle = random.choice([0.6, 0.8, 0.95])

    def values(lacking):
        found = np.clip(np.round((middle + 0.1 * random.normal(size=n)) / step) * step, 0.1, 1.1)
        return np.where(random.random(n) < lacking, np.nan, found)

    patient = np.unique(random.integers(0, random.integers(3, n + 1), n), return_inverse=True)[1]
    second = Index("qfr", values(0.3), Rule(0.8)) if seed % 2 else None
    groups = (Grouping("g", ("a", "b"), random.integers(-1, 2, n), bool(seed % 3)),)
    return Cohort(
        "vessel",
        patient,
        Index("ffr", values(0.1), Rule(0.8)),
        Index("ct", values(0.3), Rule(0.8)),
        second,
        groups,
        {"ct": {"empty": 1}},
    )


def enough(cohort):
    for method in cohort.methods:
        both = cohort.measured.known & method.known
        if len(np.unique(cohort.patient[both])) < 3 or 0.0 in (
            np.ptp(method.values[both]),
            np.ptp(cohort.measured.values[both]),
        ):
            return False
    return True


@pytest.mark.parametrize("start", range(0, 60, 20))
def test_a_study_of_anything_is_told(start):
    told_of = 0
    for seed in range(start, start + 20):
        cohort = drawn(seed)
        if not enough(cohort):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            options = Options(draws=200, margin=0.05)
            units = analyse(cohort, options)
            told = summary(cohort, units, options, trials())
            json.dumps(told, allow_nan=False)
            made = sheets(told)
            estimates(told)
        assert all(len(row) == len(sheet.columns) for sheet in made for row in sheet.rows)
        assert not any("nan" in cell for sheet in made for row in sheet.rows for cell in row)
        for method in told["units"][0]["methods"]:
            for share in method["diagnosis"]["proportions"].values():
                low, high = share["wilson"]["low"], share["wilson"]["high"]
                assert low is None or 0.0 <= low <= share["wilson"]["value"] <= high <= 1.0
        told_of += 1
    assert told_of > 8
    if start == 0:
        assert all(picture.startswith("<?xml") for _, _, picture in drawings(units))
