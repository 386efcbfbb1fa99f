"""Tables of text: CSV and Parquet files as columns of strings, nothing guessed and nothing dropped."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from hemo.errors import InputError

DELIMITERS = (",", ";", "\t")
PARQUET = (".parquet", ".pq")
Columns = dict[str, list[str]]


def read_columns(path: Path) -> tuple[Columns, str]:
    """Column name -> cells as stripped text, an empty one where nothing stands; and the delimiter (empty: Parquet).

    Raises
    ------
    InputError
        If the file is missing, empty, not text, has no header, a name twice, or rows of another length.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such file.")
    if path.suffix.lower() in PARQUET:
        return _parquet(path), ""
    text = _text(path)
    head = text.split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=head.count)
    if not head.count(delimiter):
        raise InputError(f"{path}: the first line has no comma, semicolon or tab; give a CSV file with a header.")
    csv.field_size_limit(1 << 20)
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text), delimiter=delimiter)]
    except csv.Error as error:
        raise InputError(f"{path}: is not a CSV file ({error}).") from error
    names = rows[0]
    for name in names:
        if not name or names.count(name) > 1:
            what = f"{name!r} stands twice" if name else "a column has no name"
            raise InputError(f"{path}: {what} in the header; name every column once.")
    for line, row in enumerate(rows[1:], 2):
        if row and len(row) != len(names):
            raise InputError(f"{path}: row {line} has {len(row)} cells, the header {len(names)}; mend the row.")
    body = [row or [""] * len(names) for row in rows[1:]]
    return {name: [row[number] for row in body] for number, name in enumerate(names)}, delimiter


def _text(path: Path) -> str:
    data = path.read_bytes()
    if not data.strip():
        raise InputError(f"{path}: the file is empty.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(f"{path}: line {line} is not UTF-8; save the table as CSV in UTF-8.") from error
    if "\0" in text:
        raise InputError(f"{path}: is not a text file; save the table as CSV in UTF-8 or as Parquet.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _parquet(path: Path) -> Columns:
    import pandas
    import pyarrow

    try:
        frame = pandas.read_parquet(path)
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise InputError(f"{path}: is not a Parquet file that can be read.") from error
    return {str(name): [_cell(value) for value in frame[name]] for name in frame.columns}


def _cell(value: object) -> str:
    import pandas

    missing = pandas.isna(value)
    if isinstance(missing, bool) and missing:
        return ""
    return str(value).strip()
