"""The kernel of the cells' Jacobian against the forms' own."""

import numpy as np
import pytest
from dolfinx import fem
from mpi4py import MPI

from hemo.blood import Blood
from hemo.boundary import FlowConditions
from hemo.fem.jit import compilation, jit_options
from hemo.fem.options import FemOptions
from hemo.fem.weakform import weak_form
from tests.fem import tubes
from tests.fem.solving import set_up

RADIUS = 1.5e-3


@pytest.mark.parametrize("newton", [0.0, 1.0], ids=["Picard", "Newton"])
@pytest.mark.parametrize(("unsteady", "leaking"), [(False, False), (True, False), (False, True), (True, True)])
def test_kernel_is_the_form(newton, unsteady, leaking):
    mesh = tubes.tube(lambda z: np.full_like(z, RADIUS), np.linspace(0.0, 4e-3, 5), rings=2)
    rng = np.random.default_rng(5)
    leak = rng.uniform(0.0, 1e-2, len(mesh.cells)) if leaking else None
    conditions = FlowConditions(12000.0, 600.0, {"out": 1e9}, 1.5e-6)
    problem = set_up(mesh, conditions, np.zeros_like(mesh.points), leak=leak, unsteady=unsteady)
    problem.state.x.array[:] = rng.normal(0.0, 0.3, len(problem.state.x.array))
    problem.set_time_step(1e-3, 1.5)
    problem.coefficients.newton.value = newton
    if unsteady:
        problem.coefficients.past.x.array[:] = rng.normal(0.0, 300.0, len(problem.state.x.array))
    matrix = problem.create_matrix()
    problem.assemble_jacobian(matrix)
    found = matrix[:, :]
    with compilation(MPI.COMM_SELF):
        whole = weak_form(
            problem.domain,
            Blood(),
            conditions,
            FemOptions(),
            problem.state,
            problem.pressure_unit,
            problem.coefficients,
        )
        form = fem.form(whole.jacobian + whole.jacobian_on_caps, jit_options=jit_options())
    expected = fem.assemble_matrix(form, bcs=list(problem.prescribed)).to_dense()
    assert np.abs(found - expected).max() < 1e-12 * np.abs(expected).max()
    scale = np.sqrt(np.abs(expected.diagonal()) + 1e-9 * np.abs(expected).max())
    assert (np.abs(found - expected) / np.outer(scale, scale)).max() < 1e-9
