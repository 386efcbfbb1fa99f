"""One beat of a short vessel through the command line."""

import json
import subprocess
import sys

import jsonschema
import numpy as np
import pytest

from hemo.cli.schema import load_schema
from hemo.vtkio import read_polydata

CASE = """
[case]
name = "a short artery, one beat"
[geometry]
analytic.name = "LAD"
analytic.diameter = "3 mm"
analytic.length = "16 mm"
analytic.severity = 0.4
analytic.lesion_length = "6 mm"
analytic.lesion_centre = "5 mm"
[patient]
systolic = "128 mmHg"
diastolic = "76 mmHg"
heart_rate = "66 /min"
myocardial_mass = "135 g"
[flow]
state = "rest"
[fem]
cells_per_diameter = 3
pulsatile = true
steps_per_beat = 40
"""


# The flow through a leg's artery that turns back, mL/min at 40 times of 0.9 s.
PHASE = np.arange(40) / 40
LEG_FLOW = 60.0 + 150.0 * np.exp(-(((PHASE - 0.25) / 0.1) ** 2)) - 90.0 * np.exp(-(((PHASE - 0.45) / 0.1) ** 2))
LEG = (
    CASE.replace('"LAD"', '"POP"')
    .replace('systolic = "128 mmHg"\ndiastolic = "76 mmHg"', 'territory = "femoropopliteal"\nmean_pressure = "95 mmHg"')
    .replace('heart_rate = "66 /min"\nmyocardial_mass = "135 g"\n', "")
    .replace('state = "rest"', 'state = "rest"\ninlet_waveform = "flow.csv"')
)


def run(folder, text, *words):
    (folder / "case.toml").write_text(text)
    command = [sys.executable, "-m", "hemo", "run", "case.toml", "--out", "out", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("beat")
    ended = run(folder, CASE, "--method", "both", "--ranks", "1")
    assert ended.returncode == 0, ended.stderr
    return folder / "out", json.loads((folder / "out" / "summary.json").read_text())


def test_each_outlet_says_how_far_its_flow_repeats(done):
    (branch,) = done[1]["trees"][0]["branches"]
    assert 0.0 < branch["fem"]["flow_change_of_beat"] <= 0.01
    assert "flow_change_of_beat" not in branch["reduced"]


def test_ratios_are_those_of_the_reduced_model(done):
    """Both models over the same beat; means over it are what FFR is."""
    jsonschema.validate(done[1], load_schema("summary"))
    (lesion,) = done[1]["trees"][0]["lesions"]
    said = {row["name"]: (row["value"], row["unit"]) for row in done[1]["boundary"]}
    assert said["blood viscosity"] == (3.5, "mPa s")
    assert said["time constant of the beds at rest"] == (1.9, "s")
    fem, reduced = lesion["fem"]["beat"], lesion["reduced"]["rest_beat"]
    for name, value in reduced.items():
        assert fem[name] == pytest.approx(value, abs=0.01), name
    assert fem["pd_pa"] == pytest.approx(lesion["fem"]["ffr_distal"], abs=1e-6)
    assert fem["lowest_ratio"] < fem["wave_free_ratio"] < fem["pd_pa"] < 1.0


def test_the_curves_are_written_and_drawn(done):
    table = np.genfromtxt(done[0] / "beat.csv", delimiter=",", names=True)
    assert len(table) == 40
    assert table["aortic_mmhg"].max() == pytest.approx(128.0, abs=1.0)
    (branch,) = done[1]["trees"][0]["branches"]
    assert table["vessel_inflow_ml_min"].mean() == pytest.approx(branch["fem"]["flow_ml_min"], rel=1e-4)
    assert table["vessel_LAD_mmhg"].mean() / table["aortic_mmhg"].mean() == pytest.approx(
        branch["fem"]["ffr"], abs=1e-4
    )
    report = (done[0] / "report.html").read_text()
    assert "The beat (3D)" in report
    assert (done[0] / "figures" / "beat_vessel.svg").read_text().startswith("<?xml")


def test_the_wall_oscillates_behind_the_lesion(done):
    wall = read_polydata(done[0] / "wall.vtp")
    data, along = wall.point_data, wall.points[:, 2]
    mean = np.linalg.norm(data["WSS"], axis=1)
    assert np.all(data["TAWSS"] >= mean - 1e-6)
    assert np.all(data["transWSS"] <= data["TAWSS"] + 1e-6)
    throat, behind = np.abs(along - 5.0) < 1.0, (along > 6.5) & (along < 9.0)
    assert np.median(data["OSI"][throat]) < 0.01
    assert data["OSI"][behind].max() > 0.2
    assert np.median(data["TAWSS"][throat]) > 3.0 * np.median(data["TAWSS"][along > 12.0])


def write_flow(folder):
    rows = (f"{0.9 * phase:.6f},{flow:.6f}" for phase, flow in zip(PHASE, LEG_FLOW, strict=True))
    (folder / "flow.csv").write_text("\n".join(["time_s,flow_mL/min", *rows]))


def test_a_measured_flow_drives_the_beat(tmp_path):
    """It enters as measured; pressure at the inlet is found, with the patient's mean, and is what ratios are over."""
    write_flow(tmp_path)
    ended = run(tmp_path, LEG, "--method", "both", "--ranks", "1")
    assert ended.returncode == 0, ended.stderr
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    table = np.genfromtxt(tmp_path / "out" / "beat.csv", delimiter=",", names=True)
    assert table["vessel_inflow_ml_min"] == pytest.approx(LEG_FLOW, abs=2e-3)
    assert LEG_FLOW.min() < 0.0
    assert table["aortic_mmhg"].mean() == pytest.approx(95.0, abs=1e-3)
    (branch,), (lesion,) = summary["trees"][0]["branches"], summary["trees"][0]["lesions"]
    assert branch["fem"]["flow_ml_min"] == pytest.approx(LEG_FLOW.mean(), rel=1e-4)
    assert table["vessel_POP_mmhg"].mean() / 95.0 == pytest.approx(branch["fem"]["ffr"], abs=1e-4)
    fem, reduced = lesion["fem"]["beat"], lesion["reduced"]["rest_beat"]
    assert fem["pd_pa"] == pytest.approx(lesion["fem"]["ffr_distal"], abs=1e-6)
    for name, value in reduced.items():
        # At the peak a quasi-steady law takes a quarter too much: the jet has no time to build up.
        assert fem[name] == pytest.approx(value, abs=0.02), name
    assert fem["wave_free_ratio"] == pytest.approx(reduced["wave_free_ratio"], abs=0.002)
    assert fem["lowest_ratio"] < fem["pd_pa"] - 0.005


def test_a_flow_waveform_that_is_none_is_refused(tmp_path):
    (tmp_path / "flow.csv").write_text("time_s,flow_mL/min\n0.0,much\n")
    ended = run(tmp_path, LEG, "--method", "fem")
    assert ended.returncode == 2
    assert "line 2: no number in the column flow_ml_min" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (('state = "rest"', 'inlet_flow = "60 mL/min"'), "give flow.inlet_waveform instead"),
        (('systolic = "128 mmHg"\ndiastolic = "76 mmHg"', 'mean_pressure = "93 mmHg"'), "systolic and diastolic"),
        (('state = "rest"', 'inlet_flow = "60 mL/min"\ninlet_waveform = "flow.csv"'), "tells inlet_flow; leave one"),
        (('state = "rest"', 'state = "rest"\nbed_impedance = 0.1'), "coronary beds have none of their own"),
    ],
)
def test_what_has_no_beat_is_refused_at_once(tmp_path, change, complaint):
    assert change[0] in CASE
    write_flow(tmp_path)
    ended = run(tmp_path, CASE.replace(*change), "--method", "fem")
    assert ended.returncode == 2
    assert complaint in ended.stderr
    assert not list(tmp_path.glob("out*"))
