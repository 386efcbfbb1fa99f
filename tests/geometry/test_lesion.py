import numpy as np
import pytest

from hemo.geometry.lesion import LesionOptions, find_lesions, reference_radius, with_reference_and_lesions
from hemo.geometry.synthetic.vessels import left_coronary, straight_stenosis
from hemo.tree import Branch


def noisy(branch, seed, relative=0.03):
    noise = 1.0 + relative * np.random.default_rng(seed).standard_normal(len(branch.arc))
    return Branch(**{**branch.__dict__, "area": branch.area * noise**2})


def test_reference_ignores_the_lesion():
    for severity in (0.0, 0.5, 0.8):
        lad = left_coronary(severity).tree["LAD"]
        assert reference_radius(lad, []) == pytest.approx(lad.reference_radius, rel=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_reference_of_noisy_diameters_is_within_two_percent(seed):
    lad = noisy(left_coronary(0.6).tree["LAD"], seed)
    assert reference_radius(lad, []) == pytest.approx(lad.reference_radius, rel=0.02)


def test_reference_steps_down_at_a_side_branch():
    arc = np.linspace(0.0, 60e-3, 241)
    healthy = np.where(arc < 25e-3, 1.8e-3, 1.4e-3) - 2e-3 * arc
    points = np.column_stack([0 * arc, 0 * arc, arc])
    branch = Branch("a", points, healthy, np.pi * healthy**2, healthy)
    assert reference_radius(branch, [25e-3]) == pytest.approx(healthy, rel=1e-3)


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
