"""Structured tetrahedral meshes of tubes for the tests: no mesher needed, the same on every machine."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from validation.tets import blocks, graded_stations, plane_quadrature, section_arrays, tube

__all__ = ["blocks", "cosine_stenosis", "graded_stations", "plane_quadrature", "section_arrays", "tube"]

Array = NDArray[np.float64]


def cosine_stenosis(severity: float, radius: float = 1.5e-3) -> Callable[[Array], Array]:
    """R(z) of the benchmark: R0 (1 - s/2 (1 + cos(2 pi (z - 20) / 10))) for |z - 20 mm| < 5 mm."""

    def r(z: Array) -> Array:
        dip = severity / 2 * (1 + np.cos(2 * np.pi * (z - 20e-3) / 10e-3))
        return radius * (1 - np.where(np.abs(z - 20e-3) < 5e-3, dip, 0.0))

    return r
