"""``report.html``: the page a cardiologist reads. One file, no network, with its figures inside.

The picture of the trees and the pull-back curves also go to ``figures/`` as SVG.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.indices import MEASUREMENT_DISTANCE, map_to_centreline
from hemo.pictures import distance_from_ostium, draw_diameter, svg, tree_picture
from hemo.results import TreeFlow
from hemo.summary import TreeResult
from hemo.tree import Branch, VesselTree
from hemo.units import MILLIMETRE

Array = NDArray[Any]

THRESHOLD = 0.80
FFR_SCALE = (0.5, 1.0)
METHOD_STYLE = {"fem": ("#1b4f8a", "-", "3D"), "reduced": ("#c0561f", "--", "reduced")}


def write_report(
    path: Path, summary: dict[str, Any], results: Sequence[TreeResult], figures: Path, oriented: bool = True
) -> None:
    """Write the page, and into ``figures`` the trees and one pull-back a vessel as SVG.

    ``oriented`` False names no side of the patient in the picture of the trees.
    """
    import jinja2

    figures.mkdir(exist_ok=True)
    anatomy = tree_picture([result.tree for result in results], oriented)
    (figures / "tree.svg").write_text(anatomy, encoding="utf-8")
    curves = []
    for result in results:
        for branch in result.tree.branches:
            svg = pullback_figure(result, branch)
            (figures / f"{result.tree.name}_{branch.name}.svg").write_text(svg, encoding="utf-8")
            curves.append({"tree": result.tree.name, "branch": branch.name, "svg": svg[svg.index("<svg") :]})
    template = files("hemo").joinpath("templates/report.html").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters["number"] = _number
    page = environment.from_string(template).render(
        summary=summary,
        curves=curves,
        anatomy=anatomy[anatomy.index("<svg") :],
        picture=base64.b64encode(ffr_picture(results)).decode("ascii"),
        threshold=THRESHOLD,
        distance_mm=MEASUREMENT_DISTANCE / MILLIMETRE,
    )
    path.write_text(page, encoding="utf-8")


def _number(value: float | None, digits: int = 2) -> str:
    """A number for a table cell; a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def _solved(result: TreeResult) -> dict[str, TreeFlow]:
    return {name: flow for name, flow in (("reduced", result.reduced), ("fem", result.fem)) if flow is not None}


def pullback_figure(result: TreeResult, branch: Branch) -> str:
    """FFR and diameter along one branch as an SVG document."""
    from matplotlib.figure import Figure

    distance = distance_from_ostium(result.tree, branch) / MILLIMETRE
    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
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
    upper.set_title(f"{branch.name} ({result.tree.name} tree)", fontsize=10, loc="left")
    draw_diameter(lower, result.tree, branch)
    lower.set_ylim(0.0, None)
    lower.set_ylabel("diameter / mm")
    lower.set_xlabel("distance from the ostium / mm")
    for axes in (upper, lower):
        axes.spines[["top", "right"]].set_visible(False)
    return svg(figure)


def ffr_picture(results: Sequence[TreeResult]) -> bytes:
    """PNG of the trees from the front and from the left, coloured by FFR, drawn without a graphics card."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.0, 5.4), dpi=130, layout="constrained")
    scale = Normalize(*FFR_SCALE)
    views = (("from the front", (0, 2), 1, -1.0), ("from the left", (1, 2), 0, 1.0))
    for axes, (title, plane, depth, sign) in zip(figure.subplots(1, 2), views, strict=True):
        for result in results:
            _draw_tree(axes, result, plane, depth, sign, scale)
            _label_branches(axes, result.tree, plane)
        axes.set_aspect("equal")
        axes.autoscale_view()
        axes.set_axis_off()
        axes.set_title(title, fontsize=10)
    bar = figure.colorbar(ScalarMappable(scale, "RdYlBu"), ax=figure.axes, shrink=0.6, label="FFR")
    bar.ax.axhline(THRESHOLD, color="black")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _draw_tree(axes: Any, result: TreeResult, plane: tuple[int, int], depth: int, sign: float, scale: Any) -> None:
    """Wall triangles, farthest first and shaded, or else the centrelines as thick lines."""
    import matplotlib
    from matplotlib.collections import LineCollection, PolyCollection

    colours = matplotlib.colormaps["RdYlBu"]
    flow = result.fem or result.reduced
    if flow is None:
        return
    if result.traction is None:
        for branch in result.tree.branches:
            flat = branch.points[:, plane] / MILLIMETRE
            pieces = np.stack([flat[:-1], flat[1:]], axis=1)
            width = 2.5 * branch.diameter[1:] / MILLIMETRE
            axes.add_collection(
                LineCollection(list(pieces), colors=colours(scale(flow.ffr(branch.name)[1:])), linewidths=width)
            )
        return
    wall = result.traction
    corners = wall.points[wall.triangles]
    where = map_to_centreline(result.tree, corners.mean(axis=1))
    value = np.empty(len(corners))
    for number, branch in enumerate(result.tree.branches):
        mine = where.branch == number
        value[mine] = np.interp(where.arc[mine], branch.arc, flow.ffr(branch.name))
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    facing = sign * normal[:, depth]
    order = np.argsort(sign * corners[:, :, depth].mean(axis=1))
    order = order[facing[order] > 0.0]
    shade = 0.45 + 0.55 * facing[order, None]
    colour = colours(scale(value[order]))
    colour[:, :3] *= shade
    polygons = corners[order][:, :, list(plane)] / MILLIMETRE
    axes.add_collection(PolyCollection(list(polygons), facecolors=colour, edgecolors=colour, linewidths=0.2))


def _label_branches(axes: Any, tree: VesselTree, plane: tuple[int, int]) -> None:
    for branch in tree.branches:
        x, y = branch.points[int(0.6 * len(branch.points)), plane] / MILLIMETRE
        axes.annotate(branch.name, (x, y), xytext=(6, 4), textcoords="offset points", fontsize=7, color="#333333")
