r"""Static pressure where the flow's profile is not developed: within a lesion, and behind it until its jet has spread.

A developed profile carries rho U^2 of kinetic pressure, twice what a flat one does. The head H = p + rho U^2 (profile
factor 2) falls by friction and by what lesions cost in the end. Nearer to a lesion the static pressure differs from
H - rho U^2:

* between its start and its end it is higher by rho/2 (U^2 - U_start^2), since the flow that speeds up flattens;
* behind the throat it is lower, by

      D exp(-x / l),   D = g rho U_s^2 A_s/A_d (1 - A_s/A_d),   l = c Re_s R_d sqrt(R_d / R_s)

  x being the distance from the lesion's end: the jet has not given back what Borda and Carnot's expansion does. How
  much of it a wall that opens slowly has already given back is in g = g_1 X / (X + X_0), X = Re_s (R_d - R_s) / (length
  from throat to end). s is the throat, d the healthy vessel at the lesion's end, Re_s = rho U_s 2 R_s / mu.

* at the ostium, where a flat profile enters, it is higher by rho/2 U^2 exp(-x / (0.0075 Re D)) (1 - x / L), L being the
  length of the first vessel: of what a developing profile loses, K(x+) rho/2 U^2 with x+ = x / (Re D), 63 % is gone at
  x+ = 0.0075 (Shah 1978, J Fluids Eng 100:177). The head begins at the aortic pressure, so that developing costs
  rho/2 U^2 besides; by Shah it is 1.25 times that.

The constants are fitted to axisymmetric solutions and, of the curvature, to 3D ones (``fitted_law.json``, made by
``validation/fit_losses.py``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.reduced.laws import Fluid, fitted_constants
from hemo.reduced.lumen import Jets, Lumen
from hemo.reduced.terms import along

Array = NDArray[Any]


def not_recovered(vessels: Lumen, fluid: Fluid, through: Array) -> tuple[Array, Array]:
    """(l, ...) what the pressure lacks at each lesion's end, Pa, and the length over which it comes back, m.

    ``through`` (l, ...) is the flow in the throats, m^3/s.
    """
    constants, lesions = fitted_constants(), vessels.lesions
    density, viscosity = fluid
    throat = along(lesions.throat_area, through)
    distal = np.maximum(along(lesions.healthy_distal_area, through), throat)
    narrow, wide = np.sqrt(throat / np.pi), np.sqrt(distal / np.pi)
    reynolds = density * np.abs(through) * 2.0 * narrow / (throat * viscosity)
    opening = along(np.maximum(lesions.opening, 1e-4), through)
    spread = reynolds * (wide - narrow) / opening
    kept = constants["recovery_most"] * spread / (spread + constants["recovery_half"])
    whole = density * (through / throat) ** 2 * throat / distal * (1.0 - throat / distal)
    length = constants["recovery_length"] * reynolds * wide * np.sqrt(wide / narrow)
    return np.asarray(kept * whole), np.asarray(np.maximum(length, 1e-6))


def static_difference(vessels: Lumen, fluid: Fluid, through: Array, flow: Array) -> Array:
    """(P, ...) what static pressure is more than H - rho U^2 at every point, Pa; ``flow`` (P, ...), m^3/s."""
    jets = vessels.jets
    shape = np.broadcast_shapes(vessels.radius.shape[1:], flow.shape[1:], np.shape(fluid[0]))
    difference = np.zeros((len(flow), *shape))
    np.subtract.at(difference, jets.point, behind(vessels, fluid, through, jets))
    radius = along(vessels.radius, flow)
    speed = flow / (np.pi * radius**2)
    faster = 0.5 * fluid[0] * np.maximum(speed[jets.point] ** 2 - speed[jets.start] ** 2, 0.0)
    np.add.at(difference, jets.point, np.where(along(jets.beyond, flow) > 0.0, 0.0, faster))
    root = along(vessels.from_ostium, flow)
    count = len(root)
    reynolds = 2.0 * fluid[0] * np.abs(flow[0]) / (np.pi * radius[0] * fluid[1])
    developed = np.maximum(fitted_constants()["development"] * reynolds * 2.0 * radius[0], 1e-6)
    developing = np.exp(-root / developed) * (1.0 - root / root[-1])  # over at the vessel's end, where a bed may begin
    difference[:count] += 0.5 * fluid[0] * speed[:count] ** 2 * developing
    return difference


def behind(vessels: Lumen, fluid: Fluid, through: Array, jets: Jets) -> Array:
    """(q, ...) what the pressure lacks at each pair of a point and a lesion before it, Pa."""
    lacking, length = not_recovered(vessels, fluid, through)
    opened, beyond = along(jets.opened, through), along(jets.beyond, through)
    return np.asarray(opened * lacking[jets.lesion] * np.exp(-beyond / length[jets.lesion]))
