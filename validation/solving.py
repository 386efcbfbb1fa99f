"""What benchmarks and tests of the finite elements share: building a problem, a first guess, and solving."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

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
from validation.tets import section_arrays

Array = NDArray[Any]


def parabola(mesh: TetMesh, radius: Callable[[Array], Array], flow: float) -> Array:
    """(n, 3) velocity 2 Q / A (1 - r^2 / R(z)^2) along z at the vertices, m/s; ``radius`` in m, ``flow`` in m^3/s."""
    z = mesh.points[:, 2]
    squared = (mesh.points[:, 0] ** 2 + mesh.points[:, 1] ** 2) / radius(z) ** 2
    velocity = np.zeros((len(z), 3))
    velocity[:, 2] = 2 * flow / (np.pi * radius(z) ** 2) * np.clip(1 - squared, 0, 1)
    return velocity


def set_up(
    mesh: TetMesh,
    conditions: FlowConditions,
    guess: Array,
    blood: Blood | None = None,
    comm: MPI.Intracomm = MPI.COMM_SELF,
    leak: Array | None = None,
    unsteady: bool = False,
    options: FemOptions | None = None,
) -> FlowProblem:
    """The problem with velocities (n, 3), m/s, at the vertices and the aortic pressure to begin with."""
    with compilation(comm):
        domain = distribute(mesh if comm.rank == 0 else None, comm)
        problem = build_problem(domain, blood or Blood(), conditions, options, leak=leak, unsteady=unsteady)
        scalars, vectors = vertex_spaces(domain)
    pressure = np.full(len(mesh.points), conditions.aortic_pressure)
    set_state(problem, from_vertices(vectors, guess), from_vertices(scalars, pressure))
    return problem


def solved(problem: FlowProblem, **options: Any) -> FlowProblem:
    """The same problem, solved; an error if it does not converge."""
    outcome = solve_steady(problem, FemOptions(**options))
    if outcome.status is not Status.CONVERGED:
        raise RuntimeError(outcome.message)
    return problem


def probes_at(mesh: TetMesh, heights: Any) -> ProbeArrays:
    """Probes on the planes z = heights, m."""
    return ProbeArrays(**section_arrays(mesh, np.asarray(heights)), n_sections=len(heights))
