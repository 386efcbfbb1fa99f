"""One job: the cases of a chunk, in a warm process, each kept as soon as it is there."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hemo.batch.outcome import Outcome, read_outcome, state_of, write_outcome
from hemo.batch.warm import WarmProcess
from hemo.errors import Interrupted
from hemo.files import replace_text

JOURNAL = ".jsonl"


def run_chunk(chunk: Path, marker: Path) -> list[Outcome]:
    """Compute what is left of a chunk's cases and, when all are settled, write the marker.

    Parameters
    ----------
    chunk
        JSON of the cases, in the folder ``chunks`` of a cohort.
    marker
        The file that tells the engine that the job is done.

    Returns
    -------
    The outcomes that are not settled: those cases' processes were killed, or miss a part of the environment.

    Raises
    ------
    Interrupted
        A signal asked to stop, or has stopped the case.
    """
    _on_one_host()
    folder = chunk.resolve().parent.parent
    todo = [item for item in json.loads(chunk.read_text(encoding="utf-8")) if not _settled(folder, item)]
    # What was begun before may be what kills its process: the others first.
    todo.sort(key=lambda item: _last(folder, item) is not None)
    left = []
    with WarmProcess(folder) as process:
        for item in todo:
            outcome = _computed(folder, item, process, chunk.with_suffix(JOURNAL))
            if outcome.status == "interrupted":
                raise Interrupted(outcome.reason)
            left += [] if outcome.settled else [outcome]
    if not left:
        replace_text(marker, "")
    return left


def _computed(folder: Path, item: dict[str, Any], process: WarmProcess, journal: Path) -> Outcome:
    last = _last(folder, item)
    item = {**item, "fresh": last is None}
    write_outcome(folder, Outcome(item["id"], item["key"], "begun"))
    _note(journal, item, "begun")
    outcome = process.ask(item)
    write_outcome(folder, outcome)
    _note(journal, item, outcome.status, outcome.seconds)
    return outcome


def _last(folder: Path, item: Mapping[str, Any]) -> Outcome | None:
    """The case's last state with this input."""
    last = read_outcome(folder, item["id"])
    return last if last is not None and last.key == item["key"] else None


def _settled(folder: Path, item: Mapping[str, Any]) -> bool:
    state = state_of(folder, item["id"], item["key"])
    return state is not None and state.settled


def _note(journal: Path, item: Mapping[str, Any], event: str, seconds: float = 0.0) -> None:
    """A line of what happened when, and where."""
    line = {"id": item["id"], "key": item["key"], "event": event, "time": time.time(), "seconds": seconds}
    line |= {"host": socket.gethostname(), "process": os.getpid()}
    with journal.open("a", encoding="utf-8") as out:
        out.write(json.dumps(line) + "\n")


def _on_one_host() -> None:
    """A 3D case has one node: mpirun starts its ranks itself, on the processors of the job's one task."""
    if "SLURM_JOB_ID" in os.environ:
        os.environ |= {
            "PRTE_MCA_ras": "^slurm",
            "PRTE_MCA_plm": "ssh",
            "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
        }
