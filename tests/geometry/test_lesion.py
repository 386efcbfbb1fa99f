from dataclasses import replace

import numpy as np
import pytest

from hemo.geometry.lesion import LesionOptions, find_lesions, with_reference_and_lesions
from hemo.geometry.reference import reference_radii
from hemo.geometry.synthetic.vessels import Stenosis, left_coronary, straight_stenosis
from hemo.tree import Branch, SideBranch, VesselTree


def noisy(branch, seed, relative=0.03):
    noise = 1.0 + relative * np.random.default_rng(seed).standard_normal(len(branch.arc))
    return Branch(**{**branch.__dict__, "area": branch.area * noise**2})


def alone(branch):
    """A tree of this branch only."""
    return VesselTree("t", (replace(branch, parent=None, parent_index=None),))


def test_reference_ignores_the_lesion():
    for severity in (0.0, 0.5, 0.8):
        lad = left_coronary(severity).tree["LAD"]
        assert reference_radii(alone(lad))["LAD"] == pytest.approx(lad.reference_radius, rel=2e-3)


@pytest.mark.parametrize("seed", range(5))
def test_reference_of_noisy_diameters_is_within_two_percent(seed):
    lad = noisy(left_coronary(0.6).tree["LAD"], seed)
    assert reference_radii(alone(lad))["LAD"] == pytest.approx(lad.reference_radius, rel=0.02)


def test_reference_steps_down_at_a_side_branch():
    arc = np.linspace(0.0, 60e-3, 241)
    healthy = np.where(arc < 25e-3, 1.8e-3, 1.4e-3) - 2e-3 * arc
    points = np.column_stack([0 * arc, 0 * arc, arc])
    side = 0.9e-3 + 0.0 * arc
    tree = VesselTree(
        "t",
        (
            Branch("a", points, healthy, np.pi * healthy**2, healthy),
            Branch("b", points[:, ::-1] + np.array([2e-3, 0, 25e-3]), side, np.pi * side**2, side, "a", 100),
        ),
    )
    found = reference_radii(tree)
    assert found["a"] == pytest.approx(healthy, rel=5e-3)
    assert found["b"] == pytest.approx(side, rel=5e-3)


@pytest.mark.parametrize("centre", [8e-3, 25e-3])
def test_reference_steps_down_where_a_side_branch_was_left_out(centre):
    arc = np.linspace(0.0, 60e-3, 241)
    first, side = 1.85e-3 * (1.0 - 2.0 * arc), 1.0e-3
    after = (np.interp(15e-3, arc, first) ** (7 / 3) - side ** (7 / 3)) ** (3 / 7)
    healthy = np.where(arc < 15e-3, first, after * (1.0 - 2.0 * (arc - 15e-3)))
    radius = healthy * Stenosis(centre, 12e-3, 0.6).factor(arc)
    points = np.column_stack([0 * arc, 0 * arc, arc])
    branch = Branch("a", points, radius, np.pi * radius**2, radius)
    tree = VesselTree("t", (branch,), side_branches=(SideBranch("a", 15e-3, 2.0 * side),))
    stepped = reference_radii(tree)["a"]
    assert stepped == pytest.approx(healthy, rel=0.015)
    without = reference_radii(replace(tree, side_branches=()))["a"]
    assert np.abs(without / healthy - 1.0).max() > 0.04
    (lesion,) = with_reference_and_lesions(tree).lesions
    assert lesion.diameter_stenosis == pytest.approx(0.6, abs=0.01)


def test_a_left_main_diseased_from_end_to_end_has_its_daughters_reference():
    truth = left_coronary(0.0).tree
    main = truth["LM"]
    narrow = replace(main, area=main.area * 0.5**2, radius=0.5 * main.radius)
    tree = replace(truth, branches=tuple(narrow if b.name == "LM" else b for b in truth.branches))
    # LAD 3.7 and LCX 3.4 mm make 4.81 by the law of Huo and Kassab; the model's left main is 4.4 there.
    expected = (truth["LAD"].reference_radius[0] ** (7 / 3) + truth["LCX"].reference_radius[0] ** (7 / 3)) ** (3 / 7)
    assert reference_radii(tree)["LM"][-1] == pytest.approx(expected, rel=0.03)
    lesions = with_reference_and_lesions(tree).lesions_on("LM")
    assert max(lesion.diameter_stenosis for lesion in lesions) == pytest.approx(0.54, abs=0.03)


@pytest.mark.parametrize(("gap", "count"), [(2e-3, 1), (9e-3, 2)])
def test_tandem_lesions_are_two_where_the_lumen_recovers_between_them(gap, count):
    arc = np.linspace(0.0, 60e-3, 241)
    factor = np.ones_like(arc)
    for centre in (30e-3 - gap / 2, 30e-3 + gap / 2):
        factor = np.minimum(factor, Stenosis(centre, 10e-3, 0.55).factor(arc))
    radius = 1.6e-3 * factor
    branch = Branch("a", np.column_stack([0 * arc, 0 * arc, arc]), radius, np.pi * radius**2, 1.6e-3 + 0 * arc)
    lesions = find_lesions(branch)
    assert len(lesions) == count
    assert sum(lesion.length for lesion in lesions) == pytest.approx(gap + 7.4e-3, abs=0.6e-3) if count == 1 else True
    for lesion in lesions:
        assert lesion.diameter_stenosis == pytest.approx(0.55, abs=0.01)


@pytest.mark.parametrize("severity", [0.4, 0.6, 0.8])
def test_lesion_is_measured(severity):
    tree = with_reference_and_lesions(left_coronary(severity).tree)
    (found,) = tree.lesions
    (true,) = left_coronary(severity).tree.lesions
    assert found.branch == "LAD"
    assert found.minimum == pytest.approx(true.minimum, abs=0.3e-3)
    assert found.minimal_lumen_area == pytest.approx(true.minimal_lumen_area, rel=0.01)
    assert found.diameter_stenosis == pytest.approx(severity, abs=0.01)
    # 10 % of the diameter is lost where 1 + cos = 0.2 / severity.
    half = 7e-3 * np.arccos(0.2 / severity - 1.0) / np.pi
    assert found.start == pytest.approx(true.minimum - half, abs=0.3e-3)
    assert found.end == pytest.approx(true.minimum + half, abs=0.3e-3)


def test_no_lesion_in_a_healthy_tree_even_with_noise():
    tree = left_coronary(0.0).tree
    assert with_reference_and_lesions(tree).lesions == ()
    for seed in range(5):
        assert find_lesions(noisy(tree["LAD"], seed, 0.02)) == ()


def test_threshold_is_an_option():
    _, tree = straight_stenosis(severity=0.35)
    vessel = tree["vessel"]
    assert len(find_lesions(vessel, LesionOptions(minimal_stenosis=0.3))) == 1
    assert len(find_lesions(vessel, LesionOptions(minimal_stenosis=0.4))) == 0


def test_coarse_centrelines_keep_their_lesion():
    arc = 1e-3 * np.array([0.0, 10.0, 20.0, 30.0, 40.0, 60.0])
    radius = 1e-3 * np.array([1.8, 1.7, 0.8, 1.6, 1.6, 1.4])
    branch = Branch("a", np.column_stack([0 * arc, 0 * arc, arc]), radius, np.pi * radius**2, np.full(6, 1.7e-3))
    (lesion,) = find_lesions(branch)
    assert 10e-3 < lesion.start < 20e-3 < lesion.end < 30e-3
