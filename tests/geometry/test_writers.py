"""Mesh files read back by other programs hold the same cells, volume and tags."""

import subprocess
import sys

import numpy as np
import pytest

from hemo.geometry.mesh.meshing import MeshOptions, build_mesh
from hemo.geometry.mesh.writers import WRITERS
from hemo.geometry.synthetic.vessels import straight_stenosis
from hemo.tetmesh import TetMesh
from hemo.units import MILLIMETRE


@pytest.fixture(scope="module")
def mesh() -> TetMesh:
    surface, tree = straight_stenosis(3e-3, 12e-3, 0.5, 6e-3, 6e-3)
    return build_mesh(surface, tree, MeshOptions(cells_per_diameter=4, keep_ends=True)).mesh


@pytest.fixture(scope="module")
def folder(mesh: TetMesh, tmp_path_factory: pytest.TempPathFactory):
    out = tmp_path_factory.mktemp("meshes")
    for write in WRITERS.values():
        write(out, "left", mesh)
    return out


def volume(points: np.ndarray, cells: np.ndarray) -> float:
    a, b, c, d = (points[cells[:, k]] for k in range(4))
    return float(np.einsum("ij,ij->", np.cross(b - a, c - a), d - a) / 6.0)


def counts(mesh: TetMesh) -> dict[int, int]:
    return {tag: int((mesh.facet_tags == tag).sum()) for tag in mesh.names}


def run(code: str, *arguments: object) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")


def test_meshio_reads_the_vtu(mesh, folder):
    import meshio

    read = meshio.read(folder / "left.vtu")
    np.testing.assert_array_equal(read.cells_dict["tetra"], mesh.cells)
    np.testing.assert_allclose(read.points, mesh.points / MILLIMETRE, rtol=1e-12)


def test_vtk_holds_cells_tags_and_names(mesh, folder):
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkIOXML import vtkXMLPolyDataReader, vtkXMLUnstructuredGridReader

    grid = vtkXMLUnstructuredGridReader()
    grid.SetFileName(str(folder / "left.vtu"))
    grid.Update()
    points = vtk_to_numpy(grid.GetOutput().GetPoints().GetData())
    cells = vtk_to_numpy(grid.GetOutput().GetCells().GetConnectivityArray()).reshape(-1, 4)
    assert len(cells) == len(mesh.cells)
    assert volume(points, cells) == pytest.approx(mesh.cell_volumes().sum() / MILLIMETRE**3, rel=1e-9)
    reader = vtkXMLPolyDataReader()
    reader.SetFileName(str(folder / "left_boundary.vtp"))
    reader.Update()
    data = reader.GetOutput()
    names = data.GetFieldData().GetAbstractArray("TagName")
    tags = data.GetFieldData().GetAbstractArray("TagValue")
    assert {tags.GetValue(k): names.GetValue(k) for k in range(names.GetNumberOfValues())} == mesh.names
    np.testing.assert_array_equal(vtk_to_numpy(data.GetCellData().GetArray("Tag")), mesh.facet_tags)
    assert data.GetNumberOfPoints() == len(np.unique(mesh.facets))


GMSH = """
import sys, gmsh
gmsh.initialize(["t"], readConfigFiles=False, interruptible=False)
gmsh.option.setNumber("General.Terminal", 0)
gmsh.open(sys.argv[1])
for dim, tag in gmsh.model.getPhysicalGroups():
    parts = gmsh.model.getEntitiesForPhysicalGroup(dim, tag)
    count = sum(len(e) for p in parts for e in gmsh.model.mesh.getElements(dim, p)[1])
    print(dim, tag, gmsh.model.getPhysicalName(dim, tag), count)
elements, _ = gmsh.model.mesh.getElementsByType(4)
print(gmsh.model.mesh.getElementQualities(elements, "volume").sum())
"""


def test_gmsh_reads_its_physical_groups(mesh, folder):
    *groups, total = [line for line in run(GMSH, folder / "left.msh") if line]
    expected = {(2, tag, mesh.names[tag], n) for tag, n in counts(mesh).items()}
    expected.add((3, max(mesh.names) + 1, "lumen", len(mesh.cells)))
    assert {(int(d), int(t), name, int(n)) for d, t, name, n in (line.split() for line in groups)} == expected
    assert float(total) == pytest.approx(mesh.cell_volumes().sum() / MILLIMETRE**3, rel=1e-9)


DOLFINX = """
import sys
import numpy as np
from mpi4py import MPI
from dolfinx import fem
from dolfinx.io import XDMFFile, gmshio
import ufl
if sys.argv[1].endswith(".msh"):
    mesh, _, tags = gmshio.read_from_msh(sys.argv[1], MPI.COMM_WORLD, gdim=3)
else:
    ascii = XDMFFile.Encoding.ASCII
    with XDMFFile(MPI.COMM_WORLD, sys.argv[1], "r", encoding=ascii) as file:
        mesh = file.read_mesh(name="mesh")
    mesh.topology.create_connectivity(2, 3)
    with XDMFFile(MPI.COMM_WORLD, sys.argv[2], "r", encoding=ascii) as file:
        tags = file.read_meshtags(mesh, name="mesh")
x = mesh.geometry.x[mesh.geometry.dofmap]
a, b, c, d = (x[:, k] for k in range(4))
print(len(x), np.abs(np.einsum("ij,ij->i", np.cross(b - a, c - a), d - a)).sum() / 6.0)
print(*(f"{t}:{n}" for t, n in zip(*np.unique(tags.values, return_counts=True))))
"""


@pytest.mark.parametrize("files", [("left.msh",), ("left.xdmf", "left_facets.xdmf")])
def test_dolfinx_reads_cells_and_tags(mesh, folder, files):
    pytest.importorskip("dolfinx")
    lines = [line for line in run(DOLFINX, *(folder / name for name in files)) if line and "Info" not in line]
    cells, total = lines[-2].split()
    assert int(cells) == len(mesh.cells)
    assert float(total) == pytest.approx(mesh.cell_volumes().sum() / MILLIMETRE**3, rel=1e-9)
    assert {int(t): int(n) for t, n in (pair.split(":") for pair in lines[-1].split())} == counts(mesh)


def test_the_native_file_is_exact(mesh, folder):
    again = TetMesh.load(folder / "left.npz")
    np.testing.assert_array_equal(again.points, mesh.points)
    assert again.names == mesh.names
