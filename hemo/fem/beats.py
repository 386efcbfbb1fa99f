"""Heart beats in time: step after step until they repeat, and what is kept of the last one.

What drives (aortic pressure or the flow through the inlet, and the muscle's pressure on its vessels) repeats from beat
to beat. The beds' states start from the reduced model's periodic beat and the velocity from its flow, so that the
vessels alone have to forget their start: they do in some R^2 / nu, a tenth of a second.
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

from hemo.fem.drive import Drive
from hemo.fem.intime import InTime, TimeStep, describe
from hemo.fem.job import Probes, Pulse
from hemo.fem.options import FemOptions
from hemo.fem.problem import FlowProblem
from hemo.fem.result import BeatRecord
from hemo.fem.sections import InletGauge
from hemo.fem.timesteps import StepOutcome
from hemo.results import Status
from hemo.tetmesh import TetMesh

log = logging.getLogger(__name__)

Array = NDArray[Any]

LEAST_BEATS = 2


class BeatSolver(InTime):
    """Solves beat after beat from the problem's current state, that of one time step before the first beat.

    Parameters
    ----------
    problem
        Made ``unsteady``.
    tet
        The input mesh, on rank 0.
    probes
        Where pressure and flow are followed.
    """

    def __init__(
        self, problem: FlowProblem, pulse: Pulse, tet: TetMesh | None, probes: Probes, options: FemOptions
    ) -> None:
        self.pulse, self.drive, self.steps = pulse, Drive(problem, pulse), len(pulse.aortic)
        super().__init__(problem, tet, probes, options, pulse.dt)
        self.inlet = InletGauge(problem)
        outlets = len(problem.outlets.names)
        # By phase: of the beat that runs, and, of what has to repeat, of the one before.
        self.series = {
            "inlet_pressure": np.full((2, self.steps), np.nan),
            "outflow": np.full((2, self.steps, outlets), np.nan),
            "inflow": np.full(self.steps, np.nan),
            "outlet_pressure": np.full((self.steps, outlets), np.nan),
            "sections": np.full((2, self.steps, probes.n_sections), np.nan),
            "traction": np.zeros((self.steps, len(self.on_wall), 4), dtype=np.float32),
        }

    def run(
        self, on_step: Callable[[TimeStep], None] | None = None, stop: Callable[[], bool] | None = None
    ) -> tuple[Status, str]:
        """March until the flow repeats; both functions as in :func:`hemo.fem.solver.solve_steady`."""
        while True:
            if self.whole:
                change = max(float(self.changes().max()), self.pressure_change())
                said = f"by at most {100 * change:.2g} % from one to the next."
                if change <= self.options.periodic:
                    return Status.CONVERGED, f"{self.beats} beats; flows and inlet pressure change {said}"
                if self.beats >= self.options.most_beats:
                    complaint = f"{self.beats} beats are not enough: flows and inlet pressure still change {said}"
                    return Status.NOT_CONVERGED, complaint
            if stop is not None and stop():
                return Status.INTERRUPTED, f"Stopped on request after time step {self.number}."
            start = time.perf_counter()
            outcome = self._step()
            step = TimeStep(
                **asdict(outcome),
                number=self.number,
                time=(self.number - 1) * self.pulse.dt,
                seconds=time.perf_counter() - start,
            )
            log.info("%s", describe(step))
            if not outcome.residual <= self.options.step_tolerance:
                return Status.NOT_CONVERGED, f"Time step {self.number} ended with a residual of {outcome.residual:.1e}."
            if on_step is not None:
                on_step(step)

    @property
    def beats(self) -> int:
        """Whole beats done."""
        return self.number // self.steps

    @property
    def whole(self) -> bool:
        """Whether the last step ended a beat that was recorded."""
        return self.number % self.steps == 0 and self.beats >= LEAST_BEATS

    def changes(self) -> Array:
        """(m,) largest change of each outlet's flow since the beat before, over its largest; nan in the first beat."""
        last, before = self.series["outflow"]
        return np.asarray(np.abs(last - before).max(axis=0) / np.maximum(np.abs(last).max(axis=0), 1e-300))

    def pressure_change(self) -> float:
        """Largest change of the inlet's total pressure since the beat before, over its swing; nan in the first beat."""
        last, before = self.series["inlet_pressure"]
        return float(np.abs(last - before).max() / max(np.ptp(last), 1e-300))

    @property
    def inlet_pressure(self) -> float:
        """Mean total pressure at the inlet over the last beat, Pa."""
        return float(self.series["inlet_pressure"][0].mean())

    def _step(self) -> StepOutcome:
        phase = self.number % self.steps
        if phase == 0:
            for name in ("outflow", "inlet_pressure"):
                self.series[name][1] = self.series[name][0]
            self.mean.set(0.0)
        outcome = self.stepper.step(lambda: self.drive.set(self.number))
        self._record(phase)
        self.drive.advance(self.number)
        self.number += 1
        return outcome

    def _record(self, phase: int) -> None:
        problem = self.problem
        flows = problem.outlets.flows(problem.state.x.petsc_vec)
        self.series["outflow"][0, phase] = flows
        inlet = self.inlet.means()
        self.series["inflow"][phase] = inlet.inflow
        self.series["inlet_pressure"][0, phase] = inlet.total_pressure(problem.blood.density)
        self.series["outlet_pressure"][phase] = problem.outlets.pressures(flows)
        self.mean.axpy(1.0 / self.steps, problem.state.x.petsc_vec)
        if self.beats + 1 < LEAST_BEATS:
            return
        means = self.sampler.means()
        self.series["sections"][:, phase] = means.pressure, means.flow
        self.record_traction(phase)

    def kept(self) -> tuple[list[PETSc.Vec], dict[str, Array]]:
        """States and arrays from which :meth:`resume` goes on; collective, the arrays on rank 0 are whole."""
        return [*self.stepper.states, self.mean], {**self.series, **self.drive.states()}

    def resume(self, number: int, states: list[PETSc.Vec], kept: Mapping[str, Array]) -> None:
        """Go on after time step ``number``; collective, the arrays those of rank 0."""
        comm = self.problem.domain.comm
        beds = {name: kept.get(name) for name in ("outlet_beds", "leak_beds")}
        shared = comm.bcast((beds, {name: kept[name] for name in self.series if name != "traction"} if kept else None))
        beds, series = shared
        self.drive.resume(**beds)
        self.series |= series
        if comm.rank == 0:
            self.series["traction"] = np.array(kept["traction"])
        self.remember(states)
        self.number = number

    def record(self, level: float) -> BeatRecord:
        """What happened within the last beat; ``level``, Pa, is added to the pressures that were found."""
        pressure, flow = self.series["sections"]
        prescribed = self.pulse.inflow is not None
        return BeatRecord(
            time=self.pulse.dt * np.arange(self.steps, dtype=np.float64),
            aortic=self.series["inlet_pressure"][0] + level if prescribed else self.pulse.aortic,
            section_pressure=pressure + level,
            section_flow=flow,
            inlet_flow=self.series["inflow"],
            outlet_flow=self.series["outflow"][0],
            outlet_change=self.changes(),
        )

    def destroy(self) -> None:
        """Free what PETSc holds."""
        super().destroy()
        self.inlet.destroy()
