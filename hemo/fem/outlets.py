r"""Resistance outlets coupled implicitly.

Outlet i carries the pressure :math:`p_i = \bar p_i + R_i Q_i`, the level :math:`\bar p_i` that of the veins in steady
flow, with :math:`Q_i = \int_{\Gamma_i} u \cdot n = b_i \cdot x`, where :math:`b_i` is the cap's flux vector. Its
Jacobian :math:`R_i b_i b_i^T` is dense over the cap, so it is never assembled: it is applied as a rank-one product, and
inverted beside a factorisation of the sparse part by the Sherman-Morrison-Woodbury formula (Golub and Van Loan, Matrix
Computations, section 2.1.4). The idea of the coupling is that of Vignon-Clementel et al. 2006, Comput Methods Appl Mech
Eng 195:3776.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import ufl
from dolfinx import fem
from dolfinx.fem import petsc as fem_petsc
from numpy.typing import NDArray
from petsc4py import PETSc

from hemo.fem import forms
from hemo.fem.domain import Domain
from hemo.fem.factors import Factors
from hemo.fem.jit import jit_options
from hemo.tetmesh import INLET, WALL

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ResistanceOutlets:
    """The caps with p_i = level_i + R_i Q_i.

    Attributes
    ----------
    names
        Outlet names.
    resistance, level
        (m,) Pa s / m^3 and Pa: of the bed and of the veins in steady flow; where beds store blood, what they look like
        in a time step, and are set anew for each.
    flux
        One flux vector b_i an outlet, ghosts added up; Q_i = b_i . x.
    free_flux
        The same with the rows of prescribed velocities zeroed: the load n . v of a unit pressure.
    """

    names: tuple[str, ...]
    resistance: Array
    level: Array
    flux: tuple[PETSc.Vec, ...]
    free_flux: tuple[PETSc.Vec, ...]

    def flows(self, x: PETSc.Vec) -> Array:
        """(m,) flow out of each cap, m^3/s."""
        return np.array([b.dot(x) for b in self.flux])

    def pressures(self, flows: Array) -> Array:
        """(m,) pressure coupled to each cap, Pa."""
        return self.level + self.resistance * flows

    def add_load(self, x: PETSc.Vec, residual: PETSc.Vec) -> None:
        """Add sum_i p_i(x) b_i to the residual (rows of prescribed velocities included)."""
        for b, pressure in zip(self.flux, self.pressures(self.flows(x)), strict=True):
            residual.axpy(pressure, b)


def cap_flux_vector(domain: Domain, space: fem.FunctionSpace, name: str) -> PETSc.Vec:
    """b with b . x = int over the cap of u . n."""
    v, _ = ufl.TestFunctions(space)
    normal = ufl.FacetNormal(domain.mesh)
    ds = domain.boundary_measure(name, 2)
    form = fem.form(forms.cap_flux(v, normal, ds), jit_options=jit_options())
    vector = fem_petsc.assemble_vector(form)
    vector.ghostUpdate(addv=PETSc.InsertMode.ADD, mode=PETSc.ScatterMode.REVERSE)
    return vector


def resistance_outlets(
    domain: Domain, space: fem.FunctionSpace, resistance: dict[str, float], venous: float, prescribed: NDArray[np.int32]
) -> ResistanceOutlets:
    """Assemble the flux vectors of every outlet; ``prescribed`` are the owned rows of prescribed velocities."""
    names = tuple(name for name in domain.names.values() if name not in (INLET, WALL))
    flux = tuple(cap_flux_vector(domain, space, name) for name in names)
    free = []
    for vector in flux:
        copy = vector.copy()
        copy.array[prescribed] = 0.0
        free.append(copy)
    beds = np.array([resistance[name] for name in names])
    return ResistanceOutlets(names, beds, np.full(len(names), venous), flux, tuple(free))


class CoupledOperator:
    """PETSc shell: y = (J + sum_i R_i b_i b_i^T) x."""

    def __init__(self, sparse: PETSc.Mat, outlets: ResistanceOutlets) -> None:
        self.sparse = sparse
        self.outlets = outlets

    def mult(self, _: PETSc.Mat, x: PETSc.Vec, y: PETSc.Vec) -> None:
        """Apply the operator."""
        self.sparse.mult(x, y)
        for b, resistance in zip(self.outlets.free_flux, self.outlets.resistance, strict=True):
            y.axpy(resistance * b.dot(x), b)


class WoodburyPreconditioner:
    """PETSc shell: y = (A + sum_i R_i b_i b_i^T)^{-1} x from a solver of A, by Woodbury's formula."""

    def __init__(self, outlets: ResistanceOutlets) -> None:
        self.outlets = outlets
        self.inner: Factors | None = None
        self.solved: list[PETSc.Vec] = []
        self.gram = np.zeros((0, 0))

    def renew(self, inner: Factors) -> None:
        """Take a freshly factorised A: solve for A^{-1} b_i."""
        self.inner = inner
        for vector in self.solved:
            vector.destroy()
        self.solved = []
        for b in self.outlets.free_flux:
            z = b.duplicate()
            inner.apply(b, z)
            self.solved.append(z)
        self.gram = np.array([[b.dot(z) for z in self.solved] for b in self.outlets.free_flux])

    def apply(self, _: PETSc.PC | None, x: PETSc.Vec, y: PETSc.Vec) -> None:
        """Apply the preconditioner."""
        assert self.inner is not None
        self.inner.apply(x, y)
        flows = np.array([b.dot(y) for b in self.outlets.free_flux])
        # (I + R B^T A^{-1} B), also right where a resistance is zero
        small = np.eye(len(self.solved)) + self.outlets.resistance[:, None] * self.gram
        weights = np.linalg.solve(small, self.outlets.resistance * flows)
        for z, weight in zip(self.solved, weights, strict=True):
            y.axpy(-weight, z)
