"""Flow behind a severe lesion that does not settle: followed in time under what drives it, and averaged.

Long steps, which damp what fluctuates, first bring the slow profiles of the vessels to rest. Then means are taken over
windows of short steps, the first two half of the time in which a profile develops, each later one as long as all before
it, until they are sure where FFR is read: the means of a window's parts tell how far its own may be off (batch means),
and those of the window before whether anything is still on its way. The wire averages over beats, too: FFR is the mean
of what fluctuates.
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
from scipy.special import stdtrit

from hemo.fem.intime import InTime, TimeStep, describe
from hemo.fem.job import Probes
from hemo.fem.marching import crossing_time, viscous_time
from hemo.fem.options import FemOptions
from hemo.fem.problem import FlowProblem
from hemo.fem.timesteps import StepOutcome, TimeStepper
from hemo.results import Status
from hemo.tetmesh import TetMesh

log = logging.getLogger(__name__)

Array = NDArray[Any]

INSTANTS = 64  # of the wall's traction, at most, in a window
PARTS = 8  # of a window


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
    short = options.window_step * crossing_time(problem)
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
    read
        (n_sections,) whether FFR is read at a section; None for all of them.
    """

    def __init__(
        self,
        problem: FlowProblem,
        tet: TetMesh | None,
        probes: Probes,
        options: FemOptions,
        plan: Schedule,
        done: int = 0,
        read: NDArray[np.bool_] | None = None,
    ) -> None:
        super().__init__(problem, tet, probes, options, plan.long)
        self.plan, self.done = plan, done
        sections = np.ones(self.sampler.count, dtype=bool) if read is None else read
        self.read = np.append(sections, np.ones(len(problem.outlets.names), dtype=bool))  # of the columns of the means
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
                off, said = float(self.doubt()[self.read].max()), self._said()
                log.info("window of %d steps: %s", self.length, said)
                last = 2 * self.number > self.options.most_window_steps  # the next window is as long as all before it
                if off <= (self.options.tolerated if last else self.options.averaged):
                    return Status.AVERAGED, f"No steady flow was found; {said}"
                if last:
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
        sections = self.sampler.means()
        pressure = np.where(sections.area > 0.0, sections.pressure, 0.0) / problem.conditions.aortic_pressure
        if problem.conditions.inlet_flow is not None:
            pressure -= pressure[np.argmax(sections.area > 0.0)]  # the level follows from the inlet's
        self.series["means"][at] = np.concatenate([pressure, flows / max(float(np.abs(flows).sum()), 1e-300)])
        self.mean.axpy(1.0 / self.length, problem.state.x.petsc_vec)
        if at % self._every == 0:
            self.record_traction(at // self._every)

    def _means(self) -> Array:
        return np.asarray(self.series["means"].mean(axis=0))

    def changes(self) -> Array:
        """Of each mean since the window before: of pressures over the aortic one, of shares of the flow."""
        return np.asarray(np.abs(self._means() - self.series["before"]))

    def scatter(self) -> Array:
        """Half-widths of the means' 95 % intervals, as :meth:`changes`."""
        return half_width(self.series["means"])

    def doubt(self) -> Array:
        """How far each mean may be off: its scatter, or what it has changed by where that is more."""
        return np.maximum(self.scatter(), self.changes())

    def section_doubt(self) -> Array:
        """(n_sections,) how far each section's mean pressure may be off, Pa."""
        return self.doubt()[: self.sampler.count] * self.problem.conditions.aortic_pressure

    def _said(self) -> str:
        off, change = (float(values[self.read].max()) for values in (self.scatter(), self.changes()))
        pressures = self.series["means"][:, : self.sampler.count]
        return (
            f"averaged over {self.length} time steps, {1e3 * self.length * self.stepper.dt:.3g} ms: where FFR is read, "
            f"the means are sure within {off:.2g} of the aortic pressure (95 %) and differ by at most {change:.2g} "
            f"from those of the window before; pressures fluctuate by up to {pressures.std(axis=0).max():.2g} of it "
            "(standard deviation)."
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


def half_width(series: Array) -> Array:
    """Half-widths of the 95 % intervals of the (n,) means of a (steps, n) series, from those of its parts.

    Non-overlapping batch means with Student's t (Conway 1963, Manag Sci 10:47): right where a part is much longer than
    what fluctuates remembers; slow changes show as scatter, too. Infinite where the steps do not fill the parts.
    """
    if len(series) < PARTS:
        return np.full(series.shape[1], np.inf)
    means = np.array([part.mean(axis=0) for part in np.array_split(series, PARTS)])
    return np.asarray(stdtrit(PARTS - 1, 0.975) * means.std(axis=0, ddof=1) / np.sqrt(PARTS))
