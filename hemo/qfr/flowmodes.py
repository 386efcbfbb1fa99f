"""Hyperaemic flow for QFR: by mode the mean velocity, by an area the flow that enters, and the stepped reference.

Modes (Tu et al. 2016, JACC Cardiovasc Interv 9:2024): ``fixed`` takes 0.35 m/s; ``contrast`` makes the hyperaemic
velocity of that while contrast is injected, HFV = a0 + a1 CFV + a2 CFV^2; ``measured`` takes the velocity under
adenosine as it is. 0.35 m/s, 0.10 m/s, 1.55 and -0.93 s/m are those of a public code, not confirmed in the primary.

The contrast formula was fitted to velocities counted in whole frames, length over time, by the front that the eye sees.
A cross-section mean (:mod:`hemo.qfr.front`) is lower than that of a tip; which of the two goes in is the caller's to
say and to report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.geometry.lesion import find_lesions
from hemo.tree import Branch, SideBranch, VesselTree, healthy_diameter

Array = NDArray[Any]
Mode = Literal["fixed", "contrast", "measured"]
AreaName = Literal["mean_reference", "proximal_reference", "mean_lumen"]
EXPONENTS = {
    "pooled": 2.39,  # Taylor DJ et al. 2024, Am J Physiol Heart Circ Physiol 327:H182
    "murray": 3.0,  # Murray 1926, Proc Natl Acad Sci 12:207
    "huo_kassab": 7.0 / 3.0,  # Huo and Kassab 2012, J R Soc Interface 9:190
}


@dataclass(frozen=True)
class FlowOptions:
    """How velocity and flow are made.

    Attributes
    ----------
    fixed, fixed_sd
        The hyperaemic velocity of people, m/s, and how far theirs scatter about it: hemo's assumption, not confirmed
        (42 synthetic trees: 0.28 +- 0.07).
    coefficients
        a0 (m/s), a1 and a2 (s/m) of the contrast formula; not confirmed.
    contrast_scatter
        Relative standard deviation of people's hyperaemic velocities about the formula's: hemo's assumption, not
        confirmed.
    least_contrast, greatest_contrast
        Contrast flow velocities outside these are extrapolated, with a warning, m/s: hemo's choice, about what
        angiograms of coronary vessels show.
    refused_from
        Contrast flow velocity above which the formula is not used, m/s: it turns over at a1 / (-2 a2) = 0.83.
    area
        ``mean_reference``: the mean healthy area along the vessel (Tu 2016); ``proximal_reference``: that over its
        first 5 mm; ``mean_lumen``: the mean lumen area over the stretch that contrast was timed on, which with the
        timed velocity is the flow exactly if nothing leaves on the way (transit time = volume / flow).
    """

    fixed: float = 0.35
    fixed_sd: float = 0.10
    coefficients: tuple[float, float, float] = (0.10, 1.55, -0.93)
    contrast_scatter: float = 0.20
    least_contrast: float = 0.05
    greatest_contrast: float = 0.45
    refused_from: float = 0.80
    area: AreaName = "mean_reference"

    def __post_init__(self) -> None:
        if self.area not in get_args(AreaName):
            raise InputError(f"{self.area!r} is no area to take flow by; there are {', '.join(get_args(AreaName))}.")


@dataclass(frozen=True)
class HyperaemicVelocity:
    """m/s with its SD (that of the timing and that between people), and what to say of it."""

    velocity: float
    sd: float
    mode: Mode
    warnings: tuple[str, ...] = ()


def hyperaemic_velocity(
    mode: Mode, measured: float | None = None, sd: float = 0.0, options: FlowOptions | None = None
) -> HyperaemicVelocity:
    """Hyperaemic mean velocity by mode.

    Parameters
    ----------
    measured
        Mean velocity, m/s: during the injection for ``contrast``, under adenosine for ``measured``.
    sd
        Of it, m/s.

    Raises
    ------
    InputError
        If the mode is unknown, its velocity missing or not positive, or beyond the contrast formula's range.
    """
    options = options or FlowOptions()
    if mode not in get_args(Mode):
        raise InputError(f"{mode!r} is no flow mode; there are {', '.join(get_args(Mode))}.")
    if mode == "fixed":
        return HyperaemicVelocity(options.fixed, options.fixed_sd, mode)
    if measured is None or not np.isfinite(measured) or not measured > 0.0 or not sd >= 0.0:
        raise InputError(f"flow mode {mode!r} needs a positive velocity with its SD; give them or use mode 'fixed'.")
    if mode == "measured":
        return HyperaemicVelocity(measured, sd, mode)
    a0, a1, a2 = options.coefficients
    vertex = -0.5 * a1 / a2 if a2 < 0.0 else np.inf
    if measured > min(options.refused_from, vertex):
        raise InputError(
            f"the contrast flow velocity is {measured:.2f} m/s and the formula for hyperaemia holds up to "
            f"{min(options.refused_from, vertex):.2f} m/s; check the frames and the length, or measure under adenosine."
        )
    warnings: tuple[str, ...] = ()
    if not options.least_contrast <= measured <= options.greatest_contrast:
        warnings = (
            f"a contrast flow velocity of {measured:.2f} m/s is outside {options.least_contrast:g} to "
            f"{options.greatest_contrast:g} m/s: the hyperaemic one is extrapolated",
        )
    velocity = a0 + a1 * measured + a2 * measured**2
    spread = float(np.hypot(abs(a1 + 2.0 * a2 * measured) * sd, options.contrast_scatter * velocity))
    return HyperaemicVelocity(velocity, spread, mode, warnings)


def inflow(velocity: float, branch: Branch, options: FlowOptions | None = None, upto: float | None = None) -> float:
    """Flow that enters a vessel, m^3/s: velocity times the area that ``options.area`` names, up to ``upto`` (m)."""
    options = options or FlowOptions()
    arc = branch.arc
    end = arc[-1] if upto is None else float(np.clip(upto, arc[1], arc[-1]))
    healthy = np.pi * branch.reference_radius**2
    if options.area == "proximal_reference":
        return velocity * 0.25 * np.pi * healthy_diameter(branch) ** 2
    area = healthy if options.area == "mean_reference" else branch.area
    return velocity * _mean(area, arc, end)


def _mean(values: Array, arc: Array, end: float) -> float:
    """Mean along a vessel up to an arc length."""
    inner = arc < end
    places = np.append(arc[inner], end)
    return float(np.trapezoid(np.interp(places, arc, values), places) / (end - arc[0]))


def stepped_reference(branch: Branch, sides: Sequence[SideBranch], exponent: float) -> Array:
    """(n,) healthy radius, m, that is even between side branches and steps down at each: d_m^k = d_l^k + d_s^k.

    The Murray-law QFR of one view (Tu et al. 2021, Catheter Cardiovasc Interv 97 Suppl 2:1040; its exponent is not
    confirmed, so it is an argument: see ``EXPONENTS``). The level is the one fitted best, by its median, to the
    reference that the branch has; steps are exact.

    Raises
    ------
    InputError
        If a side branch is as wide as the vessel that it leaves, or the exponent is not positive.
    """
    if not exponent > 0.0:
        raise InputError(f"the exponent of the law of bifurcations is {exponent:g}; it must be positive.")
    own = sorted((side for side in sides if side.branch == branch.name), key=lambda side: side.place)
    taken = np.zeros(len(branch.arc))
    for side in own:
        taken[branch.arc >= side.place] += side.diameter**exponent
    # d(s)^k = d_0^k - taken(s): each point says a d_0, and their median is disturbed least by disease.
    first = float(np.median((2.0 * branch.reference_radius) ** exponent + taken))
    left = first - taken
    if np.any(left <= 0.0):
        worst = own[int(np.argmax(np.cumsum([side.diameter**exponent for side in own]) >= first))]
        raise InputError(
            f"{branch.name}: the side branch at {1e3 * worst.place:.0f} mm with {1e3 * worst.diameter:.1f} mm leaves "
            f"nothing of a vessel of {1e3 * first ** (1.0 / exponent):.1f} mm; check the diameters."
        )
    return np.asarray(0.5 * left ** (1.0 / exponent))


def with_stepped_reference(tree: VesselTree, exponent: float) -> VesselTree:
    """The same tree with its vessels' reference stepped down at their side branches, and the lesions by it."""
    branches = tuple(
        replace(branch, reference_radius=stepped_reference(branch, tree.side_branches, exponent))
        for branch in tree.branches
    )
    lesions = tuple(lesion for branch in branches for lesion in find_lesions(branch))
    return replace(tree, branches=branches, lesions=lesions)
