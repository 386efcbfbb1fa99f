"""``hemo qfr`` as a user types it, on a virtual patient's cines."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hemo.qfr.contoursjson import ViewContours, read_view
from hemo.qfr.dicom import _ELEMENTS, read_cine
from hemo.qfr.synthetic.__main__ import make
from hemo.qfr.synthetic.xadicom import write_cine
from hemo.treejson import read_trees
from tests.cli.test_commands import run
from tests.identities import told_in
from tests.qfr.xafiles import planted

PATIENT = ("--vessel", "LAD", "--mean-pressure", "96.8 mmHg", "--heart-rate", "70 /min")
SECRET = "GARBO-GRETA"


@pytest.fixture(scope="module")
def cines(tmp_path_factory):
    """The folder, FFR by the flow that made the cines, and what the command told with its result folder."""
    folder = tmp_path_factory.mktemp("xa")
    ffr = make(folder, 0.6)
    for name in ("view1", "view2"):
        write_cine(folder / f"{name}.dcm", read_cine(folder / f"{name}.dcm"), patient=SECRET)
        planted(folder / f"{name}.dcm", [*_ELEMENTS, "PixelPaddingValue", "PatientName", "PatientID"])
    out = folder / "out"
    done = run("qfr", folder / "view1.dcm", folder / "view2.dcm", *PATIENT, "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    assert told_in(out, texts=(done.stdout, done.stderr)) == []
    return folder, ffr, json.loads(done.stdout)


def test_two_cines_with_points_give_a_whole_result_folder(cines):
    folder, ffr, told = cines
    out = folder / "out"
    assert told == json.loads((out / "summary.json").read_text())
    (point,) = told["time_points"]
    assert point["mode"] == "contrast"
    low, high = point["interval"]
    assert low <= ffr <= high
    assert high - low < 0.5
    (lesion,) = point["lesions"]
    assert lesion["percent_diameter_stenosis"] == pytest.approx(60.0, abs=10.0)
    assert [view["velocity_m_s"] is not None for view in point["views"]] == [True, True]
    names = {file.name for file in out.iterdir()}
    assert names == {
        *("summary.json", "report.html", "tree.json", "time_points.csv", "figures", "lumen_views.stl"),
        *("contours_views_1.json", "contours_views_2.json"),
    }
    assert "not for diagnosis" in (out / "report.html").read_text()
    assert read_trees(out / "tree.json")[0].tree.root.name == "LAD"


def test_nothing_of_the_patient_is_in_any_output(cines):
    folder, _, told = cines
    assert SECRET.encode() in (folder / "view1.dcm").read_bytes()
    assert SECRET not in json.dumps(told)
    for file in (folder / "out").rglob("*"):
        if file.is_file():
            assert SECRET.encode() not in file.read_bytes(), file.name


def test_edited_contours_go_back_in_and_give_the_same(cines):
    folder, _, told = cines
    marks = [item for k in (1, 2) for item in ("--marks", folder / "out" / f"contours_views_{k}.json")]
    assert isinstance(read_view(marks[1]), ViewContours)
    done = run("qfr", folder / "view1.dcm", folder / "view2.dcm", *PATIENT, *marks, "--json")
    again = json.loads(done.stdout)["time_points"][0]
    assert again["modes"]["fixed"]["qfr"] == pytest.approx(told["time_points"][0]["modes"]["fixed"]["qfr"], abs=0.01)


def test_time_points_are_compared(cines):
    folder = cines[0]
    pair = (folder / "view1.dcm", folder / "view2.dcm")
    done = run("qfr", "--pre", *pair, "--post", pair[1], "-", "--fixed-only", "--json")
    assert done.returncode == 2  # a cine that is given twice
    assert "given twice" in done.stderr
    shown = run("qfr", "--pre", pair[0], "-", "--post", pair[1], "-", "--fixed-only", "--json", "--vessel", "LAD")
    assert shown.returncode == 0, shown.stderr
    told = json.loads(shown.stdout)
    assert [point["label"] for point in told["time_points"]] == ["pre", "post"]
    assert [point["mode"] for point in told["time_points"]] == ["fixed", "fixed"]
    assert np.isfinite(told["change"][0]["qfr"])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "give one or two XA cines"),
        (("missing.dcm",), "there is no such file"),
        (("a.dcm", "b.dcm", "c.dcm"), "3 views are given"),
        (("a.dcm", "--velocity", "0.3 m/s", "--fixed-only"), "not both"),
        (("a.dcm", "--velocity", "30 m/s"), "outside what a person can have"),
        (("a.dcm", "--mean-pressure", "95 kPa"), "outside what a person can have"),
        (("a.dcm", "--exponent", "9"), "outside 1 to 4"),
        (("a.dcm", "--pre", "b.dcm", "-"), "not both"),
    ],
)
def test_bad_input_is_one_sentence(arguments, sentence, tmp_path):
    done = run("qfr", *arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count("hemo: ") == 1
    assert "Traceback" not in done.stderr


def test_a_cine_without_marks_says_what_to_write(cines, tmp_path):
    lone = tmp_path / "lone.dcm"
    lone.write_bytes((cines[0] / "view1.dcm").read_bytes())
    done = run("qfr", lone, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "points_px" in done.stderr
    assert sorted(file.name for file in tmp_path.iterdir()) == ["lone.dcm"]
