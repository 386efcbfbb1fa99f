"""``hemo batch`` on this machine, as a user types it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hemo.batch.engine import find_engine, what_went_wrong
from hemo.errors import EnvironmentMissing
from tests.batch.cohorts import ROOT, hemo, journal, read_csv, trees, write_table


def engine_is_here():
    try:
        find_engine()
    except EnvironmentMissing:
        return False
    return True


needs_engine = pytest.mark.skipif(not engine_is_here(), reason="no Snakemake here")


def start(*arguments):
    command = [sys.executable, "-m", "hemo", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def processes(mark: str) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def wait_until(true, seconds=60.0):
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_the_engine_is_part_of_the_environment():
    if "/venv-" not in os.environ.get("HEMO_VENV", ""):
        pytest.skip("another base may not suit it")
    assert find_engine().startswith(os.environ["HEMO_ENGINE"])


CORE = """
import sys
class Refuse:
    def find_spec(self, name, *_):
        if name.split(".")[0] in {"vtk", "vtkmodules", "SimpleITK", "pydicom", "skimage", "matplotlib", "jinja2",
                                  "gmsh", "meshio", "dolfinx", "mpi4py", "petsc4py", "SALib", "pandas"}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse())
import hemo.cli, hemo.batch.cohortrun, hemo.batch.warm, hemo.batch.chunk
"""


def test_driver_and_trees_need_the_core_alone():
    assert subprocess.run([sys.executable, "-c", CORE], check=False).returncode == 0


@needs_engine
def test_a_cohort_with_a_bad_case_and_then_without(tmp_path):
    rows = [*trees(tmp_path, 3), {"id": "bad", "case": "none.toml"}]
    table, out = write_table(tmp_path / "cohort.csv", rows), tmp_path / "out"
    done = hemo("batch", table, "--out", out, "--chunk", 2, "--jobs", 2, "--json")
    assert done.returncode == 2, done.stderr
    assert "3 of 4 cases are done" in done.stderr
    assert done.stderr.count("\n") == 1
    assert json.loads(done.stdout)["status"] == {"bad input": 1, "done": 3}
    assert not (tmp_path / "out.partial").exists()
    assert "cannot read the case file" in read_csv(out / "cohort.csv")["bad"]["reason"]
    events = journal(out)
    write_table(table, rows[:3])
    again = hemo("batch", table, "--out", out)
    assert again.returncode == 0, again.stderr
    assert "0 of 3 cases to compute" in again.stderr
    assert journal(out) == events
    assert set(read_csv(out / "cohort.csv")) == {"t0", "t1", "t2"}


@needs_engine
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_driver_that_was_stopped_leaves_nothing_and_goes_on(tmp_path, number):
    table, out = write_table(tmp_path / "cohort.csv", trees(tmp_path, 16)), tmp_path / "out"
    work = tmp_path / "out.partial"
    driver = start("batch", table, "--out", out, "--chunk", 4, "--jobs", 2)
    wait_until(lambda: len(list(work.glob("cases/t*/reduced.json"))) > 2)
    driver.send_signal(number)
    _, errors = driver.communicate(timeout=60)
    if number == signal.SIGTERM:
        assert driver.returncode == 130
        assert "the same command continues" in errors
    wait_until(lambda: not processes(str(work)))
    assert not out.exists()
    before = len(list(work.glob("cases/*/reduced.json")))
    done = hemo("batch", table, "--out", out, "--chunk", 4, "--jobs", 2, "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(list(out.glob("cases/*/reduced.json"))) == 16 > before
    events = journal(out)
    finished = [name for name, event in events if event == "done"]
    assert len(finished) == len(set(finished))
    assert len(finished) >= 14  # of those that were computing, the result may stand without its line
    assert not list(out.glob("cases/*.partial"))


@needs_engine
def test_a_second_driver_waits_for_nobody(tmp_path):
    table, out = write_table(tmp_path / "cohort.csv", trees(tmp_path, 4)), tmp_path / "out"
    driver = start("batch", table, "--out", out)
    wait_until(lambda: (tmp_path / "out.partial").exists())
    second = hemo("batch", table, "--out", out)
    assert second.returncode == 2
    assert "another hemo run is working there" in second.stderr
    assert driver.wait(timeout=120) == 0


def test_without_an_engine_one_sentence_says_how_to_get_it(tmp_path):
    table = write_table(tmp_path / "cohort.csv", trees(tmp_path, 1))
    bare = {k: v for k, v in os.environ.items() if k != "HEMO_ENGINE"} | {"PATH": "/usr/bin:/bin"}
    done = hemo("batch", table, "--out", tmp_path / "out", environment=bare)
    assert done.returncode == 4
    assert "pip install 'snakemake>=9'" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.glob("out*"))


@needs_engine
def test_a_folder_of_something_else_is_left_alone(tmp_path):
    table, out = write_table(tmp_path / "cohort.csv", trees(tmp_path, 1)), tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    done = hemo("batch", table, "--out", out)
    assert done.returncode == 2
    assert "is no cohort's folder" in done.stderr
    assert (out / "thesis.txt").read_text() == "mine"


def test_slurm_without_slurm_is_one_sentence(tmp_path):
    table = write_table(tmp_path / "cohort.csv", trees(tmp_path, 1))
    done = hemo("batch", table, "--out", tmp_path / "out", "--executor", "slurm")
    assert done.returncode in (2, 4)
    assert done.stderr.strip().splitlines()[-1].startswith("hemo: ")
    assert "Traceback" not in done.stderr


def test_a_dry_run_counts(tmp_path):
    rows = [*trees(tmp_path, 2), {"id": "x", "case": "x.toml", "method": "both"}]
    done = hemo("batch", write_table(tmp_path / "cohort.csv", rows), "--dry-run", "--json")
    assert json.loads(done.stdout) == {"cases": 3, "by_method": {"tree": 2, "both": 1}}


def test_what_the_engine_complained_of_is_found(tmp_path):
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "engine.log"
    log.write_text("x\nSLURM sbatch failed. The error message was 'sbatch: error: invalid\n partition: none'.\n")
    assert what_went_wrong(tmp_path) == "sbatch: error: invalid partition: none"
