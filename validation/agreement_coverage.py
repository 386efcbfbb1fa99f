"""Do the intervals of ``hemo agree`` hold what they promise? 1,000 simulated cohorts of each kind, the truth known.

FFR of a vessel is normal with a part that its patient's vessels share; methods add a bias, a shared and an own error.
So bias and limits are as put in, sensitivity and specificity follow from the bivariate normal law, the area under the
curve from an integral over one variable: nothing true is estimated by what is tested. Every 95 % interval that is asked
must cover its truth in 93 to 97 % of the cohorts of every kind, those of clustered patients included. Rows that take
vessels as independent are shown to say what that costs, and are not asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import multivariate_normal, norm

from hemo.agreement.blandaltman import SPAN, bland_altman
from hemo.agreement.classification import diagnosis, wilson_interval
from hemo.agreement.clusters import Draws, Interval
from hemo.agreement.correlation import correlations
from hemo.agreement.paired import paired_difference
from hemo.agreement.regression import deming, passing_bablok
from hemo.agreement.roc import areas, bootstrap_area, compare
from validation.table import Table, publish

Array = NDArray[Any]

COHORTS = 1000
DRAWS = 2000
ASKED = (0.93, 0.97)
CUTOFF = 0.80
MEAN, SPREAD = 0.82, 0.10  # of FFR


@dataclass(frozen=True)
class Method:
    """Bias and spread of a method's error, and the part of its variance that a patient's vessels share."""

    bias: float
    spread: float
    shared: float


@dataclass(frozen=True)
class Kind:
    """A kind of cohort: patients, vessels of each (drawn from these), shared part of FFR's variance, two methods."""

    name: str
    patients: int
    vessels: tuple[int, ...]
    shared: float
    methods: tuple[Method, Method]


KINDS = (
    Kind("300 patients, 1 vessel", 300, (1,), 0.0, (Method(-0.01, 0.07, 0.0), Method(0.01, 0.09, 0.0))),
    Kind("150 patients, 1 to 4 vessels", 150, (1, 2, 3, 4), 0.6, (Method(-0.01, 0.07, 0.7), Method(0.01, 0.09, 0.7))),
    Kind("80 patients, 1 to 3 vessels", 80, (1, 2, 3), 0.3, (Method(0.02, 0.08, 0.4), Method(-0.01, 0.09, 0.4))),
)


def cohort(kind: Kind, seed: int) -> tuple[Array, Array, Array]:
    """Patient numbers (n,), FFR (n,), and (3, n): both methods, and a wire that errs as much as the first method."""
    random = np.random.default_rng([seed, kind.patients])
    code = np.repeat(np.arange(kind.patients), random.choice(kind.vessels, size=kind.patients))

    def normal(shared: float) -> Array:
        own, common = random.standard_normal(len(code)), random.standard_normal(kind.patients)
        return np.sqrt(1.0 - shared) * own + np.sqrt(shared) * common[code]

    ffr = MEAN + SPREAD * normal(kind.shared)
    found = [ffr + one.bias + one.spread * normal(one.shared) for one in kind.methods]
    wire = ffr + kind.methods[0].spread * normal(kind.methods[0].shared)
    return code, ffr, np.stack([*found, wire])


def truth(kind: Kind) -> dict[str, float]:
    """Name of a number -> its true value."""
    first, second = (_truth_of(one) for one in kind.methods)
    apart = {f"difference of {name}": first[name] - second[name] for name in ("AUC", "accuracy", "sensitivity")}
    # Of two methods that err alike the line is the identity, moved by the bias.
    lines = {
        f"{name} {part}": value
        for name in ("Passing-Bablok", "Deming")
        for part, value in (("slope", 1.0), ("intercept", kind.methods[0].bias))
    }
    return first | apart | lines


def _truth_of(one: Method) -> dict[str, float]:
    total = np.hypot(SPREAD, one.spread)
    both = multivariate_normal([MEAN, MEAN + one.bias], [[SPREAD**2, SPREAD**2], [SPREAD**2, total**2]])
    abnormal, called = norm.cdf((CUTOFF - MEAN) / SPREAD), norm.cdf((CUTOFF - MEAN - one.bias) / total)
    tp = float(both.cdf([CUTOFF, CUTOFF]))
    tn = 1.0 - abnormal - called + tp
    return {
        "bias": one.bias,
        "SD of the differences": one.spread,
        "lower limit": one.bias - SPAN * one.spread,
        "upper limit": one.bias + SPAN * one.spread,
        "Pearson's r": SPREAD / total,
        "Spearman's rho": 6.0 / np.pi * np.arcsin(0.5 * SPREAD / total),
        "Lin's concordance": 2.0 * SPREAD**2 / (SPREAD**2 + total**2 + one.bias**2),
        "ICC(2,1)": 2.0 * SPREAD**2 / (SPREAD**2 + total**2 + one.bias**2),
        "AUC": _area(one.bias, total),
        "sensitivity": tp / abnormal,
        "specificity": tn / (1.0 - abnormal),
        "PPV": tp / called,
        "NPV": tn / (1.0 - called),
        "accuracy": tp + tn,
        "LR+": tp / abnormal * (1.0 - abnormal) / (called - tp),
        "LR-": (abnormal - tp) / abnormal * (1.0 - abnormal) / tn,
    }


def _area(bias: float, total: float) -> float:
    """Chance that the method is lower in an abnormal than in a normal vessel, by quadrature over the method's value."""
    y = np.linspace(MEAN - 9.0 * total, MEAN + 9.0 * total, 200_001)
    density = norm.pdf(y, MEAN + bias, total)
    slope = (SPREAD / total) ** 2
    left = SPREAD * np.sqrt(1.0 - slope)
    abnormal = density * norm.cdf((CUTOFF - MEAN - slope * (y - MEAN - bias)) / left)
    normal = density - abnormal
    step = y[1] - y[0]
    above = 1.0 - np.cumsum(normal) / normal.sum() + 0.5 * normal / normal.sum()
    return float((abnormal * above).sum() / abnormal.sum()) if step > 0.0 else float("nan")


def intervals(kind: Kind, seed: int) -> dict[tuple[str, str], Interval]:
    """(number, how) -> its interval in one cohort; ``how`` that begins with an asterisk is not asked."""
    code, ffr, (first, second, wire) = cohort(kind, seed)
    count = kind.patients
    draws = Draws(count, DRAWS, seed)
    true = ffr <= CUTOFF
    found: dict[tuple[str, str], Interval] = {}
    agreement = bland_altman(first, ffr, code, count)
    for name, part in (("bias", "bias"), ("SD of the differences", "sd")):
        found[name, "jackknife"] = getattr(agreement, part)
    for name, part in (("lower limit", "lower"), ("upper limit", "upper")):
        found[name, "MOVER"] = getattr(agreement, part)
    related = correlations(first, ffr, code, count)
    found["Pearson's r", "jackknife"] = related.pearson
    found["Spearman's rho", "influence"] = related.spearman
    found["Lin's concordance", "jackknife"] = related.concordance
    found["ICC(2,1)", "jackknife"] = related.icc
    both = areas(-np.stack([first, second]), true, code, count)
    found["AUC", "Obuchowski"] = both.interval()
    found["AUC", "bootstrap"] = bootstrap_area(-first, true, code, draws)
    found["AUC", "*DeLong"] = both.delong()
    found["difference of AUC", "Obuchowski"] = compare(both).difference
    call = diagnosis(first <= CUTOFF, true, code, count, draws)
    for name in ("sensitivity", "specificity", "PPV", "NPV", "accuracy"):
        one = call.proportions[name.lower()]
        found[name, "Wilson"] = one.wilson
        found[name, "bootstrap"] = one.bootstrap
        if count < len(code):
            found[name, "*Wilson, vessels independent"] = wilson_interval(one.numerator, one.denominator)
    found["LR+", "jackknife"], found["LR+", "bootstrap"] = call.lr_positive, call.lr_positive_bootstrap
    found["LR-", "jackknife"], found["LR-", "bootstrap"] = call.lr_negative, call.lr_negative_bootstrap
    for name, line in (
        ("Passing-Bablok", passing_bablok(wire, first, code, count)),
        ("Deming", deming(wire, first, code, count)),
    ):
        assert line is not None
        how = "Kendall, design effect" if name != "Deming" else "jackknife"
        found[f"{name} slope", how], found[f"{name} intercept", how] = line.slope, line.intercept
    right = [(one <= CUTOFF) == true for one in (first, second)]
    found["difference of accuracy", "Tango"] = paired_difference("", *right, code, count).difference
    inside = [one[true] for one in right]
    found["difference of sensitivity", "Tango"] = paired_difference(
        "", *inside, *np.unique(code[true], return_inverse=True)[1:], len(np.unique(code[true]))
    ).difference
    return found


def coverage(kind: Kind, cohorts: int = COHORTS) -> dict[tuple[str, str], float]:
    """(number, how) -> share of the cohorts whose interval holds the truth; no interval holds none."""
    true = truth(kind)
    held: dict[tuple[str, str], int] = {}
    for seed in range(cohorts):
        for key, one in intervals(kind, seed).items():
            held[key] = held.get(key, 0) + bool(one.low <= true[key[0]] <= one.high)
    return {key: count / cohorts for key, count in held.items()}


def main() -> None:
    """Table: how often each interval covers; fails if one that is asked does so too rarely or too often."""
    found = {kind.name: coverage(kind) for kind in KINDS}
    keys = list(dict.fromkeys(key for shares in found.values() for key in shares))
    wrong, rows = [], []
    for number, how in keys:
        shares = [found[kind.name].get((number, how)) for kind in KINDS]
        asked = not how.startswith("*")
        out = [asked and share is not None and not ASKED[0] <= share <= ASKED[1] for share in shares]
        wrong += [f"{number} ({how}), {kind.name}" for kind, bad in zip(KINDS, out, strict=True) if bad]
        pairs = zip(shares, out, strict=True)
        cells = ["-" if share is None else f"{100 * share:.1f} %{' !' * bad}" for share, bad in pairs]
        rows.append((number, how.lstrip("*") + ("" if asked else " (not asked)"), *cells))
    note = (
        f"Share of {COHORTS:,} cohorts whose 95 % interval holds the truth; asked: {100 * ASKED[0]:.0f} to "
        f"{100 * ASKED[1]:.0f} % (a share of 1,000 itself has a standard error of 0.7 points). Shared part of the "
        "variance of FFR and of the error: none, 0.6 and 0.7, 0.3 and 0.4. Not asked: vessels as independent."
    )
    publish(Table("agreement_coverage", ("number", "interval", *found), tuple(rows), note))
    if wrong:
        raise SystemExit(
            f"{len(wrong)} intervals cover less than {ASKED[0]} or more than {ASKED[1]}: {'; '.join(wrong)}"
        )


if __name__ == "__main__":
    main()
