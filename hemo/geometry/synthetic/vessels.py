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

from hemo.geometry.lumen.rings import closed_tube
from hemo.geometry.lumen.surface import Surface
from hemo.geometry.synthetic.tubes import Tube, round_tube
from hemo.tree import Branch, Lesion, VesselTree, arc_length

Array = NDArray[Any]


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
class Contact:
    """Where two vessels that do not branch from each other touch or overlap.

    ``place`` (3,) is the deepest point, LPS; ``length`` the stretch of the first one that is in contact;
    ``depth`` how far the walls overlap there; m.
    """

    first: str
    second: str
    place: Array
    length: float
    depth: float


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
        Walls of all vessels, with the part inside their parent, and of the aorta.
    others
        Further trees on the same aorta.
    dominance
        ``"right"``, ``"left"``, ``"balanced"``, or empty.
    contacts
        Where vessels that do not branch from each other touch.
    """

    tree: VesselTree
    aorta_points: Array
    aorta_radius: Array
    tubes: tuple[Tube, ...]
    others: tuple[VesselTree, ...] = ()
    dominance: str = ""
    contacts: tuple[Contact, ...] = ()

    @property
    def trees(self) -> tuple[VesselTree, ...]:
        """All trees."""
        return (self.tree, *self.others)


def straight_stenosis(
    diameter: float = 3e-3,
    length: float = 60e-3,
    severity: float = 0.5,
    lesion: float = 10e-3,
    centre: float = 20e-3,
    name: str = "vessel",
) -> tuple[Surface, VesselTree]:
    """A straight tube along z from 0 to ``length`` with one cosine stenosis (severity 0: none).

    Returns the closed surface with flat ends and the tree whose centreline runs from end to end; m.
    """
    arc = np.linspace(0.0, length, round(length / 0.25e-3) + 1)
    narrowing = Stenosis(centre, lesion, severity)
    reference = np.full_like(arc, diameter / 2.0)
    radius = reference * narrowing.factor(arc)
    points = np.column_stack([np.zeros_like(arc), np.zeros_like(arc), arc])
    branch = Branch(name, points, radius, np.pi * radius**2, reference)
    lesions = (_lesion_of(f"{name}_1", branch, narrowing),) if severity > 0.0 else ()
    return _revolve(arc, radius), VesselTree("vessel", (branch,), lesions)


def _revolve(arc: Array, radius: Array, around: int = 96) -> Surface:
    """Closed surface of revolution about z, finely triangulated, with flat ends."""
    angle = 2.0 * np.pi * np.arange(around) / around
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    rings = np.stack([np.column_stack([r * ring, np.full(around, z)]) for z, r in zip(arc, radius, strict=True)])
    middle = np.column_stack([np.zeros((2, 2)), arc[[0, -1]]])
    return closed_tube(rings, middle)


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
    axis = np.column_stack([np.zeros_like(height), np.zeros_like(height), height])
    vessels = (main, lad, lcx, d1, om1)
    tree = _assemble("left", vessels, {"LAD": lesion} if severity > 0.0 else {})
    aorta = round_tube("aorta", axis, np.full_like(height, 14e-3), flat_ends=True)
    tubes = (*(round_tube(vessel.name, vessel.points, vessel.radius) for vessel in vessels), aorta)
    return SyntheticVessels(tree, aorta.points, aorta.radius, tubes)


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
    chord = arc_length(control)
    spline = CubicSpline(chord, control)
    fine = spline(np.linspace(0.0, chord[-1], 4000))
    arc = arc_length(fine)
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


def write_label_map(
    path: Path, labels: NDArray[np.uint8], origin: Array, spacing: float | Array, direction: Array | None = None
) -> None:
    """Write a label map in millimetres and LPS (NIfTI, NRRD or MHA by the file's ending).

    ``labels`` (nz, ny, nx); ``origin`` (3,) and ``spacing`` (one or three values along x, y, z) in m;
    ``direction`` (3, 3) columns are the image axes in LPS.
    """
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(labels)
    image.SetOrigin(tuple(float(1e3 * value) for value in origin))
    image.SetSpacing(tuple(float(1e3 * value) for value in np.broadcast_to(spacing, (3,))))
    if direction is not None:
        image.SetDirection(tuple(float(value) for value in np.ravel(direction)))
    sitk.WriteImage(image, str(path), useCompression=True)
