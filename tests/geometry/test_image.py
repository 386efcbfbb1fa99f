import numpy as np
import pytest
import SimpleITK as sitk

from hemo.errors import InputError
from hemo.geometry.image import AORTA, CORONARY, read_labels

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
    index = (11, 7, 6)
    expected = 1e-3 * np.asarray(written.TransformIndexToPhysicalPoint(index))
    assert image.to_points(np.array([index], dtype=float))[0] == pytest.approx(expected, abs=1e-7)
    assert image.to_index(expected[None])[0] == pytest.approx(index, abs=1e-3)
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


def test_two_dimensional_image_is_refused(tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(np.ones((8, 8), dtype=np.uint8)), str(tmp_path / "flat.mha"))
    with pytest.raises(InputError, match="three-dimensional"):
        read_labels(tmp_path / "flat.mha", LABELS)
