"""One solve of a job at a time, also where the last one's ranks have not died yet.

Ranks outlive an mpirun that was killed, for a moment or longer, and may write where the next solve writes. So every
rank holds a shared lock on a file of the job, and a new solve begins when its first rank has got that lock for itself
alone. The lock is the kernel's (flock): it goes with the process that held it, however that ends.
"""

from __future__ import annotations

import fcntl
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from mpi4py import MPI

log = logging.getLogger(__name__)

NAME = "lock"
PATIENCE = 60.0  # s for ranks of an earlier solve to be gone
POLL = 0.2  # s


@contextmanager
def held(job: Path, comm: MPI.Intracomm, patience: float = PATIENCE) -> Iterator[None]:
    """Hold a job's lock on every rank of ``comm``; collective.

    Raises
    ------
    RuntimeError
        If ranks of another solve hold it for longer than ``patience``, s.
    """
    with open(job / NAME, "a+") as file:
        free = comm.rank != 0 or _alone(file, patience)
        if not comm.bcast(free):
            raise RuntimeError(f"another solve is still running in {job}; end it and start this one again.")
        try:
            fcntl.flock(file, fcntl.LOCK_SH)
        except OSError as error:
            log.info("no lock on %s: %s", job / NAME, error)
        comm.barrier()
        yield


def _alone(file: TextIO, patience: float) -> bool:
    """Wait until no other process holds the lock; whether that came about in time."""
    until, told = time.monotonic() + patience, False
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if not isinstance(error, BlockingIOError):
                log.warning("the file system has no locks (%s): take care that no other solve runs here", error)
                return True
            if time.monotonic() > until:
                return False
            if not told:
                log.warning("ranks of an earlier solve are still there; waiting for their end")
                told = True
            time.sleep(POLL)
        else:
            return True
