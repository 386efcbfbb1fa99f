"""Words for where a solve went wrong."""

from __future__ import annotations

import numpy as np
from dolfinx.mesh import entities_to_geometry
from numpy.typing import NDArray
from petsc4py import PETSc

from hemo.fem.problem import FlowProblem
from hemo.tetmesh import WALL

Array = NDArray[np.float64]


def largest_residual(problem: FlowProblem, residual: PETSc.Vec) -> str:
    """Words for the place of the largest entry of the residual: its coordinates and the nearest cap."""
    space, dofs = problem.velocity_part.space, problem.velocity_part.places
    owned = space.dofmap.index_map.size_local
    rows = np.asarray(dofs).reshape(-1, 3)[:owned]
    entries = np.linalg.norm(residual.array_r[rows], axis=1) if owned else np.empty(0)
    places = space.tabulate_dof_coordinates()[:owned]
    best = int(np.argmax(entries)) if owned else -1
    mine = (float(entries[best]), places[best].tolist()) if owned else (-1.0, [0.0, 0.0, 0.0])
    _, place = max(problem.domain.comm.allgather(mine))
    name = nearest_cap(problem, np.array(place))
    return f"at ({', '.join(f'{1e3 * c:.2f}' for c in place)}) mm, nearest to cap {name!r}"


def nearest_cap(problem: FlowProblem, place: Array) -> str:
    """Name of the cap whose centre is nearest to a place."""
    centres = cap_centres(problem)
    return min(centres, key=lambda name: float(np.linalg.norm(centres[name] - place)))


def cap_centres(problem: FlowProblem) -> dict[str, Array]:
    """Mean vertex position of every cap, m."""
    domain = problem.domain
    mesh = domain.mesh
    mesh.topology.create_connectivity(2, 0)
    found = {}
    for name in domain.names.values():
        if name == WALL:
            continue
        facets = domain.facets(name)
        # dolfinx divides by their number
        nodes = entities_to_geometry(mesh, 2, facets).ravel() if len(facets) else np.empty(0, dtype=np.int32)
        total = np.append(mesh.geometry.x[nodes].sum(axis=0), float(len(nodes)))
        total = domain.comm.allreduce(total)
        found[name] = total[:3] / total[3]
    return found
