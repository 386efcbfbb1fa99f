"""``hemo wire`` as a user types it."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys

import jsonschema
import pytest

from hemo.cli import _guarded
from hemo.cli.schema import load_schema
from hemo.wire.synthetic import write_examples
from tests.cli.test_commands import ROOT, run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("wire") / "traces"
    write_examples(made)
    return made


@pytest.fixture(scope="module")
def truth(folder):
    return {row["trace"]: row for row in csv.DictReader((folder / "truth.csv").read_text().splitlines())}


def test_help_has_an_example():
    done = run("wire", "--help")
    assert done.returncode == 0
    assert "Example: hemo wire" in " ".join(done.stdout.split())


def test_a_trace_gives_a_whole_result_folder(folder, truth, tmp_path):
    out = tmp_path / "out"
    checks = ("--equalisation", "0:9", "--equalisation", "131:139")
    times = ("--rest-transit", "0.9 s", "--hyperaemic-transit", "0.3 s")
    done = run("wire", folder / "P001_LAD.csv", *checks, *times, "--out", out, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert told == json.loads((out / "summary.json").read_text())
    jsonschema.validate(told, load_schema("wire"))
    assert {file.name for file in out.iterdir()} == {"summary.json", "table.csv", "report.html", "figures"}
    (one,) = told["traces"]
    assert (one["patient"], one["vessel"], one["status"]) == ("P001", "LAD", "ok")
    assert one["ffr"] == one["recorded"]["ffr"]["value"]
    assert one["drift_corrected"]["ffr"]["value"] == pytest.approx(float(truth["P001_LAD"]["ffr"]), abs=0.01)
    assert one["recorded"]["pd_pa"]["value"] == pytest.approx(float(truth["P001_LAD"]["pd_pa"]), abs=0.01)
    kinds = {found["kind"] for found in one["artefacts"]}
    assert kinds == {"flush", "damping", "whip", "disconnection", "saturation", "ectopic"}
    assert one["recorded"]["microvascular"]["cfr"] == pytest.approx(3.0)
    page = (out / "report.html").read_text()
    assert "not for diagnosis" in page
    assert "<svg" in page
    assert "http" not in page.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "https://matplotlib.org", ""
    ).replace("http://creativecommons.org", "")
    assert (out / "figures" / "P001_LAD.svg").is_file()
    assert run("wire", folder / "P001_LAD.csv", "--out", out).returncode == 2
    assert list(tmp_path.iterdir()) == [out]


def test_a_list_gives_a_table_for_hemo_agree(folder, truth, tmp_path):
    table = tmp_path / "table.csv"
    done = run("wire", "--list", folder / "list.csv", "--table", table, "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [(row["patient"], row["vessel"]) for row in rows] == [
        ("P001", "LAD"),
        ("P002", "RCA"),
        ("P003", "LCX"),
        ("P004", "LAD"),
    ]
    for row in rows:
        true = truth[f"{row['patient']}_{row['vessel']}"]
        assert float(row["ffr_drift_corrected"]) == pytest.approx(float(true["ffr"]), abs=0.01)
        assert float(row["pd_pa"]) == pytest.approx(float(true["pd_pa"]), abs=0.015)
    assert [row["status"] for row in rows] == ["ok", "ok", "drift", "ok"]
    # a wire that drifted by more than 3 mmHg gives no FFR unless it is asked to be corrected
    assert rows[2]["ffr"] == ""
    assert "drifted by -4.7 mmHg" in rows[2]["reason"]
    assert run("wire", "--list", folder / "list.csv", "--table", table, "--quiet", "--correct-drift").returncode == 0
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert rows[2]["status"] == "drift_corrected"
    assert float(rows[2]["ffr"]) == pytest.approx(float(truth["P003_LCX"]["ffr"]), abs=0.01)


def test_a_bad_trace_among_others_fails_alone(folder, tmp_path):
    bad = tmp_path / "P009_LAD.csv"
    bad.write_text("nothing\n1\n2\n3\n")
    out = tmp_path / "out"
    done = run("wire", folder / "P002_RCA.csv", bad, folder / "gone.csv", "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    jsonschema.validate(told, load_schema("wire"))
    assert [one["status"] for one in told["traces"]] == ["ok", "unreadable", "unreadable"]
    assert "no column for the aortic pressure" in told["traces"][1]["reason"]
    rows = list(csv.DictReader((out / "table.csv").read_text().splitlines()))
    assert [row["ffr"] != "" for row in rows] == [True, False, False]
    shown = run("wire", folder / "P002_RCA.csv", bad)
    assert shown.returncode == 0
    assert "no column for the aortic pressure" in shown.stderr


def test_the_terminal_names_what_was_left_out(folder):
    done = run("wire", folder / "P001_LAD.csv")
    assert done.returncode == 0
    for word in ("flush", "damping", "whip", "disconnection", "saturation", "ectopic"):
        assert word in done.stdout
    assert "hyperaemia was found in the trace" in done.stderr


def test_names_that_a_page_must_not_trust(folder, tmp_path):
    out = tmp_path / "out"
    words = ("--patient", "<script>alert(1)</script>", "--vessel", "$x_1$")
    assert run("wire", folder / "P002_RCA.csv", *words, "--out", out, "--quiet").returncode == 0
    assert "<script>" not in (out / "report.html").read_text()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--rest", "30:12"), "write START:END in seconds"),
        (("--rest", "soon"), "write START:END in seconds"),
        (("--hyperaemia", "100:900"), "does not lie within the trace"),
        (("--equalisation", "0:1"), "clean beats"),
        (("--rest-flow", "80 mL/min"), "belong together"),
        (("--rest-flow", "80", "--hyperaemic-flow", "200"), "has no unit"),
        (("--rest-transit", "900 s", "--hyperaemic-transit", "300 s"), "check its unit"),
        (("--pullback-length", "60 mm"), "needs its times"),
        (("--pullback", "50:90", "--pullback-length", "60 cm"), "outside 10 to 250 mm"),
        (("--rate", "5 /s"), "outside 25 to 5000"),
        (("--unit", "kPa"), "none of a patient in kpa"),
        (("--aortic", "nothing"), "no column for 'nothing'"),
        (("--list", "list.csv"), "one of the two"),
        (("--table", "/nowhere/at/all.csv"), "cannot be written"),
    ],
)
def test_bad_options_are_one_sentence(folder, tmp_path, options, words, monkeypatch, capsys):
    command = ["hemo", "wire", str(folder / "P001_LAD.csv"), "--quiet", "--out", str(tmp_path / "out"), *options]
    monkeypatch.setattr("sys.argv", command)
    assert _guarded() == 2
    said = capsys.readouterr().err
    assert words in " ".join(said.split())
    assert len(said.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it is empty"),
        ("patient\nP1\n", "it has no trace"),
        ("trace,colour\nx.csv,red\n", "it has 'colour'"),
        ("trace,patient\n,P1\n", "line 2: it names no trace"),
        ("trace\ngone.csv\n", "No such file"),
    ],
)
def test_bad_lists_are_one_sentence(tmp_path, text, words):
    path = tmp_path / "list.csv"
    path.write_text(text)
    done = run("wire", "--list", path, "--quiet")
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(load_schema("wire"))


def test_the_tutorial_runs(tmp_path):
    page = (ROOT / "docs" / "wire.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```console\n(.*?)```", page, re.S)
    command = ["bash", "-euo", "pipefail", "-c", block]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert (tmp_path / "P001_LAD" / "report.html").is_file()
    assert len((tmp_path / "wire.csv").read_text().splitlines()) == 5
    code = page[page.index("## 7. In Python") :].split("\n\n")[1:3]
    exec_in(tmp_path, "\n".join(line[4:] for line in "\n".join(code).splitlines()))


def exec_in(folder, code):
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ok 0.8")
