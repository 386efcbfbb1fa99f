"""The nonlinear solve: pseudo-transient continuation from Picard's to Newton's linearisation.

Newton's method started far from the solution diverges at a tight stenosis (throat Reynolds number above about
600). Each step here solves

    (J(x) + rho / dtau M) dx = -F(x)

with local pseudo-time steps dtau that grow as the residual falls (switched evolution relaxation; Kelley and Keyes
1998, SIAM J Numer Anal 35:508), so it begins as a damped Picard iteration and ends as Newton's method. M is in the
matrix only: the converged state is steady. A step that raises the residual too much is halved.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from dolfinx.fem import petsc as fem_petsc
from numpy.typing import NDArray
from petsc4py import PETSc

from hemo.fem.job import FemOptions
from hemo.fem.linear import LaggedFactorisation
from hemo.fem.problem import FlowProblem
from hemo.results import Status

log = logging.getLogger(__name__)

Array = NDArray[np.float64]

GROWTH_ALLOWED = 1.5  # of the residual in one damped step
SHORTEST_STEP = 1.0 / 64.0


@dataclass(frozen=True)
class Step:
    """One nonlinear step, as it was when it ended.

    ``residual`` is relative to the viscous and inertial forces; ``flow_change`` to the inflow.
    """

    number: int
    residual: float
    flow_change: float
    newton: bool
    courant: float
    length: float
    linear_iterations: int
    factorised: bool
    seconds: float


@dataclass(frozen=True)
class SolveOutcome:
    """How the nonlinear solve ended."""

    status: Status
    message: str
    steps: tuple[Step, ...]
    factorisations: int
    factor_seconds: float
    linear_iterations: int
    factor_bytes: float


StepCallback = Callable[[Step], None]
StopRequest = Callable[[], bool]


def solve_steady(
    problem: FlowProblem,
    options: FemOptions,
    on_step: StepCallback | None = None,
    stop: StopRequest | None = None,
    done: int = 0,
) -> SolveOutcome:
    """Solve F(x) = 0 from the problem's current state, in place.

    Parameters
    ----------
    on_step
        Called on every rank after every step.
    stop
        Collective question asked after every step; True ends the solve as INTERRUPTED.
    done
        Steps already taken before an interruption.
    """
    iteration = _Iteration(problem, options, done)
    try:
        status, message = iteration.run(on_step, stop)
        return SolveOutcome(
            status,
            message,
            tuple(iteration.steps),
            iteration.linear.factorisations,
            iteration.linear.factor_seconds,
            iteration.linear.iterations,
            iteration.linear.memory(),
        )
    finally:
        iteration.destroy()


class _Iteration:
    """The state of the iteration between its steps."""

    def __init__(self, problem: FlowProblem, options: FemOptions, done: int) -> None:
        self.problem = problem
        self.options = options
        self.x: PETSc.Vec = problem.state.x.petsc_vec
        self.increment = self.x.duplicate()
        matrix = fem_petsc.create_matrix(problem.jacobian_form)
        self.linear = LaggedFactorisation(matrix, problem.outlets, options)
        self.steps: list[Step] = []
        self.number = done
        self.force = problem.residual()
        self.norm = self.force.norm()
        self.first_norm = self.norm
        self.flows = problem.outlets.flows(self.x)
        self.courant = options.courant

    def destroy(self) -> None:
        for item in (self.increment, self.force):
            item.destroy()
        self.linear.destroy()

    @property
    def relative(self) -> float:
        return self.norm / max(self.problem.balance_norm(), 1e-300)

    def run(self, on_step: StepCallback | None, stop: StopRequest | None) -> tuple[Status, str]:
        relative = self.relative
        log.info("start: residual %.2e of the viscous and inertial forces", relative)
        while self.number < self.options.max_steps:
            start = time.perf_counter()
            newton = relative < self.options.newton_switch
            iterations, factorised = self._direction(relative, newton)
            length = self._line_search()
            if length == 0.0:
                return Status.NOT_CONVERGED, self._blame("no step along the search direction lowers the residual")
            self.number += 1
            before, relative = relative, self.relative
            change = self._flow_change()
            self._evolve(before, relative, length)
            step = Step(
                self.number, relative, change, newton, self.courant, length, iterations, factorised,
                time.perf_counter() - start,
            )  # fmt: skip
            self.steps.append(step)
            log.info("%s", describe(step))
            if on_step is not None:
                on_step(step)
            if relative < self.options.tolerance and change < self.options.flow_tolerance:
                return Status.CONVERGED, f"Converged in {self.number} steps; residual {relative:.1e}."
            if stop is not None and stop():
                return Status.INTERRUPTED, f"Stopped on request after step {self.number}."
        return Status.NOT_CONVERGED, self._blame(f"{self.number} steps were not enough")

    def _direction(self, relative: float, newton: bool) -> tuple[int, bool]:
        """Solve for the increment; returns GMRES iterations and whether the matrix was factorised."""
        problem = self.problem
        problem.newton.value = 1.0 if newton else 0.0
        problem.set_pseudo_time(self.courant)
        problem.assemble_jacobian(self.linear.matrix)
        # As exact as the nonlinear step deserves (Eisenstat and Walker 1996, SIAM J Sci Comput 17:16).
        tolerance = min(self.options.linear_tolerance, max(1e-6, relative)) if newton else self.options.linear_tolerance
        outcome = self.linear.solve(self.force, self.increment, tolerance)
        return outcome.iterations, outcome.factorised

    def _line_search(self) -> float:
        """Walk along the increment; returns the step length taken, 0 if none is acceptable."""
        state, length = self.problem.state, 1.0
        old = self.x.copy()
        while length >= SHORTEST_STEP:
            self.x.waxpy(-length, self.increment, old)
            state.x.scatter_forward()
            force = self.problem.residual()
            norm = force.norm()
            if np.isfinite(norm) and norm <= GROWTH_ALLOWED * self.norm:
                self.force.destroy()
                self.force, self.norm = force, norm
                old.destroy()
                return length
            force.destroy()
            length /= 2.0
        old.copy(self.x)
        state.x.scatter_forward()
        old.destroy()
        return 0.0

    def _flow_change(self) -> float:
        flows = self.problem.outlets.flows(self.x)
        change = float(np.abs(flows - self.flows).max() / max(float(np.abs(flows).sum()), 1e-300))
        self.flows = flows
        return change

    def _evolve(self, before: float, after: float, length: float) -> None:
        """Switched evolution relaxation of the Courant number."""
        ratio = np.clip(before / max(after, 1e-300), 0.5, 10.0) if length == 1.0 else 0.25
        self.courant = max(self.courant * ratio, 0.1 * self.options.courant)
        if after < 0.1 * self.options.newton_switch:
            self.courant = np.inf
        elif not np.isfinite(self.courant):
            self.courant = self.options.courant / max(after, 1e-12)

    def _blame(self, reason: str) -> str:
        where = largest_residual(self.problem, self.force)
        return f"Not converged: {reason}; relative residual {self.relative:.1e}, largest {where}."


def describe(step: Step) -> str:
    """One line of the log."""
    kind = "Newton" if step.newton else "Picard"
    return (
        f"step {step.number}: {kind}, Courant {step.courant:.3g}, length {step.length:g}, residual {step.residual:.2e}, "
        f"flow change {step.flow_change:.1e}, {step.linear_iterations} GMRES iterations"
        f"{', factorised' if step.factorised else ''}, {step.seconds:.2f} s"
    )


def record(step: Step) -> dict[str, float | int | bool]:
    """A step as plain data."""
    return asdict(step)


def largest_residual(problem: FlowProblem, residual: PETSc.Vec) -> str:
    """Words for the place of the largest entry of the residual: its coordinates and the nearest cap."""
    space, dofs = problem.state.function_space.sub(0).collapse()
    owned = space.dofmap.index_map.size_local
    first = problem.state.function_space.dofmap.index_map.local_range[0]
    del first
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
    domain = problem.domain
    centres = cap_centres(problem)
    del domain
    return min(centres, key=lambda name: float(np.linalg.norm(centres[name] - place)))


def cap_centres(problem: FlowProblem) -> dict[str, Array]:
    """Mean vertex position of every cap, m."""
    from hemo.tetmesh import WALL

    domain = problem.domain
    mesh = domain.mesh
    mesh.topology.create_connectivity(2, 0)
    found = {}
    for name in domain.names.values():
        if name == WALL:
            continue
        from dolfinx.mesh import entities_to_geometry

        nodes = entities_to_geometry(mesh, 2, domain.facets(name)).ravel()
        total = np.append(mesh.geometry.x[nodes].sum(axis=0), float(len(nodes)))
        total = domain.comm.allreduce(total)
        found[name] = total[:3] / total[3]
    return found
