"""The nonlinear solve: Newton's method, led to the patient's viscosity from a higher one.

Newton's method started far from the solution diverges at a tight stenosis (throat Reynolds number above about
600). A fluid some times as viscous has a steady flow that Picard's iteration finds; from there steps of pseudo-time at
the viscosity of blood (:mod:`hemo.fem.marching`) settle in ten to twenty. Where the jet keeps them from it, the
viscosity goes down in reductions, each solution, extrapolated in the logarithm of the viscosity, being the guess of the
next (natural-parameter continuation; Allgower and Georg 1990, Numerical Continuation Methods, chapter 2); one that
fails is repeated in smaller ones. Newton's method finds a steady solution whether or not a real flow would keep to it:
that is judged afterwards, where it is asked for (:mod:`hemo.fem.stability`).
"""

from __future__ import annotations

import enum
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from petsc4py import PETSc

from hemo.fem.blame import largest_residual
from hemo.fem.linear import LaggedFactorisation
from hemo.fem.marching import MARCHES, crossing_time, time_step
from hemo.fem.options import FemOptions
from hemo.fem.problem import FlowProblem
from hemo.fem.stability import leading_mode
from hemo.results import Status

log = logging.getLogger(__name__)

Array = NDArray[np.float64]

PICARD_ABOVE = 0.1  # relative residual at the first level
CORRECTIONS = 8  # Newton steps that a level may take
WELL = 0.7  # what a step from another mesh's solution must leave of the residual, the first excepted
LARGEST = 1.0  # relative residual of a guess worth correcting, once a level has been solved
RUN_AWAY = 1e3  # times the residual that pseudo-time began with: no flow comes back from there
MANY_CORRECTIONS = 4
BOLDEST_REDUCTION = 0.5
SMALLEST_REDUCTION = 0.97  # of the viscosity: below this the continuation has met its end
PREDICTED_FROM = 3  # solutions
HIGHEST_VISCOSITY = 1000.0  # times that of blood
DISTURBANCE = 0.05  # of a flow that does not last, over its state


@dataclass(frozen=True)
class Step:
    """One nonlinear step, as it was when it ended.

    ``residual`` is relative to the viscous and inertial forces; ``flow_change`` to the inflow;
    ``viscosity_factor`` is the viscosity of this step over that of blood.
    """

    number: int
    residual: float
    flow_change: float
    newton: bool
    viscosity_factor: float
    linear_iterations: int
    factorised: bool
    seconds: float


@dataclass(frozen=True)
class SolveOutcome:
    """How the nonlinear solve ended, and the seconds it spent on factorisations."""

    status: Status
    message: str
    factor_seconds: float


StepCallback = Callable[[Step], None]
StopRequest = Callable[[], bool]


def solve_steady(
    problem: FlowProblem,
    options: FemOptions,
    on_step: StepCallback | None = None,
    stop: StopRequest | None = None,
    done: int = 0,
    viscosity_factor: float | None = None,
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
    viscosity_factor
        Where to continue after an interruption; None to begin with ``options.viscosity_factor``.

    Where it does not converge but may be followed in time, the state is that of the last viscosity with a steady flow.
    """
    continuation = _Continuation(problem, options, on_step, stop, done)
    try:
        status, message = continuation.run(viscosity_factor)
        if status is Status.CONVERGED and options.stability:
            status, lasting = continuation.judge()
            return SolveOutcome(status, f"{message} {lasting}", continuation.linear.factor_seconds)
        if status is Status.NOT_CONVERGED and options.most_window_steps:
            continuation.fall_back()
        return SolveOutcome(status, message, continuation.linear.factor_seconds)
    finally:
        problem.set_viscosity_factor(1.0)
        problem.set_time_step(None)
        continuation.destroy()


class _End(enum.Enum):
    """How the corrections of one level ended."""

    SOLVED = enum.auto()
    FAILED = enum.auto()
    STOPPED = enum.auto()
    EXHAUSTED = enum.auto()


class _Continuation:
    """The state of the solve between its steps."""

    def __init__(
        self,
        problem: FlowProblem,
        options: FemOptions,
        on_step: StepCallback | None,
        stop: StopRequest | None,
        done: int,
    ) -> None:
        self.problem, self.options, self.on_step, self.stop = problem, options, on_step, stop
        self.x: PETSc.Vec = problem.state.x.petsc_vec
        self.increment = self.x.duplicate()
        self.force = self.x.duplicate()
        self.linear = LaggedFactorisation(problem.create_matrix(), problem.outlets, options)
        self.number, self.most = done, options.max_steps
        self.flows = problem.outlets.flows(self.x)
        self.solved: list[tuple[float, PETSc.Vec]] = []  # the last levels: log of the factor, state
        self.start = self.x.copy()
        self.continued = False
        self.marched = False

    def destroy(self) -> None:
        """Free what PETSc holds."""
        for vector in (self.increment, self.force, self.start, *(state for _, state in self.solved)):
            vector.destroy()
        self.linear.destroy()

    def run(self, continued_at: float | None) -> tuple[Status, str]:
        """Go down through the viscosities."""
        factor = self.options.viscosity_factor if continued_at is None else continued_at
        reduction = self.options.viscosity_reduction
        self.continued = continued_at is not None
        # Lower levels come only where steps of pseudo-time led nowhere; at blood's own viscosity they were under way.
        self.marched = self.continued and 1.0 < factor < self.options.viscosity_factor
        marching = self.continued and factor == 1.0 and not self.options.solved
        while True:
            before = self.number
            end, marching = _End.FAILED if marching else self._correct(factor), False
            corrections = self.number - before
            level = end is _End.SOLVED and factor > 1.0
            if level:
                self._remember(factor)
            if (level or end is _End.FAILED) and not self.marched and (self.solved or self.continued):
                end = self._march()
                if end is _End.SOLVED:
                    factor, level = 1.0, False
            if end is _End.STOPPED:
                return Status.INTERRUPTED, f"Stopped on request after step {self.number}."
            if end is _End.EXHAUSTED:
                return Status.NOT_CONVERGED, self._blame(f"{self.number} steps were not enough")
            if end is _End.SOLVED and factor == 1.0:
                return Status.CONVERGED, f"Converged in {self.number} steps; residual {self.relative():.1e}."
            if level:
                if len(self.solved) > 1:
                    reduction = adapted(reduction, corrections)
            elif not self.solved:
                factor = max(4.0 * factor, self.options.viscosity_factor)
                if factor > HIGHEST_VISCOSITY:
                    return Status.NOT_CONVERGED, self._blame("no viscosity gave a steady flow to begin with")
                self._set_state(self.start)
                if self.continued:  # a start that led nowhere takes nothing from the continuation
                    self.continued, self.marched, self.most = False, False, self.number + self.options.max_steps
                continue
            else:
                reduction = float(np.sqrt(reduction))
                if reduction > SMALLEST_REDUCTION:
                    return Status.NOT_CONVERGED, self._blame("no steady flow was found beyond there")
            factor = max(1.0, float(np.exp(self.solved[-1][0])) * reduction)
            self._predict(factor)

    def judge(self) -> tuple[Status, str]:
        """Whether the solution lasts; one that does not is left disturbed."""
        start = time.perf_counter()
        mode = leading_mode(self.problem, self.linear, crossing_time(self.problem))
        log.info("stability: %.1f s", time.perf_counter() - start)
        if mode is None:
            return Status.CONVERGED, "Whether it lasts is not known."
        rate = mode.growth.real
        if rate > 0.0:
            self.x.axpy(DISTURBANCE * self.x.norm() / mode.shape.norm(), mode.shape)
            self.problem.hold_prescribed()
        mode.shape.destroy()
        if rate > 0.0:
            return Status.NOT_CONVERGED, f"That steady flow does not last: small disturbances grow, by {rate:.3g} 1/s."
        return Status.CONVERGED, f"It lasts: small disturbances die out, by {-rate:.3g} 1/s."

    def fall_back(self) -> None:
        """Leave the last state that was a solution, of whatever viscosity, or else the one at the start."""
        self._set_state(self.solved[-1][1] if self.solved else self.start)

    def _correct(self, factor: float) -> _End:
        """Newton's steps (Picard's first, at the first level) at one viscosity."""
        self.problem.set_viscosity_factor(factor)
        self._renew_force()
        relative = self.relative()
        picard = not (self.solved or self.continued) and relative > PICARD_ABOVE
        allowed = CORRECTIONS * (2 if factor == 1.0 or picard else 1)
        worst = LARGEST if self.solved else np.inf
        impatient = self.options.solved and self.continued and not self.solved and factor == 1.0
        for count in range(allowed):
            picard = picard and relative > PICARD_ABOVE
            before = relative
            relative, change = self._step(factor, relative, not picard)
            end = self._ended(factor, relative, change, worst)
            if end is None and count and impatient and not relative < WELL * before:
                end = _End.FAILED
            if end is not None:
                return end
        return _End.FAILED

    def _march(self) -> _End:
        """Steps of pseudo-time at the viscosity of blood, from the last state that was solved for, once in a solve."""
        self.marched, before = True, self.number
        self.fall_back()
        self.problem.set_viscosity_factor(1.0)
        self._renew_force()
        first = crossing_time(self.problem)
        begun = relative = self.relative()
        log.info("steps of pseudo-time, the first of %.1e s", first)
        end = None
        for _ in range(MARCHES):
            self.problem.set_time_step(time_step(first, begun, relative))
            relative, change = self._step(1.0, relative, True)
            end = self._ended(1.0, relative, change, RUN_AWAY * max(begun, 1.0))
            if end is not None:
                break
        self.problem.set_time_step(None)
        if end is None or end is _End.FAILED:
            self.most += self.number - before  # they take nothing from the continuation
        return end or _End.FAILED

    def _ended(self, factor: float, relative: float, change: float, worst: float) -> _End | None:
        """Whether the steps at one viscosity are over, and how."""
        if not np.isfinite(relative) or relative > worst:
            return _End.FAILED
        exhausted = self.number >= self.most
        if self._good(factor, relative, change) and (factor == 1.0 or not exhausted):
            return _End.SOLVED
        if self.stop is not None and self.stop():
            return _End.STOPPED
        return _End.EXHAUSTED if exhausted else None

    def _good(self, factor: float, relative: float, change: float) -> bool:
        if factor > 1.0:
            return relative < self.options.level_tolerance
        return relative < self.options.tolerance and change < self.options.flow_tolerance

    def _step(self, factor: float, relative: float, newton: bool) -> tuple[float, float]:
        """One step; returns the relative residual and the change of the outlet flows after it."""
        start = time.perf_counter()
        problem = self.problem
        problem.coefficients.newton.value = 1.0 if newton else 0.0
        problem.assemble_jacobian(self.linear.matrix)
        # As exact as the nonlinear step deserves (Eisenstat and Walker 1996, SIAM J Sci Comput 17:16).
        loosest = self.options.linear_tolerance
        tolerance = min(loosest, max(1e-4, relative)) if factor == 1.0 else loosest
        outcome = self.linear.solve(self.force, self.increment, tolerance)
        self.x.axpy(-1.0, self.increment)
        problem.state.x.scatter_forward()
        self._renew_force()
        self.number += 1
        relative, change = self.relative(), self._flow_change()
        step = Step(
            number=self.number,
            residual=relative,
            flow_change=change,
            newton=newton,
            viscosity_factor=factor,
            linear_iterations=outcome.iterations,
            factorised=outcome.factorised,
            seconds=time.perf_counter() - start,
        )
        log.info("%s", describe(step))
        if self.on_step is not None:
            self.on_step(step)
        return relative, change

    def _renew_force(self) -> None:
        self.force.destroy()
        self.force = self.problem.residual()

    def relative(self) -> float:
        """Residual over the viscous and inertial forces."""
        return float(self.force.norm()) / max(self.problem.balance_norm(), 1e-300)

    def _flow_change(self) -> float:
        flows = self.problem.outlets.flows(self.x)
        change = float(np.abs(flows - self.flows).max() / max(float(np.abs(flows).sum()), 1e-300))
        self.flows = flows
        return change

    def _remember(self, factor: float) -> None:
        self.solved.append((float(np.log(factor)), self.x.copy()))
        if len(self.solved) > PREDICTED_FROM:
            self.solved.pop(0)[1].destroy()

    def _predict(self, factor: float) -> None:
        """The guess at another viscosity: the polynomial in its logarithm through the last solutions (Lagrange)."""
        at = [logarithm for logarithm, _ in self.solved]
        self.x.set(0.0)
        for k, (here, state) in enumerate(self.solved):
            others = np.array(at[:k] + at[k + 1 :])
            self.x.axpy(float(np.prod((np.log(factor) - others) / (here - others))), state)
        self.problem.state.x.scatter_forward()

    def _set_state(self, state: PETSc.Vec) -> None:
        state.copy(self.x)
        self.problem.state.x.scatter_forward()

    def _blame(self, reason: str) -> str:
        factor = float(self.problem.coefficients.viscosity.value) / self.problem.blood.viscosity
        where = largest_residual(self.problem, self.force)
        return (
            f"Not converged: {reason}; viscosity {factor:.3g} times that of blood, relative residual "
            f"{self.relative():.1e}, largest {where}."
        )


def adapted(reduction: float, corrections: int) -> float:
    """The next reduction of the viscosity: bolder after one correction, more careful after many."""
    if corrections >= MANY_CORRECTIONS:
        return float(np.sqrt(reduction))
    return max(reduction**1.25, BOLDEST_REDUCTION) if corrections == 1 else reduction


def describe(step: Step) -> str:
    """One line of the log."""
    return (
        f"step {step.number}: {'Newton' if step.newton else 'Picard'}, viscosity x {step.viscosity_factor:.3g}, "
        f"residual {step.residual:.2e}, flow change {step.flow_change:.1e}, {step.linear_iterations} GMRES "
        f"iterations{', factorised' if step.factorised else ''}, {step.seconds:.2f} s"
    )
