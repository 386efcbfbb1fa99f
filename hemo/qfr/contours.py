"""A vessel's contours on one frame, from two or more points along it; and a side branch's calibre at its ostium."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from hemo.errors import InputError
from hemo.qfr.cine import Contours
from hemo.qfr.edges import steepest_edges, straightened
from hemo.qfr.lumenfit import ROUNDS, TELLING, LumenFit, Priors, fit_lumen
from hemo.qfr.manyframes import FollowOptions, followed_mean
from hemo.qfr.path import at_equal_steps, minimal_path, normals, smoothed
from hemo.qfr.ridge import log_brightness, ridge
from hemo.qfr.tracechecks import check_points, check_sections, remarks
from hemo.tree import arc_length

Array = NDArray[Any]

logger = logging.getLogger(__name__)

SURROUNDINGS = 80.0  # pixels about the points where the way along the vessel is looked for
ROUNDED = 3.0  # pixels: over which a path of pixels, or a midline, is smoothed
FIRST_ROUNDS = 8  # of the fit that only centres the midline
TELLING_LENGTH = 40  # pixels of vessel wide enough for its edges to tell the blur
JUNCTION = 3.0  # blurs of the detector: how far from the main vessel's edge its shadow reaches into a side branch


@dataclass(frozen=True)
class TraceOptions:
    """How a vessel is traced.

    Attributes
    ----------
    logarithmic
        Whether the frame is linear in the absorption (``Cine.logarithmic``).
    gain
        Grey values of a logarithmic frame for a factor e of the dose, where the maker tells; None where nobody knows:
        then the blur is taken to act on the logarithm, and a lesion of a dense vessel reads some 0.06 mm wide.
    blur
        Standard deviation of what a point becomes on the frame, the pixel's own width counted (1/12 pixel^2 of
        variance), pixels: of the system, or as a wider vessel or the catheter gave it (``Trace.blur``). None to find it
        from the vessel's own wide stretches.
    usual_blur
        The first guess where ``blur`` is None, and what is taken where the vessel is thin throughout, pixels.
    reach
        The widest half-width that is looked for, pixels.
    snap
        How far the points may be off the vessel, pixels.
    step
        Largest distance of the contours' points along the midline, pixels.
    margin
        How far beyond the edges the background is looked at, pixels.
    priors
        How smooth vessel and background are.
    follow
        Which other frames are used.
    """

    logarithmic: bool = False
    gain: float | None = None
    blur: float | None = None
    usual_blur: float = 1.1
    reach: float = 20.0
    snap: float = 6.0
    step: float = 1.0
    margin: float = 7.0
    priors: Priors = field(default_factory=Priors)
    follow: FollowOptions = field(default_factory=FollowOptions)


@dataclass(frozen=True)
class Trace:
    """Contours and what is to be known of them.

    Attributes
    ----------
    contours
        Frame number 0: who knows which frame it was sets it.
    error
        (n,) standard deviation of the width by noise alone, pixels.
    contrast_to_noise
        (n,) how much darker the vessel's middle is, over a pixel's noise.
    blur
        Standard deviation that was given, found or assumed, pixels.
    warnings
        One sentence each, for a person who looks at the contours.
    frames
        How many frames the edges are from.
    """

    contours: Contours
    error: Array
    contrast_to_noise: Array
    blur: float
    warnings: tuple[str, ...]
    frames: int = 1


def trace(frame: Array, points: Array, options: TraceOptions | None = None) -> Contours:
    """Midline and edges of the vessel through the points; warnings go to the log.

    Parameters
    ----------
    frame
        (rows, columns) brightness, contrast dark.
    points
        (k, 2) column and row, k >= 2, proximal to distal, each within ``options.snap`` pixels of the vessel.

    Raises
    ------
    InputError
        As ``traced``.
    """
    found = traced(frame, points, options)
    for sentence in found.warnings:
        logger.warning(sentence)
    return found.contours


def traced(frame: Array, points: Array, options: TraceOptions | None = None, others: Sequence[Array] = ()) -> Trace:
    """As ``trace``, with errors and warnings.

    Parameters
    ----------
    others
        Other frames of the cine, as brightness: those that show the vessel alike take noise off the edges.

    Raises
    ------
    InputError
        If no dark line passes the points, they are out of order, the vessel leaves the image, the edges run to the
        search's border, the midline jumps, or there is no contrast to follow.
    """
    options = options or TraceOptions()
    picture = log_brightness(frame, options.logarithmic, options.gain)
    points = check_points(points, picture.shape)
    path, moved = vessel_path(picture, points, options)
    if len(path) < 10:
        raise InputError(f"The points lie {len(path) - 1} pixels apart along the vessel; at least 10 are needed.")
    midline = smoothed(at_equal_steps(path, 1.0), ROUNDED)
    for _ in range(2):
        right, left = steepest_edges(picture, midline, options.reach)
        check_sections(midline, right, left, picture.shape, options.reach)
        guess, midline = 0.5 * (left - right), _recentred(midline, 0.5 * (left + right), 2.0 * ROUNDED)
        guess = _carried(guess, len(midline))
    blur, sought = options.blur or options.usual_blur, False
    fit = _fitted(picture, midline, np.zeros(len(midline)), guess, blur, False, options, FIRST_ROUNDS)
    if options.blur is None:
        sought = np.count_nonzero(fit.radius > TELLING * blur) >= TELLING_LENGTH
    radius, midline = fit.radius, _recentred(midline, fit.centre, ROUNDED)
    radius = _carried(radius, len(midline))
    offsets = _offsets(radius, options)
    profile, count = followed_mean(picture, _pictures(others, options), midline, radius, offsets, options.follow)
    fit = _fit(profile, offsets, np.zeros(len(midline)), radius, blur, sought, options)
    check_sections(midline, fit.centre - fit.radius, fit.centre + fit.radius, picture.shape, options.reach)
    assumed = options.blur is None and not sought
    warnings = remarks(fit, midline, moved, assumed, options.snap)
    return _as_trace(midline, fit, options.step, warnings, count)


def _pictures(others: Sequence[Array], options: TraceOptions) -> Iterator[Array]:
    for other in others:
        try:
            yield log_brightness(other, options.logarithmic, options.gain)
        except InputError:  # black before the beam is on
            continue


def _fitted(
    picture: Array,
    midline: Array,
    centre: Array,
    radius: Array,
    blur: float,
    seek: bool,
    options: TraceOptions,
    rounds: int = ROUNDS,
) -> LumenFit:
    offsets = _offsets(radius, options)
    return _fit(straightened(picture, midline, offsets), offsets, centre, radius, blur, seek, options, rounds)


def _offsets(radius: Array, options: TraceOptions) -> Array:
    """Pixels to the left at which a vessel of such half-widths is looked at."""
    half = np.ceil(min(options.reach, 1.5 * float(radius.max()) + 2.0) + options.margin + 3.0)
    return np.arange(-half, half + 1.0)


def _fit(
    profile: Array,
    offsets: Array,
    centre: Array,
    radius: Array,
    blur: float,
    seek: bool,
    options: TraceOptions,
    rounds: int = ROUNDS,
) -> LumenFit:
    return fit_lumen(
        profile,
        offsets,
        centre,
        radius,
        blur,
        seek_blur=seek,
        linear=options.logarithmic and options.gain is None,
        margin=options.margin,
        priors=options.priors,
        rounds=rounds,
    )


def vessel_path(picture: Array, points: Array, options: TraceOptions) -> tuple[Array, Array]:
    """(n, 2) the pixels along the vessel through the points, and (k,) how far each was off it."""
    low = np.maximum(np.floor(points.min(axis=0) - SURROUNDINGS), 0).astype(int)
    high = np.ceil(points.max(axis=0) + SURROUNDINGS + 1).astype(int)
    strength = ridge(picture[low[1] : high[1], low[0] : high[0]])
    path = minimal_path(strength, points - low, options.snap) + low
    moved = np.array([np.linalg.norm(path - point, axis=1).min() for point in points])
    return path, moved


def _recentred(midline: Array, centre: Array, length: float) -> Array:
    """The midline moved to the middle between the edges, smooth, at equal steps of about a pixel."""
    return at_equal_steps(smoothed(midline + centre[:, None] * normals(midline), length), 1.0)


def _carried(values: Array, count: int) -> Array:
    return np.interp(np.linspace(0.0, 1.0, count), np.linspace(0.0, 1.0, len(values)), values)


def _as_trace(midline: Array, fit: LumenFit, step: float, warnings: tuple[str, ...], frames: int) -> Trace:
    """At equal steps along the line in the middle of the edges."""
    across = normals(midline)
    middle, left, right = (
        midline + offset[:, None] * across for offset in (fit.centre, fit.centre + fit.radius, fit.centre - fit.radius)
    )
    arc = arc_length(middle)
    places = np.linspace(0.0, arc[-1], int(np.ceil(arc[-1] / step - 1e-9)) + 1)

    def there(values: Array) -> Array:
        return np.column_stack([np.interp(places, arc, column) for column in np.atleast_2d(values.T)])

    contours = Contours(0, there(middle), there(left), there(right), doubt=there(_doubt(fit))[:, 0])
    quality = there(np.column_stack([2.0 * fit.error, fit.depth / fit.noise]))
    return Trace(contours, quality[:, 0], quality[:, 1], fit.blur, warnings, frames)


def _doubt(fit: LumenFit) -> Array:
    """(n,) by how much widths may be off for what lies over the vessel, pixels.

    If a covering vessel's absorption were taken for the lumen's, the area would grow by dA and the width by
    2 dA / (pi r). It draws the edges over a length of about its own width to either side.
    """
    wider = 2.0 * fit.unexplained / (np.pi * fit.radius)
    return np.asarray(maximum_filter1d(wider, 2 * int(np.ceil(np.median(fit.radius))) + 1, mode="nearest"))


def side_branch(
    frame: Array, contours: Contours, point: Array, options: TraceOptions | None = None
) -> tuple[int, float]:
    """Where a side branch leaves a traced vessel, and its healthy diameter just behind the ostium.

    Parameters
    ----------
    point
        (2,) column and row of a place in the side branch, best some 3 to 6 of its diameters from the ostium.

    Returns
    -------
    The index on the midline that faces the ostium, and the diameter in pixels: the median along the two diameters (at
    least 6 pixels) behind the main vessel's shadow.

    Raises
    ------
    InputError
        If the point is in the main vessel, off every vessel, or too near the ostium.
    """
    options = options or TraceOptions()
    picture = log_brightness(frame, options.logarithmic, options.gain)
    point = check_points(np.asarray(point, dtype=float)[None], picture.shape, least=1)[0]
    distance = np.linalg.norm(contours.midline - point, axis=1)
    nearest = int(np.argmin(distance))
    if distance[nearest] < 0.5 * contours.width[nearest] + 1.0:
        raise InputError("The point for the side branch lies in the main vessel; set it further along the side branch.")
    path, _ = vessel_path(picture, np.array([contours.midline[nearest], point]), options)
    blur = options.blur or options.usual_blur
    line = smoothed(at_equal_steps(path, 1.0), ROUNDED)
    index, outside = _ostium(contours, line)
    behind = line[outside:]
    shadow = int(np.ceil(JUNCTION * blur))
    if len(behind) < shadow + 6:
        raise InputError(
            f"The point for the side branch is {len(behind)} pixels behind its ostium; set it at least {shadow + 6} "
            "pixels along the side branch."
        )
    right, left = steepest_edges(picture, behind, options.reach)
    guess, middle = 0.5 * (left - right), 0.5 * (left + right)
    fit = _fitted(picture, behind, middle, np.full(len(behind), np.median(guess)), blur, False, options)
    beginning = fit.radius[shadow : shadow + max(6, int(4.0 * np.median(fit.radius)))]
    if np.median(fit.depth[shadow:]) < fit.noise:
        raise InputError("No contrast stands out at the point for the side branch; set it on the side branch.")
    return index, 2.0 * float(np.median(beginning))


def _ostium(contours: Contours, line: Array) -> tuple[int, int]:
    """Index on the midline that faces where a line leaves the lumen for good, and index on the line there."""
    from scipy.spatial import cKDTree

    away, facing = cKDTree(contours.midline).query(line)
    within = np.flatnonzero(away <= 0.5 * contours.width[facing])
    last = int(within[-1]) if len(within) else 0
    return int(facing[last]), min(last + 1, len(line) - 1)
