"""Means of the solution over cross-sections, caps and the mesh's vertices."""

from __future__ import annotations

from dataclasses import dataclass

import basix
import numpy as np
import ufl
from dolfinx import fem
from dolfinx.fem import petsc as fem_petsc
from mpi4py import MPI
from numpy.typing import NDArray
from petsc4py import PETSc
from scipy.sparse import csr_array

from hemo.fem.domain import Domain, edge_nodes, owned_input_cells, to_vertices, vertex_spaces
from hemo.fem.jit import jit_options
from hemo.fem.job import Probes
from hemo.fem.outlets import cap_flux_vector
from hemo.fem.problem import FlowProblem
from hemo.tetmesh import INLET

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SectionMeans:
    """Section means, the same on every rank.

    Attributes
    ----------
    area
        (n,) m^2; 0 for a section without points.
    pressure
        (n,) mean static pressure, Pa; nan for a section without points.
    flow
        (n,) m^3/s along the section's normal.
    momentum
        (n,) integral of rho (u . n)^2, N.
    """

    area: Array
    pressure: Array
    flow: Array
    momentum: Array


def section_means(problem: FlowProblem, probes: Probes) -> SectionMeans:
    """Means of the problem's state over sections; see :class:`SectionSampler`."""
    return SectionSampler(problem, probes).means()


class SectionSampler:
    """Integrates the P1 pressure and the P2 velocity over sections, each point in the cell that its probe names.

    The probes' three-point rule is exact for both on every planar piece of a section. The shape functions at the
    points are evaluated once; sampling a state is a few sparse products.

    Parameters
    ----------
    probes
        All probes, on every rank; ``cell`` counts the input mesh's cells.
    """

    def __init__(self, problem: FlowProblem, probes: Probes) -> None:
        self.problem, self.count = problem, probes.n_sections
        mine, cells = _local_probes(problem.domain, np.asarray(probes.cell))
        within = reference_places(problem.domain, np.asarray(probes.point, dtype=np.float64)[mine], cells)
        self.velocity = _values_at(problem.velocity_part.space, 2, within, cells)
        self.pressure = _values_at(problem.pressure_part.space, 1, within, cells)
        self.weight = np.asarray(probes.weight)[mine]
        self.normal = np.asarray(probes.normal)[mine]
        self.section = np.asarray(probes.section)[mine]

    def means(self) -> SectionMeans:
        """The means of the problem's current state, the same on every rank."""
        problem = self.problem
        pressure = self.pressure @ problem.pressure().x.array
        velocity = self.velocity @ problem.velocity().x.array.reshape(-1, 3)
        through = np.einsum("ij,ij->i", velocity, self.normal)
        sums = np.stack(
            [
                np.bincount(self.section, weights=self.weight * what, minlength=self.count)
                for what in (np.ones(len(self.section)), pressure, through, problem.blood.density * through**2)
            ]
        )
        problem.domain.comm.Allreduce(MPI.IN_PLACE, sums, op=MPI.SUM)
        area, force, flow, momentum = sums
        met = area > 0.0
        return SectionMeans(area, np.divide(force, area, out=np.full(len(area), np.nan), where=met), flow, momentum)


def _local_probes(domain: Domain, input_cell: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """The probes in cells that this rank owns, and those cells' local numbers."""
    owned = owned_input_cells(domain)
    local = np.full(domain.cells_total, -1, dtype=np.int32)
    local[owned] = np.arange(len(owned), dtype=np.int32)
    mine = np.flatnonzero(local[input_cell] >= 0)
    return mine, local[input_cell[mine]]


def reference_places(domain: Domain, points: Array, cells: NDArray[np.int32]) -> Array:
    """(k, 3) coordinates in the reference cell of (k, 3) points, m, in (k,) local cells."""
    geometry = domain.mesh.geometry
    corners = geometry.x[geometry.dofmap[cells]]
    edges = np.swapaxes(corners[:, 1:] - corners[:, :1], 1, 2)
    return np.asarray(np.linalg.solve(edges, (points - corners[:, 0])[..., None])[..., 0])


def _values_at(space: fem.FunctionSpace, degree: int, within: Array, cells: NDArray[np.int32]) -> csr_array:
    """(k, nodes) matrix from a Lagrange space's nodal values to those at places in reference cells."""
    element = basix.create_element(basix.ElementFamily.P, basix.CellType.tetrahedron, degree)
    shapes = element.tabulate(0, within)[0, :, :, 0] if len(within) else np.zeros((0, element.dim))
    nodes = space.dofmap.list[cells]
    rows = np.repeat(np.arange(len(cells)), element.dim)
    count = space.dofmap.index_map.size_local + space.dofmap.index_map.num_ghosts
    return csr_array((shapes.ravel(), (rows, nodes.ravel())), shape=(len(cells), count))


@dataclass(frozen=True)
class CapMeans:
    """Area (m^2), mean static pressure (Pa) and flow into the lumen (m^3/s) of a cap."""

    area: float
    pressure: float
    inflow: float

    def total_pressure(self, density: float) -> float:
        """Mean static pressure + rho U^2 / 2 with U = Q / A, Pa."""
        return self.pressure + 0.5 * density * (self.inflow / self.area) ** 2


class InletGauge:
    """Means over the inlet cap of the problem's current state, by two vectors that are assembled once."""

    def __init__(self, problem: FlowProblem) -> None:
        domain, self.problem = problem.domain, problem
        ds = domain.boundary_measure(INLET, 1)
        one = fem.form(fem.Constant(domain.mesh, np.float64(1.0)) * ds, jit_options=jit_options())
        self.area = float(domain.comm.allreduce(fem.assemble_scalar(one)))
        self.flux = cap_flux_vector(domain, problem.state.function_space, INLET)
        _, q = ufl.TestFunctions(problem.state.function_space)
        self.force = fem_petsc.assemble_vector(fem.form(q * ds, jit_options=jit_options()))
        self.force.ghostUpdate(addv=PETSc.InsertMode.ADD, mode=PETSc.ScatterMode.REVERSE)

    def means(self) -> CapMeans:
        """The means, the same on every rank."""
        x = self.problem.state.x.petsc_vec
        pressure = self.problem.pressure_unit * self.force.dot(x) / self.area
        return CapMeans(self.area, pressure, -self.flux.dot(x))

    def destroy(self) -> None:
        """Free what PETSc holds."""
        self.flux.destroy()
        self.force.destroy()


def inlet_means(problem: FlowProblem) -> CapMeans:
    """Means over the inlet cap."""
    gauge = InletGauge(problem)
    means = gauge.means()
    gauge.destroy()
    return means


def vertex_fields(problem: FlowProblem) -> tuple[Array, Array] | None:
    """Velocity (n, 3), m/s, and pressure (n,), Pa, at the input mesh's vertices, on rank 0; None elsewhere."""
    _, vectors = vertex_spaces(problem.domain)
    velocity = fem.Function(vectors, dtype=np.float64)
    velocity.interpolate(problem.velocity())
    total = problem.domain.points_total
    at_vertices, pressure = to_vertices(velocity, total), to_vertices(problem.pressure(), total)
    return None if at_vertices is None or pressure is None else (at_vertices, pressure)


def edge_fields(problem: FlowProblem) -> tuple[NDArray[np.int64], Array] | None:
    """(e, 2) input vertices of each edge and (e, 3) velocity at its middle, m/s, on rank 0; None elsewhere."""
    space = problem.velocity_part.space
    nodes, ends = edge_nodes(space)
    owned = nodes < space.dofmap.index_map.size_local
    mine = ends[owned], problem.velocity().x.array.reshape(-1, 3)[nodes[owned]]
    parts = problem.domain.comm.gather(mine)
    if parts is None:
        return None
    edges, velocity = (np.concatenate(items) for items in zip(*parts, strict=True))
    return edges, velocity
