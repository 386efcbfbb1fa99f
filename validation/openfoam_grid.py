"""The O-grid of hexahedra in the straight stenosis that OpenFOAM solves on, and the files of OpenFOAM's meshes.

blockMesh makes five plane blocks in a box; their points are then moved, so that those of the box's sides lie on the
stenosed wall at every station, which no arc or spline of blockMesh does. The constants were chosen by trial for the
smallest error of the 60 % stenosis with so many cells: against a grid of evenly thick cells they halve it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

DIAMETER, LENGTH, CENTRE, LESION = 3.0e-3, 60.0e-3, 20.0e-3, 10.0e-3  # m
CORE = 0.5  # half-width of the core's block in the box of half-width 1
CORE_DISC, CORE_SQUARE = 0.22, 0.28  # the core in the lumen, in radii: a disc and a square added up
WALL_FINER = 6.0  # times as thick are the cells beside the core as those at the wall
STATIONS = (0.0, 1.0, 8.0, 17.0, 21.0, 25.0, 34.0, 60.0)  # mm
# Cells' lengths there over one another. Short ones at the inlet: its pressure is that of the first cells' middles.
SPACING = (0.35, 2.5, 4.0, 0.7, 0.6, 1.0, 2.0, 8.0)
POLYMESH = Path("constant") / "polyMesh"


@dataclass(frozen=True)
class OGrid:
    """Numbers of cells: along a side of the core, from there to the wall, along the vessel."""

    side: int
    radial: int
    axial: int

    @property
    def cells(self) -> int:
        """Hexahedra of the five blocks."""
        return (self.side**2 + 4 * self.side * self.radial) * self.axial

    @property
    def around(self) -> int:
        """Facets of the wall round a section."""
        return 4 * self.side


def radius(z: Array, severity: float) -> Array:
    """(n,) radius of the lumen at ``z``, m."""
    phase = 2.0 * np.pi * (z - CENTRE) / LESION
    narrowing = np.where(np.abs(z - CENTRE) < LESION / 2.0, 0.5 * severity * (1.0 + np.cos(phase)), 0.0)
    return DIAMETER / 2.0 * (1.0 - narrowing)


def stations(share: Array) -> Array:
    """(n,) place along the vessel, m, of a share of its cells: densest at the inlet, in the throat and in the jet."""
    z = np.linspace(0.0, 1.0e3 * LENGTH, 4001)
    density = 1.0 / np.interp(z, STATIONS, SPACING)
    count = np.concatenate([[0.0], np.cumsum(np.diff(z) * 0.5 * (density[1:] + density[:-1]))])
    return 1.0e-3 * np.interp(share, count / count[-1], z)


def in_disc(square: Array) -> Array:
    """(n, 2) points of the unit disc for those of the box [-1, 1]^2, whose sides come to lie on the circle."""
    ring = np.abs(square).max(axis=1)
    on_box = square / np.maximum(ring, 1e-12)[:, None]
    steep = np.abs(on_box[:, 1]) > np.abs(on_box[:, 0])
    turn = 0.25 * np.pi * np.where(steep, on_box[:, 0], on_box[:, 1])
    long = np.sign(np.where(steep, on_box[:, 1], on_box[:, 0])) * np.cos(turn)
    circle = np.stack([np.where(steep, np.sin(turn), long), np.where(steep, long, np.sin(turn))], axis=1)
    core = CORE_DISC * circle + CORE_SQUARE * on_box
    out = np.clip((ring - CORE) / (1.0 - CORE), 0.0, 1.0)
    out = (1.0 - WALL_FINER ** (-out)) / (1.0 - 1.0 / WALL_FINER)
    inside = core * np.minimum(ring / CORE, 1.0)[:, None]
    return inside + out[:, None] * (circle - core)


def move_points(box: Array, severity: float, around: int) -> Array:
    """(n, 3) points of the vessel, m, for those of the box [-1, 1]^2 x [0, 1].

    The wall's points lie a little outside the lumen, so that a section's ``around`` facets have the lumen's area: hemo
    compensates its meshes for their facets too.
    """
    angle = 2.0 * np.pi / around
    z = stations(box[:, 2])
    size = radius(z, severity) * np.sqrt(angle / np.sin(angle))
    return np.column_stack([in_disc(box[:, :2]) * size[:, None], z])


def read_points(case: Path) -> Array:
    """(n, 3) points of a case's mesh."""
    return np.array([[float(x) for x in line[1:-1].split()] for line in _entries(case / POLYMESH / "points")])


def write_points(case: Path, points: Array) -> None:
    """Put other points into a case's mesh."""
    lines = [f"({x:.12e} {y:.12e} {z:.12e})" for x, y, z in points]
    text = header("vectorField", "points") + f"{len(lines)}\n(\n" + "\n".join(lines) + "\n)\n"
    (case / POLYMESH / "points").write_text(text)


def patch_faces(case: Path, patch: str) -> Array:
    """(n, 4) vertices of a patch's faces."""
    text = (case / POLYMESH / "boundary").read_text()
    found = re.search(rf"{patch}\s*{{.*?nFaces\s+(\d+);.*?startFace\s+(\d+);", text, re.DOTALL)
    assert found is not None
    count, start = int(found[1]), int(found[2])
    lines = _entries(case / POLYMESH / "faces")[start : start + count]
    return np.array([[int(v) for v in line[2:-1].split()] for line in lines])


def face_areas(points: Array, faces: Array) -> Array:
    """(n,) areas of quadrilaterals in a plane of constant z."""
    corners = points[faces]
    one, two = corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1]
    return 0.5 * np.abs(one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0])


def parabola(points: Array, faces: Array, flow: float) -> Array:
    """(n,) axial velocity, m/s, at the middle of each inlet face, together of exactly the flow, m^3/s."""
    middle = points[faces].mean(axis=1)
    speed = 1.0 - (middle[:, 0] ** 2 + middle[:, 1] ** 2) / (DIAMETER / 2.0) ** 2
    return speed * flow / (speed @ face_areas(points, faces))


def header(kind: str, name: str) -> str:
    """What every file of OpenFOAM begins with."""
    return f"FoamFile {{ version 2.0; format ascii; class {kind}; object {name}; }}\n"


def _entries(file: Path) -> list[str]:
    """The lines of an ASCII list."""
    lines = file.read_text().splitlines()
    first = lines.index("(")
    return lines[first + 1 : first + 1 + int(lines[first - 1])]
