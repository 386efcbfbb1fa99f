"""Distributions of FFR against what is known of them."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtri

from hemo.blood import Blood
from hemo.boundary import Physiology, flow_conditions
from hemo.errors import InputError
from hemo.geometry.synthetic.vessels import left_coronary
from hemo.indices import lesion_pressure
from hemo.reduced import solve, solve_states
from hemo.reduced.budget import Spread
from hemo.tree import Branch, VesselTree
from hemo.uncertainty import CAUSES, NODES, Doubts, _diameter_modes, uncertainty
from hemo.units import MMHG

pytest.importorskip("SALib")

PATIENT = Physiology(systolic=128 * MMHG, diastolic=76 * MMHG, myocardial_mass=0.135)
TREE = left_coronary(0.6).tree
NOTHING = Doubts(Spread(0.0, 0.0, (1.0, 1.0)), pressure=0.0, viscosity=0.0)


@pytest.fixture(scope="module")
def usual():
    return uncertainty(TREE, PATIENT, samples=256)


def test_without_doubt_ffr_is_the_reduced_models(usual):
    flow = solve_states(TREE, PATIENT, Blood()).hyperaemia
    (lesion,) = usual.lesions
    assert lesion.value == pytest.approx(lesion_pressure(TREE, TREE.lesions[0], flow, None).distal, abs=1e-6)
    assert [one.name for one in usual.outlets] == list(TREE.outlets)
    for one in usual.outlets:
        assert one.value == pytest.approx(flow.ffr(one.name)[-1], abs=1e-6)


def test_distribution_is_consistent(usual):
    for one in (*usual.lesions, *usual.outlets):
        assert one.interval[0] < one.mean < one.interval[1] < 1.0
        assert 0.0 < one.deviation < 0.2
        assert set(one.first) == set(CAUSES)
        assert sum(first for first, _ in one.first.values()) == pytest.approx(1.0, abs=0.25)
        for name in CAUSES:
            assert one.total[name][0] >= one.first[name][0] - one.first[name][1] - one.total[name][1]
    assert usual.lesions[0].measure == "resistance reserve"  # nobody measured it: 0.38 of its logarithm
    assert 0.2 < usual.lesions[0].positive < 0.6


def test_the_same_seed_gives_the_same_numbers(usual):
    again = uncertainty(TREE, PATIENT, samples=256)
    assert again == usual
    other = uncertainty(TREE, PATIENT, samples=256, seed=1)
    assert other.lesions[0].mean != usual.lesions[0].mean
    assert other.lesions[0].mean == pytest.approx(usual.lesions[0].mean, abs=0.01)


def test_a_measured_reserve_narrows_the_interval(usual):
    measured = uncertainty(TREE, replace(PATIENT, resistance_reserve=3.0), samples=256)
    assert measured.lesions[0].deviation < 0.75 * usual.lesions[0].deviation
    assert measured.lesions[0].measure != "resistance reserve"


def test_the_only_doubt_has_all_of_the_variance():
    """A measured inlet flow, 18 %; nothing else: the deviation is that of the flow's own distribution."""
    patient = replace(PATIENT, inlet_flow=5e-6)
    found = uncertainty(TREE, patient, samples=512, doubts=NOTHING).outlets[0]
    assert found.measure == "resting flow"
    assert found.first["resting flow"][0] == pytest.approx(1.0, abs=0.02)
    assert found.total["resting flow"][0] == pytest.approx(1.0, abs=0.02)
    for name in set(CAUSES) - {"resting flow"}:
        assert found.total[name] == pytest.approx((0.0, 0.0), abs=1e-9)
    even = (np.arange(200) + 0.5) / 200
    flows = 5e-6 * np.exp(0.18 * ndtri(even))
    conditions = solve_states(TREE, patient, Blood()).hyperaemia_conditions
    ffr = np.array([solve(TREE, replace(conditions, inlet_flow=flow)).ffr("LAD")[-1] for flow in flows])
    assert found.mean == pytest.approx(ffr.mean(), abs=2e-4)
    assert found.deviation == pytest.approx(ffr.std(), rel=0.03)
    assert found.interval == pytest.approx(tuple(np.quantile(ffr, [0.025, 0.975])), abs=4e-3)


def test_a_larger_voxel_widens_the_lumens_part():
    parts = []
    for deviation in (0.05e-3, 0.1e-3, 0.2e-3):
        spread = replace(Spread(), lumen_diameter=deviation)
        found = uncertainty(TREE, PATIENT, samples=256, doubts=Doubts(spread)).lesions[0]
        parts.append(found.first["lumen"][0] * found.deviation**2)
    assert parts[0] < parts[1] < parts[2]


def test_modes_have_their_variance_and_correlation():
    doubts = Doubts(common=0.4, correlation=6e-3)
    modes = _diameter_modes(TREE, doubts)
    covariance = modes @ modes.T
    assert np.diag(covariance) == pytest.approx(np.full(len(modes), (0.1e-3) ** 2), rel=1e-9)
    counts = np.cumsum([0, *(len(branch.points) for branch in TREE.branches)])
    names = [branch.name for branch in TREE.branches]
    lad, lcx = counts[names.index("LAD")], counts[names.index("LCX")]
    assert covariance[lad + 3, lcx + 3] == pytest.approx(0.4 * (0.1e-3) ** 2)
    arc = TREE["LAD"].arc
    far = int(np.searchsorted(arc, arc[40] + 6e-3))
    expected = 0.4 + 0.6 * np.exp(-0.5 * ((arc[far] - arc[40]) / 6e-3) ** 2)
    assert covariance[lad + 40, lad + far] / (0.1e-3) ** 2 == pytest.approx(expected, abs=0.02)


def test_nonsense_is_named():
    with pytest.raises(InputError, match="power of two"):
        uncertainty(TREE, PATIENT, samples=1000)
    with pytest.raises(InputError, match="between 0 and 1"):
        Doubts(common=1.5)
    with pytest.raises(InputError, match="negative"):
        Doubts(viscosity=-0.1)


def test_a_leak_that_is_followed_under_some_exponents_only() -> None:
    """A stretch that hardly tapers leaks just as much as is followed: less under one exponent, more under another."""
    arc = np.linspace(0.0, 0.02, 81)
    radius = 1.5e-3 * np.interp(arc, [0.0, 0.005, 0.010, 0.015, 0.020], [1.0, 0.95, 0.95 * (1 - 4.73e-5), 0.9, 0.85])
    points = np.column_stack([0 * arc, 0 * arc, arc])
    tree = VesselTree("left", (Branch("LAD", points, radius, np.pi * radius**2, radius),))
    patient = Physiology(mean_pressure=93 * MMHG, myocardial_mass=0.135)
    counts = {
        len(flow_conditions(tree, replace(patient, exponent=value), "hyperaemia", Blood()).leaks)
        for value in patient.division_exponent + 0.077 * NODES
    }
    assert len(counts) == 2
    found = uncertainty(tree, patient, samples=64).outlets[0]
    whole = uncertainty(tree, replace(patient, exponent=2.5), samples=64).outlets[0]
    assert found.value == pytest.approx(whole.value, abs=2e-3) and 0.8 < found.interval[0] < found.value
