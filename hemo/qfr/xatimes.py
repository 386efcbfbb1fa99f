"""When each frame of an XA file was taken.

DICOM PS3.3, C.7.6.5 (Cine Module): Frame Time is the time between frames, Frame Time Vector the time since the frame
before (the first is zero), both ms and of type 1C (there where Frame Increment Pointer points to them); Cine Rate,
type 3, is a whole number of frames a second. Recommended Display Frame Rate is how fast to show them, not to take them.
Enhanced XA may tell each frame's date and time instead (C.7.6.16.2.2), of which differences alone are kept.
"""

from __future__ import annotations

import logging
import math
from datetime import datetime

import numpy as np

from hemo.qfr.xaelements import Array, Elements, named

_log = logging.getLogger(__name__)

_STEP = (2.0, 2000.0)  # ms
_AGREE = 0.05
_ROUNDED = 0.5  # 1/s: Cine Rate is a whole number


def times_of(elements: Elements, frames: int) -> Array:
    """(frames,) s from the first frame.

    Raises
    ------
    InputError
        No times, times that do not increase, or elements that contradict each other.
    """
    if frames == 1:
        return np.zeros(1)
    _check_pointer(elements)
    rate = elements.number("CineRate", 1.0, 500.0, "frames/s")
    keyword, steps = _steps(elements, frames)
    if steps is None:
        if rate is None:
            raise elements.missing("FrameTime")
        _log.warning(
            "%s: %s is missing, so times follow from %s, which is rounded to whole frames a second.",
            *(elements.where, named("FrameTime"), named("CineRate")),
        )
        return np.arange(frames) / rate
    if steps.min() <= 0.0:
        raise elements.error(keyword, "says that the frames' times do not increase")
    if steps.min() < _STEP[0] or steps.max() > _STEP[1]:
        raise elements.error(keyword, f"has frames that are not {_STEP[0]:g} to {_STEP[1]:g} ms apart")
    taken = 1000.0 / float(steps.mean())
    if rate is not None and abs(taken - rate) > _AGREE * rate + _ROUNDED:
        raise elements.error("CineRate", f"({rate:g} frames/s) contradicts {named(keyword)} ({taken:.3g} frames/s)")
    _warn_of_display(elements, taken)
    if np.ptp(steps) == 0.0:
        return np.arange(frames) * steps[0] / 1000.0
    return np.concatenate([[0.0], np.cumsum(steps)]) / 1000.0


def _check_pointer(elements: Elements) -> None:
    """Frames that follow each other in time and not, say, round an object."""
    held = elements.values("FrameIncrementPointer")
    if held and not {0x00181063, 0x00181065} & {value for value in held[0] if isinstance(value, int)}:
        raise elements.error("FrameIncrementPointer", "points neither to a frame time nor to a vector of them")


def _steps(elements: Elements, frames: int) -> tuple[str, Array | None]:
    """The element that tells the times, and ms (frames - 1,) between frames; None where none does."""
    single = elements.numbers("FrameTime", 1)
    vector = elements.numbers("FrameTimeVector")
    if vector is not None and vector.shape[1] != frames:
        raise elements.error("FrameTimeVector", "has not one value for each frame")
    if vector is not None:
        if single is not None and abs(vector[0, 1:].mean() / (single[0, 0] or math.inf) - 1.0) > _AGREE:
            raise elements.error("FrameTimeVector", f"contradicts {named('FrameTime')}")
        return "FrameTimeVector", vector[0, 1:]
    if single is not None:
        return "FrameTime", np.full(frames - 1, single[0, 0])
    for keyword in ("FrameReferenceDateTime", "FrameAcquisitionDateTime"):
        held = elements.values(keyword)
        if len(held) == frames:
            return keyword, np.diff([_milliseconds(elements, keyword, value[0]) for value in held])
    return "FrameTime", None


def _milliseconds(elements: Elements, keyword: str, value: object) -> float:
    """A date and time (PS3.5, 6.2: DT) as ms since any day; the offset from UTC is alike in all frames."""
    text = str(value).strip()
    for sign in "+-":
        text = text.split(sign)[0]
    whole, _, fraction = text.partition(".")
    try:
        day = datetime.strptime(f"{whole}.{fraction or '0'}", "%Y%m%d%H%M%S.%f")
    except ValueError:
        raise elements.error(keyword, "is not a date and time") from None
    return (day - datetime(2000, 1, 1)).total_seconds() * 1000.0


def _warn_of_display(elements: Elements, taken: float) -> None:
    shown = elements.number("RecommendedDisplayFrameRate", 1.0, 500.0, "frames/s")
    if shown is not None and abs(taken - shown) > _AGREE * shown + _ROUNDED:
        _log.warning(
            "%s: was taken at %.3g frames/s and is meant to be shown at %g; times are those of the taking.",
            *(elements.where, taken, shown),
        )
