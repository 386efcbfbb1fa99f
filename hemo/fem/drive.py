"""What the heart and the beds impose on the vessels at each time of a beat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import ufl
from dolfinx import fem
from dolfinx.fem import petsc as fem_petsc
from numpy.typing import NDArray

from hemo.fem.domain import from_cells, owned_input_cells
from hemo.fem.jit import jit_options
from hemo.fem.job import Pulse
from hemo.fem.problem import FlowProblem
from hemo.fem.timesteps import ORDER
from hemo.reduced.lumped import Beds

Array = NDArray[Any]


class Drive:
    """What holds at the inlet, and the beds of the outlets and of what leaves on the way, with their states.

    A prescribed flow of one time step before the first beat is put into the problem's state at once.

    What leaves on the way has a bed in each cell, in which flow is counted as the pressure that it takes to drive it:
    beds of one kind differ in their resistance alone, and the cells' are as those of the leak that they belong to.
    """

    def __init__(self, problem: FlowProblem, pulse: Pulse) -> None:
        self.problem, self.pulse = problem, pulse
        if pulse.inflow is not None:
            problem.enter(self._at(pulse.inflow, -1))
            problem.hold_prescribed()
        venous = problem.conditions.venous_pressure
        beds = problem.conditions.outlet_resistance
        resistance = np.array([beds[name] for name in problem.outlets.names])
        self.outlet_beds = Beds(pulse.kind, resistance, pulse.outlet_opening, venous, pulse.dt, ORDER)
        self.leak_beds: Beds | None = None
        leak = problem.coefficients.leak
        if leak is not None and pulse.leak_opening is not None:
            space = leak.function_space
            self.places = space.dofmap.list.ravel()
            self.conductance = leak.x.array.copy()
            opening = from_cells(problem.domain, pulse.leak_opening).x.array
            self.leak_beds = Beds(pulse.kind, np.ones(len(self.places)), opening, venous, pulse.dt, ORDER)
            u, p = ufl.split(problem.state)
            w = ufl.TestFunction(space)
            total = problem.pressure_unit * p + problem.blood.density * ufl.dot(u, u) / 2
            self.total = fem.form(total * w * ufl.dx(degree=4), jit_options=jit_options())
            self.volume = _cell_values(fem.form(w * ufl.dx(degree=0), jit_options=jit_options()))
        self.resume(pulse.outlet_beds, pulse.leak_beds)

    def resume(self, outlet_beds: Array, leak_beds: Array | None) -> None:
        """Go on from states as in :class:`~hemo.fem.job.Pulse`, of all input cells."""
        self.outlet_beds.resume([(state[0], state[1]) for state in outlet_beds])
        if self.leak_beds is None:
            return
        assert leak_beds is not None
        own = self.problem.domain.mesh.topology.original_cell_index
        states = np.empty((len(leak_beds), 2, len(self.places)))
        states[:, :, self.places] = leak_beds[:, :, own]
        self.leak_beds.resume([(state[0], state[1]) for state in states])

    def states(self) -> Mapping[str, Array]:
        """``outlet_beds`` and ``leak_beds`` for :meth:`resume`; collective, those on rank 0 are whole."""
        found: dict[str, Array] = {"outlet_beds": np.array(self.outlet_beds.past)}
        if self.leak_beds is None:
            return found
        domain = self.problem.domain
        owned = owned_input_cells(domain)
        mine: Array = np.array(self.leak_beds.past)[:, :, self.places[: len(owned)]]
        parts = domain.comm.gather((owned, mine))
        if parts is not None:
            whole = np.empty((*mine.shape[:2], domain.cells_total))
            for cells, values in parts:
                whole[:, :, cells] = values
            found["leak_beds"] = whole
        return found

    def set(self, step: int) -> None:
        """Impose what holds at the end of the time step, whose past the problem knows."""
        coefficients, outlets = self.problem.coefficients, self.problem.outlets
        muscle = self._at(self.pulse.muscle, step)
        coefficients.aortic.value = self._at(self.pulse.aortic, step)
        if self.pulse.inflow is not None:
            self.problem.enter(self._at(self.pulse.inflow, step))
        outlets.resistance[:], outlets.level[:] = self.outlet_beds.seen(muscle)
        if self.leak_beds is not None:
            self.slope, level = self.leak_beds.seen(muscle)
            assert coefficients.leak is not None and coefficients.leak_level is not None
            coefficients.leak.x.array[:] = self.conductance / self.slope
            coefficients.leak_level.x.array[:] = level

    def advance(self, step: int) -> None:
        """Take the beds to the end of the step whose flow has been found."""
        muscle = self._at(self.pulse.muscle, step)
        self.outlet_beds.advance(self.problem.outlets.flows(self.problem.state.x.petsc_vec), muscle)
        if self.leak_beds is not None:
            coefficients = self.problem.coefficients
            assert coefficients.leak_level is not None
            driving = _cell_values(self.total) / self.volume - coefficients.leak_level.x.array
            self.leak_beds.advance(driving / self.slope, muscle)

    def _at(self, series: Array, step: int) -> float:
        return float(series[step % len(series)])


def _cell_values(form: fem.Form) -> Array:
    """Entries of a vector assembled on piecewise constants; no cell is another rank's."""
    vector = fem_petsc.assemble_vector(form)
    values = np.array(vector.array_r)
    vector.destroy()
    return values
