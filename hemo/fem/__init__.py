"""Finite-element Navier-Stokes flow: the only package that imports dolfinx, PETSc and MPI."""
