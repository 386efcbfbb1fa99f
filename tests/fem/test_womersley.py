"""Pulsatile flow in a pipe against Womersley's solution (1955, J Physiol 127:553), and the order of the time steps."""

import numpy as np
import pytest
from mpi4py import MPI

from hemo.boundary import FlowConditions
from hemo.fem.domain import to_vertices
from hemo.fem.jit import compilation
from hemo.fem.options import FemOptions
from hemo.fem.problem import set_state
from hemo.fem.sections import SectionSampler
from hemo.fem.timesteps import TimeStepper
from hemo.fem.wall import TractionRecovery, along_wall
from hemo.indices import oscillation
from hemo.triangles import vertex_normals
from tests.fem import tubes
from tests.fem.solving import probes_at, set_up, solved
from tests.fem.womersley import Womersley, assert_amplitude

RADIUS, LENGTH = 1.5e-3, 6e-3
FLOW = Womersley(RADIUS, alpha=3.0, mean=0.03, swing=0.08)  # the flow turns back


def pipe(rings, layers):
    return tubes.tube(lambda z: np.full_like(z, RADIUS), np.linspace(0.0, LENGTH, layers), rings)


def stepper(mesh, steps, **options):
    """Womersley flow at t = 0, and the inlet's velocity as a function of time."""
    conditions = FlowConditions(100.0, 0.0, {"out": 0.0}, FLOW.area * FLOW.mean)
    problem = set_up(mesh, conditions, np.zeros((len(mesh.points), 3)), unsteady=True)
    start = problem.velocity()
    start.interpolate(lambda x: FLOW.velocity(x, 0.0))
    set_state(problem, start, problem.pressure())

    def enter(t):
        problem.inlet_velocity.interpolate(lambda x: FLOW.velocity(x, t))

    return TimeStepper(problem, FemOptions(**options), FLOW.period / steps), enter


STEPS = 40


@pytest.fixture(scope="module")
def cycle():
    """Shear (steps, n, 3) at vertices half way along, axial velocity there on the axis, and flow, over one period."""
    mesh = pipe(3, 7)
    march, enter = stepper(mesh, STEPS)
    problem = march.problem
    with compilation(MPI.COMM_SELF):
        recovery = TractionRecovery(problem)
    sampler = SectionSampler(problem, probes_at(mesh, [LENGTH / 2 + 1e-6]))
    wall, triangles = np.unique(mesh.facets_of("wall"), return_inverse=True)
    normal = vertex_normals(mesh.points[wall], triangles.reshape(-1, 3))
    middle = np.abs(mesh.points[wall, 2] - LENGTH / 2) < 0.2 * LENGTH
    axis = np.argmin(np.linalg.norm(mesh.points - [0.0, 0.0, LENGTH / 2], axis=1))
    found = []
    for step in range(1, STEPS * 3 // 2 + 1):
        enter(step * march.dt)
        outcome = march.step()
        assert outcome.residual <= march.options.step_tolerance
        if step <= STEPS // 2:  # what the first step, of first order, has left behind
            continue
        traction = to_vertices(recovery.viscous(), len(mesh.points))[wall]
        shear = along_wall(traction, normal)[middle]
        place = np.linalg.norm(problem.velocity_part.space.tabulate_dof_coordinates() - mesh.points[axis], axis=1)
        fastest = problem.velocity().x.array.reshape(-1, 3)[np.argmin(place), 2]
        found.append((step * march.dt, shear, fastest, sampler.means().flow[0]))
    march.destroy()
    return [np.array(part) for part in zip(*found, strict=True)]


def test_velocity_flow_and_wall_shear(cycle):
    times, shear, fastest, flow = cycle
    mean, swing = FLOW.shear()
    axial = shear[:, :, 2].mean(axis=1)
    assert axial.mean() == pytest.approx(mean, abs=0.015 * abs(swing))
    assert_amplitude(FLOW.amplitude(times, axial), swing)
    assert_amplitude(FLOW.amplitude(times, fastest), FLOW.axis())
    assert_amplitude(FLOW.amplitude(times, flow), FLOW.area * FLOW.swing)


def test_oscillation_of_a_reversing_flow(cycle):
    _, shear, _, _ = cycle
    tawss, osi, _ = oscillation(shear, np.full(len(shear), 1 / len(shear)))
    mean, swing = FLOW.shear()
    phase = np.linspace(0.0, 2 * np.pi, 20001)[:-1]
    exact = mean + np.real(swing * np.exp(1j * phase))
    assert tawss.mean() == pytest.approx(np.abs(exact).mean(), rel=0.01)
    expected = 0.5 * (1 - abs(exact.mean()) / np.abs(exact).mean())
    assert 0.1 < expected < 0.4
    assert osi.mean() == pytest.approx(expected, abs=0.01)
    assert np.abs(osi - expected).max() < 0.02


def test_steps_are_of_second_order():
    """Against steps eight times as fine on the same mesh, after one period."""
    mesh = pipe(2, 4)
    ends = {}
    for steps in (10, 20, 40, 320):
        march, enter = stepper(mesh, steps, step_tolerance=1e-9)
        for step in range(1, steps + 1):
            enter(step * march.dt)
            march.step()
        ends[steps] = march.problem.velocity().x.array
        march.destroy()
    error = {steps: np.linalg.norm(end - ends[320]) for steps, end in ends.items()}
    rates = np.log2([error[10] / error[20], error[20] / error[40]])
    assert rates[-1] >= 1.9, rates
    assert error[40] < 0.01 * np.linalg.norm(ends[320])


@pytest.mark.parametrize("step", [1e-4, 1e-2], ids=["short", "long"])
def test_steady_flow_stays_steady(step):
    """Whatever the step: nothing in the stabilisation knows of it."""
    mesh = tubes.tube(tubes.cosine_stenosis(0.4), np.linspace(14e-3, 26e-3, 13), rings=2)
    conditions = FlowConditions(12000.0, 600.0, {"out": 11000.0 / 1e-6})
    problem = set_up(mesh, conditions, np.zeros((len(mesh.points), 3)), unsteady=True)
    solved(problem, tolerance=1e-10, flow_tolerance=1e-10)
    before = problem.velocity().x.array
    march = TimeStepper(problem, FemOptions(step_tolerance=1e-9), step)
    for _ in range(3):
        assert march.step().residual < 1e-8
    assert np.abs(problem.velocity().x.array - before).max() < 1e-8 * np.abs(before).max()
    march.destroy()
