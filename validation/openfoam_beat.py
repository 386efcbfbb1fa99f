"""hemo against OpenFOAM's pisoFoam on a heart beat of the real left tree: seconds of a time step of equal length.

``python -m validation openfoam_beat [--steps N] [--fresh]``. Only the first steps of the beat are taken: the whole of
it is stated as so many times their mean. Runs are kept in ``validation/records/openfoam_beat.jsonl``.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np

from hemo import femstages
from hemo.meshstage import MeshedTree
from validation.campaign import resumed
from validation.openfoam import FOAM, HEMO
from validation.openfoam_cases import write_binary
from validation.openfoam_grid import Array
from validation.openfoam_patient import REFERENCE, Patient, patient
from validation.openfoam_runs import RANKS, Failed, Line, OpenFOAM
from validation.openfoam_snappy import Snappy
from validation.openfoam_tree_cases import write_steady, write_unsteady
from validation.openfoam_tree_runs import fresh, meshed_case, prepared, prescribed
from validation.table import DOCS, Table, publish

RECORDS = DOCS.parent / "validation" / "records" / "openfoam_beat.jsonl"
FIELDS = ("code", "parts", "steps")
STEPS_PER_BEAT = 200
CELLS, GRID = 3.5, Snappy(5)  # each some 100,000 cells
WARMING = 5  # steps at the start that are not counted
PARTS = (1, 4, 16, 32, 64, 128, 256)  # of hemo's step that OpenFOAM tries
ENOUGH = 200  # steps of OpenFOAM that show whether it is stable
GROWTH = 3.0  # of the largest Courant number, at which the velocity is unsound
STEP = re.compile(r"step \d+, .* ms: residual .* after (\d+) corrections(, factorised)?, ([\d.]+) s")
NOTE = (
    "Hyperaemia, the tree of `openfoam_tree`. A beat is {beat} steps of hemo's, of which the first ones are taken, "
    "{warming} of them not counted; the whole beat is so many times their mean. hemo: second order in time, outlets "
    "with resistance and storage, {corrections} corrections a step, factors made {factorisations} times while counted. "
    "OpenFOAM {foam}: pisoFoam, second order in time (`backward`), two corrections of the pressure, `linearUpwind` as "
    "in the steady flow, pressure to 0.05 and at last to 1e-6; outlets given the reduced model's flows, from the "
    "steady flow of the first instant; steps are shortened until it neither fails nor its largest Courant number "
    "grows {growth}-fold. {ranks} ranks each. {cores} cores; {loads} jobs were on them as the runs began."
)


class _Enough(Exception):
    """As many steps as wanted have been taken."""


def main(options: Sequence[str] = ()) -> None:
    """Time what is missing, then the table."""
    parser = argparse.ArgumentParser(prog="python -m validation openfoam_beat")
    parser.add_argument("--steps", type=int, default=25, help=f"that hemo takes; a beat has {STEPS_PER_BEAT}")
    ready = prepared(parser, options, RECORDS)
    if ready is None:
        return
    chosen, foam = ready
    publish(table(campaign(foam, chosen.steps), foam))


def campaign(foam: OpenFOAM, steps: int) -> list[Line]:
    """hemo's run, then OpenFOAM's with ever shorter steps until one is stable."""
    with tempfile.TemporaryDirectory() as name:
        made = cache(lambda: patient(Path(name)))

        def run(code: str, parts: int, steps: int) -> Line:
            print(f"openfoam_beat: {code}, {parts} parts of a step", flush=True)
            key = dict(zip(FIELDS, (code, parts, steps), strict=True))
            return key | (hemo_steps(made(), steps) if code == HEMO else foam_steps(foam, made(), parts, steps))

        lines = list(resumed(RECORDS, FIELDS, [(HEMO, 1, steps)], run).values())
        for parts in PARTS:
            lines += resumed(RECORDS, FIELDS, [(FOAM, parts, steps)], run).values()
            if lines[-1]["stable"]:
                break
    return lines


def hemo_steps(made: Patient, steps: int) -> Line:
    """Seconds of hemo's time steps, from ``hemo run``'s own start of a beat."""
    meshed, load = made.meshed(CELLS), os.getloadavg()[0]
    first, case = made.reduced(meshed), made.with_cells(CELLS)
    pulsatile = {"pulsatile": True, "steps_per_beat": STEPS_PER_BEAT}
    case = case.model_copy(update={"fem": case.fem.model_copy(update=pulsatile)})
    shutil.rmtree(meshed.folder / "fem", ignore_errors=True)

    def tell(line: str) -> None:
        found = re.search(r"step (\d+)", line)
        if found and int(found[1]) >= steps:
            raise _Enough

    with suppress(_Enough):
        femstages.solve_fem(case, meshed, first, meshed.folder, meshed.folder, RANKS, tell)
    taken = STEP.findall((meshed.folder / "fem" / "log.txt").read_text())[WARMING:]
    return {
        "cells": meshed.info.cells,
        "seconds": float(np.mean([float(seconds) for _, _, seconds in taken])),
        "counted": len(taken),
        "corrections": float(np.mean([int(count) for count, _, _ in taken])),
        "factorisations": sum(bool(factorised) for _, factorised, _ in taken),
        "load": load,
    }


def foam_steps(foam: OpenFOAM, made: Patient, parts: int, steps: int) -> Line:
    """Seconds of so many parts of hemo's step by pisoFoam, from the steady flow of the beat's first instant.

    It takes as many steps as make ``steps`` of hemo's, but no more than ``ENOUGH`` or, if that is more, ``steps``.
    """
    load = os.getloadavg()[0]
    case, told = meshed_case(foam, made, GRID)
    times, flows = given_flows(made, made.meshed(REFERENCE))
    fresh(case)
    write_steady(case, {name: float(values[0]) for name, values in flows.items()}, RANKS)
    foam.run(case, "decomposePar")
    write_binary(case)
    foam.march(case, "simpleFoam")
    _start_from_last(case)
    step = float(times[1]) / parts
    tables = {name: _table(times, values) for name, values in flows.items()}
    write_unsteady(case, tables, step, min(steps * parts, max(steps, ENOUGH)), RANKS)
    line = {"cells": told["cells"], "checked": told["checked"], "load": load}
    try:
        stamps, _, printed = foam.march(case, "pisoFoam")
    except Failed:
        return line | {"stable": False}
    courant = [float(x) for x in re.findall(r"Courant Number mean: \S+ max: (\S+)", "".join(printed))]
    counted = len(stamps) - WARMING
    return line | {
        "stable": courant[-1] < GROWTH * courant[1],
        "courant": max(courant),
        "seconds": (stamps[-1] - stamps[WARMING - 1]) / counted * parts,
        "counted": counted,
    }


def given_flows(made: Patient, meshed: MeshedTree) -> tuple[Array, dict[str, Array]]:
    """Times, s, and the reduced model's flows, m^3/s, that OpenFOAM is given."""
    beat = made.beat(meshed, STEPS_PER_BEAT)
    times = np.append(beat.beat.time, beat.beat.period)
    flows = {name: beat.flow[name][:, -1] for name in meshed.tree.outlets}
    return times, prescribed({name: np.append(values, values[0]) for name, values in flows.items()})


def _table(times: Array, values: Array) -> str:
    return f"table ({' '.join(f'({t:.10g} {value:.10g})' for t, value in zip(times, values, strict=True))})"


def _start_from_last(case: Path) -> None:
    """Make the last iteration's fields the first ones in time."""
    for part in case.glob("processor*"):
        times = sorted((folder for folder in part.iterdir() if folder.name.isdigit()), key=lambda one: int(one.name))
        for folder in times[:-1]:
            shutil.rmtree(folder)
        shutil.rmtree(times[-1] / "uniform", ignore_errors=True)
        times[-1].rename(part / "0")


def table(lines: Sequence[Line], foam: OpenFOAM) -> Table:
    """One row a code and step."""
    ours = lines[0]
    rows = [_row(line, ours) for line in lines]
    loads = [line["load"] for line in lines]
    note = NOTE.format(
        beat=STEPS_PER_BEAT,
        warming=WARMING,
        corrections=f"{ours['corrections']:.1f}",
        factorisations=ours["factorisations"],
        foam=foam.version,
        ranks=RANKS,
        growth=f"{GROWTH:g}",
        cores=os.cpu_count(),
        loads=f"{min(loads):.1f} to {max(loads):.1f}",
    )
    columns = ("code", "cells", "step", "largest Courant number", "steps counted", "s per step of hemo's", "beat / min")
    return Table("openfoam_beat", (*columns, "hemo over OpenFOAM"), tuple(rows), note)


def _row(line: Line, ours: Line) -> tuple[str, ...]:
    start = (line["code"], f"{line['cells']:,}", "beat / {}".format(STEPS_PER_BEAT * line["parts"]))
    if not line.get("stable", True):
        return (*start, "-", "unstable", "-", "-", "-")
    courant = f"{line['courant']:.1f}" if "courant" in line else "-"
    ratio = f"{ours['seconds'] / line['seconds']:.2g}" if line["code"] == FOAM else "-"
    seconds = line["seconds"]
    return (*start, courant, str(line["counted"]), f"{seconds:.2f}", f"{seconds * STEPS_PER_BEAT / 60.0:.0f}", ratio)
