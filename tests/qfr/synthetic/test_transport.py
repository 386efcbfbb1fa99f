"""Contrast transport against closed forms: Taylor's step, mean residence times, plug flow, conserved iodine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.qfr.synthetic.transport import (
    Injection,
    carried,
    concentrations,
    coronary_waveform,
    response,
    speeds,
    stretched,
    transit_times,
)
from hemo.tree import Branch, VesselTree

Array = NDArray[Any]
STEP = np.array([0.0, 100.0]), np.array([1.0, 1.0])  # from T = 0 on


def branch(name: str, radius: Array, length: float, start: Array, heading: Array, **more: Any) -> Branch:
    arc = np.linspace(0.0, length, len(radius))
    return Branch(name, start + arc[:, None] * heading, radius, np.pi * radius**2, radius, **more)


def branching() -> tuple[VesselTree, dict[str, Array]]:
    """A mother that tapers and goes on past its daughter; flow divides 2 to 1."""
    mother = branch("M", np.linspace(2e-3, 1e-3, 161), 0.04, np.zeros(3), np.array([0.0, 0.0, -1.0]))
    start = mother.points[60] + [2e-3, 0.0, 0.0]
    side = branch("D", np.full(161, 1e-3), 0.04, start, np.array([1.0, 0.0, 0.0]), parent="M", parent_index=60)
    flow = np.full(161, 3e-6)
    flow[61:] = 2e-6
    return VesselTree("t", (mother, side)), {"M": flow, "D": np.full(161, 1e-6)}


def test_a_steps_section_mean_is_taylors() -> None:
    tau, time = np.array([0.2, 0.5, 1.0]), np.linspace(0.0, 3.0, 61)
    found = response(STEP, tau, time, 2.0)
    exact = np.where(time[:, None] > 0.5 * tau, 1.0 - tau / (2.0 * np.maximum(time[:, None], 1e-9)), 0.0)
    assert np.abs(found - exact).max() < 0.01


def test_a_steps_flux_is_one_less_the_square() -> None:
    time = np.linspace(0.0, 4.0, 401)
    found = carried((time, np.ones(401)), 1.0, 2.0)[1]
    exact = np.where(time > 0.5, 1.0 - (1.0 / (2.0 * np.maximum(time, 1e-9))) ** 2, 0.0)
    assert np.abs(found - exact).max() < 0.01


@pytest.mark.parametrize("exponent", [2.0, 4.0, 9.0])
def test_the_mean_residence_time_of_the_flux_is_volume_over_flow(exponent: float) -> None:
    time = np.linspace(0.0, 200.0, 20001)
    late = carried((time, np.ones(20001)), 0.7, exponent)[1]
    assert np.trapezoid(1.0 - late, time) == pytest.approx(0.7, rel=0.01)
    assert speeds(exponent).mean() == pytest.approx(1.0, abs=1e-12)


def test_a_flat_profile_delays_and_changes_nothing() -> None:
    time = np.linspace(0.0, 3.0, 301)
    bolus = Injection(start=0.2, duration=1.0).at(time)
    found = response((time, bolus), np.array([0.5]), time, 400.0)[:, 0]
    assert np.abs(found - np.interp(time - 0.5, time, bolus)).max() < 0.02


def test_transit_times_add_up_volume_over_flow_through_the_fork() -> None:
    tree, flow = branching()
    transit = transit_times(tree, flow)

    def volume(first: float, last: float, length: float) -> float:
        return np.pi * length * (first**2 + first * last + last**2) / 3.0

    before = volume(2e-3, 1.625e-3, 0.015) / 3e-6
    assert transit["M"][60] == pytest.approx(before, rel=1e-4)
    assert transit["M"][-1] == pytest.approx(before + volume(1.625e-3, 1e-3, 0.025) / 2e-6, rel=5e-3)
    assert transit["D"][-1] == pytest.approx(before + np.pi * 1e-6 * 0.04 / 1e-6, rel=1e-4)


@pytest.mark.parametrize("mixed", [True, False])
@pytest.mark.parametrize("exponent", [2.0, 5.0])
def test_the_iodine_in_the_tree_is_what_came_in(mixed: bool, exponent: float) -> None:
    tree, flow = branching()
    transit = transit_times(tree, {name: 0.1 * values for name, values in flow.items()})
    time = np.linspace(0.0, 1.0, 401)
    bolus = Injection(start=0.0, duration=0.15, rise=0.05, fall=0.05).at(time)
    inside = concentrations(tree, transit, (time, bolus), time, exponent, mixed)
    leaving = min(transit["M"][-1], transit["D"][-1]) / float(speeds(exponent).max())
    for k in (40, 80, int(leaving / time[1])):
        held = sum(np.trapezoid(inside[b.name][k] * b.area, b.arc) for b in tree.branches)
        entered = 3e-7 * np.trapezoid(bolus[: k + 1], time[: k + 1])
        assert held == pytest.approx(entered, rel=0.015)


def test_a_mixed_fork_starts_its_daughter_from_the_flux() -> None:
    tree, flow = branching()
    transit = transit_times(tree, flow)
    time = np.linspace(0.0, 2.0, 401)
    inside = concentrations(tree, transit, (time, np.ones(401)), time, 2.0, True)
    tau = transit["M"][60]
    late = time > tau
    assert np.abs(inside["D"][late, 0] - (1.0 - (tau / (2.0 * time[late])) ** 2)).max() < 0.01
    assert np.abs(inside["M"][late, 60] - (1.0 - tau / (2.0 * time[late]))).max() < 0.01
    unmixed = concentrations(tree, transit, (time, np.ones(401)), time, 2.0, False)
    assert np.abs(unmixed["D"][late, 0] - (1.0 - tau / (2.0 * time[late]))).max() < 0.01


def test_pulsation_stretches_time_by_the_integral_of_flow() -> None:
    phase = (np.arange(1000) + 0.5) / 1000
    wave = 3.0 * (1.0 + 0.8 * np.sin(2.0 * np.pi * phase))  # any scale
    time = np.linspace(0.0, 3.0, 100)
    for start in (0.0, 0.3):
        turn = 2.0 * np.pi * (time / 0.9 + start)
        exact = time + 0.8 * 0.9 / (2.0 * np.pi) * (np.cos(2.0 * np.pi * start) - np.cos(turn))
        assert stretched(time, wave, 0.9, start) == pytest.approx(exact, abs=1e-5)


@pytest.mark.parametrize("ratio", [1.0, 1.2, 1.9])
def test_the_waveform_has_the_diastolic_ratio_asked_for(ratio: float) -> None:
    wave = coronary_waveform(ratio, 0.35, 400)
    assert wave.mean() == pytest.approx(1.0)
    assert wave[140:].mean() / wave[:140].mean() == pytest.approx(ratio)
    assert wave.min() > 0.0


def test_an_injection_lasts_as_long_as_asked_and_brings_that_much() -> None:
    time = np.linspace(0.0, 6.0, 6001)
    bolus = Injection(start=0.5, duration=2.0, rise=0.4, fall=0.8).at(time)
    above = time[bolus >= 0.5]
    assert above[0] == pytest.approx(0.7, abs=2e-3)
    assert above[-1] == pytest.approx(2.7, abs=2e-3)
    assert np.trapezoid(bolus, time) == pytest.approx(2.0, rel=1e-3)
    assert bolus.max() == pytest.approx(1.0)
    assert bolus.min() == 0.0


def test_flows_that_let_nothing_through_are_refused() -> None:
    tree, flow = branching()
    with pytest.raises(InputError, match="'D': its flow must be above 0"):
        transit_times(tree, flow | {"D": np.zeros(161)})
    with pytest.raises(InputError, match="'D': one flow for each of its 161 points"):
        transit_times(tree, {"M": flow["M"]})
    with pytest.raises(InputError, match="never negative"):
        stretched(np.arange(3.0), np.array([1.0, -1.0, 3.0]), 0.8, 0.0)
