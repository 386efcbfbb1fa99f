"""Pulsatile flow in a pipe against Womersley's solution, and the order of the time steps.

The table over meshes and steps is validation/womersley.py's.
"""

import numpy as np
import pytest

from hemo.boundary import FlowConditions
from hemo.fem.options import FemOptions
from hemo.fem.timesteps import TimeStepper
from tests.fem import tubes
from tests.fem.solving import set_up, solved
from tests.fem.womersley import assert_amplitude
from validation import womersley
from validation.womersley import FLOW


@pytest.fixture(scope="module")
def cycle():
    return womersley.cycle(womersley.Run(rings=3, steps=40))


def test_velocity_flow_and_wall_shear(cycle):
    mean, swing = FLOW.shear()
    assert cycle.axial.mean() == pytest.approx(mean, abs=0.015 * abs(swing))
    for found, exact in cycle.amplitudes().values():
        assert_amplitude(found, exact)


def test_oscillation_of_a_reversing_flow(cycle):
    tawss, osi = cycle.oscillation()
    magnitude, expected = FLOW.oscillation()
    assert tawss.mean() == pytest.approx(magnitude, rel=0.01)
    assert 0.1 < expected < 0.4
    assert osi.mean() == pytest.approx(expected, abs=0.01)
    assert np.abs(osi - expected).max() < 0.02


def test_steps_are_of_second_order():
    """Against steps eight times as fine on the same mesh, after one period."""
    mesh = womersley.pipe(2, womersley.SHORT)
    ends = {}
    for steps in (10, 20, 40, 320):
        march, enter = womersley.stepper(mesh, steps, step_tolerance=1e-9)
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
