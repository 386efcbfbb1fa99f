"""A beat killed again and again (SIGKILL) and continued on other numbers of ranks, against the same left alone.

Killed is the driver, mpirun or one rank, at random moments; the next start follows at once, also while ranks of the
last one are dying. Time steps are solved to 1e-10, so that what differs is the restart's.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from hemo.fem.job import read_status
from hemo.fem.result import FemResult, read_result
from hemo.results import Status
from validation.table import Table, publish
from validation.workerjob import set_options, written_job

KILLS = 20
VICTIMS = ("driver", "mpirun", "rank")
RANKS = (1, 2, 3)
MOMENTS = (3.0, 25.0)  # s after a start
GOAL = 1e-8
CASE = """
[case]
name = "a short artery, beats to be killed"
[geometry]
analytic.name = "LAD"
analytic.diameter = "3 mm"
analytic.length = "16 mm"
analytic.severity = 0.4
analytic.lesion_length = "6 mm"
analytic.lesion_centre = "5 mm"
[patient]
systolic = "128 mmHg"
diastolic = "76 mmHg"
heart_rate = "66 /min"
myocardial_mass = "135 g"
[flow]
state = "rest"
[fem]
cells_per_diameter = 3
pulsatile = true
steps_per_beat = 40
checkpoint_interval = "2 s"
"""
DRIVER = (
    "import sys; from pathlib import Path; from hemo.fem.launch import run_worker; "
    "run_worker(Path(sys.argv[1]), int(sys.argv[2]))"
)


def job(folder: Path) -> Path:
    """The worker's inputs, its time steps solved tightly."""
    (folder / "case.toml").write_text(CASE)
    place = written_job(folder / "case.toml", folder)
    set_options(place, step_tolerance=1e-10)
    return place


def start(place: Path, ranks: int) -> subprocess.Popen[bytes]:
    """A driver of its own."""
    with open(place.parent / "drivers.log", "ab") as log:
        return subprocess.Popen([sys.executable, "-c", DRIVER, str(place), str(ranks)], stdout=log, stderr=log)


def workers(driver: int) -> list[int]:
    """mpirun and the ranks below a driver, as far as they are there."""
    found: list[int] = []
    for task in Path(f"/proc/{driver}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            mine = b"hemo.fem.worker" in Path(f"/proc/{child}/cmdline").read_bytes()
            found += [child] * mine + workers(child)
    return found


def kill(driver: subprocess.Popen[bytes], victim: str, chance: random.Random) -> bool:
    """Kill the driver, its mpirun or one of the ranks; False where there is none yet or any more."""
    try:
        first, *ranks = workers(driver.pid)
        os.kill({"driver": driver.pid, "mpirun": first, "rank": chance.choice(ranks)}[victim], signal.SIGKILL)
    except (OSError, ValueError, IndexError):
        return False
    return True


def killed(place: Path, kills: int, chance: random.Random) -> list[dict[str, Any]]:
    """Kill so often, then let it end; one record a kill."""
    records: list[dict[str, Any]] = []
    for count in range(10 * KILLS):
        if (place / "result.npz").is_file():
            return records
        ranks = RANKS[count % len(RANKS)]
        driver = start(place, ranks)
        if len(records) < kills:
            time.sleep(chance.uniform(*MOMENTS))
            victim, step = VICTIMS[len(records) % len(VICTIMS)], read_status(place).get("step")
            if kill(driver, victim, chance):
                records.append({"victim": victim, "step": step, "ranks": ranks})
        driver.wait()
    raise RuntimeError(f"no result after {10 * KILLS} starts; see {place.parent / 'drivers.log'}")


def difference(found: FemResult, whole: FemResult) -> float:
    """Largest difference of flow, pressure and inflow at any time of the last beat, over the largest value."""
    assert found.beat is not None
    assert whole.beat is not None
    assert found.status is whole.status is Status.CONVERGED
    worst = 0.0
    for name in ("section_pressure", "section_flow", "inlet_flow", "outlet_flow"):
        expected, got = getattr(whole.beat, name), getattr(found.beat, name)
        worst = max(worst, float(np.nanmax(np.abs(got - expected)) / np.nanmax(np.abs(expected))))
    return worst


def main() -> None:
    """Kill until there are enough kills, and fill the section ``kills`` of docs/benchmarks.md."""
    chance = random.Random(7)
    with tempfile.TemporaryDirectory() as name:
        place = job(Path(name))
        alone = Path(shutil.copytree(place, place.parent / "alone"))
        began = time.perf_counter()
        start(alone, 1).wait()
        seconds = time.perf_counter() - began
        whole = read_result(alone)
        records: list[dict[str, Any]] = []
        rows = []
        while len(records) < KILLS:
            copy = Path(shutil.copytree(place, place.parent / f"run{len(rows)}"))
            more = killed(copy, KILLS - len(records), chance)
            records += more
            found = read_result(copy)
            worst = difference(found, whole)
            rows.append(
                (
                    str(len(more)),
                    ", ".join(f"{item['victim']} {item['step'] or 0}/{item['ranks']}" for item in more) or "none",
                    str(len(found.iterations)),
                    f"{worst:.1e}",
                    "yes" if worst <= GOAL else "NO",
                )
            )
    columns = ("kills", "killed: at step/on ranks", "time steps in the end", "largest difference", "within 1e-8")
    note = f"Left alone it takes {seconds:.0f} s on one rank; checkpoints every 2 s."
    publish(Table("kills", columns, tuple(rows), note))
