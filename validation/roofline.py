"""What the linear algebra of the demo makes of the machine: of its memory, and of its arithmetic.

On one core. Applying the factors and multiplying by the matrix read each number once and do two operations with it:
memory decides. Factorising is matrix products. The bounds are numpy's sum of two large arrays and its product of two
matrices in single precision, by the same BLAS.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from mpi4py import MPI

from hemo.fem.domain import distribute
from hemo.fem.job import read_job
from hemo.fem.linear import LaggedFactorisation
from hemo.fem.problem import build_problem
from validation.table import Table, publish
from validation.workerjob import left_coronary_job

ACROSS = 4  # cells
REPEATS = 5


def seconds(do: Callable[[], object], repeats: int = REPEATS) -> float:
    """The median of some runs, after one that does not count."""
    do()
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        do()
        found.append(time.perf_counter() - start)
    return float(np.median(found))


def bandwidth() -> float:
    """Bytes a second that the sum of two arrays beyond every cache moves."""
    a, b = np.ones(32_000_000), np.ones(32_000_000)
    out = np.empty_like(a)
    return 3 * a.nbytes / seconds(lambda: np.add(a, b, out=out))


def products() -> float:
    """Operations a second of a matrix product in single precision."""
    n = 2000
    a = np.ones((n, n), dtype=np.float32)
    return 2 * n**3 / seconds(lambda: a @ a)


def main() -> None:
    """Time each operation and fill the section ``roofline`` of docs/benchmarks.md."""
    with tempfile.TemporaryDirectory() as name:
        job = read_job(left_coronary_job(ACROSS, Path(name)))
    problem = build_problem(distribute(job.mesh, MPI.COMM_SELF), job.blood, job.conditions, job.options, leak=job.leak)
    linear = LaggedFactorisation(problem.create_matrix(), problem.outlets, job.options)
    problem.assemble_jacobian(linear.matrix)
    x, y = linear.matrix.createVecs()
    x.set(1.0)
    linear.factorise()
    stored, operations = linear.factors.size()
    entries = linear.matrix.getInfo()["nz_used"]
    fastest, most = bandwidth(), products()
    columns = ("operation", "ms", "moved / GB or done / 1e9", "a second", "of the bound")
    rows = [
        _row("matrix times vector", seconds(lambda: linear.matrix.mult(x, y)), 12 * entries, fastest, "GB"),
        _row("factors applied", seconds(lambda: linear.factors.apply(x, y)), 4 * stored, fastest, "GB"),
        _row("factorised", seconds(lambda: linear.factors.renew(linear.matrix), 1), operations, most, "Gflop"),
    ]
    for what, do in (
        ("Jacobian", lambda: problem.assemble_jacobian(linear.matrix)),
        ("residual", lambda: problem.residual().destroy()),
    ):
        rows.append((what, f"{1e3 * seconds(do):.0f}", "", "", ""))
    note = (
        f"Left coronary tree, {len(job.mesh.cells):,} cells, {problem.unknowns:,} unknowns, one core. Bounds: a sum of "
        f"two arrays, {fastest / 1e9:.1f} GB/s; a matrix product in single precision, {most / 1e9:.0f} Gflop/s."
    )
    publish(Table("roofline", columns, tuple(rows), note))


def _row(what: str, took: float, amount: float, bound: float, unit: str) -> tuple[str, ...]:
    rate = amount / took
    return what, f"{1e3 * took:.0f}", f"{amount / 1e9:.2f}", f"{rate / 1e9:.1f} {unit}", f"{rate / bound:.0%}"
