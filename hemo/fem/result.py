"""What the finite-element worker leaves in its job's folder; numpy only."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.fem.arrays import packed, unpacked
from hemo.results import Status, WallTraction

Array = NDArray[np.float64]

FIELDS = (
    "section_area",
    "section_pressure",
    "section_flow",
    "section_momentum",
    "section_doubt",
    "velocity",
    "pressure",
    "edges",
    "edge_velocity",
)


@dataclass(frozen=True)
class BeatRecord:
    """The last beat, at its evenly spaced times.

    Attributes
    ----------
    time
        (steps,) from the opening of the aortic valve, s.
    aortic
        (steps,) Pa; where a flow is prescribed, the total pressure that was found at the inlet.
    section_pressure, section_flow
        (steps, n_sections) mean static pressure, Pa, and flow along the section's normal, m^3/s.
    inlet_flow
        (steps,) into the inlet cap, m^3/s.
    outlet_flow
        (steps, m) m^3/s, in the order of the result's ``outlet_flow``.
    outlet_change
        (m,) largest change of each outlet's flow since the beat before, over its largest.
    """

    time: Array
    aortic: Array
    section_pressure: Array
    section_flow: Array
    inlet_flow: Array
    outlet_flow: Array
    outlet_change: Array


@dataclass(frozen=True)
class FemResult:
    """What the worker found, on the input mesh's own numbering; of a beat or an average, the means over it.

    Attributes
    ----------
    status, message
        How the solve ended.
    section_area, section_pressure, section_flow, section_momentum
        (n_sections,) area m^2, mean static pressure Pa, flow m^3/s along the section's normal, and integral of
        rho (u . n)^2 in N (u the mean velocity). A section without probe points has area 0 and pressure nan.
    section_doubt
        (n_sections,) how far the mean pressure over time may be off, Pa: half-width of a 95 % interval, or its change
        since the window before where that is more; 0 of steady flow and of beats.
    velocity, pressure
        (n, 3) m/s and (n,) Pa at the mesh's vertices (gauge).
    edges, edge_velocity
        (e, 2) vertices that each edge of the mesh joins, and (e, 3) the quadratic velocity at its middle, m/s.
    wall
        Traction on the wall.
    outlet_flow, outlet_pressure
        Outlet name -> flow out of its cap, m^3/s, and the pressure coupled to it, Pa.
    inlet_flow
        Flow into the inlet cap, m^3/s.
    level_shift
        Pa added to every pressure after a flow-driven solve; 0 in a pressure-driven one. ``outlet_pressure``
        includes it.
    timing
        Phase -> wall-clock seconds.
    iterations
        One record a nonlinear or time step.
    ranks
        Number of MPI processes.
    unknowns
        Number of finite-element unknowns.
    beat
        What happened within the beat; None of steady flow, and of a beat that did not come to its end.
    """

    status: Status
    message: str
    section_area: Array
    section_pressure: Array
    section_flow: Array
    section_momentum: Array
    section_doubt: Array
    velocity: Array
    pressure: Array
    edges: NDArray[np.int64]
    edge_velocity: Array
    wall: WallTraction
    outlet_flow: dict[str, float]
    outlet_pressure: dict[str, float]
    inlet_flow: float
    level_shift: float
    timing: dict[str, float]
    iterations: tuple[dict[str, Any], ...]
    ranks: int
    unknowns: int
    beat: BeatRecord | None = None


def write_result(folder: Path, result: FemResult) -> None:
    """Write ``result.npz`` (atomically)."""
    text = {
        "status": result.status.name,
        "message": result.message,
        "outlet_flow": result.outlet_flow,
        "outlet_pressure": result.outlet_pressure,
        "inlet_flow": result.inlet_flow,
        "level_shift": result.level_shift,
        "timing": result.timing,
        "iterations": list(result.iterations),
        "ranks": result.ranks,
        "unknowns": result.unknowns,
    }
    arrays: dict[str, Any] = {name: getattr(result, name) for name in FIELDS}
    arrays |= packed("wall", result.wall) | packed("beat", result.beat)
    partial = folder / "result.partial.npz"
    np.savez(partial, **arrays, text=np.array(json.dumps(text)))
    os.replace(partial, folder / "result.npz")


def read_result(folder: Path) -> FemResult:
    """Read what the worker left.

    Raises
    ------
    FileNotFoundError
        If the worker has not finished in this folder.
    """
    with np.load(folder / "result.npz") as data:
        arrays = dict(data)
    text = json.loads(str(arrays["text"]))
    text["status"] = Status[text["status"]]
    text["iterations"] = tuple(text["iterations"])
    beat = unpacked("beat", arrays)
    return FemResult(
        wall=WallTraction(**unpacked("wall", arrays)),
        beat=BeatRecord(**beat) if beat else None,
        **{name: arrays[name] for name in FIELDS},
        **text,
    )
