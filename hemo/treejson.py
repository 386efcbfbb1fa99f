"""The JSON form of vessel trees: what ``tree.json`` holds and what other tools hand to ``hemo reduced``.

Lengths are in millimetres, pressures in mmHg, flows in mL/min, as the keys say. A hand-written file
needs only ``name`` and, for each branch, ``name``, ``points_mm`` (or ``arc_length_mm``) and ``radius_mm``.
``hemo schema tree`` prints the JSON schema.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hemo.boundary import FlowConditions, Leak
from hemo.calibrationjson import branch_calibrations, calibration_of, calibration_to_json
from hemo.errors import InputError
from hemo.jsonvalues import filled_list, known_keys, number, numbers
from hemo.tree import Branch, Connection, Lesion, SideBranch, VesselTree
from hemo.treecalibration import TreeCalibration
from hemo.units import MILLIMETRE, ML_PER_MIN, MMHG, MMHG_MIN_PER_ML, SQUARE_MILLIMETRE

SCHEMA_VERSION = 1

_BRANCH_KEYS = {
    "name",
    "parent",
    "parent_index",
    "is_outlet",
    "points_mm",
    "arc_length_mm",
    "radius_mm",
    "area_mm2",
    "reference_radius_mm",
    "perimeter_mm",
    "calibration",
}
_TREE_KEYS = {"name", "branches", "lesions", "side_branches", "connections", "boundary", "calibration"}
_SIDE_BRANCH_KEYS = {"branch", "place_mm", "diameter_mm"}
_CONNECTION_KEYS = {"name", "from", "to", "length_mm", "diameter_mm", "resistance_mmhg_min_per_ml"}
_LEAK_KEYS = {"branch", "point", "resistance_mmhg_min_per_ml"}
_LESION_KEYS = {"id", "branch", "start_mm", "minimum_mm", "end_mm", "mla_mm2", "reference_area_mm2"}
_LESION_KEYS |= {"radius_gradient_up", "radius_gradient_down"}
_BOUNDARY_KEYS = {
    "aortic_pressure_mmhg",
    "venous_pressure_mmhg",
    "outlet_resistance_mmhg_min_per_ml",
    "inlet_flow_ml_min",
    "leaks",
}


def tree_to_json(
    tree: VesselTree, conditions: FlowConditions | None = None, calibration: TreeCalibration | None = None
) -> dict[str, Any]:
    """One tree, with its boundary conditions and its calibration where given, as plain lists and numbers."""
    result: dict[str, Any] = {
        "name": tree.name,
        "branches": [_branch_to_json(branch) for branch in tree.branches],
        "lesions": [_lesion_to_json(lesion) for lesion in tree.lesions],
    }
    if tree.connections:
        result["connections"] = [_connection_to_json(one) for one in tree.connections]
    if tree.side_branches:
        result["side_branches"] = [
            {"branch": side.branch, "place_mm": side.place / MILLIMETRE, "diameter_mm": side.diameter / MILLIMETRE}
            for side in tree.side_branches
        ]
    if calibration is not None:
        result["calibration"] = calibration_to_json(calibration)
        blocks = branch_calibrations(calibration.losses, tree.branches)
        for branch, block in zip(result["branches"], blocks, strict=True):
            branch["calibration"] = block
    if conditions is not None:
        result["boundary"] = {
            "aortic_pressure_mmhg": conditions.aortic_pressure / MMHG,
            "venous_pressure_mmhg": conditions.venous_pressure / MMHG,
            "outlet_resistance_mmhg_min_per_ml": {
                name: value / MMHG_MIN_PER_ML for name, value in conditions.outlet_resistance.items()
            },
        }
        if conditions.inlet_flow is not None:
            result["boundary"]["inlet_flow_ml_min"] = conditions.inlet_flow / ML_PER_MIN
        if conditions.leaks:
            result["boundary"]["leaks"] = [
                {
                    "branch": leak.branch,
                    "point": leak.point,
                    "resistance_mmhg_min_per_ml": leak.resistance / MMHG_MIN_PER_ML,
                }
                for leak in conditions.leaks
            ]
    return result


def document(trees: list[dict[str, Any]]) -> dict[str, Any]:
    """The whole ``tree.json``: a schema version and one or several trees."""
    return {"schema_version": SCHEMA_VERSION, "trees": trees}


def _branch_to_json(branch: Branch) -> dict[str, Any]:
    def listed(values: NDArray[np.float64], unit: float) -> list[Any]:
        return list(np.round(values / unit, 6).tolist())

    stored = {
        "name": branch.name,
        "parent": branch.parent,
        "parent_index": branch.parent_index,
        "is_outlet": branch.is_outlet,
        "points_mm": listed(branch.points, MILLIMETRE),
        "radius_mm": listed(branch.radius, MILLIMETRE),
        "area_mm2": listed(branch.area, SQUARE_MILLIMETRE),
        "reference_radius_mm": listed(branch.reference_radius, MILLIMETRE),
    }
    if branch.perimeter is not None:
        stored["perimeter_mm"] = listed(branch.perimeter, MILLIMETRE)
    return stored


def _lesion_to_json(lesion: Lesion) -> dict[str, Any]:
    return {
        "id": lesion.id,
        "branch": lesion.branch,
        "start_mm": lesion.start / MILLIMETRE,
        "minimum_mm": lesion.minimum / MILLIMETRE,
        "end_mm": lesion.end / MILLIMETRE,
        "mla_mm2": lesion.minimal_lumen_area / SQUARE_MILLIMETRE,
        "reference_area_mm2": lesion.reference_area / SQUARE_MILLIMETRE,
        "radius_gradient_up": lesion.radius_gradient_up,
        "radius_gradient_down": lesion.radius_gradient_down,
    }


class StoredTree(NamedTuple):
    """A tree as read, its boundary conditions if the file has any, whether it lists lesions, and healthy calibres.

    ``calibration`` is the file's, None without one.
    """

    tree: VesselTree
    conditions: FlowConditions | None
    lesions_listed: bool
    reference_listed: bool
    calibration: TreeCalibration | None = None


def read_trees(path: Path | str) -> list[StoredTree]:
    """Read ``tree.json``.

    Raises
    ------
    InputError
        If the file is missing, is not JSON, or does not describe a tree; the message names the key.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({_reason(error)}); check the path.") from error
    return parse_trees(text, str(path))


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "not text"


def parse_trees(text: str, where: str) -> list[StoredTree]:
    """Parse the text of a tree file: a document with ``trees``, or a single tree."""
    try:
        data = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{where}: not valid JSON ({error}); export the tree again.") from error
    if not isinstance(data, dict):
        raise InputError(f"{where}: a JSON object with a tree in it is needed.")
    version = data.get("schema_version", SCHEMA_VERSION)
    if version != SCHEMA_VERSION:
        raise InputError(f"{where}: schema_version {version!r} is not {SCHEMA_VERSION}, the one this hemo reads.")
    if "trees" in data:
        if not isinstance(data["trees"], list) or not data["trees"]:
            raise InputError(f"{where}: trees must be a list with at least one tree.")
        return [_tree(item, f"{where}: trees[{i}]") for i, item in enumerate(data["trees"])]
    return [_tree({k: v for k, v in data.items() if k != "schema_version"}, where)]


def _tree(data: Any, where: str) -> StoredTree:
    known_keys(data, _TREE_KEYS, where)
    branches = filled_list(data, "branches", where)
    lesions, sides, joined = (data.get(key, []) for key in ("lesions", "side_branches", "connections"))
    if not all(isinstance(one, list) for one in (lesions, sides, joined)):
        raise InputError(f"{where}: lesions, side_branches and connections must be lists.")
    tree = VesselTree(
        str(data.get("name", "tree")),
        tuple(_branch(item, f"{where}: branches[{i}]") for i, item in enumerate(branches)),
        tuple(_lesion(item, f"{where}: lesions[{i}]") for i, item in enumerate(lesions)),
        tuple(_side_branch(item, f"{where}: side_branches[{i}]") for i, item in enumerate(sides)),
        tuple(_connection(item, f"{where}: connections[{i}]") for i, item in enumerate(joined)),
    )
    boundary = data.get("boundary")
    conditions = None if boundary is None else _boundary(boundary, f"{where}: boundary")
    referenced = all("reference_radius_mm" in branch for branch in branches)
    calibration = calibration_of(data, [branch.get("calibration") for branch in branches], tree.branches, where)
    return StoredTree(tree, conditions, "lesions" in data, referenced, calibration)


def _branch(data: Any, where: str) -> Branch:
    known_keys(data, _BRANCH_KEYS, where)
    radius = numbers(data, "radius_mm", where) * MILLIMETRE
    if "points_mm" in data:
        points = numbers(data, "points_mm", where) * MILLIMETRE
        if points.ndim != 2 or points.shape[1] != 3:
            raise InputError(f"{where}: points_mm must be a list of [x, y, z].")
    else:
        arc = numbers(data, "arc_length_mm", where) * MILLIMETRE
        points = np.column_stack([np.zeros_like(arc), np.zeros_like(arc), arc])
    area = numbers(data, "area_mm2", where) * SQUARE_MILLIMETRE if "area_mm2" in data else np.pi * radius**2
    healthy = numbers(data, "reference_radius_mm", where) * MILLIMETRE if "reference_radius_mm" in data else radius
    parent, index = data.get("parent"), data.get("parent_index")
    if not isinstance(data.get("name"), str) or not isinstance(parent, str | None) or not isinstance(index, int | None):
        raise InputError(f"{where}: name and parent must be text and parent_index a whole number.")
    outlet = data.get("is_outlet", True)
    if not isinstance(outlet, bool):
        raise InputError(f"{where}: is_outlet must be true or false.")
    perimeter = numbers(data, "perimeter_mm", where) * MILLIMETRE if "perimeter_mm" in data else None
    return Branch(data["name"], points, radius, area, healthy, parent, index, outlet, perimeter)


def _lesion(data: Any, where: str) -> Lesion:
    known_keys(data, _LESION_KEYS, where)
    if not isinstance(data.get("id"), str) or not isinstance(data.get("branch"), str):
        raise InputError(f"{where}: id and branch must be text.")
    return Lesion(
        data["id"],
        data["branch"],
        number(data, "start_mm", where) * MILLIMETRE,
        number(data, "minimum_mm", where) * MILLIMETRE,
        number(data, "end_mm", where) * MILLIMETRE,
        number(data, "mla_mm2", where) * SQUARE_MILLIMETRE,
        number(data, "reference_area_mm2", where) * SQUARE_MILLIMETRE,
        number(data, "radius_gradient_up", where, 0.0),
        number(data, "radius_gradient_down", where, 0.0),
    )


def _side_branch(data: Any, where: str) -> SideBranch:
    known_keys(data, _SIDE_BRANCH_KEYS, where)
    place, diameter = (number(data, key, where) * MILLIMETRE for key in ("place_mm", "diameter_mm"))
    return SideBranch(str(data.get("branch")), place, diameter)


def _connection_to_json(one: Connection) -> dict[str, Any]:
    begin: Any = "aorta"
    if one.from_branch is not None:
        begin = {"branch": one.from_branch, "place_mm": one.from_place / MILLIMETRE}
    result: dict[str, Any] = {"name": one.name, "from": begin}
    result["to"] = {"branch": one.to_branch, "place_mm": one.to_place / MILLIMETRE}
    if one.resistance is not None:
        return result | {"resistance_mmhg_min_per_ml": one.resistance / MMHG_MIN_PER_ML}
    return result | {
        f"{key}_mm": value / MILLIMETRE
        for key, value in (("length", one.length), ("diameter", one.diameter))
        if value is not None
    }


def _connection(data: Any, where: str) -> Connection:
    known_keys(data, _CONNECTION_KEYS, where)

    def size(key: str, unit: float) -> float | None:
        return number(data, key, where) * unit if key in data else None

    begin, end = data.get("from", "aorta"), data.get("to")
    places: list[tuple[str | None, float]] = []
    for key, value in (("from", begin), ("to", end)):
        if key == "from" and value == "aorta":
            places.append((None, 0.0))
            continue
        known_keys(value, {"branch", "place_mm"}, f"{where}: {key}")
        places.append((str(value.get("branch")), number(value, "place_mm", f"{where}: {key}") * MILLIMETRE))
    (start, started), (to, ended) = places
    return Connection(
        str(data.get("name", "connection")),
        str(to),
        ended,
        start,
        started,
        size("length_mm", MILLIMETRE),
        size("diameter_mm", MILLIMETRE),
        size("resistance_mmhg_min_per_ml", MMHG_MIN_PER_ML),
    )


def _leak(data: Any, where: str) -> Leak:
    known_keys(data, _LEAK_KEYS, where)
    point = data.get("point")
    if not isinstance(point, int) or isinstance(point, bool):
        raise InputError(f"{where}: point must be the index of a centreline point of the branch.")
    resistance = number(data, "resistance_mmhg_min_per_ml", where) * MMHG_MIN_PER_ML
    return Leak(str(data.get("branch")), point, resistance)


def _boundary(data: Any, where: str) -> FlowConditions:
    known_keys(data, _BOUNDARY_KEYS, where)
    resistance = data.get("outlet_resistance_mmhg_min_per_ml", {})
    if not isinstance(resistance, dict):
        raise InputError(f"{where}: outlet_resistance_mmhg_min_per_ml must map outlet names to numbers.")
    leaks = data.get("leaks", [])
    if not isinstance(leaks, list):
        raise InputError(f"{where}: leaks must be a list.")
    flow = number(data, "inlet_flow_ml_min", where) * ML_PER_MIN if "inlet_flow_ml_min" in data else None
    return FlowConditions(
        number(data, "aortic_pressure_mmhg", where) * MMHG,
        number(data, "venous_pressure_mmhg", where, 5.0) * MMHG,
        {name: number(resistance, name, where) * MMHG_MIN_PER_ML for name in resistance},
        flow,
        tuple(_leak(item, f"{where}: leaks[{i}]") for i, item in enumerate(leaks)),
    )
