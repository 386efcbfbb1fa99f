"""The twenty lines of docs/reduced.md run as they stand."""

import re
from pathlib import Path

import pytest

from hemo.geometry.synthetic.vessels import left_coronary
from hemo.treejson import tree_to_json


def test_the_twenty_lines_run(tmp_path, monkeypatch, capsys):
    pytest.importorskip("SALib")
    import json

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
