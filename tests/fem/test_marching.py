"""Steps of pseudo-time: their length, and that they reach the flow that Newton's method reaches."""

import numpy as np
import pytest

from hemo.blood import Blood
from hemo.boundary import FlowConditions
from hemo.fem import solver
from hemo.fem.marching import crossing_rate, time_step
from hemo.fem.options import FemOptions
from hemo.results import Status
from tests.fem import tubes
from tests.fem.solving import jacobian_error, parabola, set_up

RADIUS, LENGTH, FLOW = 1.5e-3, 12e-3, 2e-6  # m, m, m^3/s: Reynolds number 257


def radius(z):
    return RADIUS * (1 - 0.2 * (1 + np.cos(2 * np.pi * (z - LENGTH / 2) / LENGTH)))


@pytest.fixture(scope="module")
def narrowed():
    return tubes.tube(radius, np.linspace(0.0, LENGTH, 17), rings=3)


def problem_of(mesh):
    conditions = FlowConditions(13000.0, 600.0, {"out": 2e9}, inlet_flow=FLOW)
    return set_up(mesh, conditions, parabola(mesh, radius, FLOW), Blood())


def test_the_first_step_is_the_time_to_cross_an_inlet_diameter(narrowed):
    ends, narrow = radius(np.array([0.0, LENGTH / 2]))
    rate = 2 * FLOW / (np.pi * narrow**2) / (2 * ends)
    assert crossing_rate(problem_of(narrowed)) == pytest.approx(rate, rel=0.15)  # the inlet is a polygon


def test_steps_grow_as_the_residual_falls():
    assert time_step(2e-3, 1.0, 1.0) == 2e-3
    assert time_step(2e-3, 1.0, 1e-3) == pytest.approx(2.0)
    assert time_step(2e-3, 1.0, 10.0) == 1e-3


def test_they_and_the_continuation_reach_the_same_flow(narrowed, monkeypatch):
    """Steps of pseudo-time follow the first level; the continuation goes on from it where they do not settle."""
    in_time, by_continuation = problem_of(narrowed), problem_of(narrowed)
    steps = []
    outcome = solver.solve_steady(in_time, FemOptions(), on_step=steps.append)
    assert outcome.status is Status.CONVERGED
    assert {step.viscosity_factor for step in steps} == {8.0, 1.0}
    assert float(in_time.coefficients.density_rate.value) == 0.0
    monkeypatch.setattr(solver._Continuation, "_march", failed_march)
    steps.clear()
    outcome = solver.solve_steady(by_continuation, FemOptions(), on_step=steps.append)
    assert outcome.status is Status.CONVERGED
    levels = {step.viscosity_factor for step in steps}
    assert len(levels) > 3
    assert sorted(levels)[-2] == pytest.approx(8 * 0.7)
    difference = by_continuation.state.x.array - in_time.state.x.array
    assert np.linalg.norm(difference) < 1e-5 * np.linalg.norm(in_time.state.x.array)


def failed_march(self):
    """Leave a state from which nothing is to be learned."""
    self.marched = True
    self.x.set(0.3)
    return solver._End.FAILED


def test_the_jacobian_of_stabilised_flow_is_its_derivative(narrowed):
    conditions = FlowConditions(13000.0, 600.0, {"out": 0.0}, inlet_flow=FLOW)
    problem = set_up(narrowed, conditions, parabola(narrowed, radius, FLOW), Blood())
    start = np.array(problem.state.x.petsc_vec.array_r)
    way = np.random.default_rng(5).normal(0.0, 1.0, len(start))
    assert jacobian_error(problem, start, way) < 1e-6
