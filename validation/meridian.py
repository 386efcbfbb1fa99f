"""Steady axisymmetric flow in the meridian plane: what the three-dimensional solver is held against.

Navier-Stokes in (z, r), P2-P1 without stabilisation, Newton's method from a higher viscosity. Lengths in mm, speeds in
m/s, times in ms, pressure over density.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import basix.ufl
import numpy as np
import scipy.sparse as sp
import ufl
from dolfinx import fem, mesh
from dolfinx.fem import petsc
from numpy.typing import NDArray
from scipy.sparse.linalg import splu
from ufl import dot, dx, grad, inner

Array = NDArray[Any]
WALL, AXIS, INLET, OUTLET = 1, 2, 3, 4


class Flow:
    """The axisymmetric flow on one mesh; velocity (u_z, u_r).

    Parameters
    ----------
    domain, tags
        Triangles, and their boundary's facets with the numbers above.
    radius, mean
        Of the inlet, mm, and the mean velocity there, m/s: a parabola enters.
    tolerance
        Norm of the residual at which Newton's method ends.
    """

    def __init__(
        self, domain: mesh.Mesh, tags: mesh.MeshTags, radius: float, mean: float, tolerance: float = 1e-11
    ) -> None:
        self.domain, self.tags, self.tolerance = domain, tags, tolerance
        self.ds = ufl.Measure("ds", self.domain, subdomain_data=tags)
        self.space = mixed_space(self.domain, 2)
        self.state, self.viscosity = fem.Function(self.space), fem.Constant(self.domain, 1.0)
        (u, p), (v, q) = ufl.split(self.state), ufl.TestFunctions(self.space)
        r = ufl.SpatialCoordinate(self.domain)[1]
        self.radius = r

        def divergence(a: Any) -> Any:
            return r * (a[0].dx(0) + a[1].dx(1)) + a[1]

        viscous = self.viscosity * (r * inner(grad(u), grad(v)) + u[1] * v[1] / r)
        form = r * inner(dot(grad(u), u), v) * dx + viscous * dx(degree=6)
        form -= (p * divergence(v) + q * divergence(u)) * dx
        self.form, self.jacobian = fem.form(form), fem.form(ufl.derivative(form, self.state))
        self.fixed = [
            hold(self.space.sub(0).sub(1), tags, AXIS),
            hold(self.space.sub(0), tags, INLET, lambda x: np.stack([2 * mean * (1 - (x[1] / radius) ** 2), 0 * x[0]])),
            hold(self.space.sub(0), tags, WALL),
        ]
        for condition in self.fixed:
            condition.set(self.state.x.array)

    def solve(self, viscosity: float, above: float = 1.0) -> None:
        """Newton's method at ``above`` times the viscosity (mm^2/ms), at half of it, ... at the viscosity."""
        fixed = fixed_rows(self.fixed)
        for factor in 2.0 ** np.arange(np.log2(above), -1.0, -1.0):
            self.viscosity.value = factor * viscosity
            for _ in range(12):
                force = petsc.assemble_vector(self.form).array.copy()
                force[fixed] = 0.0
                if np.linalg.norm(force) < self.tolerance:
                    break
                matrix = sparse(petsc.assemble_matrix(self.jacobian, bcs=self.fixed))
                self.state.x.array[:] -= splu(matrix.tocsc()).solve(force)
            else:
                raise RuntimeError("Newton's method did not converge")

    def section_pressure(self, part: int) -> float:
        """Mean pressure over density on one end, mm^2/ms^2."""
        pressure, one = ufl.split(self.state)[1], fem.Constant(self.domain, 1.0)
        total, area = (fem.assemble_scalar(fem.form(what * self.radius * self.ds(part))) for what in (pressure, one))
        return float(total / area)


def mixed_space(domain: mesh.Mesh, components: int) -> fem.FunctionSpace:
    """P2 velocity of so many components, P1 pressure."""
    cell = domain.basix_cell()
    velocity = basix.ufl.element("Lagrange", cell, 2, shape=(components,))
    return fem.functionspace(domain, basix.ufl.mixed_element([velocity, basix.ufl.element("Lagrange", cell, 1)]))


def hold(
    part: fem.FunctionSpace, tags: mesh.MeshTags, where: int, value: Callable[[Array], Array] | None = None
) -> fem.DirichletBC:
    """Zero, or a function of the place, on a part of the boundary."""
    collapsed, _ = part.collapse()
    held = fem.Function(collapsed)
    if value is not None:
        held.interpolate(value)
    return fem.dirichletbc(held, fem.locate_dofs_topological((part, collapsed), 1, tags.find(where)), part)


def fixed_rows(conditions: list[fem.DirichletBC]) -> Array:
    """The unknowns that they fix."""
    return np.unique(np.concatenate([condition.dof_indices()[0] for condition in conditions]))


def sparse(matrix: Any) -> sp.csr_matrix:
    """A PETSc matrix as scipy's."""
    matrix.assemble()
    start, column, value = matrix.getValuesCSR()
    return sp.csr_matrix((value, column, start), shape=matrix.getSize())


def tag_boundary(domain: mesh.Mesh, parts: dict[int, Callable[[Array], Array]]) -> mesh.MeshTags:
    """Tags of the boundary's facets by functions of the place, as :func:`dolfinx.mesh.locate_entities_boundary`'s."""
    facets = [mesh.locate_entities_boundary(domain, 1, part) for part in parts.values()]
    number, tag = np.concatenate(facets), np.repeat(list(parts), [len(part) for part in facets])
    order = np.argsort(number)
    return mesh.meshtags(domain, 1, number[order], tag[order].astype(np.int32))
