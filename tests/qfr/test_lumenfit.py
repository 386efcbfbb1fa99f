"""The profile of a blurred tube against quadrature, and calibres of vessels laid straight that were made from it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from hemo.qfr.lumenfit import blurred_absorption, fit_lumen

OFFSETS = np.arange(-26.0, 27.0)


def blurred(x: float, radius: float, density: float, blur: float) -> float:
    def held(t: float) -> float:
        spread = np.exp(-0.5 * ((x - t) / blur) ** 2) / (np.sqrt(2.0 * np.pi) * blur)
        return float(-np.expm1(-2.0 * density * np.sqrt(radius * radius - t * t)) * spread)

    return float(quad(held, -radius, radius, limit=400, epsabs=1e-11)[0])


@pytest.mark.parametrize(("radius", "density", "blur"), [(0.6, 0.05, 1.3), (4.0, 0.03, 0.8), (12.0, 0.06, 0.7)])
def test_a_blurred_profile_is_the_integral_that_it_stands_for(radius: float, density: float, blur: float) -> None:
    places = np.linspace(0.0, radius + 2.0 * blur, 12)
    value = blurred_absorption(places[None], np.array([radius]), np.array([density]), blur)[0][0]
    expected = np.array([blurred(x, radius, density, blur) for x in places])
    assert value == pytest.approx(expected, abs=3e-4 * expected[0])


@pytest.mark.parametrize("linear", [False, True])
def test_derivatives_of_the_profile_are_those_of_differences(linear: bool) -> None:
    places, h = np.linspace(-7.0, 7.0, 29)[None], 1e-5

    def value(centre: float, radius: float, log_density: float, log_blur: float) -> np.ndarray:
        size, density = np.array([radius]), np.exp([log_density])
        return blurred_absorption(places - centre, size, density, np.exp(log_blur), linear)[0]

    at = np.array([0.3, 4.0, np.log(0.04), np.log(1.1)])
    found = blurred_absorption(places - at[0], at[1:2], np.exp(at[2:3]), float(np.exp(at[3])), linear)[1:]
    for k, derivative in enumerate(found):
        step = h * np.eye(4)[k]
        assert derivative == pytest.approx((value(*(at + step)) - value(*(at - step))) / (2 * h), abs=1e-7)


def laid_straight(radius: np.ndarray, density: np.ndarray, blur: float, noise: float, linear: bool) -> np.ndarray:
    from scipy.ndimage import gaussian_filter1d

    away = np.broadcast_to(OFFSETS, (len(radius), len(OFFSETS)))
    held = gaussian_filter1d(blurred_absorption(away, radius, density, blur, linear)[0], blur, axis=0, mode="nearest")
    shown = -held if linear else np.log1p(-held)
    return 5.0 + 0.004 * OFFSETS + shown + noise * np.random.default_rng(3).standard_normal(held.shape)


@pytest.mark.parametrize("linear", [False, True])
def test_without_noise_a_short_tight_lesion_is_found_to_a_few_hundredths_of_a_pixel(linear: bool) -> None:
    s = np.arange(150.0)
    radius = 7.5 - 5.6 * np.exp(-0.5 * ((s - 75.0) / 5.0) ** 2)
    density = 0.03 * (1.0 + 0.3 * np.exp(-0.5 * ((s - 75.0) / 8.0) ** 2))
    profile = laid_straight(radius, density, 1.2, 0.0, linear)
    fit = fit_lumen(profile, OFFSETS, np.full(150, 0.5), np.full(150, 6.0), 0.9, seek_blur=True, linear=linear)
    assert fit.blur == pytest.approx(1.2, abs=0.01)
    assert np.abs(fit.radius - radius)[5:-5].max() < 0.06
    assert fit.radius.min() == pytest.approx(radius.min(), abs=0.06)
    assert fit.centre == pytest.approx(0.0, abs=0.02)


def test_the_error_it_states_is_the_spread_of_what_it_finds() -> None:
    radius, density = np.full(120, 5.0), np.full(120, 0.03)
    clean = laid_straight(radius, density, 1.1, 0.0, False)
    rng, found, stated = np.random.default_rng(4), [], []
    for _ in range(12):
        noisy = clean + 0.03 * rng.standard_normal(clean.shape)
        fit = fit_lumen(noisy, OFFSETS, np.zeros(120), radius, 1.1)
        found.append(fit.radius - radius)
        stated.append(fit.error)
    inner = slice(10, -10)
    spread = np.sqrt(np.mean(np.array(found)[:, inner] ** 2))
    assert np.mean(np.array(stated)[:, inner]) == pytest.approx(spread, rel=0.3)
    assert abs(np.mean(found)) < 0.03


def test_an_area_that_is_darker_beside_the_vessel_does_not_widen_it() -> None:
    radius, density = np.full(120, 5.0), np.full(120, 0.03)
    profile = laid_straight(radius, density, 1.1, 0.01, False)
    profile[50:62, OFFSETS > 4.0] -= 0.15  # a branch as wide as 12 pixels leaves to the left
    fit = fit_lumen(profile, OFFSETS, np.zeros(120), radius, 1.1)
    assert np.abs(fit.radius - 5.0)[10:-10].max() < 0.3
    assert fit.weights[55, OFFSETS > 8.0].max() < 0.2
