"""Tables read, refused and counted."""

from __future__ import annotations

import numpy as np
import pytest

from hemo.agreement.cohort import Rule, parse_rule
from hemo.agreement.reading import Mapping, read_cohort
from hemo.agreement.study import Options, analyse
from hemo.agreement.summary import flow
from hemo.agreement.synthetic import COLUMNS, rows
from hemo.agreement.trials import trials
from hemo.errors import InputError

MAPPING = Mapping("ct", "ffr", "id")
GOOD = "id,vessel,ffr,ct\nA,LAD,0.75,0.70\nA,LCX,0.90,0.88\nB,LAD,0.82,0.79\nC,RCA,0.66,0.71\nD,LAD,0.91,0.93\n"


def written(tmp_path, text, name="table.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_table_is_read_as_it_stands(tmp_path):
    cohort, warnings = read_cohort(written(tmp_path, GOOD), MAPPING)
    assert cohort.patient.tolist() == [0, 0, 1, 2, 3]
    assert cohort.measured.values.tolist() == [0.75, 0.90, 0.82, 0.66, 0.91]
    assert cohort.computed.abnormal.tolist() == [True, False, True, True, False]
    assert any("4 patients" in text for text in warnings)


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace(",", ";").replace("0.", "0,"),
        GOOD.replace(",", "\t"),
        "\ufeff" + GOOD.replace("\n", "\r\n"),
        GOOD.replace("id,vessel,ffr,ct", "id, vessel , ffr,ct"),
    ],
    ids=["semicolon and comma", "tab", "byte order mark", "blanks"],
)
def test_other_hands_same_table(tmp_path, text):
    cohort, _ = read_cohort(written(tmp_path, text), MAPPING)
    assert cohort.computed.values.tolist() == [0.70, 0.88, 0.79, 0.71, 0.93]


def test_parquet_is_read_like_csv(tmp_path):
    import pandas

    frame = pandas.read_csv(written(tmp_path, GOOD))
    frame.loc[1, "ct"] = None
    frame.to_parquet(tmp_path / "table.parquet")
    cohort, _ = read_cohort(tmp_path / "table.parquet", MAPPING)
    assert np.isnan(cohort.computed.values[1])
    assert cohort.computed.values[[0, 2, 3, 4]].tolist() == [0.70, 0.79, 0.71, 0.93]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("   \n\n", "is empty"),
        ("id,ffr,ct\n", "no rows"),
        ("id,ffr,ct\n,,\n,,\n", "no rows"),
        ("one column\n1\n", "no comma"),
        (b"id,ffr,ct\nM\xfcller,0.8,0.8\n", "line 2 is not UTF-8"),
        (b"PK\x03\x04\0\0,\0", "is not a text file"),
        (GOOD.replace("ffr,ct", "ffr,ffr"), "stands twice"),
        (GOOD.replace("vessel,ffr", ",ffr"), "has no name"),
        (GOOD + "E,LAD,0.8\n", "row 7 has 3 cells"),
        (GOOD.replace("ffr", "FFR"), "has no column 'ffr'"),
        (GOOD.replace("0.75", "75"), "row 2, column 'ffr': '75' is no pressure ratio"),
        (GOOD.replace("0.75", "75"), "divide per cent by 100"),
        (GOOD.replace("0.75", "0"), "leave the cell empty"),
        (GOOD.replace("0.75", "-0.8"), "is no pressure ratio"),
        (GOOD.replace("0.75", "0,75x").replace("0,75x", "about 0.75"), "is no number"),
        (GOOD.replace("0.75", "inf"), "no finite number"),
        (GOOD.replace("A,LCX", ",LCX"), "1 rows have no patient"),
        ("id,ffr,ct\nA,0.8,0.7\nB,0.9,0.8\n", "2 patients have both"),
        ("id,ffr,ct\nA,0.8,\nB,0.9,\nC,0.7,\n", "0 patients have both"),
        ("id,ffr,ct\nA,0.8,0.7\nB,0.8,0.8\nC,0.8,0.9\n", "holds one value"),
    ],
)
def test_what_is_refused_in_one_sentence(tmp_path, text, words):
    with pytest.raises(InputError) as caught:
        read_cohort(written(tmp_path, text), MAPPING)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_damaged_parquet_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="not a Parquet file"):
        read_cohort(written(tmp_path, b"PAR1 cut off", "table.parquet"), MAPPING)
    with pytest.raises(InputError, match="no such file"):
        read_cohort(tmp_path / "none.csv", MAPPING)


def test_a_vessel_that_stands_twice_is_refused_unless_it_is_repeated(tmp_path):
    path = written(tmp_path, GOOD + "A,lad,0.76,0.71\n")
    with pytest.raises(InputError, match="stands 2 times"):
        read_cohort(path, Mapping("ct", "ffr", "id", vessel="vessel"))
    assert len(read_cohort(path, Mapping("ct", "ffr", "id", vessel="vessel", repeats=True))[0]) == 6
    _, warnings = read_cohort(written(tmp_path, GOOD + "A,LAD,0.75,0.70\n"), MAPPING)
    assert any("1 rows repeat another" in text for text in warnings)


def test_a_table_by_patient(tmp_path):
    path = written(tmp_path, GOOD)
    with pytest.raises(InputError, match="a patient stands in 2 rows"):
        read_cohort(path, Mapping("ct", "ffr", "id", unit="patient"))
    cohort, _ = read_cohort(
        written(tmp_path, GOOD.replace("A,LCX", "E,LCX")), Mapping("ct", "ffr", "id", unit="patient")
    )
    (unit,) = analyse(cohort, Options(draws=200))
    assert unit.cohort.unit == "patient"


def test_what_is_missing_is_counted_with_its_reason(tmp_path):
    text = (
        "id,ffr,ct,why\nA,0.75,n/a,motion\nA,,0.88,\nB,0.82,0.79,\nC,0.66,failed,\n,,,\nD,0.91,0.93,\nE,0.70,0.6,\n"
        "F,,,motion\n"
    )
    cohort, warnings = read_cohort(written(tmp_path, text), Mapping("ct", "ffr", "id", reason="why"))
    told = flow(cohort)
    assert "1 empty rows were left out." in warnings
    assert told["in_table"] == {"rows": 8 - 1, "patients": 6}
    assert told["without_wire"]["rows"] == 2
    (method,) = told["methods"]
    assert (method["analysed"]["rows"], method["not_evaluable"]["rows"]) == (3, 2)
    assert told["with_wire"]["rows"] == method["analysed"]["rows"] + method["not_evaluable"]["rows"]
    assert told["reasons"]["ct"] == {"motion": 2, "failed": 1}


def test_lines_are_those_of_the_file_after_empty_rows(tmp_path):
    with pytest.raises(InputError, match="row 4, column 'ffr'"):
        read_cohort(written(tmp_path, "id,ffr,ct\nA,0.8,0.8\n,,\nB,80,0.8\nC,0.7,0.7\n"), MAPPING)


def test_subgroups_by_level_and_by_number(tmp_path):
    text = "id,ffr,ct,sex,calcium\nA,0.75,0.7,f,500\nB,0.9,0.8,m,400\nC,0.8,0.7,,10\nD,0.7,0.8,m,\n"
    mapping = Mapping("ct", "ffr", "id", declared=("sex",), exploratory=("calcium>400",))
    sex, calcium = read_cohort(written(tmp_path, text), mapping)[0].groupings
    assert (sex.levels, sex.code.tolist(), sex.declared) == (("f", "m"), [0, 1, -1, 1], True)
    assert (calcium.levels, calcium.code.tolist(), calcium.declared) == (("<= 400", "> 400"), [1, 0, 0, -1], False)
    with pytest.raises(InputError, match="'sex' has 1 levels"):
        read_cohort(written(tmp_path, text.replace("f,", "m,")), Mapping("ct", "ffr", "id", declared=("ct", "sex")))
    with pytest.raises(InputError, match="given twice"):
        read_cohort(written(tmp_path, text), Mapping("ct", "ffr", "id", declared=("sex",), exploratory=("sex",)))


def test_the_most_abnormal_vessel_stands_for_the_patient(tmp_path):
    text = (
        "id,ffr,ct\nA,0.75,0.85\nA,0.90,0.70\nB,0.82,0.79\nB,0.70,\nC,0.85,0.95\nC,0.90,\nD,,0.5\nD,0.9,0.9\n"
        "E,,0.6\nF,0.7,0.6\n"
    )
    cohort = read_cohort(written(tmp_path, text), MAPPING)[0].by_patient()
    assert cohort.measured.values == pytest.approx([0.75, 0.70, 0.85, 0.9, 0.7])
    # B is abnormal whatever the missing vessel is; C's missing vessel might have been; D's unmeasured one is no matter.
    assert cohort.computed.values == pytest.approx([0.70, 0.79, np.nan, 0.9, 0.6], nan_ok=True)


def test_cutoffs_as_typed():
    assert parse_rule("0.80", "x") == Rule(0.8)
    assert parse_rule(">= 50", "x") == Rule(50.0, low=False)
    assert Rule(0.8).abnormal(np.array([0.1 + 0.7, 0.81, np.nan])).tolist() == [True, False, False]
    with pytest.raises(InputError, match="write a cut-off"):
        parse_rule("<0.8", "x")


def test_published_trials_keep_their_tags():
    every = {one.name: one for one in trials()}
    china = every["FAVOR II China 2017"].figures
    assert (china["accuracy"].value, china["accuracy"].confirmed) == (92.7, True)
    assert (china["sensitivity"].value, china["sensitivity"].confirmed) == (94.6, False)
    assert {figure.confirmed == (figure.tag == "S") for one in every.values() for figure in one.figures.values()} == {
        True
    }
    assert len(every) == 28
    assert trials(()) == ()
    assert {one.family for one in trials(("CT-FFR",))} == {"CT-FFR", "stenosis"}


def test_the_same_seed_gives_the_same_study_and_another_row_order_too(tmp_path):
    lines = [",".join(row) for row in [COLUMNS, *rows(60)]]
    mapping = Mapping("ct_ffr", "ffr", "patient", "qfr", declared=("sex",))
    shuffled = [lines[0], *np.random.default_rng(0).permutation(lines[1:])]
    found = []
    for name, text in (("a.csv", lines), ("b.csv", lines), ("c.csv", shuffled)):
        cohort, _ = read_cohort(written(tmp_path, "\n".join(text) + "\n", name), mapping)
        found.append(analyse(cohort, Options(draws=300))[0].methods[0])
    assert found[0].area_bootstrap == found[1].area_bootstrap
    for key in ("low", "high"):
        assert getattr(found[0].agreement.upper, key) == pytest.approx(getattr(found[2].agreement.upper, key), rel=1e-9)
        assert getattr(found[0].area_bootstrap, key) == pytest.approx(getattr(found[2].area_bootstrap, key), rel=1e-9)
