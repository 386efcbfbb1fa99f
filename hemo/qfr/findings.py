"""What a user must know about a reconstruction: sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.qfr.camera import Camera
from hemo.qfr.cine import Contours
from hemo.qfr.matching import height_direction
from hemo.qfr.offsets import Offset
from hemo.tree import VesselTree

Array = NDArray[Any]

WANTED_ANGLE = np.radians(25.0)  # two views, as vendors of QFR ask for
OBLIQUE = 0.5  # foreshortening beyond which widths and lengths are doubtful
WORST_RESIDUAL = 2.0  # pixels, root mean square
LARGE_OFFSET = 10e-3  # m
UNSURE = 1e-3  # m, of the offset across the epipolar plane
ONE_SIDED = np.radians(30.0)  # between the directions in which two views show how wide a section is
USED = 0.75  # of a midline
DISAGREEING = 0.10  # of two calibrations
OVAL = 0.65  # short over long diameter of a throat below which the views are said to disagree
COVERED, COVERED_SHARE = 0.15e-3, 0.1  # m, and of a throat's diameter, that what lies over it may make it wider
FLAT, FLAT_LENGTH = 0.2, 8e-3  # a stretch that follows the epipolar plane: sine of the angle between, and length, m


def warnings_of(
    tree: VesselTree,
    cameras: Sequence[Camera],
    contours: Sequence[Contours],
    offset: Offset | None,
    residual: Array,
    foreshortening: Array,
    angle: float,
    section_angle: Array,
    matched: Array,
) -> tuple[str, ...]:
    """Sentences, the most serious first; the arguments are those of :class:`hemo.qfr.reconstruct.Reconstruction`."""
    found = []
    if offset is not None:
        found += _of_two_views(tree, cameras, offset, residual, angle, matched)
    branch = tree.root
    for lesion in tree.lesions if offset is not None else ():
        seen = float(np.interp(lesion.minimum, branch.arc, section_angle))
        if seen < ONE_SIDED:
            found.append(
                f"both views see lesion {lesion.id} from nearly the same side ({np.degrees(seen):.0f} degrees apart): "
                "its area is that of a round lumen, and some 20 % off if it is not."
            )
    for number, lost in enumerate(foreshortening, 1):
        for lesion in tree.lesions:
            inside = (branch.arc >= lesion.start) & (branch.arc <= lesion.end)
            if lost[inside].max() > OBLIQUE:
                found.append(
                    f"view {number} sees lesion {lesion.id} foreshortened by {100 * lost[inside].max():.0f} %: its "
                    "length and width there are doubtful; choose a view across it."
                )
        if np.mean(lost > OBLIQUE) > 0.25:
            found.append(f"view {number} sees more than a quarter of the vessel foreshortened by half or more.")
    for number, (camera, own) in enumerate(zip(cameras, contours, strict=True), 1):
        if own.calibration is not None:
            ratio = own.calibration / float(np.median(camera.pixel_at(branch.points)))
            if abs(ratio - 1.0) > DISAGREEING:
                found.append(
                    f"view {number}: the catheter makes a pixel {100 * (ratio - 1.0):+.0f} % larger than the C-arm's "
                    "geometry; the geometry was used: check the catheter's diameter and the distances."
                )
    return tuple(found)


def of_oval_lesions(tree: VesselTree, semi_axes: Array) -> list[str]:
    """Lesions that the views show unlike each other: oval, or overlapped in one of them; ``semi_axes`` (n, 2), m."""
    found = []
    arc = tree.root.arc
    for lesion in tree.lesions:
        at = int(np.argmin(np.abs(arc - lesion.minimum)))
        long, short = 2e3 * semi_axes[at]
        if short < OVAL * long:
            found.append(
                f"the views show lesion {lesion.id} {short:.1f} and {long:.1f} mm wide: unless it is so oval, "
                "another vessel overlaps it in one view, or its contours are off; look at both, or take another view."
            )
    return found


def of_covered_lesions(tree: VesselTree, doubt: Array) -> list[str]:
    """Lesions over whose throat another vessel lies, in one view or in all; ``doubt`` (views, n) of diameters, m."""
    found = []
    for lesion in tree.lesions:
        at = int(np.argmin(np.abs(tree.root.arc - lesion.minimum)))
        covered = doubt[:, at] > max(COVERED, COVERED_SHARE * float(tree.root.diameter[at]))
        where = " and ".join(str(number) for number in np.flatnonzero(covered) + 1)
        if np.all(covered):
            found.append(
                f"lesion {lesion.id} cannot be judged: another vessel or a branch lies over its throat or beside it in "
                f"view {where}, so that its diameter may be off by {1e3 * doubt[:, at].min():.1f} mm; take a view that "
                "shows it freely, or draw its edges by hand."
            )
        elif np.any(covered):
            found.append(
                f"view {where} does not show lesion {lesion.id} freely (another vessel or a branch lies over its "
                "throat or beside it): its calibre is from the other view."
            )
    return found


def _of_two_views(
    tree: VesselTree, cameras: Sequence[Camera], offset: Offset, residual: Array, angle: float, matched: Array
) -> list[str]:
    found = []
    if angle < WANTED_ANGLE:
        found.append(
            f"the views are {np.degrees(angle):.0f} degrees apart, less than {np.degrees(WANTED_ANGLE):.0f}: the "
            "vessel's depth, and with it lengths and sections, are uncertain."
        )
    rms = np.sqrt((residual**2).mean(axis=1))
    if rms.max() > WORST_RESIDUAL:
        found.append(
            f"the vessel in space misses the midlines by {rms.max():.1f} pixels (root mean square): the views may be "
            "of different phases of the beat, or their angles wrong."
        )
    if np.linalg.norm(offset.shift) > LARGE_OFFSET:
        found.append(
            f"the second view had to be moved by {1e3 * np.linalg.norm(offset.shift):.0f} mm: check that both views "
            "are of the same vessel and that the landmarks are right."
        )
    up = height_direction(cameras)
    unsure = float(np.sqrt(np.sum((offset.directions @ up * offset.uncertainty) ** 2)))
    if unsure > UNSURE:
        found.append(
            f"how the second view is offset is known to {1e3 * unsure:.1f} mm only: mark a landmark (ostium, "
            "bifurcation, lesion) in both views."
        )
    for number, share in enumerate(matched, 1):
        if share < USED:
            found.append(f"only {100 * share:.0f} % of the midline of view {number} is seen in the other view too.")
    tangent, step = tree.root.tangent, tree.root.length / (len(tree.root.points) - 1)
    flat = np.concatenate([[False], np.abs(tangent @ up) < FLAT, [False]])
    bounds = np.flatnonzero(np.diff(flat.astype(int)))
    longest = float(max(np.diff(bounds)[::2], default=0)) * step
    if longest > FLAT_LENGTH:
        found.append(
            f"{1e3 * longest:.0f} mm of the vessel run in the plane through both sources, where two views hardly tell "
            "the depth: its course there is interpolated."
        )
    return found
