"""Synthetic vessels whose every number is known: for cases, tests and accuracy studies.

Calibres of the left coronary are those of normal right-dominant hearts (Dodge et al. 1992,
Circulation 86:232): left main 4.5 mm, proximal LAD 3.7 mm, distal LAD 1.9 mm, proximal LCX 3.4 mm.
Side branches follow d_m^(7/3) = d_1^(7/3) + d_2^(7/3) (Huo and Kassab).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.spatial import cKDTree

from hemo.geometry.lumen.surface import Surface
from hemo.geometry.synthetic.tubes import Tube
from hemo.tree import Branch, Lesion, VesselTree

Array = NDArray[Any]

AORTA_LABEL = 1
CORONARY_LABEL = 2


@dataclass(frozen=True)
class Stenosis:
    """A cosine narrowing: R = R_ref (1 - severity/2 (1 + cos(2 pi (s - centre)/length))).

    ``centre`` and ``length`` in m of arc length, ``severity`` the diameter fraction lost at the throat.
    """

    centre: float
    length: float
    severity: float

    def factor(self, arc: Array) -> Array:
        """(n,) R / R_ref at the given arc lengths."""
        phase = np.clip((arc - self.centre) / self.length, -0.5, 0.5)
        return 1.0 - 0.5 * self.severity * (1.0 + np.cos(2.0 * np.pi * phase))


@dataclass(frozen=True)
class SyntheticVessels:
    """An aortic stub with its coronary trees.

    Attributes
    ----------
    tree
        The (first) coronary tree.
    aorta_points, aorta_radius
        (n, 3) straight axis and (n,) radius of the stub, m.
    tubes
        Walls of the vessels, with the part inside their parent.
    others
        Further trees on the same aorta.
    dominance
        ``"right"``, ``"left"``, ``"balanced"``, or empty.
    """

    tree: VesselTree
    aorta_points: Array
    aorta_radius: Array
    tubes: tuple[Tube, ...] = ()
    others: tuple[VesselTree, ...] = ()
    dominance: str = ""

    @property
    def trees(self) -> tuple[VesselTree, ...]:
        """All trees."""
        return (self.tree, *self.others)


def straight_stenosis(
    diameter: float = 3e-3, length: float = 60e-3, severity: float = 0.5, lesion: float = 10e-3, centre: float = 20e-3
) -> tuple[Surface, VesselTree]:
    """A straight tube along z from 0 to ``length`` with one cosine stenosis (severity 0: none).

    Returns the closed surface with flat ends and the tree whose centreline runs from end to end; m.
    """
    arc = np.linspace(0.0, length, round(length / 0.25e-3) + 1)
    narrowing = Stenosis(centre, lesion, severity)
    reference = np.full_like(arc, diameter / 2.0)
    radius = reference * narrowing.factor(arc)
    points = np.column_stack([np.zeros_like(arc), np.zeros_like(arc), arc])
    branch = Branch("vessel", points, radius, np.pi * radius**2, reference)
    lesions = (_lesion_of("vessel_1", branch, narrowing),) if severity > 0.0 else ()
    return _revolve(arc, radius), VesselTree("vessel", (branch,), lesions)


def _revolve(arc: Array, radius: Array, around: int = 96) -> Surface:
    """Closed surface of revolution about z, finely triangulated, with flat ends."""
    angle = 2.0 * np.pi * np.arange(around) / around
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    rings = np.concatenate([np.column_stack([r * ring, np.full(around, z)]) for z, r in zip(arc, radius, strict=True)])
    index = np.arange(len(arc) * around).reshape(len(arc), around)
    after = np.roll(index, -1, axis=1)
    a, b, c, d = index[:-1].ravel(), after[:-1].ravel(), after[1:].ravel(), index[1:].ravel()
    wall = np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
    first, last = len(rings), len(rings) + 1
    start = np.stack([np.full(around, first), after[0], index[0]], axis=1)
    end = np.stack([np.full(around, last), index[-1], after[-1]], axis=1)
    points = np.concatenate([rings, [[0.0, 0.0, arc[0]], [0.0, 0.0, arc[-1]]]])
    return Surface(points, np.concatenate([wall, start, end]).astype(np.int64))


def left_coronary(severity: float = 0.6) -> SyntheticVessels:
    """LM, LAD, LCX, D1 and OM1 with one LAD lesion of the given diameter severity; LPS, m.

    The aorta's axis is z through the origin, radius 14 mm. The lesion is 14 mm long and lies between
    the left main bifurcation and the first diagonal.
    """
    lesion = Stenosis(centre=22e-3, length=14e-3, severity=severity)
    main = _vessel("LM", [(12, -1, 4), (17, -2.0, 4.5), (22, -3, 4), (25.5, -3.5, 3)], (4.6, 4.4))
    lad = _vessel(
        "LAD",
        [(25.5, -3.5, 3), (29, -10, 2), (32, -20, -1), (33, -32, -7), (33, -43, -18), (33, -50, -33), (32, -51, -50)],
        (3.7, 1.9),
        (lesion,),
    )
    lcx = _vessel(
        "LCX", [(25.5, -3.5, 3), (32, 1, 1), (39, 8, -4), (43, 17, -12), (44, 24, -23), (43, 28, -36)], (3.4, 1.9)
    )
    d1 = _side("D1", lad, 37e-3, [(8, -5, -4), (16, -9, -11), (22, -11, -22), (25, -11, -33)], (2.2, 1.6))
    om1 = _side("OM1", lcx, 25e-3, [(7, 1, -6), (12, 1, -15), (15, 0, -26), (16, -2, -36)], (2.1, 1.6))
    height = np.linspace(-18e-3, 34e-3, 105)
    aorta = np.column_stack([np.zeros_like(height), np.zeros_like(height), height])
    tree = _assemble("left", (main, lad, lcx, d1, om1), {"LAD": lesion} if severity > 0.0 else {})
    return SyntheticVessels(tree, aorta, np.full_like(height, 14e-3))


@dataclass(frozen=True)
class _Vessel:
    name: str
    points: Array
    radius: Array
    reference: Array
    parent: str | None = None


def _vessel(
    name: str,
    control_mm: list[tuple[float, float, float]],
    diameters_mm: tuple[float, float],
    lesions: tuple[Stenosis, ...] = (),
    parent: str | None = None,
) -> _Vessel:
    """A spline through control points, evenly sampled at 0.25 mm, with linear taper."""
    control = 1e-3 * np.asarray(control_mm, dtype=np.float64)
    chord = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(control, axis=0), axis=1))])
    spline = CubicSpline(chord, control)
    fine = spline(np.linspace(0.0, chord[-1], 4000))
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(fine, axis=0), axis=1))])
    even = np.linspace(0.0, arc[-1], round(arc[-1] / 0.25e-3) + 1)
    points = np.column_stack([np.interp(even, arc, fine[:, k]) for k in range(3)])
    reference = np.interp(even, [0.0, even[-1]], 0.5e-3 * np.asarray(diameters_mm))
    radius = reference * np.prod([lesion.factor(even) for lesion in lesions], axis=0) if lesions else reference
    return _Vessel(name, points, radius, reference, parent)


def _side(
    name: str,
    parent: _Vessel,
    at: float,
    offsets_mm: list[tuple[float, float, float]],
    diameters_mm: tuple[float, float],
) -> _Vessel:
    """A side branch that leaves ``parent`` at arc length ``at``; control points relative to that place."""
    start = 1e3 * parent.points[round(at / 0.25e-3)]
    control = [tuple(start), *(tuple(start + np.asarray(offset)) for offset in offsets_mm)]
    return _vessel(name, control, diameters_mm, (), parent.name)


def _assemble(name: str, vessels: tuple[_Vessel, ...], lesions: dict[str, Stenosis]) -> VesselTree:
    """Trim each vessel's part inside its parent and attach it; the first vessel is the root."""
    root = vessels[0]
    branches = [_branch(root, 0, None, None, is_outlet=len(vessels) == 1)]
    found: list[Lesion] = []
    for vessel in vessels[1:]:
        parent = next(v for v in vessels if v.name == (vessel.parent or root.name))
        tree = cKDTree(parent.points)
        distance, nearest = tree.query(vessel.points)
        outside = distance > parent.radius[nearest]
        start = int(np.argmax(outside))
        attach = int(tree.query(vessel.points[0])[1])
        branches.append(_branch(vessel, start, parent.name, attach, is_outlet=True))
        if vessel.name in lesions:
            skipped = float(np.linalg.norm(np.diff(vessel.points[: start + 1], axis=0), axis=1).sum())
            whole = lesions[vessel.name]
            moved = Stenosis(whole.centre - skipped, whole.length, whole.severity)
            found.append(_lesion_of(f"{vessel.name}_1", branches[-1], moved))
    return VesselTree(name, tuple(branches), tuple(found))


def _branch(vessel: _Vessel, start: int, parent: str | None, attach: int | None, is_outlet: bool) -> Branch:
    radius = vessel.radius[start:]
    return Branch(
        vessel.name,
        vessel.points[start:],
        radius,
        np.pi * radius**2,
        vessel.reference[start:],
        parent,
        attach,
        is_outlet,
    )


def _lesion_of(identifier: str, branch: Branch, stenosis: Stenosis) -> Lesion:
    start, end = stenosis.centre - stenosis.length / 2, stenosis.centre + stenosis.length / 2
    at = [float(np.interp(place, branch.arc, branch.radius)) for place in (start, stenosis.centre, end)]
    reference = float(np.interp(stenosis.centre, branch.arc, branch.reference_radius))
    half = stenosis.length / 2
    return Lesion(
        identifier,
        branch.name,
        start,
        stenosis.centre,
        end,
        np.pi * at[1] ** 2,
        np.pi * reference**2,
        (at[0] - at[1]) / half,
        (at[2] - at[1]) / half,
    )


def signed_distance(vessels: SyntheticVessels, points: Array, part: str, reach: float = 3e-3) -> Array:
    """Approximate signed distance (m) of (n, 3) points to the ``"aorta"`` or the ``"coronary"`` lumen.

    Negative inside. The lumen is the union of the spheres of each vessel's centreline, including the
    stretch that joins a branch to its parent's centreline. Further than ``reach`` from every coronary
    centreline the distance is infinite.
    """
    if part == "aorta":
        height = vessels.aorta_points[:, 2]
        radial = np.hypot(points[:, 0], points[:, 1]) - vessels.aorta_radius[0]
        axial = np.maximum(height.min() - points[:, 2], points[:, 2] - height.max())
        return np.maximum(radial, axial)
    best = np.full(len(points), np.inf)
    for branch in vessels.tree.branches:
        centre, radius = _joined(vessels.tree, branch)
        distance, nearest = cKDTree(centre).query(points, distance_upper_bound=reach)
        near = np.isfinite(distance)
        best[near] = np.minimum(best[near], distance[near] - radius[nearest[near]])
    return best


def _joined(tree: VesselTree, branch: Branch, step: float = 0.05e-3) -> tuple[Array, Array]:
    """The branch's centreline and radius, prolonged to its parent's centreline, resampled finely."""
    points, radius = branch.points, branch.radius
    if branch.parent is not None and branch.parent_index is not None:
        points = np.vstack([tree[branch.parent].points[branch.parent_index], points])
        radius = np.concatenate([radius[:1], radius])
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    fine = np.linspace(0.0, arc[-1], round(arc[-1] / step) + 1)
    return np.column_stack([np.interp(fine, arc, points[:, k]) for k in range(3)]), np.interp(fine, arc, radius)


def label_map(vessels: SyntheticVessels, spacing: float = 0.35e-3) -> tuple[NDArray[np.uint8], Array]:
    """Rasterise: a voxel belongs to the lumen that holds its centre.

    Returns
    -------
    labels
        (nz, ny, nx) uint8: 0 background, 1 aorta, 2 coronary.
    origin
        (3,) centre of voxel (0, 0, 0), m.
    """
    margin = 2e-3
    clouds = [b.points for b in vessels.tree.branches] + [
        vessels.aorta_points + side * vessels.aorta_radius.max() * np.array([1.0, 1.0, 0.0]) for side in (-1, 1)
    ]
    cloud = np.vstack(clouds)
    largest = max(float(b.radius.max()) for b in vessels.tree.branches)
    origin = cloud.min(axis=0) - largest - margin
    shape = np.ceil((cloud.max(axis=0) + largest + margin - origin) / spacing).astype(int) + 1
    axes = [origin[k] + spacing * np.arange(shape[k]) for k in range(3)]
    labels = np.zeros(tuple(shape[::-1]), dtype=np.uint8)
    xy = np.stack(np.meshgrid(axes[0], axes[1], indexing="xy"), axis=-1).reshape(-1, 2)
    for k, z in enumerate(axes[2]):
        plane = np.column_stack([xy, np.full(len(xy), z)])
        slab = np.zeros(len(plane), dtype=np.uint8)
        slab[signed_distance(vessels, plane, "coronary") < 0.0] = CORONARY_LABEL
        slab[signed_distance(vessels, plane, "aorta") < 0.0] = AORTA_LABEL
        labels[k] = slab.reshape(shape[1], shape[0])
    return labels, origin


def write_label_map(path: Path, labels: NDArray[np.uint8], origin: Array, spacing: float) -> None:
    """Write a label map in millimetres and LPS (NIfTI, NRRD or MHA by the file's ending)."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(labels)
    image.SetOrigin(tuple(float(1e3 * value) for value in origin))
    image.SetSpacing((1e3 * spacing,) * 3)
    sitk.WriteImage(image, str(path), useCompression=True)


def main(path: str, spacing: float = 0.35e-3) -> None:
    """Write the label map of ``cases/left_coronary``: ``python -m hemo.geometry.synthetic.vessels FILE``."""
    labels, origin = label_map(left_coronary(), spacing)
    write_label_map(Path(path), labels, origin, spacing)


if __name__ == "__main__":
    import sys

    main(sys.argv[1])
