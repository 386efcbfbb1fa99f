import struct

import numpy as np
import pytest
import SimpleITK as sitk

from hemo.errors import InputError
from hemo.geometry.image.imagefile import check_complete
from hemo.geometry.image.labelimage import AORTA, CORONARY, read_labels

LABELS = {"aorta": 1, "coronary": 2}
ANGLE = np.radians(30.0)
OBLIQUE = np.array([[np.cos(ANGLE), -np.sin(ANGLE), 0.0], [np.sin(ANGLE), np.cos(ANGLE), 0.0], [0.0, 0.0, 1.0]])


def values():
    array = np.zeros((12, 16, 20), dtype=np.uint8)  # z, y, x
    array[2:10, 4:12, 2:10] = 1
    array[5:7, 7:9, 10:18] = 2
    return array


def write(path, array, spacing=(0.4, 0.5, 0.8), direction=OBLIQUE):
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetOrigin((-12.0, -150.0, 1700.0))
    image.SetDirection(direction.ravel())
    sitk.WriteImage(image, str(path))
    return path, image


@pytest.mark.parametrize("ending", ["nii.gz", "nrrd", "mha"])
def test_every_format_gives_the_same_place_in_lps_metres(tmp_path, ending):
    path, written = write(tmp_path / f"lumen.{ending}", values())
    image = read_labels(path, LABELS)
    index = np.argwhere(values() == 2)[:, ::-1]
    places = 1e-3 * np.array([written.TransformIndexToPhysicalPoint(voxel.tolist()) for voxel in index])
    found = image.to_points(np.argwhere(image.labels == CORONARY)[:, ::-1].astype(float))
    assert found == pytest.approx(places, abs=1e-7)
    expected = places[3]
    assert image.to_points(image.to_index(expected[None]))[0] == pytest.approx(expected, abs=1e-9)
    assert image.values_at(expected[None])[0] == CORONARY
    assert np.count_nonzero(image.labels == AORTA) == 8 * 8 * 8
    assert image.spacing == pytest.approx([0.4e-3, 0.5e-3, 0.8e-3], rel=1e-6)


def test_other_label_numbers(tmp_path):
    array = values()
    array[array == 2] = 7
    path, _ = write(tmp_path / "lumen.nrrd", array)
    image = read_labels(path, {"aorta": 1, "coronary": 7})
    assert np.count_nonzero(image.labels == CORONARY) == 2 * 2 * 8


def test_lumen_without_aorta_label(tmp_path):
    path, _ = write(tmp_path / "lumen.nrrd", (values() > 0).astype(np.uint8))
    image = read_labels(path, {"coronary": 1})
    assert not image.has_aorta


def bad_images():
    apart = values()
    apart[5:7, 7:9, 10:12] = 0
    return {
        "empty": (np.zeros((5, 5, 5), dtype=np.uint8), LABELS, "empty"),
        "no coronary": (np.where(values() == 2, 0, values()), LABELS, "coronary label 2"),
        "no aorta": (np.where(values() == 1, 0, values()), LABELS, "aorta label 1"),
        "apart": (apart, LABELS, "touches no coronary"),
        "grey values": (np.random.default_rng(0).normal(size=(5, 5, 5)).astype(np.float32), LABELS, "not the CT image"),
        "one slice": (values()[:1], LABELS, "not a three-dimensional volume"),
        "no label stated": (values(), {"aorta": 1}, "state labels"),
    }


@pytest.mark.parametrize("name", list(bad_images()))
def test_bad_image_is_refused_in_one_sentence(tmp_path, name):
    array, labels, words = bad_images()[name]
    path, _ = write(tmp_path / "lumen.nrrd", array)
    with pytest.raises(InputError, match=words) as caught:
        read_labels(path, labels)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_spacing_in_metres_is_refused(tmp_path):
    path, _ = write(tmp_path / "lumen.nrrd", values(), spacing=(0.0004, 0.0004, 0.0004))
    with pytest.raises(InputError, match="correct the spacing"):
        read_labels(path, LABELS)


def test_missing_and_damaged_files(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_labels(tmp_path / "none.nii.gz", LABELS)
    path, _ = write(tmp_path / "lumen.nii.gz", values())
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="cannot be read"):
        read_labels(path, LABELS)
    (tmp_path / "text.nrrd").write_text("not an image")
    with pytest.raises(InputError, match="cannot be read"):
        read_labels(tmp_path / "text.nrrd", LABELS)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.95])
@pytest.mark.parametrize(
    ("name", "zipped"),
    [
        ("a.nii", False),
        ("a.nii.gz", True),
        ("a.hdr", False),
        ("a.img.gz", True),
        ("a.nrrd", False),
        ("a.nrrd", True),
        ("a.nhdr", True),
        ("a.mha", False),
        ("a.mha", True),
        ("a.mhd", True),
    ],
)
def test_file_cut_short_is_refused(tmp_path, name, zipped, share):
    sitk.WriteImage(sitk.GetImageFromArray(values()), str(tmp_path / name), useCompression=zipped)
    assert read_labels(tmp_path / name, LABELS).labels.sum() > 0
    data = max(tmp_path.iterdir(), key=lambda file: (file.stat().st_size, file.name))
    data.write_bytes(data.read_bytes()[: int(share * data.stat().st_size)])
    with pytest.raises(InputError, match="cannot be read") as caught:
        read_labels(tmp_path / name, LABELS)
    assert name in str(caught.value)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nrrd", "a.nhdr", "a.mha", "a.mhd"])
def test_damaged_file_is_refused(tmp_path, name):
    array = np.random.default_rng(0).integers(0, 3, size=(20, 20, 20)).astype(np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(array), str(tmp_path / name), useCompression=True)
    data = max(tmp_path.iterdir(), key=lambda file: file.stat().st_size)
    damaged = bytearray(data.read_bytes())
    middle = len(damaged) * 3 // 4
    damaged[middle : middle + 20] = bytes(20)
    data.write_bytes(bytes(damaged))
    with pytest.raises(InputError, match="cannot be read"):
        read_labels(tmp_path / name, LABELS)


def test_half_of_a_pair_and_other_formats_are_refused(tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(values()), str(tmp_path / "a.hdr"))
    (tmp_path / "a.img").unlink()
    with pytest.raises(InputError, match=r"a\.img.*missing"):
        read_labels(tmp_path / "a.hdr", LABELS)
    (tmp_path / "a.tif").write_bytes(b"II")
    with pytest.raises(InputError, match="NIfTI, NRRD, MetaImage"):
        read_labels(tmp_path / "a.tif", LABELS)


def test_nifti_2_and_big_endian_headers_are_understood(tmp_path):
    """What SimpleITK cannot write is written by hand; its reader and the check must agree."""
    header = bytearray(540)
    struct.pack_into("<i8s", header, 0, 540, b"n+2\0\r\n\x1a\n")
    struct.pack_into("<hh8q", header, 12, 2, 8, 3, 20, 16, 12, 1, 1, 1, 1)
    struct.pack_into("<8d", header, 104, 1, 1, 1, 1, 1, 1, 1, 1)
    struct.pack_into("<q", header, 168, 544)
    check_complete(whole := written(tmp_path / "two.nii", bytes(header) + bytes(4) + values().tobytes()))
    whole.write_bytes(whole.read_bytes()[:-1])
    with pytest.raises(InputError, match="cut short"):
        check_complete(whole)
    header = bytearray(348)
    struct.pack_into(">i", header, 0, 348)
    struct.pack_into(">8h", header, 40, 3, 20, 16, 12, 1, 1, 1, 1)
    struct.pack_into(">hh", header, 70, 2, 8)
    struct.pack_into(">8f", header, 76, *[1.0] * 8)
    struct.pack_into(">f", header, 108, 352.0)
    check_complete(whole := written(tmp_path / "big.nii", bytes(header) + bytes(4) + values().tobytes()))
    whole.write_bytes(whole.read_bytes()[:-1])
    with pytest.raises(InputError, match="cut short"):
        check_complete(whole)


def written(path, content):
    path.write_bytes(content)
    return path


def test_two_dimensional_image_is_refused(tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(np.ones((8, 8), dtype=np.uint8)), str(tmp_path / "flat.mha"))
    with pytest.raises(InputError, match="three-dimensional"):
        read_labels(tmp_path / "flat.mha", LABELS)
