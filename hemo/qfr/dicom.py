"""Cines from DICOM files: X-ray angiography of one plane (XA) and its enhanced form; mm and degrees end here.

DICOM PS3.3, A.14 and A.47. Of a biplane acquisition each plane is its own file. pydicom reads the elements that are
named here and no other, and of these pixels, times and geometry alone leave: no name, number, date or UID.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hemo.errors import InputError
from hemo.geometry.image.dicomfile import class_name, is_dicom, readable
from hemo.qfr.cine import Cine
from hemo.qfr.views import check_views, warn_of_rate
from hemo.qfr.xaelements import GROUPS, Array, Elements, named
from hemo.qfr.xageometry import camera_of, table_of
from hemo.qfr.xapixels import frames_of, shape_of
from hemo.qfr.xatimes import times_of

_log = logging.getLogger(__name__)

_XA = "1.2.840.10008.5.1.4.1.1.12.1"
_ENHANCED = "1.2.840.10008.5.1.4.1.1.12.1.1"
_BIPLANE = "1.2.840.10008.5.1.4.1.1.12.3"
_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_ELEMENTS = [
    *("SOPClassUID", "InConcatenationTotalNumber"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    *("SamplesPerPixel", "PhotometricInterpretation", "NumberOfFrames", "Rows", "Columns"),
    *("BitsAllocated", "BitsStored"),
    *("HighBit", "PixelRepresentation", "PixelData", "ExtendedOffsetTable", "ExtendedOffsetTableLengths"),
    *("RescaleSlope", "RescaleIntercept", "LossyImageCompression", "BurnedInAnnotation"),
    *("PatientOrientation", "PositionerMotion", "PositionerPrimaryAngleIncrement", "PositionerSecondaryAngleIncrement"),
    *("DetectorPrimaryAngle", "DetectorSecondaryAngle", "DistanceSourceToPatient"),
    *("EstimatedRadiographicMagnificationFactor", "PixelSpacing", "PixelSpacingCalibrationType"),
    *("TableMotion", "TableVerticalIncrement", "TableLongitudinalIncrement", "TableLateralIncrement"),
    *("FrameIncrementPointer", "FrameTime", "FrameTimeVector", "CineRate", "RecommendedDisplayFrameRate"),
    *GROUPS,
]
_MOST_FRAMES = 20_000


@dataclass(frozen=True)
class _View:
    """A cine, and where the table stood: (3,) m from the equipment's own reference, or None."""

    cine: Cine
    table: Array | None


def read_cine(path: Path, frames_needed: bool = True) -> Cine:
    """One view over time.

    Parameters
    ----------
    path
        XA Image Storage or Enhanced XA Image Storage, of one plane, in any transfer syntax that pydicom or SimpleITK
        decodes.
    frames_needed
        Whether a single frame is refused; without, such a file gives its one frame at time zero.

    Returns
    -------
    Cine
        m, rad, s; its camera's shift is zero (see :func:`read_views` for the table).

    Raises
    ------
    InputError
        No such file; another kind of DICOM file; elements of time or geometry that are missing, out of range or
        contradict each other; frames that are damaged.
    EnvironmentMissing
        Frames whose compression needs a decoder that is not installed.
    """
    return _view(path, frames_needed).cine


def read_views(paths: Sequence[Path]) -> tuple[Cine, ...]:
    """Views of one vessel, checked against each other, and shifted as the table was moved between them.

    Where all files say where the table stood, each camera's shift is its way since the first view; else all are zero,
    with a warning if some say so.

    Raises
    ------
    InputError
        As :func:`read_cine` and :func:`hemo.qfr.views.check_views`.
    """
    views = [_view(path, True) for path in paths]
    tables = [view.table for view in views if view.table is not None]
    cines = [view.cine for view in views]
    if len(tables) == len(views):
        moved = [tuple(float(way) for way in table - tables[0]) for table in tables]
        cines = [
            replace(cine, camera=replace(cine.camera, shift=(way[0], way[1], way[2])))
            for cine, way in zip(cines, moved, strict=True)
        ]
    elif tables:
        _log.warning("Not all views say where the table stood, so it is taken not to have moved between them.")
    check_views(cines)
    return tuple(cines)


def _view(path: Path, frames_needed: bool) -> _View:
    where = str(path)
    _check_file(path)
    try:
        with readable(where):
            from pydicom import dcmread

            dataset = dcmread(path, specific_tags=list(_ELEMENTS))
            _check_kind(str(dataset.get("SOPClassUID", "")), where)
            return _read(Elements(dataset, where), frames_needed)
    except MemoryError:
        raise InputError(f"{where}: needs more memory than there is; give fewer frames or a larger machine.") from None


def _check_file(path: Path) -> None:
    try:
        found = is_dicom(path)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file; give an XA DICOM file.") from None
    except OSError:
        raise InputError(f"{path}: cannot be read; give an XA DICOM file that you may read.") from None
    if not found:
        raise InputError(f"{path}: is no DICOM file; give the XA cine as the angiography system exports it.")


def _check_kind(kind: str, where: str) -> None:
    """XA of one plane, and nothing else."""
    if kind in (_XA, _ENHANCED):
        return
    if kind == _BIPLANE:
        raise InputError(
            f"{where}: is of the retired class {class_name(kind)}, which mixes two planes; export each plane as XA."
        )
    if kind == _CAPTURE or kind.startswith(f"{_CAPTURE}."):
        raise InputError(
            f"{where}: is a screenshot ({class_name(kind)}), which has no geometry; give the original XA cine."
        )
    raise InputError(f"{where}: is a DICOM file, but no XA cine: {class_name(kind)}; give the XA cine of one plane.")


def _read(elements: Elements, frames_needed: bool) -> _View:
    frames = _frame_count(elements)
    if frames == 1 and frames_needed:
        raise elements.error("NumberOfFrames", "says that there is one frame", "give the cine, not a picture of it")
    shape = shape_of(elements)
    camera = camera_of(elements, frames, shape)
    table = table_of(elements)
    times = times_of(elements, frames)
    pixels, logarithmic = frames_of(elements, frames, shape)
    cine = Cine(pixels, times, camera, logarithmic)
    warn_of_rate(cine, elements.where)
    return _View(cine, table)


def _frame_count(elements: Elements) -> int:
    """Number of Frames, which an XA file of one frame lacks."""
    if elements.values("InConcatenationTotalNumber") and elements.whole("InConcatenationTotalNumber", 1, 65535) > 1:
        raise elements.error("InConcatenationTotalNumber", "says that this is a part of a cine", "join the parts first")
    frames = elements.whole("NumberOfFrames", 1, _MOST_FRAMES) if elements.values("NumberOfFrames") else 1
    groups: Any = elements.dataset.get("PerFrameFunctionalGroupsSequence")
    if groups is not None and len(groups) != frames:
        raise elements.error("NumberOfFrames", f"is not how many items {named('PerFrameFunctionalGroupsSequence')} has")
    return frames
