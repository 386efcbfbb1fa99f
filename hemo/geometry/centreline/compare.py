"""How well two descriptions of the same vessels agree: a tree with a tree, or with reference centrelines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from hemo.geometry.centreline.linefile import Polyline, read_lines
from hemo.tree import VesselTree, arc_length

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Agreement:
    """Radius of a tree against a reference, over matched places.

    Attributes
    ----------
    bias
        Mean of (r - r_ref) / r_ref.
    percentile_90
        90th percentile of |r - r_ref| / r_ref.
    distance
        Mean distance of the matched places, m.
    matched_length, reference_length
        Length of reference that was matched, and all of it within the radius range, m.
    unmatched
        Names of the reference lines, and of the tree's branches, of which less than half was matched.
    pairs
        (reference, measured): the measured line that each reference line within the radius range runs along.
    relative_difference
        (k,) (r - r_ref) / r_ref at the matched places, which are equally spaced.
    """

    bias: float
    percentile_90: float
    distance: float
    matched_length: float
    reference_length: float
    unmatched: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]
    relative_difference: Array

    @property
    def one_to_one(self) -> bool:
        """Whether every line has a partner, and none serves two."""
        return not self.unmatched and len({measured for _, measured in self.pairs}) == len(self.pairs)


def tree_lines(trees: Sequence[VesselTree]) -> list[Polyline]:
    """The branches of several trees as polylines named ``tree/branch``."""
    return [Polyline(f"{tree.name}/{b.name}", b.points, b.radius) for tree in trees for b in tree.branches]


def read_centrelines(path: Path) -> list[Polyline]:
    """VMTK's centrelines in mm, with ``MaximumInscribedSphereRadius``, every common stretch once.

    Raises
    ------
    InputError
        If the file cannot be read or holds no such lines.
    """
    return unique_lines(read_lines(path, "mm"))


def outlet_lines(trees: Sequence[VesselTree]) -> list[Polyline]:
    """One line from each root to each outlet, every common stretch once, as VMTK's centrelines become by the same."""
    lines = []
    for tree in trees:
        paths = []
        for name in tree.outlets:
            branch = tree[name]
            points, radius = branch.points, branch.radius
            while branch.parent is not None:
                last = (branch.parent_index or 0) + 1
                branch = tree[branch.parent]
                points = np.concatenate([branch.points[:last], points])
                radius = np.concatenate([branch.radius[:last], radius])
            paths.append(Polyline(f"{tree.name}/{name}", points, radius))
        lines += unique_lines(paths)
    return lines


def unique_lines(lines: Sequence[Polyline], tolerance: float = 0.3) -> list[Polyline]:
    """Reference lines with every common stretch counted once.

    VMTK's centrelines all start at the same inlet; the longest is kept whole, and of each other the part
    that is nearer than ``tolerance`` radii to a line kept before is left out.
    """
    kept: list[Polyline] = []
    for line in sorted(lines, key=lambda item: -_length(item.points)):
        if kept:
            points = np.concatenate([item.points for item in kept])
            gap, _ = cKDTree(points).query(line.points)
            apart = np.flatnonzero(gap > np.maximum(tolerance * line.radius, 0.2e-3))
            if not len(apart):
                continue
            line = Polyline(line.name, line.points[apart[0] :], line.radius[apart[0] :])
        kept.append(line)
    return kept


def compare_radius(
    measured: Sequence[Polyline],
    reference: Sequence[Polyline],
    radius_range: tuple[float, float] = (0.75e-3, 3e-3),
    tolerance: float = 1.0,
    step: float = 0.5e-3,
) -> Agreement:
    """Compare radii where a measured and a reference line run together.

    Parameters
    ----------
    measured, reference
        Lines without common stretches (see :func:`unique_lines`).
    radius_range
        Reference radii that count, m.
    tolerance
        Places match when nearer than this many reference radii, and the lines are within 45 degrees.
    step
        Spacing of the places at which the reference is sampled, m.
    """
    samples = [_sample(line, step) for line in reference]
    fine = [_sample(line, 0.1e-3) for line in measured]
    points, tangents, radii = (np.concatenate([item[k] for item in fine]) for k in range(3))
    owner = np.concatenate([np.full(len(item[0]), number) for number, item in enumerate(fine)])
    tree = cKDTree(points)
    differences, gaps, total, unmatched, pairs = [], [], 0, [], []
    for line, (place, tangent, radius) in zip(reference, samples, strict=True):
        counted = (radius >= radius_range[0]) & (radius <= radius_range[1])
        gap, nearest = tree.query(place[counted])
        along = np.abs(np.einsum("ij,ij->i", tangent[counted], tangents[nearest])) > np.cos(np.pi / 4.0)
        match = (gap < tolerance * radius[counted]) & along
        differences.append((radii[nearest] / radius[counted] - 1.0)[match])
        gaps.append(gap[match])
        total += int(counted.sum())
        if counted.any() and match.mean() < 0.5:
            unmatched.append(f"reference {line.name}")
        elif counted.any():
            pairs.append((line.name, measured[int(np.bincount(owner[nearest[match]]).argmax())].name))
    unmatched += _without_reference(measured, fine, owner, samples, radius_range, tolerance)
    difference = np.concatenate(differences)
    if not len(difference):
        nothing = np.zeros(0)
        return Agreement(np.nan, np.nan, np.nan, 0.0, step * total, tuple(unmatched), (), nothing)
    return Agreement(
        bias=float(difference.mean()),
        percentile_90=float(np.percentile(np.abs(difference), 90.0)),
        distance=float(np.concatenate(gaps).mean()),
        matched_length=step * len(difference),
        reference_length=step * total,
        unmatched=tuple(unmatched),
        pairs=tuple(pairs),
        relative_difference=difference,
    )


def _without_reference(
    measured: Sequence[Polyline],
    fine: list[tuple[Array, Array, Array]],
    owner: NDArray[np.int64],
    samples: list[tuple[Array, Array, Array]],
    radius_range: tuple[float, float],
    tolerance: float,
) -> list[str]:
    """Names of measured lines that mostly have no reference line beside them."""
    points = np.concatenate([item[0] for item in fine])
    radius = np.concatenate([item[2] for item in fine])
    gap, _ = cKDTree(np.concatenate([item[0] for item in samples])).query(points)
    alone = []
    for number, line in enumerate(measured):
        counted = (owner == number) & (radius >= radius_range[0]) & (radius <= radius_range[1])
        if counted.any() and np.mean(gap[counted] < tolerance * radius[counted]) < 0.5:
            alone.append(f"measured {line.name}")
    return alone


def _sample(line: Polyline, step: float) -> tuple[Array, Array, Array]:
    """Places at even steps, unit tangents and radii of a polyline."""
    arc = arc_length(line.points)
    even = np.linspace(0.0, arc[-1], max(2, round(arc[-1] / step) + 1))
    points = np.column_stack([np.interp(even, arc, line.points[:, k]) for k in range(3)])
    reach = max(1, round(0.5e-3 / step))
    index = np.arange(len(even))
    tangent = points[np.minimum(index + reach, len(even) - 1)] - points[np.maximum(index - reach, 0)]
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-300)
    return points, tangent, np.interp(even, arc, line.radius)


def _length(points: Array) -> float:
    return float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())
