"""``hemo pullback`` as a user types it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hemo.cli import _guarded
from hemo.treejson import read_trees
from tests.cli.test_commands import run
from tests.geometry.intravascular.synthetic import as_json, circle, folder

GIVEN = ("--aortic-pressure", "93 mmHg", "--flow", "100 mL/min", "--modality", "oct")


@pytest.fixture(scope="module")
def ivus(tmp_path_factory):
    return folder(tmp_path_factory.mktemp("contours") / "ivus")


def test_a_folder_gives_a_whole_result_folder(ivus, tmp_path):
    out = tmp_path / "out"
    done = run("pullback", ivus, *GIVEN, "--out", out, "--json", "--side-branch", "1 mm=1.6 mm")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert told == json.loads((out / "summary.json").read_text())
    names = {file.name for file in out.iterdir()}
    assert names == {"summary.json", "tree.json", "report.html", "figures", "frames_ivus.csv"}
    assert {file.name for file in (out / "figures").iterdir()} == {"ivus_curves.svg", "ivus_frames.svg"}
    (one,) = told["pullbacks"]
    assert one["lumen"]["minimal_area_mm2"] == pytest.approx(np.pi * (1.5 - 0.6 * np.exp(-1 / 36)) ** 2, rel=5e-3)
    assert one["calcium"][0]["greatest_arc_deg"] == pytest.approx(150.0, abs=2.0)
    assert one["side_branches"] == [{"at_mm": pytest.approx(1.0), "diameter_mm": pytest.approx(1.6)}]
    assert one["ffr"]["flow_ml_min"] == pytest.approx(100.0, rel=1e-3)
    page = (out / "report.html").read_text()
    assert "not for diagnosis" in page
    assert "calcium" in page
    rows = (out / "frames_ivus.csv").read_text().splitlines()
    assert len(rows) == 17
    assert rows[0].startswith("frame,at_mm,lumen_area_mm2")
    assert run("pullback", ivus, "--out", out).returncode == 2
    assert list(tmp_path.iterdir()) == [out]


def test_the_tree_gives_the_same_ffr_to_hemo_reduced(ivus, tmp_path):
    done = run("pullback", ivus, *GIVEN, "--out", tmp_path / "out", "--json")
    own = json.loads(done.stdout)["pullbacks"][0]["ffr"]["distal"]
    again = run("reduced", tmp_path / "out" / "tree.json")
    assert again.returncode == 0, again.stderr
    (tree,) = json.loads(again.stdout)["trees"]
    assert tree["branches"][0]["ffr"] == pytest.approx(own, abs=1e-4)


def test_two_pullbacks_are_compared_and_no_expansion_is_claimed(ivus, tmp_path):
    wider = folder(tmp_path / "after")
    lines = [line.split("\t") for line in (wider / "diastolic_contours.csv").read_text().splitlines()]
    grown = ["\t".join([n, str(1.05 * float(x)), str(1.05 * float(y)), z]) for n, x, y, z in lines]
    (wider / "diastolic_contours.csv").write_text("\n".join(grown) + "\n")
    (wider / "calcium_diastolic_contours.csv").unlink()
    done = run("pullback", ivus, wider, *GIVEN, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "registered by ostium marks" in done.stdout
    assert "a stent's expansion is not claimed" in done.stdout
    both = json.loads((tmp_path / "out" / "summary.json").read_text())["comparison"]
    assert both["mean_area_change_percent"] == pytest.approx(10.25, abs=0.05)
    assert both["area_correlation"] == pytest.approx(1.0, abs=1e-3)
    assert (tmp_path / "out" / "figures" / "comparison.svg").is_file()


def test_systole_against_diastole_of_one_folder(tmp_path):
    path = folder(tmp_path / "ivus")
    lines = [line.split("\t") for line in (path / "diastolic_contours.csv").read_text().splitlines()]
    less = ["\t".join([n, str(0.95 * float(x)), str(0.95 * float(y)), z]) for n, x, y, z in lines]
    (path / "systolic_contours.csv").write_text("\n".join(less) + "\n")
    done = run("pullback", path, path, "--second-phase", "systolic", "--json", "--out", tmp_path / "out")
    both = json.loads(done.stdout)["comparison"]
    assert (both["second"], both["registered_by"]) == ("ivus (systole)", "area profile")
    assert both["mean_area_change_percent"] == pytest.approx(-9.75, abs=0.05)
    again = run("pullback", path, path, "--out", tmp_path / "twice", "--quiet")
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "twice" / "frames_ivus_2.csv").is_file()


def test_quiet_is_quiet_and_json_is_read(tmp_path):
    path = as_json(tmp_path / "p.json", first="proximal", modality="oct")
    done = run("pullback", path, "--quiet", "--out", tmp_path / "out")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "<td>stent expansion</td><td>-</td>" in (tmp_path / "out" / "report.html").read_text()


def test_a_centreline_places_the_vessel(ivus, tmp_path):
    angle = np.linspace(0.0, np.pi, 100)
    bend = 20.0 * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    vessel = {"name": "LAD", "points_mm": bend.tolist(), "radius_mm": [1.5] * 100}
    line = tmp_path / "line.json"
    line.write_text(json.dumps({"schema_version": 1, "trees": [{"name": "left", "branches": [vessel]}]}))
    out = tmp_path / "out"
    done = run("pullback", ivus, *GIVEN, "--centreline", line, "--branch", "LAD", "--at", "10 mm", "--out", out)
    assert done.returncode == 0, done.stderr
    (placed,) = read_trees(out / "tree.json")
    assert np.linalg.norm(placed.tree.root.points, axis=1) == pytest.approx(20e-3, rel=1e-3)
    wrong = run("pullback", ivus, "--centreline", line, "--branch", "RCA")
    assert (wrong.returncode, "holds no 'RCA'" in wrong.stderr) == (2, True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--velocity", "35 m/s"), "outside 0.05 to 1.5"),
        (("--velocity", "0.35"), "has no unit"),
        (("--flow", "100 mL/min", "--velocity", "0.3 m/s"), "not both"),
        (("--aortic-pressure", "93 kPa"), "outside 30 to 200"),
        (("--pullback-speed", "0.5 mm/s"), "belong together"),
        (("--frame-spacing", "20 mm"), "between frames is outside"),
        (("--side-branch", "30 mm=2 mm"), "no place on a pullback"),
        (("--side-branch", "3 mm"), "write PLACE=DIAMETER"),
        (("--shift", "2 mm"), "needs two pullbacks"),
        (("--unit", "cm"), "outside 0.4 to 10 mm"),
        (("--phase", "systolic"), "holds no systolic_contours.csv"),
        (("--flow", "900 mL/min"), "cannot pass this lumen"),
        (("--centreline", "nowhere.json"), "nowhere.json"),
    ],
)
def test_bad_options_are_one_sentence(ivus, tmp_path, options, words, monkeypatch, capsys):
    command = ["hemo", "pullback", str(ivus), "--quiet", "--out", str(tmp_path / "out"), *options]
    monkeypatch.setattr("sys.argv", command)
    assert _guarded() == 2
    said = capsys.readouterr().err
    assert words in " ".join(said.split())
    assert len(said.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_bad_paths_are_one_sentence(tmp_path):
    for path, words in ((tmp_path / "no", "there is no such file"), (tmp_path, "holds no diastolic_contours.csv")):
        done = run("pullback", path, "--quiet")
        assert done.returncode == 2
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 1
    file = tmp_path / "p.json"
    file.write_text(
        json.dumps({"schema_version": 1, "frames": [{"number": 1, "z": 0.0, "lumen": circle(1.0).tolist()}]})
    )
    assert "at least 3 are needed" in run("pullback", file).stderr
    file.write_text('{"schema_version": 1, "frames": [{"number": 1, "z": NaN}]}')
    assert run("pullback", file).returncode == 2
