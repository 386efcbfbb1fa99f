"""C code compiled on first use into the cache of the forms, once for all processes."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import cffi  # type: ignore[import-untyped]
import numpy as np
import petsc4py
from petsc4py import PETSc

from hemo.errors import EnvironmentMissing
from hemo.fem.jit import COMPILER_FLAGS, cache_folder


@cache
def module(name: str, declarations: str, source: str, include: str = "", libraries: tuple[str, ...] = ()) -> Any:
    """The module, with ``ffi`` and ``lib``, of C ``source`` whose ``declarations`` cffi reads; not collective.

    Parameters
    ----------
    include
        Folder of the headers beside the system's.
    libraries
        Names to link with.
    """
    places = [place for place in _prefixes() if place.is_dir()]
    made_of = [declarations, source, *libraries, *COMPILER_FLAGS, *map(str, places), str(PETSc.Sys.getVersion())]
    key = hashlib.sha256("\0".join(made_of).encode()).hexdigest()[:16]
    folder = cache_folder() / "native"
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / f"{name}_{key}.so"
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # it goes with the process that holds it
        if not made.is_file():
            ffi = cffi.FFI()
            ffi.cdef(declarations)
            ffi.set_source(
                made.stem,
                source,
                include_dirs=[*([include] if include else []), *(str(place / "include") for place in places)],
                library_dirs=[str(place / "lib") for place in places],
                runtime_library_dirs=[str(place / "lib") for place in places],
                libraries=list(libraries),
                extra_compile_args=[*COMPILER_FLAGS, "-Wno-psabi"],
            )
            with tempfile.TemporaryDirectory(dir=folder) as work:
                os.replace(ffi.compile(tmpdir=work), made)
    spec = importlib.util.spec_from_file_location(made.stem, made)
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def _prefixes() -> tuple[Path, ...]:
    """Where PETSc and its neighbours have headers and libraries, beyond the compiler's own places."""
    config = petsc4py.get_config()
    home = Path(config.get("PETSC_DIR") or sys.base_prefix)
    return home / (config.get("PETSC_ARCH") or ""), home, Path(sys.base_prefix)


def require_short_integers() -> None:
    """Refuse a PETSc of 64-bit integers: its arrays are handed to C as they are."""
    if np.dtype(PETSc.IntType) != np.int32:
        raise EnvironmentMissing("hemo needs PETSc with 32-bit integers; this one has 64-bit ones.")
