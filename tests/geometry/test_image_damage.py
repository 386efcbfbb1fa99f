"""Damaged label maps: each is read or refused in one sentence; one cut short never passes for a smaller lumen."""

import random
import shutil

import numpy as np
import pytest
import SimpleITK as sitk

from hemo.errors import InputError
from hemo.geometry.image.labelimage import label_file, read_labels
from tests.geometry.segmentations import SECRETS, lumen_at, places, segmentation
from tests.geometry.test_image_segments import slicer_nrrd, three

NAMES = {"aorta": "Aorta", "coronary": ["LCA", "RCA"]}
NUMBERS = {"aorta": 1, "coronary": [2, 3]}
FORMATS = ["a.nii", "a.nii.gz", "a.nrrd", "z.nrrd", "a.mha", "z.mha", "a.hdr", "a.seg.nrrd", "BINARY", "FRACTIONAL.dcm"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """One good file of each format."""
    folder = tmp_path_factory.mktemp("whole")
    array = three()
    for name in FORMATS[:7]:
        image = sitk.GetImageFromArray(array)
        image.SetSpacing((0.5, 0.5, 0.5))
        sitk.WriteImage(image, str(folder / name), useCompression=name.startswith("z") or name.endswith("gz"))
    layers = np.stack([array == value for value in (1, 2, 3)], axis=-1).astype(np.uint8)
    slicer_nrrd(folder / "a.seg.nrrd", layers, ["Aorta", "LCA", "RCA"], [(1, 0), (1, 1), (1, 2)])
    for name in FORMATS[-2:]:
        segmentation(lumen_at(places()), name.removesuffix(".dcm")).save_as(folder / name)
    return folder


def labels_for(name):
    return NAMES if name in FORMATS[-3:] else NUMBERS


def outcome(path, name):
    """The labels, or the sentence."""
    try:
        return read_labels(path, labels_for(name)).labels
    except InputError as error:
        return str(error)


@pytest.mark.parametrize("name", FORMATS)
def test_cut_short_anywhere(whole, tmp_path, name):
    data = (whole / name).read_bytes()
    expected = outcome(whole / name, name)
    if name == "a.hdr":
        shutil.copy(whole / "a.img", tmp_path)
    for cut in [0, 1, len(data) - 1, *np.linspace(2, len(data) - 2, 25).astype(int)]:
        (tmp_path / name).write_bytes(data[:cut])
        found = outcome(tmp_path / name, name)
        if isinstance(found, str):
            assert "\n" not in found
        else:
            assert np.array_equal(found, expected), cut


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_anywhere(whole, tmp_path, capfd, name):
    data = (whole / name).read_bytes()
    chance = random.Random(name)
    if name == "a.hdr":
        shutil.copy(whole / "a.img", tmp_path)
    for trial in range(25):
        damaged = bytearray(data)
        head = min(len(data), 3000 if name in FORMATS[-2:] else 400)
        for _ in range(chance.randrange(1, 8)):
            damaged[chance.randrange(head if trial % 2 else len(data))] = chance.randrange(256)
        (tmp_path / name).write_bytes(bytes(damaged))
        found = outcome(tmp_path / name, name)
        if isinstance(found, str):
            assert "\n" not in found
            assert len(found) < 600
            assert not any(secret in found for secret in SECRETS.values())
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("ending", ["nii", "nii.gz", "nrrd", "mha", "hdr", "dcm", "txt"])
def test_wrong_ending(whole, tmp_path, name, ending):
    path = tmp_path / f"other.{ending}"
    path.write_bytes((whole / name).read_bytes())
    readable = name in FORMATS[-2:] or (name != "a.hdr" and name.endswith(f".{ending}"))
    assert isinstance(outcome(path, name), np.ndarray) == readable


def test_a_damaged_length_does_not_spill_the_patient(whole, tmp_path):
    """An element whose length takes in all that follows: its value holds the patient's name."""
    data = (whole / "BINARY").read_bytes()
    place = data.index(b"\x08\x00\x16\x00UI") + 6
    (tmp_path / "seg.dcm").write_bytes(data[:place] + b"\xff\x7f" + data[place + 2 :])
    for call in (lambda: read_labels(tmp_path / "seg.dcm", NAMES), lambda: label_file(tmp_path)):
        with pytest.raises(InputError) as caught:
            call()
        assert not any(secret in str(caught.value) for secret in SECRETS.values())
        assert len(str(caught.value)) < 400
