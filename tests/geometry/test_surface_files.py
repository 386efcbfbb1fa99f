"""Formats: every way to write a surface gives the same one, in full precision, with its named parts."""

import logging
import struct

import numpy as np
import pytest

from hemo.errors import InputError
from hemo.geometry.lumen.surface import read_surface
from hemo.geometry.lumen.surfacecheck import enclosed_volume
from hemo.vtkio import read_polydata, write_polydata
from tests.geometry.shapes import prism

POINTS, TRIANGLES = prism(sides=10, rings=21)
POINTS = 1e3 * POINTS  # mm
LAST = TRIANGLES.max(axis=1) == len(POINTS) - 1
FIRST = TRIANGLES.max(axis=1) == len(POINTS) - 2
PARTS = {"wall": ~(FIRST | LAST), "aorta_end": FIRST, "cap LAD": LAST}


def ascii_stl(path, points=POINTS, parts=PARTS):
    with path.open("w") as out:
        for name, chosen in parts.items():
            out.write(f"solid {name}\n")
            for corners in points[TRIANGLES[chosen]]:
                lines = "".join("vertex {:.17g} {:.17g} {:.17g}\n".format(*corner) for corner in corners)
                out.write(f"facet normal 0 0 0\nouter loop\n{lines}endloop\nendfacet\n")
            out.write(f"endsolid {name}\n")
    return path


def binary_stl(path, points=POINTS):
    record = np.zeros(len(TRIANGLES), np.dtype([("n", "<f4", 3), ("c", "<f4", (3, 3)), ("a", "<u2")]))
    record["c"] = points[TRIANGLES]
    path.write_bytes(b"solid but binary".ljust(80) + struct.pack("<I", len(record)) + record.tobytes())
    return path


def obj(path, relative=False, points=POINTS, parts=PARTS):
    lines = ["# a comment", "mtllib none.mtl"]
    lines += ["v {:.17g} {:.17g} {:.17g}".format(*point) for point in points] + ["vt 0 0", "vn 0 0 1"]
    for name, chosen in parts.items():
        lines.append(f"g {name}")
        shift = -len(points) if relative else 1
        lines += ["f {}/1/1 {}//1 {}".format(*(triangle + shift)) for triangle in TRIANGLES[chosen]]
    path.write_text("\n".join(lines))
    return path


def ply(path, form, points=POINTS):
    head = f"ply\nformat {form} 1.0\ncomment made by hand\nelement vertex {len(points)}\n"
    head += "property double x\nproperty double y\nproperty double z\nproperty uchar red\n"
    head += f"element face {len(TRIANGLES)}\nproperty list uchar int vertex_indices\nend_header\n"
    order = ">" if "big" in form else "<"
    if form == "ascii":
        body = "".join("{:.17g} {:.17g} {:.17g} 0\n".format(*point) for point in points)
        body += "".join("3 {} {} {}\n".format(*triangle) for triangle in TRIANGLES)
        path.write_text(head + body)
        return path
    vertices = b"".join(struct.pack(order + "dddB", *point, 0) for point in points)
    faces = b"".join(struct.pack(order + "Biii", 3, *triangle) for triangle in TRIANGLES)
    path.write_bytes(head.encode() + vertices + faces)
    return path


def vtp(path, mode, points=POINTS):
    from vtkmodules.vtkIOLegacy import vtkPolyDataWriter
    from vtkmodules.vtkIOXML import vtkXMLPolyDataReader, vtkXMLPolyDataWriter

    write_polydata(path.with_name("plain.vtp"), points, TRIANGLES, cell_data={"ModelFaceID": 1 + FIRST + 2 * LAST})
    reader = vtkXMLPolyDataReader()
    reader.SetFileName(str(path.with_name("plain.vtp")))
    reader.Update()
    writer = vtkPolyDataWriter() if path.suffix == ".vtk" else vtkXMLPolyDataWriter()
    writer.SetInputData(reader.GetOutput())
    writer.SetFileName(str(path))
    getattr(writer, mode)()
    writer.Write()
    return path


WRITERS = {
    "ascii.stl": ascii_stl,
    "groups.obj": obj,
    "relative.obj": lambda path: obj(path, relative=True),
    "text.ply": lambda path: ply(path, "ascii"),
    "little.ply": lambda path: ply(path, "binary_little_endian"),
    "big.ply": lambda path: ply(path, "binary_big_endian"),
    "ascii.vtp": lambda path: vtp(path, "SetDataModeToAscii"),
    "raw.vtp": lambda path: vtp(path, "EncodeAppendedDataOff"),
    "lzma.vtp": lambda path: vtp(path, "SetCompressorTypeToLZMA"),
    "binary.vtk": lambda path: vtp(path, "SetFileTypeToBinary"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_triangles(name, tmp_path):
    read = read_polydata(WRITERS[name](tmp_path / name))
    assert len(read.points) == len(POINTS)
    same = np.sort(read.points[read.triangles].reshape(-1, 9), axis=0)
    order = 1e-15 if "vt" not in name else 1e-6
    assert same == pytest.approx(np.sort(POINTS[TRIANGLES].reshape(-1, 9), axis=0), abs=1e3 * order)
    assert enclosed_volume(read.points, read.triangles) == pytest.approx(enclosed_volume(POINTS, TRIANGLES), rel=1e-6)


def test_binary_stl_may_call_itself_solid(tmp_path):
    read = read_polydata(binary_stl(tmp_path / "b.stl"))
    assert len(read.points) == len(POINTS)
    assert enclosed_volume(read.points, read.triangles) == pytest.approx(enclosed_volume(POINTS, TRIANGLES), rel=1e-6)


@pytest.mark.parametrize("name", ["ascii.stl", "groups.obj", "raw.vtp", "binary.vtk"])
def test_named_caps_travel_with_the_surface(name, tmp_path):
    surface = read_surface(WRITERS[name](tmp_path / name))
    numbered = name.endswith(("vtp", "vtk"))
    assert sorted(cap.name for cap in surface.caps) == (["face 2", "face 3"] if numbered else ["aorta_end", "cap LAD"])
    end = surface.cap_at(np.array([0.0, 0.0, 29e-3]), 1.5e-3)
    assert end.name == ("face 3" if numbered else "cap LAD")
    assert end.normal == pytest.approx([0.0, 0.0, 1.0], abs=1e-9)
    area = 0.5 * 10 * 1.5e-3**2 * np.sin(2 * np.pi / 10)
    assert end.area == pytest.approx(area, rel=1e-6)


def test_polygons_of_an_obj_are_split_whole(tmp_path):
    """An L-shaped prism: its ends are hexagons with an inner corner, its sides are quadrangles."""
    outline = np.array([[0, 0], [4, 0], [4, 2], [2, 2], [2, 4], [0, 4]])
    lines = [f"v {x} {y} {z}" for z in (0, 30) for x, y in outline]
    lines += ["f 6 5 4 3 2 1", "f 7 8 9 10 11 12"]
    lines += [f"f {i + 1} {(i + 1) % 6 + 1} {(i + 1) % 6 + 7} {i + 7}" for i in range(6)]
    path = tmp_path / "l.obj"
    path.write_text("\n".join(lines))
    read = read_polydata(path)
    assert len(read.triangles) == 2 * 4 + 6 * 2
    assert enclosed_volume(read.points, read.triangles) == pytest.approx(12.0 * 30.0, rel=1e-12)


def test_triangle_strips_of_a_vtk_file(tmp_path):
    ring = 1.5 * np.stack([np.cos(np.arange(8) * np.pi / 4), np.sin(np.arange(8) * np.pi / 4)], axis=1)
    points = np.vstack([np.column_stack([ring, np.full(8, z)]) for z in (0, 30)])
    strip = [k % 8 + 8 * side for k in range(9) for side in (0, 1)]
    text = "# vtk DataFile Version 3.0\nstrip\nASCII\nDATASET POLYDATA\nPOINTS 16 double\n"
    text += "\n".join("{} {} {}".format(*point) for point in points)
    text += f"\nTRIANGLE_STRIPS 1 19\n18 {' '.join(map(str, strip))}\n"
    path = tmp_path / "s.vtk"
    path.write_text(text)
    read = read_polydata(path)
    assert len(read.triangles) == 16
    corners = read.points[read.triangles]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    outward = np.einsum("ij,ij->i", normal, corners.mean(axis=1) * [1, 1, 0])
    assert np.all(outward > 0) or np.all(outward < 0)


@pytest.mark.parametrize(("offset", "tolerance"), [(1700.0, 1.3e-4), (1e5, 8e-3)])
def test_scanner_offsets_lose_no_more_than_the_file_does(offset, tolerance, tmp_path):
    """``tolerance`` (mm) is the spacing of 32-bit numbers there; text with 17 digits loses nothing."""
    far = POINTS + np.array([offset, -offset, offset])
    centre = 1e-3 * np.array([offset, -offset, offset])
    exact = read_surface(ascii_stl(tmp_path / "far.stl", far), curved=False)
    assert np.ptp(exact.points, axis=0) == pytest.approx(1e-3 * np.ptp(POINTS, axis=0), abs=1e-12)
    single = read_surface(binary_stl(tmp_path / "single.stl", far), curved=False)
    assert np.ptp(single.points - centre, axis=0) == pytest.approx(1e-3 * np.ptp(POINTS, axis=0), abs=1e-3 * tolerance)
    volume = enclosed_volume(single.points - centre, single.triangles)
    assert volume == pytest.approx(1e-9 * enclosed_volume(POINTS, TRIANGLES), rel=tolerance)


DAMAGE = {
    "half": lambda data: data[: len(data) // 2],
    "head only": lambda data: data[:60],
    "empty": lambda data: b"",
    "noise in the middle": lambda data: data[: len(data) // 2] + bytes(range(256)) * 4 + data[len(data) // 2 :],
    "other format": lambda data: b"\x89PNG\r\n\x1a\n" + data[:100],
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", ["ascii.stl", "big.ply", "text.ply", "raw.vtp", "ascii.vtp"])
def test_damaged_files_are_one_sentence(name, damage, tmp_path):
    path = WRITERS[name](tmp_path / name)
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    with pytest.raises(InputError) as caught:
        read_surface(path)
    assert str(caught.value).startswith(str(path))
    assert str(caught.value).count("\n") == 0


def test_counts_that_the_file_cannot_hold(tmp_path):
    """vtk would ask for terabytes, and end the process."""
    path = vtp(tmp_path / "huge.vtp", "SetDataModeToAscii")
    text = path.read_text().replace(f'NumberOfPoints="{len(POINTS)}"', 'NumberOfPoints="99999999999"')
    path.write_text(text)
    with pytest.raises(InputError, match="damaged"):
        read_surface(path)
    header = f"ply\nformat binary_little_endian 1.0\nelement vertex {10**12}\nproperty float x\nend_header\n"
    (tmp_path / "huge.ply").write_text(header)
    with pytest.raises(InputError, match="damaged"):
        read_surface(tmp_path / "huge.ply")


def test_sound_files_are_read_without_warnings(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        read_surface(binary_stl(tmp_path / "b.stl"))
    assert not caplog.messages
