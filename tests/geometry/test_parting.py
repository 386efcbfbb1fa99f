"""Lumina rebuilt round trees whose vessels touch."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from hemo.geometry.mesh.capcuts import OstiumNotCut
from hemo.geometry.mesh.clipping import clip_to_tree
from hemo.geometry.mesh.implicit import rebuild_lumen
from hemo.geometry.mesh.meshing import MeshOptions, build_mesh
from hemo.geometry.mesh.ownership import ends_in_strangers, tubes_of
from hemo.geometry.mesh.trimming import with_lead
from hemo.geometry.synthetic.vessels import straight_stenosis
from hemo.tree import Branch, VesselTree
from tests.geometry.shapes import AORTA, MAIN, MM, lumen, tree


def coming_back() -> tuple[VesselTree, list[tuple[list[float], list[float], float]]]:
    """A side vessel that leaves the main one and comes back to lie against it, 0.2 mm deep in it, to its end."""
    corners = np.array([[12.0, 0, 0], [12.0, 6.0, 0], [18.0, 6.0, 0], [21.0, 2.3, 0], [27.0, 2.3, 0]])
    vessels = [(list(a), list(b), 1.0) for a, b in pairwise(corners)]
    steps = [np.linspace(a, b, 1 + int(np.linalg.norm(b - a) / 0.3)) for a, b in pairwise(corners)]
    line = np.vstack([steps[0], *(step[1:] for step in steps[1:])])
    line = MM * line[line[:, 1] > 1.6][:-2]
    r = np.full(len(line), 1.0 * MM)
    main = tree().root
    side = Branch("S", line, r, np.pi * r**2, r, "M", int(np.abs(main.points[:, 0] - 12 * MM).argmin()))
    return VesselTree("t", (main, side)), vessels


def test_vessels_of_one_tree_that_touch_are_parted() -> None:
    both, vessels = coming_back()
    rebuilt = rebuild_lumen(lumen(AORTA, MAIN, *vessels), both)
    assert rebuilt.parted == (("M", "S"),)
    clipped = clip_to_tree(rebuilt.surface, both).surface
    assert clipped.genus == 0
    assert clipped.cap_area(4) == pytest.approx(np.pi * MM**2, rel=0.25)  # less what the gap takes
    assert clipped.cap_area(3) == pytest.approx(2.25 * np.pi * MM**2, rel=0.15)


def test_a_fork_is_not_parted() -> None:
    fork = tree()
    assert rebuild_lumen(lumen(AORTA, MAIN, ([16, 0, 0], [24, 10, 0], 1.0)), fork).parted == ()


def test_the_way_between_places_leads_along_the_tree() -> None:
    fork = tree()
    tubes = tubes_of(fork, 0.3)
    main, side = (np.flatnonzero(tubes.branch == k) for k in (0, 1))
    ends = np.array([main[0], main[0], main[-1]]), np.array([main[-1], side[-1], side[-1]])
    at = fork.root.arc[fork["S"].parent_index]
    length = float(tubes.arc[side[-1]])
    expected = [fork.root.length, at + length, fork.root.length - at + length]
    assert tubes.way(*ends) == pytest.approx(expected, abs=1e-9)
    assert tubes.way(*ends[::-1]) == pytest.approx(expected, abs=1e-9)


def test_a_vessel_that_ends_in_another_ones_lumen_is_told() -> None:
    both, _ = coming_back()
    side = both["S"]
    assert ends_in_strangers(both) == {}
    into = side.points.copy()
    into[-1] = [27 * MM, 0.0, 0.0]
    deep = np.vstack([into[:-1], np.linspace(into[-2], into[-1], 9)[1:]])
    r = np.full(len(deep), 1.0 * MM)
    turned = Branch("S", deep, r, np.pi * r**2, r, "M", side.parent_index)
    ends = ends_in_strangers(VesselTree("t", (both.root, turned)))
    assert list(ends) == ["S"]
    place = np.interp(ends["S"], turned.arc, turned.points[:, 1])
    assert place == pytest.approx(1.5 * MM, abs=0.5 * MM)


def forking_at_once() -> tuple[VesselTree, list[tuple[list[float], list[float], float]]]:
    """A root that parts where it leaves the aorta into two vessels that run along beside it."""
    arms = [([7.5, 0, 0], [7.5, 0, -15.0], 1.2), ([7.5, 0, 0], [7.5, 0, 15.0], 1.2)]
    x = MM * np.linspace(6.6, 7.5, 6)
    r = np.full(6, 1.3 * MM)
    branches = [Branch("R", np.column_stack([x, 0 * x, 0 * x]), r, np.pi * r**2, r, is_outlet=False)]
    for name, (start, end, radius) in zip("AB", arms, strict=True):
        share = np.linspace(0.1, 0.95, 40)[:, None]
        line = MM * (np.array(start) + share * (np.array(end) - np.array(start)))
        q = np.full(40, radius * MM)
        branches.append(Branch(name, line, q, np.pi * q**2, q, "R", 5))
    return VesselTree("t", tuple(branches)), arms


def test_a_root_that_forks_at_once_gets_its_inlet_before_the_fork() -> None:
    forked, arms = forking_at_once()
    surface = lumen(([0, 0, -24], [0, 0, 24], 6.0), ([5, 0, 0], [7.5, 0, 0], 1.3), *arms)
    with pytest.raises(OstiumNotCut):
        clip_to_tree(surface, forked)
    made = build_mesh(surface, forked, MeshOptions(3.0, minimal_outlet_diameter=0.0))
    assert set(made.mesh.outlets) == {"A", "B"}
    assert any("inlet lies within" in text for text in made.report.warnings)
    assert made.tree.root.points[0, 0] < 6.4 * MM
    facets = made.mesh.points[made.mesh.facets_of("inlet")]
    area = 0.5 * np.linalg.norm(np.cross(facets[:, 1] - facets[:, 0], facets[:, 2] - facets[:, 0]), axis=1).sum()
    assert area == pytest.approx(1.25 * np.pi * (1.3 * MM) ** 2, rel=0.15)


def test_a_lead_moves_what_refers_to_the_root_along() -> None:
    _, vessel = straight_stenosis()
    led = with_lead(vessel, 3 * MM)
    lesion, moved = vessel.lesions[0], led.lesions[0]
    assert led.root.length == pytest.approx(vessel.root.length + 3 * MM)
    assert moved.minimum == pytest.approx(lesion.minimum + 3 * MM)
    fork = tree()
    place = fork.root.points[fork["S"].parent_index]
    longer = with_lead(fork, 3 * MM)
    np.testing.assert_allclose(longer.root.points[longer["S"].parent_index], place)
    np.testing.assert_allclose(longer.root.points[0], fork.root.points[0] - [3 * MM, 0, 0], atol=1e-12)
