"""Everything that is summed over ranks against the same on one: ``mpirun -n N python3 -m pytest tests/mpi``.

Every rank runs every test; each solves on its own (COMM_SELF) what all solve together (COMM_WORLD).
"""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from mpi4py import MPI

from hemo.boundary import FlowConditions
from hemo.fem import checkpoint
from hemo.fem.jit import compilation
from hemo.fem.marching import crossing_rate
from hemo.fem.sections import edge_fields, inlet_means, section_means, vertex_fields
from hemo.fem.wall import wall_traction
from tests.fem import tubes
from tests.fem.solving import parabola, probes_at, set_up, solved

WORLD, SELF = MPI.COMM_WORLD, MPI.COMM_SELF
FLOW = 0.3e-6  # m^3/s
HEIGHTS = (11e-3, 15.2e-3, 20.2e-3, 25.2e-3, 29e-3)
DRIVES = {"flow_driven": FLOW, "pressure_driven": None}


@pytest.fixture(scope="module")
def vessel():
    """A coarse tube with a 50 % stenosis, the same on every rank."""
    radius = tubes.cosine_stenosis(0.5)
    stations = 10e-3 + tubes.graded_stations(lambda z: radius(z + 10e-3), 20e-3, 1.6)
    return tubes.tube(radius, stations, rings=2)


@pytest.fixture(scope="module", params=DRIVES, ids=list(DRIVES))
def pair(request, vessel):
    """The unsolved problem on all ranks and on one, in the same state."""
    conditions = FlowConditions(12000.0, 600.0, {"out": 11000.0 / FLOW}, DRIVES[request.param])
    guess = parabola(vessel, tubes.cosine_stenosis(0.5), FLOW)
    # One after the other: on COMM_SELF every rank is its own first rank, and the first takes the cache's lock.
    return [set_up(vessel, conditions, guess, comm=comm) for comm in (WORLD, SELF)]


@pytest.fixture(scope="module")
def solutions(vessel):
    """The flow-driven problem, solved on all ranks and on one."""
    conditions = FlowConditions(12000.0, 600.0, {"out": 11000.0 / FLOW}, FLOW)
    guess = parabola(vessel, tubes.cosine_stenosis(0.5), FLOW)
    problems = [set_up(vessel, conditions, guess, comm=comm) for comm in (WORLD, SELF)]
    return [solved(problem, tolerance=1e-10, flow_tolerance=1e-9) for problem in problems]


def test_the_first_time_step_where_not_every_rank_has_an_inlet(pair):
    together, alone = (crossing_rate(problem) for problem in pair)
    assert together == pytest.approx(alone, rel=1e-12)


def everything(problem, mesh):
    """What rank 0 finds, on every rank."""
    comm = problem.domain.comm
    with compilation(comm):
        inlet, sections = inlet_means(problem), section_means(problem, probes_at(mesh, HEIGHTS))
        fields, wall = vertex_fields(problem), wall_traction(problem, mesh if comm.rank == 0 else None)
    edges = edge_fields(problem)
    fields, edges, wall = comm.bcast((fields, edges, wall))
    order = np.lexsort(np.sort(edges[0], axis=1).T)
    return {
        "inlet": np.array([inlet.area, inlet.pressure, inlet.inflow]),
        "section area": sections.area,
        "section pressure": sections.pressure,
        "section flow": sections.flow,
        "outlet flow": problem.outlets.flows(problem.state.x.petsc_vec),
        "velocity": fields[0],
        "pressure": fields[1],
        "edges": np.sort(edges[0], axis=1)[order],
        "edge velocity": edges[1][order],
        "wall points": wall.points,
        "wall triangles": wall.triangles,
        "wall pressure": wall.pressure,
        "wall shear": wall.shear,
        "facet pressure": wall.facet_pressure,
        "facet shear": wall.facet_shear,
    }


def assert_same(found, expected, tolerance):
    for name in expected:
        scale = np.abs(expected[name]).max()
        assert found[name] == pytest.approx(expected[name], abs=tolerance * scale), name


def test_mesh_is_shared_out():
    """Else the other tests compare a solve with itself."""
    assert WORLD.size > 1, "start this with mpirun -n 2 or 3"


def test_residual(pair):
    """Its norm, with the rows of prescribed velocities and without, and the forces that it is judged by."""
    for raw in (False, True):
        norms = []
        for problem in pair:
            vector = problem.residual(raw=raw)
            norms.append(vector.norm())
            vector.destroy()
        assert norms[0] == pytest.approx(norms[1], rel=1e-10)
    assert pair[0].balance_norm() == pytest.approx(pair[1].balance_norm(), rel=1e-10)
    assert pair[0].unknowns == pair[1].unknowns


def test_jacobian(pair):
    """All its entries, by its norm and by the residual's own as a direction."""
    found = []
    for problem in pair:
        matrix, way = problem.create_matrix(), problem.residual()
        problem.assemble_jacobian(matrix)
        image = way.duplicate()
        matrix.mult(way, image)
        found.append([matrix.norm(), image.norm(), way.dot(image)])
        for item in (matrix, way, image):
            item.destroy()
    assert found[0] == pytest.approx(found[1], rel=1e-10)


def test_sections_and_wall_of_the_same_state(pair, vessel):
    assert_same(everything(pair[0], vessel), everything(pair[1], vessel), 1e-10)


def test_a_flow_in_time_enters_alike(vessel):
    """The inlet's velocity from that of the times before, and the flow that it carries."""
    conditions = FlowConditions(12000.0, 600.0, {"out": 11000.0 / FLOW}, FLOW)
    guess, found = parabola(vessel, tubes.cosine_stenosis(0.5), FLOW), []
    for comm in (WORLD, SELF):
        problem = set_up(vessel, conditions, guess, comm=comm, unsteady=True)
        problem.set_time_step(0.01, 1.5)
        problem.coefficients.past.x.array[:] = -150.0 * problem.state.x.array
        problem.enter(2.0 * FLOW)
        problem.hold_prescribed()
        with compilation(comm):
            assert inlet_means(problem).inflow == pytest.approx(2.0 * FLOW, rel=1e-10)
            found.append(comm.bcast(vertex_fields(problem))[0])
    assert found[0] == pytest.approx(found[1], abs=1e-10 * np.abs(found[1]).max())
    axis = np.argmin(np.linalg.norm(vessel.points - [0.0, 0.0, vessel.points[:, 2].min()], axis=1))
    assert 0.5 * guess[axis, 2] < found[1][axis, 2] - guess[axis, 2] < 0.95 * guess[axis, 2]  # flatter than a parabola


def test_solutions(solutions, vessel):
    assert_same(everything(solutions[0], vessel), everything(solutions[1], vessel), 1e-6)


def test_every_rank_has_the_same_answer(solutions, vessel):
    """Nothing that the ranks know apart differs between them."""
    sections = section_means(solutions[0], probes_at(vessel, HEIGHTS))
    for values in (sections.area, sections.pressure, sections.flow):
        assert all(np.array_equal(values, other) for other in WORLD.allgather(values))


def test_checkpoint_of_all_ranks_is_read_by_one_and_by_all(solutions, vessel):
    shared = WORLD.bcast(tempfile.mkdtemp() if WORLD.rank == 0 else None)
    job = Path(shared)
    checkpoint.write_checkpoint(solutions[0], job, "hash", [{"number": 7}])
    found = checkpoint.find_checkpoint(job, "hash")
    assert found is not None
    assert found.steps == 7
    guess = np.zeros((len(vessel.points), 3))
    expected = everything(solutions[0], vessel)
    for comm in (WORLD, SELF):
        problem = set_up(vessel, solutions[0].conditions, guess, comm=comm)
        checkpoint.read_checkpoint(problem, found)
        assert_same(everything(problem, vessel), expected, 1e-9)
    WORLD.barrier()
    if WORLD.rank == 0:
        checkpoint.remove_checkpoints(job)
        assert checkpoint.find_checkpoint(job, "hash") is None
        job.rmdir()
