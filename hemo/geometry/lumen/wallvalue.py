"""The value that a blurred shape has at its own wall.

The inside of a surface blurred by a Gaussian is, at x, an integral over directions of the Gaussian's mass up to the
wall; written over the wall, with F(r) the mass within r (of the chi distribution with three degrees of freedom),

    I(x) = 1/(4 pi) int F(|y - x|) (y - x) . n(y) / |y - x|^3 dA(y).

For x on a smooth wall the same integral with F = 1 is one half (the solid angle of the inside is 2 pi), so that
I(x) = 1/2 - 1/(4 pi) int (1 - F) (y - x) . n / |y - x|^3 dA, which needs only the wall within a few sigma. Its
integrand is half the wall's curvature over r near x, and is taken as that within x's own cell.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.special import erfc

from hemo.triangles import triangle_areas

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

# The wall beyond this many sigma is left out: 1.6 % of the Gaussian's mass.
_REACH = 3.2
_CHUNK = 4000


def blurred_at_wall(points: Array, triangles: Indices, normals: Array, sigma: float, wanted: Indices) -> Array:
    """Value of the blurred inside of a closed surface at some of its own vertices.

    Parameters
    ----------
    points, triangles, normals
        (n, 3) vertices, (m, 3) triangles, (n, 3) unit normals outwards at the vertices.
    sigma
        Of the Gaussian, in the unit of the points.
    wanted
        (k,) numbers of the vertices.

    Returns
    -------
    values
        (k,) between 0 and 1; one half on a flat wall.
    """
    face = triangle_areas(points[triangles])
    area = np.bincount(triangles.ravel(), np.repeat(face, 3), len(points)) / 3.0
    tree = cKDTree(points)
    parts = [
        _lost(points, normals, area, tree, sigma, wanted[first : first + _CHUNK])
        for first in range(0, len(wanted), _CHUNK)
    ]
    return 0.5 - np.concatenate([np.zeros(0), *parts])


def _lost(points: Array, normals: Array, area: Array, tree: cKDTree, sigma: float, rows: Indices) -> Array:
    """(k,) the integral of 1 - F over the wall round some vertices."""
    near = cKDTree(points[rows]).sparse_distance_matrix(tree, _REACH * sigma, output_type="ndarray")
    near = near[near["v"] > 0.0]
    i, j, r = near["i"], near["j"], near["v"]
    facing = np.einsum("ij,ij->i", points[j] - points[rows[i]], normals[j])
    t = r / sigma
    beyond = erfc(t / np.sqrt(2.0)) + np.sqrt(2.0 / np.pi) * t * np.exp(-0.5 * t**2)
    around = np.bincount(i, beyond * facing / r**3 * area[j], len(rows)) / (4.0 * np.pi)
    cell = np.sqrt(area[rows] / np.pi)
    ring = r < 3.0 * cell[i]
    count = np.maximum(np.bincount(i[ring], minlength=len(rows)), 1)
    curvature = np.bincount(i[ring], 2.0 * facing[ring] / r[ring] ** 2, len(rows)) / count
    return np.asarray(around + curvature * cell / 4.0)
