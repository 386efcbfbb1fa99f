"""cases/flow has a case for each way of giving flow; each runs, and says what it stood on."""

import json
import shutil
from pathlib import Path

import pytest

from hemo.pipeline import RunOptions, run_case

CASES = Path(__file__).resolve().parents[1] / "cases"
# The case -> a row of its assumptions, and the state's flow through the left main, mL/min, at hyperaemia.
WAYS = {
    "population": ("left ventricular mass", "default: population"),
    "mass": ("left ventricular mass", "case file"),
    "rate_and_pressure": ("heart rate x systolic pressure", "case file"),
    "cardiac_output": ("cardiac output", "case file"),
    "measured": ("resting coronary flow, whole heart", "case file"),
    "vessels": ("flow measured in LAD, at hyperaemia", "case file"),
    "inlet": ("inlet flow", "case file"),
    "perfusion": ("perfusion of LAD's territory, at hyperaemia", "case file"),
    "measured_reserve": ("coronary flow reserve", "case file"),
    "dysfunction": ("index of microcirculatory resistance", "case file"),
}


def ran(name, tmp_path):
    out = tmp_path / name
    return run_case(CASES / name, RunOptions(out, method="reduced"))


def test_every_case_of_the_folder_is_known():
    assert {file.stem for file in (CASES / "flow").glob("*.toml")} == set(WAYS)


@pytest.mark.parametrize("way", WAYS)
def test_a_case_for_each_way_of_giving_flow(way, tmp_path):
    summary = ran(f"flow/{way}.toml", tmp_path)
    assert summary["status"] == "converged"
    row, source = WAYS[way]
    found = [item for item in summary["boundary"] if item["name"] == row]
    assert found, [item["name"] for item in summary["boundary"]]
    assert found[0]["source"].startswith(source)
    branches = {branch["name"]: branch["reduced"] for branch in summary["trees"][0]["branches"]}
    # the left tree at hyperaemia: 388 of 577 mL/min in mild disease, Fournier 2021, with a wide margin
    assert 150.0 < branches["LM"]["flow_ml_min"] < 600.0
    (lesion,) = summary["trees"][0]["lesions"]
    assert 0.6 < lesion["reduced"]["ffr_distal"] < 0.95
    low, high = lesion["reduced"]["ffr_interval"]
    assert low < lesion["reduced"]["ffr_distal"] < high


def test_measured_vessels_are_met(tmp_path):
    branches = ran("flow/vessels.toml", tmp_path)["trees"][0]["branches"]
    flow = {branch["name"]: branch["reduced"]["flow_ml_min"] for branch in branches}
    assert flow["LAD"] == pytest.approx(150.0, rel=1e-4)
    assert flow["LCX"] == pytest.approx(130.0, rel=1e-4)


def test_dysfunction_raises_ffr(tmp_path):
    other, own = (ran(f"flow/{way}.toml", tmp_path)["trees"][0]["lesions"][0] for way in ("mass", "dysfunction"))
    assert own["reduced"]["ffr_distal"] > other["reduced"]["ffr_distal"] + 0.02
    assert own["reduced"]["mrr"] == pytest.approx(1.9, rel=0.05)


def test_a_missing_map_is_named(tmp_path):
    from hemo.errors import InputError

    for name in ("perfusion.toml", "left_tree.json", "myocardium.nii.gz"):
        shutil.copy(CASES / "flow" / name, tmp_path)
    with pytest.raises(InputError, match=r"perfusion\.nii\.gz"):
        run_case(tmp_path / "perfusion.toml", RunOptions(tmp_path / "out", method="reduced"))
    assert not (tmp_path / "out").exists()


def test_a_leg(tmp_path):
    summary = ran("femoropopliteal/case.toml", tmp_path)
    (branch,), (lesion,) = summary["trees"][0]["branches"], summary["trees"][0]["lesions"]
    assert branch["reduced"]["rest_flow_ml_min"] == pytest.approx(152.0, rel=0.02)
    assert branch["reduced"]["distal_flow_ml_min"] < 0.8 * branch["reduced"]["flow_ml_min"]
    assert 0.5 < lesion["reduced"]["translesional_ratio"] < 1.0
    # At rest the ratio at the vessel's end is what the lesion leaves, and better than after cuff release.
    assert branch["reduced"]["rest_pd_pa"] == pytest.approx(lesion["reduced"]["rest_pd_pa"], abs=0.01)
    assert branch["reduced"]["ffr"] + 0.03 < branch["reduced"]["rest_pd_pa"] < 1.0
    assert "SFA" in json.dumps(summary["boundary"])


def test_a_leg_by_the_flow_measured_in_it(tmp_path):
    summary = ran("femoropopliteal/flow_waveform.toml", tmp_path)
    (branch,), (lesion,) = summary["trees"][0]["branches"], summary["trees"][0]["lesions"]
    assert branch["reduced"]["flow_ml_min"] == pytest.approx(78.4, abs=0.1)
    ratios = lesion["reduced"]["rest_beat"]
    assert ratios["lowest_ratio"] < ratios["systolic_ratio"] < ratios["pd_pa"] < 1.0
