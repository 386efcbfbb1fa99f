"""The axisymmetric flow through the straight stenoses, and whether it would keep to the axis.

Base flow: :mod:`validation.meridian`, from eight times the viscosity. Its drop is what the three-dimensional solver is
held against. Then the waves a(z, r) exp(lambda t) of azimuthal number 1,
which move the jet off the axis: the largest lambda by shift and invert (Sherwin and Blackburn 2005, J Fluid Mech
533:297, who found that a stenosis of 75 % of the area loses its symmetry so, at Re 722). Lengths in mm, speeds in
m/s, times in ms, pressure over density.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
import ufl
from dolfinx import fem, mesh
from dolfinx.fem import petsc
from mpi4py import MPI
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, eigs, splu
from ufl import dot, dx, grad, inner

from hemo.blood import Blood
from hemo.geometry.synthetic.vessels import Stenosis
from hemo.units import MMHG
from validation.meridian import AXIS, INLET, OUTLET, WALL, Flow, fixed_rows, hold, mixed_space, sparse, tag_boundary
from validation.table import Table, publish

Array = NDArray[Any]
RADIUS, LENGTH, LESION, CENTRE = 1.5, 60.0, 10.0, 20.0
CASES = ((0.5, 1.5), (0.6, 2.0))
REYNOLDS = (300.0, 350.0, 400.0)  # at which the 60 % stenosis is tried besides
SLICES = (10, 16, 18, 19, 20, 20.5, 21, 21.5, 22, 23, 24, 26, 30, 34)  # mm
ACROSS = (5, 8)  # cells along a radius


def wall_radius(z: Array, severity: float) -> Array:
    """(n,) mm."""
    return RADIUS * Stenosis(CENTRE, LESION, severity).factor(z)


class StenosedFlow(Flow):
    """The axisymmetric flow through a straight stenosis."""

    def __init__(self, severity: float, flow: float, cells: int) -> None:
        mean = flow / (np.pi * RADIUS**2)  # mL/s are mm^3/ms
        super().__init__(*_mesh(severity, cells), RADIUS, mean)
        self.reynolds_times_viscosity = mean * 2.0 * RADIUS

    def drop(self) -> float:
        """Section-mean pressure at the inlet minus that at the outlet, mmHg."""
        return (self.section_pressure(INLET) - self.section_pressure(OUTLET)) * Blood().density / MMHG

    def waves(self) -> tuple[fem.FunctionSpace, Array, sp.csc_matrix, sp.csc_matrix]:
        """Space, free unknowns, rate of change and mass of the waves of azimuthal number 1 about the present state.

        The wave is (u_z cos, u_r cos, u_t sin, p cos); the unknowns are u_z, u_r and u_r + u_t, zero on the axis.
        """
        space = mixed_space(self.domain, 3)
        (a, p), (b, q) = ufl.TrialFunctions(space), ufl.TestFunctions(space)
        r, base = self.radius, ufl.split(self.state)[0]
        u, v = (ufl.as_vector([c[0], c[1], c[2] - c[1]]) for c in (a, b))

        def divergence(c: Any) -> Any:
            return r * (c[0].dx(0) + c[1].dx(1)) + c[1] + c[2]

        carried = ufl.as_vector([dot(base, grad(u[k])) for k in range(3)])
        pulled = dot(grad(base), ufl.as_vector([u[0], u[1]]))
        around = u[2] * base[1] / r
        convection = r * (inner(carried, v) + inner(pulled, ufl.as_vector([v[0], v[1]])) + around * v[2])
        turning = (2.0 * (u[1] + u[2]) * (v[1] + v[2]) + u[0] * v[0]) / r
        viscous = self.viscosity * (r * inner(grad(u), grad(v)) + turning)
        form = -convection * dx - viscous * dx(degree=6) + (p * divergence(v) + q * divergence(u)) * dx
        fixed = [hold(space.sub(0), self.tags, part) for part in (WALL, INLET)]
        fixed += [hold(part, self.tags, AXIS) for part in (space.sub(0).sub(0), space.sub(0).sub(2), space.sub(1))]
        free = np.setdiff1d(np.arange(space.dofmap.index_map.size_global), fixed_rows(fixed))
        change, mass = (
            sparse(petsc.assemble_matrix(fem.form(part)))[free][:, free].tocsc()
            for part in (form, r * inner(u, v) * dx)
        )
        return space, free, change, mass

    def growth(self) -> complex:
        """The leading lambda of azimuthal number 1 at the present state, 1/ms."""
        _, _, change, mass = self.waves()
        solve = splu(change).solve
        inverse = eigs(
            LinearOperator(change.shape, matvec=lambda x: solve(mass @ x), dtype=np.float64),
            k=6,
            ncv=40,
            return_eigenvectors=False,
        )
        found = 1.0 / inverse
        return complex(found[found.real.argmax()])

    def sensitivity(self, place: float) -> tuple[Array, Array]:
        """Points (n, 2) and the adjoint (n, 3) of the jet's distance from the axis round z = ``place`` mm.

        The distance is the centroid of u_z^2; the adjoint's components go with forces along z, r and r + around.
        """
        space, free, change, _ = self.waves()
        v, base = ufl.TestFunctions(space)[0], ufl.split(self.state)[0]
        window = ufl.exp(-(((ufl.SpatialCoordinate(self.domain)[0] - place) / 1.5) ** 2))
        momentum = fem.assemble_scalar(fem.form(window * base[0] ** 2 * self.radius * dx))
        wanted = petsc.assemble_vector(fem.form(window * base[0] * v[0] * self.radius**2 * dx)).array / momentum
        adjoint = fem.Function(space)
        adjoint.x.array[free] = splu(change.T.tocsc()).solve(wanted[free])
        velocity = adjoint.sub(0).collapse()
        return velocity.function_space.tabulate_dof_coordinates()[:, :2], velocity.x.array.reshape(-1, 3)


def _mesh(severity: float, cells: int) -> tuple[mesh.Mesh, mesh.MeshTags]:
    """Crossed triangles, closer at the wall and round the throat and its jet."""
    z = [0.0]
    while z[-1] < LENGTH:
        near = float(wall_radius(np.array(z[-1:]), severity)[0]) if z[-1] < CENTRE + LESION / 4 else 1.0
        z.append(z[-1] + (1.0 if 15.0 < z[-1] < 25.0 else 2.5) * min(near, 1.0) / cells)
    places = np.array(z) * LENGTH / z[-1]
    domain = mesh.create_rectangle(
        MPI.COMM_SELF, [[0, 0], [len(places) - 1, 1]], [len(places) - 1, cells], diagonal=mesh.DiagonalType.crossed
    )
    sides = {WALL: (1, 1.0), AXIS: (1, 0.0), INLET: (0, 0.0), OUTLET: (0, len(places) - 1.0)}
    tags = tag_boundary(domain, {part: lambda x, k=k, at=at: np.isclose(x[k], at) for part, (k, at) in sides.items()})
    x = domain.geometry.x
    x[:, 0] = np.interp(x[:, 0], np.arange(len(places)), places)
    x[:, 1] = (1.0 - (1.0 - x[:, 1]) ** 1.5) * wall_radius(x[:, 0], severity)
    return domain, tags


def main() -> None:
    """Table over cells, and over the Reynolds number."""
    blood, rows = Blood(), []
    viscosity = 1e3 * blood.viscosity / blood.density
    for severity, rate in CASES:
        for cells in ACROSS:
            flow = StenosedFlow(severity, rate, cells)
            flow.solve(viscosity, above=8.0)
            rows.append(_row(severity, flow, cells))
        if severity == CASES[-1][0]:
            flow = StenosedFlow(severity, rate, ACROSS[0])
            flow.solve(viscosity, above=8.0)
            for reynolds in REYNOLDS:
                flow.solve(flow.reynolds_times_viscosity / reynolds)
                rows.append(_row(severity, flow, ACROSS[0], drop=False))
    columns = ("stenosis", "Re upstream", "cells along a radius", "drop / mmHg", "growth of the leaning / 1/s")
    note = "A negative growth: a jet put off its axis returns to it."
    publish(Table("axisymmetric", columns, tuple(rows), note))
    flow = StenosedFlow(*CASES[-1], ACROSS[0])
    flow.solve(viscosity, above=8.0)
    _publish_sensitivity(*flow.sensitivity(40.0))


def _publish_sensitivity(points: Array, adjoint: Array) -> None:
    """Where a force along the vessel, uneven round it, moves the jet most."""
    rows = []
    strength = np.abs(adjoint[:, 0])
    for z in SLICES:
        near = np.flatnonzero(np.abs(points[:, 0] - z) < 0.25)
        most = near[strength[near].argmax()]
        share = points[most, 1] / float(wall_radius(points[most, :1], CASES[-1][0])[0])
        rows.append((f"{z:g}", f"{strength[most] / strength.max():.3f}", f"{share:.2f}"))
    columns = ("distance / mm", "sensitivity over the largest", "at this share of the radius")
    publish(Table("leaning", columns, tuple(rows), "Of the jet's distance from the axis at 40 mm; throat at 20 mm."))


def _row(severity: float, flow: StenosedFlow, cells: int, drop: bool = True) -> tuple[str, ...]:
    growth = 1e3 * flow.growth()
    reynolds = flow.reynolds_times_viscosity / float(flow.viscosity.value)
    turning = "" if abs(growth.imag) < 1e-6 else f" ± {abs(growth.imag):.1f} i"
    fall = f"{flow.drop():.3f}" if drop else "-"
    return f"{100 * severity:.0f} %", f"{reynolds:.0f}", str(cells), fall, f"{growth.real:+.2f}{turning}"
