"""The VTK files of a result folder. Coordinates in mm (LPS, as the CT), values in SI as named in docs/files.md.

``centreline.vtp`` follows VMTK's convention (``MaximumInscribedSphereRadius`` in the unit of the points).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.indices import axial_plaque_stress, map_to_centreline, oscillation, transverse_shear
from hemo.results import BeatCurves, TreeFlow, WallTraction
from hemo.tetmesh import TetMesh
from hemo.tree import VesselTree
from hemo.triangles import vertex_normals
from hemo.units import MILLIMETRE, ML_PER_MIN, MMHG, SQUARE_MILLIMETRE
from hemo.vtkio import write_polydata, write_tetrahedra

Array = NDArray[Any]


@dataclass(frozen=True)
class VolumeFields:
    """Velocity (n, 3) in m/s and pressure (n,) in Pa at the vertices of one tree's mesh."""

    mesh: TetMesh
    velocity: Array
    pressure: Array


def write_centrelines(path: Path, trees: Sequence[VesselTree], flows: Sequence[dict[str, TreeFlow]]) -> None:
    """All branches as polylines with radius, area, and pressure, flow and FFR of the best method.

    ``flows`` holds, for each tree, its solutions by method name; ``Pressure``, ``Flow`` and ``FFR`` are the
    finite-element ones where there are any, and each method has its own ``FFR_<method>``.
    """
    points, lines, start = [], [], 0
    columns: dict[str, list[Array]] = {}
    measured = all(branch.perimeter is not None for tree in trees for branch in tree.branches)
    for number, (tree, solved) in enumerate(zip(trees, flows, strict=True)):
        for index, branch in enumerate(tree.branches):
            n = len(branch.points)
            points.append(branch.points / MILLIMETRE)
            lines.append(np.arange(start, start + n))
            start += n
            row = {
                "MaximumInscribedSphereRadius": branch.radius / MILLIMETRE,
                "Area": branch.area / SQUARE_MILLIMETRE,
                "EquivalentDiameter": branch.diameter / MILLIMETRE,
                "Normal": branch.normal,
                "ReferenceRadius": branch.reference_radius / MILLIMETRE,
                "ArcLength": branch.arc / MILLIMETRE,
                "TreeId": np.full(n, float(number)),
                "BranchId": np.full(n, float(index)),
            }
            if measured:
                assert branch.perimeter is not None
                row["Perimeter"] = branch.perimeter / MILLIMETRE
            best = solved.get("fem") or solved.get("reduced")
            if best is not None:
                along = best.branches[branch.name]
                row |= {"Pressure": along.pressure, "Flow": along.flow, "FFR": best.ffr(branch.name)}
            row |= {f"FFR_{name}": flow.ffr(branch.name) for name, flow in solved.items()}
            for name, values in row.items():
                columns.setdefault(name, []).append(values)
    data = {name: np.concatenate(parts) for name, parts in columns.items()}
    write_polydata(path, np.vstack(points), lines=lines, point_data=data)


def write_walls(path: Path, trees: Sequence[VesselTree], tractions: Sequence[WallTraction], aortic: float) -> None:
    """The wall with pressure, wall shear stress and axial plaque stress at its vertices."""
    points, triangles, start = [], [], 0
    columns: dict[str, list[Array]] = {}
    for number, (tree, wall) in enumerate(zip(trees, tractions, strict=True)):
        instants, weights = wall.over_time
        normal = vertex_normals(wall.points, wall.triangles)
        tawss, osi, residence = oscillation(instants, weights)
        where = map_to_centreline(tree, wall.points)
        row = {
            "Pressure": wall.pressure,
            "FFR": wall.pressure / aortic,
            "WSS": wall.shear,
            "TAWSS": tawss,
            "OSI": osi,
            "RRT": residence,
            "transWSS": transverse_shear(instants, weights, normal),
            "AxialPlaqueStress": axial_plaque_stress(wall.pressure, wall.shear, normal, where.tangent),
            "TreeId": np.full(len(wall.points), float(number)),
            "BranchId": where.branch.astype(np.float64),
        }
        points.append(wall.points / MILLIMETRE)
        triangles.append(wall.triangles + start)
        start += len(wall.points)
        for name, values in row.items():
            columns.setdefault(name, []).append(values)
    data = {name: np.concatenate(parts) for name, parts in columns.items()}
    write_polydata(path, np.vstack(points), np.vstack(triangles), point_data=data)


def write_waveforms(path: Path, beats: Sequence[tuple[VesselTree, BeatCurves]]) -> None:
    """A table of the beat (CSV): time, aortic pressure, each tree's pressures at its vessels' ends and its flows."""
    columns = {"time_s": beats[0][1].time, "aortic_mmhg": beats[0][1].aortic / MMHG}
    for tree, curves in beats:
        columns[f"{tree.name}_inflow_ml_min"] = curves.inflow / ML_PER_MIN
        columns |= {f"{tree.name}_{name}_mmhg": values[:, -1] / MMHG for name, values in curves.pressure.items()}
        columns |= {f"{tree.name}_{name}_ml_min": values / ML_PER_MIN for name, values in curves.outflow.items()}
    header = ",".join(name.replace(",", ";") for name in columns)
    table = np.column_stack(list(columns.values()))
    np.savetxt(path, table, "%.6g", ",", header=header, comments="", encoding="utf-8")


def write_volume(path: Path, fields: Sequence[VolumeFields]) -> None:
    """All trees' tetrahedra with velocity and pressure at the vertices."""
    starts = np.concatenate([[0], np.cumsum([len(item.mesh.points) for item in fields])])
    cells = np.vstack([item.mesh.cells + start for item, start in zip(fields, starts, strict=False)])
    write_tetrahedra(
        path,
        np.vstack([item.mesh.points for item in fields]) / MILLIMETRE,
        cells,
        point_data={
            "Velocity": np.vstack([item.velocity for item in fields]),
            "Pressure": np.concatenate([item.pressure for item in fields]),
        },
    )
