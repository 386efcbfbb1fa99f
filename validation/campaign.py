"""Campaigns of many minutes that go on where they stopped: one line of JSON for each thing done."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Key = tuple[Any, ...]
Line = dict[str, Any]


def resumed(
    file: Path, fields: tuple[str, ...], wanted: Iterable[Key], do: Callable[..., Line], run: Callable[..., Any] = map
) -> dict[Key, Line]:
    """The line of each wanted key, those that ``file`` lacks made by ``do(*key)`` and added to it one by one.

    ``fields`` name what in a line is its key; ``run`` maps, in order, as ``map`` or a pool's does.
    """
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    done = {tuple(line[field] for field in fields): line for line in map(json.loads, text.splitlines())}
    wanted = list(wanted)
    missing = [key for key in wanted if key not in done]
    file.parent.mkdir(parents=True, exist_ok=True)
    for key, line in zip(missing, run(lambda key: do(*key), missing), strict=True):
        done[key] = line
        with file.open("a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")
    return {key: done[key] for key in wanted}
