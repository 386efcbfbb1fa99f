"""The growth of small disturbances by :mod:`hemo.fem.stability` beside that of the axisymmetric flow's own.

Straight stenoses on swept rings of tetrahedra, whose sixfold symmetry leaves the jet on the axis: the leaning to either
side has one and the same growth, as in :mod:`validation.axisymmetric`, where azimuth is split off and the rest is a
plane problem with another code and another solver of eigenvalues. On an unsymmetrical mesh the two directions differ.
"""

from __future__ import annotations

import numpy as np

from hemo.blood import Blood
from hemo.boundary import FlowConditions
from hemo.fem.linear import LaggedFactorisation
from hemo.fem.marching import crossing_time
from hemo.fem.options import FemOptions
from hemo.fem.problem import FlowProblem
from hemo.fem.solver import solve_steady
from hemo.fem.stability import leading_mode
from hemo.results import Status
from hemo.units import MILLIMETRE
from validation.axisymmetric import ACROSS, CASES, LENGTH, StenosedFlow, wall_radius
from validation.solving import parabola, set_up
from validation.table import Table, publish
from validation.tets import graded_stations, tube

RINGS = (4, 5, 6)
PER_RADIUS = 0.4  # layers along a radius, for each ring
AORTIC, VENOUS = 12400.0, 600.0  # Pa; nothing here depends on them


def problem(severity: float, flow: float, rings: int) -> FlowProblem:
    """At ``flow``, m^3/s, the parabola everywhere as the guess."""

    def radius(z: np.ndarray) -> np.ndarray:
        return MILLIMETRE * wall_radius(z / MILLIMETRE, severity)

    mesh = tube(radius, graded_stations(radius, LENGTH * MILLIMETRE, PER_RADIUS * rings), rings)
    conditions = FlowConditions(AORTIC, VENOUS, {"out": (AORTIC - VENOUS) / flow}, flow)
    return set_up(mesh, conditions, parabola(mesh, radius, flow))


def growth(severity: float, flow: float, rings: int) -> tuple[int, complex]:
    """Unknowns, and the leading growth, 1/s."""
    found, options = problem(severity, flow, rings), FemOptions()
    outcome = solve_steady(found, options)
    assert outcome.status is Status.CONVERGED, outcome.message
    linear = LaggedFactorisation(found.create_matrix(), found.outlets, options)
    mode = leading_mode(found, linear, crossing_time(found))
    assert mode is not None
    mode.shape.destroy()
    linear.destroy()
    return found.unknowns, mode.growth


def main() -> None:
    """Table over rings, for each stenosis."""
    blood, rows = Blood(), []
    for severity, rate in CASES:
        plane = StenosedFlow(severity, rate, ACROSS[-1])
        plane.solve(1e3 * blood.viscosity / blood.density, above=8.0)
        expected = 1e3 * plane.growth().real
        for rings in RINGS:
            unknowns, found = growth(severity, 1e-6 * rate, rings)
            row = (f"{100 * severity:.0f} %", f"{rate:g}", str(rings), f"{unknowns:,}", f"{found.real:+.2f}")
            rows.append((*row, f"{expected:+.2f}", f"{100 * (found.real / expected - 1.0):+.1f} %"))
    columns = ("stenosis", "mL/s", "rings", "unknowns", "growth / 1/s", "of the plane problem", "difference")
    note = f"The plane problem has {ACROSS[-1]} cells along a radius; {PER_RADIUS:g} layers a ring along a radius here."
    publish(Table("stability", columns, tuple(rows), note))
