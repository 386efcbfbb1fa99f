"""LU factors in single precision, by MUMPS: half the memory and half the time of double precision.

They serve as a preconditioner, or for corrections that are repeated, so their own error (1e-6 or so) costs nothing.
PETSc, whose numbers are double, has no way to them; MUMPS's own interface has (Amestoy et al. 2001, SIAM J Matrix Anal
Appl 23:15; the users' guide of MUMPS 5.7, sections 5 to 7).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray
from petsc4py import PETSc

from hemo.fem import native

DECLARATIONS = """
typedef struct {
    int sym, par, job, comm_fortran, icntl[60], n, nrhs, lrhs, infog[80];
    float rinfog[40];
    int64_t nnz_loc;
    int *irn_loc, *jcn_loc;
    float *a_loc, *rhs;
    ...;
} SMUMPS_STRUC_C;
void smumps_c(SMUMPS_STRUC_C *);
"""
BEGIN, ANALYSE, FACTORISE, SOLVE, END = -1, 1, 2, 3, -2
FEWEST_FILL = 2  # ordering by approximate minimum fill: on vessel trees 5 to 10 % fewer operations than PORD or METIS
SPARE = 60  # % of memory beyond the estimate
MORE_SPARE = (-8, -9, -17, -20)  # errors that more of it mends
SINGULAR = (-10,)


class Factors:
    """Owns an instance of MUMPS; every method is collective.

    Parameters
    ----------
    options
        Extra MUMPS options: ICNTL number -> value.
    """

    def __init__(self, comm: MPI.Comm, options: Mapping[int, int]) -> None:
        native.require_short_integers()
        mumps = native.module("smumps", DECLARATIONS, "#include <smumps_c.h>", libraries=("smumps",))
        self.comm, self.ffi, self.call = comm, mumps.ffi, mumps.lib.smumps_c
        self.own = self.ffi.new("SMUMPS_STRUC_C *")
        self.own.sym, self.own.par, self.own.comm_fortran, self.own.nrhs = 0, 1, comm.py2f(), 1
        self.analysed = self.sound = False
        self._check(self._run(BEGIN))
        silent, distributed = {1: -1, 2: -1, 3: -1, 4: 0}, {18: 3}
        for number, value in {**silent, **distributed, 7: FEWEST_FILL, 14: SPARE, **options}.items():
            self.own.icntl[number - 1] = value

    def renew(self, matrix: PETSc.Mat) -> None:
        """Factorise; the matrix must have the pattern of the first one.

        Raises
        ------
        RuntimeError
            If MUMPS fails for another reason than a matrix that is singular or beyond single precision, which
            :meth:`apply` answers with nan.
        """
        starts, columns, values = matrix.getValuesCSR()
        first, _ = matrix.getOwnershipRange()
        rows = np.repeat(np.arange(first + 1, first + len(starts), dtype=np.int32), np.diff(starts))
        columns += 1
        with np.errstate(over="ignore"):
            entries = values.astype(np.float32)
        del values
        # Of a flow that has run away: MUMPS would look for pivots among infinities for minutes.
        self.sound = bool(self.comm.allreduce(bool(np.isfinite(entries).all()), op=MPI.LAND))
        if not self.sound:
            return
        self.own.n, self.own.nnz_loc = matrix.getSize()[0], len(entries)
        self.own.irn_loc, self.own.jcn_loc = (self.ffi.from_buffer("int[]", one) for one in (rows, columns))
        self.own.a_loc = self.ffi.from_buffer("float[]", entries)
        if not self.analysed:
            self._check(self._run(ANALYSE))
            self.analysed = True
        error = self._run(FACTORISE)
        while error in MORE_SPARE and self.own.icntl[13] < 1000:
            self.own.icntl[13] *= 2
            error = self._run(FACTORISE)
        self.own.irn_loc = self.own.jcn_loc = self.own.a_loc = self.ffi.NULL  # the arrays end here
        self.sound = error not in SINGULAR
        if self.sound:
            self._check(error)

    def apply(self, right: PETSc.Vec, x: PETSc.Vec) -> None:
        """x = A^{-1} right, to single precision."""
        # Numbers of one size, so that none is lost to the narrower range.
        size = right.norm(PETSc.NormType.NORM_INFINITY)
        if not (self.sound and np.isfinite(size)):
            x.set(np.nan)
            return
        counts = self.comm.allgather(right.getLocalSize())
        mine = (right.array_r / max(size, 1e-300)).astype(np.float32)
        whole: NDArray[Any] = np.empty(sum(counts) if self.comm.rank == 0 else 0, dtype=np.float32)
        self.comm.Gatherv(mine, (whole, counts))
        self.own.lrhs = len(whole)
        self.own.rhs = self.ffi.from_buffer("float[]", whole)
        self._check(self._run(SOLVE))
        self.comm.Scatterv((whole, counts), mine)
        x.array[:] = size * mine.astype(np.float64)

    def size(self) -> tuple[float, float]:
        """Numbers that the factors hold, and operations that they took."""
        stored = float(self.own.infog[28])
        return (stored if stored > 0 else -1e6 * stored), float(self.own.rinfog[2])

    def _run(self, job: int) -> int:
        """Run a phase; returns MUMPS's error, 0 or more for none."""
        self.own.job = job
        self.call(self.own)
        return int(self.own.infog[0])

    def _check(self, error: int) -> None:
        if error < 0:
            raise RuntimeError(f"MUMPS ended with error {error} ({self.own.infog[1]}); -13 is too little memory.")

    def destroy(self) -> None:
        """Free the factors."""
        self._run(END)
