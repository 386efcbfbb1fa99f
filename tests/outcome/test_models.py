"""Models compared: optimism of noise, folds by patients, nested tests, what is refused."""

import numpy as np
import pandas as pd
import pytest

from hemo.errors import InputError
from hemo.outcome.estimates import Patients
from hemo.outcome.fitting import Sample, fit
from hemo.outcome.joining import Joined
from hemo.outcome.models import added_test, event_models
from hemo.outcome.study import EventSection, check_study
from hemo.outcome.validating import folds_of


def cohort(patients=120, seed=1):
    rng = np.random.default_rng(seed)
    owner = np.repeat(np.arange(patients), 2)
    n = len(owner)
    frame = pd.DataFrame({"patient": owner.astype(str), "plaque": rng.normal(size=n), "ffr": rng.normal(size=n)})
    for k in range(8):
        frame[f"noise{k}"] = rng.normal(size=n)
    frame["vessel"] = rng.choice(["LAD", "LCX", "RCA"], n)
    hazard = np.exp(0.6 * frame["plaque"] - 0.9 * frame["ffr"])
    event = rng.exponential(4.0 / hazard)
    end = rng.uniform(1.0, 6.0, n)
    frame["event"] = (event <= end).astype(int)
    frame["years"] = np.minimum(event, end)
    return Joined(frame, ("patient", "row"), {}, {}, (), "patient")


def study(method, models, **event):
    declared = {"column": "event", "time": "years", "horizon": 2.0, "method": method, "folds": 5, "repeats": 2} | event
    named = [{"name": " + ".join(x) if len(x) < 3 else f"{len(x)} columns", "predictors": x} for x in models]
    data = {"study": {"name": "x", "resamples": 100, "model_resamples": 20}, "event": declared, "models": named}
    return check_study(data | {"tables": [{"name": "t", "file": "t.csv", "keys": ["patient"]}]}, "s")


@pytest.fixture(scope="module", params=["logistic", "cox"])
def found(request):
    noise = [f"noise{k}" for k in range(8)]
    return event_models(cohort(), study(request.param, [["plaque"], ["plaque", "ffr"], ["plaque", "ffr", *noise]]))


def test_truth_is_found_and_adds(found):
    ratios = dict(zip(found.results[1].predictors, found.results[1].ratios, strict=True))
    assert ratios["plaque"].low > 1.0
    assert ratios["ffr"].high < 1.0
    added = found.comparisons[0]
    assert added.added == ("ffr",)
    assert added.test == "Wald, robust to clustering"
    assert added.p < 1e-4
    assert added.gain.low > 0.0


def test_noise_looks_better_than_it_is(found):
    two, ten = found.results[1], found.results[2]
    assert ten.apparent["discrimination"] > two.apparent["discrimination"]
    assert ten.optimism["discrimination"] > two.optimism["discrimination"] > 0.0
    assert ten.corrected["slope"] < two.corrected["slope"] < 1.02
    assert abs(ten.corrected["discrimination"] - ten.cross_validated["discrimination"]) < 0.03
    assert found.comparisons[1].p > 0.01
    assert found.comparisons[1].adjusted_p >= found.comparisons[1].p


def test_rows_that_left_early_are_out_of_logistic_models_alone(found):
    logistic = found.results[0].proportional_p.size == 0
    frame = cohort().frame
    early = int(((frame["event"] == 0) & (frame["years"] < 2.0)).sum())
    assert found.excluded == (early if logistic else 0)
    assert found.rows == 240 - found.excluded
    reclassified = found.comparisons[0].reclassification
    assert (reclassified is not None) == logistic
    if reclassified is not None:
        assert reclassified.integrated.low > 0.0


def test_no_patient_is_in_two_folds():
    rng = np.random.default_rng(2)
    owner = np.repeat(np.arange(60), 3)
    sample = Sample(("x",), rng.normal(size=(180, 1)), rng.random(180) < 0.3, None, Patients.of(owner))
    for fold in folds_of(sample, EventSection(column="e", folds=6, repeats=3), 0):
        assert all(len(set(fold[owner == k])) == 1 for k in range(60))
        assert len(set(fold)) == 6


def test_likelihood_ratio_of_a_two_by_two_table_is_the_g_test():
    x = np.repeat([1.0, 1.0, 0.0, 0.0], [30, 20, 15, 45])
    event = np.repeat([True, False, True, False], [30, 20, 15, 45])
    rng = np.random.default_rng(3)
    both = Sample(("z", "x"), np.column_stack([rng.normal(size=110), x]), event, None, Patients.of(range(110)))
    one, two = fit("logistic", both.columns(["z"])), fit("logistic", both)
    added, test, p = added_test(two, one, clustered=False)
    assert (added, test) == (("x",), "likelihood ratio")
    assert p < 1e-3
    assert added_test(one, two, clustered=False)[1] is None


def test_categories_become_columns_and_missing_rows_are_counted():
    joined = cohort()
    joined.frame.loc[:9, "plaque"] = np.nan
    found = event_models(joined, study("cox", [["plaque", "vessel"]]))
    assert found.results[0].predictors == ("plaque", "vessel = LCX", "vessel = RCA")
    assert found.missing["missing"] == {"plaque": 10}
    assert found.rows == 230


def test_a_model_without_an_estimate_is_told_and_the_others_stand():
    joined = cohort()
    joined.frame["same"] = 1.0
    found = event_models(joined, study("cox", [["same"], ["plaque"]]))
    assert "same in all rows" in found.not_fitted["same"]
    assert [one.name for one in found.results] == ["plaque"]


def test_too_few_events_are_refused():
    joined = cohort()
    joined.frame["event"] = 0
    joined.frame.loc[:2, "event"] = 1
    with pytest.raises(InputError, match="fewer than 5"):
        event_models(joined, study("cox", [["plaque"]]))
