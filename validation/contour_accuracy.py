"""Diameters read from rendered frames: steepest edges, half of the height, and the fitted tube, against the truth.

Frames are rendered by ``tests/qfr/rendering.py``, which shares nothing with what reads them: chords supersampled in
closed form, dose blurred, pixels integrated, quanta counted. Contrast absorbs 0.13/mm (a 3 mm vessel takes a third of
the dose), the background varies by 15 %. Asked: at the narrowest place a mean error of at most 0.03 mm and a standard
deviation of at most 0.07 mm; over all sections 0.05 and 0.15 mm.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

from hemo.errors import InputError
from hemo.qfr.contours import TraceOptions, traced
from hemo.qfr.edges import steepest_edges, straightened
from hemo.qfr.ridge import log_brightness
from hemo.tree import arc_length
from tests.qfr.rendering import Tube, arc, counted, lesion, render, straight
from validation.table import Table, publish

Array = NDArray[Any]

ABSORPTION = 0.13  # 1/mm
SEEDS = 4
ENDS = 1.6  # mm from the stretch's ends that are not judged
METHODS = ("steepest", "half height", "tube, blur found", "tube, blur known")


@dataclass(frozen=True)
class Setting:
    """One row: the vessel (mm), the image, and what is special about it."""

    name: str
    diameter: float = 3.0
    severity: float = 0.0
    length: float = 10.0
    pixel: float = 0.2
    blur: float = 0.2
    noise: float = 0.03
    curved: bool = False
    depth: float = 1.0
    branch: float = 0.0
    scatter: float = 0.0
    logarithmic: bool = False


def settings() -> Iterator[Setting]:
    """The rows: one thing after the other changed about a 50 % stenosis of 10 mm in a vessel of 3 mm."""
    for diameter in (0.8, 1.2, 2.0, 3.0, 4.0):
        yield Setting(f"healthy, {diameter:g} mm", diameter)
    usual = Setting("50 %, 10 mm", severity=0.5)
    for severity in (0.3, 0.5, 0.6, 0.75):
        for length in (5.0, 10.0, 20.0):
            yield replace(usual, name=f"{100 * severity:g} %, {length:g} mm", severity=severity, length=length)
    yield replace(usual, name="2 mm vessel, 50 %, 10 mm", diameter=2.0)
    for noise in (0.01, 0.02, 0.05):
        yield replace(usual, name=f"noise {100 * noise:g} %", noise=noise)
    for blur in (0.13, 0.27):
        yield replace(usual, name=f"blur {blur:g} mm", blur=blur)
    for pixel in (0.15, 0.3):
        yield replace(usual, name=f"pixel {pixel:g} mm", pixel=pixel)
    yield replace(usual, name="curved, radius 25 mm", curved=True)
    yield replace(usual, name="lesion 1.4 times as deep as wide", depth=1.4)
    yield replace(usual, name="lesion 0.7 times as deep as wide", depth=0.7)
    yield replace(usual, name="1.5 mm branch at the lesion's start", branch=1.5)
    yield replace(usual, name="scatter half the beam", scatter=0.5)
    yield replace(usual, name="logarithmic frame", logarithmic=True)


def scene(one: Setting) -> tuple[Tube, Array, Array]:
    """The vessel, its frame without noise, and the points given, pixels."""
    size = 1.0 / one.pixel
    if one.curved:
        line = arc((20.0 * size, 32.0 * size), 25.0 * size, -0.5 * np.pi - 0.6, -0.5 * np.pi + 0.7)
    else:
        line = straight((0.0, 6.2 * size), (32.0 * size, 7.4 * size))
    middle = 0.5 * arc_length(line)[-1]
    half = 0.5 * one.length * size

    def depth(s: Array) -> Array:
        inside = np.abs(s - middle) < half
        return 1.0 + (one.depth - 1.0) * inside * 0.5 * (1.0 + np.cos(np.pi * (s - middle) / half))

    tube = Tube(line, lesion(0.5 * one.diameter * size, one.severity, middle, 2.0 * half), depth)
    tubes = [tube]
    if one.branch:
        start = line[int((0.5 - 0.5 * one.length / 32.0) * len(line))]
        way = straight(tuple(start), tuple(start + np.array([6.0, 5.5]) * size))
        tubes.append(Tube(way, lambda s: np.full_like(s, 0.5 * one.branch * size)))

    def background(column: Array, row: Array) -> Array:
        x, y = column * one.pixel, row * one.pixel
        return np.asarray(1.0 + 0.15 * np.sin(x / 6.0) * np.cos(y / 4.5) + 0.03 * np.sin(x / 1.7 + y))

    high = int(np.ceil((14.0 if not one.curved else 22.0) * size))
    shape = (high, int(np.ceil((32.0 if not one.curved else 40.0) * size)))
    dose = render(
        tubes,
        shape,
        absorption=ABSORPTION * one.pixel,
        blur=one.blur * size,
        background=background,
        scatter=one.scatter,
    )
    inner = int(0.05 * len(line))
    return tube, dose, line[[inner, len(line) // 2, -inner]]


def half_height(picture: Array, midline: Array, right: Array, left: Array) -> Array:
    """(n,) width where the profile is half way between its lowest and the level beside it, each side by itself."""
    offsets = np.arange(-30.0, 30.1, 0.25)
    profile = gaussian_filter1d(straightened(picture, midline, offsets), 2.0, axis=0)
    widths = np.empty(len(midline))
    for row, values in enumerate(profile):
        inside = (offsets > right[row]) & (offsets < left[row])
        low = np.nanmin(values[inside]) if inside.any() else np.nan
        ends = []
        for edge, side in ((left[row], 1.0), (right[row], -1.0)):
            beside = (side * (offsets - edge) > 3.0) & (side * (offsets - edge) < 8.0)
            level = 0.5 * (low + np.nanmean(values[beside]))
            way = np.flatnonzero((side * offsets >= 0.0) & (values > level))
            ends.append(np.abs(offsets[way]).min() if len(way) else np.nan)
        widths[row] = sum(ends) - 0.25
    return widths


def widths(frame: Array, points: Array, one: Setting) -> dict[str, tuple[Array, Array]]:
    """Method -> (n, 2) midline and (n,) widths, pixels; those without a model stand on the midline of the fit."""
    blur = float(np.hypot(one.blur / one.pixel, 12.0**-0.5))
    sought, known = (
        traced(frame, points, TraceOptions(blur=given, logarithmic=one.logarithmic)).contours for given in (None, blur)
    )
    picture = log_brightness(frame, one.logarithmic)
    right, left = steepest_edges(picture, known.midline, 20.0)
    found = (left - right, half_height(picture, known.midline, right, left))
    lines = (known.midline, known.midline, sought.midline, known.midline)
    return dict(zip(METHODS, zip(lines, (*found, sought.width, known.width), strict=True), strict=True))


def errors(one: Setting) -> tuple[dict[str, tuple[Array, Array]], int]:
    """Method -> width less the truth over all sections, and at the narrowest place of each frame, mm; times refused.

    Where there is no lesion the mean over the stretch stands for the narrowest place.
    """
    tube, dose, points = scene(one)
    found: dict[str, tuple[list[Array], list[float]]] = {method: ([], []) for method in METHODS}
    refused, cut = 0, int(np.ceil(ENDS / one.pixel))
    for seed in range(SEEDS):
        frame = counted(dose, one.noise, seed)
        if one.logarithmic:
            frame = 400.0 * np.log(np.maximum(frame, 1.0))
        try:
            read = widths(frame, points, one)
        except InputError as error:
            print(error)
            refused += 1
            continue
        for method, (midline, width) in read.items():
            nearest = cKDTree(tube.line).query(midline)[1]
            truth = 2.0 * tube.radius(arc_length(tube.line)[nearest])[cut:-cut]
            off = width[cut:-cut] - truth
            found[method][0].append(one.pixel * off)
            least = np.nanmin(width[cut:-cut]) - truth.min() if one.severity else np.nanmean(off)
            found[method][1].append(one.pixel * float(least))
    none = np.empty(0)
    return {
        method: (np.concatenate([*whole, none]), np.array(least)) for method, (whole, least) in found.items()
    }, refused


def _cell(values: Array) -> str:
    return f"{np.nanmean(values):+.3f} ± {np.nanstd(values):.3f}" if len(values) else "-"


def main() -> None:
    """Table: mean ± standard deviation, over all sections and at the narrowest place."""
    rows: list[tuple[str, ...]] = []
    every: dict[str, tuple[list[Array], list[Array]]] = {method: ([], []) for method in METHODS}
    refusals = 0
    for one in settings():
        found, refused = errors(one)
        rows.append((one.name, *(f"{_cell(found[method][0])}; {_cell(found[method][1])}" for method in METHODS)))
        print(" | ".join(rows[-1]), flush=True)
        refusals += refused
        for method, (whole, least) in found.items():
            every[method][0].append(whole)
            if one.severity:
                every[method][1].append(least)
    means = [f"{_cell(np.concatenate(whole))}; {_cell(np.concatenate(least))}" for whole, least in every.values()]
    rows.append(("all rows; all lesions", *means))
    usual = Setting("")
    note = (
        "Error of the diameter, mm: mean ± standard deviation over all sections; then at the narrowest place (without "
        f"a lesion: of the mean along the stretch). {SEEDS} frames a row, {refusals} traces refused. Where a row does "
        f"not say otherwise: 3 mm, pixels of {usual.pixel:g} mm, blur {usual.blur:g} mm (standard deviation, without "
        f"the pixel's own width), noise {100 * usual.noise:g} % of the background, 50 % over 10 mm."
    )
    publish(Table("contour_accuracy", ("vessel", *METHODS), tuple(rows), note))


if __name__ == "__main__":
    main()
