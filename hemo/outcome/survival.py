"""Time to an event: Kaplan-Meier curves, risk at a time and its difference, hazard ratios; late entry allowed.

A patient who crosses over during follow-up gives two episodes, the second of which enters late: nobody is at risk under
a treatment before it was given (no immortal time).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from lifelines import CoxPHFitter
from lifelines.exceptions import ConvergenceError
from lifelines.statistics import logrank_test, proportional_hazard_test
from numpy.typing import NDArray
from scipy import stats
from statsmodels.duration.survfunc import SurvfuncRight

from hemo.outcome.estimates import UNKNOWN, Estimate, Z

Array = NDArray[Any]


@dataclass(frozen=True)
class Episodes:
    """Stretches of follow-up under one treatment.

    Attributes
    ----------
    patient
        (n,) code of the patient.
    entry, exit
        (n,) when each stretch begins and ends, in one unit of time.
    event
        (n,) whether it ends with the event.
    arm
        (n,) 0 for the reference, 1 for the arm tested.
    """

    patient: Array
    entry: Array
    exit: Array
    event: Array
    arm: Array

    def of_arm(self, arm: int) -> Episodes:
        """Those of one arm."""
        return self.where(self.arm == arm)

    def where(self, kept: Array) -> Episodes:
        """Those chosen."""
        return Episodes(self.patient[kept], self.entry[kept], self.exit[kept], self.event[kept], self.arm[kept])

    @property
    def late(self) -> bool:
        """Whether anybody enters after the start."""
        return bool((self.entry > 0.0).any())

    @property
    def opening(self) -> Array:
        """(n,) entry, those at the start put before it, so that an event on the first day counts."""
        return np.where(self.entry > 0.0, self.entry, -1.0)


@dataclass(frozen=True)
class Curve:
    """A Kaplan-Meier curve: survival (n,) just after each event time (n,), its Greenwood standard error (n,)."""

    time: Array
    survival: Array
    error: Array
    last: float
    events: int

    def at(self, when: float) -> tuple[float, float]:
        """Survival and its standard error at a time; NaN beyond the follow-up."""
        if when > self.last and (not len(self.survival) or self.survival[-1] > 0.0):
            return np.nan, np.nan
        place = int(np.searchsorted(self.time, when, side="right")) - 1
        return (1.0, 0.0) if place < 0 else (float(self.survival[place]), float(self.error[place]))

    def risk(self, when: float) -> Estimate:
        """1 - survival with the interval of log(-log) survival, which stays within 0 to 1."""
        survival, error = self.at(when)
        if not 0.0 < survival < 1.0:
            return Estimate(1.0 - survival, np.nan, np.nan)
        width = Z * error / (survival * abs(np.log(survival)))
        low, high = (survival ** np.exp(sign * width) for sign in (-1.0, 1.0))
        return Estimate(1.0 - survival, float(1.0 - low), float(1.0 - high))


def curve(episodes: Episodes) -> Curve:
    """Kaplan-Meier estimate and Greenwood's error (1926), as statsmodels computes them."""
    if not len(episodes.exit):
        return Curve(np.zeros(0), np.zeros(0), np.zeros(0), 0.0, 0)
    entry = episodes.opening if episodes.late else None
    found = SurvfuncRight(episodes.exit, episodes.event.astype(int), entry=entry)
    time, survival, error = (np.asarray(x, float) for x in (found.surv_times, found.surv_prob, found.surv_prob_se))
    return Curve(time, survival, error, float(episodes.exit.max()), int(episodes.event.sum()))


def at_risk(episodes: Episodes, times: Array) -> Array:
    """How many are followed at each time (n,)."""
    under = (episodes.opening[:, None] < times) & (episodes.exit[:, None] >= times)
    return np.asarray(under.sum(axis=0))


@dataclass(frozen=True)
class Difference:
    """Risk at a time in the arm tested less that in the reference: estimate and standard error."""

    reference: Estimate
    tested: Estimate
    difference: Estimate
    error: float


def risk_difference(episodes: Episodes, horizon: float) -> Difference:
    """Absolute difference of Kaplan-Meier risks; variance the sum of Greenwood's, normal interval."""
    curves = [curve(episodes.of_arm(arm)) for arm in (0, 1)]
    (before, error), (after, other) = (one.at(horizon) for one in curves)
    value, spread = before - after, float(np.hypot(error, other))
    p = float(2.0 * stats.norm.sf(abs(value) / spread)) if spread > 0.0 else None
    interval = Estimate(value, value - Z * spread, value + Z * spread, p)
    return Difference(curves[0].risk(horizon), curves[1].risk(horizon), interval, spread)


@dataclass(frozen=True)
class Ratio:
    """Hazard ratio, tested over reference, with log-ratio and its error, log-rank p and p of proportional hazards."""

    ratio: Estimate
    log_ratio: float
    error: float
    log_rank_p: float | None
    proportional_p: float | None


def hazard_ratio(episodes: Episodes) -> Ratio | None:
    """Cox's model of the arm alone; None if it cannot be fitted.

    Variances are robust where a patient has several episodes (Lin and Wei 1989).

    The test of proportional hazards is Grambsch and Therneau's (1994) on ranked times, as lifelines does it.
    """
    if min(int(episodes.of_arm(arm).event.sum()) for arm in (0, 1)) == 0:
        return None
    frame = pd.DataFrame(
        {"exit": episodes.exit, "event": episodes.event.astype(int), "arm": episodes.arm.astype(float)}
    )
    options: dict[str, Any] = {}
    if episodes.late:
        frame["entry"] = episodes.opening
        options["entry_col"] = "entry"
    if len(np.unique(episodes.patient)) < len(episodes.patient):
        frame["patient"] = episodes.patient
        options["cluster_col"] = "patient"
    try:
        fitted = CoxPHFitter().fit(frame, "exit", "event", **options)
    except (ConvergenceError, ValueError):
        return None
    log_ratio, error = float(fitted.params_["arm"]), float(fitted.standard_errors_["arm"])
    p = float(2.0 * stats.norm.sf(abs(log_ratio) / error))
    value, low, high = (float(np.exp(log_ratio + sign * Z * error)) for sign in (0.0, -1.0, 1.0))
    ratio = Estimate(value, low, high, p)
    first = episodes.arm == 0
    rank = None
    if not episodes.late:
        split = (episodes.exit[first], episodes.exit[~first], episodes.event[first], episodes.event[~first])
        rank = float(logrank_test(*split).p_value)
    tested = None
    if not options:
        tested = float(np.ravel(proportional_hazard_test(fitted, frame, time_transform="rank").p_value)[0])
    return Ratio(ratio, log_ratio, error, rank, tested)


def risk_of(episodes: Episodes, horizon: float) -> Estimate:
    """Kaplan-Meier risk at a time of all episodes together."""
    return curve(episodes).risk(horizon) if len(episodes.exit) else UNKNOWN
