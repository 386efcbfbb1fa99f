r"""The weak form of incompressible flow, one function per term.

Find :math:`(u, p)` with :math:`u = 0` on the wall such that for all :math:`(v, q)`

.. math::

    \rho (u \cdot \nabla u, v) + \mu (\nabla u, \nabla v) - (p, \nabla \cdot v) - (q, \nabla \cdot u)
    + \sum_i p_i \int_{\Gamma_i} n \cdot v
    + \int_{\Gamma_{in}} (p_a - \rho |u|^2 / 2)\, n \cdot v
    - \beta \rho / 2 \sum_i \int_{\Gamma_i} (u \cdot n)_- u \cdot v = 0 ,

with :math:`p_a` alone on the inlet where fluid leaves through it.

Where side branches that are not in the mesh leave, fluid is taken out of the lumen's volume: :math:`\nabla \cdot u
+ g\,(p + \rho |u|^2 / 2 - p_v) = 0` with g the conductance of the beds beyond per volume. In the convective form of the
momentum equation what leaves takes its own momentum along, so that total pressure is kept, as in the reduced model.

In time, :math:`\rho (\partial u / \partial t, v)` comes on top, and belongs to what the streamline stabilisation
weights; its time scale holds no time step, so that a steady flow stays one whatever the step.

The viscous term is :math:`\mu \nabla u : \nabla v`, not :math:`2 \mu D(u) : D(v)`: its natural condition is
:math:`\mu\, \partial u / \partial n - p n = -p_i n`, which Poiseuille flow satisfies, so it passes the caps
undisturbed (Heywood, Rannacher, Turek 1996, Int J Numer Methods Fluids 22:325). The traction on the wall is the
same for both: where :math:`u = 0` on a surface, :math:`\nabla u = (\partial u / \partial n) \otimes n`, hence
:math:`(\nabla u)^T n = (\nabla \cdot u)\, n = 0`.

Where blood thins, :math:`\mu` varies and only :math:`2 \mu(\dot\gamma) D(u) : D(v)`, :math:`\dot\gamma^2 = 2 D : D`,
is right; taking :math:`\mu (\nabla u)^T n` off on the caps leaves their natural condition what it was.
"""

from __future__ import annotations

from typing import Any

import ufl
from ufl import dot, dx, grad, inner

Expression = Any

# Exact on straight-sided cells for P2 velocity and P1 pressure; the estimates are the same or higher.
VISCOUS_DEGREE = 2
THINNING_DEGREE = 4
MASS_DEGREE = 4
CONVECTION_DEGREE = 5
CAP_DEGREE = 6
STABILISATION_DEGREE = 5
LEAST_SHEAR_RATE = 1e-3  # 1/s


def viscous(u: Expression, v: Expression, mu: Expression) -> ufl.Form:
    """mu grad u : grad v."""
    return mu * inner(grad(u), grad(v)) * dx(degree=VISCOUS_DEGREE)


def squared_shear_rate(u: Expression) -> Expression:
    """2 D(u) : D(u), 1/s^2; never zero, where a viscosity's slope may have no bounds."""
    return 2 * inner(ufl.sym(grad(u)), ufl.sym(grad(u))) + LEAST_SHEAR_RATE**2


def stress(u: Expression, v: Expression, mu: Expression) -> ufl.Form:
    """2 mu D(u) : D(v)."""
    return 2 * mu * inner(ufl.sym(grad(u)), ufl.sym(grad(v))) * dx(degree=THINNING_DEGREE)


def stress_on_cap(u: Expression, v: Expression, n: Expression, mu: Expression, ds: Any) -> ufl.Form:
    """-mu (grad u)^T n . v: what the stress has on a cap beyond mu du/dn."""
    return -mu * dot(dot(grad(u).T, n), v) * ds


def thinning_change(u: Expression, du: Expression, slope: Expression) -> Expression:
    """The viscosity's change with du, Pa s; ``slope`` its derivative by the squared shear rate."""
    return 4 * slope * inner(ufl.sym(grad(u)), ufl.sym(grad(du)))


def convection(w: Expression, u: Expression, v: Expression, rho: Expression) -> ufl.Form:
    """rho (w . grad u) . v: momentum carried by w."""
    return rho * inner(dot(grad(u), w), v) * dx(degree=CONVECTION_DEGREE)


def inertia(u: Expression, v: Expression, density_rate: Expression) -> ufl.Form:
    """density_rate u . v: in the Jacobian, what a step of a backward differentiation formula adds to it."""
    return density_rate * inner(u, v) * dx(degree=MASS_DEGREE)


def remembered(past: Expression, v: Expression, rho: Expression) -> ufl.Form:
    """rho past . v: the part of the acceleration that earlier times determine, past in m/s^2."""
    return rho * inner(past, v) * dx(degree=MASS_DEGREE)


def pressure_gradient(p: Expression, v: Expression) -> ufl.Form:
    """-p div v."""
    return -p * ufl.div(v) * dx(degree=2)


def continuity(u: Expression, q: Expression) -> ufl.Form:
    """-q div u; the sign makes the Stokes part symmetric."""
    return -q * ufl.div(u) * dx(degree=2)


def leakage(rate: Expression, q: Expression) -> ufl.Form:
    """-q times the leak rate: continuity is div u + rate = 0 where side branches leave."""
    return -q * rate * dx(degree=STABILISATION_DEGREE)


def leak_rate(u: Expression, p: Expression, conductance: Expression, venous: Expression, rho: Expression) -> Expression:
    """What leaves through unseen side branches, per volume of lumen, 1/s: conductance (p + rho |u|^2 / 2 - venous)."""
    return conductance * (p + rho * dot(u, u) / 2 - venous)


def leak_rate_change(
    u: Expression, du: Expression, dp: Expression, conductance: Expression, rho: Expression, newton: Any
) -> Expression:
    """Its derivative; ``newton`` 0 freezes the velocity."""
    return conductance * (dp + newton * rho * dot(u, du))


def strong_residual(w: Expression, u: Expression, p: Expression, rho: Expression, viscous: Expression) -> Expression:
    """rho w . grad u + grad p less the ``viscous`` force, inside each cell, N/m^3."""
    return rho * dot(grad(u), w) + grad(p) - viscous


def viscous_force(u: Expression, mu: Expression, thinning: bool) -> Expression:
    """mu laplace u, or div(2 mu D(u)) where mu varies, inside each cell, N/m^3."""
    return ufl.div(2 * mu * ufl.sym(grad(u))) if thinning else mu * ufl.div(grad(u))


def streamline_time(w: Expression, nu: Expression, mesh: Any) -> Expression:
    """tau = (4 w . G w + C nu^2 G : G)^{-1/2}, s, with G = J^{-T} J^{-1} the metric of the cell.

    Shakib, Hughes and Johan 1991 (Comput Methods Appl Mech Eng 89:141) with h/2 for the quadratic velocity;
    C = 36 x 2^4 from the inverse estimate.
    """
    inverse = ufl.JacobianInverse(mesh)
    metric = ufl.dot(inverse.T, inverse)
    along = dot(inverse, w)
    return 1 / ufl.sqrt(4 * dot(along, along) + 576 * nu**2 * inner(metric, metric))


def streamline_time_change(w: Expression, dw: Expression, tau: Expression, mesh: Any) -> Expression:
    """The derivative of tau with respect to w in the direction dw, s."""
    inverse = ufl.JacobianInverse(mesh)
    return -4 * tau**3 * dot(dot(inverse, w), dot(inverse, dw))


def streamline_upwind(w: Expression, v: Expression, tau: Expression, residual: Expression) -> ufl.Form:
    """tau (w . grad v) . residual: SUPG of Brooks and Hughes 1982 (Comput Methods Appl Mech Eng 32:199), consistent."""
    return tau * inner(dot(grad(v), w), residual) * dx(degree=STABILISATION_DEGREE)


def bulk_viscosity(tau: Expression, rho: Expression, mesh: Any) -> Expression:
    """rho / (tau tr G), Pa s (Bazilevs et al. 2007, Comput Methods Appl Mech Eng 197:173)."""
    inverse = ufl.JacobianInverse(mesh)
    return rho / (tau * inner(inverse, inverse))


def grad_div(u: Expression, v: Expression, bulk: Expression) -> ufl.Form:
    """bulk div u div v: holds mass within each cell."""
    return bulk * ufl.div(u) * ufl.div(v) * dx(degree=STABILISATION_DEGREE)


def grad_leak(rate: Expression, v: Expression, bulk: Expression) -> ufl.Form:
    """bulk rate div v: what :func:`grad_div` must allow for where fluid leaves within the cell."""
    return bulk * rate * ufl.div(v) * dx(degree=STABILISATION_DEGREE)


def body_force(f: Expression, v: Expression, degree: int = 6) -> ufl.Form:
    """-f . v, f in N/m^3."""
    return -inner(f, v) * dx(degree=degree)


def cap_flux(v: Expression, n: Expression, ds: ufl.Measure) -> ufl.Form:
    """n . v over a cap: with v = u its flow, as a load the force of a unit pressure on the cap."""
    return dot(v, n) * ds


def total_pressure(u: Expression, v: Expression, n: Expression, pa: Expression, rho: Expression, ds: Any) -> ufl.Form:
    """(pa - rho |u|^2 / 2) n . v where fluid enters, with the total pressure pa; pa n . v where it leaves, as a jet."""
    return (pa - entering(u, n) * rho * dot(u, u) / 2) * dot(v, n) * ds


def total_pressure_jacobian(
    u: Expression, du: Expression, v: Expression, n: Expression, rho: Expression, newton: Expression, ds: Any
) -> ufl.Form:
    """Its linearisation; Picard's (newton = 0) carries u . du / 2, as the convective term does: twice that diverges."""
    return -(1 + newton) * entering(u, n) * rho / 2 * dot(u, du) * dot(v, n) * ds


def entering(w: Expression, n: Expression) -> Expression:
    """1 where fluid enters, else 0."""
    return ufl.conditional(ufl.lt(dot(w, n), 0), 1, 0)


def inward(w: Expression, n: Expression) -> Expression:
    """(w . n)_-: negative where fluid enters, else zero."""
    return (dot(w, n) - abs(dot(w, n))) / 2


def backflow(
    w: Expression, u: Expression, v: Expression, n: Expression, beta: Expression, rho: Expression, ds: Any
) -> ufl.Form:
    """-beta rho / 2 (w . n)_- u . v (Esmaily Moghadam et al. 2011, Comput Mech 48:277): nothing where fluid leaves."""
    return -beta * rho / 2 * inward(w, n) * dot(u, v) * ds


def crossflow(w: Expression, u: Expression, v: Expression, n: Expression, rho: Expression, ds: Any) -> ufl.Form:
    """-rho / 2 (w . n)_- u_t . v_t with u_t = u - (u . n) n: fluid that enters square to the inlet feels nothing.

    A total pressure leaves the direction of the entering fluid open; without this term swirl grows there.
    """
    across = dot(u, v) - dot(u, n) * dot(v, n)
    return -rho / 2 * inward(w, n) * across * ds
