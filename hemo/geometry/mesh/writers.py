"""A mesh as files for other programs: VTK, gmsh's ``.msh`` and XDMF; lengths in millimetres.

``.msh`` is format 2.2, which every gmsh and dolfinx's ``gmshio`` read, with a physical group for each part of the
boundary and ``lumen`` for the cells; meshio writes it. XDMF keeps its numbers in the text file, so that it needs no
HDF5 library and is whole in itself: ParaView reads it as it is, dolfinx with ``encoding=XDMFFile.Encoding.ASCII``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.tetmesh import BLOCK, TetMesh
from hemo.units import MILLIMETRE
from hemo.vtkio import write_polydata, write_tetrahedra

Index = NDArray[np.int64]

LUMEN = "lumen"


def write_vtk(folder: Path, name: str, mesh: TetMesh) -> list[Path]:
    """NAME.vtu, the cells, and NAME_boundary.vtp, the facets with ``Tag``; its names are field data ``TagName``."""
    volume, boundary = folder / f"{name}.vtu", folder / f"{name}_boundary.vtp"
    used, facets = np.unique(mesh.facets, return_inverse=True)
    write_tetrahedra(volume, mesh.points / MILLIMETRE, mesh.cells)
    write_polydata(
        boundary,
        mesh.points[used] / MILLIMETRE,
        facets.reshape(-1, 3),
        cell_data={"Tag": mesh.facet_tags},
        field_data={"TagValue": list(mesh.names), "TagName": list(mesh.names.values())},
    )
    return [volume, boundary]


def write_msh(folder: Path, name: str, mesh: TetMesh) -> list[Path]:
    """NAME.msh, gmsh 2.2 binary: tetrahedra and facets with physical groups."""
    import meshio

    lumen = max(mesh.names) + 1
    tags = [np.full(len(mesh.cells), lumen, dtype=np.int32), mesh.facet_tags.astype(np.int32)]
    groups = {label.replace('"', "'"): np.array([tag, 2]) for tag, label in mesh.names.items()} | {
        LUMEN: np.array([lumen, 3])
    }
    made = meshio.Mesh(
        mesh.points / MILLIMETRE,
        [("tetra", mesh.cells), ("triangle", mesh.facets)],
        cell_data={"gmsh:physical": tags, "gmsh:geometrical": tags},
        field_data=groups,
    )
    path = folder / f"{name}.msh"
    _written(path, lambda: meshio.write(path, made, file_format="gmsh22", binary=True))
    return [path]


def write_xdmf(folder: Path, name: str, mesh: TetMesh) -> list[Path]:
    """NAME.xdmf, the cells, and NAME_facets.xdmf, the facets with ``Tag``, on the same vertices; grid ``mesh``."""
    volume, boundary = folder / f"{name}.xdmf", folder / f"{name}_facets.xdmf"
    _written(volume, lambda: _xdmf_grid(volume, mesh, "Tetrahedron", mesh.cells, None))
    _written(boundary, lambda: _xdmf_grid(boundary, mesh, "Triangle", mesh.facets, mesh.facet_tags))
    return [volume, boundary]


def _xdmf_grid(path: Path, mesh: TetMesh, kind: str, cells: Index, tags: NDArray[np.int32] | None) -> None:
    """One uniform grid with its numbers in the text (XDMF 3.0)."""
    with path.open("w", encoding="ascii") as file:
        file.write('<?xml version="1.0"?>\n<Xdmf Version="3.0">\n<Domain>\n<Grid Name="mesh" GridType="Uniform">\n')
        file.write('<Geometry GeometryType="XYZ">\n')
        _xdmf_item(file, mesh.points / MILLIMETRE, "Float")
        file.write(f'</Geometry>\n<Topology TopologyType="{kind}" NumberOfElements="{len(cells)}">\n')
        _xdmf_item(file, cells, "Int")
        file.write("</Topology>\n")
        if tags is not None:
            file.write('<Attribute Name="Tag" AttributeType="Scalar" Center="Cell">\n')
            _xdmf_item(file, tags[:, None], "Int")
            file.write("</Attribute>\n")
        file.write("</Grid>\n</Domain>\n</Xdmf>\n")


def _xdmf_item(file: Any, values: NDArray[Any], kind: str) -> None:
    rows, columns = values.shape
    precision, form = (8, "{:.12g}".format) if kind == "Float" else (4, str)
    file.write(f'<DataItem DataType="{kind}" Precision="{precision}" Dimensions="{rows} {columns}" Format="XML">\n')
    for start in range(0, rows, BLOCK):  # four times as fast as row by row
        file.write(" ".join(map(form, values[start : start + BLOCK].ravel().tolist())) + "\n")
    file.write("</DataItem>\n")


def write_native(folder: Path, name: str, mesh: TetMesh) -> list[Path]:
    """NAME.npz, in metres, as :meth:`hemo.tetmesh.TetMesh.load` reads it."""
    path = folder / f"{name}.npz"
    _written(path, lambda: mesh.save(path))
    return [path]


WRITERS: dict[str, Callable[[Path, str, TetMesh], list[Path]]] = {
    "vtu": write_vtk,
    "msh": write_msh,
    "xdmf": write_xdmf,
    "npz": write_native,
}


def _written(path: Path, write: Callable[[], Any]) -> None:
    try:
        write()
    except OSError as error:
        raise InputError(
            f"{path}: could not be written ({error.strerror or error}); look for free disk space."
        ) from error
