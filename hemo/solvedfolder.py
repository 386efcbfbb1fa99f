"""The 3D solutions of a result folder, read back for a calibration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hemo.blood import Blood, CarreauYasuda
from hemo.calibrating import Solved
from hemo.errors import InputError
from hemo.polydata import PolyData
from hemo.resultfolder import partial_path
from hemo.results import BranchFlow, Status, TreeFlow
from hemo.summary import DENSITY, STATE, THINNING, VISCOSITY
from hemo.treejson import StoredTree, read_trees
from hemo.vtkio import read_polydata

_NO_RUN = "it is not what hemo run writes; give a result folder as it was written"


def read_solved(folder: Path) -> tuple[dict[str, Solved], Blood]:
    """Every tree's steady 3D solution, by the tree's name, and the blood.

    Raises
    ------
    InputError
        If the folder is no whole result of the finite elements, its flow did not converge or is not steady.
    """
    summary = _summary(folder)
    if "fem" not in summary["methods"]:
        raise InputError(f"{folder}: it has no 3D solution; run the case with --method fem or both.")
    if summary["status"] != Status.CONVERGED.name.lower() or (folder / "NOT_CONVERGED").exists():
        raise InputError(f"{folder}: its status is {summary['status']!r}; a calibration needs a converged steady flow.")
    if (folder / "beat.csv").exists():
        raise InputError(f"{folder}: it follows heart beats; a calibration needs a steady flow.")
    stored = read_trees(folder / "tree.json")
    lines = read_polydata(folder / "centreline.vtp")
    rows: dict[str, dict[str, Any]] = {}
    for row in summary["boundary"]:
        rows.setdefault(row["tree"], {})[row["name"]] = row["value"]
    try:
        found = {
            one.tree.name: _solved(folder, number, one, lines, rows[one.tree.name], summary["mesh"])
            for number, one in enumerate(stored)
        }
        return found, _blood(rows[stored[0].tree.name])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{folder}: its files do not belong together: {_NO_RUN}.") from error


def _summary(folder: Path) -> dict[str, Any]:
    path = folder / "summary.json"
    if not folder.is_dir():
        left = partial_path(folder)
        advice = f"; {left} is an unfinished run" if left.is_dir() else ""
        raise InputError(f"{folder}: there is no such result folder{advice}.")
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read: {_NO_RUN}.") from error
    kinds = {"methods": list, "status": str, "boundary": list}
    if not isinstance(summary, dict) or any(not isinstance(summary.get(key), kind) for key, kind in kinds.items()):
        raise InputError(f"{path}: {_NO_RUN}.")
    if any(not isinstance(row, dict) or {"tree", "name", "value"} - set(row) for row in summary["boundary"]):
        raise InputError(f"{path}: {_NO_RUN}.")
    return summary


def _solved(
    folder: Path, number: int, stored: StoredTree, lines: PolyData, rows: Mapping[str, Any], mesh: Mapping[str, Any]
) -> Solved:
    tree, conditions = stored.tree, stored.conditions
    if conditions is None:
        raise ValueError("no boundary conditions")
    data = lines.point_data
    if "FFR_fem" not in data:
        raise ValueError("no 3D solution")
    along = {}
    for index, branch in enumerate(tree.branches):
        mine = (data["TreeId"] == number) & (data["BranchId"] == index)
        if int(mine.sum()) != len(branch.points) or not np.isfinite([data["Pressure"][mine], data["Flow"][mine]]).all():
            raise ValueError("another tree's line")
        along[branch.name] = BranchFlow(data["Pressure"][mine], data["Flow"][mine])
    flow = TreeFlow("fem", Status.CONVERGED, conditions.aortic_pressure, along)
    parts = mesh["by_tree"][tree.name]["branches"].values()
    across = [part["cells_per_diameter_min"] for part in parts if part["cells_per_diameter_min"] is not None]
    cells = sum(int(part["cells"]) for part in parts)
    state = rows.get(STATE)
    return Solved(tree, conditions, flow, state, cells, float(min(across)), str(folder))


def _blood(rows: Mapping[str, Any]) -> Blood:
    """What the 3D flow was of; that it thins is all that matters of how."""
    thinning = CarreauYasuda() if any(name.startswith(THINNING) for name in rows) else None
    return Blood(float(rows[DENSITY]), 1e-3 * float(rows[VISCOSITY]), thinning)
