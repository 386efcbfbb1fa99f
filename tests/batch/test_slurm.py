"""A cohort on a real Slurm: through the queue, in 3D under MPI, killed and gone on with. ``make test-slurm``.

The first test is short and part of ``make test``; the others run where HEMO_SLURM_TESTS is set.
"""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hemo.batch.engine import job_prefix
from tests.batch.cohorts import ROOT, journal, read_csv, trees, write_case, write_table
from tests.batch.slurmcluster import Cluster, kill_tree, why_not
from tests.batch.test_local import engine_is_here, wait_until
from validation.kills import CASE as BEAT

REASON = why_not() or ("" if engine_is_here() else "no Snakemake here")
pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON)
whole_campaign = pytest.mark.skipif(not os.environ.get("HEMO_SLURM_TESTS"), reason="long; make test-slurm runs it")
PROFILE = '[slurm]\npartition = "long"\nstatus_interval = "1 s"\n[fem]\nranks = 2\nmemory = "4 GB"\ntime = "1 h"\n'


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slurm")
    with Cluster(folder / "cluster") as running:
        yield running
    wait_until(lambda: not daemons(folder), 5)


def daemons(folder: Path) -> list[str]:
    """What still runs with its settings in the folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            name, environment = (entry / "comm").read_text().strip(), (entry / "environ").read_bytes()
        except OSError:
            continue
        if name.startswith(("slurm", "munge")) and str(folder).encode() in environment:
            found.append(name)
    return found


def start(cluster: Cluster, folder: Path, *more: str) -> subprocess.Popen[str]:
    (folder / "site.toml").write_text(PROFILE)
    command = [sys.executable, "-m", "hemo", "batch", folder / "cohort.csv", "--out", folder / "out", *more]
    command += ["--executor", "slurm", "--profile", folder / "site.toml", "--jobs", "2"]
    return subprocess.Popen(
        command, cwd=ROOT, env=cluster.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finished(driver: subprocess.Popen[str], code: int = 0) -> None:
    output, errors = driver.communicate(timeout=600)
    assert driver.returncode == code, (output, errors)


def test_a_cohort_goes_through_the_queue(cluster, tmp_path):
    rows = [*trees(tmp_path, 3), {"id": "bad", "case": "none.toml"}]
    write_table(tmp_path / "cohort.csv", rows)
    finished(start(cluster, tmp_path), 2)
    table = read_csv(tmp_path / "out" / "cohort.csv")
    assert [table[name]["status"] for name in ("t0", "t1", "t2", "bad")] == ["done"] * 3 + ["bad input"]
    (job,) = cluster.run("squeue", "--states=all", "--noheader", "--format", "%j %P").stdout.splitlines()
    assert job.startswith(job_prefix(tmp_path / "out.partial"))
    assert job.endswith("long")


@whole_campaign
def test_a_wrong_partition_is_told(cluster, tmp_path):
    write_table(tmp_path / "cohort.csv", trees(tmp_path, 1))
    driver = start(cluster, tmp_path, "--retries", "0")
    (tmp_path / "site.toml").write_text(PROFILE.replace('"long"', '"none"'))
    _, errors = driver.communicate(timeout=120)
    assert driver.returncode == 130
    assert "invalid partition" in errors.lower()


@whole_campaign
def test_a_case_in_3d_has_its_ranks(cluster, tmp_path):
    text = write_case(tmp_path / "case.toml").read_text()
    (tmp_path / "case.toml").write_text(text + "[fem]\ncells_per_diameter = 3\n")
    write_table(tmp_path / "cohort.csv", [{"id": "a", "case": "case.toml", "method": "both"}])
    finished(start(cluster, tmp_path))
    line = read_csv(tmp_path / "out" / "cohort.csv")["a"]
    assert abs(float(line["ffr_vessel_fem"]) - float(line["ffr_vessel_reduced"])) < 0.03
    log = (tmp_path / "out" / "cases" / "a" / "log.txt").read_text()
    assert "2 ranks" in log


@whole_campaign
def test_a_killed_driver_leaves_jobs_that_the_next_one_cancels(cluster, tmp_path):
    write_table(tmp_path / "cohort.csv", trees(tmp_path, 60))
    work, out = tmp_path / "out.partial", tmp_path / "out"
    driver = start(cluster, tmp_path, "--chunk", "15")
    wait_until(lambda: len(list(work.glob("cases/t*/reduced.json"))) > 2, 120)
    driver.kill()
    driver.wait()
    assert [state for _, state in cluster.jobs() if state in ("RUNNING", "PENDING")]
    finished(start(cluster, tmp_path, "--chunk", "15"))
    done = [name for name, event in journal(out) if event == "done"]
    assert len(list(out.glob("cases/*/reduced.json"))) == 60
    assert len(done) == len(set(done))


@whole_campaign
def test_an_interrupted_driver_takes_its_jobs_out_of_the_queue(cluster, tmp_path):
    write_table(tmp_path / "cohort.csv", trees(tmp_path, 40))
    driver = start(cluster, tmp_path, "--chunk", "20")
    wait_until(lambda: any(state == "RUNNING" for _, state in cluster.jobs()), 60)
    driver.send_signal(signal.SIGINT)
    finished(driver, 130)
    wait_until(lambda: not cluster.jobs(), 60)
    finished(start(cluster, tmp_path))


@whole_campaign
def test_a_beat_in_3d_goes_on_where_its_job_was_cancelled(cluster, tmp_path):
    (tmp_path / "beat.toml").write_text(BEAT)
    write_table(tmp_path / "cohort.csv", [{"id": "beat", "case": "beat.toml", "method": "fem", "ranks": "1"}])
    partial, text = tmp_path / "out.partial" / "cases" / "beat.partial", ""

    def solved() -> int:
        """How many steps the solver's log has; the log goes when the result is whole."""
        nonlocal text
        for log in partial.glob("work/**/log.txt"):
            text = log.read_text() if log.is_file() else text
        return len(re.findall(r" step \d+, ", text))

    driver = start(cluster, tmp_path)
    for steps, how in ((20, "scancel"), (50, "kill")):
        wait_until(lambda steps=steps: solved() > steps, 300)
        if how == "scancel":
            for number, _ in cluster.jobs():
                cluster.run("scancel", number)
        else:
            for process in cluster.steps():
                kill_tree(process)
        wait_until(lambda: not any(state == "RUNNING" for _, state in cluster.jobs()), 60)
    while driver.poll() is None:
        solved()
        time.sleep(0.2)
    finished(driver)
    # Of 120 steps none was solved again but those since the last checkpoint.
    assert len(re.findall(r" step 1, ", text)) == 1
    assert solved() < 140
