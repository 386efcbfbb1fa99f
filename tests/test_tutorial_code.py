"""The twenty lines of docs/reduced.md run as they stand."""

import json
import re
from pathlib import Path

import pytest

from hemo.blood import Blood
from hemo.boundary import Physiology
from hemo.calibrating import Solved, calibrated
from hemo.geometry.synthetic.vessels import left_coronary
from hemo.reduced import solve, solve_states
from hemo.treejson import tree_to_json


def test_the_twenty_lines_run(tmp_path, monkeypatch, capsys):
    pytest.importorskip("SALib")
    page = (Path(__file__).parents[1] / "docs" / "reduced.md").read_text(encoding="utf-8")
    block = re.search(r"## 6\. From another program\n\n((?:    .*\n|\n)+)", page)[1]
    code = "\n".join(line[4:] for line in block.splitlines())
    assert len([line for line in code.splitlines() if line.strip()]) <= 21
    (tmp_path / "tree.json").write_text(json.dumps(tree_to_json(left_coronary(0.6).tree)))
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "docs/reduced.md", "exec"), {})
    said = capsys.readouterr().out
    assert "'LAD': " in said
    assert "measure resistance reserve" in said
    assert "->" in said


def test_a_calibrated_tree_in_five_lines(tmp_path, monkeypatch, capsys):
    page = (Path(__file__).parents[1] / "docs" / "reduced.md").read_text(encoding="utf-8")
    block = re.search(r"A calibrated tree in five lines:\n\n((?:    .*\n)+)", page)[1]
    lines = [line[4:] for line in block.splitlines()]
    assert len(lines) == 5
    blood, tree = Blood(), left_coronary(0.6).tree
    patient = Physiology(mean_pressure=12000.0, myocardial_mass=0.135)
    conditions = solve_states(tree, patient, blood).hyperaemia_conditions
    fitted = calibrated([Solved(tree, conditions, solve(tree, conditions), "hyperaemia", 1000, 6.0)], blood)
    (tmp_path / "tree.json").write_text(json.dumps(tree_to_json(tree, conditions, fitted)))
    monkeypatch.chdir(tmp_path)
    exec(compile("\n".join(lines), "docs/reduced.md", "exec"), {})
    ffr, sentence = capsys.readouterr().out.split(" ", 1)
    assert float(ffr) == pytest.approx(solve(tree, conditions).ffr("LAD")[-1], abs=0.002)
    assert "no independent reduced result" in sentence
