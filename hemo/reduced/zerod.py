"""Lumped models in the JSON of svZeroDSolver: vessels with resistance, capacitance, inertance and stenosis in a tree.

What is read, and what the elements mean (Pfaller et al. 2022, J Open Source Softw; svZeroDSolver's documentation of
BloodVessel, ResistanceBC, WindkesselBC and OpenLoopCoronaryBC): a vessel loses (R + S |Q|) Q, then stands over its
capacitance, then has its inertance; ``NORMAL_JUNCTION`` of one vessel into any; ``FLOW`` or ``PRESSURE`` enters;
``RESISTANCE``, ``RCR``, ``CORONARY`` or ``PRESSURE`` at the ends. Every value in the file's own units, which must go
together (they are cgs in svZeroDSolver's cases). The state that repeats is found as a whole, so that the file's number
of cycles and its initial state have no meaning here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.reduced.periodic import end_pressures, solve_periodic
from hemo.reduced.wiring import OSTIUM, Wiring

Array = NDArray[Any]
Indices = NDArray[np.int64]

REFINED = 4  # times between two that are asked for: inflows bend at the points that they are given at
LEAST = 1e-6  # resistance of an end at a given pressure, over a typical one: the flow there must be unique


@dataclass(frozen=True)
class VesselState:
    """Flow and pressure (n,) at both ends of a vessel, at the model's times, in the file's units."""

    flow_in: Array
    flow_out: Array
    pressure_in: Array
    pressure_out: Array


def solve_zero_d(source: Path | Mapping[str, Any]) -> tuple[Array, dict[str, VesselState]]:
    """The times (n,) of one cycle, its last instant left out, and every vessel's state at them.

    Raises
    ------
    InputError
        If the model is no tree, or has an element that is not known here; the sentence names it.
    """
    model = json.loads(source.read_text(encoding="utf-8")) if isinstance(source, Path) else source
    try:
        return _Model(model).solve()
    except KeyError as error:
        raise InputError(f"the lumped model lacks {error}; see svZeroDSolver's input format.") from error


class _Model:
    """One file's elements in a row, ready to be solved."""

    def __init__(self, model: Mapping[str, Any]) -> None:
        self.vessels = {vessel["vessel_id"]: vessel for vessel in model["vessels"]}
        self.conditions = {condition["bc_name"]: condition for condition in model["boundary_conditions"]}
        count = int(model["simulation_parameters"]["number_of_time_pts_per_cardiac_cycle"]) - 1
        lasting = [
            condition["bc_values"]["t"][-1] for condition in self.conditions.values() if "t" in condition["bc_values"]
        ]
        self.period = float(max(lasting, default=1.0))
        self.time = np.arange(count * REFINED) * self.period / (count * REFINED)
        self.following = self._junctions(model.get("junctions", []))
        self.wiring = Wiring(len(self.time))
        self.places: dict[int, tuple[int, int]] = {}  # the elements before and behind a vessel's capacitance

    def solve(self) -> tuple[Array, dict[str, VesselState]]:
        """As :func:`solve_zero_d`."""
        entered = [number for number, vessel in self.vessels.items() if "inlet" in _at(vessel)]
        if len(entered) != 1:
            raise InputError(f"the lumped model has {len(entered)} inlets; one is needed.")
        inlet = self.conditions[_at(self.vessels[entered[0]])["inlet"]]
        self._vessel(entered[0], OSTIUM)
        if len(self.places) != len(self.vessels):
            missing = min(set(self.vessels) - set(self.places))
            raise InputError(f"the lumped model's vessel {missing} is not reached from the inlet.")
        circuit = self.wiring.circuit(self.period)
        kind = inlet["bc_type"]
        if kind not in ("FLOW", "PRESSURE"):
            raise InputError(f"the lumped model's inlet is {kind}; FLOW and PRESSURE are known.")
        given = self._over_time(inlet["bc_values"], "Q" if kind == "FLOW" else "P")
        found = solve_periodic(circuit, *((given, None) if kind == "PRESSURE" else (None, given)))
        if not found.converged:
            raise InputError("the lumped model's periodic state was not found.")
        pressure, flow = end_pressures(circuit, found), circuit.elements.flows(found.out)
        states = {}
        for number, pair in self.places.items():
            first, last = (int(circuit.elements.stretches[place]) for place in pair)
            upstream = int(circuit.elements.parent[first])
            before = found.ostium if upstream < 0 else pressure[upstream]
            values = (flow[first], flow[last], before, pressure[last])
            states[self.vessels[number]["vessel_name"]] = VesselState(*(value[::REFINED] for value in values))
        return self.time[::REFINED], states

    def _vessel(self, number: int, upstream: Indices) -> None:
        """A vessel, and all that follows it."""
        vessel = self.vessels[number]
        if vessel["zero_d_element_type"] != "BloodVessel":
            raise InputError(
                f"the lumped model's element {vessel['zero_d_element_type']} is not known; BloodVessel is."
            )
        values = vessel["zero_d_element_values"]
        stenosis = values.get("stenosis_coefficient", 0.0)
        first = last = self.wiring.elements(upstream, values.get("R_poiseuille", 0.0), stenosis)
        if values.get("C", 0.0) > 0.0:
            self.wiring.ends(first, stiffness=1.0 / values["C"])
        if values.get("L", 0.0) > 0.0 or values.get("C", 0.0) > 0.0:
            last = self.wiring.elements(first, inertance=values.get("L", 0.0))
        self.places[number] = int(first[0]), int(last[0])
        for following in self.following.get(number, []):
            self._vessel(following, last)
        if "outlet" in _at(vessel):
            self._outlet(self.conditions[_at(vessel)["outlet"]], last)

    def _outlet(self, condition: Mapping[str, Any], upstream: Indices) -> None:
        kind, values = condition["bc_type"], condition["bc_values"]
        if kind == "RESISTANCE":
            self.wiring.ends(upstream, values["R"], pressure=values["Pd"])
        elif kind == "RCR":
            proximal = self.wiring.elements(upstream, values["Rp"])
            self.wiring.ends(proximal, stiffness=1.0 / values["C"])
            self.wiring.ends(proximal, values["Rd"], pressure=values["Pd"])
        elif kind == "CORONARY":
            arterial = self.wiring.elements(upstream, values["Ra1"])
            self.wiring.ends(arterial, stiffness=1.0 / values["Ca"])
            middle = self.wiring.elements(arterial, values["Ra2"])
            muscle = self._over_time(values, "Pim")[None]
            self.wiring.ends(middle, stiffness=1.0 / values["Cc"], pressure=muscle)
            self.wiring.ends(middle, values["Rv1"], pressure=values["P_v"])
        elif kind == "PRESSURE":
            self.wiring.ends(upstream, LEAST * self._typical(), pressure=self._over_time(values, "P")[None])
        else:
            raise InputError(f"the lumped model's {condition['bc_name']} is {kind}, which is not known at an outlet.")

    def _typical(self) -> float:
        """A resistance of the size of the vessels' own."""
        values = [vessel["zero_d_element_values"] for vessel in self.vessels.values()]
        sizes = [value.get("R_poiseuille", 0.0) + value.get("stenosis_coefficient", 0.0) for value in values]
        return max(max(sizes), 1e-12)

    def _over_time(self, values: Mapping[str, Any], name: str) -> Array:
        """(n,) a value over the cycle, linear between the times it is given at."""
        return np.interp(self.time, values["t"], values[name], period=None)

    def _junctions(self, junctions: list[Mapping[str, Any]]) -> dict[int, list[int]]:
        following = {}
        for junction in junctions:
            if junction["junction_type"] not in ("NORMAL_JUNCTION", "internal_junction"):
                raise InputError(f"the lumped model's junction {junction['junction_type']} is not known.")
            if len(junction["inlet_vessels"]) != 1:
                raise InputError(f"the lumped model's {junction['junction_name']} joins vessels: it is no tree.")
            following[junction["inlet_vessels"][0]] = list(junction["outlet_vessels"])
        return following


def _at(vessel: Mapping[str, Any]) -> Mapping[str, str]:
    found: Mapping[str, str] = vessel.get("boundary_conditions", {})
    return found
