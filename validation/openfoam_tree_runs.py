"""Meshes the patient's tree with snappyHexMesh and runs simpleFoam in it, with the clock in hand."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hemo.tetmesh import INLET
from validation.openfoam_cases import DENSITY, write_binary
from validation.openfoam_patient import REFERENCE, Patient, places
from validation.openfoam_readings import Readings
from validation.openfoam_runs import RANKS, Line, OpenFOAM, find
from validation.openfoam_snappy import Snappy, write_mesh_case
from validation.openfoam_tree_cases import write_mesh_control, write_steady

SETTLED = 5e-4  # of FFR
MESHED = "meshed.json"


def prepared(
    parser: argparse.ArgumentParser, options: Sequence[str], records: Path
) -> tuple[argparse.Namespace, OpenFOAM] | None:
    """The options, ``--fresh`` among them, and OpenFOAM, the records forgotten if asked; None, and said, without it."""
    parser.add_argument("--fresh", action="store_true", help="forget the runs on record")
    chosen, foam = parser.parse_args(options), find(install=False)
    if foam is None or "HEMO_DATA" not in os.environ:
        name = str(parser.prog).split()[-1]
        print(f"{name}: skipped, for want of OpenFOAM (python -m validation openfoam --install) or of HEMO_DATA.")
        return None
    if chosen.fresh:
        records.unlink(missing_ok=True)
    return chosen, foam


def meshed_case(foam: OpenFOAM, patient: Patient, grid: Snappy) -> tuple[Path, Line]:
    """A case's folder with its mesh, made where it is not there, and cells, lost part of the lumen and seconds."""
    case = patient.folder / f"snappy-{grid.across:g}-{grid.layers}"
    if not (case / MESHED).is_file():
        reference = patient.meshed(REFERENCE)
        start = time.perf_counter()
        write_mesh_control(case)
        write_mesh_case(case, reference.mesh, reference.tree, grid)
        for command in (["blockMesh"], ["snappyHexMesh", "-overwrite"], ["renumberMesh", "-overwrite"]):
            foam.run(case, *command)
        seconds = time.perf_counter() - start
        said = foam.says(case, "checkMesh")
        cells, volume = re.search(r"\bcells:\s+(\d+)", said), re.search(r"Total volume = (\S+)\.", said)
        assert cells is not None and volume is not None
        lost = 1.0 - float(volume[1]) / float(reference.mesh.cell_volumes().sum())
        told = {"cells": int(cells[1]), "lost": lost, "meshing": seconds, "checked": "Mesh OK" in said}
        (case / MESHED).write_text(json.dumps(told))
    return case, json.loads((case / MESHED).read_text())


def prescribed(flow: Mapping[str, Any]) -> dict[str, Any]:
    """What is prescribed of the outlets' flows, numbers or arrays over time.

    The inlet's, and all outlets' but that with the largest, where pressure is 0.
    """
    free = max(flow, key=lambda name: float(np.mean(flow[name])))
    return {INLET: sum(flow.values()), **{name: value for name, value in flow.items() if name != free}}


def solve(foam: OpenFOAM, patient: Patient, grid: Snappy, reference: Line) -> Line:
    """One run of simpleFoam: FFR of every outlet, iterations, and seconds as in ``solve_openfoam``.

    ``solution`` is until every FFR has settled for good within ``SETTLED`` of its last value.
    """
    load, flow = os.getloadavg()[0], reference["flow"]
    case, told = meshed_case(foam, patient, grid)
    fresh(case)
    write_steady(case, prescribed(flow), RANKS)
    divided = foam.run(case, "decomposePar")
    tree = patient.meshed(REFERENCE).tree
    readings = Readings(case, tree, places(tree))
    write_binary(case)
    stamps, seconds, _ = foam.march(case, "simpleFoam")
    found = {int(name): ffr(readings.means(name), reference) for name in readings.times()}
    last = list(found.values())[-1]
    away = [k for k, values in found.items() if off(values, last) > SETTLED]
    settled = min(k for k in found if not away or k > away[-1])
    return told | {
        "ffr": last,
        "solution": divided + stamps[settled - 1],
        "stopped": divided + seconds,
        "iterations": len(stamps),
        "settled": settled,
        "load": load,
    }


def fresh(case: Path) -> None:
    """Leave nothing but the mesh."""
    for folder in (*case.glob("processor*"), case / "0"):
        shutil.rmtree(folder, ignore_errors=True)


def ffr(pressure: Mapping[str, float], reference: Line) -> dict[str, float]:
    """FFR of every branch from mean pressures, Pa: the inlet's total pressure is the aortic one.

    The inlet's velocity is the same all over it, as a total pressure makes it, too.
    """
    aortic, speed = reference["aortic"], sum(reference["flow"].values()) / reference["inlet_area"]
    total = pressure[INLET] + 0.5 * DENSITY * speed**2
    return {name: 1.0 + (value - total) / aortic for name, value in pressure.items() if name != INLET}


def off(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Largest difference of FFR over the outlets."""
    return max(abs(one[name] - value) for name, value in other.items())
