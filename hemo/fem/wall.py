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
    viscous, pressure = to_vertices(viscous_traction(problem), total), to_vertices(problem.pressure(), total)
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
    normal = vertex_normals(points, triangles)
    return WallTraction(
        points=points,
        triangles=triangles,
        pressure=p,
        shear=tau - np.einsum("ij,ij->i", tau, normal)[:, None] * normal,
        facet_pressure=p[triangles].mean(axis=1) + facet_along,
        facet_shear=facet_tau - facet_along[:, None] * facet_normal,
    )


def viscous_traction(problem: FlowProblem) -> fem.Function:
    """The viscous part tau of the traction on the wall, Pa, piecewise linear; zero off the wall."""
    scalars, vectors = vertex_spaces(problem.domain)
    ds = problem.domain.boundary_measure(WALL, 2)
    area = _assembled(ufl.TestFunction(scalars) * ds).reshape(-1, 1)
    force = _viscous_force(problem, vectors, ds)
    rim = _prescribed_rim(problem, vectors)
    if problem.domain.comm.allreduce(len(rim)) > 0:
        gradient = _gradient_force(problem, vectors, ds)
        force[rim] = gradient[rim]
    lumped = _per_area(vectors, force, area)
    averaged = _assembled(ufl.inner(lumped, ufl.TestFunction(vectors)) * ds).reshape(-1, 3)
    return _per_area(vectors, averaged, area)


def _per_area(vectors: fem.FunctionSpace, force: Array, area: Array) -> fem.Function:
    """Nodal forces (n, 3), N, over nodal areas (n, 1), m^2; zero off the wall."""
    tau = fem.Function(vectors, dtype=np.float64)
    tau.x.array[: force.size] = np.divide(force, area, out=np.zeros_like(force), where=area > 0.0).ravel()
    tau.x.scatter_forward()
    return tau


def _viscous_force(problem: FlowProblem, vectors: fem.FunctionSpace, ds: ufl.Measure) -> Array:
    """(owned vertices, 3) viscous force on the wall tested with hat functions, N, from the reaction."""
    normal = ufl.FacetNormal(problem.domain.mesh)
    pressure = _assembled(problem.pressure() * ufl.dot(normal, ufl.TestFunction(vectors)) * ds)
    return np.asarray((-_reaction(problem, vectors) - pressure).reshape(-1, 3))


def _reaction(problem: FlowProblem, vectors: fem.FunctionSpace) -> Array:
    """The residual's rows of the wall, tested with the hat functions of the wall's vertices instead."""
    space, parent = problem.state.function_space.sub(0).collapse()
    owned = space.dofmap.index_map.size_local
    wall = fem.locate_dofs_topological(space, 2, problem.domain.facets(WALL))
    wall = wall[wall < owned]
    rows = np.asarray(parent).reshape(-1, 3)[wall]
    embedding = fem_petsc.interpolation_matrix(vectors, space)
    embedding.assemble()
    quadratic, linear = embedding.createVecLeft(), embedding.createVecRight()
    residual = problem.residual(raw=True)
    quadratic.set(0.0)
    quadratic.array.reshape(-1, 3)[wall] = residual.array_r[rows]
    embedding.multTranspose(quadratic, linear)
    values = linear.array.copy()
    for item in (embedding, quadratic, linear, residual):
        item.destroy()
    return np.asarray(values)


def _gradient_force(problem: FlowProblem, vectors: fem.FunctionSpace, ds: ufl.Measure) -> Array:
    """(owned vertices, 3) the same from the velocity's gradient, N."""
    mesh = problem.domain.mesh
    mu = fem.Constant(mesh, np.float64(problem.blood.viscosity))
    derivative = ufl.dot(ufl.grad(problem.velocity()), ufl.FacetNormal(mesh))
    return _assembled(-mu * ufl.dot(derivative, ufl.TestFunction(vectors)) * ds).reshape(-1, 3)


def _prescribed_rim(problem: FlowProblem, vectors: fem.FunctionSpace) -> NDArray[np.int32]:
    """Owned vertices that the wall shares with an inlet of prescribed velocity."""
    if problem.conditions.inlet_flow is None:
        return np.empty(0, dtype=np.int32)
    wall, inlet = (fem.locate_dofs_topological(vectors, 2, problem.domain.facets(name)) for name in (WALL, INLET))
    rim = np.intersect1d(wall, inlet)
    return np.asarray(rim[rim < vectors.dofmap.index_map.size_local], dtype=np.int32)


def _assembled(form: ufl.Form) -> Array:
    """Owned entries of an assembled vector."""
    vector = fem_petsc.assemble_vector(fem.form(form, jit_options=jit_options()))
    vector.ghostUpdate(addv=PETSc.InsertMode.ADD, mode=PETSc.ScatterMode.REVERSE)
    values = np.array(vector.array_r)
    vector.destroy()
    return values
