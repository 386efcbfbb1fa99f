r"""Whether a steady flow lasts: the growth of small disturbances of it.

A disturbance :math:`v e^{\lambda t}` of a solution obeys :math:`\lambda \rho M v = -J v`, J the Jacobian there and M
the mass matrix of the velocity. The eigenvalues nearest to zero are found by Krylov and Schur's method (Stewart 2001,
SIAM J Matrix Anal Appl 23:601; SLEPc) on :math:`J^{-1} \rho M`. The jet of a stenosis first becomes unstable by leaning
to a side, without oscillating: such an eigenvalue passes through zero (Sherwin and Blackburn 2005, J Fluid Mech
533:297). Fast oscillations lie far from zero and are not looked for; and that bifurcation is subcritical: a flow said
to be stable may still be upset by a large disturbance.
"""

from __future__ import annotations

from dataclasses import dataclass

from petsc4py import PETSc
from slepc4py import SLEPc

from hemo.fem.linear import LaggedFactorisation
from hemo.fem.problem import FlowProblem

MODES = 3
SUBSPACE = 20
TOLERANCE = 1e-3
SOLVED = 1e-5  # relative residual of each linear solve
RESTARTS = 5


@dataclass(frozen=True)
class Mode:
    """A disturbance: its ``growth`` (real) and turning (imaginary), 1/s, and its real part as a state."""

    growth: complex
    shape: PETSc.Vec


class _Response:
    """x -> J^{-1} B x."""

    def __init__(self, linear: LaggedFactorisation, mass: PETSc.Mat) -> None:
        self.linear, self.mass = linear, mass
        self.work = mass.createVecLeft()

    def mult(self, _: PETSc.Mat, x: PETSc.Vec, y: PETSc.Vec) -> None:
        """PETSc's interface."""
        self.mass.mult(x, self.work)
        self.linear.solve(self.work, y, SOLVED)


def leading_mode(problem: FlowProblem, linear: LaggedFactorisation, time_scale: float) -> Mode | None:
    """The fastest growing of the disturbances nearest to steady ones; None where none was found; collective.

    Parameters
    ----------
    problem
        In the state of a steady solution.
    linear
        The Jacobian there is put into it.
    time_scale
        s; the order of the flow's own.
    """
    problem.coefficients.newton.value = 1.0
    problem.set_time_step(None)
    problem.assemble_jacobian(linear.matrix)
    linear.stale = True
    mass = problem.create_matrix()
    problem.set_time_step(time_scale)
    problem.assemble_jacobian(mass)
    problem.set_time_step(None)
    mass.axpy(-1.0, linear.matrix, PETSc.Mat.Structure.SAME_NONZERO_PATTERN)
    response = PETSc.Mat().createPython(mass.getSizes(), _Response(linear, mass), comm=mass.getComm())
    response.setUp()
    solver = SLEPc.EPS().create(mass.getComm())
    try:
        solver.setOperators(response)
        solver.setProblemType(SLEPc.EPS.ProblemType.NHEP)
        solver.setWhichEigenpairs(SLEPc.EPS.Which.LARGEST_MAGNITUDE)
        solver.setDimensions(MODES, SUBSPACE)
        solver.setTolerances(TOLERANCE, RESTARTS)
        solver.solve()
        growths = [-1.0 / (time_scale * complex(solver.getEigenvalue(k))) for k in range(solver.getConverged())]
        if not growths:
            return None
        first = max(range(len(growths)), key=lambda k: growths[k].real)
        shape, other = mass.createVecRight(), mass.createVecRight()
        solver.getEigenvector(first, shape, other)
        other.destroy()
        return Mode(growths[first], shape)
    finally:
        for item in (solver, response, mass):
            item.destroy()
