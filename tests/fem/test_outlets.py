"""Resistance outlets against closed forms."""

import numpy as np
import pytest
from mpi4py import MPI

from hemo.blood import Blood
from hemo.boundary import FlowConditions
from hemo.fem.jit import compilation
from hemo.fem.sections import inlet_means, section_means
from tests.fem import tubes
from tests.fem.solving import parabola, probes_at, set_up, solved

RADIUS, LENGTH = 1.5e-3, 9e-3  # m
AORTIC, VENOUS = 605.0, 600.0  # Pa
# Thick, and driven gently: Reynolds number 0.2, so the closed form needs no entrance length.
SYRUP = Blood(viscosity=0.05)


@pytest.fixture(scope="module")
def tube():
    return tubes.tube(lambda z: np.full_like(z, RADIUS), np.linspace(0.0, LENGTH, 9), rings=3)


@pytest.mark.parametrize("ratio", [0.0, 0.3, 3.0], ids=lambda ratio: f"outlet_over_pipe_{ratio:g}")
def test_flow_of_pipe_and_resistance_in_series(tube, ratio):
    """P_a - rho U^2 / 2 is the static pressure at the inlet: Q = (P_a - P_v - kinetic) / (R + R_pipe)."""
    pipe = 8 * SYRUP.viscosity * LENGTH / (np.pi * RADIUS**4)
    conditions = FlowConditions(AORTIC, VENOUS, {"out": ratio * pipe})
    expected = (AORTIC - VENOUS) / ((1 + ratio) * pipe)
    problem = set_up(tube, conditions, parabola(tube, lambda z: np.full_like(z, RADIUS), 0.5 * expected), SYRUP)
    solved(problem)
    flow = problem.outlets.flows(problem.state.x.petsc_vec)[0]
    kinetic = 0.5 * SYRUP.density * (flow / (np.pi * RADIUS**2)) ** 2
    assert flow == pytest.approx((AORTIC - VENOUS - kinetic) / ((1 + ratio) * pipe), rel=0.01)
    assert inflow_of(problem) == pytest.approx(flow, rel=1e-9)
    end = section_means(problem, probes_at(tube, [LENGTH - 1e-6]))
    coupled = problem.outlets.pressures(np.array([flow]))[0]
    assert coupled == pytest.approx(VENOUS + ratio * pipe * flow)
    assert end.pressure[0] - VENOUS == pytest.approx(coupled - VENOUS, abs=1e-3 * (AORTIC - VENOUS))
    assert end.flow[0] == pytest.approx(flow, rel=1e-3)


def inflow_of(problem):
    with compilation(MPI.COMM_SELF):
        return inlet_means(problem).inflow


def tee(n):
    """A duct along x with two arms along y; cubes of SIDE, n to the side of the square section."""
    mask = np.zeros((3 * n, 5 * n, n), dtype=bool)
    mask[: 2 * n, 2 * n : 3 * n] = True
    mask[2 * n :] = True
    side = 2e-3 / n

    def tag(corners):
        x, y = corners[:, :, 0], corners[:, :, 1]
        found = np.ones(len(corners), dtype=np.int32)
        found[np.all(x < 1e-9, axis=1)] = 2
        found[np.all(y < 1e-9, axis=1)] = 3
        found[np.all(y > 5 * n * side - 1e-9, axis=1)] = 4
        return found

    return tubes.blocks(mask, side, tag, {1: "wall", 2: "inlet", 3: "first", 4: "second"})


@pytest.mark.parametrize("inflow", [None, 0.2e-6], ids=["pressure_driven", "flow_driven"])
def test_outlets_share_the_flow_by_their_resistances(inflow):
    """Resistances far above those of the arms: flow in proportion to 1 / R, p_i = P_v + R_i Q_i."""
    mesh = tee(2)
    resistance = {"first": 1e11, "second": 3e11}
    conditions = FlowConditions(12000.0, VENOUS, resistance, inflow)
    problem = solved(set_up(mesh, conditions, np.zeros((len(mesh.points), 3))))
    flows = dict(zip(problem.outlets.names, problem.outlets.flows(problem.state.x.petsc_vec), strict=True))
    total = inflow if inflow is not None else (12000.0 - VENOUS) * (1 / 1e11 + 1 / 3e11)
    assert sum(flows.values()) == pytest.approx(total, rel=2e-3)
    assert inflow_of(problem) == pytest.approx(sum(flows.values()), rel=1e-9)
    assert flows["first"] / flows["second"] == pytest.approx(3.0, rel=2e-3)


def test_fluid_that_leaves_through_the_inlet_leaves_at_the_aortic_pressure(tube):
    """As a jet, whose kinetic energy is lost: a total pressure held there would suck, and no flow is then found."""
    problem = set_up(tube, FlowConditions(5000.0, 0.0, {"out": 4e8}), backwards(tube), Blood(viscosity=0.01))
    problem.coefficients.aortic.value, problem.outlets.level[:] = 100.0, 400.0
    solved(problem)
    ends = section_means(problem, probes_at(tube, [1e-6, LENGTH - 1e-6]))
    assert ends.flow[0] < -5e-7
    kinetic = 0.5 * problem.blood.density * (ends.flow[0] / (np.pi * RADIUS**2)) ** 2
    assert ends.pressure[0] == pytest.approx(100.0, abs=0.01 * kinetic)
    assert 400.0 + 4e8 * ends.flow[0] == pytest.approx(ends.pressure[1], abs=1.5 * kinetic)


def backwards(mesh):
    return parabola(mesh, lambda z: np.full_like(z, RADIUS), -6e-7)
