"""Tables of the benchmarks, on the terminal and in docs/benchmarks.md."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"


@dataclass(frozen=True)
class Table:
    """A benchmark's result.

    Attributes
    ----------
    name
        Also the marker of its section in docs/benchmarks.md.
    columns, rows
        Text cells.
    note
        Sentences below the table.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def markdown(self) -> str:
        """The table as Markdown."""
        lines = [" | ".join(self.columns), " | ".join("---" for _ in self.columns)]
        lines += [" | ".join(row) for row in self.rows]
        table = "\n".join(f"| {line} |" for line in lines)
        return f"{table}\n\n{self.note}".rstrip() + "\n"


def publish(table: Table, name: str = "benchmarks.md") -> None:
    """Print the table and put it between its markers in a page of docs/."""
    print(f"\n{table.name}\n\n{table.markdown()}")
    page = DOCS / name
    text = page.read_text(encoding="utf-8")
    pattern = re.compile(rf"(<!-- begin {table.name} -->\n).*?(<!-- end {table.name} -->)", re.DOTALL)
    if not pattern.search(text):
        raise SystemExit(f"docs/{name} has no section marked {table.name}")
    page.write_text(pattern.sub(lambda match: match[1] + table.markdown() + match[2], text), encoding="utf-8")
