"""Two pullbacks that were made from one vessel lie where they were put."""

from __future__ import annotations

import numpy as np
import pytest

from hemo.errors import InputError
from hemo.geometry.intravascular.assembling import Outline, Reading, assembled
from hemo.geometry.intravascular.registering import Measured, registered
from hemo.geometry.intravascular.sections import lumen_sections
from hemo.geometry.intravascular.sidebranches import seen_branches
from tests.geometry.intravascular.synthetic import circle, ellipse


def vessel(start, end, spacing, turn=0.0, branches=(), ostium=None, flat=False):
    """A vessel seen from one place (mm) to another; ``turn`` in degrees."""
    places = np.arange(start, end, spacing)
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    outlines = []
    for number, place in enumerate(places, 1):
        size = 1.5 + (0.0 if flat else 0.4 * np.sin(place / 2.1) + 0.2 * np.sin(place / 0.9)) + 1e-6 * number
        shape = ellipse(1.0, 1.0) if flat else ellipse(1.25, 0.85)
        lumen = size * shape @ np.array([[c, s], [-s, c]])
        outlines.append(Outline("lumen", number, place, lumen, "v"))
        for at in branches:
            if at <= place <= at + 1.2:
                centre = (size * 1.25 + 0.45 + 0.4 * (place - at)) * np.array([c, s])
                outlines.append(Outline("branch", number, place, circle(0.4, centre), "v"))
    pullback = assembled("v", "v", outlines, ostium, Reading(first="proximal"))
    sections = lumen_sections(pullback.frames)
    return Measured(pullback, sections, seen_branches(pullback.frames, sections))


def test_by_the_area_profile_and_its_rotation():
    found = registered(vessel(0.0, 30.0, 0.4), vessel(3.3, 25.0, 0.3, turn=25.0))
    assert found.by == "area profile"
    assert found.shift == pytest.approx(3.3e-3, abs=0.15e-3)
    assert found.rotation is None  # ovals agree at two turns
    assert found.likeness > 0.98


def test_side_branches_say_which_turn_of_ovals_is_meant():
    found = registered(vessel(0.0, 30.0, 0.4, branches=(9.0,)), vessel(3.2, 25.0, 0.4, turn=25.0, branches=(9.0,)))
    assert np.degrees(found.rotation) == pytest.approx(-25.0, abs=2.0)


def test_side_branches_win_over_the_profile():
    first, second = vessel(0.0, 30.0, 0.4, branches=(8.0, 15.0, 17.0)), vessel(3.2, 25.0, 0.4, branches=(8.0, 15.0))
    found = registered(first, second)
    assert found.by == "side branches"
    assert found.shift == pytest.approx(3.2e-3, abs=0.4e-3)


def test_marks_on_the_ostium_and_a_given_shift_win_over_all():
    first, second = vessel(0.0, 30.0, 0.5, ostium=11), vessel(0.0, 30.0, 0.5, ostium=5)
    assert registered(first, second).shift == pytest.approx(3.0e-3)
    assert registered(first, second).by == "ostium marks"
    assert registered(first, second, 1e-3).by == "shift given"


def test_what_cannot_be_told_is_refused():
    with pytest.raises(InputError, match="cannot be registered"):
        registered(vessel(0.0, 30.0, 0.4, flat=True), vessel(3.0, 25.0, 0.4, flat=True))
    with pytest.raises(InputError, match=r"overlap over 0\.0 mm"):
        registered(vessel(0.0, 30.0, 0.4), vessel(0.0, 30.0, 0.4), 40e-3)


def test_round_lumens_have_no_rotation():
    assert registered(vessel(0.0, 20.0, 0.4, flat=True), vessel(0.0, 20.0, 0.4, flat=True), 0.0).rotation is None


def test_a_branch_is_one_over_frames_and_joins_where_the_contours_meet():
    (found,) = vessel(0.0, 20.0, 0.4, branches=(8.0,)).branches
    assert found.place == pytest.approx(8.0e-3)
    assert found.diameter == pytest.approx(0.8e-3, rel=0.01)
    assert found.joins
    assert len(found.frames) >= 3
