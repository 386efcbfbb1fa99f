r"""What is lost of total pressure p + K rho U^2 / 2 in every interval between two centreline points.

K is 1, or 2 (that of a developed profile) with the law ``fitted``.

*Friction* of a developed laminar flow in the actual lumen, R = 8 mu / pi int ds / r^4 (Poiseuille's law; valid for
gentle taper and Reynolds numbers below transition), and what *lesions* lose by one of the laws of
:mod:`hemo.reduced.laws`. A lesion's loss is spread evenly from the throat to the lesion's end, so that the throat
itself shows convective acceleration only; a law that has its own friction spreads it over the lesion as friction by the
area would be.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from hemo.blood import Blood, interval_resistance
from hemo.errors import InputError
from hemo.reduced import laws
from hemo.reduced.lumen import Lumen, lumen
from hemo.reduced.terms import Losses, Term, along
from hemo.tree import VesselTree
from hemo.treecalibration import Calibration

Array = NDArray[Any]
PIECE = 10e-3  # m, the length of vessel that a calibration counts by
LawName = Literal["fitted", "borda_carnot", "young_tsai", "itu", "gould", "huo_kassab"]


@dataclass(frozen=True)
class LossOptions:
    """Which loss law, and its constants.

    Attributes
    ----------
    expansion
        Factor on what a lesion loses beyond friction, dimensionless: one, or one for each of many lumens. With a
        calibration what it is above 1 is added to that one's own factor: the law's doubt is not less where a fit has
        laid the lesion's loss to friction or the vessel behind.
    law
        Of lesions.
    calibration
        Of the one tree that is solved, and of this law; None without.
    """

    expansion: float | Array = 1.0
    law: LawName = "fitted"
    calibration: Calibration | None = None

    def __post_init__(self) -> None:
        if self.law not in get_args(LawName):
            raise InputError(f"{self.law!r} is no loss law; there are {', '.join(get_args(LawName))}.")
        if np.any(np.asarray(self.expansion) < 0.0):
            raise InputError("the factor on the loss behind lesions must not be negative.")
        if self.calibration is not None and self.calibration.law != self.law:
            raise InputError(
                f"the calibration is of the loss law {self.calibration.law!r}, not of {self.law!r}; fit it again."
            )

    @property
    def profile(self) -> float:
        """Kinetic pressure of the flow over that of a flat profile: ``fitted`` counts with a developed one's, 2."""
        return 2.0 if self.law == "fitted" else 1.0


def interval_losses(tree: VesselTree, blood: Blood, options: LossOptions | None = None) -> Losses:
    """What each interval between centreline points loses, through all branches."""
    return lumen_losses(lumen(tree), (blood.density, blood.viscosity), options or LossOptions())


def lumen_losses(vessels: Lumen, fluid: laws.Fluid, options: LossOptions) -> Losses:
    """The same of a lumen, which may be many, with as many fluids (...)."""
    if options.calibration is None:
        return _law_losses(vessels, fluid, options)
    return _calibrated(vessels, fluid, options, options.calibration)


def _calibrated(vessels: Lumen, fluid: laws.Fluid, options: LossOptions, own: Calibration) -> Losses:
    """The law's losses with a tree's own; a lesion's part of the law is never less than none."""
    law = _law_losses(vessels, fluid, replace(options, expansion=1.0))
    if len(own.friction) != len(law.linear):
        raise InputError("the calibration is of a tree with other centreline points.")
    added = np.asarray(options.expansion) - 1.0

    def of_lesions(factor: Array, values: Array) -> Array:
        return np.asarray(np.maximum(along(factor, values) + added, 0.0) * values)

    terms = []
    for term in law.terms:
        factor = own.lesion[term.at]
        bent = term.shape is laws.curved_shape()
        scaled = along(factor, term.coefficient) * term.coefficient if bent else of_lesions(factor, term.coefficient)
        terms.append(replace(term, coefficient=scaled))
    unit = kinetic(vessels, fluid)
    quadratic = of_lesions(own.lesion, law.quadratic) + along(own.kinetic, unit) * unit
    return Losses(along(own.friction, law.linear) * law.linear, quadratic, tuple(terms))


def kinetic(vessels: Lumen, fluid: laws.Fluid) -> Array:
    """(n, ...) kinetic pressure over Q^2 in each interval for every 10 mm of its length, Pa s^2 / m^6."""
    area = np.pi * vessels.radius**2
    mean = 0.5 * (area[vessels.point] + area[vessels.point + 1])
    return np.asarray(0.5 * fluid[0] / mean**2 * along(vessels.step, mean) / PIECE)


def _law_losses(vessels: Lumen, fluid: laws.Fluid, options: LossOptions) -> Losses:
    """By the law alone."""
    linear = friction(vessels, fluid[1])
    quadratic = np.zeros_like(linear)
    lesions = vessels.lesions
    bent = options.law == "fitted" and bool((vessels.curvature > 0.0).any())
    curved = (_curvature(vessels, fluid, linear),) if bent else ()
    if not len(lesions.length):
        return Losses(linear, quadratic, curved)
    law: laws.Law = getattr(laws, options.law)
    lost, factor = law(lesions, fluid), options.expansion
    at, of, behind = lesions.interval, lesions.lesion, along(lesions.behind, linear)
    more = factor * lost.quadratic
    quadratic = quadratic + np.zeros(np.broadcast_shapes(quadratic.shape[1:], more.shape[1:]))
    np.add.at(quadratic, at, more[of] * behind)
    if lost.linear is not None:
        linear = _replaced(vessels, linear, lost.linear)
    terms = tuple(
        Term(shape, at, of, (factor * coefficient)[of] * behind, np.broadcast_to(scale, coefficient.shape)[of])
        for shape, coefficient, scale in lost.terms
    )
    return Losses(linear, quadratic, (*curved, *terms))


def friction(vessels: Lumen, viscosity: Array | float) -> Array:
    """(n, ...) resistance of each interval, Pa s / m^3: int ds / r^4 is exact for a radius linear between points."""
    first, second = vessels.radius[vessels.point], vessels.radius[vessels.point + 1]
    return interval_resistance(along(vessels.step, first), first, second, viscosity)


def _curvature(vessels: Lumen, fluid: laws.Fluid, linear: Array) -> Term:
    """What friction is more in a curved vessel: White's law of the Dean number De = Re sqrt(r / radius of curvature).

    Of a branch one mean De for each flow, so that the part beyond which it is proportional to De is exact.
    """
    radius = 0.5 * (vessels.radius[vessels.point] + vessels.radius[vessels.point + 1])
    dean = 2.0 * fluid[0] / (np.pi * radius * fluid[1]) * np.sqrt(radius * along(vessels.curvature, radius))
    dean = np.maximum(dean, 1e-6 * dean.max())
    weight, square = linear * dean, linear * dean**2
    count = int(vessels.branch[-1]) + 1
    weights, squares = np.zeros((2, count, *weight.shape[1:]))
    np.add.at(weights, vessels.branch, weight)
    np.add.at(squares, vessels.branch, square)
    scale = (weights / squares)[vessels.branch]
    at = np.arange(len(weight))
    factor = laws.fitted_constants()["curvature"]
    return Term(laws.curved_shape(), at, vessels.branch, factor * weight * scale**2, scale)


def _replaced(vessels: Lumen, linear: Array, own: Array) -> Array:
    """Friction with that within lesions (l, ...) as a law has it."""
    lesions = vessels.lesions
    part = linear[lesions.interval] * along(lesions.inside / vessels.step[lesions.interval], linear)
    whole = np.zeros((len(lesions.length), *linear.shape[1:]))
    np.add.at(whole, lesions.lesion, part)
    changed = linear.copy()
    np.add.at(changed, lesions.interval, part * (own / whole - 1.0)[lesions.lesion])
    return changed
