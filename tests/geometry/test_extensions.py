"""Flow extensions: outline kept, sideways onset, other vessels in the way, and nothing else changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hemo.geometry.lumen.planecut import find_loop
from hemo.geometry.mesh.clipping import ClippedLumen, TaggedSurface, clip_to_tree, keep_flat_ends
from hemo.geometry.mesh.extensions import Extension, ExtensionLength, extend_caps, in_extensions
from hemo.geometry.mesh.meshing import MeshOptions, build_mesh
from hemo.geometry.mesh.sections import section_probes
from hemo.geometry.synthetic.vessels import straight_stenosis
from hemo.tree import Branch, VesselTree
from tests.geometry.shapes import AORTA, MAIN, MM, SIDE, lumen, tree

FIVE = ExtensionLength(5 * MM)


@pytest.fixture(scope="module")
def clipped() -> ClippedLumen:
    return clip_to_tree(lumen(AORTA, MAIN, SIDE), tree())


def tube(change) -> TaggedSurface:
    """A straight tube of 3 mm, 12 mm long, whose points are changed; tagged at both ends."""
    surface, vessel = straight_stenosis(3e-3, 12e-3, 0.0, 4e-3, 6e-3)
    return replace(keep_flat_ends(surface, vessel).surface, points=change(surface.points))


def outline(surface: TaggedSurface, extension: Extension, forward: float) -> np.ndarray:
    """The loop in which a plane square to the extension cuts it."""
    centre = extension.axis(np.array([forward]))[0]
    loop = find_loop(surface.points, surface.triangles, centre, extension.normal, extension.radius)
    assert loop is not None
    return loop.points


def polygon_area(points: np.ndarray) -> float:
    middle = points - points.mean(axis=0)
    return float(np.linalg.norm(0.5 * np.cross(middle, np.roll(middle, -1, axis=0)).sum(axis=0)))


def test_an_extension_is_the_prism_of_its_cap(clipped: ClippedLumen) -> None:
    surface, made = extend_caps(clipped.surface, {"M": FIVE, "S": ExtensionLength(3.0, in_diameters=True)})
    assert [extension.name for extension in made] == ["M", "S"]
    assert made[1].length == pytest.approx(3.0 * 2.0 * made[1].radius)
    edges = np.vstack([surface.triangles[:, [0, 1]], surface.triangles[:, [1, 2]], surface.triangles[:, [2, 0]]])
    forward, backward = ({tuple(edge) for edge in side.tolist()} for side in (edges, edges[:, ::-1]))
    assert len(forward) == len(edges) and forward == backward  # closed, and every triangle faces outwards
    assert surface.genus == 0 and surface.names == clipped.surface.names
    added = sum(extension.area * extension.length for extension in made)
    assert surface.volume == pytest.approx(clipped.surface.volume + added, rel=1e-9)
    for extension in made:
        tag = next(tag for tag, name in surface.names.items() if name == extension.name)
        assert surface.cap_area(tag) == pytest.approx(extension.area, rel=1e-9)
        centre, normal = surface.planes[tag]
        np.testing.assert_allclose(normal, clipped.surface.planes[tag][1])
        cap = surface.points[np.unique(surface.triangles[surface.tags == tag])]
        assert np.abs((cap - centre) @ normal).max() < 1e-12
        for share in (0.02, 0.3, 0.7, 0.98):
            assert polygon_area(outline(surface, extension, share * extension.length)) == pytest.approx(
                extension.area, rel=0.01
            )


def test_the_shape_is_kept_not_rounded() -> None:
    flat = tube(lambda points: points * [1.4, 0.7, 1.0])
    surface, (extension,) = extend_caps(flat, {"vessel": FIVE})
    spread = [np.ptp(outline(surface, extension, at * MM), axis=0) for at in (0.5, 2.5, 4.5)]
    np.testing.assert_allclose(spread, [[4.2 * MM, 2.1 * MM, 0.0]] * 3, rtol=2e-3, atol=1e-9)


def test_the_axis_starts_with_the_wall_and_turns_straight() -> None:
    sheared = tube(lambda points: points + np.outer(points[:, 2], [0.3, 0.0, 0.0]))
    surface, (extension,) = extend_caps(sheared, {"vessel": FIVE})
    np.testing.assert_allclose(extension.slope, [0.3, 0.0, 0.0], atol=1e-3)
    start, radius = extension.centre, extension.radius
    step = 1e-3 * radius
    np.testing.assert_allclose((extension.axis(np.array([step]))[0] - start)[0] / step, 0.3, rtol=1e-2)
    far = extension.axis(np.array([radius, 5 * MM])) - start
    np.testing.assert_allclose(far[:, 0], 0.15 * radius, rtol=1e-2)
    cap = surface.points[surface.triangles[surface.tags == 3]].reshape(-1, 3)
    np.testing.assert_allclose((cap.min(axis=0) + cap.max(axis=0)) / 2 - start, far[1], atol=0.02 * radius)
    steep = extend_caps(tube(lambda p: p + np.outer(p[:, 2], [2.0, 0.0, 0.0])), {"vessel": FIVE})[1][0]
    assert np.linalg.norm(steep.slope) == pytest.approx(0.5)


def beside(gap: float) -> tuple[TaggedSurface, TaggedSurface]:
    """A tube along z that ends at 12 mm, alone and with another one across, ``gap`` mm beyond its end."""
    first = tube(lambda points: points)
    other = tube(lambda points: points[:, [0, 2, 1]] + MM * np.array([0.0, -6.0, 12.0 + gap + 1.5]))
    points = np.vstack([first.points, other.points])
    wall = other.triangles[:, ::-1] + len(first.points)
    return first, replace(
        first,
        points=points,
        triangles=np.vstack([first.triangles, wall]),
        tags=np.concatenate([first.tags, np.ones(len(wall), dtype=np.int32)]),
    )


def test_another_vessel_in_the_way_shortens_it(caplog: pytest.LogCaptureFixture) -> None:
    alone, crossed = beside(gap=4.0)
    assert extend_caps(alone, {"vessel": FIVE})[1][0].length == pytest.approx(5 * MM)
    (short,) = extend_caps(crossed, {"vessel": FIVE})[1]
    assert 2.5 * MM < short.length < 4.0 * MM
    assert "vessel is" in caplog.text and "instead of 5.0 mm" in caplog.text
    surface, none = extend_caps(beside(gap=1.0)[1], {"vessel": FIVE})
    assert none == () and len(surface.points) == len(crossed.points)
    assert "no flow extension at vessel" in caplog.text


def test_only_what_lies_beyond_belongs_to_it(clipped: ClippedLumen) -> None:
    surface, made = extend_caps(clipped.surface, {"M": FIVE, "S": FIVE, "inlet": FIVE})
    inside = in_extensions(made, surface.points)
    kept = clipped.surface.points
    assert not inside[: len(kept)][np.unique(clipped.surface.triangles[clipped.surface.tags == 1])].any()
    new = surface.points[len(kept) :]
    assert in_extensions(made, new).all()
    np.testing.assert_array_equal(Extension.from_json(made[0].to_json()).axis(np.ones(1)), made[0].axis(np.ones(1)))


@pytest.fixture(scope="module")
def meshes():
    surface, options = lumen(AORTA, MAIN, SIDE), MeshOptions(cells_per_diameter=5)
    return build_mesh(surface, tree(), options), build_mesh(surface, tree(), replace(options, outlet_extension=FIVE))


def test_the_tree_is_the_same_with_and_without(meshes) -> None:
    plain, extended = meshes
    assert not plain.extensions and [extension.name for extension in extended.extensions] == ["M", "S"]
    for branch in plain.tree.branches:
        assert extended.tree[branch.name].length == branch.length
        np.testing.assert_array_equal(extended.tree[branch.name].area, branch.area)
    gained = extended.mesh.cell_volumes().sum() - plain.mesh.cell_volumes().sum()
    assert gained == pytest.approx(sum(e.area * e.length for e in extended.extensions), rel=0.01)
    middle = extended.mesh.points[extended.mesh.cells].mean(axis=1)
    own = extended.mesh.cell_volumes()[~in_extensions(extended.extensions, middle)].sum()
    assert own == pytest.approx(plain.mesh.cell_volumes().sum(), rel=0.005)


def test_sections_of_the_mesh_keep_the_outline_s_area(meshes) -> None:
    _, extended = meshes
    for extension in extended.extensions:
        forward = np.linspace(0.02, 0.98, 9) * extension.length
        radius = np.full(9, extension.radius)
        line = Branch("x", extension.axis(forward), radius, np.pi * radius**2, radius)
        mesh = replace(extended.mesh, names={**extended.mesh.names, 99: "x"})
        inner = VesselTree("x", (replace(line, is_outlet=True),))
        probes = section_probes(
            replace(
                mesh,
                facets=np.vstack([mesh.facets, mesh.facets_of(extension.name)]),
                facet_tags=np.append(mesh.facet_tags, np.full(len(mesh.facets_of(extension.name)), 99)),
            ),
            inner,
        )
        area = np.bincount(probes.section, probes.weight, probes.n_sections)
        np.testing.assert_allclose(area[1:], extension.area, rtol=0.01)
