"""Vessel trees from the outlines of vessels drawn one by one, as SimVascular stores them."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from hemo.errors import InputError
from hemo.geometry.centreline.centring import resample
from hemo.geometry.centreline.naming import numbered
from hemo.geometry.centreline.simvascular import ContourVessel, contour_files, read_contours
from hemo.geometry.centreline.trees import CentrelineOptions
from hemo.geometry.centreline.vesselline import VesselLine, leave_parent
from hemo.tree import Branch, VesselTree, arc_length

Array = NDArray[np.float64]
_log = logging.getLogger(__name__)

# Outlines farther apart than this many diameters may hide a lesion: say so.
_SPARSE = 2.0
# A vessel leaves another one if it starts within this many of its radii from its centreline.
_REACH = 1.5


def trees_from_contours(
    places: Sequence[Path], unit: str | None = None, options: CentrelineOptions | None = None
) -> tuple[VesselTree, ...]:
    """The coronary trees in SimVascular's contour files.

    Parameters
    ----------
    places
        ``.ctgr`` files, ``.pth`` files, or folders of them.
    unit
        See :func:`~hemo.geometry.centreline.simvascular.read_contours`.
    options
        Spacing of the points, and the radius from which a vessel is aorta and left out.

    Returns
    -------
    trees
        Branches keep the names of their paths. Between two outlines the centreline, the area-equivalent radius,
        the perimeter and the inscribed radius are interpolated monotonically (Fritsch and Carlson 1980, SIAM J
        Numer Anal 17:238).

    Raises
    ------
    InputError
        If a file cannot be used, or only the aorta is there.
    """
    options = options or CentrelineOptions()
    files = [file for place in places for file in (contour_files(place) if place.is_dir() else [place])]
    lines = {}
    aorta = []
    for vessel in read_contours(files, unit):
        line = _interpolated(vessel, options.spacing)
        if float(np.median(vessel.radius)) >= options.aortic_radius:
            aorta.append(line)
        elif vessel.name in lines:
            raise InputError(f"two contour groups belong to the path {vessel.name!r}; keep one of them.")
        else:
            lines[vessel.name] = line
    if not lines:
        raise InputError("the contours hold the aorta only; give those of the coronaries too.")
    branches = _connected(lines)
    roots = [branch for branch in branches.values() if branch.parent is None]
    trees = []
    for root, side in zip(roots, _sides(branches, roots, aorta), strict=True):
        members = _family(branches, root.name)
        trees.append(VesselTree(side, tuple(_trimmed(members, aorta))))
    return tuple(sorted(trees, key=lambda tree: tree.name))


def _interpolated(vessel: ContourVessel, spacing: float) -> VesselLine:
    """Points about ``spacing`` (m) apart, from the first outline to the last."""
    if vessel.path is not None:
        run = arc_length(vessel.path)
        at = run[vessel.position]
        fine = vessel.path[vessel.position[0] : vessel.position[-1] + 1]
        run = run[vessel.position[0] : vessel.position[-1] + 1]
        offset = PchipInterpolator(at, vessel.centres - vessel.path[vessel.position])(run)
        curve = fine + offset
    else:
        at = arc_length(vessel.centres)
        run = np.linspace(at[0], at[-1], max(2, round(at[-1] / (0.25 * spacing))))
        curve = PchipInterpolator(at, vessel.centres)(run)
    points = resample(curve, spacing)
    place = np.interp(np.linspace(0.0, 1.0, len(points)), arc_length(curve) / arc_length(curve)[-1], run)
    equivalent = np.sqrt(vessel.area / np.pi)
    gap = np.diff(at)
    if np.any(gap > _SPARSE * 2.0 * np.minimum(equivalent[1:], equivalent[:-1])):
        _log.warning(
            "%s: contours are up to %.1f mm apart; the lumen between is interpolated, and no lesion there is seen.",
            vessel.name,
            1e3 * float(gap.max()),
        )
    radius, wide, perimeter = (
        np.asarray(PchipInterpolator(at, values)(place)) for values in (vessel.radius, equivalent, vessel.perimeter)
    )
    return VesselLine(points, radius, np.pi * wide**2, perimeter)


def _connected(lines: dict[str, VesselLine]) -> dict[str, Branch]:
    """Every vessel as a branch of the one in whose lumen it starts, parents before children."""
    parent = {name: _parent(name, lines) for name in lines}
    order = sorted(lines, key=lambda name: _depth(name, parent))
    branches: dict[str, Branch] = {}
    for name in order:
        line, attach = lines[name], None
        mother = parent[name]
        if mother is not None:
            line, attach = leave_parent(line, branches[mother], False)
            if len(line.points) - line.start < 3:
                raise InputError(f"the path {name!r} runs inside the lumen of {mother!r}; leave one of them out.")
        keep = slice(line.start, None)
        area = line.area[keep]
        equivalent = np.sqrt(area / np.pi)
        branches[name] = Branch(
            name=name,
            points=line.points[keep],
            radius=line.radius[keep],
            area=area,
            reference_radius=equivalent,
            parent=mother,
            parent_index=attach,
            perimeter=line.perimeter[keep],
        )
    return branches


def _parent(name: str, lines: dict[str, VesselLine]) -> str | None:
    """The vessel whose lumen surrounds the start of the named one; the nearest of several, None without one."""
    best, found = _REACH, None
    start = lines[name].points[0]
    for other, line in lines.items():
        if other == name:
            continue
        gap = np.linalg.norm(line.points - start, axis=1) / np.sqrt(line.area / np.pi)
        # Two vessels that start together: the one with the larger start is the parent.
        rival = np.linalg.norm(line.points[0] - start) < 2.0 * line.radius[0]
        if rival and (lines[name].area[0], name) > (line.area[0], other):
            continue
        if gap.min() < best:
            best, found = float(gap.min()), other
    return found


def _depth(name: str, parent: dict[str, str | None]) -> int:
    depth, at = 0, parent[name]
    while at is not None:
        depth, at = depth + 1, parent[at]
        if depth > len(parent):
            raise InputError(f"the path {name!r} and others start in each other; check where they begin.")
    return depth


def _family(branches: dict[str, Branch], root: str) -> list[Branch]:
    family = [root]
    for name, branch in branches.items():
        if branch.parent in family:
            family.append(name)
    return [branches[name] for name in family]


def _trimmed(members: list[Branch], aorta: Sequence[VesselLine]) -> list[Branch]:
    """The tree without the part of its root that lies in the aorta's lumen."""
    root = members[0]
    inside = 0
    for line in aorta:
        gap = np.linalg.norm(root.points[:, None] - line.points[None], axis=2)
        nearest = gap.argmin(axis=1)
        within = np.flatnonzero(gap.min(axis=1) < line.radius[nearest])
        inside = max(inside, int(within[-1]) + 1 if len(within) else 0)
    inside = min(inside, len(root.points) - 2)
    cut = root.sampled(root.arc[inside:])
    moved = [
        replace(b, parent_index=max((b.parent_index or 0) - inside, 0)) if b.parent == root.name else b
        for b in members[1:]
    ]
    return [replace(b, is_outlet=not _ends_in_daughter(b, moved)) for b in (cut, *moved)]


def _ends_in_daughter(branch: Branch, members: list[Branch]) -> bool:
    """Whether another branch leaves within a radius of the branch's end, as from a left main."""
    left = branch.length - branch.arc
    daughters = [b.parent_index or 0 for b in members if b.parent == branch.name]
    return any(float(left[min(place, len(left) - 1)]) < branch.radius[-1] for place in daughters)


def _sides(branches: dict[str, Branch], roots: list[Branch], aorta: Sequence[VesselLine]) -> list[str]:
    """``left`` or ``right`` by the vessels' names, else by where the tree lies (LPS: x to the left)."""
    centre = np.mean(np.concatenate([line.points for line in aorta]), axis=0)[0] if aorta else np.nan
    found: list[str] = []
    for root in roots:
        family = " ".join(branch.name.upper() for branch in _family(branches, root.name))
        left = bool(re.search(r"LAD|LCX|LCA|LMCA|\bLM\b|CIRC", family))
        right = "RCA" in family
        if left == right and np.isfinite(centre):
            left = float(np.mean([b.points[-1, 0] for b in _family(branches, root.name)])) > centre
            right = not left
        found.append("left" if left and not right else "right" if right and not left else "vessel")
    return numbered(found)
