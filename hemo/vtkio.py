"""Surface, line and volume files in and out; the only module that reads or writes VTK's.

Plain numpy arrays on both sides, in the unit of the file: the caller converts. Files written by
hemo are in metres unless the caller scales them. vtk is imported inside the functions, so importing
this module costs nothing.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.polydata import PolyData, Polygons, read_obj, read_ply, read_stl

Array = NDArray[Any]

SURFACE_ENDINGS = (".obj", ".ply", ".stl", ".vtk", ".vtp")

# Seconds after which a VTK file that is still being read is taken for damaged.
_PATIENCE = 300.0
# Cell arrays by which surface tools number the faces of a model, and what its caps are called then.
_PATCH_ARRAYS = {"ModelFaceID": "face", "CapID": "cap", "CellEntityIds": "face", "BoundaryID": "face"}


def read_polydata(path: Path) -> PolyData:
    """Read STL, VTP, PLY, OBJ or legacy VTK polydata.

    Coincident STL corners are merged, larger polygons and triangle strips are split into triangles.

    Raises
    ------
    InputError
        If the file is missing, has another ending, or holds no points that can be read.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in SURFACE_ENDINGS:
        raise InputError(f"{path}: a surface file ends in {', '.join(SURFACE_ENDINGS)}; convert it first.")
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; check the path in the case file.")
    plain = {".stl": read_stl, ".ply": read_ply, ".obj": read_obj}
    try:
        if ending in plain:
            return _from_polygons(path, plain[ending](path))
        return _from_vtk(path, _vtk_arrays(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the file.") from error


def _vtk_arrays(path: Path) -> Mapping[str, Array]:
    """What :mod:`hemo.vtkchild` reads, in a process of its own: vtk aborts on some damaged files."""
    with tempfile.TemporaryDirectory() as folder:
        stored = Path(folder) / "read.npz"
        command = [sys.executable, "-m", "hemo.vtkchild", str(path), str(stored)]
        try:
            ended = subprocess.run(command, capture_output=True, timeout=_PATIENCE, check=False)
        except subprocess.TimeoutExpired:
            ended = None
        if ended is None or ended.returncode or not stored.is_file():
            raise InputError(f"{path}: the file is damaged, truncated or of another format; export it again.")
        with np.load(stored) as data:
            return dict(data)


def _from_polygons(path: Path, read: Polygons) -> PolyData:
    """Triangles as they are; of larger polygons vtk's ears."""
    if not len(read.points):
        raise InputError(f"{path}: no points could be read; the file is empty, truncated or of another format.")
    sizes = np.array([len(face) for face in read.faces], dtype=np.int64)
    if not np.all(sizes >= 3):
        raise InputError(f"{path}: a face has fewer than three vertices; export it again.")
    regular = isinstance(read.faces, np.ndarray)
    corners = np.ravel(read.faces) if regular else np.concatenate([np.zeros(0, dtype=np.int64), *read.faces])
    if len(corners) and (corners.min() < 0 or corners.max() >= len(read.points)):
        raise InputError(f"{path}: a face refers to a vertex that is not there; export it again.")
    triangles, owner = _triangulated(read.points, corners, sizes)
    names = dict(enumerate(read.names))
    patch = read.patch[owner] if read.patch is not None and len(names) > 1 else None
    return PolyData(read.points, triangles, patch=patch, patch_names=names if patch is not None else {})


def _triangulated(points: Array, corners: Array, sizes: Array) -> tuple[Array, Array]:
    """(m, 3) triangles of polygons and the polygon that each comes from."""
    if np.all(sizes == 3):
        return corners.reshape(-1, 3), np.arange(len(sizes))
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkPolyData
    from vtkmodules.vtkFiltersCore import vtkTriangleFilter

    poly = vtkPolyData()
    places = vtkPoints()
    places.SetData(_to_vtk(np.asarray(points, dtype=np.float64)))
    poly.SetPoints(places)
    poly.SetPolys(_cell_array(np.concatenate([[0], np.cumsum(sizes)]), corners))
    _add_arrays(poly.GetCellData(), {"owner": np.arange(len(sizes))})
    _quieten()
    splitter = vtkTriangleFilter()
    splitter.SetInputData(poly)
    splitter.Update()
    output = splitter.GetOutput()
    triangles = vtk_to_numpy(output.GetPolys().GetConnectivityArray()).reshape(-1, 3).astype(np.int64)
    return triangles, vtk_to_numpy(output.GetCellData().GetArray("owner")).astype(np.int64)


def _from_vtk(path: Path, read: Mapping[str, Array]) -> PolyData:
    """vtk orders the data of cells as vertices, lines, polygons, strips."""
    points = read["points"].astype(np.float64)
    if not len(points):
        raise InputError(f"{path}: no points could be read; the file is empty, truncated or of another format.")
    lines = _pieces(_cells(path, read, "lines", len(points)))
    corners, sizes = _cells(path, read, "polys", len(points))
    number = np.arange(len(sizes))
    strips = _pieces(_cells(path, read, "strips", len(points)))
    before = int(read["verts"])
    count = before + len(lines) + len(sizes) + len(strips)
    for i, strip in enumerate(strips, start=len(sizes)):
        faces = [strip[k : k + 3][:: 1 if k % 2 == 0 else -1] for k in range(len(strip) - 2)]
        corners = np.concatenate([corners, *faces])
        sizes, number = (np.concatenate([old, np.full(len(faces), new)]) for old, new in ((sizes, 3), (number, i)))
    proper = sizes >= 3
    triangles, owner = _triangulated(points, corners[np.repeat(proper, sizes)], sizes[proper])
    cell = before + len(lines) + number[proper][owner]
    cells = _arrays(read, "cell ", count)
    line_data = {name: values[before : before + len(lines)] for name, values in cells.items()}
    patch, names = _patches({name: values[cell] for name, values in cells.items()})
    return PolyData(points, triangles, lines, _arrays(read, "point ", len(points)), line_data, patch, names)


def _cells(path: Path, read: Mapping[str, Array], kind: str, count: int) -> tuple[Array, Array]:
    """Point numbers of all cells of a kind in one row, all below ``count``, and how many each cell has."""
    offsets, corners = read[f"{kind} offsets"].astype(np.int64), read[kind].astype(np.int64)
    if not len(offsets):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    sizes = np.diff(offsets)
    if offsets[0] != 0 or offsets[-1] != len(corners) or np.any(sizes < 0):
        raise InputError(f"{path}: its list of cells is damaged; export the file again.")
    if len(corners) and (corners.min() < 0 or corners.max() >= count):
        raise InputError(f"{path}: a cell refers to a point that is not there; export the file again.")
    return corners, sizes


def _arrays(read: Mapping[str, Array], kind: str, count: int) -> dict[str, Array]:
    named = {name.removeprefix(kind): values for name, values in read.items() if name.startswith(kind)}
    return {name: values for name, values in named.items() if len(values) == count}


def _pieces(cells: tuple[Array, Array]) -> tuple[Array, ...]:
    corners, sizes = cells
    return tuple(np.split(corners, np.cumsum(sizes)[:-1])) if len(sizes) else ()


def _patches(cell_data: Mapping[str, Array]) -> tuple[Array | None, dict[int, str]]:
    for name, stem in _PATCH_ARRAYS.items():
        values = cell_data.get(name)
        if values is not None and values.ndim == 1 and len(values) and np.all(np.isfinite(values)):
            patch = values.astype(np.int64)
            return patch, {int(number): f"{stem} {number}" for number in np.unique(patch)}
    return None, {}


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
    if hasattr(writer, "SetCompressionLevel"):  # XML: a quarter of the time of VTK's own level 5, files 2 % larger
        writer.SetCompressionLevel(2)
        writer.SetDataModeToBinary()  # each array in its place: meshio cannot read several that are appended
    messages: list[str] = []
    writer.AddObserver("ErrorEvent", lambda *_: messages.append("error"))
    if not writer.Write() or messages or not Path(path).is_file():
        raise InputError(f"{path}: could not be written; look for free disk space and rights there, then run again.")
