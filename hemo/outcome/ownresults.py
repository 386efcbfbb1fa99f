"""hemo's own result folders as a table: the lesions of many runs, time points of QFR, intravascular pullbacks.

Which of the three a ``summary.json`` is, its keys say. Nested keys are joined by an underscore, as in
``fem_aps_gauge_mean_pa``; an interval becomes two columns, ``..._low`` and ``..._high``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from hemo.errors import InputError
from hemo.files import sha256
from hemo.qfrsummary import study_row


def collected(pattern: Path, rows: str = "lesions") -> pd.DataFrame:
    """A row for each lesion (or branch), time point or pullback of all summaries that a pattern names.

    Parameters
    ----------
    pattern
        Path of ``summary.json`` files: ``{patient}`` stands for a part of the path that becomes the column
        ``patient``, ``*`` for any part.
    rows
        ``lesions`` or ``branches``, of the results of ``hemo run``.

    Raises
    ------
    InputError
        If no file fits, or one is no summary of ``hemo run``, ``hemo qfr`` or ``hemo pullback``.
    """
    found = [captured | row for path, captured in _files(pattern) for row in _rows(path, rows)]
    if not found:
        raise InputError(f"{pattern}: the results there hold no {rows}; choose other rows, or check the pattern.")
    frame = pd.DataFrame(found)
    empty = frame.columns[frame.isna().all()]
    return frame.astype(dict.fromkeys(empty, float))


def fingerprint(pattern: Path) -> str:
    """SHA-256 of the hashes of all files that a pattern names, in the order of their paths."""
    hashes = "".join(sha256(path) for path, _ in _files(pattern))
    return hashlib.sha256(hashes.encode("ascii")).hexdigest()


def _files(pattern: Path) -> list[tuple[Path, dict[str, str]]]:
    """Every file that fits, with what its path says."""
    text = str(pattern)
    parts = re.split(r"(\{\w+\}|\*)", text)
    regular = "".join(
        f"(?P<{part[1:-1]}>[^/]+)" if part[0] == "{" else "[^/]*" if part == "*" else re.escape(part)
        for part in parts
        if part
    )
    try:
        matcher = re.compile(regular)
    except re.error as error:
        raise InputError(f"{pattern}: a column stands twice in the pattern; name each once.") from error
    glob = re.sub(r"\{\w+\}", "*", text)
    start = Path(glob.split("*")[0]).parent if "*" in glob else pattern.parent
    inside = str(Path(glob).relative_to(start))
    fits = [(path, matcher.fullmatch(str(path))) for path in sorted(start.glob(inside)) if path.is_file()]
    files = [(path, match.groupdict()) for path, match in fits if match]
    if not files:
        raise InputError(f"{pattern}: no file fits; write it as results/{{patient}}/summary.json.")
    return files


def _rows(path: Path, rows: str) -> Iterator[dict[str, Any]]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if "trees" in told:
            found = list(_run(told, rows))
        elif "time_points" in told:
            found = [
                {"time" if key == "label" else key: value for key, value in study_row(one).items()}
                for one in told["time_points"]
            ]
        elif "pullbacks" in told:
            found = [_flat(_pullback(one)) for one in told["pullbacks"]]
        else:
            raise KeyError("trees")
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: is no summary of hemo run, qfr or pullback; leave it out.") from error
    return iter(found)


def _run(told: Mapping[str, Any], rows: str) -> Iterator[dict[str, Any]]:
    """Lesions or branches of a run; ``vessel`` is the branch, ``lesion`` the lesion's id."""
    for tree in told["trees"]:
        for one in tree[rows]:
            names = {"id": "lesion", "branch": "vessel"} if rows == "lesions" else {"name": "vessel"}
            row = {names.get(key, key): value for key, value in one.items()}
            yield {"case": told.get("case"), "tree": tree["name"]} | _flat(row)


def _pullback(one: Mapping[str, Any]) -> dict[str, Any]:
    """What is one number for a pullback; the tables within it are left out."""
    short = {key: one[key] for key in ("name", "modality", "length_mm")}
    deposits = one["calcium"]
    return short | {
        "lumen": one["lumen"],
        "plaque": one["plaque"] or {},
        "stent": one["stent"] or {},
        "calcium_score": max((each["score"] for each in deposits), default=0),
        "ffr": {key: one["ffr"][key] for key in ("distal", "distal_with_lesions_opened", "flow_ml_min")},
    }


def _flat(row: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values as one row; lists other than intervals are left out."""
    flat: dict[str, Any] = {}
    for key, value in row.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{name}_")
        elif isinstance(value, list):
            if len(value) == 2 and all(isinstance(bound, int | float) for bound in value):
                flat |= {f"{name}_low": value[0], f"{name}_high": value[1]}
        else:
            flat[name] = value
    return flat
