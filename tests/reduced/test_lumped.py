"""Coronary beds in implicit steps against their impedance."""

import numpy as np
import pytest

from hemo.reduced.lumped import (
    ARTERIAL,
    ARTERIAL_CAPACITANCE,
    MIDDLE,
    MUSCLE_CAPACITANCE,
    TIME_CONSTANT,
    VENOUS,
    CoronaryBeds,
)

RESISTANCE, VENOUS_PRESSURE, PERIOD = 5e9, 600.0, 0.9
OMEGA = 2 * np.pi / PERIOD
FLOW, SWING, SQUEEZE = 2e-6, 1e-6, 4000.0


def impedances():
    """Of the bed to inflow, and what a swing of the muscle's pressure adds to the pressure at the bed's entrance."""
    ra, ram, rv = (part * RESISTANCE for part in (ARTERIAL, MIDDLE, VENOUS))
    ca, cim = (part * TIME_CONSTANT / RESISTANCE for part in (ARTERIAL_CAPACITANCE, MUSCLE_CAPACITANCE))
    a, m = 1j * OMEGA * ca, 1j * OMEGA * cim
    matrix = np.array([[a + 1 / ram, -1 / ram], [-1 / ram, m + 1 / ram + 1 / rv]])
    return ra + np.linalg.solve(matrix, [1, 0])[0], np.linalg.solve(matrix, [0, m])[0]


def error(order, steps):
    """Largest error of the pressure at the entrance in the last of eight periods, over its swing."""
    dt = PERIOD / steps
    beds = CoronaryBeds(np.array([RESISTANCE]), VENOUS_PRESSURE, dt, order=order)
    beds.start(np.array([FLOW]), 0.0)
    to_flow, to_muscle = impedances()
    largest = 0.0
    for step in range(1, 8 * steps + 1):
        turn = np.exp(1j * OMEGA * step * dt)
        flow, muscle = np.array([FLOW + SWING * turn.real]), SQUEEZE * turn.imag
        resistance, level = beds.seen(muscle)
        pressure = float((level + resistance * flow)[0])
        beds.advance(flow, muscle)
        exact = VENOUS_PRESSURE + RESISTANCE * FLOW + (turn * (to_flow * SWING - 1j * to_muscle * SQUEEZE)).real
        if step > 7 * steps:
            largest = max(largest, abs(pressure - exact))
    return largest / (abs(to_flow) * SWING)


@pytest.mark.parametrize("order", [1, 2])
def test_steps_have_their_order(order):
    errors = [error(order, steps) for steps in (50, 100, 200)]
    rates = np.log2(np.divide(errors[:-1], errors[1:]))
    assert rates[-1] == pytest.approx(order, abs=0.15), errors
    assert errors[-1] < (0.02 if order == 1 else 5e-4)


def test_a_steady_bed_is_its_resistance():
    beds = CoronaryBeds(np.array([RESISTANCE, 2 * RESISTANCE]), VENOUS_PRESSURE, 1e-3, order=2)
    flow = np.array([FLOW, 0.3 * FLOW])
    beds.start(flow, 1500.0)
    for _ in range(5):
        resistance, level = beds.seen(1500.0)
        assert level + resistance * flow == pytest.approx(
            VENOUS_PRESSURE + np.array([RESISTANCE, 2 * RESISTANCE]) * flow
        )
        beds.advance(flow, 1500.0)
