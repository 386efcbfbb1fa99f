"""Poiseuille flow on an unstructured mesh of about 6 cells a diameter: pressure drop and wall shear stress."""

import numpy as np
import pytest
from mpi4py import MPI

from hemo.blood import Blood
from hemo.boundary import FlowConditions
from hemo.fem.execution import level_shift
from hemo.fem.jit import compilation
from hemo.fem.sections import inlet_means, section_means
from hemo.fem.wall import wall_traction
from hemo.geometry.mesh.meshing import MeshOptions, build_mesh
from hemo.geometry.mesh.sections import section_probes
from hemo.geometry.synthetic.vessels import straight_stenosis
from hemo.indices import facet_geometry
from tests.fem.solving import parabola, set_up, solved

RADIUS, LENGTH = 1.5e-3, 12e-3  # m
FLOW = 0.5e-6  # m^3/s
BLOOD = Blood()
AORTIC = 12000.0  # Pa
WSS = 4 * BLOOD.viscosity * FLOW / (np.pi * RADIUS**3)
GRADIENT = 8 * BLOOD.viscosity * FLOW / (np.pi * RADIUS**4)


@pytest.fixture(scope="module")
def pipe():
    """The solved problem, its mesh, the section means and their places, and the traction."""
    surface, tree = straight_stenosis(2 * RADIUS, LENGTH, 0.0, 5e-3, LENGTH / 2)
    made = build_mesh(surface, tree, MeshOptions(cells_per_diameter=6.0, keep_ends=True))
    conditions = FlowConditions(AORTIC, 600.0, {"vessel": 2e9}, FLOW)
    guess = parabola(made.mesh, lambda z: np.full_like(z, RADIUS), 0.9 * FLOW)
    problem = solved(set_up(made.mesh, conditions, guess))
    with compilation(MPI.COMM_SELF):
        probes = section_probes(made.mesh, made.tree)
        return problem, made.tree["vessel"].arc, section_means(problem, probes), wall_traction(problem, made.mesh)


@pytest.fixture(scope="module")
def middle(pipe):
    """Mask of the facets away from the ends, and of the vertices."""
    traction = pipe[3]
    return tuple(
        np.abs(places[:, 2] - LENGTH / 2) < LENGTH / 4 for places in (facet_geometry(traction)[0], traction.points)
    )


def test_pressure_falls_as_poiseuille_says(pipe):
    _, arc, means, _ = pipe
    inner = slice(len(arc) // 10, -len(arc) // 10)
    slope = np.polyfit(arc[inner], means.pressure[inner], 1)[0]
    assert -slope == pytest.approx(GRADIENT, rel=0.01)


def test_flow_is_the_same_through_every_section(pipe):
    _, _, means, _ = pipe
    assert means.flow == pytest.approx(FLOW, rel=1e-3)
    assert means.area == pytest.approx(np.pi * RADIUS**2, rel=5e-3)


def test_mean_wall_shear_stress(pipe, middle):
    traction = pipe[3]
    _, area, _ = facet_geometry(traction)
    inside = middle[0]
    mean = np.average(traction.facet_shear[inside], weights=area[inside], axis=0)
    assert mean[2] == pytest.approx(WSS, rel=0.01)
    assert np.all(np.abs(mean[:2]) < 1e-3 * WSS)


def test_wall_shear_stress_is_uniform(pipe, middle):
    """Scatter of the magnitude within 2 % on facets and 3 % at vertices, and 99 % of them off by 5 % and 10 % at most.

    What the single worst vertex is off by depends on the mesh's realisation: 6 to 15 % over five meshes.
    """
    traction = pipe[3]
    limits = ((0.02, 0.05), (0.03, 0.10))
    for shear, inside, (scatter, most) in zip((traction.facet_shear, traction.shear), middle, limits, strict=True):
        magnitude = np.linalg.norm(shear[inside], axis=1) / WSS
        assert magnitude.std() < scatter
        assert np.quantile(np.abs(magnitude - 1), 0.99) < most


def test_wall_shear_stress_is_sane_on_the_rims(pipe):
    """Also where the wall meets the inlet, whose prescribed velocity spoils the reaction there."""
    traction = pipe[3]
    for end in (0.0, LENGTH):
        rim = np.abs(traction.points[:, 2] - end) < 1e-9
        assert np.linalg.norm(traction.shear[rim], axis=1) == pytest.approx(WSS, rel=0.05)


def test_shear_and_normals_are_perpendicular(pipe):
    traction = pipe[3]
    _, _, normal = facet_geometry(traction)
    assert np.einsum("ij,ij->i", traction.facet_shear, normal) == pytest.approx(0.0, abs=1e-12 * WSS + 1e-15)
    outward = np.column_stack([traction.points[:, :2] / RADIUS, np.zeros(len(traction.points))])
    assert np.abs(np.einsum("ij,ij->i", traction.shear, outward)).max() < 0.02 * WSS


def test_level_shift_sets_the_total_pressure_at_the_inlet(pipe):
    problem = pipe[0]
    with compilation(MPI.COMM_SELF):
        inlet = inlet_means(problem)
    kinetic = 0.5 * BLOOD.density * (FLOW / inlet.area) ** 2
    assert inlet.inflow == pytest.approx(FLOW, rel=1e-9)
    level = level_shift(problem, inlet.total_pressure(BLOOD.density))
    assert inlet.pressure + level + kinetic == pytest.approx(AORTIC, rel=1e-12)
