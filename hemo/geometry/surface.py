"""Triangulated lumen surfaces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Surface:
    """A triangulated surface.

    Attributes
    ----------
    points
        (n, 3) vertices, m.
    triangles
        (m, 3) vertex indices, normals out of the lumen.
    """

    points: NDArray[np.float64]
    triangles: NDArray[np.int64]
