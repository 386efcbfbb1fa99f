"""The elements of an XA file, asked for one by one, as numbers: whatever is wrong with one is said without its value.

Attributes: DICOM PS3.3, A.14 (XA Image IOD) and A.47 (Enhanced XA Image IOD, whose attributes stand in functional
groups, shared or frame by frame). A message names the file and the element and never quotes what was read, which in a
damaged file may be the patient's name; a number is quoted only by who has found it to be in its range.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError

Array = NDArray[Any]

AGAIN = "export the original cine from the angiography system again"
GROUPS = {
    "PositionerPrimaryAngle": "PositionerPositionSequence",
    "PositionerSecondaryAngle": "PositionerPositionSequence",
    "DistanceSourceToDetector": "XRayGeometrySequence",
    "DistanceSourceToIsocenter": "XRayGeometrySequence",
    "ImagerPixelSpacing": "FramePixelDataPropertiesSequence",
    "PixelIntensityRelationship": "FramePixelDataPropertiesSequence",
    "PixelIntensityRelationshipSign": "FramePixelDataPropertiesSequence",
    "TableTopVerticalPosition": "TablePositionSequence",
    "TableTopLongitudinalPosition": "TablePositionSequence",
    "TableTopLateralPosition": "TablePositionSequence",
    "TableHorizontalRotationAngle": "TablePositionSequence",
    "TableHeadTiltAngle": "TablePositionSequence",
    "TableCradleTiltAngle": "TablePositionSequence",
    "FrameReferenceDateTime": "FrameContentSequence",
    "FrameAcquisitionDateTime": "FrameContentSequence",
}


@dataclass(frozen=True)
class Elements:
    """A file's elements by keyword.

    Attributes
    ----------
    dataset
        pydicom's.
    where
        The file's path, for messages.
    """

    dataset: Any
    where: str

    def error(self, keyword: str, wrong: str, advice: str = AGAIN) -> InputError:
        """The sentence that names file, element and what to do."""
        return InputError(f"{self.where}: {named(keyword)} {wrong}; {advice}.")

    def missing(self, keyword: str) -> InputError:
        """The sentence about an element that is not there."""
        return self.error(keyword, "is missing")

    def values(self, keyword: str) -> list[list[Any]]:
        """What an element holds: once for all frames, or once a frame; nothing where it is missing or empty.

        Raises
        ------
        InputError
            It cannot be read, or some frames have it and others do not.
        """
        try:
            found = [_listed(item.get(keyword)) for item in self._places(keyword)]
        except Exception:
            # pydicom turns text into numbers here, and quotes what is none.
            raise self.error(keyword, "cannot be read") from None
        held = [value for value in found if value]
        if held and len(held) < len(found):
            raise self.error(keyword, "is missing in some frames")
        return held

    def _places(self, keyword: str) -> list[Any]:
        """The data sets that hold an element: the file's, its shared functional group, or those of all frames."""
        group = GROUPS.get(keyword)
        if group is None or keyword in self.dataset:
            return [self.dataset]
        shared = _listed(self.dataset.get("SharedFunctionalGroupsSequence"))
        if shared and shared[0].get(group):
            return [shared[0][group].value[0]]
        each = [_listed(frame.get(group)) for frame in _listed(self.dataset.get("PerFrameFunctionalGroupsSequence"))]
        return [items[0] if items else {} for items in each] or [{}]

    def text(self, keyword: str) -> str:
        """A coded value in capitals, to compare and never to print; empty where it is missing or differs."""
        held = {"\\".join(str(part).strip().upper() for part in value) for value in self.values(keyword)}
        return held.pop() if len(held) == 1 else ""

    def numbers(self, keyword: str, count: int | None = None) -> Array | None:
        """(m, count) finite numbers, m being 1 or the number of frames; None where the element is missing.

        Raises
        ------
        InputError
            No numbers, or not so many.
        """
        held = self.values(keyword)
        if not held:
            return None
        if len({len(value) for value in held}) > 1 or (count is not None and len(held[0]) != count):
            raise self.error(keyword, f"has not the {count} values that it needs" if count else "is uneven")
        try:
            found = np.array([[float(part) for part in value] for value in held])
        except (TypeError, ValueError, OverflowError):
            raise self.error(keyword, "is not a number") from None
        if not np.isfinite(found).all():
            raise self.error(keyword, "is not a finite number")
        return found

    def number(self, keyword: str, least: float, most: float, unit: str = "", steady: float = 0.0) -> float | None:
        """One number between two limits; None where the element is missing.

        Raises
        ------
        InputError
            No such number, or frames whose numbers differ by more than ``steady``.
        """
        found = self.numbers(keyword, 1)
        if found is None:
            return None
        if found.min() < least or found.max() > most:
            raise self.error(keyword, f"is not between {least:g} and {most:g} {unit}".rstrip())
        if np.ptp(found) > steady:
            raise self.error(keyword, "changes from frame to frame", "give a cine taken with the C-arm at rest")
        return float(found[0, 0])

    def whole(self, keyword: str, least: int, most: int) -> int:
        """One whole number between two limits, which must be there.

        Raises
        ------
        InputError
            Otherwise.
        """
        found = self.number(keyword, least, most)
        if found is None:
            raise self.missing(keyword)
        if found != int(found):
            raise self.error(keyword, "is not a whole number")
        return int(found)


def named(keyword: str) -> str:
    """An element's keyword with its tag, as PS3.6 writes it."""
    from pydicom.datadict import tag_for_keyword

    tag = tag_for_keyword(keyword) or 0
    return f"{keyword} ({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _listed(value: Any) -> list[Any]:
    """A value of any multiplicity as a list, empty when there is none."""
    if value is None or isinstance(value, (str, bytes)):
        return [value] if value else []
    return list(value) if hasattr(value, "__iter__") else [value]
