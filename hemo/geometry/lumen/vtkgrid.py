"""From a surface to a grid and back; contours by vtk, the one place of :mod:`hemo.geometry` that computes with it.

vtk is imported inside the function, so importing this module costs nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def inside_grid(
    points: NDArray[np.float64],
    triangles: NDArray[np.int64],
    origin: NDArray[np.float64],
    spacing: float,
    shape: tuple[int, int, int],
) -> NDArray[np.bool_]:
    """Which nodes of a regular grid are inside a closed surface.

    Parameters
    ----------
    points, triangles
        (n, 3) m and (m, 3) vertex indices.
    origin
        (3,) first node, m.
    spacing
        Distance of the nodes, m.
    shape
        (nx, ny, nz).

    Returns
    -------
    inside
        (nz, ny, nx).
    """
    ray, x = _ray_crossings(np.asarray((points - origin) / spacing), triangles, shape)
    # Each crossing turns the nodes of its ray from there on; two before the same node leave it as it was.
    row = shape[0] + 1
    node, count = np.unique(ray * row + np.clip(np.ceil(x), 0, shape[0]).astype(np.int64), return_counts=True)
    turned = np.zeros((shape[2], shape[1], row), dtype=np.bool_)
    turned.reshape(-1)[node[count % 2 == 1]] = True
    return np.logical_xor.accumulate(turned, axis=2)[:, :, :-1]


def _ray_crossings(
    points: NDArray[np.float64], triangles: NDArray[np.int64], shape: tuple[int, int, int]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Where the rays along x through the nodes of a unit grid meet triangles: the ray's number z ny + y, and x.

    In the plane of a row of rays a triangle reaches from where the plane cuts one of its edges to where it cuts
    another. Both triangles of an edge find the same place there, so no ray slips between them.
    """
    place = points[:, 1:]
    lowest, highest = place[triangles, 1].min(axis=1), place[triangles, 1].max(axis=1)
    owner, z = _expanded(lowest, highest, shape[2])
    corner = triangles[owner]
    ends = []
    for side in range(3):
        one, other = corner[:, side], corner[:, (side + 1) % 3]
        a, b = place[np.minimum(one, other)], place[np.maximum(one, other)]
        cuts = (a[:, 1] > z) != (b[:, 1] > z)
        share = (z - a[:, 1]) / np.where(cuts, b[:, 1] - a[:, 1], 1.0)
        ends.append(np.where(cuts, a[:, 0] + share * (b[:, 0] - a[:, 0]), np.nan))
    row, y = _expanded(np.nanmin(ends, axis=0), np.nanmax(ends, axis=0), shape[1])
    ray = np.stack([y, z[row]], axis=1)
    return z[row] * shape[1] + y, _along_x(points[corner[row]], ray)


def _expanded(
    low: NDArray[np.float64], high: NDArray[np.float64], size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The whole numbers from 0 to below ``size`` in each span low <= k < high, and the number of the span."""
    first = np.clip(np.ceil(low), 0, size).astype(np.int64)
    count = np.maximum(np.clip(np.ceil(high), 0, size).astype(np.int64) - first, 0)
    span = np.repeat(np.arange(len(low)), count)
    return span, np.arange(len(span)) - np.repeat(np.cumsum(count) - count - first, count)


def _along_x(corners: NDArray[np.float64], ray: NDArray[np.int64]) -> NDArray[np.float64]:
    """(k,) x at which rays (k, 2) y, z meet the planes of triangles (k, 3, 3), within the triangles' own x."""
    a, u, v = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    w = ray - a[:, 1:]
    area = u[:, 1] * v[:, 2] - u[:, 2] * v[:, 1]
    area = np.where(area == 0.0, 1.0, area)  # seen edge on
    s, t = (w[:, 0] * v[:, 2] - w[:, 1] * v[:, 1]) / area, (u[:, 1] * w[:, 1] - u[:, 2] * w[:, 0]) / area
    return np.clip(a[:, 0] + s * u[:, 0] + t * v[:, 0], corners[..., 0].min(axis=1), corners[..., 0].max(axis=1))


def contour_grid(values: NDArray[np.float32], level: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Isosurface of values (nz, ny, nx) on a unit grid: points (n, 3) in grid units x, y, z, and triangles (m, 3).

    Flying edges (Schroeder, Maynard and Geveci 2015, IEEE LDAV, p. 33). Normals point to lower values.
    """
    from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkFiltersCore import vtkFlyingEdges3D

    image = vtkImageData()
    image.SetDimensions(*values.shape[::-1])
    image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(values).reshape(-1)))
    edges = vtkFlyingEdges3D()
    edges.SetInputData(image)
    edges.ComputeNormalsOff()
    edges.ComputeGradientsOff()
    edges.ComputeScalarsOff()
    edges.SetValue(0, level)
    edges.Update()
    output = edges.GetOutput()
    if output.GetNumberOfPolys() == 0:
        return np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64)
    points = vtk_to_numpy(output.GetPoints().GetData()).astype(np.float64)
    triangles = vtk_to_numpy(output.GetPolys().GetConnectivityArray()).reshape(-1, 3).astype(np.int64)
    return points, triangles
