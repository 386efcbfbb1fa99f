"""The vessel in space from its contours in two angiographic views, or, flat, from one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.geometry.lesion import LesionOptions, with_reference_and_lesions
from hemo.qfr.bundle import Bundle, BundleOptions, bundle
from hemo.qfr.camera import Camera, angle_between
from hemo.qfr.findings import of_covered_lesions, of_oval_lesions, warnings_of
from hemo.qfr.marked import SideMark, View, side_branches
from hemo.qfr.matching import MatchOptions, height_direction, match
from hemo.qfr.midline import KNOT, Midline, smooth_midline, smoothed
from hemo.qfr.offsets import Offset, check_landmarks, offset_found, offset_from_landmarks
from hemo.qfr.projection import difference, moved
from hemo.qfr.sections import SectionOptions, Sections, across, extents, fit_sections
from hemo.tree import Branch, VesselTree, arc_length, transported_normals, unit_tangents

Array = NDArray[Any]

__all__ = ["ReconstructOptions", "Reconstruction", "SideMark", "View", "planar", "reconstruct"]

_SETTLED = 0.2e-3  # m: an offset that changes by less leaves the match as it is


@dataclass(frozen=True)
class ReconstructOptions:
    """How a vessel is reconstructed.

    Attributes
    ----------
    spacing
        Of the centreline's points, m.
    least_angle
        Between the views, rad: closer ones are refused (and warned of below 25 degrees).
    furthest_offset
        Of the second view across the epipolar plane, that is looked for where there are no landmarks, m.
    least_matched
        Fraction of one of the midlines that must be seen in the other view too.
    """

    spacing: float = 0.25e-3
    least_angle: float = np.radians(10.0)
    furthest_offset: float = 12e-3
    least_matched: float = 0.5
    matching: MatchOptions = field(default_factory=MatchOptions)
    bundle: BundleOptions = field(default_factory=BundleOptions)
    sections: SectionOptions = field(default_factory=SectionOptions)
    lesions: LesionOptions = field(default_factory=LesionOptions)


@dataclass(frozen=True)
class Reconstruction:
    """A vessel in space, and how it was found.

    Attributes
    ----------
    tree
        One branch, with its lesions and side branches.
    sections
        The ellipses at the branch's points.
    cameras
        As used: the second corrected.
    offset
        What it was corrected by; None of one view.
    residual
        (views, n) signed distance of the points' images from the midlines, pixels.
    residual_in_space
        (views, n) the same where the vessel is, m.
    foreshortening
        (views, n) fraction of the vessel's length that the view does not show, 0 to 1.
    angle
        Between the views, rad; 0 of one view.
    section_angle
        (n,) between the directions across which both views show how wide the sections are, rad, 0 to pi / 2.
    matched
        (views,) fraction of each midline that was used.
    doubt
        (views, n) by how much diameters may be off for what else lies there, m.
    warnings
        Sentences for the user.
    """

    tree: VesselTree
    sections: Sections
    cameras: tuple[Camera, ...]
    offset: Offset | None
    residual: Array
    residual_in_space: Array
    foreshortening: Array
    angle: float
    section_angle: Array
    matched: Array
    doubt: Array
    warnings: tuple[str, ...]

    @property
    def branch(self) -> Branch:
        """The vessel."""
        return self.tree.root


def reconstruct(
    views: tuple[View, View],
    landmarks: Array | None = None,
    name: str = "vessel",
    options: ReconstructOptions | None = None,
) -> Reconstruction:
    """Reconstruct a vessel from two views.

    Parameters
    ----------
    views
        The frame of the result is that of the first: the second is corrected for what its isocentre is off.
    landmarks
        (l, 2, 2) pixels of places that are seen in both views (ostium, bifurcations, lesion; also off the vessel):
        landmark, view, column and row.
    name
        Of the vessel.

    Raises
    ------
    InputError
        If contours or landmarks are unusable, the views are too close to each other, or do not match.
    """
    options = options or ReconstructOptions()
    cameras = (views[0].camera, views[1].camera)
    angle = angle_between(*cameras)
    if angle < options.least_angle:
        raise InputError(
            f"the views are {np.degrees(angle):.0f} degrees apart; at least {np.degrees(options.least_angle):.0f} are "
            "needed, better 30 to 90: choose another second view, or use one view alone."
        )
    lines = [smooth_midline(view.contours, f"view {number}") for number, view in enumerate(views, 1)]
    if landmarks is not None:
        landmarks = np.asarray(landmarks, dtype=np.float64)
        check_landmarks(landmarks)
    fit = _fitted(cameras, lines, landmarks if landmarks is not None and len(landmarks) else None, options)
    points, tangent, parameter = _even(fit, options.spacing)
    places = [_increasing(np.interp(parameter, fit.samples, fit.places[:, view])) for view in range(2)]
    along = arc_length(points)
    guesses = [
        np.interp(arc_length(view.contours.midline), place, along) for view, place in zip(views, places, strict=True)
    ]
    offset = offset_found(difference(fit.cameras[1], cameras[1]), fit.covariance, options.bundle.offset)
    shares = [float(np.ptp(np.clip(p, 0.0, k.arc[-1]))) / k.arc[-1] for p, k in zip(places, lines, strict=True)]
    if max(shares) < options.least_matched:
        raise InputError(
            f"only {100 * shares[0]:.0f} % of the midline of view 1 and {100 * shares[1]:.0f} % of that of view 2 "
            "match: they may be of different vessels, or the table moved far between the views; check the contours "
            "and the angles, or mark landmarks."
        )
    corrected = [View(camera, view.contours, view.marks) for camera, view in zip(fit.cameras, views, strict=True)]
    residual = np.stack([np.interp(parameter, fit.samples, fit.residual[:, view]) for view in range(2)])
    return _finished(corrected, points, tangent, guesses, residual, offset, angle, np.array(shares), name, options)


def planar(
    view: View, depth: float | None = None, name: str = "vessel", options: ReconstructOptions | None = None
) -> Reconstruction:
    """The vessel from one view: round, and in the plane through the isocentre across the beam.

    Parameters
    ----------
    depth
        Distance of that plane from the source, m. Without it, that at which a pixel is as large as
        ``contours.calibration`` says (a catheter of known diameter), and without this the isocentre's.

    Raises
    ------
    InputError
        If the contours are unusable, or the plane is not between source and detector.
    """
    options = options or ReconstructOptions()
    camera, contours = view.camera, view.contours
    line = smooth_midline(contours, "the view")
    if depth is None:
        calibration = contours.calibration
        pixel = float(np.mean(camera.pixel))
        depth = camera.source_isocentre if calibration is None else calibration * camera.source_detector / pixel
    if not 0.3 * camera.source_isocentre < depth < camera.source_detector:
        raise InputError(
            f"the vessel would lie {1e3 * depth:.0f} mm from the source, whose isocentre is at "
            f"{1e3 * camera.source_isocentre:.0f} mm and detector at {1e3 * camera.source_detector:.0f} mm: check the "
            "catheter's diameter and the view's distances."
        )
    size = float(np.mean(camera.pixel)) * depth / camera.source_detector
    arc = np.linspace(0.0, line.arc[-1], max(4, round(line.arc[-1] * size / options.spacing)) + 1)
    rays = camera.rays(line.at(arc))
    points = camera.source + rays * (depth / (rays @ camera.axes[2]))[:, None]
    tangent = unit_tangents(points)
    given = arc_length(contours.midline)
    guess = given / given[-1] * arc_length(points)[-1]
    nothing = np.zeros((1, len(points)))
    return _finished([view], points, tangent, [guess], nothing, None, 0.0, np.ones(1), name, options)


def _fitted(
    cameras: tuple[Camera, Camera], lines: Sequence[Midline], landmarks: Array | None, options: ReconstructOptions
) -> Bundle:
    """Match, fit curve and offset, and once more with the offset known."""
    change: Array = np.zeros(5)
    tries: Array = np.zeros(1)
    expected, fitting = options.bundle.offset, options.bundle
    if landmarks is not None:
        change, _ = offset_from_landmarks(cameras, landmarks, options.bundle)
    elif expected > 0.0:
        count = round(options.furthest_offset / 1e-3)
        tries = 1e-3 * np.arange(-count, count + 1)
    for _ in range(2):
        now = (cameras[0], moved(cameras[1], change))
        found, height = match(now, lines, landmarks, tries, max(expected, 1e-9), options.matching)
        begun = change - height * np.concatenate([height_direction(now), [0.0, 0.0]])
        fit = bundle(cameras, lines, (found.first, found.second), landmarks, begun, fitting)
        before, change, tries = change, difference(fit.cameras[1], cameras[1]), np.zeros(1)
        # Midlines that cannot both be met, of other phases of the beat say, must not be believed to a tenth of a pixel.
        misses = float(np.sqrt(np.mean(fit.residual**2)))
        if misses <= fitting.midline and np.abs(change - before)[:3].max() < _SETTLED:
            break
        fitting = replace(fitting, midline=max(fitting.midline, misses))
    return fit


def _finished(
    views: Sequence[View],
    points: Array,
    tangent: Array,
    guesses: Sequence[Array],
    residual: Array,
    offset: Offset | None,
    angle: float,
    matched: Array,
    name: str,
    options: ReconstructOptions,
) -> Reconstruction:
    """Sections along a centreline, and the tree."""
    along = arc_length(points)
    half, normals, sine, doubt = (np.empty((len(views), len(points), *own)) for own in ((), (3,), (), ()))
    for number, (view, guess) in enumerate(zip(views, guesses, strict=True)):
        seen = extents(view.camera, view.contours, points, tangent, guess)
        size = KNOT * float(np.median(view.camera.pixel_at(points)))
        half[number] = np.maximum(smoothed(seen.arc, seen.half, along, knot=size), 0.5 * seen.half.min())
        doubt[number] = np.interp(along, seen.arc, seen.doubt)
        normals[number], sine[number] = across(view.camera, points, tangent)
    one = transported_normals(points, tangent)
    sections = fit_sections(half, normals, sine, (one, np.cross(tangent, one)), options.sections, doubt)
    short = sections.semi_axes[:, 1]
    branch = Branch(name, points, short, sections.area, np.sqrt(sections.area / np.pi), perimeter=sections.perimeter)
    side = side_branches(views, branch)
    tree = with_reference_and_lesions(VesselTree(name, (branch,), side_branches=side), options.lesions)
    cameras = tuple(view.camera for view in views)
    pixel = np.stack([camera.pixel_at(points) for camera in cameras])
    lost, drawn = 1.0 - sine, [view.contours for view in views]
    sides = np.arccos(np.minimum(1.0, np.abs((normals[0] * normals[-1]).sum(axis=1))))
    found = warnings_of(tree, cameras, drawn, offset, residual, lost, angle, sides, matched)
    found = (*of_covered_lesions(tree, 2.0 * doubt), *found, *of_oval_lesions(tree, sections.semi_axes))
    return Reconstruction(
        tree, sections, cameras, offset, residual, residual * pixel, lost, angle, sides, matched, 2.0 * doubt, found
    )


def _even(fit: Bundle, spacing: float) -> tuple[Array, Array, Array]:
    """Points and tangents of the curve evenly spaced by about ``spacing``, and their parameters."""
    fine = np.linspace(0.0, 1.0, 20 * len(fit.samples))
    run = arc_length(fit.curve(fine))
    parameter = np.interp(np.linspace(0.0, run[-1], max(4, round(run[-1] / spacing)) + 1), run, fine)
    slope = fit.curve(parameter, nu=1)
    return fit.curve(parameter), slope / np.linalg.norm(slope, axis=1, keepdims=True), parameter


def _increasing(values: Array) -> Array:
    return np.maximum.accumulate(values) + 1e-9 * np.arange(len(values))
