r"""Traction of the fluid on the wall from the variationally consistent boundary flux.

The momentum residual tested with a velocity :math:`v` that does not vanish on the wall is not zero: it is the
force that the wall holds against the fluid (Gresho, Lee, Sani 1987, Int J Numer Methods Fluids 7:371; Brezzi,
Hughes, Süli 2001, Comput Methods Appl Mech Eng 190:2757),

.. math::

    R(v) = \int_{\Gamma_w} (\mu\, \partial u / \partial n - p n) \cdot v
    \quad\Rightarrow\quad
    \int_{\Gamma_w} \tau \cdot v = -R(v) - \int_{\Gamma_w} p\, n \cdot v ,

with n out of the fluid, the force per area ON the wall :math:`t = p n + \tau` and :math:`\tau = -\mu\, \partial u
/ \partial n`. The pressure is that of the solution, so the jumps of n between flat facets are met exactly and
only :math:`\tau`, which is smooth, is sought as a continuous field: piecewise linear, tested with piecewise
linear v (they are in the quadratic velocity space), with a lumped mass, and averaged once over its neighbours.
Each of these keeps the whole force. The residual includes whatever stabilises the solution, so force and momentum
balance as the discrete equations do.

Quadratic v would separate corners of the faceted wall from the middles of its edges, where the true traction on a
polygon is nearly 0 and nearly 2 times its mean. Scatter (standard deviation) of the nodal axial traction in
Poiseuille flow, unstructured mesh with 6 cells a diameter, without and with streamline and grad-div
stabilisation: quadratic 38 % and 114 %, linear with the full mass matrix 1.3 % and 6.6 %, lumped 0.5 % and 2.3 %,
averaged 0.2 % and 1.0 %; the facets' means of the last 0.1 % and 0.5 %. On the relative axial force on half a 50 %
stenosis, where pressure and shear nearly cancel, the reaction is off by 0.1 to 1 %, the velocity's gradient by 4.5 %.

Caps with natural conditions add nothing to R on the rim that they share with the wall. A cap with prescribed
velocity does, so on its rim :math:`\tau` is taken from the velocity's gradient.
"""

from __future__ import annotations

import numpy as np
import ufl
from dolfinx import fem
from dolfinx.fem import petsc as fem_petsc
from numpy.typing import NDArray
from petsc4py import PETSc

from hemo.fem.domain import to_vertices, vertex_spaces
from hemo.fem.jit import jit_options
from hemo.fem.problem import FlowProblem
from hemo.fem.weakform import local_viscosity
from hemo.results import WallTraction
from hemo.tetmesh import INLET, WALL, TetMesh
from hemo.triangles import unit_normals, vertex_normals

Array = NDArray[np.float64]


def wall_traction(problem: FlowProblem, tet: TetMesh | None, level: float = 0.0) -> WallTraction | None:
    """Traction on the wall of the input mesh; collective, the result is on rank 0 and None elsewhere.

    Parameters
    ----------
    tet
        The input mesh, on rank 0.
    level
        Pa added to the pressure.
    """
    total = problem.domain.points_total
    recovery = TractionRecovery(problem)
    viscous, pressure = to_vertices(recovery.viscous(), total), to_vertices(problem.pressure(), total)
    recovery.destroy()
    if viscous is None or pressure is None or tet is None:
        return None
    return traction_on(tet, pressure + level, viscous)


def traction_on(tet: TetMesh, pressure: Array, viscous: Array) -> WallTraction:
    """Nodal and facet values of the traction p n + tau on the wall triangles of a mesh.

    The force on a triangle is the integral of the two linear fields; its component along the triangle's own normal
    is in ``facet_pressure``, so pressure and shear of the facets together hold the whole force.

    Parameters
    ----------
    pressure, viscous
        (n,) and (n, 3) values at the mesh's vertices, Pa; read on the wall only.
    """
    used, triangles = np.unique(tet.facets_of(WALL), return_inverse=True)
    triangles = triangles.reshape(-1, 3).astype(np.int64)
    points, p, tau = tet.points[used], pressure[used], viscous[used]
    facet_normal = unit_normals(points[triangles])
    facet_tau = tau[triangles].mean(axis=1)
    facet_along = np.einsum("ij,ij->i", facet_tau, facet_normal)
    return WallTraction(
        points=points,
        triangles=triangles,
        pressure=p,
        shear=along_wall(tau, vertex_normals(points, triangles)),
        facet_pressure=p[triangles].mean(axis=1) + facet_along,
        facet_shear=facet_tau - facet_along[:, None] * facet_normal,
    )


def along_wall(vectors: Array, normal: Array) -> Array:
    """(n, 3) vectors less what they have along (n, 3) unit normals."""
    return np.asarray(vectors - np.einsum("ij,ij->i", vectors, normal)[:, None] * normal)


class TractionRecovery:
    """The viscous part of the traction on the wall, recovered from a problem's state as often as asked."""

    def __init__(self, problem: FlowProblem) -> None:
        self.problem = problem
        domain = problem.domain
        scalars, vectors = vertex_spaces(domain)
        ds, v = domain.boundary_measure(WALL, 2), ufl.TestFunction(vectors)
        normal = ufl.FacetNormal(domain.mesh)
        self.pressure = fem.Function(problem.pressure_part.space, dtype=np.float64)
        self.lumped, self.tau = (fem.Function(vectors, dtype=np.float64) for _ in range(2))
        self.pressure_force = _form(self.pressure * ufl.dot(normal, v) * ds)
        self.average = _form(ufl.inner(self.lumped, v) * ds)
        self.area = _assembled(_form(ufl.TestFunction(scalars) * ds)).reshape(-1, 1)
        self._find_wall(vectors)
        self.rim = _prescribed_rim(problem, vectors)
        self.gradient_force = None
        if domain.comm.allreduce(len(self.rim)) > 0:
            self.velocity = fem.Function(problem.velocity_part.space, dtype=np.float64)
            plateau = fem.Constant(domain.mesh, np.float64(problem.blood.viscosity))
            mu = local_viscosity(plateau, problem.blood, self.velocity)
            self.gradient_force = _form(-mu * ufl.dot(ufl.dot(ufl.grad(self.velocity), normal), v) * ds)

    def _find_wall(self, vectors: fem.FunctionSpace) -> None:
        """The residual's rows of the wall, and the way from them to the hat functions of the wall's vertices."""
        space, places = self.problem.velocity_part.space, self.problem.velocity_part.places
        wall = fem.locate_dofs_topological(space, 2, self.problem.domain.facets(WALL))
        self.wall = wall[wall < space.dofmap.index_map.size_local]
        self.rows = places.reshape(-1, 3)[self.wall]
        self.embedding = fem_petsc.interpolation_matrix(vectors, space)
        self.embedding.assemble()
        self.quadratic, self.linear = self.embedding.createVecLeft(), self.embedding.createVecRight()

    def viscous(self) -> fem.Function:
        """tau of the current state, Pa, piecewise linear, zero off the wall; the same function at every call."""
        self.pressure.x.array[:] = self.problem.pressure().x.array
        force = (-self._reaction() - _assembled(self.pressure_force)).reshape(-1, 3)
        if self.gradient_force is not None:
            self.velocity.x.array[:] = self.problem.velocity().x.array
            force[self.rim] = _assembled(self.gradient_force).reshape(-1, 3)[self.rim]
        self._per_area(force, self.lumped)
        self._per_area(_assembled(self.average).reshape(-1, 3), self.tau)
        return self.tau

    def _per_area(self, force: Array, tau: fem.Function) -> None:
        """Nodal forces (n, 3), N, over nodal areas, m^2; zero off the wall."""
        values = np.divide(force, self.area, out=np.zeros_like(force), where=self.area > 0.0)
        tau.x.array[: force.size] = values.ravel()
        tau.x.scatter_forward()

    def _reaction(self) -> Array:
        """The residual's rows of the wall, tested with the hat functions of the wall's vertices instead, N."""
        residual = self.problem.residual(raw=True)
        self.quadratic.set(0.0)
        self.quadratic.array.reshape(-1, 3)[self.wall] = residual.array_r[self.rows]
        residual.destroy()
        self.embedding.multTranspose(self.quadratic, self.linear)
        return np.array(self.linear.array_r)

    def destroy(self) -> None:
        """Free what PETSc holds."""
        for item in (self.embedding, self.quadratic, self.linear):
            item.destroy()


def _prescribed_rim(problem: FlowProblem, vectors: fem.FunctionSpace) -> NDArray[np.int32]:
    """Owned vertices that the wall shares with an inlet of prescribed velocity."""
    if problem.conditions.inlet_flow is None:
        return np.empty(0, dtype=np.int32)
    wall, inlet = (fem.locate_dofs_topological(vectors, 2, problem.domain.facets(name)) for name in (WALL, INLET))
    rim = np.intersect1d(wall, inlet)
    return np.asarray(rim[rim < vectors.dofmap.index_map.size_local], dtype=np.int32)


def _form(form: ufl.Form) -> fem.Form:
    return fem.form(form, jit_options=jit_options())


def _assembled(form: fem.Form) -> Array:
    """Owned entries of an assembled vector."""
    vector = fem_petsc.assemble_vector(form)
    vector.ghostUpdate(addv=PETSc.InsertMode.ADD, mode=PETSc.ScatterMode.REVERSE)
    values = np.array(vector.array_r)
    vector.destroy()
    return values
