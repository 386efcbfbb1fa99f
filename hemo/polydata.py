"""Surface files in plain formats (STL, PLY, OBJ) to numpy arrays, in the numbers' full precision.

Coordinates come as 64-bit numbers in the unit of the file. Named parts (``solid`` of an ASCII STL, groups of
an OBJ) come along as patches, because they are how exporters name the caps of a vessel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError

Array = NDArray[Any]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class PolyData:
    """What a surface or centreline file holds.

    Attributes
    ----------
    points
        (n, 3), in the file's unit.
    triangles
        (m, 3) vertex indices; empty where the file holds lines only.
    lines
        One index array a polyline.
    point_data
        Array name -> (n,) or (n, k) values at the points.
    line_data
        Array name -> (number of lines,) or (.., k) values of the lines.
    patch
        (m,) number of the part of the surface that each triangle belongs to; None where the file names none.
    patch_names
        Name of each number in ``patch``.
    """

    points: NDArray[np.float64]
    triangles: Indices
    lines: tuple[Indices, ...] = ()
    point_data: dict[str, Array] = field(default_factory=dict)
    line_data: dict[str, Array] = field(default_factory=dict)
    patch: Indices | None = None
    patch_names: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Polygons:
    """Faces with any number of corners: ``faces[i]`` indexes ``points`` (n, 3), ``patch[i]`` indexes ``names``."""

    points: NDArray[np.float64]
    faces: Sequence[Sequence[int]] | Indices
    patch: Indices | None = None
    names: tuple[str, ...] = ()


def read_stl(path: Path) -> Polygons:
    """Binary or ASCII STL, coincident corners merged; each named solid is a patch.

    Raises
    ------
    InputError
        If the file is truncated or a number cannot be read.
    """
    data = path.read_bytes()
    count = int.from_bytes(data[80:84], "little") if len(data) >= 84 else 0
    ascii_like = data[:512].lstrip().lower().startswith(b"solid") and len(data) != 84 + 50 * count
    return _ascii_stl(path, data) if ascii_like else _binary_stl(path, data, count)


def _binary_stl(path: Path, data: bytes, count: int) -> Polygons:
    if not count or len(data) < 84 + 50 * count:
        raise InputError(f"{path}: the STL file is empty, truncated or of another format; export it again.")
    record = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    corners = np.frombuffer(data, record, count, 84)["corners"].reshape(-1, 3).astype(np.float64)
    return Polygons(*_merged(corners))


def _ascii_stl(path: Path, data: bytes) -> Polygons:
    corners: list[list[str]] = []
    names: list[str] = []
    first: list[int] = []
    ends = 0
    for line in data.decode("utf-8", "replace").splitlines():
        words = line.split()
        key = words[0].lower() if words else ""
        if key == "vertex":
            corners.append(words[1:])
        elif key == "solid":
            names.append(" ".join(words[1:]))
            first.append(len(corners))
        elif key.startswith("endsolid"):
            ends += 1
    if not corners or len(corners) % 3 or ends < len(names):
        raise InputError(f"{path}: the STL file is empty or truncated ('endsolid' is missing); export it again.")
    points, faces = _merged(_numbers(path, corners, 3))
    patch = np.searchsorted(first, 3 * np.arange(len(faces)), side="right") - 1
    return Polygons(points, faces, patch, tuple(names))


def _merged(corners: NDArray[np.float64]) -> tuple[NDArray[np.float64], Indices]:
    """Corners (3 m, 3) of triangle soup as points and (m, 3) indices."""
    points, inverse = np.unique(corners + 0.0, axis=0, return_inverse=True)
    return points, inverse.reshape(-1, 3).astype(np.int64)


def _numbers(path: Path, rows: Sequence[Sequence[str | bytes]], width: int) -> NDArray[np.float64]:
    try:
        return np.array([row[:width] for row in rows], dtype=np.float64).reshape(-1, width)
    except ValueError as error:
        raise InputError(f"{path}: a vertex is not three numbers; the file is damaged, export it again.") from error


def read_obj(path: Path) -> Polygons:
    """Wavefront OBJ: vertices and faces; each group (``g``, else ``o``) is a patch.

    Texture and normal indices are skipped, negative indices count from the last vertex.

    Raises
    ------
    InputError
        If a vertex or a face cannot be read, or a face refers to no vertex.
    """
    vertices: list[list[str]] = []
    faces: list[list[int]] = []
    parts: dict[str, list[str]] = {"g": [], "o": []}
    current = {"g": "", "o": ""}
    text = path.read_bytes().decode("utf-8", "replace").replace("\\\n", " ").replace("\\\r\n", " ")
    for line in text.splitlines():
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        if words[0] == "v":
            vertices.append(words[1:])
        elif words[0] == "f":
            faces.append(_obj_face(path, words[1:], len(vertices)))
            for key, names in parts.items():
                names.append(current[key])
        elif words[0] in current:
            current[words[0]] = " ".join(words[1:])
    key = "g" if any(parts["g"]) else "o"
    names, patch = np.unique(np.array(parts[key], dtype=str), return_inverse=True)
    return Polygons(_numbers(path, vertices, 3), faces, patch.astype(np.int64), tuple(str(name) for name in names))


def _obj_face(path: Path, words: list[str], count: int) -> list[int]:
    """Vertex numbers from 0 of an OBJ face; ``count`` vertices were given before it."""
    try:
        numbers = [int(word.split("/", 1)[0]) for word in words]
    except ValueError as error:
        raise InputError(f"{path}: a face is not a list of vertex numbers; the file is damaged.") from error
    if len(numbers) < 3 or any(number == 0 or number < -count for number in numbers):
        raise InputError(f"{path}: a face has fewer than three vertices, or one that is not there; export it again.")
    return [number - 1 if number > 0 else count + number for number in numbers]


_PLY_TYPES = {
    **{"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "float": "f4"},
    **{"int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4"},
    **{"float32": "f4", "float64": "f8", "double": "f8"},
}


@dataclass
class _PlyElement:
    """``properties``: name, type, and for a list the type of its count."""

    name: str
    count: int
    properties: list[tuple[str, str, str | None]]


def read_ply(path: Path) -> Polygons:
    """Stanford PLY, ASCII or binary of either byte order: vertices and polygons.

    Raises
    ------
    InputError
        If the header is not a PLY header, or the body is shorter than it says.
    """
    data = path.read_bytes()
    start = data.find(b"end_header")
    stop = data.find(b"\n", start) + 1
    if start < 0 or not stop or not data.startswith(b"ply"):
        raise InputError(f"{path}: is not a PLY file, or its header is truncated; export it again.")
    try:
        form, elements = _ply_header(data[:start].decode("ascii", "replace"))
        if any(element.count > len(data) for element in elements):
            raise ValueError("the header promises more than the file holds")
        rows = _PlyAscii(data[stop:]) if form == "ascii" else _PlyBinary(data, stop, form)
        tables = {element.name: rows.read(element) for element in elements}
        vertices = tables["vertex"]
        points = np.column_stack([np.asarray(vertices[axis], dtype=np.float64) for axis in "xyz"])
        faces = tables.get("face", {})
        corners = faces.get("vertex_indices", faces.get("vertex_index", []))
    except (KeyError, ValueError, IndexError, OverflowError) as error:
        raise InputError(f"{path}: the PLY file is damaged or truncated ({error}); export it again.") from error
    return Polygons(points, corners)


def _ply_header(text: str) -> tuple[str, list[_PlyElement]]:
    form = ""
    elements: list[_PlyElement] = []
    for words in (line.split() for line in text.splitlines()):
        if words[:1] == ["format"]:
            form = words[1]
        elif words[:1] == ["element"]:
            elements.append(_PlyElement(words[1], int(words[2]), []))
        elif words[:2] == ["property", "list"]:
            elements[-1].properties.append((words[4], _PLY_TYPES[words[3]], _PLY_TYPES[words[2]]))
        elif words[:1] == ["property"]:
            elements[-1].properties.append((words[2], _PLY_TYPES[words[1]], None))
    if form not in ("ascii", "binary_little_endian", "binary_big_endian") or any(e.count < 0 for e in elements):
        raise ValueError("the format line is unknown")
    return form, elements


def _whole(values: Array) -> Indices:
    if not np.all(np.isfinite(values)):
        raise ValueError("a list holds no whole numbers")
    return values.astype(np.int64)


class _PlyAscii:
    """The body as one run of numbers."""

    def __init__(self, body: bytes) -> None:
        self._numbers = np.array(body.split(), dtype=np.float64)
        self._at = 0

    def read(self, element: _PlyElement) -> dict[str, Any]:
        columns: dict[str, list[Any]] = {name: [] for name, _, _ in element.properties}
        for _ in range(element.count):
            for name, _, listed in element.properties:
                if listed is None:
                    columns[name].append(self._numbers[self._at])
                    self._at += 1
                    continue
                count = int(self._numbers[self._at])
                values = self._numbers[self._at + 1 : self._at + 1 + count]
                if len(values) != count:
                    raise IndexError("it ends in the middle of a face")
                columns[name].append(_whole(values))
                self._at += 1 + count
        return columns


class _PlyBinary:
    """The body as records; lists of one common length are read at once, others one by one."""

    def __init__(self, data: bytes, start: int, form: str) -> None:
        self._data, self._at = data, start
        self._order = "<" if form == "binary_little_endian" else ">"

    def read(self, element: _PlyElement) -> dict[str, Any]:
        lengths = self._lengths(element, self._at) if element.count else [0] * len(element.properties)
        table = np.frombuffer(self._data, self._record(element, lengths), element.count, self._at)
        names = [(name, listed) for name, _, listed in element.properties]
        if all(np.all(table[f"{name} count"] == n) for (name, listed), n in zip(names, lengths, strict=True) if listed):
            self._at += table.nbytes
            return {name: _whole(table[name]) if listed else table[name] for name, listed in names}
        columns: dict[str, list[Any]] = {name: [] for name, _ in names}
        for _ in range(element.count):
            record = self._record(element, self._lengths(element, self._at))
            row = np.frombuffer(self._data, record, 1, self._at)[0]
            self._at += record.itemsize
            for name, listed in names:
                columns[name].append(_whole(row[name]) if listed else row[name])
        return columns

    def _lengths(self, element: _PlyElement, at: int) -> list[int]:
        """Length of each list of the record at byte ``at``; 0 for a plain number."""
        lengths = []
        for _, kind, listed in element.properties:
            count = 0
            if listed is not None:
                count = int(np.frombuffer(self._data, self._order + listed, 1, at)[0])
                at += np.dtype(listed).itemsize
            lengths.append(count)
            at += np.dtype(kind).itemsize * (count if listed is not None else 1)
        if min(lengths, default=0) < 0:
            raise ValueError("a list has a negative length")
        return lengths

    def _record(self, element: _PlyElement, lengths: list[int]) -> np.dtype[Any]:
        fields = (
            [(f"{name} count", self._order + listed), (name, self._order + kind, (count,))]
            if listed is not None
            else [(name, self._order + kind)]
            for (name, kind, listed), count in zip(element.properties, lengths, strict=True)
        )
        return np.dtype(list(chain.from_iterable(fields)))
