"""Where a lumen is cut to one tree: clean sections at its ostium and before each distal end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.geometry.lumen.planecut import Loop, LoopFinder, plane_axes
from hemo.tree import Branch, VesselTree

Array = NDArray[np.float64]

# A cut is looked for at these distances from the ostium and from a distal end, in radii.
OSTIUM_STEPS, NEARER_STEPS = (0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0), (0.2, 0.0)
OUTLET_STEPS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0)
LARGEST_OSTIUM = 1.5  # section over the vessel's own area: more is the funnel of the aortic wall
# Section over the vessel's own area: less is the dome of its tip, but a stub that tapers all along has no better.
SMALLEST_OUTLET, SMALLEST_STUB = 0.85, 0.65
LARGEST_OUTLET = 1.8  # more is a bifurcation with the other vessel in the section
STEEPEST = 0.75  # slope of the wall against the plane: more is a crotch, a healthy taper has 0.1 to 0.3, a lump 0.6
SPURLESS = 0.95  # share of its convex hull that a section without a spur fills; a kidney's shape fills 0.97


class OutletsNotCut(InputError):
    """Some outlets (``outlets``, their names; none where it is the ostium) cannot be cut cleanly."""

    def __init__(self, message: str, outlets: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.outlets = outlets


class OstiumNotCut(InputError):
    """No closed section is found at the ostium."""


class NotSevered(OutletsNotCut):
    """The cuts do not part the tree from the rest of the lumen: vessels touch somewhere."""


def named(outlets: Sequence[str]) -> str:
    """The first outlet in quotes, and how many more."""
    return repr(outlets[0]) + (f" (and {', '.join(outlets[1:])})" if len(outlets) > 1 else "")


@dataclass(frozen=True)
class Cut:
    """Where a branch is cut: arc length on it (m) and the loop there."""

    branch: str
    arc: float
    loop: Loop


def ostium_cut(surface: LoopFinder, tree: VesselTree) -> Cut:
    """The first clean section a fraction of a radius down the root, or the narrowest found.

    Raises
    ------
    InputError
        If no section closes there.
    """
    root = tree.root
    first = min((root.arc[c.parent_index or 0] for c in tree.children(root.name)), default=root.length)
    start = root.arc <= min(max(3.0 * root.diameter[0], 3e-3), max(first, 0.5 * root.length))
    own = float(np.median(root.area[start]))
    radius = float(np.sqrt(own / np.pi))
    found: list[Cut] = []
    narrow: list[Cut] = []
    for step in (*OSTIUM_STEPS, *NEARER_STEPS):
        arc = step * radius
        if arc > root.length or (found and (arc > 0.6 * min(first, root.length) or step in NEARER_STEPS)):
            continue
        loop = _loop_at(surface, root, arc)
        if loop is None or vessels_through(tree, root, arc, loop):
            continue
        found.append(Cut(root.name, arc, loop))
        if loop.area <= LARGEST_OSTIUM * own and loop.reach < 2.5 * radius:
            narrow.append(found[-1])
            # Where the vessel leaves beside another lumen its first sections may carry a spur of it.
            if loop.solidity >= SPURLESS:
                return found[-1]
    if narrow:
        return narrow[0]
    if not found:
        raise OstiumNotCut(
            f"tree {tree.name!r}: no closed section of the surface was found near the ostium of {root.name!r}; "
            "check that the surface and the centreline lie in the same frame."
        )
    return min(found, key=lambda cut: cut.loop.area)


def outlet_cuts(surface: LoopFinder, tree: VesselTree) -> list[Cut]:
    """A cut at every outlet; where some cannot be made, all of these are named.

    Raises
    ------
    OutletsNotCut
        Naming the outlets without a clean section.
    """
    cuts: list[Cut] = []
    failures: dict[str, str] = {}
    for name in tree.outlets:
        try:
            cuts.append(_outlet_cut(surface, tree, tree[name]))
        except OutletsNotCut as error:
            failures[name] = str(error)
    if failures:
        first, *others = failures
        more = f" So it is at {', '.join(others)}." if others else ""
        raise OutletsNotCut(failures[first] + more, tuple(failures))
    return cuts


def _outlet_cut(surface: LoopFinder, tree: VesselTree, branch: Branch) -> Cut:
    """The most distal section that is not yet the dome of the tip; of a stub the most distal that will do.

    One whose rim runs along the wall of a crotch, nearly within the plane, is the last resort.
    """
    arc, length = branch.arc, branch.length
    radius = float(np.median(branch.diameter[arc >= length - 4.0 * branch.diameter[-1]])) / 2.0
    forks = [arc[c.parent_index or 0] + radius for c in tree.children(branch.name)]
    lowest = min(max([0.3 * length, *forks]), length)
    whole: list[Cut] = []
    stubs: list[Cut] = []
    crotches: list[Cut] = []
    for step in OUTLET_STEPS:
        place = length - step * radius
        if place < lowest and step > 0.0:
            break
        loop = _loop_at(surface, branch, place)
        if loop is None or loop.reach > 4.0 * radius:
            continue
        if loop.area > LARGEST_OUTLET * _area_at(branch, place):
            continue  # in a bifurcation: the cut would take the other vessel off too
        own = _own_area(surface, branch, place, place - 1.5 * radius, max(forks, default=-np.inf))
        if vessels_through(tree, branch, place, loop):
            continue  # it would sever another vessel of the tree
        cut = Cut(branch.name, place, loop)
        if surface.slope(loop) > STEEPEST:
            crotches += [cut] if loop.area >= SMALLEST_STUB * own else []
        elif loop.area >= SMALLEST_OUTLET * own:
            whole.append(cut)
            if loop.solidity >= SPURLESS:
                return cut
        elif loop.area >= SMALLEST_STUB * own:
            stubs.append(cut)
    if whole or stubs or crotches:
        return (whole or stubs or crotches)[0]
    raise OutletsNotCut(
        f"tree {tree.name!r}, outlet {branch.name!r}: no clean section of the surface was found within "
        f"{1e3 * (length - lowest):.1f} mm of its end; shorten the branch or drop it.",
        (branch.name,),
    )


def vessels_through(tree: VesselTree, branch: Branch, place: float, loop: Loop) -> list[str]:
    """Names of the vessels whose centrelines pass through a section of ``branch`` at the arc length ``place`` (m).

    The branch itself counts where it passes farther than two radii along it from the place.
    """
    axes = np.stack(plane_axes(loop.normal), axis=1)
    outline = (loop.points - loop.centre) @ axes
    found = []
    for other in tree.branches:
        points, arc = other.points, other.arc
        if other.parent is not None:  # it leaves its parent's centreline inside the lumen
            points = np.vstack([tree[other.parent].points[other.parent_index or 0], points])
            arc = np.concatenate([arc[:1], arc])
        height = (points - loop.centre) @ loop.normal
        before = np.flatnonzero((height[:-1] > 0.0) != (height[1:] > 0.0))
        if other.name == branch.name:
            before = before[np.abs(arc[before] - place) > 2.0 * local_radius(branch, place)]
        share = height[before] / (height[before] - height[before + 1])
        crossing = points[before] + share[:, None] * (points[before + 1] - points[before])
        if np.any(_within((crossing - loop.centre) @ axes, outline)):
            found.append(other.name)
    return found


def _within(points: Array, outline: Array) -> NDArray[np.bool_]:
    """(k,) whether points (k, 2) lie in a polygon (n, 2): a ray from each crosses its sides an odd number of times."""
    start, end = outline, np.roll(outline, -1, axis=0)
    straddles = (start[:, 1] > points[:, [1]]) != (end[:, 1] > points[:, [1]])
    rise = np.where(straddles, end[:, 1] - start[:, 1], 1.0)
    reach = start[:, 0] + (points[:, [1]] - start[:, 1]) / rise * (end[:, 0] - start[:, 0])
    return np.asarray((straddles & (reach > points[:, [0]])).sum(axis=1) % 2 == 1)


def _own_area(surface: LoopFinder, branch: Branch, place: float, before: float, fork: float) -> float:
    """Area (m^2) of the vessel that ends at ``place``: of its section ``before``, or of what is behind a fork."""
    if before < fork:
        return float(np.median([_area_at(branch, arc) for arc in np.linspace(min(fork, place), place, 9)]))
    loop = _loop_at(surface, branch, max(before, 0.0))
    return min(_area_at(branch, before), loop.area if loop else np.inf)


def _loop_at(surface: LoopFinder, branch: Branch, arc: float) -> Loop | None:
    centre, tangent = frame_at(branch, arc)
    return surface.find(centre, tangent, local_radius(branch, arc))


def _area_at(branch: Branch, arc: float) -> float:
    return float(np.interp(arc, branch.arc, branch.area))


def local_radius(branch: Branch, arc: float) -> float:
    """Equivalent radius (m) at an arc length (m)."""
    return float(np.sqrt(_area_at(branch, arc) / np.pi))


def frame_at(branch: Branch, arc: float) -> tuple[Array, Array]:
    """Centre (3,) and unit tangent (3,) at an arc length.

    The tangent is that of the parabola fitted to two radii of centreline round the place; at an end, where these lie
    to one side, a chord would lag behind a bend.
    """
    reach = min(2.0 * local_radius(branch, arc), branch.length)
    low = float(np.clip(arc - reach / 2.0, 0.0, branch.length - reach))
    along = np.linspace(low, low + reach, 9)
    near, centre = (
        np.stack([np.interp(places, branch.arc, branch.points[:, k]) for k in range(3)], axis=-1)
        for places in (along, arc)
    )
    tangent = np.polynomial.polynomial.polyfit((along - arc) / reach, near - centre, 2)[1]
    return centre, tangent / np.linalg.norm(tangent)
