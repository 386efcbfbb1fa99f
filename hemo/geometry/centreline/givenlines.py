"""Vessel trees from centrelines that are given: lines from the root to every outlet, or one line a vessel.

Common stretches of the lines are joined, the part in the aorta is left out, and the rest goes the way of the
lines that hemo finds itself: :mod:`courses`, :mod:`vesselline`, :mod:`naming`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from hemo.errors import InputError
from hemo.geometry.centreline.centring import resample, smooth
from hemo.geometry.centreline.courses import Course, find_courses
from hemo.geometry.centreline.joining import SPACING, Nodes, joined, rooted
from hemo.geometry.centreline.linefile import Polyline, read_lines
from hemo.geometry.centreline.lumengraph import LumenGraph
from hemo.geometry.centreline.naming import name_branches
from hemo.geometry.centreline.simvascular import read_paths
from hemo.geometry.centreline.skeleton import Skeleton
from hemo.geometry.centreline.starts import path_lengths
from hemo.geometry.centreline.trees import CentrelineOptions, assemble, sides
from hemo.geometry.centreline.vesselline import Measure, VesselLine, measured_line
from hemo.geometry.lumen.crosssection import SectionCutter
from hemo.geometry.lumen.distance import SurfaceDistance
from hemo.geometry.lumen.surface import Surface, check_size
from hemo.tree import VesselTree, arc_length

Array = NDArray[np.float64]
_log = logging.getLogger(__name__)


def read_centrelines(files: Sequence[Path], unit: str | None = None) -> list[Polyline]:
    """The lines of VMTK's files (``.vtp``, ``.vtk``) and SimVascular's paths (``.pth``), in m.

    Raises
    ------
    InputError
        If a file cannot be used, or its size in that unit (mm where none is stated) is absurd.
    """
    paths = [file for file in files if file.suffix.lower() == ".pth"]
    lines = read_paths(paths, unit) if paths else []
    for file in files:
        if file not in paths:
            own = read_lines(file, unit)
            radius = np.concatenate([line.radius for line in own])
            extent = float(np.ptp(np.concatenate([line.points for line in own]), axis=0).max())
            check_size(extent, 2.0 * float(np.percentile(radius, 25.0)), str(file), unit, "tree of centrelines")
            lines += own
    return lines


def trees_from_lines(
    lines: Sequence[Polyline], surface: Surface | None = None, options: CentrelineOptions | None = None
) -> tuple[VesselTree, ...]:
    """The coronary trees along given centrelines.

    Parameters
    ----------
    lines
        In one frame, m. Lines that start at one place run from the root to an outlet each (VMTK's
        convention); otherwise each is one vessel, which leaves the vessel that its nearer end lies in.
    surface
        Where given, the lines are centred and measured on it; otherwise radius and area are the lines' own.
    options
        Spacing, smoothing, what is aorta and what is too small for a branch.

    Returns
    -------
    trees
        One for each ostium, left before right, every branch once.

    Raises
    ------
    InputError
        If nothing of a tree's length is left outside the aorta.
    """
    options = options or CentrelineOptions()
    wall = None if surface is None else SurfaceDistance(surface)
    nodes = joined(rooted(_with_radius(lines, wall)))
    graph, skeletons = _without_aorta(nodes, options)
    if not skeletons:
        least = 1e3 * options.skeleton.minimal_tree
        raise InputError(f"the centrelines hold no vessel of {least:g} mm outside the aorta; check their unit.")
    if surface is None and np.isnan(nodes.area).any():
        _log.warning(
            "the centrelines hold inscribed radii only: areas are those of circles with these radii, too small where "
            "the lumen is not round; give the surface too, or centrelines with section areas."
        )
    measure = None
    if surface is not None and wall is not None:
        measure = Measure(wall, SectionCutter(surface), options.spacing, options.smoothing)
    trees = []
    for skeleton, side in zip(skeletons, sides(graph, skeletons), strict=True):
        courses = find_courses(graph, skeleton, side.startswith("left"))
        if measure is not None:
            vessel_lines = [measured_line(graph, courses, number, measure) for number in range(len(courses))]
        else:
            vessel_lines = [_own_line(nodes, skeleton, courses, number, options) for number in range(len(courses))]
        branches = assemble(vessel_lines, courses, options)
        if measure is None:  # no outline was measured
            branches = [replace(branch, perimeter=None) for branch in branches]
        trees.append(VesselTree(side, name_branches(branches, side)))
    return tuple(sorted(trees, key=lambda tree: tree.name))


def _with_radius(lines: Sequence[Polyline], wall: SurfaceDistance | None) -> list[Polyline]:
    """The lines with their radii, where the file has none with their depth in the lumen."""
    if wall is None:
        if any(np.isnan(line.radius).any() for line in lines):
            raise InputError("the paths hold no radius; give the lumen too, as a surface or a label map, or contours.")
        return list(lines)
    depth = [wall.rough_depth(line.points)[0] for line in lines]
    inside = float(np.mean(np.concatenate(depth) > -0.3e-3))
    if inside < 0.8:
        raise InputError(
            f"only {100.0 * inside:.0f} % of the centrelines lie inside the lumen; check that both have one frame "
            f"and unit."
        )
    own = (
        np.where(np.isnan(line.radius), np.maximum(d, 1e-4), line.radius) for line, d in zip(lines, depth, strict=True)
    )
    return [replace(line, radius=radius) for line, radius in zip(lines, own, strict=True)]


def _without_aorta(nodes: Nodes, options: CentrelineOptions) -> tuple[LumenGraph, tuple[Skeleton, ...]]:
    """The nodes as the graph of a lumen, and the paths in it from each ostium, the largest tree first."""
    wide = nodes.radius >= options.aortic_radius
    aorta = wide.copy()
    if wide.any():
        centres, reach = nodes.points[wide], nodes.radius[wide]
        near = cKDTree(centres).query_ball_point(nodes.points, float(reach.max()))
        for node, found in enumerate(near):
            aorta[node] |= bool(np.any(np.linalg.norm(centres[found] - nodes.points[node], axis=1) < reach[found]))
    before = nodes.before.copy()
    roots: dict[int, list[int]] = {}
    for tip in nodes.tips:
        path = Skeleton(before, np.zeros(0), ()).path(tip)
        inside = np.flatnonzero(aorta[path])
        if len(inside) and inside[-1] + 1 < len(path):
            path = path[int(inside[-1]) + 1 :]
        if not len(inside) or inside[-1] + 1 < len(nodes.points):
            roots.setdefault(path[0], []).append(tip)
    contact = np.zeros(len(before), dtype=bool)
    for root in roots:
        contact[root] = before[root] >= 0
        before[root] = -1
    # A node comes after the one before it.
    run = path_lengths(nodes.points, np.arange(len(before), dtype=np.float64), before)
    edges = np.stack([np.flatnonzero(before >= 0), before[before >= 0]], axis=1)
    graph = LumenGraph(nodes.points, nodes.radius, edges, contact, nodes.points[aorta], SPACING)
    found = []
    for tips in roots.values():
        ends = tuple(sorted((tip for tip in tips if not aorta[tip]), key=lambda tip: -run[tip]))
        if ends and run[ends[0]] >= options.skeleton.minimal_tree:
            found.append(Skeleton(before, run, ends))
    return graph, tuple(sorted(found, key=lambda skeleton: -sum(run[tip] for tip in skeleton.tips)))


def _own_line(
    nodes: Nodes, skeleton: Skeleton, courses: list[Course], number: int, options: CentrelineOptions
) -> VesselLine:
    """A course's line with the file's radius and area, led in by 6 mm of its parent as measured lines are."""
    course = courses[number]
    path = list(course.nodes)
    if course.parent is not None:
        upstream = skeleton.path(course.nodes[0])[:-1]
        length = skeleton.run[course.nodes[0]] - skeleton.run[upstream]
        path = [node for node, at in zip(upstream, length, strict=True) if at <= 6e-3] + path
    if course.ends_in_daughters:
        heir = next(c for c in courses if c.parent == number)
        path += list(heir.nodes[1 : 1 + round(10e-3 / SPACING)])
    arc = arc_length(nodes.points[path])
    even = resample(nodes.points[path], options.spacing)
    at = np.linspace(0.0, arc[-1], len(even))
    radius = np.interp(at, arc, nodes.radius[path])
    area = np.interp(at, arc, nodes.area[path])
    area = np.where(np.isfinite(area), area, np.pi * radius**2)
    return VesselLine(smooth(even, options.smoothing), radius, area, np.full_like(area, np.nan))
