"""A manufactured solution of the steady Navier-Stokes equations: rates of velocity, its gradient and pressure.

Roache 2002 (J Fluids Eng 124:4): a velocity and a pressure are chosen, the body force follows from the equations, and
the elements have to come back to what was chosen at the order of their interpolation. On a cube, with blood's density
and viscosity at a Reynolds number of 180: the exact velocity holds on five faces, through the sixth the fluid leaves by
the natural condition.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import ufl
from matplotlib.figure import Figure
from mpi4py import MPI
from numpy.typing import NDArray

from hemo.blood import Blood
from hemo.boundary import FlowConditions
from hemo.fem.domain import distribute, from_vertices, vertex_spaces
from hemo.fem.jit import compilation
from hemo.fem.problem import FlowProblem, build_problem, set_state
from hemo.tetmesh import INLET, WALL, TetMesh
from validation.ethier_steinman import norm, with_rates
from validation.solving import solved
from validation.table import DOCS, Table, publish
from validation.tets import blocks

Array = NDArray[Any]

BLOOD = Blood()
SIDE = 3e-3  # m
SPEED = 0.2  # m/s: Reynolds number 180 on the side
COUNTS = (3, 6, 10, 14)
ORDERS = {"velocity": 3, "gradient": 2, "pressure": 2}


def velocity(x: Any, m: Any) -> tuple[Any, Any, Any]:
    """m/s; divergence-free; at x = SIDE all x-derivatives vanish and the fluid leaves. ``m`` is numpy or ufl."""
    xi, eta, zeta = x[0] / SIDE, x[1] / SIDE, x[2] / SIDE
    ux = 1.5 + (1 - xi) ** 3 * m.sin(2 * eta) * m.cos(2 * zeta)
    uy = -1.5 * (1 - xi) ** 2 * m.cos(2 * eta) * m.cos(2 * zeta)
    uz = 0.4 * m.cos(2 * eta) * (1 + (1 - xi) ** 3)
    return SPEED * ux, SPEED * uy, SPEED * uz


def pressure(x: Any, m: Any) -> Any:
    """Pa; zero at x = SIDE, where the natural condition asks for it."""
    xi, eta, zeta = x[0] / SIDE, x[1] / SIDE, x[2] / SIDE
    return 0.5 * BLOOD.density * SPEED**2 * m.sin(1 - xi) * m.cos(eta + zeta)


def cube(count: int) -> TetMesh:
    """``count`` cubes along each side, six tetrahedra each."""

    def tag(corners: Array) -> Array:
        x = corners[:, :, 0]
        return np.where((x < 1e-9).all(axis=1), 2, np.where((x > SIDE - 1e-9).all(axis=1), 3, 1)).astype(np.int32)

    return blocks(np.ones((count, count, count), dtype=bool), SIDE / count, tag, {1: WALL, 2: INLET, 3: "out"})


def newtonian(u: Any) -> Any:
    """Viscous force per volume, N/m^3."""
    return BLOOD.viscosity * ufl.div(ufl.grad(u))


def solve(count: int, blood: Blood = BLOOD, viscous_force: Callable[[Any], Any] = newtonian) -> FlowProblem:
    """The flow on ``count`` cubes a side, from the exact velocity and no pressure, under the force that it takes."""
    mesh = cube(count)
    with compilation(MPI.COMM_SELF):
        domain = distribute(mesh, MPI.COMM_SELF)
        x = ufl.SpatialCoordinate(domain.mesh)
        u = ufl.as_vector(velocity(x, ufl))
        problem = build_problem(
            domain,
            blood,
            FlowConditions(100.0, 0.0, {"out": 0.0}),
            force=blood.density * ufl.grad(u) * u - viscous_force(u) + ufl.grad(pressure(x, ufl)),
            prescribed_velocity=lambda x: np.array(velocity(x, np)),
        )
        scalars, vectors = vertex_spaces(domain)
    guess = np.column_stack([np.broadcast_to(part, len(mesh.points)) for part in velocity(mesh.points.T, np)])
    set_state(problem, from_vertices(vectors, guess), from_vertices(scalars, np.zeros(len(mesh.points))))
    return solved(problem)


def errors(problem: FlowProblem) -> Array:
    """(3,) relative: velocity in L2 and in the H1 seminorm, pressure in L2."""
    x = ufl.SpatialCoordinate(problem.domain.mesh)
    u, p = ufl.as_vector(velocity(x, ufl)), pressure(x, ufl)
    gap = problem.velocity() - u
    pairs = ((gap, u), (ufl.grad(gap), ufl.grad(u)), (problem.pressure() - p, p))
    with compilation(MPI.COMM_SELF):
        return np.array([norm(error) / norm(size) for error, size in pairs])


def main() -> None:
    """Table and figure over the meshes."""
    begun, found, rows = time.perf_counter(), [], []
    for count in COUNTS:
        start = time.perf_counter()
        problem = solve(count)
        found.append(errors(problem))
        rows.append((str(count), f"{6 * count**3:,}", f"{problem.unknowns:,}", f"{time.perf_counter() - start:.0f}"))
    table = np.array(found)
    columns = ("cells along a side", "cells", "unknowns", "seconds", "velocity", "rate", "gradient", "rate")
    columns = (*columns, "pressure", "rate")
    lines = tuple((*row, *cells) for row, cells in zip(rows, with_rates(COUNTS, table), strict=True))
    note = (
        "Relative errors: velocity and pressure in L2, the gradient is the velocity's H1 seminorm. Asked are orders of "
        f"2.8, 1.9 and 1.8. All of this took {time.perf_counter() - begun:.0f} s on one rank."
    )
    publish(Table("manufactured", columns, lines, note))
    _draw(table)


def _draw(table: Array) -> None:
    figure = Figure(figsize=(5, 3.8), layout="constrained")
    axes = figure.subplots()
    for values, (label, order) in zip(table.T, ORDERS.items(), strict=True):
        line = axes.loglog(COUNTS, values, "o-", label=label)[0]
        axes.loglog(COUNTS, values[-1] * (np.array(COUNTS) / COUNTS[-1]) ** -float(order), ":", color=line.get_color())
    axes.set(xlabel="cells along a side", ylabel="relative error", title="dotted: orders 3, 2 and 2")
    axes.set_xticks(COUNTS, [str(count) for count in COUNTS])
    axes.minorticks_off()
    axes.legend(frameon=False)
    figure.savefig(DOCS / "figures" / "manufactured.svg", metadata={"Date": None})
