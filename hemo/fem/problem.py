"""The discrete problem: Taylor-Hood space, residual, Jacobian and prescribed velocities of one vessel tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import basix.ufl
import numpy as np
import ufl
from dolfinx import fem
from dolfinx.fem import petsc as fem_petsc
from numpy.typing import NDArray
from petsc4py import PETSc

from hemo.blood import Blood
from hemo.boundary import FlowConditions
from hemo.fem import forms
from hemo.fem.domain import Domain, from_cells
from hemo.fem.jit import jit_options
from hemo.fem.job import FemOptions
from hemo.fem.outlets import ResistanceOutlets, inlet_profile, resistance_outlets
from hemo.tetmesh import INLET, WALL

Array = NDArray[np.float64]

REFERENCE_SPEED = 1.0  # m/s


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
    pressure_unit
        Pa in one unit of the unknown pressure.
    newton
        0 for Picard's linearisation, 1 for Newton's.
    density_rate
        Density over the pseudo-time step, kg/(m^3 s): 0 for Newton's method itself.
    viscosity
        Of the fluid that is solved for now, Pa s: blood's in the end.
    residual_form, jacobian_form, balance_form
        Compiled forms; the last is the viscous and inertial part of the residual alone.
    prescribed
        Dirichlet conditions.
    prescribed_rows
        Owned rows they fix.
    outlets
        The resistance coupling.
    """

    domain: Domain
    blood: Blood
    conditions: FlowConditions
    state: fem.Function
    pressure_unit: float
    newton: fem.Constant
    density_rate: fem.Constant
    viscosity: fem.Constant
    residual_form: fem.Form
    jacobian_form: fem.Form
    balance_form: fem.Form
    prescribed: tuple[fem.DirichletBC, ...]
    prescribed_rows: NDArray[np.int32]
    outlets: ResistanceOutlets

    @property
    def unknowns(self) -> int:
        """Number of unknowns over all ranks."""
        dofmap = self.state.function_space.dofmap
        return int(dofmap.index_map.size_global * dofmap.index_map_bs)

    def velocity(self) -> fem.Function:
        """The P2 velocity, m/s (a copy)."""
        return self.state.sub(0).collapse()

    def pressure(self) -> fem.Function:
        """The P1 pressure, Pa (a copy)."""
        pressure = self.state.sub(1).collapse()
        pressure.x.array[:] *= self.pressure_unit
        return pressure

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

    def assemble_jacobian(self, matrix: PETSc.Mat) -> None:
        """The sparse part of the Jacobian at the current state (without the resistance coupling)."""
        matrix.zeroEntries()
        fem_petsc.assemble_matrix_mat(matrix, self.jacobian_form, bcs=list(self.prescribed))
        matrix.assemble()

    def set_time_step(self, step: float | None) -> None:
        """Damp the next steps by a backward Euler step of that length, s; None for none."""
        self.density_rate.value = 0.0 if step is None else self.blood.density / step

    def set_viscosity_factor(self, factor: float) -> None:
        """Solve for a fluid ``factor`` times as viscous as blood."""
        self.viscosity.value = factor * self.blood.viscosity


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
    """
    options = options or FemOptions()
    mesh = domain.mesh
    space = taylor_hood(domain)
    state = fem.Function(space, dtype=np.float64)
    unit = blood.density * REFERENCE_SPEED**2
    rho, mu = (fem.Constant(mesh, np.float64(value)) for value in (blood.density, blood.viscosity))
    scale = fem.Constant(mesh, np.float64(unit))
    newton, density_rate = fem.Constant(mesh, np.float64(1.0)), fem.Constant(mesh, np.float64(0.0))
    n = ufl.FacetNormal(mesh)

    u, p_hat = ufl.split(state)
    du, dp_hat = ufl.TrialFunctions(space)
    v, q_hat = ufl.TestFunctions(space)
    p, dp, q = scale * p_hat, scale * dp_hat, scale * q_hat

    boundary, boundary_jacobian = _cap_terms(domain, conditions, u, du, v, n, rho, options.backflow, newton)
    balance = forms.viscous(u, v, mu) + forms.convection(u, u, v, rho)
    residual = balance + boundary
    residual += forms.pressure_gradient(p, v) + forms.continuity(u, q)
    strong = forms.strong_residual(u, u, p, rho, mu)
    if force is not None:
        residual += forms.body_force(force, v)
        strong -= force
    tau = forms.streamline_time(u, mu / rho, mesh)
    along = fem.Constant(mesh, np.float64(options.streamline)) * tau
    bulk = fem.Constant(mesh, np.float64(options.grad_div)) * forms.bulk_viscosity(tau, rho, mesh)
    residual += forms.streamline_upwind(u, v, along, strong) + forms.grad_div(u, v, bulk)
    strong_change = forms.strong_residual(u, du, dp, rho, mu) + newton * rho * ufl.dot(ufl.grad(u), du)
    tau_change = forms.streamline_time_change(u, du, tau, mesh)
    jacobian = (
        forms.viscous(du, v, mu)
        + forms.inertia(du, v, density_rate)
        + forms.convection(u, du, v, rho)
        + newton * forms.convection(du, u, v, rho)
        + forms.pressure_gradient(dp, v)
        + forms.continuity(du, q)
        + boundary_jacobian
        + forms.streamline_upwind(u, v, along, strong_change)
        + newton * forms.streamline_upwind(du, v, along, strong)
        + newton * forms.streamline_upwind(u, v, along / tau * tau_change, strong)
        - newton * forms.grad_div(u, v, bulk / tau * tau_change)
        + forms.grad_div(du, v, bulk)
    )
    if leak is not None:
        g, venous = from_cells(domain, leak), fem.Constant(mesh, np.float64(conditions.venous_pressure))
        rate = forms.leak_rate(u, p, g, venous, rho)
        rate_change = forms.leak_rate_change(u, du, dp, g, rho, newton)
        residual += forms.leakage(rate, q) + forms.grad_leak(rate, v, bulk)
        jacobian += forms.leakage(rate_change, q) + forms.grad_leak(rate_change, v, bulk)
        jacobian -= newton * forms.grad_leak(rate, v, bulk / tau * tau_change)
    prescribed, rows = _prescribed(domain, space, conditions, prescribed_velocity)
    outlets = resistance_outlets(domain, space, conditions.outlet_resistance, conditions.venous_pressure, rows)
    residual_form, jacobian_form, balance_form = (
        fem.form(form, jit_options=jit_options()) for form in (residual, jacobian, balance)
    )
    return FlowProblem(
        domain=domain,
        blood=blood,
        conditions=conditions,
        state=state,
        pressure_unit=unit,
        newton=newton,
        density_rate=density_rate,
        viscosity=mu,
        residual_form=residual_form,
        jacobian_form=jacobian_form,
        balance_form=balance_form,
        prescribed=prescribed,
        prescribed_rows=rows,
        outlets=outlets,
    )


def _cap_terms(
    domain: Domain, conditions: FlowConditions, u: Any, du: Any, v: Any, n: Any, rho: Any, beta: float, newton: Any
) -> tuple[ufl.Form, ufl.Form]:
    """Natural conditions that depend on u nonlinearly, and their linearisation; outlet pressures are vectors."""
    terms, linear = ufl.Form([]), ufl.Form([])
    stabilised = fem.Constant(domain.mesh, np.float64(beta))
    for name in domain.names.values():
        if name == WALL or (name == INLET and conditions.inlet_flow is not None):
            continue
        ds = domain.boundary_measure(name, forms.CAP_DEGREE)
        if name == INLET:
            aortic = fem.Constant(domain.mesh, np.float64(conditions.aortic_pressure))
            terms += forms.total_pressure(u, v, n, aortic, rho, ds) + forms.crossflow(u, u, v, n, rho, ds)
            linear += forms.total_pressure_jacobian(u, du, v, n, rho, newton, ds) + forms.crossflow(
                u, du, v, n, rho, ds
            )
        else:
            terms += forms.backflow(u, u, v, n, stabilised, rho, ds)
            linear += forms.backflow(u, du, v, n, stabilised, rho, ds)
    return terms, linear


def _prescribed(
    domain: Domain, space: fem.FunctionSpace, conditions: FlowConditions, velocity: Any
) -> tuple[tuple[fem.DirichletBC, ...], NDArray[np.int32]]:
    """No slip on the wall, which wins over the inlet's profile on the rim they share."""
    collapsed, _ = space.sub(0).collapse()
    still = fem.Function(collapsed, dtype=np.float64)
    parts = [(WALL, still)]
    if velocity is not None:
        still.interpolate(velocity)
        parts.append((INLET, still))
    elif conditions.inlet_flow is not None:
        parts.insert(0, (INLET, inlet_profile(domain, conditions.inlet_flow)))
    conditions_found = []
    for name, value in parts:
        dofs = fem.locate_dofs_topological((space.sub(0), value.function_space), 2, domain.facets(name))
        conditions_found.append(fem.dirichletbc(value, dofs, space.sub(0)))
    owned = space.dofmap.index_map.size_local * space.dofmap.index_map_bs
    rows = np.unique(np.concatenate([bc.dof_indices()[0] for bc in conditions_found]))
    return tuple(conditions_found), rows[rows < owned].astype(np.int32)


def set_state(problem: FlowProblem, velocity: fem.Function, pressure: fem.Function) -> None:
    """Take over an initial guess (any velocity, any pressure function in Pa), then the prescribed velocities."""
    space = problem.state.function_space
    (velocity_space, velocity_dofs), (pressure_space, pressure_dofs) = space.sub(0).collapse(), space.sub(1).collapse()
    u, p = fem.Function(velocity_space, dtype=np.float64), fem.Function(pressure_space, dtype=np.float64)
    u.interpolate(velocity)
    p.interpolate(pressure)
    problem.state.x.array[np.asarray(velocity_dofs)] = u.x.array
    problem.state.x.array[np.asarray(pressure_dofs)] = p.x.array / problem.pressure_unit
    for bc in problem.prescribed:
        bc.set(problem.state.x.array, None, 1.0)
    problem.state.x.scatter_forward()
