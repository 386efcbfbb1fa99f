"""Tables as files and as text."""

import numpy as np
import pytest

from hemo.jsonvalues import as_json
from hemo.outcome.describing import describe
from hemo.outcome.estimates import Estimate, Patients, bootstrap, from_draws, proportion
from hemo.outcome.tabletext import cell, write_csv


def test_an_estimate_is_several_columns_of_a_file(tmp_path):
    rows = [
        {"model": "a, b", "ratio": Estimate(1.5, 1.1, 2.0, 0.01), "n": 3},
        {"model": "c", "ratio": None, "n": None},
    ]
    write_csv(tmp_path / "t.csv", rows)
    lines = (tmp_path / "t.csv").read_text().splitlines()
    assert lines == ["model,ratio,ratio_low,ratio_high,ratio_p,n", '"a, b",1.5,1.1,2,0.01,3', "c,,,,,"]


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("x", Estimate(0.8123, 0.7, 0.9), "0.812 (0.700 to 0.900)"),
        ("x", Estimate(1.5, 1.1, 2.0, 0.0001), "1.500 (1.100 to 2.00), p <0.001"),
        ("x", Estimate(np.nan, np.nan, np.nan), "-"),
        ("adjusted_p", 0.0004, "<0.001"),
        ("rows", 12, "12"),
        ("non_inferior", True, "yes"),
        ("x", None, "-"),
        ("x", 12345.6, "12346"),
    ],
)
def test_cells_as_one_reads_them(key, value, text):
    assert cell(key, value) == text


def test_wilson_as_newcombe_prints_it():
    """Newcombe 1998, method 3: 81 of 263 is 0.3080, 0.2553 to 0.3662; 0 of 20 is 0 to 0.1611."""
    told = proportion(81, 263)
    assert (told.value, told.low, told.high) == pytest.approx((0.3080, 0.2553, 0.3662), abs=5e-5)
    assert proportion(0, 20).high == pytest.approx(0.1611, abs=5e-5)


def test_bootstrap_of_patients_knows_that_their_rows_are_alike():
    rng = np.random.default_rng(1)
    value = np.repeat(rng.normal(size=100), 4)
    patients = Patients.of(np.repeat(np.arange(100), 4))
    draws = bootstrap(lambda rows: float(value[rows].mean()), patients, 2000, 1)
    assert draws.std() == pytest.approx(value.std() / 10.0, rel=0.06)  # of 100 patients, not of 400 rows
    found = from_draws(float(value.mean()), draws)
    assert found.low < value.mean() < found.high
    drawn = patients.draw(rng)
    assert np.bincount(patients.code[drawn]).max() % 4 == 0


def test_what_is_not_known_is_null():
    assert as_json({"a": Estimate(1.0, np.nan, np.inf), "b": (np.int64(3), np.bool_(True))}) == {
        "a": {"value": 1.0, "low": None, "high": None, "p": None},
        "b": [3, True],
    }


def test_summary_by_group_counts_what_is_missing():
    import pandas as pd

    from hemo.outcome.joining import Joined
    from hemo.outcome.study import check_study

    frame = pd.DataFrame(
        {
            "patient": list("abcdef"),
            "ffr": [0.7, 0.8, np.nan, 0.9, 0.85, 0.95],
            "sex": ["m", "f", "m", "m", None, "f"],
            "low": [1, 0, 1, 0, 0, 0],
            "event": [1, 1, 1, 0, 0, 0],
        }
    )
    data = {
        "study": {"name": "x"},
        "tables": [{"name": "t", "file": "t.csv", "keys": ["patient"]}],
        "summary": {"columns": ["ffr", "sex", "low"], "group": "event", "cross": ["low", "sex"]},
        "event": {"column": "event"},
    }
    found = describe(Joined(frame, ("patient",), {}, {}, (), "patient"), check_study(data, "s"))
    rows = {(one.column, one.group): one for one in found.described}
    assert (rows["ffr", "1"].mean, rows["ffr", "1"].missing) == (pytest.approx(0.75), 1)
    assert rows["sex", "0"].counts == {"f": 1, "m": 1}
    assert rows["low", "all"].counts == {"0": 4, "1": 2}
    assert {(one.row, one.column): (one.events, one.rows) for one in found.cells} == {
        ("0", "f"): (1, 2), ("0", "m"): (0, 1), ("1", "f"): (0, 0), ("1", "m"): (2, 2),
    }  # fmt: skip
    assert found.pairs[0, 1] == 5
