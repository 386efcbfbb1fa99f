"""Files of ``hemo agree``: ``report.html`` with its figures inside, tables as CSV, figures as SVG."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hemo.agreement.figures import drawings
from hemo.agreement.sheets import Sheet
from hemo.agreement.study import Unit
from hemo.files import file_name, write_json
from hemo.pagefile import write_template
from hemo.pictures import kept


def write_folder(folder: Path, told: dict[str, Any], units: Sequence[Unit], sheets: Sequence[Sheet]) -> None:
    """Write ``summary.json``, ``report.html``, ``estimates.csv``, ``tables/*.csv`` and ``figures/*.svg``."""
    (folder / "figures").mkdir(exist_ok=True)
    (folder / "tables").mkdir(exist_ok=True)
    write_json(folder / "summary.json", told)
    for sheet in sheets:
        write_sheet(folder / "tables" / file_name(f"{sheet.name}.csv"), [sheet.columns, *sheet.rows])
    write_sheet(folder / "estimates.csv", estimates(told))
    drawn = [
        {"caption": caption, "svg": kept(folder / "figures" / file_name(f"{name}.svg"), picture)}
        for name, caption, picture in drawings(units)
    ]
    values = {"summary": told, "sheets": sheets, "drawn": drawn}
    write_template(folder / "report.html", "agreement.html", values)


def write_sheet(path: Path, rows: Sequence[Sequence[object]]) -> None:
    """A CSV file in UTF-8."""
    with open(path, "w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)


def estimates(told: dict[str, Any]) -> list[tuple[object, ...]]:
    """Every number with an interval, one a row, in full precision: unit, method, what, estimate, ends, how."""
    rows: list[tuple[object, ...]] = [("unit", "method", "number", "estimate", "low", "high", "interval")]
    for unit in told["units"]:
        for method in unit["methods"]:
            rows += [(unit["unit"], method["name"], *row) for row in _intervals(method, "")]
        if unit["comparison"] is not None:
            pair = f"{unit['comparison']['first']} less {unit['comparison']['second']}"
            rows += [(unit["unit"], pair, *row) for row in _intervals(unit["comparison"], "")]
    return rows


def _intervals(value: Any, path: str) -> list[tuple[object, ...]]:
    """Where below ``value`` intervals stand; list items by their own name where they have one."""
    if isinstance(value, dict):
        if value.keys() == {"value", "low", "high", "method"}:
            return [(path, value["value"], value["low"], value["high"], value["method"])]
        return [row for key, item in value.items() for row in _intervals(item, f"{path}.{key}" if path else key)]
    if isinstance(value, list):
        found = []
        for number, item in enumerate(value):
            keys = ("label", "name", "taken_as")
            own = next((item[key] for key in keys if isinstance(item, dict) and key in item), number)
            found += _intervals(item, f"{path}[{own}]")
        return found
    return []
