"""Contours on six real angiograms (ARCADE), beside the masks that readers drew round a diseased stretch.

The points given are what a user would click: the ends of the longest way along the mask's skeleton (moved inwards, as a
mask ends with the reader's pen and not with the vessel) and its middle. The frames have no calibration. The masks of
this set mark stenotic stretches, drawn by hand round the vessel and wider than it: their width is no truth. So the
distance of the midlines is the figure to look at; Dice says how much of the drawn area the lumen fills. The frames
lie in ``$HEMO_DATA/angiogram_frames``.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from skimage.draw import polygon2mask
from skimage.graph import MCP_Geometric
from skimage.io import imread
from skimage.morphology import skeletonize

from hemo.errors import InputError
from hemo.qfr.contours import Trace, traced
from validation.table import DOCS, Table, publish

Array = NDArray[Any]

INWARDS = 6  # pixels from the skeleton's ends


@dataclass(frozen=True)
class Reading:
    """A frame, its mask, the points (k, 2) given and the skeleton's way (n, 2), and what came of it."""

    frame: Array
    mask: Array
    points: Array
    skeleton: Array
    found: Trace | str
    seconds: float


def longest_way(mask: Array) -> Array:
    """(n, 2) column and row along the longest way of the mask's skeleton, from the end that lies higher."""
    line = skeletonize(mask)
    way = MCP_Geometric(np.where(line, 1.0, np.inf))
    start = tuple(np.argwhere(line)[0])
    for _ in range(2):  # the farthest from anywhere is an end; the farthest from that, the other
        costs, _ = way.find_costs([start])
        end = np.unravel_index(int(np.argmax(np.where(np.isfinite(costs), costs, -1.0))), mask.shape)
        path, start = np.array(way.traceback(end))[:, ::-1], tuple(int(k) for k in end)
        way = MCP_Geometric(np.where(line, 1.0, np.inf))
    return path if path[0, 1] <= path[-1, 1] else path[::-1]


def read(folder: Path, number: int) -> Reading:
    """Trace one of the frames."""
    frame, mask = (imread(folder / part / f"{number}.png") for part in ("images", "masks"))
    skeleton = longest_way(mask > 0)[INWARDS:-INWARDS]
    points = skeleton[[0, len(skeleton) // 2, -1]].astype(float)
    start = time.perf_counter()
    try:
        found: Trace | str = traced(frame.astype(float), points)
    except InputError as error:
        found = str(error)
    return Reading(frame, mask > 0, points, skeleton, found, time.perf_counter() - start)


def agreement(reading: Reading) -> tuple[float, float, float, float, float]:
    """Distance of the midlines (mean, 95th percentile, pixels), Dice, and median widths of contours and mask, pixels.

    The mask counts where it faces the traced stretch: within its ends' cross-sections.
    """
    assert isinstance(reading.found, Trace)
    contours = reading.found.contours
    distance, _ = cKDTree(contours.midline).query(reading.skeleton)
    outline = np.concatenate([contours.left, contours.right[::-1]])
    lumen = polygon2mask(reading.mask.shape, outline[:, ::-1])
    places = np.argwhere(reading.mask)[:, ::-1]
    _, facing = cKDTree(contours.midline).query(places)
    faced = places[(facing > 0) & (facing < len(contours.midline) - 1)]
    drawn = np.zeros_like(reading.mask)
    drawn[faced[:, 1], faced[:, 0]] = True
    dice = 2.0 * np.count_nonzero(drawn & lumen) / (np.count_nonzero(drawn) + np.count_nonzero(lumen))
    length = np.linalg.norm(np.diff(contours.midline, axis=0), axis=1).sum()
    widths = float(np.median(contours.width)), np.count_nonzero(drawn) / length
    return float(distance.mean()), float(np.percentile(distance, 95)), float(dice), *widths


def main() -> None:
    """Table and figure."""
    data = os.environ.get("HEMO_DATA")
    if data is None:
        print("angiogram_frames: skipped, because HEMO_DATA does not say where the frames are")
        return
    readings = [read(Path(data) / "angiogram_frames", number) for number in range(1, 7)]
    rows = []
    for number, reading in enumerate(readings, start=1):
        if isinstance(reading.found, str):
            rows.append((str(number), "refused", *["-"] * 6, reading.found))
            continue
        mean, high, dice, width, drawn = agreement(reading)
        figures = (f"{mean:.1f}", f"{high:.1f}", f"{dice:.2f}", f"{width:.1f}", f"{drawn:.1f}")
        quality = (f"{np.median(reading.found.error):.2f}", f"{reading.found.blur:.2f}")
        rows.append((str(number), str(len(reading.found.contours.midline)), *figures, *quality))
    columns = ("frame", "points", "midline off, mean / px", "95 % / px", "Dice", "width / px", "mask's width / px")
    columns += ("error by noise / px", "blur / px")
    slowest = max(reading.seconds for reading in readings)
    note = (
        "Masks mark the diseased stretch and are drawn by hand round the vessel: their width is no truth, and their "
        "skeleton is as far off the vessel as the pen. The width is the median along the stretch; its error is the "
        f"standard deviation by noise alone. A frame took at most {slowest:.1f} s, one core."
    )
    publish(Table("angiogram_frames", columns, tuple(rows), note))
    _draw(readings)


def _draw(readings: list[Reading]) -> None:
    figure = Figure(figsize=(13, 9), layout="constrained")
    for number, (panel, reading) in enumerate(zip(figure.subplots(2, 3).ravel(), readings, strict=True), start=1):
        panel.imshow(reading.frame, cmap="gray", interpolation="nearest")
        panel.contour(reading.mask, [0.5], colors="C1", linewidths=0.6)
        panel.plot(*reading.points.T, "c+", ms=6)
        if isinstance(reading.found, Trace):
            contours = reading.found.contours
            for line, style in ((contours.left, "r-"), (contours.right, "r-"), (contours.midline, "y-")):
                panel.plot(*line.T, style, lw=0.8)
        low, high = reading.skeleton.min(axis=0) - 35, reading.skeleton.max(axis=0) + 35
        middle, half = 0.5 * (low + high), 0.5 * float((high - low).max())
        panel.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] + half, middle[1] - half))
        panel.set(xticks=[], yticks=[], title=f"frame {number}")
    figure.savefig(DOCS / "figures" / "angiogram_frames.png", dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()
