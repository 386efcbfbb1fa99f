"""Bland-Altman, correlation and lines against published worked examples and independent formulae."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from hemo.agreement.blandaltman import bland_altman, method_only_sd
from hemo.agreement.clusters import Draws, Summed, equality, jackknife_interval, sums
from hemo.agreement.correlation import concordance, correlations, icc, pearson, spearman
from hemo.agreement.regression import deming, passing_bablok
from tests.agreement.published import CARDIAC_OUTPUT, JUDGES, SMALL_WRIGHT, WRIGHT


def clustered(patients=120, seed=3):
    random = np.random.default_rng(seed)
    code = np.repeat(np.arange(patients), random.integers(1, 4, patients))
    shared = random.normal(size=(patients, 2))[code]
    x = 0.82 + 0.06 * shared[:, 0] + 0.08 * random.normal(size=len(code))
    return code, x, x + 0.01 + 0.04 * shared[:, 1] + 0.05 * random.normal(size=len(code))


def test_bland_altman_2007_with_varying_truth():
    code = CARDIAC_OUTPUT[:, 0].astype(int) - 1
    found = bland_altman(CARDIAC_OUTPUT[:, 1], CARDIAC_OUTPUT[:, 2], code, 12)
    assert found.bias.value == pytest.approx(0.6021667, abs=1e-7)
    assert found.sd.value == pytest.approx(0.99062408, abs=1e-7)
    assert found.within_sd**2 == pytest.approx(0.170714026, abs=5e-8)
    assert found.between_sd**2 == pytest.approx(0.98133606 - 0.170714026, abs=2e-7)
    assert (found.lower.value, found.upper.value) == pytest.approx((-1.3394565, 2.5437899), abs=1e-6)
    assert found.upper.low < found.upper.value < found.upper.high


def test_bland_altman_1986_with_a_row_a_patient():
    found = bland_altman(WRIGHT, SMALL_WRIGHT, np.arange(17), 17)
    difference = WRIGHT - SMALL_WRIGHT
    assert (found.bias.value, found.sd.value) == pytest.approx((-2.12, 38.77), abs=6e-3)
    assert found.sd.value == pytest.approx(difference.std(ddof=1), rel=1e-12)
    # The bias's jackknife is then Student's interval of a mean.
    half = stats.t.ppf(0.975, 16) * difference.std(ddof=1) / np.sqrt(17)
    assert (found.bias.low, found.bias.high) == pytest.approx((difference.mean() - half, difference.mean() + half))


def test_variances_are_those_of_a_balanced_random_effects_model():
    from statsmodels.regression.mixed_linear_model import MixedLM

    code = np.repeat(np.arange(60), 3)
    random = np.random.default_rng(0)
    difference = 0.05 * random.normal(size=60)[code] + 0.03 * random.normal(size=180)
    found = bland_altman(difference, np.zeros(180), code, 60)
    fitted = MixedLM(difference, np.ones(180), groups=code).fit(reml=True)
    assert found.within_sd**2 == pytest.approx(fitted.scale, rel=1e-4)
    assert found.between_sd**2 == pytest.approx(float(fitted.cov_re[0, 0]), rel=1e-3)


def test_shrout_and_fleiss_and_lin():
    assert icc(JUDGES, np.arange(6), 6).value == pytest.approx(0.29, abs=5e-3)
    found = concordance(WRIGHT, SMALL_WRIGHT, np.arange(17), 17).value
    assert found == pytest.approx(0.943, abs=5e-4)
    shift = (WRIGHT.mean() - SMALL_WRIGHT.mean()) ** 2 / (WRIGHT.std() * SMALL_WRIGHT.std())
    scale = WRIGHT.std() / SMALL_WRIGHT.std()
    accuracy = 2.0 / (scale + 1.0 / scale + shift)  # Lin's bias correction factor
    assert found == pytest.approx(np.corrcoef(WRIGHT, SMALL_WRIGHT)[0, 1] * accuracy, rel=1e-12)


def test_icc_is_that_of_the_mean_squares_of_an_analysis_of_variance():
    import pandas
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    ratings = np.stack([WRIGHT, SMALL_WRIGHT], axis=1)
    rows = pandas.DataFrame({"y": ratings.ravel(), "target": np.repeat(np.arange(17), 2), "rater": np.tile([0, 1], 17)})
    squares = anova_lm(ols("y ~ C(target) + C(rater)", rows).fit())["mean_sq"]
    msr, msc, mse = squares["C(target)"], squares["C(rater)"], squares["Residual"]
    expected = (msr - mse) / (msr + mse + 2.0 * (msc - mse) / 17.0)
    assert icc(ratings, np.arange(17), 17).value == pytest.approx(expected, rel=1e-10)


def test_pearson_and_spearman_are_scipys():
    code, x, y = clustered()
    found = correlations(y, x, code, 120)
    assert found.pearson.value == pytest.approx(stats.pearsonr(x, y)[0], rel=1e-12)
    assert found.spearman.value == pytest.approx(stats.spearmanr(x, y)[0], rel=1e-12)
    tied = np.round(x, 1), np.round(y, 1)
    assert spearman(*tied, code, 120).value == pytest.approx(stats.spearmanr(*tied)[0], rel=1e-12)


def test_what_a_patient_adds_to_spearman_is_what_the_jackknife_says():
    code, x, y = clustered()
    left_out = np.array([stats.spearmanr(x[code != k], y[code != k])[0] for k in range(120)])
    z = np.arctanh(left_out)
    half = stats.t.ppf(0.975, 119) * np.sqrt(119 / 120 * ((z - z.mean()) ** 2).sum())
    found = spearman(x, y, code, 120)
    assert np.arctanh(found.high) - np.arctanh(found.value) == pytest.approx(half, rel=0.03)


def test_jackknife_and_bootstrap_are_those_of_a_loop():
    code, x, y = clustered(40)
    statistic = pearson(x, y, code, 40)
    loop = [stats.pearsonr(x[code != k], y[code != k])[0] for k in range(40)]
    assert statistic.jackknife() == pytest.approx(np.array(loop), rel=1e-9)
    draws = Draws(40, 500, 5)
    weights = np.concatenate(list(draws.blocks()))
    assert weights.sum(axis=1) == pytest.approx(np.full(500, 40.0))
    rows = np.repeat(np.arange(len(x)), weights[7].astype(int)[code])
    assert statistic.of(weights[7] @ statistic.table) == pytest.approx(stats.pearsonr(x[rows], y[rows])[0], rel=1e-9)
    again = pearson(x, y, code, 40).bootstrap(Draws(40, 500, 5))
    assert again == statistic.bootstrap(draws)
    assert again != statistic.bootstrap(Draws(40, 500, 6))


def test_a_mean_of_patients_means_has_students_interval():
    values = np.array([1.0, 2.0, 4.0, 8.0])
    table = np.stack([values, np.ones(4)], axis=1)
    found = jackknife_interval(Summed(table, lambda total: total[..., 0] / total[..., 1]))
    half = stats.t.ppf(0.975, 3) * values.std(ddof=1) / 2.0
    assert (found.low, found.high) == pytest.approx((3.75 - half, 3.75 + half))


def test_passing_bablok_is_theil_and_sen_where_no_slope_lies_below_minus_one():
    # mcr's data and slope, as methcomp's tests quote them: 1.0050 (0.98481 to 1.02658), 0.0125.
    x = np.arange(1.0, 21.0)
    y = np.array(
        [1.03, 2.05, 2.79, 3.67, 5.00, 5.82, 7.16, 7.69, 8.53, 10.38, 11.11, 12.17, 13.47, 13.83, 15.15, 16.12]
    )
    y = np.concatenate([y, [16.94, 18.09, 19.13, 19.54]])
    found = passing_bablok(x, y, np.arange(20), 20)
    assert (found.slope.value, found.intercept.value) == pytest.approx((1.0050, 0.0125), abs=5e-5)
    assert (found.slope.low, found.slope.high) == pytest.approx((0.98481, 1.02658), abs=1.5e-3)
    theil = stats.theilslopes(y, x, 0.95)
    assert found.slope.value == pytest.approx(theil.slope, rel=1e-12)
    ordered = np.sort(((y[:, None] - y) / (x[:, None] - x + np.eye(20)))[np.triu_indices(20, 1)])
    half = stats.norm.ppf(0.975) * np.sqrt(20 * 19 * 45 / 18)
    first = round((190 - half) / 2)  # counted from 1 in the paper
    assert (found.slope.low, found.slope.high) == (ordered[first - 1], ordered[190 - first])
    assert found.linearity_p > 0.1


def test_passing_bablok_does_not_care_which_method_is_which():
    code, x, y = clustered()
    one, other = passing_bablok(x, y, code, 120), passing_bablok(y, x, code, 120)
    assert one.slope.value == pytest.approx(1.0 / other.slope.value, rel=1e-9)
    assert passing_bablok(x, 2.0 * x + 1.0, code, 120).slope.value == pytest.approx(2.0, rel=1e-9)
    assert passing_bablok(x, np.full_like(x, 0.8), code, 120) is None
    bent = passing_bablok(x, x + 8.0 * (x - 0.8) ** 2, code, 120)
    assert bent.linearity_p < 0.01


def test_rows_of_a_patient_widen_passing_and_babloks_interval():
    _, x, y = clustered()
    alone = passing_bablok(x, y, np.arange(len(x)), len(x)).slope
    copied = passing_bablok(np.repeat(x, 3), np.repeat(y, 3), np.repeat(np.arange(len(x)), 3), len(x)).slope
    ignored = passing_bablok(np.repeat(x, 3), np.repeat(y, 3), np.arange(3 * len(x)), 3 * len(x)).slope
    assert copied.high - copied.low == pytest.approx(alone.high - alone.low, rel=0.06)
    assert ignored.high - ignored.low < 0.7 * (copied.high - copied.low)


@pytest.mark.parametrize("ratio", [0.5, 1.0, 2.0])
def test_deming_is_the_first_principal_axis_of_scaled_values(ratio):
    code, x, y = clustered()
    found = deming(x, y, code, 120, ratio)
    axes = np.linalg.eigh(np.cov(x, y / np.sqrt(ratio)))[1]
    slope = axes[1, -1] / axes[0, -1] * np.sqrt(ratio)
    assert found.slope.value == pytest.approx(slope, rel=1e-10)
    assert found.intercept.value == pytest.approx(y.mean() - slope * x.mean(), rel=1e-9)


def test_equality_is_the_cluster_robust_wald_test_of_a_regression():
    from statsmodels.api import OLS

    code, x, y = clustered()
    group = np.random.default_rng(1).integers(0, 3, len(x))
    difference = y - x
    size = sums(code, np.eye(3)[group], 120)
    means = np.array([difference[group == k].mean() for k in range(3)])
    above = sums(code, np.eye(3)[group] * difference[:, None], 120)
    found = equality(means, (above - means * size) / size.sum(axis=0))
    fitted = OLS(difference, np.eye(3)[group]).fit(
        cov_type="cluster", cov_kwds={"groups": code, "use_correction": False}
    )
    wald = fitted.wald_test(np.array([[-1.0, 1.0, 0.0], [-1.0, 0.0, 1.0]]), use_f=False, scalar=True).statistic
    assert found.statistic == pytest.approx(float(wald) / 2.0 * 120 / 119, rel=1e-9)
    assert found.freedom == (2, 117)


def test_what_the_wire_adds_to_the_spread():
    assert method_only_sd(0.06, 0.023) == pytest.approx(0.0554, abs=1e-4)
    assert method_only_sd(0.02, 0.023) == 0.0
