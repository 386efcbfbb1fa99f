"""Before and after: against scipy, published intervals, and counts by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from hemo.errors import InputError
from hemo.outcome.joining import Joined
from hemo.outcome.serial import _shares, coefficient, serial
from hemo.outcome.study import SerialSection

RNG = np.random.default_rng(1)
PRE, POST = RNG.normal(0.70, 0.08, 40), RNG.normal(0.90, 0.05, 40)


def joined(places=1):
    patients = np.repeat([f"P{k:02d}" for k in range(40 // places)], places)
    parts = []
    for time, qfr in (("pre", PRE), ("post", POST)):
        columns = {"patient": patients, "vessel": np.tile(range(places), 40 // places).astype(str)}
        parts.append(pd.DataFrame({**columns, "time": time, "qfr": qfr, "arm": np.where(np.arange(40) < 20, "A", "B")}))
    frame = pd.concat(parts, ignore_index=True)
    frame.loc[3, "qfr"] = np.nan
    return Joined(frame, ("patient",), {"t": frame}, {"t": ("patient", "vessel", "time")}, (), "patient")


def section(**given):
    base = {"name": "s", "table": "t", "time": "time", "order": ["pre", "post"], "measures": ["qfr"]}
    return SerialSection(**(base | {"gate": {"qfr": 0.8}} | given))


def test_change_is_the_paired_t_test():
    found = serial(joined(), section())
    (change,) = found.changes
    keep = np.arange(40) != 3
    reference = stats.ttest_rel(POST[keep], PRE[keep])
    assert change.pairs == 39
    assert change.mean.value == pytest.approx((POST - PRE)[keep].mean())
    assert (change.mean.low, change.mean.high) == pytest.approx(tuple(reference.confidence_interval(0.95)))
    assert change.mean.p == pytest.approx(reference.pvalue)
    assert change.gained == int(((PRE <= 0.8) & (POST > 0.8))[keep].sum())
    assert found.levels[0].missing == 1
    assert not found.clustered


def test_groups_differ_as_welch_says_and_the_baseline_is_adjusted_for():
    found = serial(joined(), section(group="arm"))
    post = next(one for one in found.contrasts if one.time == "post")
    reference = stats.ttest_ind(POST[20:], POST[:20], equal_var=False)
    assert post.level.value == pytest.approx(POST[20:].mean() - POST[:20].mean())
    assert post.level.p == pytest.approx(reference.pvalue)
    keep = np.arange(40) != 3
    design = np.column_stack([np.ones(39), (np.arange(40) >= 20)[keep], PRE[keep]])
    assert post.adjusted.value == pytest.approx(np.linalg.lstsq(design, POST[keep], rcond=None)[0][1])
    assert found.groups == ("A", "B")


def test_two_vessels_a_patient_widen_the_interval_where_they_are_alike():
    alike = np.repeat(RNG.normal(size=20), 2)
    one = coefficient(alike, np.ones((40, 1)), pd.Series(np.repeat(range(20), 2)), 0)
    naive = coefficient(alike, np.ones((40, 1)), pd.Series(range(40)), 0)
    assert (one.high - one.low) == pytest.approx(np.sqrt(2.0) * (naive.high - naive.low), rel=0.08)
    assert serial(joined(2), section()).clustered


def test_difference_of_shares_as_newcombe_prints_it():
    """Newcombe 1998, example (a), method 10: 56 of 70 less 48 of 80 is 0.2, 0.0524 to 0.3339."""
    told = _shares(np.arange(70) < 56, np.arange(80) < 48)
    assert (told.value, told.low, told.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_rows_are_one_a_place_and_time_with_their_change():
    rows = serial(joined(), section(group="arm")).rows
    assert len(rows) == 79
    first = rows[rows["patient"] == "P00"]
    assert first["time"].tolist() == ["pre", "post"]
    assert first["qfr_change"].tolist()[1] == pytest.approx(POST[0] - PRE[0])


def test_a_time_point_twice_or_none_is_refused():
    table = joined()
    table.tables["t"].loc[40, "time"] = "pre"
    with pytest.raises(InputError, match="twice"):
        serial(table, section())
    with pytest.raises(InputError, match="no row has time = 'later'"):
        serial(joined(), section(order=["pre", "later"]))
