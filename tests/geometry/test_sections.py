"""Sections: area and flux of known fields, bends, neighbours, junctions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from hemo.geometry.mesh.sections import SectionProbes, cut_tetrahedra, section_planes, section_probes
from hemo.tetmesh import INLET, WALL, TetMesh, face_neighbours
from hemo.tree import Branch, VesselTree

CUBE = np.array([[0, 1, 3, 7], [0, 1, 7, 5], [0, 5, 7, 4], [0, 3, 2, 7], [0, 6, 4, 7], [0, 2, 6, 7]])


def box_of_tetrahedra(divisions: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The unit cube in tetrahedra, six a box."""
    axes = [np.linspace(0.0, 1.0, n + 1) for n in divisions]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    index = np.arange(len(points)).reshape([n + 1 for n in divisions])
    corner = [
        index[i : i + divisions[0], j : j + divisions[1], k : k + divisions[2]].ravel()
        for k in (0, 1)
        for j in (0, 1)
        for i in (0, 1)
    ]
    return points, np.stack(corner, axis=1)[:, CUBE].reshape(-1, 4)


def tube(path: Callable, radius: float, divisions: tuple[int, int, int] = (6, 6, 30)) -> TetMesh:
    """A square of tetrahedra mapped to a disc and swept along ``path(s) -> centre, e1, e2``, s in [0, 1]."""
    points, cells = box_of_tetrahedra(divisions)
    x, y = 2.0 * points[:, 0] - 1.0, 2.0 * points[:, 1] - 1.0
    u, v = radius * x * np.sqrt(1.0 - y**2 / 2.0), radius * y * np.sqrt(1.0 - x**2 / 2.0)
    centre, first, second = path(points[:, 2])
    swept = centre + u[:, None] * first + v[:, None] * second
    return tagged(swept, cells, points[:, 2])


def tagged(points: np.ndarray, cells: np.ndarray, along: np.ndarray) -> TetMesh:
    a, b, c, d = (points[cells[:, i]] for i in range(4))
    wrong = np.einsum("ij,ij->i", np.cross(b - a, c - a), d - a) < 0.0
    cells = np.where(wrong[:, None], cells[:, [0, 1, 3, 2]], cells)
    # Seen from outside, the faces of a positively oriented cell are these.
    faces = np.array([[1, 2, 3], [0, 3, 2], [0, 1, 3], [0, 2, 1]])
    row, opposite = np.nonzero(face_neighbours(cells) < 0)
    facets = cells[row[:, None], faces[opposite]]
    tags = np.ones(len(facets), dtype=np.int32)
    tags[np.all(along[facets] < 1e-9, axis=1)] = 2
    tags[np.all(along[facets] > 1.0 - 1e-9, axis=1)] = 3
    return TetMesh(points, cells, facets, tags, {1: WALL, 2: INLET, 3: "A"})


def straight(length: float, offset: float = 0.0) -> Callable:
    def path(s):
        centre = np.stack([np.full_like(s, offset), np.zeros_like(s), length * s], axis=1)
        return centre, np.tile([1.0, 0.0, 0.0], (len(s), 1)), np.tile([0.0, 1.0, 0.0], (len(s), 1))

    return path


def bend(curvature_radius: float) -> Callable:
    """A quarter of a torus in the xz plane that starts along z."""

    def path(s):
        angle = 0.5 * np.pi * s
        out = np.stack([-np.cos(angle), np.zeros_like(s), np.sin(angle)], axis=1)
        centre = curvature_radius * (out + np.array([1.0, 0.0, 0.0]))
        return centre, out, np.tile([0.0, 1.0, 0.0], (len(s), 1))

    return path


def branch(path: Callable, radius: float, count: int = 41) -> Branch:
    centre = path(np.linspace(0.0, 1.0, count))[0]
    r = np.full(count, radius)
    return Branch("A", centre, r, np.pi * r**2, r)


def quadratic_field(x: np.ndarray) -> np.ndarray:
    """A velocity of degree 2, which P2 elements hold exactly."""
    a, b, c = x.T / 1e-3
    return np.stack([1.0 + a * b - c**2, 2.0 - b + a**2 + a * c, 3.0 + a - 2.0 * b**2 + b * c + c**2], axis=1)


def outline_moments(mesh: TetMesh, centre: np.ndarray, normal: np.ndarray) -> tuple[float, float]:
    """Area and flux of the quadratic field from the section's outline alone (convex), by an independent route.

    The outline is where the plane meets the boundary facets; the fan about its middle is integrated by the
    six-point rule of degree 4 (Dunavant 1985).
    """
    height = (mesh.points - centre) @ normal
    height[np.abs(height) < 1e-12] = 0.0
    points = []
    for i, j in ((0, 1), (1, 2), (2, 0)):
        a, b = mesh.facets[:, i], mesh.facets[:, j]
        hit = (height[a] >= 0.0) != (height[b] >= 0.0)
        share = height[a[hit]] / (height[a[hit]] - height[b[hit]])
        points.append(mesh.points[a[hit]] + share[:, None] * (mesh.points[b[hit]] - mesh.points[a[hit]]))
    outline = np.unique(np.round(np.concatenate(points), 15), axis=0)
    middle = outline.mean(axis=0)
    first = outline[0] - middle
    first /= np.linalg.norm(first)
    angle = np.arctan2((outline - middle) @ np.cross(normal, first), (outline - middle) @ first)
    ring = outline[np.argsort(angle)]
    triangles = np.stack([np.broadcast_to(middle, ring.shape), ring, np.roll(ring, -1, axis=0)], axis=1)
    area = 0.5 * np.linalg.norm(np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]), axis=1)
    flux = 0.0
    for a, weight in ((0.445948490915965, 0.223381589678011), (0.091576213509771, 0.109951743655322)):
        for place in ([1 - 2 * a, a, a], [a, 1 - 2 * a, a], [a, a, 1 - 2 * a]):
            flux += weight * float((area * (quadratic_field(np.einsum("k,tkd->td", place, triangles)) @ normal)).sum())
    return float(area.sum()), flux


def sums(probes: SectionProbes) -> tuple[np.ndarray, np.ndarray]:
    velocity = quadratic_field(probes.point)
    across = probes.weight * np.einsum("ij,ij->i", velocity, probes.normal)
    n = probes.n_sections
    return np.bincount(probes.section, probes.weight, n), np.bincount(probes.section, across, n)


@pytest.mark.parametrize("path", [straight(30e-3), bend(8e-3)], ids=["straight", "torus"])
def test_area_and_flux_of_a_quadratic_field_are_exact(path) -> None:
    radius = 1.5e-3
    mesh, vessel = tube(path, radius), branch(path, radius)
    probes = section_probes(mesh, VesselTree("t", (vessel,)))
    area, flux = sums(probes)
    centres, normals = section_planes(mesh, vessel)
    wanted = np.array([outline_moments(mesh, c, n) for c, n in zip(centres, normals, strict=True)])
    np.testing.assert_allclose(area, wanted[:, 0], rtol=1e-10)
    np.testing.assert_allclose(flux, wanted[:, 1], rtol=1e-10, atol=1e-10 * np.abs(wanted[:, 1]).max())
    assert np.all(area > 0.93 * np.pi * radius**2)


def test_normals_on_a_torus_are_tangent_to_its_axis() -> None:
    path = bend(8e-3)
    vessel = branch(path, 1.5e-3)
    _, normals = section_planes(tube(path, 1.5e-3), vessel)
    angle = np.linspace(0.0, 0.5 * np.pi, len(vessel.points))
    tangent = np.stack([np.sin(angle), np.zeros_like(angle), np.cos(angle)], axis=1)
    assert np.degrees(np.arccos(np.clip((normals * tangent).sum(axis=1), -1.0, 1.0))).max() < 1.5


def test_points_lie_in_their_cells_and_planes() -> None:
    path = bend(8e-3)
    mesh, vessel = tube(path, 1.5e-3), branch(path, 1.5e-3)
    probes = section_probes(mesh, VesselTree("t", (vessel,)))
    corners = mesh.points[mesh.cells[probes.cell]]
    edges = np.swapaxes(corners[:, 1:] - corners[:, :1], 1, 2)
    inside = np.linalg.solve(edges, (probes.point - corners[:, 0])[:, :, None])[:, :, 0]
    assert inside.min() > -1e-9 and inside.sum(axis=1).max() < 1.0 + 1e-9
    centres, normals = section_planes(mesh, vessel)
    off = np.einsum("ij,ij->i", probes.point - centres[probes.section], normals[probes.section])
    assert np.abs(off).max() < 1e-15


def test_sections_beside_a_place() -> None:
    path = straight(30e-3)
    mesh, vessel = tube(path, 1.5e-3), branch(path, 1.5e-3)
    tree = VesselTree("t", (vessel,))
    probes = section_probes(mesh, tree)
    arc = vessel.arc
    between, last = 0.4 * arc[3] + 0.6 * arc[4], len(arc) - 1
    assert np.flatnonzero(probes.beside([("A", between)], tree)).tolist() == [3, 4]
    assert np.flatnonzero(probes.beside([("A", 0.0), ("A", arc[-1])], tree)).tolist() == [0, last - 1, last]


def test_a_vessel_alongside_has_no_part() -> None:
    one, two = tube(straight(30e-3), 1.5e-3), tube(straight(30e-3, 3.1e-3), 1.5e-3)
    both = TetMesh(
        np.vstack([one.points, two.points]),
        np.vstack([one.cells, two.cells + len(one.points)]),
        np.vstack([one.facets, two.facets + len(one.points)]),
        np.concatenate([one.facet_tags, two.facet_tags]),
        one.names,
    )
    alone = VesselTree("t", (branch(straight(30e-3), 1.5e-3),))
    found = section_probes(both, alone, reach=4.0)
    assert found.cell.max() < len(one.cells)
    wanted = section_probes(one, alone, reach=4.0)
    np.testing.assert_allclose(sums(found)[0][1:-1], sums(wanted)[0][1:-1], rtol=1e-12)
    assert sums(section_probes(both, VesselTree("t", (branch(straight(30e-3, 3.1e-3), 1.5e-3),))))[0][20] > 6e-6


def test_a_section_reaches_no_further_than_asked() -> None:
    points, cells = box_of_tetrahedra((40, 4, 10))
    points = (points - [0.5, 0.5, 0.0]) * [20e-3, 2e-3, 10e-3]
    mesh = tagged(points, cells, points[:, 2] / 10e-3)
    vessel = branch(straight(10e-3), 1e-3, 11)
    probes = section_probes(mesh, VesselTree("t", (vessel,)), reach=2.5)
    area = sums(probes)[0][5]
    assert 2 * 2.0e-3 * 2e-3 < area < 2 * 3.1e-3 * 2e-3  # a slab 2 mm high, cut at +-2.5 mm in whole cells


def test_every_kind_of_cut_of_a_tetrahedron() -> None:
    corners = np.array([[[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]])
    for level, area in ((0.25, np.sqrt(3) / 2 * 0.25**2), (0.9, np.sqrt(3) / 2 * 0.9**2)):
        height = (corners.sum(axis=2) - level) / np.sqrt(3.0)
        _, triangles = cut_tetrahedra(corners, height)
        made = 0.5 * np.linalg.norm(
            np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]), axis=1
        )
        assert made.sum() == pytest.approx(area, rel=1e-12)
    height = (corners[:, :, 0] + corners[:, :, 1]) - 0.5
    owner, triangles = cut_tetrahedra(corners, height / np.sqrt(2.0))
    made = 0.5 * np.linalg.norm(np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]), axis=1)
    assert len(owner) == 2
    assert made.sum() == pytest.approx(0.5 * np.sqrt(0.5), rel=1e-12)  # x + y = 1/2: sqrt(1/2) by 1/2


def test_stride_slices_and_file(tmp_path) -> None:
    path = straight(30e-3)
    mesh, vessel = tube(path, 1.5e-3), branch(path, 1.5e-3)
    probes = section_probes(mesh, VesselTree("t", (vessel,)), stride=7)
    assert probes.branch_slices == {"A": (0, 7)}  # 0, 7, ..., 35 and the last, 40
    assert probes.n_sections == 7
    probes.save(tmp_path / "probes.npz")
    again = SectionProbes.load(tmp_path / "probes.npz")
    for name in ("cell", "point", "weight", "normal", "section"):
        np.testing.assert_array_equal(getattr(again, name), getattr(probes, name))
    assert (again.n_sections, again.branch_slices) == (probes.n_sections, probes.branch_slices)
