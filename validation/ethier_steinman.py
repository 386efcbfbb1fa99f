"""An exact unsteady flow in three dimensions: rates in space and time of the stabilised elements and their time steps.

Ethier and Steinman 1994 (Int J Numer Methods Fluids 19:369), a = pi/4, d = pi/2, on the cube |x| < 1: the vorticity is
everywhere along the velocity, so that convection is a gradient and the flow decays as exp(-d^2 nu t) at any Reynolds
number. Here lengths, speed and fluid are those of blood in an artery; the exact velocity holds on all faces. It leaves
the pressure's level open, and its interpolation lets a little more flow in than out: a leak through side branches, too
small to matter, settles both, and the pressures are compared without their means.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import ufl
from dolfinx import fem
from matplotlib.figure import Figure
from mpi4py import MPI
from numpy.typing import NDArray

from hemo.blood import Blood
from hemo.boundary import FlowConditions
from hemo.fem.domain import distribute
from hemo.fem.jit import compilation, jit_options
from hemo.fem.options import FemOptions
from hemo.fem.problem import FlowProblem, build_problem, set_state
from hemo.fem.timesteps import TimeStepper
from hemo.tetmesh import INLET, WALL, TetMesh
from validation.table import DOCS, Table, publish
from validation.tets import drawn_out, split_quads, tagged

Array = NDArray[Any]

A, D = np.pi / 4, np.pi / 2
BLOOD = Blood()
LENGTH, SPEED = 1.5e-3, 0.05  # m and m/s for 1 in the paper; the fluid reaches some 0.17 m/s
RATE = D**2 * BLOOD.viscosity / BLOOD.density / LENGTH**2  # of the decay, 1/s
END = 1.0 / RATE
LEAK = 1e-8  # 1 / (Pa s)
TOLERANCE = 1e-8  # of a step's residual
SIDES, SIDE_STEPS = (6, 8, 12, 16), 32
STEPS, STEPS_SIDE, FINEST = (4, 8, 16, 32, 64), 8, 512


def velocity(x: Any, t: float, m: Any) -> tuple[Any, Any, Any]:
    """Velocity, m/s; ``m`` is numpy or ufl."""
    scaled = [x[k] / LENGTH for k in range(3)]

    def component(k: int) -> Any:
        x, y, z = scaled[k], scaled[(k + 1) % 3], scaled[(k + 2) % 3]
        return m.exp(A * x) * m.sin(A * y + D * z) + m.exp(A * z) * m.cos(A * x + D * y)

    size = -SPEED * A * float(np.exp(-RATE * t))
    return size * component(0), size * component(1), size * component(2)


def pressure(x: Any, t: float, m: Any) -> Any:
    """Pressure, Pa."""
    scaled = [x[k] / LENGTH for k in range(3)]

    def part(k: int) -> Any:
        x, y, z = scaled[k], scaled[(k + 1) % 3], scaled[(k + 2) % 3]
        return m.exp(2 * A * x) + 2 * m.sin(A * x + D * y) * m.cos(A * z + D * x) * m.exp(A * (y + z))

    return -0.5 * BLOOD.density * (SPEED * A * float(np.exp(-RATE * t))) ** 2 * (part(0) + part(1) + part(2))


def cube(count: int) -> TetMesh:
    """``count`` cubes along each side, six tetrahedra each."""
    side = np.linspace(-LENGTH, LENGTH, count + 1)
    plane = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1).reshape(-1, 2)
    first = (np.arange(count)[:, None] * (count + 1) + np.arange(count)).ravel()
    quads = np.column_stack([first, first + count + 1, first + count + 2, first + 1])
    points, cells = drawn_out(plane, split_quads(quads), side)

    def tag(corners: Array) -> Array:
        return np.where((corners[:, :, 0] < -LENGTH * (1 - 1e-9)).all(axis=1), 2, 1)

    return tagged(points, cells, tag, {1: WALL, 2: INLET})


def solve(count: int, steps: int) -> FlowProblem:
    """March from the exact flow at time 0 to ``END`` in so many steps."""
    problem = _begin(cube(count))
    stepper = TimeStepper(problem, FemOptions(step_tolerance=TOLERANCE), END / steps)
    held = problem.inlet_velocity  # on the wall too
    assert held is not None
    for step in range(1, steps + 1):
        held.interpolate(lambda x, t=step * stepper.dt: np.array(velocity(x, t, np)))
        outcome = stepper.step()
        if not outcome.residual <= TOLERANCE:
            raise RuntimeError(f"time step {step} ended with a residual of {outcome.residual:.1e}")
    stepper.destroy()
    return problem


def _begin(mesh: TetMesh) -> FlowProblem:
    """The problem, in the exact state at time 0."""

    def entering(x: Array) -> Array:
        return np.array(velocity(x, 0.0, np))

    conditions, leak = FlowConditions(1.0, 0.0, {}), np.full(len(mesh.cells), LEAK)
    with compilation(MPI.COMM_SELF):
        domain = distribute(mesh, MPI.COMM_SELF)
        problem = build_problem(domain, BLOOD, conditions, prescribed_velocity=entering, leak=leak, unsteady=True)
    first, level = (fem.Function(part.space) for part in (problem.velocity_part, problem.pressure_part))
    first.interpolate(entering)
    level.interpolate(lambda x: pressure(x, 0.0, np))
    set_state(problem, first, level)
    return problem


def errors(problem: FlowProblem) -> Array:
    """(3,) against the exact flow at ``END``, relative: velocity in L2 and in the H1 seminorm, pressure in L2."""
    x = ufl.SpatialCoordinate(problem.domain.mesh)
    u, p = ufl.as_vector(velocity(x, END, ufl)), pressure(x, END, ufl)
    gap = problem.velocity() - u
    with compilation(MPI.COMM_SELF):
        offset, level = (_mean(part, problem) for part in (problem.pressure() - p, p))
        pairs = ((gap, u), (ufl.grad(gap), ufl.grad(u)), (problem.pressure() - p - offset, p - level))
        return np.array([norm(error) / norm(size) for error, size in pairs])


def _mean(expression: Any, problem: FlowProblem) -> float:
    return _integral(expression) / _integral(fem.Constant(problem.domain.mesh, 1.0))


def norm(expression: Any) -> float:
    """In L2 over the mesh of ``expression``."""
    return float(np.sqrt(_integral(ufl.inner(expression, expression))))


def _integral(expression: Any) -> float:
    return float(fem.assemble_scalar(fem.form(expression * ufl.dx(degree=6), jit_options=jit_options())))


def differences(problem: FlowProblem, finest: FlowProblem) -> Array:
    """(2,) from the same mesh's flow with smaller steps, relative: velocities and pressures at the nodes."""
    found = []
    for one, other in ((problem.velocity(), finest.velocity()), (problem.pressure(), finest.pressure())):
        gap, size = one.x.array - other.x.array, other.x.array
        if one.function_space == problem.pressure_part.space:
            gap, size = gap - gap.mean(), size - size.mean()
        found.append(np.linalg.norm(gap) / np.linalg.norm(size))
    return np.array(found)


def rates(sizes: Any, found: Array) -> Array:
    """(k - 1, n) orders in 1 / size from the k rows of errors."""
    return np.asarray(-np.diff(np.log(found), axis=0) / np.diff(np.log(np.array(sizes)))[:, None])


def main() -> None:
    """Two tables and a figure over the meshes and over the time steps."""
    begun, in_space, rows = time.perf_counter(), [], []
    for side in SIDES:
        start = time.perf_counter()
        problem = solve(side, SIDE_STEPS)
        in_space.append(errors(problem))
        rows.append((str(side), f"{6 * side**3:,}", f"{problem.unknowns:,}", f"{time.perf_counter() - start:.0f}"))
    space = np.array(in_space)
    columns = ("cells along a side", "cells", "unknowns", "velocity", "rate", "gradient", "rate", "pressure", "rate")
    note = f"Errors against the exact flow, relative, after {SIDE_STEPS} steps."
    rows = [(*row[:3], *cells) for row, cells in zip(rows, with_rates(SIDES, space), strict=True)]
    publish(Table("ethier_steinman", columns, tuple(rows), note))
    finest = solve(STEPS_SIDE, FINEST)
    marched = [solve(STEPS_SIDE, steps) for steps in STEPS]
    steps_apart = np.array([differences(problem, finest) for problem in marched])
    whole = np.array([errors(problem) for problem in marched])
    rows = [
        (str(steps), f"{1e3 * END / steps:.1f}", *cells, f"{error[0]:.2e}", f"{error[2]:.2e}")
        for steps, cells, error in zip(STEPS, with_rates(STEPS, steps_apart), whole, strict=True)
    ]
    columns = ("steps", "step / ms", "velocity", "rate", "pressure", "rate", "velocity, exact", "pressure, exact")
    note = (
        f"Differences from {FINEST} steps on the same mesh of {STEPS_SIDE} cells along a side, and errors against the "
        f"exact flow, which are those of the mesh. All of this took {time.perf_counter() - begun:.0f} s on one rank."
    )
    publish(Table("ethier_steinman_steps", columns, tuple(rows), note))
    _draw(space, steps_apart)


def with_rates(sizes: Any, found: Array) -> list[list[str]]:
    """Each error and the rate that led to it."""
    order = np.vstack([np.full(found.shape[1], np.nan), rates(sizes, found)])
    return [
        [
            text
            for error, rate in zip(*pair, strict=True)
            for text in (f"{error:.2e}", f"{rate:.2f}".replace("nan", "-"))
        ]
        for pair in zip(found, order, strict=True)
    ]


def _draw(space: Array, steps: Array) -> None:
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for values, label, order in zip(space.T, ("velocity", "gradient", "pressure"), (3, 2, 2), strict=True):
        line = left.loglog(SIDES, values, "o-", label=label)[0]
        left.loglog(SIDES, values[-1] * (np.array(SIDES) / SIDES[-1]) ** -float(order), ":", color=line.get_color())
    for values, label in zip(steps.T, ("velocity", "pressure"), strict=True):
        line = right.loglog(STEPS, values, "o-", label=label)[0]
        right.loglog(STEPS, values[-1] * (np.array(STEPS) / STEPS[-1]) ** -2.0, ":", color=line.get_color())
    left.set(xlabel="cells along a side", ylabel="relative error", title="dotted: orders 3, 2 and 2")
    right.set(xlabel="time steps", ylabel=f"relative difference from {FINEST} steps", title="dotted: order 2")
    for axes in (left, right):
        axes.legend(frameon=False)
    figure.savefig(DOCS / "figures" / "ethier_steinman.svg", metadata={"Date": None})
