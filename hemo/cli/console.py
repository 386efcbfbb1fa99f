"""What the terminal shows: stages with their time, quiet under ``--quiet``, JSON under ``--json``."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table


def table(title: str, columns: list[str], rows: list[list[str]]) -> Table:
    """A small table, numbers to the right."""
    made = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        made.add_column(column, justify="left" if index == 0 else "right")
    for row in rows:
        made.add_row(*row)
    return made


def number(value: float | None, digits: int = 2) -> str:
    """A number of a table; a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def emit_json(data: Any) -> None:
    """Machine-readable output on stdout."""
    click.echo(json.dumps(data, indent=1, allow_nan=False))


def show_warnings(messages: Sequence[str], quiet: bool = False) -> None:
    """What the user should know, a line each, on stderr."""
    for message in [] if quiet else messages:
        click.echo(f"warning: {message}", err=True)


class Stages:
    """Shows each stage of a run as it goes, on stderr."""

    def __init__(self, quiet: bool) -> None:
        self.console = Console(stderr=True, quiet=quiet)
        self.started = time.monotonic()
        self.status = self.console.status("")

    def __enter__(self) -> Stages:
        if self.console.is_terminal:
            self.status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.status.stop()

    def stage(self, name: str) -> None:
        """A stage begins."""
        self.title = name
        self.console.print(f"[{time.monotonic() - self.started:7.1f} s] {name}", highlight=False, markup=False)
        self.status.update(name)

    def detail(self, text: str) -> None:
        """Something happened within the stage: kept on a terminal's last line, printed elsewhere."""
        if self.console.is_terminal:
            self.status.update(f"{self.title}: {text}")
        else:
            self.console.print(f"            {text}", highlight=False, markup=False)
