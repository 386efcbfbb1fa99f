"""Vessel trees from a closed lumen surface.

The aorta is told apart, the vessels are found as cheapest paths on a grid inside the lumen
(:mod:`skeleton`), ordered into vessels (:mod:`courses`), centred on the
surface itself (:mod:`centring`), measured by plane cuts (:mod:`crosssection`)
and named (:mod:`naming`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.geometry.centreline.courses import Course, final_daughters, find_courses
from hemo.geometry.centreline.loops import part_vessels
from hemo.geometry.centreline.lumengraph import LumenGraph, lumen_graph
from hemo.geometry.centreline.naming import name_branches, numbered
from hemo.geometry.centreline.skeleton import Skeleton, SkeletonOptions, find_skeletons
from hemo.geometry.centreline.vesselline import (
    Measure,
    VesselLine,
    clean_area,
    clean_perimeter,
    end_at_divergence,
    leave_parents,
    measured_line,
    trim_ostium,
)
from hemo.geometry.image.labelimage import LabelImage
from hemo.geometry.lumen.crosssection import SectionCutter
from hemo.geometry.lumen.distance import SurfaceDistance
from hemo.geometry.lumen.surface import Surface
from hemo.tree import Branch, VesselTree

Array = NDArray[np.float64]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CentrelineOptions:
    """How finely to look, and what to keep.

    Attributes
    ----------
    spacing
        Distance of centreline points, m.
    smoothing
        Standard deviation of the smoothing along a centreline, m.
    grid
        Spacing of the grid on which the vessels are found, m.
    aortic_radius
        Without labels: what has an inscribed radius of at least this is aorta, m.
    minimal_diameter
        Side branches with a smaller median diameter are dropped, m.
    skeleton
        Lengths that make a vessel or a tree.
    """

    spacing: float = 0.4e-3
    smoothing: float = 0.7e-3
    grid: float = 0.35e-3
    aortic_radius: float = 5e-3
    minimal_diameter: float = 1.0e-3
    skeleton: SkeletonOptions = field(default_factory=SkeletonOptions)


def find_trees(
    surface: Surface,
    labels: LabelImage | None = None,
    options: CentrelineOptions | None = None,
    ostia: Array | None = None,
) -> tuple[VesselTree, ...]:
    """The coronary trees inside a closed surface, left before right.

    Parameters
    ----------
    surface
        Closed lumen, with or without the aortic root, m, LPS.
    labels
        Tells the aorta from the coronaries; without it the aorta is found by its calibre.
    options
        See :class:`CentrelineOptions`.
    ostia
        (k, 3) places where the trees begin, m, LPS; found without it.

    Returns
    -------
    trees
        One for each ostium; ``reference_radius`` is the area-equivalent radius until lesions are sought.

    Raises
    ------
    InputError
        If the lumen holds no vessel of at least ``options.skeleton.minimal_tree``, or an ostium lies off it.
    """
    options = options or CentrelineOptions()
    wall = SurfaceDistance(surface)
    graph = lumen_graph(surface, labels, wall, options.grid, options.aortic_radius)
    graph, skeletons = part_vessels(graph, lambda part: find_skeletons(part, options.skeleton, ostia))
    if not skeletons:
        least = 1e3 * options.skeleton.minimal_tree
        raise InputError(f"the lumen holds no vessel of {least:g} mm that leaves the aorta; check labels and units.")
    measure = Measure(wall, SectionCutter(surface), options.spacing, options.smoothing)
    trees = []
    for skeleton, side in zip(skeletons, sides(graph, skeletons), strict=True):
        courses = find_courses(graph, skeleton, side.startswith("left"))
        lines = [measured_line(graph, courses, number, measure) for number in range(len(courses))]
        branches = assemble(lines, courses, options)
        trees.append(VesselTree(side, name_branches(branches, side)))
    return tuple(sorted(trees, key=lambda tree: tree.name))


def sides(graph: LumenGraph, skeletons: tuple[Skeleton, ...]) -> list[str]:
    """A name for each tree by the way it sets out from the aorta: LPS x points to the patient's left."""
    if len(skeletons) == 1 and not np.all(np.isfinite(graph.aorta_centre)) and len(skeletons[0].tips) == 1:
        return ["vessel"]
    offsets = [_leftward(graph, skeleton) for skeleton in skeletons]
    # The two largest trees are one left and one right, whichever side of the aorta they start from.
    found = ["left" if offset > 0.0 else "right" for offset in offsets]
    if len(offsets) >= 2:
        leftmost = int(np.argmax(offsets[:2]))
        found[leftmost], found[1 - leftmost] = "left", "right"
    return numbered(found)


def _leftward(graph: LumenGraph, skeleton: Skeleton) -> float:
    """Mean place, m, left of the aorta (or of the tree's start) over the paths' stretch from 15 to 70 mm.

    Farther on the right coronary artery may run left beneath the heart, and the left one right round the apex.
    """
    paths = [skeleton.path(tip) for tip in skeleton.tips]
    nodes = np.unique(np.concatenate(paths))
    setting_out = nodes[(skeleton.run[nodes] > 15e-3) & (skeleton.run[nodes] < 70e-3)]
    centre = graph.aorta_centre if len(graph.aorta) else graph.points[paths[0][0]]
    return float(np.mean(graph.points[setting_out if len(setting_out) else nodes, 0]) - centre[0])


def assemble(lines: list[VesselLine], courses: list[Course], options: CentrelineOptions) -> list[Branch]:
    """Branches from the measured line of each course, named by their numbers, a parent before its children."""
    if courses[0].ends_in_daughters:
        lines[0] = end_at_divergence(lines, courses)
    lines[0] = trim_ostium(lines[0])
    at_end = final_daughters(courses) if courses[0].ends_in_daughters else []
    branches: dict[int, Branch] = {}
    for number, course in enumerate(courses):
        line = lines[number]
        attach = None
        if course.parent is not None:
            if course.parent not in branches:
                _log_dropped(line, "so is its parent")
                continue
            line, attach, mother = leave_parents(line, branches, course.parent, number in at_end)
            course = replace(course, parent=mother)
            if len(line.points) - line.start < 5:
                _log_dropped(line, "it hardly leaves its parent's lumen")
                continue
        lines[number] = line
        others = [other for k, other in enumerate(lines) if k != number]
        area = clean_area(line, others, root=course.parent is None)
        branch = _branch(str(number), line, area, course, attach)
        if course.parent is None or _worth_keeping(branch, options):
            branches[number] = branch
        else:
            _log_dropped(line, f"it is {1e3 * branch.length:.1f} mm long, {2e3 * np.median(branch.radius):.1f} mm wide")
    parents = {branch.parent for branch in branches.values()}
    return [replace(b, is_outlet=b.is_outlet or b.name not in parents) for b in branches.values()]


def _log_dropped(line: VesselLine, reason: str) -> None:
    _log.info(
        "the side branch that ends at x %.1f, y %.1f, z %.1f mm is left out: %s.", *(1e3 * line.points[-1]), reason
    )


def _branch(name: str, line: VesselLine, area: Array, course: Course, attach: int | None) -> Branch:
    keep = slice(line.start, None)
    perimeter = clean_perimeter(line, area)
    return Branch(
        name=name,
        points=line.points[keep],
        radius=line.radius[keep],
        area=area[keep],
        reference_radius=np.sqrt(area[keep] / np.pi),
        parent=None if course.parent is None else str(course.parent),
        parent_index=attach,
        is_outlet=not course.ends_in_daughters,
        perimeter=None if perimeter is None else perimeter[keep],
    )


def _worth_keeping(branch: Branch, options: CentrelineOptions) -> bool:
    long_enough = branch.length >= 0.45 * options.skeleton.minimal_length
    return long_enough and float(np.median(2.0 * branch.radius)) >= 0.9 * options.minimal_diameter
