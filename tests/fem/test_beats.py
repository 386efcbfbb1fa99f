"""A beat in a vessel with a squeezed bed and a side branch that is not meshed, through the worker."""

from dataclasses import replace

import numpy as np
import pytest

from hemo.beatstage import before_the_beat, pulse_of
from hemo.blood import Blood
from hemo.boundary import FlowConditions, Leak
from hemo.errors import InputError, Interrupted
from hemo.fem.initial import initial_fields
from hemo.fem.job import write_job
from hemo.fem.launch import run_worker
from hemo.fem.result import read_result
from hemo.indices import oscillation
from hemo.reduced.lumped import windkessel
from hemo.reduced.pulsatile import solve_beat
from hemo.reduced.waveform import heart_beat
from hemo.results import Status
from hemo.units import MMHG
from tests.fem import tubes
from tests.fem.beating import interrupt_after, straight_tree, write_beat
from tests.fem.solving import probes_at

BLOOD = Blood()
RADIUS, LENGTH = 1.5e-3, 12e-3
STEPS = 40
HEIGHTS = (1e-6, LENGTH / 2 + 1e-6, LENGTH - 1e-6)
CONDITIONS = FlowConditions(93 * MMHG, 600.0, {"LAD": 6e9}, leaks=(Leak("LAD", 15, 2e10),))


@pytest.fixture(scope="module")
def reduced():
    tree = straight_tree(LENGTH, RADIUS)
    return tree, solve_beat(tree, CONDITIONS, heart_beat(120 * MMHG, 78 * MMHG, 93 * MMHG, 70 / 60, STEPS), BLOOD)


@pytest.fixture(scope="module")
def mesh():
    return tubes.tube(lambda z: np.full_like(z, RADIUS), np.linspace(0.0, LENGTH, 7), rings=2, outlet="LAD")


def write(folder, mesh, reduced, conditions=CONDITIONS, **options):
    return write_beat(folder, mesh, *reduced, conditions, probes_at(mesh, HEIGHTS), **options)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, mesh, reduced):
    """The beat from end to end, on one rank."""
    folder = write(tmp_path_factory.mktemp("beat") / "fem", mesh, reduced, step_tolerance=1e-10)
    run_worker(folder, 1)
    return read_result(folder)


def test_it_repeats_and_follows_the_reduced_model(whole, reduced):
    _, beat = reduced
    assert whole.status is Status.CONVERGED, whole.message
    inflow, outflow = beat.flow["LAD"][:, 0], beat.flow["LAD"][:, -1]
    assert whole.inlet_flow == pytest.approx(inflow.mean(), rel=0.01)
    assert whole.outlet_flow["LAD"] == pytest.approx(outflow.mean(), rel=0.01)
    # Steps of first order in the reduced model, of second order here: most of what is left.
    assert np.abs(whole.beat.section_flow[:, 0] - inflow).max() < 0.05 * inflow.max()
    assert np.abs(whole.beat.outlet_flow[:, 0] - outflow).max() < 0.05 * outflow.max()
    assert np.abs(whole.beat.section_pressure[:, -1] - beat.pressure["LAD"][:, -1]).max() < 1.5 * MMHG


def test_means_are_those_of_the_series(whole):
    beat = whole.beat
    assert whole.section_pressure == pytest.approx(beat.section_pressure.mean(axis=0), rel=1e-9)
    assert whole.section_flow == pytest.approx(beat.section_flow.mean(axis=0), rel=1e-9)
    assert whole.outlet_flow["LAD"] == pytest.approx(beat.outlet_flow.mean(), rel=1e-9)
    assert whole.wall.shear == pytest.approx(whole.wall.instants.mean(axis=0), abs=1e-5)  # kept in single precision
    assert beat.aortic.mean() == pytest.approx(93 * MMHG)


def test_mass_is_kept_at_every_time(whole):
    """What enters leaves through the outlet and the side branch."""
    lost = whole.beat.section_flow[:, 0] - whole.beat.outlet_flow[:, 0]
    assert np.all(lost > 0.0)
    drive = whole.section_pressure[1] - 600.0  # the bed's capacitances carry no mean flow
    assert lost.mean() == pytest.approx(drive / 2e10, rel=0.01)


def test_killed_and_continued_on_other_ranks(tmp_path, whole, mesh, reduced):
    folder = write(tmp_path / "fem", mesh, reduced, step_tolerance=1e-10)
    for ranks, step in ((2, 5), (1, STEPS + 7)):
        with pytest.raises(Interrupted):
            run_worker(folder, ranks, lambda status, step=step: interrupt_after(step, status))
    run_worker(folder, 2)
    again = read_result(folder)
    numbers = [record["number"] for record in again.iterations]
    assert numbers == list(range(1, len(numbers) + 1))
    for name in ("section_pressure", "section_flow", "outlet_flow"):
        expected = getattr(whole.beat, name)
        assert getattr(again.beat, name) == pytest.approx(expected, abs=1e-8 * np.abs(expected).max()), name
    assert again.wall.instants == pytest.approx(whole.wall.instants, abs=1e-5)  # kept in single precision


@pytest.mark.parametrize(
    ("options", "complaint", "steps"),
    [
        ({"step_tolerance": 1e-30}, "Time step 1 ended", 0),
        ({"most_beats": 2, "periodic": 0.0}, "2 beats are not enough", 2 * STEPS),
    ],
    ids=["a_step_fails", "never_the_same"],
)
def test_what_does_not_converge_says_so(tmp_path, mesh, reduced, options, complaint, steps):
    """And leaves a whole beat's means, or the last instant, but no part of a mean."""
    folder = write(tmp_path / "fem", mesh, reduced, **options)
    run_worker(folder, 1)
    result = read_result(folder)
    assert result.status is Status.NOT_CONVERGED
    assert complaint in result.message
    assert len(result.iterations) == steps
    assert (result.beat is None) == (steps == 0)
    assert np.isfinite(result.section_pressure).all()
    assert 0.4 < result.inlet_flow / reduced[1].flow["LAD"][:, 0].mean() < 2.0
    assert np.linalg.norm(result.wall.shear, axis=1).max() > 0.1


def test_flow_turns_back_in_a_leg_as_in_the_reduced_model(tmp_path, mesh, reduced):
    """A windkessel beyond the outlet and beside the vessel: flow leaves through the inlet for a part of the beat."""
    tree, _ = reduced
    leg = replace(CONDITIONS, outlet_resistance={"LAD": 9.8e9})
    pressure = heart_beat(125 * MMHG, 75 * MMHG, 93 * MMHG, 65 / 60, 100)
    beat = solve_beat(tree, leg, pressure, BLOOD, squeeze=0.0, kind=windkessel(0.07, 1.5))
    folder = write(tmp_path / "leg", mesh, (tree, beat), leg)
    run_worker(folder, 1)
    found = read_result(folder)
    assert found.status is Status.CONVERGED, found.message
    inflow = beat.flow["LAD"][:, 0]
    assert inflow.min() < -0.05 * inflow.max()
    assert np.abs(found.beat.section_flow[:, 0] - inflow).max() < 0.05 * inflow.max()
    assert found.inlet_flow == pytest.approx(inflow.mean(), rel=0.01)
    osi = oscillation(found.wall.instants, np.full(100, 0.01))[1]
    assert 0.05 < osi.mean() < 0.5


def test_pulses_that_do_not_fit_are_refused(tmp_path, mesh, reduced):
    tree, beat = reduced
    pulse = pulse_of(beat, tree, mesh.outlets, None)
    initial = initial_fields(mesh.points, tree, before_the_beat(beat))
    probes = probes_at(mesh, HEIGHTS)
    with pytest.raises(InputError, match="do not fit"):
        write_job(tmp_path, mesh, probes, initial, BLOOD, CONDITIONS, leak=np.ones(len(mesh.cells)), pulse=pulse)
    driven = FlowConditions(93 * MMHG, 600.0, {"LAD": 6e9}, inlet_flow=1e-6)
    with pytest.raises(InputError, match="needs its value at every time"):
        write_job(tmp_path, mesh, probes, initial, BLOOD, driven, pulse=pulse)
