"""The state that repeats, of trees whose closed form or independent integration is known."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from hemo.reduced.elements import elements
from hemo.reduced.periodic import Circuit, rate, solve_periodic
from hemo.reduced.terms import Losses

PERIOD, N = 0.9, 128
TIME = np.arange(N) * PERIOD / N
OMEGA = 2.0 * np.pi / PERIOD


def rcr(proximal=1e9, distal=6e9, capacitance=2e-10, inertance=0.0, quadratic=0.0):
    """One vessel, a capacitance to ground and a resistance."""
    tree = elements(np.array([-1]), np.array([0, 0]))
    linear, inert, square = np.zeros((3, 3))
    linear[tree.stretches[0]], linear[tree.beds[1]] = proximal, distal
    inert[tree.stretches[0]], square[tree.stretches[0]] = inertance, quadratic
    return Circuit(tree, Losses(linear, square), inert, np.array([1.0 / capacitance, 0.0]), np.zeros((2, N)), PERIOD)


def test_a_windkessel_under_a_pressure_has_its_impedance():
    swing = 3000.0
    found = solve_periodic(rcr(inertance=1e8), ostium=12000.0 + swing * np.cos(3 * OMEGA * TIME))
    assert found.converged
    omega = 3 * OMEGA
    impedance = 1e9 + 1j * omega * 1e8 + 1.0 / (1.0 / 6e9 + 1j * omega * 2e-10)
    exact = 12000.0 / 7e9 + np.real(swing / impedance * np.exp(1j * omega * TIME))
    assert found.out.sum(axis=0) == pytest.approx(exact, rel=1e-8)
    assert found.out[0].mean() == pytest.approx(0.0, abs=1e-16)


def test_a_windkessel_under_a_flow_takes_the_pressure_of_its_impedance():
    inflow = 2e-6 + 1e-6 * np.sin(OMEGA * TIME)
    found = solve_periodic(rcr(), inflow=inflow)
    assert found.converged
    impedance = 1e9 + 1.0 / (1.0 / 6e9 + 1j * OMEGA * 2e-10)
    exact = 2e-6 * 7e9 + np.imag(1e-6 * impedance * np.exp(1j * OMEGA * TIME))
    assert found.ostium == pytest.approx(exact, rel=1e-8)
    assert found.out.sum(axis=0) == pytest.approx(inflow, rel=1e-9)


@pytest.mark.parametrize("quadratic", [1e14, 1e16, 1e18])
def test_a_quadratic_loss_against_another_integration(quadratic):
    """Losses up to all of the pressure; L dq/dt keeps the equation one for the flow."""
    circuit = rcr(inertance=5e7, quadratic=quadratic)

    def pressure(t):
        return 12000.0 + 4000.0 * np.cos(OMEGA * t) + 1500.0 * np.sin(2 * OMEGA * t)

    found = solve_periodic(circuit, ostium=pressure(TIME))
    assert found.converged

    def change(t, state):
        q, p = state
        return [(pressure(t) - 1e9 * q - quadratic * abs(q) * q - p) / 5e7, (q - p / 6e9) / 2e-10]

    run = solve_ivp(change, (0.0, 20 * PERIOD), [1e-6, 9000.0], "LSODA", 19 * PERIOD + TIME, rtol=1e-10, atol=1e-14)
    assert found.out.sum(axis=0) == pytest.approx(run.y[0], rel=2e-4, abs=2e-5 * run.y[0].max())


def test_a_muscle_that_pulsates_against_another_integration():
    """A sign of its pressure that is wrong would push where it should hold back."""
    tree = elements(np.array([-1]), np.array([0, 0]))
    linear = np.zeros(3)
    linear[tree.stretches[0]], linear[tree.beds[1]] = 2e9, 4e9
    stiffness = 1.0 / 3e-10

    def muscle(t):
        return 6000.0 * np.maximum(np.sin(OMEGA * t), 0.0) ** 3

    drive = np.stack([-muscle(TIME), np.full(N, -700.0)])
    circuit = Circuit(tree, Losses(linear, np.zeros(3)), np.zeros(3), np.array([stiffness, 0.0]), drive, PERIOD)
    found = solve_periodic(circuit, ostium=np.full(N, 12000.0))

    def inflow(t, stored):
        return (12000.0 - stored - muscle(t)) / 2e9

    def change(t, stored):
        return stiffness * (inflow(t, stored) - (stored + muscle(t) - 700.0) / 4e9)

    run = solve_ivp(change, (0.0, 30 * PERIOD), [3000.0], "LSODA", 29 * PERIOD + TIME, rtol=1e-10, atol=1e-9)
    q = inflow(TIME, run.y[0])
    assert found.out.sum(axis=0) == pytest.approx(q, rel=1e-5)
    assert q[N // 4] < 0.5 * q[3 * N // 4]  # squeezed while the muscle presses


def test_a_resistance_that_changes_with_time():
    tree = elements(np.array([-1]), np.array([0]))
    linear = np.zeros((2, N))
    linear[tree.beds[0]] = 5e9 * (1.0 + 0.6 * np.sin(OMEGA * TIME))
    circuit = Circuit(tree, Losses(linear, np.zeros((2, N))), np.zeros(2), np.zeros(1), np.zeros((1, N)), PERIOD)
    found = solve_periodic(circuit, ostium=np.full(N, 9000.0))
    assert found.out[0] == pytest.approx(9000.0 / linear[tree.beds[0]], rel=1e-8)


def test_rate_of_what_repeats():
    values = np.sin(OMEGA * TIME) + 0.2 * np.cos(5 * OMEGA * TIME)
    exact = OMEGA * np.cos(OMEGA * TIME) - OMEGA * np.sin(5 * OMEGA * TIME)
    assert rate(values, PERIOD) == pytest.approx(exact, abs=1e-10)
