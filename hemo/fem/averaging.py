"""Flow behind a severe lesion that does not settle: followed in time under what drives it, and averaged.

Long steps, which damp what fluctuates, first bring the slow profiles of the vessels to rest. Then the means over a
window of short steps are compared with those over the window before; each is as long as all before it. The wire
averages over beats, too: FFR is the mean of what fluctuates.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from petsc4py import PETSc

from hemo.fem.intime import InTime, TimeStep, describe
from hemo.fem.job import Probes
from hemo.fem.options import FemOptions
from hemo.fem.problem import FlowProblem
from hemo.fem.timesteps import StepOutcome, TimeStepper
from hemo.results import Status
from hemo.tetmesh import TetMesh

log = logging.getLogger(__name__)

Array = NDArray[Any]

INSTANTS = 64  # of the wall's traction, at most, in a window


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
    steps
        The long and the short time step, s.
    done
        Steps of any kind taken before.
    """

    def __init__(
        self,
        problem: FlowProblem,
        tet: TetMesh | None,
        probes: Probes,
        options: FemOptions,
        steps: tuple[float, float],
        done: int = 0,
    ) -> None:
        super().__init__(problem, tet, probes, options, steps[0])
        self.steps, self.done = steps, done
        self.settled, self.time = 0, 0.0  # long steps done, and s since the start
        self.begun = self.length = 0  # short steps before the window that runs, and of it; ``number`` counts them

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
                if self.change() <= self.options.averaged:
                    return Status.AVERAGED, f"No steady flow was found; {self._said()}"
                if self.number >= self.options.most_window_steps:
                    return Status.NOT_CONVERGED, f"No steady flow was found, and none in the mean: {self._said()}"
            if stop is not None and stop():
                return Status.INTERRUPTED, f"Stopped on request after time step {self.number}."
            start, dt = time.perf_counter(), self.stepper.dt
            outcome = self._settle() if self.settled < self.options.first_window else self._step()
            self.time += dt
            count, seconds = self.done + self.settled + self.number, time.perf_counter() - start
            step = TimeStep(**asdict(outcome), number=count, time=self.time, seconds=seconds)
            log.info("%s", describe(step))
            if self.number and not outcome.residual <= self.options.step_tolerance:
                return Status.NOT_CONVERGED, f"Time step {count} ended with a residual of {outcome.residual:.1e}."
            if on_step is not None:
                on_step(step)

    def _settle(self) -> StepOutcome:
        """A long step; where it cannot be taken, the short ones begin from where it did."""
        outcome = self.stepper.step()
        self.settled += 1
        if not outcome.residual <= self.options.step_tolerance:
            _, before, *_ = self.stepper.states
            before.copy(self.problem.state.x.petsc_vec)
            self.problem.state.x.scatter_forward()
            self.done += self.settled - self.options.first_window
            self.settled = self.options.first_window
        if self.settled == self.options.first_window:
            self._shorten()
        return outcome

    def _shorten(self) -> None:
        self.stepper.destroy()
        self.stepper = TimeStepper(self.problem, self.options, self.steps[1])

    def _step(self) -> StepOutcome:
        if self.within == self.length:
            self._begin_window()
        outcome = self.stepper.step()
        self.number += 1
        self._record()
        return outcome

    def _begin_window(self) -> None:
        columns = self.sampler.count + len(self.problem.outlets.names)
        before = self._means() if self.number else np.full(columns, np.nan)
        self.begun, self.length = self.number, max(self.number, self.options.first_window)
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

    def _said(self) -> str:
        pressures = self.series["means"][:, : self.sampler.count]
        return (
            f"averaged over {self.length} time steps, {1e3 * self.length * self.stepper.dt:.3g} ms: the means differ "
            f"by at most {self.change():.2g} of the aortic pressure from those of the window before; pressures "
            f"fluctuate by {pressures.std(axis=0).max():.2g} of it (standard deviation)."
        )

    def kept(self) -> tuple[list[PETSc.Vec], dict[str, Array]]:
        """States and arrays from which :meth:`resume` goes on; the arrays on rank 0 are whole."""
        counts, times = np.array([self.begun, self.length, self.done, self.settled]), np.array([*self.steps, self.time])
        return [*self.stepper.states, self.mean], {**self.series, "counts": counts, "times": times}

    def resume(self, number: int, states: list[PETSc.Vec], kept: Mapping[str, Array]) -> None:
        """Go on after step ``number`` of any kind; collective, the arrays those of rank 0."""
        comm = self.problem.domain.comm
        names = [name for name in kept if name != "traction"]
        shared = comm.bcast({name: np.array(kept[name]) for name in names} if comm.rank == 0 else None)
        self.begun, self.length, self.done, self.settled = (int(count) for count in shared.pop("counts"))
        *steps, self.time = (float(value) for value in shared.pop("times"))
        self.steps, self.number = (steps[0], steps[1]), number - self.done - self.settled
        self.stepper.dt = steps[0]
        if self.settled == self.options.first_window:
            self._shorten()
        self.series = shared
        if comm.rank == 0 and "traction" in kept:
            self.series["traction"] = np.array(kept["traction"])
        self.remember(states)
