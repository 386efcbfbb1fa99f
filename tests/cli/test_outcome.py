"""``hemo outcome`` as a user types it, and what a user gets wrong."""

import json
import math
import re
import sys

import pytest

from hemo.cli import _guarded
from hemo.cli.schema import load_schema
from hemo.outcome.study import Study
from hemo.outcome.synthetic import TRUTH, write
from tests.cli.test_commands import run


def shortened(path, *changes):
    """The generated study with few resamples, and changes of its text."""
    text = path.read_text().replace("seed = 1", "seed = 1\nresamples = 100\nmodel_resamples = 20", 1)
    text = text.replace("horizon = 1095", "horizon = 1095\nrepeats = 1", 1)
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    path.write_text(text)
    return path


@pytest.fixture
def typed(monkeypatch, capsys):
    """Run the command within the tests' process; exit code and what stands on stderr."""

    def run_here(*arguments):
        monkeypatch.setattr(sys, "argv", ["hemo", *map(str, arguments)])
        return _guarded(), capsys.readouterr().err

    return run_here


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    study = shortened(write(folder), ('name = "Generated cohort', 'name = "<b>Generated</b> cohort'))
    done = run("outcome", study, "--out", folder / "out", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return folder, json.loads(done.stdout)


def test_a_study_gives_a_whole_result_folder(result):
    folder, told = result
    out = folder / "out"
    assert told == json.loads((out / "summary.json").read_text())
    assert {file.name for file in out.iterdir()} == {"summary.json", "report.html", "tables", "figures"}
    tables = {file.name for file in (out / "tables").iterdir()}
    assert {"trial.csv", "joint.csv", "model_ratios.csv", "serial_stents.csv"} < tables
    assert len(list((out / "figures").glob("*.svg"))) == 9
    assert told["declared"]["trial"]["margin_risk_difference"] == 0.06
    assert len(told["inputs"]) == 6


def test_the_page_stands_alone_and_escapes_what_it_is_given(result):
    page = (result[0] / "out" / "report.html").read_text()
    assert "<b>Generated" not in page
    assert "&lt;b&gt;Generated" in page
    assert not re.search(r'(?:src|href)="(?!#)', page.replace('xlink:href="#', ""))
    assert "not for diagnosis" in page


def test_the_generator_s_truth_is_found(result):
    """Log hazard ratios of the generator within three standard errors; diabetics' threshold lies higher by 0.03."""
    told = result[1]
    last = told["models"]["results"][-1]
    steps = {"plaque_burden_percent": 10.0, "ct_ffr": -0.1, "wss_mean_pa": 5.0}
    for name, ratio in zip(last["predictors"], last["ratios"], strict=True):
        error = (math.log(ratio["high"]) - math.log(ratio["low"])) / 3.92
        assert abs(math.log(ratio["value"]) - steps.get(name, 1.0) * TRUTH.get(name, 0.0)) < 3.0 * error, name
    diabetes = next(one for one in told["thresholds"][0]["differences"] if one["subgroup"] == "diabetes")
    assert diabetes["difference"]["value"] == pytest.approx(0.03, abs=0.02)
    crossover = told["trial"]["crossover"]
    assert sum(map(sum, crossover)) == 400


def test_the_same_study_gives_the_same_numbers(result, tmp_path):
    folder, told = result
    again = json.loads(run("outcome", folder / "study.toml", "--json").stdout)
    assert again == told


def test_schema_of_the_study_file():
    assert load_schema("outcome") == Study.model_json_schema()
    assert run("schema", "outcome").returncode == 0


BAD = [
    (("[trial]", "[trail]"), "the key trail is unknown; did you mean 'trial'"),
    (("margin_hazard_ratio", "margin_hazard"), "did you mean 'margin_hazard_ratio'"),
    (('gate = { qfr', 'gats = { qfr'), "the key serial.0.gats is unknown; did you mean 'gate'"),
    (('measure = "ct_ffr"', 'measure = "ctffr"'), "no column 'ctffr'"),
    (('predictors = ["plaque_burden_percent", "low_attenuation"]', 'predictors = ["nothing"]'), "no column 'nothing'"),
    (('file = "plaque.csv"', 'file = "none.csv"'), "cannot read the table"),
    (('keys = ["patient", "vessel"]', 'keys = ["vessel"]'), "first key"),
    (('keys = ["patient", "vessel", "lesion"]', 'keys = ["patient", "vessel"]'), "repeat the keys"),
    (('"ct_ffr <= 0.80"', '"ct_ffr is low"'), "is not understood"),
    (('method = "cox"', 'method = "coxx"'), "event.method"),
    (('arms = ["angiography", "QFR"]', 'arms = ["angio", "QFR"]'), "its arms are 'angio' and 'QFR'"),
    (('order = ["pre"', 'order = ["before"'), "no row has time = 'before'"),
    (('column = "lesion_event"', 'column = "lesion_days"'), "takes 1 and 0"),
    (('column = "lesion_event"', 'column = "vessel"'), "which is no number"),
    (('name = "plaque + CT-FFR"', 'name = "plaque"'), "two models are called 'plaque'"),
    (("horizon = 730", "horizon = -1"), "trial.horizon"),
    (("horizon = 1095", "horizon = 99999"), "nobody is followed to the horizon of 99999 days"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), BAD, ids=[message[:30] for _, message in BAD])
def test_a_wrong_declaration_is_one_sentence(typed, tmp_path, change, message):
    study = shortened(write(tmp_path, 60), change)
    code, said = typed("outcome", study, "--out", tmp_path / "out")
    assert code == 2, said
    assert message in said
    assert not list(tmp_path.glob("out*"))


DAMAGE = [
    (b"", "is no table"),
    (b"patient,vessel\nA,LAD\n", "no column 'lesion'"),
    (b"patient,vessel,lesion,ct_ffr\n", "holds no rows"),
    (b"patient,vessel,lesion,ct_ffr\nA,LAD,L1,0.8\n,LAD,L1,0.7\n", "rows have no patient"),
    ("patient,vessel,lesion,ct_ffr\nÄ,LAD,L1,0.8\n".encode("latin-1"), "is not UTF-8"),
    (b"patient;vessel;lesion;ct_ffr\nA;LAD;L1;0,8\n", "name the separator"),
    (b"patient,vessel,lesion,ct_ffr\nA,LAD,L1,0.8,9\nB,LAD,L1,0.7,9\n", "more cells than there are column names"),
    (b"patient,vessel,lesion,ct_ffr,ct_ffr\nA,LAD,L1,0.8,0.8\n", None),
    (b"\x00\x01\x02PK\x03\x04", "haemodynamics"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "message"), DAMAGE, ids=[str(k) for k in range(len(DAMAGE))])
def test_a_damaged_table_is_one_sentence(typed, tmp_path, content, message):
    study = shortened(write(tmp_path, 60))
    (tmp_path / "haemodynamics.csv").write_bytes(content)
    code, said = typed("outcome", study, "--out", tmp_path / "out")
    assert code == 2, said
    assert len([line for line in said.splitlines() if line.startswith("hemo: ")]) == 1
    assert message is None or message in said


@pytest.mark.parametrize("cell", ["n/m", "inf", "85 %"])
def test_a_cell_that_is_no_number_is_named(typed, tmp_path, cell):
    study = shortened(write(tmp_path, 60))
    path = tmp_path / "haemodynamics.csv"
    lines = path.read_text().splitlines()
    row = lines[1].split(",")
    row[3] = cell
    path.write_text("\n".join([lines[0], ",".join(row), *lines[2:]]) + "\n")
    code, said = typed("outcome", study)
    assert code == 2
    assert "ct_ffr holds" in said
    assert "which is no number" in said
