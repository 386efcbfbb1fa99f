"""Figures of ``hemo qfr``: frames with what was drawn on them, the vessel in space, pressure along it, its contrast."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.pictures import DARK, LESION, draw_diameter, draw_ribbons, place_labels, ribbon, scale_bar, svg
from hemo.qfr.camera import Camera
from hemo.qfr.density import DensityMap
from hemo.qfr.flowmodes import Mode
from hemo.qfr.frames import Velocity
from hemo.qfr.front import arrivals
from hemo.qfr.viewfile import MarkedView
from hemo.qfrstage import QfrResult, along_vessel
from hemo.tree import Branch, VesselTree
from hemo.units import MILLIMETRE

Array = NDArray[Any]

SCALE = (0.5, 1.0)  # of the colours of QFR, as of FFR in every report
COLOURS: dict[Mode, str] = {"measured": "#2c7a3f", "contrast": "#1b4f8a", "fixed": "#c0561f"}
SERIES = ("#1b4f8a", "#c0561f", "#2c7a3f", "#8a3f9c")  # of time points
EDGE, BRANCH, LANDMARK = "#ffd54a", "#5fd3f3", "#9df09d"  # on a dark image
RIM = 0.07  # of the image's width, about the vessel


def angles(primary: float, secondary: float) -> str:
    """A view's angles in degrees as a cardiologist writes them: LAO 30 CRA 20, RAO 30 CAU 25, AP CRA 40, AP."""
    turn, tilt = round(primary), round(secondary)
    words = ["AP" if turn == 0 else f"{'LAO' if turn > 0 else 'RAO'} {abs(turn)}"]
    if tilt:
        words.append(f"{'CRA' if tilt > 0 else 'CAU'} {abs(tilt)}")
    return " ".join(words)


def angles_of(camera: Camera) -> str:
    """The same of a camera."""
    return angles(np.degrees(camera.primary_angle), np.degrees(camera.secondary_angle))


def frame_picture(view: MarkedView, result: QfrResult, number: int) -> str:
    """The frame round the vessel with contours, lesions, side branches and landmarks, as a PNG in base64."""
    from matplotlib.figure import Figure

    contours = view.contours
    frame = np.asarray(view.cine.frames[contours.frame], dtype=np.float64)
    low, high = _square_about(np.vstack([contours.left, contours.right]), frame.shape)
    figure = Figure(figsize=tuple(6.0 * (high - low) / np.max(high - low)), dpi=150)
    panel = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    shown = frame[max(int(low[1]), 0) : int(high[1]) + 1, max(int(low[0]), 0) : int(high[0]) + 1]
    dark, bright = np.percentile(shown, [0.5, 99.5])
    panel.imshow(frame, cmap="gray", vmin=dark, vmax=max(bright, dark + 1e-9), interpolation="bilinear")
    panel.set(xlim=(low[0], high[0]), ylim=(high[1], low[1]), autoscale_on=False)
    panel.set_axis_off()
    for edge in (contours.left, contours.right):
        panel.plot(*edge.T, color=EDGE, lw=0.9)
    labels = _draw_lesions(panel, view, result, number) + _draw_marks(panel, view)
    with _outlined():
        place_labels(panel, labels, np.vstack([contours.left, contours.right, contours.midline]), 12.0)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _square_about(points: Array, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Lower and upper corner (2,) of a square of the image that holds points (n, 2) of column and row, with a rim."""
    whole = np.array(shape[::-1], dtype=np.float64)
    side = np.minimum(float(np.ptp(points, axis=0).max()) + 2.0 * RIM * whole[0], whole)
    low = np.clip(0.5 * (points.min(axis=0) + points.max(axis=0) - side), -0.5, whole - 0.5 - side)
    return low, low + side


def _outlined() -> Any:
    """Text that is read on any grey."""
    import matplotlib
    from matplotlib.patheffects import withStroke

    return matplotlib.rc_context({"path.effects": [withStroke(linewidth=2.0, foreground="#111111")]})


def _draw_lesions(panel: Any, view: MarkedView, result: QfrResult, number: int) -> list[tuple[str, Array, str]]:
    """The edges beside lesions in red, a line across at the minimal lumen; the labels that are to be written."""
    inside, along = along_vessel(view.contours.midline, result.vessel, number)
    left, right = view.contours.left[inside], view.contours.right[inside]

    def edge(points: Array, place: Any) -> Array:
        return np.stack([np.interp(place, along, points[:, k]) for k in range(2)], axis=-1)

    labels = []
    for lesion in result.vessel.tree.lesions:
        if not len(along) or lesion.end < along[0] or lesion.start > along[-1]:
            continue
        part = np.linspace(lesion.start, lesion.end, 60)
        for points in (left, right):
            panel.plot(*edge(points, part).T, color="#ff4d4d", lw=2.0)
        ends = edge(left, lesion.minimum), edge(right, lesion.minimum)
        panel.plot(*np.stack(ends).T, color="#ff4d4d", lw=1.4)
        text = f"{lesion.id}: {100.0 * lesion.diameter_stenosis:.0f} % DS"
        labels.append((text, np.mean(ends, axis=0), "#ffb3b3"))
    return labels


def _draw_marks(panel: Any, view: MarkedView) -> list[tuple[str, Array, str]]:
    """Side branches as rings, landmarks as crosses; the side branches' names."""
    for place in view.landmarks.values():
        panel.plot(*place, "+", ms=8, mew=1.2, color=LANDMARK)
    for side in view.sides:
        panel.plot(*side.place, "o", ms=8, mfc="none", mew=1.5, color=BRANCH)
    return [(side.name, np.asarray(side.place), BRANCH) for side in view.sides]


def space_figure(result: QfrResult, threshold: float) -> str:
    """SVG of the vessel in space, as each view sees it, coloured by QFR."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    tree, branch = result.vessel.tree, result.vessel.branch
    scale = ScalarMappable(Normalize(*SCALE), "RdYlBu")
    seen = [(np.stack([c.axes[0], -c.axes[1]]), c.axes[2]) for c in result.vessel.cameras]
    flat = [branch.points @ axes.T / MILLIMETRE for axes, _ in seen]
    middles = [0.5 * (points.min(axis=0) + points.max(axis=0)) for points in flat]
    sizes = np.array([np.maximum(np.ptp(points, axis=0) + 24.0, 40.0) for points in flat])  # mm, room for labels
    sizes[:, 1] = sizes[:, 1].max()
    inches = min(8.2 / float(sizes[:, 0].sum()), 4.8 / float(sizes[0, 1]))  # for a millimetre
    size = inches * float(sizes[:, 0].sum()) + 1.2, inches * float(sizes[0, 1]) + 0.4
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, len(seen), width_ratios=list(sizes[:, 0]), squeeze=False).ravel()
    for panel, view, points, middle, span, camera in zip(
        panels, seen, flat, middles, sizes, result.vessel.cameras, strict=True
    ):
        low, high = middle - 0.5 * span, middle + 0.5 * span
        panel.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal", autoscale_on=False)
        panel.set_axis_off()
        panel.set_title(angles_of(camera), fontsize=10)
        for edge in ribbon(points, branch.diameter / MILLIMETRE / 2.0):
            panel.plot(*edge.T, color=DARK, lw=1.0, zorder=0.5)
        draw_ribbons(panel, [tree], view, [[result.best.ratio.curve]], scale)
    scale_bar(panels[0])
    bar = figure.colorbar(scale, ax=list(panels), shrink=0.8, label="QFR", pad=0.02)
    bar.ax.axhline(threshold, color="black")
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for panel, points in zip(panels, flat, strict=True):
        _label_in_space(panel, tree, branch, points)
    return svg(figure)


def _label_in_space(panel: Any, tree: VesselTree, branch: Branch, flat: Array) -> None:
    """Which end is proximal, where lesions are and side branches leave."""
    healthy = ribbon(flat, branch.reference_radius / MILLIMETRE)
    labels = [("proximal", flat[0], "#777777")]
    for lesion in tree.lesions:
        inside = (branch.arc >= lesion.start) & (branch.arc <= lesion.end)
        for edge in healthy:
            panel.plot(*edge[inside].T, color=LESION, lw=1.2)
        labels.append((lesion.id, flat[int(np.abs(branch.arc - lesion.minimum).argmin())], LESION))
    for side in tree.side_branches:
        place = flat[int(np.abs(branch.arc - side.place).argmin())]
        panel.plot(*place, "o", ms=6, mfc="white", mec=DARK, mew=1.0)
    place_labels(panel, labels, np.vstack([flat, *healthy]))


def curves_figure(result: QfrResult, threshold: float) -> str:
    """SVG of QFR along the vessel by every mode, the chosen one bold, over diameter and healthy reference."""
    tree, branch, best = result.vessel.tree, result.vessel.branch, result.best
    figure, upper, lower = _two_panels(threshold)
    place = branch.arc / MILLIMETRE
    for mode, one in result.modes.items():
        chosen = mode == result.chosen
        style = {"lw": 2.4, "zorder": 3} if chosen else {"lw": 0.9}
        upper.plot(place, one.ratio.curve, color=COLOURS[mode], label=f"{mode} flow", **style)
    colour = COLOURS[result.chosen]
    if best.ratio.opened is not None:
        curve = best.ratio.opened.ffr(branch.name)
        upper.plot(place, curve, "--", color=colour, lw=1.2, label=f"lesions opened ({result.chosen})")
    at, value = best.ratio.place / MILLIMETRE, best.ratio.vessel
    reach = np.abs(np.array(best.interval) - value)[:, None]
    upper.errorbar([at], [value], yerr=reach, fmt="o", color=colour, ms=6, capsize=4, lw=1.2, zorder=4)
    ends = [one.ratio.curve.min() for one in result.modes.values()]
    upper.set_ylim(min(0.7, float(min(*ends, best.interval[0])) - 0.03), 1.03)
    for lesion in tree.lesions:
        upper.axvspan(lesion.start / MILLIMETRE, lesion.end / MILLIMETRE, color=LESION, alpha=0.10, linewidth=0)
        text = {"fontsize": 8, "color": LESION, "ha": "center", "va": "top", "parse_math": False}
        middle = (lesion.start + lesion.end) / 2.0 / MILLIMETRE
        upper.text(middle, 0.99, lesion.id, transform=upper.get_xaxis_transform(), **text)
    upper.legend(fontsize=8, frameon=False, loc="lower left")
    draw_diameter(lower, tree, branch)
    for side in tree.side_branches:
        lower.plot(side.place / MILLIMETRE, 1.0, "v", ms=6, color="#777777", transform=lower.get_xaxis_transform())
    lower.set_ylim(0.0, None)
    return svg(figure)


def _two_panels(threshold: float) -> tuple[Any, Any, Any]:
    """A figure with a panel for QFR and, below it, one for diameters."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.4, 5.2), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    upper.axhline(threshold, color="#999999", lw=0.8)
    upper.set_ylabel("QFR")
    lower.set_ylabel("diameter / mm")
    lower.set_xlabel("distance from the first contour point / mm")
    for panel in (upper, lower):
        panel.spines[["top", "right"]].set_visible(False)
    return figure, upper, lower


def density_figure(timed: Sequence[Velocity | str]) -> str | None:
    """SVG of each timed view's contrast along the vessel over time, as seen and as fitted; None where none was."""
    from matplotlib.figure import Figure

    found = [(k, one) for k, one in enumerate(timed, 1) if not isinstance(one, str) and one.fit and one.density]
    if not found:
        return None
    figure = Figure(figsize=(8.4, 0.4 + 2.5 * len(found)), layout="constrained")
    panels = figure.subplots(len(found), 2, squeeze=False, sharey="row", sharex="row")
    for row, (number, one) in zip(panels, found, strict=True):
        assert one.density is not None
        assert one.fit is not None
        fitted = replace(one.density, density=one.fit.predicted)
        picture = _draw_density(row[0], one.density)
        _draw_density(row[1], fitted)
        seen, line = arrivals(one.density), arrivals(fitted)
        row[0].plot(seen, one.density.arc / MILLIMETRE, "o", ms=4, mfc="white", mec=DARK, mew=0.8)
        for panel in row:
            panel.plot(line, one.density.arc / MILLIMETRE, color="#d0021b", lw=1.8)
            panel.set_xlabel("time / s", fontsize=8)
            panel.tick_params(labelsize=8)
        row[0].set_ylabel("distance / mm", fontsize=8)
        row[0].set_title(f"view {number}: {one.velocity:.2f} m/s, SD {one.sd:.2f}", fontsize=9, loc="left")
        row[1].set_title(f"view {number}, fitted", fontsize=9, loc="left")
        bar = figure.colorbar(picture, ax=list(row), pad=0.02, ticks=[0.0, 0.5, 1.0])
        bar.set_label("contrast", fontsize=8)
        bar.ax.tick_params(labelsize=8)
    return svg(figure)


def _draw_density(panel: Any, found: DensityMap) -> Any:
    """Contrast over each place's own plateau, from the last frame without it on."""
    shown = slice(max(found.onset - 2, 0), int(np.searchsorted(found.times, found.times[found.onset] + 3.0)) + 1)
    full = np.maximum(np.quantile(found.density[found.onset :], 0.95, axis=0), 1e-30)
    values = (found.density[shown] / full).T
    picture = panel.pcolormesh(
        found.times[shown], found.arc / MILLIMETRE, values, cmap="Greys", vmin=0.0, vmax=1.1, rasterized=True
    )
    return picture


def comparison_figure(points: Sequence[tuple[str, QfrResult]], threshold: float) -> str:
    """SVG of QFR and diameter along the vessel at every time point, each from its own first contour point."""
    figure, upper, lower = _two_panels(threshold)
    for number, (label, result) in enumerate(points):
        branch, ratio, colour = result.vessel.branch, result.best.ratio, SERIES[number % len(SERIES)]
        place = branch.arc / MILLIMETRE
        upper.plot(place, ratio.curve, color=colour, lw=1.8, label=f"{label} ({result.chosen} flow)")
        upper.plot(ratio.place / MILLIMETRE, ratio.vessel, "o", color=colour, ms=6)
        lower.plot(place, branch.diameter / MILLIMETRE, color=colour, lw=1.4)
        lower.plot(place, 2.0 * branch.reference_radius / MILLIMETRE, ":", color=colour, lw=1.0)
        for lesion in result.vessel.tree.lesions:
            span = lesion.start / MILLIMETRE, lesion.end / MILLIMETRE
            lower.axvspan(*span, color=colour, alpha=0.12, linewidth=0)
    least = min(float(result.best.ratio.curve.min()) for _, result in points)
    upper.set_ylim(min(0.7, least - 0.03), 1.03)
    lower.set_ylim(0.0, None)
    for text in upper.legend(fontsize=8, frameon=False, loc="lower left").get_texts():
        text.set_parse_math(False)
    return svg(figure)
