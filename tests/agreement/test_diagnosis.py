"""Proportions, ROC, comparison of methods, bands and subgroups against published examples and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from hemo.agreement.bands import bands, ceiling
from hemo.agreement.classification import diagnosis, proportion, proportion_effect, wilson_interval
from hemo.agreement.clusters import Draws
from hemo.agreement.cohort import Cohort, Grouping, Index, Rule
from hemo.agreement.paired import clustered_mcnemar_p, paired_difference, reclassification, tango_interval
from hemo.agreement.roc import areas, bootstrap_area, compare, youden
from hemo.agreement.subgroups import holm, subgroups
from tests.agreement.published import MARKERS, POOR

ROWS = np.arange(len(POOR))


def vessels(patients=100, seed=2):
    random = np.random.default_rng(seed)
    code = np.repeat(np.arange(patients), random.integers(1, 4, patients))
    shared = random.normal(size=(patients, 3))[code]
    wire = 0.82 + 0.06 * shared[:, 0] + 0.08 * random.normal(size=len(code))
    methods = [wire + 0.05 * shared[:, k] + 0.05 * random.normal(size=len(code)) for k in (1, 2)]
    return code, wire, methods


def test_areas_of_proc_to_ten_digits():
    found = areas(MARKERS, POOR, ROWS, len(POOR))
    assert found.area[[0, 2]] == pytest.approx([0.823678861788618, 0.611957994579946], rel=1e-12)
    variances = [0.00146991470882363, 0.00266868245717244, 0.0031908105493913]
    assert np.diag(found.covariance) == pytest.approx(variances, rel=1e-10)
    assert found.independent == pytest.approx(found.covariance, rel=1e-12)
    ends = found.delong(2)
    assert (ends.low, ends.high) == pytest.approx((0.501244999271703, 0.722670989888189), rel=1e-10)


@pytest.mark.parametrize(
    ("pair", "z", "p"),
    [
        ((0, 1), 2.20898359144091, 0.0271757822291882),
        ((0, 2), 2.79777591868904, 0.00514557970691098),
        ((2, 1), -1.39077002573558, 0.164295175223054),
    ],
)
def test_delongs_comparison_of_proc(pair, z, p):
    found = compare(areas(MARKERS, POOR, ROWS, len(POOR)), *pair)
    assert (found.delong_z, found.delong_p) == pytest.approx((z, p), rel=1e-10)


def test_obuchowskis_variance_is_the_jackknifes_and_the_bootstraps():
    code, wire, methods = vessels(300)
    true = wire <= 0.8
    found = areas(-np.stack(methods), true, code, 300)
    left_out = np.array(
        [areas(-np.stack(methods)[:, code != k], true[code != k], code[code != k], 300).area for k in range(300)]
    )
    jackknife = 299 / 300 * (left_out - left_out.mean(axis=0)).T @ (left_out - left_out.mean(axis=0))
    assert found.covariance == pytest.approx(jackknife, rel=0.03)
    assert found.covariance[0, 0] > 1.1 * found.independent[0, 0]
    again = bootstrap_area(-methods[0], true, code, Draws(300, 2000, 1))
    width = found.interval().high - found.interval().low
    assert again.high - again.low == pytest.approx(width, rel=0.1)
    assert found.left_out == pytest.approx(found.area - left_out, abs=2e-4)
    assert found.influence.sum(axis=0) == pytest.approx([0.0, 0.0], abs=1e-12)


def test_rows_copied_within_a_patient_add_nothing():
    once = areas(MARKERS, POOR, ROWS, len(POOR))
    thrice = areas(np.repeat(MARKERS, 3, axis=1), np.repeat(POOR, 3), np.repeat(ROWS, 3), len(POOR))
    assert thrice.area == pytest.approx(once.area)
    assert thrice.covariance == pytest.approx(once.covariance, rel=1e-9)
    assert thrice.independent[0, 0] < 0.4 * once.independent[0, 0]


def test_area_is_scikit_learns_and_the_bootstrap_keeps_ties():
    from sklearn.metrics import roc_auc_score

    code, wire, (method, _) = vessels()
    coarse = np.round(method, 1)
    true = wire <= 0.8
    assert areas(-coarse[None], true, code, 100).area[0] == pytest.approx(roc_auc_score(true, -coarse), rel=1e-12)
    draws = Draws(100, 300, 1)
    found = bootstrap_area(-coarse, true, code, draws)
    weights = np.concatenate(list(draws.blocks()))
    loop = [roc_auc_score(true, -coarse, sample_weight=row[code]) for row in weights]
    assert found.low > np.quantile(loop, 0.003)
    assert found.high < np.quantile(loop, 0.997)
    cutoff, sensitivity, specificity = youden(MARKERS[1], POOR)  # pROC: better than 0.205, halfway to the next value
    assert (cutoff, sensitivity, specificity) == pytest.approx((0.21, 0.634146, 0.805556), abs=0.011)


def test_all_rows_of_one_kind_have_no_area():
    found = areas(MARKERS, np.zeros_like(POOR), ROWS, len(POOR))
    assert np.isnan(found.area).all()
    assert np.isnan(found.interval().low)


def test_wilson_is_statsmodels_and_newcombes_example():
    # Newcombe 1998, Stat Med 17:857, table I: 81 of 263, score method.
    found = wilson_interval(81, 263)
    assert (found.low, found.high) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_proportions_of_a_known_table():
    called = np.repeat([True, False, True, False], [45, 5, 10, 40])
    true = np.repeat([True, True, False, False], [45, 5, 10, 40])
    found = diagnosis(called, true, np.arange(100), 100, Draws(100, 500, 1))
    assert (found.tp, found.fn, found.fp, found.tn) == (45, 5, 10, 40)
    values = {name: one.wilson.value for name, one in found.proportions.items()}
    expected = {"sensitivity": 0.9, "specificity": 0.8, "ppv": 45 / 55, "npv": 40 / 45, "accuracy": 0.85}
    assert values == pytest.approx(expected)
    assert (found.lr_positive.value, found.lr_negative.value) == pytest.approx((4.5, 0.125))
    # Delta method on the logarithm (Simel 1991).
    error = np.sqrt(1 / 45 - 1 / 50 + 1 / 10 - 1 / 50)
    assert np.log(found.lr_positive.high / 4.5) == pytest.approx(1.96 * error, rel=0.08)
    assert all(one.design_effect == 1.0 for one in found.proportions.values())


def test_copies_of_a_patients_rows_are_worth_one():
    above = 3.0 * np.array([1.0, 0.0, 1.0, 1.0, 0.0, 1.0])
    below = np.full(6, 3.0)
    assert proportion_effect(above, below) == pytest.approx(3.0)
    assert proportion_effect(above, below + 0.0) == pytest.approx(3.0)
    assert proportion_effect(below, below) == pytest.approx(3.0)  # all right: patients count
    found = proportion("accuracy", above, below)
    alone = wilson_interval(4, 6)
    assert found.wilson.low < alone.low < alone.high < found.wilson.high


def test_tangos_published_intervals():
    # Bentur 2009 as in Fagerland 2014: 1 and 7 of 21; PropCIs' scoreci.mp(25, 28, 618) at 90 %.
    found = tango_interval(1, 7, 21)
    assert (found.low, found.high) == pytest.approx((-0.517, -0.026), abs=5e-4)
    found = tango_interval(28, 25, 618, level=0.90)
    assert (found.low, found.high) == pytest.approx((-0.0148, 0.0247), abs=5e-5)
    assert tango_interval(0, 0, 50).low == pytest.approx(-tango_interval(0, 0, 50).high)
    assert tango_interval(0, 50, 50).low == -1.0


def test_mcnemar_exact_and_clustered():
    first = np.repeat([True, True, False, False], [40, 12, 3, 20])
    second = np.repeat([True, False, True, False], [40, 12, 3, 20])
    found = paired_difference("accuracy", first, second, np.arange(75), 75, margin=0.05)
    assert found.mcnemar_p == pytest.approx(2.0 * stats.binom.cdf(3, 15, 0.5), rel=1e-12)
    assert (found.only_first, found.only_second, found.non_inferior) == (12, 3, True)
    apart = first.astype(float) - second
    t = 9.0 / np.sqrt(75 / 74 * 15.0)  # McNemar's z, but for K / (K - 1)
    assert found.clustered_p == pytest.approx(2.0 * stats.t.sf(t, 74), rel=1e-12)
    copied = paired_difference("accuracy", np.repeat(first, 4), np.repeat(second, 4), np.repeat(np.arange(75), 4), 75)
    assert copied.clustered_p == pytest.approx(found.clustered_p, rel=1e-12)
    assert copied.mcnemar_p < 1e-4
    assert copied.difference.low == pytest.approx(found.difference.low, abs=5e-3)
    assert clustered_mcnemar_p(np.zeros_like(apart)) == 1.0


def test_non_inferiority_asks_the_lower_end():
    random = np.random.default_rng(1)
    first = random.random(400) < 0.85
    second = np.where(random.random(400) < 0.1, random.random(400) < 0.85, first)
    wide = paired_difference("accuracy", first, second, np.arange(400), 400, margin=0.10)
    narrow = paired_difference("accuracy", first, second, np.arange(400), 400, margin=0.001)
    assert (wide.non_inferior, narrow.non_inferior) == (True, False)


def test_net_reclassification_is_the_change_of_sensitivity_and_specificity():
    code, wire, methods = vessels()
    true, called = wire <= 0.8, [one <= 0.8 for one in methods]
    found = reclassification(*called, true, code, 100)
    first, second = (diagnosis(one, true, code, 100).proportions for one in called)
    change = {name: first[name].wilson.value - second[name].wilson.value for name in ("sensitivity", "specificity")}
    assert found.abnormal.value == pytest.approx(change["sensitivity"])
    assert found.normal.value == pytest.approx(change["specificity"])
    assert found.total.value == pytest.approx(sum(change.values()))
    assert found.total.low < found.total.value < found.total.high


def test_ceiling_is_what_a_perfect_method_and_a_second_wire_reach():
    random = np.random.default_rng(1)
    truth = 0.83 + 0.07 * random.normal(size=400_000)
    wire, again = (truth + 0.025 * random.normal(size=len(truth)) for _ in range(2))
    code = np.arange(len(truth))
    for other, part in ((truth, "ceiling"), (again, "second_wire")):
        found = bands((other <= 0.8) == (wire <= 0.8), wire, 0.80, code, len(code), (0.025,))
        for band in found:
            assert band.accuracy.wilson.value == pytest.approx(getattr(band, part)[0], abs=0.005), band.label


def test_a_repeat_is_as_certain_as_petraco_found():
    # 2013: 50 % at 0.80, 80 % at 0.77 and 0.83, 95 % at 0.75 and 0.85, by one or the other spread.
    wire = np.array([0.8001, 0.7701, 0.7499, 0.8501, *np.linspace(0.3, 1.3, 1001)])  # as good as flat
    for sd in (0.021, 0.025):
        certain = ceiling(wire, 0.80, sd, again=True)
        assert certain[0] == pytest.approx(0.5, abs=0.01)
        assert 0.79 < certain[1] < 0.85
        assert certain[2:4].min() > 0.915


def test_a_cutoff_of_rounded_values_lies_between_them():
    wire = np.round(np.linspace(0.62, 0.99, 38), 2)
    found = ceiling(wire, 0.80, 0.001)[[18, 19]]  # 0.80 and 0.81 are as far from it
    assert wire[[18, 19]] == pytest.approx([0.80, 0.81])
    assert found == pytest.approx([1.0, 1.0], abs=1e-5)


def test_bands_hold_their_upper_edge_and_the_grey_zone_both():
    wire = np.array([0.70, 0.75, 0.80, 0.81, 0.85, 0.86, 0.95])
    found = bands(np.ones(7, dtype=bool), wire, 0.80, np.arange(7), 7)
    assert [band.accuracy.denominator for band in found] == [1, 1, 1, 2, 1, 1, 4, 3, 7]


def test_holm_is_statsmodels():
    from statsmodels.stats.multitest import multipletests

    p = np.array([0.04, 0.001, 0.2, 0.012, 0.04, 0.9])
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1], rel=1e-12)


def test_an_interaction_is_seen_where_it_is_and_the_undeclared_is_not_adjusted():
    code, wire, (method, _) = vessels(200)
    sex = np.random.default_rng(4).integers(2, size=200)[code]
    worse = np.where(sex == 1, method - 0.05, method)
    groupings = (
        Grouping("sex", ("f", "m"), sex, True),
        Grouping("lot", ("a", "b"), np.where(np.arange(len(code)) < 5, -1, np.arange(len(code)) % 2), False),
    )
    cohort = Cohort("vessel", code, Index("ffr", wire, Rule(0.8)), Index("ct", worse, Rule(0.8)), None, groupings)
    declared, lot = subgroups(cohort, cohort.computed)
    assert declared.interaction["bias"].p < 1e-4
    assert declared.adjusted["bias"] == pytest.approx(declared.interaction["bias"].p)
    assert declared.interaction["specificity"].p < 0.05
    change = declared.levels[1].agreement.bias.value - declared.levels[0].agreement.bias.value
    assert change == pytest.approx(-0.05, abs=0.02)
    assert (lot.unknown, lot.adjusted, lot.declared) == (5, {}, False)
    assert lot.interaction["bias"].p > 0.01
    assert sum(level.rows for level in lot.levels) == len(code) - 5


def test_no_interaction_is_claimed_of_a_level_that_has_too_little():
    code, wire, (method, _) = vessels(50)
    few = Grouping("few", ("a", "b"), (code == 0).astype(int), True)
    cohort = Cohort("vessel", code, Index("ffr", wire, Rule(0.8)), Index("ct", method, Rule(0.8)), None, (few,))
    (found,) = subgroups(cohort, cohort.computed)
    assert all(np.isnan(test.p) for test in found.interaction.values())
    assert found.levels[1].agreement is None
