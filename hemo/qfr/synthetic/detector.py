r"""From absorption to grey values: blur, scatter, quanta, electronics, digits.

What leaves the patient, exp(-absorption), is blurred by the focal spot and by the scintillator; scatter adds a smooth
background; quanta arrive by Poisson's law, and the scintillator spreads the light of each, so that their noise is
blurred by it, too; the electronics add noise of their own; the result is digitised in proportion to the dose, or to its
logarithm.

*Attenuation.* Beer and Lambert's law with one effective coefficient for the beam: iodine has 0.758 m^2/kg at 60 keV and
1.232 at 50 keV (Hubbell and Seltzer, NIST tables of X-ray mass attenuation coefficients). 80 kVp behind 20 cm of
patient is near 55 to 60 keV; one coefficient leaves beam hardening out.

*Focal spot.* Of width w it is seen with the width w (M - 1), M the magnification; a uniform one has the standard
deviation 1/sqrt(12) of that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from hemo.qfr.camera import Camera
from hemo.qfr.synthetic.projecting import SHARED

Array = NDArray[Any]


@dataclass(frozen=True)
class DetectorOptions:
    """The X-ray chain.

    Attributes
    ----------
    focal_spot
        Width of the focal spot, m.
    spread
        Standard deviation of the scintillator's blur at the detector, m.
    scatter
        Scattered part of what arrives where the beam is of middling strength, 0 to 1.
    scatter_spread
        Standard deviation of the scatter's blur at the detector, m.
    quanta
        Absorbed per area of the detector and frame at middling strength, 1/m^2; infinite for no noise.
    electronic
        Noise of the electronics, quanta per pixel.
    bits
        Of the grey values.
    middle
        Grey value of middling strength over the largest (the automatic exposure control's aim).
    logarithmic
        Whether grey values are in proportion to the logarithm of the dose.
    latitude
        Absorption that a logarithmic image's grey values span.
    shutter
        Width of the dark rim, part of the image.
    """

    focal_spot: float = 0.6e-3
    spread: float = 0.13e-3
    scatter: float = 0.35
    scatter_spread: float = 15e-3
    quanta: float = 6.0e9
    electronic: float = 4.0
    bits: int = 12
    middle: float = 0.45
    logarithmic: bool = False
    latitude: float = 4.0
    shutter: float = 0.02


def blur_of(camera: Camera, options: DetectorOptions) -> tuple[float, float]:
    """Standard deviations of the focal spot's blur (for the isocentre) and the scintillator's, m, at the detector."""
    magnification = camera.source_detector / camera.source_isocentre
    return options.focal_spot * (magnification - 1.0) / np.sqrt(12.0), options.spread


@dataclass(frozen=True)
class Detector:
    """An X-ray chain set for one scene: what middling strength is, and the scatter."""

    camera: Camera
    options: DetectorOptions
    strength: float
    scattered: Array
    shutter: Array

    def mean(self, absorption: Array) -> Array:
        """(rows, columns) quanta whose light is expected in each pixel.

        The lumen's images are blurred by 2/12 pixel squared already (:mod:`hemo.qfr.synthetic.projecting`).
        """
        blur = sum(sigma**2 for sigma in blur_of(self.camera, self.options))
        sigma = [np.sqrt(max(blur / pixel**2 - SHARED, 0.0)) for pixel in self.camera.pixel]
        primary = gaussian_filter(np.exp(-absorption), sigma) / self.strength
        share = self.options.scatter
        whole = ((1.0 - share) * primary + share * self.scattered) * self.shutter
        return np.asarray(whole * self._quanta)

    def frame(self, absorption: Array, rng: np.random.Generator) -> Array:
        """(rows, columns) grey values of one exposure, unsigned integers."""
        light = self.mean(absorption)
        if np.isfinite(self.options.quanta):
            sigma = [self.options.spread / pixel for pixel in self.camera.pixel]
            quantum = gaussian_filter(rng.poisson(light) - light, sigma)
            light = light + quantum + self.options.electronic * rng.standard_normal(light.shape)
        return self.digitised(light / self._quanta)

    @property
    def _quanta(self) -> float:
        """In a pixel where the beam is of middling strength."""
        area = self.camera.pixel[0] * self.camera.pixel[1]
        return self.options.quanta * area if np.isfinite(self.options.quanta) else 1.0

    def digitised(self, dose: Array) -> Array:
        """Grey values of a dose relative to the middling one."""
        top = 2**self.options.bits - 1
        if self.options.logarithmic:
            grey = 0.5 + np.log(np.maximum(dose, 1e-6)) / self.options.latitude
        else:
            grey = self.options.middle * dose
        return np.asarray(np.clip(np.rint(top * grey), 0, top).astype(np.uint16))


def exposed(camera: Camera, background: Array, options: DetectorOptions) -> Detector:
    """The chain set for the absorption (rows, columns) of a scene without contrast: middling strength is its median."""
    open_beam = np.exp(-background)
    strength = float(np.median(open_beam))
    sigma = [options.scatter_spread / pixel for pixel in camera.pixel]
    scattered = gaussian_filter(open_beam, sigma, truncate=3.0) / strength
    return Detector(camera, options, strength, scattered, shutter(camera.shape, options.shutter))


def shutter(shape: tuple[int, int], width: float) -> Array:
    """(rows, columns) what a soft-edged shutter lets through, 0 to 1; ``width`` is its part of the image."""
    if width <= 0.0:
        return np.ones(shape)
    away = [np.minimum(np.arange(n), np.arange(n)[::-1]) / (width * n) for n in shape]
    edge = np.clip(np.minimum(away[0][:, None], away[1]), 0.0, 1.0)
    return np.asarray(0.1 + 0.9 * edge**2 * (3.0 - 2.0 * edge))
