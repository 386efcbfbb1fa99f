"""Velocity from contrast against fluid carried ring by ring, and frame counts against arithmetic."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hemo.errors import InputError
from hemo.qfr.cine import Cine
from hemo.qfr.density import DensityMap, density_map
from hemo.qfr.frames import VelocityOptions, contrast_velocity, counted, timi_frame_count, velocity_by_count
from hemo.qfr.front import FrontOptions, contour_speed, fit_front
from tests.qfr.timedensity import Truth, cine, concentration, waveform

TRUTH = Truth(velocity=0.2, length=0.07, frame_rate=15.0, duration=3.2, lasts=2.2)


def exact_map(truth: Truth, places: int = 16) -> DensityMap:
    """The map as it would be without a picture's noise and motion."""
    times = np.arange(0.0, truth.duration, 1.0 / truth.frame_rate)
    arc = (np.arange(places) + 0.5) * truth.length / places
    rng = np.random.default_rng(truth.seed)
    gain = rng.uniform(5.0, 10.0, places)
    density = concentration(arc, times, truth) * gain + rng.normal(scale=0.05, size=(len(times), places))
    onset = int(np.searchsorted(times, truth.start)) - 1
    return DensityMap(arc, times, density, 0.05, onset, np.zeros_like(density), truth.length)


def test_the_truths_steady_front_is_taylors() -> None:
    truth = Truth(velocity=0.2, pulsatility=0.0, rise=1e-3, lasts=9.0, start=0.0)
    arc, times = np.linspace(0.005, 0.06, 12), np.array([0.15, 0.25, 0.4])
    taylor = np.maximum(1.0 - arc / (2.0 * 0.2 * times[:, None]), 0.0)
    assert concentration(arc, times, truth) == pytest.approx(taylor, abs=4e-3)
    assert waveform(np.linspace(0, 1, 1000, endpoint=False), 1.0).mean() == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize(("share", "speed"), [(0.0, 2.0), (0.1, 1.8), (0.5, 1.0), (0.9, 0.2)])
def test_places_of_a_density_run_as_a_parabola_says(share: float, speed: float) -> None:
    assert contour_speed(share) == pytest.approx(speed)


def test_the_mean_of_all_contours_is_the_mean_flow_for_every_profile() -> None:
    shares = (np.arange(2000) + 0.5) / 2000
    for bluntness in (2.0, 4.0, 9.0, 40.0):
        speeds = [contour_speed(share, bluntness) for share in shares]
        assert np.mean(speeds) == pytest.approx(1.0, abs=1e-3)
    assert max(contour_speed(0.5, b) for b in np.linspace(2.0, 40.0, 400)) == pytest.approx(1.17, abs=0.005)


@pytest.mark.parametrize("velocity", [0.1, 0.2, 0.35])
def test_steady_flow_is_found_from_an_exact_map(velocity: float) -> None:
    truth = replace(TRUTH, velocity=velocity, pulsatility=0.0)
    found = fit_front(exact_map(truth), FrontOptions(beat=truth.beat, pulsatility=0.02))
    assert found.velocity == pytest.approx(velocity, rel=0.05)
    assert found.bluntness == pytest.approx(2.0, rel=0.25)


@pytest.mark.parametrize("phase", [0.0, 0.33, 0.67])
def test_the_mean_over_the_beat_is_found_although_the_front_sees_a_part_of_it(phase: float) -> None:
    truth = replace(TRUTH, phase=phase)
    found = fit_front(exact_map(truth), FrontOptions(beat=truth.beat))
    assert found.velocity == pytest.approx(truth.velocity, rel=0.10)


def test_a_cine_of_a_moving_vessel_gives_its_velocity_within_the_sd_that_is_said() -> None:
    found = contrast_velocity(*cine(TRUTH, 160), VelocityOptions(beat=TRUTH.beat))
    assert abs(found.velocity - TRUTH.velocity) < min(0.12 * TRUTH.velocity, 3.0 * found.sd)
    assert found.sd == pytest.approx(np.hypot(found.fit_sd, found.frame_sd))
    assert not found.warnings and found.method == "front"


def test_the_vessel_is_followed_over_the_beat() -> None:
    truth = replace(TRUTH, motion=4.0)
    view, contours, arc = cine(truth, 160)
    found = density_map(view, contours, arc)
    exact = concentration(found.arc, found.times, truth)
    full = exact.min(axis=1) > 0.6
    assert np.ptp(found.offset[full].mean(axis=1)) > 2.0
    gain = (found.density * exact).sum(axis=0) / (exact**2).sum(axis=0)
    misfit = (found.density - gain * exact) / gain
    assert np.sqrt(np.mean(misfit**2)) < 0.06


def test_a_logarithmic_cine_is_read_as_one() -> None:
    view, contours, arc = cine(TRUTH, 160)
    other = replace(view, frames=1000.0 + 300.0 * np.log(view.frames), logarithmic=True)
    one, two = density_map(view, contours, arc), density_map(other, contours, arc)
    assert two.density == pytest.approx(300.0 * one.density, rel=1e-3, abs=1.0)


def cut(view: Cine, first: int, last: int) -> Cine:
    return replace(view, frames=view.frames[first:last], times=view.times[first:last] - view.times[first])


def test_cines_that_tell_nothing_are_refused_with_the_reason() -> None:
    view, contours, arc = cine(TRUTH, 160)
    with pytest.raises(InputError, match="frames per second"):
        contrast_velocity(replace(view, times=2.0 * view.times), contours, arc)
    with pytest.raises(InputError, match="runs already"):
        contrast_velocity(cut(view, 16, len(view.times)), replace(contours, frame=contours.frame - 16), arc)
    with pytest.raises(InputError, match=r"distal end|still filling"):
        contrast_velocity(cut(view, 0, 14), replace(contours, frame=13), arc)
    with pytest.raises(InputError, match="mm are needed"):
        contrast_velocity(view, contours, 0.1 * arc)
    with pytest.raises(InputError, match="must increase"):
        contrast_velocity(view, contours, arc[::-1])
    with pytest.raises(InputError, match="frames and"):
        contrast_velocity(view, contours, arc, VelocityOptions(beat=TRUTH.beat, least_travel=9.0))
    with pytest.raises(InputError, match="SD of"):
        contrast_velocity(view, contours, arc, VelocityOptions(beat=TRUTH.beat, greatest_sd=0.01))
    blank = np.random.default_rng(0).normal(1000.0, 20.0, view.frames.shape)
    with pytest.raises(InputError, match=r"no frame without contrast|contrast is"):
        contrast_velocity(replace(view, frames=blank), contours, arc)


def test_a_heartbeat_that_is_not_known_is_said_and_widens_the_sd() -> None:
    found = contrast_velocity(*cine(TRUTH, 160))
    assert any("heartbeat" in text for text in found.warnings)
    assert found.fit_sd > 0.12 * found.velocity


def test_frame_counts_are_standardised_as_gibson_does() -> None:
    lad = counted(10, 28, 15.0, 0.12, lad=True)
    assert (lad.frames, lad.standardised) == (18, 36.0)
    assert lad.corrected == pytest.approx(36.0 / 1.7)
    assert lad.velocity == pytest.approx(0.12 * 15.0 / 18)
    assert lad.sd == pytest.approx(lad.velocity / (np.sqrt(6.0) * 18))
    assert counted(10, 28, 15.0, 0.12, lad=False).corrected == 36.0
    assert velocity_by_count(lad).velocity == lad.velocity
    assert velocity_by_count(lad, 0.1).velocity == pytest.approx(lad.velocity / 1.8)
    with pytest.raises(InputError, match="not after"):
        counted(10, 10, 15.0, 0.12, lad=True)


def test_the_automatic_count_is_that_of_the_truths_densities() -> None:
    truth = replace(TRUTH, pulsatility=0.0, frame_rate=30.0)
    found = timi_frame_count(exact_map(truth), lad=False)
    times = np.arange(0.0, truth.duration, 1e-3)
    ends = concentration(np.array([0.0044, 0.0656]), times, truth)
    ostium = times[np.argmax(ends[:, 0] >= 0.7 * ends[:, 0].max())]
    distal = times[np.argmax(ends[:, 1] >= 0.1 * ends[:, 1].max())]
    assert found.frames == pytest.approx((distal - ostium) * 30.0, abs=1.5)
