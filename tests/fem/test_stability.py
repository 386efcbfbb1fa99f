"""Small disturbances of steady flow: of fluid at rest against closed forms, and what becomes of a flow not to last."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import jn_zeros, jv

from hemo.blood import Blood
from hemo.boundary import FlowConditions
from hemo.fem import solver
from hemo.fem.jit import compilation
from hemo.fem.linear import LaggedFactorisation
from hemo.fem.options import FemOptions
from hemo.fem.stability import Mode, leading_mode
from hemo.results import Status
from tests.fem import tubes
from tests.fem.solving import parabola, set_up, solved

RADIUS, LENGTH = 1.5e-3, 9e-3  # m
BLOOD = Blood()
POISEUILLE = 8 * BLOOD.viscosity * LENGTH / (np.pi * RADIUS**4)  # Pa s / m^3
VENOUS = 600.0  # Pa
SLOW = 1e-10  # m^3/s, Reynolds number 0.01


@pytest.fixture(scope="module")
def mesh():
    return tubes.tube(lambda z: np.full_like(z, RADIUS), np.linspace(0.0, LENGTH, 10), rings=4)


def pipe(mesh, resistance, flow=SLOW):
    conditions = FlowConditions(VENOUS + (POISEUILLE + resistance) * flow, VENOUS, {"out": resistance})
    return set_up(mesh, conditions, parabola(mesh, lambda z: np.full_like(z, RADIUS), flow))


@pytest.mark.parametrize("share", [1e-6, 1.0])
def test_a_pipe_at_rest_comes_to_rest_as_stokes_says(mesh, share):
    """Axial flow 1 - J_0(k r) / J_0(k R) against a bed that resists ``share`` times what the pipe does."""
    expected = brentq(lambda x: x**2 * jv(0, x) + 8.0 * share * jv(2, x), jn_zeros(0, 1)[0], jn_zeros(2, 1)[0])
    problem = pipe(mesh, share * POISEUILLE)
    with compilation(problem.domain.comm):
        linear = LaggedFactorisation(problem.create_matrix(), problem.outlets, FemOptions())
    mode = leading_mode(problem, linear, 0.05)
    assert mode.growth.real == pytest.approx(-BLOOD.viscosity / BLOOD.density * (expected / RADIUS) ** 2, rel=0.01)
    assert abs(mode.growth.imag) < 1e-3 * abs(mode.growth.real)
    linear.destroy()
    mode.shape.destroy()


def test_a_flow_that_lasts_is_said_to(mesh):
    problem = pipe(mesh, POISEUILLE, 0.2e-6)
    outcome = solver.solve_steady(problem, FemOptions(stability=True))
    assert outcome.status is Status.CONVERGED
    assert "It lasts: small disturbances die out" in outcome.message


def test_a_flow_that_does_not_last_is_none(mesh, monkeypatch):
    """The disturbance is a made-up one: that a growing one is found is what the tables are for."""
    problem = solved(pipe(mesh, POISEUILLE, 0.2e-6))
    x = problem.state.x.petsc_vec
    before = x.copy()

    def growing(*_):
        shape = x.duplicate()
        shape.set(1.0)
        return Mode(3.0 + 0.0j, shape)

    monkeypatch.setattr(solver, "leading_mode", growing)
    outcome = solver.solve_steady(problem, FemOptions(stability=True))
    assert outcome.status is Status.NOT_CONVERGED
    assert not outcome.status.usable
    assert "small disturbances grow, by 3 1/s" in outcome.message
    before.axpy(-1.0, x)
    assert 0.01 < before.norm() / x.norm() < 0.1
