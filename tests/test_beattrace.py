"""A measured beat of pressure or flow: reading it, and what hemo makes of it."""

import numpy as np
import pytest

from hemo.beattrace import read_flow_trace, read_pressure_trace
from hemo.boundary import aortic_pressure
from hemo.case import read_case
from hemo.errors import InputError
from hemo.pipeline import RunOptions, run_case
from hemo.reduced.waveform import heart_beat, measured_beat, patients_beat
from hemo.units import ML_PER_MIN, MMHG

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
    assert other.values == pytest.approx(one.values, rel=1e-6)
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


FLOW = 75.0 + 220.0 * np.exp(-((TIME - 0.2) ** 2) / 0.004) - 40.0 * np.exp(-((TIME - 0.4) ** 2) / 0.004)  # mL/min
LEG = """
[case]
name = "measured flow"
[geometry]
analytic = { name = "POP", diameter = "5 mm", length = "40 mm", severity = 0.5, lesion_length = "10 mm", lesion_centre = "15 mm" }
[patient]
territory = "femoropopliteal"
mean_pressure = "95 mmHg"
[flow]
state = "rest"
inlet_waveform = "flow.csv"
"""  # noqa: E501


def written_flow(folder, time=TIME, flow=FLOW, head="time_s,flow_mL/min"):
    written(folder, time, flow, head).rename(folder / "flow.csv")
    return folder / "flow.csv"


@pytest.mark.parametrize(
    ("unit", "factor"), [("mL/min", 1.0), ("mL_s", 60.0), ("L/min", 1e3), ("m3/s", 60e6)], ids=lambda value: str(value)
)
def test_a_flow_is_read_in_any_unit(tmp_path, unit, factor):
    lines = [f"flow_{unit},time_ms", *(f"{q / factor:.9e},{1e3 * t:.4f}" for t, q in zip(TIME, FLOW, strict=True))]
    (tmp_path / "flow.csv").write_text("\n".join(lines))
    found = read_flow_trace(tmp_path / "flow.csv")
    assert found.values == pytest.approx(FLOW * ML_PER_MIN, rel=1e-6, abs=1e-15)
    assert found.period == pytest.approx(PERIOD, rel=1e-6)
    assert found.mean == pytest.approx(FLOW.mean() * ML_PER_MIN, rel=1e-6)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"head": "time_s,pressure_mmHg"}, "must name one column of flow_ml_s, flow_ml_min"),
        ({"flow": -FLOW}, "flow into the vessel must be positive"),
        ({"flow": 1e4 * FLOW}, "no beat of a vessel's flow; check the unit"),
        ({"flow": 0 * FLOW + 80.0}, "80 to 80 mL/min is no beat"),
        ({"time": 2 * TIME[:50], "flow": FLOW[:50]}, "of its swing from where it begins"),
        ({"flow": np.where(TIME > 0.5, np.inf, FLOW)}, "not a finite number"),
    ],
)
def test_what_is_no_beat_of_flow_is_refused_in_one_sentence(tmp_path, change, complaint):
    with pytest.raises(InputError, match=complaint) as caught:
        read_flow_trace(written_flow(tmp_path, **change))
    assert "\n" not in str(caught.value)


def leg(folder, text=LEG):
    (folder / "case.toml").write_text(text)
    return read_case(folder / "case.toml")


def test_the_patient_has_the_mean_flow_and_the_rate_of_the_beat(tmp_path):
    written_flow(tmp_path)
    patient = leg(tmp_path).physiology()
    assert patient.inlet_flow == pytest.approx(FLOW.mean() * ML_PER_MIN, rel=1e-6)
    assert patient.heart_rate == pytest.approx(1.0 / PERIOD, rel=1e-6)
    beat = patients_beat(patient, aortic_pressure(patient), 400)
    assert beat.inflow.mean() == pytest.approx(patient.inlet_flow, rel=1e-9)
    assert beat.inflow[::4] == pytest.approx(np.interp(beat.time[::4], TIME, FLOW) * ML_PER_MIN, abs=0.5 * ML_PER_MIN)
    assert beat.inflow.min() < 0.9 * FLOW[0] * ML_PER_MIN


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("[flow]", '[flow]\ninlet_flow = "80 mL/min"'), "the inlet_waveform tells inlet_flow"),
        (("[patient]", '[patient]\nheart_rate = "66 /min"'), "the inlet_waveform tells heart_rate"),
        (('mean_pressure = "95 mmHg"', 'aortic_waveform = "beat.csv"'), "aortic_waveform drives the inlet too"),
        (('inlet_waveform = "flow.csv"', 'inlet_waveform = "none.csv"'), "cannot read the flow trace"),
    ],
)
def test_what_contradicts_a_flow_waveform_is_refused(tmp_path, change, complaint):
    written_flow(tmp_path)
    written(tmp_path)
    assert change[0] in LEG
    with pytest.raises(InputError, match=complaint):
        leg(tmp_path, LEG.replace(*change)).physiology()


def test_a_leg_by_its_flow_runs_with_the_reduced_model(tmp_path):
    """Its mean flow, a beat at rest without a cuff, and the file among the inputs."""
    written_flow(tmp_path)
    leg(tmp_path)
    summary = run_case(tmp_path / "case.toml", RunOptions(tmp_path / "out", method="reduced"))
    (branch,), (lesion,) = summary["trees"][0]["branches"], summary["trees"][0]["lesions"]
    assert branch["reduced"]["flow_ml_min"] == pytest.approx(FLOW.mean(), rel=1e-4)
    assert lesion["reduced"]["rest_beat"]["lowest_ratio"] < lesion["reduced"]["rest_beat"]["pd_pa"] < 1.0
    assert "flow.csv" in summary["inputs"]
    rows = {row["name"]: row for row in summary["boundary"]}
    assert rows["inlet flow"]["source"] == "case file: mean of flow.inlet_waveform"
    assert rows["time constant of the beds at rest"]["value"] == 1.5
