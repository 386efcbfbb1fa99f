"""Compilation of the forms by FFCx, safe against a kill in its middle.

A process killed while FFCx compiles leaves a ``.c`` file without its ``.c.cached`` mark, and every later run
waits for a compilation that nobody does. Here all compilation happens under one lock per cache, so whoever
holds the lock knows that such a file is stale, and removes it.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mpi4py import MPI

log = logging.getLogger(__name__)

# No -march=native: a cluster's nodes share this cache. Sums may be reordered, or none of them is vectorised (the
# Jacobian's assembly takes 2.8 times as long); infinities and nans keep their meaning.
COMPILER_FLAGS = ["-O3", "-g0", "-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-fassociative-math"]
TIMEOUT = 600  # s a rank waits for another's compilation


def cache_folder() -> Path:
    """hemo's own FFCx cache, under XDG_CACHE_HOME."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "hemo-ffcx"


def jit_options() -> dict[str, Any]:
    """The ``jit_options`` that every form and function space of hemo is made with."""
    return {"cache_dir": cache_folder(), "timeout": TIMEOUT, "cffi_extra_compile_args": COMPILER_FLAGS}


@contextmanager
def compilation(comm: MPI.Comm) -> Iterator[None]:
    """Hold the cache's lock while the ranks of ``comm`` make forms; clear stale files first.

    The lock is the kernel's (flock): it goes with the process that held it, however that ends.
    """
    if comm.rank != 0:
        yield  # dolfinx lets rank 0 compile first and the others read its result
        return
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        clear_stale(folder)
        yield


def clear_stale(folder: Path) -> tuple[Path, ...]:
    """Remove sources whose compilation never ended, and marks without a source; only while holding the lock."""
    stale = [path for path in folder.glob("*.c") if not path.with_suffix(".c.cached").exists()]
    # A mark without its source lets FFCx compile anew and then fail on the mark, for ever.
    stale += [path for path in folder.glob("*.c.cached") if not path.with_suffix("").exists()]
    for path in stale:
        log.warning("removing %s, left by a compilation that was killed", path.name)
        path.unlink(missing_ok=True)
    return tuple(stale)
