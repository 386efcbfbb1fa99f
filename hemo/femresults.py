"""What follows from the finite elements' solution: flow along the vessels, wall indices, fields to write."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hemo.boundary import FlowConditions
from hemo.case import Case
from hemo.geometry.mesh.extensions import Extension, in_extensions
from hemo.indices import Reading, facet_geometry, lesion_wall, map_to_centreline, measurement_place
from hemo.meshstage import MeshedTree
from hemo.output import VolumeFields
from hemo.reduced.pulsatile import lesion_ratios
from hemo.reduced.waveform import patients_beat
from hemo.results import BeatCurves, BranchFlow, Status, TreeFlow, WallTraction
from hemo.stretches import flow_between_points
from hemo.tree import Lesion, VesselTree
from hemo.treesummary import TreeResult

if TYPE_CHECKING:
    from hemo.fem.result import FemResult

log = logging.getLogger(__name__)


def with_fem(result: TreeResult, meshed: MeshedTree, solution: FemResult, reading: Reading | None = None) -> TreeResult:
    """Add the finite-element flow, the wall traction and the lesions' wall indices to a tree's result."""
    branches = _branch_flows(meshed, solution, result.conditions)
    subtracted = 0.0 if result.reduced is None else result.reduced.subtracted
    pressure = result.conditions.aortic_pressure
    if solution.status is Status.AVERAGED:
        means = "FFR and axial plaque stress are those of the mean, WSS the mean of its magnitude."
        log.warning("%s tree: %s %s", meshed.tree.name, solution.message, means)
    flow = TreeFlow("fem", solution.status, pressure, branches, solution.message, subtracted)
    doubt = branch_pressures(meshed, solution, solution.section_doubt)
    budgets = {
        lesion.id: replace(result.budgets[lesion.id], averaging=_averaging(meshed.tree, lesion, flow, doubt, reading))
        for lesion in meshed.tree.lesions
        if lesion.id in result.budgets
    }
    walls = {}
    wall = _true_wall(solution.wall, meshed.extensions)
    where = map_to_centreline(meshed.tree, facet_geometry(wall)[0])
    for lesion in meshed.tree.lesions:
        along = flow.branches[lesion.branch].pressure
        datum = float(np.interp(lesion.start, meshed.tree[lesion.branch].arc, along))
        try:
            walls[lesion.id] = lesion_wall(meshed.tree, lesion, wall, where, datum)
        except ValueError as error:
            log.warning("%s", error)
    return replace(result, fem=flow, budgets=budgets, traction=wall, lesion_walls=walls, mesh=meshed.info)


def _averaging(
    tree: VesselTree,
    lesion: Lesion,
    flow: TreeFlow,
    doubt: Mapping[str, NDArray[np.float64]],
    reading: Reading | None,
) -> float:
    """How far the lesion's FFR may be off because a mean over time is not sure; ``doubt`` in Pa, by branch."""
    branch = tree[lesion.branch]
    at = np.interp(measurement_place(branch, lesion, reading), branch.arc, doubt[lesion.branch])
    return float(at) / (flow.aortic_pressure - flow.subtracted)


def with_beat(case: Case, result: TreeResult, meshed: MeshedTree, solution: FemResult) -> TreeResult:
    """Add the beat, where one was followed, and the lesions' pressure ratios over parts of it."""
    if solution.beat is None:
        return result
    beat = solution.beat
    pressures = branch_pressures(meshed, solution, beat.section_pressure)
    driven = patients_beat(case.physiology(), result.conditions.aortic_pressure, len(beat.time))
    ratios = lesion_ratios(meshed.tree, replace(driven, aortic=beat.aortic), pressures, case.reading())
    outflow = {name: beat.outlet_flow[:, column] for column, name in enumerate(solution.outlet_flow)}
    change = {name: float(value) for name, value in zip(solution.outlet_flow, beat.outlet_change, strict=True)}
    curves = BeatCurves(beat.time, beat.aortic, pressures, beat.inlet_flow, outflow, change)
    return replace(result, fem_beat=ratios, fem_curves=curves)


def _branch_flows(meshed: MeshedTree, solution: FemResult, conditions: FlowConditions) -> dict[str, BranchFlow]:
    """Section means of the pressure, and the flow that the outlets and leaks fed by each stretch carry.

    In a junction a section also cuts the neighbouring vessel: its flow is not one vessel's.
    """
    from hemo.fem.leakage import leak_flows

    pressures = branch_pressures(meshed, solution, solution.section_pressure)
    outlets = np.array([solution.outlet_flow[name] for name in meshed.tree.outlets])
    lost = solution.inlet_flow - float(outlets.sum())
    leaks = leak_flows(conditions.leaks, pressures, conditions.venous_pressure, lost)
    between = flow_between_points(meshed.tree, np.concatenate([outlets, leaks]), conditions.leak_places)
    return {
        name: BranchFlow(pressure, np.concatenate([between[name][:1], between[name]]))
        for name, pressure in pressures.items()
    }


def branch_pressures(meshed: MeshedTree, solution: FemResult, sections: NDArray[np.float64]) -> dict[str, Any]:
    """(..., n) pressure at each branch's points from (..., sections), Pa.

    A point whose section found no cell takes its neighbours' pressure.
    """
    found = {}
    for branch in meshed.tree.branches:
        start, stop = meshed.probes.branch_slices[branch.name]
        good = solution.section_area[start:stop] > 0.0
        found[branch.name] = np.apply_along_axis(_completed, -1, sections[..., start:stop], branch.arc, good)
    return found


def _completed(values: NDArray[np.float64], arc: NDArray[np.float64], good: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.interp(arc, arc[good], values[good])


def _true_wall(wall: WallTraction, extensions: Sequence[Extension]) -> WallTraction:
    """The wall without that of the flow extensions."""
    if not extensions:
        return wall
    kept = ~in_extensions(extensions, facet_geometry(wall)[0])
    used, triangles = np.unique(wall.triangles[kept], return_inverse=True)
    return WallTraction(
        points=wall.points[used],
        triangles=triangles.reshape(-1, 3),
        pressure=wall.pressure[used],
        shear=wall.shear[used],
        facet_pressure=wall.facet_pressure[kept],
        facet_shear=wall.facet_shear[kept],
        instants=None if wall.instants is None else wall.instants[:, used],
    )


def volume(meshed: MeshedTree, solution: FemResult) -> VolumeFields:
    """The fields of ``volume.vtu``, without the flow extensions."""
    mesh = meshed.mesh
    if not meshed.extensions:
        return VolumeFields(mesh, solution.velocity, solution.pressure)
    kept = ~in_extensions(meshed.extensions, mesh.points[mesh.cells].mean(axis=1))
    used, cells = np.unique(mesh.cells[kept], return_inverse=True)
    whole = np.isin(mesh.facets, used).all(axis=1)
    own = replace(
        mesh,
        points=mesh.points[used],
        cells=cells.reshape(-1, 4),
        facets=np.searchsorted(used, mesh.facets[whole]),
        facet_tags=mesh.facet_tags[whole],
    )
    return VolumeFields(own, solution.velocity[used], solution.pressure[used])
