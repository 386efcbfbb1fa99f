"""Beats whose flow through the inlet is prescribed: the pressure is what it takes."""

from dataclasses import replace

import numpy as np
import pytest

from hemo.beattrace import BeatTrace
from hemo.blood import Blood
from hemo.boundary import FlowConditions, Physiology
from hemo.boundary.patient import with_inflow
from hemo.errors import InputError
from hemo.evaluation import evaluate
from hemo.geometry.synthetic.vessels import left_coronary, straight_stenosis
from hemo.reduced import LossOptions, solve_states
from hemo.reduced.lumped import CORONARY_BED, windkessel
from hemo.reduced.pulsatile import solve_beat, tree_beat
from hemo.reduced.waveform import Beat, heart_beat
from hemo.tree import Branch, VesselTree
from hemo.units import ML_PER_MIN, MMHG

BLOOD = Blood()
RATE = 70.0 / 60.0
OMEGA = 2 * np.pi * RATE
MEAN, SWING = 2e-6, 1.5e-6  # m^3/s
RESISTANCE, VENOUS = 5e9, 600.0
CONDITIONS = FlowConditions(12000.0, VENOUS, {"a": RESISTANCE}, inlet_flow=MEAN)


def vessel(length=1e-3, radius=5e-3):
    """So short and wide, if not asked for otherwise, that only the bed resists."""
    z = np.linspace(0.0, length, 3)
    r = np.full(3, radius)
    return VesselTree("left", (Branch("a", np.column_stack([0 * z, 0 * z, z]), r, np.pi * r**2, r),))


def flow_beat(steps, muscle=0.0):
    """A sinusoidal flow, and a muscle that presses with a sinusoid of its own (phase of a quarter)."""
    time = np.arange(steps) / RATE / steps
    inflow = MEAN + SWING * np.cos(OMEGA * time)
    return Beat(time, np.full(steps, 12000.0), muscle * np.sin(OMEGA * time), 0.3, inflow)


def amplitude(beat, values):
    return 2 * np.mean(values * np.exp(-1j * OMEGA * beat.time))


@pytest.mark.parametrize("time_constant", [0.05, 1.5, 15.0])
def test_a_windkessel_has_its_impedance(time_constant):
    """Z = Ra + R / (1 + i w R C) of the resistance beside the capacitance, whole resistance Ra + R."""
    found = solve_beat(vessel(), CONDITIONS, flow_beat(2000), BLOOD, 0.0, windkessel(0.07, time_constant))
    assert found.periodic
    ra, rest = 0.07 * RESISTANCE, 0.93 * RESISTANCE
    exact = SWING * (ra + rest / (1 + 1j * OMEGA * rest * time_constant / RESISTANCE))
    pressure = found.beat.aortic
    assert abs(amplitude(found.beat, pressure) - exact) < 0.005 * abs(exact)
    assert pressure.mean() == pytest.approx(12000.0, rel=1e-9)
    assert found.flow["a"][:, 0] == pytest.approx(found.beat.inflow, rel=1e-12)


def test_a_squeezed_bed_has_its_impedance_and_transfer():
    """Kim's bed under flow and under the muscle's pressure, each a sinusoid."""
    squeeze = 6000.0
    found = solve_beat(vessel(), CONDITIONS, flow_beat(4000, squeeze), BLOOD, 1.0, CORONARY_BED)
    assert found.periodic
    kind = CORONARY_BED
    ra, ram, rv = (part * RESISTANCE for part in (kind.arterial, kind.middle, kind.venous))
    capacitance = kind.time_constant / RESISTANCE
    arterial, middle = (
        1j * OMEGA * part * capacitance for part in (kind.arterial_capacitance, kind.muscle_capacitance)
    )
    # Rows: what flows out of Pp, out of Pc; the muscle's pressure is -i squeeze.
    matrix = np.array([[arterial + 1 / ram, -1 / ram], [-1 / ram, middle + 1 / ram + 1 / rv]])
    pp, _ = np.linalg.solve(matrix, [SWING, middle * -1j * squeeze])
    exact = pp + ra * SWING
    assert abs(amplitude(found.beat, found.beat.aortic) - exact) < 0.005 * abs(exact)


def test_a_straight_vessel_takes_friction_and_inertia():
    """Between its ends R Q + L dQ/dt, R = 8 mu l / (pi r^4) and L = rho l / A."""
    length, radius, steps = 60e-3, 1.5e-3, 2000
    flat = LossOptions(law="borda_carnot")  # no profile that develops
    bed = windkessel(0.07, 1.5)
    found = solve_beat(vessel(length, radius), CONDITIONS, flow_beat(steps), BLOOD, 0.0, bed, options=flat)
    drop = found.pressure["a"][:, 0] - found.pressure["a"][:, -1]
    resistance = 8 * BLOOD.viscosity * length / (np.pi * radius**4)
    exact = SWING * (resistance + 1j * OMEGA * BLOOD.density * length / (np.pi * radius**2))
    assert abs(amplitude(found.beat, drop) - exact) < 0.005 * abs(exact)
    assert drop.mean() == pytest.approx(resistance * MEAN, rel=1e-3)


@pytest.mark.parametrize("severity", [0.0, 0.7])
def test_the_flow_that_a_pressure_drives_takes_that_pressure(severity):
    """A whole tree with leaks and squeezed beds, back and forth."""
    tree = left_coronary(severity).tree
    patient = Physiology(systolic=128 * MMHG, diastolic=76 * MMHG, myocardial_mass=0.135)
    conditions = solve_states(tree, patient, BLOOD).rest_conditions
    driven = heart_beat(128 * MMHG, 76 * MMHG, conditions.aortic_pressure, RATE)
    one = solve_beat(tree, conditions, driven, BLOOD)
    inflow = one.flow[tree.root.name][:, 0]
    beat = replace(driven, aortic=np.full(200, conditions.aortic_pressure), inflow=inflow)
    again = solve_beat(tree, replace(conditions, inlet_flow=float(inflow.mean())), beat, BLOOD)
    assert again.periodic
    assert np.abs(again.beat.aortic - driven.aortic).max() < 0.003 * np.ptp(driven.aortic)
    for name in tree.outlets:
        assert np.abs(again.flow[name] - one.flow[name]).max() < 0.003 * one.flow[name].max()


def test_a_beat_wants_either_flow_or_pressure():
    pressed = heart_beat(120 * MMHG, 78 * MMHG, 93 * MMHG, RATE)
    for conditions, beat in ((CONDITIONS, pressed), (replace(CONDITIONS, inlet_flow=None), flow_beat(200))):
        with pytest.raises(InputError, match="where the inlet's flow is prescribed"):
            solve_beat(vessel(), conditions, beat, BLOOD)


LEG = Physiology(territory="femoropopliteal", mean_pressure=95 * MMHG, state="rest")
TIME = np.arange(100) * 0.9 / 100
MEASURED = BeatTrace(TIME, (75 + 300 * np.exp(-((TIME - 0.15) ** 2) / 0.003) - 60 * (TIME < 0.4)) * ML_PER_MIN, 0.9)


def test_a_leg_measured_at_rest_has_ratios_without_a_cuff():
    _, tree = straight_stenosis(5e-3, 80e-3, 0.6, 20e-3, 25e-3, "POP")
    patient = with_inflow(LEG, MEASURED)
    states = solve_states(tree, patient, BLOOD)
    found = tree_beat(tree, patient, states.rest_conditions, BLOOD)
    inflow = found.flow["POP"][:, 0]
    assert inflow.mean() == pytest.approx(MEASURED.mean, rel=1e-9)
    assert inflow.max() == pytest.approx(MEASURED.values.max(), rel=0.01)
    (ratios,) = evaluate(tree, patient, BLOOD).resting.values()
    steady = evaluate(tree, replace(patient, inflow=None), BLOOD)
    assert steady.resting == {}
    at_rest = steady.reduced_rest.ffr("POP")[-1]
    assert at_rest - 0.03 < ratios.whole < at_rest  # the losses are quadratic: a beat takes more than its mean
    assert ratios.lowest < ratios.systolic < ratios.whole
    # At hyperaemia the resting beat was not measured, and a coronary tree's muscle wants the cuff.
    assert evaluate(tree, replace(patient, state="hyperaemia"), BLOOD).resting == {}
    assert not replace(patient, territory="coronary").has_beat
    with pytest.raises(InputError, match="systolic and diastolic"):
        tree_beat(tree, replace(patient, territory="coronary"), states.rest_conditions, BLOOD)


def test_the_other_state_carries_its_own_mean():
    _, tree = straight_stenosis(5e-3, 80e-3, 0.3, 20e-3, 25e-3, "POP")
    patient = with_inflow(LEG, MEASURED)
    conditions = solve_states(tree, patient, BLOOD).hyperaemia_conditions
    found = tree_beat(tree, patient, conditions, BLOOD)
    assert found.flow["POP"][:, 0].mean() == pytest.approx(conditions.inlet_flow, rel=1e-9)
    assert conditions.inlet_flow > 2.0 * MEASURED.mean
