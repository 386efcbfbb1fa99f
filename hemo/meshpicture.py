"""Picture of a tetrahedral mesh: its wall and caps, the tightest place from near, and the quality of its cells. PNG.

Drawn by a painter's algorithm in matplotlib: the triangles that face the viewer, the farthest first. Nothing is
needed of the machine, neither a display nor OpenGL, so it works on any node of a cluster.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.pictures import DARK, LESION, VIEWS, place_labels, projection
from hemo.tetmesh import BLOCK, INLET, TetMesh
from hemo.tree import VesselTree
from hemo.triangles import unit_normals
from hemo.units import MILLIMETRE

Array = NDArray[Any]

WALL_COLOUR = np.array([0.80, 0.84, 0.88])
INLET_COLOUR = "#c8102e"
OUTLET_COLOURS = "Dark2"
# More triangles than this are smaller than two pixels of the picture: their edges would only darken it.
DRAWN_EDGES = 60_000
PIXELS = 1100  # of the longer side of such a picture, before it is scaled to its panel
CROWD = 10_000  # vertices of the wall that labels are kept off


def mesh_picture(mesh: TetMesh, tree: VesselTree, quality: Array) -> bytes:
    """PNG of a mesh.

    Parameters
    ----------
    mesh, tree
        The mesh, and the tree cut to it.
    quality
        (m,) quality of the cells, 0 to 1.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13.0, 7.0), dpi=150, layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=[1.5, 1.0], height_ratios=[1.6, 1.0])
    panel, near, chart = (figure.add_subplot(place) for place in (grid[:, 0], grid[0, 1], grid[1, 1]))
    title, angle = _widest_view(tree)
    _draw(panel, mesh, np.ones(len(mesh.facets), dtype=bool), angle, edges=0.15)
    panel.set_title(f"{tree.name}: {len(mesh.cells):,} tetrahedra, {title} view", fontsize=10, parse_math=False)
    panel.margins(0.10)
    panel.autoscale_view()
    _close_up(near, mesh, tree, angle)
    _histogram(chart, quality)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    axes = projection(angle)[0] / MILLIMETRE
    names = [
        (name, mesh.points[np.unique(mesh.facets_of(name))].mean(axis=0) @ axes.T, colour)
        for name, colour in _cap_colours(mesh).items()
    ]
    wall = np.unique(mesh.facets)
    place_labels(panel, names, mesh.points[wall[:: max(3, len(wall) // CROWD)]] @ axes.T, size=9.0)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _widest_view(tree: VesselTree) -> tuple[str, float]:
    """The view in which the vessels spread most."""
    points = np.concatenate([branch.points for branch in tree.branches])

    def spread(angle: float) -> float:
        return float(np.prod(np.std(points @ projection(angle)[0].T, axis=0)))

    return max(VIEWS, key=lambda view: spread(view[1]))


def _draw(panel: Any, mesh: TetMesh, chosen: NDArray[np.bool_], angle: float, edges: float) -> None:
    """The chosen facets (k,) that face the viewer: shaded by their slope, the caps in colour, edges this wide (pt)."""
    from matplotlib.collections import PolyCollection

    axes, towards = projection(angle)
    corners = mesh.points[mesh.facets]
    facing = unit_normals(corners) @ towards
    shown = np.flatnonzero(chosen & (facing > 0.0))
    order = shown[np.argsort(corners[shown].mean(axis=1) @ towards)]
    colour = _colours(mesh)[order] * (0.45 + 0.55 * facing[order, None])
    flat = corners[order] @ axes.T / MILLIMETRE
    if len(flat) <= DRAWN_EDGES:
        panel.add_collection(PolyCollection(list(flat), facecolors=colour, edgecolors=0.55 * colour, linewidths=edges))
    else:  # as an image: thirty times as fast as one polygon after the other
        low, high = flat.min(axis=(0, 1)), flat.max(axis=(0, 1))
        image = _painted((flat - low) / (high - low).max(), colour)
        extent = (low[0], high[0], low[1], high[1])
        panel.imshow(image, extent=extent, origin="lower", interpolation="antialiased")
        panel.use_sticky_edges = False
    _rims(panel, mesh, chosen, axes)
    panel.set_aspect("equal")
    panel.set_axis_off()
    panel.autoscale_view()


def _painted(corners: Array, colour: Array) -> Array:
    """(h, w, 4) image of triangles (t, 3, 2), the last in front, in a box whose longer side is 1."""
    size = np.floor(PIXELS * corners.max(axis=(0, 1))).astype(np.int64) + 1
    image = np.zeros((size[1], size[0], 4))
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max()
    steps = int(np.ceil(1.2 * PIXELS * longest)) + 1
    share = np.array([(i, j, steps - i - j) for i in range(steps + 1) for j in range(steps + 1 - i)]) / steps
    for first in range(0, len(corners), BLOCK):  # of two in one pixel the later assignment stays
        places = (share @ (PIXELS * corners[first : first + BLOCK])).astype(np.int64)
        own = np.repeat(colour[first : first + BLOCK, None], len(share), axis=1)
        image[places[..., 1], places[..., 0], :3] = own
        image[places[..., 1], places[..., 0], 3] = 1.0
    return image


def _rims(panel: Any, mesh: TetMesh, chosen: NDArray[np.bool_], axes: Array) -> None:
    """The rim of every cap in its colour, so that a cap that faces away is seen too."""
    from matplotlib.collections import LineCollection

    for name, colour in _cap_colours(mesh).items():
        cap = mesh.facets[(mesh.facet_tags == mesh.tag(name)) & chosen]
        edges = np.sort(np.concatenate([cap[:, [0, 1]], cap[:, [1, 2]], cap[:, [2, 0]]]), axis=1)
        unique, uses = np.unique(edges, axis=0, return_counts=True)
        flat = mesh.points[unique[uses == 1]] @ axes.T / MILLIMETRE
        panel.add_collection(LineCollection(list(flat), colors=colour, linewidths=1.5))


def _cap_colours(mesh: TetMesh) -> dict[str, Any]:
    """Colour of the inlet and of every outlet."""
    import matplotlib

    cycle = matplotlib.colormaps[OUTLET_COLOURS]
    outlets = {name: cycle(number % cycle.N)[:3] for number, name in enumerate(mesh.outlets)}
    return {INLET: INLET_COLOUR, **outlets}


def _colours(mesh: TetMesh) -> Array:
    """(k, 3) colour of each facet by its tag."""
    from matplotlib.colors import to_rgb

    colour = np.tile(WALL_COLOUR, (len(mesh.facets), 1))
    for name, own in _cap_colours(mesh).items():
        colour[mesh.facet_tags == mesh.tag(name)] = to_rgb(own)
    return colour


def _close_up(panel: Any, mesh: TetMesh, tree: VesselTree, angle: float) -> None:
    """The wall near the tightest lesion, or near the narrowest place of a tree without one."""
    if tree.lesions:
        lesion = max(tree.lesions, key=lambda item: item.diameter_stenosis)
        branch = tree[lesion.branch]
        index = int(np.abs(branch.arc - lesion.minimum).argmin())
        title, colour = f"{lesion.id}: {100.0 * lesion.diameter_stenosis:.0f} % diameter stenosis", LESION
    else:
        branch = min(tree.branches, key=lambda item: float(item.area.min()))
        index = int(branch.area.argmin())
        title, colour = f"narrowest place, {branch.name}", DARK
    centre = branch.points[index]
    reach = 2.5 * float(branch.reference_radius[index]) * 2.0
    middle = mesh.points[mesh.facets].mean(axis=1)
    near = np.linalg.norm(middle - centre, axis=1) < 1.6 * reach
    angle = _sideways(branch.tangent[index], angle)
    _draw(panel, mesh, near, angle, edges=0.3)
    x, y = projection(angle)[0] @ centre / MILLIMETRE
    half = reach / MILLIMETRE
    panel.set(xlim=(x - 1.5 * half, x + 1.5 * half), ylim=(y - half, y + half))
    panel.set_title(
        f"{title}, {2.0 * np.sqrt(branch.area[index] / np.pi) / MILLIMETRE:.2f} mm", fontsize=10, color=colour
    )


def _sideways(tangent: Array, angle: float) -> float:
    """The view, of the three or half-way between them, that looks least along the vessel; ``angle`` where they tie."""
    angles = [angle, *[view[1] for view in VIEWS], 90.0, -60.0]
    return min(angles, key=lambda a: round(abs(float(projection(a)[1] @ tangent)), 2))


def _histogram(panel: Any, quality: Array) -> None:
    panel.hist(quality, bins=np.linspace(0.0, 1.0, 41), color="#4c72b0")
    panel.set_yscale("log")
    panel.set(xlim=(0.0, 1.0), xlabel="quality of a cell (3 inscribed / circumscribed radius)", ylabel="cells")
    panel.axvline(float(quality.min()), color=LESION, linewidth=0.8)
    low, median = float(quality.min()), float(np.median(quality))
    text = f"lowest {low:.2f}, median {median:.2f}, {100.0 * np.mean(quality < 0.3):.2f} % below 0.3"
    panel.set_title(text, fontsize=9)
    panel.spines[["top", "right"]].set_visible(False)
