"""docs/validation.md says what docs/benchmarks.md holds, and what is not there or not met is called so."""

from __future__ import annotations

from pathlib import Path

import pytest

from validation.claims import CLAIMS, largest, last, least, most
from validation.page import PAGE, measured, written
from validation.page_tables import Tables, read_tables

TEXT = """
<!-- begin rates -->
| mesh | cells | error | rate | error | rate |
| --- | --- | --- | --- | --- | --- |
| coarse | 1,024 | +4.0e-03 | - | 2 % | - |
| coarse, layers | 8,192 | -5.0e-04 | 3.0 | 0.5 % | 2.0 |

A note | with a bar.
<!-- end rates -->
<!-- begin never_run -->
<!-- end never_run -->
"""


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    (tmp_path / "page.md").write_text(TEXT, encoding="utf-8")
    return read_tables(tmp_path / "page.md")


def test_numbers_come_out_of_cells_by_row_and_column(tables: Tables) -> None:
    assert tables.numbers("rates", "cells") == [1024.0, 8192.0]
    assert tables.numbers("rates", "error") == [4e-3, -5e-4]
    assert tables.numbers("rates", "error 4") == [2.0, 0.5]
    assert tables.numbers("rates", "rate") == [3.0]  # a cell without a number is none
    assert tables.numbers("rates", "cells", first="coarse") == [1024.0]  # the row of that very name goes before
    assert tables.numbers("rates", "cells", first="coarse,") == [8192.0]
    assert largest("rates", "error")(tables) == 4e-3
    assert last("rates", "error")(tables) == 5e-4


@pytest.mark.parametrize("table", ["never_run", "unknown"])
def test_what_was_not_run_is_no_number(tables: Tables, table: str) -> None:
    with pytest.raises(LookupError):
        tables.of(table)
    with pytest.raises(LookupError):
        tables.of("rates", first="fine")


def test_limits_are_kept_from_their_side() -> None:
    assert most(0.01).kept(0.01) and not most(0.01).kept(0.011)
    assert least(1.8).kept(1.8) and not least(1.8).kept(1.79)


def test_a_claim_whose_table_is_missing_is_said_to_be_not_run() -> None:
    nothing = Tables({})
    assert all(measured(claim, nothing) is None for claim in CLAIMS)
    page = written(nothing)
    assert f"{len(CLAIMS)} were not run" in page and page.count("| not run |") == len(CLAIMS)


def test_the_page_is_that_of_the_tables() -> None:
    assert PAGE.read_text(encoding="utf-8") == written(read_tables()), "write it anew: python -m validation page"
