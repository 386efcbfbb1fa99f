"""Contours as one JSON file: ``hemo schema pullback`` prints its schema."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hemo.errors import InputError
from hemo.geometry.intravascular.assembling import Outline, Reading, assembled
from hemo.geometry.intravascular.contours import Kind, Pullback

Points = Annotated[list[tuple[float, float]], Field(min_length=3, description="closed outline, x and y in the unit")]


class JsonFrame(BaseModel):
    """One frame."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    number: int = Field(description="of the frame in the pullback; increasing or decreasing through the file")
    z: float | None = Field(None, description="place along the pullback in the unit; not needed with a frame step")
    lumen: Points
    eem: Points | None = Field(None, description="external elastic membrane")
    stent: Points | None = Field(None, description="through the struts, on their luminal side")
    calcium: list[Points] = Field(default_factory=list)
    branches: list[Points] = Field(default_factory=list, description="lumens of side branches")


class JsonPullback(BaseModel):
    """A pullback's contours."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    schema_version: Literal[1]
    name: str = ""
    modality: Literal["ivus", "oct"] | None = None
    unit: Literal["um", "mm", "cm", "m"] = "mm"
    first: Literal["distal", "proximal"] | None = Field(None, description="which end the first frame is")
    ostium_frame: int | None = Field(None, description="number of the frame that shows the ostium")
    frame_spacing_mm: float | None = Field(None, gt=0.0, description="from one frame number to the next")
    pullback_speed_mm_s: float | None = Field(None, gt=0.0)
    frame_rate_hz: float | None = Field(None, gt=0.0)
    frames: list[JsonFrame]


def read_json(path: Path, reading: Reading) -> Pullback:
    """The pullback of a JSON file; what ``reading`` says wins over the file.

    Raises
    ------
    InputError
        If it is not as the schema says, or unfit to measure.
    """
    try:
        data = JsonPullback.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{path.name}: {where or 'the file'}: {first['msg']}; see hemo schema pullback.") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    numbers = [frame.number for frame in data.frames]
    steps = np.diff(numbers)
    if len(steps) and not (np.all(steps > 0) or np.all(steps < 0)):
        raise InputError(
            f"{path.name}: the frames are out of order or one is there twice; sort them along the pullback."
        )
    outlines = [one for frame in data.frames for one in _outlines(frame, path.name)]
    told = replace(
        reading,
        unit=reading.unit or data.unit,
        first=reading.first or data.first,
        modality=reading.modality or data.modality,
        frame_step=reading.frame_step or _step(data, path.name),
    )
    return assembled(data.name or path.stem, path.name, outlines, data.ostium_frame, told)


def _step(data: JsonPullback, where: str) -> float | None:
    speed = None
    if (data.pullback_speed_mm_s is None) != (data.frame_rate_hz is None):
        raise InputError(f"{where}: pullback_speed_mm_s and frame_rate_hz belong together; give both.")
    if data.pullback_speed_mm_s is not None and data.frame_rate_hz is not None:
        speed = 1e-3 * data.pullback_speed_mm_s / data.frame_rate_hz
    if data.frame_spacing_mm is None:
        return speed
    if speed is not None:
        raise InputError(f"{where}: give frame_spacing_mm, or pullback speed and frame rate, not both.")
    return 1e-3 * data.frame_spacing_mm


def _outlines(frame: JsonFrame, where: str) -> list[Outline]:
    found: list[tuple[Kind, list[tuple[float, float]] | None]] = [
        ("lumen", frame.lumen),
        ("eem", frame.eem),
        ("stent", frame.stent),
        *(("calcium", one) for one in frame.calcium),
        *(("branch", one) for one in frame.branches),
    ]
    return [
        Outline(kind, frame.number, frame.z, np.array(points), where) for kind, points in found if points is not None
    ]
