"""How many cases an hour, and what the engine costs: trees and geometry-to-report cases through a real Slurm.

``python -m validation batch_throughput [--trees N] [--singles N] [--geometries N]``. As root, where Slurm is installed.
Singles are trees in a job each, for what a job costs. The cohorts stay in ``results/batch_throughput``, so that a
campaign that was stopped goes on; a line of JSON is kept for each.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
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
TREES, SINGLES, GEOMETRIES = 2000, 12, 200
CHUNK = {"trees": 100, "singles": 1, "geometries": 10}
JOB_GOAL, CASE_GOAL = 5.0, 0.5  # s of overhead
GRAPHS = (100, 1000, 4000)  # jobs
PLANNED, NODES, CORES = 100_000, 100, 32
FEM_SECONDS = 360.1  # of cases/left_coronary in 3D on two ranks: table stage_times
PROFILE = '[slurm]\nstatus_interval = "1 s"\n[reduced]\nmemory = "2 GB"\ntime = "1 min"\n'


def cohort(kind: str, number: int) -> Path:
    """A table of so many cases: one tree at many pressures, or the bundled label map of many patients."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    lines = ["id,case,method,systolic,diastolic,myocardial_mass"]
    if kind != "geometries":
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


def processor_seconds() -> float:
    """What a job of one tree takes of a processor, its case included, s, whatever else the machine does.

    On Slurm the engine starts twice in a job, once within the other: here once with the job, once without.
    """

    def used(command: list[str]) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    with tempfile.TemporaryDirectory() as name:
        folder, profile = Path(name), Profile()
        tree = ROOT / "cases" / "flow" / "left_tree.json"
        rows = [Row("one", 2, tree, patient={"mean_pressure": "93 mmHg", "myocardial_mass": "120 g"})]
        keys = {"one": "none"}
        jobs = pack(rows, keys, profile, 1)
        for sub in ("cases", "outcomes", "logs"):
            (folder / sub).mkdir()
        write_plan(folder, rows, keys, jobs, site(profile, "local"))
        command = [*engine_command(folder, EngineOptions(), profile), f"chunks/{jobs[0].name}.done"]
        return used([*command, "--dry-run"]) + used(command)


def main(options: Sequence[str] = ()) -> None:
    """Run what is left and fill the sections ``batch_throughput`` and ``batch_plan`` of docs/benchmarks.md."""
    if reason := why_not():
        raise SystemExit(f"batch_throughput: {reason}")
    parser = argparse.ArgumentParser()
    parser.add_argument("--trees", type=int, default=TREES)
    parser.add_argument("--singles", type=int, default=SINGLES)
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


NAMES = {
    "trees": "reduced-order cases (tree to FFR)",
    "singles": "the same, a job each",
    "geometries": "label map to report, reduced",
}


def job_overhead(one: dict[str, Any]) -> float:
    """What a job of a cohort takes besides its cases, s; nan where the queue had forgotten some."""
    if one["queue_jobs"] < one["jobs"]:
        return float("nan")
    return float((one["job_seconds"] - one["inside"] - one["between"]) / one["jobs"])


def case_overhead(one: dict[str, Any], job: float) -> float:
    """What a case takes besides computing, s, with its part of its job's."""
    return float((one["between"] + job * one["jobs"]) / one["computed"])


def throughput(found: Sequence[dict[str, Any]]) -> Table:
    """Cases an hour and overheads."""
    job = next(job_overhead(one) for one in found if one["kind"] == "singles")
    rows = [
        (
            NAMES[one["kind"]],
            f"{one['cases']} in {one['jobs']}",
            f"{one['wall'] / 60.0:.1f}",
            f"{3600.0 * one['cases'] / one['wall']:.0f}",
            f"{one['inside'] / one['computed']:.2f}",
            f"{1e3 * one['between'] / one['computed']:.0f}",
            "-" if np.isnan(job_overhead(one)) else f"{job_overhead(one):.2f}",
            f"{case_overhead(one, job):.2f}",
            f"{one['load_before']:.0f}",
        )
        for one in found
    ]
    columns = (
        *("cases", "cases in jobs", "min", "cases/h", "s in a case", "besides, between cases / ms"),
        *("overhead of a job / s", "overhead in all, s a case", "load before"),
    )
    trees = next(case_overhead(one, job) for one in found if one["kind"] == "trees")
    alone = processor_seconds()
    note = (
        f"{found[0]['processors']} processors, of which others were using what the load says. Asked: 5 s a job: "
        f"{'met' if job <= JOB_GOAL else 'MISSED'} ({job:.2f}; a whole job of one tree, its case "
        f"included, takes {alone:.1f} s of a processor); 0.5 s a reduced case in chunks of 100: "
        f"{'met' if trees <= CASE_GOAL else 'MISSED'} ({trees:.2f})."
    )
    return Table("batch_throughput", columns, tuple(rows), note)


def plan(found: Sequence[dict[str, Any]]) -> Table:
    """100,000 cases on 100 nodes from what was measured."""
    rows = []
    graphs = {jobs: graph_seconds(jobs) for jobs in GRAPHS}
    each = (graphs[GRAPHS[-1]] - graphs[GRAPHS[0]]) / (GRAPHS[-1] - GRAPHS[0])
    overhead = next(job_overhead(one) for one in found if one["kind"] == "singles")
    kinds = [
        (NAMES[one["kind"]], one["inside"] / one["computed"], 100, 1, folder_bytes(FOLDER / f"{one['kind']}_out"))
        for one in found
        if one["kind"] != "singles"
    ]
    kinds.append(("label map to report, 3D", FEM_SECONDS * 2.0, 1, 2, float("nan")))
    for name, core_seconds, chunk, cores, size in kinds:
        jobs = PLANNED // chunk
        hours = (PLANNED * core_seconds + jobs * overhead * cores) / 3600.0
        rows.append(
            (
                name,
                f"{core_seconds:.2f}",
                f"{jobs:,} of {chunk}",
                f"{hours:,.0f}",
                f"{100.0 * jobs * overhead * cores / 3600.0 / hours:.1f}",
                f"{hours / (NODES * CORES):.2f}",
                f"{each * jobs / 60.0:.1f}",
                "-" if np.isnan(size) else f"{PLANNED * size / 1e9:,.0f}",
            )
        )
    columns = (
        *("100,000 cases", "core seconds each", "jobs", "core hours", "of them the engine's / %", "h on 100 nodes"),
        *("reading the graph / min", "results / GB"),
    )
    times = ", ".join(f"{jobs} jobs in {seconds:.1f} s" for jobs, seconds in graphs.items())
    note = (
        f"{CORES} cores a node, all busy. The engine reads a graph of {times}. 3D: the left coronary tree of "
        f"`stage_times` ({FEM_SECONDS:.0f} s on two ranks, steady hyperaemia)."
    )
    return Table("batch_plan", columns, tuple(rows), note)


def folder_bytes(out: Path) -> float:
    """Mean size of a case's results; NaN where another machine has them."""
    if not (out / "cases").is_dir():
        return float("nan")
    cases = [path for path in (out / "cases").iterdir() if path.is_dir()][:50]
    return sum(file.stat().st_size for path in cases for file in path.rglob("*") if file.is_file()) / len(cases)
