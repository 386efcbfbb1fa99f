"""Where no steady flow is found: followed in time, averaged, and said."""

import os
import signal

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.special import stdtrit

from hemo.blood import Blood
from hemo.boundary import FlowConditions
from hemo.errors import Interrupted
from hemo.fem.averaging import half_width
from hemo.fem.job import write_job
from hemo.fem.launch import run_worker
from hemo.fem.options import FemOptions
from hemo.fem.result import read_result
from hemo.indices import oscillation
from hemo.results import Status
from hemo.units import MMHG
from tests.fem import tubes
from tests.fem.solving import parabola, probes_at

RADIUS, FLOW = 1.5e-3, 1.5e-6  # m, m^3/s
AORTIC = 93 * MMHG
HEIGHTS = (1e-3, 5.1e-3, 10.2e-3, 19e-3)
# Two steps find no steady flow: what follows in time must come to the one that there is.
IN_TIME = {"max_steps": 2, "settling_steps": 20, "least_window": 0.03, "averaged": 5e-4}


@pytest.fixture(scope="module")
def mesh():
    """20 mm with a 50 % stenosis in the middle."""
    whole = tubes.cosine_stenosis(0.5)
    stations = tubes.graded_stations(lambda z: whole(z + 10e-3), 20e-3, 1.6)
    return tubes.tube(lambda z: whole(z + 10e-3), stations, rings=2)


def write(folder, mesh, inlet_flow=None, read=None, **options):
    conditions = FlowConditions(AORTIC, 600.0, {"out": (AORTIC - 600.0) / FLOW}, inlet_flow)
    velocity = parabola(mesh, lambda z: tubes.cosine_stenosis(0.5)(z + 10e-3), FLOW)
    initial = velocity, np.full(len(mesh.points), AORTIC)
    options = FemOptions(**options)
    write_job(folder, mesh, probes_at(mesh, HEIGHTS), initial, Blood(), conditions, options, read=read)
    return folder


def solve(folder, ranks=1):
    run_worker(folder, ranks)
    return read_result(folder)


@pytest.fixture(scope="module")
def steady(mesh, tmp_path_factory):
    return solve(write(tmp_path_factory.mktemp("steady"), mesh))


@pytest.fixture(scope="module")
def averaged(mesh, tmp_path_factory):
    return solve(write(tmp_path_factory.mktemp("averaged"), mesh, **IN_TIME))


def test_says_that_it_is_a_mean(steady, averaged):
    assert steady.status is Status.CONVERGED
    assert averaged.status is Status.AVERAGED
    assert averaged.status.usable
    assert "averaged over" in averaged.message
    times = [record["time"] for record in averaged.iterations if "time" in record]
    short = times[-1] - times[-2]
    assert np.diff(times)[:19] == pytest.approx(times[0], rel=1e-9)
    assert np.diff(times)[20:] == pytest.approx(short)
    profile = RADIUS**2 / (2.4048**2 * Blood().viscosity / Blood().density)
    assert times[19] == pytest.approx(2 * profile, rel=0.05)  # the inlet is a polygon
    window = round(0.03 * times[19] / 2 / short)
    assert (len(times) - 20) / window in (2, 4, 8, 16)
    assert np.all((averaged.section_doubt > 0.0) & (averaged.section_doubt < 5e-4 * AORTIC))


def test_mean_is_the_steady_flow_where_there_is_one(steady, averaged):
    assert averaged.section_pressure == pytest.approx(steady.section_pressure, abs=1e-3 * AORTIC)
    assert averaged.outlet_flow["out"] == pytest.approx(steady.outlet_flow["out"], rel=2e-3)
    assert averaged.outlet_pressure["out"] == pytest.approx(steady.outlet_pressure["out"], rel=2e-3)
    difference = np.linalg.norm(averaged.wall.shear - steady.wall.shear)
    assert difference < 0.03 * np.linalg.norm(steady.wall.shear)
    shear, weights = averaged.wall.over_time
    assert len(shear) > 1
    assert oscillation(shear, weights)[1].mean() < 0.01


def test_prescribed_flow_brings_the_pressure_to_its_level(mesh, steady, tmp_path):
    found = solve(write(tmp_path, mesh, inlet_flow=steady.inlet_flow, **IN_TIME))
    assert found.status is Status.AVERAGED
    expected = solve(write(tmp_path / "steady", mesh, inlet_flow=steady.inlet_flow))
    assert found.section_pressure == pytest.approx(expected.section_pressure, abs=1e-3 * AORTIC)
    assert found.wall.pressure.mean() == pytest.approx(expected.wall.pressure.mean(), abs=1e-3 * AORTIC)


def test_half_width_holds_the_mean_of_what_remembers():
    """A first-order autoregression whose memory, 20 steps, is short beside the 500 of a part."""
    generator = np.random.default_rng(1)
    noise, memory = generator.standard_normal((4000, 2000)), np.exp(-1 / 20)
    series = lfilter([np.sqrt(1 - memory**2)], [1.0, -memory], noise, axis=0)
    off = half_width(series)
    assert (np.abs(series.mean(axis=0)) < off).mean() == pytest.approx(0.95, abs=0.02)
    deviation = np.sqrt((1 + memory) / (1 - memory) / 4000)
    assert np.sqrt((off**2).mean()) == pytest.approx(stdtrit(7, 0.975) * deviation, rel=0.05)
    assert np.isinf(half_width(series[:7])).all()


def test_half_width_counts_what_is_still_on_its_way():
    ramp = np.linspace(0.0, 1.0, 4000)[:, None]
    assert half_width(ramp)[0] == pytest.approx(stdtrit(7, 0.975) * np.sqrt(63 / 12 * 8 / 7) / 8 / np.sqrt(8), rel=1e-3)


def test_what_is_not_read_need_not_be_sure(mesh, averaged, tmp_path):
    """A pressure of which nobody reads FFR decides nothing: the outlets' shares are sure from the first."""
    folder = write(tmp_path, mesh, read=np.zeros(len(HEIGHTS), dtype=bool), **IN_TIME)
    assert len(solve(folder).iterations) <= len(averaged.iterations)


def test_means_that_do_not_agree_are_no_result(mesh, tmp_path):
    found = solve(write(tmp_path, mesh, **IN_TIME | {"averaged": 0.0, "tolerated": 0.0, "most_window_steps": 30}))
    assert found.status is Status.NOT_CONVERGED
    assert not found.status.usable
    assert "none in the mean" in found.message


def test_what_is_tolerable_is_a_result_when_no_more_steps_are_allowed(mesh, averaged, tmp_path):
    found = solve(write(tmp_path, mesh, **IN_TIME | {"averaged": 0.0, "tolerated": 0.05, "most_window_steps": 30}))
    assert found.status is Status.AVERAGED
    assert found.section_doubt.max() < 0.05 * AORTIC
    assert found.section_pressure == pytest.approx(averaged.section_pressure, abs=found.section_doubt.max())


def test_stopped_in_a_window_it_goes_on_where_it_was(mesh, averaged, tmp_path):
    folder, seen = write(tmp_path, mesh, **IN_TIME), []

    def stop(status):
        seen.append(status.get("step") or 0)
        if seen[-1] > 50:
            os.kill(os.getpid(), signal.SIGUSR1)

    with pytest.raises(Interrupted):
        run_worker(folder, 2, stop)
    found = solve(folder, 1)
    assert found.status is Status.AVERAGED
    assert len(found.iterations) == len(averaged.iterations)
    assert found.section_pressure == pytest.approx(averaged.section_pressure, rel=1e-5)
