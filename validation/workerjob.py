"""The folder that ``hemo run`` would hand to the finite-element worker, without the solve."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Any
from unittest import mock

from hemo.fem import launch
from hemo.pipeline import RunOptions, run_case


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
