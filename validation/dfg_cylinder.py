"""Laminar flow round a cylinder in a square channel at Re 20: the benchmark DFG 3D-1Z.

Schaefer and Turek 1996 (Notes on Numerical Fluid Mechanics 52:547); reference values of Braack and Richter 2006 (Comput
Fluids 35:372): drag 6.18533, lift 0.009401. Forces by the boundary's consistent flux, as everywhere in hemo.
Each solve leaves a line in ``results/dfg_cylinder.jsonl``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from mpi4py import MPI
from numpy.typing import NDArray

from hemo.blood import Blood
from hemo.boundary import FlowConditions
from hemo.convergence import Convergence, convergence
from hemo.fem.domain import distribute
from hemo.fem.jit import compilation
from hemo.fem.options import FemOptions
from hemo.fem.problem import FlowProblem, build_problem
from hemo.fem.solver import solve_steady
from hemo.results import Status
from hemo.tetmesh import TetMesh
from validation.campaign import resumed
from validation.channel import CENTRE, HEIGHT, RADIUS, layered, polygon_radius, structured, unstructured
from validation.table import DOCS, Table, publish

Array = NDArray[Any]

MEAN_SPEED = 0.2
FLUID = Blood(density=1000.0, viscosity=3.5e-3)
SCALE = 3.5e-3  # m for each length unit above, so that blood flows there at Re 20
RESULTS = DOCS.parent / "results" / "dfg_cylinder.jsonl"
DRAG, LIFT = 6.18533, 0.009401
ROUND = (16, 24, 32, 40)  # edges of the prism


@dataclass(frozen=True)
class Forces:
    """Coefficients on one mesh."""

    cells: int
    unknowns: int
    drag: float
    lift: float
    seconds: float


@dataclass(frozen=True)
class Family:
    """Meshes made alike, by the edges of the prism, and how they are solved on."""

    name: str
    make: Callable[[int], TetMesh]
    edges: tuple[int, ...]
    options: FemOptions


AS_HEMO, PLAIN = FemOptions(tolerance=1e-8), FemOptions(tolerance=1e-8, streamline=0.0, grad_div=0.0)
FAMILIES = (
    Family("structured", structured, ROUND, AS_HEMO),
    Family("structured, twice the layers", layered, (*ROUND, 48), AS_HEMO),
    Family("structured, without stabilisation", structured, ROUND, PLAIN),
    Family("twice the layers, without stabilisation", layered, ROUND, PLAIN),
    Family("by gmsh", unstructured, (12, 16), AS_HEMO),
)


def entering(x: Array) -> Array:
    """(3, n) velocity at the inlet, zero elsewhere."""
    x = x / SCALE
    velocity = np.zeros_like(x)
    shape = x[1] * x[2] * (HEIGHT - x[1]) * (HEIGHT - x[2])
    velocity[0] = np.where(x[0] < 1e-9, 16 * 2.25 * MEAN_SPEED * shape / HEIGHT**4, 0.0)
    return velocity


def solve(unscaled: TetMesh, edges: int, options: FemOptions) -> Forces:
    """Drag and lift on one mesh, whose cylinder has so many edges."""
    start = time.perf_counter()
    mesh = replace(unscaled, points=SCALE * unscaled.points)
    conditions = FlowConditions(1.0, 0.0, {"outlet": 0.0}, MEAN_SPEED * (HEIGHT * SCALE) ** 2)
    with compilation(MPI.COMM_SELF):
        domain = distribute(mesh, MPI.COMM_SELF)
        problem = build_problem(domain, FLUID, conditions, options, prescribed_velocity=entering)
    problem.hold_prescribed()
    outcome = solve_steady(problem, options)
    if outcome.status is not Status.CONVERGED:
        raise RuntimeError(outcome.message)
    scale = FLUID.density * MEAN_SPEED**2 / 2 * 2 * RADIUS * HEIGHT * SCALE**2
    drag, lift = (float(part) for part in force_on_cylinder(problem, polygon_radius(edges))[:2] / scale)
    return Forces(len(mesh.cells), problem.unknowns, drag, lift, time.perf_counter() - start)


def force_on_cylinder(problem: FlowProblem, radius: float) -> Array:
    """(3,) N, by the residual tested with 1 on the cylinder, whose corners have this radius, and 0 at other nodes."""
    residual = problem.residual(raw=True)
    place = problem.velocity_part.space.tabulate_dof_coordinates() / SCALE
    near = np.hypot(place[:, 0] - CENTRE[0], place[:, 1] - CENTRE[1]) < radius + 1e-9
    force = -residual.array[problem.velocity_part.places.reshape(-1, 3)[near]].sum(axis=0)
    residual.destroy()
    return np.asarray(force)


def limit(family: Family, found: list[Forces]) -> tuple[Convergence, Convergence]:
    """Drag and lift on an infinitely fine mesh, from the finest three of a family."""
    sizes = tuple(1.0 / edges for edges in family.edges[:-4:-1])
    drag, lift = (tuple(getattr(forces, name) for forces in found[:-4:-1]) for name in ("drag", "lift"))
    return convergence(drag, sizes), convergence(lift, sizes)


def main() -> None:
    """Solve on all meshes and fill the section ``dfg_cylinder`` of docs/benchmarks.md."""
    results = _solved()
    rows = [row for family, found in zip(FAMILIES, results, strict=True) for row in _rows(family, found)]
    note = (
        f"Reference: drag {DRAG}, lift {LIFT} (Braack and Richter 2006). Straight-sided P2-P1 cells, stabilised as "
        "always but where it says otherwise. Limits by hemo's own grid study (docs/solver.md) of the finest three."
    )
    columns = ("mesh", "edges of the cylinder", "cells", "unknowns", "drag", "off", "lift", "off", "seconds, one rank")
    publish(Table("dfg_cylinder", columns, tuple(rows), note))
    _draw(results)


def _solved() -> list[list[Forces]]:
    """Of each family in turn."""
    families = {family.name: family for family in FAMILIES}

    def do(name: str, edges: int) -> dict[str, Any]:
        found = solve(families[name].make(edges), edges, families[name].options)
        return {"family": name, "edges": edges, **asdict(found)}

    keys = [(family.name, edges) for family in FAMILIES for edges in family.edges]
    done = resumed(RESULTS, ("family", "edges"), keys, do)
    names = [part.name for part in fields(Forces)]
    return [
        [Forces(**{name: done[family.name, edges][name] for name in names}) for edges in family.edges]
        for family in FAMILIES
    ]


def _rows(family: Family, found: list[Forces]) -> list[tuple[str, ...]]:
    rows = []
    for edges, forces in zip(family.edges, found, strict=True):
        sizes = (str(edges), f"{forces.cells:,}", f"{forces.unknowns:,}")
        pair = (*_cell(forces.drag, DRAG), *_cell(forces.lift, LIFT))
        rows.append((family.name, *sizes, *pair, f"{forces.seconds:.0f}"))
    if family.make is not unstructured:
        drag, lift = limit(family, found)
        pair = (*_cell(drag.extrapolated, DRAG), *_cell(lift.extrapolated, LIFT))
        rows.append((family.name, f"limit; orders {_order(drag)} and {_order(lift)}", "", "", *pair, ""))
    return rows


def _cell(value: float | None, reference: float) -> tuple[str, str]:
    return ("-", "-") if value is None else (f"{value:.6f}", f"{100 * (value / reference - 1):+.2f} %")


def _order(found: Convergence) -> str:
    return "none" if found.order is None else f"{found.order:.1f}"


def _draw(results: list[list[Forces]]) -> None:
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    for axes, name, reference in zip(figure.subplots(1, 2), ("drag", "lift"), (DRAG, LIFT), strict=True):
        for family, found in zip(FAMILIES, results, strict=True):
            off = [100 * abs(getattr(forces, name) / reference - 1) for forces in found]
            axes.loglog([forces.unknowns for forces in found], off, "o-", label=family.name)
        axes.axhline(1.0, color="#bbbbbb", lw=1)
        axes.set(xlabel="unknowns", ylabel=f"error of the {name} / %")
    axes.legend(frameon=False, fontsize="small")
    figure.savefig(DOCS / "figures" / "dfg_cylinder.svg", metadata={"Date": None})
