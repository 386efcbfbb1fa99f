"""Contours as segmentation software writes them: a folder of CSV files, one CSV file of the lumen, or one of JSON.

CSV (AIVUS-CAA's and multimodars' form): a row is frame, x, y and, where the spacing is not told otherwise, z; mm; any
of tab, comma, semicolon or blanks between them; a header row is allowed. In a folder ``diastolic_contours.csv`` is the
lumen, with ``eem_``, ``calcium_``, ``stent_`` or ``branch_`` before it the rest, ``systolic_`` the other phase;
``diastolic_reference_points.csv`` is a mark on the ostium. Where an outline returns to its first point and rows of the
same frame follow, another outline of that frame begins. A catheter is pulled back from distal to proximal, so the first
frame is the most distal one unless the mark on the ostium lies nearer to it.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.geometry.intravascular.assembling import Outline, Reading, assembled
from hemo.geometry.intravascular.contours import Kind, Pullback

Array = NDArray[Any]
Phase = Literal["diastolic", "systolic"]
PREFIXES: dict[str, Kind] = {"": "lumen", "eem_": "eem", "calcium_": "calcium", "stent_": "stent", "branch_": "branch"}
LARGEST = 400e6  # bytes


@dataclass(frozen=True)
class _Rows:
    """One file's numbers (n, 3 or 4) and its name."""

    name: str
    values: Array


def read_pullback(path: Path, reading: Reading | None = None, phase: Phase | None = None) -> Pullback:
    """The pullback in a folder of CSV files, a CSV file, or a JSON file.

    Parameters
    ----------
    path
        What to read.
    reading
        What the user says of unit, spacing and direction.
    phase
        Of a folder that holds both; diastolic without.

    Raises
    ------
    InputError
        If a file cannot be read, or what it holds is unfit to measure.
    """
    reading = reading or Reading()
    if path.is_dir():
        return _folder(path, reading, phase)
    if not path.is_file():
        raise InputError(f"{path}: there is no such file or folder of contours.")
    if path.suffix.lower() == ".json":
        from hemo.geometry.intravascular.contourjson import read_json

        return read_json(path, reading)
    outlines = _outlines(_rows(path), "lumen")
    return assembled(path.stem, path.name, outlines, None, reading)


def _folder(path: Path, reading: Reading, phase: Phase | None) -> Pullback:
    phases: tuple[Phase, ...] = ("diastolic", "systolic") if phase is None else (phase,)
    for one in phases:
        if (path / f"{one}_contours.csv").is_file():
            break
    else:
        raise InputError(f"{path}: holds no {' or '.join(f'{one}_contours.csv' for one in phases)} with the lumen.")
    outlines: list[Outline] = []
    for prefix, kind in PREFIXES.items():
        file = path / f"{prefix}{one}_contours.csv"
        if file.is_file():
            outlines += _outlines(_rows(file), kind)
    mark = path / f"{one}_reference_points.csv"
    ostium = _mark(_rows(mark)) if mark.is_file() else None
    name = path.name if one == "diastolic" else f"{path.name} (systole)"
    return assembled(name, str(path.name), outlines, ostium, reading)


def _rows(path: Path) -> _Rows:
    try:
        if path.stat().st_size > LARGEST:
            raise InputError(f"{path.name}: is larger than {LARGEST / 1e6:.0f} MB; that is no file of contours.")
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name}: is not a text file; export the contours as CSV.") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    first = text.lstrip().split("\n", 1)[0]
    if not first:
        raise InputError(f"{path.name}: is empty; export the contours again.")
    delimiter = next((mark for mark in ("\t", ";", ",") if mark in first), None)
    header = bool(re.match(r"\s*\"?[A-Za-z_]", first)) and not re.match(r"\s*(nan|inf)\b", first, re.I)
    if header:
        _check_header(first.split(delimiter), path.name)
    try:
        values = np.loadtxt(io.StringIO(text), delimiter=delimiter, ndmin=2, skiprows=int(header), comments=None)
    except ValueError as error:
        reason = re.sub(r"[;.] use `usecols`.*", "", str(error)).rstrip(".")
        raise InputError(f"{path.name}: cannot be read as rows of frame, x, y, z ({reason}).") from error
    if not len(values) or values.shape[1] not in (3, 4):
        raise InputError(f"{path.name}: has {values.shape[1]} columns; it needs frame, x, y and, mostly, z.")
    if not np.all(np.isfinite(values)):
        row = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
        raise InputError(f"{path.name}: row {row + 1 + header} holds a value that is not a number; export it again.")
    frame = values[:, 0]
    if np.any(frame != np.round(frame)) or np.any(np.abs(frame) > 1e7):
        row = int(np.flatnonzero((frame != np.round(frame)) | (np.abs(frame) > 1e7))[0])
        raise InputError(
            f"{path.name}: row {row + 1 + header}: {frame[row]:g} is no frame number; columns are frame, x, y, z."
        )
    return _Rows(path.name, values)


def _check_header(names: list[str], where: str) -> None:
    known = ["frame", "x", "y", "z"]
    found = [re.sub(r"[\"'\s]|\(.*\)|_?(mm|index|id)$", "", name.strip().lower()) for name in names]
    if found != known[: len(found)] or len(found) < 3:
        raise InputError(
            f"{where}: its columns are {', '.join(name.strip() for name in names)}; frame, x, y, z are needed."
        )


def _outlines(rows: _Rows, kind: Kind) -> list[Outline]:
    frame = rows.values[:, 0]
    starts = np.flatnonzero(np.diff(frame, prepend=np.nan) != 0.0)
    order = frame[starts]
    if len(np.unique(order)) < len(order):
        twice = next(int(number) for number in order if (order == number).sum() > 1)
        raise InputError(f"{rows.name}: the rows of frame {twice} are not together; sort the file by frame.")
    if len(order) > 1 and not (np.all(np.diff(order) > 0.0) or np.all(np.diff(order) < 0.0)):
        later = int(order[1 + np.flatnonzero(np.sign(np.diff(order)) != np.sign(order[-1] - order[0]))[0]])
        raise InputError(f"{rows.name}: frame {later} is out of order; sort the frames along the pullback.")
    found = []
    for block in np.split(rows.values, starts[1:]):
        number = int(block[0, 0])
        depth = block[:, 3] if block.shape[1] == 4 else None
        if depth is not None and np.ptp(depth) > 1e-3 * max(1.0, abs(float(depth[0]))):
            raise InputError(f"{rows.name}, frame {number}: z changes within the frame; each frame lies at one z.")
        z = None if depth is None else float(depth[0])
        found += [Outline(kind, number, z, part, rows.name) for part in _loops(block[:, 1:3])]
    return found


def _loops(points: Array) -> Iterable[Array]:
    """A frame's points, parted where they return to where an outline began."""
    begin = 0
    while begin < len(points):
        back = np.flatnonzero(np.all(points[begin + 1 :] == points[begin], axis=1))
        far = back[back >= 2]
        end = begin + 2 + int(far[0]) if len(far) else len(points)
        yield points[begin:end]
        begin = end


def _mark(rows: _Rows) -> int:
    """Number of the frame with the mark on the ostium."""
    if len(rows.values) > 1:
        raise InputError(f"{rows.name}: holds {len(rows.values)} points; keep the one on the ostium.")
    return int(rows.values[0, 0])
