"""Cut a closed lumen surface to one coronary tree and close it with planar, tagged caps.

The lumen of a patient is one closed surface: aorta and both coronary trees. It is cut square to the
centreline just outside the aorta and before each distal end; the piece that hangs together with the root
is kept. Side branches that the tree does not have stay as blind stubs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hemo.errors import InputError
from hemo.geometry.lumen.capfan import triangulate_cap
from hemo.geometry.lumen.planecut import LoopFinder, cut_along, cut_along_all, find_loop
from hemo.geometry.lumen.surface import Surface
from hemo.geometry.mesh.capcuts import Cut, NotSevered, OutletsNotCut, local_radius, named, ostium_cut, outlet_cuts
from hemo.geometry.mesh.trimming import trim_tree
from hemo.tetmesh import INLET, WALL
from hemo.tree import VesselTree
from hemo.triangles import area_vectors

Array = NDArray[np.float64]
Index = NDArray[np.int64]
WALL_TAG, INLET_TAG = 1, 2


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
        return float(np.linalg.norm(area_vectors(self.points[self.triangles[self.tags == tag]]).sum(axis=0)))


@dataclass(frozen=True)
class ClippedLumen:
    """One tree's lumen with its caps, and the tree cut at them."""

    surface: TaggedSurface
    tree: VesselTree
    warnings: tuple[str, ...] = ()


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
    finder = LoopFinder(surface.points, surface.triangles)
    cuts = [ostium_cut(finder, tree), *outlet_cuts(finder, tree)]
    points, triangles, rims = _parted(surface, tree, cuts)
    kept = _kept_part(tree, len(points), triangles, rims, cuts)
    trimmed, warnings = trim_tree(tree, cuts[0].arc, {cut.branch: cut.arc for cut in cuts[1:]})
    return ClippedLumen(_capped(points, triangles[kept], rims, cuts), trimmed, tuple(warnings))


def _parted(surface: Surface, tree: VesselTree, cuts: list[Cut]) -> tuple[Array, Index, list[tuple[Index, Index]]]:
    """The surface cut at all cuts, and the two sides of each."""
    points, triangles = surface.points, surface.triangles
    if np.bincount(np.concatenate([cut.loop.triangles for cut in cuts])).max() == 1:
        return cut_along_all(points, triangles, [cut.loop for cut in cuts])
    rims: list[tuple[Index, Index]] = []
    for cut in cuts:  # some triangle belongs to two of them
        loop = find_loop(points, triangles, cut.loop.centre, cut.loop.normal, local_radius(tree[cut.branch], cut.arc))
        if loop is None:
            raise OutletsNotCut(
                f"tree {tree.name!r}: the cap of {cut.branch!r} meets another cap; shorten or drop that branch.",
                (cut.branch,) if cut.branch in tree.outlets else (),
            )
        points, triangles, above, below = cut_along(points, triangles, loop)
        rims.append((above, below))
    return points, triangles, rims


def _kept_part(
    tree: VesselTree, size: int, triangles: Index, rims: list[tuple[Index, Index]], cuts: list[Cut]
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
    ends = list(zip(rims[1:], (cut.branch for cut in cuts[1:]), strict=True))
    apart = tuple(name for (_, below), name in ends if part[below[0]] != own)
    if apart:
        raise OutletsNotCut(
            f"tree {tree.name!r}, outlet {named(apart)}: the surface is interrupted between the ostium and this "
            "outlet; repair the segmentation or drop the branch.",
            apart,
        )
    joined = tuple(name for (above, _), name in ends if part[above[0]] == own)
    if joined:
        raise NotSevered(
            f"tree {tree.name!r}, outlet {named(joined)}: what lies beyond the cut still hangs together with the "
            "tree; two vessels touch there.",
            joined,
        )
    return np.asarray(part[triangles[:, 0]] == own)


def _capped(points: Array, triangles: Index, rims: list[tuple[Index, Index]], cuts: list[Cut]) -> TaggedSurface:
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
        vector = area_vectors(corners[flat]).sum(axis=0)
        if vector @ outward < 0.5 * branch.area[place]:
            raise InputError(f"tree {tree.name!r}: the surface has no flat end at {name!r}; use keep_ends = false.")
        tag = INLET_TAG + i
        tags[flat] = tag
        names[tag] = name
        planes[tag] = (corners[flat].reshape(-1, 3).mean(axis=0) + centre, vector / np.linalg.norm(vector))
    return ClippedLumen(TaggedSurface(surface.points, surface.triangles, tags, names, planes), tree)
