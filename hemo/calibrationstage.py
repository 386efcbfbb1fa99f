"""The stage that fits the reduced model's losses to a run's 3D solution, for later use; the run has none of it."""

from __future__ import annotations

import logging
from dataclasses import replace

from hemo.calibrating import Solved, calibrated
from hemo.case import Case
from hemo.results import Status
from hemo.treesummary import TreeResult

log = logging.getLogger(__name__)


def with_calibration(case: Case, result: TreeResult) -> TreeResult:
    """Add the calibration to the finite elements' flow where that is steady and converged."""
    flow, mesh = result.fem, result.mesh
    if flow is None or mesh is None:
        return result
    if flow.status is not Status.CONVERGED or result.fem_curves is not None:
        log.info("%s tree: no calibration of the reduced model, which needs a steady 3D flow.", result.tree.name)
        return result
    state = case.physiology().state
    one = Solved(result.tree, result.conditions, flow, state, mesh.cells, mesh.cells_per_diameter)
    found = calibrated([one], case.fluid(), case.reading())
    log.info("%s tree: %s", result.tree.name, found.comparison)
    return replace(result, calibration=found)
