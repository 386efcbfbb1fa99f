"""One vessel on many frames: laid straight on each and averaged, so that edges are found with less noise.

One frame's quanta alone leave a throat of a millimetre open by some 0.1 mm. The same vessel is on some thirty frames,
moved by heart and breath. On each it is looked for across its midline by correlation, and the movement across is taken
for that of a plane that is shifted, turned and stretched: this tells the movement along the vessel too, which no line
shows by itself. Only frames on which the vessel has kept its shape are used, those of one phase of the beat, on which
it is filled all along. What lies behind or in front moves otherwise and is smeared by the mean.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from hemo.qfr.edges import best_lane, straightened
from hemo.qfr.path import normals

Array = NDArray[Any]

STEP = 0.5  # pixels, across: of the shifts that are tried
ALONG = 5.0  # pixels of vessel that tell a shift together
STIFF = 0.05  # of a correlation: what a shift pays for moving by half a pixel between places
PLACES = 3  # pixels along the vessel between places at which shifts are looked for
WOBBLE = 8.0  # pixels: over which what no shifted and stretched plane explains is smoothed
STRETCH = 0.05  # usual size of the plane's gradients: holds what few places tell
SURROUNDINGS = 12  # pixels: how far from its middle a vessel is compared at most


@dataclass(frozen=True)
class FollowOptions:
    """Which frames are used.

    Attributes
    ----------
    most
        Frames in the mean, the traced one counted; 1 uses that alone.
    reach
        How far the vessel may have moved across its midline, pixels.
    deformed
        Root mean square of what a mere shift leaves of the movement, pixels: beyond it the vessel has another shape.
    filled
        Contrast along the vessel, over that on the traced frame, at its least filled places.
    alike
        Correlation with the traced frame that is to be reached, as a part of what noise lets two frames reach.
    """

    most: int = 9
    reach: float = 14.0
    deformed: float = 1.5
    filled: float = 0.75
    alike: float = 0.9


def followed_mean(
    picture: Array,
    others: Iterable[Array],
    midline: Array,
    radius: Array,
    offsets: Array,
    options: FollowOptions | None = None,
) -> tuple[Array, int]:
    """The vessel laid straight, in the mean of the frames that show it alike.

    Parameters
    ----------
    picture, others
        Log brightness (rows, columns) of the frame on which the midline lies, and of other frames.
    midline, radius
        (n, 2) at steps of about a pixel, and (n,) half-widths, pixels.
    offsets
        (m,) pixels to the left at which the mean is wanted.

    Returns
    -------
    (n, m) log brightness, NaN where the traced frame ends, and how many frames are in the mean.
    """
    options = options or FollowOptions()
    own = straightened(picture, midline, offsets)
    if options.most <= 1:
        return own, 1
    template, found = _Template.of(picture, midline, radius), []
    for other in others:
        line, deformed = template.found_on(other, options)
        if deformed <= options.deformed:
            alike, filled = template.compared(other, line)
            if filled >= options.filled and alike >= options.alike:
                found.append((alike, straightened(other, line, offsets)))
    best = [own, *(one for _, one in sorted(found, key=lambda one: -one[0])[: options.most - 1])]
    # What moves behind the vessel makes it brighter or darker as a whole: only its profile is wanted.
    level = np.nanmedian(own, axis=1, keepdims=True)
    stack = np.stack([one + (level - np.nanmedian(one, axis=1, keepdims=True)) for one in best])
    known = np.isfinite(stack)
    mean = np.where(known, stack, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.where(np.isfinite(own), mean, np.nan), len(best)


@dataclass(frozen=True)
class _Template:
    """The vessel as the traced frame shows it, at some places along it."""

    midline: Array
    places: NDArray[np.int64]
    across: Array
    window: Array
    profile: Array  # (places, m) smoothed along, without its mean
    noise: float  # share of the profile's variance that is noise

    @classmethod
    def of(cls, picture: Array, midline: Array, radius: Array) -> _Template:
        half = min(float(np.ceil(np.percentile(radius, 90.0) + 4.0)), float(SURROUNDINGS))
        across = np.arange(-half, half + 0.5 * STEP, STEP)
        places = np.arange(0, len(midline), PLACES)
        window = (np.abs(across) <= radius[places, None] + 4.0).astype(float)
        sampled = straightened(picture, midline, across)
        smooth = _along(sampled, ALONG)
        odd, even = (_along(sampled[k::2], 0.5 * ALONG)[: len(sampled) // 2] for k in (0, 1))
        spread = float(np.nanvar(0.5 * (odd - even)))
        profile = _centred(smooth[places], window)
        return cls(midline, places, across, window, profile, spread / max(float(profile.var()), 1e-30))

    def found_on(self, picture: Array, options: FollowOptions) -> tuple[Array, float]:
        """The midline (n, 2) on another frame, and by how many pixels it moved otherwise than by a shift."""
        pad = round(options.reach / STEP)
        wide = np.concatenate([self.across[0] - STEP * np.arange(pad, 0, -1), self.across])
        wide = np.concatenate([wide, self.across[-1] + STEP * np.arange(1, pad + 1)])
        seen = _along(straightened(picture, self.midline, wide, order=1), ALONG)[self.places]
        count = len(self.across)
        shifts = STEP * np.arange(-pad, pad + 1)
        score = np.stack(
            [_correlation(self.profile, seen[:, k : k + count], self.window) for k in range(len(shifts))], axis=1
        )
        score = gaussian_filter1d(score, 2.0, axis=0, mode="nearest")
        lane = best_lane(score, STIFF)
        moved = _summit(shifts, score, lane)
        trust = np.maximum(score[np.arange(len(lane)), lane], 0.0) ** 2
        return self._moved_line(moved, trust)

    def _moved_line(self, moved: Array, trust: Array) -> tuple[Array, float]:
        """A shifted, turned and stretched plane, and smoothly what it leaves across the midline."""
        across = normals(self.midline)
        here, normal = self.midline[self.places], across[self.places]
        middle, size = here.mean(axis=0), 100.0
        basis = np.column_stack([np.ones(len(here)), (here - middle) / size])
        rows = (normal[:, :, None] * basis[:, None, :]).reshape(len(here), 6)
        held = np.tile([1e-6, (STRETCH * size) ** -2, (STRETCH * size) ** -2], 2)
        weight = trust / (0.3**2)
        solved = np.linalg.solve((rows * weight[:, None]).T @ rows + np.diag(held), (rows * weight[:, None]).T @ moved)
        plane = solved.reshape(2, 3)
        whole = np.column_stack([np.ones(len(self.midline)), (self.midline - middle) / size])
        shift = whole @ plane.T
        left = moved - rows @ solved
        along = np.arange(len(self.midline))
        rest = gaussian_filter1d(np.interp(along, self.places, left), WOBBLE, mode="nearest")
        total = shift + rest[:, None] * across
        deformed = float(np.sqrt(np.mean(np.sum((total - total.mean(axis=0)) ** 2, axis=1))))
        return self.midline + total, deformed

    def compared(self, picture: Array, line: Array) -> tuple[float, float]:
        """Correlation over the most that noise allows, and the contrast where the vessel is filled least."""
        seen = _centred(_along(straightened(picture, line, self.across, order=1), ALONG)[self.places], self.window)
        alike = float((seen * self.profile).sum() / np.sqrt((seen**2).sum() * (self.profile**2).sum() + 1e-30))
        product = gaussian_filter1d((seen * self.profile).sum(axis=1), 5.0, mode="nearest")
        square = gaussian_filter1d((self.profile**2).sum(axis=1), 5.0, mode="nearest")
        return alike / max(1.0 - self.noise, 0.5), float(np.percentile(product / (square + 1e-30), 10.0))


def _along(profile: Array, length: float) -> Array:
    return np.asarray(gaussian_filter(np.nan_to_num(profile, nan=float(np.nanmean(profile))), (length, 0.0)))


def _centred(profile: Array, window: Array) -> Array:
    mean = (profile * window).sum(axis=1, keepdims=True) / window.sum(axis=1, keepdims=True)
    return np.asarray((profile - mean) * window)


def _correlation(template: Array, seen: Array, window: Array) -> Array:
    """(places,) of the template with what is seen, both without their means."""
    own = _centred(seen, window)
    return np.asarray((template * own).sum(axis=1) / np.sqrt((template**2).sum(axis=1) * (own**2).sum(axis=1) + 1e-30))


def _summit(shifts: Array, score: Array, lane: NDArray[Any]) -> Array:
    rows, middle = np.arange(len(lane)), np.clip(lane, 1, len(shifts) - 2)
    before, here, after = (score[rows, middle + move] for move in (-1, 0, 1))
    bend = np.minimum(before - 2.0 * here + after, -1e-9)
    return np.asarray(shifts[middle] + STEP * np.clip(0.5 * (before - after) / bend, -1.0, 1.0))
