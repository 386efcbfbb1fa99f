"""A solution looked up at the vertices of another mesh, and solves that start from it."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from hemo.blood import Blood
from hemo.boundary import FlowConditions
from hemo.case import Case
from hemo.fem.carryover import Fields, all_edges, carried_over, edge_rows, looked_up
from hemo.fem.job import write_job
from hemo.fem.launch import run_worker
from hemo.fem.options import FemOptions
from hemo.fem.result import read_result
from hemo.femstages import _largest_reynolds
from hemo.results import BranchFlow, Status, TreeFlow
from hemo.tetmesh import EDGES
from hemo.tree import Branch, VesselTree
from tests.fem import tubes
from tests.fem.solving import parabola, probes_at

RADIUS, LENGTH = 1.5e-3, 6e-3
FLOW = 0.6e-6  # m^3/s
HEIGHTS = (11e-3, 20.2e-3, 29e-3)


def straight(rings, layers):
    return tubes.tube(lambda z: np.full_like(z, RADIUS), np.linspace(0.0, LENGTH, layers), rings)


def velocity(x):
    """Quadratic, in m/s."""
    x = x / RADIUS
    return np.column_stack([x[:, 0] * x[:, 1], 1 - x[:, 0] ** 2 - x[:, 1] ** 2, x[:, 2] ** 2 - x[:, 0]])


def pressure(x):
    return 100.0 + 1e4 * x[:, 2] - 2e4 * x[:, 0]


def fields_on(mesh):
    edges = np.random.default_rng(1).permutation(all_edges(mesh))[:, ::-1]
    return Fields(velocity(mesh.points), pressure(mesh.points), edges, velocity(mesh.points[edges].mean(axis=1)))


def test_quadratic_velocity_and_linear_pressure_are_kept():
    mesh, other = straight(2, 7), straight(3, 12)
    inside = np.hypot(other.points[:, 0], other.points[:, 1]) < 0.9 * RADIUS
    found, level = looked_up(mesh, fields_on(mesh), other.points[inside])
    assert found == pytest.approx(velocity(other.points[inside]), abs=1e-12)
    assert level == pytest.approx(pressure(other.points[inside]), rel=1e-12)


def test_places_outside_take_values_from_beside_them():
    mesh = straight(3, 7)
    angle = np.linspace(0, 2 * np.pi, 50)
    beyond = np.column_stack([1.05 * RADIUS * np.cos(angle), 1.05 * RADIUS * np.sin(angle), np.full(50, LENGTH / 3)])
    found, level = looked_up(mesh, fields_on(mesh), beyond)
    on_wall = beyond * [1 / 1.05, 1 / 1.05, 1.0]
    assert np.abs(found - velocity(on_wall)).max() < 0.5
    assert np.abs(level - pressure(on_wall)).max() < 2e4 * 0.5e-3 + 1e4 * 1e-3


def test_edges_in_any_order():
    mesh = straight(2, 4)
    edges, wanted = fields_on(mesh).edges, mesh.cells[:, EDGES].reshape(-1, 2)
    assert np.array_equal(np.sort(edges[edge_rows(edges, wanted)], axis=1), np.sort(wanted, axis=1))
    assert len(edges) == len(np.unique(np.sort(wanted, axis=1), axis=0))


@pytest.fixture(scope="module")
def solve(tmp_path_factory):
    """Solves a stenosis on tubes of so many rings, from the guess or from fields that are said to be a solution."""
    radius, folder = tubes.cosine_stenosis(0.5), tmp_path_factory.mktemp("solves")
    conditions = FlowConditions(12000.0, 600.0, {"out": 11000.0 / FLOW}, None)

    def found(name, mesh, fields=None):
        start, between = (parabola(mesh, radius, FLOW), np.full(len(mesh.points), 12000.0)), None
        if fields is not None:
            start, between = (fields.velocity, fields.pressure), (fields.edges, fields.edge_velocity)
        options = FemOptions(tolerance=1e-10, flow_tolerance=1e-9, solved=fields is not None)
        write_job(folder / name, mesh, probes_at(mesh, HEIGHTS), start, Blood(), conditions, options, between=between)
        run_worker(folder / name, 1)
        return read_result(folder / name)

    return found


def stenosis(rings, size):
    radius = tubes.cosine_stenosis(0.5)
    return tubes.tube(radius, 10e-3 + tubes.graded_stations(lambda z: radius(z + 10e-3), 20e-3, size), rings=rings)


@pytest.fixture(scope="module")
def fine(solve):
    return solve("fine", stenosis(3, 1.2))


def test_a_start_from_a_coarser_mesh_changes_the_way_and_not_the_answer(solve, fine):
    coarse, mesh = stenosis(2, 1.6), stenosis(3, 1.2)
    carried = solve("carried", mesh, carried_over(coarse, solve("coarse", coarse), mesh))
    assert carried.status is Status.CONVERGED
    assert carried.section_pressure == pytest.approx(fine.section_pressure, abs=1e-6)
    assert len(carried.iterations) <= len(fine.iterations) - 3
    assert {step["viscosity_factor"] for step in carried.iterations} == {1.0}
    assert all(step["newton"] for step in carried.iterations)


def test_a_solution_of_the_same_mesh_is_known_as_one(solve, fine):
    again = solve("again", stenosis(3, 1.2), fine)
    assert len(again.iterations) == 1
    assert again.section_pressure == pytest.approx(fine.section_pressure, abs=1e-7)


def test_a_start_that_is_none_costs_steps_and_not_the_answer(solve, fine):
    turned = replace(fine, velocity=-3.0 * fine.velocity, edge_velocity=-3.0 * fine.edge_velocity)
    found = solve("turned", stenosis(3, 1.2), turned)
    assert found.status is Status.CONVERGED
    assert found.section_pressure == pytest.approx(fine.section_pressure, abs=1e-6)


def test_the_largest_reynolds_number_is_that_of_the_throat():
    """It decides whether a coarse mesh's jet is worth starting from."""
    arc = np.linspace(0.0, 20e-3, 21)
    radius = np.where(np.abs(arc - 10e-3) < 2e-3, 0.75e-3, 1.5e-3)
    points = np.column_stack([0 * arc, 0 * arc, arc])
    tree = VesselTree("left", (Branch("LAD", points, radius, np.pi * radius**2, np.full(21, 1.5e-3)),))
    flow = TreeFlow("reduced", Status.CONVERGED, 12000.0, {"LAD": BranchFlow(0 * arc, np.full(21, 1e-6))})
    case = Case.model_validate({"case": {"name": "throat"}, "geometry": {"tree": "none.json"}})
    start = SimpleNamespace(tree=tree, reduced=flow)
    assert _largest_reynolds(case, start) == pytest.approx(4e-6 * 1060.0 / (np.pi * 1.5e-3 * 3.5e-3))
