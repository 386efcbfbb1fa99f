"""Figures and ``report.html`` of ``hemo pullback``: areas and FFR along the vessel, chosen frames, tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.files import file_name
from hemo.indices import THRESHOLD
from hemo.pagefile import write_template
from hemo.pictures import DARK, LESION, kept, svg
from hemo.pullback import PullbackAnalysis
from hemo.pullbackcomparison import Comparison
from hemo.units import MILLIMETRE, SQUARE_MILLIMETRE

Array = NDArray[Any]
COLOURS = {"lumen": LESION, "eem": "#2c7a3f", "stent": "#222222", "calcium": "#1b4f8a", "branch": "#8a3f9c"}


def write_page(
    folder: Path, summary: dict[str, Any], analyses: Sequence[PullbackAnalysis], comparison: Comparison | None
) -> None:
    """Write ``report.html`` and ``figures/*.svg`` into a folder."""
    (folder / "figures").mkdir(exist_ok=True)
    drawn = []
    for found in analyses:
        name = file_name(found.pullback.name)
        curves = kept(folder / "figures" / f"{name}_curves.svg", curves_figure(found))
        frames = kept(folder / "figures" / f"{name}_frames.svg", frames_figure(found))
        drawn.append({"curves": curves, "frames": frames})
    pair = None
    if comparison is not None:
        pair = kept(folder / "figures" / "comparison.svg", comparison_figure(comparison, analyses))
    values = {"summary": summary, "drawn": drawn, "pair": pair, "threshold": THRESHOLD}
    write_template(folder / "report.html", "pullback.html", values)


def curves_figure(found: PullbackAnalysis) -> str:
    """SVG of areas, plaque burden or calcium arc where drawn, and FFR over the distance from the proximal end."""
    from matplotlib.figure import Figure

    place = found.pullback.place / MILLIMETRE
    extra = found.plaque is not None or found.calcium is not None
    rows = 3 if extra else 2
    figure = Figure(figsize=(7.2, 2.4 + 1.5 * rows), layout="constrained")
    panels = figure.subplots(rows, 1, sharex=True, height_ratios=[3, 2, 2][:rows])
    _draw_areas(panels[0], found, place)
    if extra:
        _draw_wall(panels[1], found, place)
    _draw_ffr(panels[-1], found)
    panels[-1].set_xlabel("distance from the pullback's proximal end / mm")
    for panel in panels:
        panel.spines[["top", "right"]].set_visible(False)
        for lesion in found.tree.lesions:
            span = lesion.start / MILLIMETRE, lesion.end / MILLIMETRE
            panel.axvspan(*span, color=LESION, alpha=0.08, linewidth=0)
        for side in found.tree.side_branches:
            panel.axvline(side.place / MILLIMETRE, color="#bbbbbb", linewidth=0.8)
    panels[0].set_title(found.pullback.name, fontsize=10, loc="left", parse_math=False)
    return svg(figure)


def _draw_areas(panel: Any, found: PullbackAnalysis, place: Array) -> None:
    area = found.sections.area / SQUARE_MILLIMETRE
    panel.plot(place, area, ".-", color=COLOURS["lumen"], label="lumen", ms=4, lw=1.2)
    panel.plot(place, found.healthy_area / SQUARE_MILLIMETRE, ":", color=DARK, label="healthy (fitted)", lw=1.2)
    if found.plaque is not None:
        panel.plot(place, found.plaque.eem_area / SQUARE_MILLIMETRE, color=COLOURS["eem"], label="EEM", lw=1.2)
    if found.stent is not None:
        panel.plot(place, found.stent.area / SQUARE_MILLIMETRE, color=COLOURS["stent"], label="stent", lw=2)
    marks = [("MLA", found.narrowest), ("proximal ref.", found.references.proximal)]
    for text, number in [*marks, ("distal ref.", found.references.distal)]:
        if number is not None:
            style = {"fontsize": 7, "ha": "center", "va": "top", "textcoords": "offset points", "xytext": (0, -6)}
            panel.annotate(text, (place[number], area[number]), **style)
            panel.plot(place[number], area[number], "o", mfc="none", mec=DARK)
    panel.set_ylim(0.0, None)
    panel.set_ylabel("area / mm²")
    panel.legend(fontsize=7, frameon=False, ncols=4, loc="lower left", bbox_to_anchor=(0.25, 1.0))


def _draw_wall(panel: Any, found: PullbackAnalysis, place: Array) -> None:
    if found.plaque is not None:
        panel.plot(place, 100.0 * found.plaque.burden, color=COLOURS["eem"], lw=1.2)
        panel.set_ylim(0.0, 100.0)
        panel.set_ylabel("plaque burden / %", color=COLOURS["eem"])
    if found.calcium is not None:
        other = panel.twinx() if found.plaque is not None else panel
        other.bar(
            place,
            np.degrees(found.calcium.arc),
            width=found.pullback.widths / MILLIMETRE,
            color=COLOURS["calcium"],
            alpha=0.35,
        )
        other.set_ylim(0.0, 360.0)
        other.set_yticks([0, 180, 360])
        other.set_ylabel("calcium arc / °", color=COLOURS["calcium"])


def _draw_ffr(panel: Any, found: PullbackAnalysis) -> None:
    name = found.tree.root.name
    curve = found.ratio.flow.ffr(name)
    along = np.linspace(0.0, found.pullback.place[-1], len(curve)) / MILLIMETRE
    panel.plot(along, curve, color="#1b4f8a", label="FFR")
    if found.ratio.opened is not None:
        panel.plot(along, found.ratio.opened.ffr(name), "--", color="#1b4f8a", label="lesions opened", lw=1)
        panel.legend(fontsize=7, frameon=False, loc="lower left")
    panel.axhline(THRESHOLD, color="#999999", linewidth=0.8)
    panel.set_ylim(min(0.7, float(curve.min()) - 0.05), 1.02)
    panel.set_ylabel("FFR")


def chosen_frames(found: PullbackAnalysis) -> list[tuple[str, int]]:
    """What is worth seeing, and the frame that shows it, from proximal to distal."""
    chosen: dict[int, str] = {}

    def add(text: str, number: int | None) -> None:
        if number is not None:
            chosen[int(number)] = f"{chosen[int(number)]}, {text}" if int(number) in chosen else text

    add("minimal lumen", found.narrowest)
    add("proximal reference", found.references.proximal)
    add("distal reference", found.references.distal)
    if found.plaque is not None:
        add("most plaque", int(np.nanargmax(found.plaque.burden)))
    if found.calcium is not None:
        add("widest calcium", int(found.calcium.arc.argmax()))
    if found.stent is not None:
        add("minimal stent", found.stent.minimal)
        if np.nanmax(found.stent.malapposed_angle) > 0.0:
            add("most malapposed", int(np.nanargmax(found.stent.malapposition)))
    return [(text, number) for number, text in sorted(chosen.items())]


def frames_figure(found: PullbackAnalysis) -> str:
    """SVG of the outlines of the chosen frames, all to one scale."""
    from matplotlib.figure import Figure

    chosen = chosen_frames(found)
    columns = min(len(chosen), 4)
    rows = -(-len(chosen) // columns)
    figure = Figure(figsize=(2.3 * columns, 2.6 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    frames = found.pullback.frames
    outer = [f.lumen if f.eem is None else f.eem for f in frames]
    half = 1.15 * max(float(np.ptp(outline, axis=0).max()) for outline in outer) / 2.0 / MILLIMETRE
    for panel, (text, number) in zip(panels, chosen, strict=False):
        frame, centre = frames[number], found.sections.centre[number]
        single = (("lumen", frame.lumen), ("eem", frame.eem), ("stent", frame.stent))
        several = [("calcium", one) for one in frame.calcium] + [("branch", one) for one in frame.branches]
        for kind, outline in (*single, *several):
            if outline is not None:
                closed = (np.vstack([outline, outline[:1]]) - centre) / MILLIMETRE
                panel.plot(*closed.T, color=COLOURS[kind], lw=1.2)
        panel.set(xlim=(-half, half), ylim=(-half, half), aspect="equal")
        panel.set_title(f"{text}\nframe {frame.number}, {frame.place / MILLIMETRE:.1f} mm", fontsize=7)
        panel.tick_params(labelsize=6)
    for panel in panels[len(chosen) :]:
        panel.set_axis_off()
    return svg(figure)


def comparison_figure(found: Comparison, analyses: Sequence[PullbackAnalysis]) -> str:
    """SVG of both lumen areas on the first pullback's places, and the change."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    shifts = (0.0, found.registration.shift)
    for one, shift, colour in zip(analyses, shifts, ("#1b4f8a", "#c0561f"), strict=True):
        place = (one.pullback.place + shift) / MILLIMETRE
        upper.plot(place, one.sections.area / SQUARE_MILLIMETRE, ".-", color=colour, label=one.pullback.name)
    upper.set_ylim(0.0, None)
    upper.set_ylabel("lumen area / mm²")
    for text in upper.legend(fontsize=8, frameon=False).get_texts():
        text.set_parse_math(False)
    lower.axhline(0.0, color="#999999", lw=0.8)
    lower.fill_between(found.place / MILLIMETRE, 100.0 * found.change, color="#c0561f", alpha=0.35)
    lower.set_ylabel("change / %")
    lower.set_xlabel("distance from the first pullback's proximal end / mm")
    for panel in (upper, lower):
        panel.spines[["top", "right"]].set_visible(False)
    return svg(figure)
