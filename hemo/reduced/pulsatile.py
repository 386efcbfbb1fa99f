r"""A heart beat in a rigid tree: the quasi-steady losses, the blood's inertia, and beds that store blood.

Every place where flow leaves ends in a bed of :mod:`hemo.reduced.lumped`. A step of the implicit Euler method makes
each a resistance in series with a pressure, and the inertia rho int ds / A dQ/dt another: so every step is the convex
problem of :mod:`hemo.reduced.network`, which always has its one solution. The capacitances carry no mean flow, so that
the mean over a beat differs from steady flow only by the quadratic losses.

Where the flow through the inlet is prescribed, pressure at the ostium is what it takes. Its level is shifted, as that
of steady flow is (:class:`~hemo.boundary.FlowConditions`), so that its mean over the beat is the aortic pressure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.blood import Blood
from hemo.boundary import FlowConditions, Physiology, side_of
from hemo.boundary.territory import CORONARY
from hemo.errors import InputError
from hemo.indices import Reading, measurement_place
from hemo.reduced.beds import unopened
from hemo.reduced.ladders import with_ladders
from hemo.reduced.losses import LossOptions
from hemo.reduced.lumped import CORONARY_BED, MOST_IMPEDANCE, BedKind, Beds, windkessel
from hemo.reduced.network import (
    assembled,
    check_conditions,
    distributed,
    inertance,
    sink_resistances,
)
from hemo.reduced.periodic import rate, solve_periodic
from hemo.reduced.vessels import vessels_of
from hemo.reduced.waveform import SQUEEZE, Beat, patients_beat
from hemo.tree import Branch, VesselTree

Array = NDArray[Any]


@dataclass(frozen=True)
class BeatFlow:
    """One beat of a tree.

    Attributes
    ----------
    beat
        What the heart does; ``aortic`` is the total pressure at the ostium.
    muscle
        (steps,) pressure of the muscle on its vessels, Pa.
    pressure, flow
        (steps, n) static pressure, Pa, and flow, m^3/s, at the points of each branch.
    kind
        Of the beds.
    opening
        (sinks,) how many times less the beds of the outlets and then the leaks resist than unopened at rest.
    beds
        States of the beds of the outlets and then the leaks at the beat's last time: two arrays (sinks,), Pa, as
        :class:`~hemo.reduced.lumped.Beds` has them.
    periodic
        Whether the next beat would be the same.
    """

    beat: Beat
    muscle: Array
    pressure: dict[str, Array]
    flow: dict[str, Array]
    kind: BedKind
    opening: Array
    beds: tuple[Array, Array]
    periodic: bool


def solve_beat(
    tree: VesselTree,
    conditions: FlowConditions,
    beat: Beat,
    blood: Blood,
    squeeze: float = 1.0,
    kind: BedKind = CORONARY_BED,
    opening: Array | float = 1.0,
    options: LossOptions | None = None,
) -> BeatFlow:
    """The periodic state of a tree under the resistances of ``conditions``.

    Parameters
    ----------
    squeeze
        Pressure of the muscle on its vessels over that of the left ventricle.
    kind
        Of the beds.
    opening
        (sinks,), or one for all, as :class:`BeatFlow` has it.
    options
        Of the loss law. Branches that leave behind a lesion are driven by the head there.

    Raises
    ------
    InputError
        If conditions and beat do not agree on whether flow or pressure drives.
    """
    if (conditions.inlet_flow is None) != (beat.inflow is None):
        raise InputError("a beat needs the flow at every time where the inlet's flow is prescribed, and there alone.")
    check_conditions(tree, conditions)
    if tree.connections:
        raise InputError(f"tree {tree.name!r}: a beat with grafts or collaterals is not computed; steady flow is.")
    vessels = vessels_of(tree, conditions.leak_places)
    network = assembled(vessels, (blood.density, blood.viscosity), options)
    resistance = sink_resistances(tree, conditions)
    muscle = squeeze * beat.ventricle
    opening = np.broadcast_to(opening, resistance.shape)
    beds = Beds(kind, resistance, opening, conditions.venous_pressure, float(beat.time[1]))
    period = len(beat.time) * float(beat.time[1])
    inert, parts = inertance(tree, blood), vessels.stretches
    ladders = with_ladders(parts, network, beds, np.add.reduceat(inert, parts.first), muscle, period)
    found = solve_periodic(ladders.circuit, None if beat.inflow is not None else beat.aortic, beat.inflow)
    ostium = found.ostium
    if beat.inflow is not None:
        ostium = ostium + (conditions.aortic_pressure - ostium.mean())
    out = ladders.flow(found.out)
    taken = inert[:, None] * parts.intervals(parts.flows(rate(out, period)))
    pressure, along = distributed(vessels, network, ostium, out, taken)
    return BeatFlow(
        replace(beat, aortic=ostium),
        muscle,
        {name: values.T for name, values in pressure.items()},
        {name: values.T for name, values in along.items()},
        kind,
        np.array(opening),
        ladders.states(found.out),
        found.converged,
    )


@dataclass(frozen=True)
class RestingRatios:
    """Distal over aortic pressure over parts of a beat; ``systolic`` is the highest over the highest.

    ``whole`` is Pd/Pa; ``wave_free`` of the wave-free period (iFR is defined so), ``diastolic`` of all of diastole
    (dPR), ``lowest`` the lowest at any instant (RFR). The cut-off of 0.89 belongs to wires: computed ones that match an
    FFR of 0.80 range from 0.89 to 0.93.
    """

    whole: float
    wave_free: float
    diastolic: float
    lowest: float
    systolic: float


def tree_beat(
    tree: VesselTree,
    patient: Physiology,
    conditions: FlowConditions,
    blood: Blood,
    steps: int = 200,
    options: LossOptions | None = None,
) -> BeatFlow:
    """A patient's beat in a tree, in the state whose resistances, and inlet flow if any, ``conditions`` has."""
    beat = patients_beat(patient, conditions.aortic_pressure, steps)
    if beat.inflow is not None and conditions.inlet_flow is not None:
        beat = replace(beat, inflow=beat.inflow * (conditions.inlet_flow / beat.inflow.mean()))
    squeeze = SQUEEZE[side_of(tree) or "left"] if patient.territory == CORONARY.name else 0.0
    opening = unopened(tree, patient, blood, options) / sink_resistances(tree, conditions)
    return solve_beat(tree, conditions, beat, blood, squeeze, bed_kind(patient), opening, options)


def bed_kind(patient: Physiology) -> BedKind:
    """The beds of a patient's territory.

    Raises
    ------
    InputError
        If the time constant or the impedance's part that the patient is given is out of range.
    """
    constant, impedance = patient.storage_time, patient.wave_impedance
    if not 0.01 <= constant <= 20.0:
        raise InputError(f"flow.bed_time_constant: {constant} s is outside 0.01 to 20 s; correct it.")
    if patient.typical.bed_impedance is None and impedance is not None:
        raise InputError("flow.bed_impedance: coronary beds have none of their own; leave it out.")
    if impedance is None:
        return replace(CORONARY_BED, time_constant=constant)
    if not 0.0 < impedance < MOST_IMPEDANCE:
        raise InputError(f"flow.bed_impedance: {impedance} is not between 0 and {MOST_IMPEDANCE}; correct it.")
    return windkessel(impedance, constant)


def resting_ratios(beat: Beat, branch: Branch, place: float, pressure: Array) -> RestingRatios:
    """The ratios at an arc length (m) of a branch, from (steps, n) pressures, Pa, at its points."""
    distal = np.array([np.interp(place, branch.arc, values) for values in pressure])

    def over(part: NDArray[np.bool_]) -> float:
        return float(distal[part].mean() / beat.aortic[part].mean())

    everything = np.ones(len(distal), dtype=bool)
    lowest = float((distal / beat.aortic).min())
    systolic = float(distal.max() / beat.aortic.max())
    return RestingRatios(over(everything), over(beat.wave_free), over(beat.diastole), lowest, systolic)


def lesion_ratios(
    tree: VesselTree, beat: Beat, pressure: Mapping[str, Array], reading: Reading
) -> dict[str, RestingRatios]:
    """Each lesion's ratios where its FFR is read, from (steps, n) pressures, Pa, at the points of each branch."""
    found = {}
    for lesion in tree.lesions:
        branch = tree[lesion.branch]
        found[lesion.id] = resting_ratios(
            beat, branch, measurement_place(branch, lesion, reading), pressure[branch.name]
        )
    return found
