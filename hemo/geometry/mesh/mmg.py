"""MMG's programs, run on files (Dapogny, Dobrzynski and Frey 2014, J Comput Phys 262:358; LGPL)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hemo.errors import HemoError
from hemo.geometry.mesh.medit import write_metric, write_sizes
from hemo.geometry.mesh.sizing import Sizes
from hemo.geometry.mesh.stretching import metric, stretch_at
from hemo.tree import VesselTree

Array = NDArray[np.float64]

TIME_LIMIT = 600  # s
MM = 1e-3  # the programs are given millimetres


class MmgFailed(HemoError):
    """A program gave up, or took too long."""


def mmg_program(name: str) -> Path | None:
    """Where ``mmgs`` or ``mmg3d`` is: beside this interpreter, or on the PATH."""
    for version in (f"{name}_O3", name):
        beside = Path(sys.executable).parent / version
        if beside.is_file():
            return beside
        found = shutil.which(version)
        if found:
            return Path(found)
    return None


def write_wanted(source: Path, points: Array, width: Array, tree: VesselTree, sizes: Sizes) -> None:
    """Write the cells wanted at (n, 3) points, (n,) wide and stretched along the vessel, beside the mesh ``source``."""
    path = source.with_suffix(".solb")
    if sizes.stretch > 1.0:
        write_metric(path, metric(np.asarray(width / MM), *stretch_at(points, tree, sizes.stretch)))
    else:
        write_sizes(path, width / MM)


def run_mmg(program: Path, source: Path, width: Array, sizes: Sizes, *options: str) -> Path:
    """Adapt ``source`` to the sizes beside it; the file that the program wrote.

    Raises
    ------
    MmgFailed
        If it failed or took too long.
    """
    result = source.with_name("out.meshb")
    command = [
        str(program),
        "-v", "1",
        "-hgrad", f"{sizes.gradation:g}",
        "-hmin", f"{0.3 * width.min() / MM:.6g}",
        "-hmax", f"{1.5 * sizes.stretch * width.max() / MM:.6g}",
        *options,
        "-in", str(source),
        "-sol", str(source.with_suffix(".solb")),
        "-out", str(result),
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT, check=False)
    except subprocess.TimeoutExpired as error:
        raise MmgFailed(f"{program.name} did not end within {TIME_LIMIT} s.") from error
    if done.returncode != 0 or not result.is_file():
        last = (done.stdout + done.stderr).strip().splitlines()[-1:] or ["no message"]
        raise MmgFailed(f"{program.name} ended with code {done.returncode}: {last[0].strip()}")
    return result
