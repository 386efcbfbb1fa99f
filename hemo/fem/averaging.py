"""Flow behind a severe lesion that does not settle: followed in time under what drives it, and averaged.

Long steps, which damp what fluctuates, first bring the slow profiles of the vessels to rest. Then the means over a
window of short steps are compared with those over the window before. The first two take half of the time in which a
profile develops, so that what is still on its way shows; each later one is as long as all before it. The wire averages
over beats, too: FFR is the mean of what fluctuates.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from petsc4py import PETSc

from hemo.fem.intime import InTime, TimeStep, describe
from hemo.fem.job import Probes
from hemo.fem.marching import crossing_rate, viscous_time
from hemo.fem.options import FemOptions
from hemo.fem.problem import FlowProblem
from hemo.fem.timesteps import StepOutcome, TimeStepper
from hemo.results import Status
from hemo.tetmesh import TetMesh

log = logging.getLogger(__name__)

Array = NDArray[Any]

INSTANTS = 64  # of the wall's traction, at most, in a window


@dataclass(frozen=True)
class Schedule:
    """Times, s: of settling and of its long steps, of the short steps, and short steps of the first two windows."""

    settling: float
    long: float
    short: float
    first_window: int


def schedule(problem: FlowProblem, options: FemOptions) -> Schedule:
    """By the fastest fluid in the problem's state, and the time that a profile takes to develop; collective."""
    profile = viscous_time(problem)
    short = options.window_step / max(crossing_rate(problem), 1e-300)
    settling = options.settling * profile
    long = max(settling / options.settling_steps, short)
    return Schedule(settling, long, short, max(round(options.least_window * profile / short), 1))


class WindowSolver(InTime):
    """Marches from the problem's current state until the means of two windows agree.

    Parameters
    ----------
    problem
        Made ``unsteady``.
    tet
        The input mesh, on rank 0.
    probes
        Where pressure is followed.
    plan
        The steps' lengths and numbers.
    done
        Steps of any kind taken before.
    """

    def __init__(
        self,
        problem: FlowProblem,
        tet: TetMesh | None,
        probes: Probes,
        options: FemOptions,
        plan: Schedule,
        done: int = 0,
    ) -> None:
        super().__init__(problem, tet, probes, options, plan.long)
        self.plan, self.done = plan, done
        self.time = 0.0  # s since the start
        self.begun = self.length = 0  # short steps before the window that runs, and of it; ``number`` counts them

    @property
    def settling(self) -> bool:
        """Whether long steps are still to be taken."""
        return self.time < self.plan.settling and self.number == 0 and self.stepper.dt > self.plan.short

    @property
    def within(self) -> int:
        """Steps done of the window that runs, or that has just ended."""
        return self.number - self.begun

    @property
    def whole(self) -> bool:
        """Whether a window has just ended that has another before it."""
        return self.begun > 0 and self.within == self.length

    def run(
        self, on_step: Callable[[TimeStep], None] | None = None, stop: Callable[[], bool] | None = None
    ) -> tuple[Status, str]:
        """March until the means agree; both functions as in :func:`hemo.fem.solver.solve_steady`."""
        while True:
            if self.whole:
                change = self.change()
                said = self._said(change)
                log.info("window of %d steps: %s", self.length, said)
                if change <= self.options.averaged:
                    return Status.AVERAGED, f"No steady flow was found; {said}"
                if 2 * self.number > self.options.most_window_steps:  # the next window is as long as all before it
                    return Status.NOT_CONVERGED, f"No steady flow was found, and none in the mean: {said}"
            if stop is not None and stop():
                return Status.INTERRUPTED, f"Stopped on request after step {self.done}."
            start = time.perf_counter()
            outcome = self._settle() if self.settling else self._step()
            self.done += 1
            step = TimeStep(**asdict(outcome), number=self.done, time=self.time, seconds=time.perf_counter() - start)
            log.info("%s", describe(step))
            if self.number and not self._good(outcome):
                return Status.NOT_CONVERGED, f"Time step {step.number} ended with a residual of {outcome.residual:.1e}."
            if on_step is not None:
                on_step(step)

    def _good(self, outcome: StepOutcome) -> bool:
        return outcome.residual <= self.options.step_tolerance

    def _settle(self) -> StepOutcome:
        """A long step; one that cannot be taken is undone and halved."""
        outcome = self.stepper.step()
        if self._good(outcome):
            self.time += self.stepper.dt
            return outcome
        self.stepper.states[1].copy(self.problem.state.x.petsc_vec)
        self.problem.state.x.scatter_forward()
        self._renew_stepper(self.stepper.dt / 2)
        return outcome

    def _renew_stepper(self, dt: float) -> None:
        self.factor_seconds += self.stepper.corrector.linear.factor_seconds
        self.stepper.destroy()
        self.stepper = TimeStepper(self.problem, self.options, dt)

    def _step(self) -> StepOutcome:
        if self.number == 0:
            self._renew_stepper(self.plan.short)
        if self.within == self.length:
            self._begin_window()
        outcome = self.stepper.step()
        self.number += 1
        self.time += self.stepper.dt
        self._record()
        return outcome

    def _begin_window(self) -> None:
        columns = self.sampler.count + len(self.problem.outlets.names)
        before = self._means() if self.number else np.full(columns, np.nan)
        self.begun, self.length = self.number, max(self.number, self.plan.first_window)
        instants = -(-self.length // self._every)
        self.series = {
            "means": np.full((self.length, columns), np.nan),
            "before": before,
            "traction": np.zeros((instants, len(self.on_wall), 4), dtype=np.float32),
        }
        self.mean.set(0.0)

    @property
    def _every(self) -> int:
        """Steps between two instants of the wall's traction."""
        return -(-self.length // INSTANTS)

    def _record(self) -> None:
        """Section pressures over the aortic one, outlet flows over their sum, and now and then the wall's traction."""
        problem, at = self.problem, self.within - 1
        flows = problem.outlets.flows(problem.state.x.petsc_vec)
        pressure = np.nan_to_num(self.sampler.means().pressure) / problem.conditions.aortic_pressure
        self.series["means"][at] = np.concatenate([pressure, flows / max(float(np.abs(flows).sum()), 1e-300)])
        self.mean.axpy(1.0 / self.length, problem.state.x.petsc_vec)
        if at % self._every == 0:
            self.record_traction(at // self._every)

    def _means(self) -> Array:
        return np.asarray(self.series["means"].mean(axis=0))

    def change(self) -> float:
        """Largest change of a mean since the window before: of pressures over the aortic one, of shares of the flow."""
        return float(np.abs(self._means() - self.series["before"]).max())

    def _said(self, change: float) -> str:
        pressures = self.series["means"][:, : self.sampler.count]
        return (
            f"averaged over {self.length} time steps, {1e3 * self.length * self.stepper.dt:.3g} ms: the means differ "
            f"by at most {change:.2g} of the aortic pressure from those of the window before; pressures "
            f"fluctuate by {pressures.std(axis=0).max():.2g} of it (standard deviation)."
        )

    def kept(self) -> tuple[list[PETSc.Vec], dict[str, Array]]:
        """States and arrays from which :meth:`resume` goes on; the arrays on rank 0 are whole."""
        counts = np.array([self.number, self.begun, self.length, self.plan.first_window])
        times = np.array([self.time, self.stepper.dt, self.plan.settling, self.plan.long, self.plan.short])
        return [*self.stepper.states, self.mean], {**self.series, "counts": counts, "times": times}

    def resume(self, number: int, states: list[PETSc.Vec], kept: Mapping[str, Array]) -> None:
        """Go on after step ``number`` of any kind; collective, the arrays those of rank 0."""
        comm = self.problem.domain.comm
        names = [name for name in kept if name != "traction"]
        shared = comm.bcast({name: np.array(kept[name]) for name in names} if comm.rank == 0 else None)
        self.number, self.begun, self.length, first = (int(count) for count in shared.pop("counts"))
        self.time, dt, settling, long, short = (float(value) for value in shared.pop("times"))
        self.plan, self.done = Schedule(settling, long, short, first), number
        self._renew_stepper(dt)
        self.series = shared
        if comm.rank == 0 and "traction" in kept:
            self.series["traction"] = np.array(kept["traction"])
        self.remember(states)
