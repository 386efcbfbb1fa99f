"""What the finite-element tests share: building a problem, a first guess, and solving."""

from __future__ import annotations

import numpy as np
from mpi4py import MPI

from hemo.blood import Blood
from hemo.boundary import FlowConditions
from hemo.fem.domain import distribute, from_vertices, vertex_spaces
from hemo.fem.jit import compilation
from hemo.fem.job import ProbeArrays
from hemo.fem.options import FemOptions
from hemo.fem.problem import FlowProblem, build_problem, set_state
from hemo.fem.solver import solve_steady
from hemo.results import Status
from hemo.tetmesh import TetMesh
from tests.fem import tubes


def parabola(mesh: TetMesh, radius, flow: float) -> np.ndarray:
    """(n, 3) velocity 2 Q / A (1 - r^2 / R(z)^2) along z at the vertices."""
    z = mesh.points[:, 2]
    squared = (mesh.points[:, 0] ** 2 + mesh.points[:, 1] ** 2) / radius(z) ** 2
    velocity = np.zeros((len(z), 3))
    velocity[:, 2] = 2 * flow / (np.pi * radius(z) ** 2) * np.clip(1 - squared, 0, 1)
    return velocity


def set_up(
    mesh: TetMesh,
    conditions: FlowConditions,
    guess: np.ndarray,
    blood: Blood | None = None,
    comm=MPI.COMM_SELF,
    leak: np.ndarray | None = None,
    unsteady: bool = False,
) -> FlowProblem:
    """The problem with velocities (n, 3) at the vertices and the aortic pressure to begin with."""
    with compilation(comm):
        domain = distribute(mesh if comm.rank == 0 else None, comm)
        problem = build_problem(domain, blood or Blood(), conditions, leak=leak, unsteady=unsteady)
        scalars, vectors = vertex_spaces(domain)
    pressure = np.full(len(mesh.points), conditions.aortic_pressure)
    set_state(problem, from_vertices(vectors, guess), from_vertices(scalars, pressure))
    return problem


def solved(problem: FlowProblem, **options) -> FlowProblem:
    """The same problem, solved; the test fails if it does not converge."""
    outcome = solve_steady(problem, FemOptions(**options))
    assert outcome.status is Status.CONVERGED, outcome.message
    return problem


def probes_at(mesh: TetMesh, heights) -> ProbeArrays:
    """Probes on the planes z = heights."""
    return ProbeArrays(**tubes.section_arrays(mesh, np.asarray(heights)), n_sections=len(heights))


def jacobian_error(problem: FlowProblem, start: np.ndarray, way: np.ndarray) -> float:
    """The Jacobian at a state times a direction against differences of the residual, relative; one rank."""
    x, way = problem.state.x.petsc_vec, way.copy()
    way[problem.prescribed_rows] = 0.0
    values = []
    for step in (1e-6, -1e-6):
        x.array[:] = start + step * way
        problem.state.x.scatter_forward()
        vector = problem.residual()
        values.append(np.array(vector.array_r))
        vector.destroy()
    x.array[:] = start
    problem.state.x.scatter_forward()
    matrix = problem.create_matrix()
    problem.assemble_jacobian(matrix)
    direction, image = matrix.createVecs()
    direction.array[:] = way
    matrix.mult(direction, image)
    free = np.setdiff1d(np.arange(len(way)), problem.prescribed_rows)
    change = (values[0] - values[1])[free] / 2e-6
    return float(np.linalg.norm(image.array[free] - change) / np.linalg.norm(change))
