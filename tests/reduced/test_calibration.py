"""A tree's losses fitted to flows that lose otherwise."""

from dataclasses import replace

import numpy as np
import pytest

from hemo.blood import Blood
from hemo.boundary import Physiology
from hemo.errors import InputError
from hemo.geometry.synthetic.vessels import left_coronary
from hemo.reduced import LossOptions, solve_states
from hemo.reduced.beds import with_resistances
from hemo.reduced.calibration import LEAST, MOST, Solution, calibrate
from hemo.reduced.losses import interval_losses
from hemo.reduced.network import sink_resistances, solve_sinks
from hemo.treecalibration import Calibration
from hemo.units import MMHG

PATIENT = Physiology(systolic=128 * MMHG, diastolic=76 * MMHG, myocardial_mass=0.135)
TREE = left_coronary(0.6).tree
CONDITIONS = solve_states(TREE, PATIENT, Blood()).hyperaemia_conditions


def other_losses():
    """Friction 30 % more, lesions 60 % more, and a loss by every diameter."""
    plain = interval_losses(TREE, Blood())
    rng = np.random.default_rng(0)
    n = len(plain.linear)
    return LossOptions(calibration=Calibration(np.full(n, 1.3), np.full(n, 1.6), np.full(n, rng.uniform(0.2, 0.6))))


TRUTH = other_losses()


def truth(factor=1.0):
    """The solution with beds that resist so many times as much."""
    conditions = with_resistances(TREE, CONDITIONS, factor * sink_resistances(TREE, CONDITIONS))
    flow, sinks = solve_sinks(TREE, conditions, options=TRUTH)
    return conditions, flow, Solution(flow, sinks, conditions.leak_places)


def worst(conditions, flow, options):
    found = solve_sinks(TREE, conditions, options=options)[0]
    return max(np.abs(found.ffr(name) - flow.ffr(name)).max() for name in flow.branches)


def at_outlets(conditions, flow, options):
    found = solve_sinks(TREE, conditions, options=options)[0]
    return max(abs(found.ffr(name)[-1] - flow.ffr(name)[-1]) for name in TREE.outlets)


def test_one_solution_fits_its_own_flow_and_comes_near_at_others():
    conditions, flow, solution = truth()
    calibration, residual = calibrate(TREE, [solution])
    fitted = LossOptions(calibration=calibration)
    assert np.abs(residual).max() < 60.0  # Pa
    assert worst(conditions, flow, LossOptions()) > 0.03
    assert worst(conditions, flow, fitted) < 0.006  # within the lesion; beyond it less
    assert at_outlets(conditions, flow, fitted) < 0.001
    for factor in (0.8, 1.5, 2.5):
        conditions, flow, _ = truth(factor)
        assert worst(conditions, flow, fitted) < 0.01
        assert worst(conditions, flow, fitted) < 0.3 * worst(conditions, flow, LossOptions())


def test_more_solutions_fit_the_range_between():
    solutions = [truth(factor)[2] for factor in (1.0, 2.0, 3.0)]
    one, three = (calibrate(TREE, some)[0] for some in (solutions[:1], solutions))
    conditions, flow, _ = truth(2.5)
    alone, together = (worst(conditions, flow, LossOptions(calibration=found)) for found in (one, three))
    assert together < 0.003
    assert together <= alone


def test_the_laws_own_flow_changes_nothing_much():
    flow, sinks = solve_sinks(TREE, CONDITIONS)
    calibration, _ = calibrate(TREE, [Solution(flow, sinks, CONDITIONS.leak_places)])
    assert worst(CONDITIONS, flow, LossOptions(calibration=calibration)) < 0.002


def test_a_pressure_that_rises_leaves_losses_within_bounds():
    """Noise of sections in junctions: the fitted tree must still lose."""
    flow, sinks = solve_sinks(TREE, CONDITIONS)
    rng = np.random.default_rng(1)
    noisy = {
        name: replace(along, pressure=along.pressure + rng.normal(0.0, 300.0, len(along.pressure)))
        for name, along in flow.branches.items()
    }
    solution = Solution(replace(flow, branches=noisy), sinks, CONDITIONS.leak_places)
    calibration, residual = calibrate(TREE, [solution])
    assert (calibration.friction >= LEAST[0] - 1e-9).all() and (calibration.friction <= MOST[0] + 1e-9).all()
    assert (calibration.kinetic >= 0.0).all()
    assert np.abs(residual).max() > 0.0
    assert solve_sinks(TREE, CONDITIONS, options=LossOptions(calibration=calibration))[0].status.usable


def test_what_does_not_fit_is_named():
    with pytest.raises(InputError, match="at least one solution"):
        calibrate(TREE, [])
    conditions, flow, solution = truth()
    with pytest.raises(InputError, match="other branches"):
        calibrate(TREE, [replace(solution, flow=replace(flow, branches={}))])
    short = Calibration(np.ones(3), np.ones(3), np.zeros(3))
    with pytest.raises(InputError, match="other centreline points"):
        solve_sinks(TREE, conditions, options=LossOptions(calibration=short))
