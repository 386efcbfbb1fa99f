"""A measured beat: reading it, and what hemo makes of it."""

import numpy as np
import pytest

from hemo.boundary import aortic_pressure
from hemo.case import read_case
from hemo.errors import InputError
from hemo.pressuretrace import read_pressure_trace
from hemo.reduced.waveform import heart_beat, measured_beat, patients_beat
from hemo.units import MMHG

PERIOD = 0.9
TIME = np.arange(180) * PERIOD / 180
PRESSURE = 95.0 + 22.0 * np.sin(2 * np.pi * TIME / PERIOD) + 6.0 * np.sin(4 * np.pi * TIME / PERIOD + 0.4)
CASE = """
[case]
name = "measured"
[geometry]
tree = "tree.json"
[patient]
aortic_waveform = "beat.csv"
"""


def written(folder, time=TIME, pressure=PRESSURE, head="time_s,pressure_mmHg", scale=1.0):
    lines = [head, *(f"{scale * t:.6f},{p:.6f}" for t, p in zip(time, pressure, strict=True))]
    (folder / "beat.csv").write_text("\n".join(lines) + "\n")
    return folder / "beat.csv"


def test_a_beat_is_read_in_any_unit(tmp_path):
    one = read_pressure_trace(written(tmp_path))
    assert one.period == pytest.approx(PERIOD, rel=1e-6)
    assert one.mean == pytest.approx(95.0 * MMHG, rel=1e-5)
    in_kilopascal = PRESSURE * MMHG / 1e3
    other = read_pressure_trace(written(tmp_path, pressure=in_kilopascal, head="Time_ms, Pressure_kPa", scale=1e3))
    assert other.pressure == pytest.approx(one.pressure, rel=1e-6)
    assert other.time == pytest.approx(one.time, abs=1e-6)


def test_the_patient_has_the_pressures_and_the_rate_of_the_beat(tmp_path):
    written(tmp_path)
    (tmp_path / "case.toml").write_text(CASE)
    patient = read_case(tmp_path / "case.toml").physiology()
    assert patient.systolic == pytest.approx(PRESSURE.max() * MMHG, rel=1e-6)
    assert patient.diastolic == pytest.approx(PRESSURE.min() * MMHG, rel=1e-6)
    assert aortic_pressure(patient) == pytest.approx(95.0 * MMHG, rel=1e-5)  # not DBP + 0.40 (SBP - DBP)
    assert patient.heart_rate == pytest.approx(1.0 / PERIOD, rel=1e-5)
    beat = patients_beat(patient, 0.9 * aortic_pressure(patient), 400)
    assert beat.aortic.mean() == pytest.approx(0.9 * 95.0 * MMHG, rel=1e-5)
    assert beat.aortic[0] == beat.aortic.min()
    assert beat.aortic.max() == pytest.approx(0.9 * patient.systolic, rel=1e-3)
    assert beat.period == pytest.approx(PERIOD, rel=1e-6)


def test_a_beat_made_by_formula_comes_back(tmp_path):
    """Also where the file begins in the middle of the beat."""
    made = heart_beat(128 * MMHG, 76 * MMHG, 97 * MMHG, 70 / 60, 300)
    rolled = np.roll(made.aortic, 120) / MMHG
    again = measured_beat(read_pressure_trace(written(tmp_path, made.time, rolled)), steps=300)
    assert again.aortic == pytest.approx(made.aortic, abs=1.0 * MMHG)
    assert again.ejection == pytest.approx(made.ejection, rel=1e-5)
    assert again.ventricle == pytest.approx(made.ventricle, abs=2.0 * MMHG)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"head": "time,pressure"}, "must name one column of time_s, time_ms"),
        ({"head": "time_s,time_ms"}, "must name one column of"),
        ({"time": TIME[:10], "pressure": PRESSURE[:10]}, "10 samples are too few"),
        ({"time": TIME[:90], "pressure": PRESSURE[:90] + 40 * TIME[:90]}, "from where it begins"),
        ({"time": 10 * TIME}, "it lasts 9.00 s"),
        ({"time": TIME[::-1]}, "line 3: the time does not increase"),
        ({"pressure": PRESSURE / 7.5}, "no beat of aortic pressure; check the unit"),
        ({"pressure": np.where(TIME > 0.5, np.nan, PRESSURE)}, "not a finite number"),
        ({"time": np.where(TIME > 0.4, TIME + 0.3, TIME)}, "305 ms lie between"),
    ],
)
def test_what_is_no_beat_is_refused_in_one_sentence(tmp_path, change, complaint):
    with pytest.raises(InputError, match=complaint) as caught:
        read_pressure_trace(written(tmp_path, **change))
    assert "\n" not in str(caught.value)


def test_files_that_are_none(tmp_path):
    with pytest.raises(InputError, match="cannot read the pressure trace"):
        read_pressure_trace(tmp_path / "none.csv")
    (tmp_path / "bad.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(InputError, match="no text file"):
        read_pressure_trace(tmp_path / "bad.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(InputError, match="it has none"):
        read_pressure_trace(tmp_path / "empty.csv")
    (tmp_path / "words.csv").write_text("time_s,pressure_mmHg\n0.0,high\n")
    with pytest.raises(InputError, match="line 2: no number in the column pressure_mmhg"):
        read_pressure_trace(tmp_path / "words.csv")


def test_pressures_besides_a_waveform_are_refused(tmp_path):
    written(tmp_path)
    (tmp_path / "case.toml").write_text(CASE + 'systolic = "130 mmHg"\n')
    with pytest.raises(InputError, match="the aortic_waveform tells systolic"):
        read_case(tmp_path / "case.toml").physiology()
