"""DICOM segmentations (SEG): a multi-frame file of planes, each of one segment, in any order.

Standard: DICOM PS3.3, A.51 (Segmentation IOD), A.51.5 (Label Map Segmentation), C.8.20 (its modules), C.7.6.16
(functional groups). pydicom reads the elements that are named here and no other, so that nothing that tells who
the patient is ever enters hemo; its messages, which quote what they read, are not passed on.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.geometry.image.dicomfile import class_name, decodable, is_dicom, readable
from hemo.geometry.image.placement import Array, Placement, checked_placement
from hemo.geometry.image.planes import Plane, cropped
from hemo.geometry.image.segments import AORTA, CORONARY, Choice, Labels, Segment, choose, written

_log = logging.getLogger(__name__)

_SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
_LABELMAP = "1.2.840.10008.5.1.4.1.1.66.7"
_ELEMENTS = [
    *("SOPClassUID", "SegmentationType", "MaximumFractionalValue", "SegmentSequence", "InConcatenationTotalNumber"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "NumberOfFrames", "Rows", "Columns"),
    *("SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    "PixelData",
]
_THRESHOLD = 0.5
_MOST_PLANES = 5000
_ALIKE = 1e-4  # of direction cosines and, relative, of pixel spacing from frame to frame
_SIDEWAYS = 0.05  # mm that planes may be shifted against each other
_SAME_PLANE = 0.01  # mm
_UNEVEN = 0.05  # of the gap between planes


def segmentation_in(folder: Path) -> Path:
    """The one DICOM segmentation in a folder or below it.

    Raises
    ------
    InputError
        None or several, with what the folder holds instead.
    """
    kinds = {path: _kind(path) for path in sorted(folder.rglob("*")) if path.is_file() and is_dicom(path)}
    found = [path for path, kind in kinds.items() if kind in (_SEGMENTATION, _LABELMAP)]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(str(path.relative_to(folder)) for path in found[:8])
        raise InputError(f"{folder}: holds {len(found)} DICOM segmentations ({names}); name one of them.")
    counts = Counter(class_name(kind) for kind in kinds.values()).most_common(3)
    held = ", ".join(f"{count} {name}" for name, count in counts) or "no DICOM file"
    raise InputError(f"{folder}: is a folder without a DICOM segmentation ({held}); name the label map's file.")


def read_segmentation(path: Path, labels: Labels | None) -> tuple[NDArray[np.uint8], Placement]:
    """The chosen segments of a DICOM segmentation, cropped to where there are any, and where they lie.

    Planes without a frame are background. Values of a FRACTIONAL segmentation count from half of its maximum on.

    Raises
    ------
    InputError
        Damaged file, another DICOM object (named), planes that are not parallel and evenly spaced, or labels
        that do not fit.
    """
    where = str(path)
    with readable(where):
        dataset = _dataset(path)
        kind = str(dataset.get("SOPClassUID", ""))
    if kind not in (_SEGMENTATION, _LABELMAP):
        raise InputError(
            f"{where}: is a DICOM file, but no segmentation: {class_name(kind)}; give the segmentation (SEG)."
        )
    with readable(where):
        _check_pixels(dataset, where)
        chosen = choose(_segments(dataset), labels, where)
        frames = _frames(dataset, where)
        stack = _stacked(frames, where)
        planes = _painted(dataset, frames, stack, chosen, where)
        mapped, first = cropped(planes)
    return mapped, stack.placement.moved(first)


def _dataset(path: Path, elements: Sequence[str] = _ELEMENTS) -> Any:
    from pydicom import dcmread

    return dcmread(path, specific_tags=list(elements), stop_before_pixels="PixelData" not in elements)


def _kind(path: Path) -> str:
    """The SOP class of a DICOM file; empty where it cannot be read."""
    try:
        with readable(str(path)):
            return str(_dataset(path, ["SOPClassUID"]).get("SOPClassUID", ""))
    except InputError:
        return ""


def _check_pixels(dataset: Any, where: str) -> None:
    """Whether the frames can be decoded, and all of them are there."""
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated and not decodable(syntax):
        raise InputError(f"{where}: its frames are compressed ({class_name(str(syntax))}); store it uncompressed.")
    if int(dataset.get("InConcatenationTotalNumber", 1)) > 1:
        raise InputError(f"{where}: is one part of a segmentation split over several files; join them first.")
    if "PixelData" not in dataset:
        raise InputError(f"{where}: holds no frame, or is cut short before them; export the segmentation again.")


def _segments(dataset: Any) -> tuple[Segment, ...]:
    """The segments by number, with label and coded meanings; a label map's background is no segment."""
    return tuple(
        Segment(int(item.SegmentNumber), _names(item))
        for item in dataset.SegmentSequence
        if int(item.SegmentNumber) > 0
    )


def _names(item: Any) -> tuple[str, ...]:
    """The label, then meaning and code of the property and of the anatomic region, alone and with laterality."""
    names = [str(item.get("SegmentLabel", ""))]
    for key, modifier in (
        ("SegmentedPropertyTypeCodeSequence", "SegmentedPropertyTypeModifierCodeSequence"),
        ("AnatomicRegionSequence", "AnatomicRegionModifierSequence"),
    ):
        for code in item.get(key) or ():
            meaning = str(code.get("CodeMeaning", ""))
            sides = [str(side.get("CodeMeaning", "")) for side in code.get(modifier) or item.get(modifier) or ()]
            names += [f"{side} {meaning}" for side in sides] + [meaning, str(code.get("CodeValue", ""))]
    return written(names)


@dataclass(frozen=True)
class _Frames:
    """Where each frame lies, in mm: position (n, 3), axes x and y (3,) of all, pixel size; segment (n,), 0 for all."""

    position: Array
    along_x: Array
    along_y: Array
    pixel: Array
    segment: NDArray[np.int64]


@dataclass(frozen=True)
class _Stack:
    """The volume that frames make: the plane (n,) of each, and where the volume lies."""

    plane: NDArray[np.int64]
    placement: Placement


def _frames(dataset: Any, where: str) -> _Frames:
    """The functional groups of all frames, each its own or shared."""
    shared = dataset.get("SharedFunctionalGroupsSequence") or [{}]
    each = dataset.PerFrameFunctionalGroupsSequence
    if len(each) != int(dataset.get("NumberOfFrames", 1)):
        raise ValueError("frames without functional groups")

    def values(group: str, key: str) -> Array:
        items = [frame.get(group) or shared[0].get(group) for frame in each]
        if not all(items):
            raise InputError(
                f"{where}: does not say where its frames lie in the patient; export it from the CT's frame."
            )
        return np.array([np.atleast_1d(item[0][key].value) for item in items], dtype=np.float64)

    axes = values("PlaneOrientationSequence", "ImageOrientationPatient")
    pixel = values("PixelMeasuresSequence", "PixelSpacing")
    if np.abs(axes - axes[0]).max() > _ALIKE or np.abs(pixel / pixel[0] - 1.0).max() > _ALIKE:
        raise InputError(f"{where}: its frames differ in orientation or pixel size; resample it to one grid.")
    numbers: NDArray[np.int64] = np.zeros(len(each), dtype=np.int64)
    if str(dataset.SOPClassUID) == _SEGMENTATION:
        numbers = values("SegmentIdentificationSequence", "ReferencedSegmentNumber")[:, 0].astype(np.int64)
    position = values("PlanePositionSequence", "ImagePositionPatient")
    # PixelSpacing is the distance of rows, then of columns (PS3.3, 10.7.1.3).
    return _Frames(position, axes[0, :3], axes[0, 3:], pixel[0, ::-1], numbers)


def _stacked(frames: _Frames, where: str) -> _Stack:
    """Sort the frames along their normal, on evenly spaced planes.

    The least distance of two frames is the gap; the others must be whole multiples of it, and a plane without a
    frame is background. (The element SpacingBetweenSlices is often wrong, and is not asked.)
    """
    normal = np.cross(frames.along_x, frames.along_y)
    normal /= np.linalg.norm(normal)
    height = frames.position @ normal
    start = frames.position[np.argmin(height)]
    beside = frames.position - start - (height - height.min())[:, None] * normal
    if np.abs(beside).max() > _SIDEWAYS:
        raise InputError(
            f"{where}: its planes are shifted sideways (a tilted gantry); resample it to a straight stack."
        )
    order = np.argsort(height)
    new = np.diff(height[order], prepend=-np.inf) > _SAME_PLANE
    steps = np.diff(height[order][new])
    if len(steps) < 2:
        raise InputError(f"{where}: has {len(steps) + 1} planes, not a three-dimensional volume; give the whole stack.")
    counts = np.rint(steps / np.median(steps[steps < 1.5 * steps.min()])).astype(np.int64)
    index = np.concatenate([[0], np.cumsum(counts)])
    gap = float(steps.sum()) / index[-1]
    if np.abs(steps / gap - counts).max() > _UNEVEN or index[-1] > _MOST_PLANES:
        raise InputError(
            f"{where}: its planes lie {steps.min():g} to {steps.max():g} mm apart; resample it to even planes."
        )
    if index[-1] > len(steps):
        _log.info("%s: %d planes without a frame are background.", where, index[-1] - len(steps))
    plane = np.empty(len(height), dtype=np.int64)
    plane[order] = index[np.cumsum(new) - 1]
    axes = np.column_stack([frames.along_x, frames.along_y, normal])
    spacing = 1e-3 * np.array([*frames.pixel, gap])
    return _Stack(plane, checked_placement(1e-3 * start, spacing, axes, where))


def _painted(dataset: Any, frames: _Frames, stack: _Stack, chosen: Choice, where: str) -> dict[int, Plane]:
    """The labels of each plane; where segments overlap, the aorta stands."""
    target = {segment.number: part for part in (AORTA, CORONARY) for segment in chosen.get(part, ())}
    is_map = str(dataset.SOPClassUID) == _LABELMAP
    least = 1.0
    if str(dataset.get("SegmentationType", "")) == "FRACTIONAL" or "MaximumFractionalValue" in dataset:
        least = _THRESHOLD * float(dataset.MaximumFractionalValue)
        _log.info("%s: is fractional: voxels count as lumen from %g of the maximum on.", where, _THRESHOLD)
    wanted = [k for k, number in enumerate(frames.segment) if is_map or int(number) in target]
    planes: dict[int, Plane] = {}
    for k, pixels in zip(wanted, _decoded(dataset, wanted), strict=True):
        plane = planes.setdefault(int(stack.plane[k]), np.zeros(pixels.shape, dtype=np.uint8))
        for number, part in target.items():
            if is_map or number == frames.segment[k]:
                inside = pixels == number if is_map else pixels >= least
                if part == CORONARY:
                    inside = inside & (plane != AORTA)
                plane[inside] = part
    return planes


def _decoded(dataset: Any, wanted: Sequence[int]) -> Iterator[NDArray[Any]]:
    """The frames (rows, columns) of the given numbers, one at a time.

    Frames of one bit a pixel follow each other without a gap, lowest bit first (PS3.5, 8.1.1 and annex D); a
    frame that begins within a byte is what pydicom 3.0 cannot take alone, so these are unpacked here.
    """
    from pydicom.pixels import iter_pixels

    if int(dataset.BitsAllocated) != 1 or dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        yield from iter_pixels(dataset, raw=True, indices=wanted)
        return
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    packed = np.frombuffer(dataset.PixelData, dtype=np.uint8)
    for frame in wanted:
        first, last = frame * rows * columns, (frame + 1) * rows * columns
        bits = np.unpackbits(packed[first // 8 : -(-last // 8)], bitorder="little")
        yield bits[first % 8 : first % 8 + rows * columns].reshape(rows, columns)
