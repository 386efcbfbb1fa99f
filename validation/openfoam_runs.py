"""Finds or unpacks OpenFOAM, and runs hemo and simpleFoam on the straight stenosis with the clock in hand."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hemo.errors import NotConverged
from hemo.pipeline import RunOptions, run_case
from hemo.units import MMHG
from hemo.vtkio import read_polydata
from validation.openfoam_cases import pressure_drops, write_binary, write_dictionaries, write_fields
from validation.openfoam_grid import OGrid, face_areas, move_points, parabola, patch_faces, read_points, write_points
from validation.straight_stenosis import CASE

RANKS = 2
SETTLED = 1e-3  # of the drop's final value
Line = dict[str, Any]


class Failed(RuntimeError):
    """A solver of OpenFOAM ended before its time."""


@dataclass(frozen=True)
class OpenFOAM:
    """Where OpenFOAM is.

    Attributes
    ----------
    environment
        For its programs.
    version
        As it says itself.
    """

    environment: dict[str, str]
    version: str

    def run(self, case: Path, *command: str) -> float:
        """Seconds that one of its programs takes in a case's folder."""
        start = time.perf_counter()
        self.says(case, *command)
        return time.perf_counter() - start

    def says(self, case: Path, *command: str) -> str:
        """What one of its programs prints."""
        done = subprocess.run(command, cwd=case, env=self.environment, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-2000:]}")
        return done.stdout

    def march(self, case: Path, program: str) -> tuple[list[float], float, list[str]]:
        """Seconds since a solver's start at the end of each iteration, and at the end of all, and what it printed."""
        command = ["mpirun", "-n", str(RANKS), program, "-parallel"]
        start = time.perf_counter()
        stamps: list[float] = []
        with subprocess.Popen(
            command, cwd=case, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line)
                if line.startswith("ExecutionTime"):
                    stamps.append(time.perf_counter() - start)
        if process.returncode or not stamps:
            raise Failed(f"{program} failed:\n{''.join(lines[-30:])}")
        return stamps, time.perf_counter() - start, lines


def find(install: bool) -> OpenFOAM | None:
    """OpenFOAM on the PATH, or the one unpacked in the cache, where it is put first if that is asked for."""
    environment = dict(os.environ)
    if shutil.which("simpleFoam") is None:
        folder = _folder()
        if install and not (folder / "usr").is_dir():
            _unpack(folder)
        usr = folder / "usr"
        environment["WM_PROJECT_DIR"] = str(usr / "share" / "openfoam")
        environment["LD_LIBRARY_PATH"] = f"{usr / 'lib' / 'openmpi-system'}:{usr / 'lib'}"
        environment["PATH"] = f"{usr / 'bin'}:{environment['PATH']}"
    if shutil.which("simpleFoam", path=environment["PATH"]) is None:
        return None
    told = subprocess.run(["simpleFoam", "-help"], env=environment, capture_output=True, text=True).stdout
    found = re.search(r"Using:\s*OpenFOAM-?\s*\(?([\w.]+)", told)
    return OpenFOAM(environment, found[1] if found else "of unknown version")


def _folder() -> Path:
    cache = os.environ.get("HEMO_CACHE") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "openfoam"


def _unpack(folder: Path) -> None:
    """Download Debian's package with what it needs that is not there yet, and unpack it beside hemo's environment.

    apt's lists and its cache are folders of our own, for those of the environment are read-only.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        work = Path(name)
        for part in ("state/lists/partial", "cache/archives/partial", "root"):
            (work / part).mkdir(parents=True)
        settings = {
            "Dir::State": work / "state",
            "Dir::State::status": "/var/lib/dpkg/status",
            "Dir::Cache": work / "cache",
            "Debug::NoLocking": 1,
            "APT::Sandbox::User": "root",
        }
        apt = ["apt-get", "-qq", *(f"-o{key}={value}" for key, value in settings.items())]
        _call(*apt, "update")
        _call(*apt, "--yes", "--download-only", "--no-install-recommends", "install", "openfoam")
        for package in (work / "cache" / "archives").glob("*.deb"):
            _call("dpkg-deb", "--extract", str(package), str(work / "root"))
        (work / "root").rename(folder)


def _call(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"openfoam: {command[0]} failed: {done.stderr.strip()[-1000:]}")


@contextmanager
def _scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def solve_hemo(severity: float, flow: float, cells: float) -> Line:
    """One run of hemo as a user makes it: cells, pressure drop (mmHg; absent where it fails) and seconds.

    ``solution`` is the finite-element stage: writing the job, starting the ranks, distributing, solving, sections and
    wall, with the coarser mesh that it starts from, if any. ``compile``, which is left out of it, goes into forms:
    compiling them where they have not been, else loading them.
    """
    load = os.getloadavg()[0]
    with _scratch() as folder:
        (folder / "case.toml").write_text(CASE.format(severity=severity, flow=flow, cells=cells))
        try:
            summary = run_case(folder / "case.toml", RunOptions(folder / "out", "both", RANKS))
        except NotConverged as failure:
            return {"failure": str(failure), "load": load}
        pressure = read_polydata(folder / "out" / "centreline.vtp").point_data["Pressure"]
    timing: Any = summary["timing_s"]
    mesh: Any = summary["mesh"]
    return {
        "cells": int(mesh["cells"]),
        "drop": float(pressure[0] - pressure[-1]) / MMHG,
        "meshing": timing["mesh"],
        "solution": timing["fem"] - timing["fem_vessel_compile"],
        "compile": timing["fem_vessel_compile"],
        "load": load,
    }


def solve_openfoam(foam: OpenFOAM, severity: float, flow: float, grid: OGrid) -> Line:
    """One run of simpleFoam, ``flow`` in mL/s: cells, pressure drop (mmHg), iterations and seconds.

    ``solution`` is decomposePar and simpleFoam with its start until the drop has settled for good within ``SETTLED`` of
    its last value, which nobody knows beforehand; ``stopped`` is until its residuals end it.
    """
    load = os.getloadavg()[0]
    with _scratch() as folder:
        case = folder / "case"
        start = time.perf_counter()
        areas = _make_case(foam, case, severity, flow * 1e-6, grid)
        meshing = time.perf_counter() - start
        divided = foam.run(case, "decomposePar")
        stamps, seconds, _ = foam.march(case, "simpleFoam")
        drops = pressure_drops(case, areas)
    last = list(drops.values())[-1]
    settled = settled_from(drops, SETTLED)
    return {
        "cells": grid.cells,
        "drop": last / MMHG,
        "meshing": meshing,
        "solution": divided + stamps[settled - 1],
        "stopped": divided + seconds,
        "iterations": len(stamps),
        "settled": settled,
        "load": load,
    }


def settled_from(drops: dict[int, float], tolerance: float) -> int:
    """First of the iterations from which on the drop stays within a fraction of its last value."""
    last = list(drops.values())[-1]
    away = [k for k, drop in drops.items() if abs(drop / last - 1.0) > tolerance]
    return min(k for k in drops if not away or k > away[-1])


def _make_case(foam: OpenFOAM, case: Path, severity: float, flow: float, grid: OGrid) -> Any:
    """Mesh, dictionaries and first fields; returns the areas of the inlet's faces."""
    write_dictionaries(case, grid, RANKS)
    foam.run(case, "blockMesh")
    write_points(case, move_points(read_points(case), severity, grid.around))
    foam.run(case, "renumberMesh", "-overwrite")
    points, faces = read_points(case), patch_faces(case, "inlet")
    write_fields(case, parabola(points, faces, flow))
    write_binary(case)
    return face_areas(points, faces)
