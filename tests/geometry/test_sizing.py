"""Wanted size of the cells: by calibre, finer in a stenosis, slowly growing along a vessel."""

from __future__ import annotations

import numpy as np
import pytest

from hemo.geometry.mesh.sizing import GROWTH, NARROWEST, WAKE, Sizes, size_at
from hemo.geometry.synthetic.vessels import Stenosis
from hemo.tree import Branch, VesselTree

N, RADIUS, LENGTH = 8.0, 1.5e-3, 60e-3
X = np.linspace(0.0, LENGTH, 241)


def vessel(*lesions: Stenosis, name: str = "A", start: float = 0.0, parent: str | None = None) -> Branch:
    radius = RADIUS * np.prod([np.ones_like(X), *(lesion.factor(X) for lesion in lesions)], axis=0)
    points = np.column_stack([start + X, 0.0 * X, 0.0 * X])
    index = None if parent is None else len(X) - 1
    return Branch(name, points, radius, np.pi * radius**2, np.full_like(X, RADIUS), parent, index)


def wanted(places: np.ndarray, *branches: Branch) -> np.ndarray:
    """Wanted length on the axis over the healthy D/N."""
    axis = np.column_stack([places, 0.0 * places, 0.0 * places])
    return size_at(axis, VesselTree("t", branches), Sizes(N)) * N / (2.0 * RADIUS)


def test_a_healthy_vessel_has_its_diameter_over_n() -> None:
    np.testing.assert_allclose(wanted(X, vessel()), 1.0, rtol=1e-12)


def test_a_tapering_vessel_is_not_made_finer() -> None:
    radius = np.linspace(2.3e-3, 0.95e-3, len(X))
    branch = Branch("A", vessel().points, radius, np.pi * radius**2, radius)
    np.testing.assert_allclose(wanted(X, branch), radius / RADIUS, rtol=0.01)


@pytest.mark.parametrize("severity", [0.3, 0.5, 0.6])
def test_the_throat_has_more_cells_the_narrower_it_is(severity: float) -> None:
    left = 1.0 - severity
    behind = 20e-3 + WAKE * left * 2.0 * RADIUS
    found = wanted(np.array([20e-3, behind - 0.3e-3]), vessel(Stenosis(20e-3, 10e-3, severity)))
    np.testing.assert_allclose(found, left * np.sqrt(left), rtol=0.01)  # kept where the jet's shear layer forms


def test_a_severe_lesion_has_no_more_cells_across_than_its_flow_needs() -> None:
    found = wanted(np.array([20e-3]), vessel(Stenosis(20e-3, 10e-3, 0.9)))
    assert found == pytest.approx(0.1 * np.sqrt(NARROWEST), rel=0.05)


def test_cells_grow_slowly_on_both_sides_of_tandem_lesions() -> None:
    lesions = Stenosis(15e-3, 6e-3, 0.6), Stenosis(35e-3, 6e-3, 0.4)
    branch = vessel(*lesions)
    found = wanted(X, branch)
    apart = 16  # points, 4 mm; the length is that of the nearest centreline point, half a millimetre away at most
    growth = np.abs(found[apart:] - found[:-apart]).max() * 2.0 * RADIUS / N
    assert growth <= GROWTH * (X[apart] + 1e-3)
    across = branch.radius / RADIUS / found
    assert across.min() > 0.99
    behind = wanted(np.array([18.5e-3]), branch)  # half a millimetre past the lesion's end: still half as large
    assert behind < 0.75
    np.testing.assert_allclose(wanted(np.array([2e-3, 50e-3]), branch), 1.0, rtol=1e-9)


def test_the_jet_of_a_lesion_at_the_end_of_a_vessel_is_followed_into_its_branches() -> None:
    parent = vessel(Stenosis(58e-3, 8e-3, 0.6))
    branches = parent, vessel(name="B", start=LENGTH, parent="A"), vessel(name="C", start=LENGTH, parent="A")
    places = LENGTH + np.array([0.5e-3, 30e-3])
    alone, after = wanted(places - LENGTH, vessel()), wanted(places, *branches)
    np.testing.assert_allclose(alone, 1.0)
    assert after[0] < 0.8
    assert after[1] == pytest.approx(1.0)
