"""The stage that solves on a mesh, the large ones from the solution on a coarser one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hemo.beatstage import before_the_beat, pulse_of, reduced_beat
from hemo.boundary import FlowConditions
from hemo.case import Case
from hemo.errors import InputError, NotConverged
from hemo.files import file_name
from hemo.geometry.mesh.extensions import in_extensions
from hemo.indices import reading_places
from hemo.meshstage import MeshedTree, Mesher, same_vessels
from hemo.results import Status, TreeFlow
from hemo.tetmesh import INLET
from hemo.treesummary import TreeResult

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from hemo.fem.carryover import Fields
    from hemo.fem.result import FemResult

log = logging.getLogger(__name__)

COARSE_FROM = 60_000  # cells of a mesh that is worth a coarser one before it
COARSENING = 2.0
FEWEST_CELLS = 3.0  # across a diameter
# Reynolds number of a throat above which a coarse mesh's jet is too unlike a fine one's, and which may not be stable.
STRONG_JET = 500.0
WORTHWHILE = 1.4  # times as many cells across as the coarser mesh has


def solve_fem(
    case: Case,
    meshed: MeshedTree,
    start: TreeResult,
    work: Path,
    logs: Path,
    ranks: int,
    tell: Callable[[str], None],
    again: Mesher | None = None,
    in_time: bool = True,
) -> FemResult:
    """Solve on the mesh from the reduced solution, in ``work/fem``; a finished solve there is taken as it is.

    The worker's log goes to the end of ``logs/log.txt``, the other ranks' to files beside it.

    Parameters
    ----------
    again
        Makes further meshes of the tree: steady flow without strong jets on a large mesh starts from the solution on
        one half as fine.
    in_time
        Whether a flow that does not settle is followed in time, where the case allows it.
    """
    from hemo.fem.initial import initial_fields
    from hemo.fem.job import write_job
    from hemo.fem.launch import run_worker
    from hemo.fem.options import FemOptions
    from hemo.fem.result import read_result

    job = work / "fem"
    if not (job / "result.npz").is_file():
        job.mkdir(exist_ok=True)
        assert start.reduced is not None
        conditions = far_conditions(start.conditions, start.reduced, meshed, case.fluid().viscosity)
        shares = _leak(meshed, conditions)
        flow, pulse, solved = start.reduced, None, None
        strong_jet = _largest_reynolds(case, start) >= STRONG_JET
        if case.fem.pulsatile:
            steps = case.fem.steps_per_beat
            beat = reduced_beat(meshed.tree, case.physiology(), start.conditions, case.fluid(), steps)
            flow, pulse = before_the_beat(beat), pulse_of(beat, meshed.tree, meshed.mesh.outlets, shares)
        elif again is not None and meshed.info.cells > COARSE_FROM and not strong_jet:
            solved = _from_coarser(case, meshed, start, logs, ranks, tell, again)
        initial, between = initial_fields(meshed.mesh.points, meshed.tree, flow), None
        if solved is not None:
            initial, between = (solved.velocity, solved.pressure), (solved.edges, solved.edge_velocity)
        options = FemOptions(
            solved=solved is not None,
            stability=strong_jet,
            checkpoint_interval=case.fem.checkpoint_interval,
        )
        if not (in_time and case.fem.average_unsteady):
            options = replace(options, most_window_steps=0)
        leak = None if shares is None else np.asarray(shares.sum(axis=1)).ravel()
        read = meshed.probes.beside(reading_places(meshed.tree, case.reading()), meshed.tree)
        write_job(
            job, meshed.mesh, meshed.probes, initial, case.fluid(), conditions, options, leak, pulse, between, read
        )
        run_worker(job, ranks, lambda status: tell(_progress_line(status)))
        _keep_logs(job, logs, meshed.tree.name)
    return read_result(job)


def _largest_reynolds(case: Case, start: TreeResult) -> float:
    """Of any section, by its diameter and the reduced model's flow."""
    assert start.reduced is not None
    blood, along = case.fluid(), start.reduced.branches
    return max(
        float(blood.reynolds(np.abs(along[branch.name].flow), branch.diameter).max()) for branch in start.tree.branches
    )


def with_cells(case: Case, cells_per_diameter: float) -> Case:
    """The case with so many cells across every diameter."""
    return case.model_copy(update={"fem": case.fem.model_copy(update={"cells_per_diameter": cells_per_diameter})})


def _from_coarser(
    case: Case,
    meshed: MeshedTree,
    start: TreeResult,
    logs: Path,
    ranks: int,
    tell: Callable[[str], None],
    again: Mesher,
) -> Fields | None:
    """The solution on a coarser mesh, as fields of this one; None where there is none."""
    from hemo.fem.carryover import carried_over

    cells = max(FEWEST_CELLS, case.fem.cells_per_diameter / COARSENING)
    if case.fem.cells_per_diameter < WORTHWHILE * cells:
        return None
    case = with_cells(case, cells)
    try:
        coarse = again(case)
        if not same_vessels(coarse.tree, meshed.tree):
            raise InputError("that mesh ends elsewhere.")
        tell(f"first on {coarse.info.cells:,} cells")
        there = replace(coarse, tree=meshed.tree)  # that of the reduced solution
        solution = solve_fem(case, there, start, coarse.folder, logs, ranks, tell, again, in_time=False)
    except (InputError, NotConverged) as error:
        log.info("%s tree: no start from a coarser mesh: %s", meshed.tree.name, error)
        return None
    if solution.status is not Status.CONVERGED:
        log.info("%s tree: no start from a coarser mesh, on which the solve did not converge", meshed.tree.name)
        return None
    return carried_over(coarse.mesh, solution, meshed.mesh)


def _leak(meshed: MeshedTree, conditions: FlowConditions) -> csr_array | None:
    """The conductance of each unseen side branch in each cell, or None where there are none."""
    if not conditions.leaks:
        return None
    from hemo.fem.leakage import leak_shares

    mesh = meshed.mesh
    centroids = mesh.points[mesh.cells].mean(axis=1)
    counted = ~in_extensions(meshed.extensions, centroids)
    return leak_shares(centroids, mesh.cell_volumes(), meshed.tree, conditions.leaks, counted)


def far_conditions(
    conditions: FlowConditions, reduced: TreeFlow, meshed: MeshedTree, viscosity: float
) -> FlowConditions:
    """What to prescribe at the far ends of the flow extensions so that the conditions hold at the vessel's true ends.

    An outlet's resistance is less by the extension's own (Poiseuille); the pressure before the inlet is more by the
    extension's loss at the reduced model's flow.

    Raises
    ------
    InputError
        If an extension alone resists more than its outlet should.
    """
    resistance, aortic = dict(conditions.outlet_resistance), conditions.aortic_pressure
    for extension in meshed.extensions:
        own = extension.resistance(viscosity)
        if extension.name == INLET:
            aortic += own * float(reduced.branches[meshed.tree.root.name].flow[0])
            continue
        if own >= resistance[extension.name]:
            raise InputError(
                f"tree {meshed.tree.name!r}, outlet {extension.name!r}: the flow extension alone resists more than the "
                "whole bed beyond; shorten geometry.flow_extension."
            )
        resistance[extension.name] -= own
    return replace(conditions, outlet_resistance=resistance, aortic_pressure=aortic)


def _keep_logs(job: Path, logs: Path, tree: str) -> None:
    """Move the ranks' logs from the job's folder to the run's."""
    first = job / "log.txt"
    if first.is_file():
        with open(logs / "log.txt", "a", encoding="utf-8") as file:
            file.write(first.read_text(encoding="utf-8"))
        first.unlink()
    for other in job.glob("log.rank*.txt"):
        with open(logs / f"log.{file_name(tree)}{other.name.removeprefix('log')}", "a", encoding="utf-8") as file:
            file.write(other.read_text(encoding="utf-8"))
        other.unlink()


def _progress_line(status: Mapping[str, Any]) -> str:
    parts = [str(status.get("state", ""))]
    if status.get("step") is not None:
        parts.append(f"step {status['step']}")
    if status.get("residual") is not None:
        parts.append(f"residual {status['residual']:.1e}")
    return ", ".join(part for part in parts if part)
