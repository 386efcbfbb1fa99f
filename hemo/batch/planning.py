"""What of a cohort is left to do, packed into jobs: many reduced cases in one, a 3D case in one of its own."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import batched
from pathlib import Path
from typing import Any

from hemo.batch.cohort import Row
from hemo.batch.outcome import Outcome, state_of
from hemo.batch.profile import Profile
from hemo.files import replace_text

CHUNKS = "chunks"
PLAN = "plan.json"
ROWS = "rows.json"
_SHORTEST = 600.0  # s that the shortest job asks for


@dataclass(frozen=True)
class Job:
    """A job of the graph: its name, which rule makes it, its cases, and what it asks for (processors, MB, min)."""

    name: str
    kind: str
    items: tuple[Mapping[str, Any], ...]
    threads: int
    memory: int
    minutes: int


def left_to_do(folder: Path, rows: Sequence[Row], keys: Mapping[str, str], again: bool) -> tuple[list[Row], int]:
    """The rows without a settled outcome of their present input, and how many have one and are done.

    With ``again`` what failed is forgotten and computed anew.
    """
    todo, done = [], 0
    for row in rows:
        state = state_of(folder, row.id, keys[row.id])
        if state is None or not state.settled:
            todo.append(row)
        elif state.status == "done":
            done += 1
        elif again:
            _forget(folder, state)
            todo.append(row)
    return todo, done


def _forget(folder: Path, state: Outcome) -> None:
    (folder / "outcomes" / f"{state.id}.json").unlink(missing_ok=True)


def pack(rows: Sequence[Row], keys: Mapping[str, str], profile: Profile, size: int) -> list[Job]:
    """Jobs for the rows: reduced ones by ``size``, in the table's order."""
    jobs = []
    for group in batched([row for row in rows if row.kind == "reduced"], size, strict=False):
        memory = max(row.memory or profile.reduced.memory for row in group)
        seconds = sum(row.time or profile.reduced.time for row in group)
        jobs.append(_job("reduced", group, keys, 1, memory, seconds))
    for row in rows:
        if row.kind == "fem":
            ranks = row.ranks or profile.fem.ranks
            jobs.append(
                _job("fem", (row,), keys, ranks, row.memory or profile.fem.memory, row.time or profile.fem.time)
            )
    return jobs


def _job(kind: str, rows: Sequence[Row], keys: Mapping[str, str], threads: int, memory: float, seconds: float) -> Job:
    items = tuple(
        {
            "id": row.id,
            "key": keys[row.id],
            "path": str(row.path),
            "method": row.method,
            "ranks": threads,
            "patient": dict(row.patient),
        }
        for row in rows
    )
    digest = hashlib.sha256("".join(f"{item['id']} {item['key']}\n" for item in items).encode()).hexdigest()[:16]
    return Job(f"{kind}-{digest}", kind, items, threads, math.ceil(memory), math.ceil(max(seconds, _SHORTEST) / 60.0))


def write_plan(
    folder: Path, rows: Sequence[Row], keys: Mapping[str, str], jobs: Sequence[Job], site: Mapping[str, Any]
) -> None:
    """Write what the graph and its jobs read; ``site`` is how hemo starts there and where jobs go."""
    chunks = folder / CHUNKS
    chunks.mkdir(exist_ok=True)
    for job in jobs:
        replace_text(chunks / f"{job.name}.json", json.dumps(job.items))
        (chunks / f"{job.name}.done").unlink(missing_ok=True)
    asked = {job.name: {"threads": job.threads, "mem_mb": job.memory, "runtime": job.minutes} for job in jobs}
    cohort = [{"id": row.id, "key": keys[row.id], "method": row.method, "kept": dict(row.kept)} for row in rows]
    replace_text(folder / ROWS, json.dumps(cohort))
    replace_text(folder / PLAN, json.dumps({"jobs": asked, **site}))
    forget_graph(folder)


def forget_graph(folder: Path) -> None:
    """Delete what the engine keeps of its last graph; the state of the cases is not in it."""
    shutil.rmtree(folder / ".snakemake", ignore_errors=True)
