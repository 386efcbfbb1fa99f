"""The linear solve of a nonlinear step: GMRES on the current Jacobian, preconditioned by a lagged factorisation.

Factorising costs much more than anything else here, so the factors of an earlier Jacobian serve as the
preconditioner for as long as GMRES needs few iterations.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field

from petsc4py import PETSc

from hemo.fem.factors import Factors
from hemo.fem.options import FemOptions
from hemo.fem.outlets import CoupledOperator, ResistanceOutlets, WoodburyPreconditioner

log = logging.getLogger(__name__)

RESTART = 100
WORTH_RENEWING = 12  # iterations; that many and some more cost what a factorisation does


@dataclass(frozen=True)
class LinearOutcome:
    """How one linear solve went."""

    iterations: int
    factorised: bool


@dataclass
class LaggedFactorisation:
    """Owns the matrix, its factors and the Krylov solver.

    Attributes
    ----------
    matrix
        The sparse part of the Jacobian; assemble into it before :meth:`solve`.
    factor_seconds
        Running total.
    factors
        Those of the matrix when it was last factorised.
    """

    matrix: PETSc.Mat
    outlets: ResistanceOutlets
    options: FemOptions
    stale: bool = True
    factor_seconds: float = 0.0
    factors: Factors = field(init=False)
    _ksp: PETSc.KSP = field(init=False)
    _preconditioner: WoodburyPreconditioner = field(init=False)

    def __post_init__(self) -> None:
        comm = self.matrix.getComm()
        self.factors = Factors(comm.tompi4py(), self.options.mumps)
        self._preconditioner = WoodburyPreconditioner(self.outlets)
        operator = PETSc.Mat().createPython(self.matrix.getSizes(), comm=comm)
        operator.setPythonContext(CoupledOperator(self.matrix, self.outlets))
        operator.setUp()
        self._ksp = PETSc.KSP().create(comm)
        self._ksp.setOperators(operator)
        self._ksp.setType("gmres")
        self._ksp.setGMRESRestart(RESTART)
        self._ksp.setPCSide(PETSc.PC.Side.RIGHT)
        pc = self._ksp.getPC()
        pc.setType("python")
        pc.setPythonContext(self._preconditioner)

    def solve(self, right: PETSc.Vec, x: PETSc.Vec, tolerance: float) -> LinearOutcome:
        """Solve J x = right to a relative residual; factorise first if the factors are stale, again if they fail."""
        factorised = self.stale
        if self.stale:
            self.factorise()
        count, residual = self._iterate(right, x, tolerance)
        if not residual <= tolerance and not factorised:
            self.factorise()
            factorised = True
            more, residual = self._iterate(right, x, tolerance)
            count += more
        self.stale = count > WORTH_RENEWING or not residual <= tolerance
        return LinearOutcome(count, factorised)

    def precondition(self, right: PETSc.Vec, x: PETSc.Vec) -> None:
        """x = M^{-1} right with the factors M that there are, and today's outlets."""
        self._preconditioner.apply(None, right, x)

    def _iterate(self, right: PETSc.Vec, x: PETSc.Vec, tolerance: float) -> tuple[int, float]:
        x.set(0.0)
        self._ksp.setTolerances(rtol=tolerance, atol=1e-300, divtol=1e10, max_it=self.options.max_linear_iterations)
        self._ksp.solve(right, x)
        count = int(self._ksp.getIterationNumber())
        return count, float(self._ksp.getResidualNorm() / max(right.norm(), 1e-300))

    def factorise(self) -> None:
        """Factorise the matrix as it is."""
        start = time.perf_counter()
        self.factors.renew(self.matrix)
        self._preconditioner.renew(self.factors)
        self.stale = False
        self.factor_seconds += time.perf_counter() - start

    def destroy(self) -> None:
        """Free the factors."""
        for item in (self._ksp, self.factors, self.matrix):
            item.destroy()
