"""What all that follows a flow in time does: steps, means, the traction on the wall."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from petsc4py import PETSc

from hemo.fem.domain import to_vertices
from hemo.fem.job import Probes
from hemo.fem.options import FemOptions
from hemo.fem.problem import FlowProblem
from hemo.fem.sections import SectionSampler
from hemo.fem.timesteps import StepOutcome, TimeStepper
from hemo.fem.wall import TractionRecovery, along_wall, traction_on
from hemo.results import WallTraction
from hemo.tetmesh import WALL, TetMesh
from hemo.triangles import vertex_normals

Array = NDArray[Any]


@dataclass(frozen=True)
class TimeStep(StepOutcome):
    """One time step, as it was when it ended; ``time`` in s since the first one's beginning."""

    number: int
    time: float
    seconds: float


class InTime:
    """Takes time steps from the problem's current state and keeps what they have in common.

    Parameters
    ----------
    problem
        Made ``unsteady``.
    tet
        The input mesh, on rank 0.
    probes
        Where pressure and flow are followed.
    dt
        Time step, s.
    """

    def __init__(
        self, problem: FlowProblem, tet: TetMesh | None, probes: Probes, options: FemOptions, dt: float
    ) -> None:
        self.problem, self.tet, self.options = problem, tet, options
        self.stepper = TimeStepper(problem, options, dt)
        self.recovery = TractionRecovery(problem)
        self.sampler = SectionSampler(problem, probes)
        self.mean: PETSc.Vec = problem.state.x.petsc_vec.duplicate()
        self.on_wall = np.unique(tet.facets_of(WALL)) if tet is not None else np.empty(0, dtype=np.int64)
        self.number, self.factor_seconds = 0, 0.0  # the seconds of steppers that are no more
        self.series: dict[str, Array] = {}  # by step; "traction" on rank 0 alone

    @property
    def seconds_factorising(self) -> float:
        """Since the start."""
        return self.factor_seconds + self.stepper.corrector.linear.factor_seconds

    def record_traction(self, at: int) -> None:
        """Put the viscous traction and the pressure at the wall's vertices, Pa, into row ``at``; collective."""
        total = self.problem.domain.points_total
        viscous, pressure = to_vertices(self.recovery.viscous(), total), to_vertices(self.problem.pressure(), total)
        if viscous is not None and pressure is not None:
            self.series["traction"][at] = np.column_stack([viscous, pressure])[self.on_wall]

    def remember(self, states: list[PETSc.Vec]) -> None:
        """Take over the last states, the latest first, and after them the mean."""
        *earlier, mean = states
        self.stepper.remember(earlier)
        mean.copy(self.mean)
        mean.destroy()

    def take_mean(self) -> None:
        """Make the mean the problem's state."""
        self.mean.copy(self.problem.state.x.petsc_vec)
        self.problem.state.x.scatter_forward()

    def wall(self, level: float) -> WallTraction | None:
        """Mean traction on the wall, and the shear at each time, on rank 0; ``level``, Pa, is added to the pressure."""
        if self.tet is None:
            return None
        traction, whole = self.series["traction"], np.zeros((len(self.tet.points), 4))
        whole[self.on_wall] = traction.mean(axis=0, dtype=np.float64)
        mean = traction_on(self.tet, whole[:, 3] + level, whole[:, :3])
        normal = vertex_normals(mean.points, mean.triangles)
        instants = [along_wall(values, normal).astype(np.float32) for values in traction[..., :3]]
        return replace(mean, instants=np.array(instants))

    def destroy(self) -> None:
        """Free what PETSc holds."""
        self.stepper.destroy()
        self.recovery.destroy()
        self.mean.destroy()


def describe(step: TimeStep) -> str:
    """One line of the log."""
    return (
        f"step {step.number}, {1e3 * step.time:.1f} ms: residual {step.residual:.1e} after {step.corrections} "
        f"corrections{', factorised' if step.factorisations else ''}, {step.seconds:.2f} s"
    )
