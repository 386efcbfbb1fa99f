"""A process that computes cases one after another, so that what starting takes is paid once, and that may die alone.

``python -m hemo.batch.warm FOLDER`` answers each line of JSON on stdin with one on stdout.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

from hemo import __version__
from hemo.answers import reduced_answer
from hemo.batch.cohort import given_of
from hemo.batch.outcome import CASES, TREE_RESULT, Outcome, discard, outcome_of_result
from hemo.errors import EnvironmentMissing, HemoError, InputError, Interrupted, NotConverged
from hemo.files import sha256
from hemo.geometry.lesion import completed
from hemo.given import blood_of, patient_of, tells
from hemo.pipeline import RunOptions, collected_warnings, run_case
from hemo.resultfolder import working_folder
from hemo.treejson import SCHEMA_VERSION, read_trees

log = logging.getLogger(__name__)

_STATUS: dict[type[HemoError], str] = {
    NotConverged: "not converged",
    EnvironmentMissing: "environment",
    Interrupted: "interrupted",
}
_AGAIN = 3  # times to look again where another job finished the case first
PATIENCE = 600.0  # s that a solve may take for its checkpoint
_PR_SET_PDEATHSIG = 1


def compute(folder: Path, item: Mapping[str, Any]) -> Outcome:
    """Compute one case into ``folder``, or find that another job has; never raises but at the user's interrupt.

    Parameters
    ----------
    folder
        The cohort's.
    item
        ``id``, ``key``, ``path``, ``method``, ``ranks``, ``patient`` and ``fresh``: whether what an earlier attempt
        left is of other input.
    """
    result, begin = folder / CASES / item["id"], time.perf_counter()
    status, reason = "failed", "another job kept making the result; run the same command again."
    try:
        for _ in range(_AGAIN):
            found = outcome_of_result(result, item["key"])
            if found is not None:
                return found
            discard(result)
            try:
                (_compute_tree if item["path"].endswith(".json") else _compute_case)(result, item)
            except InputError:
                if not result.exists():
                    raise
    except HemoError as error:
        status, reason = _STATUS.get(type(error), "bad input"), str(error)
    except MemoryError:
        status, reason = "killed", "memory ran out; give the case more in the column memory and run again."
    except KeyboardInterrupt:
        status, reason = "interrupted", "interrupted; the same command continues."
    except Exception as error:  # a defect of hemo must not take the other cases with it
        log.exception("case %s", item["id"])
        status, reason = "failed", f"hemo failed ({type(error).__name__}: {error}); the job's log has more."
    return Outcome(item["id"], item["key"], status, " ".join(reason.split()), time.perf_counter() - begin)


def _compute_case(result: Path, item: Mapping[str, Any]) -> None:
    options = RunOptions(result, item["method"], item["ranks"], item["fresh"], patience=-1.0)
    run_case(Path(item["path"]), options)


def _compute_tree(result: Path, item: Mapping[str, Any]) -> None:
    """The answer of ``hemo reduced`` in a result folder of its own."""
    begin, path, given = time.perf_counter(), Path(item["path"]), given_of(item["patient"])
    with (
        working_folder(result, {"key": item["key"]}, item["fresh"], patience=-1.0) as work,
        collected_warnings() as said,
    ):
        patient, blood = patient_of(given), blood_of(given)
        trees = [
            reduced_answer(completed(one), None if tells(given) else one.conditions, patient, blood, one.calibration)
            for one in read_trees(path)
        ]
        told = {
            "schema_version": SCHEMA_VERSION,
            "key": item["key"],
            "inputs": {path.name: sha256(path)},
            "software": {"hemo": __version__},
            "seconds": round(time.perf_counter() - begin, 3),
            "warnings": [*said.messages, *(tree["calibration_note"] for tree in trees if tree["calibration_note"])],
            "trees": trees,
        }
        (work / TREE_RESULT).write_text(json.dumps(told, allow_nan=False), encoding="utf-8")


class WarmProcess:
    """The process as its job sees it; started when it is first asked, and again after it has died."""

    module = "hemo.batch.warm"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> WarmProcess:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()
            self.process.wait()

    def ask(self, item: Mapping[str, Any]) -> Outcome:
        """The outcome of one case.

        Raises
        ------
        Interrupted
            A signal asked this process to stop; the case's own checkpoint is written by then.
        """
        if self.process is None or self.process.poll() is not None:
            command = [sys.executable, "-m", self.module, str(self.folder)]
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        process = self.process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(dict(item)) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        except (Interrupted, KeyboardInterrupt):
            _stop(process)
            raise
        if answer.endswith("\n"):
            return Outcome(**json.loads(answer))
        return Outcome(item["id"], item["key"], "killed", _death(process))


def _stop(process: subprocess.Popen[str]) -> None:
    """Ask for a checkpoint and wait for it."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()


def _death(process: subprocess.Popen[str]) -> str:
    code = process.wait()
    how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
    return f"its process died {how}, as of too little memory; give more in the column memory and run again."


def end_with_parent(number: signal.Signals) -> None:
    """Have this process sent a signal when its parent is gone, however that ended (Linux)."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, int(number))


def _terminate(number: int, _frame: FrameType | None) -> None:
    raise Interrupted(f"stopped by {signal.Signals(number).name}; the same command continues.")


def main() -> None:
    """Answer until stdin ends or a signal comes."""
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGUSR1, _terminate)
    end_with_parent(signal.SIGTERM)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints is for the job's log
    folder = Path(sys.argv[1])
    try:
        for line in sys.stdin:
            outcome = compute(folder, json.loads(line))
            answers.write(json.dumps(asdict(outcome)) + "\n")
            answers.flush()
            if outcome.status == "interrupted":
                break
    except (Interrupted, KeyboardInterrupt):
        sys.exit(Interrupted.exit_code)


if __name__ == "__main__":
    main()
