"""Figures of a study as SVG: scatter with its line, Bland-Altman, ROC, accuracy by band."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.agreement.bands import GREY
from hemo.agreement.roc import curve
from hemo.agreement.study import MethodResult, Unit, paired_rows
from hemo.pictures import DARK, svg

Array = NDArray[Any]
COLOURS = ("#1b4f8a", "#c0561f")
GUIDE = "#999999"


def _axes(width: float = 5.4, height: float = 4.6) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    panel = figure.subplots()
    panel.spines[["top", "right"]].set_visible(False)
    return figure, panel


def _name(panel: Any, x: str, y: str, title: str) -> None:
    """Labels that a user's column names are part of: no mathematics in them."""
    panel.set_xlabel(x, parse_math=False)
    panel.set_ylabel(y, parse_math=False)
    panel.set_title(title, fontsize=10, loc="left", parse_math=False)


def _values(unit: Unit, found: MethodResult) -> tuple[Array, Array]:
    rows = paired_rows(unit.cohort, found.index)
    return unit.cohort.measured.values[rows], found.index.values[rows]


def scatter_figure(unit: Unit, found: MethodResult) -> str:
    """The method over the wire, with the line of identity, Passing and Bablok's, and both cut-offs."""
    wire, values = _values(unit, found)
    figure, panel = _axes()
    panel.axvline(unit.cohort.measured.rule.cutoff, color=GUIDE, lw=0.8)
    panel.axhline(found.index.rule.cutoff, color=GUIDE, lw=0.8)
    panel.plot(wire, values, "o", ms=3.5, mfc=COLOURS[0], mec="none", alpha=0.45)
    if found.agreement is not None:
        low = float(min(wire.min(), values.min())) - 0.02
        high = float(max(wire.max(), values.max())) + 0.02
        panel.plot([low, high], [low, high], ":", color=DARK, lw=1, label="identity")
        panel.set(xlim=(low, high), ylim=(low, high), aspect="equal")
        line = found.passing_bablok
        if line is not None:
            ends = np.array([wire.min(), wire.max()])
            label = f"Passing-Bablok: {line.intercept.value:.2f} + {line.slope.value:.2f} * wire"
            panel.plot(ends, line.intercept.value + line.slope.value * ends, color=COLOURS[1], lw=1.6, label=label)
        panel.legend(fontsize=8, frameon=False, loc="upper left")
    r = found.related.pearson
    title = f"{found.rows} {unit.cohort.unit}s, r = {r.value:.2f} ({r.low:.2f} to {r.high:.2f})"
    _name(panel, unit.cohort.measured.name, found.index.name, title)
    return svg(figure)


def bland_altman_figure(unit: Unit, found: MethodResult) -> str | None:
    """Difference over mean, with bias and limits of agreement and their intervals; None on another scale."""
    agreement = found.agreement
    if agreement is None:
        return None
    wire, values = _values(unit, found)
    figure, panel = _axes(6.4, 4.2)
    panel.plot(0.5 * (wire + values), values - wire, "o", ms=3.5, mfc=COLOURS[0], mec="none", alpha=0.45)
    panel.axhline(0.0, color=GUIDE, lw=0.8)
    named = (("bias", agreement.bias, "-"), ("+1.96 SD", agreement.upper, "--"), ("-1.96 SD", agreement.lower, "--"))
    for text, one, style in named:
        panel.axhline(one.value, color=COLOURS[1], ls=style, lw=1.4)
        if np.isfinite(one.low):
            panel.axhspan(one.low, one.high, color=COLOURS[1], alpha=0.15, lw=0)
        shift = {"xytext": (3, 0), "textcoords": "offset points", "fontsize": 8, "va": "center"}
        panel.annotate(f"{text}\n{one.value:+.3f}", (1.0, one.value), xycoords=("axes fraction", "data"), **shift)
    title = f"{found.rows} {unit.cohort.unit}s of {found.patients} patients; bands are 95 % intervals"
    names = unit.cohort.measured.name, found.index.name
    _name(panel, f"mean of {names[1]} and {names[0]}", f"{names[1]} less {names[0]}", title)
    return svg(figure)


def roc_figure(unit: Unit) -> str | None:
    """Curves of every method on its own rows; None where the wire calls all rows the same."""
    figure, panel = _axes(5.0, 4.8)
    drawn = False
    for found, colour in zip(unit.methods, COLOURS, strict=False):
        wire, values = _values(unit, found)
        true = unit.cohort.measured.rule.abnormal(wire)
        if not true.any() or true.all():
            continue
        drawn = True
        false_rate, true_rate, _ = curve(found.index.rule.score(values), true)
        area = found.area
        interval = f" ({area.low:.2f} to {area.high:.2f})" if np.isfinite(area.low) else ""
        panel.plot(false_rate, true_rate, color=colour, lw=1.6, label=f"{found.index.name}: {area.value:.2f}{interval}")
        shares = found.diagnosis.proportions
        point = 1.0 - shares["specificity"].wilson.value, shares["sensitivity"].wilson.value
        panel.plot(*point, "o", mfc="white", mec=colour, ms=6)
    if not drawn:
        return None
    panel.plot([0, 1], [0, 1], ":", color=GUIDE, lw=1)
    panel.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    for text in panel.legend(fontsize=8, frameon=False, loc="lower right", title="area (95 %)").get_texts():
        text.set_parse_math(False)
    rule = f"{unit.cohort.measured.name} {unit.cohort.measured.rule.text}"
    _name(
        panel, "1 - specificity", "sensitivity", f"reference: {rule}, by {unit.cohort.unit}; circles: the cut-off used"
    )
    return svg(figure)


def bands_figure(unit: Unit) -> str:
    """Accuracy of every method by band of the wire's value, with the ceilings; bars are 95 % intervals."""
    figure, panel = _axes(7.2, 4.2)
    shown = unit.methods[0].bands[:6]
    place = np.arange(len(shown))
    for part, text, colour in (("ceiling", "perfect method", "#2c7a3f"), ("second_wire", "second wire", GUIDE)):
        bottom, top = (100.0 * np.array([end(getattr(band, part)) for band in shown]) for end in (min, max))
        style = {"color": colour, "alpha": 0.6, "label": f"reach of a {text}"}
        panel.bar(place, top - bottom + 0.6, 0.9, bottom=bottom - 0.3, **style)
    for number, (found, colour) in enumerate(zip(unit.methods, COLOURS, strict=False)):
        shift = 0.16 * (2 * number - (len(unit.methods) - 1))
        shares = [band.accuracy.wilson for band in found.bands[:6]]
        value = np.array([share.value for share in shares])
        reach = np.array([[share.value - share.low, share.high - share.value] for share in shares]).T
        panel.errorbar(
            place + shift,
            100.0 * value,
            100.0 * np.maximum(reach, 0.0),
            fmt="o",
            color=colour,
            ms=5,
            capsize=3,
            label=found.index.name,
        )
    labels = [f"{band.label}\n({band.accuracy.denominator})" for band in shown]
    panel.set_xticks(place, labels, fontsize=8)
    panel.set_ylim(0.0, 103.0)
    legend = panel.legend(fontsize=8, frameon=False, loc="lower left")
    for text in legend.get_texts():
        text.set_parse_math(False)
    title = f"by {unit.cohort.unit}; grey zone {GREY[0]:.2f} to {GREY[1]:.2f}"
    _name(panel, f"{unit.cohort.measured.name} (rows)", "accuracy / %", title)
    return svg(figure)


def drawings(units: Sequence[Unit]) -> list[tuple[str, str, str]]:
    """File name without suffix, caption, and SVG of every figure."""
    made: list[tuple[str, str, str | None]] = []
    for unit in units:
        by = unit.cohort.unit
        for found in unit.methods:
            name = found.index.name
            if by == "vessel" or len(units) == 1:
                made.append((f"scatter_{name}_{by}", f"{name} over the wire", scatter_figure(unit, found)))
                made.append((f"bland_altman_{name}_{by}", f"Differences of {name}", bland_altman_figure(unit, found)))
        made.append((f"roc_{by}", f"ROC by {by}", roc_figure(unit)))
        made.append((f"bands_{by}", f"Accuracy by band, by {by}", bands_figure(unit)))
    return [(name, caption, drawn) for name, caption, drawn in made if drawn is not None]
