"""Cost of a mesh over its number of cells: one coronary tree from 50,000 to 1,000,000 cells."""

from __future__ import annotations

import os
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from hemo.case import read_case
from hemo.geometry.mesh.meshing import MeshOptions, MeshReport, build_mesh
from hemo.stages import Geometry, load_geometry
from validation.table import DOCS, Table, publish

CASE = DOCS.parent / "cases" / "left_coronary" / "case.toml"
CELLS = (50_000, 100_000, 200_000, 500_000, 1_000_000)
WHO = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
STEPS = ("remesh", "volume_compensation", "fill", "check")


@dataclass(frozen=True)
class Cost:
    """What one mesh took: processor seconds of this process and its children, peak memory in bytes."""

    report: MeshReport
    processor: float
    own_memory: float
    child_memory: float


def cost(geometry: Geometry, cells_per_diameter: float) -> Cost:
    """Mesh the first tree; to be called in a process of its own, whose peak memory is read."""
    assert geometry.surface is not None
    start = _processor()
    report = build_mesh(geometry.surface, geometry.trees[0], MeshOptions(cells_per_diameter)).report
    child = 1024.0 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return Cost(report, _processor() - start, _own_peak(), child)


def _own_peak() -> float:
    """Peak memory, bytes, since this program began; ``ru_maxrss`` would include that of the one that started it."""
    status = Path("/proc/self/status").read_text()
    return 1024.0 * float(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


def _processor() -> float:
    used = (resource.getrusage(who) for who in WHO)
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def in_process(geometry: Geometry, cells_per_diameter: float) -> Cost:
    """:func:`cost` in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(cost, geometry, cells_per_diameter).result()


def main() -> None:
    """Table of times and memory, the exponent of the time over the cells, a figure."""
    with tempfile.TemporaryDirectory() as folder:
        geometry = load_geometry(read_case(CASE), CASE, Path(folder))
    load, start = os.getloadavg()[0], time.perf_counter()
    costs, density = [], 0.0
    for cells in CELLS:
        # The number of cells grows with the cube of the cells per diameter; the first guess is of this tree at 6.
        wanted = np.cbrt(cells / density) if density else 6.0 * np.cbrt(cells / 150_000)
        costs.append(in_process(geometry, float(wanted)))
        density = costs[-1].report.cells / wanted**3
    count = np.array([item.report.cells for item in costs], dtype=float)
    seconds = np.array([item.processor for item in costs])
    exponent = np.polyfit(np.log(count), np.log(seconds), 1)[0]
    linear_log = np.polyfit(np.log(count), np.log(count * np.log(count)), 1)[0]
    scaled = seconds / (count * np.log(count))
    rows = [
        (
            f"{item.report.cells:,}",
            f"{item.report.cells_per_diameter_min:.1f} and {item.report.cells_per_diameter_median:.1f}",
            f"{item.processor:.1f}",
            f"{ratio:.2f}",
            *(f"{item.report.timings[step]:.1f}" for step in STEPS),
            f"{item.own_memory / 1e6:.0f}; {item.child_memory / 1e6:.0f}",
            f"{item.report.min_quality:.2f}",
        )
        for item, ratio in zip(costs, scaled / scaled[0], strict=True)
    ]
    wall = [step.replace("_", " ") + " / s" for step in STEPS]
    columns = ("cells", "per diameter, least and median", "processor / s", "over N log N", *wall)
    columns += ("memory / MB, own; gmsh or mmgs at most", "least gamma")
    note = (
        "The tree of cases/left_coronary. Processor seconds are those of hemo and of the programs that it starts; they "
        f"grow as N^{exponent:.2f}, N log N over the same range as N^{linear_log:.2f}; the fourth column is relative "
        f"to the first row. The steps are in seconds of the clock, with {load:.1f} to {os.getloadavg()[0]:.1f} jobs on "
        f"the two cores; the whole table took {time.perf_counter() - start:.0f} s."
    )
    publish(Table("mesh_cost", columns, tuple(rows), note))
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    axes.loglog(count, seconds, "o-", label="hemo")
    axes.loglog(count, seconds / scaled * scaled[0], "--", label="N log N")
    axes.set(xlabel="cells", ylabel="processor seconds")
    axes.legend(frameon=False)
    figure.savefig(DOCS / "figures" / "mesh_cost.svg", metadata={"Date": None})
