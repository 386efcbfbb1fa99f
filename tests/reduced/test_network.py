import subprocess
import sys

import numpy as np
import pytest

from hemo.blood import Blood
from hemo.boundary import FlowConditions, Physiology, flow_conditions
from hemo.errors import InputError
from hemo.geometry.synthetic.vessels import left_coronary, straight_stenosis
from hemo.reduced import LossOptions, solve
from hemo.results import Status
from hemo.tree import Branch, VesselTree
from hemo.units import MMHG

BLOOD = Blood()
FLAT = LossOptions(law="borda_carnot")  # the profile is flat: closed forms without a developing one


def tube(length=0.06, radius=1.5e-3, **kwargs):
    z = np.linspace(0.0, length, 25)
    r = np.full(25, radius)
    return Branch(kwargs.pop("name", "a"), np.column_stack([0 * z, 0 * z, z]), r, np.pi * r**2, r, **kwargs)


def test_poiseuille_exactly():
    tree = VesselTree("a", (tube(),))
    flow = solve(tree, FlowConditions(100 * MMHG, 0.0, {"a": 0.0}, 1.5e-6), BLOOD, FLAT).branches["a"]
    exact = 8 * 3.5e-3 * 0.06 * 1.5e-6 / (np.pi * 1.5e-3**4)
    assert flow.pressure[0] - flow.pressure[-1] == pytest.approx(exact, rel=1e-12)


def test_poiseuille_in_a_cone_exactly():
    z = np.array([0.0, 0.05])
    r = np.array([2e-3, 1e-3])
    cone = Branch("a", np.column_stack([0 * z, 0 * z, z]), r, np.pi * r**2, r)
    q = 1e-6
    drop = np.diff(
        solve(VesselTree("a", (cone,)), FlowConditions(1e4, 0.0, {"a": 0.0}, q), BLOOD, FLAT).branches["a"].pressure
    )
    viscous = 8 * 3.5e-3 * q / np.pi * 0.05 / (r[0] - r[1]) * (r[1] ** -3 - r[0] ** -3) / 3.0
    convective = 0.5 * 1060 * q**2 * (1 / (np.pi * r[1] ** 2) ** 2 - 1 / (np.pi * r[0] ** 2) ** 2)
    assert -drop[0] == pytest.approx(viscous + convective, rel=1e-12)


# Converged axisymmetric Navier-Stokes drops (mmHg) of the straight vessel of cases/straight_stenosis.
@pytest.mark.parametrize(
    ("severity", "flow", "axisymmetric"), [(0.5, 1.5e-6, 3.512), (0.6, 2e-6, 13.118), (0.6, 3e-6, 27.9)]
)
def test_loss_law_against_axisymmetric_navier_stokes(severity, flow, axisymmetric):
    _, tree = straight_stenosis(severity=severity)
    p = solve(tree, FlowConditions(100 * MMHG, 0.0, {"vessel": 0.0}, flow), BLOOD).branches["vessel"].pressure
    entering = 0.5 * BLOOD.density * (flow / tree["vessel"].area[0]) ** 2  # of a developed profile, as in the reference
    assert (p[0] - entering - p[-1]) / MMHG == pytest.approx(axisymmetric, rel=0.04)
    flat = solve(tree, FlowConditions(100 * MMHG, 0.0, {"vessel": 0.0}, flow), BLOOD, FLAT).branches["vessel"].pressure
    assert (flat[0] - flat[-1]) / MMHG == pytest.approx(axisymmetric, rel=0.07)


def test_pressure_comes_back_behind_a_lesion_as_in_axisymmetric_flow():
    """60 %, 3 mL/s, mmHg from where a developed flow enters: at the lesion's end, 20 mm and 35 mm on."""
    _, tree = straight_stenosis(severity=0.6)
    branch, flow = tree["vessel"], 3e-6
    p = solve(tree, FlowConditions(100 * MMHG, 0.0, {"vessel": 0.0}, flow), BLOOD).branches["vessel"].pressure
    entering = 0.5 * BLOOD.density * (flow / branch.area[0]) ** 2
    lost = (p[0] - entering - p) / MMHG
    assert np.interp([25e-3, 45e-3, 60e-3], branch.arc, lost) == pytest.approx([33.4, 30.1, 27.9], rel=0.05)


def test_outlets_and_ostium_satisfy_their_conditions():
    tree = left_coronary().tree
    conditions = flow_conditions(tree, Physiology(systolic=128 * MMHG, diastolic=76 * MMHG, myocardial_mass=0.135))
    flow = solve(tree, conditions, BLOOD, FLAT)
    assert flow.status is Status.CONVERGED
    for name in tree.outlets:
        end = flow.branches[name]
        expected = conditions.venous_pressure + conditions.outlet_resistance[name] * end.flow[-1]
        assert end.pressure[-1] == pytest.approx(expected, rel=1e-9)
    root = flow.branches["LM"]
    total = root.pressure[0] + 0.5 * BLOOD.density * (root.flow[0] / tree["LM"].area[0]) ** 2
    assert total == pytest.approx(conditions.aortic_pressure, rel=1e-12)
    leaving = sum(flow.branches[name].flow[-1] for name in tree.outlets)
    for leak in conditions.leaks:
        along = flow.branches[leak.branch]
        speed = along.flow[leak.point] / tree[leak.branch].area[leak.point]
        total = along.pressure[leak.point] + 0.5 * BLOOD.density * speed**2
        leaving += (total - conditions.venous_pressure) / leak.resistance
    assert root.flow[0] == pytest.approx(leaving, rel=1e-9)


def test_side_branch_takes_its_flow_where_it_leaves():
    tree = left_coronary().tree
    flow = solve(tree, flow_conditions(tree, Physiology(mean_pressure=93 * MMHG, leakage=False)), BLOOD)
    place = tree["D1"].parent_index
    lad = flow.branches["LAD"].flow
    assert lad[place] == pytest.approx(lad[0])
    assert lad[place + 1] == pytest.approx(lad[-1])
    assert lad[0] - lad[-1] == pytest.approx(flow.branches["D1"].flow[0])


@pytest.mark.parametrize("severity", [0.9, 0.99])
@pytest.mark.parametrize("expansion", [1.0, 1e4])
def test_converges_at_any_stenosis_and_any_quadratic_loss(severity, expansion):
    tree = left_coronary(severity).tree
    conditions = flow_conditions(tree, Physiology(mean_pressure=93 * MMHG))
    flow = solve(tree, conditions, BLOOD, LossOptions(expansion))
    assert flow.status is Status.CONVERGED
    for name in tree.outlets:
        end = flow.branches[name]
        assert end.pressure[-1] == pytest.approx(5 * MMHG + conditions.outlet_resistance[name] * end.flow[-1], rel=1e-6)
    assert flow.ffr("LAD")[-1] < flow.ffr("LCX")[-1]


def test_tighter_stenosis_lower_ffr_and_less_flow():
    results = []
    for severity in (0.3, 0.5, 0.6, 0.7, 0.8):
        tree = left_coronary(severity).tree
        flow = solve(tree, flow_conditions(tree, Physiology(mean_pressure=93 * MMHG)), BLOOD)
        results.append((flow.ffr("LAD")[-1], flow.branches["LAD"].flow[0]))
    assert np.all(np.diff(np.array(results), axis=0) < 0.0)


def test_prescribed_flow_is_split_by_the_resistances():
    parent = tube(name="p", is_outlet=False)
    tree = VesselTree(
        "t", (parent, tube(name="a", parent="p", parent_index=24), tube(name="b", parent="p", parent_index=24))
    )
    flow = solve(tree, FlowConditions(1e4, 600.0, {"a": 1e12, "b": 3e12}, 2e-6), BLOOD)
    assert flow.status is Status.CONVERGED
    assert flow.branches["p"].flow[0] == pytest.approx(2e-6, rel=1e-12)
    assert flow.branches["a"].flow[0] / flow.branches["b"].flow[0] == pytest.approx(3.0, rel=1e-3)


def test_missing_and_unknown_resistances_are_named():
    tree = VesselTree("t", (tube(),))
    with pytest.raises(InputError, match="'a' has no resistance"):
        solve(tree, FlowConditions(1e4, 0.0, {}), BLOOD)
    with pytest.raises(InputError, match="'x'"):
        solve(tree, FlowConditions(1e4, 0.0, {"a": 1e9, "x": 1e9}), BLOOD)


def test_imports_with_numpy_and_scipy_alone():
    code = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"dolfinx", "vtk", "vtkmodules", "gmsh", "SimpleITK", "skimage", "mpi4py",
                                  "petsc4py", "matplotlib", "pydantic", "pint", "click", "rich", "meshio"}:
            raise ImportError(name + " is not allowed here")
sys.meta_path.insert(0, Refuse())
import hemo.reduced, hemo.treejson, hemo.boundary, hemo.indices
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_import_takes_little_beyond_numpy_and_scipy():
    """0.2 s is asked; the best of a few, since other work on the machine is no fault of the import."""
    code = """
import time
import numpy, scipy
start = time.perf_counter()
import hemo.reduced
print(time.perf_counter() - start)
"""
    times = []
    for _ in range(4):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        times.append(float(done.stdout))
    assert min(times) < 0.2
