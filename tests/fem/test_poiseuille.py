"""Poiseuille flow on an unstructured mesh of about 6 cells a diameter: pressure drop and wall shear stress.

The table over meshes is validation/poiseuille.py's.
"""

import numpy as np
import pytest
from mpi4py import MPI

from hemo.fem.execution import level_shift
from hemo.fem.jit import compilation
from hemo.fem.sections import inlet_means
from hemo.indices import facet_geometry
from validation import poiseuille
from validation.poiseuille import AORTIC, BLOOD, FLOW, GRADIENT, LENGTH, RADIUS, WSS


@pytest.fixture(scope="module")
def pipe():
    return poiseuille.solve(6.0)


def test_pressure_falls_as_poiseuille_says(pipe):
    assert pipe.gradient() == pytest.approx(GRADIENT, rel=0.01)


def test_flow_is_the_same_through_every_section(pipe):
    assert pipe.means.flow == pytest.approx(FLOW, rel=1e-3)
    assert pipe.means.area == pytest.approx(np.pi * RADIUS**2, rel=5e-3)


def test_mean_wall_shear_stress(pipe):
    mean = pipe.mean_shear()
    assert mean[2] == pytest.approx(WSS, rel=0.01)
    assert np.all(np.abs(mean[:2]) < 1e-3 * WSS)


def test_wall_shear_stress_is_uniform(pipe):
    """Scatter of the magnitude within 2 % on facets and 3 % at vertices, and 99 % of them off by 5 % and 10 % at most.

    What the single worst vertex is off by depends on the mesh's realisation: 6 to 15 % over five meshes.
    """
    limits = ((0.02, 0.05), (0.03, 0.10))
    for off, (scatter, most) in zip(pipe.deviations(), limits, strict=True):
        assert off.std() < scatter
        assert np.quantile(np.abs(off), 0.99) < most


def test_wall_shear_stress_is_sane_on_the_rims(pipe):
    """Also where the wall meets the inlet, whose prescribed velocity spoils the reaction there."""
    traction = pipe.traction
    for end in (0.0, LENGTH):
        rim = np.abs(traction.points[:, 2] - end) < 1e-9
        assert np.linalg.norm(traction.shear[rim], axis=1) == pytest.approx(WSS, rel=0.05)


def test_shear_and_normals_are_perpendicular(pipe):
    traction = pipe.traction
    _, _, normal = facet_geometry(traction)
    assert np.einsum("ij,ij->i", traction.facet_shear, normal) == pytest.approx(0.0, abs=1e-12 * WSS + 1e-15)
    outward = np.column_stack([traction.points[:, :2] / RADIUS, np.zeros(len(traction.points))])
    assert np.abs(np.einsum("ij,ij->i", traction.shear, outward)).max() < 0.02 * WSS


def test_level_shift_sets_the_total_pressure_at_the_inlet(pipe):
    problem = pipe.problem
    with compilation(MPI.COMM_SELF):
        inlet = inlet_means(problem)
    kinetic = 0.5 * BLOOD.density * (FLOW / inlet.area) ** 2
    assert inlet.inflow == pytest.approx(FLOW, rel=1e-9)
    level = level_shift(problem, inlet.total_pressure(BLOOD.density))
    assert inlet.pressure + level + kinetic == pytest.approx(AORTIC, rel=1e-12)
