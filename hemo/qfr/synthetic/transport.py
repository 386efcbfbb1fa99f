r"""How contrast travels: pulsatile flow with a velocity profile, through tapering and branching vessels.

*Pulsation.* All flows are their means times one periodic factor g(t) of mean 1, so at time t contrast is as far
as it would be at the mean flow after the time T(t), the integral of g.

*Path.* At mean velocity the transit time to a place is tau, the integral of A / Q ds: Q falls at every branch.

*Profile.* v = U (m + 2) / m (1 - (r/R)^m), m = 2 for Poiseuille's. Let q = (r/R)^2 be the part of the section's area
inside r. A particle keeps its q: in a tube the part of the flux inside it does not change, and the profile is the same
everywhere. It arrives after tau / f(q), f = (m + 2) / m (1 - q^(m/2)). So the mean over the section, which is what
X-rays see, is

    C(tau, T) = integral over q of c(T - tau / f(q)) dq,

c the concentration at the ostium. For a step and m = 2 this is 1 - tau / (2 T) from T = tau / 2 on, pure convection
without diffusion (Taylor GI 1953, Proc R Soc A 219:186); the flux carries more,

    F = integral of f(q) c(T - tau / f(q)) dq = 1 - (tau / (2 T))^2.

Molecular diffusion is left out: it needs R^2 / (3.8^2 D), half an hour and more. At a bifurcation the profile forms
anew: either the particles keep their q through it (``mixed`` False) or each daughter, and what goes on, starts from the
flux's mean (``mixed`` True).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.tree import VesselTree

Array = NDArray[Any]

_RINGS = 200  # equal parts of the section's area
_PLACES = 60  # transit times at which a stretch is worked out


@dataclass(frozen=True)
class Injection:
    """Contrast at the ostium over time: none, a rise, a plateau, a fall.

    Attributes
    ----------
    start, duration
        s; the duration counts from half the rise to half the fall.
    rise, fall
        s, each a half wave of a cosine.
    """

    start: float = 0.5
    duration: float = 2.0
    rise: float = 0.3
    fall: float = 0.5

    def at(self, time: Array) -> Array:
        """Fraction of the plateau, 0 to 1."""
        middle = self.start + 0.5 * self.rise
        return _edge(time - self.start, self.rise) - _edge(time - middle - self.duration + 0.5 * self.fall, self.fall)


def _edge(time: Array, width: float) -> Array:
    part = np.clip(time / width, 0.0, 1.0) if width > 0.0 else (time >= 0.0).astype(float)
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * part))


def coronary_waveform(diastolic_ratio: float = 1.9, systole: float = 0.35, count: int = 200) -> Array:
    """(count,) flow over its mean through one beat from the R wave: a low hump in systole, a skewed high one after.

    ``diastolic_ratio`` is the mean flow of diastole over that of systole: 1.9 is about a left, 1.2 a right coronary
    artery's; ``systole`` its part of the beat. The shape is usual in Doppler traces; not confirmed.
    """
    phase = (np.arange(count) + 0.5) / count
    early = phase < systole
    late = np.clip((phase - systole) / (1.0 - systole), 0.0, 1.0)
    flow = np.where(early, 0.5 + np.sin(np.pi * phase / systole) ** 2, 0.5 + 2.6 * np.sqrt(late) * (1.0 - late))
    flow[~early] *= diastolic_ratio * flow[early].mean() / flow[~early].mean()
    return np.asarray(flow / flow.mean())


def stretched(time: Array, waveform: Array, period: float, phase: float) -> Array:
    """(k,) T(t): the time in which the mean flow would carry as far as the pulsatile one does from 0 to t, s.

    Parameters
    ----------
    waveform
        (p,) flow over its mean in p equal parts of the beat; scaled to a mean of 1.
    phase
        Part of the beat that is over at time 0, 0 to 1.

    Raises
    ------
    InputError
        If the flow would run backwards.
    """
    if len(waveform) == 0 or not np.all(np.isfinite(waveform)) or np.any(waveform < 0.0) or waveform.mean() == 0.0:
        raise InputError("waveform: flow over a beat must be numbers that are never negative and not all 0.")
    whole = np.concatenate([[0.0], np.cumsum(waveform / waveform.sum())])
    knots = np.linspace(0.0, 1.0, len(whole))
    beats = time / period + phase
    done = np.floor(beats) + np.interp(beats - np.floor(beats), knots, whole)
    return np.asarray(period * (done - np.interp(phase, knots, whole)))


def transit_times(tree: VesselTree, flow: Mapping[str, Array]) -> dict[str, Array]:
    """Branch -> (n,) time from the ostium to its centreline points at the mean velocity, s.

    Parameters
    ----------
    flow
        Branch -> (n,) volume flow at the centreline points, m^3/s.

    Raises
    ------
    InputError
        If a branch has no flow given, or none that goes on.
    """
    transit: dict[str, Array] = {}
    for branch in tree.branches:
        if branch.name not in flow or np.shape(flow[branch.name]) != branch.area.shape:
            raise InputError(f"branch {branch.name!r}: one flow for each of its {len(branch.area)} points is needed.")
        if not np.all(np.isfinite(flow[branch.name])) or np.any(flow[branch.name] <= 0.0):
            raise InputError(f"branch {branch.name!r}: its flow must be above 0 all along for contrast to get through.")
        slowness = branch.area / flow[branch.name]
        way = np.cumsum(0.5 * (slowness[1:] + slowness[:-1]) * np.diff(branch.arc))
        before = 0.0 if branch.parent is None else transit[branch.parent][branch.parent_index or 0]
        transit[branch.name] = before + np.concatenate([[0.0], way])
    return transit


def speeds(exponent: float) -> Array:
    """(rings,) f(q): velocity over its mean in equal parts of the section; their mean is 1."""
    edge = np.linspace(0.0, 1.0, _RINGS + 1)
    flux = (exponent + 2.0) / exponent * (edge - edge ** (0.5 * exponent + 1.0) / (0.5 * exponent + 1.0))
    return np.asarray(_RINGS * np.diff(flux))


Curve = tuple[Array, Array]  # times T (increasing) and concentrations, 0 before the first


def response(curve: Curve, transit: Array, time: Array, exponent: float) -> Array:
    """(k, p) section-mean concentration at times T (k,) where the transit time (p,) has passed since ``curve``."""
    lag = transit[:, None] / speeds(exponent)
    seen = np.interp((time[:, None, None] - lag).ravel(), *curve, left=0.0)
    return np.asarray(seen.reshape(len(time), len(transit), _RINGS).mean(axis=2))


def carried(curve: Curve, transit: float, exponent: float) -> Curve:
    """Concentration of the flux, on the curve's own times, a transit time farther on."""
    speed = speeds(exponent)
    seen = np.interp((curve[0][:, None] - transit / speed).ravel(), *curve, left=0.0)
    return curve[0], np.asarray((seen.reshape(-1, _RINGS) * speed).mean(axis=1))


def concentrations(
    tree: VesselTree, transit: Mapping[str, Array], curve: Curve, time: Array, exponent: float = 2.0, mixed: bool = True
) -> dict[str, Array]:
    """Branch -> (k, n) section-mean concentration at the centreline points, at times T (k,), in the curve's unit.

    Parameters
    ----------
    transit
        As of :func:`transit_times`.
    curve
        At the ostium.
    exponent
        m of the profile: 2 for Poiseuille's, large for plug flow.
    mixed
        Whether the section is mixed at bifurcations.
    """
    found: dict[str, Array] = {}
    entering: dict[str, tuple[Curve, float]] = {tree.root.name: (curve, 0.0)}
    for branch in tree.branches:
        here, since = entering[branch.name]
        tau = transit[branch.name]
        values = np.empty((len(time), len(tau)))
        first = 0
        for place in [*sorted({child.parent_index or 0 for child in tree.children(branch.name)}), len(tau) - 1]:
            # A fork's own point still belongs to what leads to it.
            values[:, first : place + 1] = _stretch(here, tau[first : place + 1] - since, time, exponent)
            if mixed and place > 0:
                here, since = carried(here, float(tau[place] - since), exponent), float(tau[place])
            for child in tree.children(branch.name):
                if child.parent_index == place:
                    entering[child.name] = here, since
            first = place + 1
        found[branch.name] = values
    return found


def _stretch(curve: Curve, transit: Array, time: Array, exponent: float) -> Array:
    if len(transit) <= _PLACES:
        return response(curve, transit, time, exponent)
    places = np.linspace(transit[0], transit[-1], _PLACES)
    values = response(curve, places, time, exponent)
    return np.stack([np.interp(transit, places, row) for row in values])
