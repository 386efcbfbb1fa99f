"""Velocity of a prescribed flow through the inlet: what a long straight vessel of the cap's own shape would send.

Along such a vessel the velocity w solves, on the cap and with w = 0 at its rim,

    rho dw/dt - mu laplace w = G,

G being the pressure gradient that makes w carry the flow: on a circle the parabola in steady flow, and Womersley's
profile where the flow swings (Womersley 1955, J Physiol 127:553). In time it is solved by the fluid's own steps, from
what the fluid did at the inlet before. The fluid is Newtonian; the cap is planar and its mean normal the direction.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import ufl
from dolfinx import fem
from dolfinx.fem import petsc as fem_petsc
from numpy.typing import NDArray
from petsc4py import PETSc

from hemo.errors import InputError
from hemo.fem.domain import Domain
from hemo.fem.jit import jit_options
from hemo.tetmesh import INLET, WALL

Array = NDArray[np.float64]


class Entrance:
    """The velocity at the inlet, and the equation that gives it.

    Attributes
    ----------
    velocity
        P2 vector function, m/s: that of the flow last asked for; zero off the cap and on its rim.
    """

    def __init__(self, domain: Domain) -> None:
        self.velocity = fem.Function(_space(domain, (3,)), dtype=np.float64)
        self.space = _space(domain)
        self.normal = _mean_normal(domain)
        self.viscosity, self.rate = (fem.Constant(domain.mesh, np.float64(value)) for value in (0.0, 0.0))
        self.pull = fem.Function(self.space, dtype=np.float64)
        w, z, n = ufl.TrialFunction(self.space), ufl.TestFunction(self.space), ufl.FacetNormal(domain.mesh)
        ds, fine = (domain.boundary_measure(INLET, degree) for degree in (2, 4))

        def tangential(f: Any) -> Any:
            return ufl.grad(f) - ufl.dot(ufl.grad(f), n) * n

        stiffness = self.viscosity * ufl.inner(tangential(w), tangential(z)) * ds
        through = z * ufl.dot(n, ufl.as_vector(list(self.normal))) * ds
        self.form, self.gradient, self.remembered, through = (
            fem.form(form, jit_options=jit_options())
            for form in (stiffness + self.rate * w * z * fine, z * ds, self.pull * z * fine, through)
        )
        self.rim = fem.dirichletbc(np.float64(0.0), _held(domain, self.space), self.space)
        self.flux = _assembled(through)
        self.matrix = fem_petsc.create_matrix(self.form)
        self.ksp = PETSc.KSP().create(domain.comm)
        self.ksp.setOperators(self.matrix)
        self.ksp.setType("cg")
        self.ksp.getPC().setType("jacobi")
        self.ksp.setTolerances(rtol=1e-13, atol=0.0, max_it=5000)
        self.response = fem.Function(self.space, dtype=np.float64)

    def carry(self, flow: float, viscosity: float = 1.0, rate: float = 0.0, past: fem.Function | None = None) -> None:
        """Let the velocity carry a flow (m^3/s) INTO the lumen.

        Parameters
        ----------
        viscosity
            Pa s; in steady flow any.
        rate, past
            rho dw/dt is ``rate`` (kg/(m^3 s)) times w, and ``past`` (vector function, N/m^3), as in a time step.

        Raises
        ------
        InputError
            If the cap is too coarse to carry a flow (every P2 node of it lies on the rim).
        """
        if (viscosity, rate) != (float(self.viscosity.value), float(self.rate.value)):
            self._renew(viscosity, rate)
        along = np.zeros_like(self.response.x.array)
        if past is not None:
            before = fem.Function(self.velocity.function_space, dtype=np.float64)
            before.interpolate(past)
            self.pull.x.array[:] = before.x.array.reshape(-1, 3) @ self.normal
            own = self._solved(self.remembered)
            flow -= self.flux.dot(own.x.petsc_vec)
            along += own.x.array
        along += flow / self.flux.dot(self.response.x.petsc_vec) * self.response.x.array
        self.velocity.x.array[:] = np.outer(along, -self.normal).ravel()

    def _renew(self, viscosity: float, rate: float) -> None:
        """Assemble the matrix, and find the response to a pressure gradient of one."""
        self.viscosity.value, self.rate.value = viscosity, rate
        self.matrix.zeroEntries()
        fem_petsc.assemble_matrix_mat(self.matrix, self.form, bcs=[self.rim])
        self.matrix.assemble()
        self.ksp.setOperators(self.matrix)
        self.response = self._solved(self.gradient)
        if not self.flux.dot(self.response.x.petsc_vec) > 0.0:
            raise InputError("the inlet cap is too coarse to carry a flow; refine the mesh there.")

    def _solved(self, load: fem.Form) -> fem.Function:
        right, solution = _assembled(load), fem.Function(self.space, dtype=np.float64)
        fem_petsc.set_bc(right, [self.rim])
        self.ksp.solve(right, solution.x.petsc_vec)
        solution.x.scatter_forward()
        right.destroy()
        return solution


def _space(domain: Domain, shape: tuple[int, ...] = ()) -> fem.FunctionSpace:
    return fem.functionspace(domain.mesh, ("Lagrange", 2, shape), jit_options=jit_options())


def _assembled(form: fem.Form) -> PETSc.Vec:
    vector = fem_petsc.assemble_vector(form)
    vector.ghostUpdate(addv=PETSc.InsertMode.ADD, mode=PETSc.ScatterMode.REVERSE)
    return vector


def _mean_normal(domain: Domain) -> Array:
    normal = ufl.FacetNormal(domain.mesh)
    ds = domain.boundary_measure(INLET, 1)
    parts = [fem.assemble_scalar(fem.form(normal[i] * ds, jit_options=jit_options())) for i in range(3)]
    vector = np.array([domain.comm.allreduce(float(part)) for part in parts])
    return np.asarray(vector / np.linalg.norm(vector))


def _held(domain: Domain, space: fem.FunctionSpace) -> NDArray[np.int32]:
    """The nodes that are off the cap or on its rim, where w is zero."""
    cap, rim = (fem.locate_dofs_topological(space, 2, domain.facets(name)) for name in (INLET, WALL))
    count = space.dofmap.index_map.size_local + space.dofmap.index_map.num_ghosts
    marks = fem.Function(space, dtype=np.float64)
    marks.x.array[cap] = 1.0
    marks.x.scatter_forward()
    marks.x.array[rim] = 0.0
    marks.x.scatter_forward()
    return np.setdiff1d(np.arange(count, dtype=np.int32), np.flatnonzero(marks.x.array > 0.5).astype(np.int32))
