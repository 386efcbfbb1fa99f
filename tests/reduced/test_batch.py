"""Many samples at once are each the solution by itself."""

from dataclasses import replace

import numpy as np
import pytest

from hemo.blood import Blood
from hemo.boundary import Physiology
from hemo.errors import InputError
from hemo.geometry.synthetic.vessels import left_coronary
from hemo.reduced import LossOptions, solve, solve_states
from hemo.reduced.batch import CHUNK, same_for_all, solve_samples, solve_trees
from hemo.reduced.losses import kinetic
from hemo.reduced.lumen import lumen
from hemo.treecalibration import Calibration
from hemo.units import MMHG

PATIENT = Physiology(systolic=128 * MMHG, diastolic=76 * MMHG, myocardial_mass=0.135)
TREE = left_coronary(0.6).tree
CONDITIONS = solve_states(TREE, PATIENT, Blood()).hyperaemia_conditions
LUMEN = lumen(TREE)
PLACES = [("LM", 0.0), ("LAD", 20.3e-3), ("LAD", TREE["LAD"].length), ("LCX", 15e-3), ("D1", 1e-3), ("OM1", 9e-3)]
SAME = same_for_all(TREE, CONDITIONS)


def read(flow):
    return np.array([np.interp(place, TREE[name].arc, flow.branches[name].pressure) for name, place in PLACES])


def test_one_sample_is_the_solution():
    found = solve_samples(TREE, CONDITIONS.leak_places, SAME, 1, PLACES)
    assert found.converged.all()
    assert found.pressure[:, 0] == pytest.approx(read(solve(TREE, CONDITIONS)), rel=1e-9)


def test_a_calibrations_further_loss_goes_with_lumen_and_density():
    """Samples with other lumens are trees with those lumens and the same calibration: c rho / (2 A^2)."""
    count = len(LUMEN.point)
    own = LossOptions(calibration=Calibration(np.full(count, 1.2), np.full(count, 0.7), np.full(count, 0.4)))
    factor, density = np.array([0.9, 1.0, 1.1]), np.array([1000.0, 1060.0, 1100.0])
    samples = replace(SAME, density=density, radius=lambda part: np.ones((len(LUMEN.radius), 1)) * factor[part])
    found = solve_samples(TREE, CONDITIONS.leak_places, samples, 3, PLACES, own)
    for i in range(3):
        branches = tuple(
            replace(one, radius=factor[i] * one.radius, area=factor[i] ** 2 * one.area) for one in TREE.branches
        )
        lesions = tuple(
            replace(one, minimal_lumen_area=factor[i] ** 2 * one.minimal_lumen_area) for one in TREE.lesions
        )
        tree = replace(TREE, branches=branches, lesions=lesions)
        alone = solve(tree, CONDITIONS, Blood(density[i]), own)
        assert found.pressure[:, i] == pytest.approx(read(alone), rel=1e-9)
    unit = kinetic(LUMEN, (1060.0, 3.5e-3))
    thin = kinetic(LUMEN.resized(np.full(len(LUMEN.radius), 0.5)), (2120.0, 3.5e-3))
    np.testing.assert_allclose(thin, 32.0 * unit, rtol=1e-12)
    area, step = TREE.root.area, np.diff(TREE.root.arc)
    assert unit[0] == pytest.approx(0.5 * 1060.0 / (0.5 * (area[0] + area[1])) ** 2 * step[0] / 10e-3)


def test_each_sample_is_its_own_solution():
    """More samples than a chunk holds; everything differs."""
    count = CHUNK + 7
    rng = np.random.default_rng(0)
    factor = rng.uniform(0.9, 1.1, (len(LUMEN.radius), count))
    samples = replace(
        SAME,
        aortic_pressure=rng.uniform(80, 110, count) * MMHG,
        resistance=SAME.resistance * rng.uniform(0.7, 1.4, (len(SAME.resistance), count)),
        viscosity=rng.uniform(3e-3, 4e-3, count),
        density=rng.uniform(1050.0, 1070.0, count),
        expansion=rng.uniform(0.8, 1.5, count),
        radius=lambda part: factor[:, part],
    )
    found = solve_samples(TREE, CONDITIONS.leak_places, samples, count, PLACES, threads=2)
    assert found.converged.all()
    for i in (0, CHUNK - 1, CHUNK, count - 1):
        alone = replace(
            samples,
            **{
                name: np.asarray(getattr(samples, name))[..., i : i + 1]
                for name in ("aortic_pressure", "resistance", "viscosity", "density", "expansion")
            },
            radius=lambda _, i=i: factor[:, i : i + 1],
        )
        assert found.pressure[:, i] == pytest.approx(
            solve_samples(TREE, CONDITIONS.leak_places, alone, 1, PLACES).pressure[:, 0], rel=1e-9
        )
    assert np.ptp(found.pressure[2]) > 10 * MMHG


def test_expansion_and_fluid_are_those_of_a_single_solve():
    samples = replace(SAME, viscosity=np.array([3e-3, 4e-3]), expansion=np.array([1.0, 1.52]))
    found = solve_samples(TREE, CONDITIONS.leak_places, samples, 2, PLACES)
    for i, (viscosity, expansion) in enumerate([(3e-3, 1.0), (4e-3, 1.52)]):
        flow = solve(TREE, CONDITIONS, Blood(viscosity=viscosity), LossOptions(expansion))
        assert found.pressure[:, i] == pytest.approx(read(flow), rel=1e-9)


def test_prescribed_flows():
    flows = np.array([2e-6, 4e-6, 6e-6])
    found = solve_samples(TREE, CONDITIONS.leak_places, replace(SAME, inlet_flow=flows), 3, PLACES)
    assert found.out.sum(axis=0) == pytest.approx(flows, rel=1e-9)
    for i, flow in enumerate(flows):
        assert found.pressure[:, i] == pytest.approx(read(solve(TREE, replace(CONDITIONS, inlet_flow=flow))), rel=1e-8)


def test_wrong_lengths_and_places_are_named():
    with pytest.raises(InputError, match="viscosity has 3 values for 5 samples"):
        solve_samples(TREE, CONDITIONS.leak_places, replace(SAME, viscosity=np.full(3, 3.5e-3)), 5, PLACES)
    with pytest.raises(InputError, match="no branch 'RCA'"):
        solve_samples(TREE, CONDITIONS.leak_places, SAME, 1, [("RCA", 0.0)])


@pytest.mark.parametrize("processes", [1, 2])
def test_many_trees_keep_their_order_and_a_bad_one_takes_no_other_down(processes):
    trees = [left_coronary(severity).tree for severity in (0.3, 0.5, 0.7)]
    cases = [(tree, solve_states(tree, PATIENT, Blood()).hyperaemia_conditions) for tree in trees]
    cases.insert(1, (trees[0], replace(CONDITIONS, outlet_resistance={})))
    found = solve_trees(cases, processes=processes)
    assert isinstance(found[1], InputError) and "has no resistance" in str(found[1])
    for (tree, conditions), flow in zip(cases[:1] + cases[2:], found[:1] + found[2:], strict=True):
        alone = solve(tree, conditions)
        for name in tree.outlets:
            assert flow.ffr(name) == pytest.approx(alone.ffr(name), rel=1e-12)
