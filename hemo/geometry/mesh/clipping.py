"""Cut a closed lumen surface to one coronary tree and close it with planar, tagged caps.

The lumen of a patient is one closed surface: aorta and both coronary trees. It is cut square to the
centreline just outside the aorta and before each distal end; the piece that hangs together with the root
is kept. Side branches that the tree does not have stay as blind stubs.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hemo.errors import InputError
from hemo.geometry.lumen.planecut import Loop, cut_along, find_loop, triangulate_cap
from hemo.geometry.lumen.surface import Surface
from hemo.geometry.mesh.trimming import trim_tree
from hemo.tetmesh import INLET, WALL
from hemo.tree import Branch, VesselTree

Array = NDArray[np.float64]
Index = NDArray[np.int64]
log = logging.getLogger(__name__)

WALL_TAG, INLET_TAG = 1, 2
# A cut is looked for at these distances from the ostium and from a distal end, in radii.
OSTIUM_STEPS = (0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0)
OUTLET_STEPS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0)
LARGEST_OSTIUM = 1.5  # section over the vessel's own area: more is the funnel of the aortic wall
# Section over the vessel's own area: less is the dome of its tip, but a stub that tapers all along has no better.
SMALLEST_OUTLET, SMALLEST_STUB = 0.85, 0.65
LARGEST_OUTLET = 1.8  # more is a bifurcation with the other vessel in the section
SPURLESS = 0.95  # share of its convex hull that a section without a spur fills; a kidney's shape fills 0.97


class OutletsNotCut(InputError):
    """Some outlets (``outlets``, their names; none where it is the ostium) cannot be cut cleanly."""

    def __init__(self, message: str, outlets: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.outlets = outlets


class NotSevered(OutletsNotCut):
    """The cuts do not part the tree from the rest of the lumen: vessels touch somewhere."""


@dataclass(frozen=True)
class TaggedSurface:
    """A closed triangulated surface whose parts are named.

    Attributes
    ----------
    points
        (n, 3) m.
    triangles
        (m, 3) vertex indices, normals outward.
    tags
        (m,) the part each triangle belongs to.
    names
        tag -> ``"wall"``, ``"inlet"`` or the outlet's branch.
    planes
        cap tag -> (centre, outward unit normal).
    """

    points: Array
    triangles: Index
    tags: NDArray[np.int32]
    names: dict[int, str]
    planes: dict[int, tuple[Array, Array]]

    @property
    def volume(self) -> float:
        """Enclosed volume, m^3 (divergence theorem)."""
        a, b, c = (self.points[self.triangles[:, i]] - self.points.mean(axis=0) for i in range(3))
        return float(np.einsum("ij,ij->", np.cross(a, b), c) / 6.0)

    @property
    def genus(self) -> int:
        """Number of handles: above 0 where vessels of the tree touch and form a ring."""
        edges = len(self.triangles) * 3 // 2
        used = len(np.unique(self.triangles))
        return (2 - (used - edges + len(self.triangles))) // 2

    def cap_area(self, tag: int) -> float:
        """Area of a planar part, m^2."""
        a, b, c = (self.points[self.triangles[self.tags == tag][:, i]] for i in range(3))
        return float(0.5 * np.linalg.norm(np.cross(b - a, c - a).sum(axis=0)))


@dataclass(frozen=True)
class ClippedLumen:
    """One tree's lumen with its caps, and the tree cut at them."""

    surface: TaggedSurface
    tree: VesselTree
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Cut:
    """Where a branch is cut: arc length on it (m) and the loop there."""

    branch: str
    arc: float
    loop: Loop


def clip_to_tree(surface: Surface, tree: VesselTree) -> ClippedLumen:
    """Cut ``surface`` to ``tree``, square to the centreline at the ostium and at each outlet.

    Raises
    ------
    NotSevered
        If what is left still hangs together with a part that was to be cut off.
    OutletsNotCut
        If no clean section can be found for a cap; the sentence names the outlet.
    InputError
        If none is found at the ostium.
    """
    cuts = [_ostium_cut(surface, tree), *_outlet_cuts(surface, tree)]
    points, triangles = surface.points, surface.triangles
    rims: list[tuple[Index, Index]] = []
    for cut in cuts:
        loop = find_loop(points, triangles, cut.loop.centre, cut.loop.normal, _local_radius(tree[cut.branch], cut.arc))
        if loop is None:
            raise OutletsNotCut(
                f"tree {tree.name!r}: the cap of {cut.branch!r} meets another cap; shorten or drop that branch.",
                (cut.branch,) if cut.branch in tree.outlets else (),
            )
        points, triangles, above, below = cut_along(points, triangles, loop)
        rims.append((above, below))
    kept = _kept_part(tree, len(points), triangles, rims, cuts)
    trimmed, warnings = trim_tree(tree, cuts[0].arc, {cut.branch: cut.arc for cut in cuts[1:]})
    return ClippedLumen(_capped(points, triangles[kept], rims, cuts), trimmed, tuple(warnings))


def _ostium_cut(surface: Surface, tree: VesselTree) -> _Cut:
    """The first clean section a fraction of a radius down the root, or the narrowest found."""
    root = tree.root
    first = min((root.arc[c.parent_index or 0] for c in tree.children(root.name)), default=root.length)
    start = root.arc <= min(max(3.0 * root.diameter[0], 3e-3), max(first, 0.5 * root.length))
    own = float(np.median(root.area[start]))
    radius = float(np.sqrt(own / np.pi))
    found: list[_Cut] = []
    narrow: list[_Cut] = []
    for step in OSTIUM_STEPS:
        arc = step * radius
        if found and arc > 0.6 * min(first, root.length):
            break
        loop = _loop_at(surface, root, arc)
        if loop is None:
            continue
        found.append(_Cut(root.name, arc, loop))
        if loop.area <= LARGEST_OSTIUM * own and loop.reach < 2.5 * radius:
            narrow.append(found[-1])
            # Where the vessel leaves beside another lumen its first sections may carry a spur of it.
            if loop.solidity >= SPURLESS:
                return found[-1]
    if narrow:
        return narrow[0]
    if not found:
        raise InputError(
            f"tree {tree.name!r}: no closed section of the surface was found near the ostium of {root.name!r}; "
            "check that the surface and the centreline lie in the same frame."
        )
    return min(found, key=lambda cut: cut.loop.area)


def _outlet_cuts(surface: Surface, tree: VesselTree) -> list[_Cut]:
    """A cut at every outlet; where some cannot be made, all of these are named."""
    cuts: list[_Cut] = []
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


def _outlet_cut(surface: Surface, tree: VesselTree, branch: Branch) -> _Cut:
    """The most distal section that is not yet the dome of the tip; of a stub the most distal that will do."""
    arc, length = branch.arc, branch.length
    radius = float(np.median(branch.diameter[arc >= length - 4.0 * branch.diameter[-1]])) / 2.0
    forks = [arc[c.parent_index or 0] + radius for c in tree.children(branch.name)]
    lowest = min(max([0.3 * length, *forks]), length)
    whole: list[_Cut] = []
    stubs: list[_Cut] = []
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
        cut = _Cut(branch.name, place, loop)
        if loop.area >= SMALLEST_OUTLET * own:
            whole.append(cut)
            if loop.solidity >= SPURLESS:
                return cut
        elif loop.area >= SMALLEST_STUB * own:
            stubs.append(cut)
    if whole or stubs:
        return (whole or stubs)[0]
    raise OutletsNotCut(
        f"tree {tree.name!r}, outlet {branch.name!r}: no clean section of the surface was found within "
        f"{1e3 * (length - lowest):.1f} mm of its end; shorten the branch or drop it.",
        (branch.name,),
    )


def _own_area(surface: Surface, branch: Branch, place: float, before: float, fork: float) -> float:
    """Area (m^2) of the vessel that ends at ``place``: of its section ``before``, or of what is behind a fork."""
    if before < fork:
        return float(np.median([_area_at(branch, arc) for arc in np.linspace(min(fork, place), place, 9)]))
    loop = _loop_at(surface, branch, max(before, 0.0))
    return min(_area_at(branch, before), loop.area if loop else np.inf)


def _loop_at(surface: Surface, branch: Branch, arc: float) -> Loop | None:
    centre, tangent = frame_at(branch, arc)
    return find_loop(surface.points, surface.triangles, centre, tangent, _local_radius(branch, arc))


def _area_at(branch: Branch, arc: float) -> float:
    return float(np.interp(arc, branch.arc, branch.area))


def _local_radius(branch: Branch, arc: float) -> float:
    return float(np.sqrt(_area_at(branch, arc) / np.pi))


def frame_at(branch: Branch, arc: float) -> tuple[Array, Array]:
    """Centre (3,) and unit tangent (3,) at an arc length.

    The tangent is that of the parabola fitted to two radii of centreline round the place; at an end, where these lie
    to one side, a chord would lag behind a bend.
    """
    reach = min(2.0 * _local_radius(branch, arc), branch.length)
    low = float(np.clip(arc - reach / 2.0, 0.0, branch.length - reach))
    along = np.linspace(low, low + reach, 9)
    near, centre = (
        np.stack([np.interp(places, branch.arc, branch.points[:, k]) for k in range(3)], axis=-1)
        for places in (along, arc)
    )
    tangent = np.polynomial.polynomial.polyfit((along - arc) / reach, near - centre, 2)[1]
    return centre, tangent / np.linalg.norm(tangent)


def _kept_part(
    tree: VesselTree, size: int, triangles: Index, rims: list[tuple[Index, Index]], cuts: list[_Cut]
) -> NDArray[np.bool_]:
    """(m,) which triangles hang together with the root, after checking that every cut parts it from the rest."""
    a = np.concatenate([triangles[:, 0], triangles[:, 1]])
    b = np.concatenate([triangles[:, 1], triangles[:, 2]])
    _, part = connected_components(coo_array((np.ones(len(a)), (a, b)), shape=(size, size)), directed=False)
    own = part[rims[0][0][0]]
    if part[rims[0][1][0]] == own:
        raise NotSevered(
            f"tree {tree.name!r}: cutting {cuts[0].branch!r} at its ostium does not part it from the aorta; "
            "a vessel touches the aorta or the other tree further down."
        )
    for (above, below), cut in zip(rims[1:], cuts[1:], strict=True):
        if part[below[0]] != own:
            raise OutletsNotCut(
                f"tree {tree.name!r}, outlet {cut.branch!r}: the surface is interrupted between the ostium and this "
                "outlet; repair the segmentation or drop the branch.",
                (cut.branch,),
            )
        if part[above[0]] == own:
            raise NotSevered(
                f"tree {tree.name!r}, outlet {cut.branch!r}: what lies beyond the cut still hangs together with the "
                "tree; two vessels touch there.",
                (cut.branch,),
            )
    return np.asarray(part[triangles[:, 0]] == own)


def _capped(points: Array, triangles: Index, rims: list[tuple[Index, Index]], cuts: list[_Cut]) -> TaggedSurface:
    """Close the rims and leave out what is not used."""
    pieces, tags = [triangles], [np.full(len(triangles), WALL_TAG, dtype=np.int32)]
    names, planes = {WALL_TAG: WALL}, {}
    for i, ((above, below), cut) in enumerate(zip(rims, cuts, strict=True)):
        tag = INLET_TAG + i
        outward = -cut.loop.normal if i == 0 else cut.loop.normal
        rim = above if i == 0 else below[::-1]
        extra, cap = triangulate_cap(points, rim, outward)
        points = np.vstack([points, extra])
        pieces.append(cap)
        tags.append(np.full(len(cap), tag, dtype=np.int32))
        names[tag] = INLET if i == 0 else cut.branch
        planes[tag] = (cut.loop.centre, outward)
    used, compact = np.unique(np.concatenate(pieces), return_inverse=True)
    return TaggedSurface(points[used], compact.reshape(-1, 3).astype(np.int64), np.concatenate(tags), names, planes)


def keep_flat_ends(surface: Surface, tree: VesselTree) -> ClippedLumen:
    """Tag the flat ends that a closed surface already has, where the tree starts and ends.

    Raises
    ------
    InputError
        If the surface has no flat end at the root's start or at an outlet.
    """
    tags = np.full(len(surface.triangles), WALL_TAG, dtype=np.int32)
    names, planes = {WALL_TAG: WALL}, {}
    ends = [(INLET, tree.root, 0, -1.0)] + [(name, tree[name], -1, 1.0) for name in tree.outlets]
    for i, (name, branch, place, sign) in enumerate(ends):
        centre, outward = branch.points[place], sign * branch.tangent[place]
        radius = float(np.sqrt(branch.area[place] / np.pi))
        corners = surface.points[surface.triangles] - centre
        flat = np.abs(corners @ outward).max(axis=1) < 1e-3 * radius
        flat &= np.linalg.norm(corners, axis=2).max(axis=1) < 3.0 * radius
        vector = 0.5 * np.cross(corners[flat, 1] - corners[flat, 0], corners[flat, 2] - corners[flat, 0]).sum(axis=0)
        if vector @ outward < 0.5 * branch.area[place]:
            raise InputError(f"tree {tree.name!r}: the surface has no flat end at {name!r}; use keep_ends = false.")
        tag = INLET_TAG + i
        tags[flat] = tag
        names[tag] = name
        planes[tag] = (corners[flat].reshape(-1, 3).mean(axis=0) + centre, vector / np.linalg.norm(vector))
    return ClippedLumen(TaggedSurface(surface.points, surface.triangles, tags, names, planes), tree)
