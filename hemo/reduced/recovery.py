r"""Static pressure where the flow's profile is not developed: within a lesion, and behind it until its jet has spread.

A developed profile carries rho U^2 of kinetic pressure, twice what a flat one does. The head H = p + rho U^2 (profile
factor 2) falls by friction and by what lesions cost in the end. Nearer to a lesion the static pressure differs from
H - rho U^2:

* between its start and its end it is higher by rho/2 (U^2 - U_start^2), since the flow that speeds up flattens;
* behind the throat it is lower, by

      D exp(-x / l),   D = g rho U_s^2 A_s/A_d (1 - A_s/A_d),   l = c Re_s R_d sqrt(R_d / R_s)

  x being the distance from the lesion's end: the jet has not given back what Borda and Carnot's expansion does. It is
  rho U_s U_d (1 - A_s/A_d), U_d the velocity of what still flows behind: where part of the flow has left since, D is
  less by the flow here over that in the throat. How much of it a wall that opens slowly has already given back is in
  g = g_1 X / (X + X_0), X = Re_s (R_d - R_s) / (length from throat to end). s is the throat, d the healthy vessel at
  the lesion's end, Re_s = rho U_s 2 R_s / mu.

* at the ostium, where a flat profile enters, it is higher by rho/2 U^2 exp(-x / (0.0075 Re D)) (1 - x / L), L being the
  length of the first vessel, and U in a lesion the velocity at its start: further on the flow is flat in any case. Of
  what a developing profile loses, K(x+) rho/2 U^2 with x+ = x / (Re D), 63 % is gone at x+ = 0.0075 (Shah 1978, J
  Fluids Eng 100:177). The head begins at the aortic pressure, so that developing costs rho/2 U^2 besides; by Shah it is
  1.25 times that.

A vessel that leaves another on its way turns out of its flow: of the kinetic pressure H - p there, the part f does not
drive it (f = 1: it begins with its parent's static pressure; at the fork in which a vessel ends, 0). In measured
junctions at right angles nearly all is lost for a small side flow (Gardel 1957; Bassett et al. 2003; Mynard and
Valen-Sendstad 2015, Int J Numer Methods Biomed Eng 31:e02717; their formulae were not confirmed, and are not used).

The constants are fitted to axisymmetric solutions and, of the curvature and f, to 3D ones (``fitted_law.json``, made by
``validation/fit_losses.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.reduced.laws import Fluid, fitted_constants
from hemo.reduced.lumen import Jets, Lumen
from hemo.reduced.terms import along

Array = NDArray[Any]
Indices = NDArray[np.int64]

LEAST = 1e-15  # m^3/s, a flow that is none


@dataclass(frozen=True)
class Recovery:
    """Factors on the flow, which lumen and fluid alone determine.

    Attributes
    ----------
    spread, whole, length
        (l, ...) X over |Q|, s / m^3; D / g times the most that g can be, over Q^2, Pa s^2 / m^6; l over |Q|, s / m^2.
    """

    spread: Array
    whole: Array
    length: Array


def recovery_of(vessels: Lumen, fluid: Fluid) -> Recovery:
    """The factors of each lesion of a lumen, which may be many."""
    constants, lesions, axes = fitted_constants(), vessels.lesions, _axes(vessels, fluid)
    density, viscosity = fluid
    throat = along(lesions.throat_area, axes)
    distal = np.maximum(along(lesions.healthy_distal_area, axes), throat)
    narrow, wide = np.sqrt(throat / np.pi), np.sqrt(distal / np.pi)
    reynolds = density * 2.0 * narrow / (throat * viscosity)
    spread = reynolds * (wide - narrow) / along(np.maximum(lesions.opening, 1e-4), axes)
    whole = constants["recovery_most"] * density / (throat * distal) * (1.0 - throat / distal)
    length = constants["recovery_length"] * reynolds * wide * np.sqrt(wide / narrow)
    return Recovery(spread, whole, length)


def not_turned(vessels: Lumen, fluid: Fluid, forks: Indices, jets: Jets) -> Array:
    """(c, ...) kinetic pressure that does not drive vessels which leave at points ``forks`` (c,) of others, over Q^2.

    Pa s^2 / m^6, Q being the flow that arrives; ``jets`` pairs the forks with the lesions in which they lie.
    """
    axes = _axes(vessels, fluid)
    at, start = ((np.pi * along(vessels.radius, axes)[points] ** 2) ** -2.0 for points in (forks, jets.start))
    kinetic = fluid[0] * at
    np.subtract.at(kinetic, jets.point, _flatter(fluid, jets, at[jets.point], start))
    return np.asarray(fitted_constants()["side_branch"] * np.maximum(kinetic, 0.0))


def _axes(vessels: Lumen, fluid: Fluid) -> Array:
    """Something with as many axes as lumen and fluid together have."""
    return np.empty((0,) + (1,) * max(vessels.radius.ndim - 1, np.ndim(fluid[0]), np.ndim(fluid[1])))


def not_recovered(factors: Recovery, through: Array) -> tuple[Array, Array]:
    """(l, ...) what the pressure lacks at each lesion's end, Pa, and the length over which it comes back, m.

    ``through`` (l, ...) is the flow in the throats, m^3/s.
    """
    size = np.abs(through)
    spread = along(factors.spread, size) * size
    lacking = along(factors.whole, size) * size**2 * (spread / (spread + fitted_constants()["recovery_half"]))
    return lacking, np.maximum(along(factors.length, size) * size, 1e-6)


def static_difference(vessels: Lumen, fluid: Fluid, factors: Recovery, through: Array, flow: Array) -> Array:
    """(P, ...) what static pressure is more than H - rho U^2 at every point, Pa; ``flow`` (P, ...), m^3/s."""
    jets = vessels.jets
    shape = np.broadcast_shapes(vessels.radius.shape[1:], flow.shape[1:], np.shape(fluid[0]))
    difference = np.zeros((len(flow), *shape))
    np.subtract.at(difference, jets.point, behind(factors, through, flow[jets.point], jets))
    radius = along(vessels.radius, flow)
    speed = flow / (np.pi * radius**2)
    np.add.at(difference, jets.point, _flatter(fluid, jets, speed[jets.point] ** 2, speed[jets.start] ** 2))
    root = along(vessels.from_ostium, flow)
    count = len(root)
    reynolds = 2.0 * fluid[0] * np.abs(flow[0]) / (np.pi * radius[0] * fluid[1])
    developed = np.maximum(fitted_constants()["development"] * reynolds * 2.0 * radius[0], 1e-6)
    developing = np.exp(-root / developed) * (1.0 - root / root[-1])  # over at the vessel's end, where a bed may begin
    # In a lesion the profile is flat but for the excess that it had at the lesion's start, and had not there.
    excess = speed[:count] ** 2
    inside = (jets.point < count) & (jets.beyond <= 0.0)
    point, start = jets.point[inside], jets.start[inside]
    excess[point] = np.minimum(excess[point], speed[start] ** 2)
    difference[:count] += 0.5 * fluid[0] * excess * developing
    return difference


def _flatter(fluid: Fluid, jets: Jets, here: Array, start: Array) -> Array:
    """(q, ...) what static pressure is more within a lesion, Pa, at squared speeds (q, ...) there and at its start."""
    more = 0.5 * fluid[0] * np.maximum(here - start, 0.0)
    return np.where(along(jets.beyond, here) > 0.0, 0.0, more)


def behind(factors: Recovery, through: Array, here: Array, jets: Jets) -> Array:
    """(q, ...) what the pressure lacks at each pair of a point and a lesion before it, Pa; ``here`` (q, ...) flows."""
    lacking, length = not_recovered(factors, through)
    opened, beyond = along(jets.opened, through), along(jets.beyond, through)
    left = np.minimum(np.abs(here) / np.maximum(np.abs(through), LEAST)[jets.lesion], 1.0)
    return np.asarray(opened * left * lacking[jets.lesion] * np.exp(-beyond / length[jets.lesion]))
