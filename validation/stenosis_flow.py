"""Steady axisymmetric flow through a designed set of stenoses: what the reduced model's loss law is fitted to.

``python -m validation stenosis_flow``. Lengths in radii of the vessel before the stenosis, speeds in its mean velocity,
pressures in density times that squared; ``reynolds`` is that of the vessel before the stenosis, by its diameter. The
vessel is straight; a fully developed flow enters, and the pressure's mean over sections is kept until the flow is
nearly developed again. The designs are a scrambled Sobol sequence, the same each time. Each leaves a line in
``validation/records/stenosis_flow.jsonl``; the campaign goes on where it stopped.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from dolfinx import mesh
from mpi4py import MPI
from numpy.typing import NDArray
from scipy.stats import qmc

from validation.campaign import Line, resumed
from validation.meridian import AXIS, INLET, OUTLET, WALL, Flow, tag_boundary
from validation.table import DOCS

Array = NDArray[Any]
RECORDS = DOCS.parent / "validation" / "records" / "stenosis_flow.jsonl"
DESIGNS = 96
BEFORE = 4.0  # radii of vessel before the stenosis
RANGES = {  # of a design
    "severity": (0.15, 0.8),
    "length": (2.0, 24.0),
    "throat": (0.3, 0.7),
    "flat": (0.0, 0.6),
    "distal": (0.7, 1.1),
}
THROAT_REYNOLDS = (25.0, 50.0, 100.0, 200.0, 350.0, 550.0, 800.0, 1150.0, 1600.0)
MOST_REYNOLDS = 650.0  # before the stenosis
STATIONS = 90
VISCOUS_STEP = 1.6  # Reynolds numbers are raised by so much at most from one solution to the next


@dataclass(frozen=True)
class Design:
    """A stenosis: see :func:`radius`."""

    severity: float
    length: float
    throat: float
    flat: float
    distal: float

    def radius(self, z: Array) -> Array:
        """(n,) radius at distances z from the stenosis' beginning: two half cosines with a straight throat between.

        ``severity`` of the radius is lost over ``length``, of which the part ``flat`` is the throat, with its middle
        at the part ``throat``; beyond it the vessel has the radius ``distal``, or the throat's where that is larger.
        """
        narrow = 1.0 - self.severity
        middle, half = self.throat * self.length, 0.5 * self.flat * min(self.throat, 1.0 - self.throat) * self.length
        down = np.clip(z / (middle - half), 0.0, 1.0)
        up = np.clip((z - middle - half) / (self.length - middle - half), 0.0, 1.0)
        opened = max(self.distal, narrow)
        fallen = 1.0 - self.severity * 0.5 * (1.0 - np.cos(np.pi * down))
        return np.asarray(fallen + (opened - narrow) * 0.5 * (1.0 - np.cos(np.pi * up)))


class StenosisFlow(Flow):
    """The flow of a design on one mesh."""

    def __init__(self, design: Design, cells: int, behind: float) -> None:
        self.places = _columns(design, cells, behind)
        domain, tags = _mesh(design, self.places, cells)
        super().__init__(domain, tags, 1.0, 1.0)
        self.vertex_pressure = self.space.sub(1).collapse()

    def pressure(self) -> Array:
        """(columns,) mean over each section of vertices, in density times the mean velocity squared."""
        space, dofs = self.vertex_pressure
        values, x = self.state.x.array[dofs], space.tabulate_dof_coordinates()
        mean = np.empty(len(self.places))
        for column in range(len(mean)):
            on = np.flatnonzero(np.abs(x[:, 0] - self.places[column]) < 1e-9)
            on = on[np.argsort(x[on, 1])]
            r, p = x[on, 1], values[on]
            # p is linear and weighed by r: exact by Simpson's rule on each edge.
            middle_r, middle_p = 0.5 * (r[1:] + r[:-1]), 0.5 * (p[1:] + p[:-1])
            whole = np.sum(np.diff(r) / 6.0 * (r[:-1] * p[:-1] + 4.0 * middle_r * middle_p + r[1:] * p[1:]))
            mean[column] = whole / (0.5 * r[-1] ** 2)
        return mean


def _columns(design: Design, cells: int, behind: float) -> Array:
    """Places of the mesh's columns: steps of half a cell's width at the throat, growing slowly in the jet behind."""
    z, step = [-BEFORE], 0.0
    end = design.length + behind
    throat = 1.0 - design.severity
    while z[-1] < end:
        here = z[-1]
        local = float(design.radius(np.array([here]))[0])
        if here < 0.0:
            wanted = 0.15 + 0.25 * -here
        elif here < design.length:
            wanted = 3.0 * local / cells * 0.6
        else:
            wanted = 1.2
        wanted = min(wanted, design.length / 30.0) if here < design.length else wanted
        step = min(wanted, max(1.06 * step, 1.2 * throat / cells)) if here > 0.0 else wanted
        z.append(here + step)
    return np.array(z)


def _mesh(design: Design, places: Array, cells: int) -> tuple[mesh.Mesh, mesh.MeshTags]:
    """Crossed triangles, closer at the wall."""
    last = len(places) - 1
    domain = mesh.create_rectangle(
        MPI.COMM_SELF, [[0, 0], [last, 1]], [last, cells], diagonal=mesh.DiagonalType.crossed
    )
    sides = {WALL: (1, 1.0), AXIS: (1, 0.0), INLET: (0, 0.0), OUTLET: (0, float(last))}
    tags = tag_boundary(domain, {part: lambda x, k=k, at=at: np.isclose(x[k], at) for part, (k, at) in sides.items()})
    x = domain.geometry.x
    column, share = x[:, 0].copy(), 1.0 - (1.0 - x[:, 1]) ** 1.5
    x[:, 0] = np.interp(column, np.arange(len(places)), places)
    # Vertices between columns lie on the straight wall of their cell.
    wall = np.interp(column, np.arange(len(places)), design.radius(places))
    x[:, 1] = share * wall
    return domain, tags


def designs(count: int = DESIGNS) -> list[Design]:
    """The first of the sequence."""
    points = qmc.Sobol(len(RANGES), scramble=True, rng=20261128).random(count)
    low, high = np.array(list(RANGES.values())).T
    return [Design(*(low + (high - low) * point)) for point in points]


def solve(number: int, cells: int = 7) -> Line:
    """Solutions of one design at rising Reynolds numbers, until one is not found."""
    design = designs()[number]
    narrowest = 1.0 - design.severity
    wanted = [narrowest * reynolds for reynolds in THROAT_REYNOLDS]
    wanted = [reynolds for reynolds in wanted if reynolds <= MOST_REYNOLDS]
    behind = 6.0 + 0.16 * wanted[-1]
    flow = StenosisFlow(design, cells, behind)
    keep = np.unique(np.linspace(0, len(flow.places) - 1, STATIONS).round().astype(int))
    line: Line = {"design": number, **design.__dict__, "z": _rounded(flow.places[keep]), "solutions": []}
    reached = wanted[0]
    try:
        flow.solve(2.0 / reached, above=4.0)
        for reynolds in wanted:
            steps = max(int(np.ceil(np.log(reynolds / reached) / np.log(VISCOUS_STEP))), 1)
            for between in reached * (reynolds / reached) ** (np.arange(1, steps + 1) / steps):
                flow.solve(2.0 / between)
            reached = reynolds
            line["solutions"].append({"reynolds": reynolds, "pressure": _rounded(flow.pressure()[keep])})
    except RuntimeError:
        line["ended"] = "no steady solution was found beyond"
    print(f"stenosis_flow: design {number}, {len(line['solutions'])} of {len(wanted)} solutions", flush=True)
    return line


def _rounded(values: Array) -> list[float]:
    return [float(f"{value:.6g}") for value in values]


def records(processes: int = 2) -> list[Line]:
    """The campaign's lines, those not on record made now."""
    keys = [(number,) for number in range(DESIGNS)]
    with ProcessPoolExecutor(processes) as pool:
        lines = resumed(RECORDS, ("design",), keys, solve, lambda _, missing: pool.map(_solve, missing))
    return list(lines.values())


def _solve(key: tuple[int]) -> Line:
    return solve(*key)


def main(options: Sequence[str] = ()) -> None:
    """Run what is missing."""
    del options
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    records()


if __name__ == "__main__":
    main()
