"""Results of the reduced model as plain numbers and lists, for commands and other programs that take JSON.

Lengths are in mm, pressures in mmHg, flows in mL/min, as the keys say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hemo.blood import Blood
from hemo.boundary import FlowConditions, Physiology
from hemo.errors import NotConverged
from hemo.evaluation import evaluate
from hemo.indices import THRESHOLD, Reading
from hemo.planning import Outcome, Stent, plan
from hemo.reduced import LossOptions, solve, solve_states
from hemo.results import Status, TreeFlow
from hemo.summary import overall_status
from hemo.tree import VesselTree
from hemo.treecalibration import TreeCalibration
from hemo.treejson import tree_to_json
from hemo.treesummary import TreeResult, tree_row
from hemo.uncertainty import Distribution, Uncertainty
from hemo.units import MILLIMETRE, ML_PER_MIN, MMHG


def losses_of(calibration: TreeCalibration | None) -> LossOptions:
    """The loss law, with a tree's calibration where there is one.

    Raises
    ------
    InputError
        If that is of another law, or its numbers are not of a tree with as many points.
    """
    return LossOptions(calibration=None if calibration is None else calibration.losses)


def _told(calibration: TreeCalibration | None) -> dict[str, Any]:
    """Whether a calibration was used, and the sentence that must go with what came of it."""
    note = None if calibration is None else calibration.sentence
    return {"calibrated": calibration is not None, "calibration_note": note}


def reduced_answer(
    tree: VesselTree,
    stored: FlowConditions | None,
    patient: Physiology,
    blood: Blood,
    calibration: TreeCalibration | None = None,
) -> dict[str, Any]:
    """One tree by the file's own conditions, or by the patient's, with all that follows from those."""
    options = losses_of(calibration)
    if stored is None:
        result = evaluate(tree, patient, blood, options=options)
    else:
        result = TreeResult(tree, (), stored, reduced=solve(tree, stored, blood, options))
    if overall_status([result]) is not Status.CONVERGED:
        raise NotConverged(f"tree {tree.name!r}: the reduced model did not converge, so no FFR is given.")
    assert result.reduced is not None
    rows = tree_row(result, ("reduced",), None, Reading())
    return {
        "name": tree.name,
        "status": result.reduced.status.name.lower(),
        **_told(calibration),
        "boundary": tree_to_json(tree, result.conditions)["boundary"],
        "branches": [row["reduced"] | _curves(row["name"], result.reduced, tree) for row in rows["branches"]],
        "lesions": [_lesion(row) for row in rows["lesions"]],
        "connections": [
            {"name": name, "flow_ml_min": flow / ML_PER_MIN} for name, flow in result.reduced.connections.items()
        ],
    }


def _curves(name: str, flow: TreeFlow, tree: VesselTree) -> dict[str, Any]:
    along = flow.branches[name]
    return {
        "name": name,
        "arc_length_mm": (tree[name].arc / MILLIMETRE).tolist(),
        "pressure_mmhg": (along.pressure / MMHG).tolist(),
        "ffr_curve": flow.ffr(name).tolist(),
        "flow_curve_ml_min": (along.flow / ML_PER_MIN).tolist(),
    }


def _lesion(row: dict[str, Any]) -> dict[str, Any]:
    """The keys of ``summary.json`` without its level of methods; no orientation is known, so no wire equivalent."""
    values = {key: value for key, value in row["reduced"].items() if key != "ffr_wire_equivalent"}
    return {"id": row["id"], "branch": row["branch"], **values, "error_budget": row["error_budget"]}


def plan_answer(
    tree: VesselTree,
    stored: FlowConditions | None,
    patient: Physiology,
    blood: Blood,
    stents: Sequence[Stent] | None = None,
    calibration: TreeCalibration | None = None,
) -> dict[str, Any]:
    """One tree with lesions opened, under the file's own conditions, or the patient's at hyperaemia.

    An opened lesion's losses are the law's own, whatever the calibration says of it.
    """
    options = losses_of(calibration)
    conditions = stored if stored is not None else solve_states(tree, patient, blood, options).hyperaemia_conditions
    found = plan(tree, conditions, stents, blood, options=options)
    before, together = found.before, found.together
    return {
        "name": tree.name,
        **_told(calibration),
        "before": _outcome(before),
        "after": _outcome(together),
        "lesions": [
            {
                "id": name,
                "ffr_before": before.lesions[name],
                "ffr_alone_opened": alone.lesions[name],
                "gain": alone.lesions[name] - before.lesions[name],
                "gradient_before": before.gradients[name],
                "gradient_alone_opened": alone.gradients[name],
                "residual_gradient": together.gradients[name],
            }
            for name, alone in found.single.items()
        ],
        "combinations": [_outcome(outcome) for outcome in found.combined.values()],
        "order": {
            outlet: [{"lesion": step.lesion, "ffr_after": step.ffr} for step in steps]
            for outlet, steps in found.order.items()
        },
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "opened": list(outcome.opened),
        "lesions": dict(outcome.lesions),
        "gradients": dict(outcome.gradients),
        "outlets": dict(outcome.outlets),
        "flow_ml_min": {name: flow / ML_PER_MIN for name, flow in outcome.flows.items()},
    }


def uncertainty_answer(found: Uncertainty, calibration: TreeCalibration | None = None) -> dict[str, Any]:
    """One tree's distributions of FFR, found with its calibration where that is given."""
    return {
        "name": found.tree,
        **_told(calibration),
        "threshold": THRESHOLD,
        "solves": found.solves,
        "seed": found.seed,
        "lesions": [_distribution(row) for row in found.lesions],
        "outlets": [_distribution(row) for row in found.outlets],
    }


def _distribution(found: Distribution) -> dict[str, Any]:
    return {
        "id": found.name,
        "branch": found.branch,
        "place_mm": found.place / MILLIMETRE,
        "ffr": found.value,
        "ffr_mean": found.mean,
        "ffr_sd": found.deviation,
        "ffr_interval": list(found.interval),
        "probability_at_or_below_threshold": found.positive,
        "measure_better": found.measure,
        "sobol_first": {name: value for name, (value, _) in found.first.items()},
        "sobol_first_half_width": {name: width for name, (_, width) in found.first.items()},
        "sobol_total": {name: value for name, (value, _) in found.total.items()},
        "sobol_total_half_width": {name: width for name, (_, width) in found.total.items()},
    }
