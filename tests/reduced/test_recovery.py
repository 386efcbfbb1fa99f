"""What drives vessels that leave others on their way, and what a jet gives back where part of its flow has left."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from hemo.blood import Blood
from hemo.boundary import FlowConditions
from hemo.geometry.lesion import with_reference_and_lesions
from hemo.reduced import LossOptions, solve
from hemo.reduced.batch import same_for_all, solve_samples
from hemo.reduced.laws import fitted_constants
from hemo.reduced.lumen import lumen
from hemo.reduced.network import solve_sinks
from hemo.reduced.prescribed import pressures
from hemo.reduced.recovery import behind, recovery_of
from hemo.results import Status
from hemo.tree import Branch, VesselTree

AORTIC = 12.4e3
WIDE, THIN = 1.5e-3, 0.8e-3
FLUID = (Blood().density, Blood().viscosity)


def straight(name: str, radius: np.ndarray, direction: list[float], start: np.ndarray, **more: object) -> Branch:
    arc = np.linspace(0.0, 0.04, len(radius))
    points = start + arc[:, None] * np.array(direction)
    return Branch(name, points, radius, np.pi * radius**2, np.full(len(arc), radius.max()), **more)  # type: ignore[arg-type]


def forked(index: int, severity: float = 0.0) -> VesselTree:
    """A vessel with a stenosis about 20 mm, and another that leaves it at a right angle from a point of 0 to 160."""
    arc = np.linspace(0.0, 0.04, 161)
    narrowed = 1.0 - 0.5 * severity * (1.0 + np.cos(2 * np.pi * (arc - 0.02) / 0.01)) * (abs(arc - 0.02) < 5e-3)
    main = straight("LAD", WIDE * narrowed, [0.0, 0.0, 1.0], np.zeros(3))
    side = straight("D1", np.full(161, THIN), [1.0, 0.0, 0.0], main.points[index], parent="LAD", parent_index=index)
    return with_reference_and_lesions(VesselTree("forked", (main, side)))


def head(tree: VesselTree, name: str, flow: float, pressure: float) -> float:
    """p + rho U^2 at a branch's first point."""
    return pressure + FLUID[0] * (flow / tree[name].area[0]) ** 2


def test_a_side_branch_lacks_a_fixed_part_of_its_parents_kinetic_pressure() -> None:
    tree, flows = forked(100), np.array([1.5e-6, 0.3e-6])
    found = pressures(tree, flows, (), AORTIC)
    area = tree["LAD"].area[100]
    kinetic = FLUID[0] * (flows.sum() / area) ** 2
    before = found.branches["LAD"].pressure[100] + kinetic  # far from the ostium: within the developing profile's rest
    after = head(tree, "D1", flows[1], found.branches["D1"].pressure[0])
    rest = found.branches["LAD"].pressure[100] - (AORTIC - _friction(tree, flows, 100) - kinetic)
    assert before - rest - after == pytest.approx(fitted_constants()["side_branch"] * kinetic, rel=1e-6)


def _friction(tree: VesselTree, flows: np.ndarray, index: int) -> float:
    return 8 * FLUID[1] * float(tree["LAD"].arc[index]) * float(flows.sum()) / (np.pi * WIDE**4)


def test_no_other_law_and_no_vessels_end_takes_anything_at_a_fork() -> None:
    flows = np.array([1.5e-6, 0.3e-6])
    by_another = pressures(forked(100), flows, (), AORTIC, options=LossOptions(law="borda_carnot"))
    total = [
        by_another.branches[name].pressure[at] + 0.5 * FLUID[0] * (flow / np.pi / radius**2) ** 2
        for name, at, flow, radius in (("LAD", 100, flows.sum(), WIDE), ("D1", 0, flows[1], THIN))
    ]
    assert total[0] == pytest.approx(total[1], rel=1e-9)
    tree = forked(160)
    main = pressures(tree, np.array([1.2e-6, 0.6e-6]), (), AORTIC).branches
    kinetic = FLUID[0] * (1.8e-6 / tree["LAD"].area[160]) ** 2
    assert head(tree, "D1", 0.6e-6, main["D1"].pressure[0]) == pytest.approx(main["LAD"].pressure[160] + kinetic)


def test_a_jet_gives_back_less_by_the_part_of_its_flow_that_has_left() -> None:
    row = lumen(forked(150, 0.5))
    through = np.full(len(row.lesions.length), 2e-6)
    factors = recovery_of(row, FLUID)
    whole = behind(factors, through, np.full(len(row.jets.point), 2e-6), row.jets)
    part = behind(factors, through, np.full(len(row.jets.point), 0.5e-6), row.jets)
    more = behind(factors, through, np.full(len(row.jets.point), 3e-6), row.jets)
    assert whole.max() > 50.0
    assert part == pytest.approx(0.25 * whole) and more == pytest.approx(whole)
    assert not behind(factors, 0.0 * through, np.zeros(len(row.jets.point)), row.jets).any()


@pytest.mark.parametrize("severity", [0.0, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("resistance", [4e9, 1e8, 1e6])
def test_a_side_branch_from_any_throat_finds_its_flow(severity: float, resistance: float) -> None:
    """Also where the beds hardly resist, and what the side branch lacks is most of what could drive it."""
    for index in (60, 80, 90, 100):
        tree = forked(index, severity)
        conditions = FlowConditions(AORTIC, 600.0, {"LAD": 4e9, "D1": resistance})
        found, sinks = solve_sinks(tree, conditions)
        assert found.status is Status.CONVERGED
        assert (sinks > 0.0).all()
        end = found.branches["D1"].pressure[-1]
        assert end - 600.0 == pytest.approx(resistance * sinks[1], rel=1e-6, abs=1.0)


def test_samples_of_a_tree_with_side_branches_are_the_tree_solved_alone() -> None:
    tree = forked(90, 0.6)
    conditions = FlowConditions(AORTIC, 600.0, {"LAD": 4e9, "D1": 8e9})
    alone = solve(tree, conditions)
    places = [("LAD", 0.021), ("LAD", 0.035), ("D1", 0.0), ("D1", 0.03)]
    samples = replace(same_for_all(tree, conditions), density=np.full(5, Blood().density))
    found = solve_samples(tree, (), samples, 5, places)
    for k, (name, arc) in enumerate(places):
        there = np.interp(arc, tree[name].arc, alone.branches[name].pressure)
        assert found.pressure[k] == pytest.approx(np.full(5, there), rel=1e-9), json.dumps(places[k])


@pytest.mark.parametrize("place", [0.003, 0.005])
def test_in_a_lesion_at_the_ostium_pressure_falls_by_no_less_than_bernoulli(place: float) -> None:
    """The profile enters flat and stays so: its speeding up costs what a flat one's does, not half of it."""
    arc = np.linspace(0.0, 0.04, 321)
    narrowed = 1.0 - 0.25 * (1.0 + np.cos(2 * np.pi * (arc - place) / 0.008)) * (abs(arc - place) < 4e-3)
    main = straight("RCA", WIDE * narrowed, [0.0, 0.0, 1.0], np.zeros(3))
    tree = with_reference_and_lesions(VesselTree("ostial", (main,)))
    assert len(tree.lesions) == 1
    flow = 1.8e-6
    found = pressures(tree, np.array([flow]), (), AORTIC).branches["RCA"].pressure
    throat = int(np.argmin(narrowed))
    kinetic = 0.5 * FLUID[0] * (flow / main.area[throat]) ** 2
    friction = 8 * FLUID[1] * flow / np.pi * np.trapezoid(1.0 / main.radius[: throat + 1] ** 4, arc[: throat + 1])
    assert AORTIC - found[throat] >= kinetic
    assert AORTIC - found[throat] == pytest.approx(kinetic + friction, rel=0.1)
