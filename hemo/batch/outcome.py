"""What became of a case: a small record beside the results, written whole, and what its result folder says itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from hemo.batch.keys import result_key
from hemo.files import replace_text

CASES = "cases"
OUTCOMES = "outcomes"
TREE_RESULT = "reduced.json"

# Exit code by status; those that the same input would meet again come first.
CODES = {
    "done": 0,
    "bad input": 2,
    "not converged": 3,
    "failed": 1,
    "environment": 4,
    "killed": 130,
    "interrupted": 130,
    "begun": 130,
}
SETTLED = ("done", "bad input", "not converged", "failed")


@dataclass(frozen=True)
class Outcome:
    """The state of one case.

    Attributes
    ----------
    id, key
        Whose, and of which input.
    status
        One of ``CODES``.
    reason
        A sentence where it is not done.
    seconds
        That computing took.
    warnings
        Of the run.
    vessels, lesions
        Rows of the cohort's tables.
    """

    id: str
    key: str
    status: str
    reason: str = ""
    seconds: float = 0.0
    warnings: Sequence[str] = ()
    vessels: Sequence[Mapping[str, Any]] = ()
    lesions: Sequence[Mapping[str, Any]] = ()

    @property
    def settled(self) -> bool:
        """Whether computing it again would come to the same."""
        return self.status in SETTLED


def record_path(folder: Path, identifier: str) -> Path:
    """Where a case's record lies."""
    return folder / OUTCOMES / f"{identifier}.json"


def write_outcome(folder: Path, outcome: Outcome) -> None:
    """Keep a case's state."""
    replace_text(record_path(folder, outcome.id), json.dumps(asdict(outcome)))


def read_outcome(folder: Path, identifier: str) -> Outcome | None:
    """A case's last state; None where nothing is known."""
    try:
        return Outcome(**json.loads(record_path(folder, identifier).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def state_of(folder: Path, identifier: str, key: str) -> Outcome | None:
    """The state of a case with this input; a result that is there without its record is taken up."""
    known = read_outcome(folder, identifier)
    if known is not None and known.key == key and known.settled:
        if known.status != "done" or (folder / CASES / identifier).is_dir():
            return known
        return None
    found = outcome_of_result(folder / CASES / identifier, key)
    if found is not None:
        write_outcome(folder, found)
        return found
    return known if known is not None and known.key == key else None


def outcome_of_result(result: Path, key: str) -> Outcome | None:
    """What a whole result folder says, if it was computed from that input."""
    for name, read in (("summary.json", _of_run), (TREE_RESULT, _of_tree)):
        if (result / name).is_file():
            outcome = read(json.loads((result / name).read_text(encoding="utf-8")))
            return replace(outcome, id=result.name) if outcome.key == key else None
    return None


def discard(result: Path) -> None:
    """Delete a result; it is gone at once, also if this is killed half way."""
    if result.exists():
        doomed = result.with_name(f".old.{result.name}")
        shutil.rmtree(doomed, ignore_errors=True)
        result.rename(doomed)
        shutil.rmtree(doomed)


def _of_run(summary: Mapping[str, Any]) -> Outcome:
    methods = summary["methods"]
    method = "both" if len(methods) > 1 else methods[0]
    key = result_key(summary["inputs"].values(), method, summary["software"]["hemo"])
    vessels, lesions = [], []
    for tree in summary["trees"]:
        for branch in tree["branches"]:
            own = {k: branch[k] for k in ("length_mm", "proximal_diameter_mm", "distal_diameter_mm", "is_outlet")}
            vessels.append({"tree": tree["name"], "vessel": branch["name"], **own, **_by_method(branch, methods)})
        for lesion in tree["lesions"]:
            own = {k: value for k, value in lesion.items() if isinstance(value, str | int | float) and k != "id"}
            lesions.append({"tree": tree["name"], "lesion": lesion["id"], **own, **_by_method(lesion, methods)})
    seconds = sum(summary["timing_s"].get(stage, 0.0) for stage in ("geometry", "mesh", "reduced", "fem", "output"))
    return Outcome("", key, "done", "", seconds, summary["warnings"], vessels, lesions)


def _of_tree(stored: Mapping[str, Any]) -> Outcome:
    vessels, lesions = [], []
    for tree in stored["trees"]:
        for branch in tree["branches"]:
            vessels.append(
                {"tree": tree["name"], "vessel": branch["name"], **_by_method({"reduced": branch}, ["reduced"])}
            )
        for lesion in tree["lesions"]:
            of = {"tree": tree["name"], "lesion": lesion["id"], "branch": lesion["branch"]}
            lesions.append(of | _by_method({"reduced": lesion}, ["reduced"]))
    return Outcome("", stored["key"], "done", "", stored["seconds"], stored["warnings"], vessels, lesions)


def _by_method(row: Mapping[str, Any], methods: Sequence[str]) -> dict[str, Any]:
    """The plain numbers of each method, its name behind theirs; an interval as two."""
    flat: dict[str, Any] = {}
    for method in methods:
        for name, value in (row.get(method) or {}).items():
            if name.endswith("interval") and value is not None:
                flat |= {f"{name}_low_{method}": value[0], f"{name}_high_{method}": value[1]}
            elif value is None or isinstance(value, int | float):
                flat[f"{name}_{method}"] = value
    return flat
