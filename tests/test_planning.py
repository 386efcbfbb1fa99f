"""Lesions opened one by one and together."""

from dataclasses import replace

import numpy as np
import pytest

from hemo.blood import Blood
from hemo.boundary import Physiology
from hemo.errors import InputError
from hemo.geometry.lesion import measure_lesion
from hemo.geometry.synthetic.vessels import left_coronary
from hemo.planning import Stent, opened, plan
from hemo.reduced import LossOptions, solve, solve_states
from hemo.reduced.calibration import with_own_law_in
from hemo.treecalibration import Calibration
from hemo.units import MMHG

PATIENT = Physiology(systolic=128 * MMHG, diastolic=76 * MMHG, myocardial_mass=0.135)


def tandem():
    """The left tree with its 60 % lesion and another of 50 % further on in the same vessel."""
    tree = left_coronary(0.6).tree
    lad = tree["LAD"]
    place = 0.75 * lad.length
    shape = 1.0 - 0.5 * 0.5 * (1.0 + np.cos(np.pi * np.clip((lad.arc - place) / 5e-3, -1.0, 1.0)))
    narrowed = replace(lad, area=lad.area * shape**2, radius=lad.radius * shape)
    second = measure_lesion(narrowed, place - 5e-3, place + 5e-3, "LAD_2")
    branches = tuple(narrowed if one.name == "LAD" else one for one in tree.branches)
    return replace(tree, branches=branches, lesions=(*tree.lesions, second))


TREE = tandem()
CONDITIONS = solve_states(TREE, PATIENT, Blood()).hyperaemia_conditions
PLAN = plan(TREE, CONDITIONS)


def test_nothing_opened_is_the_tree_as_it_is():
    flow = solve(TREE, CONDITIONS)
    for name in TREE.outlets:
        assert PLAN.before.outlets[name] == pytest.approx(flow.ffr(name)[-1], rel=1e-12)
        assert PLAN.before.flows[name] == pytest.approx(flow.branches[name].flow[-1], rel=1e-12)


def own_losses(seed=0):
    """A calibration with other numbers in every interval."""
    rng = np.random.default_rng(seed)
    count = sum(len(branch.points) - 1 for branch in TREE.branches)
    return LossOptions(
        calibration=Calibration(
            rng.uniform(0.8, 1.5, count), rng.uniform(0.5, 2.0, count), rng.uniform(0.0, 0.5, count)
        )
    )


def test_nothing_opened_is_the_calibrated_tree_and_an_opened_lesion_loses_its_calibration():
    options = own_losses()
    found = plan(TREE, CONDITIONS, options=options)
    flow = solve(TREE, CONDITIONS, options=options)
    for name in TREE.outlets:
        assert found.before.outlets[name] == pytest.approx(flow.ffr(name)[-1], rel=1e-12)
        assert abs(found.before.outlets[name] - PLAN.before.outlets[name]) > 1e-3
    lad = sum(len(branch.points) - 1 for branch in TREE.branches[: [b.name for b in TREE.branches].index("LAD")])
    arc = TREE["LAD"].arc
    first = TREE.lesions[0]
    inside = np.zeros(len(options.calibration.friction), dtype=bool)
    inside[lad : lad + len(arc) - 1] = (arc[1:] > first.start) & (arc[:-1] < first.end)
    assert inside.sum() > 5
    own = with_own_law_in(TREE, options.calibration, ["LAD_1"])
    for values, before, law in (
        (own.friction, options.calibration.friction, 1.0),
        (own.lesion, options.calibration.lesion, 1.0),
        (own.kinetic, options.calibration.kinetic, 0.0),
    ):
        np.testing.assert_array_equal(values, np.where(inside, law, before))
    stented = opened(TREE, [Stent("LAD_1")])
    by_hand = solve(stented, CONDITIONS, options=LossOptions(calibration=own))
    assert found.single["LAD_1"].outlets["LAD"] == pytest.approx(by_hand.ffr("LAD")[-1], rel=1e-12)


def test_all_opened_is_the_healthy_tree():
    """What is left are the edges of the lesions, within a tenth of the diameter."""
    healthy = left_coronary(0.0).tree
    flow = solve(healthy, CONDITIONS)
    for name in TREE.outlets:
        assert PLAN.together.outlets[name] == pytest.approx(flow.ffr(name)[-1], abs=0.004)


def test_opening_one_of_two_shows_the_other():
    """More flow passes the lesion that is left: its own fall is larger than before."""
    for one, other in (("LAD_1", "LAD_2"), ("LAD_2", "LAD_1")):
        alone = PLAN.single[one]
        assert alone.gradients[other] > PLAN.before.gradients[other]
        assert alone.gradients[one] < 0.15 * PLAN.before.gradients[one]
        assert PLAN.before.outlets["LAD"] < alone.outlets["LAD"] < PLAN.together.outlets["LAD"]
        assert alone.outlets["LCX"] <= PLAN.before.outlets["LCX"]  # steals a little from the left main


def test_the_tighter_lesion_comes_first():
    steps = PLAN.order["LAD"]
    assert [step.lesion for step in steps] == ["LAD_1", "LAD_2"]
    assert steps[0].ffr == PLAN.single["LAD_1"].outlets["LAD"]
    assert steps[1].ffr == PLAN.together.outlets["LAD"]
    assert [step.lesion for step in PLAN.order["D1"]] == ["LAD_1"]  # leaves before the second
    assert "LCX" not in PLAN.order


def test_less_expansion_less_gain():
    stents = [Stent("LAD_1", expansion=part) for part in (1.0, 0.8, 0.5)]
    found = [plan(TREE, CONDITIONS, [stent]).together.lesions["LAD_1"] for stent in stents]
    assert found == sorted(found, reverse=True)
    assert found[0] - found[-1] > 0.005


def test_a_stent_has_its_area_and_takes_none_away():
    wide = opened(TREE, [Stent("LAD_1", 3e-3, 0.9)])
    lesion = TREE.lesions[0]
    lad, before = wide["LAD"], TREE["LAD"]
    inside = (lad.arc >= lesion.start) & (lad.arc <= lesion.end)
    assert lad.area[inside] == pytest.approx(np.maximum(0.9 * np.pi / 4 * 3e-3**2, before.area[inside]))
    assert np.array_equal(lad.area[~inside], before.area[~inside])
    assert wide.lesions[0].minimal_lumen_area == pytest.approx(lad.area[inside].min())
    assert opened(TREE, [Stent("LAD_1")]).lesions[0].diameter_stenosis < 0.01


def test_what_cannot_be_opened_is_named():
    with pytest.raises(InputError, match="no lesion 'RCA_1'; it has LAD_1, LAD_2"):
        plan(TREE, CONDITIONS, [Stent("RCA_1")])
    with pytest.raises(InputError, match="two stents"):
        plan(TREE, CONDITIONS, [Stent("LAD_1"), Stent("LAD_1", 3e-3)])
    with pytest.raises(InputError, match="check its unit"):
        Stent("LAD_1", 3.0)
    with pytest.raises(InputError, match="expansion"):
        Stent("LAD_1", expansion=90)
    with pytest.raises(InputError, match="no lesion to open"):
        plan(left_coronary(0.0).tree.with_lesions(()), CONDITIONS)
