"""QFR of one vessel: from views with contours to the vessel in space, the flow that enters it, and pressure along it.

Flow is found by mode (:mod:`hemo.qfr.flowmodes`). A timed velocity becomes the flow whose transit through the vessel's
actual volume, less what side branches take on the way, lasts as long: Q = v / L int A / s ds, s being the part of the
inflow that is left at a place.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import cumulative_trapezoid

from hemo.blood import Blood
from hemo.boundary import Assumption
from hemo.errors import InputError
from hemo.flowratio import EXPONENT, Drive, FlowRatio, flow_along, flow_ratio
from hemo.geometry.lesion import find_lesions
from hemo.qfr.density import DensityOptions
from hemo.qfr.flowmodes import (
    FlowOptions,
    HyperaemicVelocity,
    Mode,
    hyperaemic_velocity,
    inflow,
    with_stepped_reference,
)
from hemo.qfr.frames import Velocity, VelocityOptions, contrast_velocity
from hemo.qfr.midline import feet
from hemo.qfr.reconstruct import Reconstruction, ReconstructOptions, View, planar, reconstruct
from hemo.qfr.viewfile import MarkedView
from hemo.reduced.losses import LossOptions
from hemo.tree import VesselTree, arc_length
from hemo.units import ML_PER_MIN, MMHG

Array = NDArray[Any]
log = logging.getLogger(__name__)

FlowArea = Literal["transit", "mean_reference", "proximal_reference", "mean_lumen"]
Reference = Literal["tapered", "stepped"]
TRANSIT_ROUNDS = 4
MOST_FLOW = 700.0 * ML_PER_MIN  # whole hearts: 668 +- 185 mL/min (Fournier et al. 2021, EuroIntervention 17:e309)
LEAST_LEFT = 1e-3  # of the inflow, anywhere along the vessel
UNSURE_END = 2.0  # diameters at the end of the contours, where tracing is worst: QFR is not read there
HEART_MOVES = 25.0 / 512.0  # of the image's width: how far from its midline a vessel is looked for over the beat


@dataclass(frozen=True)
class QfrOptions:
    """How QFR is found.

    Attributes
    ----------
    vessel
        Its name.
    aortic_pressure
        Mean, Pa; None takes 100 mmHg.
    hyperaemia
        Whether the cines were taken under adenosine, so that the velocity timed on them is hyperaemic.
    velocity
        Measured mean velocity, m/s, in place of the one timed on the cines; of the state that ``hyperaemia`` says.
    timed
        Whether velocity is timed on the cines at all.
    heart_rate
        1/s.
    area
        By which a timed velocity becomes a flow: the transit through the vessel, or one of ``FlowOptions.area``.
    exponent
        Of the flow-diameter law by which side branches take their share.
    reference
        The healthy calibre between side branches: ``tapered``, fitted, or ``stepped``, even, as in Murray-law QFR. Both
        step down at side branches.
    lumen_sd
        Standard deviation of a diameter (the same error along the vessel), m, for the interval; where two views show a
        throat unlike each other, a quarter of the difference if that is more, and where every view shows another
        vessel over it, what that may make of it.
    timing_sd, model_sd
        What timing leaves open of a velocity besides its own standard deviation, relative, and what the losses and the
        division of flow leave open of the ratio. All three are by virtual angiograms (docs/benchmarks.md).
    """

    vessel: str = "vessel"
    aortic_pressure: float | None = None
    hyperaemia: bool = False
    velocity: float | None = None
    timed: bool = True
    heart_rate: float | None = None
    area: FlowArea = "transit"
    lumen_sd: float = 0.12e-3
    timing_sd: float = 0.10
    model_sd: float = 0.015
    flow: FlowOptions = field(default_factory=FlowOptions)
    blood: Blood = field(default_factory=Blood)
    losses: LossOptions = field(default_factory=LossOptions)
    exponent: float = EXPONENT
    reference: Reference = "tapered"
    reconstruction: ReconstructOptions = field(default_factory=ReconstructOptions)


@dataclass(frozen=True)
class ModeResult:
    """QFR by one flow mode.

    ``interval`` (2,) is the 95 % interval of the vessel's ratio; what flow (timing, and people's scatter about the
    mode's rule), lumen and model add, as half-widths in the ratio, is in ``budget``.
    """

    velocity: HyperaemicVelocity
    inflow: float
    ratio: FlowRatio
    interval: tuple[float, float]
    budget: dict[str, float]


@dataclass(frozen=True)
class QfrResult:
    """What two views, or one, say of a vessel.

    Attributes
    ----------
    vessel
        In space.
    timed
        Of each view: the velocity timed on it, or why there is none.
    modes
        By flow mode.
    chosen
        The mode to report: measured before contrast before fixed.
    assumptions
        Every number that was not measured.
    """

    vessel: Reconstruction
    timed: tuple[Velocity | str, ...]
    modes: dict[Mode, ModeResult]
    chosen: Mode
    assumptions: tuple[Assumption, ...]

    @property
    def best(self) -> ModeResult:
        """By the mode to report."""
        return self.modes[self.chosen]


def analyse(views: Sequence[MarkedView], options: QfrOptions | None = None) -> QfrResult:
    """QFR from one or two views with contours.

    Raises
    ------
    InputError
        If there are more or fewer views, they do not match, or no flow passes the vessel at the pressure given.
    """
    options = options or QfrOptions()
    vessel = in_space(views, options)
    for sentence in vessel.warnings:
        log.warning("%s", sentence)
    if options.reference == "stepped":
        vessel = replace(vessel, tree=with_stepped_reference(vessel.tree, options.exponent))
    timed = tuple(_timed(view, vessel, number, options) for number, view in enumerate(views))
    measured = _measured(timed, options)
    options = replace(options, lumen_sd=max(options.lumen_sd, 0.25 * _unlike(vessel), _covered(vessel)))
    modes: dict[Mode, ModeResult] = {}
    chosen: Mode = "fixed"
    if measured is not None:
        chosen = "measured" if options.hyperaemia else "contrast"
        modes[chosen] = _mode(chosen, vessel.tree, measured, options)
    try:
        modes["fixed"] = _mode("fixed", vessel.tree, None, options)
    except InputError as error:
        if chosen == "fixed":
            raise
        log.warning("fixed flow: %s", error)
    return QfrResult(vessel, timed, modes, chosen, _assumptions(options, chosen))


def in_space(views: Sequence[MarkedView], options: QfrOptions) -> Reconstruction:
    """The vessel of one or two views."""
    if len(views) not in (1, 2):
        raise InputError(f"{len(views)} views are given; QFR takes one or two of one vessel.")
    seen = [View(view.cine.camera, view.contours, view.sides) for view in views]
    if len(seen) == 1:
        return planar(seen[0], name=options.vessel, options=options.reconstruction)
    names = [name for name in views[0].landmarks if name in views[1].landmarks]
    pairs = np.array([[view.landmarks[name] for view in views] for name in names]) if names else None
    return reconstruct((seen[0], seen[1]), pairs, options.vessel, options.reconstruction)


def _unlike(vessel: Reconstruction) -> float:
    """By how much the two diameters of a throat differ at most, m."""
    arc = vessel.branch.arc
    at = [int(np.argmin(np.abs(arc - lesion.minimum))) for lesion in vessel.tree.lesions]
    return float(max(2.0 * np.ptp(vessel.sections.semi_axes[at], axis=1), default=0.0))


def _covered(vessel: Reconstruction) -> float:
    """By how much the diameter of a throat may be off, at most, that no view shows freely, m."""
    at = [int(np.argmin(np.abs(vessel.branch.arc - lesion.minimum))) for lesion in vessel.tree.lesions]
    return float(np.max(vessel.doubt[:, at].min(axis=0), initial=0.0))


def _timed(view: MarkedView, vessel: Reconstruction, number: int, options: QfrOptions) -> Velocity | str:
    """The velocity timed on a view, or why there is none."""
    if not options.timed or options.velocity is not None:
        return "not asked for"
    beat = None if options.heart_rate is None else 1.0 / options.heart_rate
    density = DensityOptions(reach=HEART_MOVES * view.cine.camera.shape[1])
    inside, along = along_vessel(view.contours.midline, vessel, number)
    contours = replace(
        view.contours, **{name: getattr(view.contours, name)[inside] for name in ("midline", "left", "right")}
    )
    if contours.doubt is not None:
        contours = replace(contours, doubt=contours.doubt[inside])
    try:
        way = np.interp(along, vessel.branch.arc, carried_along(vessel.tree, options))
        found = contrast_velocity(view.cine, contours, way, VelocityOptions(beat=beat, density=density))
    except InputError as error:
        log.warning("view %d: %s", number + 1, error)
        return str(error)
    for sentence in found.warnings:
        log.warning("view %d: %s", number + 1, sentence)
    return found


def carried_along(tree: VesselTree, options: QfrOptions) -> Array:
    """(n,) how far contrast has been carried at the vessel's points, m: the volume before them, and in all its length.

    Where a lumen is narrower contrast runs faster; where side branches have taken some of the flow, slower. With
    U = Q(t) s(x) / A(x), s being the part of the inflow that is left, fluid at the relative radius r moves by
    dx / dt = v(r) U, so that y = int A / s dx obeys dy / dt = v(r) Q(t): a front in a vessel of even velocity, which is
    what is fitted.
    """
    branch = tree.root
    usual = options.flow.fixed * float(np.trapezoid(branch.area, branch.arc)) / branch.length
    try:
        flow = flow_along(tree, _drive(usual, options), options.blood, options.losses).branches[branch.name].flow
    except InputError:  # so narrow that the usual flow does not pass
        flow = np.ones(len(branch.arc))
    volume = cumulative_trapezoid(branch.area / np.maximum(flow / flow[0], LEAST_LEFT), branch.arc, initial=0.0)
    return np.asarray(volume * branch.length / volume[-1])


def along_vessel(midline: Array, vessel: Reconstruction, number: int) -> tuple[Array, Array]:
    """Which points (n,) of a view's midline show the vessel, and how far along it (m) those are, increasing."""
    seen = vessel.cameras[number].project(vessel.branch.points)
    run = arc_length(seen)
    at = feet(midline, seen, run)
    arc = np.interp(at, run, vessel.branch.arc)
    inside = (at >= 0.0) & (at <= run[-1])
    inside &= np.concatenate([[True], arc[1:] > np.maximum.accumulate(arc)[:-1] + 1e-6])
    return inside, arc[inside]


def _measured(timed: Sequence[Velocity | str], options: QfrOptions) -> tuple[float, float] | None:
    """The velocity and its standard deviation, m/s: what was given, or the views' mean by their variances."""
    if options.velocity is not None:
        return options.velocity, 0.0
    found = [(one.velocity, one.sd) for one in timed if not isinstance(one, str)]
    if not found:
        return None
    velocity, sd = np.array(found).T
    sd = np.hypot(sd, options.timing_sd * velocity)
    weight = 1.0 / sd**2
    mean = float(velocity @ weight / weight.sum())
    spread = float(np.sqrt(1.0 / weight.sum()))
    if len(found) == 2:
        apart = float(abs(velocity[0] - velocity[1]))
        if apart > 2.5 * float(np.linalg.norm(sd)):
            log.warning("the views' velocities, %.2f and %.2f m/s, differ by more than their errors", *velocity)
        spread = max(spread, 0.5 * apart)
    return mean, spread


def _mode(mode: Mode, tree: VesselTree, measured: tuple[float, float] | None, options: QfrOptions) -> ModeResult:
    """QFR by one mode, with what velocity and lumen leave open."""
    timed, sd = measured or (None, 0.0)
    velocity = hyperaemic_velocity(mode, timed, sd, options.flow)
    for sentence in velocity.warnings:
        log.warning("%s", sentence)
    entering = _inflow(mode, tree, velocity.velocity, measured, options)
    drive, unsure = _drive(entering, options), UNSURE_END * float(tree.root.diameter[-1])
    if entering > MOST_FLOW:
        log.warning(
            "%s flow: %.0f mL/min would enter the vessel, more than into a whole heart's vessels at hyperaemia: "
            "check contours, side branches and velocity.",
            *(mode, entering / ML_PER_MIN),
        )
    found = flow_ratio(tree, drive, options.blood, options=options.losses, unsure_end=unsure)
    doubts = {
        "flow": _moved(tree, entering * (1.0 + velocity.sd / velocity.velocity), found, options),
        "lumen": _moved(_narrower(tree, options.lumen_sd), entering, found, options),
        "model": options.model_sd * min(1.0, (1.0 - found.vessel) / 0.2),
    }
    half = {name: 1.96 * value for name, value in doubts.items()}
    width = float(np.linalg.norm(list(half.values())))
    return ModeResult(velocity, entering, found, (found.vessel - width, min(1.0, found.vessel + width)), half)


def _drive(entering: float, options: QfrOptions) -> Drive:
    return Drive(entering, _pressure(options), exponent=options.exponent)


def _pressure(options: QfrOptions) -> float:
    return 100.0 * MMHG if options.aortic_pressure is None else options.aortic_pressure


def _inflow(
    mode: Mode, tree: VesselTree, velocity: float, measured: tuple[float, float] | None, options: QfrOptions
) -> float:
    """m^3/s; the contrast mode's flow during the injection times what hyperaemia makes of its velocity."""
    if measured is None or options.area != "transit":
        area = "mean_reference" if options.area == "transit" else options.area
        return inflow(velocity, tree.root, replace(options.flow, area=area))
    return flow_of_transit(tree, measured[0], options) * velocity / measured[0]


def flow_of_transit(tree: VesselTree, velocity: float, options: QfrOptions) -> float:
    """The inflow, m^3/s, at which the mean transit through the vessel is its length over the timed velocity."""
    branch = tree.root
    entering = velocity * float(np.trapezoid(branch.area, branch.arc)) / branch.length
    for _ in range(TRANSIT_ROUNDS):
        along = flow_along(tree, _drive(entering, options), options.blood, options.losses).branches[branch.name].flow
        left = np.maximum(along / along[0], LEAST_LEFT)
        entering = velocity / branch.length * float(np.trapezoid(branch.area / left, branch.arc))
    return entering


def _moved(tree: VesselTree, entering: float, found: FlowRatio, options: QfrOptions) -> float:
    """By how much the vessel's ratio moves; 0.1 at least where no such flow passes any more."""
    try:
        other = flow_along(tree, _drive(entering, options), options.blood, options.losses)
    except InputError:
        return max(0.1, found.vessel / 2.0)
    branch = tree.root
    return abs(float(np.interp(found.place, branch.arc, other.ffr(branch.name))) - found.vessel)


def _narrower(tree: VesselTree, sd: float) -> VesselTree:
    """Every diameter, healthy ones too, smaller by so much (m), the lesions measured anew."""
    branch = tree.root
    scale = np.maximum(1.0 - sd / branch.diameter, 0.3)
    changed = replace(
        branch,
        area=branch.area * scale**2,
        radius=branch.radius * scale,
        reference_radius=np.maximum(branch.reference_radius - 0.5 * sd, 0.3 * branch.reference_radius),
        perimeter=None,
    )
    return replace(tree, branches=(changed,), lesions=find_lesions(changed))


def _assumptions(options: QfrOptions, chosen: Mode) -> tuple[Assumption, ...]:
    """What the chosen mode's number stands on."""
    given = options.aortic_pressure is not None
    rows = [
        Assumption("aortic_pressure", _pressure(options), "Pa", "option" if given else "default: usual in QFR"),
        Assumption("venous_pressure", Drive.venous_pressure, "Pa", "default: hemo"),
        Assumption("flow_mode", chosen, "", "computed"),
        Assumption("flow_area", options.area, "", "option"),
        Assumption("reference", options.reference, "", "option"),
        Assumption("exponent", options.exponent, "", "default: Taylor DJ et al. 2024, AJP Heart 327:H182"),
        Assumption("density", options.blood.density, "kg/m^3", "option"),
        Assumption("viscosity", options.blood.viscosity, "Pa s", "option"),
        Assumption("loss_law", options.losses.law, "", "option"),
        Assumption("lumen_sd", options.lumen_sd, "m", "default: virtual angiograms, docs/benchmarks.md"),
        Assumption("timing_sd", options.timing_sd, "", "default: virtual angiograms, docs/benchmarks.md"),
        Assumption("model_sd", options.model_sd, "", "default: virtual angiograms, docs/benchmarks.md"),
    ]
    if chosen == "fixed":
        rows.append(Assumption("velocity", options.flow.fixed, "m/s", "default: Tu et al. 2016, not confirmed"))
    if chosen == "contrast":
        text = ", ".join(f"{value:g}" for value in options.flow.coefficients)
        rows.append(Assumption("contrast_coefficients", text, "m/s, 1, s/m", "default: Tu et al. 2016, not confirmed"))
    return tuple(rows)
