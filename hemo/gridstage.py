"""The stage that solves a tree on two coarser meshes too, to tell how far its numbers hang on the mesh."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from hemo.case import Case
from hemo.convergence import GridRow, GridStudy, convergence
from hemo.errors import InputError, NotConverged
from hemo.femresults import with_fem
from hemo.femstages import FEWEST_CELLS, solve_fem, with_cells
from hemo.indices import lesion_pressure, vessel_place
from hemo.meshstage import MeshedTree, Mesher, auxiliary, same_vessels
from hemo.results import Status
from hemo.tree import VesselTree
from hemo.treesummary import TreeResult

log = logging.getLogger(__name__)

COARSENING = (2.0**0.5, 2.0)  # cells across a diameter over those of the coarser meshes
LESION_FFR = "FFR beyond the lesion"

Number = tuple[str, str, str]  # place, quantity, unit


def check_grid_study(case: Case, methods: Sequence[str]) -> None:
    """Refuse a run without a mesh, or whose mesh leaves no room for two coarser ones; raises InputError."""
    if "fem" not in methods:
        raise InputError("--grid-study needs the finite-element method (--method fem or both).")
    least = FEWEST_CELLS * COARSENING[-1]
    if case.fem.cells_per_diameter < least:
        raise InputError(f"--grid-study needs fem.cells_per_diameter of at least {least:g}.")


def with_grid_study(
    case: Case,
    meshed: MeshedTree,
    result: TreeResult,
    again: Mesher,
    reduced: Callable[[VesselTree], TreeResult],
    logs: Path,
    ranks: int,
    tell: Callable[[str], None],
) -> TreeResult:
    """Add what two coarser meshes say; the mesh's part in a lesion's error budget becomes what they show.

    Parameters
    ----------
    again
        Makes further meshes of the tree.
    reduced
        The reduced solution, from which a solve starts, of the tree as a mesh has it.
    """
    meshes, results = [meshed], [result]
    try:
        for factor in reversed(COARSENING):
            coarser = with_cells(case, case.fem.cells_per_diameter / factor)
            mesh = again(coarser)
            if not same_vessels(mesh.tree, meshed.tree):
                raise InputError(f"the mesh of {mesh.info.cells:,} cells ends elsewhere.")
            tell(f"grid study: {mesh.info.cells:,} cells")
            with auxiliary():
                start = reduced(mesh.tree)
                solution = solve_fem(coarser, mesh, start, mesh.folder, logs, ranks, tell, again, in_time=False)
                found = with_fem(start, mesh, solution)
            if solution.status is not Status.CONVERGED:
                raise NotConverged(f"on {mesh.info.cells:,} cells: {solution.message}")
            meshes.insert(1, mesh)
            results.insert(1, found)
    except (InputError, NotConverged) as error:
        log.warning("%s tree: no grid study: %s", meshed.tree.name, error)
        return result
    study = grid_study(meshes, [numbers(case, meshed.tree, found) for found in results])
    of_lesion = {row.place: row.convergence.uncertainty for row in study.rows if row.quantity == LESION_FFR}
    budgets = {
        name: replace(budget, discretisation=of_lesion.get(name, budget.discretisation))
        for name, budget in result.budgets.items()
    }
    return replace(result, grid=study, budgets=budgets)


def numbers(case: Case, fine: VesselTree, result: TreeResult) -> dict[Number, float]:
    """FFR of vessels and lesions where it is read on the finest mesh's tree, and WSS of lesions."""
    flow, tree = result.fem, result.tree
    assert flow is not None
    found: dict[Number, float] = {}
    for branch in fine.branches:
        place = vessel_place(fine, branch)
        if place is not None and branch.name in flow.branches:
            curve = flow.ffr(branch.name)
            found[branch.name, "FFR of the vessel", ""] = float(np.interp(place, tree[branch.name].arc, curve))
    for lesion in fine.lesions:
        if lesion.branch in flow.branches:
            found[lesion.id, LESION_FFR, ""] = lesion_pressure(tree, lesion, flow, None, case.reading()).distal
        if lesion.id in result.lesion_walls:
            wall = result.lesion_walls[lesion.id]
            found[lesion.id, "mean WSS", "Pa"] = wall.wss_mean
            found[lesion.id, "WSS, 99th percentile", "Pa"] = wall.wss_max
    return found


def grid_study(meshes: Sequence[MeshedTree], found: Sequence[dict[Number, float]]) -> GridStudy:
    """Judge what three meshes, the finest first, say of the same numbers."""
    fine, middle, coarse = (float(mesh.mesh.cell_volumes().mean()) ** (1.0 / 3.0) for mesh in meshes)
    rows = []
    for (place, quantity, unit), value in found[0].items():
        others = [other.get((place, quantity, unit)) for other in found[1:]]
        if others[0] is not None and others[1] is not None:
            judged = convergence((value, others[0], others[1]), (fine, middle, coarse))
            rows.append(GridRow(place, quantity, unit, judged))
    return GridStudy(tuple(mesh.info.cells for mesh in meshes), (fine, middle, coarse), tuple(rows))
