"""Where source and detector were: the C-arm's elements of an XA file, checked against each other.

DICOM PS3.3: C.8.7.5 (XA Positioner Module), C.8.7.2 (X-Ray Acquisition Module), C.8.7.4 (X-Ray Table Module), 10.7
(Pixel Spacing), C.8.19.6.10, .11 and .14 (the same in Enhanced XA). In XA Image Storage the angles are type 2 (may be
empty); the distances, the magnification and the detector's pixel spacing are type 3 (may be missing): a file without
them is a valid file, but not a view. Lengths are mm and angles degrees in the file.
"""

from __future__ import annotations

import logging
import math

import numpy as np

from hemo.qfr.camera import Camera
from hemo.qfr.xaelements import AGAIN, Array, Elements, named

_log = logging.getLogger(__name__)

MM_PER_M = 1000.0
_REST = 0.5  # degrees that a gantry at rest may be said to turn
_OBLIQUE = 2.0  # degrees between the beam and the detector's normal
_DETECTOR = (500.0, 2000.0)  # mm from the source
_ISOCENTRE = (300.0, 1500.0)  # mm from the source
_MAGNIFICATION = (1.0, 4.0)
_PIXEL = (0.02, 2.0)  # mm
_AGREE = 0.05
_CALIBRATED = 0.25  # a catheter's calibration is of another depth than the isocentre's
_SQUARE = 0.1
_SHAKE = 1.0  # mm that a table at rest may be said to move
_ROOM = 5000.0  # mm
_LETTERS = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "H": (2, 1), "F": (2, -1)}
_MIRRORED = -0.7  # cosine between an image's axis as it should be and as it is said to be


def camera_of(elements: Elements, frames: int, shape: tuple[int, int]) -> Camera:
    """The view's geometry; its shift is left at zero.

    Raises
    ------
    InputError
        An element that is missing, out of range or contradicts another; a gantry that moves.
    """
    primary = _angle(elements, "PositionerPrimaryAngle", 180.0, frames)
    secondary = _angle(elements, "PositionerSecondaryAngle", 90.0, frames)
    for keyword in ("DetectorPrimaryAngle", "DetectorSecondaryAngle"):
        if abs(elements.number(keyword, -90.0, 90.0, "degrees") or 0.0) > _OBLIQUE:
            raise elements.error(
                keyword, "says that the beam meets the detector obliquely", "give a cine of an ordinary view"
            )
    detector, isocentre = _distances(elements)
    pixel = _pixel(elements, detector / isocentre)
    row, column = (value / MM_PER_M for value in pixel)
    angles = math.radians(primary), math.radians(secondary)
    camera = Camera(*angles, detector / MM_PER_M, isocentre / MM_PER_M, (row, column), shape)
    _check_orientation(elements, camera)
    _warn_of_table(elements)
    return camera


def table_of(elements: Elements) -> Array | None:
    """(3,) where the table stands at the first frame, m in LPS from the equipment's own reference.

    None where it is not said, or where the table is turned or tilted. Up to a constant of the equipment: only
    differences between views mean anything (PS3.3, C.8.19.6.11: vertical is positive downwards, longitudinal towards
    LAO, lateral towards cranial).

    Raises
    ------
    InputError
        Positions that are no lengths of a room.
    """
    place = []
    for keyword in ("TableTopLongitudinalPosition", "TableTopVerticalPosition", "TableTopLateralPosition"):
        found = elements.number(keyword, -_ROOM, _ROOM, "mm", steady=math.inf)
        if found is None:
            return None
        place.append(found / MM_PER_M)
    tilts = ("TableHorizontalRotationAngle", "TableHeadTiltAngle", "TableCradleTiltAngle")
    angles = [elements.number(keyword, -360.0, 360.0, "degrees", steady=math.inf) or 0.0 for keyword in tilts]
    return None if max(map(abs, angles)) > _REST else np.array(place)


def _angle(elements: Elements, keyword: str, most: float, frames: int) -> float:
    """Degrees of the first frame; refused where it changes.

    An increment is the change a frame, or a frame's offset from the angle, which may itself be left at zero (PS3.3,
    C.8.7.5.1.3).
    """
    angle = elements.number(keyword, -most, most, "degrees", _REST)
    if angle is None:
        raise elements.missing(keyword)
    offsets = elements.numbers(f"{keyword}Increment")
    moving = elements.text("PositionerMotion") == "DYNAMIC"
    advice = "a rotational run shows no view twice: give a cine taken with the C-arm at rest"
    if offsets is None:
        if moving:
            raise elements.error("PositionerMotion", "says that the C-arm turned during the run", advice)
        return angle
    if offsets.shape[1] not in (1, frames):
        raise elements.error(f"{keyword}Increment", "has neither one value nor one a frame")
    turned = np.ptp(offsets) if offsets.shape[1] > 1 else abs(offsets[0, 0]) * (frames - 1)
    if turned > _REST:
        raise elements.error(f"{keyword}Increment", "says that the C-arm turned during the run", advice)
    angle += float(offsets[0, 0]) if offsets.shape[1] > 1 else 0.0
    if abs(angle) > most:
        raise elements.error(f"{keyword}Increment", f"leads out of -{most:g} to {most:g} degrees")
    return angle


def _distances(elements: Elements) -> tuple[float, float]:
    """From the source to the detector and to the isocentre, mm; the magnification stands in for one of them.

    Distance Source to Patient is that to the isocentre in cardiovascular equipment (C.8.7.5, note), and the
    magnification is by definition the ratio of both.
    """
    detector = elements.number("DistanceSourceToDetector", *_DETECTOR, "mm", 1.0)
    isocentre = elements.number("DistanceSourceToIsocenter", *_ISOCENTRE, "mm", 1.0)
    named_isocentre = "DistanceSourceToIsocenter"
    if isocentre is None:
        named_isocentre = "DistanceSourceToPatient"
        isocentre = elements.number(named_isocentre, *_ISOCENTRE, "mm", 1.0)
    magnification = elements.number("EstimatedRadiographicMagnificationFactor", *_MAGNIFICATION)
    if detector is None or isocentre is None:
        return _by_magnification(elements, detector, isocentre, magnification)
    if isocentre >= detector:
        raise elements.error(
            named_isocentre,
            f"({isocentre:g} mm) is not less than {named('DistanceSourceToDetector')} ({detector:g} mm)",
        )
    if magnification is not None and abs(magnification * isocentre / detector - 1.0) > _AGREE:
        raise elements.error(
            "EstimatedRadiographicMagnificationFactor",
            f"({magnification:.3g}) is not the ratio of the distances to detector and patient "
            f"({detector / isocentre:.3g})",
        )
    return detector, isocentre


def _by_magnification(
    elements: Elements, detector: float | None, isocentre: float | None, magnification: float | None
) -> tuple[float, float]:
    """Both distances, mm, from one of them and the magnification, with a warning: it is an estimate."""
    wanted = "DistanceSourceToDetector" if detector is None else "DistanceSourceToPatient"
    known = isocentre if detector is None else detector
    if known is None or magnification is None or magnification <= 1.0:
        raise elements.missing(wanted)
    _log.warning(
        "%s: %s is missing, so it follows from %s, which is an estimate.",
        *(elements.where, named(wanted), named("EstimatedRadiographicMagnificationFactor")),
    )
    return (known * magnification, known) if detector is None else (known, known / magnification)


def _pixel(elements: Elements, magnification: float) -> tuple[float, float]:
    """Spacing of rows and of columns at the detector, mm; checked against that in the patient where there is one.

    Pixel Spacing is the detector's where nobody calibrated, else that at some depth in the patient (PS3.3, 10.7.1).
    """
    keyword = "ImagerPixelSpacing"
    found = elements.numbers(keyword, 2)
    if found is None:
        raise elements.missing(keyword)
    if found.min() < _PIXEL[0] or found.max() > _PIXEL[1]:
        raise elements.error(keyword, f"is not between {_PIXEL[0]:g} and {_PIXEL[1]:g} mm")
    if np.ptp(found, axis=0).max() > 1e-3 * found.min():
        raise elements.error(keyword, "changes from frame to frame", "give a cine of one magnification")
    row, column = (float(value) for value in found[0])
    if abs(row / column - 1.0) > _SQUARE:
        raise elements.error(keyword, f"says that pixels are {row:g} mm high and {column:g} mm wide")
    inside = elements.numbers("PixelSpacing", 2)
    if inside is None:
        return row, column
    ratio = inside / found[0]
    if np.abs(ratio - 1.0).max() <= _AGREE or np.abs(ratio * magnification - 1.0).max() <= _AGREE:
        return row, column
    calibrated = elements.text("PixelSpacingCalibrationType") == "FIDUCIAL"
    if not calibrated or np.abs(ratio * magnification - 1.0).max() > _CALIBRATED:
        raise elements.error(
            "PixelSpacing",
            f"fits neither {named(keyword)} nor the same divided by the magnification {magnification:.3g}",
        )
    _log.warning(
        "%s: %s was calibrated by an object and differs from the geometry by %.0f %%; the geometry is used.",
        elements.where,
        named("PixelSpacing"),
        100.0 * float(np.abs(ratio * magnification - 1.0).max()),
    )
    return row, column


def _check_orientation(elements: Elements, camera: Camera) -> None:
    """Patient Orientation names where the image's columns and rows lead; an image that is mirrored is no view."""
    held = elements.text("PatientOrientation").split("\\")
    if len(held) != 2 or not all(held):
        return
    for said, axis in zip(held, camera.axes[:2], strict=True):
        towards = np.zeros(3)
        for weight, letter in zip((1.0, 0.5, 0.25), said, strict=False):
            place, sign = _LETTERS.get(letter, (0, 0))
            towards[place] += weight * sign
        if towards @ axis < _MIRRORED * np.linalg.norm(towards):
            raise elements.error(
                "PatientOrientation", "says that the image is mirrored or turned against the C-arm's angles", AGAIN
            )


def _warn_of_table(elements: Elements) -> None:
    """A table that moved during the run: the geometry is that of the first frame (PS3.3, C.8.7.4.1)."""
    moved = elements.text("TableMotion") == "DYNAMIC"
    for keyword in ("TableVerticalIncrement", "TableLongitudinalIncrement", "TableLateralIncrement"):
        increments = elements.numbers(keyword)
        if increments is not None:
            moved = moved or bool(np.abs(increments).max() > _SHAKE)
    for keyword in ("TableTopVerticalPosition", "TableTopLongitudinalPosition", "TableTopLateralPosition"):
        places = elements.numbers(keyword, 1)
        if places is not None:
            moved = moved or bool(np.ptp(places) > _SHAKE)
    if moved:
        _log.warning(
            "%s: the table moved during the run, so frames other than the first show the vessel shifted.",
            elements.where,
        )
