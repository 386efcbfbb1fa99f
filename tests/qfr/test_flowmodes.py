"""Hyperaemic velocity by mode, the flow that enters and where it leaves, against the formulae worked by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hemo.boundary.split import split_flow
from hemo.errors import InputError
from hemo.qfr.flowmodes import (
    EXPONENTS,
    FlowOptions,
    hyperaemic_velocity,
    inflow,
    stepped_reference,
    with_stepped_reference,
)
from hemo.tree import Branch, SideBranch, VesselTree


def tube(proximal: float = 1.5e-3, distal: float = 1.5e-3, length: float = 0.06) -> Branch:
    arc = np.linspace(0.0, length, 241)
    radius = np.linspace(proximal, distal, len(arc))
    return Branch("LAD", np.column_stack([np.zeros((len(arc), 2)), arc]), radius, np.pi * radius**2, radius)


def sided(branch: Branch, *sides: tuple[float, float]) -> VesselTree:
    return VesselTree("one", (branch,), side_branches=tuple(SideBranch("LAD", place, d) for place, d in sides))


@pytest.mark.parametrize(("contrast", "expected"), [(0.10, 0.2457), (0.15, 0.311575), (0.20, 0.3728), (0.30, 0.4813)])
def test_the_contrast_formula_as_the_reference_sheet_works_it(contrast: float, expected: float) -> None:
    alike = FlowOptions(contrast_scatter=0.0)
    found = hyperaemic_velocity("contrast", contrast, 0.1 * contrast, alike)
    assert found.velocity == pytest.approx(expected, abs=1e-6)
    slope = (hyperaemic_velocity("contrast", contrast + 1e-5).velocity - found.velocity) / 1e-5
    assert found.sd == pytest.approx(slope * 0.1 * contrast, rel=1e-3)
    assert not found.warnings


def test_fixed_and_measured_velocities_are_as_they_are() -> None:
    assert hyperaemic_velocity("fixed").velocity == 0.35
    assert hyperaemic_velocity("measured", 0.41, 0.02).velocity == 0.41
    assert hyperaemic_velocity("measured", 0.41, 0.02).sd == 0.02


def test_the_contrast_formula_is_not_used_where_it_turns_over_and_warns_before() -> None:
    assert "extrapolated" in hyperaemic_velocity("contrast", 0.6).warnings[0]
    assert "extrapolated" in hyperaemic_velocity("contrast", 0.03).warnings[0]
    with pytest.raises(InputError, match="holds up to"):
        hyperaemic_velocity("contrast", 0.81)
    with pytest.raises(InputError, match=r"holds up to 0\.50"):
        hyperaemic_velocity("contrast", 0.6, options=FlowOptions(coefficients=(0.1, 1.0, -1.0)))


@pytest.mark.parametrize("bad", [None, 0.0, -0.1, float("nan")])
def test_a_mode_without_its_velocity_is_refused(bad: float | None) -> None:
    with pytest.raises(InputError, match="needs a positive velocity"):
        hyperaemic_velocity("contrast", bad)


def test_names_that_do_not_exist_are_refused() -> None:
    with pytest.raises(InputError, match="no flow mode"):
        hyperaemic_velocity("guess")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no area"):
        FlowOptions(area="best")  # type: ignore[arg-type]


def test_flow_is_velocity_times_the_area_that_is_named() -> None:
    branch = tube(1.6e-3, 1.0e-3)
    mean = np.pi * (1.6e-3**2 + 1.6e-3 * 1.0e-3 + 1.0e-3**2) / 3.0  # a cone's
    assert inflow(0.35, branch) == pytest.approx(0.35 * mean, rel=1e-4)
    first = 1.6e-3 - 0.6e-3 * 2.5 / 60.0
    proximal = inflow(0.35, branch, FlowOptions(area="proximal_reference"))
    assert proximal == pytest.approx(0.35 * np.pi * first**2, rel=1e-3)
    narrow = replace(branch, area=0.5 * branch.area)
    assert inflow(0.35, narrow, FlowOptions(area="mean_lumen")) == pytest.approx(0.35 * 0.5 * mean, rel=1e-4)
    half = np.pi * (1.6e-3**2 + 1.6e-3 * 1.3e-3 + 1.3e-3**2) / 3.0
    assert inflow(0.35, branch, upto=0.03) == pytest.approx(0.35 * half, rel=1e-4)


@pytest.mark.parametrize("exponent", EXPONENTS.values())
def test_the_reference_steps_down_by_the_law_and_flow_with_it(exponent: float) -> None:
    large = 3.0e-3
    sides = ((0.02, 1.5e-3), (0.04, 1.2e-3))
    middle = (large**exponent - 1.5e-3**exponent) ** (1 / exponent)
    small = (middle**exponent - 1.2e-3**exponent) ** (1 / exponent)
    truth = 0.5 * np.where(tube().arc < 0.02, large, np.where(tube().arc < 0.04, middle, small))
    tree = sided(replace(tube(), reference_radius=truth), *sides)
    stepped = with_stepped_reference(tree, exponent)
    assert stepped.root.reference_radius == pytest.approx(truth, rel=1e-12)
    shares = split_flow(stepped, exponent)
    assert [place for _, place in shares.leaks] == [80, 160]  # steps leave no leak besides
    expected = [small**exponent, 1.5e-3**exponent, 1.2e-3**exponent]
    assert shares.in_order == pytest.approx(np.array(expected) / large**exponent, rel=1e-9)


def test_a_lesion_moves_the_stepped_reference_little() -> None:
    branch = tube()
    narrowed = np.where(abs(branch.arc - 0.03) < 8e-3, 0.6, 1.0) * 1.5e-3
    found = stepped_reference(replace(branch, reference_radius=narrowed), (), 2.39)
    assert found == pytest.approx(1.5e-3, rel=1e-9)


def test_side_branches_that_leave_nothing_are_refused() -> None:
    with pytest.raises(InputError, match="leaves nothing"):
        stepped_reference(tube(), (SideBranch("LAD", 0.005, 9e-3), SideBranch("LAD", 0.05, 9.1e-3)), 2.39)
    with pytest.raises(InputError, match="exponent"):
        stepped_reference(tube(), (), 0.0)
