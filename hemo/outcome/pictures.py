"""Figures of a study as SVG: Kaplan-Meier curves, calibration, ROC, ratios, thresholds, measures over time."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.outcome.estimates import Estimate
from hemo.outcome.models import EventModels
from hemo.outcome.serial import ALL, Serial
from hemo.outcome.study import EventSection, SerialSection, ThresholdSection, TrialSection
from hemo.outcome.survival import Episodes, at_risk, curve
from hemo.outcome.thresholds import ThresholdStudy
from hemo.outcome.trial import Comparison
from hemo.pictures import DARK, svg

Array = NDArray[Any]
COLOURS = ("#1b4f8a", "#c0561f", "#2c7a3f", "#8a3f9c", "#7a6a00", "#444444")


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _plain(panel: Any) -> None:
    """No upper and right line; texts of users as they are."""
    panel.spines[["top", "right"]].set_visible(False)
    texts = [panel.title, *panel.get_xticklabels(), *panel.get_yticklabels(), *panel.texts]
    legend = panel.get_legend()
    for text in [*texts, *(legend.get_texts() if legend else [])]:
        text.set_parse_math(False)


def survival_figure(one: Comparison, arms: tuple[str, str], section: TrialSection) -> str:
    """Cumulative incidence of both arms with pointwise intervals, and how many are followed."""
    end = float(one.episodes.exit.max())
    ticks = _ticks(end)
    figure = _figure(6.4, 4.4)
    upper, lower = figure.subplots(2, 1, height_ratios=[5, 1], sharex=True)
    highest = 0.0
    for arm, (name, colour) in enumerate(zip(arms, COLOURS, strict=False)):
        highest = max(highest, _incidence(upper, one.episodes.of_arm(arm), name, colour))
        counts = at_risk(one.episodes.of_arm(arm), ticks)
        for tick, count in zip(ticks, counts, strict=True):
            lower.text(tick, 1.0 - arm, str(count), ha="center", va="center", fontsize=8, color=colour)
    upper.axvline(section.horizon, color="#bbbbbb", lw=0.8)
    upper.set(ylim=(0.0, min(1.0, 1.15 * highest + 0.01)), xlim=(0.0, end), ylabel="cumulative incidence")
    upper.set_title(one.name, fontsize=10, loc="left")
    upper.legend(fontsize=8, frameon=False, loc="upper left")
    lower.set(ylim=(-0.6, 1.6), yticks=[1.0, 0.0], yticklabels=arms, xticks=ticks, xlabel=f"time / {section.unit}")
    lower.set_title("number at risk", fontsize=8, loc="left")
    lower.spines[["left", "bottom"]].set_visible(False)
    lower.tick_params(length=0, labelsize=8)
    lower.tick_params(axis="y", pad=14)  # room for the number at the start
    for panel in (upper, lower):
        _plain(panel)
    return svg(figure)


def _ticks(end: float) -> Array:
    """About six round times."""
    raw = end / 6.0
    scale = 10.0 ** np.floor(np.log10(max(raw, 1e-9)))
    step = next(k * scale for k in (1.0, 2.0, 2.5, 5.0, 10.0) if k * scale >= raw)
    return np.arange(0.0, end + 0.01 * step, step)


def _incidence(panel: Any, episodes: Episodes, name: str, colour: str) -> float:
    """Draw a curve; its highest point."""
    found = curve(episodes)
    time = np.concatenate([[0.0], found.time, [found.last]])
    risk = np.concatenate([[0.0], 1.0 - found.survival, [1.0 - found.survival[-1] if len(found.survival) else 0.0]])
    panel.step(time, risk, where="post", color=colour, lw=1.4, label=name)
    bounds = [found.risk(when) for when in found.time]
    if bounds:
        low, high = ([getattr(one, side) for one in bounds] for side in ("low", "high"))
        panel.fill_between(found.time, low, high, step="post", color=colour, alpha=0.15, linewidth=0)
        return float(np.nanmax([*high, risk.max()]))
    return float(risk.max())


def forest(rows: Sequence[tuple[str, Estimate]], label: str, none: float, margin: float | None = None) -> str:
    """Estimates with their intervals below one another; ``none`` is no effect (1 on a logarithmic axis, or 0)."""
    known = [(name, one) for name, one in rows if np.isfinite(one.low) and np.isfinite(one.high)]
    figure = _figure(6.4, 0.9 + 0.28 * max(len(known), 1))
    panel = figure.subplots()
    for place, (_, one) in enumerate(reversed(known)):
        panel.plot([one.low, one.high], [place, place], color=COLOURS[0], lw=1.4)
        panel.plot(one.value, place, "s", color=COLOURS[0], ms=5)
    panel.axvline(none, color="#999999", lw=0.8)
    if margin is not None:
        panel.axvline(margin, color=COLOURS[1], lw=1.0, ls="--")
        panel.text(margin, len(known) - 0.45, " margin", color=COLOURS[1], fontsize=8, va="bottom")
    if none == 1.0:
        panel.set_xscale("log")
        _log_ticks(panel)
    panel.set(yticks=range(len(known)), ylim=(-0.6, len(known) - 0.4), xlabel=label)
    panel.set_yticklabels([name for name, _ in reversed(known)], fontsize=8)
    _plain(panel)
    return svg(figure)


def _log_ticks(panel: Any) -> None:
    """Round ratios within the axis, written out."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    low, high = panel.get_xlim()
    steps = (1.0, 2.0, 5.0) if high / low > 4.0 else (1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0)
    ticks = [k * 10.0**power for power in range(-4, 5) for k in steps if low <= k * 10.0**power <= high]
    panel.xaxis.set_major_locator(FixedLocator(ticks))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def calibration_figure(found: EventModels, section: EventSection) -> str:
    """Observed against predicted, cross-validated, a panel a model."""
    count = len(found.results)
    columns = min(count, 3)
    rows = -(-count // columns)
    figure = _figure(3.2 * columns, 3.3 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, one, colour in zip(panels, found.results, COLOURS * 10, strict=False):
        drawn = one.calibration
        top = 0.05
        for predicted, observed in zip(drawn.predicted, drawn.observed, strict=True):
            panel.plot([predicted, predicted], [observed.low, observed.high], color=colour, lw=1.0)
            panel.plot(predicted, observed.value, "o", color=colour, ms=4)
            top = max([top, predicted, *(x for x in (observed.value, observed.high) if np.isfinite(x))])
        if drawn.smooth.size:
            panel.plot(*drawn.smooth, color=DARK, lw=1.0, ls="--")
        panel.plot([0.0, 1.0], [0.0, 1.0], color="#999999", lw=0.8)
        panel.set(xlim=(0.0, min(1.0, 1.05 * top)), ylim=(0.0, min(1.0, 1.05 * top)), aspect="equal")
        panel.set_title(f"{fill(one.name, 32)}\nslope {one.cross_validated['slope']:.2f}", fontsize=8, loc="left")
        panel.set(xlabel="predicted risk", ylabel="observed")
        _plain(panel)
    for panel in panels[count:]:
        panel.set_axis_off()
    return svg(figure)


def roc_figure(found: EventModels) -> str:
    """ROC of cross-validated predictions of all models."""
    figure = _figure(7.2, 4.2)
    panel = figure.subplots()
    for one, colour in zip(found.results, COLOURS * 10, strict=False):
        label = fill(f"{one.name}: {one.cross_validated['discrimination']:.2f}", 30)
        panel.plot(*one.roc, color=colour, lw=1.4, label=label)
    panel.plot([0.0, 1.0], [0.0, 1.0], color="#999999", lw=0.8)
    panel.set(xlim=(0.0, 1.0), ylim=(0.0, 1.0), box_aspect=1.0, xlabel="1 - specificity", ylabel="sensitivity")
    figure.legend(fontsize=8, frameon=False, loc="outside right center", title="AUC, cross-validated", title_fontsize=8)
    _plain(panel)
    return svg(figure)


def threshold_figure(found: ThresholdStudy, section: ThresholdSection) -> str:
    """Thresholds by group with intervals, beside the fixed one."""
    rows = [(f"{one.group} ({one.rows})", one.threshold) for one in found.results]
    return forest(rows, f"threshold of {section.measure}; the line is {section.against:g}", section.against)


def serial_figure(found: Serial, section: SerialSection) -> str:
    """Mean with 95 % interval at each time, by group, a panel a measure."""
    groups = list(found.groups) or [ALL]
    figure = _figure(3.4 * len(section.measures), 3.2)
    panels = figure.subplots(1, len(section.measures), squeeze=False).ravel()
    for panel, measure in zip(panels, section.measures, strict=True):
        for place, (group, colour) in enumerate(zip(groups, COLOURS * 10, strict=False)):
            own = [one for one in found.levels if one.measure == measure and one.group == group]
            at = np.arange(len(own)) + 0.06 * (place - (len(groups) - 1) / 2.0)
            half = [1.96 * one.sd / np.sqrt(one.rows) if one.rows > 1 else np.nan for one in own]
            panel.errorbar(at, [one.mean for one in own], half, color=colour, marker="o", ms=4, lw=1.2, label=group)
        if measure in section.gate:
            panel.axhline(section.gate[measure], color="#999999", lw=0.8)
        panel.set(xticks=range(len(found.order)), xlim=(-0.4, len(found.order) - 0.6), ylabel=measure)
        panel.set_xticklabels(found.order)
        if found.groups:
            panel.legend(fontsize=8, frameon=False)
        _plain(panel)
    return svg(figure)
