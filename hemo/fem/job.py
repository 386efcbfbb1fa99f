"""The folder through which the driver and the finite-element worker talk; numpy only, no dolfinx.

The driver writes the inputs with :func:`write_job`, starts the worker, polls ``status.json`` with
:func:`read_status` and reads the outcome with :func:`hemo.fem.result.read_result`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hemo.blood import Blood, CarreauYasuda
from hemo.boundary import FlowConditions, Leak
from hemo.errors import InputError
from hemo.fem.arrays import packed, unpacked
from hemo.fem.options import FemOptions
from hemo.files import replace_text
from hemo.reduced.lumped import BedKind
from hemo.tetmesh import INLET, WALL, TetMesh

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

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
class Pulse:
    """What drives beats in time: values at k dt, k = 0 ... steps - 1, that repeat.

    Attributes
    ----------
    period
        s.
    aortic, muscle
        (steps,) pressure at the inlet (total where fluid enters), and of the muscle on its vessels, Pa. Where a flow
        is prescribed at the inlet, the former drives nothing.
    kind
        Of the beds.
    outlet_beds
        (times, 2, m) states of the outlets' beds (:class:`hemo.reduced.lumped.Beds`) one and, if given, two
        steps before the first beat, in the mesh's order, Pa.
    outlet_opening
        (m,) how many times less the outlets' beds resist than unopened at rest.
    leak_beds, leak_opening
        (times, 2, cells) and (cells,) the same for the beds of what leaves in each cell; None where nothing leaves.
    inflow
        (steps,) flow through the inlet, m^3/s; None where pressure drives.
    """

    period: float
    aortic: Array
    muscle: Array
    kind: BedKind
    outlet_beds: Array
    outlet_opening: Array
    leak_beds: Array | None = None
    leak_opening: Array | None = None
    inflow: Array | None = None

    @property
    def dt(self) -> float:
        """Time step, s."""
        return self.period / len(self.aortic)


@dataclass(frozen=True)
class Job:
    """Everything the worker needs; what may be None as in :func:`write_job`."""

    mesh: TetMesh
    probes: ProbeArrays
    velocity: Array
    pressure: Array
    blood: Blood
    conditions: FlowConditions
    options: FemOptions
    leak: Array | None = None
    pulse: Pulse | None = None
    edges: Integers | None = None
    edge_velocity: Array | None = None
    read: NDArray[np.bool_] | None = None


def write_job(
    folder: Path,
    mesh: TetMesh,
    probes: Probes,
    initial: tuple[Array, Array],
    blood: Blood,
    conditions: FlowConditions,
    options: FemOptions | None = None,
    leak: Array | None = None,
    pulse: Pulse | None = None,
    between: tuple[Integers, Array] | None = None,
    read: NDArray[np.bool_] | None = None,
) -> None:
    """Write the inputs of one solve into ``folder`` (made if missing).

    Parameters
    ----------
    initial
        Velocity (n, 3) in m/s and pressure (n,) in Pa at the mesh's vertices.
    leak
        (cells,) conductance per volume, 1 / (Pa s), of the side branches that leave in each cell and are not meshed;
        ``conditions.leaks`` spread over the lumen.
    pulse
        What drives beats in time, from the initial state on; without it the flow is steady.
    between
        (e, 2) vertices that each edge joins, and (e, 3) the initial velocity at its middle; the mean of its ends'
        without it.
    read
        (n_sections,) whether FFR is read at a section: there an average over time must be sure; all without it.

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
    check_pulse(mesh, conditions, leak, pulse)
    extra = packed("pulse", pulse) | ({} if leak is None else {"leak": leak})
    kind = extra.pop("pulse_kind", None)
    if between is not None:
        extra |= {"edges": between[0], "edge_velocity": between[1]}
    if read is not None:
        extra["read"] = read
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
    fluid = {name: value for name, value in asdict(blood).items() if value is not None}
    text = {"blood": fluid, "conditions": asdict(conditions), "options": asdict(options)}
    text |= {} if kind is None else {"beds": asdict(kind)}
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


def check_pulse(mesh: TetMesh, conditions: FlowConditions, leak: Array | None, pulse: Pulse | None) -> None:
    """Refuse a pulse that does not fit; raises InputError."""
    if pulse is None:
        return
    if (conditions.inlet_flow is None) != (pulse.inflow is None):
        raise InputError("pulse: a prescribed flow at the inlet needs its value at every time, a pressure none.")
    if min(conditions.outlet_resistance.values()) <= 0.0:
        raise InputError("a beat needs a resistance that is positive at every outlet.")
    steps, times = len(pulse.aortic), len(pulse.outlet_beds)
    fits = pulse.muscle.shape == pulse.aortic.shape == (steps,)
    fits &= pulse.inflow is None or pulse.inflow.shape == (steps,)
    fits &= times in (1, 2) and pulse.outlet_beds.shape[1:] == (2, len(mesh.outlets))
    fits &= (pulse.leak_beds is None) == (pulse.leak_opening is None) == (leak is None)
    fits &= pulse.outlet_opening.shape == (len(mesh.outlets),)
    fits &= pulse.leak_opening is None or pulse.leak_opening.shape == (len(mesh.cells),)
    fits &= pulse.leak_beds is None or pulse.leak_beds.shape == (times, 2, len(mesh.cells))
    if not fits:
        raise InputError("pulse: its arrays do not fit the mesh, or each other.")
    arrays = [value for name, value in packed("pulse", pulse).items() if name != "pulse_kind"]
    if not all(np.all(np.isfinite(value)) for value in arrays):
        raise InputError("pulse: a value is not a finite number.")


def read_job(folder: Path) -> Job:
    """Read what :func:`write_job` wrote."""
    text = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    known = {entry.name for entry in fields(FemOptions)}
    options = {key: value for key, value in text["options"].items() if key in known}
    options["mumps"] = {int(key): int(value) for key, value in options.get("mumps", {}).items()}
    with np.load(folder / "initial.npz") as data:
        velocity, pressure, leak = data["velocity"], data["pressure"], data.get("leak")
        edges, edge_velocity, read = (data.get(name) for name in ("edges", "edge_velocity", "read"))
        given = unpacked("pulse", data)
    if given:
        given |= {"period": float(given["period"]), "kind": BedKind(**text["beds"])}
    return Job(
        TetMesh.load(folder / "mesh.npz"),
        read_probes(folder / "probes.npz"),
        velocity,
        pressure,
        _blood(text["blood"]),
        FlowConditions(
            **{**text["conditions"], "leaks": tuple(Leak(**item) for item in text["conditions"].get("leaks", ()))}
        ),
        FemOptions(**options),
        leak,
        Pulse(**given) if given else None,
        edges,
        edge_velocity,
        read,
    )


def _blood(item: Mapping[str, Any]) -> Blood:
    thinning = item.get("thinning")
    return Blood(item["density"], item["viscosity"], None if thinning is None else CarreauYasuda(**thinning))


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
