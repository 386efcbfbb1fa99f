"""The residual and its derivative, put together of the terms of :mod:`hemo.fem.forms`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import ufl
from dolfinx import fem

from hemo.blood import Blood
from hemo.boundary import FlowConditions
from hemo.fem import forms
from hemo.fem.domain import Domain
from hemo.fem.options import FemOptions
from hemo.tetmesh import INLET, WALL


@dataclass(frozen=True)
class Coefficients:
    """What the forms read and the solvers set.

    Attributes
    ----------
    newton
        0 for Picard's linearisation, 1 for Newton's.
    density_rate
        Density over a time step, kg/(m^3 s), times the new value's weight in the time derivative. Without ``past`` it
        stands in the Jacobian alone (pseudo-time); 0 then for Newton's method itself.
    past
        For unsteady flow, in its velocity part: what earlier times add to the acceleration, m/s^2.
    viscosity
        Of the fluid that is solved for now, Pa s: blood's in the end.
    aortic
        Pressure at the inlet, total where fluid enters, static where it leaves, Pa.
    leak, leak_level
        Conductance per volume, 1 / (Pa s), of the side branches that leave in each cell, and the pressure, Pa, that
        they empty into; None where none leave.
    """

    newton: fem.Constant
    density_rate: fem.Constant
    past: fem.Function | None
    viscosity: fem.Constant
    aortic: fem.Constant
    leak: fem.Function | None
    leak_level: fem.Function | None


@dataclass(frozen=True)
class WeakForm:
    """UFL forms: the residual, its derivative in cells and on caps, the viscous and inertial part of the residual."""

    residual: ufl.Form
    jacobian: ufl.Form
    jacobian_on_caps: ufl.Form
    balance: ufl.Form


def weak_form(
    domain: Domain,
    blood: Blood,
    conditions: FlowConditions,
    options: FemOptions,
    state: fem.Function,
    pressure_unit: float,
    coefficients: Coefficients,
    force: Any = None,
) -> WeakForm:
    """The forms at ``state``; what an outlet's pressure adds is kept apart (:mod:`hemo.fem.outlets`).

    Parameters
    ----------
    pressure_unit
        Pa in one unit of the unknown pressure.
    force
        UFL body force, N/m^3, for verification.
    """
    mesh = domain.mesh
    rho, scale, n = constant(mesh, blood.density), constant(mesh, pressure_unit), ufl.FacetNormal(mesh)
    mu, newton, density_rate = coefficients.viscosity, coefficients.newton, coefficients.density_rate
    u, p_hat = ufl.split(state)
    du, dp_hat = ufl.TrialFunctions(state.function_space)
    v, q_hat = ufl.TestFunctions(state.function_space)
    p, dp, q = scale * p_hat, scale * dp_hat, scale * q_hat

    boundary, boundary_jacobian = _cap_terms(domain, conditions, coefficients, u, du, v, n, rho, options.backflow)
    viscous, viscous_change = forms.viscous(u, v, mu), forms.viscous(du, v, mu)
    if blood.thinning is not None:
        shear, plateau = forms.squared_shear_rate(u), blood.viscosity
        change = newton * forms.thinning_change(u, du, mu * blood.thinning.ratio_slope(shear, plateau))
        mu = local_viscosity(mu, blood, u)
        viscous, viscous_change = forms.stress(u, v, mu), forms.stress(du, v, mu) + forms.stress(u, v, change)
        for ds in _natural_caps(domain, conditions).values():
            boundary += forms.stress_on_cap(u, v, n, mu, ds)
            boundary_jacobian += forms.stress_on_cap(du, v, n, mu, ds) + forms.stress_on_cap(u, v, n, change, ds)
    balance = viscous + forms.convection(u, u, v, rho)
    residual = balance + boundary
    residual += forms.pressure_gradient(p, v) + forms.continuity(u, q)
    strong = forms.strong_residual(u, u, p, rho, forms.viscous_force(u, mu, blood.thinning is not None))
    if coefficients.past is not None:
        past, _ = ufl.split(coefficients.past)
        residual += forms.inertia(u, v, density_rate) + forms.remembered(past, v, rho)
        strong += density_rate * u + rho * past
    if force is not None:
        residual += forms.body_force(force, v)
        strong -= force
    tau = forms.streamline_time(u, mu / rho, mesh)
    along = constant(mesh, options.streamline) * tau
    bulk = constant(mesh, options.grad_div) * forms.bulk_viscosity(tau, rho, mesh)
    residual += forms.streamline_upwind(u, v, along, strong) + forms.grad_div(u, v, bulk)
    strong_change = forms.strong_residual(u, du, dp, rho, forms.viscous_force(du, mu, blood.thinning is not None))
    strong_change += newton * rho * ufl.dot(ufl.grad(u), du)
    if coefficients.past is not None:
        strong_change += density_rate * du
    tau_change = forms.streamline_time_change(u, du, tau, mesh)
    jacobian = (
        viscous_change
        + forms.inertia(du, v, density_rate)
        + forms.convection(u, du, v, rho)
        + newton * forms.convection(du, u, v, rho)
        + forms.pressure_gradient(dp, v)
        + forms.continuity(du, q)
        + forms.streamline_upwind(u, v, along, strong_change)
        + newton * forms.streamline_upwind(du, v, along, strong)
        + newton * forms.streamline_upwind(u, v, along / tau * tau_change, strong)
        - newton * forms.grad_div(u, v, bulk / tau * tau_change)
        + forms.grad_div(du, v, bulk)
    )
    if coefficients.leak is not None:
        g = coefficients.leak
        rate = forms.leak_rate(u, p, g, coefficients.leak_level, rho)
        rate_change = forms.leak_rate_change(u, du, dp, g, rho, newton)
        residual += forms.leakage(rate, q) + forms.grad_leak(rate, v, bulk)
        jacobian += forms.leakage(rate_change, q) + forms.grad_leak(rate_change, v, bulk)
        jacobian -= newton * forms.grad_leak(rate, v, bulk / tau * tau_change)
    return WeakForm(residual, jacobian, boundary_jacobian, balance)


def local_viscosity(mu: Any, blood: Blood, u: Any) -> Any:
    """The viscosity where the velocity is u, Pa s, of a fluid like blood whose viscosity at high shear is ``mu``."""
    if blood.thinning is None:
        return mu
    return mu * blood.thinning.ratio(forms.squared_shear_rate(u), blood.viscosity)


def constant(mesh: Any, value: float) -> fem.Constant:
    """A number that the forms read anew at every assembly."""
    return fem.Constant(mesh, np.float64(value))


def _natural_caps(domain: Domain, conditions: FlowConditions) -> dict[str, Any]:
    """The measures of the caps where no velocity is prescribed, by name."""
    prescribed = (WALL, INLET) if conditions.inlet_flow is not None else (WALL,)
    names = [name for name in domain.names.values() if name not in prescribed]
    return {name: domain.boundary_measure(name, forms.CAP_DEGREE) for name in names}


def _cap_terms(
    domain: Domain,
    conditions: FlowConditions,
    coefficients: Coefficients,
    u: Any,
    du: Any,
    v: Any,
    n: Any,
    rho: Any,
    beta: float,
) -> tuple[ufl.Form, ufl.Form]:
    """Natural conditions that depend on u nonlinearly, and their linearisation; outlet pressures are vectors."""
    terms, linear = ufl.Form([]), ufl.Form([])
    stabilised = constant(domain.mesh, beta)
    for name, ds in _natural_caps(domain, conditions).items():
        if name == INLET:
            terms += forms.total_pressure(u, v, n, coefficients.aortic, rho, ds) + forms.crossflow(u, u, v, n, rho, ds)
            linear += forms.total_pressure_jacobian(u, du, v, n, rho, coefficients.newton, ds)
            linear += forms.crossflow(u, du, v, n, rho, ds)
        else:
            terms += forms.backflow(u, u, v, n, stabilised, rho, ds)
            linear += forms.backflow(u, du, v, n, stabilised, rho, ds)
    return terms, linear
