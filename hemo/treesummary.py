"""The rows of ``summary.json`` for one tree: its branches and its lesions, by every method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hemo.boundary import Assumption, FlowConditions
from hemo.calibrationjson import calibration_to_json
from hemo.convergence import GridStudy
from hemo.indices import (
    LesionWall,
    Reading,
    Reserves,
    lesion_pressure,
    reserves,
    stenosis_resistance,
    vessel_place,
)
from hemo.reduced.budget import Budget
from hemo.reduced.pulsatile import RestingRatios
from hemo.results import BeatCurves, TreeFlow, WallTraction
from hemo.tree import Branch, Lesion, VesselTree
from hemo.treecalibration import TreeCalibration
from hemo.units import MILLIMETRE, ML_PER_MIN, MMHG_MIN_PER_ML, SQUARE_MILLIMETRE


@dataclass(frozen=True)
class MeshInfo:
    """What the summary says of one tree's mesh; ``report`` holds what has no key of its own, as JSON values."""

    cells: int
    vertices: int
    min_quality: float
    cells_per_diameter: float
    report: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TreeResult:
    """Everything known of one tree when the run ends; a method that was not asked for is None.

    ``reduced`` is the reduced model in the state asked for, ``reduced_rest`` and ``reduced_hyperaemia`` in each state,
    ``other_reserves`` what it would be with other people's microvasculature, by its kind and resistance reserve;
    ``budgets`` holds the parts of FFR's uncertainty by lesion, ``resting`` the pressure ratios of a beat at rest,
    ``fem_beat`` those of the finite elements' beat in the state asked for, and ``fem_curves`` that beat; ``grid`` what
    coarser meshes say of the finite elements' numbers; ``calibration`` the reduced model's losses fitted to ``fem``,
    which no other number here is found with.
    """

    tree: VesselTree
    assumptions: tuple[Assumption, ...]
    conditions: FlowConditions
    reduced: TreeFlow | None = None
    reduced_rest: TreeFlow | None = None
    reduced_hyperaemia: TreeFlow | None = None
    other_reserves: Mapping[tuple[str, float], TreeFlow] = field(default_factory=dict)
    budgets: Mapping[str, Budget] = field(default_factory=dict)
    resting: Mapping[str, RestingRatios] = field(default_factory=dict)
    fem: TreeFlow | None = None
    fem_beat: Mapping[str, RestingRatios] = field(default_factory=dict)
    fem_curves: BeatCurves | None = None
    traction: WallTraction | None = None
    lesion_walls: dict[str, LesionWall] = field(default_factory=dict)
    mesh: MeshInfo | None = None
    grid: GridStudy | None = None
    calibration: TreeCalibration | None = None


def tree_row(result: TreeResult, methods: Sequence[str], density: float | None, reading: Reading) -> dict[str, Any]:
    """One tree's branches and lesions; ``density`` (kg/m^3) None leaves the wire equivalent out."""
    flows = {"reduced": result.reduced, "fem": result.fem}
    asked = {name: flow for name, flow in flows.items() if flow is not None and name in methods}
    fit = result.calibration
    return {
        "name": result.tree.name,
        "branches": [_branch(branch, asked, result) for branch in result.tree.branches],
        "lesions": [_lesion(lesion, result, asked, density, reading) for lesion in result.tree.lesions],
        "grid_study": None if result.grid is None else _grid(result.grid),
        "calibration": None if fit is None else calibration_to_json(fit) | {"sentence": fit.comparison},
    }


def branch_geometry(branch: Branch) -> dict[str, Any]:
    """What is told of a branch whatever was solved on it."""
    return {
        "name": branch.name,
        "parent": branch.parent,
        "length_mm": branch.length / MILLIMETRE,
        "proximal_diameter_mm": float(branch.diameter[0]) / MILLIMETRE,
        "distal_diameter_mm": float(branch.diameter[-1]) / MILLIMETRE,
        "is_outlet": branch.is_outlet,
    }


def lesion_geometry(lesion: Lesion) -> dict[str, Any]:
    """What is told of a lesion whatever was solved round it."""
    return {
        "id": lesion.id,
        "branch": lesion.branch,
        "start_mm": lesion.start / MILLIMETRE,
        "end_mm": lesion.end / MILLIMETRE,
        "mla_mm2": lesion.minimal_lumen_area / SQUARE_MILLIMETRE,
        "reference_area_mm2": lesion.reference_area / SQUARE_MILLIMETRE,
        "percent_diameter_stenosis": 100.0 * lesion.diameter_stenosis,
        "percent_area_stenosis": 100.0 * lesion.area_stenosis,
        "length_mm": lesion.length / MILLIMETRE,
        "radius_gradient_up": lesion.radius_gradient_up,
        "radius_gradient_down": lesion.radius_gradient_down,
    }


def _branch(branch: Branch, flows: dict[str, TreeFlow], result: TreeResult) -> dict[str, Any]:
    row = branch_geometry(branch)
    place = vessel_place(result.tree, branch)
    for name, flow in flows.items():
        along, curve = flow.branches[branch.name], flow.ffr(branch.name)
        converged = flow.status.usable
        row[name] = {
            "ffr": plain(curve[-1]) if converged else None,
            "vessel_ffr": plain(np.interp(place, branch.arc, curve)) if converged and place is not None else None,
            "vessel_ffr_at_mm": None if place is None else place / MILLIMETRE,
            "flow_ml_min": plain(along.flow[0] / ML_PER_MIN),
            "distal_flow_ml_min": plain(along.flow[-1] / ML_PER_MIN),
        }
        row[name] |= _rest(branch, result if name == "reduced" else None)
        if name == "fem" and result.fem_curves is not None:
            row[name]["flow_change_of_beat"] = plain(result.fem_curves.change.get(branch.name, np.nan))
    return row


def _rest(branch: Branch, result: TreeResult | None) -> dict[str, Any]:
    """The branch's inflow at rest, the reserve of it, and resting pressure at its distal end over the aortic one."""
    rest, hyperaemia = (None, None) if result is None else (result.reduced_rest, result.reduced_hyperaemia)
    if rest is None or hyperaemia is None:
        return {"rest_flow_ml_min": None, "cfr": None, "rest_pd_pa": None}
    resting, most = (flow.branches[branch.name].flow[0] for flow in (rest, hyperaemia))
    return {
        "rest_flow_ml_min": plain(resting / ML_PER_MIN),
        "cfr": plain(most / resting),
        "rest_pd_pa": plain(rest.ffr(branch.name)[-1]),
    }


def _lesion(
    lesion: Lesion, result: TreeResult, flows: dict[str, TreeFlow], density: float | None, reading: Reading
) -> dict[str, Any]:
    row = lesion_geometry(lesion)
    budget = result.budgets.get(lesion.id)
    for name, flow in flows.items():
        if not flow.status.usable:
            row[name] = None
            continue
        pressure = lesion_pressure(result.tree, lesion, flow, density, reading)
        within = None if budget is None else budget.total(name)
        row[name] = {
            "ffr_proximal": pressure.proximal,
            "ffr_distal": pressure.distal,
            "ffr_distal_at_mm": pressure.place / MILLIMETRE,
            "ffr_wire_equivalent": pressure.wire_equivalent,
            "delta_ffr": pressure.delta,
            "translesional_ratio": pressure.distal / pressure.proximal,
            "ffr_interval": None
            if within is None
            else [max(pressure.distal - within, 0.0), min(pressure.distal + within, 1.0)],
        }
        if name == "reduced":
            row[name] |= _reserves(lesion, result, pressure.place, reading)
        if name == "fem":
            row[name]["beat"] = _ratios(result.fem_beat.get(lesion.id))
        if name == "fem" and lesion.id in result.lesion_walls:
            row[name] |= _wall(result.lesion_walls[lesion.id])
    row["error_budget"] = None if budget is None else _budget(budget, tuple(flows))
    return row


def _reserves(lesion: Lesion, result: TreeResult, place: float, reading: Reading) -> dict[str, Any]:
    """Rest beside hyperaemia where the lesion's FFR is read, and FFR with other people's microvasculature."""
    rest, hyperaemia = result.reduced_rest, result.reduced_hyperaemia
    if rest is None or hyperaemia is None:
        return {}
    branch = result.tree[lesion.branch]
    found: Reserves = reserves(branch, place, rest, hyperaemia)
    resistance = {
        key: plain(stenosis_resistance(branch, lesion, place, flow) / MMHG_MIN_PER_ML)
        for key, flow in (("hyperaemic", hyperaemia), ("basal", rest))
    }
    return {
        "rest_pd_pa": found.resting_ratio,
        "rest_beat": _ratios(result.resting.get(lesion.id)),
        "cfr": found.flow,
        "mrr": found.resistance,
        "hyperaemic_stenosis_resistance_mmhg_min_per_ml": resistance["hyperaemic"],
        "basal_stenosis_resistance_mmhg_min_per_ml": resistance["basal"],
        "other_reserves": [
            {
                "microvasculature": kind,
                "resistance_reserve": value,
                "ffr_distal": lesion_pressure(result.tree, lesion, flow, None, reading).distal,
            }
            for (kind, value), flow in result.other_reserves.items()
        ],
    }


def _ratios(beat: RestingRatios | None) -> dict[str, float] | None:
    if beat is None:
        return None
    return {
        "pd_pa": beat.whole,
        "wave_free_ratio": beat.wave_free,
        "diastolic_ratio": beat.diastolic,
        "lowest_ratio": beat.lowest,
        "systolic_ratio": beat.systolic,
    }


def _budget(budget: Budget, methods: Sequence[str]) -> dict[str, Any]:
    return {
        "lumen": budget.lumen,
        "flow": budget.flow,
        "loss_law": budget.loss_law,
        "discretisation": budget.discretisation,
        "averaging": budget.averaging,
        "location": budget.location,
        "largest": {method: budget.largest(method) for method in methods},
    }


def _grid(study: GridStudy) -> dict[str, Any]:
    rows = [
        {
            "place": row.place,
            "quantity": row.quantity,
            "unit": row.unit,
            "values": [plain(value) for value in row.convergence.values],
            "order": row.convergence.order,
            "extrapolated": row.convergence.extrapolated,
            "uncertainty": plain(row.convergence.uncertainty),
            "gci_percent": plain(100.0 * row.convergence.index),
        }
        for row in study.rows
    ]
    return {"cells": list(study.cells), "cell_sizes_mm": [size / MILLIMETRE for size in study.sizes], "rows": rows}


def _wall(wall: LesionWall) -> dict[str, Any]:
    def stress(values: dict[str, float]) -> dict[str, Any]:
        return {
            "mean_pa": plain(values["mean"]),
            "upstream_pa": plain(values["upstream"]),
            "downstream_pa": plain(values["downstream"]),
        }

    return {
        "wss_mean_pa": wall.wss_mean,
        "wss_max_pa": wall.wss_max,
        "axial_force_n": wall.axial_force,
        "aps_gauge": stress(wall.gauge),
        "aps_relative": {**stress(wall.relative), "datum": {"name": "lesion start", "pressure_pa": wall.datum}},
    }


def plain(value: Any) -> Any:
    """A JSON value: floats finite or null."""
    if isinstance(value, str):
        return value
    number = float(value)
    return number if np.isfinite(number) else None
