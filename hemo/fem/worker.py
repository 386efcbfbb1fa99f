"""The finite-element worker: ``mpirun -n N python -m mpi4py -m hemo.fem.worker JOBDIR``.

Solves the job that :func:`hemo.fem.job.write_job` left in JOBDIR and writes ``result.npz`` there. On SIGUSR1 it
writes a checkpoint after the current nonlinear step and ends with exit code 0 and without a result; started again
on the same job it continues. ``status.json`` says how far it is, ``log.txt`` (rank 0) and ``log.rank<k>.txt`` what
happened. An exception on any rank ends them all.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
import time
from pathlib import Path

log = logging.getLogger("hemo.fem.worker")


def main(arguments: list[str]) -> None:
    """Run one rank of the worker on the folder that the command line names."""
    asked: list[int] = []
    # Before the slow imports: until it is set, a request to stop would kill the rank.
    signal.signal(signal.SIGUSR1, lambda number, _: asked.append(number))
    start = time.perf_counter()
    folder = Path(arguments[0])
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    log_to(folder, comm.rank)
    try:
        from hemo.fem.execution import Execution

        Execution(folder, comm, lambda: bool(asked), start).run()
    except BaseException as error:
        log.exception("rank %d failed", comm.rank)
        tell_failure(folder, error, time.perf_counter() - start)
        # Here, not by mpi4py's runner at exit: PETSc finalises before that, and waits for the other ranks for ever.
        comm.Abort(1)


def log_to(folder: Path, rank: int) -> None:
    """Send the log of this rank to its file in the job's folder, and errors to mpirun's output as well."""
    file = logging.FileHandler(folder / ("log.txt" if rank == 0 else f"log.rank{rank}.txt"))
    screen = logging.StreamHandler()
    screen.setLevel(logging.ERROR)
    form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(level=logging.INFO, format=form, handlers=[file, screen])


def tell_failure(folder: Path, error: BaseException, seconds: float) -> None:
    """Say in ``status.json`` what failed, as well as it goes: other ranks may be writing the same."""
    from hemo.fem.job import write_status

    with contextlib.suppress(OSError):
        write_status(folder, "failed", f"{type(error).__name__}: {error}", {}, seconds)


if __name__ == "__main__":
    main(sys.argv[1:])
