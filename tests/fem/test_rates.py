"""Rates of convergence on a manufactured solution of the steady Navier-Stokes equations."""

import numpy as np
import pytest
import ufl
from dolfinx import fem
from mpi4py import MPI

from hemo.blood import Blood
from hemo.boundary import FlowConditions
from hemo.fem.domain import distribute, from_vertices, vertex_spaces
from hemo.fem.jit import compilation, jit_options
from hemo.fem.problem import build_problem, set_state
from tests.fem import tubes
from tests.fem.solving import solved

SIDE = 3e-3  # m
SPEED = 0.2  # m/s: Reynolds number 180 on the side
BLOOD = Blood()
COUNTS = (3, 6, 10)


def velocity(x, m):
    """Divergence-free; at x = SIDE all x-derivatives vanish and the fluid leaves. ``m`` is numpy or ufl."""
    xi, eta, zeta = x[0] / SIDE, x[1] / SIDE, x[2] / SIDE
    ux = 1.5 + (1 - xi) ** 3 * m.sin(2 * eta) * m.cos(2 * zeta)
    uy = -1.5 * (1 - xi) ** 2 * m.cos(2 * eta) * m.cos(2 * zeta)
    uz = 0.4 * m.cos(2 * eta) * (1 + (1 - xi) ** 3)
    return SPEED * ux, SPEED * uy, SPEED * uz


def pressure(x, m):
    """Zero at x = SIDE, where the natural condition asks for it."""
    xi, eta, zeta = x[0] / SIDE, x[1] / SIDE, x[2] / SIDE
    return 0.5 * BLOOD.density * SPEED**2 * m.sin(1 - xi) * m.cos(eta + zeta)


def cube(n):
    def tag(corners):
        x = corners[:, :, 0]
        return np.where(np.all(x < 1e-9, axis=1), 2, np.where(np.all(x > SIDE - 1e-9, axis=1), 3, 1)).astype(np.int32)

    return tubes.blocks(np.ones((n, n, n), dtype=bool), SIDE / n, tag, {1: "wall", 2: "inlet", 3: "out"})


def newtonian(u):
    return BLOOD.viscosity * ufl.div(ufl.grad(u))


def errors(n, blood=BLOOD, viscous_force=newtonian):
    """Relative errors: velocity in L2 and in the H1 seminorm, pressure in L2."""
    mesh = cube(n)
    with compilation(MPI.COMM_SELF):
        domain = distribute(mesh, MPI.COMM_SELF)
        x = ufl.SpatialCoordinate(domain.mesh)
        u, p = ufl.as_vector(velocity(x, ufl)), pressure(x, ufl)
        force = blood.density * ufl.grad(u) * u - viscous_force(u) + ufl.grad(p)
        problem = build_problem(
            domain,
            blood,
            FlowConditions(100.0, 0.0, {"out": 0.0}),
            force=force,
            prescribed_velocity=lambda x: np.array(velocity(x, np)),
        )
        scalars, vectors = vertex_spaces(domain)
    guess = np.column_stack([np.broadcast_to(c, len(mesh.points)) for c in velocity(mesh.points.T, np)])
    set_state(problem, from_vertices(vectors, guess), from_vertices(scalars, np.zeros(len(mesh.points))))
    solved(problem)
    difference, gap = problem.velocity() - u, problem.pressure() - p
    pairs = ((difference, u), (ufl.grad(difference), ufl.grad(u)), (gap, p))
    with compilation(MPI.COMM_SELF):
        return [norm(error) / norm(exact) for error, exact in pairs]


def norm(expression):
    form = fem.form(ufl.inner(expression, expression) * ufl.dx(degree=6), jit_options=jit_options())
    return np.sqrt(fem.assemble_scalar(form))


@pytest.fixture(scope="module")
def rates():
    table = np.array([errors(n) for n in COUNTS])
    steps = np.log(np.array(COUNTS[1:]) / np.array(COUNTS[:-1]))
    return -np.diff(np.log(table), axis=0) / steps[:, None], table


@pytest.mark.parametrize(("column", "least"), [(0, 2.8), (1, 1.9), (2, 1.8)], ids=["velocity", "gradient", "pressure"])
def test_rates(rates, column, least):
    found, table = rates
    assert found[-1, column] >= least, f"rates {found[:, column]}, errors {table[:, column]}"


def test_errors_are_small(rates):
    """The rates are those of a solution that is right, not of one that is far off."""
    assert np.all(rates[1][-1] < [1e-4, 1e-2, 5e-3])
