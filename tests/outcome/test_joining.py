"""Tables joined by keys, derived columns, and hemo's own results as tables."""

import json

import numpy as np
import pandas as pd
import pytest

from hemo.errors import InputError
from hemo.outcome.joining import complete, derived, join
from hemo.outcome.ownresults import collected, fingerprint
from hemo.outcome.study import Derived, check_study
from hemo.qfrsummary import COLUMNS


def study(tmp_path, tables, **more):
    names = []
    for name, (text, keys, options) in tables.items():
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
        names.append({"name": name, "file": f"{name}.csv", "keys": keys, **options})
    return check_study({"study": {"name": "test"}, "tables": names, **more}, "study.toml")


LESIONS = "patient,vessel,lesion,ffr\n001,LAD,L1,0.75\n001,RCA,L2,0.90\n2,LAD,L1,\n3,LAD,L1,0.81\n"
CLINICAL = "patient,age\n001,61\n2,70\n9,55\n"
PERFUSION = "patient,vessel,mbf\n001,LAD,1.1\n3,LAD,2.2\n"


def test_nobody_is_left_out_and_what_lacks_is_counted(tmp_path):
    declared = study(
        tmp_path,
        {
            "clinical": (CLINICAL, ["patient"], {}),
            "lesions": (LESIONS, ["patient", "vessel", "lesion"], {}),
            "perfusion": (PERFUSION, ["patient", "vessel"], {}),
        },
    )
    joined = join(declared, tmp_path / "study.toml")
    assert joined.frame["patient"].tolist() == ["001", "001", "2", "3", "9"]  # 001 stays text
    assert joined.frame["age"].tolist()[:3] == [61, 61, 70]
    assert joined.frame["mbf"].tolist()[0] == 1.1
    assert {one["name"]: one["without"] for one in joined.counts} == {"lesions": 1, "perfusion": 3, "clinical": 1}
    assert joined.several
    kept, missing = complete(joined.frame, ["ffr", "age"])
    assert len(kept) == 2
    assert missing == {"rows": 5, "complete": 2, "missing": {"ffr": 2, "age": 1}}


def test_lesions_become_patients_by_rule(tmp_path):
    options = {"aggregate": {"ffr": "min", "lesion": "count"}}
    joined = join(study(tmp_path, {"lesions": (LESIONS, ["patient"], options)}), tmp_path / "s.toml")
    assert joined.frame["ffr"].tolist()[:1] == [0.75]
    assert joined.frame["lesion"].tolist() == [2, 1, 1]


def test_rows_chosen_renamed_and_with_a_decimal_comma(tmp_path):
    text = "Patient;Zeit;FFR\nA;pre;0,71\nA;post;0,93\nB;pre;-\n"
    options = {"separator": ";", "decimal": ",", "missing": ["-"], "only": {"time": "pre"}}
    options["rename"] = {"Patient": "patient", "Zeit": "time", "FFR": "ffr"}
    joined = join(study(tmp_path, {"t": (text, ["patient"], options)}), tmp_path / "s.toml")
    assert joined.frame["ffr"].tolist()[0] == 0.71
    assert np.isnan(joined.frame["ffr"].tolist()[1])


def test_parquet_as_csv(tmp_path):
    pd.DataFrame({"patient": [1, 2], "ffr": [0.7, 0.9]}).to_parquet(tmp_path / "t.parquet")
    tables = [{"name": "t", "file": "t.parquet", "keys": ["patient"]}]
    joined = join(check_study({"study": {"name": "x"}, "tables": tables}, "s"), tmp_path / "s.toml")
    assert joined.frame["patient"].tolist() == ["1", "2"]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Derived(any_of=["a <= 0.8", "b >= 2"]), [1.0, 1.0, 0.0, np.nan]),
        (Derived(all_of=["a <= 0.8", "b >= 2"]), [1.0, np.nan, 0.0, 0.0]),
        (Derived(count_of=["a <= 0.8", "b >= 2"]), [2.0, np.nan, 0.0, np.nan]),
    ],
)
def test_missing_values_leave_open_only_what_they_could_change(rule, expected):
    frame = pd.DataFrame({"a": [0.7, 0.7, 0.9, 0.9], "b": [3.0, np.nan, 1.0, np.nan]})
    assert derived(frame, rule).tolist() == pytest.approx(expected, nan_ok=True)


def test_runs_of_hemo_are_a_table(tmp_path):
    for patient, ffr in (("A", 0.75), ("B", 0.88)):
        lesion = {
            "id": "LAD-1", "branch": "LAD", "mla_mm2": 2.0,
            "reduced": {"ffr_distal": ffr, "ffr_interval": [ffr - 0.03, ffr + 0.03]},
            "fem": {"wss_mean_pa": 12.0, "aps_gauge": {"mean_pa": 150.0}},
        }  # fmt: skip
        branch = {"name": "LAD", "parent": None, "length_mm": 80.0, "reduced": {"ffr": ffr - 0.02}}
        told = {"case": f"case {patient}", "trees": [{"name": "left", "branches": [branch], "lesions": [lesion]}]}
        (tmp_path / patient).mkdir()
        (tmp_path / patient / "summary.json").write_text(json.dumps(told))
    pattern = tmp_path / "{patient}" / "summary.json"
    frame = collected(pattern)
    assert frame["patient"].tolist() == ["A", "B"]
    assert frame[["vessel", "lesion"]].iloc[0].tolist() == ["LAD", "LAD-1"]
    assert frame["reduced_ffr_distal"].tolist() == [0.75, 0.88]
    assert frame["reduced_ffr_interval_low"].tolist() == pytest.approx([0.72, 0.85])
    assert frame["fem_aps_gauge_mean_pa"].tolist() == [150.0, 150.0]
    before = fingerprint(pattern)
    (tmp_path / "B" / "summary.json").write_text(json.dumps(told | {"case": "other"}))
    assert fingerprint(pattern) != before
    assert collected(pattern, "branches")["reduced_ffr"].tolist() == pytest.approx([0.73, 0.86])


def test_qfr_and_pullbacks_of_hemo_are_tables(tmp_path):
    point = {
        "label": "post", "vessel": "LAD", "qfr": 0.93, "interval": [0.90, 0.96], "mode": "contrast",
        "gate": {"threshold": 0.8, "above": True}, "modes": {"fixed": {"qfr": 0.94}}, "residual": [], "lesions": [],
        "reconstruction": {"length_mm": 60.0},
    }  # fmt: skip
    (tmp_path / "A_qfr.json").write_text(json.dumps({"time_points": [point]}))
    row = collected(tmp_path / "{patient}_qfr.json").iloc[0]
    assert (row["patient"], row["time"], row["qfr"], row["qfr_low"]) == ("A", "post", 0.93, 0.90)
    assert set(COLUMNS) - {"label"} <= set(row.index)
    pullback = {
        "name": "run 1", "modality": "oct", "length_mm": 50.0, "lumen": {"minimal_area_mm2": 3.0}, "plaque": None,
        "stent": {"expansion_percent": 88.0}, "calcium": [{"score": 3}], "ffr":
        {"distal": 0.9, "distal_with_lesions_opened": None, "flow_ml_min": 90.0},
    }  # fmt: skip
    (tmp_path / "A_oct.json").write_text(json.dumps({"pullbacks": [pullback]}))
    row = collected(tmp_path / "{patient}_oct.json").iloc[0]
    assert (row["stent_expansion_percent"], row["lumen_minimal_area_mm2"], row["calcium_score"]) == (88.0, 3.0, 3)


def test_what_is_no_summary_is_refused(tmp_path):
    (tmp_path / "summary.json").write_text('{"cells": 3}')
    with pytest.raises(InputError, match="no summary of hemo"):
        collected(tmp_path / "summary.json")
    with pytest.raises(InputError, match="no file fits"):
        collected(tmp_path / "{patient}" / "summary.json")
