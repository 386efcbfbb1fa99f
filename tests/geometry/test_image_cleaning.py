"""Islands, holes and gaps of a label image: what is dropped, filled and closed, and what stays as it is."""

import logging

import numpy as np
import pytest
from scipy.ndimage import label, maximum_filter, minimum_filter

from hemo.errors import InputError
from hemo.geometry.image.labelimage import AORTA, CORONARY, label_image

SPACING = np.full(3, 0.4e-3)
LABELS = {"aorta": 1, "coronary": 2}
CUBE = np.ones((3, 3, 3))


def lumen(shape=(60, 70, 120)):
    """An aorta along z (1) with a vessel of 3 mm along x (2) out of it; voxel centres z, y, x."""
    z, y, x = np.indices(shape)
    array = np.zeros(shape, dtype=np.uint8)
    array[(np.hypot(y - 30, z - 30) < 3.75) & (x > 20) & (x < 110)] = 2
    array[(np.hypot(x - 18, y - 30) < 15) & (z > 4) & (z < 55)] = 1
    return array


def read(array, spacing=SPACING, labels=LABELS):
    """The labels after cleaning, in a volume of the shape that was given."""
    image = label_image(array, np.zeros(3), np.asarray(spacing), np.eye(3), labels, "phantom")
    first = np.rint(image.origin / image.spacing).astype(int)[::-1]
    whole = np.zeros(np.array(array.shape) + 8, dtype=np.uint8)
    low = first + 4
    whole[tuple(slice(a, a + n) for a, n in zip(low, image.labels.shape, strict=True))] = image.labels
    return whole[4:-4, 4:-4, 4:-4]


def pieces(array):
    return label(array > 0, CUBE)[1]


def test_a_clean_lumen_is_left_alone(caplog):
    with caplog.at_level(logging.INFO):
        assert np.array_equal(read(lumen()), lumen())
    assert caplog.text == ""


def test_islands_go_and_large_pieces_stay(caplog):
    array = lumen()
    array[50:54, 50:54, 60:66] = 2  # 6.1 mm^3
    array[3, 3, 3] = array[5, 60, 100] = 2
    array[50:56, 60:66, 90:100] = 2  # 23 mm^3
    expected = array.copy()
    expected[50:54, 50:54, 60:66] = expected[3, 3, 3] = expected[5, 60, 100] = 0
    with caplog.at_level(logging.INFO):
        assert np.array_equal(read(array), expected)
    assert "3 islands" in caplog.text


def test_holes_are_filled_with_what_is_round_them(caplog):
    array = lumen()
    solid = minimum_filter(array, 3) == maximum_filter(array, 3)
    inner = np.argwhere(solid & (array > 0))
    array[tuple(inner[np.random.default_rng(1).integers(0, len(inner), 400)].T)] = 0
    array[20:30, 25:35, 14:24] = 0  # 64 mm^3
    with caplog.at_level(logging.INFO):
        assert np.array_equal(read(array), lumen())
    assert "a hole of 6" in caplog.text
    assert "(7.4, 11.8, 9.8) mm" in caplog.text


def test_an_open_hollow_is_no_hole():
    array = lumen()
    array[30, 30, 60:] = 0  # a canal to the vessel's end
    assert np.array_equal(read(array), array)


def test_nothing_but_islands_is_refused():
    array = np.zeros((20, 20, 20), dtype=np.uint8)
    array[5:8, 5:8, 5:8] = 2
    with pytest.raises(InputError, match="no lumen of more than 10 mm"):
        read(array, labels={"coronary": 2})


@pytest.mark.parametrize("place", [33, 60, 104])  # at the ostium, in the vessel, near its end
def test_a_gap_across_the_vessel_is_closed(caplog, place):
    z, y, x = np.indices((60, 70, 120))
    whole = lumen()
    whole[(np.hypot(y - 56, z - 30) < 4.2) & (x > 0) & (x < 118)] = 2  # goes on through the planes of the gaps
    array = whole.copy()
    array[:, :45, place] = np.where(array[:, :45, place] == 2, 0, array[:, :45, place])
    if place == 33:
        array[(array == 2) & (np.hypot(x - 18, y - 30) < 16)] = 0
    assert pieces(array) == 3
    cleaned = read(array)
    assert pieces(cleaned) == 2
    assert np.array_equal(cleaned[:, :, 40:], whole[:, :, 40:])
    assert np.count_nonzero(cleaned != whole) <= (8 if place == 33 else 0)  # of 45 to 60 voxels in the gap
    assert caplog.text.count("a gap of one voxel") == 1
    centre = float(caplog.text.split("lumen at (")[1].split(",")[0])
    assert centre == pytest.approx(0.4 * place, abs=0.5)


def test_two_missing_voxels_stay_missing():
    array = lumen()
    array[:, :, 60:62] = 0
    assert np.array_equal(read(array), array)


@pytest.mark.parametrize(("level", "wrong"), [(22, 12), (26, 130), (34, 0)])
def test_a_lost_plane_through_everything_is_restored(caplog, level, wrong):
    """The plane cuts the aorta, a vessel that crosses it at a slant, and along it a third; 0.4 x 0.4 x 1 mm."""
    z, y, x = np.indices((40, 100, 110)).astype(float)
    whole = np.zeros(z.shape, dtype=np.uint8)
    along = x - 30  # the vessel sinks by 0.35 mm on 1 mm
    whole[(np.hypot(0.4 * (y - 30), z - (26 - 0.14 * along)) < 1.6) & (x > 20) & (x < 100)] = 2
    whole[(np.hypot(0.4 * (x - 18), z - 26) < 2.2) & (y > 30) & (y < 95)] = 2
    whole[np.hypot(x - 18, y - 30) < 15] = 1
    broken = whole.copy()
    broken[level] = 0
    assert pieces(broken) > 1
    cleaned = read(broken, spacing=[0.4e-3, 0.4e-3, 1e-3])
    assert pieces(cleaned) == 1
    assert "a whole plane of the image" in caplog.text
    assert np.count_nonzero(cleaned != whole) <= wrong  # of some 700 to 1500; a round vessel along the plane is dented
    assert np.array_equal(np.delete(cleaned, level, axis=0), np.delete(broken, level, axis=0))


def with_neighbour(gap):
    """A second vessel of its own, along the first one at a distance of ``gap`` voxels from wall to wall."""
    z, y, x = np.indices((60, 70, 120))
    array = lumen()
    array[(np.hypot(y - 30 - 7 - gap, z - 30) < 3.75) & (x > 50) & (x < 115)] = 2
    return array


def test_a_vessel_alongside_is_not_glued():
    array = with_neighbour(1)
    assert pieces(array) == 2
    assert np.array_equal(read(array), array)


def test_a_vessel_that_crosses_is_not_glued():
    z, y, x = np.indices((60, 70, 120))
    array = lumen()
    array[(np.hypot(x - 70, z - 30 - 8) < 3.75) & (y > 5) & (y < 66)] = 2
    assert pieces(array) == 2
    assert np.array_equal(read(array), array)


def test_a_vessel_along_the_aortic_wall_is_not_glued():
    z, y, x = np.indices((60, 70, 120))
    array = lumen()
    array[(np.hypot(x - 18, y - 30 - 15 - 4.7) < 3.75) & (z > 8) & (z < 50)] = 2
    assert pieces(array) == 2
    assert np.array_equal(read(array), array)


def test_the_thin_end_of_another_tree_is_not_glued():
    """A tapering vessel whose far end stops a voxel short of the first vessel's side."""
    z, y, x = np.indices((60, 70, 120))
    array = lumen()
    array[(np.hypot(x - 70, z - 30) < 1.2 + 0.1 * (y - 34)) & (y > 34) & (y < 66)] = 2
    assert pieces(array) == 2
    assert np.array_equal(read(array), array)


def test_a_side_branch_cut_off_is_joined():
    z, y, x = np.indices((60, 70, 120))
    array = lumen()
    array[(np.hypot(x - 70, z - 30) < 3.0 - 0.03 * (y - 34)) & (y > 34) & (y < 66)] = 2
    assert pieces(array) == 2
    cleaned = read(array)
    assert pieces(cleaned) == 1
    assert np.array_equal(cleaned[:, 36:], array[:, 36:])
    assert np.array_equal(cleaned[:, :33], array[:, :33])


def test_a_gap_in_a_vessel_beside_another_is_closed_and_they_stay_apart():
    array = with_neighbour(1)
    whole = array.copy()
    array[:, :34, 80] = 0
    assert pieces(array) == 3
    cleaned = read(array)
    assert pieces(cleaned) == 2
    assert np.array_equal(cleaned, whole)


def test_one_touching_tree_is_enough_and_none_is_refused():
    array = lumen()
    z, y, x = np.indices(array.shape)
    apart = array.copy()
    apart[apart == 2] = 0
    apart[(np.hypot(y - 60, z - 30) < 3.5) & (x > 10) & (x < 90)] = 2
    both = np.maximum(array, apart)
    both[array == 1] = 1
    assert np.array_equal(read(both), both)
    with pytest.raises(InputError, match="touches no coronary"):
        read(apart)


def test_left_handed_oblique_anisotropic_grid_is_cleaned_in_place():
    array = lumen((40, 70, 120))[:, ::1]
    direction = np.array([[0.6, 0.8, 0.0], [0.8, -0.6, 0.0], [0.0, 0.0, 1.0]])
    spacing = np.array([0.3e-3, 0.3e-3, 1.0e-3])
    origin = np.array([0.01, -0.2, 1.7])
    image = label_image(array, origin, spacing, direction, LABELS, "phantom")
    index = np.argwhere(array == CORONARY)[:, ::-1]
    expected = origin + (index * spacing) @ direction.T
    found = image.to_points(np.argwhere(image.labels == CORONARY)[:, ::-1].astype(float))
    assert np.abs(found - expected).max() < 1e-12
    assert np.all(image.values_at(expected) == CORONARY)
    assert np.linalg.det(image.direction) == pytest.approx(-1.0)
    assert image.values_at(origin + (np.argwhere(array == AORTA)[:1, ::-1] * spacing) @ direction.T)[0] == AORTA
