"""Figures and ``report.html`` of ``hemo wire``: the trace with what was left out, ratios by beat, the beats used."""

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
from hemo.units import MILLIMETRE, MMHG
from hemo.wire.analysis import WireAnalysis
from hemo.wire.artefacts import Kind
from hemo.wire.beats import smoothed
from hemo.wire.trace import Span
from hemo.wiresummary import Told

Array = NDArray[Any]
AORTIC, DISTAL = LESION, "#1b4f8a"
SHADES = {
    Kind.FLUSH: "#e08214",
    Kind.DAMPING: "#8073ac",
    Kind.WHIP: "#35978f",
    Kind.DISCONNECTION: "#666666",
    Kind.SATURATION: "#b2abd2",
    Kind.ECTOPIC: "#c9a227",
}
WINDOWS = {"equalisation": "#777777", "rest": "#2c7a3f", "hyperaemia": "#c0561f", "pullback": "#8a3f9c"}
POINTS = 3000  # of a drawn curve
SHOWN = 12  # traces whose figures a page holds; of more it holds links


def write_page(folder: Path, summary: dict[str, Any], traces: Sequence[Told]) -> None:
    """Write ``report.html`` and ``figures/*.svg`` into a folder."""
    (folder / "figures").mkdir(exist_ok=True)
    drawn: list[dict[str, str] | None] = []
    names: set[str] = set()
    for told in traces:
        if told.analysis is None:
            drawn.append(None)
            continue
        name = _unused(file_name(told.analysis.trace.name), names)
        picture = kept(folder / "figures" / f"{name}.svg", figure(told.analysis))
        drawn.append({"file": f"figures/{name}.svg", "picture": picture if len(traces) <= SHOWN else ""})
    values = {"summary": summary, "drawn": drawn, "threshold": THRESHOLD}
    write_template(folder / "report.html", "wire.html", values)


def _unused(name: str, names: set[str]) -> str:
    number, free = 1, name
    while free in names:
        number += 1
        free = f"{name}_{number}"
    names.add(free)
    return free


def figure(found: WireAnalysis) -> str:
    """SVG of one trace."""
    from matplotlib.figure import Figure

    rows = 3 if found.pullback is None else 4
    drawing = Figure(figsize=(9.6, 2.5 * rows + 0.6), layout="constrained")
    grid = drawing.add_gridspec(rows, 2, height_ratios=[3, 2, 3, 2][:rows])
    upper = drawing.add_subplot(grid[0, :])
    lower = drawing.add_subplot(grid[1, :], sharex=upper)
    _draw_trace(upper, found)
    _draw_ratio(lower, found)
    _draw_rest(drawing.add_subplot(grid[2, 0]), found)
    _draw_full(drawing.add_subplot(grid[2, 1]), found)
    if found.pullback is not None:
        _draw_pullback(drawing.add_subplot(grid[3, :]), found)
    for panel in drawing.axes:
        panel.spines[["top", "right"]].set_visible(False)
        panel.tick_params(labelsize=8)
    upper.set_title(found.trace.name, fontsize=10, loc="left", parse_math=False)
    return svg(drawing)


def thinned(time: Array, values: Array) -> tuple[Array, Array]:
    """The same curve to the eye: lowest and highest of each short stretch."""
    width = -(-2 * len(values) // POINTS)
    if width <= 2:
        return time, values
    count = len(values) // width
    parts = values[: count * width].reshape(count, width)
    empty = np.isnan(parts).all(axis=1)
    low = np.where(empty, np.nan, np.nanmin(np.where(np.isnan(parts), np.inf, parts), axis=1))
    high = np.where(empty, np.nan, np.nanmax(np.where(np.isnan(parts), -np.inf, parts), axis=1))
    return np.repeat(time[: count * width : width], 2), np.stack([low, high], axis=1).ravel()


def _draw_trace(panel: Any, found: WireAnalysis) -> None:
    trace = found.trace
    for values, colour, label in ((trace.aortic, AORTIC, "aortic"), (trace.distal, DISTAL, "distal")):
        panel.plot(*thinned(trace.time, values / MMHG), color=colour, lw=0.6, label=label)
    usual = np.nanmax(np.where(found.quality.clean[:, None], found.quality.beats.highest, np.nan)) / MMHG
    panel.set_ylim(min(0.0, float(np.nanpercentile(trace.distal, 0.5)) / MMHG), 1.3 * usual)
    shown: set[Kind] = set()
    for one in found.quality.artefacts:
        ends = trace.start + np.array([one.first, one.last]) / trace.rate
        name = "_" if one.kind in shown else one.kind.value  # matplotlib keeps what begins so out of the legend
        panel.axvspan(*ends, color=SHADES[one.kind], alpha=0.35, lw=0, label=name)
        shown.add(one.kind)
    named = [("equalisation", window) for window in found.windows.equalisation]
    named += [(name, getattr(found.windows, name)) for name in ("rest", "hyperaemia", "pullback")]
    top = panel.get_xaxis_transform()
    for name, window in named:
        if window is not None:
            panel.plot(window.span, [0.97, 0.97], color=WINDOWS[name], lw=3, transform=top, solid_capstyle="butt")
            style = {"fontsize": 7, "color": WINDOWS[name], "transform": top, "va": "top", "ha": "center"}
            panel.text(sum(window.span) / 2.0, 0.95, name, **style)
    panel.set_ylabel("pressure / mmHg")
    panel.legend(fontsize=7, frameon=False, ncols=8, loc="lower right", bbox_to_anchor=(1.0, 1.0))


def _draw_ratio(panel: Any, found: WireAnalysis) -> None:
    beats, clean = found.quality.beats, found.quality.clean
    time = found.trace.start + 0.5 * (beats.feet[:-1] + beats.feet[1:]) / found.trace.rate
    panel.plot(time[~clean], beats.ratio[~clean], ".", color="#bbbbbb", ms=3, label="left out")
    panel.plot(time[clean], beats.ratio[clean], ".", color=DARK, ms=3, label="beat")
    ffr = found.recorded.hyperaemic.ffr
    if ffr.value is not None and ffr.span is not None:
        panel.plot(ffr.span, [ffr.value] * 2, color="#c0561f", lw=4, label=f"FFR {ffr.value:.2f}")
    panel.axhline(THRESHOLD, color="#999999", lw=0.8)
    good = beats.ratio[clean]
    panel.set_ylim(min(0.75, float(good.min()) - 0.03), max(1.05, min(float(good.max()) + 0.03, 1.2)))
    panel.set_ylabel("distal / aortic")
    panel.set_xlabel("time / s")
    panel.legend(fontsize=7, frameon=False, ncols=3, loc="lower left")


def _draw_rest(panel: Any, found: WireAnalysis) -> None:
    """The mean beat at rest, with diastole and its wave-free part."""
    still, beats, trace = found.recorded.resting, found.quality.beats, found.trace
    panel.set_title("mean beat at rest", fontsize=8, loc="left")
    panel.set_xlabel("time from the foot / s", fontsize=8)
    span = still.pd_pa.span
    if span is None:
        panel.text(0.5, 0.5, still.pd_pa.reason, ha="center", fontsize=7, transform=panel.transAxes, wrap=True)
        return
    used = np.flatnonzero(found.quality.clean & beats.within(trace.index(span[0]), trace.index(span[1])))
    length = int(np.median(np.diff(beats.feet)[used]))
    time = np.arange(length) / trace.rate
    for values, colour in ((trace.aortic, AORTIC), (trace.distal, DISTAL)):
        soft = smoothed(values, trace.rate)
        waves = [soft[a : a + length] for a in beats.feet[used] if a + length <= len(soft)]
        panel.plot(time, np.mean(waves, axis=0) / MMHG, color=colour, lw=1.2)
    if still.closure is not None and still.wave_free.value is not None:
        panel.axvline(still.closure, color="#777777", lw=0.8, ls=":")
        first = still.closure + 0.25 * (time[-1] - still.closure)
        label = f"wave-free period: {still.wave_free.value:.2f}"
        panel.axvspan(first, time[-1], color="#2c7a3f", alpha=0.12, lw=0, label=label)
        panel.legend(fontsize=7, frameon=False, loc="upper right")
    panel.set_ylabel("mmHg", fontsize=8)


def _draw_full(panel: Any, found: WireAnalysis) -> None:
    """The beats of FFR and what is about them."""
    ffr, trace = found.recorded.hyperaemic.ffr, found.trace
    panel.set_title("the three beats of FFR", fontsize=8, loc="left")
    panel.set_xlabel("time / s", fontsize=8)
    if ffr.span is None:
        panel.text(0.5, 0.5, ffr.reason, ha="center", fontsize=7, transform=panel.transAxes, wrap=True)
        return
    span: Span = (ffr.span[0] - 1.5, ffr.span[1] + 1.5)
    part = slice(trace.index(span[0]), trace.index(span[1]))
    panel.plot(trace.time[part], trace.aortic[part] / MMHG, color=AORTIC, lw=1.0)
    panel.plot(trace.time[part], trace.distal[part] / MMHG, color=DISTAL, lw=1.0)
    panel.axvspan(*ffr.span, color="#c0561f", alpha=0.12, lw=0)
    panel.set_ylabel("mmHg", fontsize=8)


def _draw_pullback(panel: Any, found: WireAnalysis) -> None:
    curve = found.pullback
    assert curve is not None
    along = curve.time if curve.place is None else curve.place / MILLIMETRE
    panel.plot(along, curve.ratio, ".-", color=WINDOWS["pullback"], ms=3, lw=1)
    panel.axhline(THRESHOLD, color="#999999", lw=0.8)
    panel.set_xlabel("time / s" if curve.place is None else "drawn back / mm", fontsize=8)
    panel.set_ylabel("distal / aortic", fontsize=8)
    panel.set_title("pullback, distal to proximal", fontsize=8, loc="left")
