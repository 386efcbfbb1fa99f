r"""What a lesion's FFR is uncertain by, part by part, from the reduced model run again with each part changed.

Half-widths of 95 % intervals (1.96 standard deviations, or half of a range), in FFR:

*lumen*: the calibre of all vessels together, larger and smaller. *flow*: the resting flow's scale, the resistance
reserve and the law of division, as independent factors. *loss_law* (reduced model): what lesions lose beyond friction,
a fifth more and less, with a calibration a seventh. *discretisation* (3D): a fraction of the pressure lost.
*averaging* (3D): what the mean over time of a flow that does not settle may be off by. *location*: where it is read, 10
to 30 mm beyond the lesion. The parts are added as squares. The ranges are :class:`Spread`'s, each with its reason.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hemo.blood import Blood
from hemo.boundary import FlowConditions, Physiology, demand, resting_flow
from hemo.indices import Reading, lesion_pressure
from hemo.reduced.beds import solve_states, with_resistances
from hemo.reduced.losses import LossOptions
from hemo.reduced.network import sink_resistances, solve
from hemo.results import TreeFlow
from hemo.tree import Branch, VesselTree

Array = NDArray[Any]

WITHIN = 1.96  # standard deviations of a 95 % interval
NARROWEST = 0.3  # of its diameter is what a vessel keeps at least when the lumen is made smaller

# Standard deviation of the logarithm of the resting flow. Measured: repeated thermodilution at rest differs by 18 %
# (Gallinoro et al. 2023, EuroIntervention 19:e155). Estimated: 138 of 582 mL/min among patients (Fournier et al. 2021).
FLOW_SPREAD = {"measured": 0.18, "perfusion": 0.25}
ESTIMATED_FLOW = 0.24
# ... and of the resistance reserve: measured 12 % (repeat of hyperaemic flow, Gallinoro 2023); not measured, the
# quartiles 2.32 and 3.86 of the ILIAS registry (Boerhout et al. 2023): ln(3.86 / 2.32) / 1.349.
MEASURED_RESERVE, ASSUMED_RESERVE = 0.12, 0.38


@dataclass(frozen=True)
class Spread:
    """How far each thing may be off.

    Attributes
    ----------
    lumen_diameter
        Standard deviation of the lumen's diameter, m, the same all along the vessels. No published value in millimetres
        was found; hemo's own assumption is a quarter of a voxel, or 0.1 mm where there are none.
    exponent
        Standard deviation of the flow-diameter exponent (95 % interval 2.24 to 2.54, Taylor DJ et al. 2024).
    expansion
        Range of the factor on what lesions lose beyond friction: what the fitted law is off by on stenoses left out
        (5 %, one standard deviation) and on trees in 3D (docs/benchmarks.md, ``reduced_trees``) is within it.
    calibrated
        The same with a calibration. At a flow that was not fitted, 95 % of places are within 0.0048 of 3D where the
        law alone is within 0.0069 (docs/benchmarks.md, ``reduced_trees``: mean absolute 0.0026 and 0.0027, on the
        solution that was fitted 0.0009 and 0.0043): the range is 0.7 times as wide, no less, since what a calibrated
        tree is asked is another flow.
    discretisation
        Fraction of the pressure lost that a mesh may be wrong by (docs/benchmarks.md: 2 % at six cells a diameter).
    distances
        Range of places beyond the lesion's end, m.
    """

    lumen_diameter: float = 0.1e-3
    exponent: float = 0.077
    expansion: tuple[float, float] = (0.8, 1.2)
    calibrated: tuple[float, float] = (0.86, 1.14)
    discretisation: float = 0.02
    distances: tuple[float, float] = (10e-3, 30e-3)

    def expansions(self, options: LossOptions) -> tuple[float, float]:
        """The range of that factor for a loss law, or for one with a tree's calibration."""
        return self.expansion if options.calibration is None else self.calibrated


@dataclass(frozen=True)
class Budget:
    """Half-widths in FFR of one lesion."""

    lumen: float
    flow: float
    loss_law: float
    discretisation: float
    location: float
    averaging: float = 0.0

    def parts(self, method: str) -> dict[str, float]:
        """Those that concern ``"reduced"`` or ``"fem"``, by name."""
        own = ("loss_law",) if method == "reduced" else ("discretisation", "averaging")
        return {name: getattr(self, name) for name in ("lumen", "flow", *own, "location")}

    def total(self, method: str) -> float:
        """Half-width of the whole."""
        return math.hypot(*self.parts(method).values())

    def largest(self, method: str) -> str:
        """Name of the largest part."""
        parts = self.parts(method)
        return max(parts, key=lambda name: parts[name])


def error_budget(
    tree: VesselTree,
    patient: Physiology,
    blood: Blood,
    conditions: FlowConditions,
    flow: TreeFlow,
    reading: Reading | None = None,
    spread: Spread | None = None,
    options: LossOptions | None = None,
) -> dict[str, Budget]:
    """The parts for each lesion, by its id.

    ``conditions`` and ``flow`` are those of the state in which FFR is computed, as the run has them, and ``options``
    those of the loss law that ``flow`` was found with.
    """
    spread, reading, options = spread or Spread(), reading or Reading(), options or LossOptions()
    if not tree.lesions:
        return {}

    def read(solution: TreeFlow, where: Reading = reading, on: VesselTree = tree) -> Array:
        return np.array([lesion_pressure(on, lesion, solution, None, where).distal for lesion in tree.lesions])

    def solved(on: VesselTree, with_conditions: FlowConditions, by: LossOptions = options) -> TreeFlow:
        return replace(solve(on, with_conditions, blood, by), subtracted=flow.subtracted)

    def of_law(by: LossOptions) -> Array:
        factors = [replace(by, expansion=by.expansion * factor) for factor in spread.expansions(options)]
        return np.asarray(np.abs(np.subtract(*(read(solved(tree, conditions, one)) for one in factors))) / 2.0)

    lumens = [with_calibre(tree, sign * spread.lumen_diameter) for sign in (1.0, -1.0)]
    lumen = np.abs(np.subtract(*(read(solved(other, conditions)) for other in lumens))) / 2.0
    deviation = flow_spread(tree, patient)
    sizes = [_with_flow(tree, conditions, math.exp(sign * deviation)) for sign in (1.0, -1.0)]
    scale = np.abs(np.subtract(*(read(solved(tree, other)) for other in sizes))) / 2.0
    division = _division(tree, patient, blood, spread, flow, read, options)
    law = of_law(options)
    if options.calibration is not None:  # no surer than the range says, whatever the fit has made of the lesions
        law = np.maximum(law, of_law(replace(options, calibration=None)))
    places = [read(flow, Reading(distance)) for distance in spread.distances]
    location = np.abs(np.subtract(*places)) / 2.0 * np.array([x.branch not in reading.wire for x in tree.lesions])
    mesh = spread.discretisation * (1.0 - read(flow))
    columns = (WITHIN * lumen, WITHIN * np.hypot(scale, division), law, mesh, location)
    return {lesion.id: Budget(*(float(column[i]) for column in columns)) for i, lesion in enumerate(tree.lesions)}


def flow_spread(tree: VesselTree, patient: Physiology) -> float:
    """Standard deviation of the logarithm of the flow in the state of interest."""
    return math.hypot(*flow_spreads(tree, patient))


def flow_spreads(tree: VesselTree, patient: Physiology) -> tuple[float, float]:
    """The same of the flow where it is known, and of the resistance reserve that leads from there to that state."""
    known = demand(tree, patient)
    if known.prescribed:
        return FLOW_SPREAD["measured"], 0.0
    measured = any(name in {branch.name for branch in tree.branches} for name in patient.vessel_flow)
    if measured:
        own = FLOW_SPREAD["measured"]
    elif any("perfusion" in row.name for row in known.assumptions):
        own = FLOW_SPREAD["perfusion"]
    else:
        own = FLOW_SPREAD.get(resting_flow(patient).scale, ESTIMATED_FLOW)
    if known.state == patient.state:
        return own, 0.0
    given = patient.resistance_reserve is not None or patient.flow_reserve is not None
    return own, MEASURED_RESERVE if given else ASSUMED_RESERVE


def _division(
    tree: VesselTree,
    patient: Physiology,
    blood: Blood,
    spread: Spread,
    flow: TreeFlow,
    read: Any,
    options: LossOptions,
) -> Array:
    """One standard deviation's change of FFR by the exponent of the law of division."""
    found = []
    for sign in (1.0, -1.0):
        states = solve_states(
            tree, replace(patient, exponent=patient.division_exponent + sign * spread.exponent), blood, options
        )
        found.append(read(replace(states.of(patient.state)[0], subtracted=flow.subtracted)))
    return np.asarray(np.abs(found[0] - found[1]) / 2.0)


def with_calibre(tree: VesselTree, change: float) -> VesselTree:
    """The tree with every diameter changed by so much (m); healthy calibres, and so the flow asked for, stay."""

    def resized(branch: Branch) -> Branch:
        factor = np.maximum(1.0 + change / branch.diameter, NARROWEST)
        return replace(branch, radius=branch.radius * factor, area=branch.area * factor**2)

    branches = tuple(resized(branch) for branch in tree.branches)
    lesions = []
    for lesion in tree.lesions:
        throat = 2.0 * math.sqrt(lesion.minimal_lumen_area / math.pi)
        factor = max(1.0 + change / throat, NARROWEST)
        lesions.append(replace(lesion, minimal_lumen_area=lesion.minimal_lumen_area * factor**2))
    return replace(tree, branches=branches, lesions=tuple(lesions))


def _with_flow(tree: VesselTree, conditions: FlowConditions, factor: float) -> FlowConditions:
    """Beds that resist less by a factor, or a prescribed flow that is more by it."""
    inlet = None if conditions.inlet_flow is None else conditions.inlet_flow * factor
    open_beds = with_resistances(tree, conditions, sink_resistances(tree, conditions) / factor)
    return replace(open_beds, inlet_flow=inlet)
