"""How the finite-element problem is solved."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class FemOptions:
    """How the finite-element problem is solved; the defaults suit vessel trees at hyperaemia.

    Attributes
    ----------
    tolerance
        Converged when the residual is below this fraction of the viscous and inertial forces it balances.
    flow_tolerance
        ... and no outlet flow changed by more than this fraction of the inflow in the last step.
    stability
        Whether a steady flow that was found is judged by whether small disturbances of it die out.
    max_steps
        Nonlinear steps, those of pseudo-time that led nowhere not counted, before no steady flow is claimed.
    solved
        Whether the initial state is a solution, of another mesh: Newton's steps begin at the viscosity of blood, steps
        of pseudo-time follow where they do not soon converge, and the continuation where these fail.
    viscosity_factor
        The first viscosity of the continuation, times that of blood.
    viscosity_reduction
        Factor by which it goes down, at first.
    level_tolerance
        Relative residual at which the continuation goes on.
    step_tolerance
        A time step's residual, as a fraction of the viscous and inertial forces.
    most_beats, periodic
        Beats before giving up; periodic when no outlet's flow changes by more than this fraction of its largest from
        one beat to the next.
    settling, settling_steps
        Time for the vessels' profiles to settle where no steady flow was found, in those that one takes to develop, and
        the long steps that it is divided into.
    window_step
        Short time steps after them, in times that the fastest fluid takes to cross the inlet's diameter.
    least_window, most_window_steps
        Time of the first two windows that means are taken over, as ``settling``, and short steps of all windows before
        giving up; 0 not to follow the flow in time at all.
    averaged, tolerated
        What a mean may be off by where FFR is read, as the 95 % interval and the change since the window before tell:
        of a pressure over the aortic one, of an outlet's share of the flow. The one ends the averaging; the other is
        still a result when no more steps are allowed (pressure wires repeat themselves within 0.013 to 0.025).
    linear_tolerance
        Relative residual of each linear solve, the loosest allowed.
    max_linear_iterations
        GMRES iterations on a lagged factorisation before it is renewed.
    checkpoint_interval
        s of solving between checkpoints that nobody asked for.
    backflow
        beta of the backflow stabilisation at the outlets (1 makes the form energy-stable).
    streamline, grad_div
        Weights of the two stabilisations (0 leaves plain Galerkin).
    mumps
        Extra MUMPS options: ICNTL number -> value.
    """

    tolerance: float = 1e-6
    flow_tolerance: float = 1e-7
    stability: bool = False
    max_steps: int = 100
    solved: bool = False
    viscosity_factor: float = 8.0
    viscosity_reduction: float = 0.7
    level_tolerance: float = 0.05
    step_tolerance: float = 1e-4
    most_beats: int = 6
    periodic: float = 0.01
    settling: float = 2.0
    settling_steps: int = 100
    window_step: float = 0.1
    least_window: float = 0.5
    most_window_steps: int = 4000
    averaged: float = 0.005
    tolerated: float = 0.01
    linear_tolerance: float = 0.1
    max_linear_iterations: int = 60
    checkpoint_interval: float = 60.0
    backflow: float = 1.0
    streamline: float = 1.0
    grad_div: float = 1.0
    mumps: dict[int, int] = field(default_factory=dict)
