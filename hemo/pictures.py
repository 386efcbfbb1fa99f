"""Pictures of vessel trees, as matplotlib draws them without a display: line drawings, SVG.

Trees are shown as an angiographer sees them: frontal, left and right anterior oblique. A C-arm at angle a (LAO
positive) looks along (-sin a, cos a, 0) in LPS; the picture's right is (cos a, sin a, 0) and its top is the head.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.tree import Branch, VesselTree
from hemo.units import MILLIMETRE, SQUARE_MILLIMETRE

Array = NDArray[Any]

VIEWS = (("frontal", 0.0), ("LAO 45°", 45.0), ("RAO 30°", -30.0))
COLOURS = "viridis"
LESION = "#c8102e"
DARK = "#333333"


def projection(angle: float) -> tuple[Array, Array]:
    """Axes (2, 3) of a view's picture, right and up, and the unit vector (3,) towards the viewer; degrees, LAO > 0."""
    turn = np.radians(angle)
    axes = np.array([[np.cos(turn), np.sin(turn), 0.0], [0.0, 0.0, 1.0]])
    return axes, np.cross(axes[0], axes[1])


def distance_from_ostium(tree: VesselTree, branch: Branch) -> Array:
    """(n,) distance along the vessels from the ostium to each point of a branch, m."""
    start, current = 0.0, branch
    while current.parent is not None:
        parent = tree[current.parent]
        place = current.parent_index or 0
        start += float(parent.arc[place] + np.linalg.norm(current.points[0] - parent.points[place]))
        current = parent
    return branch.arc + start


def svg(figure: Any) -> str:
    """A figure as an SVG document; the same figure gives the same text."""
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "hemo", "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def kept(file: Path, drawing: str) -> str:
    """Write an SVG document; its drawing as a page holds it."""
    file.write_text(drawing, encoding="utf-8")
    return drawing[drawing.index("<svg") :]


def tree_picture(trees: Sequence[VesselTree], oriented: bool = True) -> str:
    """SVG of the trees in three projections: calibre as width and colour, vessels named, lesions with their stenosis.

    ``oriented`` False leaves out the names of the sides, where the patient's frame is not known.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    diameters = np.concatenate([b.diameter for tree in trees for b in tree.branches]) / MILLIMETRE
    scale = ScalarMappable(Normalize(0.0, float(np.ceil(np.percentile(diameters, 99.0)))), COLOURS)
    values = [[branch.diameter / MILLIMETRE for branch in tree.branches] for tree in trees]
    figure, panels = view_panels(trees, oriented)
    for panel, (_, angle) in zip(panels, VIEWS, strict=True):
        draw_ribbons(panel, trees, projection(angle), values, scale)
        _mark(panel, trees, projection(angle)[0])
    figure.colorbar(scale, ax=panels, shrink=0.7, label="diameter / mm", pad=0.01)
    label_views(figure, panels, trees)
    return svg(figure)


def view_panels(trees: Sequence[VesselTree], oriented: bool) -> tuple[Any, Any]:
    """A figure and its panels, one a view, a millimetre the same in all of them; with titles and scale bar."""
    from matplotlib.figure import Figure

    boxes = [_box(trees, projection(angle)[0]) for _, angle in VIEWS]
    widths = [float(high[0] - low[0]) for low, high in boxes]
    height = float(boxes[0][1][1] - boxes[0][0][1])
    inches = min(10.8 / sum(widths), 6.5 / height)  # for a millimetre
    figure = Figure(figsize=(inches * sum(widths) + 1.2, inches * height + 0.6), dpi=130, layout="constrained")
    panels = figure.subplots(1, len(VIEWS), width_ratios=widths)
    for panel, (title, angle), (low, high) in zip(panels, VIEWS, boxes, strict=True):
        panel.set_title(title if oriented else f"turned by {angle:g}°", fontsize=10)
        panel.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal", autoscale_on=False)
        panel.set_axis_off()
        if oriented:
            _sides(panel, angle)
    scale_bar(panels[0])
    return figure, panels


def label_views(figure: Any, panels: Any, trees: Sequence[VesselTree]) -> None:
    """Name the vessels and lesions once everything else has its place."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for panel, (_, angle) in zip(panels, VIEWS, strict=True):
        _label(panel, trees, projection(angle)[0])


def _box(trees: Sequence[VesselTree], axes: Array, margin: float = 9.0) -> tuple[Array, Array]:
    """Lower and upper corner (2,) of a view, mm, with room for the labels; at least 30 mm wide."""
    flat = np.concatenate([_flat(branch.points, axes) for tree in trees for branch in tree.branches])
    low, high = flat.min(axis=0) - [margin, margin + 5.0], flat.max(axis=0) + margin  # the scale bar lies below
    lacking = np.maximum(30.0 - (high - low), 0.0) / 2.0
    return low - lacking, high + lacking


def _flat(points: Array, axes: Array) -> Array:
    return np.asarray(points @ axes.T / MILLIMETRE)


def draw_ribbons(
    panel: Any, trees: Sequence[VesselTree], view: tuple[Array, Array], values: Sequence[Sequence[Array]], scale: Any
) -> None:
    """Every vessel as a ribbon of its own width, the nearest last, coloured by values (n,) at its points, by branch.

    ``view`` is what :func:`projection` gives: the picture's axes, and the way towards the viewer.
    """
    from matplotlib.collections import PolyCollection

    axes, towards = view
    quads, depth, colours = [], [], []
    for tree, own in zip(trees, values, strict=True):
        for branch, along in zip(tree.branches, own, strict=True):
            points, diameter, value = _joined(tree, branch, along)
            left, right = ribbon(_flat(points, axes), diameter / MILLIMETRE / 2.0)
            quads.append(np.stack([left[:-1], left[1:], right[1:], right[:-1]], axis=1))
            depth.append((points[:-1] + points[1:]) @ towards)
            colours.append((value[:-1] + value[1:]) / 2.0)
    order = np.argsort(np.concatenate(depth))
    colour = scale.to_rgba(np.concatenate(colours)[order])
    panel.add_collection(
        PolyCollection(list(np.concatenate(quads)[order]), facecolors=colour, edgecolors=colour, linewidths=0.3)
    )


def _mark(panel: Any, trees: Sequence[VesselTree], axes: Array) -> None:
    """Outline the lesions at their healthy width and ring the ostia."""
    for tree in trees:
        for lesion in tree.lesions:
            branch = tree[lesion.branch]
            inside = (branch.arc >= lesion.start) & (branch.arc <= lesion.end)
            edges = ribbon(_flat(branch.points, axes), branch.reference_radius / MILLIMETRE)
            for edge in edges:
                panel.plot(*edge[inside].T, color=LESION, linewidth=1.2)
        panel.plot(*_flat(tree.root.points[0], axes), "o", ms=9, mfc="none", mec=DARK, mew=1.2)


def _joined(tree: VesselTree, branch: Branch, values: Array) -> tuple[Array, Array, Array]:
    """Points, diameters and values every half millimetre or so, with the way from the parent's centreline."""
    keep = np.unique(np.append(np.arange(0, len(branch.points), _stride(branch)), len(branch.points) - 1))
    points, diameter, values = branch.points[keep], branch.diameter[keep], values[keep]
    if branch.parent is None:
        return points, diameter, values
    start = tree[branch.parent].points[branch.parent_index or 0]
    return np.vstack([start, points]), np.append(diameter[0], diameter), np.append(values[0], values)


def _stride(branch: Branch) -> int:
    return max(1, round(0.6e-3 / float(np.median(np.diff(branch.arc)))))


def ribbon(flat: Array, radius: Array) -> tuple[Array, Array]:
    """The two edges (n, 2) of a stripe of half-width ``radius`` (n,) about a plane curve (n, 2)."""
    direction = np.gradient(flat, axis=0)
    length = np.linalg.norm(direction, axis=1, keepdims=True)
    direction = np.divide(direction, length, out=np.zeros_like(direction), where=length > 1e-9)
    across = np.stack([-direction[:, 1], direction[:, 0]], axis=1) * radius[:, None]
    return flat + across, flat - across


def _sides(panel: Any, angle: float) -> None:
    """Which side of the patient is where: pure in the frontal view, a mixture in an oblique one."""
    left, right = ("R", "L") if angle == 0.0 else (("R ant", "L post") if angle > 0.0 else ("R post", "L ant"))
    style = {"transform": panel.transAxes, "fontsize": 8, "color": "#777777"}
    panel.text(0.02, 1.0, left, ha="left", va="bottom", **style)
    panel.text(0.98, 1.0, right, ha="right", va="bottom", **style)


def scale_bar(panel: Any, length: float = 10.0) -> None:
    """A bar of ``length`` mm under the vessels."""
    (left, right), (bottom, top) = panel.get_xlim(), panel.get_ylim()
    x, y = left + 0.04 * (right - left), bottom + 0.03 * (top - bottom)
    panel.plot([x, x + length], [y, y], color="black", linewidth=2.5, solid_capstyle="butt")
    panel.text(x, y + 0.012 * (top - bottom), f"{length:g} mm", fontsize=8, va="bottom")


def _label(panel: Any, trees: Sequence[VesselTree], axes: Array) -> None:
    """Names of the vessels, and of the lesions with the lost share of diameter."""
    texts: list[tuple[str, Array, str]] = []
    for tree in trees:
        for lesion in tree.lesions:
            branch = tree[lesion.branch]
            place = int(np.abs(branch.arc - lesion.minimum).argmin())
            text = f"{lesion.id}: {100.0 * lesion.diameter_stenosis:.0f} % DS"
            texts.append((text, _flat(branch.points[place], axes), LESION))
        for branch in tree.branches:
            texts.append((branch.name, _flat(branch.points[int(0.6 * len(branch.points))], axes), DARK))
        texts.append((f"{tree.name} ostium", _flat(tree.root.points[0], axes), "#777777"))
    branches = [branch for tree in trees for branch in tree.branches]
    stripes = [ribbon(_flat(branch.points, axes), branch.diameter / MILLIMETRE / 2.0) for branch in branches]
    crowd = np.concatenate(
        [*(edge for edges in stripes for edge in edges), _flat(np.vstack([b.points for b in branches]), axes)]
    )
    place_labels(panel, texts, crowd)


def place_labels(panel: Any, texts: Iterable[tuple[str, Array, str]], crowd: Array, size: float = 8.0) -> None:
    """Write texts beside their places (mm) where they hide neither each other nor the crowd (n, 2).

    Greedy: the first text chooses first, among 16 directions at growing distances, by what it would cover. The
    panel's limits must be final.
    """
    pixels = panel.transData.transform(crowd)
    frame = panel.get_window_extent()
    dot = panel.figure.dpi / 72.0
    taken: list[Array] = []
    turns = np.radians(np.arange(0.0, 360.0, 22.5))
    rays = np.stack([np.cos(turns), np.sin(turns)], axis=1)
    for text, place, colour in texts:
        anchor = panel.transData.transform(place)
        half = np.array([0.31 * len(text) * size + 1.0, 0.65 * size]) * dot
        best, cost = np.zeros(2), np.inf
        for reach in (8.0, 14.0, 22.0, 32.0, 45.0, 60.0):
            for ray in rays:
                middle = anchor + ray * (reach * dot + np.abs(ray) @ half)
                low, high = middle - half, middle + half
                covered = np.all((pixels > low - dot) & (pixels < high + dot), axis=1).sum()
                hidden = sum(np.prod(np.clip(np.minimum(high, b[1]) - np.maximum(low, b[0]), 0, None)) for b in taken)
                outside = np.any(low < frame.min) or np.any(high > frame.max)
                worth = reach + 6.0 * covered + 1e3 * float(hidden > 0.0) + 500.0 * float(outside)
                if worth < cost:
                    best, cost = middle, worth
        taken.append(np.stack([best - half, best + half]))
        panel.annotate(
            text,
            place,
            xytext=(best - anchor) / dot,
            textcoords="offset points",
            fontsize=size,
            color=colour,
            ha="center",
            va="center",
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.5, "shrinkA": 0.0, "shrinkB": 1.0},
            annotation_clip=False,
            parse_math=False,  # a vessel may be called anything
        )


def diameter_picture(tree: VesselTree, minimal_outlet: float | None = None) -> str:
    """SVG of the diameter along every vessel of a tree, with the healthy reference, lesions and side branches."""
    from matplotlib.figure import Figure

    columns = 2 if len(tree.branches) > 1 else 1
    rows = -(-len(tree.branches) // columns)
    figure = Figure(figsize=(5.6 * columns, 0.5 + 2.1 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    for panel, branch in zip(panels, tree.branches, strict=False):
        draw_diameter(panel, tree, branch)
        if minimal_outlet is not None and branch.is_outlet:
            panel.axhline(minimal_outlet / MILLIMETRE, color="#999999", linewidth=0.7, linestyle="-.")
        panel.set_title(branch.name, fontsize=10, loc="left", parse_math=False)
        panel.set_ylim(0.0, None)
        panel.spines[["top", "right"]].set_visible(False)
        panel.set_ylabel("diameter / mm", fontsize=8)
        panel.set_xlabel("distance from the ostium / mm", fontsize=8)
        panel.tick_params(labelsize=8, labelleft=True)
    for panel in panels[len(tree.branches) :]:
        panel.set_axis_off()
    lines: list[tuple[str, dict[str, Any]]] = [
        ("lumen (equal area)", {"color": DARK}),
        ("healthy reference", {"color": DARK, "linestyle": ":"}),
    ]
    if minimal_outlet is not None:
        lines.append(("minimal outlet", {"color": "#999999", "linestyle": "-.", "linewidth": 0.7}))
    handles = [_line(label, style) for label, style in lines]
    figure.legend(handles=handles, loc="outside upper right", ncols=len(handles), fontsize=8, frameon=False)
    return svg(figure)


def _line(label: str, style: dict[str, Any]) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], label=label, **style)


def draw_diameter(panel: Any, tree: VesselTree, branch: Branch) -> None:
    """Diameter and reference along one branch, lesions shaded and measured, places of side branches ticked."""
    distance = distance_from_ostium(tree, branch) / MILLIMETRE
    panel.plot(distance, branch.diameter / MILLIMETRE, color=DARK, linewidth=1.3)
    panel.plot(distance, 2.0 * branch.reference_radius / MILLIMETRE, ":", color=DARK, linewidth=1.3)
    for number, lesion in enumerate(tree.lesions_on(branch.name)):
        start, end = np.interp([lesion.start, lesion.end], branch.arc, distance)
        panel.axvspan(start, end, color=LESION, alpha=0.10, linewidth=0)
        text = f"{100.0 * lesion.diameter_stenosis:.0f} % DS\n{lesion.minimal_lumen_area / SQUARE_MILLIMETRE:.2f} mm²"
        style = {"fontsize": 7, "color": LESION, "ha": "center", "transform": panel.get_xaxis_transform()}
        panel.text((start + end) / 2.0, 0.03 + 0.18 * (number % 2), text, **style)
    names: dict[float, list[str]] = {}
    for child in tree.children(branch.name):
        names.setdefault(float(distance[min(child.parent_index or 0, len(distance) - 1)]), []).append(child.name)
    for place, here in names.items():
        panel.axvline(place, ymax=0.97, color="#dddddd", linewidth=0.7, zorder=0)
        style = {"fontsize": 7, "color": "#777777", "ha": "center", "va": "bottom", "parse_math": False}
        panel.text(place, 0.98, ", ".join(here), transform=panel.get_xaxis_transform(), **style)
