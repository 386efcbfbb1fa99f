"""One solve from its job folder to its result, collective over the ranks, with checkpoints and status on the way."""

from __future__ import annotations

import contextlib
import logging
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from mpi4py import MPI
from petsc4py import PETSc

from hemo.fem import checkpoint
from hemo.fem.averaging import WindowSolver, schedule
from hemo.fem.beats import BeatSolver
from hemo.fem.domain import Domain, distribute, from_vertices, vertex_spaces
from hemo.fem.intime import TimeStep
from hemo.fem.jit import compilation
from hemo.fem.job import Job, input_hash, read_job, write_status
from hemo.fem.joblock import held
from hemo.fem.options import FemOptions
from hemo.fem.problem import FlowProblem, build_problem, set_edges, set_state
from hemo.fem.result import FemResult, write_result
from hemo.fem.sections import edge_fields, inlet_means, section_means, vertex_fields
from hemo.fem.solver import SolveOutcome, Step, solve_steady
from hemo.fem.wall import TractionRecovery, wall_traction
from hemo.results import Status
from hemo.tetmesh import TetMesh

log = logging.getLogger(__name__)


@dataclass
class Execution:
    """One run of a job on one rank; all ranks call the same methods.

    Attributes
    ----------
    folder, comm
        The job's folder and the ranks.
    asked
        Whether this rank has been asked to stop.
    started
        ``time.perf_counter()`` at the start of the process.
    hash
        Of the job's inputs.
    records
        One record for each step, those before an interruption included.
    timing
        Phase -> seconds, of this run alone.
    in_time
        What follows the flow in time; None where it is steady.
    """

    folder: Path
    comm: MPI.Intracomm
    asked: Callable[[], bool]
    started: float = field(default_factory=time.perf_counter)
    hash: str = ""
    records: list[dict[str, Any]] = field(default_factory=list)
    timing: dict[str, float] = field(default_factory=dict)
    saved: float = field(default_factory=time.perf_counter)
    interval: float = FemOptions.checkpoint_interval
    in_time: BeatSolver | WindowSolver | None = None

    def run(self) -> None:
        """Solve the job, or go as far as it is allowed to."""
        with held(self.folder, self.comm):
            self._run()

    def _run(self) -> None:
        self.tell("setup", "reading the job")
        job, tet = self._read()
        self.interval = job.options.checkpoint_interval
        with self._phase("setup"):
            domain = distribute(tet, self.comm)
        found = self._found()
        self.tell("setup", "compiling the forms")
        averaging = job.pulse is None and bool(self.records) and not {"time", "in_time"}.isdisjoint(self.records[-1])
        problem = self._problem(domain, job, unsteady=job.pulse is not None or averaging)
        kept = self._start(problem, job, found)
        if job.pulse is not None:
            with compilation(self.comm):
                self.in_time = BeatSolver(problem, job.pulse, tet, job.probes, job.options)
        elif averaging:
            self._average(problem, job, tet)
        if self.in_time is not None and self.records:
            self.in_time.resume(checkpoint.steps_done(self.records), *kept)
        outcome = self._solve(problem, job)
        if self._unsettled(outcome, job):
            log.info("no steady flow was found: following it in time")
            problem = self._problem(domain, job, unsteady=True, state=problem)
            self._average(problem, job, tet)
            outcome = self._solve(problem, job)
        if outcome is None or outcome.status is Status.INTERRUPTED:
            self.save(problem)
            self.tell("interrupted", "Stopped on request; a checkpoint was written.")
            return
        self.tell("post-processing", outcome.message)
        result = self._finish(problem, job, tet, outcome)
        if self.in_time is not None:
            self.in_time.destroy()
        if result is not None:
            write_result(self.folder, result)
            checkpoint.remove_checkpoints(self.folder)
        self.tell("finished", outcome.message)

    def _read(self) -> tuple[Job, TetMesh | None]:
        """The job, read by rank 0 alone; the mesh stays there."""
        job, tet = None, None
        if self.comm.rank == 0:
            job = read_job(self.folder)
            tet, self.hash = job.mesh, input_hash(self.folder)
            log.info("%d ranks; %d cells; inputs %s", self.comm.size, len(tet.cells), self.hash[:12])
        return without_mesh(self.comm, job), tet

    def _found(self) -> checkpoint.Checkpoint | None:
        """The checkpoint of these inputs to continue from."""
        found = checkpoint.find_checkpoint(self.folder, self.hash) if self.comm.rank == 0 else None
        found = self.comm.bcast(found)
        if found is not None:
            self.records = list(found.records)
            log.info("continuing after step %d from %s", found.steps, found.folder)
        return found

    def _problem(
        self, domain: Domain, job: Job, unsteady: bool = False, state: FlowProblem | None = None
    ) -> FlowProblem:
        """The job's problem, in the ``state`` of another one if given."""
        with self._phase("compile"), compilation(self.comm):
            problem = build_problem(domain, job.blood, job.conditions, job.options, leak=job.leak, unsteady=unsteady)
            compile_post_processing(problem)
            if state is not None:
                set_state(problem, state.velocity(), state.pressure())
        return problem

    def _start(
        self, problem: FlowProblem, job: Job, found: checkpoint.Checkpoint | None
    ) -> tuple[list[PETSc.Vec], dict[str, Any]]:
        """Continue from a checkpoint, and return what it holds, or begin with the initial guess."""
        if found is not None:
            return checkpoint.read_checkpoint(problem, found)
        scalars, vectors = vertex_spaces(problem.domain)
        set_state(problem, from_vertices(vectors, job.velocity), from_vertices(scalars, job.pressure))
        if job.edges is not None and job.edge_velocity is not None:
            set_edges(problem, job.edges, job.edge_velocity)
        return [], {}

    def _unsettled(self, outcome: SolveOutcome | None, job: Job) -> bool:
        """Whether no steady flow was found, and flow is to be followed in time instead."""
        allowed = self.in_time is None and job.options.most_window_steps > 0
        return allowed and outcome is not None and outcome.status is Status.NOT_CONVERGED

    def _average(self, problem: FlowProblem, job: Job, tet: TetMesh | None) -> None:
        """Follow the flow in time from the problem's state."""
        plan, done = schedule(problem, job.options), checkpoint.steps_done(self.records)
        if self.records:
            self.records[-1]["in_time"] = True  # what a checkpoint continues, also before the first time step
        with compilation(self.comm):
            self.in_time = WindowSolver(problem, tet, job.probes, job.options, plan, done, job.read)

    def _solve(self, problem: FlowProblem, job: Job) -> SolveOutcome | None:
        """Solve; None if a stop was asked for before the first step."""
        log.info("%d unknowns", problem.unknowns)
        self.tell("solving", "")
        if self.stop_requested():
            return None
        self.saved = time.perf_counter()
        with self._phase("solve"):
            outcome = self._solve_in_time(problem) if self.in_time is not None else self._solve_steady(problem, job)
        self.timing["factorisation"] = self.timing.get("factorisation", 0.0) + outcome.factor_seconds
        log.info("%s %s", outcome.status.name, outcome.message)
        return outcome

    def _solve_steady(self, problem: FlowProblem, job: Job) -> SolveOutcome:
        done = checkpoint.steps_done(self.records)
        factor = 1.0 if job.options.solved else None
        if self.records:
            factor = float(self.records[-1]["viscosity_factor"])
        return solve_steady(
            problem, job.options, lambda step: self._after_step(problem, step), self.stop_requested, done, factor
        )

    def _solve_in_time(self, problem: FlowProblem) -> SolveOutcome:
        assert self.in_time is not None
        status, message = self.in_time.run(lambda step: self._after_step(problem, step), self.stop_requested)
        return SolveOutcome(status, message, self.in_time.seconds_factorising)

    def _after_step(self, problem: FlowProblem, step: Step | TimeStep) -> None:
        self.records.append(asdict(step))
        self.tell("solving", "")
        if self.comm.bcast(time.perf_counter() - self.saved > self.interval):
            self.save(problem)

    def stop_requested(self) -> bool:
        """Whether any rank has been asked to stop; collective."""
        return bool(self.comm.allreduce(self.asked(), op=MPI.LOR))

    def save(self, problem: FlowProblem) -> None:
        """Write a checkpoint; collective."""
        kept = self.in_time.kept() if self.in_time is not None else ()
        checkpoint.write_checkpoint(problem, self.folder, self.hash, self.records, *kept)
        self.saved = time.perf_counter()

    def _finish(self, problem: FlowProblem, job: Job, tet: TetMesh | None, outcome: SolveOutcome) -> FemResult | None:
        """Post-process; the result is on rank 0. A beat or window that did not end leaves its last instant."""
        in_time = self.in_time if self.in_time is not None and self.in_time.whole else None
        if in_time is not None:
            in_time.take_mean()
        with self._phase("sections"):
            inlet = inlet_means(problem)
            beats = in_time if isinstance(in_time, BeatSolver) else None
            total = inlet.total_pressure(problem.blood.density) if beats is None else beats.inlet_pressure
            level = level_shift(problem, total)
            sections = section_means(problem, job.probes)
            fields, edges = vertex_fields(problem), edge_fields(problem)
        with self._phase("wall"):
            wall = wall_traction(problem, tet, level) if in_time is None else in_time.wall(level)
        flows = problem.outlets.flows(problem.state.x.petsc_vec)
        pressures = problem.outlets.pressures(flows) if beats is None else beats.series["outlet_pressure"].mean(axis=0)
        names = problem.outlets.names
        # Of what each rank took at its most; Linux counts in KiB.
        memory = self.comm.allreduce(1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        if fields is None or edges is None or wall is None:
            return None
        self.timing["total"] = time.perf_counter() - self.started
        log.info("peak memory %.2f GB on all ranks together", memory / 1e9)
        return FemResult(
            status=outcome.status,
            message=outcome.message,
            section_area=sections.area,
            section_pressure=sections.pressure + level,
            section_flow=sections.flow,
            section_momentum=sections.momentum,
            section_doubt=in_time.section_doubt()
            if isinstance(in_time, WindowSolver)
            else np.zeros(job.probes.n_sections),
            velocity=fields[0],
            pressure=fields[1] + level,
            edges=edges[0],
            edge_velocity=edges[1],
            wall=wall,
            outlet_flow={name: float(flow) for name, flow in zip(names, flows, strict=True)},
            outlet_pressure={name: float(value) for name, value in zip(names, pressures + level, strict=True)},
            inlet_flow=inlet.inflow,
            level_shift=level,
            timing=self.timing,
            iterations=tuple(self.records),
            ranks=self.comm.size,
            unknowns=problem.unknowns,
            beat=None if beats is None else beats.record(level),
        )

    @contextlib.contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.timing[name] = self.timing.get(name, 0.0) + time.perf_counter() - start
        log.info("%s: %.1f s", name, self.timing[name])

    def tell(self, state: str, message: str) -> None:
        """Write ``status.json`` (rank 0)."""
        if self.comm.rank == 0:
            last = self.records[-1] if self.records else {}
            write_status(self.folder, state, message, last, time.perf_counter() - self.started)


def without_mesh(comm: MPI.Intracomm, job: Job | None) -> Job:
    """Give every rank the job that rank 0 holds, with an empty mesh."""
    if comm.rank == 0:
        assert job is not None
        empty = np.empty((0, 3), dtype=np.int64)
        none = TetMesh(np.empty((0, 3)), np.empty((0, 4), dtype=np.int64), empty, np.empty(0, dtype=np.int32), {})
        job = replace(job, mesh=none)
    shared = comm.bcast(job)
    assert shared is not None
    return shared


def compile_post_processing(problem: FlowProblem) -> None:
    """Go through what follows the solve once, at rest, so that its forms lie compiled in the cache."""
    inlet_means(problem)
    recovery = TractionRecovery(problem)
    recovery.viscous()
    recovery.destroy()


def level_shift(problem: FlowProblem, inlet_pressure: float) -> float:
    """What brings the mean total pressure at the inlet to the aortic pressure after a flow-driven solve, Pa."""
    return 0.0 if problem.conditions.inlet_flow is None else problem.conditions.aortic_pressure - inlet_pressure
