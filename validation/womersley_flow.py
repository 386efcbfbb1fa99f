"""The closed form of Womersley (1955, J Physiol 127:553): a parabola that stays and one harmonic that swings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import jv

from hemo.blood import Blood

Array = NDArray[Any]

BLOOD = Blood()


@dataclass(frozen=True)
class Womersley:
    """Along z in a pipe of ``radius`` (m); ``mean`` and ``swing`` of the velocity over the section, m/s."""

    radius: float
    alpha: float
    mean: float
    swing: float
    blood: Blood = BLOOD

    @property
    def omega(self) -> float:
        """1/s."""
        return self.alpha**2 * self.blood.viscosity / self.blood.density / self.radius**2

    @property
    def period(self) -> float:
        """s."""
        return 2 * np.pi / self.omega

    @property
    def area(self) -> float:
        """m^2."""
        return np.pi * self.radius**2

    @property
    def wave_number(self) -> complex:
        """i^(3/2) alpha."""
        return complex(1j**1.5 * self.alpha)

    @property
    def peak(self) -> complex:
        """The complex amplitude of the velocity is ``peak`` (1 - J0(k r / R) / J0(k)), m/s, k the wave number."""
        k = self.wave_number
        return complex(self.swing / (1 - 2 * jv(1, k) / (k * jv(0, k))))

    def velocity(self, x: Array, t: float) -> Array:
        """(3, n) m/s at places (3, n) and a time."""
        k, r = self.wave_number, np.hypot(x[0], x[1]) / self.radius
        swing = np.real(self.peak * (1 - jv(0, k * r) / jv(0, k)) * np.exp(1j * self.omega * t))
        along = 2 * self.mean * (1 - r**2) + swing
        return np.stack([0 * along, 0 * along, np.where(r < 1, along, 0.0)])

    def axis(self) -> complex:
        """Amplitude of the velocity on the axis, m/s."""
        return complex(self.peak * (1 - 1 / jv(0, self.wave_number)))

    def shear(self) -> tuple[float, complex]:
        """Mean of the axial shear on the wall, and the complex amplitude of its swing, Pa."""
        k = self.wave_number
        swing = -self.blood.viscosity * self.peak * k / self.radius * jv(1, k) / jv(0, k)
        return 4 * self.blood.viscosity * self.mean / self.radius, complex(swing)

    def shear_at(self, t: Array) -> Array:
        """Axial shear on the wall at times, Pa."""
        mean, swing = self.shear()
        return np.asarray(mean + np.real(swing * np.exp(1j * self.omega * t)))

    def oscillation(self) -> tuple[float, float]:
        """TAWSS, Pa, and OSI (Ku et al. 1985, Arteriosclerosis 5:293)."""
        shear = self.shear_at(np.linspace(0.0, self.period, 20001)[:-1])
        tawss = float(np.abs(shear).mean())
        return tawss, 0.5 * (1 - abs(float(shear.mean())) / tawss)

    def gradient(self) -> tuple[float, complex]:
        """Mean of -dp/dz and the complex amplitude of its swing, Pa/m: inertia alone where the fluid moves as one."""
        steady = 8 * self.blood.viscosity * self.mean / self.radius**2
        return steady, 1j * self.omega * self.blood.density * self.peak

    def amplitude(self, times: Array, values: Array) -> complex:
        """Of the harmonic in values at even times over one period."""
        return complex(2 * np.mean(values * np.exp(-1j * self.omega * times)))
