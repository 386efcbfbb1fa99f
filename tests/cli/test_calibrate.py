"""``hemo calibrate`` on result folders whose 3D is a tree that loses otherwise, and what then uses a calibration."""

import json
import shutil
from dataclasses import replace

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner

from hemo.boundary import Assumption
from hemo.cli.calibrate import calibrate
from hemo.cli.lines import answered
from hemo.cli.plan import plan_command
from hemo.cli.reduced import reduced
from hemo.cli.schema import load_schema
from hemo.cli.uncertainty import uncertainty_command
from hemo.errors import InputError
from hemo.indices import Reading
from hemo.output import write_centrelines
from hemo.reduced import LossOptions, solve
from hemo.reduced.beds import with_resistances
from hemo.reduced.network import sink_resistances
from hemo.solvedfolder import read_solved
from hemo.summary import DENSITY, STATE, VISCOSITY, RunRecord, build_summary
from hemo.treecalibration import Calibration
from hemo.treejson import document, read_trees, tree_to_json
from hemo.treesummary import MeshInfo, TreeResult
from tests.cli.test_commands import run as typed
from tests.reduced.test_calibration import CONDITIONS, TREE, TRUTH

PATIENT = ["--systolic", "128 mmHg", "--diastolic", "76 mmHg", "--myocardial-mass", "135 g"]


def result(folder, factor=1.0, trees=(TREE,), density=1060.0):
    """A result folder with beds that resist so many times as much, in the files that hemo run writes."""
    results = [solved(tree, factor, density) for tree in trees]
    folder.mkdir()
    record = RunRecord("case", ("fem",), (), {}, {}, density, Reading(), False)
    (folder / "summary.json").write_text(json.dumps(build_summary(record, results)))
    stored = [tree_to_json(one.tree, one.conditions) for one in results]
    (folder / "tree.json").write_text(json.dumps(document(stored)))
    write_centrelines(folder / "centreline.vtp", trees, [{"fem": one.fem} for one in results])
    return folder


def solved(tree, factor, density):
    """A tree whose 3D is the reduced model with other losses."""
    conditions = with_resistances(tree, CONDITIONS, factor * sink_resistances(tree, CONDITIONS))
    rows = ((STATE, "hyperaemia"), (DENSITY, density), (VISCOSITY, 3.5))
    assumed = tuple(Assumption(name, value, "", "default") for name, value in rows)
    mesh = {"branches": {branch.name: {"cells": 10, "cells_per_diameter_min": 6.0} for branch in tree.branches}}
    flow = replace(solve(tree, conditions, options=TRUTH), method="fem")
    return TreeResult(tree, assumed, conditions, fem=flow, mesh=MeshInfo(50, 20, 0.3, 6.0, mesh))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("results")
    return [result(place / name, factor) for name, factor in (("hyperaemia", 1.0), ("half", 2.0), ("third", 3.0))]


@pytest.fixture(scope="module")
def fitted(folders):
    """The tree fitted to two of the flows."""
    path = folders[0].parent / "tree.json"
    done = call(calibrate, *folders[:2], "-o", path, "--json")
    return path, json.loads(done)


def call(command, *arguments):
    done = CliRunner().invoke(command, list(map(str, arguments)))
    if done.exception is not None:
        raise done.exception
    return done.stdout


def answer(command, *arguments):
    (tree,) = json.loads(call(command, *arguments))["trees"]
    return tree


def ends(row):
    return {branch["name"]: branch["ffr"] for branch in row["branches"]}


def test_two_results_give_a_tree_that_follows_3d_at_a_third_flow(folders, fitted):
    path, told = fitted
    (row,) = told["trees"]
    first, second = row["solutions"]
    assert first["source"].endswith("hyperaemia")
    assert (first["state"], first["cells"], first["ffr_places"]) == ("hyperaemia", 50, 1 + len(TREE.outlets))
    assert first["inlet_flow_ml_min"] > 1.4 * second["inlet_flow_ml_min"]
    for one in (first, second):
        assert one["ffr_apart_before"]["mean_absolute"] > 10.0 * one["ffr_apart_after"]["mean_absolute"]
        assert one["ffr_apart_after"]["largest"] < 0.002
        assert one["residual_rms_pa"] <= one["residual_largest_pa"] < 60.0
    jsonschema.validate(json.loads(path.read_text()), load_schema("tree"))
    (third,) = read_trees(folders[2] / "tree.json")
    (stored,) = read_trees(path)
    options = LossOptions(calibration=stored.calibration.losses)
    true, plain, own = (solve(TREE, third.conditions, options=law) for law in (TRUTH, LossOptions(), options))
    for name in TREE.outlets:
        assert abs(own.ffr(name)[-1] - true.ffr(name)[-1]) < 0.001
    assert abs(plain.ffr("LAD")[-1] - true.ffr("LAD")[-1]) > 0.01


def test_reduced_uses_it_says_so_and_can_be_told_not_to(folders, fitted):
    path, _ = fitted
    own, plain = answer(reduced, path), answer(reduced, path, "--uncalibrated")
    assert (own["calibrated"], plain["calibrated"], plain["calibration_note"]) == (True, False, None)
    assert "no independent reduced result" in own["calibration_note"]
    assert "2 steady 3D solutions" in own["calibration_note"]
    assert ends(plain) == ends(answer(reduced, folders[0] / "tree.json"))
    true = solve(TREE, CONDITIONS, options=TRUTH)
    for name in TREE.outlets:
        assert ends(own)[name] == pytest.approx(true.ffr(name)[-1], abs=0.001)
    assert ends(plain)["LAD"] - ends(own)["LAD"] > 0.03
    whole = answer(reduced, path, *PATIENT)
    part = answer(reduced, path, *PATIENT, "--uncalibrated")
    budget, wider = (row["lesions"][0]["error_budget"]["loss_law"] for row in (whole, part))
    assert whole["calibrated"]
    assert ends(whole)["LAD"] < ends(part)["LAD"] - 0.03
    assert budget == pytest.approx(0.7 * wider, rel=0.01)


def test_plan_and_lines_do_too(fitted):
    path, _ = fitted
    own, plain = answer(plan_command, path), answer(plan_command, path, "--uncalibrated")
    assert own["before"]["outlets"]["LAD"] == pytest.approx(ends(answer(reduced, path))["LAD"], abs=1e-9)
    assert (own["calibrated"], plain["calibrated"]) == (True, False)
    assert own["lesions"][0]["gain"] > plain["lesions"][0]["gain"]
    tree = json.loads(path.read_text())["trees"][0]
    asked = [{"tree": tree, "keep": "a"}, {"use": "a", "uncalibrated": True}, {"use": "a", "command": "plan"}]
    found = [json.loads(line) for line in answered(map(json.dumps, asked))]
    assert [one["code"] for one in found] == [0, 0, 0]
    assert found[0]["result"] == answer(reduced, path)
    assert found[1]["result"] == answer(reduced, path, "--uncalibrated")
    assert found[2]["result"] == own


def test_uncertainty_does_too(fitted):
    pytest.importorskip("SALib")
    options = [*PATIENT, "--samples", "64"]
    own, plain = (answer(uncertainty_command, fitted[0], *options, *more) for more in ([], ["--uncalibrated"]))
    assert (own["calibrated"], plain["calibrated"]) == (True, False)
    assert own["lesions"][0]["ffr"] < plain["lesions"][0]["ffr"] - 0.03
    assert own["lesions"][0]["ffr"] == pytest.approx(answer(reduced, fitted[0], *PATIENT)["lesions"][0]["ffr_distal"])


def damaged(name, change):
    def spoil(folder):
        path = folder / name
        data = json.loads(path.read_text())
        change(data)
        path.write_text(json.dumps(data))

    return spoil


def nan_pressure(folder):
    flow = solve(TREE, CONDITIONS)
    lad = replace(flow.branches["LAD"], pressure=np.full_like(flow.branches["LAD"].pressure, np.nan))
    write_centrelines(
        folder / "centreline.vtp", [TREE], [{"fem": replace(flow, branches=flow.branches | {"LAD": lad})}]
    )


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: (f / "summary.json").unlink(), "summary.json: cannot be read"),
        (lambda f: (f / "summary.json").write_text(""), "summary.json: cannot be read"),
        (lambda f: (f / "summary.json").write_bytes(b"\xff\xfe{"), "summary.json: cannot be read"),
        (lambda f: (f / "summary.json").write_text("[" * 100000), "summary.json: cannot be read"),
        (lambda f: (f / "summary.json").write_text("[1]"), "not what hemo run writes"),
        (damaged("summary.json", lambda d: d.update(boundary=[7])), "not what hemo run writes"),
        (damaged("summary.json", lambda d: d.update(boundary=[])), "do not belong together"),
        (damaged("summary.json", lambda d: d.update(mesh=None)), "do not belong together"),
        (damaged("summary.json", lambda d: d.update(methods=["reduced"])), "no 3D solution"),
        (damaged("summary.json", lambda d: d.update(status="averaged")), "'averaged'"),
        (damaged("tree.json", lambda d: d["trees"][0].pop("boundary")), "do not belong together"),
        (damaged("tree.json", lambda d: d["trees"][0].update(name="right")), "do not belong together"),
        (damaged("tree.json", lambda d: d["trees"][0].update(branches=[])), "at least one entry"),
        (lambda f: (f / "centreline.vtp").unlink(), "centreline.vtp"),
        (lambda f: (f / "centreline.vtp").write_text("<VTK"), "centreline.vtp"),
        (lambda f: (f / "beat.csv").write_text(""), "heart beats"),
        (nan_pressure, "do not belong together"),
    ],
)
def test_a_damaged_result_is_refused(folders, tmp_path, spoil, words):
    copy = tmp_path / "copy"
    shutil.copytree(folders[0], copy)
    spoil(copy)
    with pytest.raises(InputError, match=words):
        read_solved(copy)


def test_results_that_do_not_belong_together_are_refused(folders, tmp_path):
    wider = replace(TREE, branches=tuple(replace(one, area=1.1 * one.area) for one in TREE.branches))
    other = result(tmp_path / "other", trees=[wider])
    thick = result(tmp_path / "thick", density=1050.0)
    for more, words in (
        ([other], "is not that of the first result"),
        ([thick], "its blood is not that"),
        ([folders[0]], "given twice"),
        ([folders[1], folders[2], other], "one to 3"),
        ([tmp_path / "none"], "no such result folder"),
    ):
        with pytest.raises(InputError, match=words):
            call(calibrate, folders[0], *more, "-o", tmp_path / "tree.json")
    assert not (tmp_path / "tree.json").exists()
    (tmp_path / "run.partial").mkdir()
    with pytest.raises(InputError, match="unfinished run"):
        call(calibrate, tmp_path / "run", "-o", tmp_path / "tree.json")
    with pytest.raises(InputError, match="both write to stdout"):
        call(calibrate, folders[0], "-o", "-", "--json")


def test_every_tree_of_the_results_is_calibrated_by_its_own(tmp_path):
    lossy = replace(TREE, name="second", lesions=())
    both = [result(tmp_path / f"two{factor}", factor, trees=[TREE, lossy]) for factor in (1, 2)]
    one = result(tmp_path / "one")
    told = json.loads(call(calibrate, *both, "-o", tmp_path / "tree.json", "--json"))
    assert [row["name"] for row in told["trees"]] == [TREE.name, "second"]
    first, second = read_trees(tmp_path / "tree.json")
    assert [len(row["solutions"]) for row in told["trees"]] == [2, 2]
    assert not np.allclose(first.calibration.losses.friction, second.calibration.losses.friction)
    assert first.conditions.outlet_resistance == pytest.approx(CONDITIONS.outlet_resistance)
    for stored in (first, second):
        own = solve(stored.tree, stored.conditions, options=LossOptions(calibration=stored.calibration.losses))
        true = solve(stored.tree, stored.conditions, options=TRUTH)
        assert max(abs(own.ffr(name)[-1] - true.ffr(name)[-1]) for name in TREE.outlets) < 0.001
    with pytest.raises(InputError, match="they must be the same"):
        call(calibrate, *both, one, "-o", tmp_path / "tree.json")


def test_a_run_of_a_calibrated_tree_says_that_it_is_not_used(fitted, tmp_path):
    parts = ['[case]\nname = "a"', f'[geometry]\ntree = "{fitted[0]}"', '[patient]\nmean_pressure = "90 mmHg"']
    (tmp_path / "case.toml").write_text("\n".join([*parts, 'myocardial_mass = "135 g"']))
    done = typed("run", tmp_path / "case.toml", "--method", "reduced", "--out", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert any("calibration of its file is not used" in text for text in summary["warnings"])
    assert summary["trees"][0]["calibration"] is None
    assert "calibration" not in json.loads((tmp_path / "out" / "tree.json").read_text())["trees"][0]


def test_the_same_flow_twice_is_told(folders, tmp_path):
    again = result(tmp_path / "again", 1.01)
    done = CliRunner().invoke(calibrate, [str(folders[0]), str(again), "-o", str(tmp_path / "tree.json")])
    assert "nearly the same flow" in done.stderr


def test_a_calibration_of_another_law_is_one_sentence_and_exit_code_2(fitted, tmp_path):
    data = json.loads(fitted[0].read_text())
    data["trees"][0]["calibration"]["law"] = "gould"
    (tmp_path / "tree.json").write_text(json.dumps(data))
    done = typed("reduced", tmp_path / "tree.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "'gould'" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert typed("reduced", tmp_path / "tree.json", "--uncalibrated").returncode == 0


def test_the_law_is_the_laws_own_where_nothing_was_found_otherwise():
    count = sum(len(branch.points) - 1 for branch in TREE.branches)
    neutral = LossOptions(calibration=Calibration(np.ones(count), np.ones(count), np.zeros(count)))
    for name in TREE.outlets:
        own, plain = (solve(TREE, CONDITIONS, options=law) for law in (neutral, None))
        np.testing.assert_allclose(own.ffr(name), plain.ffr(name), rtol=1e-12)
