"""Triangulated lumen surfaces: read from a file, checked and repaired."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.geometry.lumen.labelfield import tangent_ball_radius
from hemo.geometry.lumen.subdivision import subdivide_curved
from hemo.geometry.lumen.surfacecheck import (
    edge_table,
    merge_points,
    orient_outwards,
    self_crossings,
    triangle_components,
)
from hemo.tetmesh import vertex_normals
from hemo.vtkio import read_polydata

_log = logging.getLogger(__name__)

UNITS = {"mm": 1e-3, "cm": 1e-2, "m": 1.0}

# A coronary lumen with or without its aortic root: overall size, and diameter of its thinner vessels.
_EXTENT = (15e-3, 400e-3)
_CALIBRE = (0.2e-3, 10e-3)
# Facets may cut through each other by this much where two vessels touch; deeper is refused.
_TOUCHING_DEPTH = 0.05e-3
# A coarse facet is refined until it leaves the smooth wall by less than this.
CHORD_TOLERANCE = 0.01e-3


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


def read_surface(path: Path | str, unit: str | None = None, curved: bool = True) -> Surface:
    """Read a closed lumen surface.

    Parameters
    ----------
    path
        STL, VTP, PLY, OBJ or legacy VTK.
    unit
        ``"mm"``, ``"cm"`` or ``"m"``; without it millimetres are taken, and the size is checked.
    curved
        Refine facets that are coarse for the vessel's curvature, on the smooth surface through the
        vertices (see :mod:`hemo.geometry.lumen.subdivision`).

    Raises
    ------
    InputError
        Unreadable file, no triangles, a vertex that is not a number, a size or calibre that no coronary
        has in that unit, an open or branching (non-manifold) surface, or one that crosses itself by more
        than 0.05 mm.
    """
    if unit is not None and unit not in UNITS:
        raise InputError(f"{path}: the unit {unit!r} is unknown; state one of {', '.join(UNITS)}.")
    data = read_polydata(Path(path))
    return clean_surface(data.points * UNITS[unit or "mm"], data.triangles, str(path), unit, curved)


def clean_surface(
    points: NDArray[np.float64],
    triangles: NDArray[np.int64],
    where: str,
    unit: str | None = None,
    curved: bool = True,
) -> Surface:
    """The same checks and repairs on arrays in metres; ``where`` and ``unit`` are for the messages."""
    if not len(triangles):
        raise InputError(f"{where}: holds no triangles; export the lumen as a triangulated surface.")
    if triangles.min() < 0 or triangles.max() >= len(points):
        raise InputError(f"{where}: a triangle refers to a vertex that is not there; export the surface again.")
    used = np.unique(triangles)
    if not np.all(np.isfinite(points[used])):
        raise InputError(f"{where}: a vertex is not a number; export the surface again.")
    extent = float(np.ptp(points[used], axis=0).max())
    _check_size(extent, np.nan, where, unit)
    points, triangles = merge_points(points, triangles, 1e-7 * extent)
    triangles = _drop_dust(points, triangles)
    _check_closed(points, triangles, where)
    triangles, turned = orient_outwards(points, triangles)
    if turned:
        _log.warning("%s: %d triangles pointed inwards and were turned.", where, turned)
    _check_size(extent, _thin_calibre(points, triangles), where, unit)
    _check_crossings(points, triangles, where)
    if curved:
        before = len(triangles)
        points, triangles = subdivide_curved(points, triangles, CHORD_TOLERANCE)
        if len(triangles) > before:
            _log.info("%s: coarse facets refined on the smooth wall, %d to %d.", where, before, len(triangles))
    return Surface(points, triangles)


def _check_size(extent: float, calibre: float, where: str, unit: str | None) -> None:
    """Refuse a size (m) that no coronary tree has; ``calibre`` is nan where not yet known."""
    if _plausible(extent, calibre):
        return
    taken = unit or "mm"
    scales = {name: scale / UNITS[taken] for name, scale in UNITS.items()}
    fits = [name for name, scale in scales.items() if _plausible(scale * extent, scale * calibre)]
    hint = f'the numbers look like {fits[0]}: state unit = "{fits[0]}"' if fits else "check the unit and the file"
    width = "" if np.isnan(calibre) else f" and its thinner vessels {1e3 * calibre:.3g} mm wide"
    raise InputError(
        f"{where}: taken in {taken} the surface is {1e3 * extent:.3g} mm across{width}, absurd for coronary "
        f"arteries (15 to 400 mm across, up to 10 mm wide); {hint}."
    )


def _plausible(extent: float, calibre: float) -> bool:
    return _EXTENT[0] <= extent <= _EXTENT[1] and (np.isnan(calibre) or _CALIBRE[0] <= calibre <= _CALIBRE[1])


def _thin_calibre(points: NDArray[np.float64], triangles: NDArray[np.int64]) -> float:
    """Diameter (m) that a quarter of the wall's vertices are below: the coronaries, beside any aorta."""
    normal = vertex_normals(points, triangles)
    limit = 0.1 * float(np.ptp(points, axis=0).max())
    return 2.0 * float(np.percentile(tangent_ball_radius(points, normal, limit), 25.0))


def _drop_dust(points: NDArray[np.float64], triangles: NDArray[np.int64]) -> NDArray[np.int64]:
    """Leave out loose pieces with less than a thousandth of the area."""
    pieces = triangle_components(triangles)
    corners = points[triangles]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    share = np.bincount(pieces, area)
    keep = share >= 1e-3 * share.sum()
    if not keep.all():
        _log.warning("%d loose pieces of the surface, each under 0.1 %% of its area, were left out.", (~keep).sum())
    return np.asarray(triangles[keep[pieces]])


def _check_closed(points: NDArray[np.float64], triangles: NDArray[np.int64], where: str) -> None:
    edges, _, count = edge_table(triangles)
    for bad, what, remedy in (
        (count == 1, "is open: it has {n} border edges, one", "close it, with a cap at each outlet"),
        (count > 2, "is not a manifold: {n} edges have more than two triangles, one", "repair the surface"),
    ):
        if bad.any():
            place = 1e3 * points[edges[bad][0]].mean(axis=0)
            raise InputError(f"{where}: the surface {what.format(n=int(bad.sum()))} at {_place(place)}; {remedy}.")


def _check_crossings(points: NDArray[np.float64], triangles: NDArray[np.int64], where: str) -> None:
    deep = self_crossings(points, triangles, _TOUCHING_DEPTH)
    if len(deep):
        place = 1e3 * points[triangles[deep[0]]].reshape(-1, 3).mean(axis=0)
        raise InputError(
            f"{where}: the surface crosses itself ({len(deep)} pairs of triangles, one at {_place(place)}); "
            f"repair it there."
        )


def _place(place: NDArray[np.float64]) -> str:
    return "x {:.1f}, y {:.1f}, z {:.1f} mm".format(*place)
