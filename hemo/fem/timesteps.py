"""Implicit time steps: the second-order backward differentiation formula, and the corrections of one step.

A step solves F(x_new) = 0 with u_t = (3/2 u_new - 2 u_n + 1/2 u_(n-1)) / dt (Hairer and Wanner, Solving Ordinary
Differential Equations II, section V.1; the first step is implicit Euler's), from a guess extrapolated through the last
three states. Corrections are Newton's with the Jacobian of an earlier step for as long as each takes the residual down
well: assembling and factorising one costs many of them.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from dolfinx.fem import petsc as fem_petsc
from petsc4py import PETSc

from hemo.fem.linear import LaggedFactorisation
from hemo.fem.options import FemOptions
from hemo.fem.problem import FlowProblem
from hemo.reduced.lumped import BACKWARD_DIFFERENCES

log = logging.getLogger(__name__)

ORDER = 2
# The guess through the last one, two and three states.
EXTRAPOLATION = {1: (1.0,), 2: (2.0, -1.0), 3: (3.0, -3.0, 1.0)}
CORRECTIONS = 30
WELL = 0.3  # residual after a correction over that before, with a Jacobian worth keeping


@dataclass(frozen=True)
class StepOutcome:
    """How one time step went; ``residual`` is relative to the forces at its start."""

    residual: float
    corrections: int
    assembled: int
    linear_iterations: int
    factorised: bool


class TimeStepper:
    """The last states of a problem, and its next one.

    Parameters
    ----------
    problem
        Made ``unsteady``; its state is that of the time where the first step begins.
    dt
        Time step, s.
    """

    def __init__(self, problem: FlowProblem, options: FemOptions, dt: float) -> None:
        self.problem, self.options, self.dt = problem, options, dt
        self.x: PETSc.Vec = problem.state.x.petsc_vec
        self.increment = self.x.duplicate()
        self.states: list[PETSc.Vec] = [self.x.copy()]
        self.linear = LaggedFactorisation(fem_petsc.create_matrix(problem.jacobian_form), problem.outlets, options)
        self.fresh = False  # whether there is a Jacobian that served the last correction well

    def remember(self, states: list[PETSc.Vec]) -> None:
        """Take over the last states, the latest first, which must be the problem's own."""
        for vector in self.states:
            vector.destroy()
        self.states = states

    def step(self) -> StepOutcome:
        """Go one step on; what drives the flow must have been set to the step's end."""
        self._begin()
        force, scale = self.problem.residual(), max(self.problem.balance_norm(), 1e-300)
        relative = float(force.norm()) / scale
        outcome = StepOutcome(relative, 0, 0, 0, False)
        while not relative <= self.options.step_tolerance and outcome.corrections < CORRECTIONS:
            assembled = not self.fresh
            if assembled:
                self.problem.assemble_jacobian(self.linear.matrix)
            linear = self.linear.solve(force, self.increment, self.options.linear_tolerance)
            self.x.axpy(-1.0, self.increment)
            self.problem.state.x.scatter_forward()
            force.destroy()
            force = self.problem.residual()
            before, relative = relative, float(force.norm()) / scale
            self.fresh = relative < WELL * before
            outcome = StepOutcome(
                relative,
                outcome.corrections + 1,
                outcome.assembled + assembled,
                outcome.linear_iterations + linear.iterations,
                outcome.factorised or linear.factorised,
            )
        force.destroy()
        self._keep()
        return outcome

    def _begin(self) -> None:
        """Set the time derivative and the guess."""
        order = min(len(self.states), ORDER)
        new, *old = BACKWARD_DIFFERENCES[order]
        self.problem.set_time_step(self.dt, new)
        past = self.problem.coefficients.past
        assert past is not None
        _combine(past.x.petsc_vec, np.array(old) / self.dt, self.states)
        past.x.scatter_forward()
        _combine(self.x, EXTRAPOLATION[len(self.states)], self.states)
        self.problem.hold_prescribed()

    def _keep(self) -> None:
        self.states.insert(0, self.x.copy())
        while len(self.states) > max(EXTRAPOLATION):
            self.states.pop().destroy()

    def destroy(self) -> None:
        """Free what PETSc holds."""
        for vector in (self.increment, *self.states):
            vector.destroy()
        self.linear.destroy()


def _combine(target: PETSc.Vec, weights: tuple[float, ...] | np.ndarray, states: list[PETSc.Vec]) -> None:
    target.set(0.0)
    for weight, state in zip(weights, states, strict=False):
        target.axpy(float(weight), state)
