"""How large the cells of a mesh are to be: by the calibre of the vessel, finer in a stenosis.

In a stenosis the boundary layer thins against the diameter D as Re^(-1/2), and at a given flow Re grows as 1/D
(Schlichting and Gersten 2017, Boundary-Layer Theory, chapter 2): N cells across a throat of D instead of D_ref
do not resolve the layer that N cells resolve in the healthy vessel; (D_ref / D)^(1/2) N do. Where the jet's shear layer
forms behind the throat the throat's size is kept: there the flow is most sensitive (docs/solver.md, section 7).

Where the wall bends more sharply than a tube (a carina, a nodule) mmgs makes smaller triangles by itself, so that
no chord lies deeper than the deviation it is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from hemo.tree import VesselTree, arc_length

Array = NDArray[np.float64]
Index = NDArray[np.int64]

# A lesion that leaves less of the diameter than this throttles its own flow: Re at the throat grows no further.
NARROWEST = 0.4
# Growth of the wanted edge along a vessel, in metres a metre, and the diameters behind a throat without it.
GROWTH, WAKE = 0.05, 1.0


@dataclass(frozen=True)
class Sizes:
    """Wanted edge length: local diameter over cells per diameter, less in a stenosis (:func:`size_at`).

    Attributes
    ----------
    cells_per_diameter
        Edges across the local diameter, at least.
    gradation
        Largest ratio of neighbouring edge lengths.
    stretch
        Length of the cells along a straight vessel over their width, at most (:mod:`stretching`).
    """

    cells_per_diameter: float
    gradation: float = 1.3
    stretch: float = 1.0


def size_at(points: NDArray[Any], tree: VesselTree, sizes: Sizes) -> Array:
    """(n,) wanted edge length (m) at (n, 3) points.

    D/N (D/D_ref)^(1/2), where D_ref is the healthy calibre, kept for a diameter downstream, then growing
    by 5 % of the distance.
    """
    parts = branch_tubes(tree)
    centre, radius = (np.concatenate(values) for values in zip(*parts, strict=True))
    return np.asarray(_edges(tree, parts, sizes)[nearest_sphere(points, centre, radius)])


def _edges(tree: VesselTree, parts: list[tuple[Array, Array]], sizes: Sizes) -> Array:
    """(k,) wanted edge length at the points of the branches' tubes; a branch begins with what its parent has there."""
    made: dict[str, tuple[Array, Array]] = {}
    for branch, (centre, radius) in zip(tree.branches, parts, strict=True):
        arc = arc_length(centre)
        healthy = np.interp(arc + branch.length - arc[-1], branch.arc, branch.reference_radius)
        left = np.clip(radius / healthy, NARROWEST, 1.0)
        edge = 2.0 * radius * np.sqrt(left) / sizes.cells_per_diameter
        if branch.parent is not None:
            before, along = made[branch.parent]
            edge[0] = min(edge[0], along[cKDTree(before).query(centre[0])[1]])
        made[branch.name] = centre, _slowly_growing(edge, arc, 2.0 * radius)
    return np.concatenate([edge for _, edge in made.values()])


def _slowly_growing(edge: Array, arc: Array, diameter: Array) -> Array:
    """(n,) the largest lengths below the given ones that grow by GROWTH along the arc, in the WAKE not at all."""
    ahead = arc - arc[:, None]  # of the place (row) to the narrow one (column)
    distance = np.maximum(ahead, -ahead - WAKE * diameter)
    return np.asarray((edge + GROWTH * np.maximum(distance, 0.0)).min(axis=1))


def local_radius(points: Array, tree: VesselTree) -> Array:
    """(n,) radius (m) of the vessel that each of (n, 3) points belongs to.

    That is the centreline point whose sphere comes nearest, min over |x - c| - r, so that a wide vessel's
    wall is not taken for that of a thin branch beside it; the inscribed radius, or the area-equivalent one
    where that is smaller.
    """
    centre, radius = tube(tree)
    return np.asarray(radius[nearest_sphere(points, centre, radius)])


def branch_at(points: Array, tree: VesselTree) -> Index:
    """(n,) number of the branch that each of (n, 3) points belongs to, as :func:`local_radius` has it."""
    parts = branch_tubes(tree)
    centre, radius = (np.concatenate(values) for values in zip(*parts, strict=True))
    owner = np.repeat(np.arange(len(parts)), [len(part[1]) for part in parts])
    return np.asarray(owner[nearest_sphere(points, centre, radius)])


def nearest_sphere(points: Array, centre: Array, radius: Array) -> Index:
    """(n,) number of the sphere that comes nearest to each of (n, 3) points (see :func:`local_radius`)."""
    count = min(16, len(centre))
    distance, nearest = cKDTree(centre).query(points, k=count, workers=-1)
    distance, nearest = distance.reshape(len(points), count), nearest.reshape(len(points), count)
    best = (distance - radius[nearest]).argmin(axis=1)
    found: Index = nearest[np.arange(len(points)), best]
    return found


def tube(tree: VesselTree, step: float = 0.5) -> tuple[Array, Array]:
    """Centreline points (k, 3) and radii (k,) of all branches, each joined to its parent's centreline.

    Points are at most ``step`` radii apart.
    """
    parts = branch_tubes(tree, step)
    return np.concatenate([centre for centre, _ in parts]), np.concatenate([radius for _, radius in parts])


def branch_tubes(tree: VesselTree, step: float = 0.5) -> list[tuple[Array, Array]]:
    """Centreline points (k, 3) and radii (k,) of each branch, from its parent's centreline on (see :func:`tube`)."""
    parts = []
    for branch in tree.branches:
        points, radius = branch.points, np.minimum(branch.radius, branch.diameter / 2.0)
        if branch.parent is not None:
            points = np.vstack([tree[branch.parent].points[branch.parent_index or 0], points])
            radius = np.concatenate([radius[:1], radius])
        arc = arc_length(points)
        spacing = min(step * float(radius.min()), 0.5e-3)
        fine = np.linspace(0.0, arc[-1], max(int(np.ceil(arc[-1] / spacing)), 1) + 1)
        centre = np.stack([np.interp(fine, arc, points[:, k]) for k in range(3)], axis=1)
        parts.append((centre, np.interp(fine, arc, radius)))
    return parts
