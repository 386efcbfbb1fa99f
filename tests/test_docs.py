"""The tutorial runs as it stands, and the pages link to files that exist."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_tutorial_runs(tmp_path):
    (tmp_path / "cases").symlink_to(ROOT / "cases")
    blocks = re.findall(r"```(console|python)\n(.*?)```", (ROOT / "docs/tutorial.md").read_text(), re.S)
    assert len(blocks) >= 6
    for kind, text in blocks:
        command = ["bash", "-euo", "pipefail", "-c", text] if kind == "console" else ["python3", "-c", text]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    assert (tmp_path / "left_reduced/report.html").is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target
