"""``report.html`` of ``hemo qfr``: one file, no network, its figures inside and, as SVG, in ``figures/`` too.

Numbers in tables are those that the command prints; curves and pictures are drawn from the results themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hemo.files import file_name
from hemo.indices import MEASUREMENT_DISTANCE
from hemo.pagefile import write_template
from hemo.pictures import kept
from hemo.qfr.viewfile import MarkedView
from hemo.qfrpictures import angles, comparison_figure, curves_figure, density_figure, frame_picture, space_figure
from hemo.qfrstage import QfrResult
from hemo.units import MILLIMETRE

MODES = {
    "measured": "velocity measured under hyperaemia",
    "contrast": "contrast flow velocity, converted to hyperaemia",
    "fixed": "fixed hyperaemic velocity",
}


def write_page(
    path: Path,
    told: dict[str, Any],
    points: Sequence[tuple[str, QfrResult, Sequence[MarkedView]]],
    figures: Path,
) -> None:
    """Write the page, and its drawings into ``figures``.

    Parameters
    ----------
    told
        What ``hemo qfr --json`` prints.
    points
        Label, result and views of each of its time points, in their order; several are compared.
    """
    figures.mkdir(exist_ok=True)
    drawn = []
    for number, ((label, result, views), one) in enumerate(zip(points, told["time_points"], strict=True), 1):
        stem = file_name(label) if len(points) == 1 else f"{number}_{file_name(label)}"
        drawn.append(_drawn(stem, result, views, one["gate"]["threshold"], figures))
    pair = None
    if len(points) > 1:
        threshold = told["time_points"][0]["gate"]["threshold"]
        drawing = comparison_figure([(label, result) for label, result, _ in points], threshold)
        pair = kept(figures / "comparison.svg", drawing)
    values: dict[str, Any] = {"told": told, "drawn": drawn, "pair": pair, "angles": angles, "modes": MODES}
    values |= {"distance_mm": MEASUREMENT_DISTANCE / MILLIMETRE}
    write_template(path, "qfr.html", values, number=_number)


def _drawn(
    stem: str, result: QfrResult, views: Sequence[MarkedView], threshold: float, figures: Path
) -> dict[str, Any]:
    """One time point's figures."""
    density = density_figure(result.timed)
    return {
        "frames": [frame_picture(view, result, number) for number, view in enumerate(views)],
        "space": kept(figures / f"{stem}_vessel.svg", space_figure(result, threshold)),
        "curves": kept(figures / f"{stem}_pullback.svg", curves_figure(result, threshold)),
        "density": None if density is None else kept(figures / f"{stem}_contrast.svg", density),
    }


def _number(value: float | Sequence[float] | None, digits: int = 2) -> str:
    """A number for a table cell, several with commas; a dash where there is none."""
    if value is None:
        return "-"
    if isinstance(value, Sequence):
        return ", ".join(_number(one, digits) for one in value)
    return f"{value:.{digits}f}"
