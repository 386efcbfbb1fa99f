"""Cutting a lumen to one tree: caps, trimming, what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hemo.errors import InputError
from hemo.geometry.lumen.capfan import triangulate_cap
from hemo.geometry.lumen.planecut import LoopFinder, cut_along, find_loop, plane_loops
from hemo.geometry.lumen.surface import Surface
from hemo.geometry.mesh.capcuts import NotSevered, OutletsNotCut
from hemo.geometry.mesh.clipping import INLET_TAG, clip_to_tree, keep_flat_ends
from hemo.geometry.mesh.trimming import trim_tree
from hemo.geometry.synthetic.vessels import straight_stenosis
from hemo.tree import Branch, VesselTree
from tests.geometry.shapes import AORTA, MAIN, MAIN_RADIUS, MM, SIDE, SIDE_RADIUS, lumen, tree


@pytest.fixture(scope="module")
def whole() -> Surface:
    return lumen(AORTA, MAIN, SIDE)


def test_a_tree_is_cut_from_the_aorta_and_capped(whole: Surface) -> None:
    clipped = clip_to_tree(whole, tree())
    surface = clipped.surface
    assert surface.names == {1: "wall", 2: "inlet", 3: "M", 4: "S"}
    edges = np.sort(
        np.vstack([surface.triangles[:, [0, 1]], surface.triangles[:, [1, 2]], surface.triangles[:, [2, 0]]])
    )
    assert np.all(np.unique(edges, axis=0, return_counts=True)[1] == 2)
    assert surface.genus == 0
    for tag, radius in ((2, MAIN_RADIUS), (3, MAIN_RADIUS), (4, SIDE_RADIUS)):
        assert surface.cap_area(tag) == pytest.approx(np.pi * radius**2, rel=0.04)
        centre, normal = surface.planes[tag]
        used = surface.points[surface.triangles[surface.tags == tag]].reshape(-1, 3)
        assert np.abs((used - centre) @ normal).max() < 1e-12
    # The aorta and the domes of the tips are gone, in full length: two cylinders less their overlap.
    assert surface.points[:, 0].min() > 5.9 * MM
    main, side = clipped.tree["M"].length, clipped.tree["S"].length
    cylinders = np.pi * (MAIN_RADIUS**2 * main + SIDE_RADIUS**2 * (side + 0.5 * MM))
    assert surface.volume == pytest.approx(cylinders, rel=0.04)


def test_the_slope_of_the_wall_against_a_plane() -> None:
    """A cone that grows by a third of a millimetre a millimetre: its wall leans by 18 degrees."""
    around, rings = 48, 11
    turn = 2 * np.pi * np.arange(around) / around
    z = np.linspace(0.0, 5.0, rings)
    points = np.concatenate(
        [np.column_stack([(1 + h / 3) * np.cos(turn), (1 + h / 3) * np.sin(turn), 0 * turn + h]) for h in z]
    )
    index = np.arange(len(points)).reshape(rings, around)
    a, b, c, d = index[:-1], np.roll(index, -1, 1)[:-1], np.roll(index, -1, 1)[1:], index[1:]
    triangles = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    finder = LoopFinder(points, triangles)
    loop = finder.find(np.array([0.0, 0.0, 2.6]), np.array([0.0, 0.0, 1.0]), 1.8)
    assert loop is not None
    assert finder.slope(loop) == pytest.approx(np.sin(np.arctan(1 / 3)), rel=0.01)


def test_caps_face_outwards_along_the_centreline(whole: Surface) -> None:
    surface = clip_to_tree(whole, tree()).surface
    side = np.array([8.0, 10.0, 0.0]) / np.hypot(8.0, 10.0)
    for tag, direction in ((2, [-1.0, 0, 0]), (3, [1.0, 0, 0]), (4, side)):
        a, b, c = (surface.points[surface.triangles[surface.tags == tag][:, i]] for i in range(3))
        vector = np.cross(b - a, c - a).sum(axis=0)
        assert vector / np.linalg.norm(vector) @ direction > 0.9999


def test_the_tree_ends_at_the_caps(whole: Surface) -> None:
    clipped = clip_to_tree(whole, tree())
    for name, tag in (("M", 3), ("S", 4)):
        centre, _ = clipped.surface.planes[tag]
        np.testing.assert_allclose(clipped.tree[name].points[-1], centre, atol=1e-9)
    np.testing.assert_allclose(clipped.tree.root.points[0], clipped.surface.planes[INLET_TAG][0], atol=1e-9)
    # The side branch still leaves at x = 16 mm, though the root has lost its first points.
    place = clipped.tree.root.points[clipped.tree["S"].parent_index]
    assert place[0] == pytest.approx(16 * MM, abs=0.25 * MM)


def test_an_end_just_behind_a_fork_is_not_cut_in_the_fork() -> None:
    """The vessel is 1.6 mm wide behind the fork and tapers: no section is quite whole, and that of the fork is none."""
    surface = lumen(AORTA, ([0, 0, 0], [16, 0, 0], 1.5), ([16, 0, 0], [28, 0, 0], 0.8), SIDE)
    main, side = tree(19.2).branches
    radius = MM * np.interp(main.points[:, 0] / MM, [16.5, 16.9, 18.5], [1.5, 0.89, 0.8])
    main = replace(main, radius=radius, area=np.pi * radius**2, reference_radius=radius)
    clipped = clip_to_tree(surface, VesselTree("t", (main, side)))
    assert clipped.surface.cap_area(3) == pytest.approx(np.pi * (0.8 * MM) ** 2, rel=0.1)
    assert clipped.tree["M"].points[-1, 0] > 18.5 * MM
    assert clipped.surface.names == {1: "wall", 2: "inlet", 3: "M", 4: "S"}


def test_a_stub_that_tapers_all_along_still_gets_its_cap() -> None:
    """A branch that the segmentation ends 2 mm beyond its parent's wall has no section of full size."""
    stub = ([16, 0, 0], [16, 3.2, 0], 1.2)
    surface = lumen(AORTA, MAIN, stub, ([16, 0, 0], [16, 4.2, 0], 0.7))
    main = tree().branches[0]
    y = MM * np.arange(1.9, 4.4, 0.4)
    r = np.interp(y, MM * np.array([1.9, 3.2, 4.4]), MM * np.array([1.2, 1.2, 0.75]))
    points = np.column_stack([np.full_like(y, 16 * MM), y, 0 * y])
    side = replace(tree().branches[1], points=points, radius=r, area=np.pi * r**2, reference_radius=r)
    clipped = clip_to_tree(surface, VesselTree("t", (main, side)))
    assert clipped.surface.names[4] == "S"
    assert 0.65 * np.pi * 0.75**2 < clipped.surface.cap_area(4) / MM**2 < 1.1 * np.pi * 1.2**2
    assert clipped.tree["S"].length > 1 * MM


def test_a_vessel_running_alongside_is_left_whole() -> None:
    surface = lumen(AORTA, MAIN, ([6, -4.2, 0], [28, -4.2, 0], 2.0))
    alone = VesselTree("t", tree().branches[:1])
    clipped = clip_to_tree(surface, alone).surface
    assert set(np.unique(clipped.tags)) == {1, 2, 3}
    assert clipped.points[:, 1].min() > -1.6 * MM


def test_an_unknown_side_branch_stays_as_a_stub(whole: Surface) -> None:
    clipped = clip_to_tree(whole, VesselTree("t", tree().branches[:1])).surface
    assert clipped.points[:, 1].max() > 10.5 * MM
    assert set(np.unique(clipped.tags)) == {1, 2, 3}


def test_touching_vessels_are_told() -> None:
    surface = lumen(AORTA, MAIN, SIDE, ([0, 0, 8], [28, 0, 0], 1.0))
    with pytest.raises(NotSevered, match=r"'t'.*M"):
        clip_to_tree(surface, tree())


def test_a_cap_that_would_sever_another_vessel_is_blamed_itself() -> None:
    """The side vessel comes back and crosses the main one's end: cut there, it would lose its own end."""
    across = ([21, 2.2, 0], [33, -0.7, 0], 0.8)
    surface = lumen(AORTA, MAIN, ([14, 0, 0], [14, 4, 0], 0.8), ([14, 4, 0], [21, 2.2, 0], 0.8), across)
    along = MM * np.vstack(
        [
            np.column_stack([np.full(6, 14.0), np.linspace(1.7, 4.0, 6), np.zeros(6)]),
            np.linspace([14.0, 4.0, 0.0], [21.0, 2.2, 0.0], 18)[1:],
            np.linspace([21.0, 2.2, 0.0], [33.0, -0.7, 0.0], 31)[1:],
        ]
    )
    r = np.full(len(along), 0.8 * MM)
    main = tree().root
    side = Branch("S", along, r, np.pi * r**2, r, "M", int(np.abs(main.points[:, 0] - 14 * MM).argmin()))
    with pytest.raises(OutletsNotCut) as caught:
        clip_to_tree(surface, VesselTree("t", (main, side)))
    assert caught.value.outlets == ("M",)


def test_an_interrupted_vessel_names_its_outlet() -> None:
    surface = lumen(AORTA, ([0, 0, 0], [14, 0, 0], 1.5), ([18, 0, 0], [28, 0, 0], 1.5))
    with pytest.raises(InputError, match=r"outlet 'M'.*interrupted"):
        clip_to_tree(surface, VesselTree("t", tree().branches[:1]))


def test_a_tree_in_another_frame_is_refused(whole: Surface) -> None:
    moved = VesselTree("t", tuple(replace(b, points=b.points + 0.1) for b in tree().branches))
    with pytest.raises(InputError, match="same frame"):
        clip_to_tree(whole, moved)


def test_flat_ends_are_kept_as_they_are() -> None:
    surface, vessel = straight_stenosis()
    clipped = keep_flat_ends(surface, vessel)
    np.testing.assert_array_equal(clipped.surface.points, surface.points)
    assert clipped.tree is vessel
    assert [int((clipped.surface.tags == tag).sum()) for tag in (2, 3)] == [96, 96]
    assert clipped.surface.names[3] == "vessel"


def test_a_round_end_is_no_flat_end(whole: Surface) -> None:
    with pytest.raises(InputError, match="flat end at 'inlet'"):
        keep_flat_ends(whole, tree())


def test_lesions_move_with_the_root_and_are_lost_beyond_the_end() -> None:
    _, vessel = straight_stenosis()
    lesion = vessel.lesions[0]
    trimmed, warnings = trim_tree(vessel, 2e-3, {"vessel": 50e-3})
    assert not warnings
    moved = trimmed.lesions[0]
    assert (moved.start, moved.minimum) == pytest.approx((lesion.start - 2e-3, lesion.minimum - 2e-3))
    assert trimmed.root.length == pytest.approx(48e-3)
    throat = np.interp(moved.minimum, trimmed.root.arc, trimmed.root.radius)
    assert throat == pytest.approx(0.75e-3, rel=1e-3)
    without, warnings = trim_tree(vessel, 0.0, {"vessel": 18e-3})
    assert without.lesions == () and "vessel_1" in warnings[0]


def test_one_loop_of_two_is_cut() -> None:
    surface = lumen(([0, 0, 0], [10, 0, 0], 1.5), ([0, 4, 0], [10, 4, 0], 1.0))
    centre, normal = MM * np.array([5.0, 0, 0]), np.array([1.0, 0, 0])
    everything = np.arange(len(surface.triangles))
    loops = plane_loops(surface.points, surface.triangles, everything, centre, normal)
    assert sorted(loop.area for loop in loops) == pytest.approx([np.pi * 1e-6, np.pi * 2.25e-6], rel=0.03)
    loop = find_loop(surface.points, surface.triangles, centre, normal, MAIN_RADIUS)
    assert loop is not None and loop.area == pytest.approx(np.pi * 2.25e-6, rel=0.03)
    points, triangles, above, below = cut_along(surface.points, surface.triangles, loop)
    np.testing.assert_allclose(points[above], points[below])
    before, after = area_of(surface.points, surface.triangles), area_of(points, triangles)
    assert after == pytest.approx(before, rel=1e-12)
    assert not np.intersect1d(triangles[np.isin(triangles, above).any(axis=1)], below).size


def area_of(points: np.ndarray, triangles: np.ndarray) -> float:
    a, b, c = (points[triangles[:, i]] for i in range(3))
    return float(0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1).sum())


@pytest.mark.parametrize("concave", [False, True])
def test_a_cap_covers_its_polygon_once(concave: bool) -> None:
    angle = np.linspace(0.0, 2 * np.pi, 40, endpoint=False)
    x, y = np.cos(angle), np.sin(angle)
    if concave:
        y = y + 6.0 * x**2  # a boomerang, star-shaped about no place
    rim = np.stack([x, y, np.zeros_like(x)], axis=1)
    extra, triangles = triangulate_cap(rim, np.arange(40), np.array([0.0, 0.0, 1.0]))
    assert len(extra) == (0 if concave else 1)
    corners = np.vstack([rim, extra])[triangles]
    signed = 0.5 * np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2]
    polygon = 0.5 * np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)
    assert np.all(signed > 0.0)
    assert signed.sum() == pytest.approx(polygon, rel=1e-12)


def test_a_cap_that_its_middle_does_not_see_whole_is_a_fan_round_a_place_that_does() -> None:
    """An L of wide arms: its middle lies outside the corner from which all of it is seen."""
    flat = np.array([[0, 0], [10, 0], [10, 2], [2, 2], [2, 10], [0, 10]], dtype=float)
    rim = np.column_stack([flat, np.zeros(6)])
    extra, triangles = triangulate_cap(rim, np.arange(6), np.array([0.0, 0.0, 1.0]))
    assert len(extra) == 1
    assert np.all((extra[0, :2] > 0.0) & (extra[0, :2] < 2.0))
    corners = np.vstack([rim, extra])[triangles]
    signed = 0.5 * np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2]
    assert np.all(signed > 0.0)
    assert signed.sum() == pytest.approx(36.0)


def test_the_inlet_is_cut_where_no_spur_stands_out(whole: Surface) -> None:
    """Beside the ostium a peg stands out of the wall, through which the first clean plane would go."""
    plain = clip_to_tree(whole, tree()).surface
    peg = ([6.6, 1.0, 0], [6.6, 2.8, 0], 0.4)
    spurred = clip_to_tree(lumen(AORTA, MAIN, SIDE, peg), tree()).surface
    assert plain.planes[INLET_TAG][0][0] < 6.9 * MM < spurred.planes[INLET_TAG][0][0]
    assert spurred.cap_area(INLET_TAG) == pytest.approx(np.pi * MAIN_RADIUS**2, rel=0.04)
