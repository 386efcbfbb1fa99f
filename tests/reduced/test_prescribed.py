"""Pressures at given flows against Poiseuille's law and against the tree that is solved."""

from __future__ import annotations

import numpy as np
import pytest

from hemo.blood import Blood
from hemo.boundary import FlowConditions, Leak
from hemo.errors import InputError
from hemo.geometry.lesion import with_reference_and_lesions
from hemo.reduced import LossOptions
from hemo.reduced.network import solve_sinks
from hemo.reduced.prescribed import pressures
from hemo.tree import Branch, VesselTree

AORTIC = 12.4e3


def vessel(severity: float = 0.0) -> VesselTree:
    arc = np.linspace(0.0, 0.06, 121)
    radius = 1.5e-3 * (
        1.0 - 0.5 * severity * (1.0 + np.cos(2 * np.pi * (arc - 0.02) / 0.01)) * (abs(arc - 0.02) < 5e-3)
    )
    points = np.column_stack([np.zeros((len(arc), 2)), arc])
    branch = Branch("LAD", points, radius, np.pi * radius**2, np.full(len(arc), 1.5e-3))
    return with_reference_and_lesions(VesselTree("one", (branch,)))


def test_a_tube_loses_what_poiseuille_says() -> None:
    flow, blood = 2e-6, Blood()
    found = pressures(vessel(), np.array([flow]), (), AORTIC, blood, LossOptions(law="borda_carnot"))
    along = found.branches["LAD"].pressure
    assert along[0] - along[-1] == pytest.approx(8 * blood.viscosity * 0.06 * flow / (np.pi * 1.5e-3**4), rel=1e-9)
    assert AORTIC - along[0] == pytest.approx(0.5 * blood.density * (flow / (np.pi * 1.5e-3**2)) ** 2)


def test_the_flows_of_a_solved_tree_give_its_pressures() -> None:
    tree, leaks = vessel(0.55), (Leak("LAD", 80, 4e9),)
    solved, out = solve_sinks(tree, FlowConditions(AORTIC, 600.0, {"LAD": 3e9}, None, leaks))
    found = pressures(tree, out, [("LAD", 80)], AORTIC)
    assert found.branches["LAD"].pressure == pytest.approx(solved.branches["LAD"].pressure, rel=1e-9)
    assert found.branches["LAD"].flow == pytest.approx(solved.branches["LAD"].flow, rel=1e-12)


def test_a_flow_that_cannot_pass_is_refused() -> None:
    with pytest.raises(InputError, match="more than the whole aortic pressure"):
        pressures(vessel(0.85), np.array([4e-6]), (), AORTIC)
    with pytest.raises(InputError, match="one flow"):
        pressures(vessel(), np.array([1e-6, 1e-6]), (), AORTIC)
