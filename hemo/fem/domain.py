"""A :class:`~hemo.tetmesh.TetMesh` distributed over the MPI ranks, with its tags and the way back to its numbering."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import basix
import basix.ufl
import numpy as np
import ufl
from dolfinx import fem, mesh
from dolfinx.cpp.graph import AdjacencyList_int32
from dolfinx.io import distribute_entity_data
from mpi4py import MPI
from numpy.typing import NDArray

from hemo.fem.jit import jit_options
from hemo.tetmesh import TetMesh

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Domain:
    """The lumen as dolfinx sees it.

    Attributes
    ----------
    mesh
        The distributed mesh.
    facet_tags
        Boundary tags as in the TetMesh.
    names
        tag -> name, as in the TetMesh.
    points_total, cells_total
        Numbers of input vertices and cells.
    """

    mesh: mesh.Mesh
    facet_tags: mesh.MeshTags
    names: dict[int, str]
    points_total: int
    cells_total: int

    @property
    def comm(self) -> MPI.Intracomm:
        """The communicator of the mesh."""
        return self.mesh.comm

    def tag(self, name: str) -> int:
        """The tag of the named part of the boundary."""
        return next(tag for tag, label in self.names.items() if label == name)

    def facets(self, name: str) -> NDArray[np.int32]:
        """Local facets of the named part of the boundary."""
        return self.facet_tags.find(self.tag(name))

    def boundary_measure(self, name: str, degree: int | None = None) -> ufl.Measure:
        """ds over the named part, with the quadrature degree set where the estimate would be wasteful."""
        metadata: dict[str, Any] = {} if degree is None else {"quadrature_degree": degree}
        return ufl.Measure(
            "ds", domain=self.mesh, subdomain_data=self.facet_tags, subdomain_id=self.tag(name), metadata=metadata
        )


def distribute(tet: TetMesh | None, comm: MPI.Intracomm) -> Domain:
    """Share the mesh that rank 0 holds (the others pass None) out among the ranks."""
    root = comm.rank == 0
    header = (tet.names, len(tet.points), len(tet.cells)) if root and tet is not None else None
    names, points_total, cells_total = comm.bcast(header)
    if root and tet is not None:
        points, cells, facets = tet.points, tet.cells, np.asarray(tet.facets, dtype=np.int64)
        tags = np.asarray(tet.facet_tags, dtype=np.int32)
    else:
        points, cells = np.empty((0, 3)), np.empty((0, 4), dtype=np.int64)
        facets, tags = np.empty((0, 3), dtype=np.int64), np.empty(0, dtype=np.int32)
    shape = basix.ufl.element("Lagrange", "tetrahedron", 1, shape=(3,))
    partitioner = mesh.create_cell_partitioner(mesh.GhostMode.none)
    domain = mesh.create_mesh(comm, np.asarray(cells, dtype=np.int64), points, ufl.Mesh(shape), partitioner)
    domain.topology.create_connectivity(2, 3)
    domain.topology.create_connectivity(2, 0)
    entities, values = distribute_entity_data(domain, 2, facets, tags)
    found = mesh.meshtags_from_entities(domain, 2, AdjacencyList_int32(entities), values.astype(np.int32))
    return Domain(domain, found, names, points_total, cells_total)


def vertex_spaces(domain: Domain) -> tuple[fem.FunctionSpace, fem.FunctionSpace]:
    """Continuous piecewise linear scalars and vectors: one value a vertex."""
    scalar = fem.functionspace(domain.mesh, ("Lagrange", 1), jit_options=jit_options())
    vector = fem.functionspace(domain.mesh, ("Lagrange", 1, (3,)), jit_options=jit_options())
    return scalar, vector


def input_vertices(space: fem.FunctionSpace) -> NDArray[np.int64]:
    """(n,) input vertex of each local (owned and ghost) degree of freedom of a piecewise linear space."""
    geometry = space.mesh.geometry
    count = space.dofmap.index_map.size_local + space.dofmap.index_map.num_ghosts
    found = np.full(count, -1, dtype=np.int64)
    # Both maps list a cell's vertices in the same order.
    found[space.dofmap.list.ravel()] = np.asarray(geometry.input_global_indices)[geometry.dofmap.ravel()]
    return found


def edge_nodes(space: fem.FunctionSpace) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(k,) local nodes of a quadratic space in the middle of edges, and (k, 2) the input vertices that these join."""
    geometry = space.mesh.geometry
    ends = np.array(basix.topology(basix.CellType.tetrahedron)[1])
    vertices = np.asarray(geometry.input_global_indices)[geometry.dofmap]
    nodes = space.dofmap.list[:, vertices.shape[1] :].ravel()  # those of a cell's vertices come before its edges'
    nodes, first = np.unique(nodes, return_index=True)
    return nodes, vertices[:, ends].reshape(-1, 2)[first]


def owned_input_cells(domain: Domain) -> NDArray[np.int64]:
    """(n,) input index of each cell this rank owns."""
    count = domain.mesh.topology.index_map(3).size_local
    return np.asarray(domain.mesh.topology.original_cell_index[:count], dtype=np.int64)


def from_vertices(space: fem.FunctionSpace, values: Array) -> fem.Function:
    """A piecewise linear function from values at ALL input vertices, (n,) or (n, 3), given on every rank."""
    function = fem.Function(space, dtype=np.float64)
    function.x.array[:] = np.asarray(values)[input_vertices(space)].ravel()
    return function


def from_cells(domain: Domain, values: Array) -> fem.Function:
    """A piecewise constant function from values of ALL input cells, (cells,), given on every rank."""
    space = fem.functionspace(domain.mesh, ("Discontinuous Lagrange", 0), jit_options=jit_options())
    function = fem.Function(space, dtype=np.float64)
    function.x.array[space.dofmap.list.ravel()] = np.asarray(values)[domain.mesh.topology.original_cell_index]
    return function


def to_vertices(function: fem.Function, points_total: int) -> Array | None:
    """Values of a piecewise linear function at all input vertices, (n,) or (n, 3), on rank 0; None elsewhere."""
    space = function.function_space
    owned, block = space.dofmap.index_map.size_local, space.dofmap.index_map_bs
    vertices = input_vertices(space)[:owned]
    values = function.x.array[: owned * block].reshape(owned, block)
    comm = space.mesh.comm
    gathered = comm.gather((vertices, values))
    if comm.rank != 0 or gathered is None:
        return None
    result = np.full((points_total, block), np.nan)
    for where, what in gathered:
        result[where] = what
    return result[:, 0] if block == 1 else result
