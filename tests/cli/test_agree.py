"""``hemo agree`` as a user types it."""

from __future__ import annotations

import csv
import json

import pytest

from hemo.agreement.synthetic import COLUMNS, main, rows
from hemo.cli.agree import agree
from hemo.errors import InputError
from tests.cli.test_commands import run

COLUMN_OPTIONS = ("--computed", "ct_ffr", "--measured", "ffr", "--patient", "patient")
ALL_OPTIONS = (
    *(*COLUMN_OPTIONS, "--vessel", "vessel", "--second", "qfr", "--reason", "reason", "--subgroup", "sex"),
    *("--subgroup", "calcium_score>400", "--exploratory", "stent", "--margin", "0.1", "--draws", "300"),
)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "vessels.csv"
    with open(path, "w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([COLUMNS, *rows(120)])
    return path


@pytest.fixture(scope="module")
def done(study):
    out = study.parent / "out"
    return run("agree", study, *ALL_OPTIONS, "--out", out, "--json"), out


def test_a_whole_folder_and_its_numbers(done):
    finished, out = done
    assert (finished.returncode, finished.stderr) == (0, "")
    told = json.loads(finished.stdout)
    assert told == json.loads((out / "summary.json").read_text())
    assert {file.name for file in out.iterdir()} == {
        "summary.json",
        "report.html",
        "estimates.csv",
        "tables",
        "figures",
    }
    assert [unit["unit"] for unit in told["units"]] == ["vessel", "patient"]
    vessel = told["units"][0]
    ct, qfr = vessel["methods"]
    call = ct["diagnosis"]
    assert call["tp"] + call["fn"] + call["fp"] + call["tn"] == ct["rows"]
    assert told["flow"]["with_wire"]["rows"] == ct["rows"] + ct["not_evaluable"]
    assert [one["rows"] for one in ct["intention"]] == [told["flow"]["with_wire"]["rows"]] * 3
    assert ct["intention"][2]["diagnosis"]["proportions"]["accuracy"]["numerator"] == call["tp"] + call["tn"]
    assert ct["agreement"]["bias"]["value"] == pytest.approx(-0.02, abs=0.02)
    assert qfr["area"]["low"] < qfr["area"]["value"] < qfr["area"]["high"]
    assert sum(band["accuracy"]["denominator"] for band in ct["bands"][:6]) == ct["rows"]
    assert ct["bands"][-1]["ceiling"][0] < 1.0
    assert [group["declared"] for group in ct["subgroups"]] == [True, True, False]
    assert vessel["comparison"]["differences"][0]["margin"] == 0.1
    assert len(told["published"]) == 28


def test_the_page_is_whole_and_says_what_it_is(done):
    _, out = done
    page = (out / "report.html").read_text()
    assert "not for diagnosis" in page
    assert page.count("<svg") == len(list((out / "figures").iterdir())) == 8
    for words in ("not confirmed in the primary source", "FAVOR II China", "not declared beforehand", "grey zone"):
        assert words in page
    assert "<script" not in page
    assert "P0001" not in page + (out / "summary.json").read_text()  # no patient's name leaves the table


def test_every_table_is_rectangular_and_estimates_are_in_order(done):
    _, out = done
    for path in (out / "tables").iterdir():
        with open(path, encoding="utf-8") as stream:
            assert len({len(row) for row in csv.reader(stream)}) == 1, path
    with open(out / "estimates.csv", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if row["low"] and row["estimate"]:
                assert float(row["low"]) <= float(row["estimate"]) <= float(row["high"]), row


def test_terminal_and_quiet(study, tmp_path):
    shown = run("agree", study, *COLUMN_OPTIONS, "--draws", "200")
    assert shown.returncode == 0, shown.stderr
    for words in ("Flow of vessels", "upper limit", "grey zone", "published"):
        assert words in shown.stdout
    quiet = run("agree", study, *COLUMN_OPTIONS, "--draws", "200", "--quiet", "--out", tmp_path / "o")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")


def test_a_method_on_another_scale(study, tmp_path):
    text = study.read_text().splitlines()
    body = [line.split(",") for line in text[1:]]
    lines = [text[0] + ",ds", *(",".join([*row, f"{100 * (1 - float(row[2] or 0.8)):.0f}"]) for row in body)]
    path = tmp_path / "ds.csv"
    path.write_text("\n".join(lines) + "\n")
    options = (*COLUMN_OPTIONS, "--second", "ds", "--second-threshold", ">=20", "--draws", "200", "--json")
    finished = run("agree", path, *options)
    assert finished.returncode == 0, finished.stderr
    ds = json.loads(finished.stdout)["units"][0]["methods"][1]
    assert (ds["rule"], ds["agreement"], ds["deming"]) == (">=20", None, None)
    assert ds["area"]["value"] == pytest.approx(1.0)
    assert ds["diagnosis"]["proportions"]["sensitivity"]["wilson"]["value"] == 1.0
    assert ds["related"]["pearson"]["value"] < -0.9


def test_html_in_a_name_is_text(tmp_path):
    name = "<b>ct</b>"
    lines = ["patient,ffr," + name, *(f"P{k},{0.6 + 0.01 * k:.2f},{0.62 + 0.009 * k:.3f}" for k in range(40))]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(lines) + "\n")
    options = ("--computed", name, "--measured", "ffr", "--patient", "patient", "--draws", "200")
    finished = run("agree", path, *options, "--out", tmp_path / "out")
    assert finished.returncode == 0, finished.stderr
    assert name not in (tmp_path / "out" / "report.html").read_text()


def test_one_class_and_few_patients_are_said_not_hidden(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("p,ffr,ct\nA,0.9,0.91\nB,0.95,0.9\nC,0.85,0.79\nD,0.88,0.9\n")
    out = tmp_path / "out"
    finished = run("agree", path, "--computed", "ct", "--measured", "ffr", "--patient", "p", "--out", out)
    assert finished.returncode == 0, finished.stderr
    assert "0 rows are abnormal" in finished.stderr
    (method,) = json.loads((out / "summary.json").read_text())["units"][0]["methods"]
    assert method["diagnosis"]["proportions"]["sensitivity"]["wilson"]["value"] is None
    assert method["area"]["value"] is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((*COLUMN_OPTIONS, "--threshold", "80"), "is a fraction such as 0.80"),
        ((*COLUMN_OPTIONS, "--threshold", "x"), "write a cut-off"),
        ((*COLUMN_OPTIONS, "--margin", "0.05"), "need a second method"),
        ((*COLUMN_OPTIONS, "--second", "qfr", "--margin", "5"), "outside 0.001 to 0.5"),
        ((*COLUMN_OPTIONS, "--draws", "10"), "outside 200"),
        ((*COLUMN_OPTIONS, "--second", "ct_ffr"), "must be different columns"),
        ((*COLUMN_OPTIONS, "--subgroup", "patient"), "levels"),
        ((*COLUMN_OPTIONS[:-1], "nobody"), "has no column 'nobody'"),
        (("--computed", "sex", *COLUMN_OPTIONS[2:]), "is no number"),
    ],
)
def test_refused_with_nothing_left_behind(study, tmp_path, options, words):
    with pytest.raises(InputError) as caught:
        agree.main([*options, "--out", str(tmp_path / "out"), str(study)], standalone_mode=False)
    assert words in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_refusal_is_one_sentence_and_code_2(study):
    finished = run("agree", study, *COLUMN_OPTIONS[:-1], "nobody", "--quiet")
    assert finished.returncode == 2
    assert finished.stderr.startswith("hemo: ")
    assert len(finished.stderr.splitlines()) == 1


def test_the_example_table_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["synthetic", str(tmp_path / "t.csv"), "--patients", "20"])
    main()
    assert (tmp_path / "t.csv").read_text().startswith("patient,vessel,ffr,ct_ffr")
