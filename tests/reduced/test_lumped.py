"""Coronary beds in implicit steps against their impedance."""

import numpy as np
import pytest

from hemo.reduced.lumped import CORONARY_BED, Beds, windkessel

RESISTANCE, VENOUS_PRESSURE, PERIOD = 5e9, 600.0, 0.9
OMEGA = 2 * np.pi / PERIOD
FLOW, SWING, SQUEEZE = 2e-6, 1e-6, 4000.0


def impedances(kind):
    """Of the bed to inflow, and what a swing of the muscle's pressure adds to the pressure at the bed's entrance."""
    ra, ram, rv = (part * RESISTANCE for part in (kind.arterial, kind.middle, kind.venous))
    whole = kind.time_constant / RESISTANCE
    a, m = 1j * OMEGA * kind.arterial_capacitance * whole, 1j * OMEGA * kind.muscle_capacitance * whole
    matrix = np.array([[a + 1 / ram, -1 / ram], [-1 / ram, m + 1 / ram + 1 / rv]])
    return ra + np.linalg.solve(matrix, [1, 0])[0], np.linalg.solve(matrix, [0, m])[0]


def error(kind, order, steps):
    """Largest error of the pressure at the entrance in the last of twenty periods, over its swing."""
    dt = PERIOD / steps
    beds = Beds(kind, np.array([RESISTANCE]), 1.0, VENOUS_PRESSURE, dt, order)
    beds.start(np.array([FLOW]), 0.0)
    to_flow, to_muscle = impedances(kind)
    largest = 0.0
    for step in range(1, 20 * steps + 1):
        turn = np.exp(1j * OMEGA * step * dt)
        flow, muscle = np.array([FLOW + SWING * turn.real]), SQUEEZE * turn.imag
        resistance, level = beds.seen(muscle)
        pressure = float((level + resistance * flow)[0])
        beds.advance(flow, muscle)
        exact = VENOUS_PRESSURE + RESISTANCE * FLOW + (turn * (to_flow * SWING - 1j * to_muscle * SQUEEZE)).real
        if step > 19 * steps:
            largest = max(largest, abs(pressure - exact))
    return largest / (abs(to_flow) * SWING)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("kind", [CORONARY_BED, windkessel(0.07, 1.5)])
def test_steps_have_their_order(kind, order):
    errors = [error(kind, order, steps) for steps in (50, 100, 200)]
    rates = np.log2(np.divide(errors[:-1], errors[1:]))
    assert rates[-1] == pytest.approx(order, abs=0.15), errors
    assert errors[-1] < (0.02 if order == 1 else 5e-4)


def test_a_steady_bed_is_its_resistance():
    beds = Beds(CORONARY_BED, np.array([RESISTANCE, 2 * RESISTANCE]), 1.0, VENOUS_PRESSURE, 1e-3, order=2)
    flow = np.array([FLOW, 0.3 * FLOW])
    beds.start(flow, 1500.0)
    for _ in range(5):
        resistance, level = beds.seen(1500.0)
        assert level + resistance * flow == pytest.approx(
            VENOUS_PRESSURE + np.array([RESISTANCE, 2 * RESISTANCE]) * flow
        )
        beds.advance(flow, 1500.0)


def test_a_windkessel_has_its_closed_form():
    """Z + (R - Z) / (1 + i w C (R - Z)), with Z = 0.07 R and C R = 1.5 s; the muscle does not press on it."""
    kind = windkessel(0.07, 1.5)
    to_flow, to_muscle = impedances(kind)
    distal = 0.93 * RESISTANCE
    assert to_flow == pytest.approx(0.07 * RESISTANCE + distal / (1 + 1j * OMEGA * 1.5 / RESISTANCE * distal))
    assert to_muscle == 0.0


@pytest.mark.parametrize("kind", [CORONARY_BED, windkessel(0.07, 1.5)])
def test_an_open_bed_stores_what_it_did_and_its_arteries_stay(kind):
    """One of two beds has opened three times: it has the other's capacitances, and a windkessel its impedance."""
    beds = Beds(kind, np.array([RESISTANCE, RESISTANCE / 3]), np.array([1.0, 3.0]), VENOUS_PRESSURE, 1e-3)
    for capacitance in (beds.ca, beds.cim):
        assert capacitance[1] == pytest.approx(capacitance[0])
    assert beds.ra + beds.ram + beds.rv == pytest.approx(np.array([RESISTANCE, RESISTANCE / 3]))
    assert beds.ra[1] == pytest.approx(beds.ra[0] if kind.impedance else beds.ra[0] / 3)
