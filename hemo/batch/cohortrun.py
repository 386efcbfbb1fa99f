"""A cohort from its table to its tables: what ``hemo batch`` does, without the terminal."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hemo.batch.cohort import Row
from hemo.batch.engine import (
    EngineOptions,
    QueueWatch,
    cancel_leftovers,
    find_engine,
    run_engine,
    site,
    what_went_wrong,
)
from hemo.batch.keys import HASHES, Hashes, key_of
from hemo.batch.outcome import CASES, OUTCOMES
from hemo.batch.planning import CHUNKS, ROWS, Job, forget_graph, left_to_do, pack, write_plan
from hemo.batch.profile import Profile
from hemo.batch.tables import gather
from hemo.errors import InputError
from hemo.resultfolder import locked, partial_path

if TYPE_CHECKING:
    from hemo.pipeline import Progress


@dataclass(frozen=True)
class BatchOptions:
    """How to run a cohort: ``chunk`` reduced cases a job; ``again``: what failed is computed anew."""

    out: Path
    engine: EngineOptions
    chunk: int = 100
    again: bool = False


def run_cohort(rows: Sequence[Row], options: BatchOptions, profile: Profile, progress: Progress) -> dict[str, Any]:
    """Compute what is left of a cohort and gather its tables; its folder is whole when every case is settled.

    Returns
    -------
    The summary that :func:`hemo.batch.tables.gather` writes, with ``engine``: what the engine complained of.

    Raises
    ------
    EnvironmentMissing
        The engine or Slurm is not here.
    InputError
        The folder is another's or locked, or Slurm does not answer.
    """
    find_engine()
    with cohort_folder(options.out) as work:
        progress.stage("Looking at the cases")
        keys, todo, jobs = plan(work, rows, options, profile)
        progress.detail(f"{len(todo)} of {len(rows)} cases to compute, in {len(jobs)} jobs")
        if options.engine.executor == "slurm" and (left := cancel_leftovers(work)):
            progress.detail(f"cancelled {left} jobs that an earlier run had left in the queue")
        write_plan(work, rows, keys, jobs, site(profile, options.engine.executor))
        complaint = _computed(work, jobs, options, profile, progress) if jobs else ""
        told = gather(work)
        if told["exit_code"] not in (4, 130):
            forget_graph(work)
            os.rename(work, options.out)
    return told | {"engine": complaint}


def plan(
    work: Path, rows: Sequence[Row], options: BatchOptions, profile: Profile
) -> tuple[dict[str, str], list[Row], list[Job]]:
    """Key of each row, the rows that are left to do, and the jobs for them."""
    for name in (CASES, OUTCOMES):
        (work / name).mkdir(exist_ok=True)
    hashes = Hashes(work / HASHES)
    keys = {row.id: key_of(row, hashes) for row in rows}
    hashes.save()
    todo, _ = left_to_do(work, rows, keys, options.again)
    return keys, todo, pack(todo, keys, profile, options.chunk)


def _computed(work: Path, jobs: Sequence[Job], options: BatchOptions, profile: Profile, progress: Progress) -> str:
    """Run the engine; what it complained of, empty if all jobs were done."""
    progress.stage(f"Computing ({options.engine.executor})")
    (work / "cohort.csv").unlink(missing_ok=True)

    shown, watch = -1, QueueWatch(work) if options.engine.executor == "slurm" else None

    def look() -> None:
        nonlocal shown
        if watch is not None:
            watch.look()
        done = sum((work / CHUNKS / f"{job.name}.done").exists() for job in jobs)
        if done != shown:
            progress.detail(f"{done} of {len(jobs)} jobs done")
        shown = done

    return "" if run_engine(work, options.engine, profile, look) else what_went_wrong(work)


@contextmanager
def cohort_folder(out: Path) -> Iterator[Path]:
    """The folder to work in, ``OUT.partial``, locked; a cohort that was whole becomes that again.

    Raises
    ------
    InputError
        If ``out`` is no cohort's, or another hemo works there.
    """
    work = partial_path(out)
    with locked(out, may_exist=True):
        if out.exists():
            if not (out / ROWS).is_file():
                raise InputError(f"{out}: exists and is no cohort's folder; choose another with --out.")
            if work.exists():
                raise InputError(f"{out}: {work.name} lies beside it; remove one of the two.")
            os.rename(out, work)
        work.mkdir(exist_ok=True)
        yield work
