"""Two pullbacks of one vessel on one another: before and after a stent, rest and stress, systole and diastole.

Along the pullback by a shift that the user gives, or marks on the ostium, or at least two side branches that agree, or
the area profile; then by one rotation. Pullback speeds are taken for true: the places are not stretched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.geometry.intravascular.contours import Pullback
from hemo.geometry.intravascular.sections import Sections, outline_area
from hemo.geometry.intravascular.sidebranches import SeenBranch
from hemo.geometry.outline import reach

Array = NDArray[Any]
STEP = 0.1e-3  # m
AGREE = 0.75e-3  # m: side branches of two pullbacks are one if no farther apart
LEAST_OVERLAP = 5e-3  # m
LEAST_LIKENESS = 0.7  # correlation of the area profiles
MARGIN = 0.1  # by which the best shift's correlation must lead that of any other place
APART = 2e-3  # m: shifts that are other places
LEAST_TURN_LIKENESS = 0.5
LEAST_OVAL = 0.01  # of the radius: rounder lumens tell no turn
SAME_TURN = np.radians(45.0)
FINE = np.radians(np.arange(0.0, 360.0, 1.0))


@dataclass(frozen=True)
class Measured:
    """A pullback with what registration looks at."""

    pullback: Pullback
    sections: Sections
    branches: tuple[SeenBranch, ...] = ()


@dataclass(frozen=True)
class Registration:
    """How the second pullback lies on the first.

    Attributes
    ----------
    shift
        Added to a place on the second it gives the place on the first, m.
    by
        What the shift was found from.
    overlap
        (from, to) in the first's places, m.
    likeness
        Correlation of the logarithms of the two lumen areas over the overlap.
    rotation
        By which the second is turned, counter-clockwise, to lie on the first, rad; None where the lumens are too round,
        too different, or as alike at another turn.
    """

    shift: float
    by: Literal["shift given", "ostium marks", "side branches", "area profile"]
    overlap: tuple[float, float]
    likeness: float
    rotation: float | None


def registered(first: Measured, second: Measured, shift: float | None = None) -> Registration:
    """How the second lies on the first; ``shift`` (m) is not sought where it is given.

    Raises
    ------
    InputError
        If the two do not overlap, or no place can be told from the others.
    """
    a, b = first.pullback, second.pullback
    by: Literal["shift given", "ostium marks", "side branches", "area profile"] = "shift given"
    if shift is None and a.ostium is not None and b.ostium is not None:
        shift, by = a.ostium - b.ostium, "ostium marks"
    if shift is None:
        shift, by = _by_branches(first.branches, second.branches), "side branches"
    if shift is None:
        shift, by = _by_profile(first, second), "area profile"
    low = max(float(a.place[0]), float(b.place[0]) + shift)
    high = min(float(a.place[-1]), float(b.place[-1]) + shift)
    if high - low < LEAST_OVERLAP:
        raise InputError(
            f"{a.name} and {b.name} overlap over {1e3 * max(high - low, 0.0):.1f} mm only; check that they are of one "
            "vessel, or give --shift."
        )
    places = np.arange(low, high, STEP)
    likeness = _correlation(
        np.interp(places, a.place, np.log(first.sections.area)),
        np.interp(places, b.place + shift, np.log(second.sections.area)),
    )
    return Registration(shift, by, (low, high), likeness, _rotation(first, second, shift))


def _correlation(a: Array, b: Array) -> float:
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 0.0 else 0.0


def _by_branches(first: Sequence[SeenBranch], second: Sequence[SeenBranch]) -> float | None:
    """The shift at which most side branches meet, if at least two do and no other shift does as well."""
    a, b = (np.array([one.place for one in branches]) for branches in (first, second))
    if len(a) < 2 or len(b) < 2:
        return None
    candidates = np.sort((a[:, None] - b).ravel())
    met = np.array([sum(np.abs(a - (place + shift)).min() <= AGREE for place in b) for shift in candidates])
    best = candidates[met == met.max()]
    if met.max() < 2 or np.ptp(best) > 2.0 * AGREE:
        return None
    return float(best.mean())


def _by_profile(first: Measured, second: Measured) -> float:
    (place_a, value_a, what), (place_b, value_b, _) = _profiles(first, second)
    least = max(LEAST_OVERLAP, 0.5 * min(np.ptp(place_a), np.ptp(place_b)))
    shifts = np.arange(place_a[0] - place_b[-1] + least, place_a[-1] - place_b[0] - least + STEP, STEP)
    likeness = np.full(len(shifts), -1.0)
    for k, shift in enumerate(shifts):
        places = np.arange(max(place_a[0], place_b[0] + shift), min(place_a[-1], place_b[-1] + shift), STEP)
        if len(places) > 2:
            likeness[k] = _correlation(np.interp(places, place_a, value_a), np.interp(places, place_b + shift, value_b))
    if not len(shifts):
        raise InputError(
            f"{first.pullback.name} and {second.pullback.name} are too short to be registered; give --shift."
        )
    best = int(likeness.argmax())
    others = likeness[np.abs(shifts - shifts[best]) > APART]
    rival = float(others.max()) if len(others) else -1.0
    if likeness[best] < LEAST_LIKENESS or likeness[best] - rival < MARGIN:
        raise InputError(
            f"{first.pullback.name} and {second.pullback.name} cannot be registered by their {what} (correlation "
            f"{likeness[best]:.2f}, {rival:.2f} at another place); mark the ostium or side branches, or give --shift."
        )
    return float(shifts[best])


def _profiles(first: Measured, second: Measured) -> list[tuple[Array, Array, str]]:
    """Places and log areas of the two: of the EEM, which a stent moves less, where both have it, else of the lumen."""
    found = []
    for one in (first, second):
        eem = np.array([outline_area(frame.eem) for frame in one.pullback.frames])
        found.append((one, eem))
    use_eem = all(np.isfinite(eem).mean() > 0.8 for _, eem in found)
    profiles = []
    for one, eem in found:
        area = eem if use_eem else one.sections.area
        good = np.isfinite(area)
        what = "external elastic membranes" if use_eem else "lumen areas"
        profiles.append((one.pullback.place[good], np.log(area[good]), what))
    return profiles


def _rotation(first: Measured, second: Measured, shift: float) -> float | None:
    """The turn about the lumens' centres that makes their outlines agree best over all frames that face one another.

    Oval lumens agree at two turns; the side branches that both show then say which.
    """
    there = second.pullback.place + shift
    whole, sizes, count = np.zeros(len(FINE)), np.zeros(2), 0
    for k, place in enumerate(first.pullback.place):
        j = int(np.abs(there - place).argmin())
        if abs(there[j] - place) > max(second.pullback.spacing, first.pullback.spacing):
            continue
        own, other = (
            reach(one.pullback.frames[n].lumen, one.sections.centre[n], FINE) for one, n in ((first, k), (second, j))
        )
        own, other = own / own.mean() - 1.0, other / other.mean() - 1.0
        whole += np.fft.ifft(np.fft.fft(own) * np.conj(np.fft.fft(other))).real
        sizes += own @ own, other @ other
        count += len(FINE)
    if not count or float(sizes.min()) / count < LEAST_OVAL**2:
        return None
    likeness = whole / float(np.sqrt(sizes.prod()))
    best = np.flatnonzero((likeness >= likeness.max() - MARGIN) & (likeness >= LEAST_TURN_LIKENESS))
    turns = np.angle(np.exp(1j * FINE[best]))
    told = _branch_turn(first.branches, second.branches, shift)
    if told is not None and len(turns):
        near = np.abs(np.angle(np.exp(1j * (turns - told)))) < SAME_TURN
        best, turns = best[near], turns[near]
    if not len(turns):
        return None
    chosen = turns[int(likeness[best].argmax())]
    if np.abs(np.angle(np.exp(1j * (turns - chosen)))).max() > SAME_TURN:
        return None
    return float(chosen)


def _branch_turn(first: Sequence[SeenBranch], second: Sequence[SeenBranch], shift: float) -> float | None:
    """Mean turn between the side branches that lie at one place, rad; None without any."""
    turns = [
        np.exp(1j * (one.angle - other.angle))
        for one in first
        for other in second
        if abs(one.place - other.place - shift) <= AGREE
    ]
    return float(np.angle(np.sum(turns))) if turns else None
