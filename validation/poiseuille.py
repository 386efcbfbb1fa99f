"""Poiseuille's flow (Hagen 1839, Poiseuille 1846) on the meshes that hemo itself makes: pressure drop and wall shear.

A straight pipe of 3 mm, meshed from its surface as a vessel is, with cells twice as long as wide as in hemo's cases and
with cells of equal sides. Flow and profile are prescribed at the inlet, a resistance stands at the outlet; the pressure
falls by 8 mu Q / (pi R^4) a length and the shear on the wall is 4 mu Q / (pi R^3) everywhere.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from mpi4py import MPI
from numpy.typing import NDArray

from hemo.blood import Blood
from hemo.boundary import FlowConditions
from hemo.fem.jit import compilation
from hemo.fem.problem import FlowProblem
from hemo.fem.sections import SectionMeans, section_means
from hemo.fem.wall import wall_traction
from hemo.geometry.mesh.meshing import MeshOptions, build_mesh
from hemo.geometry.mesh.sections import section_probes
from hemo.geometry.synthetic.vessels import straight_stenosis
from hemo.indices import facet_geometry
from hemo.results import WallTraction
from validation.solving import parabola, set_up, solved
from validation.table import DOCS, Table, publish

Array = NDArray[Any]

RADIUS, LENGTH = 1.5e-3, 12e-3  # m
FLOW = 0.5e-6  # m^3/s
BLOOD = Blood()
AORTIC = 12000.0  # Pa
WSS = 4 * BLOOD.viscosity * FLOW / (np.pi * RADIUS**3)  # Pa
GRADIENT = 8 * BLOOD.viscosity * FLOW / (np.pi * RADIUS**4)  # Pa/m
CELLS, STRETCHES = (3, 4, 6, 8), (2.0, 1.0)


@dataclass(frozen=True)
class Pipe:
    """The solved problem, arc length (n,) and means of its sections, the traction on the wall."""

    problem: FlowProblem
    cells: int
    arc: Array
    means: SectionMeans
    traction: WallTraction

    def gradient(self) -> float:
        """Fall of the sections' mean pressure a length, Pa/m, but for a tenth of the pipe at either end."""
        inner = slice(len(self.arc) // 10, -len(self.arc) // 10)
        return -float(np.polyfit(self.arc[inner], self.means.pressure[inner], 1)[0])

    def mean_shear(self) -> Array:
        """(3,) mean of the shear over the middle half of the wall, Pa."""
        middle, area = self.middle()[0], facet_geometry(self.traction)[1]
        return np.asarray(np.average(self.traction.facet_shear[middle], weights=area[middle], axis=0))

    def middle(self) -> tuple[Array, Array]:
        """Masks of the wall's triangles and of its vertices in the middle half of the pipe."""
        places = (facet_geometry(self.traction)[0], self.traction.points)
        first, second = (np.abs(place[:, 2] - LENGTH / 2) < LENGTH / 4 for place in places)
        return first, second

    def deviations(self) -> tuple[Array, Array]:
        """Magnitude of the shear over the exact one less 1, on the triangles and at the vertices of the middle half."""
        pairs = zip((self.traction.facet_shear, self.traction.shear), self.middle(), strict=True)
        first, second = (np.linalg.norm(shear[inside], axis=1) / WSS - 1.0 for shear, inside in pairs)
        return first, second


def solve(cells: float, stretch: float = 1.0) -> Pipe:
    """With ``cells`` across, ``stretch`` times as long as wide."""
    surface, tree = straight_stenosis(2 * RADIUS, LENGTH, 0.0, 5e-3, LENGTH / 2)
    made = build_mesh(surface, tree, MeshOptions(cells_per_diameter=cells, stretch=stretch, keep_ends=True))
    conditions = FlowConditions(AORTIC, 600.0, {"vessel": 2e9}, FLOW)
    guess = parabola(made.mesh, lambda z: np.full_like(z, RADIUS), 0.9 * FLOW)
    problem = solved(set_up(made.mesh, conditions, guess))
    with compilation(MPI.COMM_SELF):
        means = section_means(problem, section_probes(made.mesh, made.tree))
        traction = wall_traction(problem, made.mesh)
    assert traction is not None
    return Pipe(problem, len(made.mesh.cells), made.tree["vessel"].arc, means, traction)


def main() -> None:
    """Table and figure over cells across, for both kinds of cells."""
    begun, rows, scatter = time.perf_counter(), [], {}
    for stretch in STRETCHES:
        for cells in CELLS:
            pipe = solve(float(cells), stretch)
            deviations = pipe.deviations()
            scatter[stretch, cells] = [100 * float(part.std()) for part in deviations]
            row = [f"{stretch:g}", str(cells), f"{pipe.cells:,}", f"{pipe.problem.unknowns:,}"]
            row += [f"{100 * (pipe.gradient() / GRADIENT - 1):+.2f}", f"{100 * (pipe.mean_shear()[2] / WSS - 1):+.2f}"]
            for part in deviations:
                off = 100 * np.abs(part)
                row += [f"{100 * part.std():.2f}", f"{np.quantile(off, 0.99):.1f}", f"{off.max():.1f}"]
            rows.append(tuple(row))
    spread = [f"{what}, {where}" for where in ("triangles", "vertices") for what in ("scatter", "99 % within", "worst")]
    columns = ("length over width", "cells across", "cells", "unknowns", "drop", "mean WSS", *spread)
    note = (
        "In %: errors of the pressure's fall and of the mean wall shear stress; standard deviation of the wall shear "
        "stress over the wall, what 99 % of it is off by at most and the largest that any is off by, on triangles and "
        "at vertices, in the middle half of the pipe. Asked are 1 % for drop and mean, 2 % for the scatter. "
        f"All of this took {time.perf_counter() - begun:.0f} s on one rank."
    )
    publish(Table("poiseuille", columns, tuple(rows), note))
    _draw(scatter)


def _draw(scatter: dict[tuple[float, int], list[float]]) -> None:
    figure = Figure(figsize=(5.5, 3.8), layout="constrained")
    axes = figure.subplots()
    for stretch, color in zip(STRETCHES, ("C0", "C1"), strict=True):
        values = np.array([scatter[stretch, cells] for cells in CELLS])
        kind = "cells twice as long as wide" if stretch == 2.0 else "cells of equal sides"
        for column, (where, line) in zip(values.T, (("triangles", "o-"), ("vertices", "s--")), strict=True):
            axes.plot(CELLS, column, line, color=color, label=f"{kind}, {where}")
    axes.axhline(2.0, color="#999999", linewidth=0.8, label="asked")
    axes.set(xlabel="cells across", ylabel="standard deviation of wall shear stress / %", xticks=CELLS, ylim=(0, None))
    axes.legend(frameon=False)
    figure.savefig(DOCS / "figures" / "poiseuille.svg", metadata={"Date": None})
