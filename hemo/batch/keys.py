"""What a case's result stands on, as one short text: the same input, method and hemo give the same key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hemo import __version__
from hemo.batch.cohort import Row
from hemo.case import read_case
from hemo.errors import InputError
from hemo.files import replace_text, sha256
from hemo.stages import input_files

HASHES = "hashes.json"
_DIGITS = 20


class Hashes:
    """Hashes of files; one is read again only where its size or a time of the file system has changed."""

    def __init__(self, store: Path) -> None:
        self.store = store
        try:
            self.known: dict[str, list[Any]] = json.loads(store.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self.known = {}

    def of(self, path: Path) -> str:
        """SHA-256 of the file's content."""
        stat = path.stat()
        state = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
        known = self.known.get(str(path))
        if known is None or known[:3] != state:
            known = self.known[str(path)] = [*state, sha256(path)]
        return str(known[3])

    def save(self) -> None:
        """Keep them for the next time."""
        replace_text(self.store, json.dumps(self.known))


def key_of(row: Row, hashes: Hashes) -> str:
    """The key of a row's case; of one that cannot be read, of what is wrong with it."""
    try:
        files = [row.path] if row.is_tree else list(input_files(read_case(row.path), row.path).values())
        return result_key((hashes.of(file) for file in files), row.method, __version__, row.patient)
    except (InputError, OSError) as error:
        file = hashes.of(row.path) if row.path.is_file() else "missing"
        return _digest(["unreadable", str(error), file])


def result_key(inputs: Iterable[str], method: str, version: str, patient: Mapping[str, str] | None = None) -> str:
    """The key of a result that was computed from files of these hashes."""
    return _digest([method, version, sorted(inputs), sorted((patient or {}).items())])


def _digest(data: Any) -> str:
    return hashlib.sha256(json.dumps(data).encode()).hexdigest()[:_DIGITS]
