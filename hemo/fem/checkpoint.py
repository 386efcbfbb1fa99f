"""Checkpoints of a solve, readable on any number of ranks.

A checkpoint is a folder ``checkpoint/step-<n>`` with velocity and pressure as adios4dolfinx writes them in the
input mesh's numbering (those of earlier times too where flow is followed in time), ``series.npz`` with whatever else is
to be kept, and ``meta.json`` with the hash of the job's inputs, the steps done and the checksums of the files. It is
written under another name and renamed when complete, so that one that carries its name is whole; the checksums tell
when a disk has damaged it since.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import adios4dolfinx
import numpy as np
from dolfinx import fem
from numpy.typing import NDArray
from petsc4py import PETSc

from hemo.fem.problem import FlowProblem
from hemo.files import sha256

log = logging.getLogger(__name__)

FOLDER = "checkpoint"
FIELDS = ("velocity", "pressure")
SERIES = "series.npz"
PARTIAL = ".partial"


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that may be continued: its folder, one record for each step done, and how many states it holds."""

    folder: Path
    records: tuple[dict[str, Any], ...]
    states: int

    @property
    def steps(self) -> int:
        """Steps done."""
        return steps_done(self.records)


def steps_done(records: Sequence[dict[str, Any]]) -> int:
    """Number of the last step in its records, 0 before the first."""
    return int(records[-1]["number"]) if records else 0


def write_checkpoint(
    problem: FlowProblem,
    job: Path,
    input_hash: str,
    records: Sequence[dict[str, Any]],
    states: Sequence[PETSc.Vec] = (),
    series: Mapping[str, NDArray[Any]] | None = None,
) -> None:
    """Write the current state; collective. Of earlier checkpoints the last stays, should a disk damage this one.

    Parameters
    ----------
    job
        The job's folder, the same on every rank and on a file system that they share.
    records
        One record for each step done, with its ``number``.
    states
        Instead of the problem's current state alone, that of the last times, the latest first.
    series
        Arrays to keep beside them; those of rank 0 count.
    """
    comm = problem.domain.comm
    step = steps_done(records)
    target = job / FOLDER / f"step-{step:05d}"
    partial = target.with_suffix(PARTIAL)
    if comm.rank == 0:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    comm.barrier()
    states = states or (problem.state.x.petsc_vec,)
    for number, state in enumerate(states):
        whole = problem.with_values(state)
        parts = problem.velocity_part.of(whole), problem.pressure_part.of(whole)
        for name, function in zip(FIELDS, parts, strict=True):
            adios4dolfinx.write_function_on_input_mesh(partial / f"{name}-{number}.bp", function, name=name)
    comm.barrier()
    if comm.rank == 0:
        arrays: dict[str, Any] = dict(series or {})
        np.savez(partial / SERIES, **arrays)
        meta = {
            "input_hash": input_hash,
            "records": list(records),
            "states": len(states),
            "files": _checksums(partial),
        }
        (partial / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
        before = [folder for folder in _latest(job) if folder != target and _written_for(folder) == input_hash]
        for other in (job / FOLDER).iterdir():
            if other not in (target, *before[:1]):
                shutil.rmtree(other, ignore_errors=True)
    comm.barrier()
    log.info("checkpoint after step %d written", step)


def find_checkpoint(job: Path, input_hash: str) -> Checkpoint | None:
    """The latest checkpoint of this job that is whole and of these inputs; call it on one rank.

    One of other inputs and a damaged one are left out with a warning.
    """
    for folder in _latest(job):
        try:
            meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
            whole = _checksums(folder) == meta["files"]
            records, states, written_for = tuple(meta["records"]), int(meta.get("states", 0)), meta["input_hash"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("the checkpoint %s is damaged and ignored: %s", folder, error)
            continue
        if not whole:
            log.warning("the checkpoint %s is damaged and ignored: its files are not as they were written", folder)
        elif written_for != input_hash or not states:
            log.warning("the checkpoint %s is of other inputs and ignored", folder)
        else:
            return Checkpoint(folder, records, states)
    return None


def _latest(job: Path) -> list[Path]:
    """The folders of whole checkpoints, the latest first."""
    whole = [folder for folder in (job / FOLDER).glob("step-*") if folder.suffix != PARTIAL]
    return sorted(whole, key=lambda folder: int(folder.name.removeprefix("step-")), reverse=True)


def _written_for(folder: Path) -> str | None:
    """The hash of the inputs of a checkpoint; None where it cannot be read."""
    try:
        return str(json.loads((folder / "meta.json").read_text(encoding="utf-8"))["input_hash"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_checkpoint(problem: FlowProblem, checkpoint: Checkpoint) -> tuple[list[PETSc.Vec], dict[str, NDArray[Any]]]:
    """Take over the latest state of a checkpoint; collective, on any number of ranks.

    Returns
    -------
    All its states, the latest first, and, on rank 0, the arrays kept beside them.
    """
    states: list[PETSc.Vec] = []
    for number in reversed(range(checkpoint.states)):  # the latest last: it stays
        for name, part in zip(FIELDS, (problem.velocity_part, problem.pressure_part), strict=True):
            function = fem.Function(part.space, dtype=np.float64)
            adios4dolfinx.read_function(checkpoint.folder / f"{name}-{number}.bp", function, name=name)
            problem.state.x.array[part.places] = function.x.array
        problem.state.x.scatter_forward()
        states.insert(0, problem.state.x.petsc_vec.copy())
    if problem.domain.comm.rank != 0:
        return states, {}
    with np.load(checkpoint.folder / SERIES) as data:
        return states, dict(data)


def remove_checkpoints(job: Path) -> None:
    """Delete every checkpoint of a job; call it on one rank."""
    shutil.rmtree(job / FOLDER, ignore_errors=True)


def _checksums(folder: Path) -> dict[str, str]:
    """SHA-256 of every file under a checkpoint's folder but its meta.json."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "meta.json")
    return {path.relative_to(folder).as_posix(): sha256(path) for path in files}
