"""Centrelines as other programs write them: VMTK's VTP files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.geometry.lumen.surface import UNITS
from hemo.vtkio import read_polydata

Array = NDArray[np.float64]

RADIUS = "MaximumInscribedSphereRadius"
# What vmtkcenterlinesections, SimVascular and hemo call the area of the lumen's section.
_AREAS = ("CenterlineSectionArea", "Area")


@dataclass(frozen=True)
class Polyline:
    """A named centreline with its radius.

    Attributes
    ----------
    name
        For the report.
    points
        (n, 3), m.
    radius
        (n,) inscribed-sphere radius, m; nan where a mere path is given.
    area
        (n,) section area, m^2; None where only the radius is known.
    """

    name: str
    points: Array
    radius: Array
    area: Array | None = None


def read_lines(path: Path, unit: str | None = None) -> list[Polyline]:
    """The lines of a VMTK centreline file, each whole.

    What ``vmtkbranchextractor`` split into tracts (cell arrays ``CenterlineIds`` and ``TractIds``) is put
    together again; a file of two-point cells gives its chains.

    Parameters
    ----------
    path
        VTP or legacy VTK with ``MaximumInscribedSphereRadius`` at the points.
    unit
        Of the coordinates: ``"mm"`` (the default), ``"cm"`` or ``"m"``.

    Raises
    ------
    InputError
        If the file cannot be read or holds no such lines, or a value is no number or no radius.
    """
    scale = UNITS[unit or "mm"]
    data = read_polydata(Path(path))
    values = data.point_data.get(RADIUS)
    if not data.lines or values is None or values.ndim != 1:
        raise InputError(f"{path}: holds no centrelines with {RADIUS}; export them from VMTK.")
    used = np.unique(np.concatenate(data.lines))
    if not np.all(np.isfinite(data.points[used])) or not np.all(np.isfinite(values[used])):
        raise InputError(f"{path}: a point or a radius of the centrelines is not a number; export them again.")
    if np.any(values[used] < 0.0) or not np.any(values[used] > 0.0):
        raise InputError(f"{path}: {RADIUS} holds a radius that is not positive; export the centrelines again.")
    radius = np.maximum(scale * values.astype(np.float64), 1e-6)
    area = _areas(data.point_data, used)
    lines = []
    for number, line in enumerate(_whole(data.lines, data.line_data)):
        points = scale * data.points[line]
        moves = np.concatenate([[True], np.linalg.norm(np.diff(points, axis=0), axis=1) > 1e-9])
        if moves.sum() >= 2:
            section = None if area is None else scale**2 * area[line][moves]
            lines.append(Polyline(f"{Path(path).stem} {number}", points[moves], radius[line][moves], section))
    if not lines:
        raise InputError(f"{path}: its centrelines have no length; export them again.")
    return lines


def _areas(point_data: Mapping[str, NDArray[Any]], used: NDArray[np.int64]) -> Array | None:
    for name in _AREAS:
        values = point_data.get(name)
        if values is not None and values.ndim == 1 and np.any(values[used] > 0.0):
            return np.where(values > 0.0, values, np.nan).astype(np.float64)
    return None


def _whole(lines: tuple[NDArray[np.int64], ...], line_data: Mapping[str, NDArray[Any]]) -> list[NDArray[np.int64]]:
    """Index arrays of whole lines: tracts of one centreline joined in their order, or two-point cells chained."""
    if "CenterlineIds" in line_data and "TractIds" in line_data:
        owner, tract = line_data["CenterlineIds"], line_data["TractIds"]
        return [
            np.concatenate([lines[k] for k in np.flatnonzero(owner == one)[np.argsort(tract[owner == one])]])
            for one in np.unique(owner)
        ]
    if len(lines) > 1 and all(len(line) == 2 for line in lines):
        return _chains(lines)
    return list(lines)


def _chains(edges: tuple[NDArray[np.int64], ...]) -> list[NDArray[np.int64]]:
    """Runs of edges between points where the graph ends or forks."""
    beside: dict[int, list[int]] = {}
    for a, b in ((int(edge[0]), int(edge[1])) for edge in edges):
        beside.setdefault(a, []).append(b)
        beside.setdefault(b, []).append(a)
    done: set[tuple[int, int]] = set()
    chains = []
    for start in (node for node, others in beside.items() if len(others) != 2):
        for onward in beside[start]:
            chain = [start, onward]
            while len(beside[chain[-1]]) == 2 and chain[-1] != start:
                a, b = beside[chain[-1]]
                chain.append(b if a == chain[-2] else a)
            steps = set(pairwise(chain))
            if not steps & done:
                done |= steps | {(b, a) for a, b in steps}
                chains.append(np.array(chain, dtype=np.int64))
    return chains
