"""``hemo run --grid-study`` on a short stenosis: three meshes, and what they say of the numbers."""

import json
import subprocess
import sys
from types import SimpleNamespace

import jsonschema
import pytest

from hemo.case import read_case
from hemo.cli.schema import load_schema
from hemo.errors import InputError
from hemo.gridstage import with_grid_study

CASE = """
[case]
name = "short stenosis"

[geometry]
analytic = { diameter = "3 mm", length = "12 mm", severity = 0.4, lesion_length = "6 mm", lesion_centre = "5 mm" }

[patient]
mean_pressure = "93 mmHg"

[flow]
inlet_flow = "0.8 mL/s"

[fem]
cells_per_diameter = 6
"""


def run(folder, text, *words):
    (folder / "case.toml").write_text(text)
    command = [sys.executable, "-m", "hemo", "run", "case.toml", "--out", "out", "--grid-study", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=800)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    ended = run(folder, CASE, "--ranks", "1")
    assert ended.returncode == 0, ended.stderr
    assert "Grid study of the" in ended.stdout
    return json.loads((folder / "out" / "summary.json").read_text()), folder / "out", folder / "case.toml"


def test_three_meshes(study):
    summary = study[0]
    jsonschema.validate(summary, load_schema("summary"))
    (tree,) = summary["trees"]
    cells, sizes = tree["grid_study"]["cells"], tree["grid_study"]["cell_sizes_mm"]
    assert cells[0] == summary["mesh"]["cells"]
    assert cells[0] > 1.8 * cells[1] > 1.8**2 * cells[2]
    assert sizes[1] > 1.2 * sizes[0]
    assert sizes[2] > 1.2 * sizes[1]


def test_the_finest_mesh_gives_the_result_and_the_others_its_uncertainty(study):
    (tree,) = study[0]["trees"]
    rows = {(row["place"], row["quantity"]): row for row in tree["grid_study"]["rows"]}
    (lesion,) = tree["lesions"]
    row = rows[lesion["id"], "FFR beyond the lesion"]
    assert row["values"][0] == pytest.approx(lesion["fem"]["ffr_distal"], abs=1e-12)
    assert row["uncertainty"] == pytest.approx(lesion["error_budget"]["discretisation"], abs=1e-12)
    assert 0.0 < row["uncertainty"] < 0.01
    assert max(row["values"]) - min(row["values"]) < 0.01
    shear = rows[lesion["id"], "mean WSS"]
    assert shear["values"][0] == pytest.approx(lesion["fem"]["wss_mean_pa"], abs=1e-9)
    assert shear["gci_percent"] < 15.0


def test_the_report_shows_it(study):
    page = (study[1] / "report.html").read_text()
    assert "How far the mesh decides" in page


def test_too_coarse_a_mesh_and_no_mesh_are_refused(tmp_path):
    for text, extra, words in (
        (CASE, ["--method", "reduced"], "needs the finite-element method"),
        (CASE.replace("= 6", "= 5"), [], "of at least 6"),
    ):
        ended = run(tmp_path, text, *extra)
        assert ended.returncode == 2, ended.stderr
        assert words in ended.stderr


def test_a_study_that_fails_leaves_the_result(study, tmp_path, caplog):
    """The finest mesh's numbers stand whatever becomes of the others."""
    found = SimpleNamespace(tree=SimpleNamespace(name="vessel"))

    def again(case):
        raise InputError("no mesh.")

    case = read_case(study[2])
    assert with_grid_study(case, found, found, again, None, tmp_path, 1, print) is found
    assert "no grid study: no mesh." in caplog.text
