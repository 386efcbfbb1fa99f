"""The drop of the 60 % stenosis at 8 cells over realisations of its mesh, and how far its jet leaves the axis.

A realisation turns the vessel about its axis and numbers the vertices and triangles of its surface anew: the remesher
then makes another mesh of the same sizes. Each solve leaves a line in ``results/realisations.jsonl`` (minutes each), so
that the campaign goes on where it stopped.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hemo import femstages, flowstage, meshstage, stages
from hemo.case import Case, read_case
from hemo.fem.result import FemResult
from hemo.geometry.lumen.surface import Surface
from hemo.geometry.mesh import sizing
from hemo.geometry.mesh.quality import cells_across
from hemo.meshstage import MeshedTree
from hemo.units import MMHG
from validation.campaign import resumed
from validation.table import DOCS, Table, publish

CASE = DOCS.parent / "cases" / "straight_stenosis" / "severe.toml"
RESULTS = DOCS.parent / "results" / "realisations.jsonl"
REFERENCE = 13.118  # mmHg
# Name -> the constants of the size field.
FIELDS: dict[str, dict[str, float]] = {
    "by calibre alone": {"NARROWEST": 1.0, "GROWTH": 1e3, "WAKE": 0.0},
    "finer in the lesion": {},
}
SEEDS = (0, 1, 2)


def realised(surface: Surface, seed: int) -> Surface:
    """The surface turned about z and numbered anew; seed 0 leaves it as it is."""
    if seed == 0:
        return surface
    rng = np.random.default_rng(seed)
    turn = rng.uniform(0.0, 2.0 * np.pi)
    matrix = np.array([[np.cos(turn), np.sin(turn), 0.0], [-np.sin(turn), np.cos(turn), 0.0], [0.0, 0.0, 1.0]])
    order = rng.permutation(len(surface.points))
    triangles = np.argsort(order)[surface.triangles][rng.permutation(len(surface.triangles))]
    return Surface((surface.points @ matrix)[order], triangles)


def solve(field: str, seed: int, ranks: int = 1) -> dict[str, Any]:
    """One line of the table."""
    case = read_case(CASE)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        geometry = stages.load_geometry(case, CASE, folder)
        assert geometry.surface is not None
        geometry = replace(geometry, surface=realised(geometry.surface, seed))
        with mock.patch.multiple(sizing, **FIELDS[field]) if FIELDS[field] else contextlib.nullcontext():
            meshed = meshstage.mesh_tree(case, geometry, geometry.trees[0], folder / "vessel")
        return {"field": field, "seed": seed, **_solved(case, meshed, folder, ranks)}


def _solved(case: Case, meshed: MeshedTree, folder: Path, ranks: int) -> dict[str, Any]:
    clock = time.perf_counter()
    start = flowstage.solve_reduced(case, meshed.tree)
    solution = femstages.solve_fem(case, meshed, start, folder / "vessel", folder, ranks, lambda _: None)
    place = 1e3 * meshed.tree.root.arc
    across, offset = cells_across(meshed.mesh, meshed.probes), 1e3 * jet_offset(meshed, solution)
    return {
        "cells": meshed.info.cells,
        "fewest": float(across[np.abs(place - 20.0) < 5.0].min()),
        "throat": float(across[np.abs(place - 20.0).argmin()]),
        "drop": float(solution.section_pressure[0] - solution.section_pressure[-1]) / MMHG,
        "offset_mm": [float(np.interp(z, place, offset)) for z in (25.0, 30.0, 40.0)],
        "pressure_mmhg": [float(value) / MMHG for value in solution.section_pressure - solution.section_pressure[-1]],
        "status": solution.status.name,
        "seconds": time.perf_counter() - clock,
    }


def jet_offset(meshed: MeshedTree, solution: FemResult) -> NDArray[np.float64]:
    """(n_sections,) distance of the centroid of the square of the axial velocity from the axis z, m."""
    probes, mesh = meshed.probes, meshed.mesh
    corner = mesh.points[mesh.cells[probes.cell]]
    edges = np.swapaxes(corner[:, 1:] - corner[:, :1], 1, 2)
    share = np.linalg.solve(edges, (probes.point - corner[:, 0])[:, :, None])[:, :, 0]
    share = np.column_stack([1.0 - share.sum(axis=1), share])
    axial = np.einsum("kv,kv->k", share, solution.velocity[mesh.cells[probes.cell], 2])
    weight = probes.weight * np.maximum(axial, 0.0) ** 2
    sums = [np.bincount(probes.section, weight * what, probes.n_sections) for what in (1.0, *probes.point.T[:2])]
    return np.hypot(sums[1], sums[2]) / sums[0]


def main() -> None:
    """Solve what is missing, then table and figure."""
    keys = ((field, seed) for field in FIELDS for seed in SEEDS)
    done = resumed(RESULTS, ("field", "seed"), keys, solve)
    rows = tuple(
        (
            line["field"],
            str(line["seed"]),
            f"{line['cells']:,}",
            f"{line['throat']:.1f}",
            f"{line['fewest']:.1f}",
            f"{line['drop']:.2f}",
            f"{100.0 * (line['drop'] / REFERENCE - 1.0):+.1f} %",
            *(f"{offset:.2f}" for offset in line["offset_mm"]),
        )
        for line in done.values()
    )
    columns = (
        "sizes",
        "realisation",
        "tetrahedra",
        "cells across the throat",
        "fewest in the lesion",
        "drop / mmHg",
        "error",
        *(f"jet off axis at {place} mm / mm" for place in (25, 30, 40)),
    )
    note = "60 % stenosis at 2 mL/s, throat at 20 mm, 8 cells per diameter. Reference: 13.118 mmHg, axisymmetric."
    publish(Table("realisations", columns, rows, note))
    _figure(list(done.values()))


def _figure(lines: list[dict[str, Any]]) -> None:
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for line in lines:
        pressure = line["pressure_mmhg"]
        colour = f"C{list(FIELDS).index(line['field'])}"
        label = line["field"] if line["seed"] == SEEDS[0] else None
        axes.plot(np.linspace(0.0, 60.0, len(pressure)), pressure, colour, lw=1, label=label)
    axes.axhline(REFERENCE, color="k", ls=":", label="axisymmetric drop")
    axes.set(xlabel="distance / mm", ylabel="section-mean pressure above the outlet's / mmHg")
    axes.legend(frameon=False)
    figure.savefig(DOCS / "figures" / "realisations.svg", metadata={"Date": None})
