"""The finite-element worker as the driver runs it: whole solves, interruptions, failures."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mpi4py import MPI

from hemo.blood import Blood
from hemo.boundary import FlowConditions
from hemo.errors import Interrupted, NotConverged
from hemo.fem.checkpoint import find_checkpoint
from hemo.fem.job import input_hash, read_status, write_job
from hemo.fem.joblock import held
from hemo.fem.launch import run_worker
from hemo.fem.options import FemOptions
from hemo.fem.result import read_result
from hemo.femstages import _progress_line
from hemo.results import Status
from tests.fem import tubes
from tests.fem.solving import parabola, probes_at

FLOW = 0.3e-6  # m^3/s
AORTIC = 12000.0  # Pa
HEIGHTS = (11e-3, 15.2e-3, 20.2e-3, 25.2e-3, 29e-3)
TIGHT = FemOptions(tolerance=1e-10, flow_tolerance=1e-9)


@pytest.fixture(scope="module")
def vessel():
    """A coarse tube with a 50 % stenosis."""
    radius = tubes.cosine_stenosis(0.5)
    stations = 10e-3 + tubes.graded_stations(lambda z: radius(z + 10e-3), 20e-3, 1.6)
    return tubes.tube(radius, stations, rings=2)


def write(folder: Path, mesh, aortic: float = AORTIC, options: FemOptions = TIGHT) -> Path:
    radius = tubes.cosine_stenosis(0.5)
    guess = parabola(mesh, radius, 0.7 * FLOW)
    conditions = FlowConditions(aortic, 600.0, {"out": 11000.0 / FLOW}, FLOW)
    pressure = np.full(len(mesh.points), aortic)
    write_job(folder, mesh, probes_at(mesh, HEIGHTS), (guess, pressure), Blood(), conditions, options)
    return folder


def interrupt(folder: Path, ranks: int, when) -> None:
    """Run a job and send SIGUSR1 to this process when ``when(status)`` holds."""

    def on_status(status):
        if when(status):
            os.kill(os.getpid(), signal.SIGUSR1)

    with pytest.raises(Interrupted, match="same command continues"):
        run_worker(folder, ranks, on_status)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, vessel):
    """A solve on two ranks from end to end, and what it told on the way."""
    folder = write(tmp_path_factory.mktemp("whole") / "fem", vessel)
    told: list[dict] = []
    run_worker(folder, 2, told.append)
    return folder, read_result(folder), told


@pytest.fixture(scope="module")
def stopped(tmp_path_factory, vessel):
    """A job that was interrupted on two ranks."""
    folder = write(tmp_path_factory.mktemp("stopped") / "fem", vessel)
    interrupt(folder, 2, lambda status: status["state"] == "solving" and status["step"])
    return folder


def test_result_is_sane(whole, vessel):
    _, result, _ = whole
    assert result.status is Status.CONVERGED
    assert result.ranks == 2
    assert result.unknowns > 3 * len(vessel.points)
    assert result.inlet_flow == pytest.approx(FLOW, rel=1e-9)
    assert result.outlet_flow["out"] == pytest.approx(FLOW, rel=1e-8)
    assert result.section_flow == pytest.approx(FLOW, rel=5e-3)
    radius = tubes.cosine_stenosis(0.5)
    assert result.section_area == pytest.approx(np.pi * radius(np.array(HEIGHTS)) ** 2, rel=0.02)
    assert len(result.iterations) == result.iterations[-1]["number"]
    assert set(result.timing) >= {"setup", "compile", "solve", "factorisation", "wall", "sections", "total"}
    assert result.velocity.shape == vessel.points.shape
    assert np.isfinite(result.velocity).all()
    assert len(result.wall.triangles) == len(vessel.facets_of("wall"))


def test_level_is_that_of_the_total_pressure_at_the_inlet(whole, vessel):
    """The mean total pressure at the inlet is the aortic one; every pressure carries the same shift."""
    _, result, _ = whole
    kinetic = 0.5 * Blood().density * (FLOW / (np.pi * 1.5e-3**2)) ** 2
    inlet = vessel.points[:, 2] < vessel.points[:, 2].min() + 1e-9
    assert result.pressure[inlet].mean() + kinetic == pytest.approx(AORTIC, abs=0.5)
    assert result.outlet_pressure["out"] == pytest.approx(11600.0 + result.level_shift)
    assert result.section_pressure[-1] == pytest.approx(result.outlet_pressure["out"], abs=2.0)
    assert result.wall.pressure.min() > AORTIC - 200.0
    assert np.all(np.diff(result.section_pressure[:3]) < 0.0)


def test_status_says_how_far_it_is(whole):
    folder, result, told = whole
    states = [status["state"] for status in told]
    order = ["setup", "solving", "post-processing", "finished"]
    assert [order.index(state) for state in states] == sorted(order.index(state) for state in states)
    last = read_status(folder)
    assert last["state"] == "finished"
    assert last["step"] == len(result.iterations)
    assert last["residual"] == pytest.approx(result.iterations[-1]["residual"])
    assert last["message"] == result.message
    assert _progress_line(last).startswith(f"finished, step {last['step']}, residual ")


def test_logs(whole):
    folder, _, _ = whole
    assert "unknowns" in (folder / "log.txt").read_text()
    assert "unknowns" in (folder / "log.rank1.txt").read_text()
    assert not (folder / "checkpoint").exists()


def test_interruption_leaves_a_checkpoint_and_no_result(stopped):
    assert read_status(stopped)["state"] == "interrupted"
    assert not (stopped / "result.npz").exists()
    found = find_checkpoint(stopped, input_hash(stopped))
    assert found is not None
    assert found.steps >= 1
    assert len(found.records) == found.steps


def test_interruption_before_the_first_step(vessel, tmp_path, monkeypatch):
    monkeypatch.setattr("hemo.fem.launch.POLL", 0.01)  # s; setting up may be over between two looks of the usual 0.2
    folder = write(tmp_path / "fem", vessel)
    interrupt(folder, 2, lambda status: status["state"] == "setup")
    assert read_status(folder)["state"] == "interrupted"
    assert find_checkpoint(folder, input_hash(folder)) is not None


def test_unconverged_solve_is_written_and_says_so(vessel, tmp_path):
    folder = write(tmp_path / "fem", vessel, options=FemOptions(max_steps=1, most_window_steps=0))
    run_worker(folder, 1)
    result = read_result(folder)
    assert result.status is Status.NOT_CONVERGED
    assert len(result.iterations) == 1
    assert np.isfinite(result.section_pressure).all()
    assert np.isfinite(result.wall.facet_shear).all()
    assert read_status(folder)["state"] == "finished"


@pytest.mark.parametrize("ranks", [1, 2])
def test_continued_solve_gives_the_same(stopped, whole, tmp_path, ranks):
    """Also on another number of ranks than wrote the checkpoint."""
    folder = shutil.copytree(stopped, tmp_path / "fem")
    found = find_checkpoint(folder, input_hash(folder))
    told: list[dict] = []
    run_worker(folder, ranks, told.append)
    result, expected = read_result(folder), whole[1]
    assert f"continuing after step {found.steps}" in (folder / "log.txt").read_text()
    assert [step["number"] for step in result.iterations] == list(range(1, len(result.iterations) + 1))
    assert result.iterations[: found.steps] == found.records
    assert result.status is Status.CONVERGED
    assert result.section_pressure == pytest.approx(expected.section_pressure, rel=1e-6)
    assert result.section_flow == pytest.approx(expected.section_flow, rel=1e-6)
    scale = np.abs(expected.wall.facet_shear).max()
    assert result.wall.facet_shear == pytest.approx(expected.wall.facet_shear, abs=1e-6 * scale)
    assert result.velocity == pytest.approx(expected.velocity, abs=1e-6 * np.abs(expected.velocity).max())


def test_checkpoint_of_other_inputs_is_ignored(stopped, vessel, tmp_path, caplog):
    folder = shutil.copytree(stopped, tmp_path / "fem")
    write(folder, vessel, aortic=AORTIC + 1.0)
    assert find_checkpoint(folder, input_hash(folder)) is None
    assert "of other inputs and ignored" in caplog.text


@pytest.mark.parametrize("name", ["meta.json", "velocity-0.bp/data.0"])
def test_damaged_checkpoint_is_ignored(stopped, tmp_path, caplog, name):
    folder = shutil.copytree(stopped, tmp_path / "fem")
    (file,) = (folder / "checkpoint").glob(f"step-*/{name}")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)
    assert find_checkpoint(folder, input_hash(folder)) is None
    assert "damaged and ignored" in caplog.text


def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(vessel, tmp_path):
    folder = write(tmp_path / "fem", vessel, options=replace(TIGHT, checkpoint_interval=0.0))
    interrupt(folder, 1, lambda status: status["state"] == "solving" and (status["step"] or 0) >= 3)
    before, newest = sorted((folder / "checkpoint").iterdir())
    (newest / "velocity-0.bp" / "data.0").write_bytes(b"damaged")
    found = find_checkpoint(folder, input_hash(folder))
    assert found is not None
    assert found.folder == before


def test_checkpoints_of_other_inputs_do_not_outlive_a_new_one(stopped, vessel, tmp_path):
    """However far they had come."""
    folder = shutil.copytree(stopped, tmp_path / "fem")
    (old,) = (folder / "checkpoint").iterdir()
    old.rename(old.with_name("step-00098"))
    shutil.copytree(old.with_name("step-00098"), old.with_name("step-00099"))
    write(folder, vessel, aortic=AORTIC + 1.0, options=replace(TIGHT, checkpoint_interval=0.0))
    interrupt(folder, 1, lambda status: status["state"] == "solving" and status["step"])
    found = find_checkpoint(folder, input_hash(folder))
    assert found is not None
    assert not [place for place in (folder / "checkpoint").iterdir() if place.name >= "step-00098"]


def test_a_second_solve_waits_for_the_ranks_of_the_first(tmp_path):
    """As after mpirun was killed; the lock of a process that dies is free."""
    holder = (
        "import fcntl, sys, time; file = open(sys.argv[1], 'a'); fcntl.flock(file, fcntl.LOCK_SH); "
        "print('held', flush=True); time.sleep(100)"
    )
    command = [sys.executable, "-c", holder, str(tmp_path / "lock")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(RuntimeError, match="another solve is still running"), held(tmp_path, MPI.COMM_SELF, 0.5):
        pass
    process.kill()
    with held(tmp_path, MPI.COMM_SELF, 30.0):
        pass
    process.wait()


@pytest.mark.parametrize("victim", ["driver", "mpirun"])
def test_ranks_end_with_what_started_them(vessel, tmp_path, victim):
    """However that ends: Open MPI's own ranks outlive an mpirun that was killed."""
    folder = write(tmp_path / "fem", vessel, options=replace(TIGHT, tolerance=0.0))  # it would never end
    code = (
        "import sys; from pathlib import Path; from hemo.fem.launch import run_worker; run_worker(Path(sys.argv[1]), 2)"
    )
    driver = subprocess.Popen([sys.executable, "-c", code, str(folder)], stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60.0
    while read_status(folder).get("state") != "solving" and time.monotonic() < until:
        time.sleep(0.1)
    (mpirun,) = Path(f"/proc/{driver.pid}/task/{driver.pid}/children").read_text().split()
    os.kill(driver.pid if victim == "driver" else int(mpirun), signal.SIGKILL)
    driver.wait()
    with held(folder, MPI.COMM_SELF, 20.0):
        assert not (folder / "result.npz").exists()


def test_half_written_checkpoint_is_ignored(stopped, tmp_path):
    folder = shutil.copytree(stopped, tmp_path / "fem")
    (complete,) = (folder / "checkpoint").glob("step-*")
    complete.rename(complete.with_suffix(".partial"))
    assert find_checkpoint(folder, input_hash(folder)) is None


def test_failure_of_one_rank_ends_them_all(vessel, tmp_path):
    """Rank 0 alone reads the job and fails; the others wait for its broadcast and must not hang."""
    folder = write(tmp_path / "fem", vessel)
    (folder / "initial.npz").write_bytes(b"no archive")
    with pytest.raises(NotConverged, match=r"died \(exit code [1-9]\d*\); see .*log\.txt"):
        run_worker(folder, 2)
    assert "Traceback" in (folder / "log.txt").read_text()
    status = read_status(folder)
    assert status["state"] == "failed"
    assert status["message"]


def test_a_solve_that_does_not_converge_says_where(tmp_path, vessel):
    """On two ranks each cap has its facets on one of them only."""
    folder = write(tmp_path / "fem", vessel, options=FemOptions(max_steps=2, most_window_steps=0))
    run_worker(folder, 2)
    result = read_result(folder)
    assert result.status is Status.NOT_CONVERGED
    assert "2 steps were not enough" in result.message
    assert "nearest to cap 'inlet'" in result.message or "nearest to cap 'out'" in result.message
    assert len(result.iterations) == 2
