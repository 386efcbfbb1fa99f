"""Lumina rebuilt round trees whose vessels touch."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from hemo.geometry.mesh.clipping import clip_to_tree
from hemo.geometry.mesh.implicit import rebuild_lumen
from hemo.geometry.mesh.ownership import tubes_of
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
