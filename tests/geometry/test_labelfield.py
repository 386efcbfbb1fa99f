import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, label

from hemo.errors import InputError
from hemo.geometry.image.labelimage import LabelImage
from hemo.geometry.lumen.crosssection import SectionCutter
from hemo.geometry.lumen.fromlabels import chord_gap, surface_from_labels
from hemo.geometry.lumen.labelfield import edge_level, tangent_ball_radius
from hemo.geometry.lumen.surface import Surface
from hemo.geometry.lumen.surfacecheck import edge_table, enclosed_volume, self_crossings, triangle_components
from hemo.geometry.synthetic.gauges import place, stenosed_tube
from hemo.geometry.synthetic.vessels import _revolve


def rod(diameter, voxel, seed, severity=0.0, length=16e-3):
    """Label map of a rod (with a cosine stenosis over 10 mm), its middle and its axis, placed at random."""
    rng = np.random.default_rng(seed)
    voxel = np.broadcast_to(np.asarray(voxel, dtype=float), 3)
    axis = np.linalg.qr(rng.normal(size=(3, 3)))[0][:, 0]
    middle = rng.uniform(-0.5, 0.5, 3) * voxel
    count = np.ceil((length + 4e-3) / voxel).astype(int)
    grid = [(np.arange(n) - (n - 1) / 2) * size for n, size in zip(count, voxel, strict=True)]
    z, y, x = np.meshgrid(grid[2], grid[1], grid[0], indexing="ij")
    offset = np.stack([x, y, z], axis=-1) - middle
    along = offset @ axis
    across = np.linalg.norm(offset - along[..., None] * axis, axis=-1)
    phase = np.clip(along / 10e-3, -0.5, 0.5)
    radius = 0.5 * diameter * (1.0 - 0.5 * severity * (1.0 + np.cos(2.0 * np.pi * phase)))
    labels = 2 * ((across < radius) & (np.abs(along) < length / 2)).astype(np.uint8)
    return LabelImage(labels, np.array([g[0] for g in grid]), voxel.copy(), np.eye(3)), middle, axis


def diameters(surface, middle, axis, diameter):
    along = np.linspace(-4e-3, 4e-3, 33)
    area = (
        SectionCutter(surface)
        .cut(middle + along[:, None] * axis, np.tile(axis, (33, 1)), np.full(33, 1.2 * diameter))
        .area
    )
    return 2.0 * np.sqrt(area / np.pi)


@pytest.mark.parametrize("radius", [0.6, 1.0, 2.0, 4.0])
def test_edge_level_is_the_blurred_disc_at_its_edge(radius):
    step, sigma = 0.02, 0.5
    x = np.arange(-radius - 3, radius + 3 + step / 2, step)
    disc = (x[:, None] ** 2 + x[None] ** 2 < radius**2).astype(float)
    blurred = gaussian_filter(disc, sigma / step)
    edge = np.interp(radius, x, blurred[len(x) // 2])
    assert edge_level(np.array([radius]), sigma)[0] == pytest.approx(edge, abs=0.01)


def test_tangent_ball_of_a_cylinder_is_its_radius():
    angle, height = np.meshgrid(np.linspace(0, 2 * np.pi, 60, endpoint=False), np.arange(-30, 31) * 0.1)
    normals = np.stack([np.cos(angle).ravel(), np.sin(angle).ravel(), 0 * angle.ravel()], axis=1)
    points = 1.3 * normals + np.stack([0 * angle.ravel(), 0 * angle.ravel(), height.ravel()], axis=1)
    radius = tangent_ball_radius(points, normals, limit=5.0)
    inner = np.abs(points[:, 2]) < 1.5
    assert radius[inner] == pytest.approx(1.3, rel=0.01)


@pytest.mark.parametrize("voxel", [0.3e-3, 0.4e-3, 0.5e-3])
@pytest.mark.parametrize("diameter", [1.5e-3, 2e-3, 3e-3, 4e-3])
def test_calibre_is_kept(diameter, voxel):
    bias = []
    for seed in range(3):
        image, middle, axis = rod(diameter, voxel, seed)
        bias.append(diameters(surface_from_labels(image), middle, axis, diameter).mean() / diameter - 1.0)
    assert np.abs(bias).max() <= 0.03
    assert abs(np.mean(bias)) <= 0.02


@pytest.mark.parametrize(("voxel", "limit"), [(0.3e-3, 0.06), (0.4e-3, 0.08)])
def test_minimal_lumen_area_of_a_tight_stenosis(voxel, limit):
    error = []
    for seed in range(4):
        image, middle, axis = rod(3e-3, voxel, seed, severity=0.6)
        area = np.pi / 4 * diameters(surface_from_labels(image), middle, axis, 3e-3).min() ** 2
        error.append(area / (np.pi / 4 * (0.4 * 3e-3) ** 2) - 1.0)
    assert abs(np.mean(error)) <= limit


@pytest.mark.parametrize("across", [1.8, 2.0, 2.25])
def test_a_vessel_of_two_voxels_keeps_its_calibre(across):
    """The rounds went back and forth between half and twice the area: 12 % too large in the mean, 26 % either way."""
    voxel = 0.38e-3
    errors = []
    for seed in range(6):
        image, middle, axis = rod(across * voxel, voxel, seed, length=32e-3)
        errors.append(np.mean(diameters(surface_from_labels(image), middle, axis, 2.0 * across * voxel) ** 2))
    errors = np.array(errors) / (across * voxel) ** 2 - 1.0
    assert abs(errors.mean()) < 0.06
    assert errors.std() < 0.11


def test_anisotropic_voxels_and_mirrored_axes():
    image, middle, axis = rod(3e-3, (0.35e-3, 0.35e-3, 0.6e-3), 3)
    flip = np.diag([-1.0, 1.0, 1.0])
    mirrored = LabelImage(image.labels, flip @ image.origin, image.spacing, flip)
    for case, turn in ((image, np.eye(3)), (mirrored, flip)):
        surface = surface_from_labels(case)
        assert enclosed_volume(surface.points, surface.triangles) > 0.0
        assert diameters(surface, turn @ middle, turn @ axis, 3e-3).mean() == pytest.approx(3e-3, rel=0.03)


def test_surface_is_closed_without_islands_or_holes():
    image, _, _ = rod(3e-3, 0.4e-3, 0)
    labels = image.labels.copy()
    labels[1:3, 1:3, 1:3] = 2
    inside = np.argwhere(labels[5:-5, 5:-5, 5:-5]) + 5
    labels[tuple(inside[len(inside) // 2])] = 0
    surface = surface_from_labels(LabelImage(labels, image.origin, image.spacing, image.direction))
    edges, _, count = edge_table(surface.triangles)
    assert np.all(count == 2)
    assert len(surface.points) - len(edges) + len(surface.triangles) == 2  # one sphere


@pytest.mark.parametrize("size", [1, 2, 4])  # blurred away, blurred away, and a ball of 2 mm^3
def test_specks_only_are_refused(size):
    labels = np.zeros((20, 20, 20), dtype=np.uint8)
    labels[5 : 5 + size, 5 : 5 + size, 5 : 5 + size] = 2
    with pytest.raises(InputError, match="no lumen"):
        surface_from_labels(LabelImage(labels, np.zeros(3), np.full(3, 0.4e-3), np.eye(3)))


@pytest.mark.parametrize(("voxel", "severity"), [(0.3e-3, 0.8), (0.4e-3, 0.8), (0.5e-3, 0.7)])
@pytest.mark.parametrize("seed", range(2))
def test_a_throat_narrower_than_the_blur_does_not_break_the_surface(voxel, severity, seed):
    # 0.6 to 0.9 mm wide: the mask hangs together, and so must the surface.
    image = rod(3e-3, voxel, seed, severity)[0]
    assert label(image.labels, np.ones((3, 3, 3)))[1] == 1
    surface = surface_from_labels(image)
    assert triangle_components(surface.triangles).max() == 0
    assert len(self_crossings(surface.points, surface.triangles)) == 0


@pytest.mark.parametrize("step", [(0, 0, 1), (0, 1, 1), (1, 1, 1), (1, -1, 1)])
@pytest.mark.parametrize("voxel", [(0.4e-3, 0.4e-3, 0.4e-3), (0.35e-3, 0.35e-3, 0.6e-3)])
def test_wide_lumens_joined_over_the_corners_of_voxels_stay_one(voxel, step):
    """A random heart's right coronary broke in two where its throat was 1.2 voxels wide beside wide lumens."""
    labels = np.zeros((40, 40, 60), dtype=np.uint8)
    z, y, x = np.indices(labels.shape)
    end = np.array([20, 20, 29])
    labels[((z - 20) ** 2 + (y - 20) ** 2 < 16) & (x < 30) & (x > 5)] = 2
    beyond = end + 3 * np.array(step)
    labels[((z - beyond[0]) ** 2 + (y - beyond[1]) ** 2 < 16) & (x >= beyond[2]) & (x < 55)] = 2
    for k in range(4):
        labels[tuple(end + k * np.array(step))] = 2
    surface = surface_from_labels(LabelImage(labels, np.zeros(3), np.array(voxel), np.eye(3)))
    assert np.unique(triangle_components(surface.triangles)).size == 1
    reached = surface.points[:, 0] / voxel[0]
    assert reached.min() < 8 and reached.max() > 52


@pytest.mark.parametrize(("voxel", "tolerance"), [(0.3e-3, 0.03), (0.4e-3, 0.07)])
def test_a_short_stenosis_has_its_area_in_the_mean(voxel, tolerance):
    # 3 to 1.2 mm within 5 mm: taken for a straight vessel, the throat came out 9 and 12 % too large.
    ratios = []
    for seed in range(6):
        placed = place(stenosed_tube(3e-3, 0.6, 5e-3), np.full(3, voxel), np.random.default_rng(seed))
        arc = 0.1e-3 * np.arange(-20, 21)
        points, tangents = placed.centreline(arc)
        area = SectionCutter(surface_from_labels(placed.image)).cut(points, tangents, np.full(41, 4e-3)).area
        ratios.append(np.nanmin(area) / (np.pi * 0.6e-3**2))
    assert np.mean(ratios) == pytest.approx(1.0, abs=tolerance)


def test_chords_are_given_back():
    # 26 flat facets round a circle of 1.5 mm lack 0.97 % of its area.
    tube = _revolve(0.36e-3 * np.arange(60), np.full(60, 1.5e-3), 26)
    middle, axis = np.array([[0.0, 0.0, 10e-3]]), np.array([[0.0, 0.0, 1.0]])
    for points, lack in ((tube.points, -0.0097), (tube.points + chord_gap(tube.points, tube.triangles), 0.0)):
        area = SectionCutter(Surface(points, tube.triangles)).cut(middle, axis, np.full(1, 4e-3)).area
        assert area[0] / (np.pi * 1.5e-3**2) - 1.0 == pytest.approx(lack, abs=0.003)
