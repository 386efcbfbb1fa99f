"""Section means of fields that the finite elements hold exactly."""

import numpy as np
import pytest
from dolfinx import fem
from mpi4py import MPI

from hemo.boundary import FlowConditions
from hemo.fem.jit import compilation
from hemo.fem.job import ProbeArrays
from hemo.fem.problem import set_state
from hemo.fem.sections import edge_fields, inlet_means, section_means, vertex_fields
from hemo.tetmesh import EDGES
from tests.fem import tubes
from tests.fem.solving import probes_at, set_up

RADIUS, LENGTH, RINGS = 1.5e-3, 6e-3, 2
HEIGHTS = (1e-3, 3.3e-3, 5e-3)
DENSITY = 1060.0


@pytest.fixture(scope="module")
def problem():
    """w = 1 - r^2 / R^2 m/s and p = 100 + 1e4 z Pa: quadratic and linear."""
    mesh = tubes.tube(lambda z: np.full_like(z, RADIUS), np.linspace(0.0, LENGTH, 6), RINGS)
    problem = set_up(mesh, FlowConditions(200.0, 100.0, {"out": 1e9}), np.zeros((len(mesh.points), 3)))
    spaces = [problem.state.function_space.sub(k).collapse()[0] for k in (0, 1)]
    velocity, pressure = (fem.Function(space, dtype=np.float64) for space in spaces)
    velocity.interpolate(lambda x: np.stack([0 * x[0], 0 * x[0], 1 - (x[0] ** 2 + x[1] ** 2) / RADIUS**2]))
    pressure.interpolate(lambda x: 100.0 + 1e4 * x[2])
    set_state(problem, velocity, pressure)
    # set_state put the wall at rest; the field of this test slips there.
    _, dofs = problem.state.function_space.sub(0).collapse()
    problem.state.x.array[np.asarray(dofs)] = velocity.x.array
    return mesh, problem


def exact_flow():
    """Over a regular polygon of the circle's area: A (1 - c^2 (2 + cos t) / (6 R^2)), c its circumradius."""
    corners = 6 * RINGS
    angle = 2 * np.pi / corners
    circumradius = RADIUS * np.sqrt(2 * np.pi / corners / np.sin(angle))
    return np.pi * RADIUS**2 * (1 - circumradius**2 / RADIUS**2 * (2 + np.cos(angle)) / 6)


def test_means_are_exact(problem):
    mesh, state = problem
    means = section_means(state, probes_at(mesh, HEIGHTS))
    assert means.area == pytest.approx(np.pi * RADIUS**2, rel=1e-12)
    assert means.pressure == pytest.approx(100.0 + 1e4 * np.array(HEIGHTS), rel=1e-12)
    assert means.flow == pytest.approx(exact_flow(), rel=1e-12)


def test_flow_has_the_sign_of_the_normal(problem):
    mesh, state = problem
    probes = tubes.section_arrays(mesh, np.array(HEIGHTS))
    turned = ProbeArrays(**{**probes, "normal": -probes["normal"]}, n_sections=len(HEIGHTS))
    assert section_means(state, turned).flow == pytest.approx(-exact_flow(), rel=1e-12)


def test_section_that_met_no_cell(problem):
    mesh, state = problem
    probes = tubes.section_arrays(mesh, np.array(HEIGHTS))
    means = section_means(state, ProbeArrays(**{**probes, "section": 2 * probes["section"]}, n_sections=6))
    assert means.area[1::2] == pytest.approx(0.0)
    assert np.isnan(means.pressure[1::2]).all()
    assert means.pressure[::2] == pytest.approx(100.0 + 1e4 * np.array(HEIGHTS))


def test_one_point_and_none(problem):
    mesh, state = problem
    arrays = tubes.section_arrays(mesh, np.array(HEIGHTS[:1]))
    single = {name: values[:1] for name, values in arrays.items()}
    means = section_means(state, ProbeArrays(**single, n_sections=1))
    assert means.pressure == pytest.approx(100.0 + 1e4 * HEIGHTS[0])
    nothing = section_means(state, ProbeArrays(**{name: values[:0] for name, values in arrays.items()}, n_sections=2))
    assert nothing.area.tolist() == [0.0, 0.0]


def test_inlet_means(problem):
    with compilation(MPI.COMM_SELF):
        inlet = inlet_means(problem[1])
    assert inlet.area == pytest.approx(np.pi * RADIUS**2, rel=1e-12)
    assert inlet.pressure == pytest.approx(100.0, rel=1e-12)
    assert inlet.inflow == pytest.approx(exact_flow(), rel=1e-12)
    assert inlet.total_pressure(DENSITY) == pytest.approx(100.0 + DENSITY / 2 * (exact_flow() / inlet.area) ** 2)


def test_vertex_fields_are_in_the_order_of_the_input(problem):
    mesh, state = problem
    velocity, pressure = vertex_fields(state)
    assert pressure == pytest.approx(100.0 + 1e4 * mesh.points[:, 2])
    squared = mesh.points[:, 0] ** 2 + mesh.points[:, 1] ** 2
    assert velocity[:, 2] == pytest.approx(1 - squared / RADIUS**2, abs=1e-12)


def test_edges_carry_the_quadratic_velocity(problem):
    mesh, state = problem
    edges, velocity = edge_fields(state)
    assert len(edges) == len(np.unique(np.sort(mesh.cells[:, EDGES], axis=2).reshape(-1, 2), axis=0))
    middle = mesh.points[edges].mean(axis=1)
    assert velocity[:, 2] == pytest.approx(1 - (middle[:, 0] ** 2 + middle[:, 1] ** 2) / RADIUS**2, abs=1e-12)
