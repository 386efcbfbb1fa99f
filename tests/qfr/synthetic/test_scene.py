"""Background, motion and views against closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.qfr.camera import Camera, angle_between
from hemo.qfr.synthetic.lumen import lumen_of
from hemo.qfr.synthetic.motion import MotionOptions, contraction, motion_of
from hemo.qfr.synthetic.projecting import silhouette
from hemo.qfr.synthetic.scene import (
    Background,
    Body,
    SceneOptions,
    background,
    catheter,
    catheter_course,
    chest,
    chord,
    texture,
)
from hemo.qfr.synthetic.twigs import fitted_sphere, grown_twigs, twig_values
from hemo.qfr.synthetic.views import centred, foreshortening, overlapped, viewing
from hemo.tree import Branch, VesselTree

Array = NDArray[Any]
VIEW = Camera(np.radians(30.0), np.radians(-20.0), 1.1, 0.75, (3e-4, 3e-4), (256, 256))


def vessel(name: str, start: tuple[float, ...], end: tuple[float, ...], radius: float = 1.5e-3, **more: Any) -> Branch:
    part = np.linspace(0.0, 1.0, 101)[:, None]
    points = np.array(start) * (1.0 - part) + np.array(end) * part
    sizes = np.full(101, radius)
    return Branch(name, points, sizes, np.pi * sizes**2, sizes, **more)


def crossing() -> VesselTree:
    """A trunk to the feet and a side branch to the left from its middle."""
    trunk = vessel("A", (0.0, 0.0, 0.04), (0.0, -0.01, -0.04))
    return VesselTree(
        "t", (trunk, vessel("B", (0.002, -0.005, 0.0), (0.04, 0.0, -0.01), 1e-3, parent="A", parent_index=50))
    )


def test_rays_cross_a_sphere_along_its_chords() -> None:
    middle = np.array([0.004, -0.003, 0.002])
    length = chord(Body(middle, np.full(3, 0.02), True), VIEW)
    for pixel in ((128, 128), (100, 160), (40, 90)):
        ray = VIEW.rays(np.array([pixel[::-1]], dtype=float))[0]
        distance = np.linalg.norm(np.cross(middle - VIEW.source, ray))
        assert length[pixel] == pytest.approx(2.0 * np.sqrt(max(0.02**2 - distance**2, 0.0)), abs=1e-9)


def test_texture_has_the_spectrum_of_the_chest() -> None:
    field = np.mean([np.abs(np.fft.fft2(texture(VIEW, np.random.default_rng(seed)))) ** 2 for seed in range(6)], axis=0)
    frequency = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.fftfreq(256))
    used = (frequency > 0.02) & (frequency < 0.4)
    slope = np.polyfit(np.log(frequency[used]), np.log(field[used]), 1)[0]
    assert slope == pytest.approx(-3.0, abs=0.05)
    assert texture(VIEW, np.random.default_rng(0)).std() == pytest.approx(1.0)


def test_a_scene_without_clutter_is_empty_and_the_breath_moves_one_with_it() -> None:
    bare = background(
        VIEW, chest(np.random.default_rng(0)), SceneOptions(tissue=0, bone=0, markings=0), np.random.default_rng(0)
    )
    assert not bare.at(0.0).any()
    full = background(VIEW, chest(np.random.default_rng(0)), SceneOptions(), np.random.default_rng(0))
    assert np.all(np.isfinite(full.at(0.0)))
    assert full.at(0.0).std() > 0.1
    assert np.abs(full.at(0.0) - full.at(4e-3)).max() > 0.02


def test_bodies_are_in_their_place_on_images_of_any_shape() -> None:
    body = Body(np.zeros(3), np.full(3, 0.02), True)
    view = Camera(0.0, 0.0, 1.1, 0.75, (2e-4, 3e-4), (211, 302))
    still = Background(view, np.zeros(view.shape), (body,), 5.0)
    assert np.abs(still.at(0.0) - 5.0 * chord(body, view)).mean() < 0.01 * 5.0 * 0.04


def test_the_catheter_is_six_french_and_ends_at_the_ostium() -> None:
    tree = crossing()
    assert catheter_course(tree)[0] == pytest.approx(tree.root.points[0])
    outside, channel = catheter(tree, SceneOptions(), 1e-4)
    _, left, right = silhouette(outside, VIEW)
    width = np.linalg.norm(left - right, axis=1)[50] * VIEW.pixel_at(outside.centre[50:51])[0]
    assert width == pytest.approx(2.0e-3, rel=1e-3)
    assert channel.volume.sum() / outside.volume.sum() == pytest.approx((1.7 / 2.0) ** 2, rel=1e-3)


def test_the_heart_rests_at_end_diastole_and_moves_as_far_as_told() -> None:
    options = MotionOptions(breath=0.0)
    assert contraction(np.array([0.0, 0.7, 0.99, 1.0, 5.0]), options) == pytest.approx(0.0, abs=1e-12)
    assert contraction(np.array([options.systole]), options) == pytest.approx(1.0)
    tree = crossing()
    lumen, motion = lumen_of(tree, 2e-4), motion_of(tree, options)
    still = motion.moved(lumen, 0.0, 0.0)
    assert still.centre == pytest.approx(lumen.centre, abs=1e-15)
    moved = motion.moved(lumen, 1.0, 0.0)
    away = moved.centre - lumen.centre
    assert away[0] == pytest.approx(np.array(options.translation), abs=1e-5)  # at the ostium it only shifts
    assert np.linalg.norm(away - options.translation, axis=1).max() == pytest.approx(options.bending, rel=0.02)
    assert motion.moved(lumen, 0.0, 3e-3).centre - lumen.centre == pytest.approx(np.tile([0, 0, -3e-3], (len(away), 1)))


def test_slabs_stay_whole_as_they_move() -> None:
    """What slabs gain along the vessel is still the way from one to the next."""
    tree = crossing()
    moved = motion_of(tree, MotionOptions()).moved(lumen_of(tree, 1e-4).of("A"), 1.0, 0.0)
    step = np.diff(moved.centre, axis=0)
    assert 0.5 * (moved.slope[1:, 0] + moved.slope[:-1, 0]) == pytest.approx(step, abs=1e-8)


def test_foreshortening_is_what_a_view_hides() -> None:
    view = Camera(0.0, 0.0, 1.1, 0.75, (3e-4, 3e-4), (256, 256))  # the beam runs along -y
    for degrees in (0.0, 30.0, 60.0):
        course = np.linspace(-1e-4, 1e-4, 5)[:, None] * np.array(
            [0.0, np.sin(np.radians(degrees)), np.cos(np.radians(degrees))]
        )
        assert foreshortening(course, view) == pytest.approx(1.0 - np.cos(np.radians(degrees)), abs=1e-6)


def test_a_vessel_behind_another_is_overlapped_there_alone() -> None:
    view = Camera(0.0, 0.0, 1.1, 0.75, (3e-4, 3e-4), (256, 256))
    trunk = vessel("A", (0.0, 0.0, 0.04), (0.0, 0.0, -0.04))
    side = vessel("B", (-0.04, 0.03, 0.0), (0.04, 0.03, 0.0), 1e-3, parent="A", parent_index=0)
    part = overlapped(VesselTree("t", (trunk, side)), "B", view)
    shrunk = 1e-3 + 1.5e-3 * 0.72 / 0.75  # the trunk lies nearer to the detector
    assert part == pytest.approx(2.0 * shrunk / 0.08, abs=0.025)


def test_views_are_apart_and_show_the_branch_long() -> None:
    tree = crossing()
    for seed in range(3):
        one, other = viewing(tree, "B", np.random.default_rng(seed))
        assert angle_between(one, other) >= np.radians(30.0) - 1e-9
        for view in (one, other):
            assert foreshortening(tree["B"].points, view) < 0.1
            assert 0.9 <= view.source_detector <= 1.2
            assert 0.7 <= view.source_isocentre <= 0.8
            assert 0.15 <= view.pixel[0] * view.shape[0] <= 0.20
            assert abs(np.degrees(view.primary_angle)) <= 60.0
            place = view.project(tree["B"].points) / view.shape[0]
            assert place.min() > 0.0
            assert place.max() < 1.0
            assert abs(np.degrees(view.secondary_angle)) <= 35.0
    with pytest.raises(InputError, match="no branch is called 'X'"):
        viewing(tree, "X", np.random.default_rng(0))


def test_a_centred_tree_has_its_middle_at_the_isocentre() -> None:
    tree = centred(crossing())
    points = np.concatenate([branch.points for branch in tree.branches])
    assert points.min(axis=0) + points.max(axis=0) == pytest.approx(0.0, abs=1e-15)


def test_twigs_keep_to_the_heart_and_get_their_contrast_late() -> None:
    rng = np.random.default_rng(0)
    direction = rng.normal(size=(200, 3))
    on = np.array([0.01, 0.02, -0.01]) + 0.05 * direction / np.linalg.norm(direction, axis=1, keepdims=True)
    assert fitted_sphere(on) == pytest.approx([0.01, 0.02, -0.01])
    angle = np.linspace(0.3, 2.0, 120)
    points = 0.05 * np.column_stack([np.sin(angle), 0.2 * np.sin(3 * angle), np.cos(angle)])
    points = 0.05 * points / np.linalg.norm(points, axis=1, keepdims=True)
    sizes = np.full(120, 1e-3)
    tree = VesselTree("t", (Branch("A", points, sizes, np.pi * sizes**2, sizes),))
    twigs = grown_twigs(tree, {"A": np.full(120, 6e-7)}, 8e-3, 2e-4, rng)
    assert twigs is not None
    assert np.linalg.norm(twigs.lumen.centre, axis=1) == pytest.approx(0.05, rel=1e-2)
    time = np.linspace(0.0, 3.0, 91)
    ramp = {"A": np.repeat(time[:, None], 120, axis=1)}
    late = twig_values(twigs, time, time, ramp)
    assert late[-1] == pytest.approx(np.maximum(3.0 - twigs.lag, 0.0), abs=1e-9)
    assert np.all(twigs.lag >= 0.0)


def test_twigs_of_a_straight_vessel_have_places_too() -> None:
    straight = vessel("A", (0.0, 0.0, 0.03), (0.0, 0.0, -0.03), 1e-3)
    twigs = grown_twigs(VesselTree("t", (straight,)), {"A": np.full(101, 6e-7)}, 8e-3, 2e-4, np.random.default_rng(0))
    assert twigs is not None
    assert np.all(np.isfinite(twigs.lumen.centre))
    assert np.all(twigs.lumen.volume > 0.0)
