r"""Published laws of what a stenosis loses of total pressure, each with its citation and what it was made for.

Symbols: A_s the minimal lumen area, A_0 the healthy area there, A_d the area at the lesion's end, L its length, D
diameters of circles of these areas. Everything is in excess of what the lumen's own shape makes of the kinetic
pressure, which is not lost. What friction takes outside lesions is Poiseuille's, by the area at every place; the laws
of which that is true within lesions too say so.

================  ====================================================================================================
``fitted``        hemo's own: friction by the area and the curvature of the vessel, + K rho/2 (1/A_s - 1/A_d)^2 Q^2
                  with A_d the healthy area at the lesion's end and K = k_0 + k_1 m + k_2 (1 - sqrt(A_s/A_d)), m the
                  mean of (A_s/A)^2 over the lesion, by the head of a developed profile
                  (:mod:`hemo.reduced.recovery`). Fitted to axisymmetric solutions of 96 stenoses
                  (docs/benchmarks.md, ``fit_losses``)
``borda_carnot``  friction by the area + K rho/2 (1/A_s - 1/A_d)^2 Q^2, K = 1: Borda and Carnot's sudden expansion of
                  a flat profile. The energy loss of Garcia et al. 2005 (Circulation 111:2391) is the same with an
                  effective orifice for A_s; behind a smooth throat the jet does not contract
                  With the factor 1.52 it is what public QFR codes lose (not confirmed for QFR's own software)
``young_tsai``    K_v mu U / D_0 + K_t/2 rho (A_0/A_s - 1)^2 U^2, U = Q / A_0, K_v = 32 (L_a / D_0) (A_0/A_s)^2, L_a =
                  0.83 L + 1.64 D_s, K_t = 1.52, in place of the lesion's friction (Young and Tsai 1973, J Biomech
                  6:395; Seeley and Young 1976, J Biomech 9:439). Fitted to blunt plugs of 56 and 89 % of the area at
                  Reynolds numbers up to some thousands: on smooth stenoses nearly twice too much
``itu``           friction by the area + K_t/2 rho (A_0/A_s - 1)^2 U^2, K_t = 1.52 (Itu et al. 2012, IEEE EMBC, after
                  Bessems 2007; its steady part)
``gould``         8 pi mu L / A_s^2 Q + rho/2 (1/A_s - 1/A_0)^2 Q^2, in place of the lesion's friction (Gould 1978,
                  Circ Res 43:242; Kirkeeide's f and s): the throat's area along all of the lesion
``huo_kassab``    a profile that develops from a flat one over the lesion, and an expansion between that of a flat and
                  of a developed profile, in place of the lesion's friction (Huo, Svendsen, Choy, Zhang and Kassab
                  2012, J R Soc Interface 9:1325)
================  ====================================================================================================
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.reduced.lumen import Lesions
from hemo.reduced.terms import Shape, along, tabulated

Array = NDArray[Any]
Fluid = tuple[Array | float, Array | float]  # density, kg/m^3, and viscosity, Pa s


@dataclass(frozen=True)
class LesionLoss:
    """What lesions lose, (l, ...) each.

    Attributes
    ----------
    linear
        In place of friction by the area, Pa s / m^3; None where that stays.
    quadratic
        Pa s^2 / m^6.
    terms
        Shapes with their coefficients, Pa, and scales, m^3/s.
    """

    linear: Array | None
    quadratic: Array
    terms: tuple[tuple[Shape, Array, Array], ...] = ()


Law = Callable[[Lesions, Fluid], LesionLoss]


def borda_carnot(lesions: Lesions, fluid: Fluid) -> LesionLoss:
    """``borda_carnot``."""
    opening = np.maximum(1.0 / lesions.throat_area - 1.0 / lesions.distal_area, 0.0)
    return LesionLoss(None, 0.5 * fluid[0] * opening**2)


def _expansion(lesions: Lesions, fluid: Fluid, factor: float) -> Array:
    """K_t/2 rho (A_0/A_s - 1)^2 / A_0^2."""
    opening = np.maximum(1.0 / lesions.throat_area - 1.0 / lesions.reference_area, 0.0)
    return np.asarray(factor * 0.5 * fluid[0] * opening**2)


def young_tsai(lesions: Lesions, fluid: Fluid) -> LesionLoss:
    """``young_tsai``."""
    throat, healthy = (2.0 * np.sqrt(area / np.pi) for area in (lesions.throat_area, lesions.reference_area))
    effective = 0.83 * along(lesions.length, throat) + 1.64 * throat
    friction = 32.0 * effective / healthy * (lesions.reference_area / lesions.throat_area) ** 2
    return LesionLoss(friction * fluid[1] / (healthy * lesions.reference_area), _expansion(lesions, fluid, 1.52))


def itu(lesions: Lesions, fluid: Fluid) -> LesionLoss:
    """``itu``."""
    return LesionLoss(None, _expansion(lesions, fluid, 1.52))


def gould(lesions: Lesions, fluid: Fluid) -> LesionLoss:
    """``gould``."""
    friction = 8.0 * np.pi * fluid[1] * along(lesions.length, lesions.throat_area) / lesions.throat_area**2
    return LesionLoss(friction, _expansion(lesions, fluid, 1.0))


def huo_kassab(lesions: Lesions, fluid: Fluid) -> LesionLoss:
    """``huo_kassab``, made for a uniform narrowing: a lesion is one of its throat's area that has the same friction."""
    density, viscosity = fluid
    throat, distal = lesions.throat_area, lesions.distal_area
    length = along(lesions.length, throat) * lesions.fullness
    scale = np.pi * viscosity * length / (4.0 * density)  # the flow at which pi mu L / (4 rho Q) is 1
    developing, spreading = developing_shapes()
    opening = np.maximum(1.0 / throat - 1.0 / distal, 0.0)
    flat = 0.5 * density * opening**2
    parabolic = density * opening * np.maximum(1.0 / throat - 1.0 / (3.0 * distal), 0.0)
    return LesionLoss(
        np.zeros_like(throat),
        flat,
        (
            (developing, 0.5 * density * (scale / throat) ** 2, scale),
            (spreading, (parabolic - flat) * scale**2, scale),
        ),
    )


@cache
def fitted_constants() -> dict[str, float]:
    """The constants of ``fitted``, from ``fitted_law.json``."""
    found: dict[str, float] = json.loads(files("hemo.reduced").joinpath("fitted_law.json").read_text(encoding="utf-8"))
    return found


def fitted(lesions: Lesions, fluid: Fluid) -> LesionLoss:
    """``fitted``."""
    constants = fitted_constants()
    throat, distal = lesions.throat_area, np.maximum(lesions.healthy_distal_area, lesions.throat_area)
    severity = 1.0 - np.sqrt(throat / distal)
    factor = (
        constants["expansion_constant"]
        + constants["expansion_fullness"] * lesions.fullness
        + constants["expansion_severity"] * severity
    )
    factor = np.maximum(factor, constants["expansion_least"])
    return LesionLoss(None, factor * 0.5 * fluid[0] * (1.0 / throat - 1.0 / distal) ** 2)


@cache
def developing_shapes() -> tuple[Shape, Shape]:
    """Of y = 4 rho Q / (pi mu L): y^2 times the loss of a profile that develops, over the dynamic pressure; y^2
    (1 - alpha)^2.

    Huo et al. 2012 (after Campbell and Slattery 1963, J Basic Eng 85:41): the part alpha of the radius that friction
    has not reached obeys 1 / y = I(alpha) / 4 with I the integral from alpha to 1 of (1 - a) (6 + a) (1 + 4 a + 9 a^2
    + 4 a^3) / (5 a (3 + 2 a) (3 + 2 a + a^2)^2), and the loss is 96/5 times the integral of (1 + 4 a + 9 a^2 + 4 a^3) /
    (a (3 + 2 a) (3 + 2 a + a^2)^2). Beyond alpha = 0.05 the profile is developed: 64 / y more.
    """
    alpha = 1.0 - np.geomspace(1e-5, 1.0 - 0.05, 1500)
    common = (1.0 + 4.0 * alpha + 9.0 * alpha**2 + 4.0 * alpha**3) / (
        alpha * (3.0 + 2.0 * alpha) * (3.0 + 2.0 * alpha + alpha**2) ** 2
    )
    step = -np.diff(alpha)
    along = (1.0 - alpha) * (6.0 + alpha) / 5.0 * common
    reach = 0.25 * np.concatenate([[0.0], np.cumsum(0.5 * (along[1:] + along[:-1]) * step)])
    loss = 96.0 / 5.0 * np.concatenate([[0.0], np.cumsum(0.5 * (common[1:] + common[:-1]) * step)])
    # Developed behind: the same friction as a parabola's, nothing left of the flat core.
    far = reach[-1] * np.geomspace(1.001, 1e4, 200)
    reach, loss = np.concatenate([reach[1:], far]), np.concatenate([loss[1:], loss[-1] + 64.0 * (far - reach[-1])])
    core = np.concatenate([alpha[1:], np.full(len(far), alpha[-1])])
    y = 1.0 / reach[::-1]
    return tabulated(y, y**2 * loss[::-1]), tabulated(y, y**2 * (1.0 - core[::-1]) ** 2)


@cache
def curved_shape() -> Shape:
    """Of the Dean number x: x (f_curved / f_straight - 1), what laminar friction is more in a curved tube.

    White 1929 (Proc R Soc A 123:645): f_curved / f_straight = 1 / (1 - (1 - (11.6 / x)^0.45)^2.2) for 11.6 < x < 2000,
    1 below.
    """
    x = np.geomspace(11.7, 5e3, 300)
    more = 1.0 / (1.0 - (1.0 - (11.6 / x) ** 0.45) ** 2.2) - 1.0
    # Below, a steep power instead of nothing: the loss must rise with the flow.
    return tabulated(np.concatenate([[1.0], x]), np.concatenate([[1e-6], x * more]))
