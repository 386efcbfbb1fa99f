"""A study's table with the wire's beside it: who belongs to whom, and that nobody is lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hemo.agreement.joining import joined, parse_keys
from hemo.agreement.reading import Mapping, read_cohort
from hemo.agreement.textfile import read_columns
from hemo.errors import InputError

COMPUTED = "id,vessel,ffr_reduced,status\na,LAD,0.71,done\na,RCA,0.92,done\nb,LAD,0.85,done\nc,LCX,0.80,done\n"
WIRE = "patient,vessel,ffr,status\nA,lad,0.74,ok\nb,LAD,0.83,ok\nd,RCA,0.90,ok\nc,LCX,0.79,ok\n"
KEYS = (("id", "patient"), ("vessel", "vessel"))


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    for name, text in (("vessels", COMPUTED), ("wire", WIRE)):
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    return tmp_path / "vessels.csv", tmp_path / "wire.csv"


def test_rows_meet_by_patient_and_vessel_and_the_lone_ones_stay(files: tuple[Path, Path]) -> None:
    table, wire = files
    whole, told = joined(table, read_columns(table)[0], wire, KEYS)
    assert whole["id"] == ["a", "a", "b", "c", "d"] and whole["vessel"][-1] == "RCA"
    assert whole["ffr"] == ["0.74", "", "0.83", "0.79", "0.90"]
    assert whole["ffr_reduced"] == ["0.71", "0.92", "0.85", "0.80", ""]
    assert whole["status"] == ["done", "done", "done", "done", ""]
    assert whole["wire.status"] == ["ok", "", "ok", "ok", "ok"]
    assert told is not None and told.startswith("1 rows of vessels.csv have no partner in wire.csv, 1 of that")


def test_a_cohort_of_two_files(files: tuple[Path, Path]) -> None:
    table, wire = files
    mapping = Mapping("ffr_reduced", "ffr", "id", vessel="vessel", beside=(wire,), keys=KEYS)
    cohort, warnings = read_cohort(table, mapping)
    assert len(cohort) == 5 and cohort.patients == 4
    assert np.isnan(cohort.measured.values[1]) and np.isnan(cohort.computed.values[4])
    assert cohort.measured.values[2] == 0.83 and any("no partner" in one for one in warnings)


@pytest.mark.parametrize(
    ("wire", "keys", "said"),
    [
        ("patient,vessel,ffr\nz,LAD,0.7\n", KEYS, "no row belongs"),
        ("patient,vessel,ffr\na,LAD,0.7\na,LAD,0.72\n", KEYS, "a lad stands twice"),
        ("patient,ffr\na,0.7\n", KEYS, "has no column 'vessel'"),
        ("patient,vessel,ffr\na,LAD,0.7\n", (("name", "patient"),), "has no column 'name'"),
    ],
)
def test_what_does_not_fit_is_said(
    files: tuple[Path, Path], wire: str, keys: tuple[tuple[str, str], ...], said: str
) -> None:
    files[1].write_text(wire, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        joined(files[0], read_columns(files[0])[0], files[1], keys)


def test_keys_are_read() -> None:
    assert parse_keys(["id=patient", " vessel "]) == KEYS
    with pytest.raises(InputError, match="--on"):
        parse_keys(["=patient"])
