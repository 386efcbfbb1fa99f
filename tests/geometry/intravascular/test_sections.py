"""Lumen, plaque, calcium and stent of outlines whose measures are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ellipe

from hemo.geometry.intravascular.calcium import calcium_sections, deposits
from hemo.geometry.intravascular.plaque import plaque
from hemo.geometry.intravascular.sections import lumen_sections
from hemo.geometry.intravascular.stent import stent_sections
from hemo.geometry.outline import crosses_itself, length_inside, reach
from tests.geometry.intravascular.synthetic import circle, ellipse, made, ring


def test_an_ellipse_has_its_area_perimeter_and_diameters():
    pullback = made([1.5] * 3)
    frame = pullback.frames[0]
    turned = ellipse(2.0, 1.0) @ np.array([[0.8, 0.6], [-0.6, 0.8]]) + [4.0, -2.0]
    (found,) = [lumen_sections([type(frame)(1, 0.0, 1e-3 * turned)])]
    assert found.area[0] == pytest.approx(2e-6 * np.pi, rel=1e-3)
    assert found.perimeter[0] == pytest.approx(8e-3 * ellipe(0.75), rel=1e-3)
    assert found.least_diameter[0] == pytest.approx(2e-3, rel=2e-3)
    assert found.greatest_diameter[0] == pytest.approx(4e-3, rel=2e-3)
    assert found.eccentricity[0] == pytest.approx(0.5, abs=0.003)
    assert found.inscribed_radius[0] == pytest.approx(1e-3, rel=5e-3)
    assert found.centre[0] == pytest.approx([4e-3, -2e-3])


def test_area_is_within_half_a_per_cent_at_forty_points():
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    points = 1.5e-3 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    found = lumen_sections([type(made([1.0] * 3).frames[0])(1, 0.0, points)])
    assert found.area[0] == pytest.approx(np.pi * 1.5e-3**2, rel=5e-3)


def test_plaque_burden_and_eccentricity_of_an_eccentric_wall():
    pullback = made([1.0] * 4, extra={n: [("eem", circle(2.0, (0.5, 0.0)))] for n in (1, 2, 3)})
    found = plaque(pullback.frames, lumen_sections(pullback.frames))
    assert found.burden[1:] == pytest.approx(0.75, rel=1e-3)
    assert np.isnan(found.burden[0])  # the proximal frame, number 4, has none
    assert found.least_thickness[1] == pytest.approx(0.5e-3, rel=5e-3)
    assert found.greatest_thickness[1] == pytest.approx(1.5e-3, rel=5e-3)
    assert found.eccentricity[1] == pytest.approx(2 / 3, rel=5e-3)
    assert plaque(made([1.0] * 4).frames, lumen_sections(made([1.0] * 4).frames)) is None


@pytest.mark.parametrize(("arc", "start"), [(40.0, 0.0), (170.0, 100.0), (200.0, 250.0), (340.0, 15.0)])
def test_calcium_arc_is_within_two_degrees_and_thickness_within_a_hundredth(arc, start):
    pullback = made([1.2] * 5, extra={3: [("calcium", ring(1.25, 1.9, arc, start))]})
    found = calcium_sections(pullback.frames, lumen_sections(pullback.frames))
    assert np.degrees(found.arc) == pytest.approx([0, 0, arc, 0, 0], abs=2.0)
    assert found.thickness[2] == pytest.approx(0.65e-3, abs=0.01e-3)
    assert found.depth[2] == pytest.approx(0.05e-3, abs=0.005e-3)
    assert found.protrusion[2] == 0.0


def test_two_deposits_in_a_frame_add_their_arcs_and_overlaps_count_once():
    two = [("calcium", ring(1.25, 1.7, 60.0, 0.0)), ("calcium", ring(1.25, 1.5, 50.0, 180.0))]
    over = [*two, ("calcium", ring(1.75, 1.9, 60.0, 30.0))]
    pullback = made([1.2] * 5, extra={3: two, 4: over})
    found = calcium_sections(pullback.frames, lumen_sections(pullback.frames))
    assert np.degrees(found.arc[[2, 1]]) == pytest.approx([110.0, 140.0], abs=2.0)


@pytest.mark.parametrize(
    ("arc", "thick", "frames", "score"), [(190, 0.6, 11, 4), (170, 0.6, 11, 2), (190, 0.4, 9, 2), (90, 0.4, 4, 0)]
)
def test_fujinos_score_counts_what_it_says(arc, thick, frames, score):
    radii = [1.2] * 16
    extra = {n: [("calcium", ring(1.25, 1.25 + thick, arc))] for n in range(3, 3 + frames)}
    pullback = made(radii, extra=extra)
    (found,) = deposits(calcium_sections(pullback.frames, lumen_sections(pullback.frames)), pullback.widths)
    assert found.length == pytest.approx(0.5e-3 * frames)
    assert found.score == score


def notched(tip):
    """A circle of 1.5 mm whose sector of 60 degrees about 180 is a notch down to a tip, mm, and what lies behind it."""
    angle = np.radians(np.arange(-150.0, 150.5, 1.0))
    rim = 1.5 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    down = np.linspace(rim[-1], [-tip, 0.0], 40)[1:]
    up = np.linspace([-tip, 0.0], rim[0], 40)[1:-1]
    inner = np.vstack([down, up])
    return np.vstack([rim, down, up]), np.vstack([1.01 * inner, 1.2 * 1.5 * _unit(inner[::-1])])


def _unit(points):
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def test_a_nodule_protrudes_by_the_depth_of_its_dent():
    lumen, calcium = notched(1.0)
    kind = type(made([1.5] * 4).frames[0])
    frame = kind(9, 0.0, 1e-3 * lumen, calcium=(1e-3 * calcium,))
    found = calcium_sections([frame], lumen_sections([frame]))
    assert found.protrusion[0] == pytest.approx(1e-3 * (1.5 * np.cos(np.radians(30.0)) - 1.0), rel=0.02)
    deep = kind(9, 0.0, 1e-3 * lumen, calcium=(1.3e-3 * calcium,))
    assert calcium_sections([deep], lumen_sections([deep])).protrusion[0] == 0.0
    elsewhere = kind(9, 0.0, 1e-3 * lumen, calcium=(1e-3 * ring(1.52, 1.9, 90.0, -45.0),))
    assert calcium_sections([elsewhere], lumen_sections([elsewhere])).protrusion[0] == 0.0


def test_malapposition_is_the_gap_between_circles():
    stent = [("stent", circle(1.3))]
    off = [("stent", circle(1.0, (0.5, 0.0)))]
    pullback = made([1.5] * 5, extra={2: stent, 3: off, 4: [("stent", circle(1.55))]})
    found = stent_sections(pullback.frames, strut=0.1e-3)
    assert found.shown.tolist() == [False, True, True, True, False]
    assert found.minimal == 2
    apart = found.malapposition[[3, 2, 1]]  # frames 2, 3, 4 from the distal end
    assert apart == pytest.approx([0.2e-3, 1.0e-3, 0.0], abs=2e-6)
    assert found.malapposed_area[3] == pytest.approx(np.pi * (1.5**2 - 1.3**2) * 1e-6, rel=2e-3)
    assert found.malapposed_angle[3] == pytest.approx(2.0 * np.pi)
    assert found.protrusion_area[1] == pytest.approx(np.pi * (1.55**2 - 1.5**2) * 1e-6, rel=2e-3)
    assert stent_sections(made([1.5] * 3).frames) is None


def test_rays_find_the_outermost_crossing_and_what_lies_inside():
    angles = np.radians(np.arange(5.0, 85.0, 5.0))
    outline = ring(1.0, 1.4, 90.0)
    assert reach(outline, np.zeros(2), angles) == pytest.approx(1.4, rel=1e-3)
    assert length_inside(outline, np.zeros(2), angles) == pytest.approx(0.4, rel=2e-3)
    assert np.isnan(reach(outline, np.zeros(2), np.radians([200.0]))).all()
    assert reach(circle(1.0, (0.3, 0.0)), np.zeros(2), np.array([0.0, np.pi])) == pytest.approx([1.3, 0.7], rel=1e-3)


def test_a_figure_of_eight_crosses_itself_and_a_crescent_does_not():
    angle = np.linspace(0.0, 2.0 * np.pi, 100, endpoint=False)
    eight = np.stack([np.sin(angle), np.sin(2 * angle)], axis=1)
    assert crosses_itself(eight)
    assert not crosses_itself(ring(1.0, 1.3, 300.0))
