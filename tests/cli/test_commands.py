"""What a user types comes back as the contract says."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from hemo.cli.schema import load_schema
from hemo.units import MMHG

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments, **kwargs):
    return subprocess.run(
        [sys.executable, "-m", "hemo", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        **kwargs,
    )


@pytest.mark.parametrize("command", ["run", "tree", "mesh", "reduced", "check", "schema"])
def test_help_has_an_example(command):
    done = run(command, "--help")
    assert done.returncode == 0
    assert f"Example: hemo {command}" in " ".join(done.stdout.split())


def test_reduced_run_writes_a_whole_folder(tmp_path):
    out = tmp_path / "out"
    done = run("run", "cases/straight_stenosis/case.toml", "--method", "reduced", "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads((out / "summary.json").read_text())
    assert json.loads(done.stdout) == summary
    jsonschema.validate(summary, load_schema("summary"))
    for name in ("centreline.vtp", "tree.json", "report.html", "log.txt", "figures"):
        assert (out / name).exists(), name
    (lesion,) = summary["trees"][0]["lesions"]
    assert lesion["percent_diameter_stenosis"] == pytest.approx(50.0, abs=0.1)
    assert lesion["reduced"]["ffr_distal_at_mm"] == pytest.approx(45.0)
    page = (out / "report.html").read_text()
    assert "http" not in page.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    ).replace("https://matplotlib.org", "").replace("http://dublincore.org", "")
    assert "not for diagnosis" in page


def test_quiet_is_quiet(tmp_path):
    done = run("run", "cases/straight_stenosis/case.toml", "--method", "reduced", "--out", tmp_path / "o", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_reduced_takes_json_and_gives_json(tmp_path):
    out = tmp_path / "out"
    assert run("run", "cases/straight_stenosis/severe.toml", "--method", "reduced", "--out", out).returncode == 0
    done = run("reduced", out / "tree.json", "-o", "-")
    assert done.returncode == 0, done.stderr
    (tree,) = json.loads(done.stdout)["trees"]
    expected = json.loads((out / "summary.json").read_text())["trees"][0]
    assert tree["branches"][0]["ffr"] == pytest.approx(expected["branches"][0]["reduced"]["ffr"], abs=1e-6)
    assert tree["lesions"][0]["ffr_distal"] == pytest.approx(expected["lesions"][0]["reduced"]["ffr_distal"], abs=1e-6)
    p = tree["branches"][0]["pressure_mmhg"]
    # The axisymmetric Navier-Stokes drop of this vessel is 13.118 mmHg.
    assert p[0] - p[-1] == pytest.approx(13.118, rel=0.05)


def test_reduced_reads_stdin_and_finds_unlisted_lesions():
    tree = {
        "name": "vessel",
        "branches": [
            {"name": "a", "arc_length_mm": list(range(0, 61, 2)), "radius_mm": [1.5] * 10 + [0.7] * 3 + [1.5] * 18}
        ],
    }
    done = run("reduced", "-", "--mean-pressure", "93 mmHg", "--inlet-flow", "1.5 mL/s", input=json.dumps(tree))
    assert done.returncode == 0, done.stderr
    (result,) = json.loads(done.stdout)["trees"]
    (lesion,) = result["lesions"]
    assert lesion["delta_ffr"] > 0.04
    assert result["boundary"]["aortic_pressure_mmhg"] == pytest.approx(12398.98 / MMHG, rel=1e-4)


def test_check_says_what_would_be_done():
    done = run("check", "cases/left_coronary/case.toml", "--json")
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert plan["mean_aortic_pressure_mmhg"] == pytest.approx(93.33, abs=0.01)
    assert plan["methods"] == ["reduced", "fem"]


@pytest.mark.parametrize("name", ["case", "tree", "summary"])
def test_schemas_are_schemas(name):
    done = run("schema", name)
    jsonschema.Draft202012Validator.check_schema(json.loads(done.stdout))
