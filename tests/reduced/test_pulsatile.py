from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from hemo.blood import Blood
from hemo.boundary import FlowConditions, Physiology, aortic_pressure
from hemo.errors import InputError
from hemo.geometry.synthetic.vessels import left_coronary, straight_stenosis
from hemo.reduced import solve_states
from hemo.reduced.losses import interval_losses
from hemo.reduced.lumped import CORONARY_BED, windkessel
from hemo.reduced.network import inertance
from hemo.reduced.pulsatile import bed_kind, resting_ratios, solve_beat, tree_beat
from hemo.reduced.waveform import SQUEEZE, Beat, heart_beat
from hemo.tree import Branch, VesselTree
from hemo.units import MMHG

BLOOD = Blood()
PATIENT = Physiology(systolic=128 * MMHG, diastolic=76 * MMHG, myocardial_mass=0.135)
RATE = 70.0 / 60.0


def beat_of(patient=PATIENT, rate=RATE, steps=200):
    return heart_beat(patient.systolic, patient.diastolic, aortic_pressure(patient), rate, steps)


def elements(kind, resistance):
    whole = kind.time_constant / resistance
    parts = (kind.arterial, kind.middle, kind.venous)
    return (
        *(part * resistance for part in parts),
        kind.arterial_capacitance * whole,
        kind.muscle_capacitance * whole,
    )


def wide_vessel():
    """So short and wide that only the bed resists."""
    z = np.linspace(0.0, 1e-3, 3)
    radius = np.full(3, 0.1)
    return VesselTree("left", (Branch("a", np.column_stack([0 * z, 0 * z, z]), radius, np.pi * radius**2, radius),))


@pytest.mark.parametrize(("systolic", "diastolic", "mean"), [(128, 76, 93.33), (120, 80, 96.0), (160, 70, 95.0)])
def test_the_beat_has_the_pressures_of_the_patient(systolic, diastolic, mean):
    beat = heart_beat(systolic * MMHG, diastolic * MMHG, mean * MMHG, RATE, 400)
    assert beat.period == pytest.approx(1.0 / RATE)
    assert beat.aortic.max() == pytest.approx(systolic * MMHG, rel=1e-3)
    assert beat.aortic.min() == pytest.approx(diastolic * MMHG, rel=1e-3)
    assert beat.aortic.mean() == pytest.approx(mean * MMHG, rel=1e-6)
    assert np.abs(np.diff(beat.aortic)).max() < 0.06 * (systolic - diastolic) * MMHG  # no jump, at the incisura neither
    assert 0.3 < beat.ejection / beat.period < 0.4
    assert beat.diastole.sum() > beat.wave_free.sum() > 0.6 * beat.diastole.sum()


@pytest.mark.parametrize("rate", [35, 45, 59, 75, 120])
@pytest.mark.parametrize("share", [0.33, 0.40, 0.45])
def test_every_usual_mean_is_that_of_a_beat(rate, share):
    """Slow hearts too, whose long diastole wants a slow fall."""
    mean = (78 + share * 57) * MMHG
    beat = heart_beat(135 * MMHG, 78 * MMHG, mean, rate / 60, 400)
    assert beat.aortic.mean() == pytest.approx(mean, rel=1e-6)
    assert beat.aortic.max() == pytest.approx(135 * MMHG, rel=2e-3)
    assert beat.aortic.min() == pytest.approx(78 * MMHG, rel=2e-3)
    falling = np.diff(beat.aortic[beat.diastole])
    assert falling.max() < 0.0


def test_impossible_beats_are_refused():
    with pytest.raises(InputError, match="does not go with"):
        heart_beat(128 * MMHG, 76 * MMHG, 125 * MMHG, RATE)
    with pytest.raises(InputError, match="heart_rate"):
        heart_beat(128 * MMHG, 76 * MMHG, 93 * MMHG, 66.0)


def test_a_bed_alone_has_its_closed_form():
    """Under a sinusoidal pressure and no muscle: the impedance Ra + 1/(i w Ca + 1/(Ram + 1/(i w Cim + 1/Rv)))."""
    resistance, steps = 5e9, 64
    time = np.arange(steps) / RATE / steps
    omega = 2 * np.pi * RATE
    swing = 2000.0
    beat = Beat(time, 12000.0 + swing * np.cos(omega * time), np.zeros(steps), 0.3)
    tree = wide_vessel()
    found = solve_beat(tree, FlowConditions(12000.0, 600.0, {"a": resistance}), beat, BLOOD)
    assert found.periodic
    flow = found.flow["a"][:, 0]
    ra, ram, rv, ca, cim = elements(CORONARY_BED, resistance)
    vessel = interval_losses(tree, BLOOD).linear.sum() + 1j * omega * inertance(tree, BLOOD).sum()
    impedance = vessel + ra + 1 / (1j * omega * ca + 1 / (ram + 1 / (1j * omega * cim + 1 / rv)))
    exact = (12000.0 - 600.0) / resistance + swing * np.real(np.exp(1j * omega * time) / impedance)
    assert np.abs(flow - exact).max() < 1e-8 * swing / abs(impedance)


def test_a_squeezed_bed_behind_a_stenosis_against_another_integration():
    _, tree = straight_stenosis(severity=0.6)
    beat = beat_of(steps=400)
    resistance = 6e9
    found = solve_beat(tree, FlowConditions(beat.aortic.mean(), 600.0, {"vessel": resistance}), beat, BLOOD)
    ra, ram, rv, ca, cim = elements(CORONARY_BED, resistance)
    losses = interval_losses(tree, BLOOD)
    linear, quadratic, inertia = losses.linear.sum(), losses.quadratic.sum(), inertance(tree, BLOOD).sum()
    end = BLOOD.density / tree["vessel"].area[-1] ** 2

    def rate(t, state):
        q, arterial, stored = state  # stored: Pc - Pim
        phase = t % beat.period
        times = np.append(beat.time, beat.period)
        pa = np.interp(phase, times, np.append(beat.aortic, beat.aortic[0]))
        pim = np.interp(phase, times, np.append(beat.ventricle, beat.ventricle[0]))
        pc = stored + pim
        dq = (pa - (linear + ra) * q - (quadratic + end) * abs(q) * q - arterial) / inertia
        return [dq, (q - (arterial - pc) / ram) / ca, ((arterial - pc) / ram - (pc - 600.0) / rv) / cim]

    cycles = 12
    run = solve_ivp(
        rate, (0.0, cycles * beat.period), [2e-6, 8000.0, 2000.0], "LSODA", rtol=1e-7, atol=1e-12, max_step=2e-3
    )
    times = (cycles - 1) * beat.period + beat.time
    q = np.interp(times, run.t, run.y[0])
    mine = found.flow["vessel"][:, 0]
    assert np.abs(mine - q).max() < 0.003 * q.max()
    assert mine.mean() == pytest.approx(q.mean(), rel=2e-4)


def test_the_mean_over_a_beat_is_the_steady_flow():
    tree = left_coronary(0.0).tree
    states = solve_states(tree, PATIENT, BLOOD)
    found = solve_beat(tree, states.rest_conditions, beat_of(), BLOOD)
    for branch in tree.branches:
        steady = states.rest.branches[branch.name].flow[0]
        assert found.flow[branch.name][:, 0].mean() == pytest.approx(steady, rel=0.01)


def test_coronary_flow_is_diastolic_as_measured():
    """Mean diastolic over mean systolic velocity, Seligman et al. (EuroIntervention EIJ-D-21-00189, 482 recordings):
    left 1.85 +- 0.70 at rest and 1.76 +- 0.58 at hyperaemia.
    """
    tree = left_coronary(0.0).tree
    states, beat = solve_states(tree, PATIENT, BLOOD), beat_of()
    for conditions, mean, deviation in (
        (states.rest_conditions, 1.85, 0.70),
        (states.hyperaemia_conditions, 1.76, 0.58),
    ):
        flow = solve_beat(tree, conditions, beat, BLOOD, SQUEEZE["left"]).flow["LAD"][:, 0]
        assert flow[beat.diastole].mean() / flow[~beat.diastole].mean() == pytest.approx(mean, abs=deviation)
    weaker = solve_beat(tree, states.rest_conditions, beat, BLOOD, SQUEEZE["right"]).flow["LAD"][:, 0]
    assert weaker[beat.diastole].mean() / weaker[~beat.diastole].mean() < 1.5


def test_resting_ratios_fall_with_the_stenosis():
    ratios = []
    for severity in (0.0, 0.5, 0.65):
        tree = left_coronary(severity).tree
        states = solve_states(tree, PATIENT, BLOOD)
        found = solve_beat(tree, states.rest_conditions, beat_of(), BLOOD)
        ratios.append(resting_ratios(found.beat, tree["LAD"], 45e-3, found.pressure["LAD"]))
    assert ratios[0].wave_free > 0.97
    for one, other in pairwise(ratios):
        assert one.wave_free > other.wave_free
        assert one.diastolic > other.diastolic
    tight = ratios[-1]
    assert tight.lowest <= tight.wave_free < tight.whole  # a left lesion shows in diastole, when most flow passes


def test_half_the_steps_give_the_same_ratios():
    tree = left_coronary(0.6).tree
    conditions = solve_states(tree, PATIENT, BLOOD).rest_conditions
    beats = (solve_beat(tree, conditions, beat_of(steps=steps), BLOOD) for steps in (200, 400))
    coarse, fine = (resting_ratios(found.beat, tree["LAD"], 45e-3, found.pressure["LAD"]) for found in beats)
    assert coarse.wave_free == pytest.approx(fine.wave_free, abs=5e-4)
    assert coarse.lowest == pytest.approx(fine.lowest, abs=3e-3)


LEG = Physiology(territory="femoropopliteal", systolic=125 * MMHG, diastolic=75 * MMHG, heart_rate=65 / 60)


def popliteal(severity=0.0):
    """A popliteal artery of 5 mm and 12 cm with a lesion of 3 cm in its middle."""
    _, tree = straight_stenosis(5e-3, 120e-3, severity, 30e-3, 60e-3, "POP")
    return tree


def test_flow_in_a_leg_at_rest_is_triphasic_and_at_hyperaemia_is_not():
    """Spatial mean velocity at its peak in the popliteal artery of ten healthy people: 27.7 +- 5.8 cm/s, by magnetic
    resonance, with a reversal after systole (abstract; the page names no journal).
    """
    tree = popliteal()
    states = solve_states(tree, LEG, BLOOD)
    rest = tree_beat(tree, LEG, states.rest_conditions, BLOOD)
    assert rest.periodic
    velocity = rest.flow["POP"][:, 0] / tree["POP"].area[0]
    assert velocity.max() == pytest.approx(0.277, abs=2 * 0.058)
    assert velocity.min() < -0.02
    assert np.argmin(velocity) > np.argmax(velocity)
    assert velocity.mean() * tree["POP"].area[0] == pytest.approx(72e-6 / 60, rel=0.02)
    open_beds = tree_beat(tree, LEG, states.hyperaemia_conditions, BLOOD)
    assert open_beds.flow["POP"][:, 0].min() > 0.0


def test_a_lesion_in_a_leg_lowers_the_systolic_ratio_most():
    tree = popliteal(0.7)
    found = tree_beat(tree, LEG, solve_states(tree, LEG, BLOOD).rest_conditions, BLOOD)
    ratios = resting_ratios(found.beat, tree["POP"], 0.115, found.pressure["POP"])
    assert ratios.systolic < ratios.whole < 1.0


def test_the_patients_own_bed_wins_and_nonsense_is_refused():
    assert bed_kind(replace(LEG, bed_time_constant=0.8, bed_impedance=0.1)) == windkessel(0.1, 0.8)
    assert bed_kind(PATIENT) == CORONARY_BED
    with pytest.raises(InputError, match="bed_time_constant"):
        bed_kind(replace(PATIENT, bed_time_constant=100.0))
    with pytest.raises(InputError, match="coronary beds have none"):
        bed_kind(replace(PATIENT, bed_impedance=0.1))
    with pytest.raises(InputError, match="not between"):
        bed_kind(replace(LEG, bed_impedance=1.0))


def test_beds_that_open_at_rest_store_what_they_did():
    """Behind a tight stenosis the bed opens; what it stores is that of the bed unopened."""
    tree = left_coronary(0.75).tree
    conditions = solve_states(tree, PATIENT, BLOOD).rest_conditions
    found = tree_beat(tree, PATIENT, conditions, BLOOD)
    opening = dict(zip(tree.outlets, found.opening, strict=False))
    assert opening["LAD"] > 1.2
    assert opening["LCX"] == pytest.approx(1.0, abs=0.1)
    hyperaemic = tree_beat(tree, PATIENT, solve_states(tree, PATIENT, BLOOD).hyperaemia_conditions, BLOOD)
    assert hyperaemic.opening == pytest.approx(3.0, rel=0.25)  # the reserve, but for the vessels' healthy tails
