"""What the finite-element tests share: building a problem, a first guess, solving, and the Jacobian by differences."""

from __future__ import annotations

import numpy as np

from hemo.fem.problem import FlowProblem
from validation.solving import parabola, probes_at, set_up, solved

__all__ = ["jacobian_error", "parabola", "probes_at", "set_up", "solved"]


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
