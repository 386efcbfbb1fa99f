"""Every real geometry to a mesh as a user gets it, by ``hemo mesh``: time of the clock, memory, caps, worst cell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from validation.table import Table, publish

NARCO = "$HEMO_DATA/narco_ccta"
LABELS = f'label_map = "{NARCO}/lumen_labels.nii.gz"\nlabels = {{ aorta = 1, coronary = 2 }}'
SURFACE = f'surface = "{NARCO}/aorta_coronaries_mm.stl"\nunit = "mm"'
LINES = f'centreline = ["{NARCO}/lca_cl.vtp", "{NARCO}/rca_cl.vtp"]'
ARTERY = 'label_map = "$HEMO_DATA/vessel_label_map/PA000005.nii.gz"'
# Name -> the case's [geometry] and the cells per diameter.
GEOMETRIES = {
    "NARCO, label map": (LABELS, 6),
    "NARCO, surface": (SURFACE, 6),
    "NARCO, surface and VMTK's centrelines": (f"{SURFACE}\n{LINES}", 6),
    "NARCO, label map, 12 cells": (LABELS, 12),
    "pulmonary artery, one label": (ARTERY, 6),
}
LIMIT_S = 1800.0


@dataclass(frozen=True)
class Made:
    """What ``hemo mesh`` printed (None: why not, in ``failure``), s of the clock, and bytes of all its processes."""

    report: dict[str, Any] | None
    failure: str
    seconds: float
    memory: int


def make(geometry: str, cells: float) -> Made:
    """Run ``hemo mesh`` on one geometry."""
    with tempfile.TemporaryDirectory() as name:
        case = Path(name) / "case.toml"
        case.write_text(f'[case]\nname = "real"\n\n[geometry]\n{geometry}\n\n[fem]\ncells_per_diameter = {cells}\n')
        words = ["mesh", str(case), "--out", str(Path(name) / "out"), "--format", "vtu", "--json"]
        said, complaint = Path(name) / "said", Path(name) / "complaint"
        with said.open("w") as out, complaint.open("w") as error:
            start = time.perf_counter()
            child = subprocess.Popen(
                [sys.executable, "-m", "hemo", *words], stdout=out, stderr=error, start_new_session=True
            )
            memory = 0
            while child.poll() is None and time.perf_counter() - start < LIMIT_S:
                memory = max(memory, resident(child.pid))
                time.sleep(0.1)
            seconds = time.perf_counter() - start
            if child.poll() is None:
                os.killpg(child.pid, 9)
                child.wait()
        if child.returncode == 0:
            return Made(json.loads(said.read_text()), "", seconds, memory)
        last = complaint.read_text().strip().splitlines()[-1:] or [f"exit code {child.returncode}"]
        return Made(None, last[0], seconds, memory)


def resident(session: int) -> int:
    """Resident bytes of all processes of a session."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        if int(fields[3]) == session:
            total += int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
    return total


def row(name: str, made: Made) -> tuple[str, ...]:
    """One line of the table."""
    cost = (f"{made.seconds:.0f}", f"{made.memory / 1e9:.1f}")
    if made.report is None:
        return (name, "-", "-", "-", *cost, made.failure)
    trees = made.report["trees"]
    return (
        name,
        " + ".join(f"{tree['cells']:,}" for tree in trees),
        " + ".join(str(len(tree["boundary"]) - 1) for tree in trees),
        f"{min(tree['quality']['lowest'] for tree in trees):.2f}",
        *cost,
        "; ".join(sorted({tree["report"]["method"] for tree in trees})),
    )


def main() -> None:
    """Fill the section ``real_meshes`` of docs/benchmarks.md."""
    if "HEMO_DATA" not in os.environ:
        print("real_meshes: HEMO_DATA is not set, so there is no real geometry to mesh.")
        return
    load = os.getloadavg()[0]
    made = {name: make(*what) for name, what in GEOMETRIES.items()}
    valid = sum(one.report is not None for one in made.values())
    columns = ("geometry", "cells", "caps", "least gamma", "clock / s", "memory / GB", "how, or why not")
    note = (
        f"`hemo mesh` on each, from start to end, {len(os.sched_getaffinity(0))} cores, load {load:.1f} "
        f"before; memory of all its processes together at most. {valid} of {len(made)} reached a valid mesh with every "
        "cap tagged. Asked is NARCO's label map at 12 cells per diameter within 60 s."
    )
    publish(Table("real_meshes", columns, tuple(row(name, one) for name, one in made.items()), note))


if __name__ == "__main__":
    main()
