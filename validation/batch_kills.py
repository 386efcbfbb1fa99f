"""Cohorts on a real Slurm whose driver, jobs, node and whole cluster are killed at random moments, and run again.

``python -m validation batch_kills [--cohorts N]``. As root, where Slurm is installed. Each cohort is begun, something
is killed every few seconds, and the same command is given until all is done; then every case must have one whole
result, the same as without kills, and none may have been computed after it was done. One line of JSON for each cohort
is kept, so that the campaign goes on where it stopped.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hemo.resultfolder import partial_path
from tests.batch.slurmcluster import Cluster, kill_tree, why_not
from validation.campaign import resumed
from validation.kills import CASE as BEAT
from validation.table import Table, publish

ROOT = Path(__file__).resolve().parents[1]
RECORD = ROOT / "validation" / "records" / "batch_kills.jsonl"
COHORTS, KILLS = 5, 10  # 50 in all
TREES, CHUNK = 40, 8
VICTIMS = ("driver", "job cancelled", "memory limit", "time limit", "node daemon", "whole cluster")
MOMENTS = (2.0, 9.0)  # s between kills
STARTS = 40  # of one cohort at most
GOALS = {"beat": 1e-5}  # of FFR, against the same without kills: of time steps solved to the default tolerance
GOAL = 1e-12  # of trees
PROFILE = '[slurm]\nstatus_interval = "1 s"\n[reduced]\ntime = "5 s"\n[fem]\nranks = 1\nmemory = "4 GB"\ntime = "1 h"\n'


def table_of(folder: Path) -> Path:
    """A cohort of trees at many pressures, with a beat in 3D."""
    (folder / "beat.toml").write_text(BEAT)
    (folder / "site.toml").write_text(PROFILE)
    tree = ROOT / "cases" / "flow" / "left_tree.json"
    lines = ["id,case,method,systolic,diastolic,myocardial_mass", "beat,beat.toml,fem,,,"]
    lines += [f"t{k:02d},{tree},,{100 + k} mmHg,70 mmHg,120 g" for k in range(TREES)]
    (folder / "cohort.csv").write_text("\n".join(lines) + "\n")
    return folder / "cohort.csv"


def start(folder: Path, out: Path, executor: str, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """The driver."""
    command = [sys.executable, "-m", "hemo", "batch", str(folder / "cohort.csv"), "--out", str(out)]
    command += ["--executor", executor, "--jobs", "2", "--chunk", str(CHUNK), "--profile", str(folder / "site.toml")]
    with open(folder / "drivers.log", "ab") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)


def warm(out: Path) -> list[int]:
    """The processes that compute cases."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if b"hemo.batch.warm" in line and str(partial_path(out)).encode() in line:
            found.append(int(entry.name))
    return found


def kill(victim: str, cluster: Cluster, driver: subprocess.Popen[bytes], out: Path, chance: random.Random) -> bool:
    """Kill the victim; False where there is none at the moment."""
    try:
        if victim == "driver":
            driver.kill()
        elif victim == "job cancelled":
            cluster.run("scancel", chance.choice([number for number, state in cluster.jobs() if state == "RUNNING"]))
        elif victim == "memory limit":
            resource.prlimit(chance.choice(warm(out)), resource.RLIMIT_AS, (1 << 20, 1 << 20))
        elif victim == "time limit":  # as Slurm does: asked, then killed
            steps = cluster.steps()
            step = chance.choice(steps)
            kill_tree(step, signal.SIGTERM)
            time.sleep(chance.uniform(0.1, 3.0))
            kill_tree(step)
        elif victim == "node daemon":
            cluster.kill("slurmd")
            time.sleep(chance.uniform(0.5, 3.0))
            cluster.start()
        else:
            cluster.kill_everything()
            driver.kill()
            cluster.start()
    except (IndexError, ProcessLookupError, subprocess.TimeoutExpired):
        return False
    return True


def whole(out: Path) -> dict[str, tuple[int, int]]:
    """What identifies each whole result: the folder's inode and its result's time of writing."""
    found = {}
    for place in (out, partial_path(out)):
        for file in [*place.glob("cases/*/reduced.json"), *place.glob("cases/*/summary.json")]:
            if not file.parent.name.endswith(".partial") and not file.parent.name.startswith("."):
                found[file.parent.name] = (file.parent.stat().st_ino, file.stat().st_mtime_ns)
    return found


def values(out: Path) -> dict[str, list[float]]:
    """FFR of each case, as its result has it."""
    found: dict[str, list[float]] = {}
    for file in out.glob("cases/*/reduced.json"):
        found[file.parent.name] = [b["ffr"] for t in json.loads(file.read_text())["trees"] for b in t["branches"]]
    for file in out.glob("cases/*/summary.json"):
        trees = json.loads(file.read_text())["trees"]
        found[file.parent.name] = [branch["fem"]["ffr"] for tree in trees for branch in tree["branches"]]
    return found


def doubled(out: Path) -> list[str]:
    """The cases that were begun after they were done, by the jobs' journals."""
    lines = [json.loads(line) for file in out.glob("chunks/*.jsonl") for line in file.read_text().splitlines()]
    done: dict[str, float] = {}
    for line in sorted(lines, key=lambda line: line["time"]):
        if line["event"] == "done":
            done.setdefault(line["id"], line["time"])
    again = [line["id"] for line in lines if line["event"] == "begun" and line["time"] > done.get(line["id"], 1e99)]
    twice = Counter(line["id"] for line in lines if line["event"] == "done" and line["seconds"] > 0)
    return sorted({*again, *(name for name, count in twice.items() if count > 1)})


def campaign(cluster: Cluster, folder: Path, expected: dict[str, list[float]]) -> Callable[[int], dict[str, Any]]:
    """What one cohort of the campaign is."""

    def one(number: int) -> dict[str, Any]:
        chance, out, begin = random.Random(1000 + number), folder / f"out{number}", time.perf_counter()
        kills: list[dict[str, Any]] = []
        seen: dict[str, tuple[int, int]] = {}
        remade: set[str] = set()
        codes: list[int] = []
        while (not codes or codes[-1] != 0) and len(codes) < STARTS:
            cluster.start()
            driver = start(folder, out, "slurm", cluster.environment)
            while driver.poll() is None:
                time.sleep(chance.uniform(*MOMENTS) if len(kills) < KILLS else 0.5)
                victim = VICTIMS[(number + len(kills)) % len(VICTIMS)]
                if len(kills) < KILLS and driver.poll() is None and kill(victim, cluster, driver, out, chance):
                    kills.append({"victim": victim, "done": len(whole(out))})
                now = whole(out)
                remade |= {name for name, mark in now.items() if seen.get(name, mark) != mark}
                seen |= now
            codes.append(driver.wait())
        found = values(out)
        return {
            "cohort": number,
            "kills": kills,
            "starts": codes,
            "cases": len(expected),
            "lost": sorted(set(expected) - set(found)),
            "doubled": sorted({*remade, *doubled(out)}),
            "different": sorted(name for name in found if _apart(found[name], expected[name]) > GOALS.get(name, GOAL)),
            "left": sorted(path.name for path in out.glob("cases/*.partial")),
            "seconds": round(time.perf_counter() - begin),
        }

    return one


def _apart(found: Sequence[float], expected: Sequence[float]) -> float:
    return max(abs(a - b) for a, b in zip(found, expected, strict=True))


def undisturbed(folder: Path) -> dict[str, list[float]]:
    """The same cohort on this machine, left alone."""
    out = folder / "alone"
    code = start(folder, out, "local", dict(os.environ)).wait()
    if code != 0:
        raise RuntimeError(f"without kills the cohort ended with {code}; see {folder / 'drivers.log'}")
    return values(out)


def main(options: Sequence[str] = ()) -> None:
    """Run what is left of the campaign and fill the section ``batch_kills`` of docs/benchmarks.md."""
    if reason := why_not():
        raise SystemExit(f"batch_kills: {reason}")
    cohorts = int(options[1]) if options[:1] == ["--cohorts"] else COHORTS
    with tempfile.TemporaryDirectory(prefix="hemo-kills-") as name:
        folder = Path(name)
        table_of(folder)
        expected = undisturbed(folder)
        with Cluster(folder / "slurm") as cluster:
            lines = resumed(RECORD, ("cohort",), [(k,) for k in range(cohorts)], campaign(cluster, folder, expected))
    publish(table(list(lines.values())))


def table(lines: Sequence[dict[str, Any]]) -> Table:
    """A row for each victim, and what the cohorts had in the end."""
    counts = Counter(kill["victim"] for line in lines for kill in line["kills"])
    rows = [(victim, str(counts[victim])) for victim in VICTIMS]
    total = sum(counts.values())
    bad = {key: sum(len(line[key]) for line in lines) for key in ("lost", "doubled", "different", "left")}
    rows += [
        ("**kills in all**", f"**{total}**"),
        ("cases of all cohorts", str(sum(line["cases"] for line in lines))),
        ("starts of the command", str(sum(len(line["starts"]) for line in lines))),
        ("results lost", str(bad["lost"])),
        ("computed again after they were done", str(bad["doubled"])),
        ("other values than without kills", str(bad["different"])),
        ("unfinished folders left", str(bad["left"])),
        ("target: 50 kills, nothing lost or doubled", "met" if total >= 50 and not any(bad.values()) else "MISSED"),
    ]
    minutes = sum(line["seconds"] for line in lines) / 60.0
    note = f"{len(lines)} cohorts of {TREES} trees and a beat in 3D, chunks of {CHUNK}; {minutes:.0f} min."
    return Table("batch_kills", ("killed", "number"), tuple(rows), note)
