"""Cox's partial likelihood by Newton's method, for models that are refitted hundreds of times.

What is reported of a model comes from lifelines; a resample needs the coefficients and the baseline hazard alone, and
these here come some fifty times faster. The test is that both agree. Of the covariance robust to clustering lifelines
gives the diagonal alone; a test of several coefficients needs all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
_STEPS = 40


@dataclass(frozen=True)
class Partial:
    """Coefficients (p,), their covariance (p, p), the log partial likelihood, and the steps of the baseline hazard.

    ``steps`` (2, k) are times and Breslow's (1974) cumulative hazard at x = 0.
    """

    coefficients: Array
    covariance: Array
    log_likelihood: float
    steps: Array


def fit_partial(x: Array, time: Array, event: Array) -> Partial | None:
    """Maximise Efron's (1977) partial likelihood of rows (n, p), times (n,) and events (n,); None if it diverges."""
    order = np.argsort(-time, kind="stable")
    x, time, event = x[order], time[order], event[order]
    ranks = _ties(time, event)
    beta: Array = np.zeros(x.shape[1])
    value, gradient, information = _derivatives(beta, x, event, *ranks)
    for _ in range(_STEPS):
        try:
            step = np.linalg.solve(information, gradient)
        except np.linalg.LinAlgError:
            return None
        if not np.isfinite(step).all():
            return None
        decrement = float(gradient @ step)
        scale, new = 1.0, _derivatives(beta + step, x, event, *ranks)
        while not new[0] >= value - 1e-9 and scale > 1e-4:
            scale *= 0.5
            new = _derivatives(beta + scale * step, x, event, *ranks)
        beta = beta + scale * step
        value, gradient, information = new
        if decrement < 1e-9:
            return Partial(beta, np.linalg.inv(information), value, _baseline(beta, x, time, event))
    return None


def _ties(time: Array, event: Array) -> tuple[Array, Array, Array]:
    """For each event, times descending: last row of its risk set, its group of ties, its share 0, 1/d, ..."""
    last = np.searchsorted(-time, -time[event], side="right") - 1
    _, group, sizes = np.unique(last, return_inverse=True, return_counts=True)
    starts = np.cumsum(sizes) - sizes
    within = np.arange(len(last)) - starts[group]
    return last, group, within / sizes[group]


def _derivatives(
    beta: Array, x: Array, event: Array, last: Array, group: Array, share: Array
) -> tuple[float, Array, Array]:
    """Log partial likelihood, its gradient and the information."""
    linear = x @ beta
    with np.errstate(over="ignore", invalid="ignore"):
        weight = np.exp(linear)
        first = weight[:, None] * x
        second = first[:, :, None] * x[:, None, :]
        zero, one, two = (_less_tied(part, event, last, group, share) for part in (weight, first, second))
        mean = one / zero[:, None]
        value = float(linear[event].sum() - np.log(zero).sum())
    gradient = x[event].sum(axis=0) - mean.sum(axis=0)
    information = (two / zero[:, None, None]).sum(axis=0) - mean.T @ mean
    return value, gradient, information


def _less_tied(part: Array, event: Array, last: Array, group: Array, share: Array) -> Array:
    """Sums over each event's risk set, less the share of the events tied with it."""
    tied = np.zeros((int(group.max()) + 1, *part.shape[1:]))
    np.add.at(tied, group, part[event])
    return np.asarray(np.cumsum(part, axis=0)[last] - share.reshape(-1, *[1] * (part.ndim - 1)) * tied[group])


def _baseline(beta: Array, x: Array, time: Array, event: Array) -> Array:
    at_risk = np.cumsum(np.exp(x @ beta))
    when, counts = np.unique(time[event], return_counts=True)
    last = np.searchsorted(-time, -when, side="right") - 1
    return np.vstack([when, np.cumsum(counts / at_risk[last])])


def clustered_covariance(found: Partial, x: Array, time: Array, event: Array, code: Array) -> Array:
    """(p, p) covariance robust to rows of one patient being alike: score residuals by patient (Lin and Wei 1989).

    ``code`` (n,) numbers each row's patient. Tied events share their risk set as in Efron's likelihood: a row that dies
    with others is at risk for a share of each of them alone (Therneau and Grambsch 2000, section 4.6; not confirmed).
    """
    summed = np.zeros((int(code.max()) + 1, x.shape[1]))
    np.add.at(summed, code, _score_residuals(found.coefficients, x, time, event) @ found.covariance)
    return np.asarray(summed.T @ summed)


def _score_residuals(beta: Array, x: Array, time: Array, event: Array) -> Array:
    """(n, p) of rows in their own order."""
    order = np.argsort(-time, kind="stable")
    sorted_x, sorted_event = x[order], event[order]
    last, group, share = _ties(time[order], sorted_event)
    weight = np.exp(sorted_x @ beta)
    zero = _less_tied(weight, sorted_event, last, group, share)
    mean = _less_tied(weight[:, None] * sorted_x, sorted_event, last, group, share) / zero[:, None]
    count = int(group.max()) + 1

    def by_time(values: Array) -> Array:
        total = np.zeros((count, *values.shape[1:]))
        np.add.at(total, group, values)
        return total[::-1]  # times ascending

    rates = np.column_stack([np.ones(len(zero)), mean]) / zero[:, None]  # of hazard, and of hazard times mean
    whole, tied_mean = by_time(rates), by_time(mean) / by_time(np.ones(len(zero)))[:, None]
    own_less = by_time(share[:, None] * rates)
    upto = np.vstack([np.zeros(whole.shape[1]), np.cumsum(whole, axis=0)])
    when = np.unique(time[event])
    gone = upto[np.searchsorted(when, time, side="right")]
    gone[event] -= own_less[np.searchsorted(when, time[event])]
    score = -np.exp(x @ beta)[:, None] * (x * gone[:, :1] - gone[:, 1:])
    score[event] += x[event] - tied_mean[np.searchsorted(when, time[event])]
    return np.asarray(score)
