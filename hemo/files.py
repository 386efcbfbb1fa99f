"""Files as hemo writes and knows them: whole or not at all, and by their content."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path


def sha256(path: Path) -> str:
    """Hash of a file's content."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def replace_text(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old or the new text, never half of it."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def file_name(text: str) -> str:
    """A name that a user chose, of a tree or a vessel, as part of a file's name."""
    return re.sub(r"[^\w.+-]+", "_", text).lstrip(".") or "_"
