"""Implicit time steps: the second-order backward differentiation formula, and the corrections of one step.

A step solves F(x_new) = 0 with u_t = (3/2 u_new - 2 u_n + 1/2 u_(n-1)) / dt (Hairer and Wanner, Solving Ordinary
Differential Equations II, section V.1; the first step is implicit Euler's), from a guess extrapolated through the last
three states. A correction is M^{-1} F with the factors M of an earlier Jacobian, because making those costs many
corrections, improved by what the last corrections did to the residual (Anderson acceleration: Walker and Ni 2011, SIAM
J Numer Anal 49:1715); the Jacobian changes slowly, so the pairs outlast their time step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from petsc4py import PETSc

from hemo.fem.linear import LaggedFactorisation
from hemo.fem.options import FemOptions
from hemo.fem.problem import FlowProblem
from hemo.reduced.lumped import BACKWARD_DIFFERENCES

ORDER = 2
# The guess through the last one, two and three states.
EXTRAPOLATION = {1: (1.0,), 2: (2.0, -1.0), 3: (3.0, -3.0, 1.0)}
CORRECTIONS = 60
MANY = 8  # corrections that a step of FEW unknowns may need before the factors are worth renewing for the next
FEW = 48_000
WELL = 0.7  # what a correction should leave of the residual
SPAN = 3  # corrections that are judged together
DEPTH = 6  # pairs


@dataclass(frozen=True)
class StepOutcome:
    """How one time step went; ``residual`` is relative to the forces at its start."""

    residual: float
    corrections: int
    factorisations: int


class Corrector:
    """Corrections of a state from its residual, with old factors and the memory of what the last ones did."""

    def __init__(self, problem: FlowProblem, options: FemOptions) -> None:
        self.problem = problem
        self.linear = LaggedFactorisation(problem.create_matrix(), problem.outlets, options)
        x = problem.state.x.petsc_vec
        self.moved, self.seen = x.duplicate(), x.duplicate()  # the last correction, and M^{-1} F before it
        self.correction = x.duplicate()
        self.pairs: list[tuple[PETSc.Vec, PETSc.Vec]] = []  # change of the state, and of M^{-1} F with it
        self.first = True

    def renew(self) -> None:
        """Factorise the Jacobian of the current state."""
        self.problem.assemble_jacobian(self.linear.matrix)
        self.linear.factorise()
        self.forget()

    def forget(self) -> None:
        """Drop the pairs and the last correction, which belong to other factors."""
        self.first = True
        for pair in self.pairs:
            for vector in pair:
                vector.destroy()
        self.pairs = []

    def begin(self) -> None:
        """A new problem begins: what the last correction of the one before did is not known."""
        self.first = True

    def correct(self, force: PETSc.Vec) -> PETSc.Vec:
        """What to add to the state whose residual is ``force``; the vector is this object's own."""
        z = force.duplicate()
        self.linear.precondition(force, z)
        if not self.first:
            change = z.copy()
            change.axpy(-1.0, self.seen)
            self.pairs.append((self.moved.copy(), change))
            if len(self.pairs) > DEPTH:
                for vector in self.pairs.pop(0):
                    vector.destroy()
        z.copy(self.seen)
        weights = self._weights(z)
        self.correction.set(0.0)
        for weight, (state, seen) in zip(weights, self.pairs, strict=True):
            self.correction.axpy(weight, state)
            z.axpy(weight, seen)
        self.correction.axpy(-1.0, z)
        z.destroy()
        self.correction.copy(self.moved)
        self.first = False
        return self.correction

    def _weights(self, z: PETSc.Vec) -> NDArray[np.float64]:
        """Of the pairs, such that what they would leave of z is least."""
        gram = np.array([[one.dot(other) for _, other in self.pairs] for _, one in self.pairs])
        right = np.array([-seen.dot(z) for _, seen in self.pairs])
        if not len(right):
            return right
        size = np.maximum(np.sqrt(np.diag(gram)), 1e-300)
        scaled, *_ = np.linalg.lstsq(gram / np.outer(size, size), right / size, rcond=1e-10)
        return np.asarray(scaled / size)

    def destroy(self) -> None:
        """Free what PETSc holds."""
        self.forget()
        for vector in (self.moved, self.seen, self.correction):
            vector.destroy()
        self.linear.destroy()


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
        self.states: list[PETSc.Vec] = [self.x.copy()]
        self.corrector = Corrector(problem, options)
        # Making factors costs the more corrections, the more unknowns there are.
        self.patience = MANY * max(problem.unknowns / FEW, 1.0) ** (2 / 3)
        self.order = 0  # of the last step
        self.worn = True  # whether the factors are to be renewed

    def remember(self, states: list[PETSc.Vec]) -> None:
        """Take over the last states, the latest first, which must be the problem's own."""
        for vector in self.states:
            vector.destroy()
        self.states = states

    def step(self, impose: Callable[[], None] | None = None) -> StepOutcome:
        """Go one step on; what drives the flow must have been set to the step's end, or ``impose`` does it."""
        self._begin()
        if impose is not None:
            impose()
        self.problem.hold_prescribed()
        force, scale = self.problem.residual(), max(self.problem.balance_norm(), 1e-300)
        relative = [float(force.norm()) / scale]  # since the factors were made
        corrections = factorisations = 0
        self.corrector.begin()
        while relative[-1] > self.options.step_tolerance and corrections < CORRECTIONS:  # not where it is no number
            if self.worn:
                self.corrector.renew()
                self.worn, relative = False, relative[-1:]
                factorisations += 1
            self.x.axpy(1.0, self.corrector.correct(force))
            self.problem.state.x.scatter_forward()
            force.destroy()
            force = self.problem.residual()
            relative.append(float(force.norm()) / scale)
            corrections += 1
            self.worn = len(relative) > SPAN and not relative[-1] < WELL**SPAN * relative[-1 - SPAN]
        self.worn = self.worn or len(relative) > self.patience
        force.destroy()
        self._keep()
        return StepOutcome(relative[-1], corrections, factorisations)

    def _begin(self) -> None:
        """Set the time derivative and the guess."""
        order = min(len(self.states), ORDER)
        self.worn = self.worn or order != self.order
        self.order = order
        new, *old = BACKWARD_DIFFERENCES[order]
        self.problem.set_time_step(self.dt, new)
        past = self.problem.coefficients.past
        assert past is not None
        _combine(past.x.petsc_vec, np.array(old) / self.dt, self.states)
        past.x.scatter_forward()
        _combine(self.x, EXTRAPOLATION[len(self.states)], self.states)

    def _keep(self) -> None:
        self.states.insert(0, self.x.copy())
        while len(self.states) > max(EXTRAPOLATION):
            self.states.pop().destroy()

    def destroy(self) -> None:
        """Free what PETSc holds."""
        for vector in self.states:
            vector.destroy()
        self.corrector.destroy()


def _combine(target: PETSc.Vec, weights: tuple[float, ...] | np.ndarray, states: list[PETSc.Vec]) -> None:
    target.set(0.0)
    for weight, state in zip(weights, states, strict=False):
        target.axpy(float(weight), state)
