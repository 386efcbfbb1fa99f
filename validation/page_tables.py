"""The tables of docs/benchmarks.md, read back: rows by column, numbers out of cells."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from validation.table import DOCS

PAGE = DOCS / "benchmarks.md"
Row = dict[str, str]


@dataclass(frozen=True)
class Tables:
    """Rows of every table by its name."""

    rows: dict[str, list[Row]]

    def of(self, table: str, **holding: str) -> list[Row]:
        """The rows of a table whose cells are, or where none is begin with, what is given.

        Columns are named with ``_`` for spaces, the first one ``first``.

        Raises
        ------
        LookupError
            If there is none: a claim about a table that was not run, or whose rows were renamed.
        """
        found = self.rows.get(table, [])
        for column, value in holding.items():
            cells = [_cell(row, column) for row in found]
            same = [row for row, cell in zip(found, cells, strict=True) if cell == value]
            found = same or [row for row, cell in zip(found, cells, strict=True) if cell.startswith(value)]
        if not found:
            raise LookupError(f"table {table} has no such row: {holding or 'not run'}")
        return found

    def numbers(self, table: str, column: str, **holding: str) -> list[float]:
        """The first number of a column's cells, those without one left out."""
        cells = [row[column] for row in self.of(table, **holding)]
        found = [number(cell) for cell in cells if re.search(r"\d", cell)]
        if not found:
            raise LookupError(f"table {table}, column {column}: no number")
        return found


def number(cell: str) -> float:
    """The first number of a cell."""
    found = re.search(r"[-+]?\d[\d,]*\.?\d*(?:e[-+]?\d+)?", cell)
    assert found is not None
    return float(found[0].replace(",", ""))


def read_tables(page: Path = PAGE) -> Tables:
    """All tables of a page."""
    text = page.read_text(encoding="utf-8")
    sections = re.findall(r"<!-- begin (\S+) -->\n(.*?)<!-- end \1 -->", text, re.DOTALL)
    return Tables({name: _rows(body) for name, body in sections})


def _rows(body: str) -> list[Row]:
    lines = [[cell.strip() for cell in line.strip()[1:-1].split("|")] for line in body.splitlines() if line[:1] == "|"]
    if not lines:
        return []
    columns = lines[0]
    # Columns may share a name (a rate after each norm): the later ones are numbered.
    named = [name if name not in columns[:k] else f"{name} {k}" for k, name in enumerate(columns)]
    return [dict(zip(named, cells, strict=False)) for cells in lines[2:]]


def _cell(row: Row, column: str) -> str:
    return next(iter(row.values())) if column == "first" else row.get(column.replace("_", " "), "")
