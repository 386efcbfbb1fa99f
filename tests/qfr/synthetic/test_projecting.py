"""Projected lumens against closed forms: chords, volumes, bends, forks, silhouettes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hemo.errors import InputError
from hemo.qfr.camera import Camera
from hemo.qfr.synthetic.lumen import Lumen, Shape, joined, lumen_of, tube
from hemo.qfr.synthetic.projecting import path_length, sampled, silhouette, without_overlap
from hemo.tree import Branch, VesselTree

Array = NDArray[Any]
PIXEL = 1.5e-4
STEP = 6e-5


def camera(primary: float = 0.0, secondary: float = 0.0, shape: tuple[int, int] = (256, 256)) -> Camera:
    return Camera(np.radians(primary), np.radians(secondary), 1.1, 0.76, (PIXEL, PIXEL), shape)


def straight(start: Array, end: Array, radius: float, ratio: float = 1.0, taper: float = 1.0) -> Lumen:
    part = np.linspace(0.0, 1.0, 40)
    points = start + part[:, None] * (end - start)
    size = radius * (1.0 + (taper - 1.0) * part)
    return tube("t", points, np.column_stack([size * np.sqrt(ratio), size / np.sqrt(ratio)]), np.zeros(40), STEP)


def seen(lumen: Lumen, view: Camera) -> Array:
    return path_length(lumen, sampled(lumen, view), view)


def pixels(view: Camera) -> Array:
    rows, columns = view.shape
    return np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2)


def seen_volume(image: Array, view: Camera, depth: float) -> float:
    """Of what lies at one depth from the source."""
    cosine = (view.rays(pixels(view)) @ view.axes[2]).reshape(view.shape)
    return float(np.sum(image * cosine) * PIXEL**2 * (depth / view.source_detector) ** 2)


@pytest.mark.parametrize(
    ("primary", "secondary", "direction", "place"),
    [
        (0.0, 0.0, (0.0, 0.0, 1.0), (0.0, 0.0, 0.0)),
        (-30.0, 20.0, (0.3, 0.2, 1.0), (0.004, 0.003, -0.002)),
        (40.0, 10.0, (0.5, -0.9, 0.7), (-0.003, 0.002, 0.002)),  # runs half towards the detector
    ],
)
def test_chords_through_a_straight_tube_are_those_of_the_exact_rays(
    primary: float, secondary: float, direction: tuple[float, ...], place: tuple[float, ...]
) -> None:
    view, radius, along = camera(primary, secondary), 1.5e-3, np.array(direction) / np.linalg.norm(direction)
    middle = np.array(place)
    image = seen(straight(middle - 0.022 * along, middle + 0.022 * along, radius), view)
    ray = view.rays(pixels(view))
    across = np.cross(ray, along)
    sine = np.linalg.norm(across, axis=1)
    distance = np.abs((middle - view.source) @ (across / sine[:, None]).T)
    inside = (distance < 0.85 * radius) & (np.abs(pixels(view) - 127.5).max(axis=1) < 40)  # far from its ends
    chord = 2.0 * np.sqrt(radius**2 - distance[inside] ** 2) / sine[inside]
    error = image.ravel()[inside] - chord
    assert inside.sum() > 400
    assert np.abs(error).max() < 0.01 * 2.0 * radius / sine[inside].min()


def test_a_tapered_elliptical_tube_keeps_its_volume_on_the_image() -> None:
    view = camera(25.0, -15.0, (448, 448))
    across = 0.7 * view.axes[0] + 0.714 * view.axes[1]  # at one depth
    lumen = straight(-0.02 * across, 0.02 * across, 1.6e-3, 1.7, 0.4)
    exact = np.pi * 1.6e-3**2 * float(np.linalg.norm(0.04 * across)) * (1.0 + 0.4 + 0.16) / 3.0
    assert lumen.volume.sum() == pytest.approx(exact, rel=1e-4)
    assert seen_volume(seen(lumen, view), view, 0.76) == pytest.approx(exact, rel=1e-4)


def test_a_bent_tube_is_no_denser_at_its_inside() -> None:
    """A torus across the beam: chords 2 sqrt(r^2 - (rho - R)^2), whichever side of the bend."""
    view, radius, bend = camera(), 1.5e-3, 5e-3
    angle = np.linspace(0.0, 1.5 * np.pi, 200)
    points = bend * np.column_stack([np.cos(angle), np.zeros(200), np.sin(angle)])
    image = seen(tube("t", points, np.full((200, 2), radius), np.zeros(200), STEP), view)
    place = (pixels(view) - 127.5) * PIXEL * 0.76 / 1.1
    away, turn = np.hypot(place[:, 0], place[:, 1]) - bend, np.arctan2(-place[:, 1], place[:, 0]) % (2.0 * np.pi)
    for side in (-1.0, 1.0):
        mine = (side * away > 0.3 * radius) & (side * away < 0.85 * radius) & (turn > 0.2) & (turn < 1.5 * np.pi - 0.2)
        error = image.ravel()[mine] - 2.0 * np.sqrt(radius**2 - away[mine] ** 2)
        assert mine.sum() > 50
        assert abs(error.mean()) < 0.003 * 2.0 * radius
        assert np.abs(error).max() < 0.02 * 2.0 * radius


def test_vessels_over_one_another_add() -> None:
    view = camera()
    one = straight(np.array([-0.01, 0.0, 0.0]), np.array([0.01, 0.0, 0.0]), 1e-3)
    other = straight(np.array([0.0, 0.02, -0.01]), np.array([0.0, 0.02, 0.01]), 1.5e-3)
    both = joined([one, other])
    assert seen(both, view) == pytest.approx(seen(one, view) + seen(other, view), abs=1e-12)
    assert seen(both, view).max() == pytest.approx(5e-3, rel=0.01)


def fork(daughter_radius: float = 1.0e-3) -> VesselTree:
    """A mother along z and a daughter that leaves at right angles from its wall."""
    wide = 1.5e-3

    def made(name: str, points: Array, radius: float, **more: Any) -> Branch:
        n = len(points)
        sizes = np.full(n, radius)
        return Branch(name, points, sizes, np.pi * sizes**2, sizes, **more)

    line = np.linspace(-0.015, 0.015, 121)
    mother = made("M", np.column_stack([0 * line, 0 * line, -line]), wide)
    out = np.linspace(wide, 0.012, 60)
    return VesselTree(
        "fork",
        (
            mother,
            made("D", np.column_stack([out, 0 * out, 0 * out]), daughter_radius, parent="M", parent_index=60),
        ),
    )


def test_a_daughter_is_joined_to_its_mother_without_a_gap_or_a_double_part() -> None:
    view, tree = camera(shape=(448, 448)), fork()
    lumen = lumen_of(tree, STEP)
    samples = without_overlap(sampled(lumen, view), lumen, tree)
    image = path_length(lumen, samples, view)
    y = np.linspace(-1e-3, 1e-3, 20001)
    mean = np.trapezoid(2.0 * np.sqrt(1e-6 - y**2) * np.sqrt(1.5e-3**2 - y**2), y)  # what of the daughter is hidden
    exact = np.pi * 1.5e-3**2 * 0.03 + np.pi * 1e-6 * 0.012 - mean
    assert seen_volume(image, view, 0.76) == pytest.approx(exact, rel=2e-3)
    assert image[216:232, :].max() < 1.01 * 3e-3  # the mother's chord is the longest at the fork


def test_half_the_pixel_size_gives_the_same_image() -> None:
    lumen = straight(np.array([-0.008, 0.001, -0.004]), np.array([0.009, 0.003, 0.006]), 1.2e-3, 1.4, 0.6)
    coarse = camera(20.0, 10.0)
    fine = replace(coarse, pixel=(PIXEL / 2, PIXEL / 2), shape=(512, 512))
    binned = seen(lumen, fine).reshape(256, 2, 256, 2).mean(axis=(1, 3))
    difference = seen(lumen, coarse) - binned
    assert np.abs(difference).sum() < 0.02 * binned.sum()
    assert difference.sum() == pytest.approx(0.0, abs=1e-6 * binned.sum())


def test_edges_of_a_cylinder_are_where_rays_graze_it() -> None:
    view, radius = camera(-35.0, 15.0), 1.5e-3
    along = np.array([0.2, 0.3, 1.0]) / np.linalg.norm([0.2, 0.3, 1.0])
    lumen = straight(-0.02 * along, 0.02 * along, radius)
    _, left, right = silhouette(lumen, view)
    for edge in (left, right):
        normal = np.cross(view.rays(edge), along)
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        assert np.abs(normal @ view.source) == pytest.approx(radius, rel=2e-3)


def test_left_is_the_viewers_left_looking_distally() -> None:
    lumen = straight(np.array([0.0, 0.0, 0.02]), np.array([0.0, 0.0, -0.02]), 1e-3)  # to the feet: down the image
    midline, left, right = silhouette(lumen, camera())
    assert midline[-1, 1] > midline[0, 1]
    assert np.all(left[:, 0] > midline[:, 0])
    assert np.all(right[:, 0] < midline[:, 0])


@pytest.mark.parametrize(("primary", "angle"), [(0.0, 0.0), (0.0, 0.7), (50.0, 0.0)])
def test_two_views_see_the_widths_of_an_elliptical_vessel(primary: float, angle: float) -> None:
    line = np.linspace(0.02, -0.02, 80)
    sizes = np.full(80, 1.5e-3)
    branch = Branch("A", np.column_stack([0 * line, 0 * line, line]), sizes, np.pi * sizes**2, sizes)
    tree, view = VesselTree("t", (branch,)), camera(primary)
    lumen = lumen_of(tree, STEP, {"A": Shape(np.full(80, 1.8), np.full(80, angle))})
    a, b = 1.5e-3 * np.sqrt(1.8), 1.5e-3 / np.sqrt(1.8)
    normal, binormal = branch.normal[0], np.cross(branch.tangent[0], branch.normal[0])
    long = np.cos(angle) * normal + np.sin(angle) * binormal
    short = np.cross(branch.tangent[0], long)
    exact = 2.0 * np.hypot(a * (long @ view.axes[0]), b * (short @ view.axes[0]))
    _, left, right = silhouette(lumen, view)
    width = np.linalg.norm(left - right, axis=1) * PIXEL * 0.76 / 1.1
    assert width[len(width) // 2] == pytest.approx(exact, rel=1e-3)
    assert lumen.volume.sum() == pytest.approx(np.pi * 1.5e-3**2 * 0.04, rel=1e-4)


def test_a_shape_that_does_not_fit_is_refused_by_name() -> None:
    tree = fork()
    with pytest.raises(InputError, match="'X', which is not one of its branches"):
        lumen_of(tree, STEP, {"X": Shape(np.ones(2), np.zeros(2))})
    with pytest.raises(InputError, match="'M': its shape needs one ratio"):
        lumen_of(tree, STEP, {"M": Shape(np.ones(2), np.zeros(2))})
    with pytest.raises(InputError, match="must be 1 or more"):
        lumen_of(tree, STEP, {"M": Shape(np.full(121, 0.9), np.zeros(121))})


def test_a_daughters_shape_counts_from_its_own_normal() -> None:
    tree = fork()
    n = len(tree["D"].points)
    lumen = lumen_of(tree, STEP, {"D": Shape(np.full(n, 2.0), np.full(n, 0.4))}).of("D")
    normal, tangent = tree["D"].normal[n // 2], tree["D"].tangent[n // 2]
    long = np.cos(0.4) * normal + np.sin(0.4) * np.cross(tangent, normal)
    axis = lumen.axes[len(lumen.arc) // 2, 0]
    assert abs(axis @ long) == pytest.approx(1e-3 * np.sqrt(2.0), rel=1e-6)
