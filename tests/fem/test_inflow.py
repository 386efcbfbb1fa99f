"""A beat whose flow through the inlet is prescribed, in a pipe with a windkessel at its end, through the worker."""

from dataclasses import replace

import numpy as np
import pytest

from hemo.blood import Blood
from hemo.boundary import FlowConditions, Leak
from hemo.errors import Interrupted
from hemo.fem.launch import run_worker
from hemo.fem.result import read_result
from hemo.reduced.lumped import windkessel
from hemo.reduced.pulsatile import solve_beat
from hemo.reduced.waveform import Beat
from hemo.results import Status
from hemo.units import MMHG
from tests.fem import tubes
from tests.fem.beating import interrupt_after, straight_tree, write_beat
from tests.fem.solving import probes_at
from tests.fem.womersley import Womersley, assert_amplitude

BLOOD = Blood()
LENGTH, STEPS = 15e-3, 60
PIPE = Womersley(1.5e-3, alpha=3.0, mean=0.02, swing=0.05)  # the flow turns back
TIME = np.arange(STEPS) * PIPE.period / STEPS
INFLOW = PIPE.area * (PIPE.mean + PIPE.swing * np.cos(PIPE.omega * TIME))
BED = windkessel(0.07, 1.5)
HEIGHTS = (1e-6, 6e-3 + 1e-6, 12e-3 + 1e-6, LENGTH - 1e-6)
MEAN_PRESSURE = 93 * MMHG
RESISTANCE = (MEAN_PRESSURE - 600.0) / INFLOW.mean()
CONDITIONS = FlowConditions(MEAN_PRESSURE, 600.0, {"LAD": RESISTANCE}, inlet_flow=float(INFLOW.mean()))


def reduced(conditions=CONDITIONS):
    tree = straight_tree(LENGTH, PIPE.radius)
    beat = Beat(TIME, np.full(STEPS, MEAN_PRESSURE), np.zeros(STEPS), 0.2, INFLOW)
    return tree, solve_beat(tree, conditions, beat, BLOOD, 0.0, BED)


def pipe(rings=3, layers=16):
    return tubes.tube(lambda z: np.full_like(z, PIPE.radius), np.linspace(0.0, LENGTH, layers), rings, "LAD")


def write(folder, mesh, conditions=CONDITIONS, **options):
    tree, beat = reduced(conditions)
    return write_beat(folder, mesh, tree, beat, conditions, probes_at(mesh, HEIGHTS), step_tolerance=1e-10, **options)


def ended(folder, ranks=1):
    run_worker(folder, ranks)
    return read_result(folder)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return ended(write(tmp_path_factory.mktemp("inflow") / "fem", pipe()))


def test_the_curve_is_met_at_every_step_and_leaves_at_the_end(whole):
    assert whole.status is Status.CONVERGED, whole.message
    for flow in (whole.beat.inlet_flow, whole.beat.outlet_flow[:, 0]):
        assert flow == pytest.approx(INFLOW, abs=1e-10 * INFLOW.max())
    assert whole.inlet_flow == pytest.approx(INFLOW.mean(), rel=1e-10)
    assert whole.beat.section_flow[:, 1] == pytest.approx(INFLOW, abs=0.002 * INFLOW.max())


@pytest.mark.parametrize(("first", "second"), [(0, 1), (1, 2)], ids=["from_the_inlet_on", "farther_on"])
def test_the_drop_is_that_of_womersley(whole, first, second):
    """At once: the flow enters with that profile, not with a parabola, whose drop is 5 % and 1 degree off."""
    drop = whole.beat.section_pressure[:, first] - whole.beat.section_pressure[:, second]
    steady, swing = PIPE.gradient()
    distance = HEIGHTS[second] - HEIGHTS[first]
    assert_amplitude(PIPE.amplitude(TIME, drop), distance * swing)
    assert drop.mean() == pytest.approx(distance * steady, rel=0.02)


def test_wall_shear_next_to_the_inlet_is_that_of_womersley(whole):
    along = whole.wall.points[:, 2]
    near = (along > 0.2 * PIPE.radius) & (along < PIPE.radius)
    axial = whole.wall.instants[:, near, 2].mean(axis=1)
    assert_amplitude(PIPE.amplitude(TIME, axial), PIPE.shear()[1])


def test_pressure_at_the_inlet_is_what_bed_and_vessel_take(whole):
    """Its mean that of the patient, its swing the windkessel's impedance and the pipe's own."""
    total = whole.beat.aortic
    assert total.mean() == pytest.approx(MEAN_PRESSURE, rel=1e-9)
    kinetic = 0.5 * BLOOD.density * (INFLOW / PIPE.area) ** 2
    near = whole.beat.section_pressure[:, 0] + kinetic
    assert np.abs(total - near).max() < 0.01 * np.ptp(total)
    rest, first = 0.93 * RESISTANCE, 0.07 * RESISTANCE
    bed = first + rest / (1 + 1j * PIPE.omega * 0.93 * BED.time_constant)
    exact = PIPE.area * PIPE.swing * bed + LENGTH * PIPE.gradient()[1]
    assert_amplitude(PIPE.amplitude(TIME, total), exact)
    assert whole.section_pressure == pytest.approx(whole.beat.section_pressure.mean(axis=0), rel=1e-9)
    assert np.abs(total - reduced()[1].beat.aortic).max() < 0.03 * np.ptp(total)


COARSE = {"rings": 2, "layers": 7}


def test_killed_and_continued_on_other_ranks(tmp_path):
    """With a side branch that is not meshed; on one and two ranks, in the second beat too."""
    mesh, leaky = pipe(**COARSE), replace(CONDITIONS, leaks=(Leak("LAD", 15, 3 * RESISTANCE),))
    whole = ended(write(tmp_path / "whole", mesh, leaky))
    assert whole.status is Status.CONVERGED, whole.message
    folder = write(tmp_path / "fem", mesh, leaky)
    for ranks, step in ((2, 5), (1, STEPS + 7)):
        with pytest.raises(Interrupted):
            run_worker(folder, ranks, lambda status, step=step: interrupt_after(step, status))
    again = ended(folder, 2)
    numbers = [record["number"] for record in again.iterations]
    assert numbers == list(range(1, len(whole.iterations) + 1))
    for name in ("aortic", "section_pressure", "section_flow", "inlet_flow", "outlet_flow"):
        expected = getattr(whole.beat, name)
        assert getattr(again.beat, name) == pytest.approx(expected, abs=1e-8 * np.abs(expected).max()), name
    assert whole.beat.outlet_flow.mean() == pytest.approx(0.75 * INFLOW.mean(), rel=0.01)


def test_beats_go_on_until_pressure_repeats_too(tmp_path):
    """The one outlet's flow does from the first beat on; beds that start too full do not."""
    tree, beat = reduced()
    mesh = pipe(**COARSE)
    full = replace(beat, beds=(beat.beds[0] + 10 * MMHG, beat.beds[1]))
    folder = write_beat(tmp_path, mesh, tree, full, CONDITIONS, probes_at(mesh, HEIGHTS), most_beats=3, periodic=1e-3)
    found = ended(folder)
    assert found.status is Status.NOT_CONVERGED
    assert "flows and inlet pressure still change" in found.message
    assert found.beat.outlet_change.max() < 1e-6
