"""The C-arm's geometry: directions as an angiographer knows them, and projections against first principles."""

from __future__ import annotations

import numpy as np
import pytest

from hemo.qfr.camera import Camera, angle_between, fundamental

RNG = np.random.default_rng(1)


def camera(primary: float, secondary: float, shift: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Camera:
    return Camera(np.radians(primary), np.radians(secondary), 1.1, 0.76, (3e-4, 3e-4), (512, 512), shift)


def test_frontal_view_shows_the_patients_left_at_the_right_and_the_head_at_the_top() -> None:
    points = np.array([[0.0, 0.0, 0.0], [0.01, 0.0, 0.0], [0.0, 0.0, 0.01], [0.0, -0.01, 0.0]])
    seen = camera(0.0, 0.0).project(points) - 255.5
    scale = 1.1 / 0.76 / 3e-4
    assert seen[0] == pytest.approx([0.0, 0.0])
    assert seen[1] == pytest.approx([0.01 * scale, 0.0])
    assert seen[2] == pytest.approx([0.0, -0.01 * scale])
    assert seen[3] == pytest.approx([0.0, 0.0])


def test_the_detector_goes_where_the_angles_say() -> None:
    assert camera(90.0, 0.0).axes[2] == pytest.approx([1.0, 0.0, 0.0])  # LAO: on the patient's left
    assert camera(-90.0, 0.0).axes[2] == pytest.approx([-1.0, 0.0, 0.0])  # RAO
    assert camera(0.0, 30.0).axes[2] == pytest.approx([0.0, -np.cos(np.pi / 6), 0.5])  # cranial: towards the head


@pytest.mark.parametrize(("primary", "secondary"), [(-30.0, 20.0), (45.0, -25.0), (90.0, 40.0)])
def test_axes_are_orthonormal_and_seen_from_the_detector(primary: float, secondary: float) -> None:
    axes = camera(primary, secondary).axes
    assert axes @ axes.T == pytest.approx(np.eye(3), abs=1e-15)
    assert np.cross(axes[0], axes[1]) == pytest.approx(-axes[2])  # the viewer faces the source


def test_a_point_nearer_to_the_source_is_magnified_more() -> None:
    view = camera(0.0, 0.0)
    near = view.project(np.array([[0.01, 0.06, 0.0]]))[0, 0] - 255.5  # posterior: towards the source
    assert near == pytest.approx(0.01 * 1.1 / 0.70 / 3e-4)
    assert view.pixel_at(np.array([[0.0, 0.06, 0.0]])) == pytest.approx(3e-4 * 0.70 / 1.1)


def test_rays_go_back_through_the_points_and_a_shift_moves_them() -> None:
    view, points = camera(-30.0, 20.0, (0.003, -0.002, 0.001)), RNG.uniform(-0.05, 0.05, (20, 3))
    towards = points - view.source
    assert view.rays(view.project(points)) == pytest.approx(
        towards / np.linalg.norm(towards, axis=1, keepdims=True), abs=1e-12
    )
    unshifted = camera(-30.0, 20.0).project(points + np.array([0.003, -0.002, 0.001]))
    assert view.project(points) == pytest.approx(unshifted, abs=1e-9)


def test_images_of_one_point_lie_on_each_others_epipolar_lines() -> None:
    one, other = camera(-30.0, 20.0), camera(45.0, -10.0, (0.002, 0.001, -0.004))
    points = RNG.uniform(-0.05, 0.05, (20, 3))
    first, second = (np.column_stack([view.project(points), np.ones(20)]) for view in (one, other))
    line = first @ fundamental(one, other).T
    distance = (second * line).sum(axis=1) / np.hypot(line[:, 0], line[:, 1])
    assert distance == pytest.approx(0.0, abs=1e-8)


def test_opposite_views_are_alike() -> None:
    assert angle_between(camera(30.0, 0.0), camera(75.0, 0.0)) == pytest.approx(np.radians(45.0))
    assert angle_between(camera(0.0, 0.0), camera(180.0, 0.0)) == pytest.approx(0.0, abs=1e-7)
