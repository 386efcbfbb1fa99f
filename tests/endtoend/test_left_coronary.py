"""The demo's case on a coarse mesh, through the command line: interrupted, resumed, and read as a user reads it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from hemo.cli.schema import load_schema
from hemo.treejson import read_trees
from hemo.vtkio import read_polydata

CASE = Path(__file__).resolve().parents[2] / "cases" / "left_coronary"
PATIENCE = 300.0  # s
VESSELS = {"LM", "LAD", "LCX", "D1", "OM1"}


def start(folder: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "hemo", "run", "case.toml", "--method", "both", "--out", "out", "--ranks", "2"]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for_step(status: Path, step: int, process: subprocess.Popen) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        assert process.poll() is None, process.communicate()[0]
        if status.is_file() and (json.loads(status.read_text()).get("step") or 0) >= step:
            return
        time.sleep(0.1)
    raise AssertionError("the solve did not get going")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that was stopped by Ctrl-C in its solve and continued by the same command."""
    folder = tmp_path_factory.mktemp("left")
    text = (CASE / "case.toml").read_text().replace("cells_per_diameter = 6", "cells_per_diameter = 4")
    (folder / "case.toml").write_text(text)
    os.symlink(CASE / "lumen.nii.gz", folder / "lumen.nii.gz")
    first = start(folder)
    wait_for_step(folder / "out.partial" / "work" / "left" / "fem" / "status.json", 3, first)
    first.send_signal(signal.SIGINT)
    output = first.communicate(timeout=PATIENCE)[0]
    assert first.returncode == 130, output
    assert not (folder / "out").exists()
    assert list((folder / "out.partial" / "work" / "left" / "fem" / "checkpoint").glob("step-*"))
    second = start(folder)
    output = second.communicate(timeout=4 * PATIENCE)[0]
    assert second.returncode == 0, output
    assert not (folder / "out.partial").exists()
    return folder / "out", json.loads((folder / "out" / "summary.json").read_text())


def test_it_continued_from_the_checkpoint(run):
    log = (run[0] / "log.txt").read_text()
    assert "continuing after step" in log
    assert log.count("Picard, viscosity x 8") <= 5


def test_every_vessel_has_both_ffrs(run):
    _, summary = run
    assert summary["status"] == "converged"
    (tree,) = summary["trees"]
    assert {branch["name"] for branch in tree["branches"]} == VESSELS
    for branch in tree["branches"]:
        assert 0.5 < branch["fem"]["ffr"] < 1.0
        assert branch["fem"]["ffr"] == pytest.approx(branch["reduced"]["ffr"], abs=0.06)
        assert branch["fem"]["flow_ml_min"] == pytest.approx(branch["reduced"]["flow_ml_min"], rel=0.08)


def test_the_lesion_has_its_wall_indices(run):
    (lesion,) = run[1]["trees"][0]["lesions"]
    assert lesion["branch"] == "LAD"
    assert lesion["percent_diameter_stenosis"] == pytest.approx(60, abs=5)
    fem = lesion["fem"]
    assert fem["ffr_proximal"] > 0.95 > 0.85 > fem["ffr_distal"] > 0.65
    assert fem["aps_gauge"]["upstream_pa"] > 0.0 > fem["aps_gauge"]["downstream_pa"]
    assert fem["wss_max_pa"] > 60.0 > fem["wss_mean_pa"] > 5.0


def test_flow_is_conserved_at_the_bifurcations(run):
    flow = {branch["name"]: branch["fem"] for branch in run[1]["trees"][0]["branches"]}
    daughters = sum(flow[name]["flow_ml_min"] for name in ("LAD", "LCX"))
    assert flow["LM"]["distal_flow_ml_min"] == pytest.approx(daughters, rel=1e-6)


def test_the_reduced_model_is_fitted_to_3d_and_reported_without(run):
    folder, summary = run
    jsonschema.validate(summary, load_schema("summary"))
    (tree,) = summary["trees"]
    (fit,) = tree["calibration"]["solutions"]
    before, after = fit["ffr_apart_before"], fit["ffr_apart_after"]
    assert after["mean_absolute"] < 0.5 * before["mean_absolute"]
    assert after["mean_absolute"] < 0.005
    assert fit["ffr_places"] == 1 + sum(branch["is_outlet"] for branch in tree["branches"])
    reported = {branch["name"]: branch["reduced"]["ffr"] for branch in tree["branches"]}
    true = {branch["name"]: branch["fem"]["ffr"] for branch in tree["branches"]}
    own, plain = (answer(folder / "tree.json", *more) for more in ([], ["--uncalibrated"]))
    assert (own["calibrated"], plain["calibrated"]) == (True, False)
    for branch in plain["branches"]:
        assert branch["ffr"] == pytest.approx(reported[branch["name"]], abs=1e-5)
    outlets = {branch["name"]: branch["ffr"] for branch in own["branches"] if branch["name"] in ("LAD", "LCX", "D1")}
    assert max(abs(ffr - true[name]) for name, ffr in outlets.items()) <= after["largest"] + 1e-5
    assert "Reduced model fitted to 3D" in (folder / "report.html").read_text()


def test_hemo_calibrate_finds_the_same_from_the_folder(run):
    folder, summary = run
    output = folder.parent / "calibrated.json"
    command = [sys.executable, "-m", "hemo", "calibrate", str(folder), "-o", str(output), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (told,), (kept,) = json.loads(done.stdout)["trees"], summary["trees"]
    assert told["solutions"][0]["state"] == kept["calibration"]["solutions"][0]["state"] == "hyperaemia"
    for key in ("ffr_apart_after", "residual_rms_pa", "cells", "cells_per_diameter", "inlet_flow_ml_min"):
        assert told["solutions"][0][key] == pytest.approx(kept["calibration"]["solutions"][0][key], rel=1e-3)
    one, other = (read_trees(path)[0].calibration.losses for path in (output, folder / "tree.json"))
    for name in ("friction", "lesion", "kinetic"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-3)


def answer(tree, *options):
    done = subprocess.run(
        [sys.executable, "-m", "hemo", "reduced", str(tree), *options], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["trees"][0]


def test_the_files_hold_the_solution(run):
    folder, summary = run
    wall = read_polydata(folder / "wall.vtp").point_data
    magnitude = np.linalg.norm(wall["WSS"], axis=1)
    np.testing.assert_allclose(wall["TAWSS"], magnitude)
    assert np.median(magnitude) == pytest.approx(6.0, rel=0.5)
    centreline = read_polydata(folder / "centreline.vtp").point_data
    ends = [np.flatnonzero(centreline["BranchId"] == k)[-1] for k in range(len(VESSELS))]
    expected = [branch["fem"]["ffr"] for branch in summary["trees"][0]["branches"]]
    np.testing.assert_allclose(centreline["FFR_fem"][ends], expected, rtol=1e-6)
    for name in ("volume.vtu", "report.html", "tree.json", "log.txt", "log.left.rank1.txt"):
        assert (folder / name).stat().st_size > 0
