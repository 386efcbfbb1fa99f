"""Surfaces as they come: open, torn, doubled, crossed; a wrong lumen is refused with its place."""

import logging

import numpy as np
import pytest

from hemo.errors import InputError
from hemo.geometry.lumen.capping import boundary_loops
from hemo.geometry.lumen.patching import fan_patch, flat_patch, least_patch, opening
from hemo.geometry.lumen.repair import without_folds
from hemo.geometry.lumen.surface import clean_surface
from hemo.geometry.lumen.surfacecheck import edge_table, enclosed_volume, self_crossings
from tests.geometry.shapes import prism

POINTS, TRIANGLES = prism(sides=40, length=40e-3, rings=161)
MIDDLE = POINTS[TRIANGLES].mean(axis=1)
VOLUME = enclosed_volume(POINTS, TRIANGLES)
SECTION = VOLUME / 40e-3


def cleaned(points, triangles, caplog):
    """The cleaned surface and the one warning on it."""
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        surface = clean_surface(points, triangles, "tube", curved=False)
    _, _, count = edge_table(surface.triangles)
    assert np.all(count == 2)
    assert len(caplog.messages) <= 1
    return surface, "".join(caplog.messages)


def relative_volume(surface):
    return enclosed_volume(surface.points, surface.triangles) / VOLUME


def test_open_ends_are_capped_and_known(caplog):
    height = POINTS[TRIANGLES][:, :, 2]
    wall = TRIANGLES[(height > 1e-9).any(axis=1) & (height < 40e-3 - 1e-9).any(axis=1)]
    surface, warning = cleaned(POINTS, wall, caplog)
    assert "open ends closed with flat caps: 2" in warning
    assert relative_volume(surface) == pytest.approx(1.0, rel=1e-9)
    assert [cap.name for cap in surface.caps] == ["end 1", "end 2"]
    for cap, z in zip(surface.caps, (0.0, 40e-3), strict=True):
        assert cap.centre == pytest.approx([0.0, 0.0, z], abs=1e-6)
        assert cap.normal == pytest.approx([0.0, 0.0, np.sign(z - 20e-3)], abs=1e-6)
        assert cap.area == pytest.approx(SECTION, rel=1e-9)
    assert surface.cap_at(np.array([0.5e-3, 0.0, 39e-3]), 1.5e-3).name == "end 2"
    assert surface.cap_at(np.array([0.0, 0.0, 20e-3]), 1.5e-3) is None


@pytest.mark.parametrize("angle", [0.0, 30.0, 60.0])
def test_an_oblique_ragged_end_is_an_end(angle, caplog):
    tilt = np.radians(angle)
    beyond = MIDDLE @ [0.0, np.sin(tilt), np.cos(tilt)] > 20e-3 * np.cos(tilt)
    surface, _ = cleaned(POINTS, TRIANGLES[~beyond], caplog)
    (cap,) = surface.caps
    assert cap.area == pytest.approx(SECTION / np.cos(tilt), rel=0.04)
    assert relative_volume(surface) == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize(("width", "length"), [(0.2, 2.0), (0.5, 10.0), (0.8, 2.0)])
def test_a_tear_is_filled_as_wall(width, length, caplog):
    torn = (MIDDLE[:, 1] > 0) & (abs(MIDDLE[:, 0]) < width / 2e3) & (abs(MIDDLE[:, 2] - 20e-3) < length / 2e3)
    surface, warning = cleaned(POINTS, TRIANGLES[~torn], caplog)
    assert "tears in the wall filled: 1 (at x 0.0, y 1." in warning
    assert not surface.caps
    assert relative_volume(surface) == pytest.approx(1.0, abs=5e-4)


@pytest.mark.parametrize("length", [2.0, 4.0, 8.0, 15.0])
def test_half_a_vessel_gone_is_refused_with_its_place(length):
    torn = (MIDDLE[:, 1] > 0) & (abs(MIDDLE[:, 2] - 20e-3) < length / 2e3)
    with pytest.raises(InputError, match=r"has a hole about .* at x .*, z 20\.0 mm .*close it"):
        clean_surface(POINTS, TRIANGLES[~torn], "tube")


def test_a_flat_plate_is_refused():
    points = 1e-3 * np.array([[0, 0, 0], [40, 0, 0], [40, 30, 0], [0, 30, 0]])
    with pytest.raises(InputError, match="hole"):
        clean_surface(points, np.array([[0, 1, 2], [0, 2, 3]]), "plate")


def test_missing_triangles_are_put_back(caplog):
    missing = np.random.default_rng(0).choice(len(TRIANGLES), 12, replace=False)
    surface, warning = cleaned(POINTS, np.delete(TRIANGLES, missing, axis=0), caplog)
    assert "tears in the wall filled: 12" in warning
    assert relative_volume(surface) == pytest.approx(1.0, rel=1e-12)
    assert len(surface.triangles) == len(TRIANGLES)


def test_two_holes_at_one_vertex(caplog):
    fan = np.flatnonzero((TRIANGLES[4000, 0] == TRIANGLES).any(axis=1))
    surface, _ = cleaned(POINTS, np.delete(TRIANGLES, fan[[0, 3]], axis=0), caplog)
    assert relative_volume(surface) == pytest.approx(1.0, rel=1e-9)


def test_fins_and_inner_sheets_are_left_out(caplog):
    tip = np.vstack([POINTS, [1.3 * POINTS[TRIANGLES[5000, 0]]]])
    fin = np.array([[*TRIANGLES[5000, :2], len(POINTS)]])
    surface, warning = cleaned(tip, np.vstack([TRIANGLES, fin]), caplog)
    assert "sheets standing on the wall left out: 1" in warning
    assert relative_volume(surface) == pytest.approx(1.0, rel=1e-12)

    level = POINTS[np.argmin(abs(POINTS[:, 2] - 20e-3)), 2]
    ring = np.flatnonzero(abs(POINTS[:, 2] - level) < 1e-9)
    ring = ring[np.argsort(np.arctan2(POINTS[ring, 1], POINTS[ring, 0]))]
    septum = np.column_stack([ring, np.roll(ring, -1), np.full(len(ring), len(POINTS))])
    whole = np.vstack([POINTS, [[0.0, 0.0, level]]]), np.vstack([TRIANGLES, septum])
    surface, warning = cleaned(*whole, caplog)
    assert "left out: 1" in warning
    assert relative_volume(surface) == pytest.approx(1.0, rel=1e-12)


def test_large_fins_are_refused():
    ring = np.flatnonzero(abs(POINTS[:, 0]) < 1e-9)
    order = ring[np.argsort(POINTS[ring, 2])][1:-1]
    a, b = order[:-1], order[1:]
    outside = np.vstack([POINTS, POINTS[order] * [1.0, 2.0, 1.0]])
    number = len(POINTS) + np.arange(len(order))
    sheet = np.vstack([np.column_stack([a, b, number[:-1]]), np.column_stack([b, number[1:], number[:-1]])])
    with pytest.raises(InputError, match=r"not a manifold.*mm; repair"):
        clean_surface(outside, np.vstack([TRIANGLES, sheet]), "tube")


def test_small_bubbles_go_and_a_double_wall_is_refused(caplog):
    small = 0.2 * (POINTS - [0, 0, 20e-3]) * [1, 1, 0.2] + [0, 0, 20e-3]
    surface, warning = cleaned(np.vstack([POINTS, small]), np.vstack([TRIANGLES, TRIANGLES + len(POINTS)]), caplog)
    assert "small bubbles left out: 1" in warning
    assert relative_volume(surface) == pytest.approx(1.0, rel=1e-12)
    outer = POINTS * [1.3, 1.3, 1.01] - [0.0, 0.0, 2e-4]
    with pytest.raises(InputError, match="one closed surface lies inside another"):
        clean_surface(np.vstack([POINTS, outer]), np.vstack([TRIANGLES, TRIANGLES + len(POINTS)]), "tube")


def test_t_junctions_and_cracks_are_closed(caplog):
    a, b, c = TRIANGLES[6000]
    points = np.vstack([POINTS, [0.5 * (POINTS[a] + POINTS[b])]])
    n = len(POINTS)
    halved = np.vstack([np.delete(TRIANGLES, 6000, axis=0), [[a, n, c], [n, b, c]]])
    surface, warning = cleaned(points, halved, caplog)
    assert "open seams closed: 1" in warning
    assert relative_volume(surface) == pytest.approx(1.0, rel=1e-9)
    corners = surface.points[surface.triangles]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    assert area.min() > 1e-12

    upper = MIDDLE[:, 2] > 20e-3
    moved = POINTS + np.random.default_rng(2).uniform(-2e-6, 2e-6, POINTS.shape)
    parts = np.vstack([TRIANGLES[~upper], TRIANGLES[upper] + n])
    surface, warning = cleaned(np.vstack([POINTS, moved]), parts, caplog)
    assert not surface.caps
    assert relative_volume(surface) == pytest.approx(1.0, rel=1e-3)


def test_a_vessel_in_two_parts_is_refused():
    upper = MIDDLE[:, 2] > 20e-3
    aside = POINTS + np.array([0.0, 0.0, 0.2e-3])
    parts = np.vstack([TRIANGLES[~upper], TRIANGLES[upper] + len(POINTS)])
    with pytest.raises(InputError, match=r"two open ends face each other at .*z 20\.. mm"):
        clean_surface(np.vstack([POINTS, aside]), parts, "tube")


def test_a_small_fold_is_cut_out(caplog):
    points = POINTS.copy()
    vertex = TRIANGLES[5000, 0]
    points[vertex, :2] *= -1.2
    assert len(self_crossings(points, TRIANGLES, 0.05e-3))
    surface, warning = cleaned(points, TRIANGLES, caplog)
    assert "folds cut out and closed: 1" in warning
    assert not len(self_crossings(surface.points, surface.triangles, 0.05e-3))
    assert relative_volume(surface) == pytest.approx(1.0, rel=1e-3)


def test_sound_surfaces_go_through_unchanged(caplog):
    surface, warning = cleaned(POINTS, TRIANGLES, caplog)
    assert not warning
    assert np.array_equal(surface.points[surface.triangles], POINTS[TRIANGLES])
    _, same, places = without_folds(POINTS, TRIANGLES, 0.05e-3, "tube")
    assert same is TRIANGLES
    assert not len(places)


@pytest.mark.parametrize("fill", [fan_patch, flat_patch, least_patch])
def test_patches_fill_their_rim_and_run_round_it(fill):
    """A wavy rim: the border of the patch is the rim, in its direction, and its vector area is the rim's."""
    angle = 2.0 * np.pi * np.arange(40) / 40
    rim = np.column_stack([2.0 * np.cos(angle), np.sin(angle), 0.1 * np.cos(3 * angle)])
    points, faces = fill(rim, np.arange(40))
    (loop,) = boundary_loops(faces[:, ::-1])
    assert np.array_equal(np.roll(loop, -int(np.argmin(loop))), np.arange(40))
    corners = points[faces]
    vector = 0.5 * np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]).sum(axis=0)
    _, normal, area = opening(rim)
    assert vector == pytest.approx(area * normal, rel=1e-9, abs=1e-9)


def test_flat_patches_have_no_slivers():
    angle = 2.0 * np.pi * np.arange(60) / 60
    points, faces = flat_patch(np.column_stack([np.cos(angle), np.sin(angle), 0 * angle]), np.arange(60))
    corners = points[faces]
    sides = np.linalg.norm(corners - np.roll(corners, -1, axis=1), axis=2)
    area = 0.5 * np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    quality = 4.0 * np.sqrt(3.0) * area / (sides**2).sum(axis=1)  # one for an equilateral triangle
    assert quality.min() > 0.5
