"""Mean flow velocity of a coronary vessel from the way contrast takes along it, and TIMI frame counts.

Velocities are means over the cross-section and, by the fit, over the beat. What is fitted, and what a front of
contrast's tip or half density would say instead, is derived in :mod:`hemo.qfr.front`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.qfr.cine import Cine, Contours
from hemo.qfr.density import DensityMap, DensityOptions, density_map
from hemo.qfr.front import FrontFit, FrontOptions, contour_speed, fit_front

Array = NDArray[Any]

TIMI_RATE = 30.0  # 1/s, to which counts are standardised
LAD_FACTOR = 1.7  # by which the longer LAD's count is divided: Gibson et al. 1996, Circulation 93:879
FULL, FIRST = 0.7, 0.1  # of the density's plateau: contrast touches both borders; contrast is seen at all


@dataclass(frozen=True)
class VelocityOptions:
    """What is asked of a cine.

    Attributes
    ----------
    beat
        Length of a heartbeat, s; None takes that of the front's options, with a warning.
    least_rate
        Frames per second below which a cine is refused: 12.5, below which QFR's own studies left cines out.
    least_travel
        Frames that the contrast must need from the midline's start to its end.
    least_length
        m of vessel.
    unknown_beat_sd
        Relative SD that is added where the heartbeat is not known, by virtual cines of 50 to 100 beats a minute.
    greatest_sd
        Of the velocity, as a part of it; a velocity less certain is refused.
    """

    beat: float | None = None
    least_rate: float = 12.5
    least_travel: float = 2.0
    least_length: float = 0.02
    unknown_beat_sd: float = 0.12
    greatest_sd: float = 0.30
    density: DensityOptions = field(default_factory=DensityOptions)
    front: FrontOptions = field(default_factory=FrontOptions)


@dataclass(frozen=True)
class Velocity:
    """Mean flow velocity over the cross-section, m/s, with its SD.

    ``sd`` holds ``fit_sd``, by the fit, and ``frame_sd``, by the time between frames, m/s. ``method`` is ``"front"``
    or ``"frame count"``.
    """

    velocity: float
    sd: float
    fit_sd: float
    frame_sd: float
    method: str
    warnings: tuple[str, ...] = ()
    density: DensityMap | None = None
    fit: FrontFit | None = None


@dataclass(frozen=True)
class FrameCount:
    """From the frame where contrast fills the ostium to that where it comes to the distal landmark.

    ``frames`` is ``end - start``, ``standardised`` the same at 30 frames a second, ``corrected`` divided by 1.7
    besides for the LAD; ``velocity`` is length over time as it is counted, m/s, of the front that the eye sees, and
    ``sd`` what whole frames leave open.
    """

    start: int
    end: int
    frames: int
    standardised: float
    corrected: float
    velocity: float
    sd: float


def contrast_velocity(cine: Cine, contours: Contours, arc: Array, options: VelocityOptions | None = None) -> Velocity:
    """Mean flow velocity along the midline of ``contours``, whose points lie at ``arc`` (m, increasing) in space.

    How contrast enters between two frames nobody sees: the front's time is open by a frame at random, an SD of
    1 / sqrt(12) of it, so that over N frames of travel 1 / (sqrt(12) N) of the velocity is open whatever the fit says.

    Raises
    ------
    InputError
        If the cine is too slow, starts too late, ends too early, is too poor in contrast, or the vessel too short.
    """
    options = options or VelocityOptions()
    _check_cine(cine, arc, options)
    beat = options.beat or options.density.beat
    found = density_map(cine, contours, arc, replace(options.density, beat=beat))
    _check_passes(found)
    fit = fit_front(found, options.front if beat is None else replace(options.front, beat=beat))
    travel = found.length / fit.velocity * cine.frame_rate
    if travel < options.least_travel:
        raise InputError(
            f"contrast passes the {1e3 * found.length:.0f} mm of vessel in {travel:.1f} frames and "
            f"{options.least_travel:g} are needed; follow the vessel further, or take a cine of more frames per second."
        )
    frame_sd = fit.velocity / (np.sqrt(12.0) * travel)
    fit_sd = fit.velocity * float(np.hypot(fit.relative_sd, options.unknown_beat_sd if beat is None else 0.0))
    sd = float(np.hypot(fit_sd, frame_sd))
    if sd > options.greatest_sd * fit.velocity:
        raise InputError(
            f"the velocity is {fit.velocity:.2f} m/s with an SD of {100 * sd / fit.velocity:.0f} % of it and at most "
            f"{100 * options.greatest_sd:.0f} % is used; follow the vessel further, or take a faster cine."
        )
    return Velocity(
        fit.velocity,
        sd,
        fit_sd,
        float(frame_sd),
        "front",
        _warnings(beat, options, fit, travel, cine.frame_rate, sd / fit.velocity),
        found,
        fit,
    )


def _check_cine(cine: Cine, arc: Array, options: VelocityOptions) -> None:
    if len(cine.times) < 6 or np.any(np.diff(cine.times) <= 0.0):
        raise InputError("a cine needs at least 6 frames, each later than the one before.")
    if cine.frame_rate < options.least_rate - 1e-6:
        raise InputError(f"the cine has {cine.frame_rate:.1f} frames per second and {options.least_rate:g} are needed.")
    length = float(np.ptp(arc))
    if length < options.least_length:
        raise InputError(
            f"the midline is {1e3 * length:.0f} mm long and {1e3 * options.least_length:.0f} mm are needed; "
            "follow the vessel further distally."
        )


def _check_passes(found: DensityMap) -> None:
    """Refuse a cine that ends before the front has passed the distal end."""
    last = found.density[:, -2:].mean(axis=1)
    top = float(np.quantile(last, 0.95))
    near = float(np.quantile(found.density[:, : max(2, found.density.shape[1] // 2)], 0.95))
    late = np.flatnonzero(last >= 0.5 * top)
    if top < max(4.0 * found.noise, 0.1 * near) or not len(late) or late[0] >= len(last) - 2:
        raise InputError(
            "the contrast front is not seen to pass the vessel's distal end before the cine ends; "
            "let the midline end further proximally or take a longer cine."
        )
    if int(np.argmax(last)) == len(last) - 1 and last[-1] > last[-3] + 4.0 * found.noise:
        raise InputError(
            "the vessel's distal end is still filling when the cine ends; "
            "let the midline end further proximally or take a longer cine."
        )


def _warnings(
    beat: float | None, options: VelocityOptions, fit: FrontFit, travel: float, rate: float, relative_sd: float
) -> tuple[str, ...]:
    found = []
    length = beat or options.front.beat
    if beat is None:
        found.append(f"the heartbeat's length is not known and {length:g} s was taken")
    if relative_sd > 0.15:
        found.append(
            f"the velocity's SD is {100 * relative_sd:.0f} % of it (contrast passes the vessel in {travel:.1f} frames, "
            f"{travel / rate / length:.2f} of a beat): use a longer vessel or a faster cine"
        )
    if fit.misfit > 2.0:
        found.append("the map is not one of a front carried along: another vessel may overlap, or the midline is off")
    return tuple(found)


def timi_frame_count(found: DensityMap, lad: bool) -> FrameCount:
    """Count frames on a map: from the first with 0.7 of the plateau at the start to the first with 0.1 at the end.

    Gibson et al. 1996 (Circulation 93:879): from the first frame in which contrast fills the ostium, touching both
    borders, to the first in which it comes to the distal landmark. That front is faster than the mean flow: see
    :func:`hemo.qfr.front.contour_speed`.
    """
    near, far = found.density[:, :2].mean(axis=1), found.density[:, -2:].mean(axis=1)
    start = _first(near, max(FULL * float(np.quantile(near, 0.95)), 3.0 * found.noise))
    end = _first(far, max(FIRST * float(np.quantile(far, 0.95)), 3.0 * found.noise))
    rate = (len(found.times) - 1) / float(found.times[-1] - found.times[0])
    return counted(start, end, rate, found.length, lad)


def _first(values: Array, level: float) -> int:
    """The first frame from which on two in a row are above a level."""
    above = values >= level
    found = np.flatnonzero(above[:-1] & above[1:])
    if not len(found):
        raise InputError("no front of contrast was found; count the frames by eye.")
    return int(found[0])


def counted(start: int, end: int, frame_rate: float, length: float, lad: bool) -> FrameCount:
    """The count of two frames, found or given by hand, over ``length`` (m) of vessel.

    Each frame is late by up to one: the SD of their difference is 1 / sqrt(6) frame.

    Raises
    ------
    InputError
        If the end does not come after the start, or rate or length are not positive.
    """
    if end <= start or start < 0:
        raise InputError(
            f"contrast comes to the distal landmark in frame {end}, not after frame {start} in which it fills the "
            "ostium; give the frames in order, or take a cine of more frames per second."
        )
    if not (frame_rate > 0.0 and length > 0.0):
        raise InputError("a frame count needs a positive frame rate and a positive length of vessel.")
    frames = end - start
    standardised = frames * TIMI_RATE / frame_rate
    velocity = length * frame_rate / frames
    corrected = standardised / LAD_FACTOR if lad else standardised
    return FrameCount(start, end, frames, standardised, corrected, velocity, velocity / (np.sqrt(6.0) * frames))


def velocity_by_count(count: FrameCount, share: float | None = None, bluntness: float = 2.0) -> Velocity:
    """The velocity that a count gives.

    Parameters
    ----------
    share
        Density, as a part of the full one, whose arrival was counted at both ends: its front runs faster than the
        mean flow by ``contour_speed(share, bluntness)``, and the velocity is divided by that. None leaves the velocity
        as it is counted, which is what published studies of frame counts print.
    """
    factor = 1.0 if share is None else contour_speed(share, bluntness)
    velocity, sd = count.velocity / factor, count.sd / factor
    return Velocity(velocity, sd, 0.0, sd, "frame count")
