"""VTK files in and out: the only module that reads or writes them.

Plain numpy arrays on both sides, in the unit of the file: the caller converts. Files written by
hemo are in metres unless the caller scales them. vtk is imported inside the functions, so importing
this module costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError

Array = NDArray[Any]


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
    """

    points: NDArray[np.float64]
    triangles: NDArray[np.int64]
    lines: tuple[NDArray[np.int64], ...] = ()
    point_data: dict[str, Array] = field(default_factory=dict)


def read_polydata(path: Path) -> PolyData:
    """Read STL, VTP, PLY, OBJ or legacy VTK polydata.

    Coincident STL corners are merged, larger polygons are split into triangles.

    Raises
    ------
    InputError
        If the file is missing, has another ending, or holds no points that can be read.
    """
    from vtkmodules.vtkFiltersCore import vtkTriangleFilter
    from vtkmodules.vtkIOGeometry import vtkOBJReader, vtkSTLReader
    from vtkmodules.vtkIOLegacy import vtkPolyDataReader
    from vtkmodules.vtkIOPLY import vtkPLYReader
    from vtkmodules.vtkIOXML import vtkXMLPolyDataReader

    readers: dict[str, Any] = {
        ".stl": vtkSTLReader,
        ".vtp": vtkXMLPolyDataReader,
        ".ply": vtkPLYReader,
        ".obj": vtkOBJReader,
        ".vtk": vtkPolyDataReader,
    }
    path = Path(path)
    if path.suffix.lower() not in readers:
        raise InputError(f"{path}: a surface file ends in {', '.join(sorted(readers))}; convert it first.")
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; check the path in the case file.")
    _quieten()
    reader = readers[path.suffix.lower()]()
    messages: list[str] = []
    reader.AddObserver("ErrorEvent", lambda *_: messages.append("error"))
    reader.SetFileName(str(path))
    reader.Update()
    output = reader.GetOutput()
    if output is None or output.GetNumberOfPoints() == 0:
        raise InputError(f"{path}: no points could be read; the file is empty, truncated or of another format.")
    if messages:
        raise InputError(f"{path}: the file is damaged (the reader reported an error); export it again.")
    splitter = vtkTriangleFilter()
    splitter.PassLinesOff()
    splitter.PassVertsOff()
    splitter.SetInputData(output)
    splitter.Update()
    return _from_vtk(output, splitter.GetOutput())


def _from_vtk(original: Any, triangulated: Any) -> PolyData:
    from vtkmodules.util.numpy_support import vtk_to_numpy

    points = vtk_to_numpy(original.GetPoints().GetData()).astype(np.float64)
    polygons = triangulated.GetPolys()
    triangles = vtk_to_numpy(polygons.GetConnectivityArray()).reshape(-1, 3).astype(np.int64)
    lines: tuple[NDArray[np.int64], ...] = ()
    if original.GetNumberOfLines():
        cells = original.GetLines()
        offsets = vtk_to_numpy(cells.GetOffsetsArray())
        connectivity = vtk_to_numpy(cells.GetConnectivityArray()).astype(np.int64)
        lines = tuple(connectivity[a:b] for a, b in pairwise(offsets))
    data = original.GetPointData()
    arrays = {
        data.GetArrayName(i): vtk_to_numpy(data.GetArray(i)).copy()
        for i in range(data.GetNumberOfArrays())
        if data.GetArray(i) is not None
    }
    return PolyData(points, triangles, lines, arrays)


def write_polydata(
    path: Path,
    points: Array,
    triangles: Array | None = None,
    lines: Sequence[Array] = (),
    point_data: Mapping[str, Array] | None = None,
    cell_data: Mapping[str, Array] | None = None,
    field_data: Mapping[str, Sequence[str] | Sequence[int]] | None = None,
) -> None:
    """Write a ``.vtp`` (or ``.stl``, without arrays) with triangles or polylines.

    ``point_data`` and ``cell_data`` hold (n,) or (n, 3) arrays by name; a name such as ``"WSS"`` is
    what ParaView shows. ``field_data`` holds texts or whole numbers that belong to the file as a whole.
    """
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkPolyData
    from vtkmodules.vtkIOGeometry import vtkSTLWriter
    from vtkmodules.vtkIOXML import vtkXMLPolyDataWriter

    poly = vtkPolyData()
    vtk_points = vtkPoints()
    vtk_points.SetData(_to_vtk(np.asarray(points, dtype=np.float64)))
    poly.SetPoints(vtk_points)
    if triangles is not None and len(triangles):
        count = len(triangles)
        poly.SetPolys(_cell_array(np.arange(0, 3 * count + 1, 3), np.asarray(triangles).ravel()))
    if lines:
        offsets = np.concatenate([[0], np.cumsum([len(line) for line in lines])])
        poly.SetLines(_cell_array(offsets, np.concatenate(list(lines))))
    _add_arrays(poly.GetPointData(), point_data)
    _add_arrays(poly.GetCellData(), cell_data)
    for name, values in (field_data or {}).items():
        poly.GetFieldData().AddArray(_field(name, values))
    writer: Any = vtkSTLWriter() if Path(path).suffix.lower() == ".stl" else vtkXMLPolyDataWriter()
    _write(writer, poly, path)


def write_tetrahedra(
    path: Path,
    points: Array,
    cells: Array,
    point_data: Mapping[str, Array] | None = None,
    cell_data: Mapping[str, Array] | None = None,
) -> None:
    """Write a ``.vtu`` of linear tetrahedra, ``cells`` (m, 4)."""
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import VTK_TETRA, vtkUnstructuredGrid
    from vtkmodules.vtkIOXML import vtkXMLUnstructuredGridWriter

    grid = vtkUnstructuredGrid()
    vtk_points = vtkPoints()
    vtk_points.SetData(_to_vtk(np.asarray(points, dtype=np.float64)))
    grid.SetPoints(vtk_points)
    grid.SetCells(VTK_TETRA, _cell_array(np.arange(0, 4 * len(cells) + 1, 4), np.asarray(cells).ravel()))
    _add_arrays(grid.GetPointData(), point_data)
    _add_arrays(grid.GetCellData(), cell_data)
    _write(vtkXMLUnstructuredGridWriter(), grid, path)


def _to_vtk(values: Array) -> Any:
    from vtkmodules.util.numpy_support import numpy_to_vtk

    return numpy_to_vtk(np.ascontiguousarray(values), deep=True)


def _cell_array(offsets: Array, connectivity: Array) -> Any:
    from vtkmodules.util.numpy_support import numpy_to_vtkIdTypeArray
    from vtkmodules.vtkCommonDataModel import vtkCellArray

    cells = vtkCellArray()
    cells.SetData(
        numpy_to_vtkIdTypeArray(np.ascontiguousarray(offsets, dtype=np.int64), deep=True),
        numpy_to_vtkIdTypeArray(np.ascontiguousarray(connectivity, dtype=np.int64), deep=True),
    )
    return cells


def _add_arrays(attributes: Any, arrays: Mapping[str, Array] | None) -> None:
    for name, values in (arrays or {}).items():
        array = _to_vtk(np.asarray(values))
        array.SetName(name)
        attributes.AddArray(array)


def _field(name: str, values: Sequence[str] | Sequence[int]) -> Any:
    from vtkmodules.vtkCommonCore import vtkIntArray, vtkStringArray

    array: Any = vtkStringArray() if isinstance(values[0], str) else vtkIntArray()
    array.SetName(name)
    for value in values:
        array.InsertNextValue(value)
    return array


def _quieten() -> None:
    """Keep vtk's own reports off stderr: what is wrong with a file is said once, by an exception."""
    from vtkmodules.vtkCommonCore import vtkLogger

    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_OFF)


def _write(writer: Any, data: Any, path: Path) -> None:
    _quieten()
    writer.SetFileName(str(path))
    writer.SetInputData(data)
    messages: list[str] = []
    writer.AddObserver("ErrorEvent", lambda *_: messages.append("error"))
    if not writer.Write() or messages or not Path(path).is_file():
        raise InputError(f"{path}: could not be written; look for free disk space and rights there, then run again.")
