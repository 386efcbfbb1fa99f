"""Files as hemo writes and knows them: whole or not at all, and by their content."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def sha256(path: Path) -> str:
    """Hash of a file's content."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def replace_text(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old or the new text, never half of it."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def write_json(path: Path, data: Any) -> None:
    """What is told of a run, as JSON to be read by people, too; a number that is none is refused."""
    path.write_text(json.dumps(data, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def replace_table(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Rows as CSV with these columns, written whole; None and what a row lacks are empty cells."""
    text = io.StringIO()
    table = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    replace_text(path, text.getvalue())


def file_name(text: str) -> str:
    """A name that a user chose, of a tree or a vessel, as part of a file's name."""
    return re.sub(r"[^\w.+-]+", "_", text).lstrip(".") or "_"
