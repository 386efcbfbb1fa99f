"""``report.html``: the page a cardiologist reads. One file, no network, with its figures inside.

The picture of the trees, the pull-back curves and a beat's curves also go to ``figures/`` as SVG.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.files import file_name
from hemo.indices import MEASUREMENT_DISTANCE, THRESHOLD, map_to_centreline
from hemo.pagefile import write_template
from hemo.pictures import (
    VIEWS,
    distance_from_ostium,
    draw_diameter,
    draw_ribbons,
    kept,
    label_views,
    projection,
    svg,
    tree_picture,
    view_panels,
)
from hemo.results import BeatCurves, TreeFlow, WallTraction
from hemo.tree import Branch
from hemo.treesummary import TreeResult
from hemo.triangles import unit_normals
from hemo.units import MILLIMETRE, ML_PER_MIN, MMHG

Array = NDArray[Any]

FFR_SCALE = (0.5, 1.0)
METHOD_STYLE = {"fem": ("#1b4f8a", "-", "3D"), "reduced": ("#c0561f", "--", "reduced")}


def write_report(
    path: Path, summary: dict[str, Any], results: Sequence[TreeResult], figures: Path, oriented: bool = True
) -> None:
    """Write the page, and into ``figures`` the trees and one pull-back a vessel as SVG.

    ``oriented`` False names no side of the patient in the picture of the trees.
    """
    figures.mkdir(exist_ok=True)
    anatomy = kept(figures / "tree.svg", tree_picture([result.tree for result in results], oriented))
    curves, beats = [], []
    for result in results:
        tree = result.tree
        for branch in tree.branches:
            drawn = kept(figures / file_name(f"{tree.name}_{branch.name}.svg"), pullback_figure(result, branch))
            curves.append({"tree": tree.name, "branch": branch.name, "svg": drawn})
        if result.fem_curves is not None:
            beat = beat_figure(result, result.fem_curves)
            beats.append(kept(figures / file_name(f"beat_{tree.name}.svg"), beat))
    values = {
        "summary": summary,
        "curves": curves,
        "beats": beats,
        "anatomy": anatomy,
        "picture": base64.b64encode(ffr_picture(results, oriented)).decode("ascii"),
        "threshold": THRESHOLD,
        "distance_mm": MEASUREMENT_DISTANCE / MILLIMETRE,
    }
    write_template(path, "report.html", values)


def _solved(result: TreeResult) -> dict[str, TreeFlow]:
    return {name: flow for name, flow in (("reduced", result.reduced), ("fem", result.fem)) if flow is not None}


def pullback_figure(result: TreeResult, branch: Branch) -> str:
    """FFR and diameter along one branch as an SVG document."""
    from matplotlib.figure import Figure

    distance = distance_from_ostium(result.tree, branch) / MILLIMETRE
    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    for name, flow in _solved(result).items():
        colour, line, label = METHOD_STYLE[name]
        upper.plot(distance, flow.ffr(branch.name), line, color=colour, label=label)
    upper.axhline(THRESHOLD, color="#999999", linewidth=0.8)
    for lesion in result.tree.lesions_on(branch.name):
        span = np.interp([lesion.start, lesion.end], branch.arc, distance)
        upper.axvspan(*span, color="#d0021b", alpha=0.10, linewidth=0)
    upper.set_ylabel("FFR")
    upper.set_ylim(min(0.5, upper.get_ylim()[0]), 1.02)
    upper.legend(loc="lower left", fontsize=8, frameon=False)
    upper.set_title(f"{branch.name} ({result.tree.name} tree)", fontsize=10, loc="left", parse_math=False)
    draw_diameter(lower, result.tree, branch)
    lower.set_ylim(0.0, None)
    lower.set_ylabel("diameter / mm")
    lower.set_xlabel("distance from the ostium / mm")
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)
    return svg(figure)


def beat_figure(result: TreeResult, curves: BeatCurves) -> str:
    """Pressure at the vessels' ends and flow over one beat, as an SVG document."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 5.0), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    time = 1e3 * curves.time
    upper.plot(time, curves.aortic / MMHG, color="black", label="aorta")
    lower.plot(time, curves.inflow / ML_PER_MIN, color="black", label=f"into the {result.tree.name} tree")
    for number, name in enumerate(curves.outflow):
        upper.plot(time, curves.pressure[name][:, -1] / MMHG, color=f"C{number}", label=name)
        lower.plot(time, curves.outflow[name] / ML_PER_MIN, color=f"C{number}", label=name)
    upper.set_ylabel("pressure / mmHg")
    lower.set_ylabel("flow / mL/min")
    lower.set_xlabel("time from the opening of the aortic valve / ms")
    title = f"one beat of the {result.tree.name} tree (3D): pressure at the vessels' ends, flow out of them"
    upper.set_title(title, fontsize=10, loc="left", parse_math=False)
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(fontsize=7, frameon=False, ncols=3)
    return svg(figure)


def ffr_picture(results: Sequence[TreeResult], oriented: bool = True) -> bytes:
    """PNG of the trees coloured by FFR: the wall where it was computed, ribbons along the centrelines elsewhere."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    scale = ScalarMappable(Normalize(*FFR_SCALE), "RdYlBu")
    trees = [result.tree for result in results]
    figure, panels = view_panels(trees, oriented)
    for panel, (_, angle) in zip(panels, VIEWS, strict=True):
        for result in results:
            if result.traction is None:
                draw_ribbons(panel, [result.tree], projection(angle), [_ffr_by_branch(result)], scale)
            else:
                _draw_wall(panel, result, result.traction, angle, scale)
    bar = figure.colorbar(scale, ax=panels, shrink=0.7, label="FFR", pad=0.01)
    bar.ax.axhline(THRESHOLD, color="black")
    label_views(figure, panels, trees)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _ffr_by_branch(result: TreeResult) -> list[Array]:
    """FFR (n,) along each branch, by the best method there is."""
    flow = result.fem or result.reduced
    return [np.ones(len(b.points)) if flow is None else flow.ffr(b.name) for b in result.tree.branches]


def _draw_wall(panel: Any, result: TreeResult, wall: WallTraction, angle: float, scale: Any) -> None:
    """Wall triangles that face the viewer, farthest first and shaded, in the colour of FFR beside them."""
    from matplotlib.collections import PolyCollection

    axes, towards = projection(angle)
    corners = wall.points[wall.triangles]
    where = map_to_centreline(result.tree, corners.mean(axis=1))
    value = np.empty(len(corners))
    for number, (branch, ffr) in enumerate(zip(result.tree.branches, _ffr_by_branch(result), strict=True)):
        mine = where.branch == number
        value[mine] = np.interp(where.arc[mine], branch.arc, ffr)
    facing = unit_normals(corners) @ towards
    order = np.argsort(corners.mean(axis=1) @ towards)
    order = order[facing[order] > 0.0]
    colour = scale.to_rgba(value[order])
    colour[:, :3] *= 0.45 + 0.55 * facing[order, None]
    polygons = corners[order] @ axes.T / MILLIMETRE
    panel.add_collection(PolyCollection(list(polygons), facecolors=colour, edgecolors=colour, linewidths=0.2))
