import numpy as np
import pytest
from scipy.spatial import ConvexHull
from scipy.special import erf

from hemo.geometry.lumen.labelfield import edge_level
from hemo.geometry.lumen.wallvalue import blurred_at_wall
from hemo.geometry.synthetic.vessels import Stenosis, _revolve
from hemo.triangles import vertex_normals


@pytest.mark.parametrize("radius", [1.0, 1.5, 3.0])
def test_ball_at_its_own_wall(radius):
    # Points of a Fibonacci lattice: 0.07 apart on the unit ball.
    count = 2500
    k = np.arange(count) + 0.5
    z, turn = 1.0 - 2.0 * k / count, np.pi * (1.0 + 5.0**0.5) * k
    points = np.column_stack([np.sqrt(1 - z**2) * np.cos(turn), np.sqrt(1 - z**2) * np.sin(turn), z])
    hull = ConvexHull(points)
    corners = points[hull.simplices]
    outward = (
        np.einsum("ij,ij->i", np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), corners[:, 0]) > 0
    )
    triangles = np.where(outward[:, None], hull.simplices, hull.simplices[:, ::-1]).astype(np.int64)
    sigma = 1.0 / radius
    value = blurred_at_wall(points, triangles, points, sigma, np.arange(0, count, 50))
    ball = 0.5 * erf(np.sqrt(2.0) / sigma) - sigma / np.sqrt(2.0 * np.pi) * (1.0 - np.exp(-2.0 / sigma**2))
    assert value == pytest.approx(ball, abs=0.006)


def value_at_middle(radius, sigma):
    """Value at the middle of a tube whose radius (m) is given every 0.2 mm, with triangles as long as wide there."""
    arc = 0.2e-3 * np.arange(len(radius))
    middle = len(radius) // 2
    around = round(2.0 * np.pi * radius[middle] / 0.2e-3)
    tube = _revolve(arc, radius, around)
    normals = vertex_normals(tube.points, tube.triangles)
    return blurred_at_wall(tube.points, tube.triangles, normals, sigma, np.array([middle * around]))[0]


@pytest.mark.parametrize("ratio", [1.5, 2.0, 3.0, 5.0])
def test_straight_vessel_has_the_edge_level_of_a_disc(ratio):
    sigma = 1.5e-3 / ratio
    value = value_at_middle(np.full(101, 1.5e-3), sigma)
    assert value == pytest.approx(float(edge_level(np.array(1.5e-3), sigma)), abs=0.002)


def test_throat_lies_higher_than_a_straight_vessel_of_its_width():
    # To first order in the curvatures the level is 1/2 - sigma (1/R + kappa) / (2 sqrt(2 pi)).
    arc, sigma, length, severity = 0.2e-3 * np.arange(201), 0.35e-3, 10e-3, 0.4
    throat = 3e-3 * Stenosis(arc[100], length, severity).factor(arc)
    raised = value_at_middle(throat, sigma) - value_at_middle(np.full(201, throat[100]), sigma)
    bend = 3e-3 * severity / 2.0 * (2.0 * np.pi / length) ** 2
    assert raised == pytest.approx(sigma * bend / (2.0 * np.sqrt(2.0 * np.pi)), rel=0.1)
