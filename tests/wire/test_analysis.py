"""Traces whose numbers are known: beats, artefacts, windows, drift, ratios."""

from dataclasses import replace

import numpy as np
import pytest

from hemo.errors import InputError
from hemo.units import MMHG
from hemo.wire.analysis import WireOptions, analyse
from hemo.wire.artefacts import Kind, _ectopic, judge
from hemo.wire.beats import Beats, find_beats, wire_lag
from hemo.wire.circuit import Patient
from hemo.wire.indices import hyperaemic, valve_closure
from hemo.wire.synthetic import Recording, make
from hemo.wire.trace import Trace
from hemo.wire.windows import Given

CHECKS = ((0.0, 10.0), (131.0, 140.0))


def trace_of(made, rate):
    return Trace("made", rate, made.aortic * MMHG, made.distal * MMHG)


def read(patient, recording, seed, options=None):
    made = make(patient, recording, seed)
    return made.truth, analyse(trace_of(made, recording.rate), options)


@pytest.mark.parametrize(("rate", "loss"), [(50.0, 0.15), (100.0, 0.3), (250.0, 0.45), (1000.0, 0.6)])
def test_ratios_of_a_clean_trace(rate, loss):
    truth, found = read(Patient(loss=loss), Recording(rate=rate), 1)
    still = found.recorded.resting
    assert found.recorded.hyperaemic.ffr.value == pytest.approx(truth.ffr, abs=0.008)
    assert still.pd_pa.value == pytest.approx(truth.rest, abs=0.003)
    assert still.wave_free.value == pytest.approx(truth.wave_free, abs=0.005)
    assert still.dpr.value == pytest.approx(truth.diastolic, abs=0.006)
    assert still.rfr.value == pytest.approx(truth.rfr, abs=0.02)
    assert still.rfr.value <= still.pd_pa.value
    assert still.lag == pytest.approx(0.008, abs=0.003)
    assert found.quality.artefacts == ()
    assert found.status == "ok"
    if loss > 0.2:  # of a mild stenosis the wire's way into it is not seen
        assert [window.source for window in found.windows.equalisation] == ["found", "found"]


@pytest.mark.parametrize("rate", [50.0, 100.0, 500.0])
@pytest.mark.parametrize("kind", [kind.value for kind in Kind])
def test_each_artefact_is_found_named_and_left_out(kind, rate):
    truth, found = read(Patient(loss=0.4), Recording(rate=rate, disturbances=(kind, kind)), 7)
    artefacts = [one for one in found.quality.artefacts if one.kind.value == kind]
    for event in truth.events:
        covered = [
            min(one.last / rate, event.end) - max(one.first / rate, event.start)
            for one in artefacts
            if one.channel in (event.channel, "both")
        ]
        assert max(covered) > 0.6 * (event.end - event.start)
    assert {one.kind.value for one in found.quality.artefacts} == {kind}
    assert found.recorded.hyperaemic.ffr.value == pytest.approx(truth.ffr, abs=0.01)


def test_no_artefact_in_quiet_traces():
    count = 0
    for seed in range(12):
        patient = Patient(heart_rate=50.0 + 5.0 * seed, loss=0.05 * seed, squeeze=0.2 + 0.03 * seed)
        made = make(patient, Recording(noise=0.1 + 0.07 * seed, quantum=1.0 if seed % 2 else 0.1), seed)
        count += len(judge(trace_of(made, 100.0)).artefacts)
    assert count <= 1


def test_beats_are_those_of_the_heart():
    made = make(Patient(heart_rate=60.0, quickening=0.0), Recording(), 2)
    beats = find_beats(trace_of(made, 100.0), np.zeros(len(made.time), bool))
    assert len(beats) == pytest.approx(139, abs=2)
    assert np.median(beats.period) == pytest.approx(1.0, abs=0.02)
    assert beats.period.min() > 0.85


@pytest.mark.parametrize("drift", [-5.0, -1.5, 2.5, 6.0])
def test_drift_is_measured_and_both_ratios_are_told(drift):
    options = WireOptions(Given(CHECKS))
    truth, found = read(Patient(loss=0.35), Recording(drift=drift), 3, options)
    # each check stands for the middle of its span: 5 and 135 s of 140
    assert found.drift.value / MMHG == pytest.approx(drift * 130.5 / 140.0, abs=0.1)
    assert found.drift.size == ("large" if abs(drift) > 3.2 else "moderate" if abs(drift) > 2.1 else "small")
    assert found.status == ("drift" if abs(drift) > 3.2 else "ok")
    assert found.corrected.hyperaemic.ffr.value == pytest.approx(truth.ffr, abs=0.008)
    off = found.recorded.hyperaemic.ffr.value - truth.ffr
    assert off == pytest.approx(0.6 * drift / 84.0, abs=0.45 * abs(drift) / 84.0 + 0.006)


def test_a_mild_stenosis_without_check_is_no_check():
    parts = (("crossing", 0.05), ("rest", 25.0), ("bolus", 60.0))
    for seed, loss in enumerate((0.1, 0.2, 0.3, 0.5)):
        truth, found = read(Patient(loss=loss), Recording(parts=parts), seed)
        assert found.drift is None
        assert found.corrected is None
        assert any("drift is unknown" in text for text in found.warnings)
        assert found.recorded.hyperaemic.ffr.value == pytest.approx(truth.ffr, abs=0.01)


def test_without_hyperaemia_there_is_no_ffr():
    parts = (("equalisation", 8.0), ("crossing", 3.0), ("rest", 40.0), ("check", 10.0))
    with pytest.raises(InputError, match=r"no hyperaemia is seen.*no rest is seen"):
        read(Patient(loss=0.5), Recording(parts=parts), 4)
    options = WireOptions(Given(rest=(13.0, 48.0)))
    truth, found = read(Patient(loss=0.5), Recording(parts=parts), 4, options)
    assert found.recorded.hyperaemic.ffr.value is None
    assert found.status == "no_ffr"
    assert "no hyperaemia" in found.reason
    assert found.recorded.resting.pd_pa.value == pytest.approx(truth.rest, abs=0.004)


def test_given_windows_win_and_bad_ones_are_refused():
    made = make(Patient(loss=0.3), Recording(), 5)
    trace = trace_of(made, 100.0)
    found = analyse(trace, WireOptions(Given(CHECKS, (15.0, 30.0), (80.0, 100.0))))
    assert found.windows.hyperaemia.source == "given"
    assert 80.0 <= found.recorded.hyperaemic.ffr.span[0] < found.recorded.hyperaemic.ffr.span[1] <= 100.0
    for given, words in (
        (Given(rest=(100.0, 300.0)), "does not lie within"),
        (Given(equalisation=((0.0, 1.5),)), "clean beats"),
        (Given(equalisation=((60.0, 90.0),)), "no equalisation check|differ"),
        (Given(pullback=(100.0, 103.0)), "holds"),
    ):
        if words.startswith("no eq"):
            trace_low = replace(trace, distal=trace.distal - 10.0 * MMHG)
            with pytest.raises(InputError, match="no equalisation check"):
                analyse(trace_low, WireOptions(given))
            continue
        with pytest.raises(InputError, match=words):
            analyse(trace, WireOptions(given))
    with pytest.raises(InputError, match="needs its times"):
        analyse(trace, WireOptions(pullback_length=0.06))


def test_what_is_no_pressure_is_refused():
    random = np.random.default_rng(0)
    noise = Trace("noise", 100.0, 1.2e4 + 300.0 * random.standard_normal(3000), 1.1e4 + 0.0 * np.arange(3000))
    with pytest.raises(InputError, match="undisturbed heart beats"):
        analyse(noise)
    beating = make(Patient(), Recording(), 0).aortic * MMHG
    with pytest.raises(InputError, match="do not beat together"):
        analyse(Trace("apart", 100.0, beating, np.roll(beating, 37) * (1.0 + 0.0 * beating)))
    flat = Trace("flat", 100.0, np.full(3000, 1.2e4), np.full(3000, 1.1e4))
    with pytest.raises(InputError, match="undisturbed heart beats"):
        analyse(flat)


def test_single_lost_samples_are_bridged():
    made = make(Patient(loss=0.4), Recording(), 9)
    holes = np.random.default_rng(1).random((2, len(made.time))) < 0.02
    trace = trace_of(made, 100.0)
    whole = analyse(trace).recorded.hyperaemic.ffr.value
    lost = replace(
        trace, aortic=np.where(holes[0], np.nan, trace.aortic), distal=np.where(holes[1], np.nan, trace.distal)
    )
    assert analyse(lost).recorded.hyperaemic.ffr.value == pytest.approx(whole, abs=0.002)


def stepped(ratios, period=80):
    """Beats of one length whose ratios are given."""
    count = len(ratios)
    mean = np.stack([np.full(count, 100.0 * MMHG), 100.0 * MMHG * np.asarray(ratios)], axis=1)
    feet = period * np.arange(count + 1)
    beats = Beats(feet, 100.0, mean, mean, mean, mean)
    trace = Trace("steps", 100.0, np.zeros(period * count), np.zeros(period * count))
    return trace, beats


def test_ffr_is_the_lowest_stable_mean_of_three_beats():
    # a dip of two beats is lower, but not stable; the plateau of 0.80 is
    ratios = [0.95] * 10 + [0.86, 0.72, 0.72, 0.86] + [0.82] * 8 + [0.80, 0.801, 0.799, 0.80, 0.80] + [0.84] * 6
    trace, beats = stepped(ratios)
    quality = replace(
        judge(trace_of(make(Patient(), Recording(), 0), 100.0)), beats=beats, clean=np.ones(len(beats), bool)
    )
    full = hyperaemic(trace, quality, (0.0, trace.duration))
    assert full.ffr.value == pytest.approx(0.80, abs=5e-4)
    assert full.ffr.beats == 3
    assert full.lowest == pytest.approx((0.72 + 0.72 + 0.86) / 3.0)
    masked = replace(quality, clean=np.arange(len(beats)) % 4 > 0)
    none = hyperaemic(trace, masked, (0.0, trace.duration))
    assert none.ffr.value is None
    assert "stable" in none.ffr.reason


def test_an_irregular_rhythm_keeps_its_beats():
    random = np.random.default_rng(1)
    feet = np.concatenate([[0], np.cumsum(random.integers(45, 130, 80))])
    none = np.zeros((80, 2))
    found, irregular = _ectopic(Beats(feet, 100.0, none, none, none, none), np.zeros(80, bool))
    assert irregular
    assert found == []
    feet = 80 * np.arange(81)
    feet[40] -= 28
    found, irregular = _ectopic(Beats(feet, 100.0, none, none, none, none), np.zeros(80, bool))
    assert not irregular
    assert [(one.kind, one.first) for one in found] == [(Kind.ECTOPIC, feet[39])]


def test_lag_and_closure_of_a_known_wave():
    time = np.arange(0.0, 0.9, 0.005)
    wave = 90.0 + 30.0 * np.exp(-(((time - 0.15) / 0.09) ** 2)) - 20.0 * time
    late = np.interp(time - 0.012, time, wave)
    assert wire_lag(wave, late + 3.0, 200.0) == pytest.approx(0.012, abs=1e-3)
    notched = np.where(time < 0.3, 80.0 + 40.0 * np.sin(np.pi * time / 0.33) ** 2, 80.0 + 8.0 * np.exp(-(time - 0.3)))
    assert valve_closure(notched, 200.0) == pytest.approx(0.30, abs=0.02)
    assert valve_closure(120.0 - 40.0 * time, 200.0) is None


def test_a_pullback_shows_where_pressure_is_lost():
    parts = (*Recording().parts[:-1], ("pullback", 40.0), ("check", 10.0))
    options = WireOptions(Given(((0.0, 9.0), (171.0, 178.0)), pullback=(128.0, 168.0)), pullback_length=0.08)
    recording = Recording(parts=parts, pullback=((0.35, 1.0),))
    truth, found = read(Patient(loss=0.6), recording, 6, options)
    curve = found.pullback
    assert curve.loss == pytest.approx(1.0 - truth.ffr, abs=0.015)
    # a step of 8 % of the way about 39 % before the guide, drawn from the distal end
    assert curve.steepest == pytest.approx(curve.loss, abs=0.01)
    assert curve.steepest_at == pytest.approx(0.08 * (1.0 - 0.39), abs=0.008)
    with pytest.raises(InputError, match="outside 10 to 250 mm"):
        analyse(found.trace, replace(options, pullback_length=0.4))
    with pytest.raises(InputError, match="not both"):
        analyse(found.trace, replace(options, pullback_speed=1e-3))


def test_a_flow_column_gives_the_reserve():
    made = make(Patient(loss=0.3), Recording(), 8)
    trace = trace_of(made, 100.0)
    flow = np.where(trace.time < 60.0, 20.0, 55.0)
    found = analyse(replace(trace, flow=flow))
    beds, full, still = found.recorded.microvascular, found.recorded.hyperaemic, found.recorded.resting
    assert beds.cfr == pytest.approx(2.75, rel=0.02)
    assert beds.mrr == pytest.approx(beds.cfr / full.ffr.value * still.aortic / full.aortic)
    assert beds.resistance is None


def test_the_truth_is_a_closed_form_where_there_is_one():
    # no systole, no expansion loss: two resistances in series
    from hemo.wire import circuit

    patient = Patient(loss=0.4, squeeze=0.0)
    time = np.arange(40000) / circuit.FINE
    done, _ = circuit.run_circuit(patient, time, np.ones(len(time)), np.random.default_rng(0), 0.0, 0, {})
    usual = patient.reserve * patient.rest_flow
    drop = patient.loss * patient.mean_pressure
    viscous, expansion = 0.3 * drop / usual, 0.7 * drop / usual**2
    assert done.aortic - done.distal == pytest.approx(viscous * done.flow + expansion * done.flow**2, rel=1e-9)
    bed = (patient.mean_pressure - circuit.VENOUS) / patient.rest_flow / patient.reserve
    assert done.distal - circuit.VENOUS == pytest.approx(bed * done.flow, rel=1e-9)
    assert done.aortic.mean() == pytest.approx(patient.mean_pressure * (1.0 - patient.fall), rel=0.02)


@pytest.mark.parametrize("seed", [1, 3, 5, 7])
def test_a_bolus_in_a_severe_stenosis_is_no_damping(seed):
    parts = (("equalisation", 10.0), ("crossing", 3.0), ("rest", 25.0), ("bolus", 30.0 + 4.0 * seed), ("check", 12.0))
    patient = Patient(loss=1.0, heart_rate=50.0 + 8.0 * seed, squeeze=0.6)
    truth, found = read(patient, Recording(parts=parts), seed)
    assert found.quality.artefacts == ()
    assert found.recorded.hyperaemic.ffr.value == pytest.approx(truth.ffr, abs=0.011)


def test_many_damped_beats_do_not_become_the_usual_ones():
    made = make(Patient(heart_rate=105.0, loss=0.5), Recording(), 4)
    time, distal = made.time, made.distal.copy()
    inside = (time > 80.0) & (time < 95.0)
    distal[inside] = np.convolve(made.distal, np.ones(60) / 60.0, "same")[inside]
    found = judge(Trace("damped", 100.0, made.aortic * MMHG, distal * MMHG))
    (one,) = found.artefacts
    assert (one.kind, one.channel) == (Kind.DAMPING, "distal")
    assert (one.first / 100.0, one.last / 100.0) == (pytest.approx(79.5, abs=0.9), pytest.approx(95.5, abs=0.9))
