"""Wall traction: the force on half a lesion against its balance of momentum."""

import itertools

import numpy as np
import pytest
from dolfinx import fem
from mpi4py import MPI

from hemo.blood import Blood
from hemo.boundary import FlowConditions
from hemo.fem.domain import owned_input_cells
from hemo.fem.jit import compilation, jit_options
from hemo.fem.wall import traction_on, wall_traction
from hemo.indices import facet_geometry
from tests.fem import tubes
from tests.fem.solving import parabola, set_up, solved

RADIUS, FLOW = 1.5e-3, 0.3e-6
START, THROAT, END = 15e-3, 20e-3, 25e-3  # m
BLOOD = Blood()
RINGS = 3


@pytest.fixture(scope="module")
def lesion():
    """A 50 % cosine stenosis with vertex layers at its start, throat and end; solved, with its traction."""
    radius = tubes.cosine_stenosis(0.5)
    places = [12e-3, START, THROAT, END, 29e-3]
    pieces = [
        low + tubes.graded_stations(lambda z, low=low: radius(z + low), high - low, RINGS)
        for low, high in itertools.pairwise(places)
    ]
    mesh = tubes.tube(radius, np.unique(np.concatenate(pieces).round(12)), RINGS)
    conditions = FlowConditions(12000.0, 600.0, {"out": 11000.0 / FLOW}, FLOW)
    problem = solved(set_up(mesh, conditions, parabola(mesh, radius, FLOW)))
    with compilation(MPI.COMM_SELF):
        return mesh, problem, wall_traction(problem, mesh)


def thrust(mesh, problem, height):
    """Integrals over a plane section: p + rho w^2 - mu dw/dz, N, and the area, m^2."""
    cells, points, weights = tubes.plane_quadrature(mesh, height)
    local = np.empty(len(mesh.cells), dtype=np.int32)
    local[owned_input_cells(problem.domain)] = np.arange(len(mesh.cells))
    velocity = problem.velocity()
    space = fem.functionspace(problem.domain.mesh, ("DG", 1), jit_options=jit_options())
    slope = fem.Function(space, dtype=np.float64)
    expression = fem.Expression(velocity[2].dx(2), space.element.interpolation_points(), jit_options=jit_options())
    slope.interpolate(expression)
    p, w, dw = (
        f.eval(points, local[cells]).reshape(len(points), -1)[:, -1] for f in (problem.pressure(), velocity, slope)
    )
    return weights @ (p + BLOOD.density * w**2 - BLOOD.viscosity * dw), weights.sum()


@pytest.mark.parametrize("relative", [False, True], ids=["gauge", "relative_to_the_start"])
@pytest.mark.parametrize(("low", "high"), [(START, THROAT), (THROAT, END)], ids=["upstream", "downstream"])
def test_axial_force_on_half_the_lesion_balances_its_momentum(lesion, low, high, relative):
    """Relative to the pressure at the start, the force is hundreds of times smaller than the gauge force."""
    mesh, problem, traction = lesion
    with compilation(MPI.COMM_SELF):
        (enters, inflow_area), (leaves, outflow_area) = (thrust(mesh, problem, z) for z in (low + 1e-8, high - 1e-8))
        force, area = thrust(mesh, problem, START + 1e-8)
    datum = force / area if relative else 0.0
    expected = (enters - datum * inflow_area) - (leaves - datum * outflow_area)
    places, size, normal = facet_geometry(traction)
    half = (places[:, 2] > low) & (places[:, 2] < high)
    axial = (traction.facet_pressure - datum) * normal[:, 2] + traction.facet_shear[:, 2]
    assert axial[half] @ size[half] == pytest.approx(expected, rel=0.02)


def test_shear_is_along_the_flow_upstream_and_largest_before_the_throat(lesion):
    _, _, traction = lesion
    magnitude = np.linalg.norm(traction.facet_shear, axis=1)
    place = facet_geometry(traction)[0][np.argmax(magnitude), 2]
    assert THROAT - 2e-3 < place < THROAT
    upstream = facet_geometry(traction)[0][:, 2] < THROAT
    assert np.all(traction.facet_shear[upstream, 2] > 0.0)


def test_facet_values_hold_the_whole_force():
    """Pressure and shear of a facet add up to the integral of the nodal fields over it."""
    mesh = tubes.tube(lambda z: np.full_like(z, RADIUS), np.linspace(0.0, 3e-3, 4), rings=2)
    generator = np.random.default_rng(1)
    pressure, viscous = generator.normal(size=len(mesh.points)), generator.normal(size=(len(mesh.points), 3))
    traction = traction_on(mesh, pressure, viscous)
    _, area, normal = facet_geometry(traction)
    force = (traction.facet_pressure[:, None] * normal + traction.facet_shear) * area[:, None]
    triangles = mesh.facets_of("wall")
    mean_pressure, mean_viscous = pressure[triangles].mean(axis=1), viscous[triangles].mean(axis=1)
    assert force == pytest.approx((mean_pressure[:, None] * normal + mean_viscous) * area[:, None])
    assert np.all(np.einsum("ij,ij->i", mesh.points[triangles].mean(axis=1) * [1, 1, 0], normal) > 0)
    assert traction.points[traction.triangles] == pytest.approx(mesh.points[triangles])
