"""Triangulated lumen surfaces: read from a file, checked and repaired."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.geometry.lumen import repair
from hemo.geometry.lumen.capping import Cap, close_openings, named_caps, place_in_mm
from hemo.geometry.lumen.labelfield import tangent_ball_radius
from hemo.geometry.lumen.subdivision import subdivide_curved
from hemo.geometry.lumen.surfacecheck import edge_table, enclosed_volume, merge_points, weld_border
from hemo.triangles import triangle_areas, vertex_normals
from hemo.vtkio import read_polydata

_log = logging.getLogger(__name__)

UNITS = {"mm": 1e-3, "cm": 1e-2, "m": 1.0}

# A coronary lumen with or without its aortic root: overall size, and diameter of its thinner vessels.
_EXTENT = (15e-3, 400e-3)
_CALIBRE = (0.2e-3, 10e-3)
# Facets may cut through each other by this much where two vessels touch; deeper is repaired or refused.
_TOUCHING_DEPTH = 0.05e-3
# Border vertices of patches that were written apart are one within this share of the extent, or of an edge.
_WELD = (1e-4, 0.1)
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
    caps
        The ends where vessels, or the aorta, were cut, as far as the file names or leaves them open.
    """

    points: NDArray[np.float64]
    triangles: NDArray[np.int64]
    caps: tuple[Cap, ...] = ()

    def cap_at(self, place: NDArray[np.float64], reach: float) -> Cap | None:
        """The nearest cap whose middle is within ``reach`` (m) of a place (3,) m."""
        gaps = [float(np.linalg.norm(cap.centre - place)) for cap in self.caps]
        nearest = int(np.argmin(gaps)) if gaps else 0
        return self.caps[nearest] if gaps and gaps[nearest] <= reach else None


def read_surface(path: Path | str, unit: str | None = None, curved: bool = True) -> Surface:
    """Read a lumen surface, closed or with open ends.

    Parameters
    ----------
    path
        STL, VTP, PLY, OBJ or legacy VTK. Caps are known by the solids of an ASCII STL, the groups of an OBJ,
        or the cell arrays ``ModelFaceID``, ``CapID`` or ``CellEntityIds`` of VTK files.
    unit
        ``"mm"``, ``"cm"`` or ``"m"``; without it millimetres are taken, and the size is checked.
    curved
        Refine facets that are coarse for the vessel's curvature, on the smooth surface through the
        vertices (see :mod:`hemo.geometry.lumen.subdivision`).

    Raises
    ------
    InputError
        Unreadable file, no triangles, a vertex that is not a number, a size or calibre that no coronary
        has in that unit, a hole in the wall, a branching (non-manifold) surface, or one that crosses itself by
        more than 0.05 mm over more than a small fold.
    """
    if unit is not None and unit not in UNITS:
        raise InputError(f"{path}: the unit {unit!r} is unknown; state one of {', '.join(UNITS)}.")
    data = read_polydata(Path(path))
    points = data.points * UNITS[unit or "mm"]
    surface = clean_surface(points, data.triangles, str(path), unit, curved)
    if data.patch is None or not len(data.triangles):
        return surface
    named = named_caps(points, data.triangles, data.patch, data.patch_names)
    return replace(surface, caps=(*(_outward(cap, surface) for cap in named), *surface.caps))


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
    check_size(extent, np.nan, where, unit)
    points, triangles = merge_points(points, triangles, 1e-7 * extent)
    edge = float(np.median(np.linalg.norm(points[triangles[:, 0]] - points[triangles[:, 1]], axis=1)))
    points, triangles = weld_border(points, triangles, min(_WELD[0] * extent, _WELD[1] * edge))
    surface, notes = _repaired(points, triangles, where)
    if notes:
        _log.warning("%s: the surface was repaired: %s.", where, "; ".join(notes))
    points, triangles = surface.points, surface.triangles
    check_size(extent, _thin_calibre(points, triangles), where, unit)
    if curved:
        before = len(triangles)
        points, triangles = subdivide_curved(points, triangles, CHORD_TOLERANCE)
        if len(triangles) > before:
            _log.info("%s: coarse facets refined on the smooth wall, %d to %d.", where, before, len(triangles))
    return replace(surface, points=points, triangles=triangles)


def _repaired(points: NDArray[np.float64], triangles: NDArray[np.int64], where: str) -> tuple[Surface, list[str]]:
    """The closed surface, normals outwards, and what had to be done for it."""
    triangles, dust = repair.without_dust(points, triangles)
    triangles, fins = repair.without_fins(points, triangles)
    _check_manifold(points, triangles, where)
    closed = close_openings(points, triangles, where)
    points, triangles = closed.points, closed.triangles
    _check_closed(points, triangles, where)
    triangles, bubbles = repair.without_bubbles(points, triangles, where)
    if closed.seams:
        triangles, _ = repair.without_flat_triangles(points, triangles)
    points, triangles, folds = repair.without_folds(points, triangles, _TOUCHING_DEPTH, where)
    _check_closed(points, triangles, where)
    counted = (
        ("loose pieces under 0.1 % of its area left out", dust),
        ("sheets standing on the wall left out", fins),
        ("triangles turned outwards", closed.turned),
        ("open seams closed", closed.seams),
        ("small bubbles left out", bubbles),
    )
    placed = (
        ("tears in the wall filled", closed.tears),
        ("open ends closed with flat caps", [end.centre for end in closed.ends]),
        ("folds cut out and closed", folds),
    )
    notes = [f"{what}: {number}" for what, number in counted if number]
    notes += [f"{what}: {len(places)} ({_places(places)})" for what, places in placed if len(places)]
    return Surface(points, triangles, closed.ends), notes


def _places(places: Sequence[NDArray[np.float64]] | NDArray[np.float64]) -> str:
    listed = ", ".join(f"at {place_in_mm(place)}" for place in places[:5])
    return listed + (" and others" if len(places) > 5 else "")


def _outward(cap: Cap, surface: Surface) -> Cap:
    """The cap with its normal turned as that of the surface's nearest triangle."""
    corners = surface.points[surface.triangles]
    nearest = corners[int(np.argmin(np.linalg.norm(corners.mean(axis=1) - cap.centre, axis=1)))]
    along = np.cross(nearest[1] - nearest[0], nearest[2] - nearest[0]) @ cap.normal
    return replace(cap, normal=-cap.normal) if along < 0.0 else cap


def check_size(extent: float, calibre: float, where: str, unit: str | None, what: str = "surface") -> None:
    """Refuse a size (m) that no coronary tree has; ``calibre`` (m) of its thinner vessels is nan where not yet known.

    Raises
    ------
    InputError
        Naming the size in the unit taken, and the unit in which it would be that of a coronary tree.
    """
    if _plausible(extent, calibre):
        return
    taken = unit or "mm"
    scales = {name: scale / UNITS[taken] for name, scale in UNITS.items()}
    fits = [name for name, scale in scales.items() if _plausible(scale * extent, scale * calibre)]
    hint = f'the numbers look like {fits[0]}: state unit = "{fits[0]}"' if fits else "check the unit and the file"
    width = "" if np.isnan(calibre) else f" and its thinner vessels {1e3 * calibre:.3g} mm wide"
    raise InputError(
        f"{where}: taken in {taken} the {what} is {1e3 * extent:.3g} mm across{width}, absurd for coronary "
        f"arteries (15 to 400 mm across, up to 10 mm wide); {hint}."
    )


def recognised_unit(extent: float, calibre: float, where: str, unit: str | None, what: str) -> str:
    """The unit of lengths in a file: the one stated, or the only one in which they are those of a coronary tree.

    ``extent`` and ``calibre`` (or nan) are the file's own numbers.

    Raises
    ------
    InputError
        If the stated unit makes an absurd size, or no unit or several make a sensible one.
    """
    fits = [name for name, scale in UNITS.items() if _plausible(scale * extent, scale * calibre)]
    if unit is not None or not fits:
        scale = UNITS[unit or "mm"]
        check_size(scale * extent, scale * calibre, where, unit, what)
        return unit or "mm"
    if len(fits) > 1:
        raise InputError(
            f"{where}: the {what} would be {extent:.3g} {' or '.join(fits)} across, and either may be; "
            f'state unit = "{fits[0]}" or unit = "{fits[1]}".'
        )
    _log.warning("%s: no unit is stated; by their size the %s are in %s.", where, what, fits[0])
    return fits[0]


def _plausible(extent: float, calibre: float) -> bool:
    return _EXTENT[0] <= extent <= _EXTENT[1] and (np.isnan(calibre) or _CALIBRE[0] <= calibre <= _CALIBRE[1])


def _thin_calibre(points: NDArray[np.float64], triangles: NDArray[np.int64]) -> float:
    """Diameter (m) that a quarter of the wall's vertices are below: the coronaries, beside any aorta."""
    normal = vertex_normals(points, triangles)
    limit = 0.1 * float(np.ptp(points, axis=0).max())
    return 2.0 * float(np.percentile(tangent_ball_radius(points, normal, limit), 25.0))


def _check_manifold(points: NDArray[np.float64], triangles: NDArray[np.int64], where: str) -> None:
    edges, _, count = edge_table(triangles)
    bad = count > 2
    if bad.any():
        raise InputError(
            f"{where}: the surface is not a manifold: {bad.sum()} edges have more than two triangles, one at "
            f"{place_in_mm(points[edges[bad][0]].mean(axis=0))}; repair the surface."
        )


def _check_closed(points: NDArray[np.float64], triangles: NDArray[np.int64], where: str) -> None:
    """Refuse what no repair has made the border of a lumen: every edge once in either direction, some volume."""
    directed = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    code = directed[:, 0] * np.int64(len(points)) + directed[:, 1]
    back = directed[:, 1] * np.int64(len(points)) + directed[:, 0]
    _, first, count = np.unique(code, return_index=True, return_counts=True)
    bad = np.concatenate([first[count > 1], np.flatnonzero(~np.isin(code, back))])
    if len(bad):
        place = points[directed[bad[0]]].mean(axis=0)
        raise InputError(f"{where}: the surface cannot be closed at {place_in_mm(place)}; repair it there.")
    area = float(triangle_areas(points[triangles]).sum())
    if enclosed_volume(points, triangles) < 1e-6 * area**1.5:
        raise InputError(f"{where}: the surface encloses no lumen; export the lumen as a closed surface.")
