"""Start the finite-element worker under MPI, watch it, and stop it in good order."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from hemo.errors import EnvironmentMissing, Interrupted, NotConverged

log = logging.getLogger(__name__)

POLL = 0.2  # s between looks at the status file
PATIENCE = 600.0  # s that the worker may take for its checkpoint once asked to stop

StatusCallback = Callable[[dict[str, Any]], None]


def run_worker(job: Path, ranks: int, on_status: StatusCallback | None = None) -> None:
    """Run ``hemo.fem.worker`` on ``job`` with ``ranks`` processes and wait for it.

    SIGINT, SIGTERM and SIGUSR1 to this process ask the worker for a checkpoint (SIGUSR1, which mpirun forwards;
    SIGTERM would kill the ranks within a second) and end in :class:`Interrupted`.

    Raises
    ------
    EnvironmentMissing
        If mpirun or dolfinx is not there.
    Interrupted
        If a signal stopped the solve; the checkpoint lies in ``job``.
    NotConverged
        If the worker died; the message names its log.
    """
    if shutil.which("mpirun") is None:
        raise EnvironmentMissing("mpirun is not on the PATH; run `make setup` and start hemo through env/exec.")
    _require_dolfinx()
    worker = [sys.executable, "-m", "mpi4py", "-m", "hemo.fem.worker", str(job)]
    command = [*tied("TERM"), "mpirun", "-n", str(ranks), *tied("KILL"), *worker]
    with open(job / "mpirun.log", "ab") as output:
        # Its own session: a Ctrl-C at the terminal reaches the driver only, which then asks in good order.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        stop = _StopRequest(process)
        with stop:
            _watch(process, job, stop, on_status)
    if stop.received is not None:
        name = signal.Signals(stop.received).name
        raise Interrupted(f"stopped by {name}; the same command continues from the checkpoint.")
    if process.returncode != 0:
        raise NotConverged(
            f"the finite-element solver died (exit code {process.returncode}); see {job / 'log.txt'} and "
            f"{job / 'mpirun.log'}."
        )


def tied(sent: str) -> list[str]:
    """What has a command sent a signal when its parent is gone, however that ended; nothing without util-linux.

    Else mpirun would go on without its driver, and ranks without their mpirun.
    """
    return ["setpriv", "--pdeathsig", sent] if _can_tie() else []


@cache
def _can_tie() -> bool:
    """Whether there is a setpriv, and not one from before it could do this."""
    if shutil.which("setpriv") is None:
        return False
    return subprocess.run(["setpriv", "--pdeathsig", "TERM", "true"], capture_output=True, check=False).returncode == 0


def _require_dolfinx() -> None:
    import importlib.util

    if importlib.util.find_spec("dolfinx") is None:
        raise EnvironmentMissing("dolfinx is not installed here; run `make setup` and start hemo through env/exec.")


class _StopRequest:
    """Signal handlers, for the time of the solve, that ask the worker to write a checkpoint and end."""

    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.received: int | None = None
        self.since = 0.0
        self.previous: dict[int, Any] = {}

    def __enter__(self) -> None:
        for number in self.SIGNALS:
            self.previous[number] = signal.signal(number, self._handle)

    def __exit__(self, *_: object) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)
        if self.process.poll() is None:
            self.kill()

    def _handle(self, number: int, _frame: object) -> None:
        if self.received is None:
            self.received, self.since = number, time.monotonic()
            log.info("asked to stop; waiting for the checkpoint")
            self.process.send_signal(signal.SIGUSR1)
        elif number == signal.SIGINT:
            self.kill()  # a second Ctrl-C does not wait

    def kill(self) -> None:
        """End mpirun and every rank."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                return
            try:
                self.process.wait(timeout=5.0)
                return
            except subprocess.TimeoutExpired:
                continue


def _watch(process: subprocess.Popen[bytes], job: Path, stop: _StopRequest, on_status: StatusCallback | None) -> None:
    seen = ""
    while process.poll() is None:
        time.sleep(POLL)
        if stop.received is not None and time.monotonic() - stop.since > PATIENCE:
            log.warning("no checkpoint after %.0f s; ending the worker", PATIENCE)
            stop.kill()
        text = _read(job / "status.json")
        if on_status is not None and text and text != seen:
            seen = text
            on_status(json.loads(text))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
