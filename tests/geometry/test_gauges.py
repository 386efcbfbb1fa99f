import numpy as np
import pytest

from hemo.geometry.synthetic.gauges import cylinder, place, random_rotation, stenosed_tube, tapering_tube, torus


@pytest.mark.parametrize("tube", [cylinder(3e-3), torus(3e-3), tapering_tube(3e-3), stenosed_tube(3e-3, 0.6, 10e-3)])
def test_the_label_map_has_the_tube_s_volume_and_place(tube):
    """Pappus: the volume is the integral of the section's area along the centreline, whatever the bend."""
    spacing = np.array([0.25e-3, 0.3e-3, 0.35e-3])
    placed = place(tube, spacing, np.random.default_rng(5))
    arc = tube.length * (np.arange(4000) + 0.5) / 4000 - tube.length / 2
    volume = np.mean(np.pi * tube.radius(arc) ** 2) * tube.length
    assert np.count_nonzero(placed.image.labels) * spacing.prod() == pytest.approx(volume, rel=0.01)
    inner = arc[np.abs(arc) < tube.length / 2 - 1e-3]
    points, tangents = placed.centreline(inner)
    assert np.all(placed.image.values_at(points) == 2)
    assert np.linalg.norm(tangents, axis=1) == pytest.approx(1.0)
    across = np.cross(tangents, [0.3, 0.5, 0.8])
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    beyond = points + (tube.radius(inner) + spacing.max())[:, None] * across
    assert not placed.image.values_at(beyond).any()


def test_random_rotations_are_rotations():
    turn = random_rotation(np.random.default_rng(0))
    assert turn @ turn.T == pytest.approx(np.eye(3))
    assert np.linalg.det(turn) == pytest.approx(1.0)
