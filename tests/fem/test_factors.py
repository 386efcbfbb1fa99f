"""Factors in single precision, and what has run beyond it."""

import numpy as np
import pytest
from mpi4py import MPI
from petsc4py import PETSc

from hemo.fem.factors import Factors


def matrix(entries):
    found = PETSc.Mat().createAIJ(entries.shape, comm=MPI.COMM_SELF)
    found.setUp()
    found.setValues(range(len(entries)), range(len(entries)), entries)
    found.assemble()
    return found


def solved(factors, right):
    b = PETSc.Vec().createWithArray(right, comm=MPI.COMM_SELF)
    x = b.duplicate()
    factors.apply(b, x)
    return x.array.copy()


def test_a_matrix_that_has_run_away_gives_nan_and_the_next_one_is_solved():
    entries = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 5.0]])
    right = np.array([1.0, 2.0, 3.0])
    factors = Factors(MPI.COMM_SELF, {})
    try:
        factors.renew(matrix(entries))
        assert solved(factors, right) == pytest.approx(np.linalg.solve(entries, right), rel=1e-6)
        away = entries.copy()
        away[1, 1] = 1e60
        factors.renew(matrix(away))
        assert np.isnan(solved(factors, right)).all()
        factors.renew(matrix(2.0 * entries))
        assert solved(factors, right) == pytest.approx(np.linalg.solve(2.0 * entries, right), rel=1e-6)
    finally:
        factors.destroy()
