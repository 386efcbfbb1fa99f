"""Laminar flow round a cylinder in a square channel at Re 20: the benchmark DFG 3D-1Z.

Schaefer and Turek 1996 (Notes on Numerical Fluid Mechanics 52:547); reference values of Braack and Richter 2006 (Comput
Fluids 35:372): drag 6.18533, lift 0.009401. Forces by the boundary's consistent flux, as everywhere in hemo. The
cylinder is a prism of the circle's area.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import gmsh
import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from hemo.blood import Blood
from hemo.boundary import FlowConditions
from hemo.fem.domain import distribute
from hemo.fem.options import FemOptions
from hemo.fem.problem import FlowProblem, build_problem
from hemo.fem.solver import solve_steady
from hemo.results import Status
from hemo.tetmesh import FACES, INLET, WALL, TetMesh, face_neighbours
from validation.table import Table, publish

Array = NDArray[Any]

LENGTH, HEIGHT = 2.5, 0.41
CENTRE, RADIUS = np.array([0.5, 0.2]), 0.05
MEAN_SPEED = 0.2
FLUID = Blood(density=1000.0, viscosity=3.5e-3)
SCALE = 3.5e-3  # m for each length unit above, so that blood flows there at Re 20
DRAG, LIFT = 6.18533, 0.009401
ROUND = (24, 36, 48)  # edges of the prism
FAR = 0.06


@dataclass(frozen=True)
class Forces:
    """Coefficients on one mesh."""

    cells: int
    unknowns: int
    drag: float
    lift: float
    seconds: float


def channel(edges: int) -> TetMesh:
    """Tetrahedra as large as the prism's edges beside it, up to ``FAR`` away from it."""
    gmsh.initialize(interruptible=False)
    try:
        gmsh.option.setNumber("General.Terminal", 0)
        gmsh.model.occ.addBox(0, 0, 0, LENGTH, HEIGHT, HEIGHT)
        angle = 2 * np.pi / edges
        radius = RADIUS * np.sqrt(angle / np.sin(angle))
        turns = angle * np.arange(edges)
        corners = [
            gmsh.model.occ.addPoint(CENTRE[0] + radius * np.cos(turn), CENTRE[1] + radius * np.sin(turn), 0)
            for turn in turns
        ]
        sides = [gmsh.model.occ.addLine(a, b) for a, b in zip(corners, corners[1:] + corners[:1], strict=True)]
        base = gmsh.model.occ.addPlaneSurface([gmsh.model.occ.addCurveLoop(sides)])
        prism = gmsh.model.occ.extrude([(2, base)], 0, 0, HEIGHT)
        gmsh.model.occ.cut([(3, 1)], [item for item in prism if item[0] == 3])
        gmsh.model.occ.synchronize()
        _sizes(2 * radius * np.sin(angle / 2))
        gmsh.model.mesh.generate(3)
        tags, coordinates, _ = gmsh.model.mesh.getNodes()
        _, nodes = gmsh.model.mesh.getElementsByType(4)
    finally:
        gmsh.finalize()
    place = np.zeros(int(tags.max()) + 1, dtype=np.int64)
    place[tags.astype(np.int64)] = np.arange(len(tags))
    cells = place[nodes.astype(np.int64)].reshape(-1, 4)
    used, cells = np.unique(cells, return_inverse=True)
    return tagged(SCALE * coordinates.reshape(-1, 3)[used], cells.reshape(-1, 4))


def _sizes(least: float) -> None:
    """Cells grow with the distance from the cylinder's axis."""
    field = gmsh.model.mesh.field
    distance = field.add("MathEval")
    formula = f"{least} + 0.2 * Max(0, Sqrt((x - {CENTRE[0]})^2 + (y - {CENTRE[1]})^2) - {1.2 * RADIUS})"
    field.setString(distance, "F", f"Min({FAR}, {formula})")
    field.setAsBackgroundMesh(distance)
    for name in ("MeshSizeExtendFromBoundary", "MeshSizeFromPoints", "MeshSizeFromCurvature"):
        gmsh.option.setNumber(f"Mesh.{name}", 0)


def tagged(points: Array, cells: Array) -> TetMesh:
    """Boundary facets with outward normals: inlet at x = 0, outlet at the other end, else wall."""
    untagged = TetMesh(points, cells, np.empty((0, 3), dtype=np.int64), np.empty(0, dtype=np.int32), {})
    turned = untagged.cell_volumes() < 0.0
    cells = np.where(turned[:, None], cells[:, [1, 0, 2, 3]], cells)
    cell, face = np.nonzero(face_neighbours(cells) < 0)
    facets = cells[cell[:, None], FACES[face]]
    corners = points[facets]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    inward = np.einsum("ij,ij->i", normal, points[cells[cell, face]] - corners[:, 0]) > 0.0
    facets[inward] = facets[inward][:, [1, 0, 2]]
    x = corners[:, :, 0] / SCALE
    tags = np.where((x < 1e-9).all(axis=1), 2, np.where((x > LENGTH - 1e-9).all(axis=1), 3, 1)).astype(np.int32)
    return TetMesh(points, cells, facets, tags, {1: WALL, 2: INLET, 3: "outlet"})


def entering(x: Array) -> Array:
    """(3, n) velocity at the inlet, zero elsewhere."""
    x = x / SCALE
    velocity = np.zeros_like(x)
    shape = x[1] * x[2] * (HEIGHT - x[1]) * (HEIGHT - x[2])
    velocity[0] = np.where(x[0] < 1e-9, 16 * 2.25 * MEAN_SPEED * shape / HEIGHT**4, 0.0)
    return velocity


def solve(edges: int) -> Forces:
    """Drag and lift with so many edges of the prism."""
    start = time.perf_counter()
    mesh = channel(edges)
    conditions = FlowConditions(1.0, 0.0, {"outlet": 0.0}, MEAN_SPEED * (HEIGHT * SCALE) ** 2)
    problem = build_problem(distribute(mesh, MPI.COMM_SELF), FLUID, conditions, prescribed_velocity=entering)
    problem.hold_prescribed()
    outcome = solve_steady(problem, FemOptions(tolerance=1e-8))
    if outcome.status is not Status.CONVERGED:
        raise RuntimeError(outcome.message)
    scale = FLUID.density * MEAN_SPEED**2 / 2 * 2 * RADIUS * HEIGHT * SCALE**2
    drag, lift = force_on_cylinder(problem)[:2] / scale
    return Forces(len(mesh.cells), problem.unknowns, drag, lift, time.perf_counter() - start)


def force_on_cylinder(problem: FlowProblem) -> Array:
    """(3,) N, by the residual tested with what does not vanish on the cylinder."""
    residual = problem.residual(raw=True)
    place = problem.velocity_part.space.tabulate_dof_coordinates() / SCALE
    near = np.hypot(place[:, 0] - CENTRE[0], place[:, 1] - CENTRE[1]) < 1.05 * RADIUS
    force = -residual.array[problem.velocity_part.places.reshape(-1, 3)[near]].sum(axis=0)
    residual.destroy()
    return np.asarray(force)


def main() -> None:
    """Solve on all meshes and fill the section ``dfg_cylinder`` of docs/benchmarks.md."""
    columns = ("edges of the cylinder", "cells", "unknowns", "drag", "off", "lift", "off", "seconds, one rank")
    rows = []
    for edges in ROUND:
        found = solve(edges)
        rows.append(
            (
                str(edges),
                f"{found.cells:,}",
                f"{found.unknowns:,}",
                f"{found.drag:.5f}",
                f"{100 * (found.drag / DRAG - 1):+.2f} %",
                f"{found.lift:.6f}",
                f"{100 * (found.lift / LIFT - 1):+.1f} %",
                f"{found.seconds:.0f}",
            )
        )
    note = f"Reference: drag {DRAG}, lift {LIFT} (Braack and Richter 2006). Straight-sided P2-P1 cells, stabilised."
    publish(Table("dfg_cylinder", columns, tuple(rows), note))
