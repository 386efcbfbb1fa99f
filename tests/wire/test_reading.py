"""Traces from files: columns, units, times, and what is refused."""

import numpy as np
import pytest

from hemo.errors import InputError
from hemo.units import MMHG
from hemo.wire.reading import Columns, read_trace

RATE, SECONDS = 100.0, 20.0


def waves():
    time = np.arange(0.0, SECONDS, 1.0 / RATE)
    aortic = 95.0 + 25.0 * np.sin(2.0 * np.pi * 1.2 * time)
    return time, aortic, 0.8 * aortic


def write(path, heads, columns, mark=",", comma=False):
    rows = [mark.join(heads)]
    for row in zip(*columns, strict=True):
        cells = [cell if isinstance(cell, str) else f"{cell:.5f}" for cell in row]
        rows.append(mark.join(cell.replace(".", ",") if comma else cell for cell in cells))
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("heads", "factors", "mark", "comma"),
    [
        (["time_s", "aortic_mmHg", "distal_mmHg"], (1.0, 1.0), ",", False),
        (["Time (ms)", "Pa [mmHg]", "Pd [mmHg]"], (1e3, 1.0), ";", True),
        (["t", "Pa", "Pd"], (1.0, MMHG), "\t", False),
        (["time_s", "p_aortic_kPa", "p_distal_kPa"], (1.0, MMHG / 1e3), ",", False),
        (["time", "aortic_pa", "distal_pa"], (1e3, MMHG), ",", False),
    ],
)
def test_columns_units_and_separators_are_told_apart(tmp_path, heads, factors, mark, comma):
    time, aortic, distal = waves()
    columns = (factors[0] * time, factors[1] * aortic, factors[1] * distal)
    trace = read_trace(write(tmp_path / "P1_LAD.csv", heads, columns, mark, comma))
    assert trace.rate == pytest.approx(RATE, rel=1e-6)
    assert trace.aortic / MMHG == pytest.approx(aortic, abs=0.01)
    assert trace.distal / MMHG == pytest.approx(distal, abs=0.01)
    assert trace.name == "P1_LAD"


def test_columns_and_rate_may_be_named(tmp_path):
    _, aortic, distal = waves()
    path = write(tmp_path / "t.csv", ["channel 1", "channel 2"], (aortic, distal))
    trace = read_trace(path, Columns(aortic="channel 1", distal="channel 2", rate=200.0))
    assert trace.rate == pytest.approx(200.0)
    assert trace.notes == ("pressures were taken for mmHg by their size",)
    assert "taken" not in "".join(read_trace(path, Columns("channel 1", "channel 2", rate=200.0, unit="mmhg")).notes)


def test_lost_cells_gaps_and_uneven_times(tmp_path):
    time, aortic, distal = waves()
    jitter = time + 0.003 * np.random.default_rng(0).uniform(-1.0, 1.0, len(time))
    aortic = 95.0 + 25.0 * np.sin(2.0 * np.pi * 1.2 * jitter)
    distal = [f"{x:.4f}" for x in 0.8 * aortic]
    distal[300:320] = ["", "NaN", "--", "n/a"] * 5
    keep = np.r_[0:1000, 1100:2000]
    columns = [[column[k] for k in keep] for column in (jitter, aortic, distal)]
    trace = read_trace(write(tmp_path / "t.csv", ["time_s", "Pa", "Pd"], columns))
    wave = 95.0 + 25.0 * np.sin(2.0 * np.pi * 1.2 * trace.time)
    known = np.isfinite(trace.aortic)
    assert trace.aortic[known] / MMHG == pytest.approx(wave[known], abs=1.0)
    assert 0.9 <= (~known).sum() / RATE <= 1.1
    assert np.isnan(trace.distal).sum() == pytest.approx((~known).sum() + 20, abs=3)


def test_marks_in_a_column_are_windows(tmp_path):
    time, aortic, distal = waves()
    words = np.full(len(time), "", object)
    words[0:300], words[400:900], words[1000:1600] = "Equalization", "baseline", "hyperemia"
    trace = read_trace(write(tmp_path / "t.csv", ["time_s", "Pa", "Pd", "phase"], (time, aortic, distal, list(words))))
    assert trace.marks["equalisation"] == (pytest.approx((0.0, 3.0)),)
    assert trace.marks["rest"] == (pytest.approx((4.0, 9.0)),)
    assert trace.marks["hyperaemia"] == (pytest.approx((10.0, 16.0)),)


def damaged(path, kind):
    time, aortic, distal = waves()
    heads = ["time_s", "Pa", "Pd"]
    if kind == "none":
        return path
    if kind == "empty":
        path.write_text("")
    elif kind == "latin":
        path.write_bytes(b"time_s,Pa,Pd\n" + "0,93,90 \xe4\n".encode("latin-1") * 50)
    elif kind == "binary":
        path.write_bytes(bytes(range(256)) * 50)
    elif kind == "heads":
        write(path, heads, ([], [], []))
    elif kind == "one row":
        write(path, heads, ([0.0], [93.0], [90.0]))
    elif kind == "columns":
        write(path, ["a", "b", "c"], (time, aortic, distal))
    elif kind == "twice":
        write(path, ["time_s", "Pa", "Pa", "Pd"], (time, aortic, aortic, distal))
    elif kind == "text":
        write(path, heads, (time, [f"{x:.2f}" for x in aortic[:-1]] + ["high"], distal))
    elif kind == "backwards":
        write(path, heads, (time[::-1], aortic, distal))
    elif kind == "same time":
        write(path, heads, (np.r_[time[:50], time[49:-1]], aortic, distal))
    elif kind == "no time":
        write(path, ["Pa", "Pd"], (aortic, distal))
    elif kind == "nan time":
        write(path, heads, (["nan", *[f"{t:.3f}" for t in time[1:]]], aortic, distal))
    elif kind == "unit":
        write(path, heads, (time, aortic / 7.5, distal / 7.5))
    elif kind == "two units":
        write(path, heads, (time, aortic, distal * MMHG))
    elif kind == "swapped":
        write(path, heads, (time, distal, aortic))
    elif kind == "all lost":
        write(path, heads, (time, ["nan"] * len(time), distal))
    elif kind == "short":
        write(path, heads, (time[:300], aortic[:300], distal[:300]))
    elif kind == "slow":
        write(path, heads, (10.0 * time, aortic, distal))
    elif kind == "far apart":
        write(path, heads, (np.r_[time[:-1], 1e6], aortic, distal))
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("none", "No such file"),
        ("empty", "no table of pressures"),
        ("latin", "no UTF-8 text"),
        ("binary", "give a CSV file"),
        ("heads", "no table of pressures"),
        ("one row", "no table of pressures"),
        ("columns", "no column for the aortic pressure among a, b, c; name it with --aortic"),
        ("twice", "2 columns for the aortic pressure"),
        ("text", "line 2001: 'high' in the column Pa is no number"),
        ("backwards", "line 3: the time does not increase"),
        ("same time", "line 52: the time does not increase"),
        ("no time", "give --rate"),
        ("nan time", "a time in the column time_s is no number"),
        ("unit", "none of a patient in mmHg or Pa"),
        ("two units", "their units different"),
        ("swapped", "columns swapped"),
        ("all lost", "none of a patient"),
        ("short", "it lasts 3.0 s"),
        ("slow", "10 samples a second is outside 25 to 5000"),
        ("far apart", "hold no sample"),
    ],
)
def test_damaged_files_are_one_sentence(tmp_path, kind, words):
    with pytest.raises(InputError, match=r"t\.csv") as told:
        read_trace(damaged(tmp_path / "t.csv", kind))
    assert words in str(told.value)
    assert "\n" not in str(told.value)


def test_a_told_unit_that_cannot_be_is_refused(tmp_path):
    path = write(tmp_path / "t.csv", ["time_s", "Pa", "Pd"], waves())
    with pytest.raises(InputError, match="none of a patient in pa"):
        read_trace(path, Columns(unit="pa"))
    with pytest.raises(InputError, match="outside 25 to 5000"):
        read_trace(path, Columns(rate=1.0))
    with pytest.raises(InputError, match="no column for 'x'"):
        read_trace(path, Columns(distal="x"))
    with pytest.raises(InputError, match="cannot be both"):
        read_trace(path, Columns(distal="Pa"))
