"""From a tree and a patient to boundary conditions, with the record of everything assumed on the way.

The recipe is the one of Taylor, Fonte and Min 2013 (J Am Coll Cardiol 61:2233): resting flow from what the heart asks
for, microvascular resistance from vessel calibre, and hyperaemia as a lowered resistance. It publishes no constants;
those used here stand in ``scale``, ``hyperaemia``, ``split`` and ``territory``.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hemo.blood import Blood, poiseuille_resistance
from hemo.boundary.conditions import Assumption, FlowConditions, Leak, State
from hemo.boundary.hyperaemia import microvascular_function, resistance_reserve
from hemo.boundary.patient import MEAN_ABOVE_DIASTOLIC, Physiology, aortic_pressure
from hemo.boundary.scale import resting_flow
from hemo.boundary.split import WIDE, Shares, split_flow
from hemo.boundary.territory import CORONARY, CORONARY_SHARES, LEFT_VESSELS, Sourced
from hemo.errors import InputError
from hemo.stretches import flow_between_points
from hemo.tree import VesselTree
from hemo.units import ML_PER_MIN, MMHG, MMHG_MIN_PER_ML

Array = NDArray[Any]
log = logging.getLogger(__name__)

LEAST_BED = 0.1  # of the resistance beyond a place is the microvasculature's at least, however long the vessel's tail


@dataclass(frozen=True)
class Demand:
    """Flow that each place of a tree takes, m^3/s, in one state, with what was assumed.

    ``prescribed`` says that the flow through the inlet is held, whatever the vessels resist.
    """

    flows: Shares
    state: State
    assumptions: tuple[Assumption, ...]
    prescribed: bool = False

    @property
    def total(self) -> float:
        """Flow into the tree, m^3/s."""
        return float(self.flows.in_order.sum())


def demand(tree: VesselTree, patient: Physiology) -> Demand:
    """What the tree's beds take, from the first in line of: inlet flow, measured vessels, perfusion, a scale.

    Raises
    ------
    InputError
        If numbers are missing, out of range or contradict each other.
    """
    typical = patient.typical
    if patient.division_exponent <= 0.0:
        raise InputError("flow: the exponent must be positive.")
    shares = split_flow(
        tree,
        patient.division_exponent,
        patient.leakage,
        typical.loss_per_length.value,
        {names: share.value for names, share in typical.shares.items()},
        typical.unbranched,
    )
    if patient.inlet_flow is not None:
        if patient.inlet_flow <= 0.0:
            raise InputError("flow: inlet_flow must be positive.")
        source = "case file" if patient.inflow is None else "case file: mean of flow.inlet_waveform"
        row = Assumption("inlet flow", patient.inlet_flow / ML_PER_MIN, "mL/min", source)
        flows = shares.scaled(dict.fromkeys(_names(tree), patient.inlet_flow))
        return Demand(flows, patient.state, (row,), prescribed=True)
    vessels = {name: flow for name, flow in patient.vessel_flow.items() if name in _names(tree)}
    if vessels and patient.scale in ("automatic", "measured"):
        return _by_vessels(tree, patient, shares, vessels)
    territories = {name: flow for name, flow in patient.perfusion.items() if name in _names(tree)}
    if patient.scale == "perfusion" and not territories:
        raise InputError(f"flow.scale: 'perfusion' needs a perfusion map that covers the {tree.name} tree.")
    if territories and patient.scale in ("automatic", "perfusion") and patient.rest_flow is None:
        return _by_perfusion(tree, patient, shares, territories)
    total, rows = _tree_flow(tree, patient)
    return Demand(shares.scaled(dict.fromkeys(_names(tree), total)), "rest", rows)


def _names(tree: VesselTree) -> tuple[str, ...]:
    return tuple(branch.name for branch in tree.branches)


def _tree_flow(tree: VesselTree, patient: Physiology) -> tuple[float, tuple[Assumption, ...]]:
    """Resting flow into one tree, m^3/s."""
    if patient.territory == CORONARY.name:
        whole, share = resting_flow(patient), share_of(tree, patient)
        row = Assumption(f"share of the {tree.name} tree", share.value, "", f"default: {share.source}")
        return whole.value * share.value, (*whole.assumptions, row)
    if patient.rest_flow is not None:
        return resting_flow(patient).value, (
            Assumption("resting flow", patient.rest_flow / ML_PER_MIN, "mL/min", "case file"),
        )
    known = patient.typical.vessel_flow
    if tree.root.name not in known:
        names = f"name the first vessel {' or '.join(known)}, or " if known else ""
        raise InputError(
            f"tree {tree.name!r}: nothing tells the flow into {tree.root.name!r}; {names}give flow.rest_flow or "
            f"inlet_flow."
        )
    flow = known[tree.root.name]
    row = Assumption(
        f"resting flow into {tree.root.name}", flow.value / ML_PER_MIN, "mL/min", f"default: {flow.source}"
    )
    return flow.value, (row,)


def share_of(tree: VesselTree, patient: Physiology) -> Sourced:
    """A coronary tree's part of the whole heart's flow; what the other tree takes is left to it, seen or not.

    By the tree's name, or that of its first vessel; a tree that is neither is taken for the whole circulation, with a
    warning.
    """
    known = known_share(tree, patient)
    if known is not None:
        return known
    log.warning(
        "the %s tree is neither the left nor the right one: it is given the flow of the whole heart. Name it, or give "
        "flow.inlet_flow.",
        tree.name,
    )
    return Sourced(1.0, "the tree is taken for the whole circulation")


def known_share(tree: VesselTree, patient: Physiology) -> Sourced | None:
    """The same of a left or right tree; None for one that is neither."""
    left, side = CORONARY_SHARES[patient.dominance], side_of(tree)
    source = f"{patient.dominance} dominance, {left.source}"
    if side == "left":
        return Sourced(left.value * LEFT_VESSELS.get(tree.root.name, 1.0), source)
    return Sourced(1.0 - left.value, source) if side == "right" else None


def side_of(tree: VesselTree) -> Literal["left", "right"] | None:
    """Which coronary tree it is, by its name or that of its first vessel."""
    if tree.name == "left" or tree.root.name in LEFT_VESSELS:
        return "left"
    return "right" if tree.name == "right" or tree.root.name == "RCA" else None


def _by_vessels(tree: VesselTree, patient: Physiology, shares: Shares, measured: Mapping[str, float]) -> Demand:
    """Scale the tree so that the measured vessels carry what was measured.

    What leaves a measured vessel, less what its own measured daughters carry, is shared out within it by calibre; the
    rest of the tree gets the measured vessels' common factor.
    """
    owner = _owners(tree, measured)
    parts: dict[str, float] = dict.fromkeys(measured, 0.0)
    for name in _names(tree):
        if owner[name] is not None:
            parts[owner[name] or ""] += shares.of_branch(name)
    factors = {}
    for name, flow in measured.items():
        own = flow - sum(measured[other] for other in measured if _measured_mother(tree, other, owner) == name)
        if own <= 0.0 or flow <= 0.0:
            raise InputError(f"flow.vessel_flow: {name} carries no more than its own measured branches; correct one.")
        factors[name] = own / parts[name]
    top = [name for name in measured if _measured_mother(tree, name, owner) is None]
    common = sum(measured[name] for name in top) / sum(_below(tree, shares, name) for name in top)
    scaled = shares.scaled({name: factors.get(owner[name] or "", common) for name in _names(tree)})
    rows = tuple(
        Assumption(f"flow measured in {name}, at {patient.vessel_flow_state}", flow / ML_PER_MIN, "mL/min", "case file")
        for name, flow in measured.items()
    )
    return Demand(scaled, patient.vessel_flow_state, rows)


def _owners(tree: VesselTree, measured: Mapping[str, float]) -> dict[str, str | None]:
    """The nearest measured vessel upstream of each branch, itself included."""
    owner: dict[str, str | None] = {}
    for branch in tree.branches:
        owner[branch.name] = branch.name if branch.name in measured else owner.get(branch.parent or "")
    return owner


def _measured_mother(tree: VesselTree, name: str, owner: Mapping[str, str | None]) -> str | None:
    parent = tree[name].parent
    return None if parent is None else owner[parent]


def _below(tree: VesselTree, shares: Shares, name: str) -> float:
    """Share that flows into a branch."""
    own = shares.of_branch(name)
    return own + sum(_below(tree, shares, child.name) for child in tree.children(name))


def _by_perfusion(tree: VesselTree, patient: Physiology, shares: Shares, territories: Mapping[str, float]) -> Demand:
    """Each vessel's own territory takes what the perfusion map says, shared out along the vessel by calibre.

    A vessel without muscle of its own nearest to it takes nothing but a trace (a thousandth of the tree's flow).
    """
    whole = sum(territories.values())
    if whole <= 0.0:
        raise InputError(f"flow: the perfusion map gives the {tree.name} tree no flow; check its unit and its place.")
    factors = {}
    for name in _names(tree):
        part = shares.of_branch(name)
        wanted = max(territories.get(name, 0.0), 1e-3 * whole)
        factors[name] = wanted / part if part > 0.0 else 0.0
    rows = tuple(
        Assumption(
            f"perfusion of {name}'s territory, at {patient.perfusion_state}", flow / ML_PER_MIN, "mL/min", "case file"
        )
        for name, flow in territories.items()
    )
    return Demand(shares.scaled(factors), patient.perfusion_state, rows)


def flow_conditions(
    tree: VesselTree, patient: Physiology, state: State | None = None, blood: Blood | None = None
) -> FlowConditions:
    """Boundary conditions of one tree at rest or at hyperaemia (default: the patient's state).

    What lies beyond place i resists (Pa - Pv) / Q_i in the state in which its flow Q_i is known: what the epicardial
    vessels take of the pressure is neglected in this (about 1 mmHg at rest without disease); ``hemo.reduced.beds`` adds
    it. Hyperaemia divides these resistances by the resistance reserve. They are those beyond where a wire can measure,
    a healthy diameter of 2 mm: of what the tree holds beyond that, the healthy part (:func:`healthy_tails`) is taken
    off the bed's resistance, so that a tree cut farther out has no more resistance than one cut there.

    Raises
    ------
    InputError
        If the pressures are missing or contradictory, or a number is out of range.
    """
    wanted: State = state or patient.state
    known = demand(tree, patient)
    reserve = resistance_reserve(patient).value
    drive = aortic_pressure(patient, known.state) - patient.venous
    change = {("rest", "hyperaemia"): 1.0 / reserve, ("hyperaemia", "rest"): reserve}.get((known.state, wanted), 1.0)
    aortic = aortic_pressure(patient, wanted)
    inlet = None
    if known.prescribed:
        inlet = known.total / change * (aortic - patient.venous) / drive
    elif drive <= 0.0:
        raise InputError("the venous pressure is not below the aortic pressure; no flow can result.")
    tails = healthy_tails(tree, known.flows, (blood or Blood()).viscosity)

    def bed(flow: float, tail: float) -> float:
        whole = change * drive / flow
        return max(whole - tail, LEAST_BED * whole)

    return FlowConditions(
        aortic,
        patient.venous,
        {name: bed(flow, tails.outlets[name]) for name, flow in known.flows.outlets.items()},
        inlet,
        tuple(
            Leak(branch, point, bed(flow, tails.leaks[branch, point]))
            for (branch, point), flow in known.flows.leaks.items()
        ),
    )


def healthy_tails(tree: VesselTree, flows: Shares, viscosity: float) -> Shares:
    """For each place where flow leaves, the resistance of the healthy vessel from where it is 2 mm wide, Pa s / m^3.

    Poiseuille's pressure drop along the way, at the flows of every stretch and the healthy calibre, over the flow that
    leaves there. Zero for places on the wide part of the tree.
    """
    between = flow_between_points(tree, flows.in_order, tuple(flows.leaks))
    lost: dict[str, Array] = {}
    for branch in tree.branches:
        healthy = np.minimum.accumulate(branch.reference_radius)
        thin = 2.0 * healthy[1:] < WIDE
        drop = poiseuille_resistance(branch.arc, healthy, viscosity) * between[branch.name]
        start = 0.0 if branch.parent is None else lost[branch.parent][branch.parent_index or 0]
        lost[branch.name] = start + np.concatenate([[0.0], np.cumsum(np.where(thin, drop, 0.0))])
    return Shares(
        {name: float(lost[name][-1]) / flow for name, flow in flows.outlets.items()},
        {(name, point): float(lost[name][point]) / flow for (name, point), flow in flows.leaks.items()},
    )


def assumptions(tree: VesselTree, patient: Physiology, conditions: FlowConditions) -> tuple[Assumption, ...]:
    """Everything assumed for one tree, with its source."""
    typical = patient.typical

    def source(field: str, default: Sourced) -> str:
        return "case file" if getattr(patient, field) is not None else f"default: {default.source}"

    known, reserve = demand(tree, patient), resistance_reserve(patient)
    rows = [
        *_pressure_rows(patient, conditions),
        Assumption(
            "venous pressure", patient.venous / MMHG, "mmHg", source("venous_pressure", typical.venous_pressure)
        ),
        Assumption("flow-diameter exponent", patient.division_exponent, "", source("exponent", typical.exponent)),
        *known.assumptions,
        Assumption("microvascular resistance reserve", reserve.value, "", reserve.source),
        *microvascular_function(patient),
        Assumption(
            "flow that leaves along the vessels",
            sum(known.flows.leaks.values()) / known.total,
            "of the tree's flow",
            "computed: tapers and side branches left out, by the flow-diameter exponent",
        ),
    ]
    if patient.has_beat:
        stored = source("bed_time_constant", typical.bed_time_constant)
        rows.append(Assumption("time constant of the beds at rest", patient.storage_time, "s", stored))
        if typical.bed_impedance is not None and patient.wave_impedance is not None:
            part = source("bed_impedance", typical.bed_impedance)
            name = "wave impedance over the beds' resistance at rest"
            rows.append(Assumption(name, patient.wave_impedance, "", part))
    rows += [
        Assumption(f"outlet resistance {name}", value / MMHG_MIN_PER_ML, "mmHg min/mL", "computed")
        for name, value in conditions.outlet_resistance.items()
    ]
    return tuple(rows)


def _pressure_rows(patient: Physiology, conditions: FlowConditions) -> list[Assumption]:
    by_cuff = f"case file: DBP + {MEAN_ABOVE_DIASTOLIC:.2f} (SBP - DBP), Bos 2007"
    cuff = "case file" if patient.mean_pressure is not None else by_cuff
    rest, now = aortic_pressure(patient, "rest"), conditions.aortic_pressure
    rows = [Assumption("mean aortic pressure", now / MMHG, "mmHg", cuff if now == rest else "case file")]
    if patient.state == "hyperaemia" and patient.hyperaemic_mean_pressure is None:
        rows.append(
            Assumption(
                "mean aortic pressure at hyperaemia over that at rest",
                1.0,
                "",
                "default: adenosine lowers it by 6 to 13 % (Kern 1991, Casadonte 2015, from abstracts); FFR is a ratio "
                "and hardly moves",
            )
        )
    return rows
