"""Mean pressures in the vessels of a decomposed case of OpenFOAM, where its function objects fail."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hemo.indices import map_to_centreline
from hemo.tetmesh import INLET
from hemo.tree import VesselTree
from validation.openfoam_cases import DENSITY
from validation.openfoam_grid import POLYMESH, Array, read_points

HALF_WIDTH = 0.4e-3  # m, of the slab of cells whose mean is taken
Weights = tuple[Array, Array]  # places in a list of values, and what each counts


class Readings:
    """Means of the pressure over the inlet's cap and over slabs of cells across vessels.

    Parameters
    ----------
    places
        Arc length, m, on each branch where its pressure is read.
    """

    def __init__(self, case: Path, tree: VesselTree, places: Mapping[str, float]) -> None:
        self.parts = {part: _weights(part, tree, places) for part in sorted(case.glob("processor*"))}

    def means(self, time: str) -> dict[str, float]:
        """Mean pressure, Pa, at the inlet and on every branch, at a time as its folder is called."""
        force: dict[str, float] = {}
        size: dict[str, float] = {}
        for part, weights in self.parts.items():
            data = (part / time / "p").read_bytes()
            cells = _values(data, rb"internalField\s")
            for name, (where, weight) in weights.items():
                if len(weight):
                    values = _values(data, rb"\b%b\s*{.*?\svalue\s" % INLET.encode()) if name == INLET else cells[where]
                    force[name] = force.get(name, 0.0) + float((values * weight).sum())
                    size[name] = size.get(name, 0.0) + float(weight.sum())
        return {name: DENSITY * force[name] / size[name] for name in size}

    def times(self) -> list[str]:
        """Names of the times written, from the first on."""
        names = {file.parent.name for part in self.parts for file in part.glob("*/p")}
        return sorted((name for name in names if float(name) > 0.0), key=float)


def _weights(part: Path, tree: VesselTree, places: Mapping[str, float]) -> dict[str, Weights]:
    """Faces of the inlet's cap with their areas, and the cells of each slab with their volumes."""
    centres, areas, owner, neighbour = _faces(part)
    start, count = _patch(part, INLET)
    found: dict[str, Weights] = {INLET: (np.arange(count), np.linalg.norm(areas[start : start + count], axis=1))}
    middles, volumes = _cells(centres, areas, owner, neighbour)
    where = map_to_centreline(tree, middles)
    for number, branch in enumerate(tree.branches):
        if branch.name in places:
            near = np.abs(where.arc - places[branch.name]) < HALF_WIDTH
            cells = np.flatnonzero((where.branch == number) & near)
            found[branch.name] = cells, volumes[cells]
    return found


def _faces(part: Path) -> tuple[Array, Array, Array, Array]:
    """(n, 3) middles, m, and area vectors, m^2, of the faces; (n,) owners and (k,) neighbours of the first k."""
    points = read_points(part)
    # Those with many corners go over several lines.
    corners = [text.split() for text in re.findall(r"\d\s*\(([\d\s]+)\)", (part / POLYMESH / "faces").read_text())]
    count = np.array([len(face) for face in corners])
    flat, first = np.array([int(v) for face in corners for v in face]), np.concatenate([[0], np.cumsum(count)[:-1]])
    centres = np.add.reduceat(points[flat], first) / count[:, None]
    after = np.arange(len(flat)) + 1
    after[first + count - 1] = first
    fans = 0.5 * np.cross(points[flat] - np.repeat(centres, count, axis=0), points[flat[after]] - points[flat])
    owner, neighbour = (np.array(_lines(part, name), dtype=int) for name in ("owner", "neighbour"))
    return centres, np.add.reduceat(fans, first), owner, neighbour


def _cells(centres: Array, areas: Array, owner: Array, neighbour: Array) -> tuple[Array, Array]:
    """(m, 3) means of the cells' faces' middles, m, and (m,) volumes, m^3, by Gauss's theorem."""
    shared = len(neighbour)
    both, signs = np.concatenate([owner, neighbour]), np.repeat([1.0, -1.0], [len(owner), shared])
    all_centres = np.concatenate([centres, centres[:shared]])
    through = signs * np.einsum("ij,ij->i", all_centres, np.concatenate([areas, areas[:shared]])) / 3.0
    middles = np.stack([np.bincount(both, x) for x in all_centres.T], axis=1) / np.bincount(both)[:, None]
    return middles, np.bincount(both, through)


def _lines(part: Path, name: str) -> list[str]:
    """The entries of a list of the mesh."""
    lines = (part / POLYMESH / name).read_text().splitlines()
    first = lines.index("(")
    return lines[first + 1 : first + 1 + int(lines[first - 1])]


def _patch(part: Path, name: str) -> tuple[int, int]:
    """First face of a patch and their number."""
    text = (part / POLYMESH / "boundary").read_text()
    found = re.search(rf"\b{name}\s*{{[^}}]*?nFaces\s+(\d+);\s*startFace\s+(\d+);", text)
    assert found is not None
    return int(found[2]), int(found[1])


def _values(data: bytes, before: bytes) -> Array:
    """The binary list of scalars that follows."""
    found = re.search(before + rb"+nonuniform List<scalar>\s+(\d+)\s*\(", data, re.DOTALL)
    assert found is not None
    return np.frombuffer(data, dtype=float, count=int(found[1]), offset=found.end())
