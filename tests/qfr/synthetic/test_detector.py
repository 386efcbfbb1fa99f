"""The X-ray chain against closed forms: Beer and Lambert, blur, scatter, Poisson, logarithm."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hemo.qfr.camera import Camera
from hemo.qfr.synthetic.detector import DetectorOptions, blur_of, exposed, shutter

VIEW = Camera(0.0, 0.0, 1.1, 0.75, (2e-4, 2e-4), (200, 200))
STILL = DetectorOptions(quanta=np.inf, scatter=0.0, shutter=0.0, electronic=0.0)
RNG = np.random.default_rng(3)


def test_without_scatter_the_dose_falls_as_beer_and_lambert_say() -> None:
    detector = exposed(VIEW, np.full(VIEW.shape, 0.7), STILL)
    for more in (0.0, 0.5, 1.2):
        grey = detector.frame(np.full(VIEW.shape, 0.7 + more), RNG)
        assert grey == pytest.approx(0.45 * 4095 * np.exp(-more), abs=0.51)


def test_scatter_takes_its_share_and_dilutes_contrast() -> None:
    detector = exposed(VIEW, np.zeros(VIEW.shape), replace(STILL, scatter=0.35))
    grey = detector.frame(np.full(VIEW.shape, 1.0), RNG)
    assert grey[100, 100] == pytest.approx(0.45 * 4095 * (0.65 * np.exp(-1.0) + 0.35), abs=0.51)


def test_logarithmic_grey_values_are_linear_in_the_absorption() -> None:
    detector = exposed(VIEW, np.zeros(VIEW.shape), replace(STILL, logarithmic=True, latitude=4.0))
    grey = [detector.frame(np.full(VIEW.shape, a), RNG)[50, 50].astype(float) for a in (0.0, 0.4, 0.8)]
    assert np.diff(grey) == pytest.approx(-0.4 / 4.0 * 4095, abs=1.0)


def test_a_thin_line_is_as_wide_as_focal_spot_and_scintillator_make_it() -> None:
    """Drawn as projecting draws it: with a variance of 3/12 pixel squared, of which 1/12 is the pixel's own."""
    detector = exposed(VIEW, np.zeros(VIEW.shape), replace(STILL, focal_spot=1.0e-3, spread=0.2e-3))
    line = np.zeros(VIEW.shape)
    line[:, 99:102] = 1e-4 * np.array([0.125, 0.75, 0.125])
    shadow = (1.0 - detector.mean(line))[100]
    place = np.arange(200) - 100.0
    variance = float((shadow * place**2).sum() / shadow.sum()) * 4e-8
    spot = 1.0e-3 * (1.1 / 0.75 - 1.0) / np.sqrt(12.0)
    assert blur_of(VIEW, replace(STILL, focal_spot=1.0e-3, spread=0.2e-3)) == pytest.approx((spot, 0.2e-3))
    assert variance == pytest.approx(spot**2 + 0.2e-3**2 + 4e-8 / 12.0, rel=0.01)


def test_noise_is_poissons_spread_by_the_scintillator() -> None:
    """White noise of variance N through a Gaussian of sigma pixels keeps N / (4 pi sigma^2)."""
    options = replace(STILL, quanta=6e9, spread=0.3e-3, bits=16)
    detector = exposed(VIEW, np.zeros(VIEW.shape), options)
    grey = detector.frame(np.zeros(VIEW.shape), RNG) / (0.45 * 65535)
    count = 6e9 * 4e-8
    assert grey.mean() == pytest.approx(1.0, abs=0.005)
    assert grey[20:-20, 20:-20].std() == pytest.approx(np.sqrt(1.0 / (4.0 * np.pi * 1.5**2 * count)), rel=0.1)


def test_less_dose_behind_more_tissue_is_relatively_noisier() -> None:
    options = replace(STILL, quanta=6e9)
    background = np.zeros(VIEW.shape)
    background[:, 100:] = 1.5
    grey = exposed(VIEW, np.zeros(VIEW.shape), options).frame(background, RNG).astype(float)
    relative = [side.std() / side.mean() for side in (grey[:, 10:90], grey[:, 110:190])]
    assert relative[1] / relative[0] == pytest.approx(np.exp(0.75), rel=0.1)


def test_grey_values_stay_within_their_bits() -> None:
    detector = exposed(VIEW, np.zeros(VIEW.shape), replace(STILL, bits=10))
    assert detector.frame(np.full(VIEW.shape, -3.0), RNG).max() == 1023
    assert detector.frame(np.full(VIEW.shape, 30.0), RNG).min() == 0


def test_the_shutter_darkens_the_rim_alone() -> None:
    let = shutter((200, 300), 0.02)
    assert let[0, 150] == pytest.approx(0.1)
    assert np.all(let[5:-5, 7:-7] == 1.0)
