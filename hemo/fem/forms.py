r"""The weak form of steady incompressible flow, one function per term.

Find :math:`(u, p)` with :math:`u = 0` on the wall such that for all :math:`(v, q)`

.. math::

    \rho (u \cdot \nabla u, v) + \mu (\nabla u, \nabla v) - (p, \nabla \cdot v) - (q, \nabla \cdot u)
    + \sum_i p_i \int_{\Gamma_i} n \cdot v
    + \int_{\Gamma_{in}} (p_a - \rho |u|^2 / 2)\, n \cdot v
    - \beta \rho / 2 \sum_i \int_{\Gamma_i} (u \cdot n)_- u \cdot v = 0 .

The viscous term is :math:`\mu \nabla u : \nabla v`, not :math:`2 \mu D(u) : D(v)`: its natural condition is
:math:`\mu\, \partial u / \partial n - p n = -p_i n`, which Poiseuille flow satisfies, so it passes the caps
undisturbed (Heywood, Rannacher, Turek 1996, Int J Numer Methods Fluids 22:325). The traction on the wall is the
same for both: where :math:`u = 0` on a surface, :math:`\nabla u = (\partial u / \partial n) \otimes n`, hence
:math:`(\nabla u)^T n = (\nabla \cdot u)\, n = 0`.
"""

from __future__ import annotations

from typing import Any

import ufl
from ufl import dot, dx, grad, inner

Expression = Any

# Exact on straight-sided cells for P2 velocity and P1 pressure; the estimates are the same or higher.
VISCOUS_DEGREE = 2
CONVECTION_DEGREE = 5
MASS_DEGREE = 4
CAP_DEGREE = 6


def viscous(u: Expression, v: Expression, mu: Expression) -> ufl.Form:
    """mu grad u : grad v."""
    return mu * inner(grad(u), grad(v)) * dx(degree=VISCOUS_DEGREE)


def convection(w: Expression, u: Expression, v: Expression, rho: Expression) -> ufl.Form:
    """rho (w . grad u) . v: momentum carried by w."""
    return rho * inner(dot(grad(u), w), v) * dx(degree=CONVECTION_DEGREE)


def pressure_gradient(p: Expression, v: Expression) -> ufl.Form:
    """-p div v."""
    return -p * ufl.div(v) * dx(degree=2)


def continuity(u: Expression, q: Expression) -> ufl.Form:
    """-q div u; the sign makes the Stokes part symmetric."""
    return -q * ufl.div(u) * dx(degree=2)


def pseudo_inertia(u: Expression, v: Expression, rho: Expression, rate: Expression) -> ufl.Form:
    """rho / dtau u . v with rate = 1 / dtau, cell by cell; in the Jacobian only."""
    return rho * rate * inner(u, v) * dx(degree=MASS_DEGREE)


def body_force(f: Expression, v: Expression, degree: int = 6) -> ufl.Form:
    """-f . v, f in N/m^3."""
    return -inner(f, v) * dx(degree=degree)


def cap_flux(v: Expression, n: Expression, ds: ufl.Measure) -> ufl.Form:
    """n . v over a cap: with v = u its flow, as a load the force of a unit pressure on the cap."""
    return dot(v, n) * ds


def total_pressure(u: Expression, v: Expression, n: Expression, pa: Expression, rho: Expression, ds: Any) -> ufl.Form:
    """(pa - rho |u|^2 / 2) n . v: the fluid enters with the total pressure pa."""
    return (pa - rho * dot(u, u) / 2) * dot(v, n) * ds


def backflow(u: Expression, v: Expression, n: Expression, beta: Expression, rho: Expression, ds: Any) -> ufl.Form:
    """-beta rho / 2 (u . n)_- u . v (Esmaily Moghadam et al. 2011, Comput Mech 48:277): nothing where fluid leaves."""
    inward = (dot(u, n) - abs(dot(u, n))) / 2
    return -beta * rho / 2 * inward * dot(u, v) * ds
