import numpy as np
import pytest

from hemo.geometry.lumen.crosssection import SectionCutter
from hemo.geometry.lumen.surface import Surface
from hemo.geometry.synthetic.vessels import straight_stenosis

TUBE = straight_stenosis(3e-3, 40e-3, 0.5)[0]
POLYGON = 96 / (2 * np.pi) * np.sin(2 * np.pi / 96)  # share of the circle's area in the 96-gon


def test_area_perimeter_and_centroid_of_a_round_section():
    cut = SectionCutter(TUBE).cut(np.array([[0.3e-3, 0.2e-3, 33e-3]]), np.array([[0.0, 0.0, 1.0]]), np.array([3e-3]))
    assert cut.area[0] == pytest.approx(np.pi * 1.5e-3**2 * POLYGON, rel=1e-3)
    assert cut.perimeter[0] == pytest.approx(2 * np.pi * 1.5e-3, rel=1e-3)
    assert cut.centroid[0] == pytest.approx([0.0, 0.0, 33e-3], abs=1e-9)


def test_oblique_section_is_an_ellipse():
    normal = np.array([[np.sin(0.5), 0.0, np.cos(0.5)]])
    cut = SectionCutter(TUBE).cut(np.array([[0.0, 0.0, 33e-3]]), normal, np.array([1e-3]))  # a reach that is too short
    assert cut.area[0] == pytest.approx(np.pi * 1.5e-3**2 / np.cos(0.5) * POLYGON, rel=1e-3)


def test_only_the_loop_round_the_point_counts():
    aside = TUBE.points + np.array([3.1e-3, 0.0, 0.0])
    both = Surface(
        np.concatenate([TUBE.points, aside]), np.concatenate([TUBE.triangles, TUBE.triangles + len(TUBE.points)])
    )
    cut = SectionCutter(both).cut(np.array([[1.2e-3, 0.0, 33e-3]]), np.array([[0.0, 0.0, 1.0]]), np.array([5e-3]))
    assert cut.area[0] == pytest.approx(np.pi * 1.5e-3**2 * POLYGON, rel=1e-3)
    assert cut.centroid[0] == pytest.approx([0.0, 0.0, 33e-3], abs=1e-9)


def test_point_outside_has_no_section():
    cut = SectionCutter(TUBE).cut(np.array([[9e-3, 0.0, 33e-3]]), np.array([[0.0, 0.0, 1.0]]), np.array([3e-3]))
    assert np.isnan(cut.area[0])


def test_sections_cut_together_are_those_cut_alone():
    rng = np.random.default_rng(1)
    points = np.column_stack([rng.normal(0.0, 0.3e-3, (100, 2)), rng.uniform(1e-3, 39e-3, 100)])
    points[::7, 0] += 5e-3  # beside the vessel
    normals = np.array([0.0, 0.0, 1.0]) + rng.normal(0.0, 0.3, (100, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    reach = rng.uniform(0.2e-3, 4e-3, 100)
    cutter = SectionCutter(TUBE)
    together = cutter.cut(points, normals, reach)
    alone = [cutter.cut(points[[i]], normals[[i]], reach[[i]]) for i in range(100)]
    assert np.isnan(together.area).sum() >= 15
    assert np.isfinite(together.area).sum() >= 70
    for name in ("area", "perimeter", "centroid"):
        values = np.concatenate([getattr(cut, name) for cut in alone])
        assert getattr(together, name) == pytest.approx(values, rel=1e-12, nan_ok=True)


def test_no_planes_no_sections():
    assert SectionCutter(TUBE).cut(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0)).area.shape == (0,)


def test_long_triangles_elsewhere_change_nothing():
    rng = np.random.default_rng(2)
    corners = np.array([0.2, 0.0, 0.0]) + rng.uniform(0.0, 0.1, (3, 3))
    longer = Surface(
        np.concatenate([TUBE.points, corners]), np.concatenate([TUBE.triangles, [len(TUBE.points) + np.arange(3)]])
    )
    points = np.column_stack([np.zeros((20, 2)), np.linspace(5e-3, 35e-3, 20)])
    normals, reach = np.tile([0.1, 0.0, 0.995], (20, 1)), np.full(20, 3e-3)
    cuts = [SectionCutter(surface).cut(points, normals, reach) for surface in (TUBE, longer)]
    assert np.all(np.isfinite(cuts[0].area))
    assert cuts[1].area == pytest.approx(cuts[0].area, rel=1e-12)
    across = SectionCutter(longer).cut(
        corners.mean(axis=0)[None], normals[:1], np.full(1, 0.2)
    )  # one triangle, no loop
    assert np.isnan(across.area[0])
