import numpy as np
import pytest

from hemo.errors import InputError
from hemo.geometry.lumen.distance import SurfaceDistance
from hemo.geometry.lumen.subdivision import subdivide_curved
from hemo.geometry.lumen.surface import Surface, clean_surface, read_surface
from hemo.geometry.lumen.surfacecheck import edge_table, enclosed_volume, orient_outwards, self_crossings
from hemo.geometry.lumen.vtkgrid import contour_grid, inside_grid
from hemo.geometry.synthetic.vessels import straight_stenosis
from hemo.vtkio import write_polydata
from tests.geometry.shapes import prism


def tube(severity=0.0):
    return straight_stenosis(3e-3, 40e-3, severity)[0]


def write(path, points, triangles):
    write_polydata(path, points, triangles)
    return path


@pytest.mark.parametrize(("unit", "scale"), [(None, 1e3), ("mm", 1e3), ("cm", 1e2), ("m", 1.0)])
@pytest.mark.parametrize("ending", ["stl", "vtp"])
def test_units_are_read(tmp_path, unit, scale, ending):
    surface = tube()
    path = write(tmp_path / f"tube.{ending}", scale * surface.points + 17.0, surface.triangles)
    read = read_surface(path, unit)
    assert np.ptp(read.points, axis=0) == pytest.approx([3e-3, 3e-3, 40e-3], rel=1e-3)
    assert enclosed_volume(read.points, read.triangles) == pytest.approx(np.pi * 1.5e-3**2 * 40e-3, rel=2e-3)


@pytest.mark.parametrize(
    ("unit", "scale"), [(None, 1.0), ("mm", 1.0), (None, 1e2), ("mm", 1e2), ("cm", 1e3), ("m", 1e3)]
)
def test_wrong_unit_is_refused_with_the_likely_one(tmp_path, unit, scale):
    surface = tube()
    path = write(tmp_path / "tube.stl", scale * surface.points, surface.triangles)
    likely = {1.0: "m", 1e2: "cm", 1e3: "mm"}[scale]
    with pytest.raises(InputError, match=f'unit = "{likely}"') as caught:
        read_surface(path, unit)
    assert "absurd" in str(caught.value)


def test_unknown_unit_is_refused(tmp_path):
    with pytest.raises(InputError, match="unit 'inch' is unknown"):
        read_surface(tmp_path / "tube.stl", "inch")


def test_vertex_that_is_not_a_number_is_refused():
    surface = tube()
    points = surface.points.copy()
    points[5] = np.nan
    with pytest.raises(InputError, match="not a number"):
        clean_surface(points, surface.triangles, "tube")


def test_no_triangles_is_refused():
    with pytest.raises(InputError, match="no triangles"):
        clean_surface(np.zeros((3, 3)), np.zeros((0, 3), dtype=np.int64), "tube")


def test_repeated_and_turned_triangles_are_repaired():
    surface = tube()
    rng = np.random.default_rng(1)
    triangles = surface.triangles.copy()
    turned = rng.random(len(triangles)) < 0.4
    triangles[turned] = triangles[turned][:, [0, 2, 1]]
    triangles = np.concatenate([triangles, triangles[:50]])
    read = clean_surface(surface.points, triangles, "tube", curved=False)
    assert len(read.triangles) == len(surface.triangles)
    assert enclosed_volume(read.points, read.triangles) == pytest.approx(
        enclosed_volume(surface.points, surface.triangles), rel=1e-12
    )


def test_surface_inside_out_is_turned():
    surface = tube()
    triangles, turned = orient_outwards(surface.points, surface.triangles[:, ::-1])
    assert turned == len(triangles)
    assert enclosed_volume(surface.points, triangles) > 0.0


def two_tubes(gap):
    """Two parallel tubes of 3 mm whose walls are ``gap`` apart (negative: they cut through each other)."""
    one = tube()
    aside = one.points + np.array([3e-3 + gap, 0.0, 0.0])
    return np.concatenate([one.points, aside]), np.concatenate([one.triangles, one.triangles + len(one.points)])


def test_crossing_surface_is_refused_with_its_place():
    points, triangles = two_tubes(-0.5e-3)
    with pytest.raises(InputError, match="crosses itself"):
        clean_surface(points, triangles, "tubes")


@pytest.mark.parametrize("gap", [0.02e-3, -0.01e-3])
def test_vessels_that_only_touch_are_accepted(gap):
    points, triangles = two_tubes(gap)
    surface = clean_surface(points, triangles, "tubes", curved=False)
    assert len(surface.triangles) == len(triangles)


def test_self_crossings_finds_each_pair_once():
    flat = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    through = np.array([[0.2, 0.2, -0.5], [0.3, 0.2, 0.5], [0.2, 0.3, 0.5]])
    beside = through + 2.0
    points = np.concatenate([flat, through, beside])
    pairs = self_crossings(points, np.arange(9).reshape(3, 3))
    assert pairs.tolist() == [[0, 1]]


def test_coarse_facets_become_round():
    points, triangles = prism()
    flat = SurfaceDistance(Surface(points, triangles)).depth(np.array([[0.0, 0.0, 15e-3]]))[0]
    assert flat == pytest.approx(1.5e-3 * np.cos(np.pi / 8), rel=1e-3)
    finer = Surface(*subdivide_curved(points, triangles, 0.01e-3))
    _, _, count = edge_table(finer.triangles)
    assert np.all(count == 2)
    assert len(self_crossings(finer.points, finer.triangles)) == 0
    radius = np.hypot(finer.points[:, 0], finer.points[:, 1])
    middle = np.abs(finer.points[:, 2] - 15e-3) < 12e-3
    assert radius[middle] == pytest.approx(1.5e-3, rel=0.01)
    assert np.ptp(finer.points[:, 2]) == pytest.approx(30e-3, rel=1e-9)  # flat ends stay flat


def test_fine_surface_is_left_alone():
    surface = tube()
    _, triangles = subdivide_curved(surface.points, surface.triangles, 0.01e-3)
    assert len(triangles) == len(surface.triangles)


def test_refinement_leaves_no_edge_out():
    # A tube that bends and narrows: more rounds here than there. What is done needs no further round anywhere.
    points, triangles = prism()
    along = points[:, 2] / 30e-3
    points = points * np.stack([1.0 - 0.6 * along, 1.0 - 0.6 * along, np.ones_like(along)], axis=1)
    points[:, 0] += 8e-3 * along**2
    done = subdivide_curved(points, triangles, 0.02e-3, rounds=20)
    assert len(done[1]) > 1.5 * len(triangles)
    assert len(subdivide_curved(*done, 0.02e-3)[1]) == len(done[1])
    assert np.all(edge_table(done[1])[2] == 2)


def test_distance_is_exact_and_signed():
    points, triangles = prism(sides=4, radius=np.sqrt(2.0) * 1e-3, length=10e-3, rings=3)  # a square bar, 2 mm wide
    wall = SurfaceDistance(Surface(points, triangles))
    c = np.cos(np.pi / 4)
    places = np.array(
        [[0.0, 0.0, 5e-3], [0.7e-3 * c, 0.7e-3 * c, 5e-3], [0.0, 0.0, 0.2e-3], [2e-3 * c, 2e-3 * c, 5e-3]]
    )
    assert wall.depth(places) == pytest.approx([1e-3, 0.3e-3, 0.2e-3, -1e-3], abs=1e-9)


def test_inside_grid_volume_and_order():
    surface = tube()
    origin = np.array([-2e-3, -3e-3, -1e-3])
    inside = inside_grid(surface.points, surface.triangles, origin, 0.2e-3, (21, 31, 211))
    assert inside.shape == (211, 31, 21)
    volume = enclosed_volume(surface.points, surface.triangles)
    assert inside.sum() * 0.2e-3**3 == pytest.approx(volume, rel=0.02)
    assert inside[100, 15, 10]
    assert not inside[100, 2, 10]


def test_inside_grid_where_rays_meet_vertices_and_edges():
    # An octahedron |x| + |y| + |z| = 3.5 about a node: rays in its planes of symmetry run through vertices and edges.
    points = 3.5 * np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], dtype=np.float64)
    sides = [(x, y, z) for x in (0, 1) for y in (2, 3) for z in (4, 5)]
    triangles = np.array([side if sum(side) % 2 == 0 else side[::-1] for side in sides])
    z, y, x = np.mgrid[-4:5, -4:5, -4:5]
    away = np.abs(x) + np.abs(y) + np.abs(z)
    assert np.array_equal(inside_grid(points, triangles, np.full(3, -4.0), 1.0, (9, 9, 9)), away < 3.5)
    # On a grid that ends inside the surface, and with another surface inside: what that encloses is outside again.
    part = inside_grid(points, triangles, np.full(3, -1.0), 1.0, (2, 3, 5))
    assert np.array_equal(part, away[3:8, 3:6, 3:5] < 3.5)
    both = np.concatenate([points, 0.5 * points]), np.concatenate([triangles, triangles + 6])
    nested = inside_grid(*both, np.full(3, -4.0), 1.0, (9, 9, 9))
    assert np.array_equal(nested, (away < 3.5) & (away > 1.75))


def test_contour_of_a_ball():
    z, y, x = np.mgrid[0:24, 0:26, 0:28].astype(np.float32)
    values = 8.0 - np.sqrt((x - 13) ** 2 + (y - 12) ** 2 + (z - 11) ** 2)
    points, triangles = contour_grid(values.astype(np.float32), 0.0)
    assert np.linalg.norm(points - [13, 12, 11], axis=1) == pytest.approx(8.0, abs=0.05)
    assert enclosed_volume(points, triangles) == pytest.approx(4 / 3 * np.pi * 8**3, rel=0.02)
