"""Meshes and sizes in Medit's binary files (``.meshb``, ``.sol``), as mmgs and mmg3d read and write them.

Version 2 of the format: whole numbers of 32 bits, reals of 64. A file is a row of blocks, each a keyword, the place of
the next block, a count, and its rows (Marechal and Loseille, libMeshb, INRIA technical report 0422-2).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import HemoError

Array = NDArray[np.float64]
Index = NDArray[np.int64]

DIMENSION, VERTICES, TRIANGLES, TETRAHEDRA, END, AT_VERTICES = 3, 4, 6, 8, 54, 62
SCALAR, TENSOR = 1, 3
VERTEX = np.dtype([("place", "<f8", 3), ("reference", "<i4")])
TRIANGLE = np.dtype([("corners", "<i4", 3), ("reference", "<i4")])
TETRAHEDRON = np.dtype([("corners", "<i4", 4), ("reference", "<i4")])


class MeditError(HemoError):
    """A file that holds no surface."""


def write_surface(path: Path, points: Array, triangles: Index, tags: NDArray[np.int32]) -> None:
    """Write triangles (m, 3) on points (n, 3), whose references are the tags (m,)."""
    _write(path, _surface(points, triangles, tags))


def write_tetrahedra(path: Path, points: Array, triangles: Index, tags: NDArray[np.int32], cells: Index) -> None:
    """Write cells (k, 4) besides; their references are 0."""
    rows = np.zeros(len(cells), dtype=TETRAHEDRON)
    rows["corners"] = cells + 1
    _write(path, [*_surface(points, triangles, tags), (TETRAHEDRA, [len(rows)], rows)])


def _surface(points: Array, triangles: Index, tags: NDArray[np.int32]) -> list[tuple[int, list[int], NDArray[Any]]]:
    vertices = np.zeros(len(points), dtype=VERTEX)
    vertices["place"] = points
    rows = np.empty(len(triangles), dtype=TRIANGLE)
    rows["corners"], rows["reference"] = triangles + 1, tags
    return [(VERTICES, [len(vertices)], vertices), (TRIANGLES, [len(rows)], rows)]


def write_sizes(path: Path, sizes: NDArray[Any]) -> None:
    """Write a wanted edge length (n,) for each vertex: one solution, a scalar."""
    _write(path, [(AT_VERTICES, [len(sizes), 1, SCALAR], sizes.astype("<f8"))])


def write_metric(path: Path, metric: NDArray[Any]) -> None:
    """Write a symmetric tensor (n, 3, 3) for each vertex, its lower triangle row by row."""
    rows = metric[:, [0, 1, 1, 2, 2, 2], [0, 0, 1, 0, 1, 2]]
    _write(path, [(AT_VERTICES, [len(rows), 1, TENSOR], rows.astype("<f8"))])


def _write(path: Path, blocks: list[tuple[int, list[int], NDArray[Any]]]) -> None:
    with path.open("wb") as file:

        def put(*numbers: int) -> None:
            file.write(np.array(numbers, dtype="<i4").tobytes())

        put(1, 2, DIMENSION, 20, 3)  # byte order, version, and the first block, which ends at byte 20
        for keyword, counts, rows in blocks:
            put(keyword, file.tell() + 8 + 4 * len(counts) + rows.nbytes, *counts)
            file.write(rows.tobytes())
        put(END, 0)


def read_surface(path: Path) -> tuple[Array, Index, NDArray[np.int32]]:
    """Vertices (n, 3), triangles (m, 3) and references (m,); vertices in no triangle are left out.

    Raises
    ------
    MeditError
        If the file is no such one, is cut short, or lacks vertices or triangles.
    """
    content = path.read_bytes()
    vertices, rows = _block(content, VERTICES, VERTEX), _block(content, TRIANGLES, TRIANGLE)
    used, compact = np.unique(rows["corners"].astype(np.int64) - 1, return_inverse=True)
    if len(used) == 0 or used[0] < 0 or used[-1] >= len(vertices):
        raise MeditError(f"{path.name} holds no whole surface.")
    return vertices["place"][used], compact.reshape(-1, 3).astype(np.int64), rows["reference"].copy()


def read_tetrahedra(path: Path) -> tuple[Array, Index, NDArray[np.int32], Index]:
    """Vertices (n, 3), triangles (m, 3), their references (m,) and cells (k, 4).

    Raises
    ------
    MeditError
        If the file is no such one, is cut short, or lacks one of them.
    """
    content = path.read_bytes()
    layouts = {VERTICES: VERTEX, TRIANGLES: TRIANGLE, TETRAHEDRA: TETRAHEDRON}
    vertices, rows, cells = (_block(content, keyword, layout) for keyword, layout in layouts.items())
    triangles, tetrahedra = (block["corners"].astype(np.int64) - 1 for block in (rows, cells))
    if min(triangles.min(), tetrahedra.min()) < 0 or max(triangles.max(), tetrahedra.max()) >= len(vertices):
        raise MeditError(f"{path.name} holds no whole mesh.")
    return vertices["place"].copy(), triangles, rows["reference"].copy(), tetrahedra


def _block(content: bytes, keyword: int, layout: np.dtype[Any]) -> NDArray[Any]:
    """The rows of the first block of a kind."""
    head = np.frombuffer(content, "<i4", 2) if len(content) >= 8 else np.zeros(2)
    if tuple(head) != (1, 2):
        raise MeditError("no Medit file of version 2 in this machine's byte order.")
    place = 8
    while 0 < place <= len(content) - 12:
        found, following, count = (int(number) for number in np.frombuffer(content, "<i4", 3, place))
        if found == keyword:
            if count < 0 or place + 12 + count * layout.itemsize > len(content):
                raise MeditError("the Medit file is cut short.")
            return np.frombuffer(content, layout, count, place + 12)
        if following <= place:
            break
        place = following
    raise MeditError(f"the Medit file has no block {keyword}.")
