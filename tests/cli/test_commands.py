"""What a user types comes back as the contract says."""

import json
import math
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


COMMANDS = "run tree mesh reduced calibrate uncertainty plan pullback qfr lines check schema agree batch outcome"


@pytest.mark.parametrize("command", COMMANDS.split())
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


def test_mesh_writes_a_whole_folder(tmp_path):
    out = tmp_path / "mesh"
    case = "cases/straight_stenosis/case.toml"
    done = run("mesh", case, "--out", out, "--format", "msh", "--format", "npz", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads((out / "report.json").read_text())
    assert json.loads(done.stdout) == report
    (tree,) = report["trees"]
    assert tree["files"] == ["vessel.msh", "vessel.npz", "figures/mesh_vessel.png"]
    written = {str(path.relative_to(out)) for path in out.rglob("*.*")}
    pictures = {"figures/tree.svg", "figures/diameter_vessel.svg"}
    assert written == {*tree["files"], *pictures, "tree.json", "centreline.vtp", "lumen.vtp", "report.json"}
    # A tube of 3 mm, 60 mm long, less what its 50 % cosine stenosis of 10 mm takes: 1 - <(1 - s/2 (1 + cos))^2>.
    taken = 1.0 - (1.0 - 0.5 + 1.5 * 0.25**2)
    assert tree["volume_mm3"] == pytest.approx(math.pi * 1.5**2 * (60.0 - 10.0 * taken), rel=0.005)
    parts = {part["name"]: part for part in tree["boundary"]}
    assert parts["inlet"]["area_mm2"] == pytest.approx(math.pi * 1.5**2, rel=0.005)
    assert parts["vessel"]["area_mm2"] == pytest.approx(math.pi * 1.5**2, rel=0.005)
    assert tree["quality"]["lowest"] == pytest.approx(tree["min_quality"], abs=1e-12)
    again = run("mesh", case, "--out", out)
    assert again.returncode == 2 and "exists already" in again.stderr


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What ``hemo tree`` leaves and says of the left coronary tree."""
    folder = tmp_path_factory.mktemp("tree")
    done = run("tree", "cases/left_coronary/lumen.nii.gz", "-o", folder / "left.json", "--json")
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


def test_tree_writes_its_pictures_beside_it(found):
    folder, told = found
    names = {"left.json", "left.svg", "left_diameter_left.svg", "left_centreline.vtp", "left_lumen.vtp"}
    assert {path.name for path in folder.iterdir()} == names == {Path(file).name for file in told["files"]}
    assert told["warnings"] == []
    (tree,) = told["trees"]
    assert [branch["name"] for branch in tree["branches"]] == ["LM", "LAD", "LCX", "D1", "OM1"]
    (lesion,) = tree["lesions"]
    assert lesion["percent_diameter_stenosis"] == pytest.approx(60.0, abs=3.0)


def test_the_tree_found_goes_into_reduced_and_run(found, tmp_path):
    folder, _ = found
    pressure = ("--systolic", "128 mmHg", "--diastolic", "76 mmHg", "--myocardial-mass", "135 g")
    done = run("reduced", folder / "left.json", *pressure, "-o", "-")
    assert done.returncode == 0, done.stderr
    (first,) = json.loads(done.stdout)["trees"]
    case = tmp_path / "case.toml"
    patient = '[patient]\nsystolic = "128 mmHg"\ndiastolic = "76 mmHg"\nmyocardial_mass = "135 g"\n'
    case.write_text(f'[case]\nname = "t"\n[geometry]\ntree = "{folder / "left.json"}"\n{patient}')
    done = run("run", case, "--method", "reduced", "--out", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    second = json.loads(done.stdout)["trees"][0]
    # Everything that the run says of a lesion and a vessel: rest, its beat, flow reserve, interval, error budget.
    (lesion,) = second["lesions"]
    for key, value in lesion["reduced"].items():
        if key not in ("ffr_wire_equivalent", "other_reserves"):
            assert first["lesions"][0][key] == pytest.approx(value, abs=1e-6), key
    for key in ("lumen", "flow", "loss_law", "discretisation", "averaging", "location"):
        found_part = first["lesions"][0]["error_budget"][key]
        assert found_part == pytest.approx(lesion["error_budget"][key], abs=1e-6), key
    assert lesion["reduced"]["rest_beat"]["wave_free_ratio"] < lesion["reduced"]["rest_pd_pa"]
    for branch, other in zip(first["branches"], second["branches"], strict=True):
        assert {key: branch[key] for key in other["reduced"]} == pytest.approx(other["reduced"], abs=1e-6)
    assert "LAO 45°" in (tmp_path / "out" / "figures" / "tree.svg").read_text()


def test_a_tree_alone_is_meshed_round(found, tmp_path):
    case = tmp_path / "case.toml"
    source = f'[geometry]\ntree = "{found[0] / "left.json"}"\n[fem]\ncells_per_diameter = 3\n'
    case.write_text(f'[case]\nname = "t"\n{source}')
    done = run("mesh", case, "--out", tmp_path / "mesh")
    assert done.returncode == 0 and "came without a lumen" in done.stderr, done.stderr
    meshed, given = (json.loads(file.read_text()) for file in (tmp_path / "mesh" / "tree.json", found[0] / "left.json"))
    assert meshed["trees"][0]["branches"][1]["name"] == given["trees"][0]["branches"][1]["name"]
    (tree,) = json.loads((tmp_path / "mesh" / "report.json").read_text())["trees"]
    assert tree["min_quality"] > 0.1


def test_tree_goes_to_one_place(tmp_path):
    done = run("tree", "cases/left_coronary/lumen.nii.gz", "-o", tmp_path / "a.json", "--out", tmp_path / "b")
    assert done.returncode == 2 and "not both" in done.stderr
    assert not list(tmp_path.iterdir())


def test_check_says_what_would_be_done():
    done = run("check", "cases/left_coronary/case.toml", "--json")
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert plan["mean_aortic_pressure_mmhg"] == pytest.approx(96.8, abs=0.01)
    assert plan["methods"] == ["reduced", "fem"]


@pytest.mark.parametrize("name", ["case", "tree", "summary", "contours"])
def test_schemas_are_schemas(name):
    done = run("schema", name)
    jsonschema.Draft202012Validator.check_schema(json.loads(done.stdout))


def test_a_command_does_not_wait_for_the_libraries_of_others():
    code = "import sys, hemo.cli; print(*sorted({'numpy', 'scipy', 'pydantic', 'vtkmodules'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
