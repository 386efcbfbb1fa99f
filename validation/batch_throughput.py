"""How many cases an hour, and what the engine costs: trees and geometry-to-report cases through a real Slurm.

``python -m validation batch_throughput [--trees N] [--geometries N]``. As root, where Slurm is installed. The cohorts
stay in ``results/batch_throughput``, so that a campaign that was stopped goes on; a line of JSON is kept for each.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hemo.batch.cohort import Row
from hemo.batch.engine import EngineOptions, engine_command, site
from hemo.batch.planning import pack, write_plan
from hemo.batch.profile import Profile
from tests.batch.slurmcluster import Cluster, why_not
from validation.table import Table, publish

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "results" / "batch_throughput"
RECORD = ROOT / "validation" / "records" / "batch_throughput.jsonl"
TREES, GEOMETRIES = 2000, 200
CHUNK = {"trees": 100, "geometries": 10}
JOB_GOAL, CASE_GOAL = 5.0, 0.5  # s of overhead
GRAPHS = (100, 1000, 4000)  # jobs
PLANNED, NODES, CORES = 100_000, 100, 32
PROFILE = '[slurm]\nstatus_interval = "1 s"\n[reduced]\nmemory = "2 GB"\ntime = "1 min"\n'


def cohort(kind: str, number: int) -> Path:
    """A table of so many cases: one tree at many pressures, or the bundled label map of many patients."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    lines = ["id,case,method,systolic,diastolic,myocardial_mass"]
    if kind == "trees":
        tree = ROOT / "cases" / "flow" / "left_tree.json"
        lines += [f"t{k:05d},{tree},,{100 + 0.02 * k:.2f} mmHg,70 mmHg,{100 + k % 50} g" for k in range(number)]
    else:
        case = (ROOT / "cases" / "left_coronary" / "case.toml").read_text()
        case = case.replace('"lumen.nii.gz"', json.dumps(str(ROOT / "cases" / "left_coronary" / "lumen.nii.gz")))
        for k in range(number):
            (FOLDER / f"g{k:03d}.toml").write_text(case.replace("128 mmHg", f"{110 + 0.2 * k:.1f} mmHg"))
        lines += [f"g{k:03d},g{k:03d}.toml,reduced,,," for k in range(number)]
    path = FOLDER / f"{kind}.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def computed(kind: str, number: int, cluster: Cluster) -> dict[str, Any]:
    """Run what is left of a cohort; what it took."""
    table, out = cohort(kind, number), FOLDER / f"{kind}_out"
    (FOLDER / "site.toml").write_text(PROFILE)
    jobs = ["--jobs", str(os.cpu_count()), "--chunk", str(CHUNK[kind])]
    command = [sys.executable, "-m", "hemo", "batch", str(table), "--out", str(out), "--executor", "slurm", *jobs]
    load, begin = os.getloadavg()[0], time.perf_counter()
    subprocess.run([*command, "--profile", str(FOLDER / "site.toml")], env=cluster.environment, check=True)
    wall = time.perf_counter() - begin
    costs = journal_costs(out)
    # Start and end of the queue's jobs, in whole seconds.
    lines = cluster.run("squeue", "--states=CD", "--noheader", "--format", "%S %e").stdout.splitlines()
    held = [np.subtract(*np.array(line.split()[::-1], dtype="datetime64[s]")).astype(float) for line in lines]
    return {
        "kind": kind,
        "cases": number,
        "wall": wall,
        "queue_jobs": len(held),
        "job_seconds": float(np.sum(held)),
        "load_before": load,
        "processors": os.cpu_count(),
        **costs,
    }


def journal_costs(out: Path) -> dict[str, float]:
    """Seconds in cases, those within a job between them, and how many cases and jobs there were."""
    inside, between, cases, jobs = 0.0, 0.0, 0, 0
    for file in out.glob("chunks/*.jsonl"):
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        ended = [line for line in lines if line["event"] == "done"]
        inside += sum(line["seconds"] for line in ended)
        begun = [line["time"] for line in lines if line["event"] == "begun"]
        between += ended[-1]["time"] - begun[0] - sum(line["seconds"] for line in ended)
        cases, jobs = cases + len(ended), jobs + 1
    return {"inside": inside, "between": between, "computed": cases, "jobs": jobs}


def graph_seconds(jobs: int) -> float:
    """Time that the engine takes to read a plan of so many jobs, and to see what is to do."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [Row(f"r{k}", k, folder / "a.toml", "fem") for k in range(jobs)]
        keys = {row.id: row.id for row in rows}
        profile = Profile()
        write_plan(folder, rows, keys, pack(rows, keys, profile, 100), site(profile, "local"))
        begin = time.perf_counter()
        command = [*engine_command(folder, EngineOptions(), profile), "--dry-run", "--quiet"]
        subprocess.run(command, check=True, capture_output=True)
        return time.perf_counter() - begin


def main(options: Sequence[str] = ()) -> None:
    """Run what is left and fill the sections ``batch_throughput`` and ``batch_plan`` of docs/benchmarks.md."""
    if reason := why_not():
        raise SystemExit(f"batch_throughput: {reason}")
    parser = argparse.ArgumentParser()
    parser.add_argument("--trees", type=int, default=TREES)
    parser.add_argument("--geometries", type=int, default=GEOMETRIES)
    wanted = vars(parser.parse_args(options))
    lines = [json.loads(line) for line in RECORD.read_text().splitlines()] if RECORD.is_file() else []
    known = {(line["kind"], line["cases"]): line for line in lines}
    for kind, number in wanted.items():
        if (kind, number) not in known:
            with tempfile.TemporaryDirectory(prefix="hemo-slurm-") as name, Cluster(Path(name)) as cluster:
                known[kind, number] = computed(kind, number, cluster)
            with RECORD.open("a") as out:
                out.write(json.dumps(known[kind, number]) + "\n")
    found = [known[kind, number] for kind, number in wanted.items()]
    publish(throughput(found))
    publish(plan(found))


def throughput(found: Sequence[dict[str, Any]]) -> Table:
    """Cases an hour and overheads."""
    names = {"trees": "reduced-order cases (tree to FFR)", "geometries": "label map to report, reduced"}
    rows = []
    for one in found:
        job = (one["job_seconds"] - one["inside"]) / one["queue_jobs"]
        case = (one["job_seconds"] - one["inside"]) / one["computed"]
        met = job <= JOB_GOAL + CASE_GOAL * one["computed"] / one["jobs"] and case <= CASE_GOAL
        rows.append(
            (
                names[one["kind"]],
                f"{one['cases']} in {one['jobs']}",
                f"{one['wall'] / 60.0:.1f}",
                f"{3600.0 * one['cases'] / one['wall']:.0f}",
                f"{one['inside'] / one['computed']:.2f}",
                f"{(one['job_seconds'] - one['inside'] - one['between']) / one['queue_jobs']:.1f}",
                f"{1e3 * one['between'] / one['computed']:.0f}",
                f"{case:.2f}",
                "yes" if met else "NO",
            )
        )
    columns = (
        *("cases", "cases in jobs", "min", "cases/h", "s in a case", "overhead of a job / s"),
        *("of a case within it / ms", "overhead in all, s a case", "<= 5 s a job, <= 0.5 s a case"),
    )
    note = "; ".join(f"{one['processors']} processors, load {one['load_before']:.1f} before it" for one in found[:1])
    return Table("batch_throughput", columns, tuple(rows), f"{note}.")


def plan(found: Sequence[dict[str, Any]]) -> Table:
    """100,000 cases on 100 nodes from what was measured."""
    rows = []
    graphs = {jobs: graph_seconds(jobs) for jobs in GRAPHS}
    each = (graphs[GRAPHS[-1]] - graphs[GRAPHS[0]]) / (GRAPHS[-1] - GRAPHS[0])
    for one in found:
        per_case = one["job_seconds"] / one["computed"]
        jobs = PLANNED // CHUNK[one["kind"]]
        hours = PLANNED * per_case / (NODES * CORES) / 3600.0
        bytes_each = folder_bytes(FOLDER / f"{one['kind']}_out")
        rows.append(
            (
                one["kind"],
                f"{per_case:.2f}",
                f"{jobs:,}",
                f"{PLANNED * per_case / 3600.0:,.0f}",
                f"{hours:.2f}",
                f"{each * jobs / 60.0:.1f}",
                f"{PLANNED * bytes_each / 1e9:.0f}",
            )
        )
    columns = ("cases", "core seconds each", "jobs", "core hours", "h on 100 nodes", "graph / min", "results / GB")
    times = ", ".join(f"{seconds:.1f} s of {jobs} jobs" for jobs, seconds in graphs.items())
    return Table("batch_plan", columns, tuple(rows), f"{CORES} cores a node. The engine reads a graph in {times}.")


def folder_bytes(out: Path) -> float:
    """Mean size of a case's results."""
    cases = [path for path in (out / "cases").iterdir() if path.is_dir()][:50]
    return sum(file.stat().st_size for path in cases for file in path.rglob("*") if file.is_file()) / len(cases)
