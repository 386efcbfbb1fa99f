r"""Mean flow velocity from a time-density map: what a contrast front that flow carries and spreads looks like.

*Convective dispersion* (Taylor 1953, Proc R Soc A 219:186, section 1; diffusion across a coronary takes a^2 / D, more
than an hour, so it does nothing here). A fluid particle at the relative radius with s = (r / a)^2 runs at v(s) times
the cross-section's mean velocity U; equal steps of s are equal areas. By the profile

    v(s) = (1 + 2/b) (1 - s^(b/2)),   b = 2 the parabola v = 2 (1 - s),   b -> infinity flat,   int_0^1 v ds = 1.

In unsteady flow in a stiff vessel every particle's way is v(s) X(t) with X(t) = int U dt (the shape is taken as the
same all through the beat), so with c(t) the concentration that enters, mixed over the cross-section, the *area-mean*
concentration, which is what X-rays see summed across the vessel, is

    C(x, t) = int_0^1 c(t_in) ds,   X(t_in) = X(t) - x / v(s).                                                    (1)

After a step at t = 0 of a parabola: C = 1 - x / (2 X), straight along the vessel, so that the place with C = q runs at

    dx/dt = 2 (1 - q) U,   and for any b at  (1 + 2/b) (1 - q^(b/2)) U:                                           (2)

the tip (q -> 0) at 2 U, half the full density at U exactly; at q = 1/2 the factor is 1 for b = 2 and for a flat profile
and at most 1.17 (b = 7.4) between. The mean of (2) over q is 1 for every profile. Two things spoil a single criterion:
full density is never reached (1 - x / (2 X) is 0.8 when five half-transits have passed), so half of the *greatest*
density comes early, far down more than near; and the front lies in the vessel for less than a beat, so that it tells
the velocity of a part of the beat.

*The estimate* therefore fits (1) to the whole map: U(t) = U exp(h) / mean(exp(h)), h two harmonics of the beat, each
with a prior about 0; c at every frame; a gain at every place, which holds the vessel's area and its foreshortening; and
b with a prior. What the front has not told (it was there for a third of a beat, say) the tail of the filling and
the washout tell, and what they do not tell widens the standard deviation: the fit starts from three velocities, and the
minima that it finds are weighed by their likelihood.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from hemo.errors import InputError
from hemo.qfr.density import DensityMap

Array = NDArray[Any]

STEP = 4e-3  # s, of the flow's history
RINGS = 24  # equal areas of the cross-section
HARMONICS = 2


@dataclass(frozen=True)
class FrontOptions:
    """What the fit takes as known.

    Attributes
    ----------
    beat
        Length of a heartbeat, s.
    bluntness, bluntness_spread
        b of the profile and the SD of its logarithm.
    pulsatility
        SD of each coefficient of the first harmonic of log U(t); the second has half of it. 0.35 gives a diastolic
        velocity that is typically twice the systolic one.
    upstream
        From where contrast mixes with blood (the catheter's tip) to the midline's first point, m.
    model_error
        SD of what the model misses, as a part of the density's plateau.
    alike
        By what the SD of one value is raised because neighbours miss alike. Residuals of seven virtual cines had a
        correlation of 0.44 from frame to frame (0.15 at 10 to 0.8 at 25 frames a second) and 0.10 from place to place;
        sqrt((1 + r) / (1 - r)) for each makes 1.7 in the median.
    longest
        How long from the last frame without contrast on the map is used, s.
    """

    beat: float = 0.85
    bluntness: float = 2.0
    bluntness_spread: float = 0.3
    pulsatility: float = 0.35
    upstream: float = 0.0
    model_error: float = 0.03
    alike: float = 2.0
    longest: float = 3.0


@dataclass(frozen=True)
class FrontFit:
    """Mean velocity over beat and cross-section, m/s, and its relative SD.

    ``speed`` (t,) is the velocity at the times ``clock`` (t,) s, ``predicted`` (k, n) the map by the fit;
    ``bluntness`` is b; ``misfit`` the root mean square of residuals over their expected SD.
    """

    velocity: float
    relative_sd: float
    bluntness: float
    clock: Array
    speed: Array
    predicted: Array
    misfit: float


def contour_speed(share: float, bluntness: float = 2.0) -> float:
    """Velocity of the place whose density is ``share`` of the full one over the mean velocity: eq. 2 above."""
    return float((1.0 + 2.0 / bluntness) * (1.0 - share ** (0.5 * bluntness)))


def arrivals(found: DensityMap, share: float = 0.5) -> Array:
    """(n,) s when each place first has ``share`` of its greatest density; nan where it never rises through it."""
    late = found.density[found.onset :]
    times = found.times[found.onset :]
    level = share * np.quantile(late, 0.95, axis=0)
    result = np.full(late.shape[1], np.nan)
    for place in range(late.shape[1]):
        above = late[:, place] >= level[place]
        steady = np.flatnonzero(above[1:] & ~above[:-1])
        if level[place] > 3.0 * share * found.noise and len(steady):
            k = int(steady[0])
            low, high = late[k, place], late[k + 1, place]
            result[place] = times[k] + (level[place] - low) / (high - low) * (times[k + 1] - times[k])
    return result


def first_guess(found: DensityMap) -> float:
    """Velocity, m/s, by a robust straight line through the half-density arrivals (Theil and Sen)."""
    time = arrivals(found)
    seen = np.flatnonzero(np.isfinite(time))
    if len(seen) < 0.5 * len(time):
        raise InputError(
            f"a contrast front was found at {len(seen)} of {len(time)} places along the vessel only; "
            "draw the midline through the vessel that fills, or count the frames by eye."
        )
    i, j = np.triu_indices(len(seen), max(2, len(seen) // 4))
    slope = float(np.median((time[seen][j] - time[seen][i]) / (found.arc[seen][j] - found.arc[seen][i])))
    return float(np.clip(1.0 / max(slope, 1e-3), 0.03, 1.2))


def fit_front(found: DensityMap, options: FrontOptions | None = None) -> FrontFit:
    """Fit eq. 1 to a map from its last frame without contrast on."""
    options = options or FrontOptions()
    model = _Model.of(found, options)
    guess = first_guess(found)
    tried = [
        least_squares(model.residual, model.start(guess * factor), model.jacobian, max_nfev=50, ftol=1e-4, xtol=1e-4)
        for factor in (0.75, 1.0, 1.35)
    ]
    best = min(tried, key=lambda one: float(one.cost))
    velocity, spread = _weighed(tried, float(best.cost))
    misfit = float(np.sqrt(np.mean(best.fun[: model.data.size] ** 2)))
    speed = model.speed(best.x)
    predicted = np.zeros_like(found.density)
    predicted[found.onset : found.onset + len(model.times)] = model.density(best.x)
    return FrontFit(
        velocity=velocity,
        relative_sd=spread * max(1.0, misfit),
        bluntness=float(np.exp(best.x[1 + 2 * HARMONICS])),
        clock=model.clock,
        speed=speed,
        predicted=predicted,
        misfit=misfit,
    )


def _weighed(tried: list[Any], least: float) -> tuple[float, float]:
    """Velocity and its relative SD from all minima, each weighed by its likelihood with the priors.

    A map over a small part of a beat often fits several histories of the flow alike; one alone would seem certain.
    """
    weight = np.array([np.exp(least - float(one.cost)) for one in tried])
    weight /= weight.sum()
    logarithm = np.array([float(one.x[0]) for one in tried])
    inner = np.array([float(np.linalg.pinv(one.jac.T @ one.jac)[0, 0]) for one in tried])
    mean = float(weight @ logarithm)
    return float(np.exp(mean)), float(np.sqrt(weight @ (inner + (logarithm - mean) ** 2)))


@dataclass(frozen=True)
class _Model:
    """Parameters: log U, harmonics of log U(t), log b | c at each frame but the first, | a gain at each place."""

    arc: Array
    times: Array
    data: Array
    sigma: Array
    clock: Array
    harmonics: Array
    average: Array
    options: FrontOptions

    @classmethod
    def of(cls, found: DensityMap, options: FrontOptions) -> _Model:
        used = slice(found.onset, int(np.searchsorted(found.times, found.times[found.onset] + options.longest)) + 1)
        times = found.times[used] - found.times[found.onset]
        data = found.density[used]
        plateau = np.maximum(np.quantile(data, 0.9, axis=0), found.noise)
        missed = np.hypot(options.model_error, 0.0 if found.covered is None else found.covered)
        sigma = options.alike * np.hypot(found.noise, missed * plateau) * np.ones_like(data)
        clock = np.arange(0.0, times[-1] + STEP, STEP)

        def waves(t: Array) -> Array:
            turns = 2.0 * np.pi * t[:, None] * np.arange(1, HARMONICS + 1) / options.beat
            return np.stack([np.cos(turns), np.sin(turns)], axis=2).reshape(len(t), -1)

        beat = waves(np.arange(64) * options.beat / 64)
        return cls(found.arc + options.upstream, times, data, sigma, clock, waves(clock), beat, options)

    def start(self, velocity: float) -> Array:
        head = np.zeros(2 + 2 * HARMONICS)
        head[0] = np.log(velocity)
        head[-1] = np.log(self.options.bluntness)
        near = self.data[1:, :2].mean(axis=1) / max(float(np.quantile(self.data[:, :2].mean(axis=1), 0.9)), 1e-30)
        return np.concatenate([head, near, np.quantile(self.data, 0.9, axis=0)])

    def speed(self, parameters: Array) -> Array:
        coefficients = parameters[1 : 1 + 2 * HARMONICS]
        mean = np.mean(np.exp(self.average @ coefficients))
        return np.asarray(np.exp(parameters[0] + self.harmonics @ coefficients) / mean)

    def carried(self, parameters: Array) -> Array:
        """(k, n, K) weights by which the concentrations that entered make those along the vessel: eq. 1."""
        speed = self.speed(parameters)
        gone = np.concatenate([[0.0], np.cumsum(0.5 * (speed[1:] + speed[:-1]) * STEP)])
        here = np.interp(self.times, self.clock, gone)
        share = (np.arange(RINGS) + 0.5) / RINGS
        power = float(np.exp(np.clip(parameters[1 + 2 * HARMONICS], -1.0, 4.0)))
        relative = (1.0 + 2.0 / power) * (1.0 - share ** (0.5 * power))
        entered = here[None, :, None] - self.arc[None, None, :] / relative[:, None, None]
        at = np.interp(entered, gone, np.interp(self.clock, self.times, np.arange(len(self.times))), left=0.0)
        k, n = self.data.shape
        low = np.minimum(at.astype(int), k - 2)
        part = at - low
        row = np.broadcast_to(np.arange(k * n).reshape(k, n), at.shape)
        weights = np.bincount((row * k + low).ravel(), (1.0 - part).ravel(), k * n * k)
        weights += np.bincount((row * k + low + 1).ravel(), part.ravel(), k * n * k)
        return weights.reshape(k, n, k)[:, :, 1:] / RINGS  # nothing enters at the first frame

    def split(self, parameters: Array) -> tuple[Array, Array, Array]:
        n = self.data.shape[1]
        return parameters[: 2 + 2 * HARMONICS], parameters[2 + 2 * HARMONICS : -n], parameters[-n:]

    def density(self, parameters: Array) -> Array:
        _, entering, gain = self.split(parameters)
        return np.asarray((self.carried(parameters) @ entering) * gain)

    def residual(self, parameters: Array) -> Array:
        misfit = (self.density(parameters) - self.data) / self.sigma
        return np.concatenate([misfit.ravel(), self.priors() @ parameters - self.prior_values()])

    def priors(self) -> Array:
        """Rows of what is expected of the parameters, each over its SD."""
        n, k = self.data.shape[1], len(self.times) - 1
        size = 2 + 2 * HARMONICS + k + n
        rows = []
        for order in range(1, HARMONICS + 1):
            for part in range(2):
                rows.append(np.eye(size)[2 * order - 1 + part] * order / self.options.pulsatility)
        rows.append(np.eye(size)[1 + 2 * HARMONICS] / self.options.bluntness_spread)
        first = 2 + 2 * HARMONICS
        for j in range(1, k - 1):  # what enters does not jump up and down
            row = np.zeros(size)
            row[first + j - 1 : first + j + 2] = 1.0, -2.0, 1.0
            rows.append(row / 0.4)
        scale = np.zeros(size)  # concentrations and gains are fixed to a common factor only
        scale[-n:] = 1.0 / np.quantile(self.data, 0.9, axis=0) / n
        return np.array([*rows, scale / 1e-2])

    def prior_values(self) -> Array:
        values = np.zeros(2 * HARMONICS + 1 + max(len(self.times) - 3, 0) + 1)
        values[2 * HARMONICS] = np.log(self.options.bluntness) / self.options.bluntness_spread
        values[-1] = 1.0 / 1e-2
        return values

    def jacobian(self, parameters: Array) -> Array:
        head, entering, gain = self.split(parameters)
        k, n = self.data.shape
        weights = self.carried(parameters)
        here = (weights @ entering) * gain
        columns = []
        for j in range(len(head)):
            moved = parameters.copy()
            moved[j] += 1e-4
            columns.append(((self.carried(moved) @ entering) * gain - here) / 1e-4)
        by_gain = np.zeros((k, n, n))
        by_gain[:, np.arange(n), np.arange(n)] = weights @ entering
        whole = np.concatenate([np.stack(columns, axis=2), weights * gain[None, :, None], by_gain], axis=2)
        whole /= self.sigma[:, :, None]
        return np.vstack([whole.reshape(k * n, -1), self.priors()])
