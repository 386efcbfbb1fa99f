"""A vessel's time-density map: how much contrast lies at every place along its midline in every frame.

Absorption adds up along a ray, so the excess of the logarithm over the frames before contrast, summed across a vessel,
is in proportion to its area times the cross-section's *mean* concentration, wherever in the band the vessel lies and
whatever its profile. The vessel moves with the heartbeat: the densest line within reach of the midline is followed,
smooth along the vessel and over time, and the band is laid along it. Motion along the midline is not followed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d, map_coordinates

from hemo.errors import InputError
from hemo.qfr.cine import Cine, Contours
from hemo.tree import arc_length

Array = NDArray[Any]


@dataclass(frozen=True)
class DensityOptions:
    """How the map is made.

    Attributes
    ----------
    reach
        How far across the vessel may lie from the midline that was drawn, pixels.
    margin
        What the band is wider than the vessel to either side, pixels.
    side
        Width of the strip at either side of the band that says what the background does, pixels.
    places
        Number of places along the vessel.
    beat
        Length of a heartbeat, s; None where nobody knows it. With it, the background is taken at the same phase.
    least_contrast_to_noise
        Of the map's plateau over its noise; less is refused.
    """

    reach: float = 10.0
    margin: float = 2.0
    side: float = 5.0
    places: int = 16
    beat: float | None = None
    least_contrast_to_noise: float = 5.0


@dataclass(frozen=True)
class DensityMap:
    """Contrast along a vessel over time.

    Attributes
    ----------
    arc
        (n,) m from the midline's first point, at the middle of each place.
    times
        (k,) s, as in the cine.
    density
        (k, n) excess of absorption summed across the vessel, any unit.
    noise
        SD of one value.
    onset
        The last frame without contrast.
    offset
        (k, n) how far the vessel lies to the left of the midline that was drawn, pixels.
    length
        m, of the whole midline.
    covered
        (n,) how much of the density may be that of another vessel, as a part of it; None where nobody looked.
    """

    arc: Array
    times: Array
    density: Array
    noise: float
    onset: int
    offset: Array
    length: float
    covered: Array | None = None


def density_map(cine: Cine, contours: Contours, arc: Array, options: DensityOptions | None = None) -> DensityMap:
    """The map along the midline of ``contours``, whose points lie at ``arc`` (m, increasing) in space.

    Raises
    ------
    InputError
        If contrast is there from the first frame on, never comes, or hardly shows above the noise.
    """
    options = options or DensityOptions()
    strip, across, half, along = _strips(cine, contours, arc, options)
    onset = _onset(strip, across, half, along, contours.frame, options)
    excess = strip - _background(strip, cine.times, onset, options.beat)
    offset = _followed(excess, across, half, cine.times, options)
    distance = np.abs(across - offset[:, :, None])
    band = distance <= half[:, None] + options.margin
    beside = (distance > half[:, None] + options.margin) & (distance <= half[:, None] + options.margin + options.side)
    level = np.nanmedian(np.where(beside, excess, np.nan), axis=2)
    fine = np.sum((excess - level[:, :, None]) * band, axis=2)
    place = np.minimum((options.places * (along - along[0]) / (along[-1] - along[0])).astype(int), options.places - 1)
    members = (place[:, None] == np.arange(options.places)).astype(float)
    members /= members.sum(axis=0)
    density = fine @ members
    noise = float(np.median(np.abs(np.diff(density, 2, axis=0))) / 0.6745 / np.sqrt(6.0))
    plateau = float(np.median(np.quantile(density, 0.9, axis=0)))
    if not plateau > options.least_contrast_to_noise * noise:
        raise InputError(
            f"the vessel's contrast is {plateau / max(noise, 1e-30):.1f} times the noise along the midline and "
            f"{options.least_contrast_to_noise:g} are needed; use one with more contrast or count frames by eye."
        )
    covered = None
    if contours.doubt is not None:  # a width that is off by so much makes an area, and a density, off by twice that
        share = np.minimum(2.0 * contours.doubt / contours.width, 1.0)
        covered = np.interp(along, np.asarray(arc, dtype=float), share) @ members
    return DensityMap(
        along @ members, cine.times, density, noise, onset, offset @ members, float(along[-1] - along[0]), covered
    )


def _strips(cine: Cine, contours: Contours, arc: Array, options: DensityOptions) -> tuple[Array, Array, Array, Array]:
    """(k, m, w) absorption in every frame a pixel apart along and across; where across (w,); half widths (m,); arc."""
    midline, arc = np.asarray(contours.midline, dtype=float), np.asarray(arc, dtype=float)
    if arc.shape != (len(midline),) or not np.all(np.isfinite(arc)) or np.any(np.diff(arc) <= 0.0):
        raise InputError("the arc length must increase along the midline, one value for each of its points.")
    pixels = arc_length(midline)
    if pixels[-1] < 2 * options.places:
        raise InputError(
            f"the midline is {pixels[-1]:.0f} pixels long, too short to follow contrast along it; "
            "use a view that shows the vessel less foreshortened."
        )
    wanted = np.arange(0.0, pixels[-1], 1.0)
    points = np.stack([np.interp(wanted, pixels, midline[:, axis]) for axis in (0, 1)], axis=1)
    tangent = gaussian_filter1d(np.gradient(points, axis=0), 5.0, axis=0, mode="nearest")
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    left = np.stack([tangent[:, 1], -tangent[:, 0]], axis=1)  # rows run downwards
    half = 0.5 * gaussian_filter1d(np.interp(wanted, pixels, contours.width), 5.0, mode="nearest")
    widest = int(np.ceil(half.max() + options.margin + options.side + options.reach))
    across = np.arange(-widest, widest + 1.0)
    places = points[:, None, :] + across[None, :, None] * left[:, None, :]
    rows, columns = places[..., 1], places[..., 0]
    strip = np.stack([map_coordinates(_absorption(f, cine.logarithmic), [rows, columns], order=1, mode="nearest")
                      for f in cine.frames])  # fmt: skip
    return strip, across, half, np.interp(wanted, pixels, arc)


def _absorption(frame: Array, logarithmic: bool) -> Array:
    values = np.asarray(frame, dtype=float)
    return -values if logarithmic else -np.log(np.maximum(values, 1e-3 * max(float(values.max()), 1e-30)))


def _onset(strip: Array, across: Array, half: Array, along: Array, shown: int, options: DensityOptions) -> int:
    """The last frame before contrast comes to the proximal part of the vessel."""
    near = along <= along[0] + 0.15 * (along[-1] - along[0])
    edge = half[near].max() + options.margin + 0.5 * options.reach
    inside, outside = np.abs(across) <= edge, np.abs(across) > edge
    level = strip[:, near][:, :, inside].mean(axis=(1, 2)) - np.median(strip[:, near][:, :, outside], axis=2).mean(1)
    top = int(np.argmax(level[: shown + 1]))
    low, high = float(level[: top + 1].min()), float(level[top])
    first = top
    while first > 0 and level[first - 1] > low + 0.15 * (high - low):
        first -= 1
    noise = float(np.median(np.abs(np.diff(level, 2))) / 0.6745 / np.sqrt(6.0))
    if high - low < max(3.0 * noise, 0.4 * high) or first == 0:
        raise InputError(
            "no frame without contrast was found before the vessel fills: the injection runs already at the first "
            "frame, or no front is seen; use a cine that begins before the injection, or give the frames by hand."
        )
    return max(first - 2, 0) if first >= 2 else 0


def _background(strip: Array, times: Array, onset: int, beat: float | None) -> Array:
    """(k or 1, m, w) what the strips show without contrast, at the same phase of the beat where it is known."""
    before = strip[: onset + 1]
    if beat is None or onset == 0:
        return np.asarray(before.mean(axis=0, keepdims=True))
    phase = (times[:, None] - times[None, : onset + 1]) / beat
    apart = np.abs(phase - np.round(phase))
    weight = np.exp(-0.5 * (apart / 0.06) ** 2) + 0.02  # a phase not seen before contrast has the mean of all
    return np.einsum("kb,bmw->kmw", weight / weight.sum(axis=1, keepdims=True), before)


def _followed(excess: Array, across: Array, half: Array, times: Array, options: DensityOptions) -> Array:
    """(k, m) where across the vessel lies: the densest line within reach, smooth along the vessel and over time."""
    calibre = float(np.median(half))
    ridge = gaussian_filter(excess, (0.0, 6.0, 0.6 * calibre), mode="nearest")
    ridge = ridge - np.median(ridge, axis=2, keepdims=True)
    ridge[:, :, np.abs(across) > options.reach] = -np.inf
    best = ridge.argmax(axis=2)
    weight = np.maximum(np.take_along_axis(ridge, best[:, :, None], axis=2)[:, :, 0], 0.0) ** 2
    frames = 0.03 / float(np.median(np.diff(times)))

    def smooth(values: Array) -> Array:
        return np.asarray(gaussian_filter(values, (frames, 15.0), mode="nearest"))

    total = smooth(weight)
    everywhere = float(weight.mean()) * 1e-3 + 1e-30
    return np.asarray(smooth(weight * across[best]) / (total + everywhere))
