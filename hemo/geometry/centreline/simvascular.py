"""SimVascular's paths (``.pth``) and contour groups (``.ctgr``).

Both are XML with one vessel a file; older files have two elements at their top, ``format`` and the vessel,
which is no proper XML document. Coordinates carry no unit: SimVascular's examples are in cm.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.geometry.centreline.linefile import Polyline
from hemo.geometry.lumen.patching import opening
from hemo.geometry.lumen.planecut import plane_axes
from hemo.geometry.lumen.surface import UNITS, recognised_unit
from hemo.geometry.outline import area_and_centroid, inscribed_radius, perimeter

Array = NDArray[np.float64]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ContourVessel:
    """One vessel as outlines of its lumen, proximal first.

    Attributes
    ----------
    name
        Of the path that the outlines stand on.
    centres
        (k, 3) centroids of the outlines' areas, m.
    area, perimeter
        (k,) m^2 and m.
    radius
        (k,) radius of the largest circle in each outline, m.
    path
        (n, 3) the path between the first and the last outline, m; None where no ``.pth`` was given.
    position
        (k,) number of the path's point that each outline stands on.
    """

    name: str
    centres: Array
    area: Array
    perimeter: Array
    radius: Array
    path: Array | None
    position: NDArray[np.int64]


def contour_files(folder: Path) -> list[Path]:
    """The ``.ctgr`` and ``.pth`` files of a folder and of its ``Segmentations`` and ``Paths``.

    Raises
    ------
    InputError
        If there is no ``.ctgr`` among them.
    """
    places = [folder, folder / "Segmentations", folder / "Paths"]
    found = [item for place in places if place.is_dir() for item in sorted(place.iterdir())]
    files = [item for item in found if item.suffix.lower() in (".ctgr", ".pth") and item.is_file()]
    if not any(item.suffix.lower() == ".ctgr" for item in files):
        raise InputError(f"{folder}: holds no .ctgr file; name the folder with SimVascular's Segmentations.")
    return files


def read_paths(files: Sequence[Path], unit: str | None = None) -> list[Polyline]:
    """SimVascular paths as lines without radius, in the stated unit or the one that their size tells.

    Raises
    ------
    InputError
        If a file cannot be read or holds no path of two points, or the unit cannot be told.
    """
    paths = [(file.stem, _path_points(file)) for file in files]
    extent = float(np.ptp(np.concatenate([points for _, points in paths]), axis=0).max())
    scale = UNITS[recognised_unit(extent, np.nan, str(files[0]), unit, "paths")]
    return [Polyline(name, scale * points, np.full(len(points), np.nan)) for name, points in paths]


def read_contours(files: Sequence[Path], unit: str | None = None) -> list[ContourVessel]:
    """SimVascular contour groups, with the paths among the files that they stand on.

    Parameters
    ----------
    files
        ``.ctgr`` files, one vessel each, and ``.pth`` files.
    unit
        ``"mm"``, ``"cm"`` or ``"m"``; without it the one in which the vessels are of a coronary tree's size.

    Raises
    ------
    InputError
        If a file cannot be read, or holds fewer than two closed contours, or the unit cannot be told.
    """
    paths = {file.stem: _path_points(file) for file in files if file.suffix.lower() == ".pth"}
    vessels = [_vessel(file, paths) for file in files if file.suffix.lower() == ".ctgr"]
    if not vessels:
        raise InputError(f"{files[0] if files else 'contours'}: no .ctgr file is given; name SimVascular's contours.")
    extent = float(np.ptp(np.concatenate([vessel.centres for vessel in vessels]), axis=0).max())
    calibre = 2.0 * float(np.percentile(np.concatenate([np.sqrt(v.area / np.pi) for v in vessels]), 25.0))
    scale = UNITS[recognised_unit(extent, calibre, str(files[0]), unit, "contours")]
    return [
        replace(
            vessel,
            centres=scale * vessel.centres,
            area=scale**2 * vessel.area,
            perimeter=scale * vessel.perimeter,
            radius=scale * vessel.radius,
            path=None if vessel.path is None else scale * vessel.path,
        )
        for vessel in vessels
    ]


def _vessel(file: Path, paths: dict[str, Array]) -> ContourVessel:
    """The outlines of one file, in its own unit."""
    group = _element(file, "contourgroup")
    steps = group.findall("timestep")
    if len(steps) > 1:
        _log.warning("%s: holds %d time steps; the first is used.", file, len(steps))
    rows = []
    open_ones = 0
    for number, contour in enumerate(steps[0].findall("contour") if steps else ()):
        outline = _points(file, contour.findall("contour_points/point"))
        if len(outline) < 3 or contour.get("closed", "true") == "false" or opening(outline)[2] <= 0.0:
            open_ones += 1
            continue
        place = contour.find("path_point")
        rows.append((_whole_number(file, place, number), *_measures(outline)))
    if open_ones:
        _log.warning("%s: %d contours without a closed outline were left out.", file, open_ones)
    if len(rows) < 2:
        raise InputError(f"{file}: holds fewer than two closed contours; segment the vessel in SimVascular first.")
    rows.sort(key=lambda row: row[0])
    position = np.array([row[0] for row in rows], dtype=np.int64)
    centres, area, perimeter, radius = (np.array([row[k] for row in rows]) for k in range(1, 5))
    if np.any(np.linalg.norm(np.diff(centres, axis=0), axis=1) == 0.0):
        raise InputError(f"{file}: two contours stand at one place; delete one of them.")
    name = group.get("path_name") or file.stem
    path = paths.get(name)
    path = path if path is not None and len(path) > position[-1] else None
    return ContourVessel(name, centres, area, perimeter, radius, path, position)


def _measures(outline: Array) -> tuple[Array, float, float, float]:
    """Centroid, area, perimeter and largest inscribed circle's radius of a polygon, in its mean plane."""
    middle, normal, _ = opening(outline)
    first, second = plane_axes(normal)
    flat = np.column_stack([(outline - middle) @ first, (outline - middle) @ second])
    area, place = area_and_centroid(flat)
    centre = middle + place[0] * first + place[1] * second
    return centre, area, perimeter(flat), inscribed_radius(flat, place)


def _path_points(file: Path) -> Array:
    """(n, 3) points of a path, its control points where no others are stored, in its own unit."""
    path = _element(file, "path")
    element = path.find("timestep/path_element")
    if element is None:
        raise InputError(f"{file}: holds no path element; save the path in SimVascular again.")
    points = _points(file, element.findall("path_points/path_point/pos"))
    points = points if len(points) else _points(file, element.findall("control_points/point"))
    if len(points) < 2 or not np.any(np.ptp(points, axis=0) > 0.0):
        raise InputError(f"{file}: holds no path of two points or more; draw it in SimVascular first.")
    return points


def _element(file: Path, name: str) -> ElementTree.Element:
    try:
        text = file.read_text(encoding="utf-8")
        root = ElementTree.fromstring(f"<file>{re.sub(r'<[?].*?[?]>', '', text, flags=re.DOTALL)}</file>")
    except (OSError, UnicodeDecodeError, ElementTree.ParseError) as error:
        raise InputError(f"{file}: cannot be read as SimVascular's XML ({error}); save it again.") from error
    found = root.find(name)
    if found is None:
        raise InputError(f"{file}: holds no <{name}>; give a file that SimVascular 2017 or later has saved.")
    return found


def _points(file: Path, elements: Sequence[ElementTree.Element]) -> Array:
    try:
        points = np.array([[float(element.attrib[axis]) for axis in "xyz"] for element in elements])
    except (KeyError, ValueError) as error:
        raise InputError(f"{file}: a point has no three coordinates; save the file again.") from error
    if not np.all(np.isfinite(points)):
        raise InputError(f"{file}: a coordinate is not a number; save the file again.")
    return points.reshape(-1, 3)


def _whole_number(file: Path, element: ElementTree.Element | None, otherwise: int) -> int:
    try:
        return otherwise if element is None else int(element.get("id", str(otherwise)))
    except ValueError as error:
        raise InputError(f"{file}: a path point's id is no whole number; save the file again.") from error
