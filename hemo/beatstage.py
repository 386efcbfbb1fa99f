"""The beat of a run: what drives the finite elements in time.

The reduced model's periodic beat gives the beds' states and the flow from which the vessels' own unsteady flow starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hemo.blood import Blood
from hemo.boundary import FlowConditions, Physiology, aortic_pressure
from hemo.case import Case
from hemo.errors import InputError
from hemo.reduced.pulsatile import BeatFlow, tree_beat
from hemo.reduced.waveform import patients_beat
from hemo.results import BranchFlow, Status, TreeFlow
from hemo.tree import VesselTree

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from hemo.fem.job import Pulse

Array = NDArray[Any]


def check_beat(case: Case) -> None:
    """Refuse a case whose beat cannot be computed, before any time is spent on it; raises InputError."""
    if not case.fem.pulsatile:
        return
    patient = case.physiology()
    if case.geometry.inlet_extension is not None:
        raise InputError("fem.pulsatile: a beat is driven at the ostium; leave the inlet extension out.")
    patients_beat(patient, aortic_pressure(patient, patient.state), case.fem.steps_per_beat)


def reduced_beat(
    tree: VesselTree, patient: Physiology, conditions: FlowConditions, blood: Blood, steps: int
) -> BeatFlow:
    """The tree's beat by the reduced model, under the resistances of the state that is asked for.

    Raises
    ------
    InputError
        If it does not become periodic.
    """
    found = tree_beat(tree, patient, conditions, blood, steps)
    if not found.periodic:
        raise InputError(
            f"tree {tree.name!r}: the reduced model's beat does not repeat itself; leave fem.pulsatile out."
        )
    return found


def before_the_beat(found: BeatFlow) -> TreeFlow:
    """The flow one time step before the beat begins, which is that at its end."""
    last = {name: BranchFlow(pressure[-1], found.flow[name][-1]) for name, pressure in found.pressure.items()}
    return TreeFlow("reduced", Status.CONVERGED, float(found.beat.aortic[-1]), last)


def pulse_of(found: BeatFlow, tree: VesselTree, caps: tuple[str, ...], shares: csr_array | None) -> Pulse:
    """What drives the finite elements.

    Parameters
    ----------
    caps
        The mesh's outlets, in its order.
    shares
        (cells, leaks) conductance per volume of each leak in each cell; None where nothing leaks.
    """
    from hemo.fem.job import Pulse

    order = [tree.outlets.index(name) for name in caps]
    beds = np.array([*found.beds, found.opening])
    leaks, leak_opening = None, None
    if shares is not None:
        whole = np.asarray(shares.sum(axis=1)).ravel()[:, None]
        average = shares @ beds[:, len(tree.outlets) :].T
        empty = np.broadcast_to([0.0, 0.0, 1.0], average.shape)
        in_cells = np.divide(average, whole, out=np.array(empty), where=whole > 0.0).T
        leaks, leak_opening = in_cells[None, :2], in_cells[2]
    return Pulse(
        found.beat.period,
        found.beat.aortic,
        found.muscle,
        found.kind,
        beds[None, :2, order],
        beds[2, order],
        leaks,
        leak_opening,
        found.beat.inflow,
    )
