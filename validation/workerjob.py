"""The folder that ``hemo run`` would hand to the finite-element worker, without the solve."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any
from unittest import mock

from hemo.fem import launch
from hemo.pipeline import RunOptions, run_case
from validation.table import DOCS

LEFT_CORONARY = DOCS.parent / "cases" / "left_coronary" / "case.toml"


class _Written(Exception):
    """The job folder is there."""


def written_job(case: Path, folder: Path) -> Path:
    """The worker's inputs for a case file's first tree, in ``folder/job``."""
    place = folder / "job"

    def instead(made: Path, *_: Any) -> None:
        shutil.copytree(made, place)
        raise _Written

    with mock.patch.object(launch, "run_worker", instead), contextlib.suppress(_Written):
        run_case(case, RunOptions(folder / "out", "both", 1))
    return place


def left_coronary_job(across: int, folder: Path) -> Path:
    """The same for the left coronary tree with so many cells across its vessels."""
    text = LEFT_CORONARY.read_text().replace("cells_per_diameter = 6", f"cells_per_diameter = {across}")
    lumen = LEFT_CORONARY.parent / "lumen.nii.gz"
    (folder / "case.toml").write_text(text.replace('"lumen.nii.gz"', f'"{lumen}"'))
    return written_job(folder / "case.toml", folder)


def set_options(place: Path, **options: float) -> None:
    """Change solver options (:class:`hemo.fem.options.FemOptions`) of a job."""
    text = json.loads((place / "job.json").read_text())
    text["options"] |= options
    (place / "job.json").write_text(json.dumps(text))
