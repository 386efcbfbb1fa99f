"""Every real geometry to a mesh as a user gets it, by ``hemo mesh``: time of the clock, memory, caps, worst cell.

Each geometry leaves a line in ``validation/records/real_meshes.jsonl`` (the pulmonary artery takes a quarter of an
hour), so that the campaign goes on where it stopped; take a line away to do that geometry again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from validation.campaign import resumed
from validation.table import DOCS, Table, publish

RECORDS = DOCS.parent / "validation" / "records" / "real_meshes.jsonl"
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
LIMIT_S = 7200.0


@dataclass(frozen=True)
class Made:
    """Each tree's mesh (none: why not, in ``failure``), s of the clock, and bytes of all its processes."""

    geometry: str
    trees: list[dict[str, Any]]
    failure: str
    seconds: float
    memory: int


def make(name: str) -> dict[str, Any]:
    """Run ``hemo mesh`` on one geometry; :class:`Made` as a dictionary."""
    trees, failure, seconds, memory = run(*GEOMETRIES[name])
    return asdict(Made(name, trees, failure, seconds, memory))


def run(geometry: str, cells: float) -> tuple[list[dict[str, Any]], str, float, int]:
    """The trees, or why there are none, seconds and bytes of one ``hemo mesh``."""
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
            return [of_tree(tree) for tree in json.loads(said.read_text())["trees"]], "", seconds, memory
        last = complaint.read_text().strip().splitlines()[-1:] or [f"exit code {child.returncode}"]
        return [], last[0], seconds, memory


def of_tree(tree: dict[str, Any]) -> dict[str, Any]:
    """What the table says of one tree's mesh."""
    return {
        "tree": tree["tree"],
        "cells": tree["cells"],
        "caps": len(tree["boundary"]) - 1,
        "lowest": tree["quality"]["lowest"],
        "method": tree["report"]["method"],
    }


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


def row(made: Made) -> tuple[str, ...]:
    """One line of the table."""
    cost = (f"{made.seconds:.0f}", f"{made.memory / 1e9:.1f}")
    if not made.trees:
        return (made.geometry, "-", "-", "-", *cost, made.failure)
    return (
        made.geometry,
        " + ".join(f"{tree['cells']:,}" for tree in made.trees),
        " + ".join(str(tree["caps"]) for tree in made.trees),
        f"{min(tree['lowest'] for tree in made.trees):.2f}",
        *cost,
        "; ".join(sorted({tree["method"] for tree in made.trees})),
    )


def main() -> None:
    """Fill the section ``real_meshes`` of docs/benchmarks.md."""
    if "HEMO_DATA" not in os.environ:
        print("real_meshes: HEMO_DATA is not set, so there is no real geometry to mesh.")
        return
    lines = resumed(RECORDS, ("geometry",), ((name,) for name in GEOMETRIES), make)
    made = [Made(**line) for line in lines.values()]
    valid = sum(bool(one.trees) for one in made)
    columns = ("geometry", "cells", "caps", "least gamma", "clock / s", "memory / GB", "how, or why not")
    note = (
        "`hemo mesh` on each, from start to end, 2 cores; "
        f"memory of all its processes together at most. {valid} of {len(made)} reached a valid mesh with every "
        "cap tagged. Asked is NARCO's label map at 12 cells per diameter within 60 s."
    )
    publish(Table("real_meshes", columns, tuple(map(row, made)), note))


if __name__ == "__main__":
    main()
