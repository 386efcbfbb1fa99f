"""Where voxels lie: units, orientation, shear, and headers that contradict themselves."""

import gzip
import itertools
import struct

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from hemo.errors import InputError
from hemo.geometry.image.labelimage import CORONARY, read_labels

LABELS = {"aorta": 1, "coronary": 2}
SPACING = np.array([0.3, 0.3, 1.0])  # mm
TURN = np.radians([35.0, -20.0])
OBLIQUE = np.array(
    [[np.cos(TURN[0]), -np.sin(TURN[0]), 0.0], [np.sin(TURN[0]), np.cos(TURN[0]), 0.0], [0.0, 0.0, 1.0]]
) @ np.array([[1.0, 0.0, 0.0], [0.0, np.cos(TURN[1]), -np.sin(TURN[1])], [0.0, np.sin(TURN[1]), np.cos(TURN[1])]])


def values():
    array = np.zeros((12, 16, 30), dtype=np.uint8)  # z, y, x
    array[2:10, 4:14, 2:12] = 1
    array[5:8, 7:11, 12:27] = 2
    return array


def nifti(path, rows, size=(0.3, 0.3, 1.0), units=2, codes=(0, 1), quaternion=(0.0,) * 6, array=None, shape=None):
    """A NIfTI-1 file by hand: ``rows`` (3, 4) of the sform, ``codes`` of qform and sform, units 1 m, 2 mm, 3 um."""
    array = values() if array is None else array
    shape = shape or (3, *array.shape[::-1], 1, 1, 1, 1)
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, *shape)
    struct.pack_into("<hh", header, 70, 2, 8)
    struct.pack_into("<8f", header, 76, 1, *size, *[1] * 4)
    struct.pack_into("<ff", header, 108, 352.0, 1.0)
    header[123] = units
    struct.pack_into("<hh", header, 252, *codes)
    struct.pack_into("<6f", header, 256, *quaternion)
    struct.pack_into("<12f", header, 280, *np.ravel(rows))
    header[344:348] = b"n+1\0"
    path.write_bytes(bytes(header) + array.tobytes())
    return path


def rows(direction=OBLIQUE, spacing=SPACING, origin=(12.0, 150.0, 1700.0)):
    """The sform in RAS of axes given in LPS."""
    return np.diag([-1.0, -1.0, 1.0]) @ np.column_stack([direction * spacing, origin])


def places(direction=OBLIQUE, spacing=SPACING, origin=(12.0, 150.0, 1700.0)):
    """LPS mm of the coronary voxels."""
    return origin + (np.argwhere(values() == 2)[:, ::-1] * spacing) @ direction.T


def found(path, labels=LABELS):
    image = read_labels(path, labels)
    return 1e3 * image.to_points(np.argwhere(image.labels == CORONARY)[:, ::-1].astype(float))


@pytest.mark.parametrize("ending", ["nii.gz", "nrrd", "mha"])
@pytest.mark.parametrize(
    ("order", "signs"), [(o, s) for o in itertools.permutations(range(3)) for s in ((1, 1, 1), (-1, 1, 1), (1, -1, -1))]
)
def test_every_order_of_the_axes_and_both_hands(tmp_path, ending, order, signs):
    """Oblique voxels of 0.3 x 0.3 x 1 mm; half of these directions are left-handed."""
    direction = OBLIQUE[:, order] * np.array(signs)
    image = sitk.GetImageFromArray(values())
    image.SetSpacing(SPACING.tolist())
    image.SetOrigin((12.0, 150.0, 1700.0))
    image.SetDirection(direction.ravel().tolist())
    sitk.WriteImage(image, str(tmp_path / f"a.{ending}"))
    assert np.abs(found(tmp_path / f"a.{ending}") - places(direction)).max() < 3e-4  # single precision of NIfTI


@pytest.mark.parametrize(("units", "scale"), [(1, 1e-3), (2, 1.0), (3, 1e3), (0, 1.0)])
def test_units_that_a_nifti_states(tmp_path, units, scale):
    path = nifti(tmp_path / "a.nii", scale * rows(), scale * SPACING, units)
    assert np.abs(found(path) - places()).max() < 1e-3


@pytest.mark.parametrize(("scale", "unit"), [(1e-3, "metres"), (1e3, "micrometres"), (0.1, "centimetres")])
def test_spacing_in_another_unit_is_named(tmp_path, scale, unit):
    path = nifti(tmp_path / "a.nii", scale * rows(), scale * SPACING)
    with pytest.raises(InputError, match=f"fit as {unit}"):
        read_labels(path, LABELS)


def sheared(amount):
    shear = np.eye(3)
    shear[0, 2] = amount
    return rows(OBLIQUE @ shear)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"rows": sheared(0.1)}, "right angles"),
        # ITK would take the qform, with another origin, without a word.
        ({"rows": sheared(0.1), "codes": (1, 1)}, "right angles"),
        ({"rows": rows(spacing=2 * SPACING), "codes": (1, 1)}, "another size in the other"),
        ({"rows": rows() * np.nan}, "not a number"),
        ({"rows": rows() + np.array([[0, 0, 0, np.nan]] * 3)}, "not a number"),
        ({"rows": rows() * 0.0}, "not a number"),
        ({"rows": rows(), "size": (-0.3, 0.3, 1.0), "codes": (1, 0)}, "impossible"),
        ({"rows": rows(), "size": (0.0, 0.3, 1.0), "codes": (1, 0)}, "impossible"),
        ({"rows": rows(), "size": (np.nan, 0.3, 1.0), "codes": (1, 0)}, "impossible"),
        (
            {"rows": rows(), "array": np.stack([values()] * 2), "shape": (4, 30, 16, 12, 2, 1, 1, 1)},
            "12 x 2, not a three",
        ),
        ({"rows": rows(), "array": np.stack([values()] * 2), "shape": (5, 30, 16, 12, 1, 2, 1, 1)}, "not a three"),
        ({"rows": rows(), "shape": (2, 30, 192, 1, 1, 1, 1, 1)}, "not a three"),
    ],
)
def test_a_header_that_would_misplace_the_voxels_is_refused(tmp_path, capfd, arguments, words):
    path = nifti(tmp_path / "a.nii", **arguments)
    with pytest.raises(InputError, match=words) as caught:
        read_labels(path, LABELS)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def quaternion(direction, origin):
    """b, c, d and offset of a qform in RAS, of a right-handed direction in LPS; lengths in mm."""
    turn = Rotation.from_matrix(np.diag([-1.0, -1.0, 1.0]) @ direction).as_quat(canonical=True)
    return (*turn[:3], *(np.array([-1.0, -1.0, 1.0]) * origin))


@pytest.mark.parametrize(
    ("codes", "taken"), [((1, 1), "sform"), ((1, 2), "qform"), ((2, 1), "sform"), ((1, 4), "qform")]
)
def test_two_placements_of_a_nifti(tmp_path, caplog, codes, taken):
    same = nifti(tmp_path / "same.nii", rows(), codes=codes, quaternion=quaternion(OBLIQUE, (12.0, 150.0, 1700.0)))
    assert np.abs(found(same) - places()).max() < 1e-3
    assert caplog.text == ""
    other = nifti(tmp_path / "other.nii", rows(), codes=codes, quaternion=quaternion(OBLIQUE, (12.0, 140.0, 1700.0)))
    origin = (12.0, 150.0 if taken == "sform" else 140.0, 1700.0)
    assert np.abs(found(other) - places(origin=origin)).max() < 1e-3
    assert f"up to 10 apart, in the unit of the file; the {taken} is taken" in caplog.text


def test_a_nifti_without_orientation_warns(tmp_path, caplog):
    assert len(found(nifti(tmp_path / "a.nii", rows(), codes=(0, 0)))) == np.count_nonzero(values() == 2)
    assert "left and right, front and back may be exchanged" in caplog.text


def nrrd(path, *lines, space="left-posterior-superior"):
    head = ["NRRD0004", "type: unsigned char", "dimension: 3", "sizes: 30 16 12", "encoding: gzip"]
    head += [f"space: {space}"] if space else []
    path.write_bytes("\n".join([*head, *lines]).encode() + b"\n\n" + gzip.compress(values().tobytes()))
    return path


AXES = "space directions: (0.3,0,0) (0,0.3,0) (0,0,1)"


def test_nrrd_of_right_anterior_superior_space(tmp_path):
    path = nrrd(tmp_path / "a.nrrd", AXES, "space origin: (1,2,3)", space="right-anterior-superior")
    assert np.abs(found(path) - places(np.diag([-1.0, -1.0, 1.0]), origin=(-1.0, -2.0, 3.0))).max() < 1e-9


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ((AXES, 'space units: "m" "m" "m"'), "space units are m"),
        (("space directions: (0.3,0,0) (0,0.3,0.1) (0,0,1)",), "right angles"),
        (("space directions: (0,0,0) (0,0.3,0) (0,0,1)",), "impossible"),
        (("space directions: (nan,0,0) (0,0.3,0) (0,0,1)",), "cannot be read"),
    ],
)
def test_nrrd_that_would_misplace_the_voxels_is_refused(tmp_path, capfd, lines, words):
    with pytest.raises(InputError, match=words):
        read_labels(nrrd(tmp_path / "a.nrrd", *lines), LABELS)
    assert capfd.readouterr().err == ""


def test_nrrd_without_space_warns(tmp_path, caplog):
    assert len(found(nrrd(tmp_path / "a.nrrd", "spacings: 0.3 0.3 1", space=None)))
    assert "may be exchanged" in caplog.text


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("ElementSpacing = 0.5 0.5 1", "ElementSpacing = -0.5 0.5 1", "impossible"),
        ("ElementSpacing = 0.5 0.5 1", "ElementSpacing = 0 0.5 1", "impossible"),
        ("ElementSpacing = 0.5 0.5 1", "ElementSpacing = nan 0.5 1", "not a number"),
        ("TransformMatrix = 1 0 0", "TransformMatrix = 1 0.2 0", "right angles"),
        ("TransformMatrix = 1 0 0", "TransformMatrix = nan 0 0", "not a number"),
        ("Offset = 0 0 0", "Offset = nan 0 0", "not a number"),
    ],
)
def test_metaimage_that_would_misplace_the_voxels_is_refused(tmp_path, capfd, old, new, words):
    image = sitk.GetImageFromArray(values())
    image.SetSpacing((0.5, 0.5, 1.0))
    sitk.WriteImage(image, str(tmp_path / "a.mha"))
    whole = (tmp_path / "a.mha").read_bytes()
    assert old.encode() in whole
    (tmp_path / "a.mha").write_bytes(whole.replace(old.encode(), new.encode()))
    with pytest.raises(InputError, match=words):
        read_labels(tmp_path / "a.mha", LABELS)
    assert capfd.readouterr().err == ""


def test_colour_image_is_refused(tmp_path):
    colours = sitk.GetImageFromArray(np.stack([values()] * 3, axis=-1), isVector=True)
    sitk.WriteImage(colours, str(tmp_path / "a.nii.gz"))
    with pytest.raises(InputError, match="several values a voxel"):
        read_labels(tmp_path / "a.nii.gz", LABELS)
