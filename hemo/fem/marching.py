"""Pseudo-time steps to a steady flow from that of a more viscous fluid.

One Newton step of backward Euler, (rho M / dt + J) delta = F, from state to state (Kelley and Keyes 1998, SIAM J Numer
Anal 35:508, algorithm 2.1), the time step growing as the residual falls: dt_n = dt_0 |F_0| / |F_n| (their SER,
switched evolution relaxation, of Mulder and van Leer 1985, J Comput Phys 59:232). With dt without bound it is Newton's
method. Steps of this length damp waves in the jet; a flow that oscillates on is left to
:mod:`hemo.fem.averaging`.
"""

from __future__ import annotations

import numpy as np
from mpi4py import MPI

from hemo.fem.jit import compilation
from hemo.fem.problem import FlowProblem
from hemo.fem.sections import inlet_means

SHORTEST = 0.5  # times the first step
MARCHES = 40  # steps
FIRST_ZERO = 2.4048


def crossing_rate(problem: FlowProblem) -> float:
    """The largest speed over the inlet's equivalent diameter, 1/s: the rate of the first time step."""
    velocity = problem.velocity().x.array.reshape(-1, 3)
    fastest = float(np.linalg.norm(velocity, axis=1).max(initial=0.0))
    return float(problem.domain.comm.allreduce(fastest, op=MPI.MAX) / (2.0 * _inlet_radius(problem)))


def crossing_time(problem: FlowProblem) -> float:
    """The first time step, s: one over :func:`crossing_rate`, finite where nothing moves."""
    return 1.0 / max(crossing_rate(problem), 1e-300)


def viscous_time(problem: FlowProblem) -> float:
    """R^2 / (nu j^2) of the inlet, s: in which a developing profile comes e times nearer to its parabola.

    j = 2.4048 is the first zero of J_0 (Womersley 1955, J Physiol 127:553, for the start of flow in a pipe).
    """
    return _inlet_radius(problem) ** 2 / (problem.blood.viscosity / problem.blood.density * FIRST_ZERO**2)


def _inlet_radius(problem: FlowProblem) -> float:
    with compilation(problem.domain.comm):
        return float(np.sqrt(inlet_means(problem).area / np.pi))


def time_step(first: float, first_residual: float, residual: float) -> float:
    """The next time step, s: the longer, the smaller the residual has become."""
    return first * max(first_residual / max(residual, 1e-300), SHORTEST)
