"""Blood that thins: the law, the derivative of the weak form, rates on a manufactured solution, and a pipe."""

import numpy as np
import pytest
import ufl
from mpi4py import MPI
from scipy.integrate import cumulative_trapezoid
from scipy.optimize import brentq

from hemo.blood import Blood, CarreauYasuda
from hemo.boundary import FlowConditions
from hemo.errors import InputError
from hemo.fem.domain import distribute, from_vertices, vertex_spaces
from hemo.fem.jit import compilation
from hemo.fem.job import read_job, write_job
from hemo.fem.launch import run_worker
from hemo.fem.options import FemOptions
from hemo.fem.problem import build_problem, set_state
from hemo.fem.result import read_result
from hemo.fem.sections import section_means
from hemo.fem.wall import wall_traction
from hemo.fem.weakform import local_viscosity
from hemo.indices import facet_geometry
from hemo.results import Status
from tests.fem import tubes
from tests.fem.solving import jacobian_error, parabola, probes_at, solved
from validation import ethier_steinman, manufactured

BLOOD = Blood(viscosity=3.45e-3, thinning=CarreauYasuda())
RADIUS, LENGTH = 1.5e-3, 9e-3
GRADIENT = 700.0  # Pa/m: 110 1/s at the wall, where blood is a quarter thicker than at high shear


def viscosity(rate):
    return BLOOD.viscosity * BLOOD.thinning.ratio(rate**2, BLOOD.viscosity)


def test_the_law_has_its_two_ends_and_its_middle():
    assert viscosity(1e-9) == pytest.approx(56e-3, rel=1e-6)
    assert viscosity(1e7) == pytest.approx(3.45e-3, rel=1e-3)
    # At lambda g = 1: mu_inf + (mu_0 - mu_inf) 2^((n - 1) / a).
    assert viscosity(1 / 1.902) == pytest.approx(3.45e-3 + 52.55e-3 * 2 ** (-0.78 / 1.25))
    squared, step = 40.0, 1e-3
    ratio = [BLOOD.thinning.ratio(squared + sign * step, BLOOD.viscosity) for sign in (1, -1)]
    assert BLOOD.thinning.ratio_slope(squared, BLOOD.viscosity) == pytest.approx((ratio[0] - ratio[1]) / (2 * step))


def test_impossible_fluids_are_refused():
    with pytest.raises(InputError, match="zero_shear_viscosity"):
        Blood(viscosity=3.5e-3, thinning=CarreauYasuda(zero_shear=3e-3))
    with pytest.raises(InputError, match="power_index"):
        CarreauYasuda(index=1.4)


@pytest.fixture(scope="module")
def profile():
    return developed(GRADIENT)


def developed(gradient):
    """Radius and velocity of a developed flow: mu(g) g = gradient r / 2, integrated from the wall."""
    r = np.linspace(0.0, RADIUS, 2001)
    rate = np.array([brentq(lambda g, x=x: viscosity(g) * g - gradient * x / 2, 0.0, 1e4) for x in r[1:]])
    speed = -cumulative_trapezoid(np.concatenate([[0.0], rate])[::-1], r[::-1], initial=0.0)[::-1]
    return r, speed


@pytest.fixture(scope="module")
def pipe(profile):
    mesh = tubes.tube(lambda z: np.full_like(z, RADIUS), np.linspace(0.0, LENGTH, 13), rings=5)

    def velocity(x):
        speed = np.interp(np.hypot(x[0], x[1]), *profile)
        return np.array([0 * speed, 0 * speed, speed])

    with compilation(MPI.COMM_SELF):
        domain = distribute(mesh, MPI.COMM_SELF)
        conditions = FlowConditions(100.0, 0.0, {"out": 0.0})
        problem = build_problem(domain, BLOOD, conditions, prescribed_velocity=velocity)
        scalars, vectors = vertex_spaces(domain)
    guess = 0.8 * velocity(mesh.points.T).T
    set_state(problem, from_vertices(vectors, guess), from_vertices(scalars, np.zeros(len(mesh.points))))
    solved(problem)
    return problem, mesh


def test_a_pipe_has_its_closed_form(pipe, profile):
    """Pressure gradient within 1 %, and so the cap that the developed profile passes undisturbed; wall shear stress."""
    problem, mesh = pipe
    heights = np.linspace(0.0, LENGTH, 10)[1:] - 1e-6
    means = section_means(problem, probes_at(mesh, heights))
    flow = 2 * np.pi * np.trapezoid(profile[0] * profile[1], profile[0])
    assert means.flow == pytest.approx(flow, rel=0.005)
    assert -np.diff(means.pressure) / np.diff(heights) == pytest.approx(GRADIENT, rel=0.01)
    assert means.pressure[-1] == pytest.approx(0.0, abs=0.005 * GRADIENT * LENGTH)
    newtonian = 8 * BLOOD.viscosity * flow / (np.pi * RADIUS**4)
    assert 1.25 * newtonian < GRADIENT  # it does thin
    with compilation(MPI.COMM_SELF):
        traction = wall_traction(problem, mesh)
    places, area, _ = facet_geometry(traction)
    middle = np.abs(places[:, 2] - LENGTH / 2) < LENGTH / 3
    shear = np.average(traction.facet_shear[middle], weights=area[middle], axis=0)
    assert shear[2] == pytest.approx(GRADIENT * RADIUS / 2, rel=0.01)


def test_the_worker_is_told_and_a_pressure_drives_it(tmp_path):
    """Through the job folder, by a pressure: the far half of a pipe has the closed form's gradient for its flow."""
    length, aortic = 24e-3, 620.0
    mesh = tubes.tube(lambda z: np.full_like(z, RADIUS), np.linspace(0.0, length, 25), rings=4)
    heights = np.linspace(length / 2, length, 6) - 1e-6
    guess = parabola(mesh, lambda z: np.full_like(z, RADIUS), 2e-7), np.full(len(mesh.points), 610.0)
    conditions = FlowConditions(aortic, 600.0, {"out": 1e6})
    write_job(tmp_path / "fem", mesh, probes_at(mesh, heights), guess, BLOOD, conditions)
    assert read_job(tmp_path / "fem").blood == BLOOD
    run_worker(tmp_path / "fem", 1)
    found = read_result(tmp_path / "fem")
    assert found.status is Status.CONVERGED, found.message
    slope = -np.polyfit(heights, found.section_pressure, 1)[0]
    r, speed = developed(slope)
    assert found.inlet_flow == pytest.approx(2 * np.pi * np.trapezoid(r * speed, r), rel=0.02)
    assert found.inlet_flow < 0.85 * np.pi * RADIUS**4 * slope / (8 * BLOOD.viscosity)


def test_the_jacobian_is_the_derivative():
    """Without the terms that are linearised in part: the stabilisations, fluid that enters through a cap."""
    mesh = tubes.tube(lambda z: np.full_like(z, RADIUS), np.linspace(0.0, 2e-3, 3), rings=2)
    rng = np.random.default_rng(3)
    with compilation(MPI.COMM_SELF):
        conditions = FlowConditions(100.0, 0.0, {"out": 0.0}, inlet_flow=1e-6)
        options = FemOptions(streamline=0.0, grad_div=0.0, backflow=0.0)
        problem = build_problem(distribute(mesh, MPI.COMM_SELF), BLOOD, conditions, options)
    size = problem.state.x.petsc_vec.local_size
    start, way = rng.normal(0.0, 0.05, size), rng.normal(0.0, 1.0, size)
    start[problem.prescribed_rows] = 0.0
    assert jacobian_error(problem, start, way) < 1e-5


@pytest.fixture(scope="module")
def rates():
    counts = manufactured.COUNTS[:3]
    table = np.array([manufactured.errors(manufactured.solve(n, BLOOD, viscous_force)) for n in counts])
    return ethier_steinman.rates(counts, table), table


def viscous_force(u):
    return ufl.div(2 * local_viscosity(BLOOD.viscosity, BLOOD, u) * ufl.sym(ufl.grad(u)))


@pytest.mark.parametrize(("column", "least"), [(0, 2.8), (1, 1.9), (2, 1.8)], ids=["velocity", "gradient", "pressure"])
def test_rates(rates, column, least):
    found, table = rates
    assert found[-1, column] >= least, f"rates {found[:, column]}, errors {table[:, column]}"
