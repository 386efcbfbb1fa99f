"""The folder through which the driver and the finite-element worker talk; numpy only, no dolfinx.

The driver writes the inputs with :func:`write_job`, starts the worker, polls ``status.json`` with
:func:`read_status` and reads the outcome with :func:`read_result`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hemo.blood import Blood
from hemo.boundary import FlowConditions, Leak
from hemo.errors import InputError
from hemo.files import replace_text
from hemo.results import Status, WallTraction
from hemo.tetmesh import INLET, WALL, TetMesh

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

FIELDS = ("section_area", "section_pressure", "section_flow", "section_momentum", "velocity", "pressure")
INPUTS = ("mesh.npz", "probes.npz", "initial.npz", "job.json")


class Probes(Protocol):
    """Quadrature points of cross-sections; :class:`hemo.geometry.sections.SectionProbes` is one.

    ``cell`` (k,) input cell, ``point`` (k, 3) m, ``weight`` (k,) m^2, ``normal`` (k, 3) unit vectors,
    ``section`` (k,) integers in [0, ``n_sections``).
    """

    @property
    def cell(self) -> NDArray[Any]: ...  # noqa: D102
    @property
    def point(self) -> Array: ...  # noqa: D102
    @property
    def weight(self) -> Array: ...  # noqa: D102
    @property
    def normal(self) -> Array: ...  # noqa: D102
    @property
    def section(self) -> NDArray[Any]: ...  # noqa: D102
    @property
    def n_sections(self) -> int: ...  # noqa: D102


@dataclass(frozen=True)
class ProbeArrays:
    """:class:`Probes` as read back from a job folder."""

    cell: Integers
    point: Array
    weight: Array
    normal: Array
    section: Integers
    n_sections: int


@dataclass(frozen=True)
class FemOptions:
    """How the finite-element problem is solved; the defaults suit vessel trees at hyperaemia.

    Attributes
    ----------
    tolerance
        Converged when the residual is below this fraction of the viscous and inertial forces it balances.
    flow_tolerance
        ... and no outlet flow changed by more than this fraction of the inflow in the last step.
    max_steps
        Nonlinear steps before giving up.
    viscosity_factor
        The first viscosity of the continuation, times that of blood.
    viscosity_reduction
        Factor by which it goes down, at first.
    level_tolerance
        Relative residual at which the continuation goes on.
    linear_tolerance
        Relative residual of each linear solve, the loosest allowed.
    max_linear_iterations
        GMRES iterations on a lagged factorisation before it is renewed.
    backflow
        beta of the backflow stabilisation at the outlets (1 makes the form energy-stable).
    streamline, grad_div
        Weights of the two stabilisations (0 leaves plain Galerkin).
    mumps
        Extra MUMPS options: ICNTL number -> value.
    """

    tolerance: float = 1e-6
    flow_tolerance: float = 1e-7
    max_steps: int = 100
    viscosity_factor: float = 8.0
    viscosity_reduction: float = 0.7
    level_tolerance: float = 0.05
    linear_tolerance: float = 0.1
    max_linear_iterations: int = 60
    backflow: float = 1.0
    streamline: float = 1.0
    grad_div: float = 1.0
    mumps: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """Everything the worker needs; ``leak`` as in :func:`write_job`."""

    mesh: TetMesh
    probes: ProbeArrays
    velocity: Array
    pressure: Array
    blood: Blood
    conditions: FlowConditions
    options: FemOptions
    leak: Array | None = None


@dataclass(frozen=True)
class FemResult:
    """What the worker found, on the input mesh's own numbering.

    Attributes
    ----------
    status, message
        How the solve ended.
    section_area, section_pressure, section_flow, section_momentum
        (n_sections,) area m^2, mean static pressure Pa, flow m^3/s along the section's normal, and integral of
        rho (u . n)^2 in N. A section without probe points has area 0 and pressure nan.
    velocity, pressure
        (n, 3) m/s and (n,) Pa at the mesh's vertices (gauge).
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
        One record a nonlinear step.
    ranks
        Number of MPI processes.
    unknowns
        Number of finite-element unknowns.
    """

    status: Status
    message: str
    section_area: Array
    section_pressure: Array
    section_flow: Array
    section_momentum: Array
    velocity: Array
    pressure: Array
    wall: WallTraction
    outlet_flow: dict[str, float]
    outlet_pressure: dict[str, float]
    inlet_flow: float
    level_shift: float
    timing: dict[str, float]
    iterations: tuple[dict[str, Any], ...]
    ranks: int
    unknowns: int


def write_job(
    folder: Path,
    mesh: TetMesh,
    probes: Probes,
    initial: tuple[Array, Array],
    blood: Blood,
    conditions: FlowConditions,
    options: FemOptions | None = None,
    leak: Array | None = None,
) -> None:
    """Write the inputs of one solve into ``folder`` (made if missing).

    Parameters
    ----------
    initial
        Velocity (n, 3) in m/s and pressure (n,) in Pa at the mesh's vertices.
    leak
        (cells,) conductance per volume, 1 / (Pa s), of the side branches that leave in each cell and are not meshed;
        ``conditions.leaks`` spread over the lumen.

    Raises
    ------
    InputError
        If the caps and the outlet resistances do not match, or an array has the wrong shape.
    """
    velocity, pressure = (np.asarray(values, dtype=np.float64) for values in initial)
    check_job(mesh, velocity, pressure, conditions)
    folder.mkdir(parents=True, exist_ok=True)
    mesh.save(folder / "mesh.npz")
    if leak is not None and (leak.shape != (len(mesh.cells),) or not np.all(np.isfinite(leak)) or np.any(leak < 0.0)):
        raise InputError("leak: one finite conductance per volume that is not negative is needed for each cell.")
    extra: dict[str, Any] = {} if leak is None else {"leak": leak}
    np.savez(folder / "initial.npz", velocity=velocity, pressure=pressure, **extra)
    np.savez(
        folder / "probes.npz",
        cell=probes.cell,
        point=probes.point,
        weight=probes.weight,
        normal=probes.normal,
        section=probes.section,
        n_sections=np.int64(probes.n_sections),
    )
    options = options or FemOptions()
    text = {"blood": asdict(blood), "conditions": asdict(conditions), "options": asdict(options)}
    replace_text(folder / "job.json", json.dumps(text, indent=1))


def check_job(mesh: TetMesh, velocity: Array, pressure: Array, conditions: FlowConditions) -> None:
    """Refuse inputs that do not fit together; raises InputError."""
    names = tuple(mesh.names.values())
    for name in (WALL, INLET):
        if names.count(name) != 1:
            raise InputError(f"mesh: it needs exactly one boundary part named {name!r}; it has {names}.")
    missing = [name for name in mesh.outlets if name not in conditions.outlet_resistance]
    if missing:
        raise InputError(f"outlet {missing[0]!r} of the mesh has no outlet resistance; give one.")
    unknown = [name for name in conditions.outlet_resistance if name not in mesh.outlets]
    if unknown:
        raise InputError(f"outlet resistance given for {unknown[0]!r}, but the mesh has no such cap.")
    if not mesh.outlets:
        raise InputError("mesh: it has no outlet cap; the flow has nowhere to go.")
    counts = {int(tag): int(count) for tag, count in zip(*np.unique(mesh.facet_tags, return_counts=True), strict=True)}
    for tag, name in mesh.names.items():
        if not counts.get(tag):
            raise InputError(f"mesh: the boundary part {name!r} has no facets.")
    if np.any(mesh.cell_volumes() <= 0.0):
        raise InputError("mesh: a tetrahedron is flat or inverted; mesh the vessel again.")
    n = len(mesh.points)
    if velocity.shape != (n, 3) or pressure.shape != (n,):
        raise InputError(f"initial guess: shapes {velocity.shape} and {pressure.shape} do not fit {n} mesh vertices.")
    if not (np.all(np.isfinite(velocity)) and np.all(np.isfinite(pressure))):
        raise InputError("initial guess: a value is not a finite number.")


def read_job(folder: Path) -> Job:
    """Read what :func:`write_job` wrote."""
    text = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    known = {entry.name for entry in fields(FemOptions)}
    options = {key: value for key, value in text["options"].items() if key in known}
    options["mumps"] = {int(key): int(value) for key, value in options.get("mumps", {}).items()}
    with np.load(folder / "initial.npz") as data:
        velocity, pressure, leak = data["velocity"], data["pressure"], data.get("leak")
    return Job(
        TetMesh.load(folder / "mesh.npz"),
        read_probes(folder / "probes.npz"),
        velocity,
        pressure,
        Blood(**text["blood"]),
        FlowConditions(
            **{**text["conditions"], "leaks": tuple(Leak(**item) for item in text["conditions"].get("leaks", ()))}
        ),
        FemOptions(**options),
        leak,
    )


def read_probes(path: Path) -> ProbeArrays:
    """Read the section probes of a job."""
    with np.load(path) as data:
        return ProbeArrays(
            data["cell"].astype(np.int64),
            data["point"].astype(np.float64),
            data["weight"].astype(np.float64),
            data["normal"].astype(np.float64),
            data["section"].astype(np.int64),
            int(data["n_sections"]),
        )


def input_hash(folder: Path) -> str:
    """SHA-256 over the CONTENT of a job's inputs, so that a checkpoint of other inputs is never continued.

    The arrays are hashed, not the files: an npz carries time stamps.
    """
    digest = hashlib.sha256()
    for name in INPUTS:
        digest.update(name.encode())
        if name.endswith(".npz"):
            with np.load(folder / name) as data:
                for key in sorted(data.files):
                    array = np.ascontiguousarray(data[key])
                    digest.update(f"{key} {array.dtype.str} {array.shape}".encode())
                    digest.update(array.tobytes())
        else:
            digest.update((folder / name).read_bytes())
    return digest.hexdigest()


def write_status(folder: Path, state: str, message: str, last: Mapping[str, Any], seconds: float) -> None:
    """Write ``status.json`` (atomically).

    Parameters
    ----------
    state
        ``"setup"``, ``"solving"``, ``"post-processing"``, ``"finished"``, ``"interrupted"`` or ``"failed"``.
    last
        Record of the last nonlinear step, empty before there is one.
    seconds
        Since the worker started.
    """
    text = {
        "state": state,
        "step": last.get("number"),
        "residual": last.get("residual"),
        "message": message,
        "seconds": round(seconds, 2),
    }
    replace_text(folder / "status.json", json.dumps(text))


def read_status(folder: Path) -> dict[str, Any]:
    """The worker's last word: ``state``, ``step``, ``residual``, ``message`` ...; empty before it has spoken."""
    try:
        return dict(json.loads((folder / "status.json").read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}


def write_result(folder: Path, result: FemResult) -> None:
    """Write ``result.npz`` (atomically)."""
    wall = result.wall
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
    partial = folder / "result.partial.npz"
    np.savez(
        partial,
        **{name: getattr(result, name) for name in FIELDS},
        wall_points=wall.points,
        wall_triangles=wall.triangles,
        wall_pressure=wall.pressure,
        wall_shear=wall.shear,
        wall_facet_pressure=wall.facet_pressure,
        wall_facet_shear=wall.facet_shear,
        text=np.array(json.dumps(text)),
    )
    os.replace(partial, folder / "result.npz")


def read_result(folder: Path) -> FemResult:
    """Read what the worker left.

    Raises
    ------
    FileNotFoundError
        If the worker has not finished in this folder.
    """
    with np.load(folder / "result.npz") as data:
        text = json.loads(str(data["text"]))
        wall = WallTraction(
            data["wall_points"],
            data["wall_triangles"],
            data["wall_pressure"],
            data["wall_shear"],
            data["wall_facet_pressure"],
            data["wall_facet_shear"],
        )
        arrays = {name: data[name] for name in FIELDS}
    text["status"] = Status[text["status"]]
    text["iterations"] = tuple(text["iterations"])
    return FemResult(wall=wall, **arrays, **text)
