"""Side branches that are not meshed: fluid leaves the lumen on the way."""

import numpy as np
import pytest
from mpi4py import MPI

from hemo.blood import Blood
from hemo.boundary import FlowConditions, Leak
from hemo.fem.jit import compilation
from hemo.fem.leakage import leak_flows, leak_shares
from hemo.fem.sections import section_means
from hemo.geometry.synthetic.vessels import straight_stenosis
from tests.fem import tubes
from tests.fem.solving import parabola, probes_at, set_up, solved

RADIUS, LENGTH = 1.5e-3, 30e-3  # m
AREA = np.pi * RADIUS**2
BLOOD = Blood()
HEIGHTS = np.linspace(3.41e-3, 26.63e-3, 9)  # m, none at a layer of vertices
VENOUS = 600.0  # Pa


def leaking_tube(flow, half):
    """A tube into which ``flow`` enters; evenly along it ``half`` of it leaves. Section means and flows."""
    mesh = tubes.tube(lambda z: np.full_like(z, RADIUS), np.linspace(0.0, LENGTH, 31), rings=4)
    pressure = 12000.0
    conductance = half * flow / (pressure - VENOUS) / (AREA * LENGTH)
    outlet = (pressure - VENOUS) / (flow * (1.0 - half))
    conditions = FlowConditions(pressure, VENOUS, {"out": outlet}, flow)
    guess = parabola(mesh, lambda z: np.full_like(z, RADIUS), flow)
    problem = solved(set_up(mesh, conditions, guess, leak=np.full(len(mesh.cells), conductance)))
    with compilation(MPI.COMM_SELF):
        return section_means(problem, probes_at(mesh, HEIGHTS)), problem.outlets.flows(problem.state.x.petsc_vec)


@pytest.mark.parametrize("flow", [0.02e-6, 1.5e-6])
def test_flow_falls_evenly_along_an_even_leak(flow):
    means, outflow = leaking_tube(flow, 0.5)
    assert outflow[0] == pytest.approx(0.5 * flow, rel=0.01)
    assert means.flow == pytest.approx(flow * (1.0 - 0.5 * HEIGHTS / LENGTH), rel=0.01)


def test_pressure_falls_with_the_flow_that_is_left():
    # Slow flow, so that the profile stays a parabola: dp/dz = -8 mu Q(z) / (pi R^4).
    flow = 0.02e-6
    means, _ = leaking_tube(flow, 0.5)
    mean_flow = flow * (1.0 - 0.25 * (HEIGHTS[0] + HEIGHTS[-1]) / LENGTH)
    drop = 8 * BLOOD.viscosity / (np.pi * RADIUS**4) * mean_flow * (HEIGHTS[-1] - HEIGHTS[0])
    assert means.pressure[0] - means.pressure[-1] == pytest.approx(drop, rel=0.02)


def test_each_leak_keeps_its_conductance_and_its_place():
    _, tree = straight_stenosis(severity=0.0)
    rng = np.random.default_rng(1)
    z = rng.uniform(0.0, 60e-3, 4000)
    centroids = np.column_stack([rng.normal(0, 0.4e-3, (4000, 2)), z])
    volumes = rng.uniform(0.5, 1.5, 4000) * 1e-10
    leaks = (Leak("vessel", 40, 2e10), Leak("vessel", 200, 5e10))
    counted = z < 55e-3
    conductance = leak_shares(centroids, volumes, tree, leaks, counted).sum(axis=1)
    arc = tree["vessel"].arc
    near = [np.abs(z - arc[leak.point]) < 2.6e-3 for leak in leaks]
    for leak, cells in zip(leaks, near, strict=True):
        assert (conductance * volumes)[cells].sum() == pytest.approx(1.0 / leak.resistance, rel=1e-9)
    assert not conductance[~(near[0] | near[1])].any()
    last = leak_shares(centroids, volumes, tree, (Leak("vessel", len(arc) - 1, 1e10),), counted).sum(axis=1)
    assert (last * volumes).sum() == pytest.approx(1e-10, rel=1e-9)
    assert not last[~counted].any()


def test_leak_flows_follow_the_pressure_and_add_up():
    leaks = (Leak("a", 0, 1e10), Leak("a", 1, 2e10))
    flows = leak_flows(leaks, {"a": np.array([10600.0, 5600.0])}, VENOUS, 3e-7)
    assert flows.sum() == pytest.approx(3e-7)
    assert flows[0] / flows[1] == pytest.approx(4.0)
