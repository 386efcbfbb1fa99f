"""Rates in space and time on an exact unsteady flow; the whole table is validation/ethier_steinman.py's."""

import numpy as np
import pytest

from validation import ethier_steinman as flow

SIDES = (6, 8, 10)
STEPS = (4, 8, 16)


def test_it_is_a_flow_of_blood():
    assert flow.BLOOD.density == pytest.approx(1060.0)


def test_the_formulas_solve_the_equations():
    """By differences in space and time; div u = 0 and the momentum balance."""
    h, place = 1e-3 * flow.LENGTH, flow.LENGTH * np.array([0.3, -0.5, 0.7])
    shift = h * np.eye(3)

    def u(x, t=0.0):
        return np.array(flow.velocity(x, t, np))

    slope = np.array([(u(place + d) - u(place - d)) / (2 * h) for d in shift])
    bend = sum(u(place + d) + u(place - d) - 2 * u(place) for d in shift) / h**2
    push = [(flow.pressure(place + d, 0.0, np) - flow.pressure(place - d, 0.0, np)) / (2 * h) for d in shift]
    tick = 1e-3 / flow.RATE
    change = (u(place, tick) - u(place, -tick)) / (2 * tick)
    inertia = flow.BLOOD.density * (change + u(place) @ slope)
    assert abs(np.trace(slope)) < 1e-5 * np.abs(slope).max()
    assert inertia + push == pytest.approx(flow.BLOOD.viscosity * bend, abs=1e-4 * np.abs(push).max())


def test_rates_in_space():
    found = np.array([flow.errors(flow.solve(side, 16)) for side in SIDES])
    order = flow.rates(SIDES, found)[-1]
    assert np.all(order >= [2.7, 1.9, 1.8]), (order, found)
    assert np.all(found[-1] < [1e-3, 2e-2, 3e-2])


def test_rates_in_time():
    finest = flow.solve(SIDES[0], 128)
    found = np.array([flow.differences(flow.solve(SIDES[0], steps), finest) for steps in STEPS])
    order = flow.rates(STEPS, found)[-1]
    assert np.all(order >= 1.8), (order, found)
    assert np.all(found[-1] < [1e-4, 1e-3])
