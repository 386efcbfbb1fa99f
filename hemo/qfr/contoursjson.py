"""The JSON form of a view's contours: what hemo traced, or another tool or a person drew, with marks.

Places are [column, row] in pixels of the frame, the first pixel's centre being [0, 0], as the keys say; everything runs
proximal to distal. ``hemo/schemas/contours.json`` is the JSON schema, with the meaning of every key.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.qfr.cine import Contours
from hemo.qfr.path import normals
from hemo.units import MILLIMETRE

Array = NDArray[Any]

SCHEMA_VERSION = 1
FEWEST = 10  # points of a contour

_LINES = ("midline_px", "left_px", "right_px")
_KEYS = {"schema_version", "frame", "calibration_mm_per_pixel", *_LINES, "doubt_px", "side_branches", "landmarks"}
_POINTS_KEYS = {"schema_version", "frame", "calibration_mm_per_pixel", "points_px", "side_branches", "landmarks"}
_SIDE_BRANCH_KEYS = {"name", "index", "diameter_px"}
_LANDMARK_KEYS = {"name", "place_px"}


@dataclass(frozen=True)
class SideBranchMark:
    """A side branch: name, index on the midline where it leaves, healthy diameter behind the ostium in pixels."""

    name: str
    index: int
    diameter: float


@dataclass(frozen=True)
class Landmark:
    """A place that is seen on other views too, by the same name: column and row, pixels."""

    name: str
    place: tuple[float, float]


@dataclass(frozen=True)
class ViewContours:
    """What one view's file holds."""

    contours: Contours
    side_branches: tuple[SideBranchMark, ...] = ()
    landmarks: tuple[Landmark, ...] = ()


@dataclass(frozen=True)
class ViewPoints:
    """What the file holds of a vessel that is still to be traced.

    Attributes
    ----------
    frame
        Which frame, from 0.
    points
        (k, 2) column and row of two or more places along the vessel, proximal to distal, pixels.
    side_branches
        A place in each side branch near its ostium.
    landmarks
        As in ``ViewContours``.
    calibration
        Metres a pixel, or None.
    """

    frame: int
    points: Array
    side_branches: tuple[Landmark, ...] = ()
    landmarks: tuple[Landmark, ...] = ()
    calibration: float | None = None


def schema() -> dict[str, Any]:
    """The JSON schema of the file."""
    return dict(json.loads(files("hemo").joinpath("schemas/contours.json").read_text(encoding="utf-8")))


def contours_to_json(view: ViewContours) -> dict[str, Any]:
    """The file's content as plain lists and numbers; places to a thousandth of a pixel."""
    contours = view.contours
    result: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "frame": contours.frame}
    if contours.calibration is not None:
        result["calibration_mm_per_pixel"] = contours.calibration / MILLIMETRE
    for key, line in zip(_LINES, (contours.midline, contours.left, contours.right), strict=True):
        result[key] = np.round(line, 3).tolist()
    if contours.doubt is not None and np.any(contours.doubt > 0.0):
        result["doubt_px"] = np.round(contours.doubt, 3).tolist()
    if view.side_branches:
        result["side_branches"] = [
            {"name": one.name, "index": one.index, "diameter_px": one.diameter} for one in view.side_branches
        ]
    if view.landmarks:
        result["landmarks"] = [{"name": one.name, "place_px": list(one.place)} for one in view.landmarks]
    return result


def write_contours(view: ViewContours, path: Path) -> None:
    """Write the file: a point a line, to be edited by hand."""
    _write(contours_to_json(view), path)


def _write(data: dict[str, Any], path: Path) -> None:
    lines = [f" {json.dumps(key)}: {_value(value)}" for key, value in data.items()]
    Path(path).write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def write_points(view: ViewPoints, path: Path) -> None:
    """Write the marks of a vessel that is still to be traced."""

    def placed(marks: tuple[Landmark, ...]) -> list[dict[str, Any]]:
        return [{"name": one.name, "place_px": np.round(one.place, 2).tolist()} for one in marks]

    data: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "frame": view.frame}
    if view.calibration is not None:
        data["calibration_mm_per_pixel"] = view.calibration / MILLIMETRE
    data |= {"points_px": np.round(view.points, 2).tolist()}
    data |= {"side_branches": placed(view.side_branches), "landmarks": placed(view.landmarks)}
    _write(data, path)


def _value(value: Any) -> str:
    if not isinstance(value, list) or not value:
        return json.dumps(value, allow_nan=False)
    return "[\n" + ",\n".join(f"  {json.dumps(entry, allow_nan=False)}" for entry in value) + "\n ]"


def read_view(path: Path) -> ViewContours | ViewPoints:
    """Read a view's file: contours, or the points through which they are to be traced.

    Raises
    ------
    InputError
        If the file is missing, is not JSON, or what it holds is no contour of a vessel; the message names the key.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else "not text"
        raise InputError(f"{path}: cannot be read ({reason}); check the path.") from error
    return parse_view(text, str(path))


def parse_view(text: str, where: str) -> ViewContours | ViewPoints:
    """Parse the text of a view's file; ``where`` begins every message."""
    try:
        data = json.loads(text, object_pairs_hook=lambda pairs: _once(pairs, where))
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{where}: not valid JSON ({error}); export the contours again.") from error
    only_points = isinstance(data, dict) and "points_px" in data
    if only_points:
        _known_keys(data, _POINTS_KEYS, {"frame", "points_px"}, where)
    else:
        _known_keys(data, _KEYS, {"frame", *_LINES}, where)
    version = data.get("schema_version", SCHEMA_VERSION)
    if isinstance(version, bool) or version != SCHEMA_VERSION:
        raise InputError(f"{where}: schema_version {version!r} is not {SCHEMA_VERSION}, the one this hemo reads.")
    frame = _whole(data["frame"], f"{where}: frame")
    calibration = None
    if "calibration_mm_per_pixel" in data:
        calibration = _positive(data["calibration_mm_per_pixel"], f"{where}: calibration_mm_per_pixel") * MILLIMETRE
    landmarks = tuple(_landmark(one, place) for one, place in _entries(data, "landmarks", where))
    if only_points:
        points = _line(data["points_px"], f"{where}: points_px", 2)
        sides = tuple(_landmark(one, place) for one, place in _entries(data, "side_branches", where))
        return ViewPoints(frame, points, sides, landmarks, calibration)
    midline, left, right = (_line(data[key], f"{where}: {key}", FEWEST) for key in _LINES)
    if not len(midline) == len(left) == len(right):
        raise InputError(
            f"{where}: midline_px, left_px and right_px have {len(midline)}, {len(left)} and {len(right)} points; each "
            "point of the midline needs the edges that face it."
        )
    contours = Contours(frame, midline, left, right, calibration, _doubt(data, len(midline), where))
    check_sides(contours, where)
    marks = tuple(_side_branch(one, len(midline), place) for one, place in _entries(data, "side_branches", where))
    return ViewContours(contours, marks, landmarks)


def check_sides(contours: Contours, where: str) -> None:
    """Refuse contours whose points repeat or whose edges touch, cross, or stand on the wrong side of the midline.

    Raises
    ------
    InputError
        With the index of the first such point.
    """
    steps = np.linalg.norm(np.diff(contours.midline, axis=0), axis=1)
    if np.any(steps <= 0.0):
        raise InputError(f"{where}: midline_px[{int(np.argmin(steps))}] and the next are one place; leave one out.")
    across = normals(contours.midline)
    to_left, to_right = (
        np.einsum("ij,ij->i", edge - contours.midline, across) for edge in (contours.left, contours.right)
    )
    if np.all(to_left < 0.0) and np.all(to_right > 0.0):
        raise InputError(
            f"{where}: left_px and right_px are exchanged, or the points run distal to proximal; left is the left hand "
            "on the image when looking distally."
        )
    crossed = (to_left <= to_right) | (to_left < 0.0) | (to_right > 0.0)
    if np.any(crossed):
        raise InputError(
            f"{where}: the edges cross each other or the midline at point {int(np.argmax(crossed))} (from 0); left_px "
            "must lie left of the midline and right_px right of it, looking distally."
        )


def _doubt(data: dict[str, Any], count: int, where: str) -> Array | None:
    if "doubt_px" not in data:
        return None
    value = data["doubt_px"]
    if not isinstance(value, list) or len(value) != count:
        raise InputError(f"{where}: doubt_px must be a list of {count} numbers, one for each point of the midline.")
    found = np.array([_number(one, f"{where}: doubt_px[{number}]") for number, one in enumerate(value)])
    if np.any(found < 0.0):
        raise InputError(f"{where}: doubt_px[{int(np.argmax(found < 0.0))}] must not be below 0.")
    return found


def _once(pairs: list[tuple[str, Any]], where: str) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if (twice := next((key for key in keys if keys.count(key) > 1), None)) is not None:
        raise InputError(f"{where}: the key {twice!r} stands twice; keep one.")
    return dict(pairs)


def _known_keys(data: Any, known: set[str], needed: set[str], where: str) -> None:
    if not isinstance(data, dict):
        raise InputError(f"{where}: a JSON object is needed here.")
    if unknown := sorted(set(data) - known):
        raise InputError(f"{where}: the key {unknown[0]!r} is unknown; known are {', '.join(sorted(known))}.")
    if missing := sorted(needed - set(data)):
        raise InputError(f"{where}: the key {missing[0]!r} is missing.")


def _line(value: Any, where: str, fewest: int) -> Array:
    shape = f"{where} must be a list of [column, row] in pixels"
    if not isinstance(value, list):
        raise InputError(f"{shape}.")
    for number, entry in enumerate(value):
        if not isinstance(entry, list) or len(entry) != 2:
            raise InputError(f"{shape}; entry {number} is not.")
        for one in entry:
            _number(one, f"{where}[{number}]")
    if len(value) < fewest:
        raise InputError(f"{where} has {len(value)} points; at least {fewest} are needed.")
    return np.array(value, dtype=float)


def _entries(data: dict[str, Any], key: str, where: str) -> list[tuple[Any, str]]:
    value = data.get(key, [])
    if not isinstance(value, list):
        raise InputError(f"{where}: {key} must be a list.")
    return [(one, f"{where}: {key}[{number}]") for number, one in enumerate(value)]


def _side_branch(data: Any, count: int, where: str) -> SideBranchMark:
    _known_keys(data, _SIDE_BRANCH_KEYS, {"index", "diameter_px"}, where)
    index = _whole(data["index"], f"{where}: index")
    if index >= count:
        raise InputError(f"{where}: index {index} is beyond the midline, whose points are 0 to {count - 1}.")
    return SideBranchMark(_name(data, where), index, _positive(data["diameter_px"], f"{where}: diameter_px"))


def _landmark(data: Any, where: str) -> Landmark:
    _known_keys(data, _LANDMARK_KEYS, _LANDMARK_KEYS, where)
    place = data["place_px"]
    if not isinstance(place, list) or len(place) != 2:
        raise InputError(f"{where}: place_px must be [column, row] in pixels.")
    column, row = (_number(one, f"{where}: place_px") for one in place)
    return Landmark(_name(data, where), (column, row))


def _name(data: dict[str, Any], where: str) -> str:
    name = data.get("name", "")
    if not isinstance(name, str) or ("name" in data and not name.strip()):
        raise InputError(f"{where}: name must be text.")
    return name


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        raise InputError(f"{where} must be a finite number.")
    return float(value)


def _positive(value: Any, where: str) -> float:
    number = _number(value, where)
    if number <= 0.0:
        raise InputError(f"{where} must be above 0.")
    return number


def _whole(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InputError(f"{where} must be a whole number, 0 or more.")
    return value
