"""The discrete problem: Taylor-Hood space, residual, Jacobian and prescribed velocities of one vessel tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import basix.ufl
import numpy as np
from dolfinx import fem
from dolfinx.fem import petsc as fem_petsc
from numpy.typing import NDArray
from petsc4py import PETSc

from hemo.blood import Blood
from hemo.boundary import FlowConditions
from hemo.fem.carryover import edge_rows
from hemo.fem.celljacobian import CellJacobian, empty_matrix, every_pair
from hemo.fem.domain import Domain, edge_nodes, from_cells
from hemo.fem.entrance import Entrance
from hemo.fem.jit import jit_options
from hemo.fem.options import FemOptions
from hemo.fem.outlets import ResistanceOutlets, resistance_outlets
from hemo.fem.weakform import Coefficients, constant, weak_form
from hemo.tetmesh import INLET, WALL

Array = NDArray[np.float64]

REFERENCE_SPEED = 1.0  # m/s


@dataclass(frozen=True)
class Part:
    """Velocity or pressure of the mixed space: its own space, and where its values lie in the state."""

    space: fem.FunctionSpace
    places: NDArray[np.int32]

    def of(self, state: fem.Function) -> fem.Function:
        """A copy of this part of a state."""
        part = fem.Function(self.space, dtype=np.float64)
        part.x.array[:] = state.x.array[self.places]
        return part


@dataclass(frozen=True)
class FlowProblem:
    """Everything that is made once and used at every nonlinear step.

    The unknown pressure is counted in units of rho U^2 with U = 1 m/s, and so is its test function: then the rows of
    momentum and of continuity, and the two kinds of unknowns, have comparable sizes, and one norm can judge both.

    Attributes
    ----------
    domain
        The distributed mesh.
    blood, conditions
        The physics.
    state
        The current (u, p) in the mixed P2-P1 space.
    velocity_part, pressure_part
        The two parts of that space.
    pressure_unit
        Pa in one unit of the unknown pressure.
    coefficients
        What the forms read and the solvers set.
    residual_form, jacobian_form, balance_form
        Compiled forms; of the Jacobian the part that ``cell_jacobian`` does not make; the last is the viscous and
        inertial part of the residual alone.
    cell_jacobian
        Where blood does not thin and no body force acts.
    pattern_form
        Has every entry that a matrix may have.
    prescribed
        Dirichlet conditions.
    inlet_velocity, entrance
        Where a flow is prescribed, the velocity that holds at the inlet, and what makes it; for verification a velocity
        may be prescribed without the latter.
    prescribed_rows
        Owned rows they fix.
    outlets
        The resistance coupling.
    """

    domain: Domain
    blood: Blood
    conditions: FlowConditions
    state: fem.Function
    velocity_part: Part
    pressure_part: Part
    pressure_unit: float
    coefficients: Coefficients
    residual_form: fem.Form
    jacobian_form: fem.Form
    cell_jacobian: CellJacobian | None
    pattern_form: fem.Form
    balance_form: fem.Form
    prescribed: tuple[fem.DirichletBC, ...]
    inlet_velocity: fem.Function | None
    entrance: Entrance | None
    prescribed_rows: NDArray[np.int32]
    outlets: ResistanceOutlets

    @property
    def unknowns(self) -> int:
        """Number of unknowns over all ranks."""
        dofmap = self.state.function_space.dofmap
        return int(dofmap.index_map.size_global * dofmap.index_map_bs)

    def velocity(self) -> fem.Function:
        """The P2 velocity, m/s (a copy)."""
        return self.velocity_part.of(self.state)

    def pressure(self) -> fem.Function:
        """The P1 pressure, Pa (a copy)."""
        pressure = self.pressure_part.of(self.state)
        pressure.x.array[:] *= self.pressure_unit
        return pressure

    def with_values(self, values: PETSc.Vec) -> fem.Function:
        """A function of the mixed space with the values of a vector, ghosts included."""
        function = fem.Function(self.state.function_space, dtype=np.float64)
        function.x.petsc_vec.array[:] = values.array_r
        function.x.scatter_forward()
        return function

    def residual(self, raw: bool = False) -> PETSc.Vec:
        """The residual vector; rows of prescribed velocities are zero unless ``raw``. Destroy it after use."""
        vector = self._assemble(self.residual_form)
        self.outlets.add_load(self.state.x.petsc_vec, vector)
        if not raw:
            vector.array[self.prescribed_rows] = 0.0
        return vector

    def balance_norm(self) -> float:
        """Norm of the viscous and inertial forces: what the pressure has to balance."""
        vector = self._assemble(self.balance_form)
        vector.array[self.prescribed_rows] = 0.0
        norm = float(vector.norm())
        vector.destroy()
        return norm

    def _assemble(self, form: fem.Form) -> PETSc.Vec:
        vector = fem_petsc.assemble_vector(form)
        vector.ghostUpdate(addv=PETSc.InsertMode.ADD, mode=PETSc.ScatterMode.REVERSE)
        return vector

    def create_matrix(self) -> PETSc.Mat:
        """A matrix for :meth:`assemble_jacobian`."""
        return empty_matrix(self.pattern_form)

    def assemble_jacobian(self, matrix: PETSc.Mat) -> None:
        """The sparse part of the Jacobian at the current state (without the resistance coupling)."""
        matrix.zeroEntries()
        if self.cell_jacobian is not None:
            self.cell_jacobian.add_to(matrix)
        fem_petsc.assemble_matrix_mat(matrix, self.jacobian_form, bcs=list(self.prescribed))
        matrix.assemble()

    def hold_prescribed(self) -> None:
        """Put the prescribed velocities into the state."""
        for bc in self.prescribed:
            bc.set(self.state.x.array, None, 1.0)
        self.state.x.scatter_forward()

    def enter(self, flow: float) -> None:
        """Prescribe a flow through the inlet, m^3/s, for a time step whose length and past are set."""
        assert self.entrance is not None and self.coefficients.past is not None
        past = self.velocity_part.of(self.coefficients.past)
        past.x.array[:] *= self.blood.density
        viscosity, rate = (float(item.value) for item in (self.coefficients.viscosity, self.coefficients.density_rate))
        self.entrance.carry(flow, viscosity, rate, past)

    def set_time_step(self, step: float | None, weight: float = 1.0) -> None:
        """The length of a time step, s, and the new value's weight in the time derivative; None for none."""
        self.coefficients.density_rate.value = 0.0 if step is None else self.blood.density * weight / step

    def set_viscosity_factor(self, factor: float) -> None:
        """Solve for a fluid ``factor`` times as viscous as blood."""
        self.coefficients.viscosity.value = factor * self.blood.viscosity


def taylor_hood(domain: Domain) -> fem.FunctionSpace:
    """P2 velocity, P1 pressure (Taylor and Hood 1973, Comput Fluids 1:73)."""
    cell = domain.mesh.basix_cell()
    velocity = basix.ufl.element("Lagrange", cell, 2, shape=(3,))
    pressure = basix.ufl.element("Lagrange", cell, 1)
    return fem.functionspace(domain.mesh, basix.ufl.mixed_element([velocity, pressure]), jit_options=jit_options())


def build_problem(
    domain: Domain,
    blood: Blood,
    conditions: FlowConditions,
    options: FemOptions | None = None,
    force: Any = None,
    prescribed_velocity: Any = None,
    leak: Array | None = None,
    unsteady: bool = False,
) -> FlowProblem:
    """Make the problem of one vessel tree.

    Parameters
    ----------
    options
        Weights of the stabilisations.
    force
        UFL body force, N/m^3, for verification.
    prescribed_velocity
        Callable of points (3, n) -> (3, n) m/s that replaces every boundary condition by prescribed velocities on
        the wall and the inlet, for verification.
    leak
        (cells,) conductance per volume of the side branches that leave in each INPUT cell, 1 / (Pa s).
    unsteady
        Whether the fluid's inertia in time counts.
    """
    options = options or FemOptions()
    space = taylor_hood(domain)
    state = fem.Function(space, dtype=np.float64)
    unit = blood.density * REFERENCE_SPEED**2
    coefficients = _coefficients(domain, blood, conditions, leak, space if unsteady else None)
    whole = weak_form(domain, blood, conditions, options, state, unit, coefficients, force)
    velocity, pressure = (Part(part, np.asarray(places)) for part, places in (space.sub(k).collapse() for k in (0, 1)))
    entrance = None
    if conditions.inlet_flow is not None and prescribed_velocity is None:
        entrance = Entrance(domain)
        entrance.carry(conditions.inlet_flow)
    entering = None if entrance is None else entrance.velocity
    prescribed, inlet_velocity, rows = _prescribed(domain, space, velocity.space, entering, prescribed_velocity)
    outlets = resistance_outlets(domain, space, conditions.outlet_resistance, conditions.venous_pressure, rows)
    cell_jacobian, jacobian = None, whole.jacobian_on_caps
    if blood.thinning is None and force is None:
        held = np.concatenate([bc.dof_indices()[0] for bc in prescribed])
        cell_jacobian = CellJacobian(
            state, _cell_unknowns(velocity, pressure), held, coefficients, blood, options, unit
        )
    else:
        jacobian += whole.jacobian
    residual_form, jacobian_form, balance_form = (
        fem.form(form, jit_options=jit_options()) for form in (whole.residual, jacobian, whole.balance)
    )
    return FlowProblem(
        domain=domain,
        blood=blood,
        conditions=conditions,
        state=state,
        velocity_part=velocity,
        pressure_part=pressure,
        pressure_unit=unit,
        coefficients=coefficients,
        residual_form=residual_form,
        jacobian_form=jacobian_form,
        cell_jacobian=cell_jacobian,
        pattern_form=every_pair(space),
        balance_form=balance_form,
        prescribed=prescribed,
        inlet_velocity=inlet_velocity,
        entrance=entrance,
        prescribed_rows=rows,
        outlets=outlets,
    )


def _cell_unknowns(velocity: Part, pressure: Part) -> NDArray[np.int32]:
    """(cells, 34) local unknowns: those of node after node, three each, then the pressures."""
    vectors = velocity.places.reshape(-1, 3)[velocity.space.dofmap.list]
    scalars = pressure.places[pressure.space.dofmap.list]
    return np.concatenate([vectors.reshape(len(vectors), -1), scalars], axis=1).astype(np.int32)


def _coefficients(
    domain: Domain, blood: Blood, conditions: FlowConditions, leak: Array | None, unsteady: fem.FunctionSpace | None
) -> Coefficients:
    mesh, venous = domain.mesh, conditions.venous_pressure
    return Coefficients(
        newton=constant(mesh, 1.0),
        density_rate=constant(mesh, 0.0),
        past=None if unsteady is None else fem.Function(unsteady, dtype=np.float64),
        viscosity=constant(mesh, blood.viscosity),
        aortic=constant(mesh, conditions.aortic_pressure),
        leak=None if leak is None else from_cells(domain, leak),
        leak_level=None if leak is None else from_cells(domain, np.full_like(leak, venous)),
    )


def _prescribed(
    domain: Domain, space: fem.FunctionSpace, own: fem.FunctionSpace, entering: fem.Function | None, velocity: Any
) -> tuple[tuple[fem.DirichletBC, ...], fem.Function | None, NDArray[np.int32]]:
    """No slip on the wall, which wins over the inlet's profile on the rim they share; ``own``: the velocity's space."""
    still = fem.Function(own, dtype=np.float64)
    parts = [(WALL, still)]
    if velocity is not None:
        still.interpolate(velocity)
        entering = still
        parts.append((INLET, still))
    elif entering is not None:
        parts.insert(0, (INLET, entering))
    conditions_found = []
    for name, value in parts:
        dofs = fem.locate_dofs_topological((space.sub(0), value.function_space), 2, domain.facets(name))
        conditions_found.append(fem.dirichletbc(value, dofs, space.sub(0)))
    owned = space.dofmap.index_map.size_local * space.dofmap.index_map_bs
    rows = np.unique(np.concatenate([bc.dof_indices()[0] for bc in conditions_found]))
    return tuple(conditions_found), entering, rows[rows < owned].astype(np.int32)


def set_state(problem: FlowProblem, velocity: fem.Function, pressure: fem.Function) -> None:
    """Take over an initial guess (any velocity, any pressure function in Pa), then the prescribed velocities."""
    u, p = (fem.Function(part.space, dtype=np.float64) for part in (problem.velocity_part, problem.pressure_part))
    u.interpolate(velocity)
    p.interpolate(pressure)
    problem.state.x.array[problem.velocity_part.places] = u.x.array
    problem.state.x.array[problem.pressure_part.places] = p.x.array / problem.pressure_unit
    problem.hold_prescribed()


def set_edges(problem: FlowProblem, edges: NDArray[np.int64], velocity: Array) -> None:
    """Take over the velocity in the middle of edges, (e, 3) m/s, given by the (e, 2) input vertices that they join."""
    part = problem.velocity_part
    nodes, ends = edge_nodes(part.space)
    places = part.places.reshape(-1, 3)[nodes]
    problem.state.x.array[places] = velocity[edge_rows(edges, ends)]
    problem.hold_prescribed()
