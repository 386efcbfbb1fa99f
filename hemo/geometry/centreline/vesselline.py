"""One vessel's centreline with its measures: where it begins and ends, its radius, its sections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from hemo.geometry.centreline.centring import centre_line, deepest_in_plane, normal_planes
from hemo.geometry.centreline.courses import Course, final_daughters
from hemo.geometry.centreline.lumengraph import LumenGraph
from hemo.geometry.lumen.crosssection import SectionCutter
from hemo.geometry.lumen.distance import SurfaceDistance
from hemo.tree import Branch, arc_length

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Measure:
    """What lines are measured with: the wall, plane cuts, the points' spacing and the smoothing width (m)."""

    wall: SurfaceDistance
    cutter: SectionCutter
    spacing: float
    smoothing: float


@dataclass(frozen=True)
class VesselLine:
    """A centred line with its measures.

    Attributes
    ----------
    points
        (n, 3), m.
    radius
        (n,) inscribed-sphere radius, m.
    area
        (n,) area of the plane section, m^2; nan where none closes.
    perimeter
        (n,) length of that section's outline, m; nan where none closes.
    start
        Number of the first point that belongs to the vessel itself and not to its parent's lumen.
    """

    points: Array
    radius: Array
    area: Array
    perimeter: Array
    start: int = 0

    def cut(self, first: int, last: int) -> VesselLine:
        """The points from ``first`` to before ``last``."""
        keep = slice(first, last)
        return VesselLine(
            self.points[keep], self.radius[keep], self.area[keep], self.perimeter[keep], max(self.start - first, 0)
        )


def measured_line(graph: LumenGraph, courses: list[Course], number: int, measure: Measure) -> VesselLine:
    """Centred line of a course, led in by 6 mm of its parent, with radius and section area."""
    course = courses[number]
    nodes = list(course.nodes)
    if course.parent is not None:
        nodes = _lead_in(graph, courses, course) + nodes
    if course.ends_in_daughters:
        heir = courses[final_daughters(courses)[0]]
        nodes += list(heir.nodes[1 : 1 + round(10e-3 / graph.spacing)])
    leaves_aorta = course.parent is None and bool(graph.contact.any())
    # In a sharp bend of a thin vessel a smooth line may cut through the wall: then smooth less.
    for share in (1.0, 0.5, 0.25):
        smoothing = share * measure.smoothing
        line, radius = _centred(graph.points[nodes], measure, smoothing)
        first = _first_open(line, radius) if course.parent is None and not leaves_aorta else 0
        last = len(line) if course.ends_in_daughters else _last_open(line, radius)
        # The path's ends lay somewhere on the vessel's tip or on the border of the aorta, beside its middle: centred
        # once more from where it may begin and end, the line begins and ends in the middle.
        line = line[first:last]
        line, radius = _centred(_straightened_start(line) if leaves_aorta else line, measure, smoothing, 0.15e-3)
        if radius.min() > 0.1e-3:
            break
    radius = np.maximum(radius, 0.1e-3)
    tangent, _, _ = normal_planes(line)
    section = measure.cutter.cut(line, tangent, 2.0 * radius)
    return VesselLine(line, radius, section.area, section.perimeter)


def _centred(path: Array, measure: Measure, smoothing: float, step: float = 0.3e-3) -> tuple[Array, Array]:
    """The centred line and the radius of the largest ball inside in each of its normal planes."""
    line = centre_line(path, measure.wall, measure.spacing, smoothing, step)
    places, _ = deepest_in_plane(line, measure.wall, 0.15e-3, 5)
    return line, measure.wall.depth(places)


def _straightened_start(line: Array, drawn: float = 2e-3, taken: float = 5e-3) -> Array:
    """The line with its first part, up to ``drawn`` (m), as the parabola through the next, up to ``taken``, has it."""
    arc = arc_length(line)
    known = (arc >= drawn) & (arc <= taken)
    if known.sum() < 4:
        return line
    curve = np.polynomial.polynomial.polyfit(arc[known], line[known], 2)
    start = np.polynomial.polynomial.polyval(arc[arc < drawn], curve).T
    return np.concatenate([start, line[arc >= drawn]])


def _first_open(line: Array, radius: Array) -> int:
    """Number of the first point clear of the end at which a vessel without aorta begins."""
    return len(line) - _last_open(line[::-1], radius[::-1])


def _lead_in(graph: LumenGraph, courses: list[Course], course: Course, length: float = 6e-3) -> list[int]:
    """Nodes upstream of the joint, on the parent and beyond it on the parent's parent."""
    upstream: list[int] = []
    joint, parent = course.nodes[0], course.parent
    while parent is not None and arc_length(graph.points[[*upstream, joint]])[-1] < length:
        nodes = list(courses[parent].nodes)
        upstream = nodes[: nodes.index(course.nodes[0] if not upstream else upstream[0])] + upstream
        parent = courses[parent].parent
    run = arc_length(graph.points[[*upstream, joint]])
    return [node for node, at in zip(upstream, run, strict=False) if run[-1] - at <= length]


def _last_open(line: Array, radius: Array) -> int:
    """Number of points up to where the inscribed ball meets the vessel's end: its last few millimetres."""
    arc = arc_length(line)
    if arc[-1] < 4e-3:
        return len(line)
    typical = float(np.percentile(radius[(arc >= arc[-1] - 5e-3) & (arc <= arc[-1] - 1e-3)], 30.0))
    end = (arc >= arc[-1] - max(4e-3, 1.5 * typical)) & (radius < 0.85 * typical)
    return max(int(np.argmax(end)), min(5, len(line))) if end.any() else len(line)


def end_at_divergence(lines: list[VesselLine], courses: list[Course]) -> VesselLine:
    """The left main's line up to where its daughters' lines part."""
    daughters = [lines[k] for k in final_daughters(courses)[:2]]
    gap, _ = cKDTree(daughters[1].points).query(daughters[0].points)
    # Only up to where they part first: farther on they may touch again.
    apart = np.flatnonzero(gap > daughters[0].radius)
    first = slice(0, apart[0] if len(apart) else len(gap))
    together = np.flatnonzero(gap[first] < 0.35 * daughters[0].radius[first])
    fork = daughters[0].points[together[-1] if len(together) else 0]
    last = int(cKDTree(lines[0].points).query(fork)[1])
    return lines[0].cut(0, max(last + 1, 3))


def trim_ostium(line: VesselLine) -> VesselLine:
    """Begin where the section is that of a vessel, not of the aorta or its sinus, and stays so for a millimetre.

    The vessel's calibre is the median over 2 to 9 mm, or over 2 to 25 mm where that is wider, so that a narrow
    ostium does not make the healthy vessel behind it look like the aorta.
    """
    arc = arc_length(line.points)
    beyond = arc >= min(2e-3, 0.3 * arc[-1])
    calibre = max(float(np.median(line.radius[beyond & (arc <= end)])) for end in (9e-3, 25e-3))
    section = np.nan_to_num(line.area, nan=np.inf)
    bad = ((section > 2.2 * np.pi * calibre**2 * 1.2) | (line.radius > 1.5 * calibre)) & (arc < 8e-3)
    steady = [not bad[(arc >= place) & (arc <= place + 1e-3)].any() for place in arc]
    return line.cut(min(int(np.argmax(steady)), len(line.points) - 3), len(line.points))


def leave_parent(line: VesselLine, parent: Branch, at_end: bool) -> tuple[VesselLine, int]:
    """Where a child's line leaves its parent's lumen (its number of points if it never does), and from which of the
    parent's points.
    """
    gap, nearest = cKDTree(parent.points).query(line.points)
    lumen = np.sqrt(parent.area / np.pi)[nearest]
    half = np.arange(len(gap)) < max(3, int(np.searchsorted(arc_length(line.points), 25e-3)))
    inside = np.flatnonzero((gap <= lumen) & half)
    start = int(inside[-1]) + 1 if len(inside) else 0
    if at_end:
        return replace(line, start=start), len(parent.points) - 1
    together = np.flatnonzero((gap < 0.35 * lumen) & half)
    attach = int(nearest[together[-1]]) if len(together) else int(nearest[min(start, len(gap) - 1)])
    return replace(line, start=start), attach


def leave_parents(
    line: VesselLine, branches: Mapping[int, Branch], parent: int, at_end: bool
) -> tuple[VesselLine, int, int]:
    """As :func:`leave_parent`, and whose child it is: a line that never meets the lumen of its parent, which begins
    outside the wall of its own, leaves from that one's parent.
    """
    made, attach = leave_parent(line, branches[parent], at_end)
    while made.start == 0 and attach == 0 and (above := branches[parent].parent) is not None:
        parent = int(above)
        made, attach = leave_parent(line, branches[parent], False)
    # What leads in to it may begin in the lumen of a vessel farther up.
    start, ancestor = made.start, branches[parent].parent
    while ancestor is not None:
        up = branches[int(ancestor)]
        gap, nearest = cKDTree(up.points).query(line.points)
        outside = gap > np.sqrt(up.area / np.pi)[nearest]
        start = max(start, int(np.argmax(outside)) if outside.any() else len(outside))
        ancestor = up.parent
    return replace(made, start=start), attach, parent


def clean_area(line: VesselLine, others: list[VesselLine], root: bool = False) -> Array:
    """(n,) section areas; at bifurcations, where the section holds a second vessel, interpolated between the sides,
    or what belongs to the inscribed ball if that is less.

    A point is doubtful when its inscribed ball meets that of another vessel whose line has left its own, or when
    that vessel is near and the section is larger by most of its lumen.
    """
    area = np.where(np.isfinite(line.area), line.area, np.inf)
    floor = np.pi * line.radius**2
    doubtful = area > 6.0 * floor
    own = cKDTree(line.points)
    for other in others:
        own_gap, own_nearest = own.query(other.points)
        apart = own_gap > 0.35 * line.radius[own_nearest]
        if not apart.any():
            continue
        points, radius = other.points[apart], other.radius[apart]
        gap, nearest = cKDTree(points).query(line.points)
        beside = radius[nearest]
        doubtful |= gap < 1.1 * line.radius + beside
        doubtful |= (gap < 1.5 * (line.radius + beside)) & (area > floor + 0.6 * np.pi * beside**2)
    good = ~doubtful
    if good.sum() < 2:
        return np.where(np.isfinite(line.area), np.minimum(line.area, 2.0 * floor), floor)
    arc = arc_length(line.points)
    between = np.interp(arc, arc[good], np.sqrt(area[good])) ** 2
    if root:  # before a fork at its very beginning only the ball tells: the calibre behind the fork is a daughter's
        between[: int(np.argmax(good))] = np.inf
    # The ball tells of a throat beside the bifurcation, which the sections on either side do not; a ball that reaches
    # into the other vessel is larger than the vessel's own section, and does not count.
    of_ball = floor * np.interp(arc, arc[good], area[good] / floor[good])
    return np.where(doubtful, np.minimum(area, np.minimum(between, of_ball)), area)


def clean_perimeter(line: VesselLine, area: Array) -> Array | None:
    """(n,) outline lengths that belong to cleaned areas (n,); None where no outline was measured.

    Where the section was not the vessel's own, the outline's excess over a circle's is interpolated.
    """
    own = np.isfinite(line.perimeter) & np.isclose(area, line.area)
    if not own.any():
        return None
    arc = arc_length(line.points)
    circle = 2.0 * np.sqrt(np.pi * area)
    return np.asarray(circle * np.interp(arc, arc[own], line.perimeter[own] / circle[own]))
