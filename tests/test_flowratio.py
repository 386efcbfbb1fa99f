"""The flow ratio of a vessel whose flow is known, against closed forms and the tree that is solved."""

from __future__ import annotations

import numpy as np
import pytest

from hemo.blood import Blood
from hemo.boundary.split import split_flow
from hemo.errors import InputError
from hemo.flowratio import Drive, flow_ratio
from hemo.geometry.lesion import with_reference_and_lesions
from hemo.reduced import LossOptions
from hemo.tree import Branch, SideBranch, VesselTree

AORTIC = 12.4e3
DRIVE = Drive(2.5e-6, AORTIC, division="healthy")
BEDS = Drive(2.5e-6, AORTIC)


def vessel(*throats: float, sides: tuple[SideBranch, ...] = ()) -> VesselTree:
    """A straight vessel of 3 mm and 80 mm with a 55 % lesion of 10 mm round each of these places, m."""
    arc = np.linspace(0.0, 0.08, 321)
    radius = np.full(len(arc), 1.5e-3)
    for throat in throats:
        drawn_in = np.where(abs(arc - throat) < 5e-3, 1.0 + np.cos(2 * np.pi * (arc - throat) / 0.01), 0.0)
        radius *= 1.0 - 0.275 * drawn_in
    points = np.column_stack([np.zeros((len(arc), 2)), arc])
    branch = Branch("LAD", points, radius, np.pi * radius**2, np.full(len(arc), 1.5e-3))
    return with_reference_and_lesions(VesselTree("one", (branch,), side_branches=sides))


def test_a_healthy_vessel_loses_friction_alone() -> None:
    found = flow_ratio(vessel(), DRIVE, options=LossOptions(law="borda_carnot"))
    blood, area = Blood(), np.pi * 1.5e-3**2
    lost = (
        8 * np.pi * blood.viscosity * 0.08 * DRIVE.inflow / area**2 + 0.5 * blood.density * (DRIVE.inflow / area) ** 2
    )
    assert found.vessel == pytest.approx(1.0 - lost / AORTIC, abs=1e-9)
    assert found.place == pytest.approx(0.08)
    assert found.all_opened == found.vessel


def test_opening_one_of_two_like_lesions_gives_half_back_and_both_all() -> None:
    law = LossOptions(law="borda_carnot")  # without recovery on the way, so that losses add up
    healthy, found = (flow_ratio(tree, DRIVE, options=law) for tree in (vessel(), vessel(0.02, 0.055)))
    first, second = found.tree.lesions
    lost = healthy.vessel - found.vessel
    assert lost > 0.1
    assert found.residual[(first.id,)] - found.vessel == pytest.approx(lost / 2, rel=0.03)
    assert found.residual[(second.id,)] - found.vessel == pytest.approx(lost / 2, rel=0.03)
    assert found.all_opened == pytest.approx(healthy.vessel, abs=0.003)
    assert found.lesions[first.id].proximal > found.lesions[first.id].distal > found.lesions[second.id].distal


def test_a_side_branch_takes_its_share_by_healthy_diameters() -> None:
    tree = vessel(0.05, sides=(SideBranch("LAD", 0.03, 2e-3),))
    shares = split_flow(tree, 3.0)
    found = flow_ratio(tree, Drive(2e-6, AORTIC, exponent=3.0, division="healthy")).flow.branches["LAD"].flow
    assert shares.leaks["LAD", 120] / shares.outlets["LAD"] == pytest.approx(8.0 / 27.0, rel=0.02)
    assert found[0] == pytest.approx(2e-6)
    assert found[-1] == pytest.approx(2e-6 * shares.outlets["LAD"])
    assert flow_ratio(tree, DRIVE).vessel > flow_ratio(vessel(0.05), DRIVE).vessel


def test_beds_let_the_known_flow_in_and_give_a_lesion_less() -> None:
    tree = vessel(0.05, sides=(SideBranch("LAD", 0.03, 2e-3),))
    by_beds, by_diameters = flow_ratio(tree, BEDS), flow_ratio(tree, DRIVE)
    ours, theirs = (one.flow.branches["LAD"].flow for one in (by_beds, by_diameters))
    assert ours[0] == pytest.approx(2.5e-6, rel=1e-4)
    assert ours[-1] < theirs[-1]
    assert by_beds.vessel > by_diameters.vessel


def test_with_one_way_out_both_divisions_are_the_same_until_the_lesion_is_opened() -> None:
    by_beds, by_diameters = (flow_ratio(vessel(0.03), drive) for drive in (BEDS, DRIVE))
    assert by_beds.vessel == pytest.approx(by_diameters.vessel, abs=1e-5)
    assert by_beds.all_opened < by_diameters.all_opened  # more flows through the opened vessel


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="must be positive"):
        Drive(0.0, AORTIC)
    with pytest.raises(InputError, match="and the former above it"):
        Drive(1e-6, 600.0)
    with pytest.raises(InputError, match="whole aortic pressure"):
        flow_ratio(vessel(0.02, 0.055), Drive(2e-5, AORTIC, division="healthy"))
    with pytest.raises(InputError, match="cannot pass this lumen"):
        flow_ratio(vessel(0.02, 0.055), Drive(2e-5, AORTIC))
